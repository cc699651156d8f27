//! Addresses that nobody ever had: a bit for each, so that the holes of a pool of millions cost no
//! more than its ranges, and an offer that was never taken leaves nothing behind.

use std::net::Ipv4Addr;

use crate::net::AddressRange;

/// A set of addresses of a range, of which the lowest is found in [`LEVELS`] steps. Bits are there as
/// far as addresses were taken once: what is beyond costs nothing.
#[derive(Clone, Debug)]
pub struct Fresh {
    range: AddressRange,
    /// A bit for each address; and for each word of that a bit whether one is set in it; and so on.
    levels: [Vec<u64>; LEVELS],
}

/// Six bits of an address are told apart in each level, and it has 32.
const LEVELS: usize = 6;
const WORD: usize = 64;

impl Fresh {
    /// All of them.
    pub fn new(range: AddressRange) -> Self {
        Self { range, levels: Default::default() }
    }

    /// The lowest.
    pub fn first(&self) -> Option<Ipv4Addr> {
        let mut at = 0;
        for level in self.levels.iter().rev() {
            match level.get(at) {
                Some(word) if *word != 0 => at = at * WORD + word.trailing_zeros() as usize,
                _ => {
                    at = self.touched();
                    break;
                }
            }
        }
        let first = self.range.first().to_bits();
        let address =
            u32::try_from(at).ok().and_then(|at| first.checked_add(at)).map(Ipv4Addr::from_bits);
        address.filter(|address| self.range.contains(*address))
    }

    /// Is it one of them?
    #[cfg(test)]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let [words, ..] = &self.levels;
        self.offset(address)
            .is_some_and(|at| words.get(at / WORD).is_none_or(|word| word & bit(at) != 0))
    }

    /// It is not fresh any more.
    pub fn take(&mut self, address: Ipv4Addr) {
        let Some(mut at) = self.offset(address) else { return };
        while at >= self.touched() {
            self.touch(u64::MAX);
        }
        for level in &mut self.levels {
            let Some(word) = level.get_mut(at / WORD) else { return };
            *word &= !bit(at);
            if *word != 0 {
                return;
            }
            at /= WORD;
        }
    }

    /// It is fresh again.
    pub fn give(&mut self, address: Ipv4Addr) {
        let Some(mut at) = self.offset(address) else { return };
        for level in &mut self.levels {
            let Some(word) = level.get_mut(at / WORD) else { return };
            let others = std::mem::replace(word, *word | bit(at));
            if others != 0 {
                return;
            }
            at /= WORD;
        }
    }

    /// The same with other ends: what it had is as it was, and everything else is in it.
    pub fn stretch(&self, range: AddressRange) -> Self {
        let mut stretched = Self::new(range);
        let [own, new] = [self.range, range].map(|range| i64::from(range.first().to_bits()));
        let mut from = new - own;
        while from < self.touched() as i64 && (stretched.touched() as u64) < range.count() {
            stretched.touch(self.bits(from));
            from += WORD as i64;
        }
        stretched
    }

    /// A word of bits, from the one of this offset on. Beyond both ends all are set.
    fn bits(&self, from: i64) -> u64 {
        let [words, ..] = &self.levels;
        let word = |at: i64| {
            let at = usize::try_from(at).ok();
            let word = at.and_then(|at| Some(words.get(at)? | !self.within(at * WORD)));
            word.unwrap_or(u64::MAX)
        };
        let (at, shift) = (from.div_euclid(WORD as i64), from.rem_euclid(WORD as i64));
        match shift {
            0 => word(at),
            shift => word(at) >> shift | word(at + 1) << (WORD as i64 - shift),
        }
    }

    fn offset(&self, address: Ipv4Addr) -> Option<usize> {
        let at = address.to_bits().checked_sub(self.range.first().to_bits())?;
        Some(at as usize).filter(|_| self.range.contains(address))
    }

    /// How far there are bits.
    fn touched(&self) -> usize {
        let [words, ..] = &self.levels;
        words.len() * WORD
    }

    /// One word more.
    fn touch(&mut self, bits: u64) {
        let mut at = self.touched();
        let mut bits = bits & self.within(at);
        for level in &mut self.levels {
            match level.get_mut(at / WORD) {
                Some(word) => *word |= bits,
                None => level.push(bits),
            }
            at /= WORD;
            bits = if bits == 0 { 0 } else { bit(at) };
        }
    }

    /// The bits of a word that addresses have, from the one of this offset on.
    fn within(&self, at: usize) -> u64 {
        let left = self.range.count().saturating_sub(at as u64);
        if left < WORD as u64 { (1 << left) - 1 } else { u64::MAX }
    }

    /// How many there are of them, counted.
    #[cfg(test)]
    pub fn count(&self) -> u64 {
        let [words, ..] = &self.levels;
        let within: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
        within + self.range.count().saturating_sub(self.touched() as u64)
    }

    /// The octets that the bits take.
    #[cfg(test)]
    pub fn octets(&self) -> usize {
        self.levels.iter().map(|level| level.capacity() * size_of::<u64>()).sum()
    }
}

fn bit(at: usize) -> u64 {
    1 << (at % WORD)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ip(host: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(host)
    }

    /// Takes and gives in an order that has every case, beside a plain list.
    #[test]
    fn it_is_a_set() {
        for (base, count) in [(0, 10), (u32::MAX - 9, 10), (7, 64), (u32::MAX - 299, 300)] {
            let last = base + (count - 1);
            let mut fresh = Fresh::new(AddressRange::new(ip(base), ip(last)).unwrap());
            let mut plain: BTreeSet<u32> = (base..=last).collect();
            let mut step = 7;
            for round in 0..6000 {
                step = step * 31 % 30_011;
                let at = base + step % count;
                // Mostly taken in one half of the time, mostly given back in the other.
                if (step / 10).is_multiple_of(4) == (round / 1500 % 2 == 0) {
                    fresh.give(ip(at));
                    plain.insert(at);
                } else {
                    fresh.take(ip(at));
                    plain.remove(&at);
                }
                assert_eq!(fresh.first(), plain.first().map(|at| ip(*at)));
                assert_eq!(fresh.contains(ip(at)), plain.contains(&at));
                assert_eq!(fresh.count(), plain.len() as u64);
            }
            let is: Vec<u32> = (base..=last).filter(|at| fresh.contains(ip(*at))).collect();
            assert!(plain.iter().eq(&is), "{plain:?} {fresh:?}");
            (base..=last).for_each(|at| fresh.take(ip(at)));
            assert_eq!((fresh.first(), fresh.count()), (None, 0));
            fresh.give(ip(last));
            assert_eq!(fresh.first(), Some(ip(last)));
            for outside in [base.wrapping_sub(1), last.wrapping_add(1)] {
                fresh.take(ip(outside));
                fresh.give(ip(outside));
                assert!(!fresh.contains(ip(outside)));
            }
        }
    }

    #[test]
    fn it_is_the_same_with_other_ends() {
        let range = |first, last| AddressRange::new(ip(first), ip(last)).unwrap();
        let ends = [(1_000, 1_299), (1_000, 1_063), (1_001, 1_300), (900, 1_128), (1_270, 1_270)];
        for (first, last) in ends {
            let mut fresh = Fresh::new(range(first, last));
            (first..=last).filter(|at| at % 7 < 3).for_each(|at| fresh.take(ip(at)));
            for (begin, end) in ends {
                let stretched = fresh.stretch(range(begin, end));
                let mut plain = Fresh::new(range(begin, end));
                let taken = (first..=last).filter(|at| !fresh.contains(ip(*at)));
                taken.for_each(|at| plain.take(ip(at)));
                let all = |fresh: &Fresh| {
                    (begin..=end).filter(|at| fresh.contains(ip(*at))).collect::<Vec<u32>>()
                };
                assert_eq!(all(&stretched), all(&plain), "{first} {last} {begin} {end}");
                assert_eq!(stretched.first(), plain.first());
            }
        }
    }

    /// A /9 of which every second address is taken, and all of it but one in the end.
    #[test]
    fn a_large_pool_full_of_holes_is_small() {
        let (first, last) = (0x0a80_0000, 0x0aff_ffff);
        let mut fresh = Fresh::new(AddressRange::new(ip(first), ip(last)).unwrap());
        (first..=last).step_by(2).for_each(|at| fresh.take(ip(at)));
        assert_eq!((fresh.first(), fresh.count()), (Some(ip(first + 1)), 1 << 22));
        assert!(fresh.octets() <= 2 << 21, "{}", fresh.octets());
        (first..=last).filter(|at| *at != first + 7_000_001).for_each(|at| fresh.take(ip(at)));
        assert_eq!((fresh.first(), fresh.count()), (Some(ip(first + 7_000_001)), 1));
    }
}
