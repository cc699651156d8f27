//! TFTP packets: RFC 1350, with options (RFC 2347): blksize (RFC 2348), timeout and tsize
//! (RFC 2349), windowsize (RFC 7440).

use std::iter;

use crate::limits::FILE_NAME_MAX;

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// A packet that can be read, whoever may send it to whom (RFC 1350 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ or WRQ.
    Request(Request<'a>),
    /// One block of a file.
    Data {
        /// Its number; the first is 1, and 0 follows 65535.
        block: u16,
        /// Its octets.
        data: &'a [u8],
    },
    /// All blocks up to this number have come (0: the OACK has).
    Ack(u16),
    /// The transfer is over.
    Error {
        /// What is wrong, by number; peers are free to invent some.
        code: u16,
        /// What is wrong, in words.
        message: &'a [u8],
    },
    /// The options that the server grants (RFC 2347).
    OAck(Options<'a>),
}

impl<'a> Packet<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    ///
    /// [`Malformed`] says why the datagram is no TFTP packet.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (opcode, body) = number(datagram)?;
        match opcode {
            RRQ | WRQ => Request::parse(opcode == WRQ, body).map(Self::Request),
            DATA => number(body).map(|(block, data)| Self::Data { block, data }),
            ACK => number(body).map(|(block, _)| Self::Ack(block)),
            ERROR => number(body).map(|(code, text)| Self::Error { code, message: text_of(text) }),
            OACK => Ok(Self::OAck(Options(body))),
            _ => Err(Malformed::Opcode),
        }
    }
}

/// RRQ or WRQ (RFC 1350 section 5, RFC 2347).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// WRQ: the client wants to send.
    pub write: bool,
    /// The file's name: not empty, at most [`FILE_NAME_MAX`] octets, and otherwise anything.
    pub file: &'a [u8],
    /// How to transfer it.
    pub mode: Mode,
    /// What follows.
    pub options: Options<'a>,
}

impl<'a> Request<'a> {
    fn parse(write: bool, body: &'a [u8]) -> Result<Self, Malformed> {
        let (file, rest) = string(body).ok_or(Malformed::Unterminated)?;
        let (mode, options) = string(rest).ok_or(Malformed::Unterminated)?;
        if file.is_empty() || mode.is_empty() {
            return Err(Malformed::Empty);
        }
        if file.len() > FILE_NAME_MAX {
            return Err(Malformed::NameTooLong);
        }
        Ok(Self { write, file, mode: Mode::of(mode), options: Options(options) })
    }
}

/// A transfer's mode (RFC 1350 section 5), named in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The file as it is. All firmware asks for this.
    Octet,
    /// Text: lines end in CR LF.
    Netascii,
    /// `mail`, which is obsolete, or what no RFC knows.
    Other,
}

impl Mode {
    fn of(name: &[u8]) -> Self {
        if name.eq_ignore_ascii_case(b"octet") {
            Self::Octet
        } else if name.eq_ignore_ascii_case(b"netascii") {
            Self::Netascii
        } else {
            Self::Other
        }
    }
}

/// Options as they stand in a request or an OACK (RFC 2347): names and values, each ended by NUL.
///
/// A name without a value, an unended value and whatever follows an empty name are passed over:
/// some clients pad their request with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// The value of the option with this name in any case. Where the name stands twice, which
    /// RFC 2347 forbids, the first counts.
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        let mut pairs = self.pairs();
        pairs.find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The option's value if it is a decimal number without a sign.
    pub fn number(self, name: &str) -> Option<u64> {
        let value = self.get(name).filter(|value| value.iter().all(u8::is_ascii_digit))?;
        str::from_utf8(value).ok()?.parse().ok()
    }

    fn pairs(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        iter::from_fn(move || {
            let (name, tail) = string(rest).filter(|(name, _)| !name.is_empty())?;
            let (value, tail) = string(tail)?;
            rest = tail;
            Some((name, value))
        })
    }
}

/// Why a datagram is no TFTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends before its fixed fields do.
    TooShort,
    /// No RFC knows its opcode.
    Opcode,
    /// A request whose file name or mode has no end.
    Unterminated,
    /// A request without a file name or without a mode.
    Empty,
    /// The file name is longer than [`FILE_NAME_MAX`].
    NameTooLong,
}

impl Malformed {
    /// The reason in words, for an event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "the packet is too short",
            Self::Opcode => "the opcode is unknown",
            Self::Unterminated => "the file name or the mode has no end",
            Self::Empty => "the file name or the mode is empty",
            Self::NameTooLong => "the file name is too long",
        }
    }
}

/// The error codes that pxed sends (RFC 1350, appendix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ErrorCode {
    /// See the message.
    NotDefined = 0,
    /// There is no such file.
    FileNotFound = 1,
    /// The file exists, perhaps, and the client can not have it.
    AccessViolation = 2,
    /// What the client asks for is not done here.
    IllegalOperation = 4,
    /// The transfer belongs to somebody else.
    UnknownTransferId = 5,
}

/// The head of a DATA packet; the block's octets follow.
pub const fn data_header(block: u16) -> [u8; 4] {
    numbers(DATA, block)
}

/// An ACK packet: what a client sends, for models of clients.
pub const fn ack(block: u16) -> [u8; 4] {
    numbers(ACK, block)
}

/// An ERROR packet.
pub fn error(code: ErrorCode, message: &str) -> Vec<u8> {
    let mut packet = numbers(ERROR, code as u16).to_vec();
    put(&mut packet, message.as_bytes());
    packet
}

/// An OACK packet (RFC 2347).
pub fn oack(options: &[(&str, u64)]) -> Vec<u8> {
    let mut packet = OACK.to_be_bytes().to_vec();
    put_options(&mut packet, options);
    packet
}

/// An RRQ packet: what a client sends, for models of clients.
pub fn read_request(file: &[u8], mode: &str, options: &[(&str, u64)]) -> Vec<u8> {
    let mut packet = RRQ.to_be_bytes().to_vec();
    put(&mut packet, file);
    put(&mut packet, mode.as_bytes());
    put_options(&mut packet, options);
    packet
}

fn put_options(packet: &mut Vec<u8>, options: &[(&str, u64)]) {
    for (name, value) in options {
        put(packet, name.as_bytes());
        put(packet, value.to_string().as_bytes());
    }
}

fn put(packet: &mut Vec<u8>, string: &[u8]) {
    packet.extend_from_slice(string);
    packet.push(0);
}

const fn numbers(opcode: u16, second: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (opcode.to_be_bytes(), second.to_be_bytes());
    [a, b, c, d]
}

/// The number that the bytes begin with, and the rest.
fn number(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Malformed::TooShort)?;
    Ok((u16::from_be_bytes(*number), rest))
}

/// The string that the bytes begin with, without its NUL, and the rest; `None` if it has no NUL.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    Some((parts.next()?, parts.next()?))
}

/// An error's message: it ends at a NUL, or where the packet does, for an ERROR that lacks its
/// NUL ends a transfer all the same.
fn text_of(bytes: &[u8]) -> &[u8] {
    string(bytes).map_or(bytes, |(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(datagram: &[u8]) -> Request<'_> {
        match Packet::parse(datagram) {
            Ok(Packet::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests() {
        let rrq = request(b"\0\x01a/b.efi\0OcTeT\0BLKSIZE\x001468\0tsize\x000\0");
        assert!(!rrq.write);
        assert_eq!((rrq.file, rrq.mode), (&b"a/b.efi"[..], Mode::Octet));
        assert_eq!(rrq.options.number("blksize"), Some(1468));
        assert_eq!(rrq.options.number("tsize"), Some(0));
        assert_eq!(rrq.options.get("windowsize"), None);
        assert!(request(b"\0\x02f\0octet\0").write);
        for (name, mode) in
            [("octet", Mode::Octet), ("NETASCII", Mode::Netascii), ("mail", Mode::Other)]
        {
            assert_eq!(request(&read_request(b"f", name, &[])).mode, mode);
        }
    }

    #[test]
    fn options_that_are_not_quite_right() {
        for (options, blksize) in [
            (&b"blksize\x00512\0blksize\x001024\0"[..], Some(512)),
            (b"blksize\0x\0blksize\x001024\0", None),
            (b"multicast\0\0blksize\x00512\0", Some(512)),
            (b"blksize\x00512", None),
            (b"blksize\0", None),
            (b"blksize\0\0", None),
            (b"blksize\x00-1\0", None),
            (b"blksize\x00+1\0", None),
            (b"blksize\x00 8\0", None),
            (b"blksize\x0000512\0", Some(512)),
            (b"blksize\x0018446744073709551615\0", Some(u64::MAX)),
            (b"blksize\x0018446744073709551616\0", None),
            (b"\0\0\0\0\0\0", None),
        ] {
            let datagram = [&b"\0\x01f\0octet\0"[..], options].concat();
            assert_eq!(request(&datagram).options.number("blksize"), blksize, "{options:?}");
        }
    }

    #[test]
    fn malformed() {
        let long = read_request(&[b'a'; FILE_NAME_MAX + 1], "octet", &[]);
        for (datagram, reason) in [
            (&b""[..], Malformed::TooShort),
            (b"\0", Malformed::TooShort),
            (b"\0\0", Malformed::Opcode),
            (b"\0\x07", Malformed::Opcode),
            (b"\x01\x01f\0octet\0", Malformed::Opcode),
            (b"\0\x01", Malformed::Unterminated),
            (b"\0\x01file", Malformed::Unterminated),
            (b"\0\x01file\0octet", Malformed::Unterminated),
            (b"\0\x01\0octet\0", Malformed::Empty),
            (b"\0\x01file\0\0", Malformed::Empty),
            (b"\0\x03\0", Malformed::TooShort),
            (b"\0\x04\0", Malformed::TooShort),
            (b"\0\x05\0", Malformed::TooShort),
            (&long, Malformed::NameTooLong),
        ] {
            assert_eq!(Packet::parse(datagram), Err(reason), "{datagram:?}");
            assert!(!reason.as_str().is_empty());
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let not_found = error(ErrorCode::FileNotFound, "no such file");
        let granted = oack(&[("blksize", 1468), ("windowsize", 4)]);
        assert_eq!(granted, b"\0\x06blksize\x001468\0windowsize\x004\0");
        for (datagram, packet) in [
            (&data_header(0xfffe)[..], Packet::Data { block: 0xfffe, data: b"" }),
            (b"\0\x03\0\x01abc", Packet::Data { block: 1, data: b"abc" }),
            (&ack(0x1234), Packet::Ack(0x1234)),
            (b"\0\x04\0\x01padding", Packet::Ack(1)),
            (&not_found, Packet::Error { code: 1, message: b"no such file" }),
            (b"\0\x05\0\x08unended", Packet::Error { code: 8, message: b"unended" }),
            (b"\0\x05\0\0", Packet::Error { code: 0, message: b"" }),
            (&granted, Packet::OAck(Options(b"blksize\x001468\0windowsize\x004\0"))),
        ] {
            assert_eq!(Packet::parse(datagram), Ok(packet));
        }
    }
}
