//! Text that came from the network, made fit to be read.

use std::fmt::{self, Write};

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

/// A host name that may be stored and shown: what of the peer's bytes is a letter, a digit, a
/// hyphen or a dot (RFC 952), at most [`limits::HOST_NAME_MAX`]. `None` if nothing is left.
pub fn host_name(bytes: &[u8]) -> Option<String> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let name: String =
        bytes.iter().copied().filter(legal).take(limits::HOST_NAME_MAX).map(char::from).collect();
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
