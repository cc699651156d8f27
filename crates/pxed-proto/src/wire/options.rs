//! DHCP options (RFC 2132 and the IANA registry): their numbers, names and how to read them.

use std::fmt;
use std::net::Ipv4Addr;

use super::dhcp::{Message, MessageType};
use crate::machine::{Architecture, Uuid};
use crate::text::{Hex, Printable};

/// Option numbers.
#[allow(missing_docs, reason = "the names are the registry's; the table below has the RFCs")]
pub mod code {
    pub const PAD: u8 = 0;
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DOMAIN_NAME_SERVER: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const BROADCAST_ADDRESS: u8 = 28;
    pub const VENDOR_SPECIFIC: u8 = 43;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_IDENTIFIER: u8 = 54;
    pub const PARAMETER_REQUEST_LIST: u8 = 55;
    pub const MESSAGE: u8 = 56;
    pub const MAX_MESSAGE_SIZE: u8 = 57;
    pub const RENEWAL_TIME: u8 = 58;
    pub const REBINDING_TIME: u8 = 59;
    pub const VENDOR_CLASS: u8 = 60;
    pub const CLIENT_IDENTIFIER: u8 = 61;
    pub const TFTP_SERVER_NAME: u8 = 66;
    pub const BOOT_FILE_NAME: u8 = 67;
    pub const USER_CLASS: u8 = 77;
    pub const RELAY_AGENT: u8 = 82;
    pub const CLIENT_ARCHITECTURE: u8 = 93;
    pub const CLIENT_INTERFACE: u8 = 94;
    pub const CLIENT_MACHINE_ID: u8 = 97;
    pub const IPXE: u8 = 175;
    pub const END: u8 = 255;
}

/// How an option's value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Addresses,
    Number,
    Text,
    Codes,
    Seconds,
    MessageType,
    Architecture,
    MachineId,
    Bytes,
}

/// The options that turn up on a network that boots machines: number, name in the IANA registry's
/// words, and how to read it. What is missing here is shown by number, in hex.
const TABLE: &[(u8, &str, Kind)] = {
    use Kind::*;
    &[
        (1, "subnet mask", Addresses),
        (2, "time offset", Number),
        (3, "router", Addresses),
        (4, "time server", Addresses),
        (6, "domain name server", Addresses),
        (7, "log server", Addresses),
        (12, "host name", Text),
        (13, "boot file size", Number),
        (15, "domain name", Text),
        (17, "root path", Text),
        (18, "extensions path", Text),
        (22, "maximum datagram reassembly size", Number),
        (23, "default IP TTL", Number),
        (26, "interface MTU", Number),
        (28, "broadcast address", Addresses),
        (33, "static route", Addresses),
        (40, "NIS domain", Text),
        (41, "NIS servers", Addresses),
        (42, "NTP servers", Addresses),
        (43, "vendor specific information", Bytes),
        (44, "NetBIOS name servers", Addresses),
        (50, "requested IP address", Addresses),
        (51, "IP address lease time", Seconds),
        (52, "option overload", Number),
        (53, "DHCP message type", MessageType),
        (54, "server identifier", Addresses),
        (55, "parameter request list", Codes),
        (56, "message", Text),
        (57, "maximum DHCP message size", Number),
        (58, "renewal (T1) time", Seconds),
        (59, "rebinding (T2) time", Seconds),
        (60, "vendor class identifier", Text),
        (61, "client identifier", Bytes),
        (66, "TFTP server name", Text),
        (67, "boot file name", Text),
        (77, "user class", Text),
        (80, "rapid commit", Bytes),
        (81, "client FQDN", Bytes),
        (82, "relay agent information", Bytes),
        (93, "client system architecture", Architecture),
        (94, "client network interface", Bytes),
        (97, "client machine identifier", MachineId),
        (108, "IPv6-only preferred", Seconds),
        (114, "captive portal", Text),
        (116, "auto-configure", Number),
        (118, "subnet selection", Addresses),
        (119, "domain search", Bytes),
        (121, "classless static route", Bytes),
        (124, "vendor-identifying vendor class", Bytes),
        (125, "vendor-identifying vendor options", Bytes),
        (150, "TFTP server address", Addresses),
        (175, "iPXE", Bytes),
        (209, "configuration file", Text),
        (210, "path prefix", Text),
        (252, "web proxy auto-discovery", Text),
    ]
};

fn entry(code: u8) -> Option<(&'static str, Kind)> {
    TABLE.iter().find(|(number, ..)| *number == code).map(|&(_, name, kind)| (name, kind))
}

/// The option's name in the IANA registry's words, if it is one of those known here.
pub fn name(code: u8) -> Option<&'static str> {
    entry(code).map(|(name, _)| name)
}

/// One option, decoded for people: `domain name server (6): 192.168.77.1`.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a>(pub u8, pub &'a [u8]);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(code, value) = *self;
        let (name, kind) = entry(code).unwrap_or(("option", Kind::Bytes));
        write!(f, "{name} ({code}): ")?;
        match decoded(kind, value, f) {
            Some(result) => result,
            None => write!(f, "{}", Hex(value)),
        }
    }
}

/// Writes the value as its kind; `None` if it has not the form of its kind.
fn decoded(kind: Kind, value: &[u8], f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
    match kind {
        Kind::Bytes => None,
        Kind::Text => Some(write!(f, "\"{}\"", Printable(value))),
        Kind::Codes => Some(list(f, value.iter())),
        Kind::Addresses => {
            let (addresses, rest) = value.as_chunks::<4>();
            let addresses = addresses.iter().map(|octets| Ipv4Addr::from_octets(*octets));
            rest.is_empty().then(|| list(f, addresses))
        }
        Kind::Number => number(value).map(|number| write!(f, "{number}")),
        Kind::Seconds => number(value).map(|seconds| write!(f, "{seconds} s")),
        Kind::MessageType => match value {
            [value] => MessageType::from_u8(*value).map(|message_type| write!(f, "{message_type}")),
            _ => None,
        },
        Kind::Architecture => Architecture::from_option(value).map(|arch| write!(f, "{arch}")),
        Kind::MachineId => Uuid::from_option(value).map(|uuid| write!(f, "{uuid}")),
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item: fmt::Display>) -> fmt::Result {
    items.enumerate().try_for_each(|(i, item)| {
        let separator = if i == 0 { "" } else { ", " };
        write!(f, "{separator}{item}")
    })
}

/// A big-endian number of one, two or four octets.
fn number(value: &[u8]) -> Option<u32> {
    match *value {
        [a] => Some(u32::from(a)),
        [a, b] => Some(u32::from(u16::from_be_bytes([a, b]))),
        [a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

/// A whole message decoded for people, one line for the fixed fields and one an option.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'m, 'a>(pub &'m Message<'a>);

impl fmt::Display for Decoded<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(m) = *self;
        write!(f, "op {} htype {} hlen {} hops {} ", m.op, m.htype, m.hlen, m.hops)?;
        write!(f, "xid {:08x} secs {} flags {:04x} ", m.xid, m.secs, m.flags)?;
        write!(f, "ciaddr {} yiaddr {} ", m.ciaddr, m.yiaddr)?;
        write!(f, "siaddr {} giaddr {}", m.siaddr, m.giaddr)?;
        for (field, text) in [("sname", m.sname()), ("file", m.file())] {
            if !text.is_empty() {
                write!(f, "\n  {field}: \"{}\"", Printable(text))?;
            }
        }
        m.instances().try_for_each(|(code, value)| write!(f, "\n  {}", Described(code, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dhcp::testing::discover_with;

    #[test]
    fn options_are_described_by_their_kind() {
        for (code, value, text) in [
            (53, &[1][..], "DHCP message type (53): DISCOVER"),
            (53, &[99], "DHCP message type (53): 63"),
            (6, &[1, 2, 3, 4, 5, 6, 7, 8], "domain name server (6): 1.2.3.4, 5.6.7.8"),
            (6, &[1, 2, 3], "domain name server (6): 01 02 03"),
            (51, &[0, 0, 14, 16], "IP address lease time (51): 3600 s"),
            (12, b"a\nb", "host name (12): \"a\\x0ab\""),
            (55, &[1, 3, 6], "parameter request list (55): 1, 3, 6"),
            (93, &[0, 7], "client system architecture (93): UEFI x64"),
            (200, &[0xab], "option (200): ab"),
        ] {
            assert_eq!(Described(code, value).to_string(), text);
        }
    }

    #[test]
    fn table_is_in_order_without_doubles() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_message_is_decoded_line_by_line() {
        let datagram = discover_with(&[(12, b"bench")]);
        let text = Decoded(&Message::parse(&datagram).unwrap()).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("xid 12345678"), "{text}");
        assert_eq!(
            lines[1..],
            ["  DHCP message type (53): DISCOVER", "  host name (12): \"bench\""]
        );
    }
}
