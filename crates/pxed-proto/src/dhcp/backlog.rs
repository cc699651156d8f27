//! Datagrams that wait to be answered. Where more come than can be answered, it is here that those
//! are chosen who are: the most urgent, and of newcomers those who have waited least, since who has
//! waited long has given up and asks again.

use std::collections::VecDeque;

use super::config::LinkId;
use super::reason::Ignored;
use super::transmit::Arrival;
use super::urgency::Urgency;
use crate::Timestamp;
use crate::limits::{
    BACKLOG_LATE, BACKLOG_LONG, BACKLOG_MAX, BACKLOG_OCTETS_MAX, BACKLOG_STORE_BEHIND,
    BACKLOG_TURN, DISCOVER_PATIENCE,
};
use crate::wire::glance::{Glance, Kind};

/// The datagrams that wait, in buffers that are used again.
#[derive(Debug)]
pub struct Backlog {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// One for each urgency, in their order.
    queues: [Queue; Urgency::ALL.len()],
    /// Where the last message of a transaction waits, by a hash of it. Of two that meet, the earlier one
    /// is forgotten, and no more comes of it than that its retransmission is answered as well.
    recent: Box<[Ticket]>,
    /// Of all datagrams that wait.
    octets: usize,
    /// How many were answered by urgency since one was by turn.
    by_urgency: u32,
    /// Whose turn it is next: a place in [`Urgency::ALL`].
    turn: usize,
    /// When the last newcomer was answered.
    newcomer_at: Timestamp,
}

/// A datagram that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// By which link it came.
    pub link: LinkId,
    /// How.
    pub arrival: Arrival,
    /// Its octets.
    pub datagram: Vec<u8>,
    /// Since when it waits.
    since: Timestamp,
    glance: Glance,
    urgency: Urgency,
}

/// A datagram that is not answered, unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    /// What it was.
    pub kind: Kind,
    /// Why: [`Ignored::Overload`], [`Ignored::Repeated`] or [`Ignored::Stale`].
    pub reason: Ignored,
}

/// A place for a datagram, and which one has it.
#[derive(Debug)]
struct Slot {
    tenancy: u32,
    waiting: Waiting,
}

/// A datagram's place, as long as it is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticket {
    slot: u32,
    tenancy: u32,
}

#[derive(Debug, Default)]
struct Queue {
    /// The oldest first; also of datagrams that are gone.
    tickets: VecDeque<Ticket>,
    /// How many wait.
    waiting: usize,
}

/// How many transactions are remembered, a power of two: as many as may wait for an answer.
const RECENT: usize = 8192;

/// A buffer that has grown beyond this is not kept: nearly every message is shorter.
const BUFFER_KEPT: usize = 1024;

impl Default for Backlog {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            queues: Default::default(),
            recent: vec![Ticket::default(); RECENT].into_boxed_slice(),
            octets: 0,
            by_urgency: 0,
            turn: 0,
            newcomer_at: Timestamp::EPOCH,
        }
    }
}

impl Backlog {
    /// Keeps a datagram until it is [taken](Self::take), and says what it is. What it displaces is told to
    /// `shed`.
    pub fn push(
        &mut self,
        now: Timestamp,
        (link, arrival): (LinkId, Arrival),
        datagram: &[u8],
        shed: &mut impl FnMut(Shed),
    ) -> Kind {
        let glance = Glance::at(datagram);
        let urgency = Urgency::of(&glance, &arrival);
        let place = place_of(&glance);
        if self.queue(urgency).waiting >= BACKLOG_LONG {
            self.replace(place, (link, arrival), &glance, shed);
        }
        while self.queue(urgency).tickets.len() >= BACKLOG_MAX {
            self.shed_oldest(urgency, Ignored::Overload, shed);
        }
        while self.octets + datagram.len() > BACKLOG_OCTETS_MAX {
            let least = Urgency::ALL.into_iter().rev().find(|least| self.queue(*least).waiting > 0);
            let Some(least) = least else { break };
            self.shed_oldest(least, Ignored::Overload, shed);
        }
        let ticket =
            self.keep(Waiting { link, arrival, datagram: Vec::new(), since: now, glance, urgency });
        self.fill(ticket, datagram);
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = ticket;
        }
        let queue = self.queue(urgency);
        queue.tickets.push_back(ticket);
        queue.waiting += 1;
        glance.kind
    }

    /// The next that is to be answered. Where the store is behind, nothing is taken that would have to
    /// wait for it. What has waited too long is told to `shed`.
    pub fn take(
        &mut self,
        now: Timestamp,
        store_is_behind: bool,
        shed: &mut impl FnMut(Shed),
    ) -> Option<&Waiting> {
        loop {
            let urgency = self.next(now, store_is_behind)?;
            // The newest of newcomers, where they have to wait: who has waited long may have given up.
            let from_end = urgency == Urgency::Newcomer && self.is_late(now);
            let tickets = &mut self.queue(urgency).tickets;
            let ticket = if from_end { tickets.pop_back() } else { tickets.pop_front() };
            let Some(slot) = self.give_up(ticket?) else { continue };
            let Some(Slot { waiting: Waiting { since, glance, .. }, .. }) = self.slots.get(slot)
            else {
                continue;
            };
            if urgency == Urgency::Newcomer && now.since(*since) >= DISCOVER_PATIENCE {
                shed(Shed { kind: glance.kind, reason: Ignored::Stale });
                continue;
            }
            self.count_turn(urgency, now);
            return self.slots.get(slot).map(|slot| &slot.waiting);
        }
    }

    /// Is there something that [`Self::take`] would give now?
    pub fn has_next(&self, now: Timestamp, store_is_behind: bool) -> bool {
        self.next(now, store_is_behind).is_some()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queues.iter().map(|queue| queue.waiting).sum()
    }

    /// Does nobody wait?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most urgent, but every so often one of another urgency, in turn: no flood of what anybody can
    /// make up keeps all others out.
    fn next(&self, now: Timestamp, store_is_behind: bool) -> Option<Urgency> {
        let waits = |urgency: &Urgency| self.waiting(*urgency) > 0;
        if store_is_behind {
            return self.next_without_store(now);
        }
        let first = if self.is_by_turn() { self.turn } else { 0 };
        Urgency::ALL.into_iter().cycle().skip(first).take(Urgency::ALL.len()).find(waits)
    }

    /// What needs no store. An OFFER that is taken makes more work for it.
    fn next_without_store(&self, now: Timestamp) -> Option<Urgency> {
        let held = Urgency::ALL.into_iter().filter(|urgency| urgency.needs_store());
        let held: usize = held.map(|urgency| self.waiting(urgency)).sum();
        let lets_in = held < BACKLOG_STORE_BEHIND || now > self.newcomer_at;
        [Urgency::BootServer, Urgency::Newcomer]
            .into_iter()
            .find(|urgency| self.waiting(*urgency) > 0)
            .filter(|urgency| *urgency == Urgency::BootServer || lets_in)
    }

    /// Has a newcomer waited for so long that there is more to do than can be done?
    fn is_late(&mut self, now: Timestamp) -> bool {
        while let Some(oldest) = self.queue(Urgency::Newcomer).tickets.front().copied() {
            if let Some(since) = self.since(oldest) {
                return now.since(since) >= BACKLOG_LATE;
            }
            self.queue(Urgency::Newcomer).tickets.pop_front();
        }
        false
    }

    /// Since when a datagram waits; `None` if it is gone.
    fn since(&self, ticket: Ticket) -> Option<Timestamp> {
        let slot = self.slots.get(usize::try_from(ticket.slot).ok()?)?;
        (slot.tenancy == ticket.tenancy).then_some(slot.waiting.since)
    }

    fn is_by_turn(&self) -> bool {
        self.by_urgency + 1 >= BACKLOG_TURN
    }

    fn count_turn(&mut self, urgency: Urgency, now: Timestamp) {
        if self.is_by_turn() {
            (self.by_urgency, self.turn) = (0, (urgency as usize + 1) % Urgency::ALL.len());
        } else {
            self.by_urgency += 1;
        }
        if urgency == Urgency::Newcomer {
            self.newcomer_at = now;
        }
    }

    /// A message that waits is made superfluous by its retransmission.
    fn replace(
        &mut self,
        place: usize,
        came: (LinkId, Arrival),
        glance: &Glance,
        shed: &mut impl FnMut(Shed),
    ) {
        let Some(ticket) = self.recent.get(place).copied() else { return };
        let is_same = |slot: &Slot| {
            let Waiting { link, arrival, glance: earlier, .. } = &slot.waiting;
            slot.tenancy == ticket.tenancy && (*link, *arrival) == came && earlier == glance
        };
        let slot = usize::try_from(ticket.slot).ok().and_then(|slot| self.slots.get(slot));
        if slot.is_some_and(is_same) && self.give_up(ticket).is_some() {
            shed(Shed { kind: glance.kind, reason: Ignored::Repeated });
        }
    }

    fn shed_oldest(&mut self, urgency: Urgency, reason: Ignored, shed: &mut impl FnMut(Shed)) {
        let Some(ticket) = self.queue(urgency).tickets.pop_front() else { return };
        let slot = self.give_up(ticket).and_then(|slot| self.slots.get(slot));
        if let Some(slot) = slot {
            shed(Shed { kind: slot.waiting.glance.kind, reason });
        }
    }

    /// A place for a datagram whose octets are still to come.
    fn keep(&mut self, waiting: Waiting) -> Ticket {
        if let Some(number) = self.free.pop()
            && let Some(slot) = usize::try_from(number).ok().and_then(|at| self.slots.get_mut(at))
        {
            let datagram = std::mem::take(&mut slot.waiting.datagram);
            slot.waiting = Waiting { datagram, ..waiting };
            return Ticket { slot: number, tenancy: slot.tenancy };
        }
        // More slots than tickets there never are, and those have a bound.
        let number = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { tenancy: 1, waiting });
        Ticket { slot: number, tenancy: 1 }
    }

    fn fill(&mut self, ticket: Ticket, octets: &[u8]) {
        let slot = usize::try_from(ticket.slot).ok().and_then(|at| self.slots.get_mut(at));
        let Some(Slot { waiting: Waiting { datagram, .. }, .. }) = slot else { return };
        if datagram.capacity() > BUFFER_KEPT {
            *datagram = Vec::new();
        }
        datagram.clear();
        datagram.extend_from_slice(octets);
        self.octets += octets.len();
    }

    /// The datagram waits no more: its slot, which it has until another one comes. `None` if it was gone
    /// already.
    fn give_up(&mut self, ticket: Ticket) -> Option<usize> {
        let at = usize::try_from(ticket.slot).ok()?;
        let slot = self.slots.get_mut(at).filter(|slot| slot.tenancy == ticket.tenancy)?;
        slot.tenancy = slot.tenancy.wrapping_add(1);
        self.octets -= slot.waiting.datagram.len();
        let urgency = slot.waiting.urgency;
        self.queue(urgency).waiting -= 1;
        self.free.push(ticket.slot);
        Some(at)
    }

    fn waiting(&self, urgency: Urgency) -> usize {
        self.queues.get(urgency as usize).map_or(0, |queue| queue.waiting)
    }

    fn queue(&mut self, urgency: Urgency) -> &mut Queue {
        let [renewal, ending, boot_server, request, newcomer] = &mut self.queues;
        match urgency {
            Urgency::Renewal => renewal,
            Urgency::Ending => ending,
            Urgency::BootServer => boot_server,
            Urgency::Request => request,
            Urgency::Newcomer => newcomer,
        }
    }
}

/// Where a transaction is remembered: its bits, well mixed (Fibonacci hashing). Whoever makes two meet
/// gains nothing by it.
fn place_of(glance: &Glance) -> usize {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let [a, b, c, d, e, f, g, h, ..] = glance.chaddr;
    let chaddr = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
    let mixed = (chaddr ^ (u64::from(glance.xid) << 17)).wrapping_mul(GOLDEN);
    usize::try_from(mixed >> 32).unwrap_or_default() % RECENT
}

#[cfg(test)]
mod tests;
