//! The test bed: a server on a LAN, the network behind a relay agent, and a store that says yes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::boot::Services;
use pxed_proto::catalog::{Catalog, Loader};
use pxed_proto::dhcp::{
    Arrival, Census, Commit, CommitError, CommitId, Config, Ignored, Lease, LeaseTime, Link,
    LinkId, OptionSetting, Output, Policy, Pool, Probe, Secret, Server, Subnet, SubnetUse,
};
use pxed_proto::event::Event;
use pxed_proto::machine::Architecture;
use pxed_proto::net::{AddressRange, Ipv4Net, Mac};

pub use crate::answer::*;
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

pub fn pool(first: Ipv4Addr, last: Ipv4Addr) -> Vec<Pool> {
    vec![Pool::from(AddressRange::new(first, last).unwrap())]
}

/// An option for clients that ask for it.
pub fn option(code: u8, value: impl AsRef<[u8]>) -> OptionSetting {
    OptionSetting { code, value: value.as_ref().to_vec(), always: false, booting_only: false }
}

/// The same, of addresses.
pub fn addresses(code: u8, addresses: &[Ipv4Addr]) -> OptionSetting {
    option(code, addresses.iter().flat_map(|address| address.octets()).collect::<Vec<u8>>())
}

/// Puts options in the place of those that are there.
pub fn set(options: &mut Vec<OptionSetting>, new: impl IntoIterator<Item = OptionSetting>) {
    for setting in new {
        options.retain(|old| old.code != setting.code);
        options.push(setting);
    }
}

/// The configuration of the test bed. Link 0 is the LAN; the remote subnet is on no link here.
pub fn config() -> Config {
    let link = Link { name: Arc::from("lan"), addresses: vec![SERVER, SECOND], mtu: 1500 };
    let services =
        Services { tftp: SERVER, http: SocketAddrV4::new(SERVER, 8067), https_port: None };
    let seconds = Duration::from_secs;
    let time = LeaseTime { min: seconds(60), default: seconds(600), max: seconds(3600) };
    let net = |address| Ipv4Net::new(address, 24).unwrap();
    let mut here = Subnet::new(net(local(0)), Some(LinkId(0)), services, time);
    here.pools = pool(local(100), local(249));
    here.conflict_probe = None;
    here.settings.options = vec![
        addresses(3, &[local(254)]),
        addresses(6, &[local(53), local(54)]),
        option(15, "lab.example"),
    ];
    let mut behind_relay = Subnet { net: net(remote(0)), link: None, ..here.clone() };
    behind_relay.pools = pool(remote(100), remote(249));
    set(&mut behind_relay.settings.options, [addresses(3, &[remote(254)])]);
    let catalog = Arc::new(Catalog { loaders: loaders(), ..Catalog::default() });
    let subnets = vec![here, behind_relay];
    let host_name = Some("boot.lab.example".to_owned());
    Config { links: vec![link], subnets, policy: Policy::default(), catalog, host_name }
}

fn loaders() -> Vec<Loader> {
    let loader = |file: &str, architectures: &[u16]| Loader {
        name: file.to_owned(),
        architectures: architectures.iter().map(|arch| Architecture(*arch)).collect(),
        file: file.into(),
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
        let server = Server::new(Arc::new(config), Secret::default());
        Self { server, now: second(0), waiting: BTreeMap::new() }
    }

    /// A LAN that differs from the usual one.
    pub fn with(change: impl FnOnce(&mut Subnet)) -> Self {
        Self::configured(|config| change(&mut config.subnets[0]))
    }

    /// A server whose configuration differs from the usual one.
    pub fn configured(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self::of(config)
    }

    /// How full the pools are at that time.
    pub fn pool_use(&self, seconds: u64) -> Vec<SubnetUse> {
        let mut census = Census::default();
        assert!(self.server.count_pools(&mut census, usize::MAX, second(seconds)));
        census.into_subnets()
    }

    /// The server's configuration is changed.
    pub fn reload(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::clone(self.server.config());
        change(&mut config);
        self.server.reconfigure(Arc::new(config), self.now);
    }

    pub fn with_pool(first: Ipv4Addr, last: Ipv4Addr) -> Self {
        Self::with(|subnet| subnet.pools = pool(first, last))
    }

    /// It is now so many seconds after the test's beginning.
    pub fn at(&mut self, seconds: u64) -> &mut Self {
        self.now = second(seconds);
        self
    }

    /// It is now so many milliseconds after the test's beginning.
    pub fn at_millis(&mut self, millis: u64) -> &mut Self {
        self.now = second(0) + Duration::from_millis(millis);
        self
    }

    /// A datagram comes in, and the store, if it is asked, says yes at once.
    pub fn hears(&mut self, sent: &Sent) -> Answer {
        let mut output = self.takes(sent);
        let commits = std::mem::take(&mut output.commits);
        for (i, commit) in commits.iter().enumerate() {
            let done = self.store_says(commit.id, Ok(()));
            // What is told hangs on the first one.
            if i == 0 {
                output = done;
            } else {
                assert_eq!(done, Output::default());
            }
        }
        Answer::of(output, commits.into_iter().collect())
    }

    /// Octets come in that no client would send, and that deserve no reply.
    pub fn ignores(&mut self, datagram: &[u8]) -> Ignored {
        let arrival = client(0).discover().arrival;
        let plan = self.server.plan(self.now, LinkId(0), &arrival, datagram);
        Answer::of(self.server.apply(plan, self.now), vec![]).silence()
    }

    /// Octets come in as they were captured, and the store says yes at once.
    pub fn hears_octets(&mut self, arrival: &Arrival, datagram: &[u8]) -> Answer {
        let plan = self.server.plan(self.now, LinkId(0), arrival, datagram);
        let mut output = self.server.apply(plan, self.now);
        let commits = std::mem::take(&mut output.commits);
        for commit in &commits {
            output = self.server.committed(commit.id, Ok(()), self.now);
        }
        Answer::of(output, commits.into_iter().collect())
    }

    /// A datagram comes in, and the store is not asked yet.
    pub fn takes(&mut self, sent: &Sent) -> Output {
        let datagram = sent.bytes();
        let plan = self.server.plan(self.now, LinkId(0), &sent.arrival, &datagram);
        let output = self.server.apply(plan, self.now);
        match &output.commits[..] {
            [] if output.probe.is_some() => assert_eq!(output.transmit, None, "too early"),
            [] => self.judge(sent, &output),
            [first, ..] => {
                assert_eq!((&output.event, &output.transmit), (&None, &None), "too early");
                self.waiting.insert(first.id, sent.clone());
            }
        }
        output
    }

    /// What the driver heard of a probe; the store says yes to what comes of it.
    pub fn probed(&mut self, probe: &Probe, found: Option<Mac>) -> Probed {
        let mut output = self.server.probed(probe, found, self.now);
        let commits = std::mem::take(&mut output.commits);
        let told = |lan: &mut Self, commit: &Commit| lan.store_says(commit.id, Ok(())).event;
        let found = commits.iter().filter_map(|commit| told(self, commit)).collect();
        Probed { found, output }
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
        let mut told = Vec::new();
        while self.server.poll_timeout().is_some_and(|due| due <= self.now) {
            told.extend(self.wakes_once());
        }
        told
    }

    /// The same, and a datagram comes before all is done.
    pub fn wakes_once(&mut self) -> Vec<Event> {
        self.server.handle_timeout(self.now)
    }

    /// What the client with this number is offered.
    pub fn offers(&mut self, number: u32) -> Ipv4Addr {
        self.hears(&client(number).discover()).offer().yiaddr()
    }

    /// A whole DISCOVER, OFFER, REQUEST, ACK.
    pub fn leases(&mut self, number: u32) -> Ipv4Addr {
        self.leases_as(number, |sent| sent)
    }

    /// The same of a client that says something more each time, or says it elsewhere.
    pub fn leases_as(&mut self, number: u32, as_: impl Fn(Sent) -> Sent) -> Ipv4Addr {
        let address = self.hears(&as_(client(number).discover())).offer().yiaddr();
        self.hears(&as_(client(number).selecting(address))).ack();
        address
    }

    /// The row of an address in the lease table that a client has.
    pub fn active(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.server.active_leases(self.now).find(|lease| lease.address == address)
    }
}

/// What comes of an answer to a probe, or of none.
#[derive(Debug)]
pub struct Probed {
    /// Who was found where nobody should be.
    pub found: Vec<Event>,
    /// What becomes of the DISCOVER that waited.
    pub output: Output,
}

/// A time, in seconds since the test's beginning.
pub fn second(seconds: u64) -> Timestamp {
    Timestamp::from_millis((1_750_000_000 + seconds) * 1000)
}
