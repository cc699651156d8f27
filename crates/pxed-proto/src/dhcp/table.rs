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
//! Every operation is logarithmic in what is in use.

mod behind;
mod fresh;
mod holds;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::Bound;

use self::behind::Behind;
use self::fresh::Fresh;
pub use self::holds::Hold;
use super::config::{Pool, RelayCaps};
use super::lease::{ClientKey, Lease, LeaseState};
use super::rate::Port;
use crate::Timestamp;
use crate::machine::HardwareAddress;

/// The addresses of one subnet.
#[derive(Clone, Debug)]
pub struct LeaseTable {
    pools: Vec<PoolState>,
    /// Addresses that are kept for one machine each: nobody else gets them.
    reserved: BTreeSet<Ipv4Addr>,
    leases: BTreeMap<Ipv4Addr, Lease>,
    by_client: BTreeMap<ClientKey, Ipv4Addr>,
    /// Addresses that are out of use, by who declined them or answers for them.
    declined: BTreeSet<(ClientKey, Ipv4Addr)>,
    expiries: BTreeSet<(Timestamp, Ipv4Addr)>,
    holds: BTreeMap<Ipv4Addr, Hold>,
    hold_of: BTreeMap<ClientKey, Ipv4Addr>,
    hold_ends: BTreeSet<(Timestamp, Ipv4Addr)>,
    /// The same of each port.
    port_hold_ends: BTreeMap<Option<Port>, BTreeSet<(Timestamp, Ipv4Addr)>>,
    /// What is running or held, by where its client is attached.
    behind: Behind,
}

/// Who asks for an address, and what it may have.
#[derive(Clone, Copy)]
pub struct Applicant<'a> {
    /// Who.
    pub client: &'a ClientKey,
    /// Its hardware.
    pub hardware: &'a HardwareAddress,
    /// The address that is reserved for it.
    pub reserved: Option<Ipv4Addr>,
    /// May it have addresses of this pool?
    pub admitted: &'a dyn Fn(&Pool) -> bool,
}

impl Applicant<'_> {
    /// Is the lease another client's? What is reserved for a machine is its own under every client
    /// identifier that it says.
    fn is_others(&self, lease: &Lease) -> bool {
        let same_machine = !self.hardware.is_empty() && lease.hardware == *self.hardware;
        let reserved = self.reserved == Some(lease.address);
        !(lease.is_of(self.client) || reserved && same_machine)
    }
}

/// How an address stands to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The client has it, or it is free, or held for the client.
    Available,
    /// Another client has it, or it is held for another.
    InUse,
    /// Out of use after a DECLINE, or since a probe found a stranger there.
    Declined,
    /// In no pool that the client may have addresses of.
    NotInPool,
    /// Kept for another machine.
    Reserved,
}

impl LeaseTable {
    /// A table in which everything is fresh.
    pub fn new(pools: Vec<Pool>, reserved: BTreeSet<Ipv4Addr>, caps: RelayCaps) -> Self {
        let state = |pool| PoolState::new(pool, &reserved);
        Self {
            pools: pools.into_iter().map(state).collect(),
            reserved,
            leases: BTreeMap::new(),
            by_client: BTreeMap::new(),
            declined: BTreeSet::new(),
            expiries: BTreeSet::new(),
            holds: BTreeMap::new(),
            hold_of: BTreeMap::new(),
            hold_ends: BTreeSet::new(),
            port_hold_ends: BTreeMap::new(),
            behind: Behind::new(caps),
        }
    }

    /// The last that was written of an address.
    pub fn get(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.leases.get(&address)
    }

    /// The lease that the client has, or had last.
    pub fn of(&self, client: &ClientKey) -> Option<&Lease> {
        self.by_client.get(client).and_then(|address| self.leases.get(address))
    }

    /// How many addresses are out of use at `now` because this client declined them, or answers for
    /// them.
    pub fn declined_by(&self, client: &ClientKey, now: Timestamp) -> usize {
        self.marked_by(client, now).count()
    }

    fn marked_by(&self, client: &ClientKey, now: Timestamp) -> impl Iterator<Item = Ipv4Addr> {
        let running =
            move |address: &Ipv4Addr| self.get(*address).is_some_and(|l| l.is_running(now));
        let from = (client.clone(), Ipv4Addr::UNSPECIFIED);
        let its_own = self.declined.range(from..).take_while(move |(other, _)| other == client);
        its_own.map(|(_, address)| *address).filter(running)
    }

    /// What is out of use at `now` by DECLINE.
    pub fn declines(&self, now: Timestamp) -> impl Iterator<Item = &Lease> {
        let marks = self.declined.iter().filter_map(|(_, address)| self.get(*address));
        marks.filter(move |lease| lease.state == LeaseState::Declined && lease.is_running(now))
    }

    /// How many addresses the pools have.
    pub fn pool_size(&self) -> u64 {
        self.pools.iter().map(|state| state.pool.range.count()).sum()
    }

    /// May the applicant have the address at `now`?
    pub fn standing(&self, address: Ipv4Addr, who: &Applicant<'_>, now: Timestamp) -> Standing {
        let reserved = who.reserved == Some(address);
        if !reserved {
            if self.reserved.contains(&address) {
                return Standing::Reserved;
            }
            if !self.pool_of(address).is_some_and(|state| (who.admitted)(&state.pool)) {
                return Standing::NotInPool;
            }
        }
        if let Some(lease) = self.leases.get(&address).filter(|lease| lease.is_running(now)) {
            match lease.state {
                LeaseState::Declined => return Standing::Declined,
                LeaseState::Conflict if !lease.is_of(who.client) => return Standing::Declined,
                _ if who.is_others(lease) => return Standing::InUse,
                _ => {}
            }
        }
        let held = self.holds.get(&address).is_some_and(|hold| hold.until > now);
        // What is reserved is only ever held for those that it is reserved for.
        match self.hold_of.get(who.client) == Some(&address) || reserved {
            false if held => Standing::InUse,
            _ => Standing::Available,
        }
    }

    /// The address to offer (RFC 2131 section 4.3.1): the one reserved for the client, its own, the
    /// one it was offered, the one it had, the one it asks for, one that it answers for by ARP; else
    /// one of a pool for a class that it belongs to, or of everybody's: one that nobody had, the one
    /// free for longest.
    pub fn choose(
        &self,
        who: &Applicant<'_>,
        wish: Option<Ipv4Addr>,
        now: Timestamp,
    ) -> Option<Ipv4Addr> {
        let own = self.of(who.client);
        let active = own.filter(|lease| lease.is_active(now)).map(|lease| lease.address);
        let (held, had) = (self.held_for(who.client, now), own.map(|lease| lease.address));
        let remembered = [who.reserved, active, held, had, wish];
        let available =
            |address: &Ipv4Addr| self.standing(*address, who, now) == Standing::Available;
        remembered
            .into_iter()
            .flatten()
            .find(available)
            .or_else(|| self.marked_by(who.client, now).find(available))
            .or_else(|| self.free(who, true))
            .or_else(|| self.free(who, false))
            .or_else(|| self.lapsed(now).find(available))
    }

    /// The addresses of holds and leases that have ended, and are not put away yet.
    fn lapsed(&self, now: Timestamp) -> impl Iterator<Item = Ipv4Addr> {
        let ended = move |ends: &&(Timestamp, Ipv4Addr)| ends.0 <= now;
        let all = [&self.hold_ends, &self.expiries].into_iter();
        all.flat_map(move |ends| ends.iter().take_while(ended)).map(|(_, address)| *address)
    }

    /// A free address of the pools for classes, or of those for everybody.
    fn free(&self, who: &Applicant<'_>, of_class: bool) -> Option<Ipv4Addr> {
        let is = |pool: &Pool| pool.class.is_some() == of_class && (who.admitted)(pool);
        let pools = || self.pools.iter().filter(|state| is(&state.pool));
        let longest_free = || pools().filter_map(|state| state.idle.first()).min();
        let fresh = pools().find_map(|state| state.fresh.first());
        fresh.or_else(|| longest_free().map(|(_, address)| *address))
    }

    /// All leases, and all offers that are held.
    pub fn into_parts(self) -> (Vec<Lease>, BTreeMap<Ipv4Addr, Hold>) {
        (self.leases.into_values().collect(), self.holds)
    }

    /// Writes a lease over what stood there: what the client or the address was held for is
    /// settled by it. Returns what it replaced.
    pub fn put(&mut self, lease: Lease, now: Timestamp) -> Option<Lease> {
        if !lease.is_mark() {
            self.drop_hold(&lease.client());
        }
        self.end_hold(lease.address);
        self.write(lease, now)
    }

    /// Writes a lease; offers stay as they are.
    fn write(&mut self, lease: Lease, now: Timestamp) -> Option<Lease> {
        let address = lease.address;
        self.forget_free(address);
        self.forget_expiry(address);
        if lease.is_running(now) {
            self.expiries.insert((lease.expires, address));
            self.behind.enter(lease.relay().as_ref(), address);
        } else if !self.holds.contains_key(&address) {
            self.lay_idle(address, lease.expires);
        }
        let replaced = self.leases.remove(&address);
        if let Some(replaced) = &replaced {
            self.unlink(replaced);
        }
        self.link(&lease);
        self.leases.insert(address, lease);
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
        self.forget_free(address);
        self.forget_expiry(address);
        if let Some(lease) = self.leases.remove(&address) {
            self.unlink(&lease);
        }
        if !self.holds.contains_key(&address) {
            self.lay_free(address);
        }
    }

    /// Ends holds and leases whose time is over; returns the leases that a client lost by it.
    pub fn expire(&mut self, now: Timestamp) -> Vec<Lease> {
        while let Some(&ends) = self.hold_ends.first().filter(|(end, _)| *end <= now) {
            self.hold_ends.remove(&ends);
            self.end_hold(ends.1);
        }
        let mut expired = Vec::new();
        while let Some(&ends) = self.expiries.first().filter(|(end, _)| *end <= now) {
            self.forget_expiry(ends.1);
            if !self.holds.contains_key(&ends.1) {
                self.lay_idle(ends.1, ends.0);
            }
            let lease = self.leases.get(&ends.1);
            expired.extend(lease.filter(|lease| lease.state == LeaseState::Leased).cloned());
        }
        expired
    }

    /// When [`LeaseTable::expire`] has something to do next.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let firsts = [self.hold_ends.first(), self.expiries.first()];
        firsts.into_iter().flatten().map(|(end, _)| *end).min()
    }

    /// The leases that clients have at `now`, by address.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &Lease> {
        self.leases.values().filter(move |lease| lease.is_active(now))
    }

    fn pool_of(&self, address: Ipv4Addr) -> Option<&PoolState> {
        self.pools.iter().find(|state| state.pool.range.contains(address))
    }

    fn pool_of_mut(&mut self, address: Ipv4Addr) -> Option<&mut PoolState> {
        self.pools.iter_mut().find(|state| state.pool.range.contains(address))
    }

    /// When the last lease of an address ends or ended: its place in either order.
    fn end_of(&self, address: Ipv4Addr) -> Timestamp {
        self.leases.get(&address).map_or(Timestamp::EPOCH, |lease| lease.expires)
    }

    fn forget_expiry(&mut self, address: Ipv4Addr) {
        if self.expiries.remove(&(self.end_of(address), address)) {
            let lease = self.leases.get(&address);
            self.behind.leave(lease.and_then(Lease::relay).as_ref(), address);
        }
    }

    fn forget_free(&mut self, address: Ipv4Addr) {
        let end = self.end_of(address);
        if let Some(state) = self.pool_of_mut(address) {
            state.idle.remove(&(end, address));
            state.fresh.take(address);
        }
    }

    /// What was leased is idle, what never was is fresh again.
    fn lay_free(&mut self, address: Ipv4Addr) {
        match self.leases.get(&address).map(|lease| lease.expires) {
            Some(end) => self.lay_idle(address, end),
            None if self.reserved.contains(&address) => {}
            None => self.pool_of_mut(address).into_iter().for_each(|pool| pool.fresh.give(address)),
        }
    }

    /// What is kept for one machine is never idle: it is nobody else's to find.
    fn lay_idle(&mut self, address: Ipv4Addr, since: Timestamp) {
        if !self.reserved.contains(&address)
            && let Some(state) = self.pool_of_mut(address)
        {
            state.idle.insert((since, address));
        }
    }

    /// A client's newest lease is the one that it is found by. What it declined is not its own.
    fn link(&mut self, lease: &Lease) {
        if lease.is_mark() {
            self.declined.insert((lease.client(), lease.address));
            return;
        }
        // Of two of one moment one is the other's successor, and the first one was given up.
        let age = |lease: &Lease| (lease.granted, lease.state == LeaseState::Leased);
        if self.of(&lease.client()).is_none_or(|other| age(other) <= age(lease)) {
            self.by_client.insert(lease.client(), lease.address);
        }
    }

    fn unlink(&mut self, lease: &Lease) {
        if self.by_client.get(&lease.client()) == Some(&lease.address) {
            self.by_client.remove(&lease.client());
        }
        if lease.is_mark() {
            self.declined.remove(&(lease.client(), lease.address));
        }
    }
}

/// For those who look at the table from outside, in ascending order of addresses.
impl LeaseTable {
    /// What was last written of each address behind `after`.
    pub fn leases_after(&self, after: Option<Ipv4Addr>) -> impl Iterator<Item = &Lease> {
        self.leases.range(behind(after)).map(|(_, lease)| lease)
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
    idle: BTreeSet<(Timestamp, Ipv4Addr)>,
    /// Never leased, neither held nor reserved.
    fresh: Fresh,
}

impl PoolState {
    fn new(pool: Pool, reserved: &BTreeSet<Ipv4Addr>) -> Self {
        let mut fresh = Fresh::new(pool.range);
        let within = reserved.range(pool.range.first()..=pool.range.last());
        within.for_each(|address| fresh.take(*address));
        Self { pool, idle: BTreeSet::new(), fresh }
    }
}

#[cfg(test)]
mod tests;
