//! A glance at a datagram: what decides how urgent it is, without the work of reading it all.

use super::dhcp::{BOOTREQUEST, CHADDR_AT, COOKIE_AT, MAGIC_COOKIE, MessageType, OPTIONS_AT};
use super::options::code;

/// What kind of message a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Option 53 says so.
    Message(MessageType),
    /// It has no option 53.
    Bootp,
    /// It is no client's message.
    Unreadable,
}

/// What a glance shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// What it is.
    pub kind: Kind,
    /// The transaction, `xid`.
    pub xid: u32,
    /// The client's hardware address as it stands in the message.
    pub chaddr: [u8; 16],
    /// The client has an address: `ciaddr`.
    pub has_address: bool,
}

const XID_AT: usize = 4;
const CIADDR_AT: usize = 12;

impl Glance {
    /// What no client has sent.
    const NOTHING: Self =
        Self { kind: Kind::Unreadable, xid: 0, chaddr: [0; 16], has_address: false };

    /// Looks at the fixed fields, and at option 53 where it stands in the options field.
    pub fn at(datagram: &[u8]) -> Self {
        fields(datagram).unwrap_or(Self::NOTHING)
    }
}

fn fields(datagram: &[u8]) -> Option<Glance> {
    if datagram.first() != Some(&BOOTREQUEST) {
        return None;
    }
    let cookie = datagram.get(COOKIE_AT..OPTIONS_AT)?;
    let options = datagram.get(OPTIONS_AT..).filter(|_| cookie == MAGIC_COOKIE);
    let ciaddr: [u8; 4] = *datagram.get(CIADDR_AT..)?.first_chunk()?;
    Some(Glance {
        kind: options.and_then(message_type).map_or(Kind::Bootp, kind),
        xid: u32::from_be_bytes(*datagram.get(XID_AT..)?.first_chunk()?),
        chaddr: *datagram.get(CHADDR_AT..)?.first_chunk()?,
        has_address: ciaddr != [0; 4],
    })
}

fn kind(message_type: u8) -> Kind {
    MessageType::from_u8(message_type).map_or(Kind::Unreadable, Kind::Message)
}

/// The value of the first option 53.
fn message_type(mut options: &[u8]) -> Option<u8> {
    loop {
        match *options {
            [code::PAD, ref rest @ ..] => options = rest,
            [code::MESSAGE_TYPE, 1, value, ..] => return Some(value),
            [code::END, ..] => return None,
            [_, length, ref rest @ ..] => options = rest.get(usize::from(length)..)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A client's message with these octets behind the cookie.
    pub(crate) fn message(xid: u32, ciaddr: [u8; 4], options: &[u8]) -> Vec<u8> {
        let mut message = vec![0; COOKIE_AT];
        message[0] = BOOTREQUEST;
        message[XID_AT..][..4].copy_from_slice(&xid.to_be_bytes());
        message[CIADDR_AT..][..4].copy_from_slice(&ciaddr);
        message[CHADDR_AT..][..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        message.extend(MAGIC_COOKIE);
        message.extend(options);
        message
    }

    #[test]
    fn the_fixed_fields_are_seen() {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        let kind = Kind::Message(MessageType::Request);
        for (ciaddr, has_address) in [([0; 4], false), ([10, 0, 0, 9], true)] {
            let glance = Glance::at(&message(7, ciaddr, &[53, 1, 3, 255]));
            assert_eq!(glance, Glance { kind, xid: 7, chaddr, has_address });
        }
    }

    #[test]
    fn option_53_is_found_behind_others_and_nowhere_else() {
        let discover = Kind::Message(MessageType::Discover);
        for (options, expected) in [
            (&[0, 0, 12, 2, 53, 1, 53, 1, 1, 255][..], discover),
            (&[12, 2, 53, 1, 255, 53, 1, 1], Kind::Bootp),
            (&[53, 1, 99], Kind::Unreadable),
            (&[53, 1], Kind::Bootp),
            (&[12, 200, 1], Kind::Bootp),
            (&[12], Kind::Bootp),
            (&[], Kind::Bootp),
        ] {
            assert_eq!(Glance::at(&message(7, [0; 4], options)).kind, expected, "{options:?}");
        }
    }

    #[test]
    fn what_is_no_clients_message_is_unreadable() {
        let whole = message(7, [10, 0, 0, 9], &[53, 1, 3]);
        for length in 0..OPTIONS_AT {
            assert_eq!(Glance::at(&whole[..length]), Glance::NOTHING);
        }
        let mut of_a_server = whole.clone();
        of_a_server[0] = 2;
        assert_eq!(Glance::at(&of_a_server), Glance::NOTHING);
        let mut without_cookie = whole;
        without_cookie[COOKIE_AT] = 0;
        assert_eq!(Glance::at(&without_cookie).kind, Kind::Bootp);
    }
}
