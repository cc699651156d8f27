//! Events on their way to the journal: whoever has one leaves it here and goes on.

use std::io;
use std::iter;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Arrival, Shed, Transmit};
use pxed_proto::event::Event;
use pxed_proto::limits::{EVENTS_QUEUE, EVENTS_ROOM};
use pxed_proto::net::Mac;

use super::counters::done;
use super::{Journal, machines};
use crate::clock::wall_clock;
use crate::store::{News, StoreError};

/// What is to be told, and when it was.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) time: Timestamp,
    pub(super) fact: Fact,
}

/// An event, or trouble that is none.
#[derive(Debug)]
pub(super) enum Fact {
    Event(Event),
    SendFailed(Arc<str>, io::Error),
    StoreFailed(StoreError),
    Store(News),
    /// More is asked than can be answered: what was shed is counted already.
    Overload,
    /// For those who want to see each datagram.
    Received(Arrival, Box<[u8]>),
    Sending(Box<Transmit>),
}

/// What waits for the journal.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Waiting>);

/// Bounded by [`EVENTS_QUEUE`].
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) entries: Vec<Entry>,
    /// Who has which address, of events that had no room.
    pub(super) holders: Vec<(Ipv4Addr, Mac)>,
    /// How many had no room.
    pub(super) lost: u64,
}

impl Queue {
    /// Gives what waits for `empty`. Nothing else is done under the lock than this, and what a thread has
    /// to tell being appended.
    pub(super) fn swap(&self, empty: &mut Waiting) {
        std::mem::swap(&mut *self.lock(), empty);
    }

    #[cfg(test)]
    pub(super) fn hold(&self) -> MutexGuard<'_, Waiting> {
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Of the memory that a burst took no more is kept, once it is empty, than is used every day.
    pub(super) fn give_back_room(&mut self) {
        self.entries.shrink_to(EVENTS_ROOM);
        self.holders.shrink_to(EVENTS_ROOM);
    }

    fn append(&mut self, facts: impl Iterator<Item = Fact>) {
        let time = wall_clock();
        for fact in facts {
            if self.entries.len() < EVENTS_QUEUE {
                self.entries.push(Entry { time, fact });
            } else {
                self.lose(&fact);
            }
        }
    }

    /// Who has an address is kept: TFTP and HTTP know their clients by it.
    fn lose(&mut self, fact: &Fact) {
        self.lost += 1;
        if let Fact::Event(event) = fact
            && self.holders.len() < EVENTS_QUEUE
        {
            self.holders.extend(machines::holder(event));
        }
    }
}

impl Journal {
    /// Counts an event, and has it told. Waits for nobody but others that leave one.
    pub fn record(&self, event: Event) {
        self.counters.event(&event);
        self.hand_over(&mut self.queue.lock(), iter::once(Fact::Event(event)));
        self.wake();
    }

    fn hand_over(&self, waiting: &mut Waiting, facts: impl Iterator<Item = Fact>) {
        let lost = waiting.lost;
        waiting.append(facts);
        self.counters.count_many(done!("events lost"), waiting.lost - lost);
    }
}

/// What a thread has to tell that waits for nobody: it is noted here, and handed over when there is time.
#[derive(Debug)]
pub struct Notebook {
    journal: Arc<Journal>,
    facts: Vec<Fact>,
    /// Something was shed since the last hand-over.
    has_shed: bool,
}

impl Notebook {
    /// An empty one.
    pub fn new(journal: Arc<Journal>) -> Self {
        Self { journal, facts: Vec::new(), has_shed: false }
    }

    /// Counts an event, and notes it.
    pub fn event(&mut self, event: Event) {
        self.journal.counters.event(&event);
        self.note(Fact::Event(event));
    }

    /// Counts a datagram that was not answered, unread; there is no event of it.
    pub fn shed(&mut self, shed: &Shed) {
        self.journal.counters.shed(shed);
        self.has_shed = true;
    }

    /// A reply could not be handed to the network.
    pub fn send_failed(&mut self, link: Arc<str>, error: io::Error) {
        self.journal.counters.count(done!("send failed"));
        self.note(Fact::SendFailed(link, error));
    }

    /// Leases, or what was learned, could not be made durable.
    pub fn store_failed(&mut self, error: StoreError) {
        self.note(Fact::StoreFailed(error));
    }

    /// The store fails, works again, or has something else to say that is told each time: counted here,
    /// and made an event by who tells it.
    pub fn store(&mut self, news: News) {
        if news.is_trouble() {
            self.journal.counters.count(done!("store troubles"));
        }
        self.note(Fact::Store(news));
    }

    /// A datagram came in that somebody wants to see.
    pub fn received(&mut self, arrival: &Arrival, datagram: &[u8]) {
        self.note(Fact::Received(*arrival, datagram.into()));
    }

    /// A message leaves that somebody wants to see.
    pub fn sending(&mut self, transmit: &Transmit) {
        self.note(Fact::Sending(Box::new(transmit.clone())));
    }

    /// Gives the journal what was noted. Where another thread has the queue just now nothing is given,
    /// and it is to be called again: `false`.
    pub fn hand_over(&mut self) -> bool {
        if std::mem::take(&mut self.has_shed) {
            self.note(Fact::Overload);
        }
        if self.facts.is_empty() {
            return true;
        }
        let mut waiting = match self.journal.queue.0.try_lock() {
            Ok(waiting) => waiting,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        self.journal.hand_over(&mut waiting, self.facts.drain(..));
        drop(waiting);
        self.journal.wake();
        true
    }

    fn note(&mut self, fact: Fact) {
        if self.facts.len() < EVENTS_QUEUE {
            self.facts.push(fact);
        } else {
            self.journal.counters.count(done!("events lost"));
        }
    }
}

impl Drop for Notebook {
    /// The last page is not lost, also by a panic of its thread.
    fn drop(&mut self) {
        let mut waiting = self.journal.queue.lock();
        self.journal.hand_over(&mut waiting, self.facts.drain(..));
    }
}
