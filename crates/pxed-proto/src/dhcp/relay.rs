//! Relay agents, and what they say of a client (RFC 3046).

use std::net::Ipv4Addr;

use super::octets::Octets;
use crate::limits;
use crate::wire::dhcp::{Message, is_sub_options};
use crate::wire::options::code;

/// A sub-option of option 82 that decides something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the RFCs'")]
pub enum RelaySubOption {
    /// RFC 3046 section 3.1.
    CircuitId = 1,
    /// RFC 3046 section 3.2.
    RemoteId = 2,
    /// RFC 3527.
    LinkSelection = 5,
    /// RFC 5010.
    Flags = 10,
    /// RFC 5107.
    ServerIdentifierOverride = 11,
    /// RFC 8357.
    SourcePort = 19,
}

/// The flag of [`RelaySubOption::Flags`] of what the client sent to the relay agent by unicast.
const FLAG_UNICAST: u8 = 0x80;

/// The relay agent that a client is behind, and what it says of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayAgent {
    /// Its address (`giaddr`); 0.0.0.0 for a switch that only adds option 82.
    pub address: Ipv4Addr,
    /// Option 82; empty if it says nothing, or nothing legible.
    pub information: Octets,
}

/// Where clients are attached, as relay agents tell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A remote ID: it is to be unique, whatever the relay agent (RFC 3046 section 3.2).
    Remote(Vec<u8>),
    /// A circuit ID of one relay agent. Switches before it number their circuits alike, and tell
    /// themselves apart by their remote ID.
    Circuit(Ipv4Addr, Vec<u8>, Vec<u8>),
}

/// The same where it stands: in a message, or with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent<'a> {
    /// The relay agent's address; 0.0.0.0 for a switch.
    pub address: Ipv4Addr,
    /// Option 82.
    pub information: &'a [u8],
}

impl RelayAgent {
    /// The one that brought `message`.
    pub fn of(message: &Message<'_>, trusted: bool) -> Option<Self> {
        let information = message.option(code::RELAY_AGENT);
        let agent = Agent::of(message, information.as_deref(), trusted)?;
        Some(agent.keep())
    }

    /// The same, not to keep.
    pub fn view(&self) -> Agent<'_> {
        Agent { address: self.address, information: &self.information }
    }

    /// What the client shares a remote ID with, if that tells anybody from anybody.
    pub fn remote(&self) -> Option<Place> {
        self.view().remote()
    }

    /// The circuit that the client is attached to.
    pub fn circuit(&self) -> Option<Place> {
        self.view().circuit()
    }
}

impl<'a> Agent<'a> {
    /// What is said by who brought `message`, whose option 82 is `information`. What came without a
    /// relay agent has an option 82 of the client's own making, and nobody is to rely on that, unless
    /// the link is `trusted`: there a switch adds it, and lets no client say it.
    pub fn of(message: &Message<'_>, information: Option<&'a [u8]>, trusted: bool) -> Option<Self> {
        let address = message.giaddr;
        // It is kept with the lease.
        let legible = |octets: &&[u8]| {
            octets.len() <= limits::RELAY_INFORMATION_MAX && is_sub_options(octets)
        };
        let information = information.filter(legible);
        if address.is_unspecified() && !(trusted && information.is_some()) {
            return None;
        }
        Some(Self { address, information: information.unwrap_or_default() })
    }

    /// To be kept.
    pub fn keep(self) -> RelayAgent {
        let information = match self.information {
            [] => Octets::default(),
            said => said.into(),
        };
        RelayAgent { address: self.address, information }
    }

    /// What the client shares a remote ID with, if that tells anybody from anybody.
    pub fn remote(self) -> Option<Place> {
        let id = self.sub_option(RelaySubOption::RemoteId).filter(|id| !id.is_empty())?;
        Some(Place::Remote(id.to_vec()))
    }

    /// The circuit that the client is attached to.
    pub fn circuit(self) -> Option<Place> {
        let id = self.sub_option(RelaySubOption::CircuitId).filter(|id| !id.is_empty())?;
        let of = self.sub_option(RelaySubOption::RemoteId).unwrap_or_default();
        Some(Place::Circuit(self.address, of.to_vec(), id.to_vec()))
    }

    /// A sub-option of what it says.
    pub fn sub_option(self, wanted: RelaySubOption) -> Option<&'a [u8]> {
        let mut rest = self.information;
        while let [code, len, tail @ ..] = rest {
            let value = tail.get(..usize::from(*len))?;
            if *code == wanted as u8 {
                return Some(value);
            }
            rest = tail.get(value.len()..)?;
        }
        None
    }

    /// An address of the subnet that the client is on, where that is not the relay agent's own
    /// (RFC 3527 section 3). One that is not legible is an address of no subnet.
    pub fn selected_link(self) -> Option<Ipv4Addr> {
        let octets = self.sub_option(RelaySubOption::LinkSelection)?;
        Some(octets.try_into().map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from_octets))
    }

    /// What the client is to know the server by (RFC 5107 section 4): an address of the relay
    /// agent's, so that renewals go by it.
    pub fn server_identifier(self) -> Option<Ipv4Addr> {
        let octets = self.sub_option(RelaySubOption::ServerIdentifierOverride)?;
        let server = Ipv4Addr::from_octets(octets.try_into().ok()?);
        let is_host = !(server.is_unspecified()
            || server.is_loopback()
            || server.is_multicast()
            || server.is_broadcast());
        is_host.then_some(server)
    }

    /// Did the client send its message to the relay agent by unicast (RFC 5010 section 3)?
    pub fn was_unicast(self) -> bool {
        let flags = self.sub_option(RelaySubOption::Flags).and_then(<[u8]>::first);
        flags.is_some_and(|flags| flags & FLAG_UNICAST != 0)
    }

    /// Does it wait for the reply at the port that it sent from (RFC 8357 section 4)?
    pub fn uses_source_port(self) -> bool {
        self.sub_option(RelaySubOption::SourcePort).is_some()
    }
}

/// The relay agent that a client is behind: as it is kept with its lease, or as it was heard just now.
#[derive(Clone, Debug)]
pub enum Behind<'a> {
    /// The lease has it.
    Kept(RelayAgent),
    /// The message has it.
    Heard(Agent<'a>),
}

impl Behind<'_> {
    /// What it says of the client.
    pub fn agent(&self) -> Agent<'_> {
        match self {
            Self::Kept(agent) => agent.view(),
            Self::Heard(agent) => *agent,
        }
    }

    /// To be kept with a lease or an offer.
    pub fn keep(&self) -> RelayAgent {
        match self {
            Self::Kept(agent) => agent.clone(),
            Self::Heard(agent) => agent.keep(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dhcp::testing::{client_header, discover_with};
    use crate::wire::dhcp::{Header, Writer};

    const GIADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn relayed(information: &[u8]) -> RelayAgent {
        let mut writer = Writer::new(&Header { giaddr: GIADDR, ..client_header() }, 1472);
        assert!(writer.option(code::RELAY_AGENT, information));
        RelayAgent::of(&Message::parse(&writer.finish()).unwrap(), false).unwrap()
    }

    #[test]
    fn sub_options_are_found_in_what_is_legible() {
        let agent = relayed(&[9, 1, 7, 1, 4, b'p', b'o', b'r', b't', 2, 0]);
        assert_eq!(agent.address, GIADDR);
        assert_eq!(agent.view().sub_option(RelaySubOption::CircuitId), Some(&b"port"[..]));
        assert_eq!(agent.view().sub_option(RelaySubOption::RemoteId), Some(&[][..]));
        for damaged in [&[][..], &[1], &[2, 1, 7, 1, 9, 7]] {
            assert_eq!(*relayed(damaged).information, [], "{damaged:?}");
        }
    }

    #[test]
    fn what_is_said_of_the_way() {
        let agent = relayed(&[5, 4, 10, 1, 0, 0, 10, 1, 0x80, 11, 4, 10, 1, 0, 1, 19, 0]);
        assert_eq!(agent.view().selected_link(), Some(Ipv4Addr::new(10, 1, 0, 0)));
        assert_eq!(agent.view().server_identifier(), Some(Ipv4Addr::new(10, 1, 0, 1)));
        assert!(agent.view().was_unicast() && agent.view().uses_source_port());
        let agent = relayed(&[5, 3, 10, 1, 0, 10, 1, 0x7f, 11, 3, 10, 1, 0, 19, 2, 0, 67]);
        assert_eq!(agent.view().selected_link(), Some(Ipv4Addr::UNSPECIFIED), "of no subnet");
        assert_eq!((agent.view().server_identifier(), agent.view().was_unicast()), (None, false));
        assert!(agent.view().uses_source_port(), "whatever it holds");
        let agent = relayed(&[10, 0]);
        assert_eq!((agent.view().selected_link(), agent.view().was_unicast()), (None, false));
        assert!(!agent.view().uses_source_port());
        for nobody in [[0; 4], [127, 0, 0, 1], [224, 0, 0, 1], [255; 4]] {
            let agent = relayed(&[&[11, 4][..], &nobody].concat());
            assert_eq!(agent.view().server_identifier(), None, "{nobody:?}");
        }
    }

    #[test]
    fn item_82_without_a_relay_agent_its_information_is_nobodys() {
        let direct = discover_with(&[(82, &[1, 1, 7])]);
        let message = Message::parse(&direct).unwrap();
        assert_eq!(RelayAgent::of(&message, false), None);
        let switch = RelayAgent::of(&message, true).unwrap();
        assert_eq!((switch.address, &*switch.information), (Ipv4Addr::UNSPECIFIED, &[1, 1, 7][..]));
        for nothing in [discover_with(&[]), discover_with(&[(82, &[1, 9, 7])])] {
            assert_eq!(RelayAgent::of(&Message::parse(&nothing).unwrap(), true), None);
        }
    }
}
