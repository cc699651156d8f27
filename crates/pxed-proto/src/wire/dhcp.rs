//! DHCP messages (RFC 2131 section 2): parsed in place, written into a budget.
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

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;

use super::options::{Codes, code};
use crate::limits;

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
    /// Flags; only [`FLAG_BROADCAST`] means something.
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

/// The fixed fields of a message that is to be written.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "as in Message")]
pub struct Header<'a> {
    pub op: u8,
    pub htype: u8,
    pub hlen: u8,
    pub xid: u32,
    pub secs: u16,
    pub flags: u16,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub chaddr: [u8; 16],
    pub sname: &'a [u8],
    pub file: &'a [u8],
}

impl Header<'static> {
    /// What a reply copies from its request (RFC 2131 table 3); addresses and names are empty.
    pub fn reply_to(request: &Message<'_>) -> Self {
        Self {
            op: BOOTREPLY,
            htype: request.htype,
            hlen: request.hlen,
            xid: request.xid,
            secs: 0,
            flags: request.flags,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: request.giaddr,
            chaddr: request.chaddr,
            sname: &[],
            file: &[],
        }
    }
}

impl Header<'_> {
    /// The fixed fields and the magic cookie.
    fn octets(&self) -> [u8; OPTIONS_AT] {
        let mut octets = [0; OPTIONS_AT];
        let secs_and_flags = u32::from(self.secs) << 16 | u32::from(self.flags);
        let words = [
            [self.op, self.htype, self.hlen, 0],
            self.xid.to_be_bytes(),
            secs_and_flags.to_be_bytes(),
            self.ciaddr.octets(),
            self.yiaddr.octets(),
            self.siaddr.octets(),
            self.giaddr.octets(),
        ];
        octets[..CHADDR_AT].copy_from_slice(words.as_flattened());
        octets[CHADDR_AT..SNAME_AT].copy_from_slice(&self.chaddr);
        put_text(&mut octets[SNAME_AT..FILE_AT], self.sname);
        put_text(&mut octets[FILE_AT..COOKIE_AT], self.file);
        octets[COOKIE_AT..].copy_from_slice(&MAGIC_COOKIE);
        octets
    }
}

/// Writes a message: the header, then options, within a budget of octets.
#[derive(Clone, Debug)]
pub struct Writer {
    message: Vec<u8>,
    budget: usize,
    reserved: usize,
}

impl Writer {
    /// Begins a message that may have `budget` octets.
    pub fn new(header: &Header<'_>, budget: usize) -> Self {
        Self::over(Vec::new(), header, budget)
    }

    /// The same in a buffer that has served before.
    pub fn over(mut message: Vec<u8>, header: &Header<'_>, budget: usize) -> Self {
        message.clear();
        message.reserve(limits::DHCP_DATAGRAM_MIN);
        message.extend_from_slice(&header.octets());
        Self { message, budget, reserved: 0 }
    }

    /// Puts a name into the `file` field, if it fits there: cut it would only be wrong.
    pub fn file(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        let at = self.message.len();
        append(&mut self.message);
        if self.message.len() - at <= FILE_MAX {
            self.message.copy_within(at.., FILE_AT);
        }
        self.message.truncate(at);
    }

    /// Keeps `octets` free for an option that is to come last; `reserve(0)` gives them back.
    /// `false`, and nothing is kept, if there is not so much room.
    pub fn reserve(&mut self, octets: usize) -> bool {
        let fits = self.message.len() + octets < self.budget;
        self.reserved = if fits { octets } else { 0 };
        fits
    }

    /// Appends an option, in several instances if it is longer than 255 octets (RFC 3396).
    /// `false`, and nothing is appended, if that would leave no room for the end option.
    #[must_use = "an option that does not fit is dropped, which somebody has to count"]
    pub fn option(&mut self, code: u8, value: &[u8]) -> bool {
        if self.message.len() + encoded_len(value.len()) + 1 + self.reserved > self.budget {
            return false;
        }
        let (first, rest) = value.split_at(value.len().min(255));
        self.message.extend_from_slice(&[code, u8::try_from(first.len()).unwrap_or(u8::MAX)]);
        self.message.extend_from_slice(first);
        for part in rest.chunks(255) {
            self.message.extend_from_slice(&[code, u8::try_from(part.len()).unwrap_or(u8::MAX)]);
            self.message.extend_from_slice(part);
        }
        true
    }

    /// The same for a value that is composed in its place.
    #[must_use = "an option that does not fit is dropped, which somebody has to count"]
    pub fn option_of(&mut self, code: u8, append: impl FnOnce(&mut Vec<u8>)) -> bool {
        let at = self.message.len();
        self.message.extend_from_slice(&[code, 0]);
        append(&mut self.message);
        let len = self.message.len() - at - 2;
        let fits = at + encoded_len(len) + 1 + self.reserved <= self.budget;
        match (u8::try_from(len), self.message.get_mut(at + 1)) {
            (Ok(len), Some(place)) if fits => *place = len,
            _ => {
                // Nothing of it stays, or it comes in several instances.
                let value = self.message.split_off(at + 2);
                self.message.truncate(at);
                return fits && self.option(code, &value);
            }
        }
        true
    }

    /// Ends the message and pads it with zeros to BOOTP's least length.
    pub fn finish(mut self) -> Vec<u8> {
        self.message.push(code::END);
        if self.message.len() < limits::DHCP_REPLY_MIN {
            self.message.resize(limits::DHCP_REPLY_MIN, code::PAD);
        }
        self.message
    }
}

/// How many octets an option with a value of `len` octets takes, with its code and length octets.
pub const fn encoded_len(len: usize) -> usize {
    if len == 0 { 2 } else { len + 2 * len.div_ceil(255) }
}

/// Fills a fixed field: the text as far as a NUL still fits behind it. The rest is zeros already.
fn put_text(field: &mut [u8], text: &[u8]) {
    let room = field.len() - 1;
    field.iter_mut().zip(text).take(room).for_each(|(to, from)| *to = *from);
}

/// The longest boot file name that the `file` field can hold, with its NUL.
pub const FILE_MAX: usize = COOKIE_AT - FILE_AT - 1;

#[cfg(test)]
pub mod testing {
    //! Messages for tests.

    use super::*;
    use crate::net::Mac;

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

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;

    /// A message whose options, file and sname fields are given raw.
    fn raw(options: &[u8], file: &[u8], sname: &[u8]) -> Vec<u8> {
        let mut bytes = Writer::new(&client_header(), 1472).message;
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
    fn item_7_replies_have_at_least_300_octets() {
        assert_eq!(Writer::new(&client_header(), 576).finish().len(), 300);
    }

    #[test]
    fn item_104_boundaries_of_file_and_sname() {
        let (long_file, long_sname) = ([b'f'; 128], [b's'; 64]);
        let header = Header { file: &long_file, sname: &long_sname, ..client_header() };
        let bytes = Writer::new(&header, 576).finish();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.file().len(), FILE_MAX, "a NUL always follows");
        assert_eq!(message.sname().len(), 63);
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
    fn item_97_long_options_are_split() {
        let value: Vec<u8> = (0..=255).chain(0..44).collect();
        let bytes = discover_with(&[(224, &value), (12, &[])]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.instances().filter(|(code, _)| *code == 224).count(), 2);
        assert_eq!(&*message.option(224).unwrap(), &value[..]);
        assert_eq!(message.option(12).as_deref(), Some(&[][..]), "an empty option is there");
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let mut writer = Writer::new(&client_header(), 300);
        assert!(writer.option(43, &[0; 57]), "240 + 59 + the end option");
        assert!(!writer.option(12, b"x"));
        assert_eq!(writer.finish().len(), 300);
    }

    #[test]
    fn what_is_composed_in_its_place_is_as_if_it_was_written() {
        for len in [0, 1, 57, 58, 255, 256, 600] {
            let budget = if len == 58 { 300 } else { 1500 };
            let [mut written, mut composed] =
                [Vec::new(), vec![7; 999]].map(|it| Writer::over(it, &client_header(), budget));
            let value = vec![b'x'; len];
            let fits = written.option(43, &value);
            assert_eq!(composed.option_of(43, |out| out.extend_from_slice(&value)), fits, "{len}");
            assert_eq!(fits, len != 58, "{len}");
            assert_eq!(composed.finish(), written.finish(), "{len}");
        }
        let mut writer = Writer::new(&client_header(), 300);
        writer.file(|out| out.extend_from_slice(&[b'f'; FILE_MAX + 1]));
        writer.file(|out| out.extend_from_slice(b"undionly.kpxe"));
        let message = writer.finish();
        assert_eq!(Message::parse(&message).unwrap().file(), b"undionly.kpxe");
    }

    #[test]
    fn what_is_reserved_is_there_in_the_end() {
        let mut writer = Writer::new(&client_header(), 300);
        assert!(!writer.reserve(60), "240 + 60, and the end option");
        assert!(writer.reserve(59) && !writer.option(12, b""));
        assert!(writer.reserve(0) && writer.option(82, &[0; 57]));
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
