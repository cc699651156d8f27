//! The lease table of one subnet: which address is whose, which is held for an offer, which is
//! free.
//!
//! Every address of the pools is in exactly one place:
//!
//! - *running*: leased or declined, until its expiry (`expiries`);
//! - *held*: offered, until the hold ends (`holds`);
//! - *idle*: was in use once, and is free; the one that was used longest ago is taken first;
//! - *fresh*: never in use. `Fresh` walks over these, so that a pool of millions costs nothing
//!   until it is used.
//!
//! An address outside the pools (they were changed since it was leased) is only ever running.
//!
//! Every operation is logarithmic in what is in use.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::lease::{ClientKey, Lease, LeaseState};
use crate::net::AddressRange;
use crate::{Timestamp, limits};

/// The addresses of one subnet.
#[derive(Clone, Debug)]
pub struct LeaseTable {
    pools: Vec<AddressRange>,
    leases: BTreeMap<Ipv4Addr, Lease>,
    by_client: BTreeMap<ClientKey, Ipv4Addr>,
    declined: BTreeSet<(ClientKey, Ipv4Addr)>,
    expiries: BTreeSet<(Timestamp, Ipv4Addr)>,
    holds: BTreeMap<Ipv4Addr, Hold>,
    hold_of: BTreeMap<ClientKey, Ipv4Addr>,
    hold_ends: BTreeSet<(Timestamp, Ipv4Addr)>,
    idle: BTreeSet<(Timestamp, Ipv4Addr)>,
    fresh: Fresh,
}

/// An offer: a short hold in memory, not a lease.
#[derive(Clone, Debug)]
struct Hold {
    client: ClientKey,
    until: Timestamp,
}

/// How an address stands to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The client has it, or it is free, or held for the client.
    Available,
    /// Another client has it, or it is held for another.
    InUse,
    /// Out of use after a DECLINE.
    Declined,
    /// In no pool.
    NotInPool,
}

impl LeaseTable {
    /// A table in which everything is fresh.
    pub fn new(pools: Vec<AddressRange>) -> Self {
        Self {
            fresh: Fresh::default(),
            pools,
            leases: BTreeMap::new(),
            by_client: BTreeMap::new(),
            declined: BTreeSet::new(),
            expiries: BTreeSet::new(),
            holds: BTreeMap::new(),
            hold_of: BTreeMap::new(),
            hold_ends: BTreeSet::new(),
            idle: BTreeSet::new(),
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

    /// How many addresses are out of use at `now` because this client declined them.
    pub fn declined_by(&self, client: &ClientKey, now: Timestamp) -> usize {
        let running = |address| self.get(address).is_some_and(|lease| lease.is_running(now));
        let from = (client.clone(), Ipv4Addr::UNSPECIFIED);
        let its_own = self.declined.range(from..).take_while(|(other, _)| other == client);
        its_own.filter(|(_, address)| running(*address)).count()
    }

    /// The address that is held for the client at `now`.
    pub fn held_for(&self, client: &ClientKey, now: Timestamp) -> Option<Ipv4Addr> {
        let address = *self.hold_of.get(client)?;
        self.holds.get(&address).is_some_and(|hold| hold.until > now).then_some(address)
    }

    /// May the client have the address at `now`?
    pub fn standing(&self, address: Ipv4Addr, client: &ClientKey, now: Timestamp) -> Standing {
        if !self.in_pool(address) {
            return Standing::NotInPool;
        }
        if let Some(lease) = self.leases.get(&address).filter(|lease| lease.is_running(now)) {
            match lease.state {
                LeaseState::Declined => return Standing::Declined,
                _ if lease.client != *client => return Standing::InUse,
                _ => {}
            }
        }
        match self.holds.get(&address) {
            Some(hold) if hold.until > now && hold.client != *client => Standing::InUse,
            _ => Standing::Available,
        }
    }

    /// The address to offer (RFC 2131 section 4.3.1): the client's own, the one it was offered, the
    /// one it had, the one it asks for, one that nobody had, the one free for longest.
    pub fn choose(
        &self,
        client: &ClientKey,
        wish: Option<Ipv4Addr>,
        now: Timestamp,
    ) -> Option<Ipv4Addr> {
        let own = self.of(client);
        let active = own.filter(|lease| lease.is_active(now)).map(|lease| lease.address);
        let remembered = [active, self.held_for(client, now), own.map(|lease| lease.address), wish];
        let available =
            |address: &Ipv4Addr| self.standing(*address, client, now) == Standing::Available;
        let lapsed = [&self.hold_ends, &self.expiries]
            .into_iter()
            .filter_map(|ends| ends.first().filter(|(end, _)| *end <= now));
        remembered
            .into_iter()
            .flatten()
            .find(available)
            .or_else(|| self.fresh.find(&self.pools, |address| !self.is_known(address)))
            .or_else(|| self.idle.iter().chain(lapsed).map(|(_, address)| *address).find(available))
    }

    /// Holds an address for an offer. The oldest hold gives way to the newest where there are too
    /// many, and a client has one.
    pub fn hold(&mut self, address: Ipv4Addr, client: ClientKey, until: Timestamp) {
        self.drop_hold(&client);
        self.end_hold(address);
        if self.holds.len() >= limits::OFFERS_MAX
            && let Some((_, oldest)) = self.hold_ends.pop_first()
        {
            self.end_hold(oldest);
        }
        self.forget_place(address);
        self.hold_of.insert(client.clone(), address);
        self.hold_ends.insert((until, address));
        self.holds.insert(address, Hold { client, until });
        self.fresh_moves_on();
    }

    /// Forgets what was offered to the client.
    pub fn drop_hold(&mut self, client: &ClientKey) {
        if let Some(address) = self.hold_of.get(client).copied() {
            self.end_hold(address);
        }
    }

    /// Writes a lease over what stood there. Returns what it replaced.
    pub fn put(&mut self, lease: Lease, now: Timestamp) -> Option<Lease> {
        let address = lease.address;
        self.drop_hold(&lease.client);
        self.end_hold(address);
        self.forget_place(address);
        if lease.is_running(now) {
            self.expiries.insert((lease.expires, address));
        } else {
            self.lay_idle(address, lease.expires);
        }
        let replaced = self.leases.remove(&address);
        if let Some(replaced) = &replaced {
            self.unlink(replaced);
        }
        self.link(&lease);
        self.leases.insert(address, lease);
        self.fresh_moves_on();
        replaced
    }

    /// Takes an address back to what stood there before a change that could not be stored.
    pub fn restore(&mut self, address: Ipv4Addr, before: Option<Lease>, now: Timestamp) {
        if let Some(lease) = before {
            self.put(lease, now);
            return;
        }
        self.forget_place(address);
        if let Some(lease) = self.leases.remove(&address) {
            self.unlink(&lease);
        }
        if !self.holds.contains_key(&address) {
            self.lay_idle(address, Timestamp::EPOCH);
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
            self.expiries.remove(&ends);
            self.lay_idle(ends.1, ends.0);
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

    /// How many offers are held.
    pub fn offers(&self) -> usize {
        self.holds.len()
    }

    fn in_pool(&self, address: Ipv4Addr) -> bool {
        self.pools.iter().any(|pool| pool.contains(address))
    }

    /// Has the address ever been leased or offered?
    fn is_known(&self, address: Ipv4Addr) -> bool {
        self.leases.contains_key(&address)
            || self.holds.contains_key(&address)
            || self.idle.contains(&(Timestamp::EPOCH, address))
    }

    fn fresh_moves_on(&mut self) {
        let mut fresh = self.fresh;
        fresh.advance(&self.pools, |address| !self.is_known(address));
        self.fresh = fresh;
    }

    /// Takes an address out of whichever order it stands in.
    fn forget_place(&mut self, address: Ipv4Addr) {
        let end = self.leases.get(&address).map_or(Timestamp::EPOCH, |lease| lease.expires);
        self.expiries.remove(&(end, address));
        self.idle.remove(&(end, address));
    }

    /// Ends a hold; the address goes back to where it was before.
    fn end_hold(&mut self, address: Ipv4Addr) {
        let Some(hold) = self.holds.remove(&address) else { return };
        self.hold_ends.remove(&(hold.until, address));
        self.hold_of.remove(&hold.client);
        let end = self.leases.get(&address).map_or(Timestamp::EPOCH, |lease| lease.expires);
        self.lay_idle(address, end);
    }

    fn lay_idle(&mut self, address: Ipv4Addr, since: Timestamp) {
        if self.in_pool(address) {
            self.idle.insert((since, address));
        }
    }

    /// A client's newest lease is the one that it is found by. What it declined is not its own.
    fn link(&mut self, lease: &Lease) {
        if lease.state == LeaseState::Declined {
            self.declined.insert((lease.client.clone(), lease.address));
            return;
        }
        let newest = self.of(&lease.client).is_none_or(|other| other.granted <= lease.granted);
        if newest {
            self.by_client.insert(lease.client.clone(), lease.address);
        }
    }

    fn unlink(&mut self, lease: &Lease) {
        if self.by_client.get(&lease.client) == Some(&lease.address) {
            self.by_client.remove(&lease.client);
        }
        if lease.state == LeaseState::Declined {
            self.declined.remove(&(lease.client.clone(), lease.address));
        }
    }
}

/// Where to look for an address that nobody ever had: a place in the pools that only moves on.
/// What is behind it is known, and so comes back through the idle ones.
#[derive(Clone, Copy, Debug, Default)]
struct Fresh {
    pool: usize,
    offset: u32,
}

impl Fresh {
    /// The first fresh address at or after this place.
    fn find(
        mut self,
        pools: &[AddressRange],
        is_fresh: impl Fn(Ipv4Addr) -> bool,
    ) -> Option<Ipv4Addr> {
        self.advance(pools, is_fresh);
        self.address(pools)
    }

    /// Moves on to the first fresh address.
    fn advance(&mut self, pools: &[AddressRange], is_fresh: impl Fn(Ipv4Addr) -> bool) {
        while self.pool < pools.len() {
            match self.address(pools) {
                Some(address) if is_fresh(address) => return,
                Some(_) => self.offset += 1,
                None => *self = Self { pool: self.pool + 1, offset: 0 },
            }
        }
    }

    fn address(self, pools: &[AddressRange]) -> Option<Ipv4Addr> {
        let pool = pools.get(self.pool)?;
        let address = pool.first().to_bits().checked_add(self.offset).map(Ipv4Addr::from_bits)?;
        pool.contains(address).then_some(address)
    }
}
