//! DHCP messages that are to be sent.

use std::net::Ipv4Addr;

use super::{
    BOOTREPLY, CHADDR_AT, COOKIE_AT, FILE_AT, FILE_MAX, MAGIC_COOKIE, Message, OPTIONS_AT, SNAME_AT,
};
use crate::limits;
use crate::wire::options::code;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dhcp::testing::*;

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
}
