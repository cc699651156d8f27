//! The `Range` header (RFC 9110 section 14).

use std::ops::Range;

/// The part of a file that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: no range, several, or one that is malformed. Firmware asks for one at a time.
    Whole,
    /// These octets, at least one.
    Octets(Range<u64>),
    /// Octets that the file does not have.
    Unsatisfiable,
}

impl Part {
    /// What `header` asks for of `len` octets.
    pub(super) fn of(header: &str, len: u64) -> Self {
        Self::single(header, len).unwrap_or(Self::Whole)
    }

    fn single(header: &str, len: u64) -> Option<Self> {
        let (unit, range) = header.split_once('=')?;
        let (first, last) = range.trim().split_once('-')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let range = match (first, last) {
            // No part of an empty file can be named, but it can be sent.
            ("", _) if len == 0 => return None,
            ("", count) => len.saturating_sub(number(count)?)..len,
            (first, "") => number(first)?..len,
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(first..len.min(last.saturating_add(1)))?
            }
        };
        Some(if range.is_empty() { Self::Unsatisfiable } else { Self::Octets(range) })
    }
}

/// A number too large for its type is larger than every file.
fn number(digits: &str) -> Option<u64> {
    let legible = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    legible.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        use Part::{Octets, Unsatisfiable, Whole};
        for (header, len, part) in [
            ("bytes=0-", 1000, Octets(0..1000)),
            ("bytes=0-99", 1000, Octets(0..100)),
            ("bytes=999-999", 1000, Octets(999..1000)),
            ("bytes=100-5000", 1000, Octets(100..1000)),
            ("bytes=-100", 1000, Octets(900..1000)),
            ("bytes=-5000", 1000, Octets(0..1000)),
            ("Bytes = 0-0 ", 1000, Octets(0..1)),
            ("bytes=5-99999999999999999999999", 1000, Octets(5..1000)),
            ("bytes=4294967296-", 1 << 33, Octets(1 << 32..1 << 33)),
            ("bytes=1000-", 1000, Unsatisfiable),
            ("bytes=1000-1001", 1000, Unsatisfiable),
            ("bytes=99999999999999999999999-", 1000, Unsatisfiable),
            ("bytes=-0", 1000, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-1", 0, Whole),
            ("bytes=2-1", 1000, Whole),
            ("bytes=0-1,5-6", 1000, Whole),
            ("bytes=-", 1000, Whole),
            ("bytes=a-b", 1000, Whole),
            ("bytes=+1-2", 1000, Whole),
            ("bytes=1", 1000, Whole),
            ("items=0-1", 1000, Whole),
            ("", 1000, Whole),
        ] {
            assert_eq!(Part::of(header, len), part, "{header} of {len}");
        }
    }
}
