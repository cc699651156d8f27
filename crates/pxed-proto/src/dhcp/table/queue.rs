//! Leases in order of time: when they end, or since when their address is idle.

use std::cmp::Ordering;

use super::chunks::Chunks;
use super::slots::Slots;
use crate::Timestamp;

/// A heap of four branches, which knows where each lease stands in it. The first is found at once,
/// what is later than all others is put in at once, and everything else takes as many steps as the
/// heap is deep: ten of a million. Of one moment the lowest address is the first.
///
/// A lease stands in one queue at the most.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    entries: Chunks<Entry>,
}

/// Twelve octets, since there are millions: a time of 64 bits beside a number would fill 16.
#[derive(Clone, Copy, Debug)]
struct Entry {
    high: u32,
    low: u32,
    number: u32,
}

const BRANCHES: u32 = 4;

impl Entry {
    #[allow(clippy::cast_possible_truncation, reason = "it is taken apart")]
    fn new(time: Timestamp, number: u32) -> Self {
        let millis = time.as_millis();
        Self { high: (millis >> 32) as u32, low: millis as u32, number }
    }

    fn time(self) -> Timestamp {
        Timestamp::from_millis(u64::from(self.high) << 32 | u64::from(self.low))
    }

    fn cmp(self, other: Self, slots: &Slots) -> Ordering {
        let address = |entry: Self| slots.get(entry.number).map(|lease| lease.address);
        let times = self.time().cmp(&other.time());
        times.then_with(|| address(self).cmp(&address(other)))
    }
}

impl Queue {
    /// The earliest: its time and its number.
    pub fn first(&self) -> Option<(Timestamp, u32)> {
        self.entries.get(0).map(|entry| (entry.time(), entry.number))
    }

    /// Does the lease stand in it?
    pub fn has(&self, number: u32, slots: &Slots) -> bool {
        self.place_of(number, slots).is_some()
    }

    /// Puts a lease in that stands nowhere.
    pub fn insert(&mut self, time: Timestamp, number: u32, slots: &mut Slots) {
        let entry = Entry::new(time, number);
        let place = self.entries.push(entry);
        self.rise(place, entry, slots);
    }

    /// Takes a lease out. `false` if it does not stand here.
    pub fn remove(&mut self, number: u32, slots: &mut Slots) -> bool {
        let Some(place) = self.place_of(number, slots) else { return false };
        slots.stand(number, None);
        if let Some(last) = self.entries.pop().filter(|last| last.number != number) {
            let place = self.rise(place, last, slots);
            self.sink(place, last, slots);
        }
        true
    }

    /// The earliest is later than it was thought.
    pub fn postpone_first(&mut self, time: Timestamp, slots: &mut Slots) {
        if let Some((_, number)) = self.first() {
            self.sink(0, Entry::new(time, number), slots);
        }
    }

    /// Those whose time is at most `now`, the earliest first, the others in no certain order.
    pub fn until(&self, now: Timestamp) -> impl Iterator<Item = u32> {
        let mut places = vec![0];
        std::iter::from_fn(move || {
            while let Some(place) = places.pop() {
                let Some(entry) = self.entries.get(place).filter(|e| e.time() <= now) else {
                    continue;
                };
                places.extend(below(place).rev());
                return Some(entry.number);
            }
            None
        })
    }

    /// How many stand in it.
    pub fn len(&self) -> u32 {
        self.entries.len()
    }

    #[cfg(test)]
    pub fn octets(&self) -> usize {
        self.entries.octets()
    }

    fn place_of(&self, number: u32, slots: &Slots) -> Option<u32> {
        let place = slots.place(number)?;
        self.entries.get(place).filter(|entry| entry.number == number).map(|_| place)
    }

    /// Puts an entry at `place`, or nearer to the top.
    fn rise(&mut self, mut place: u32, entry: Entry, slots: &mut Slots) -> u32 {
        while let Some(above) = place.checked_sub(1).map(|below| below / BRANCHES) {
            let Some(other) = self.entries.get(above).copied() else { break };
            if entry.cmp(other, slots).is_ge() {
                break;
            }
            self.put(place, other, slots);
            place = above;
        }
        self.put(place, entry, slots);
        place
    }

    /// Puts an entry at `place`, or farther from the top.
    fn sink(&mut self, mut place: u32, entry: Entry, slots: &mut Slots) {
        loop {
            let others = below(place).filter_map(|at| Some((at, self.entries.get(at).copied()?)));
            let first = others.min_by(|(_, one), (_, two)| one.cmp(*two, slots));
            let Some((at, other)) = first.filter(|(_, o)| o.cmp(entry, slots).is_lt()) else {
                break;
            };
            self.put(place, other, slots);
            place = at;
        }
        self.put(place, entry, slots);
    }

    fn put(&mut self, place: u32, entry: Entry, slots: &mut Slots) {
        self.entries.set(place, entry);
        slots.stand(entry.number, Some(place));
    }
}

/// The places below one.
fn below(place: u32) -> impl DoubleEndedIterator<Item = u32> {
    let first = place.saturating_mul(BRANCHES).saturating_add(1);
    first..first.saturating_add(BRANCHES)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dhcp::lease::testing::*;

    /// Beside a plain set, in every order of acts.
    #[test]
    fn it_is_an_order() {
        let mut slots = Slots::default();
        let numbers: Vec<u32> = (0..50).map(|host| slots.add(lease(host, host, 0))).collect();
        let (mut queue, mut plain) = (Queue::default(), BTreeSet::<(Timestamp, _, u32)>::new());
        let mut dice = 1_u64;
        for step in 0..20_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
            let (host, time) = ((dice >> 33) % 50, at(((dice >> 40) % 30) << ((dice >> 50) % 40)));
            let number = numbers[usize::try_from(host).unwrap()];
            let key = |time| (time, slots.get(number).unwrap().address, number);
            let stands = plain.iter().find(|(.., other)| *other == number).copied();
            assert_eq!(queue.has(number, &slots), stands.is_some());
            match stands {
                None => {
                    plain.insert(key(time));
                    queue.insert(time, number, &mut slots);
                }
                Some(first) if plain.first() == Some(&first) && time > first.0 => {
                    plain.remove(&first);
                    plain.insert(key(time));
                    queue.postpone_first(time, &mut slots);
                }
                Some(stands) => {
                    plain.remove(&stands);
                    assert!(queue.remove(number, &mut slots));
                    assert!(!queue.remove(number, &mut slots));
                }
            }
            let first = plain.first().map(|(time, _, number)| (*time, *number));
            assert_eq!((queue.first(), queue.len() as usize), (first, plain.len()));
            let until = plain.iter().filter(|(end, ..)| *end <= time).map(|(.., n)| *n);
            assert_eq!(queue.until(time).collect::<BTreeSet<_>>(), until.collect());
        }
    }

    #[test]
    fn it_is_small() {
        assert_eq!(size_of::<Entry>(), 12);
    }
}
