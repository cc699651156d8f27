//! DHCP messages (RFC 2131 section 2): parsed in place ([`Message`]), written into a budget
//! ([`Writer`]).
//!
//! ```text
//!    0                   1                   2                   3
//!    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!   +---------------+---------------+---------------+---------------+
//!   |     op (1)    |   htype (1)   |   hlen (1)    |   hops (1)    |
//!   +---------------+---------------+---------------+---------------+
//!   |                            xid (4)                            |
//!   +-------------------------------+-------------------------------+
//!   |           secs (2)            |           flags (2)           |
//!   +-------------------------------+-------------------------------+
//!   |        ciaddr, yiaddr, siaddr, giaddr (4 each)                |
//!   +---------------------------------------------------------------+
//!   |        chaddr (16), sname (64), file (128)                    |
//!   +---------------------------------------------------------------+
//!   |        99.130.83.99, options (variable)                       |
//!   +---------------------------------------------------------------+
//! ```

mod message;
mod writer;

use std::fmt;

pub use message::{Message, is_sub_options};
pub use writer::{Header, Writer, encoded_len};

/// `op` of a client's message.
pub const BOOTREQUEST: u8 = 1;
/// `op` of a server's message.
pub const BOOTREPLY: u8 = 2;
/// The one flag that has a meaning: "answer me by broadcast" (RFC 2131 section 2).
pub const FLAG_BROADCAST: u16 = 0x8000;

pub(super) const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
pub(super) const CHADDR_AT: usize = 28;
const SNAME_AT: usize = 44;
const FILE_AT: usize = 108;
pub(super) const COOKIE_AT: usize = 236;
pub(super) const OPTIONS_AT: usize = 240;

/// The longest boot file name that the `file` field can hold, with its NUL.
pub const FILE_MAX: usize = COOKIE_AT - FILE_AT - 1;

/// What a message is for: option 53 (RFC 2132 section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the RFC's")]
pub enum MessageType {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
}

impl MessageType {
    /// From option 53's value; `None` for what no client of this server sends.
    pub const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            _ => return None,
        })
    }

    /// The RFC's name without its DHCP, as people say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discover => "DISCOVER",
            Self::Offer => "OFFER",
            Self::Request => "REQUEST",
            Self::Decline => "DECLINE",
            Self::Ack => "ACK",
            Self::Nak => "NAK",
            Self::Release => "RELEASE",
            Self::Inform => "INFORM",
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes are no DHCP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Malformed {
    /// Fewer octets than the fixed fields and the magic cookie have.
    TooShort,
}

#[cfg(test)]
pub mod testing {
    //! Messages for tests.

    use std::net::Ipv4Addr;

    use super::*;
    use crate::net::Mac;
    use crate::wire::options::code;

    /// The MAC that test messages come from.
    pub const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    /// A client's header: Ethernet, [`MAC`], everything else zero.
    pub fn client_header() -> Header<'static> {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&MAC.0);
        Header {
            op: BOOTREQUEST,
            htype: 1,
            hlen: 6,
            xid: 0x1234_5678,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr,
            sname: &[],
            file: &[],
        }
    }

    /// A DISCOVER with further options.
    pub fn discover_with(options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(&client_header(), 1472);
        assert!(writer.option(code::MESSAGE_TYPE, &[1]));
        for (code, value) in options {
            assert!(writer.option(*code, value));
        }
        writer.finish()
    }
}
