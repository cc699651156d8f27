//! The commits that the store has not answered, and what is told once it has.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use super::config::Link;
use super::lease::Lease;
use super::plan::CommitId;
use super::table::ByAddress;
use super::transmit::Transmit;
use crate::event::Event;

/// A commit that the store has not answered.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub lease: Lease,
    pub before: Option<Lease>,
    /// A change that this one stands on has failed.
    pub doomed: bool,
    /// `None` for what nobody asked for: a lease that is given up for another one.
    pub told: Option<Told>,
    /// The change of the same address before this one that is not answered either.
    pub earlier: Option<CommitId>,
}

/// The commits that the store has not answered: a queue, since they are numbered in turn and nearly
/// always answered so.
#[derive(Clone, Debug, Default)]
pub struct UnderWay {
    /// Those behind `answered`.
    waiting: VecDeque<Option<Waiting>>,
    /// All up to this one are answered.
    answered: u64,
    count: usize,
    /// The last one of each address, since what was changed on top of a change fails with it.
    latest: ByAddress,
}

/// What is told once a change is durable.
#[derive(Clone, Debug)]
pub struct Told {
    pub event: Event,
    pub reply: Option<Transmit>,
}

impl UnderWay {
    pub fn add(&mut self, waiting: Waiting) -> CommitId {
        let (id, address) = (self.next(), waiting.lease.address);
        let earlier = self.latest(address);
        self.set_latest(address, Some(id));
        self.waiting.push_back(Some(Waiting { earlier, ..waiting }));
        self.count += 1;
        id
    }

    pub fn remove(&mut self, id: CommitId) -> Option<Waiting> {
        let done = self.place(id)?.take()?;
        self.count -= 1;
        self.unlink(id, &done);
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.answered += 1;
        }
        Some(done)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// How much room they take: with those that were answered before others.
    pub fn span(&self) -> usize {
        self.waiting.len()
    }

    /// Has the store answered every change of this address?
    pub fn is_settled(&self, address: Ipv4Addr) -> bool {
        self.latest(address).is_none()
    }

    /// The last change of an address.
    pub fn last_of(&self, address: Ipv4Addr) -> Option<&Waiting> {
        self.get(self.latest(address)?)
    }

    /// A change of this address has failed.
    pub fn doom(&mut self, address: Ipv4Addr) {
        let mut on_top = self.latest(address);
        while let Some(Some(waiting)) = on_top.and_then(|id| self.place(id)) {
            waiting.doomed = true;
            on_top = waiting.earlier;
        }
    }

    /// Replies name their link by its place in the configuration: it has moved.
    pub fn move_replies(&mut self, before: &[Link], after: &[Link]) {
        let waiting = self.waiting.iter_mut().flatten();
        for told in waiting.filter_map(|waiting| waiting.told.as_mut()) {
            let reply = told.reply.take();
            let moved = |reply: &Transmit| reply.link.moved(before, after);
            told.reply = reply.and_then(|reply| Some(Transmit { link: moved(&reply)?, ..reply }));
        }
    }

    fn next(&self) -> CommitId {
        CommitId(self.answered + 1 + self.waiting.len() as u64)
    }

    /// One that is answered is not of its address any more.
    fn unlink(&mut self, id: CommitId, done: &Waiting) {
        let address = done.lease.address;
        let mut later = self.latest(address);
        if later == Some(id) {
            return self.set_latest(address, done.earlier);
        }
        while let Some(Some(waiting)) = later.and_then(|later| self.place(later)) {
            later = waiting.earlier;
            if later == Some(id) {
                waiting.earlier = done.earlier;
            }
        }
    }

    fn index(&self, id: CommitId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(self.answered + 1)?).ok()
    }

    fn get(&self, id: CommitId) -> Option<&Waiting> {
        self.waiting.get(self.index(id)?)?.as_ref()
    }

    fn place(&mut self, id: CommitId) -> Option<&mut Option<Waiting>> {
        let index = self.index(id)?;
        self.waiting.get_mut(index)
    }

    /// Numbers are kept as far as they tell apart what is under way at once.
    fn latest(&self, address: Ipv4Addr) -> Option<CommitId> {
        let (first, number) = (self.answered + 1, u64::from(self.latest.get(address)?));
        Some(CommitId(first + (number + KEPT - first % KEPT) % KEPT))
    }

    fn set_latest(&mut self, address: Ipv4Addr, id: Option<CommitId>) {
        match id.and_then(|id| u32::try_from(id.0 % KEPT).ok()) {
            Some(number) => self.latest.insert(address, number),
            None => self.latest.remove(address),
        }
    }
}

/// How many numbers are told apart.
const KEPT: u64 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::lease::testing::{ip, lease};

    fn add(under_way: &mut UnderWay, host: u8) -> CommitId {
        let waiting = Waiting {
            lease: lease(host, 1, 9),
            before: None,
            doomed: false,
            told: None,
            earlier: None,
        };
        under_way.add(waiting)
    }

    #[test]
    fn each_address_has_its_changes_in_whatever_order_they_are_answered() {
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            // Where numbers begin anew for who keeps only a part of them.
            let mut under_way = UnderWay { answered: KEPT - 2, ..UnderWay::default() };
            let ids = [1, 2, 1, 1].map(|host| add(&mut under_way, host));
            assert!(ids.is_sorted() && ids[0] == CommitId(KEPT - 1));
            let mut left = vec![0, 1, 2, 3];
            for index in order {
                let done = under_way.remove(ids[index]).unwrap();
                assert_eq!(done.lease.address, ip(if index == 1 { 2 } else { 1 }));
                assert!(under_way.remove(ids[index]).is_none());
                left.retain(|other| *other != index);
                let of_first = left.iter().filter(|index| **index != 1);
                assert_eq!(under_way.is_settled(ip(1)), of_first.clone().count() == 0);
                assert_eq!(under_way.is_settled(ip(2)), !left.contains(&1));
                let latest = of_first.max().map(|index| ids[*index]);
                assert_eq!(under_way.latest(ip(1)), latest);
                assert_eq!(under_way.len(), left.len());
                under_way.doom(ip(1));
                for index in &left {
                    assert_eq!(under_way.get(ids[*index]).unwrap().doomed, *index != 1);
                }
            }
            assert_eq!(under_way.span(), 0);
        }
    }
}
