//! The test bed: a server on a LAN, the network behind a relay agent, and a store that says yes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::boot::Services;
use pxed_proto::catalog::{Catalog, Loader};
use pxed_proto::dhcp::{
    CommitError, CommitId, Config, Destination, Ignored, Lease, LeaseTime, Link, LinkId, NakReason,
    Output, Server, Subnet,
};
use pxed_proto::event::{DhcpEvent, Event, Outcome};
use pxed_proto::machine::Architecture;
use pxed_proto::net::{AddressRange, Ipv4Net};

use crate::client::{Sent, client};
use crate::oracle;

pub const SERVER: Ipv4Addr = local(1);
/// The server's second address on the same link.
pub const SECOND: Ipv4Addr = local(3);
pub const RELAY: Ipv4Addr = remote(1);
pub const OTHER_SERVER: Ipv4Addr = local(99);

/// An address of the LAN; .100 to .249 are the pool.
pub const fn local(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, host)
}

/// An address behind the relay agent; .100 to .249 are the pool.
pub const fn remote(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, host)
}

pub fn pool(first: Ipv4Addr, last: Ipv4Addr) -> Vec<AddressRange> {
    vec![AddressRange::new(first, last).unwrap()]
}

/// The configuration of the test bed. Link 0 is the LAN; the remote subnet is on no link here.
pub fn config() -> Config {
    let link = Link { name: Arc::from("lan"), addresses: vec![SERVER, SECOND], mtu: 1500 };
    let local = Subnet {
        net: Ipv4Net::new(local(0), 24).unwrap(),
        link: LinkId(0),
        pools: pool(local(100), local(249)),
        server: SERVER,
        services: Services { tftp: SERVER, http: SocketAddrV4::new(SERVER, 8067) },
        routers: vec![local(254)],
        dns: vec![local(53), local(54)],
        domain: Some("lab.example".to_owned()),
        lease_time: LeaseTime {
            min: Duration::from_secs(60),
            default: Duration::from_secs(600),
            max: Duration::from_secs(3600),
        },
    };
    let behind_relay = Subnet {
        net: Ipv4Net::new(remote(0), 24).unwrap(),
        link: LinkId(usize::MAX),
        pools: pool(remote(100), remote(249)),
        routers: vec![remote(254)],
        ..local.clone()
    };
    let catalog = Arc::new(Catalog { loaders: loaders(), ..Catalog::default() });
    Config { links: vec![link], subnets: vec![local, behind_relay], catalog }
}

fn loaders() -> Vec<Loader> {
    let loader = |file: &str, architectures: &[u16]| Loader {
        name: file.to_owned(),
        architectures: architectures.iter().map(|arch| Architecture(*arch)).collect(),
        file: file.to_owned(),
        companions: vec![],
    };
    vec![loader("undionly.kpxe", &[0]), loader("ipxe.efi", &[7, 9, 16])]
}

/// A server that hears what is sent, at a time that the test says.
pub struct Lan {
    pub server: Server,
    now: Timestamp,
    /// What the changes that wait for the store are answers to.
    waiting: BTreeMap<CommitId, Sent>,
}

impl Lan {
    pub fn new() -> Self {
        Self::of(config())
    }

    pub fn of(config: Config) -> Self {
        let server = Server::new(Arc::new(config));
        Self { server, now: second(0), waiting: BTreeMap::new() }
    }

    /// A LAN that differs from the usual one.
    pub fn with(change: impl FnOnce(&mut Subnet)) -> Self {
        let mut config = config();
        change(&mut config.subnets[0]);
        Self::of(config)
    }

    pub fn with_pool(first: Ipv4Addr, last: Ipv4Addr) -> Self {
        Self::with(|subnet| subnet.pools = pool(first, last))
    }

    /// It is now so many seconds after the test's beginning.
    pub fn at(&mut self, seconds: u64) -> &mut Self {
        self.now = second(seconds);
        self
    }

    /// A datagram comes in, and the store, if it is asked, says yes at once.
    pub fn hears(&mut self, sent: &Sent) -> Answer {
        let output = self.takes(sent);
        match output.commit {
            None => Answer::of(output, None),
            Some(commit) => {
                let done = self.store_says(commit.id, Ok(()));
                Answer::of(done, Some(commit.lease))
            }
        }
    }

    /// Octets come in that no client would send, and that deserve no reply.
    pub fn ignores(&mut self, datagram: &[u8]) -> Ignored {
        let arrival = client(0).discover().arrival;
        let plan = self.server.plan(self.now, LinkId(0), &arrival, datagram);
        Answer::of(self.server.apply(plan, self.now), None).silence()
    }

    /// A datagram comes in, and the store is not asked yet.
    pub fn takes(&mut self, sent: &Sent) -> Output {
        let datagram = sent.bytes();
        let plan = self.server.plan(self.now, LinkId(0), &sent.arrival, &datagram);
        let output = self.server.apply(plan, self.now);
        match &output.commit {
            Some(commit) => {
                assert_eq!((&output.event, &output.transmit), (&None, &None), "too early");
                self.waiting.insert(commit.id, sent.clone());
            }
            None => self.judge(sent, &output),
        }
        output
    }

    /// The store's answer.
    pub fn store_says(&mut self, id: CommitId, result: Result<(), CommitError>) -> Output {
        let output = self.server.committed(id, result, self.now);
        if let Some(sent) = self.waiting.remove(&id) {
            self.judge(&sent, &output);
        }
        output
    }

    /// What every datagram's end must look like.
    fn judge(&self, sent: &Sent, output: &Output) {
        let Some(Event::Dhcp(event)) = &output.event else { panic!("no event for {sent:?}") };
        if let Some(transmit) = &output.transmit {
            oracle::check(sent, event, transmit, 1500);
        }
    }

    /// Time passes without a datagram.
    pub fn wakes(&mut self) -> Vec<Event> {
        self.server.handle_timeout(self.now)
    }

    /// What the client with this number is offered.
    pub fn offers(&mut self, number: u32) -> Ipv4Addr {
        self.hears(&client(number).discover()).offer().yiaddr()
    }

    /// A whole DISCOVER, OFFER, REQUEST, ACK.
    pub fn leases(&mut self, number: u32) -> Ipv4Addr {
        let address = self.offers(number);
        self.hears(&client(number).selecting(address)).ack();
        address
    }

    /// The row of an address in the lease table that a client has.
    pub fn active(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.server.active_leases(self.now).find(|lease| lease.address == address)
    }
}

/// A time, in seconds since the test's beginning.
pub fn second(seconds: u64) -> Timestamp {
    Timestamp::from_millis((1_750_000_000 + seconds) * 1000)
}

/// What came of a datagram.
#[derive(Debug)]
pub struct Answer {
    pub event: DhcpEvent,
    pub reply: Option<Reply>,
    /// The lease that was written.
    pub stored: Option<Lease>,
}

impl Answer {
    fn of(output: Output, stored: Option<Lease>) -> Self {
        let Some(Event::Dhcp(event)) = output.event else { panic!("no event") };
        let reply = output.transmit.map(|transmit| Reply {
            destination: transmit.destination,
            source: transmit.source,
            bytes: transmit.message,
        });
        Self { event, reply, stored }
    }

    pub fn offer(self) -> Reply {
        self.reply_of_type(2)
    }

    pub fn ack(self) -> Reply {
        self.reply_of_type(5)
    }

    /// A NAK, and why.
    pub fn nak(self) -> (Reply, NakReason) {
        assert_eq!(self.stored, None);
        let Outcome::Refused { reason, .. } = self.event.outcome else { panic!("{self:?}") };
        (self.reply_of_type(6), reason)
    }

    /// No reply and no change, and why.
    pub fn silence(self) -> Ignored {
        assert!(self.reply.is_none() && self.stored.is_none(), "{self:?}");
        let Outcome::Ignored(reason) = self.event.outcome else { panic!("{self:?}") };
        reason
    }

    /// No reply, but a change.
    pub fn change(self) -> Lease {
        assert!(self.reply.is_none(), "{self:?}");
        self.stored.unwrap_or_else(|| panic!("nothing was stored: {}", self.event.done()))
    }

    fn reply_of_type(self, message_type: u8) -> Reply {
        let done = self.event.done().to_string();
        let reply = self.reply.unwrap_or_else(|| panic!("{done}"));
        assert_eq!(reply.option(53), Some(vec![message_type]), "{done}");
        reply
    }
}

/// A reply's bytes, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub destination: Destination,
    pub source: Ipv4Addr,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn flags(&self) -> u16 {
        u16::from_be_bytes([self.bytes[10], self.bytes[11]])
    }

    pub fn ciaddr(&self) -> Ipv4Addr {
        self.address_at(12)
    }

    pub fn yiaddr(&self) -> Ipv4Addr {
        self.address_at(16)
    }

    pub fn siaddr(&self) -> Ipv4Addr {
        self.address_at(20)
    }

    pub fn giaddr(&self) -> Ipv4Addr {
        self.address_at(24)
    }

    /// The `file` field without its zeros.
    pub fn file(&self) -> &str {
        let field = self.bytes[108..236].split(|byte| *byte == 0).next().unwrap();
        str::from_utf8(field).unwrap()
    }

    /// The options in their order; parts of one option are not joined.
    pub fn options(&self) -> Vec<(u8, Vec<u8>)> {
        oracle::options(&self.bytes)
    }

    pub fn codes(&self) -> Vec<u8> {
        self.options().into_iter().map(|(code, _)| code).collect()
    }

    /// An option's value, its parts joined.
    pub fn option(&self, code: u8) -> Option<Vec<u8>> {
        let parts = self.options().into_iter().filter(|(other, _)| *other == code);
        parts.map(|(_, value)| value).reduce(|joined, part| [joined, part].concat())
    }

    pub fn text(&self, code: u8) -> String {
        String::from_utf8(self.option(code).unwrap_or_default()).unwrap()
    }

    pub fn addresses(&self, code: u8) -> Vec<Ipv4Addr> {
        let value = self.option(code).unwrap_or_default();
        value.as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from_octets(*octets)).collect()
    }

    pub fn seconds(&self, code: u8) -> Option<u32> {
        self.option(code).map(|value| u32::from_be_bytes(value.try_into().unwrap()))
    }

    fn address_at(&self, offset: usize) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.bytes[offset..offset + 4].try_into().unwrap())
    }
}

/// To a client that has no address yet.
pub fn unicast(number: u32, address: Ipv4Addr) -> Destination {
    Destination::Unicast { mac: client(number).mac(), address }
}

/// To a host that has an address.
pub fn routed(address: Ipv4Addr, port: u16) -> Destination {
    Destination::Routed(SocketAddrV4::new(address, port))
}
