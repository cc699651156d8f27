//! Domain names as DNS writes them (RFC 1035 section 3.1), and with compression (section 4.1.4),
//! which search lists may use (RFC 3397 section 2).

use std::fmt::Write;

use crate::limits;
use crate::text::Printable;

/// The most octets of a name, its last zero included (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 255;
/// The most octets of a label.
const LABEL_MAX: usize = 63;

/// Appends a name, uncompressed: every client reads that. `None` if it is no domain name; a dot
/// at its end is allowed.
pub(super) fn put(name: &str, out: &mut Vec<u8>) -> Option<()> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if !is_name(name) {
        return None;
    }
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).ok()?);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    Some(())
}

/// Is it a domain name: labels of letters, digits, hyphens and underscores?
pub(super) fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.len() + 2 <= NAME_MAX
        && name
            .split('.')
            .all(|label| (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(legal))
}

/// The names that fill `data`, for people. `None` if one is damaged, or there are too many.
pub(super) fn list(data: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < data.len() {
        if names.len() == limits::DOMAIN_NAMES_MAX {
            return None;
        }
        let (name, next) = read(data, at)?;
        names.push(name);
        at = next;
    }
    Some(names)
}

/// The name at `start` for people, and where the next one begins.
///
/// A pointer must lead to before the part that it ends, so that there is no loop.
fn read(data: &[u8], start: usize) -> Option<(String, usize)> {
    let mut name = Name::default();
    let (mut at, mut part, mut next) = (start, start, None);
    loop {
        let len = usize::from(*data.get(at)?);
        match len {
            0 => return Some((name.text(), next.unwrap_or(at + 1))),
            1..=LABEL_MAX => {
                name.push(data.get(at + 1..=at + len)?)?;
                at += 1 + len;
            }
            0xc0.. => {
                let target = (len & 0x3f) << 8 | usize::from(*data.get(at + 1)?);
                if target >= part {
                    return None;
                }
                next = next.or(Some(at + 2));
                (at, part) = (target, target);
            }
            _ => return None,
        }
    }
}

/// The labels that fill `data`, for people, with or without a last zero: a client that knows only
/// its host name sends no more (RFC 4702 section 2.3.1).
pub(super) fn partial(data: &[u8]) -> Option<String> {
    let mut name = Name::default();
    let mut rest = data;
    while let [len @ 1..=u8::MAX, tail @ ..] = rest {
        let (label, behind) = tail.split_at_checked(usize::from(*len))?;
        name.push((label.len() <= LABEL_MAX).then_some(label)?)?;
        rest = behind;
    }
    matches!(rest, [] | [0]).then(|| name.text())
}

/// A name that grows label by label.
#[derive(Default)]
struct Name {
    text: String,
    octets: usize,
}

impl Name {
    /// `None` if the name becomes too long. A dot within a label would be read as two labels.
    fn push(&mut self, label: &[u8]) -> Option<()> {
        self.octets += 1 + label.len();
        if self.octets >= NAME_MAX {
            return None;
        }
        let separator = if self.text.is_empty() { "" } else { "." };
        self.text.push_str(separator);
        for byte in label {
            match byte {
                b'.' | b' ' | b',' => write!(self.text, "\\x{byte:02x}").ok()?,
                byte => write!(self.text, "{}", Printable(&[*byte])).ok()?,
            }
        }
        Some(())
    }

    fn text(self) -> String {
        if self.text.is_empty() { ".".to_owned() } else { self.text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_all(names: &[&str]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        names.iter().try_for_each(|name| put(name, &mut out))?;
        Some(out)
    }

    #[test]
    fn names_make_the_round_trip() {
        let names = ["lab.example", "a-1.b_2.example"];
        let octets = put_all(&names).unwrap();
        assert_eq!(&octets[..13], b"\x03lab\x07example\x00");
        assert_eq!(list(&octets).unwrap(), names);
        assert_eq!(put_all(&["lab."]), put_all(&["lab"]));
    }

    #[test]
    fn what_is_no_name() {
        let long = ["a"; 127].join(".");
        assert!(is_name(&long) && put_all(&[&format!("{long}.a")]).is_none());
        assert!(is_name(&"a".repeat(63)) && !is_name(&"a".repeat(64)));
        for name in ["", ".", "a..b", "a b", "münchen.example", "a\0"] {
            assert!(put_all(&[name]).is_none(), "{name}");
        }
    }

    #[test]
    fn item_126_compressed_search_lists_are_read() {
        // RFC 3397 section 2: "eng.apple.com." and "marketing.apple.com."
        let octets = b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04";
        assert_eq!(list(octets).unwrap(), ["eng.apple.com", "marketing.apple.com"]);
        assert_eq!(list(b"\x01a\x00\xc0\x00\xc0\x03").unwrap(), ["a", "a", "a"]);
    }

    #[test]
    fn loops_and_pointers_out_of_bounds_are_no_names() {
        for octets in [
            &b"\xc0\x00"[..],
            b"\x01a\xc0\x00",
            b"\x01a\xc0\x02",
            b"\xc0\x02\xc0\x00",
            b"\x01a\x00\xc0\x05\xc0\x03",
            b"\x01a\x00\xff\xff",
            b"\x01a\x00\xc0",
            b"\x05ab",
            b"\x01a",
            b"\x41a\x00",
        ] {
            assert_eq!(list(octets), None, "{octets:?}");
        }
    }

    #[test]
    fn a_list_that_swells_is_bounded() {
        let label = [&[63][..], &[b'a'; 63]].concat();
        let mut octets = [&label[..], &label, &label, &[61], &[b'a'; 61], &[0]].concat();
        assert_eq!(list(&octets).unwrap()[0].len(), 253);
        octets.extend([0xc0, 0].repeat(1000));
        assert_eq!(list(&octets), None, "more names than anybody searches");
        let long = [&label[..], &label, &label, &label, &[0]].concat();
        assert_eq!(list(&long), None, "257 octets");
    }

    #[test]
    fn labels_cannot_pass_for_something_else() {
        assert_eq!(list(b"\x05a.b,\x1b\x00").unwrap(), ["a\\x2eb\\x2c\\x1b"]);
        assert_eq!(partial(b"\x05bench").as_deref(), Some("bench"));
        assert_eq!(partial(b"\x05bench\x03lab\x00").as_deref(), Some("bench.lab"));
        assert_eq!(partial(b"\x05bench\x00x"), None);
    }
}
