//! Lease changes that wait for the store: what is told once they are durable, and how they are
//! taken back where they can not be.

use std::net::Ipv4Addr;
use std::ops::Bound;

use super::Server;
use crate::dhcp::asking::Verdict;
use crate::dhcp::config::SubnetId;
use crate::dhcp::lease::{Lease, LeaseState};
use crate::dhcp::plan::{Change, Commit, CommitError, CommitId, Output};
use crate::dhcp::reason::Ignored;
use crate::dhcp::table::Hold;
use crate::dhcp::under_way::{Told, Waiting};
use crate::event::{DhcpEvent, Event, Outcome};
use crate::{Timestamp, limits};

impl Server {
    /// The store's answer to a commit. Only now the reply leaves and the event is a fact.
    pub fn committed(
        &mut self,
        id: CommitId,
        result: Result<(), CommitError>,
        now: Timestamp,
    ) -> Output {
        let Some(mut done) = self.under_way.remove(id) else { return Output::default() };
        let told = done.told.take();
        match result {
            Ok(()) => {
                self.confirm(&done, now);
                let (event, transmit) = told.map(|told| (told.event, told.reply)).unzip();
                Output { event, transmit: transmit.flatten(), ..Output::default() }
            }
            Err(error) => {
                let event = told.and_then(|told| not_durable(told.event, done.lease.address));
                self.outage.doubt(&done.lease, done.before.as_ref());
                self.take_back(done, error, now);
                Output { event, ..Output::default() }
            }
        }
    }

    /// The store can not write from now on, or can again: meanwhile only leases that it has are
    /// acknowledged, for the time that is left of them.
    pub fn set_store_outage(&mut self, lasts: bool) {
        self.outage.set(lasts);
    }

    /// Can the store not write?
    pub fn store_fails(&self) -> bool {
        self.outage.lasts()
    }

    /// What the store is to have of each address behind `after`, in ascending order, at most so many:
    /// for a store that is made anew. Nothing that waits for the store may be among it: see
    /// [`Server::commits_waiting`].
    pub fn stored_after(&self, after: Option<Ipv4Addr>, most: usize) -> Vec<Lease> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut found: Vec<&Lease> =
            self.elsewhere.range(behind).map(|(_, lease)| lease).take(most).collect();
        let mut tables: Vec<_> = self.config.subnets.iter().zip(&self.tables).collect();
        tables.sort_by_key(|(subnet, _)| subnet.net);
        for (_, table) in tables {
            // What is behind the page so far is not in it.
            let last = found.get(most.wrapping_sub(1)).map(|lease| lease.address);
            let leases = table.leases_after(after).take(most);
            found.extend(leases.take_while(|lease| last.is_none_or(|last| lease.address < last)));
            found.sort_unstable_by_key(|lease| lease.address);
            found.truncate(most);
        }
        found.into_iter().cloned().collect()
    }

    /// How many commits the store has not answered.
    pub fn commits_waiting(&self) -> usize {
        self.under_way.len()
    }

    /// A store that stalls is not given more to do: the client asks again.
    pub(super) fn unless_busy(&self, verdict: Verdict) -> Result<Verdict, Ignored> {
        let wanted = match &verdict.change {
            Change::Put { freed, .. } => 1 + usize::from(freed.is_some()),
            Change::None
            | Change::Hold { .. }
            | Change::Probe { .. }
            | Change::DropHold { .. }
            | Change::See(_) => 0,
        };
        if let Some(reason) = self.outage.refuse(&verdict) {
            return Err(reason);
        }
        let busy = wanted > 0 && self.under_way.span() + wanted > limits::COMMITS_MAX;
        if busy { Err(Ignored::Busy) } else { Ok(verdict) }
    }

    /// Has the store no room for one change more?
    pub(super) fn is_busy(&self) -> bool {
        self.outage.lasts() || self.under_way.span() >= limits::COMMITS_MAX
    }

    pub(in crate::dhcp) fn put(
        &mut self,
        lease: Lease,
        now: Timestamp,
        told: Option<Told>,
    ) -> Commit {
        if lease.is_mark() {
            self.probes.forget_silent(lease.address);
        }
        let before = match self.table_of(lease.address) {
            Some(table) => table.put(lease.clone(), now),
            None => self.elsewhere.insert(lease.address, lease.clone()),
        };
        let waiting = Waiting { lease: lease.clone(), before, doomed: false, told, earlier: None };
        let id = self.under_way.add(waiting);
        Commit { id, lease }
    }

    /// The table has what the store has, also where a change before this one was taken back. What
    /// was offered since stays on offer.
    fn confirm(&mut self, done: &Waiting, now: Timestamp) {
        let address = done.lease.address;
        let Some(id) = self.subnet_of(address) else { return };
        let lease = self.tables.get(id.0).and_then(|table| table.get(address));
        if lease.map_or(0, |lease| lease.version) < done.lease.version {
            self.write_back(id, address, Some(done.lease.clone()), now);
        }
    }

    /// Takes a change back that could not be stored, and with it what was changed on top of it. The
    /// client whose lease it was to be in the end asks again, and is to find the address.
    fn take_back(&mut self, failed: Waiting, error: CommitError, now: Timestamp) {
        let address = failed.lease.address;
        if !failed.doomed {
            self.restore(address, failed.before, error, now);
            self.under_way.doom(address);
        }
        let last = self.under_way.last_of(address).map_or(&failed.lease, |on_top| &on_top.lease);
        if last.state == LeaseState::Leased {
            let last = last.clone();
            self.hold_again(&last, now);
        }
    }

    /// Takes an address back to what the store has.
    fn restore(
        &mut self,
        address: Ipv4Addr,
        before: Option<Lease>,
        error: CommitError,
        now: Timestamp,
    ) {
        let stored = match error {
            CommitError::Conflict(stored) => stored,
            CommitError::Failed => before,
        };
        match (self.subnet_of(address), stored) {
            (Some(id), stored) => self.write_back(id, address, stored, now),
            (None, Some(stored)) => drop(self.elsewhere.insert(address, stored)),
            (None, None) => drop(self.elsewhere.remove(&address)),
        }
    }

    /// The table has what the store has of an address; the client may have had another name then.
    fn write_back(
        &mut self,
        id: SubnetId,
        address: Ipv4Addr,
        stored: Option<Lease>,
        now: Timestamp,
    ) {
        let stored = stored.map(|lease| self.renamed(id, lease));
        if let Some(table) = self.tables.get_mut(id.0) {
            table.restore(address, stored, now);
        }
    }

    /// Its client is to find the address.
    fn hold_again(&mut self, lease: &Lease, now: Timestamp) {
        let address = lease.address;
        let Some(id) = self.subnet_of(address) else { return };
        let Some(subnet) = self.config.subnets.get(id.0) else { return };
        if let Some(table) = self.tables.get_mut(id.0) {
            let until = now + subnet.offer_hold;
            let (client, relay) = (lease.client(), lease.relay());
            let hold = Hold { client, relay, until, most: limits::OFFERS_MAX };
            table.hold_again(address, hold, now);
        }
    }
}

/// What is told where a change could not be stored. What an operator asked for is answered to the
/// operator; who was found at an address is there all the same.
fn not_durable(event: Event, address: Ipv4Addr) -> Option<Event> {
    let event = match event {
        Event::Dhcp(event) => event,
        Event::Conflict(_) => return Some(event),
        _ => return None,
    };
    let outcome = Outcome::NotDurable { address };
    Some(Event::Dhcp(DhcpEvent { outcome, left_out: Vec::new(), ..event }))
}
