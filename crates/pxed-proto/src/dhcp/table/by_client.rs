//! Numbers of leases by client: a hash table that grows by one chain at a time, so that nobody waits
//! while a million others are moved (linear hashing: Litwin, 1980).

use std::hash::{DefaultHasher, Hasher};

use super::chunks::Chunks;
use super::slots::{Link, Slots};
use crate::dhcp::lease::{ClientKey, Lease};

/// What the places of clients are made from, so that nobody who chooses names can have them all in
/// one place. Any will do that nobody outside knows: the driver draws it, since nothing is drawn here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Secret(pub [u8; 16]);

/// Which lease a client is found by. Those of one place are a chain, linked through the slots; there
/// is a chain for each, so that the next one is seldom asked. Nothing is ever listed in this order.
#[derive(Clone, Debug)]
pub struct ByClient {
    /// It has taken in the secret.
    hasher: DefaultHasher,
    /// The first of each chain.
    chains: Chunks<Link>,
    len: u32,
}

impl ByClient {
    /// Nobody is known.
    pub fn new(secret: Secret) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&secret.0);
        Self { hasher, chains: Chunks::default(), len: 0 }
    }

    /// Makes room for so many, while there is nobody: then they need not be told apart again and again as
    /// they come.
    pub fn expect(&mut self, clients: u32) {
        while self.len == 0 && self.chains.len() < clients {
            self.chains.push(Link::NONE);
        }
    }

    /// The lease that the client is found by.
    pub fn get(&self, client: &ClientKey, slots: &Slots) -> Option<u32> {
        self.find(self.hash(client), client, slots)
    }

    /// Has the client of a lease found by it, and by no other; unless the other one `keeps` the client
    /// from this one.
    pub fn insert(
        &mut self,
        number: u32,
        slots: &mut Slots,
        keeps: impl FnOnce(&Lease, &Lease) -> bool,
    ) {
        let Some(lease) = slots.get(number) else { return };
        let client = lease.client();
        let hash = self.hash(&client);
        if let Some(other) = self.find(hash, &client, slots) {
            if slots.get(other).is_some_and(|other| keeps(other, lease)) {
                return;
            }
            self.unlink(hash, other, slots);
        }
        self.len += 1;
        if self.len > self.chains.len() {
            self.grow(slots);
        }
        self.push(hash, number, slots);
    }

    /// Has the client of a lease not found by it any more.
    pub fn remove(&mut self, number: u32, slots: &mut Slots) {
        if let Some(client) = slots.get(number).map(Lease::client) {
            self.unlink(self.hash(&client), number, slots);
        }
    }

    fn find(&self, hash: u32, client: &ClientKey, slots: &Slots) -> Option<u32> {
        let mut number = self.first(self.chain_of(hash)).get()?;
        while !slots.get(number)?.is_of(client) {
            number = slots.next(number).get()?;
        }
        Some(number)
    }

    fn unlink(&mut self, hash: u32, number: u32, slots: &mut Slots) {
        let chain = self.chain_of(hash);
        let (mut before, mut link) = (None, self.first(chain));
        while let Some(at) = link.get().filter(|at| *at != number) {
            (before, link) = (Some(at), slots.next(at));
        }
        let next = slots.next(number);
        match before {
            _ if link == Link::NONE => return,
            None => self.chains.set(chain, next),
            Some(before) => slots.link(before, next),
        }
        self.len -= 1;
    }

    #[cfg(test)]
    pub fn octets(&self) -> usize {
        self.chains.octets()
    }

    /// One chain more; the one that it was a part of is told apart.
    fn grow(&mut self, slots: &mut Slots) {
        let new = self.chains.push(Link::NONE);
        let Some(old) = whole(new).map(|half| new - half) else { return };
        let mut link = self.first(old);
        self.chains.set(old, Link::NONE);
        while let Some(number) = link.get() {
            link = slots.next(number);
            if let Some(client) = slots.get(number).map(Lease::client) {
                self.push(self.hash(&client), number, slots);
            }
        }
    }

    fn push(&mut self, hash: u32, number: u32, slots: &mut Slots) {
        let chain = self.chain_of(hash);
        slots.link(number, self.first(chain));
        self.chains.set(chain, Some(number).into());
    }

    fn first(&self, chain: u32) -> Link {
        self.chains.get(chain).copied().unwrap_or(Link::NONE)
    }

    /// The chain where a client of this hash is, if it is known.
    fn chain_of(&self, hash: u32) -> u32 {
        let Some(half) = self.chains.len().checked_sub(1).and_then(whole) else { return 0 };
        // Chains beyond the last one are not told yet from those a half before.
        let chain = hash & (half * 2 - 1);
        if chain < self.chains.len() { chain } else { chain - half }
    }

    #[allow(clippy::cast_possible_truncation, reason = "any half of a hash is one")]
    fn hash(&self, client: &ClientKey) -> u32 {
        let mut hasher = self.hasher.clone();
        match client {
            ClientKey::Hardware(hardware) => match *hardware.octets() {
                [a, b, c, d, e, f] => {
                    hasher.write_u64(u64::from_be_bytes([0, hardware.htype(), a, b, c, d, e, f]));
                }
                ref octets => hasher.write(octets),
            },
            ClientKey::Identifier(identifier) => hasher.write(identifier),
        }
        hasher.finish() as u32
    }
}

/// The greatest power of two that is not above a number.
fn whole(number: u32) -> Option<u32> {
    number.checked_ilog2().map(|log| 1 << log)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use super::*;
    use crate::dhcp::lease::Said;
    use crate::dhcp::lease::testing::*;
    use crate::machine::HardwareAddress;
    use crate::net::Mac;

    fn client_of(number: u32) -> ClientKey {
        let [a, b, c, d] = number.to_be_bytes();
        match number.is_multiple_of(2) {
            true => ClientKey::Hardware(HardwareAddress::from(Mac([2, 0, a, b, c, d]))),
            false => ClientKey::Identifier([a, b, c, d].as_slice().into()),
        }
    }

    fn lease_of(number: u32) -> Lease {
        match client_of(number) {
            ClientKey::Hardware(hardware) => Lease { hardware, ..lease(1, 1, 0) },
            by_name => Lease { said: Said::new(&by_name, None, None), ..lease(1, 1, 0) },
        }
    }

    /// Beside a plain map, through its whole growth.
    #[test]
    fn it_is_a_map() {
        for expected in [0, 700, 5_000] {
            it_is_a_map_with_room_for(expected);
        }
    }

    fn it_is_a_map_with_room_for(expected: u32) {
        let (mut slots, mut table) = (Slots::default(), ByClient::new(Secret([7; 16])));
        table.expect(expected);
        let mut plain = BTreeMap::new();
        for round in 0..9_000_u32 {
            let client = round * 7919 % 2_503;
            assert_eq!(table.get(&client_of(client), &slots), plain.get(&client).copied());
            match plain.entry(client) {
                Entry::Occupied(known) if round % 3 == 2 => {
                    let number = known.remove();
                    table.remove(number, &mut slots);
                    table.remove(number, &mut slots);
                    slots.remove(number);
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(new) => {
                    let number = *new.insert(slots.add(lease_of(client)));
                    table.insert(number, &mut slots, |_, _| false);
                }
            }
            assert_eq!(table.len as usize, plain.len());
        }
        assert!(plain.len() > 1_000, "{}", plain.len());
        for client in 0..2_503 {
            assert_eq!(table.get(&client_of(client), &slots), plain.get(&client).copied());
        }
    }

    /// What a look-up costs is what its chain is long, and nobody can choose that.
    #[test]
    fn chains_are_short_whatever_the_names() {
        for secret in [0, 1] {
            let (mut slots, mut table) = (Slots::default(), ByClient::new(Secret([secret; 16])));
            for number in 0..20_000 {
                let number = slots.add(lease_of(number << 8));
                table.insert(number, &mut slots, |_, _| false);
            }
            let length = |chain| {
                let mut link = table.first(chain);
                let all = std::iter::from_fn(|| {
                    let number = link.get()?;
                    link = slots.next(number);
                    Some(number)
                });
                all.count()
            };
            let longest = (0..table.chains.len()).map(length).max();
            assert!(longest.is_some_and(|longest| longest <= 12), "{longest:?}");
        }
        let [one, two] = [1, 2].map(|secret| ByClient::new(Secret([secret; 16])).hash(&client(1)));
        assert_ne!(one, two);
    }
}
