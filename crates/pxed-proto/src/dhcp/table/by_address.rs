//! Numbers by address, in the order of addresses: a tree of three steps, which never has to be moved
//! to grow, and no choice of addresses makes slower.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::slots::Link;

/// A number for each of some addresses. It costs four octets for each address of a /24 of which
/// one has a number, which is four for each lease where networks are filled in order.
#[derive(Clone, Debug, Default)]
pub struct ByAddress {
    /// By the first two octets of an address, then the third, then the last.
    halves: BTreeMap<u16, Thirds>,
}

type Thirds = Vec<Option<Box<[Link; 256]>>>;

fn parts(address: Ipv4Addr) -> (u16, u8, u8) {
    let [a, b, c, d] = address.octets();
    (u16::from_be_bytes([a, b]), c, d)
}

impl ByAddress {
    /// The number of an address.
    pub fn get(&self, address: Ipv4Addr) -> Option<u32> {
        let (half, third, last) = parts(address);
        let numbers = self.halves.get(&half)?.get(usize::from(third))?.as_ref()?;
        numbers.get(usize::from(last))?.get()
    }

    /// Gives an address a number.
    pub fn insert(&mut self, address: Ipv4Addr, number: u32) {
        self.set(address, Some(number).into());
    }

    fn set(&mut self, address: Ipv4Addr, number: Link) {
        let (half, third, last) = parts(address);
        let thirds = self.halves.entry(half).or_default();
        if thirds.len() <= usize::from(third) {
            thirds.resize(usize::from(third) + 1, None);
        }
        if let Some(numbers) = thirds.get_mut(usize::from(third))
            && let Some(place) = numbers
                .get_or_insert_with(|| Box::new([Link::NONE; 256]))
                .get_mut(usize::from(last))
        {
            *place = number;
        }
    }

    /// An address has no number any more.
    pub fn remove(&mut self, address: Ipv4Addr) {
        if self.get(address).is_some() {
            self.set(address, Link::NONE);
        }
    }

    #[cfg(test)]
    pub fn octets(&self) -> usize {
        let thirds = |thirds: &Thirds| {
            let filled = thirds.iter().flatten().count();
            filled * size_of::<[Link; 256]>() + thirds.capacity() * size_of::<Option<Box<()>>>()
        };
        self.halves.values().map(thirds).sum()
    }

    /// The numbers of the addresses behind `after`, in the order of these.
    pub fn after(&self, after: Option<Ipv4Addr>) -> impl Iterator<Item = u32> {
        // What is behind the last address of all begins at an address that does not exist.
        let from = after.map_or(0, |after| u64::from(after.to_bits()) + 1);
        let halves = u16::try_from(from >> 16).ok().into_iter();
        let halves = halves.flat_map(|half| self.halves.range(half..));
        let numbers = halves.flat_map(move |(half, thirds)| {
            let begins = move |third: usize| u64::from(*half) << 16 | (third as u64) << 8;
            let filled = thirds
                .iter()
                .enumerate()
                .filter_map(move |(t, numbers)| Some((begins(t), numbers.as_ref()?)));
            filled.filter(move |(begin, _)| begin + 255 >= from)
        });
        numbers.flat_map(move |(begin, numbers)| {
            let skipped = usize::try_from(from.saturating_sub(begin)).unwrap_or(usize::MAX);
            numbers.iter().skip(skipped).filter_map(|number| number.get())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside a plain map, at every border.
    #[test]
    fn it_is_a_map_in_order() {
        let borders =
            [0, 0xff, 0x100, 0xffff, 0x1_0000, 0x0a7f_ffff, 0x0a80_0000, u32::MAX - 1, u32::MAX];
        let (mut plain, mut tree) = (BTreeMap::new(), ByAddress::default());
        for round in 0..2_000_u32 {
            let border = borders[round as usize * 7 % borders.len()];
            let address = Ipv4Addr::from_bits(border ^ (round / 9 * 37 % 3));
            if round % 5 == 4 {
                plain.remove(&address);
                tree.remove(address);
            } else {
                plain.insert(address, round);
                tree.insert(address, round);
            }
            assert_eq!(tree.get(address), plain.get(&address).copied());
            let all: Vec<u32> = plain.values().copied().collect();
            assert_eq!(tree.after(None).collect::<Vec<_>>(), all);
            let behind = plain.range(address..).filter(|(other, _)| **other != address);
            let behind: Vec<u32> = behind.map(|(_, number)| *number).collect();
            assert_eq!(tree.after(Some(address)).collect::<Vec<_>>(), behind, "{address}");
        }
    }
}
