//! Link layers: what stands in front of an IPv4 packet.

use std::fmt;

use pxed_proto::net::Mac;

use super::capture::Frame;
use super::tally::Skipped;

/// LINKTYPE numbers (tcpdump.org/linktypes.html).
mod link_type {
    pub const ETHERNET: u16 = 1;
    /// Raw IP; 12 and 14 are what BSDs call it.
    pub const RAW: [u16; 4] = [101, 228, 12, 14];
    /// "Linux cooked": `tcpdump -i any`.
    pub const COOKED: u16 = 113;
    /// Its second version, with the interface in it.
    pub const COOKED_V2: u16 = 276;
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad, and what came before 802.1ad.
const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// The most VLAN tags of a frame: two are in use (QinQ), more is nonsense.
const VLAN_TAGS_MAX: usize = 4;

/// An IPv4 packet, and how it came.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// When, in nanoseconds since the Unix epoch.
    pub at: u64,
    /// Who sent the frame, where the link layer says so.
    pub source: Option<Mac>,
    /// On which interface it was heard; `None` where several are possible.
    pub interface: Option<u32>,
    /// The VLAN tags, outermost first.
    pub vlans: Vlans,
    /// The IPv4 packet, perhaps with padding behind it.
    pub octets: &'a [u8],
}

/// Numbers of VLANs, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vlans(Vec<u16>);

impl fmt::Display for Vlans {
    /// ` on VLAN 10`, ` on VLAN 10.20`, or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, vlan)| {
            let separator = if i == 0 { " on VLAN " } else { "." };
            write!(f, "{separator}{vlan}")
        })
    }
}

/// Takes the link layer off.
pub fn strip<'a>(frame: &Frame<'a>) -> Result<Packet<'a>, Skipped> {
    let too_short = if frame.cut { Skipped::Cut } else { Skipped::Damaged };
    let head = match frame.link_type {
        link_type::ETHERNET => ethernet(frame),
        link_type::COOKED => cooked(frame.octets),
        link_type::COOKED_V2 => cooked_v2(frame.octets),
        raw if link_type::RAW.contains(&raw) => raw_ip(frame),
        other => return Err(Skipped::LinkType(other)),
    };
    let Head { source, interface, ethertype, rest } = head.ok_or(too_short)?;
    let (vlans, ethertype, octets) = untagged(ethertype, rest).ok_or(too_short)?;
    match ethertype {
        ETHERTYPE_IPV4 => Ok(Packet { at: frame.at, source, interface, vlans, octets }),
        ETHERTYPE_IPV6 if is_dhcpv6(octets) => Err(Skipped::Dhcpv6),
        _ => Err(Skipped::OtherProtocol),
    }
}

/// A link layer header.
struct Head<'a> {
    source: Option<Mac>,
    interface: Option<u32>,
    ethertype: u16,
    rest: &'a [u8],
}

fn ethernet<'a>(frame: &Frame<'a>) -> Option<Head<'a>> {
    let (head, rest) = frame.octets.split_first_chunk::<14>()?;
    let source = head.get(6..12)?.try_into().ok().map(Mac);
    let ethertype = u16::from_be_bytes([head[12], head[13]]);
    Some(Head { source, interface: Some(frame.interface), ethertype, rest })
}

fn cooked(octets: &[u8]) -> Option<Head<'_>> {
    let (head, rest) = octets.split_first_chunk::<16>()?;
    let source = cooked_source([head[4], head[5]], head.get(6..12)?);
    Some(Head {
        source,
        interface: None,
        ethertype: u16::from_be_bytes([head[14], head[15]]),
        rest,
    })
}

fn cooked_v2(octets: &[u8]) -> Option<Head<'_>> {
    let (head, rest) = octets.split_first_chunk::<20>()?;
    let source = cooked_source([0, head[11]], head.get(12..18)?);
    let interface = Some(u32::from_be_bytes([head[4], head[5], head[6], head[7]]));
    Some(Head { source, interface, ethertype: u16::from_be_bytes([head[0], head[1]]), rest })
}

/// The sender of a cooked frame, if its address has six octets.
fn cooked_source(len: [u8; 2], address: &[u8]) -> Option<Mac> {
    if len == [0, 6] { address.try_into().ok().map(Mac) } else { None }
}

fn raw_ip<'a>(frame: &Frame<'a>) -> Option<Head<'a>> {
    let ethertype = match frame.octets.first()? >> 4 {
        4 => ETHERTYPE_IPV4,
        6 => ETHERTYPE_IPV6,
        _ => 0,
    };
    let (source, interface) = (None, Some(frame.interface));
    Some(Head { source, interface, ethertype, rest: frame.octets })
}

/// Passes over VLAN tags.
fn untagged(mut ethertype: u16, mut rest: &[u8]) -> Option<(Vlans, u16, &[u8])> {
    let mut vlans = Vlans::default();
    while ETHERTYPES_VLAN.contains(&ethertype) && vlans.0.len() < VLAN_TAGS_MAX {
        let ([a, b, c, d], behind) = rest.split_first_chunk()?;
        vlans.0.push(u16::from_be_bytes([*a, *b]) & 0xfff);
        (ethertype, rest) = (u16::from_be_bytes([*c, *d]), behind);
    }
    Some((vlans, ethertype, rest))
}

/// UDP from or to ports 546 and 547, without extension headers.
fn is_dhcpv6(octets: &[u8]) -> bool {
    let ports = octets.get(40..44).unwrap_or_default();
    octets.get(6) == Some(&17) && ports.chunks(2).any(|port| matches!(port, [2, 34 | 35]))
}
