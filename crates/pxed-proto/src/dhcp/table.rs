//! The lease table of one subnet: which address is whose, which is held for an offer, which is
//! free.
//!
//! Every address of the pools is in exactly one place:
//!
//! - *running*: leased, declined or in conflict, until its expiry (`expiries`);
//! - *held*: offered, until the hold ends (`holds`). A client may be offered the lease that it has
//!   just before it ends: that address is running too, each in its own time, and is idle only when
//!   both are over;
//! - *idle*: was leased once, and is free; the one that was used longest ago is taken first;
//! - *fresh*: never leased. An offer that was not taken leaves it so.
//!
//! An address outside the pools (reserved for one machine, or the pools were changed since it was
//! leased) is only ever running or held. Who may have which address is the caller's knowledge: see
//! [`Applicant`].
//!
//! To find a lease by its address or its client, the end that comes next and an address to offer
//! takes the same time of a million as of ten. What is put in order of time ([`Queue`]) takes as many
//! steps as a heap is deep, and only where it does not belong at the end. Offers are few, and in
//! ordinary trees.

mod behind;
mod by_address;
mod by_client;
mod choice;
mod chunks;
mod fresh;
mod holds;
mod leases;
mod marks;
mod queue;
mod reshape;
mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::Bound;

use self::behind::Behind;
pub use self::by_address::ByAddress;
pub use self::by_client::Secret;
pub use self::choice::{Applicant, Standing};
use self::fresh::Fresh;
pub use self::holds::Hold;
use self::leases::Leases;
use self::marks::Marks;
use self::queue::Queue;
use super::config::{Pool, RelayCaps};
use super::lease::{ClientKey, Lease, LeaseState};
use super::rate::Port;
use crate::Timestamp;

/// The addresses of one subnet.
#[derive(Clone, Debug)]
pub struct LeaseTable {
    pools: Vec<PoolState>,
    /// Addresses that are kept for one machine each: nobody else gets them.
    reserved: BTreeSet<Ipv4Addr>,
    leases: Leases,
    /// What is running, by its end or by an earlier time: a lease that is renewed moves only once it
    /// comes first.
    expiries: Queue,
    /// What of that is out of use.
    marks: Marks,
    holds: BTreeMap<Ipv4Addr, Hold>,
    hold_of: BTreeMap<ClientKey, Ipv4Addr>,
    hold_ends: BTreeSet<(Timestamp, Ipv4Addr)>,
    /// The same of each port.
    port_hold_ends: BTreeMap<Option<Port>, BTreeSet<(Timestamp, Ipv4Addr)>>,
    /// What is running or held, by where its client is attached.
    behind: Behind,
}

impl LeaseTable {
    /// A table in which everything is fresh.
    pub fn new(
        pools: Vec<Pool>,
        reserved: BTreeSet<Ipv4Addr>,
        caps: RelayCaps,
        secret: Secret,
    ) -> Self {
        let state = |pool| PoolState::new(pool, &reserved);
        Self {
            pools: pools.into_iter().map(state).collect(),
            reserved,
            leases: Leases::new(secret),
            expiries: Queue::default(),
            marks: Marks::default(),
            holds: BTreeMap::new(),
            hold_of: BTreeMap::new(),
            hold_ends: BTreeSet::new(),
            port_hold_ends: BTreeMap::new(),
            behind: Behind::new(caps),
        }
    }

    /// Makes room for so many leases, and no more than there are addresses.
    pub fn expect(&mut self, leases: u32) {
        let addresses: u64 = self.pools.iter().map(|pool| pool.pool.range.count()).sum();
        self.leases.expect(u32::try_from(addresses).unwrap_or(u32::MAX).min(leases));
    }

    /// The last that was written of an address.
    pub fn get(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.leases.get(address)
    }

    /// The lease that the client has, or had last.
    pub fn of(&self, client: &ClientKey) -> Option<&Lease> {
        self.leases.of(client)
    }

    /// How many addresses the pools have.
    pub fn pool_size(&self) -> u64 {
        self.pools.iter().map(|state| state.pool.range.count()).sum()
    }

    /// All leases, in ascending order of addresses.
    pub fn into_leases(self) -> impl Iterator<Item = Lease> {
        self.leases.into_leases()
    }

    /// Writes a lease over what stood there: what the client or the address was held for is
    /// settled by it. Returns what it replaced.
    pub fn put(&mut self, lease: Lease, now: Timestamp) -> Option<Lease> {
        // Of millions that are loaded none is held, and not every one is asked its name for that.
        if !self.holds.is_empty() {
            if !lease.is_mark() {
                self.drop_hold(&lease.client());
            }
            self.end_hold(lease.address);
        }
        self.write(lease, now)
    }

    /// Writes a lease; offers stay as they are.
    fn write(&mut self, lease: Lease, now: Timestamp) -> Option<Lease> {
        let (address, end, runs) = (lease.address, lease.expires, lease.is_running(now));
        let is_later = self.get(address).is_some_and(|before| before.expires <= end);
        let stays = self.withdraw(address, runs && is_later);
        let (number, replaced) = self.leases.put(lease);
        if runs {
            if !stays {
                self.expiries.insert(end, number, &mut self.leases.slots);
            }
            self.begin(number);
        } else if !self.holds.contains_key(&address) {
            self.lay_idle(number);
        }
        replaced
    }

    /// Takes an address back to what stood there before a change that could not be stored. An offer
    /// of it that was made meanwhile ends only where the address turns out to be another's.
    pub fn restore(&mut self, address: Ipv4Addr, before: Option<Lease>, now: Timestamp) {
        if let Some(lease) = before {
            let hold = self.holds.get(&address);
            if lease.is_running(now) && hold.is_some_and(|hold| !is_of(&lease, &hold.client)) {
                self.end_hold(address);
            }
            self.write(lease, now);
            return;
        }
        self.withdraw(address, false);
        self.leases.remove(address);
        if !self.holds.contains_key(&address) {
            self.lay_free(address);
        }
    }

    /// Ends holds and leases whose time is over, as far as there is `room`; returns the leases that a
    /// client lost by it. What is over and still stands here counts as over everywhere.
    pub fn expire(&mut self, now: Timestamp, room: &mut usize) -> Vec<Lease> {
        while *room > 0
            && let Some(&ends) = self.hold_ends.first().filter(|(end, _)| *end <= now)
        {
            *room -= 1;
            self.hold_ends.remove(&ends);
            self.end_hold(ends.1);
        }
        let mut expired = Vec::new();
        while *room > 0
            && let Some((time, number)) = self.expiries.first().filter(|(end, _)| *end <= now)
        {
            *room -= 1;
            let lease = self.leases.slots.get(number);
            if let Some(later) = lease.map(|lease| lease.expires).filter(|end| *end > time) {
                self.expiries.postpone_first(later, &mut self.leases.slots);
                continue;
            }
            expired.extend(lease.filter(|lease| lease.state == LeaseState::Leased).cloned());
            let address = lease.map(|lease| lease.address);
            self.end(number);
            self.expiries.remove(number, &mut self.leases.slots);
            if address.is_some_and(|address| !self.holds.contains_key(&address)) {
                self.lay_idle(number);
            }
        }
        expired
    }

    /// When [`LeaseTable::expire`] has something to do next; never later than something ends.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let hold = self.hold_ends.first().map(|(end, _)| *end);
        hold.into_iter().chain(self.expiries.first().map(|(end, _)| end)).min()
    }

    /// The leases that clients have at `now`, by address.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &Lease> {
        self.leases.after(None).filter(move |lease| lease.is_active(now))
    }

    /// How many that are: counted without a look at each.
    pub fn active_count(&self, now: Timestamp) -> usize {
        let lapsed = self.expiries.until(now).filter_map(|number| self.leases.slots.get(number));
        let lapsed = lapsed.filter(|lease| lease.expires <= now && !lease.is_mark()).count();
        self.expiries.len() as usize - self.marks.len() - lapsed
    }

    fn pool_of(&self, address: Ipv4Addr) -> Option<&PoolState> {
        self.pools.iter().find(|state| state.pool.range.contains(address))
    }

    /// Takes an address out of what is running, idle or fresh. What is running keeps its place in the
    /// order of expiries if it `stays`: `true` then.
    fn withdraw(&mut self, address: Ipv4Addr, stays: bool) -> bool {
        let number = self.leases.number(address).filter(|number| self.is_running(*number));
        let Some(number) = number else {
            self.take_free(address);
            return false;
        };
        self.end(number);
        stays || !self.expiries.remove(number, &mut self.leases.slots)
    }

    /// Takes an address out of what is idle or fresh.
    fn take_free(&mut self, address: Ipv4Addr) {
        let Some(pool) = pool_of(&mut self.pools, address) else { return };
        match self.leases.number(address) {
            Some(number) => drop(pool.idle.remove(number, &mut self.leases.slots)),
            None => pool.fresh.take(address),
        }
    }

    /// Does the lease stand among those that are running, though its time may be over?
    fn is_running(&self, number: u32) -> bool {
        self.expiries.has(number, &self.leases.slots)
    }

    /// The same of an address.
    fn is_running_at(&self, address: Ipv4Addr) -> bool {
        self.leases.number(address).is_some_and(|number| self.is_running(number))
    }

    /// A lease runs from now on: its address is in use, or out of use.
    fn begin(&mut self, number: u32) {
        let Some(lease) = self.leases.slots.get(number) else { return };
        if self.behind.is_capped() {
            self.behind.enter(lease.relay().as_ref(), lease.address);
        }
        if lease.is_mark() {
            self.marks.enter(lease);
        }
    }

    /// It runs no more.
    fn end(&mut self, number: u32) {
        let Some(lease) = self.leases.slots.get(number) else { return };
        if self.behind.is_capped() {
            self.behind.leave(lease.relay().as_ref(), lease.address);
        }
        if lease.is_mark() {
            self.marks.leave(lease);
        }
    }

    /// What was leased is idle, what never was is fresh again.
    fn lay_free(&mut self, address: Ipv4Addr) {
        if let Some(number) = self.leases.number(address) {
            self.lay_idle(number);
        } else if !self.reserved.contains(&address)
            && let Some(pool) = pool_of(&mut self.pools, address)
        {
            pool.fresh.give(address);
        }
    }

    /// What is kept for one machine is never idle: it is nobody else's to find.
    fn lay_idle(&mut self, number: u32) {
        let Some(lease) = self.leases.slots.get(number) else { return };
        let (address, since) = (lease.address, lease.expires);
        if !self.reserved.contains(&address)
            && let Some(pool) = pool_of(&mut self.pools, address)
        {
            pool.idle.insert(since, number, &mut self.leases.slots);
        }
    }
}

fn pool_of(pools: &mut [PoolState], address: Ipv4Addr) -> Option<&mut PoolState> {
    pools.iter_mut().find(|state| state.pool.range.contains(address))
}

/// For those who look at the table from outside, in ascending order of addresses.
impl LeaseTable {
    /// What was last written of each address behind `after`.
    pub fn leases_after(&self, after: Option<Ipv4Addr>) -> impl Iterator<Item = &Lease> {
        self.leases.after(after)
    }
}

/// Is it the client's to have? What it declined is not.
fn is_of(lease: &Lease, client: &ClientKey) -> bool {
    lease.is_of(client) && !lease.is_mark()
}

fn behind(after: Option<Ipv4Addr>) -> (Bound<Ipv4Addr>, Bound<Ipv4Addr>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

/// A pool's own part of the table.
#[derive(Clone, Debug)]
struct PoolState {
    pool: Pool,
    /// Free, by when they were last in use.
    idle: Queue,
    /// Never leased, neither held nor reserved.
    fresh: Fresh,
}

impl PoolState {
    fn new(pool: Pool, reserved: &BTreeSet<Ipv4Addr>) -> Self {
        let mut fresh = Fresh::new(pool.range);
        let within = reserved.range(pool.range.first()..=pool.range.last());
        within.for_each(|address| fresh.take(*address));
        Self { pool, idle: Queue::default(), fresh }
    }
}

#[cfg(test)]
mod tests;
