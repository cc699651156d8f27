//! What was said of a client, as it is kept with its lease: in one piece, since there are millions.

use std::sync::Arc;

use crate::dhcp::lease::ClientKey;
use crate::dhcp::octets::Octets;
use crate::dhcp::relay::RelayAgent;
use crate::limits;

/// What a client and its relay agent said beside the hardware address: the client identifier, if the
/// client is known by it, the host name and the relay agent. Nothing costs nothing.
///
/// One piece of memory: the flags, the lengths of identifier and name, these two, and of the relay
/// agent its address and what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(Option<Arc<[u8]>>);

/// The flags, and two lengths.
const HEAD: usize = 3;
const HAS_IDENTIFIER: u8 = 1;
const HAS_RELAY: u8 = 2;

impl Said {
    /// By these. What is longer than what is kept of a message (the limits are
    /// [`limits::CLIENT_ID_MAX`] and [`limits::HOST_NAME_MAX`]) is cut.
    pub fn new(client: &ClientKey, host_name: Option<&str>, relay: Option<&RelayAgent>) -> Self {
        let identifier = match client {
            ClientKey::Hardware(_) => None,
            ClientKey::Identifier(identifier) => Some(&**identifier),
        };
        let name = host_name.unwrap_or_default();
        if identifier.is_none() && name.is_empty() && relay.is_none() {
            return Self(None);
        }
        let id = cut(identifier.unwrap_or_default(), limits::CLIENT_ID_MAX);
        let name = cut(name.as_bytes(), name.floor_char_boundary(limits::HOST_NAME_MAX));
        let has_identifier = if identifier.is_some() { HAS_IDENTIFIER } else { 0 };
        let has_relay = if relay.is_some() { HAS_RELAY } else { 0 };
        let head = [has_identifier | has_relay, length(id), length(name)];
        let (address, information) =
            relay.map(|relay| (relay.address.octets(), &*relay.information)).unzip();
        let address = address.as_ref().map_or(&[][..], |address| address);
        // Straight into its place: the length is known.
        let all = head.iter().chain(id).chain(name).chain(address);
        Self(Some(all.chain(information.unwrap_or_default()).copied().collect()))
    }

    /// Option 61, if the client is known by it.
    pub fn identifier(&self) -> Option<Octets> {
        let all = self.0.as_ref()?;
        self.identifier_octets().map(|id| Octets::part(all, HEAD..HEAD + id.len()))
    }

    /// The same, not to keep.
    pub fn identifier_octets(&self) -> Option<&[u8]> {
        let Some([flags, id, _, rest @ ..]) = self.0.as_deref() else { return None };
        rest.get(..usize::from(*id)).filter(|_| flags & HAS_IDENTIFIER != 0)
    }

    /// What the client calls itself.
    pub fn host_name(&self) -> Option<&str> {
        let Some([_, id, name, rest @ ..]) = self.0.as_deref() else { return None };
        let name = rest.get(usize::from(*id)..)?.get(..usize::from(*name))?;
        str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }

    /// The relay agent.
    pub fn relay(&self) -> Option<RelayAgent> {
        let all = self.0.as_ref()?;
        let [flags, id, name, ..] = **all else { return None };
        let at = HEAD + usize::from(id) + usize::from(name);
        let address = all.get(at..)?.first_chunk::<4>().filter(|_| flags & HAS_RELAY != 0)?;
        let information = Octets::part(all, at + address.len()..all.len());
        Some(RelayAgent { address: (*address).into(), information })
    }
}

fn cut(octets: &[u8], most: usize) -> &[u8] {
    octets.get(..most).unwrap_or(octets)
}

/// Of what was cut to what fits.
fn length(octets: &[u8]) -> u8 {
    u8::try_from(octets.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::lease::testing::*;

    #[test]
    fn what_was_said_comes_back() {
        let long = "ä".repeat(200);
        let identifiers = [None, Some(vec![]), Some(vec![7; 255]), Some(vec![7; 5000])];
        let names = [None, Some("a"), Some(&*long)];
        let agent =
            |information: &[u8]| RelayAgent { address: ip(1), information: information.into() };
        let agents = [None, Some(agent(&[])), Some(agent(&[1; limits::RELAY_INFORMATION_MAX]))];
        for identifier in &identifiers {
            let id = identifier.clone().map(Octets::from);
            let client = id.clone().map_or(client(1), ClientKey::Identifier);
            for (name, agent) in names.iter().flat_map(|name| agents.iter().map(move |a| (name, a)))
            {
                let said = Said::new(&client, *name, agent.as_ref());
                let kept = identifier.as_deref().map(|id| cut(id, limits::CLIENT_ID_MAX));
                assert_eq!(said.identifier().as_deref(), kept);
                assert_eq!(said.identifier_octets(), kept);
                assert_eq!(said.host_name(), name.map(|name| &name[..name.len().min(252)]));
                assert_eq!(said.relay(), *agent);
                let nothing = (id.is_none(), name.is_none(), agent.is_none());
                assert_eq!(said == Said::default(), nothing == (true, true, true));
            }
        }
    }
}
