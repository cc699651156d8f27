//! What came of a datagram, read field by field; nothing here uses the code under test.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxed_proto::dhcp::{Commit, Destination, Ignored, Lease, NakReason, Output};
use pxed_proto::event::{DhcpEvent, Event, Outcome};

use crate::client::client;
use crate::oracle;

/// What came of a datagram.
#[derive(Debug)]
pub struct Answer {
    pub event: DhcpEvent,
    pub reply: Option<Reply>,
    /// The lease that was written.
    pub stored: Option<Lease>,
    /// The lease that was given up for it.
    pub freed: Option<Lease>,
}

impl Answer {
    pub fn of(output: Output, commits: Vec<Commit>) -> Self {
        let Some(Event::Dhcp(event)) = output.event else { panic!("no event") };
        let reply = output.transmit.map(|transmit| Reply {
            destination: transmit.destination,
            source: *transmit.source.ip(),
            source_port: transmit.source.port(),
            delay: transmit.delay,
            bytes: transmit.message,
        });
        let mut leases = commits.into_iter().map(|commit| commit.lease);
        let (stored, freed) = (leases.next(), leases.next());
        assert_eq!(leases.next(), None);
        Self { event, reply, stored, freed }
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

    /// A BOOTREPLY to a BOOTP client.
    pub fn bootreply(self) -> Reply {
        let done = self.event.done().to_string();
        assert!(matches!(self.event.outcome, Outcome::BootReplied { .. }), "{done}");
        self.reply.unwrap()
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
    pub source_port: u16,
    pub delay: Duration,
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
