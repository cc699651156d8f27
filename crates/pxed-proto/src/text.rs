//! Text that came from the network, made fit to be read.

use std::fmt::{self, Write};
use std::ops::Deref;

use crate::limits;

/// Bytes of a peer, shown: printable ASCII as it is, everything else (control bytes, terminal
/// escapes, quotes, UTF-8) as `\xNN`, at most [`Printable::CHARS_MAX`] bytes of it.
///
/// The only way that a peer's bytes reach a log line.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a [u8]);

impl Printable<'_> {
    /// Longer texts end in `…`: a log line is for reading.
    pub const CHARS_MAX: usize = 160;
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0.iter().take(Self::CHARS_MAX) {
            match byte {
                b'"' | b'\\' => write!(f, "\\x{byte:02x}")?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        if self.0.len() > Self::CHARS_MAX { f.write_char('…') } else { Ok(()) }
    }
}

/// A short text of a known greatest length, made without allocation and without the formatting
/// machinery: it stands in every second reply.
#[derive(Clone, Copy)]
pub struct Ascii<const N: usize> {
    octets: [u8; N],
    len: usize,
}

impl<const N: usize> Ascii<N> {
    /// Nothing yet.
    pub const EMPTY: Self = Self { octets: [0; N], len: 0 };

    /// One character more. What is not ASCII, or one too many, is left out.
    pub fn push(&mut self, character: u8) {
        if let Some(place) = self.octets.get_mut(self.len).filter(|_| character.is_ascii()) {
            *place = character;
            self.len += 1;
        }
    }

    /// The same as octets.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }

    /// A number.
    pub fn push_decimal(&mut self, number: u16) {
        let mut is_begun = false;
        for unit in [10_000, 1000, 100, 10, 1] {
            is_begun |= number >= unit || unit == 1;
            if is_begun {
                self.push(b'0' + u8::try_from(number / unit % 10).unwrap_or_default());
            }
        }
    }

    /// Two hexadecimal digits.
    pub fn push_hex(&mut self, octet: u8) {
        for digit in [octet >> 4, octet & 15] {
            self.push(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
        }
    }
}

impl<const N: usize> Deref for Ascii<N> {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl<const N: usize> PartialEq for Ascii<N> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<const N: usize> Eq for Ascii<N> {}

impl<const N: usize> fmt::Debug for Ascii<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<const N: usize> fmt::Display for Ascii<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// A host name.
pub type HostName = Ascii<{ limits::HOST_NAME_MAX }>;

/// The place of a name in a list that has it; for tables that are made when the program is compiled,
/// where a name that is missing is an error.
#[expect(clippy::indexing_slicing, reason = "const functions can not do without")]
pub const fn place_of(names: &[&str], name: &str) -> usize {
    let mut place = 0;
    while !is_same(names[place].as_bytes(), name.as_bytes()) {
        place += 1;
    }
    place
}

#[expect(clippy::indexing_slicing, reason = "const functions can not do without")]
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// A host name that may be stored and shown: what of the peer's bytes is a letter, a digit, a
/// hyphen or a dot (RFC 952), at most [`limits::HOST_NAME_MAX`]. `None` if nothing is left.
pub fn host_name(bytes: &[u8]) -> Option<HostName> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let mut name = HostName::EMPTY;
    bytes.iter().copied().filter(legal).for_each(|byte| name.push(byte));
    (!name.is_empty()).then_some(name)
}

/// Bytes as `01 02 ff`.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { " " };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

/// A hex dump, sixteen bytes a line: offset, bytes, ASCII.
#[derive(Clone, Copy, Debug)]
pub struct HexDump<'a>(pub &'a [u8]);

impl fmt::Display for HexDump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (row, bytes) in self.0.chunks(16).enumerate() {
            let newline = if row == 0 { "" } else { "\n" };
            write!(f, "{newline}{:04x}  {:<47}  ", row * 16, Hex(bytes).to_string())?;
            for &byte in bytes {
                f.write_char(if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_what_the_formatter_makes_of_them() {
        for number in [0, 7, 10, 99, 100, 255, 8067, u16::MAX] {
            let mut text = Ascii::<5>::EMPTY;
            text.push_decimal(number);
            assert_eq!(text.to_string(), number.to_string());
        }
        let mut text = Ascii::<3>::EMPTY;
        [0x0a, 0xf9].into_iter().for_each(|octet| text.push_hex(octet));
        text.push(0xff);
        assert_eq!(&*text, "0af", "one too many, and what is no character");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(Printable(b"a\x1b[2J\n\"").to_string(), "a\\x1b[2J\\x0a\\x22");
        assert_eq!(Printable(&[b'a'; 500]).to_string().chars().count(), 161);
    }

    #[test]
    fn item_114_host_names_are_sanitised() {
        for (bytes, name) in [
            (&b"bench-1.lab"[..], Some("bench-1.lab")),
            (b"a;$(id)", Some("aid")),
            (b"\x1b[2J", Some("2J")),
            (b"$(); \0", None),
            (b"", None),
        ] {
            assert_eq!(host_name(bytes).as_deref(), name);
        }
        assert_eq!(host_name(&[b'a'; 255]).unwrap().len(), limits::HOST_NAME_MAX);
    }

    #[test]
    fn dump_has_offset_bytes_and_text() {
        let dump = HexDump(b"0123456789abcdef\x00").to_string();
        let lines: Vec<&str> = dump.lines().collect();
        assert_eq!(
            lines[0],
            "0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef"
        );
        assert!(lines[1].starts_with("0010  00 ") && lines[1].ends_with("  ."));
    }
}
