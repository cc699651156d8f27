//! How full the pools are, counted a part at a time: of a million leases each is looked at, and nobody is to
//! wait for an answer meanwhile.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::config::{Config, Pool, Subnet};
use super::inspect::{AddressState, state_of};
use super::server::Server;
use crate::Timestamp;
use crate::net::AddressRange;

/// How full the pools of a subnet are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetUse {
    /// One for each pool of the configuration, in the same order.
    pub pools: Vec<PoolUse>,
    /// Leases that clients have of addresses outside the pools.
    pub outside: u64,
}

/// How full a pool is. What is not free is one of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// The addresses.
    pub range: AddressRange,
    /// How many clients have.
    pub leased: u64,
    /// How many are held for an offer.
    pub offered: u64,
    /// How many are out of use.
    pub declined: u64,
}

impl PoolUse {
    /// How many nobody has.
    pub fn free(&self) -> u64 {
        self.range.count().saturating_sub(self.leased + self.offered + self.declined)
    }
}

/// What is counted so far.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// By whose subnets; another one begins it anew.
    config: Option<Arc<Config>>,
    /// Those that are counted, and the one that is being counted.
    subnets: Vec<SubnetUse>,
    /// How many are counted to their end.
    counted: usize,
    /// The last lease that was looked at in the one behind them.
    after: Option<Ipv4Addr>,
}

impl Census {
    /// How full the pools are: one for each subnet of the configuration, in the same order.
    pub fn into_subnets(self) -> Vec<SubnetUse> {
        self.subnets
    }
}

impl Server {
    /// Counts on, with a look at `most` leases at most. `true`: that was all.
    pub fn count_pools(&self, census: &mut Census, most: usize, now: Timestamp) -> bool {
        if census.config.as_ref().is_none_or(|config| !Arc::ptr_eq(config, self.config())) {
            *census = Census { config: Some(self.config().clone()), ..Census::default() };
        }
        let mut left = most;
        let subnets = self.config().subnets.iter().zip(&self.tables);
        for (subnet, table) in subnets.skip(census.counted) {
            if census.subnets.len() == census.counted {
                census.subnets.push(SubnetUse::unused(subnet));
            }
            let Some(used) = census.subnets.last_mut() else { return true };
            for lease in table.leases_after(census.after) {
                if left == 0 {
                    return false;
                }
                left -= 1;
                used.count(lease.address, state_of(lease, now));
                census.after = Some(lease.address);
            }
            // What is offered is in use by nobody; of these there are few.
            let offers = table.offers_after(None, now);
            offers.for_each(|(address, ..)| used.count(address, AddressState::Offered));
            (census.counted, census.after) = (census.counted + 1, None);
        }
        true
    }
}

impl SubnetUse {
    fn unused(subnet: &Subnet) -> Self {
        let pool = |pool: &Pool| PoolUse { range: pool.range, leased: 0, offered: 0, declined: 0 };
        Self { pools: subnet.pools.iter().map(pool).collect(), outside: 0 }
    }

    fn count(&mut self, address: Ipv4Addr, state: AddressState) {
        let pool = self.pools.iter_mut().find(|pool| pool.range.contains(address));
        match (state, pool) {
            (AddressState::Leased, Some(pool)) => pool.leased += 1,
            (AddressState::Leased, None) => self.outside += 1,
            (AddressState::Offered, Some(pool)) => pool.offered += 1,
            (AddressState::Declined | AddressState::Conflict, Some(pool)) => pool.declined += 1,
            _ => {}
        }
    }
}
