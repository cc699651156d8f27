//! A lease as the log has it: octets, little-endian, and back.
//!
//! ```text
//! length of the rest u16 | address u32 | flags u8 | state u8 | granted u64 | expires u64 |
//! version u64 | htype u8 | hlen u8 | chaddr | then, as the flags say: client identifier,
//! host name, relay agent (address u32, information), each text with its length as u16
//! ```

use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{ClientKey, Lease, LeaseState, RelayAgent, Said};
use pxed_proto::machine::HardwareAddress;

const HAS_IDENTIFIER: u8 = 1;
const HAS_HOST_NAME: u8 = 2;
const HAS_RELAY: u8 = 4;

/// Appends a lease.
pub(super) fn write(lease: &Lease, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0, 0]);
    out.extend(lease.address.to_bits().to_le_bytes());
    let said = &lease.said;
    let (identifier, host_name, relay) = (said.identifier_octets(), said.host_name(), said.relay());
    let flag = |is: bool, flag| if is { flag } else { 0 };
    let flags = flag(identifier.is_some(), HAS_IDENTIFIER)
        | flag(host_name.is_some(), HAS_HOST_NAME)
        | flag(relay.is_some(), HAS_RELAY);
    out.extend([flags, state_number(lease.state)]);
    for number in [lease.granted.as_millis(), lease.expires.as_millis(), lease.version] {
        out.extend(number.to_le_bytes());
    }
    let octets = lease.hardware.octets();
    out.extend([lease.hardware.htype(), u8::try_from(octets.len()).unwrap_or(0)]);
    out.extend(octets);
    if let Some(identifier) = identifier {
        text(identifier, out);
    }
    if let Some(name) = host_name {
        text(name.as_bytes(), out);
    }
    if let Some(relay) = relay {
        out.extend(relay.address.to_bits().to_le_bytes());
        text(&relay.information, out);
    }
    let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
    if let Some(place) = out.get_mut(start..start + 2) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// What is longer than 65,535 octets is in no lease: `limits` sees to that.
fn text(octets: &[u8], out: &mut Vec<u8>) {
    let octets = octets.get(..usize::from(u16::MAX)).unwrap_or(octets);
    out.extend(u16::try_from(octets.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(octets);
}

/// The address of the first record, and the rest behind it. `None` if there is none that is whole.
pub(in crate::store) fn first(octets: &[u8]) -> Option<(Ipv4Addr, &[u8], &[u8])> {
    let mut reader = Reader(octets);
    let length = u16::from_le_bytes(reader.array()?);
    let record = reader.take(usize::from(length))?;
    let address = u32::from_le_bytes(Reader(record).array()?);
    Some((Ipv4Addr::from_bits(address), record, reader.0))
}

/// Reads a record that [`first`] found. `None` if it is no lease.
pub(in crate::store) fn read(record: &[u8]) -> Option<Lease> {
    let mut reader = Reader(record);
    let address = Ipv4Addr::from_bits(u32::from_le_bytes(reader.array()?));
    let [flags, state] = reader.array()?;
    let mut number = || reader.array().map(u64::from_le_bytes);
    let (granted, expires, version) = (number()?, number()?, number()?);
    let [htype, hlen] = reader.array()?;
    let mut chaddr = [0; 16];
    chaddr.get_mut(..usize::from(hlen))?.copy_from_slice(reader.take(usize::from(hlen))?);
    let hardware = HardwareAddress::new(htype, hlen, chaddr)?;
    let mut optional = |flag| (flags & flag != 0).then(|| reader.text());
    let client = match optional(HAS_IDENTIFIER) {
        Some(identifier) => ClientKey::Identifier(identifier?.into()),
        None => ClientKey::Hardware(hardware),
    };
    let host_name = match optional(HAS_HOST_NAME) {
        Some(name) => Some(std::str::from_utf8(name?).ok()?),
        None => None,
    };
    let relay = match flags & HAS_RELAY {
        0 => None,
        _ => {
            let address = Ipv4Addr::from_bits(u32::from_le_bytes(reader.array()?));
            Some(RelayAgent { address, information: reader.text()?.into() })
        }
    };
    Some(Lease {
        address,
        hardware,
        said: Said::new(&client, host_name, relay.as_ref()),
        state: state_of(state)?,
        granted: Timestamp::from_millis(granted),
        expires: Timestamp::from_millis(expires),
        version,
    })
}

/// The number of a state, in the log and in the database.
pub(in crate::store) fn state_number(state: LeaseState) -> u8 {
    match state {
        LeaseState::Leased => 0,
        LeaseState::Released => 1,
        LeaseState::Declined => 2,
        LeaseState::Conflict => 3,
    }
}

/// The state of a number.
pub(in crate::store) fn state_of(number: u8) -> Option<LeaseState> {
    use LeaseState::{Conflict, Declined, Leased, Released};
    [Leased, Released, Declined, Conflict].into_iter().find(|state| state_number(*state) == number)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_le_bytes(self.array()?);
        self.take(usize::from(length))
    }
}
