//! What an IPv4 packet carries: UDP, TCP, or the news that nobody listens on a port.
//!
//! UDP is read by [`pxed_proto::wire::udp`], as the server reads it. TCP and ICMP are looked at
//! no closer than to find a request's head and a refused port.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::wire::udp::{self, Checksum, Malformed};

use super::tally::Skipped;

const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;

/// What a packet carries.
#[derive(Clone, Copy, Debug)]
pub enum Carried<'a> {
    /// A UDP datagram.
    Udp(Udp<'a>),
    /// A TCP segment, perhaps cut.
    Tcp(Segment<'a>),
    /// ICMP: nobody listens on a UDP port.
    Unreachable(Unreachable),
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    /// Who sent it.
    pub source: SocketAddrV4,
    /// Who shall have it.
    pub destination: SocketAddrV4,
    /// As much of it as was captured.
    pub payload: &'a [u8],
    /// How many octets behind it were not.
    pub lost: u64,
}

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Who sent it.
    pub source: SocketAddrV4,
    /// Who shall have it.
    pub destination: SocketAddrV4,
    /// The number of the payload's first octet.
    pub sequence: u32,
    /// As much of it as was captured.
    pub payload: &'a [u8],
}

/// An ICMP "port unreachable".
#[derive(Clone, Copy, Debug)]
pub struct Unreachable {
    /// Who says so.
    pub from: Ipv4Addr,
    /// Who sent the datagram that nobody wanted.
    pub source: SocketAddrV4,
    /// Where it was sent.
    pub destination: SocketAddrV4,
}

/// Takes a packet apart. A wrong UDP checksum is no damage: a capture on the sending machine sees
/// packets before the hardware has computed it.
pub fn parse(packet: &[u8], cut: bool) -> Result<Carried<'_>, Skipped> {
    let error = match udp::parse(packet, Checksum::NotReady) {
        Ok(udp::Datagram { source, destination, payload }) => {
            return Ok(Carried::Udp(Udp { source, destination, payload, lost: 0 }));
        }
        Err(Malformed::Fragment) => return Err(Skipped::Fragment),
        Err(error) => error,
    };
    match (other(packet, cut), error) {
        (Some(carried), _) => Ok(carried),
        (None, Malformed::NotUdp) => Err(Skipped::OtherProtocol),
        (None, _) if cut => Err(Skipped::Cut),
        (None, _) => Err(Skipped::Damaged),
    }
}

/// The packet with its header's checksum, where the capturing machine left it to its hardware: the
/// field is zero then.
pub fn sealed(packet: &[u8]) -> Cow<'_, [u8]> {
    if packet.get(10..12) != Some(&[0, 0]) {
        return Cow::Borrowed(packet);
    }
    let header = usize::from(packet.first().map_or(0, |first| first & 0xf)) * 4;
    let words = packet.get(..header).unwrap_or_default().as_chunks::<2>().0;
    let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    // At most 30 words: folding twice leaves no carry.
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let mut packet = packet.to_vec();
    if let (Some(field), Ok(sum)) = (packet.get_mut(10..12), u16::try_from(folded)) {
        field.copy_from_slice(&(!sum).to_be_bytes());
    }
    Cow::Owned(packet)
}

/// What the server's parser refuses and a reader of captures does not: TCP, ICMP, and UDP that was
/// cut; also where the packet is longer than it can say (segmentation left to the hardware).
fn other(packet: &[u8], cut: bool) -> Option<Carried<'_>> {
    let Ip { protocol, source, destination, payload } = Ip::parse(packet)?;
    match protocol {
        PROTOCOL_TCP => {
            let fixed = payload.first_chunk::<20>()?;
            Some(Carried::Tcp(Segment {
                source: SocketAddrV4::new(source, u16::from_be_bytes([fixed[0], fixed[1]])),
                destination: SocketAddrV4::new(
                    destination,
                    u16::from_be_bytes([fixed[2], fixed[3]]),
                ),
                sequence: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
                payload: payload.get(usize::from(fixed[12] >> 4) * 4..).unwrap_or_default(),
            }))
        }
        PROTOCOL_UDP if cut => {
            let (head, payload) = payload.split_first_chunk::<8>()?;
            let [a, b, c, d, length @ .., _, _] = *head;
            let length = usize::from(u16::from_be_bytes(length));
            let payload = payload.get(..payload.len().min(length.checked_sub(8)?))?;
            Some(Carried::Udp(Udp {
                source: SocketAddrV4::new(source, u16::from_be_bytes([a, b])),
                destination: SocketAddrV4::new(destination, u16::from_be_bytes([c, d])),
                payload,
                lost: (length - 8 - payload.len()) as u64,
            }))
        }
        PROTOCOL_ICMP => port_unreachable(source, payload).map(Carried::Unreachable),
        _ => None,
    }
}

/// ICMP type 3, code 3 (RFC 792), and of the datagram that it quotes the addresses and ports.
fn port_unreachable(from: Ipv4Addr, payload: &[u8]) -> Option<Unreachable> {
    let (&[3, 3, ..], quoted) = payload.split_first_chunk::<8>()? else { return None };
    let quoted = Ip::parse(quoted)?;
    let [a, b, c, d] = *quoted.payload.first_chunk()?;
    Some(Unreachable {
        from,
        source: SocketAddrV4::new(quoted.source, u16::from_be_bytes([a, b])),
        destination: SocketAddrV4::new(quoted.destination, u16::from_be_bytes([c, d])),
    })
}

/// An IPv4 header, read as far as it goes.
struct Ip<'a> {
    protocol: u8,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload: &'a [u8],
}

impl<'a> Ip<'a> {
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<20>()?;
        let header = usize::from(fixed[0] & 0xf) * 4;
        // Zero: longer than 16 bits can say.
        let end = match usize::from(u16::from_be_bytes([fixed[2], fixed[3]])) {
            0 => packet.len(),
            total => total.min(packet.len()),
        };
        Some(Self {
            protocol: fixed[9],
            source: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
            destination: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
            payload: packet.get(header.max(20)..end)?,
        })
    }
}
