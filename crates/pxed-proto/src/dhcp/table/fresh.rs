//! Addresses that nobody ever had: ranges, so that a pool of millions costs nothing until it is
//! leased, and an offer that was never taken leaves nothing behind.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::net::AddressRange;

/// A set of addresses as ranges that do not touch: there is one more at most than what was taken.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The last of each range by its first.
    ranges: BTreeMap<u32, u32>,
}

impl Fresh {
    /// All of them.
    pub fn new(range: AddressRange) -> Self {
        Self { ranges: [(range.first().to_bits(), range.last().to_bits())].into() }
    }

    /// The lowest.
    pub fn first(&self) -> Option<Ipv4Addr> {
        self.ranges.first_key_value().map(|(first, _)| Ipv4Addr::from_bits(*first))
    }

    /// Is it one of them?
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.around(address.to_bits()).is_some()
    }

    /// It is not fresh any more.
    pub fn take(&mut self, address: Ipv4Addr) {
        let at = address.to_bits();
        let Some((first, last)) = self.around(at) else { return };
        self.ranges.remove(&first);
        if first < at {
            self.ranges.insert(first, at - 1);
        }
        if at < last {
            self.ranges.insert(at + 1, last);
        }
    }

    /// It is fresh again.
    pub fn give(&mut self, address: Ipv4Addr) {
        let at = address.to_bits();
        if self.contains(address) {
            return;
        }
        let before = at.checked_sub(1).and_then(|before| self.around(before));
        let after = at.checked_add(1).and_then(|after| self.around(after));
        if let Some((first, _)) = after {
            self.ranges.remove(&first);
        }
        let first = before.map_or(at, |(first, _)| first);
        self.ranges.insert(first, after.map_or(at, |(_, last)| last));
    }

    /// The range that it lies in.
    fn around(&self, at: u32) -> Option<(u32, u32)> {
        let (first, last) = self.ranges.range(..=at).next_back()?;
        (*last >= at).then_some((*first, *last))
    }

    /// How many ranges there are.
    #[cfg(test)]
    pub fn ranges(&self) -> usize {
        self.ranges.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes and gives in an order that has every case, beside a plain list.
    #[test]
    fn it_is_a_set() {
        let ip = |host: u32| Ipv4Addr::from_bits(host);
        for base in [0, u32::MAX - 9] {
            let mut fresh = Fresh::new(AddressRange::new(ip(base), ip(base + 9)).unwrap());
            let mut plain: std::collections::BTreeSet<u32> = (base..=base + 9).collect();
            let mut step = 7;
            for round in 0..1000 {
                step = step * 31 % 1009;
                let at = base + step % 10;
                if (step / 10 + round) % 2 == 0 {
                    fresh.take(ip(at));
                    plain.remove(&at);
                } else {
                    fresh.give(ip(at));
                    plain.insert(at);
                }
                let is: Vec<u32> = (base..=base + 9).filter(|at| fresh.contains(ip(*at))).collect();
                assert!(plain.iter().eq(&is), "{plain:?} {fresh:?}");
                assert_eq!(fresh.first(), plain.first().map(|at| ip(*at)));
                let gaps = is.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
                assert_eq!(fresh.ranges(), gaps + usize::from(!is.is_empty()));
            }
        }
    }
}
