//! Where leases are kept: each in a slot of its own, which has a number.

use super::chunks::Chunks;
use crate::dhcp::lease::Lease;

/// The slots. A lease keeps its number for as long as there is one of its address.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    slots: Chunks<Slot>,
    /// The numbers of those that are empty.
    free: Vec<u32>,
}

/// A lease, and what the indexes keep with it.
#[derive(Clone, Debug)]
struct Slot {
    lease: Option<Lease>,
    /// The next lease of the same chain: see [`ByClient`](super::by_client::ByClient).
    next: Link,
    /// Where in a [`Queue`](super::queue::Queue) the lease stands.
    place: Link,
}

/// The number of something, or nothing, in four octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(u32);

impl Link {
    /// To nothing.
    pub const NONE: Self = Self(u32::MAX);

    /// What it leads to.
    pub fn get(self) -> Option<u32> {
        Some(self.0).filter(|_| self != Self::NONE)
    }
}

impl From<Option<u32>> for Link {
    fn from(number: Option<u32>) -> Self {
        number.map_or(Self::NONE, Self)
    }
}

impl Slots {
    /// The lease of this number.
    pub fn get(&self, number: u32) -> Option<&Lease> {
        self.slots.get(number)?.lease.as_ref()
    }

    /// Keeps a lease; returns its number.
    pub fn add(&mut self, lease: Lease) -> u32 {
        let slot = Slot { lease: Some(lease), next: Link::NONE, place: Link::NONE };
        let Some(number) = self.free.pop() else { return self.slots.push(slot) };
        self.slots.set(number, slot);
        number
    }

    /// Writes a lease over another; returns that.
    pub fn replace(&mut self, number: u32, lease: Lease) -> Option<Lease> {
        self.slots.get_mut(number)?.lease.replace(lease)
    }

    /// Forgets a lease that stands in no index any more.
    pub fn remove(&mut self, number: u32) -> Option<Lease> {
        let lease = self.slots.get_mut(number)?.lease.take()?;
        self.free.push(number);
        Some(lease)
    }

    #[cfg(test)]
    pub fn octets(&self) -> usize {
        self.slots.octets() + self.free.capacity() * size_of::<u32>()
    }

    /// The next of its chain.
    pub fn next(&self, number: u32) -> Link {
        self.slots.get(number).map_or(Link::NONE, |slot| slot.next)
    }

    /// It has another next one.
    pub fn link(&mut self, number: u32, next: Link) {
        if let Some(slot) = self.slots.get_mut(number) {
            slot.next = next;
        }
    }

    /// Where in a queue it stands.
    pub fn place(&self, number: u32) -> Option<u32> {
        self.slots.get(number).and_then(|slot| slot.place.get())
    }

    /// It stands elsewhere, or nowhere.
    pub fn stand(&mut self, number: u32, place: Option<u32>) {
        if let Some(slot) = self.slots.get_mut(number) {
            slot.place = place.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::lease::testing::*;

    #[test]
    fn an_empty_slot_is_used_again() {
        let mut slots = Slots::default();
        assert_eq!([1, 2].map(|host| slots.add(lease(host, 1, 0))), [0, 1]);
        slots.link(0, Some(1).into());
        slots.stand(0, Some(7));
        assert_eq!((slots.next(0).get(), slots.place(0)), (Some(1), Some(7)));
        assert_eq!((slots.remove(0), slots.remove(0)), (Some(lease(1, 1, 0)), None));
        assert_eq!(slots.get(0), None);
        assert_eq!([3, 4].map(|host| slots.add(lease(host, 1, 0))), [0, 2]);
        assert_eq!((slots.next(0).get(), slots.place(0)), (None, None));
        assert_eq!(slots.replace(0, lease(5, 1, 0)), Some(lease(3, 1, 0)));
    }

    #[test]
    fn it_is_small() {
        assert_eq!(size_of::<Slot>(), 72);
    }
}
