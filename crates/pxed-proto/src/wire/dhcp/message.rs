//! A DHCP message as it came, parsed in place.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use super::{COOKIE_AT, FILE_AT, MAGIC_COOKIE, Malformed, MessageType, OPTIONS_AT, SNAME_AT};
use crate::limits;
use crate::wire::options::{Codes, code};

/// A message as it came: the fixed fields as values, the options where they lie.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Message op code.
    pub op: u8,
    /// Hardware address type.
    pub htype: u8,
    /// Hardware address length.
    pub hlen: u8,
    /// How many relay agents have passed it on.
    pub hops: u8,
    /// Transaction ID.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// Flags; only [`super::FLAG_BROADCAST`] means something.
    pub flags: u16,
    /// Client IP address, where it has one and can answer ARP.
    pub ciaddr: Ipv4Addr,
    /// "Your" (the client's) IP address.
    pub yiaddr: Ipv4Addr,
    /// Next server of the bootstrap.
    pub siaddr: Ipv4Addr,
    /// Relay agent IP address.
    pub giaddr: Ipv4Addr,
    /// Client hardware address, all 16 octets.
    pub chaddr: [u8; 16],
    /// The magic cookie is there (RFC 2131 section 3): without it there are no options.
    pub has_cookie: bool,
    message_type: Option<MessageType>,
    datagram: &'a [u8],
    index: Index,
}

/// Where each option begins; filled once, so that a look-up is one array access.
#[derive(Clone, Debug)]
struct Index {
    /// Offset of the first instance's code octet in the datagram; 0 is absent.
    first: [u16; 256],
    /// The options that come in several instances.
    split: Codes,
    /// Which fields hold options: 0 none but the options field, 1 file, 2 sname, 3 both.
    overload: u8,
}

impl<'a> Message<'a> {
    /// Reads a datagram. A damaged option costs itself and what follows it in its field, not the
    /// message. Without the magic cookie it is BOOTP, and has no options (RFC 951, RFC 1497).
    ///
    /// # Errors
    ///
    /// Bytes that are not a DHCP message at all.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(datagram);
        let [op, htype, hlen, hops] = fields.take()?;
        let xid = u32::from_be_bytes(fields.take()?);
        let secs = u16::from_be_bytes(fields.take()?);
        let flags = u16::from_be_bytes(fields.take()?);
        let [ciaddr, yiaddr, siaddr, giaddr] =
            [fields.take()?, fields.take()?, fields.take()?, fields.take()?]
                .map(Ipv4Addr::from_octets);
        let chaddr = fields.take()?;
        fields.take::<{ COOKIE_AT - SNAME_AT }>()?;
        let has_cookie = fields.take()? == MAGIC_COOKIE;
        let index = if has_cookie { Index::of(datagram) } else { Index::EMPTY };
        let mut message = Self {
            op,
            htype,
            hlen,
            hops,
            xid,
            secs,
            flags,
            ciaddr,
            yiaddr,
            siaddr,
            giaddr,
            chaddr,
            has_cookie,
            message_type: None,
            datagram,
            index,
        };
        message.message_type = message.u8(code::MESSAGE_TYPE).and_then(MessageType::from_u8);
        Ok(message)
    }

    /// How many octets the datagram has.
    #[allow(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.datagram.len()
    }

    /// The value of an option, its parts joined (RFC 3396) in the order options, file, sname.
    #[inline]
    pub fn option(&self, code: u8) -> Option<Cow<'a, [u8]>> {
        let first = *self.index.first.get(usize::from(code))?;
        if first == 0 {
            return None;
        }
        if self.index.split.contains(code) {
            return Some(Cow::Owned(self.joined(code)));
        }
        // It was whole when the index was made.
        let [_, len, rest @ ..] = self.datagram.get(usize::from(first)..)? else { return None };
        rest.get(..usize::from(*len)).map(Cow::Borrowed)
    }

    /// An option that is one octet; `None` too if it has another length.
    pub fn u8(&self, code: u8) -> Option<u8> {
        self.exact(code).map(|[value]| value)
    }

    /// An option that is a 16-bit number; `None` too if it has another length.
    pub fn u16(&self, code: u8) -> Option<u16> {
        self.exact(code).map(u16::from_be_bytes)
    }

    /// An option that is a 32-bit number; `None` too if it has another length.
    pub fn u32(&self, code: u8) -> Option<u32> {
        self.exact(code).map(u32::from_be_bytes)
    }

    /// An option that is one IPv4 address; `None` too if it has another length.
    pub fn ipv4(&self, code: u8) -> Option<Ipv4Addr> {
        self.exact(code).map(Ipv4Addr::from_octets)
    }

    #[inline]
    fn exact<const N: usize>(&self, code: u8) -> Option<[u8; N]> {
        match self.option(code)? {
            Cow::Borrowed(value) => value.try_into().ok(),
            Cow::Owned(value) => value.try_into().ok(),
        }
    }

    /// Option 53, if it is exactly one octet of a known meaning.
    pub const fn message_type(&self) -> Option<MessageType> {
        self.message_type
    }

    /// The `sname` field up to its first NUL; empty where it holds options.
    pub fn sname(&self) -> &'a [u8] {
        if self.index.overload & 2 == 0 { self.text(SNAME_AT, FILE_AT) } else { &[] }
    }

    /// The `file` field up to its first NUL; empty where it holds options.
    pub fn file(&self) -> &'a [u8] {
        if self.index.overload & 1 == 0 { self.text(FILE_AT, COOKIE_AT) } else { &[] }
    }

    /// Every instance of every option, in the order they lie in, for people to read.
    pub fn instances(&self) -> impl Iterator<Item = (u8, &'a [u8])> + '_ {
        areas(self.datagram, self.index.overload)
            .filter(|_| self.has_cookie)
            .flat_map(|(from, to)| instances(self.datagram, from, to))
            .map(|(_, code, value)| (code, value))
    }

    fn text(&self, from: usize, to: usize) -> &'a [u8] {
        let field = self.datagram.get(from..to).unwrap_or_default();
        field.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    fn joined(&self, code: u8) -> Vec<u8> {
        let mut joined = Vec::new();
        for (_, value) in self.instances().filter(|(instance, _)| *instance == code) {
            joined.extend_from_slice(value);
        }
        joined.truncate(limits::OPTION_JOINED_MAX);
        joined
    }
}

impl Index {
    const EMPTY: Self = Self { first: [0; 256], split: Codes::NONE, overload: 0 };

    fn of(datagram: &[u8]) -> Self {
        let mut index = Self::EMPTY;
        let options = instances(datagram, OPTIONS_AT, datagram.len());
        options.for_each(|(at, code, _)| index.add(at, code));
        index.overload = index.overload_in(datagram);
        for (from, to) in areas(datagram, index.overload).skip(1) {
            instances(datagram, from, to).for_each(|(at, code, _)| index.add(at, code));
        }
        index
    }

    fn add(&mut self, at: usize, code: u8) {
        let Some(first) = self.first.get_mut(usize::from(code)) else { return };
        if *first == 0 {
            *first = u16::try_from(at).unwrap_or(0);
        } else {
            self.split.insert(code);
        }
    }

    /// Option 52 (RFC 2132 section 9.3), where it is well formed: one instance, one octet, 1 to 3.
    fn overload_in(&self, datagram: &[u8]) -> u8 {
        let at = self.first.get(usize::from(code::OVERLOAD)).copied().unwrap_or(0);
        if at == 0 || self.split.contains(code::OVERLOAD) {
            return 0;
        }
        match tlv(datagram, usize::from(at), datagram.len()) {
            Some((_, &[value @ 1..=3], _)) => value,
            _ => 0,
        }
    }
}

/// The fields that hold options, in the order that RFC 3396 section 5 joins them.
fn areas(datagram: &[u8], overload: u8) -> impl Iterator<Item = (usize, usize)> {
    let file = (overload & 1 != 0).then_some((FILE_AT, COOKIE_AT));
    let sname = (overload & 2 != 0).then_some((SNAME_AT, FILE_AT));
    [Some((OPTIONS_AT, datagram.len())), file, sname].into_iter().flatten()
}

/// The options between two offsets: offset, code, value. Ends at option 255, at the field's end,
/// or at an option that is longer than its field.
fn instances(datagram: &[u8], from: usize, to: usize) -> impl Iterator<Item = (usize, u8, &[u8])> {
    let mut at = from;
    std::iter::from_fn(move || {
        while at < to && datagram.get(at) == Some(&code::PAD) {
            at += 1;
        }
        let (code, value, next) = tlv(datagram, at, to)?;
        let found = (at, code, value);
        at = next;
        Some(found)
    })
}

/// One option at `at`: code, value, and where the next one begins.
fn tlv(datagram: &[u8], at: usize, to: usize) -> Option<(u8, &[u8], usize)> {
    let field = datagram.get(at..to)?;
    match *field {
        [] | [code::END, ..] | [_] => None,
        [code, len, ref rest @ ..] => {
            let value = rest.get(..usize::from(len))?;
            Some((code, value, at + 2 + value.len()))
        }
    }
}

/// Are these octets sub-options, each whole, and nothing else (RFC 3046 section 2.0)?
pub fn is_sub_options(mut octets: &[u8]) -> bool {
    while let [_, len, rest @ ..] = octets {
        let Some(behind) = rest.get(usize::from(*len)..) else { return false };
        octets = behind;
    }
    octets.is_empty()
}

/// The fixed fields, taken from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::TooShort)?;
        self.0 = rest;
        Ok(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dhcp::testing::*;
    use crate::wire::dhcp::{FLAG_BROADCAST, Header, Writer};

    /// A message whose options, file and sname fields are given raw.
    fn raw(options: &[u8], file: &[u8], sname: &[u8]) -> Vec<u8> {
        let mut bytes = Writer::new(&client_header(), 1472).finish();
        bytes.truncate(OPTIONS_AT);
        bytes[SNAME_AT..SNAME_AT + sname.len()].copy_from_slice(sname);
        bytes[FILE_AT..FILE_AT + file.len()].copy_from_slice(file);
        bytes.extend_from_slice(options);
        bytes
    }

    #[test]
    fn fixed_fields_round_trip() {
        let header = Header {
            xid: 7,
            secs: 9,
            flags: FLAG_BROADCAST,
            ciaddr: Ipv4Addr::new(1, 2, 3, 4),
            yiaddr: Ipv4Addr::new(5, 6, 7, 8),
            siaddr: Ipv4Addr::new(9, 10, 11, 12),
            giaddr: Ipv4Addr::new(13, 14, 15, 16),
            sname: b"server",
            file: b"undionly.kpxe",
            ..client_header()
        };
        let bytes = Writer::new(&header, 576).finish();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.op, message.htype, message.hlen, message.hops), (1, 1, 6, 0));
        assert_eq!((message.xid, message.secs, message.flags), (7, 9, FLAG_BROADCAST));
        assert_eq!((message.ciaddr, message.giaddr), (header.ciaddr, header.giaddr));
        assert_eq!((message.yiaddr, message.siaddr), (header.yiaddr, header.siaddr));
        assert_eq!((message.sname(), message.file()), (header.sname, header.file));
        assert_eq!(message.chaddr, header.chaddr);
    }

    #[test]
    fn item_109_cut_messages() {
        let whole = discover_with(&[]);
        for len in [0, 1, 28, 235, 236, 239] {
            assert_eq!(Message::parse(&whole[..len]).unwrap_err(), Malformed::TooShort, "{len}");
        }
        for len in [240, 241, 242] {
            assert_eq!(Message::parse(&whole[..len]).unwrap().message_type(), None, "{len}");
        }
    }

    #[test]
    fn item_106_without_the_magic_cookie_there_are_no_options() {
        let mut bytes = raw(&[53, 1, 1, 255], b"vmunix", &[]);
        bytes[COOKIE_AT] = 0;
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.message_type(), message.option(53)), (None, None));
        assert_eq!((message.instances().count(), message.file()), (0, &b"vmunix"[..]));
    }

    #[test]
    fn item_94_and_95_overload_is_followed_in_order() {
        let bytes =
            raw(&[52, 1, 3, 60, 1, b'a', 255], &[53, 1, 1, 60, 1, b'b', 255], &[60, 1, b'c', 255]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.message_type(), Some(MessageType::Discover));
        assert_eq!(&*message.option(60).unwrap(), b"abc");
        assert_eq!((message.file(), message.sname()), (&b""[..], &b""[..]));
        let only_file = raw(&[52, 1, 1, 255], &[53, 1, 1, 255], b"name");
        let message = Message::parse(&only_file).unwrap();
        assert_eq!(
            (message.message_type(), message.sname()),
            (Some(MessageType::Discover), &b"name"[..])
        );
    }

    #[test]
    fn item_95_malformed_overload_is_ignored() {
        for overload in
            [&[52, 1, 0][..], &[52, 1, 4], &[52, 2, 1, 1], &[52, 1, 1, 52, 1, 1], &[52, 0]]
        {
            let bytes = raw(overload, &[53, 1, 1, 255], &[]);
            assert_eq!(Message::parse(&bytes).unwrap().message_type(), None, "{overload:?}");
        }
        let recursive = raw(&[52, 1, 1], &[52, 1, 3, 255], &[53, 1, 1]);
        assert_eq!(Message::parse(&recursive).unwrap().message_type(), None);
    }

    #[test]
    fn item_96_split_options_are_joined() {
        let mut options = vec![61, 100];
        options.extend([1; 100]);
        options.extend([53, 1, 1, 61, 100]);
        options.extend([2; 100]);
        let bytes = raw(&options, &[], &[]);
        let id = Message::parse(&bytes).unwrap().option(61).unwrap().into_owned();
        assert_eq!((id.len(), id[99], id[100]), (200, 1, 2));
    }

    #[test]
    fn item_107_message_types_that_are_none() {
        for options in
            [&[][..], &[53, 0], &[53, 1, 0], &[53, 2, 1, 1], &[53, 1, 1, 53, 1, 1], &[53, 1, 200]]
        {
            let bytes = raw(options, &[], &[]);
            assert_eq!(Message::parse(&bytes).unwrap().message_type(), None, "{options:?}");
        }
    }

    #[test]
    fn item_108_what_was_read_before_the_damage_counts() {
        let mut padded = vec![0; 30];
        padded.extend([53, 1, 1]);
        for options in [&[53, 1, 1][..], &padded, &[53, 1, 1, 12, 200, b'x'], &[53, 1, 1, 12]] {
            let bytes = raw(options, &[], &[]);
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.message_type(), Some(MessageType::Discover), "{options:?}");
            assert_eq!(message.option(12), None);
        }
        let after_end = raw(&[255, 53, 1, 1], &[], &[]);
        assert_eq!(Message::parse(&after_end).unwrap().message_type(), None);
    }

    #[test]
    fn item_113_a_wrong_length_costs_only_the_option() {
        let bytes =
            discover_with(&[(50, &[1, 2, 3]), (51, &[1, 2]), (57, &[1]), (54, &[1, 2, 3, 4])]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.ipv4(50), message.u32(51), message.u16(57)), (None, None, None));
        assert_eq!(message.ipv4(54), Some(Ipv4Addr::new(1, 2, 3, 4)));
    }

    #[test]
    fn item_115_an_option_bomb_is_bounded() {
        let bomb: Vec<u8> =
            std::iter::repeat_n([43, 200].into_iter().chain([7; 200]), 255).flatten().collect();
        let bytes = raw(&bomb, &[], &[]);
        let joined = Message::parse(&bytes).unwrap().option(43).unwrap().into_owned();
        assert_eq!(joined.len(), limits::OPTION_JOINED_MAX);
    }

    #[test]
    fn item_81_sub_options_are_whole() {
        for octets in [&[][..], &[1, 0], &[1, 1, 7], &[1, 1, 7, 200, 2, 0, 0]] {
            assert!(is_sub_options(octets), "{octets:?}");
        }
        for octets in [&[1][..], &[1, 1], &[1, 1, 7, 2], &[1, 200, 7]] {
            assert!(!is_sub_options(octets), "{octets:?}");
        }
    }
}
