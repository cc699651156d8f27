//! Maps by numbers that are given out here, one after the other: nobody else chooses them, so their hash
//! needs no secret and may be quick. There are several look-ups for each packet.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by numbers of our own.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Spreads numbers by a multiplication.
#[derive(Debug, Default)]
pub struct IdHasher(u64);

/// 2^64 divided by the golden ratio: neighbours come to lie far from each other (Knuth, volume 3, section 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // The map uses the highest bits and the lowest.
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;

    #[test]
    fn numbers_in_turn_are_spread() {
        let hash =
            |id: u64, index: u32| BuildHasherDefault::<IdHasher>::default().hash_one((id, index));
        let all: Vec<u64> = (0..64).flat_map(|id| (0..64).map(move |i| hash(id, i))).collect();
        let distinct = |part: fn(&u64) -> u64| all.iter().map(part).collect::<HashSet<_>>().len();
        assert_eq!(distinct(|hash| *hash), all.len());
        assert!(distinct(|hash| hash & 0xfff) > 2000 && distinct(|hash| hash >> 57) == 128);
    }
}
