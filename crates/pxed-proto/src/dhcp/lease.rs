//! Leases: who has which address until when, as the store keeps it.

mod said;

use std::net::Ipv4Addr;
use std::time::Duration;

pub use self::said::Said;
use super::config::LeaseTime;
use super::octets::Octets;
use super::relay::RelayAgent;
use crate::Timestamp;
use crate::machine::{HardwareAddress, Machine};

/// How a client is told from others (RFC 2131 section 4.2).
///
/// Which of the two counts is the subnet's choice: [`Identity`](super::Identity).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKey {
    /// `htype` and `chaddr`.
    Hardware(HardwareAddress),
    /// Option 61.
    Identifier(Octets),
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseState {
    /// The client may use the address until it expires.
    Leased,
    /// The client gave it back; remembered, so that it gets it again.
    Released,
    /// A client found the address in use: nobody gets it until it "expires".
    Declined,
    /// An ARP probe found it in use: nobody gets it until it "expires", but for the machine that
    /// has it, which stands in the place of the client.
    Conflict,
}

/// One address and its client: a row of the store. There may be millions, so it is small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// The client's hardware: what it is known by, if it is not by what it said.
    pub hardware: HardwareAddress,
    /// What it and its relay agent said.
    pub said: Said,
    /// What became of it.
    pub state: LeaseState,
    /// When the last ACK was decided.
    pub granted: Timestamp,
    /// When the address is free again; for a released lease, when it was released.
    pub expires: Timestamp,
    /// How often the row was written: a change names the version that it replaces.
    pub version: u64,
}

impl Lease {
    /// Whose it is.
    pub fn client(&self) -> ClientKey {
        self.said.identifier().map_or(ClientKey::Hardware(self.hardware), ClientKey::Identifier)
    }

    /// Is it this client's?
    pub fn is_of(&self, client: &ClientKey) -> bool {
        match (client, self.said.identifier_octets()) {
            (ClientKey::Hardware(hardware), None) => self.hardware == *hardware,
            (ClientKey::Identifier(identifier), Some(own)) => **identifier == *own,
            _ => false,
        }
    }

    /// What the client calls itself (option 12), sanitised.
    pub fn host_name(&self) -> Option<&str> {
        self.said.host_name()
    }

    /// The relay agent by which the client got it: a renewal comes without it, and the client is
    /// to be treated the same.
    pub fn relay(&self) -> Option<RelayAgent> {
        self.said.relay()
    }

    /// The lease of a client that is known by its hardware, whatever identifier it had.
    pub fn by_hardware(self) -> Self {
        let client = ClientKey::Hardware(self.hardware);
        let said = Said::new(&client, self.host_name(), self.relay().as_ref());
        Self { said, ..self }
    }

    /// Is the address in use, or kept out of use, at `now`?
    pub fn is_running(&self, now: Timestamp) -> bool {
        self.state != LeaseState::Released && self.expires > now
    }

    /// Is it a lease no more, but the mark of an address that is out of use?
    pub fn is_mark(&self) -> bool {
        matches!(self.state, LeaseState::Declined | LeaseState::Conflict)
    }

    /// Does the client have the address at `now`?
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.state == LeaseState::Leased && self.is_running(now)
    }

    /// The lease as it is when the client gives it back at `now`.
    pub fn released(self, now: Timestamp) -> Self {
        let version = self.version + 1;
        Self { state: LeaseState::Released, expires: now, version, ..self }
    }

    /// Whose it is, for people.
    pub fn machine(&self) -> Machine {
        Machine { hardware: self.hardware, uuid: None }
    }
}

/// When a lease of `lease_time` that begins at `now` ends.
pub fn expiry(now: Timestamp, lease_time: Duration) -> Timestamp {
    if lease_time >= LeaseTime::INFINITE { Timestamp::FOREVER } else { now + lease_time }
}

#[cfg(test)]
pub(super) mod testing {
    //! Leases for tests.

    use super::*;
    use crate::net::Mac;

    /// 10.0.0.`host`.
    pub fn ip(host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, host)
    }

    /// A time, in seconds.
    pub fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// A client, by its number.
    pub fn client(number: u8) -> ClientKey {
        ClientKey::Hardware(HardwareAddress::from(Mac([2, 0, 0, 0, 0, number])))
    }

    /// The first lease of an address, from 0 until `expires`.
    pub fn lease(host: u8, number: u8, expires: u64) -> Lease {
        Lease {
            address: ip(host),
            hardware: HardwareAddress::from(Mac([2, 0, 0, 0, 0, number])),
            said: Said::default(),
            state: LeaseState::Leased,
            granted: at(0),
            expires: at(expires),
            version: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;

    #[test]
    fn only_what_is_leased_is_active_and_what_is_released_is_over() {
        for (state, running, active) in [
            (LeaseState::Leased, true, true),
            (LeaseState::Declined, true, false),
            (LeaseState::Conflict, true, false),
            (LeaseState::Released, false, false),
        ] {
            let lease = Lease { state, ..lease(1, 1, 10) };
            assert_eq!((lease.is_running(at(9)), lease.is_active(at(9))), (running, active));
            assert!(!lease.is_running(at(10)) && !lease.is_active(at(10)));
        }
    }

    /// A client is known by its hardware or by its identifier, never by both.
    #[test]
    fn whose_it_is() {
        let identifier = ClientKey::Identifier([1, 2].as_slice().into());
        let said = Said::new(&identifier, Some("a"), None);
        let (plain, by_identifier) = (lease(1, 1, 10), Lease { said, ..lease(1, 1, 10) });
        for (lease, client, other) in [
            (&plain, client(1), &identifier),
            (&by_identifier, identifier.clone(), &client(1)),
            (&by_identifier.clone().by_hardware(), client(1), &identifier),
        ] {
            assert_eq!(lease.client(), client);
            assert!(lease.is_of(&client) && !lease.is_of(other));
        }
        assert_eq!(by_identifier.by_hardware().host_name(), Some("a"));
    }

    /// Millions of them are kept.
    #[test]
    fn it_is_small() {
        assert_eq!(size_of::<Lease>(), 64);
    }

    #[test]
    fn an_infinite_lease_never_ends() {
        assert_eq!(expiry(at(5), Duration::from_secs(60)), at(65));
        assert_eq!(expiry(at(5), LeaseTime::INFINITE), Timestamp::FOREVER);
        let endless = Lease { expires: Timestamp::FOREVER, ..lease(1, 1, 0) };
        assert!(endless.is_active(at(1 << 40)));
    }
}
