//! The commits that the store has not answered, and what is told once it has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::config::Link;
use super::lease::Lease;
use super::plan::CommitId;
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
}

/// The commits that the store has not answered.
#[derive(Clone, Debug, Default)]
pub struct UnderWay {
    pub waiting: BTreeMap<CommitId, Waiting>,
    /// The same by address, since what was changed on top of a change fails with it.
    by_address: BTreeSet<(Ipv4Addr, CommitId)>,
    last: CommitId,
}

/// What is told once a change is durable.
#[derive(Clone, Debug)]
pub struct Told {
    pub event: Event,
    pub reply: Option<Transmit>,
}

impl UnderWay {
    pub fn add(&mut self, waiting: Waiting) -> CommitId {
        self.last = CommitId(self.last.0 + 1);
        self.by_address.insert((waiting.lease.address, self.last));
        self.waiting.insert(self.last, waiting);
        self.last
    }

    pub fn remove(&mut self, id: CommitId) -> Option<Waiting> {
        let done = self.waiting.remove(&id)?;
        self.by_address.remove(&(done.lease.address, id));
        Some(done)
    }

    /// Has the store answered every change of this address?
    pub fn is_settled(&self, address: Ipv4Addr) -> bool {
        self.of(address).next().is_none()
    }

    /// The changes of one address, in their order.
    pub fn of(&self, address: Ipv4Addr) -> impl DoubleEndedIterator<Item = CommitId> {
        let all = (address, CommitId(0))..=(address, CommitId(u64::MAX));
        self.by_address.range(all).map(|(_, id)| *id)
    }

    /// Replies name their link by its place in the configuration: it has moved.
    pub fn move_replies(&mut self, before: &[Link], after: &[Link]) {
        for told in self.waiting.values_mut().filter_map(|waiting| waiting.told.as_mut()) {
            let reply = told.reply.take();
            let moved = |reply: &Transmit| reply.link.moved(before, after);
            told.reply = reply.and_then(|reply| Some(Transmit { link: moved(&reply)?, ..reply }));
        }
    }
}
