//! Another configuration for a table that is in use. A million leases stay where they are: what is looked
//! at are the addresses that change hands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::behind::Behind;
use super::{Hold, LeaseTable, PoolState};
use crate::Timestamp;
use crate::dhcp::config::{Pool, RelayCaps};
use crate::dhcp::parts::{Part, borders, parts};
use crate::net::AddressRange;

impl LeaseTable {
    /// Ends all offers, and returns them: they may not be what they were under another configuration.
    pub fn take_holds(&mut self) -> BTreeMap<Ipv4Addr, Hold> {
        let holds = self.holds.clone();
        holds.keys().for_each(|address| self.end_hold(*address));
        holds
    }

    /// Takes other pools, reservations and caps, while nothing is held. It is then as if all leases had
    /// come to a new table, but that a client is still found by the lease that it was found by, and what is
    /// over is still told.
    pub fn reshape(&mut self, pools: Vec<Pool>, reserved: BTreeSet<Ipv4Addr>, caps: RelayCaps) {
        debug_assert!(self.holds.is_empty(), "what is held is in no pool");
        self.reserve(reserved);
        self.divide(pools);
        self.cap(caps);
    }

    fn reserve(&mut self, reserved: BTreeSet<Ipv4Addr>) {
        let before = std::mem::replace(&mut self.reserved, reserved);
        let taken: Vec<Ipv4Addr> = self.reserved.difference(&before).copied().collect();
        let given: Vec<Ipv4Addr> = before.difference(&self.reserved).copied().collect();
        taken.into_iter().for_each(|address| self.take_free(address));
        for address in given {
            if !self.is_running_at(address) {
                self.lay_free(address);
            }
        }
    }

    fn divide(&mut self, pools: Vec<Pool>) {
        let parts = divided(&self.pools, &pools);
        let heirs = heirs(&parts);
        let mut before = BTreeMap::new();
        for (place, state) in std::mem::take(&mut self.pools).into_iter().enumerate() {
            before.extend(heirs.get(&place).map(|heir| (*heir, state)));
        }
        let state = |(place, pool)| match before.remove(&place) {
            Some(state) => state.go_on_as(pool),
            None => PoolState::new(pool, &BTreeSet::new()),
        };
        self.pools = pools.into_iter().enumerate().map(state).collect();
        for Part { range, before, after } in parts {
            let from = before.and_then(|before| heirs.get(&before).copied());
            if from != after {
                self.hand_over(range, from, after);
            }
        }
    }

    /// What is free of these addresses goes from one pool to another. What was in a pool that is no more
    /// stands nowhere.
    fn hand_over(&mut self, range: AddressRange, from: Option<usize>, to: Option<usize>) {
        let numbers: Vec<u32> = self.leases.within(range).collect();
        for number in numbers {
            if let Some(from) = from.and_then(|from| self.pools.get_mut(from)) {
                from.idle.remove(number, &mut self.leases.slots);
            }
            let address = self.leases.slots.get(number).map(|lease| lease.address);
            self.take_fresh(to, address);
            if !self.is_running(number) {
                self.lay_idle(number);
            }
        }
        let reserved: Vec<_> = self.reserved.range(range.first()..=range.last()).copied().collect();
        self.take_fresh(to, reserved);
    }

    fn take_fresh(&mut self, pool: Option<usize>, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(pool)) {
            addresses.into_iter().for_each(|address| pool.fresh.take(address));
        }
    }

    /// Only where a cap is the first of its kind all leases have to be looked at.
    fn cap(&mut self, caps: RelayCaps) {
        if self.behind.cap(caps) {
            return;
        }
        self.behind = Behind::new(caps);
        if self.behind.is_capped() {
            let running = self.expiries.until(Timestamp::FOREVER);
            for lease in running.filter_map(|number| self.leases.slots.get(number)) {
                self.behind.enter(lease.relay().as_ref(), lease.address);
            }
        }
    }
}

/// The addresses of pools before and after, by the places of these.
fn divided(before: &[PoolState], after: &[Pool]) -> Vec<Part> {
    let ranges = before.iter().map(|state| &state.pool).chain(after).map(|pool| pool.range);
    let was = |address| before.iter().position(|state| state.pool.range.contains(address));
    let is = |address| after.iter().position(|pool| pool.range.contains(address));
    parts(ranges.flat_map(borders), was, is)
}

/// Which pool goes on as which: those first that have most addresses in common.
fn heirs(parts: &[Part]) -> BTreeMap<usize, usize> {
    let common = parts.iter().filter_map(|p| Some((p.range.count(), p.before?, p.after?)));
    let mut common: Vec<_> = common.collect();
    common.sort_unstable_by(|one, other| other.cmp(one));
    let (mut heirs, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for (_, before, after) in common {
        if !heirs.contains_key(&before) && taken.insert(after) {
            heirs.insert(before, after);
        }
    }
    heirs
}

impl PoolState {
    /// It goes on as another pool. Whose addresses are in only one of the two is not looked at here.
    fn go_on_as(self, pool: Pool) -> Self {
        let Self { idle, fresh, .. } = self;
        let fresh = if pool.range == self.pool.range { fresh } else { fresh.stretch(pool.range) };
        Self { pool, idle, fresh }
    }
}
