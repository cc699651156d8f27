//! MACs by IPv4 address, as small as there may be leases: a million or more.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use pxed_proto::net::Mac;

/// Who has which address. Leases lie side by side, since pools are given out in order: so 64 addresses
/// that are neighbours are one entry, and what is known of one of them costs little more than its six
/// octets. Of an address far from all others it costs some 450.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// By the address without its last six bits. Keyed, since what is asked comes from the network.
    blocks: HashMap<u32, Box<Block>>,
}

/// The holders of 64 addresses.
#[derive(Debug)]
struct Block {
    /// A bit for each address that has one.
    known: u64,
    macs: [Mac; ADDRESSES],
}

const ADDRESSES: usize = 64;
const BITS: u32 = ADDRESSES.trailing_zeros();

impl Block {
    const EMPTY: Self = Self { known: 0, macs: [Mac([0; 6]); ADDRESSES] };
}

/// Which block an address is in, and at which place of it.
fn parts(address: Ipv4Addr) -> (u32, usize) {
    let bits = address.to_bits();
    (bits >> BITS, bits as usize % ADDRESSES)
}

impl Holders {
    /// Who has it.
    pub(super) fn get(&self, address: Ipv4Addr) -> Option<Mac> {
        let (number, place) = parts(address);
        let block = self.blocks.get(&number).filter(|block| block.known & (1 << place) != 0)?;
        block.macs.get(place).copied()
    }

    /// A machine has it from now on. Who had it before.
    pub(super) fn insert(&mut self, address: Ipv4Addr, mac: Mac) -> Option<Mac> {
        let before = self.get(address);
        let (number, place) = parts(address);
        let block = self.blocks.entry(number).or_insert_with(|| Box::new(Block::EMPTY));
        if let Some(its) = block.macs.get_mut(place) {
            *its = mac;
            block.known |= 1 << place;
        }
        before
    }

    /// Nobody has it any more.
    pub(super) fn remove(&mut self, address: Ipv4Addr) {
        let (number, place) = parts(address);
        let Some(block) = self.blocks.get_mut(&number) else { return };
        block.known &= !(1 << place);
        if block.known == 0 {
            self.blocks.remove(&number);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.blocks.values().map(|block| block.known.count_ones() as usize).sum()
    }

    /// What it has allocated, without what the allocator adds: a place of the table is a key and a
    /// pointer in 16 octets and an octet beside, and an eighth of them stays empty.
    #[cfg(test)]
    fn octets(&self) -> usize {
        let places = (self.blocks.capacity() * 8 / 7).next_power_of_two();
        self.blocks.len() * size_of::<Block>() + places * (size_of::<(u32, Box<Block>)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn mac(number: u32) -> Mac {
        let [a, b, c, d] = number.to_be_bytes();
        Mac([2, 0, a, b, c, d])
    }

    /// Beside a plain map.
    #[test]
    fn it_is_a_map() {
        let (mut plain, mut holders) = (BTreeMap::new(), Holders::default());
        let mut dice = 1_u64;
        for step in 0..20_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let block = [0, 0x0a00_0000, u32::MAX - 99][(dice >> 33) as usize % 3];
            let address = Ipv4Addr::from_bits(block + (dice >> 40) as u32 % 100);
            if (dice >> 50).is_multiple_of(3) {
                plain.remove(&address);
                holders.remove(address);
            } else {
                assert_eq!(holders.insert(address, mac(step)), plain.insert(address, mac(step)));
            }
            assert_eq!(holders.get(address), plain.get(&address).copied());
            assert_eq!(holders.len(), plain.len());
        }
        let addresses: Vec<Ipv4Addr> = plain.into_keys().collect();
        addresses.into_iter().for_each(|address| holders.remove(address));
        assert!(holders.blocks.is_empty());
    }

    #[test]
    fn a_million_leases_take_seven_octets_each() {
        let mut holders = Holders::default();
        let many = 1 << 20;
        (0..many).for_each(|number| {
            holders.insert(Ipv4Addr::from_bits(0x0a80_0000 + number), mac(number));
        });
        assert_eq!(holders.len(), many as usize);
        let of_each = holders.octets() as f64 / f64::from(many);
        assert!(of_each < 7.0, "{of_each}");
    }
}
