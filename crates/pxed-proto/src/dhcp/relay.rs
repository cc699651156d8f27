//! Relay agents, and what they say of a client (RFC 3046).

use std::net::Ipv4Addr;

use crate::wire::dhcp::{Message, is_sub_options};
use crate::wire::options::code;

/// A sub-option of option 82 (RFC 3046 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the RFC's")]
pub enum RelaySubOption {
    CircuitId = 1,
    RemoteId = 2,
}

/// The relay agent that a client is behind, and what it says of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayAgent {
    /// Its address (`giaddr`).
    pub address: Ipv4Addr,
    /// Option 82; empty if it says nothing, or nothing legible.
    pub information: Vec<u8>,
}

impl RelayAgent {
    /// The one that brought `message`. What came without one has an option 82 of the client's own
    /// making, and nobody is to rely on that.
    pub fn of(message: &Message<'_>) -> Option<Self> {
        let address = Some(message.giaddr).filter(|giaddr| !giaddr.is_unspecified())?;
        let information = message.option(code::RELAY_AGENT);
        // It is kept with the lease: one option's worth, which is all that the RFC knows.
        let legible = |octets: &[u8]| octets.len() <= 255 && is_sub_options(octets);
        let information = information.filter(|octets| legible(octets)).unwrap_or_default();
        Some(Self { address, information: information.into_owned() })
    }

    /// A sub-option of what it says.
    pub fn sub_option(&self, wanted: RelaySubOption) -> Option<&[u8]> {
        let mut rest = &*self.information;
        while let [code, len, tail @ ..] = rest {
            let value = tail.get(..usize::from(*len))?;
            if *code == wanted as u8 {
                return Some(value);
            }
            rest = tail.get(value.len()..)?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dhcp::testing::{client_header, discover_with};
    use crate::wire::dhcp::{Header, Writer};

    fn relayed(information: &[u8]) -> RelayAgent {
        let giaddr = Ipv4Addr::new(10, 0, 0, 1);
        let mut writer = Writer::new(&Header { giaddr, ..client_header() }, 1472);
        assert!(writer.option(code::RELAY_AGENT, information));
        RelayAgent::of(&Message::parse(&writer.finish()).unwrap()).unwrap()
    }

    #[test]
    fn sub_options_are_found_in_what_is_legible() {
        let agent = relayed(&[9, 1, 7, 1, 4, b'p', b'o', b'r', b't', 2, 0]);
        assert_eq!(agent.address, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(agent.sub_option(RelaySubOption::CircuitId), Some(&b"port"[..]));
        assert_eq!(agent.sub_option(RelaySubOption::RemoteId), Some(&[][..]));
        for damaged in [&[][..], &[1], &[2, 1, 7, 1, 9, 7]] {
            assert_eq!(relayed(damaged).information, [], "{damaged:?}");
        }
    }

    #[test]
    fn item_82_without_a_relay_agent_its_information_is_nobodys() {
        let direct = discover_with(&[(82, &[1, 1, 7])]);
        assert_eq!(RelayAgent::of(&Message::parse(&direct).unwrap()), None);
    }
}
