//! Octets that several may keep without a copy each.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A part of some shared octets; to be read like a slice. A clone costs no allocation.
#[derive(Clone, Default)]
pub struct Octets {
    of: Arc<[u8]>,
    from: u32,
    to: u32,
}

impl Octets {
    /// A part of what is shared already; empty if there is no such part.
    pub(super) fn part(of: &Arc<[u8]>, part: Range<usize>) -> Self {
        let ends = (u32::try_from(part.start), u32::try_from(part.end));
        let (Ok(from), Ok(to)) = ends else { return Self::default() };
        Self { of: Arc::clone(of), from, to }
    }
}

impl Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.of.get(self.from as usize..self.to as usize).unwrap_or_default()
    }
}

impl From<&[u8]> for Octets {
    /// Copies them once.
    fn from(octets: &[u8]) -> Self {
        Self::part(&Arc::from(octets), 0..octets.len())
    }
}

impl From<Vec<u8>> for Octets {
    fn from(octets: Vec<u8>) -> Self {
        Self::from(&*octets)
    }
}

impl PartialEq for Octets {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Octets {}

impl PartialOrd for Octets {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Octets {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Octets {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_it_shows() {
        let all: Arc<[u8]> = Arc::from(&b"abcabc"[..]);
        let [first, second] = [0..3, 3..6].map(|part| Octets::part(&all, part));
        assert_eq!((&*first, &first), (&b"abc"[..], &second));
        assert!(Octets::part(&all, 1..3) > first && *Octets::part(&all, 5..9) == *b"");
        assert_eq!(Octets::from(b"abc".to_vec()), first);
        assert_eq!(format!("{:?}", Octets::default()), "[]");
    }
}
