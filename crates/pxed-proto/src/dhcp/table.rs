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
use std::ops::Bound;

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

    /// Holds an address that no client has, for an offer. The oldest hold gives way to the newest
    /// where there are too many, and a client has one.
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

/// For those who look at the table from outside, in ascending order of addresses.
impl LeaseTable {
    /// What was last written of each address behind `after`.
    pub fn leases_after(&self, after: Option<Ipv4Addr>) -> impl Iterator<Item = &Lease> {
        self.leases.range(behind(after)).map(|(_, lease)| lease)
    }

    /// The offers of addresses behind `after` that are held at `now`: what, to whom, until when.
    pub fn offers_after(
        &self,
        after: Option<Ipv4Addr>,
        now: Timestamp,
    ) -> impl Iterator<Item = (Ipv4Addr, &ClientKey, Timestamp)> {
        let held = self.holds.range(behind(after)).filter(move |(_, hold)| hold.until > now);
        held.map(|(address, hold)| (*address, &hold.client, hold.until))
    }
}

fn behind(after: Option<Ipv4Addr>) -> (Bound<Ipv4Addr>, Bound<Ipv4Addr>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
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

#[cfg(test)]
mod tests {
    use super::super::lease::testing::*;
    use super::*;

    fn table(first: u8, last: u8) -> LeaseTable {
        LeaseTable::new(vec![AddressRange::new(ip(first), ip(last)).unwrap()])
    }

    /// Every address of the pools is in exactly one place, and every index agrees.
    fn check(table: &LeaseTable) {
        for address in table.pools.iter().flat_map(|pool| pool.iter()) {
            let end = table.get(address).map_or(Timestamp::EPOCH, |lease| lease.expires);
            let running = table.expiries.contains(&(end, address));
            let held = table.holds.contains_key(&address);
            let idle = table.idle.contains(&(end, address));
            let fresh = !table.is_known(address);
            let places = [running, held, idle, fresh].into_iter().filter(|place| *place).count();
            assert_eq!(places, 1, "{address}: {table:?}");
        }
        for (end, address) in table.expiries.iter().chain(&table.idle) {
            let lease_end = table.get(*address).map_or(Timestamp::EPOCH, |lease| lease.expires);
            assert_eq!(*end, lease_end, "{address} stands in two orders: {table:?}");
        }
        assert!(table.idle.iter().all(|(_, address)| table.in_pool(*address)));
        for (address, hold) in &table.holds {
            assert_eq!(table.hold_of.get(&hold.client), Some(address));
            assert!(table.hold_ends.contains(&(hold.until, *address)));
        }
        assert_eq!(table.holds.len(), table.hold_of.len());
        assert_eq!(table.holds.len(), table.hold_ends.len());
        for (client, address) in &table.by_client {
            let lease = table.get(*address).unwrap();
            assert!(lease.client == *client && lease.state != LeaseState::Declined);
        }
        for (client, address) in &table.declined {
            let lease = table.get(*address).unwrap();
            assert!(lease.client == *client && lease.state == LeaseState::Declined);
        }
        let next = table.fresh.address(&table.pools);
        assert!(next.is_none_or(|address| !table.is_known(address)));
    }

    #[test]
    fn an_address_is_chosen_in_the_order_of_the_rfc() {
        let mut table = table(1, 9);
        let choose = |table: &LeaseTable| table.choose(&client(1), Some(ip(5)), at(100)).unwrap();
        table.put(lease(1, 9, 500), at(0));
        assert_eq!(choose(&table), ip(5), "its wish");
        table.put(lease(2, 1, 50), at(0));
        table.expire(at(100));
        assert_eq!(choose(&table), ip(2), "the one that it had");
        table.hold(ip(3), client(1), at(130));
        assert_eq!(choose(&table), ip(3), "the one that it was offered");
        table.put(Lease { granted: at(1), ..lease(4, 1, 500) }, at(100));
        assert_eq!(choose(&table), ip(4), "its own");
        assert_eq!(table.choose(&client(2), Some(ip(4)), at(100)), Some(ip(5)), "a fresh one");
        check(&table);
    }

    #[test]
    fn how_an_address_stands() {
        let mut table = table(1, 9);
        table.put(lease(1, 1, 500), at(0));
        table.put(Lease { state: LeaseState::Declined, ..lease(2, 1, 500) }, at(0));
        table.hold(ip(3), client(1), at(30));
        for (host, of_holder, of_another) in [
            (1, Standing::Available, Standing::InUse),
            (2, Standing::Declined, Standing::Declined),
            (3, Standing::Available, Standing::InUse),
            (4, Standing::Available, Standing::Available),
            (10, Standing::NotInPool, Standing::NotInPool),
        ] {
            let standing = |number| table.standing(ip(host), &client(number), at(10));
            assert_eq!((standing(1), standing(2)), (of_holder, of_another), "{host}");
        }
        for host in 1..=3 {
            let later = table.standing(ip(host), &client(2), at(500));
            assert_eq!(later, Standing::Available, "{host}: over, though no timer ran");
        }
    }

    #[test]
    fn a_client_has_one_hold_and_an_address_one_client() {
        let mut table = table(1, 9);
        table.hold(ip(1), client(1), at(30));
        table.hold(ip(2), client(1), at(31));
        table.hold(ip(2), client(2), at(32));
        assert_eq!(table.offers(), 1);
        let held = |number| table.held_for(&client(number), at(10));
        assert_eq!((held(1), held(2)), (None, Some(ip(2))));
        assert_eq!(table.held_for(&client(2), at(32)), None, "over, though no timer ran");
        check(&table);
        table.put(lease(5, 2, 500), at(10));
        assert_eq!(table.offers(), 0, "it has an address now");
        check(&table);
    }

    #[test]
    fn what_ends_is_told_in_order() {
        let mut table = table(1, 9);
        table.put(lease(1, 1, 20), at(0));
        table.put(lease(2, 2, 10), at(0));
        table.put(Lease { state: LeaseState::Declined, ..lease(3, 3, 15) }, at(0));
        table.hold(ip(4), client(4), at(5));
        assert_eq!(table.next_expiry(), Some(at(5)));
        let expired: Vec<Ipv4Addr> = table.expire(at(20)).iter().map(|l| l.address).collect();
        assert_eq!(expired, [ip(2), ip(1)], "a probation that ends is no client's loss");
        assert_eq!((table.next_expiry(), table.offers()), (None, 0));
        check(&table);
    }

    #[test]
    fn what_could_not_be_stored_is_taken_back() {
        let mut table = table(1, 1);
        let first = lease(1, 1, 500);
        assert_eq!(table.put(first.clone(), at(0)), None);
        let released = Lease { state: LeaseState::Released, expires: at(5), ..first.clone() };
        assert_eq!(table.put(released, at(5)), Some(first.clone()));
        table.hold(ip(1), client(2), at(35));
        table.restore(ip(1), Some(first), at(6));
        assert_eq!((table.offers(), table.active(at(6)).count()), (0, 1));
        check(&table);
        table.restore(ip(1), None, at(7));
        assert!(table.get(ip(1)).is_none() && table.of(&client(1)).is_none());
        assert_eq!(table.choose(&client(3), None, at(7)), Some(ip(1)));
        check(&table);
    }

    #[test]
    fn what_was_declined_is_counted_while_it_is_out_of_use() {
        let mut table = table(1, 9);
        for host in 1..=3 {
            let expires = u64::from(host) * 10;
            table.put(Lease { state: LeaseState::Declined, ..lease(host, 1, expires) }, at(0));
        }
        let count = |table: &LeaseTable, seconds| table.declined_by(&client(1), at(seconds));
        assert_eq!([0, 10, 20, 30].map(|seconds| count(&table, seconds)), [3, 2, 1, 0]);
        table.put(lease(3, 2, 500), at(15));
        assert_eq!((count(&table, 15), table.declined_by(&client(2), at(15))), (1, 0));
        check(&table);
    }

    #[test]
    fn whatever_happens_each_address_is_in_one_place() {
        let mut table = table(1, 9);
        let mut dice = 1u64;
        for step in 0..20_000u64 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
            let mut roll = |bound: u8| {
                dice = dice.rotate_left(13).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                u8::try_from(dice >> 32 & 0xff).unwrap() % bound
            };
            let now = at(step / 8);
            // Two hosts are in no pool.
            let (host, number) = (1 + roll(11), roll(5));
            let states = [LeaseState::Leased, LeaseState::Declined, LeaseState::Released];
            let state = states[usize::from(roll(3))];
            let expires = now + std::time::Duration::from_secs(u64::from(roll(40)));
            let lease = Lease { state, granted: now, expires, ..lease(host, number, 0) };
            match roll(6) {
                0 => {
                    let before = table.put(lease, now);
                    table.restore(ip(host), before, now);
                }
                1 if table.get(ip(host)).is_some() => table.restore(ip(host), None, now),
                1 | 2 => drop(table.put(lease, now)),
                3 => drop(table.expire(now)),
                _ => {
                    let chosen = table.choose(&client(number), Some(ip(host)), now);
                    let active = |address| table.get(address).is_some_and(|l| l.is_active(now));
                    if let Some(address) = chosen.filter(|address| !active(*address)) {
                        table.hold(address, client(number), expires);
                    }
                }
            }
            check(&table);
        }
    }
}
