//! While the store can not write: no lease is granted, and none is forgotten.
//!
//! A client whose lease is durable and still runs is answered for the time that is left of it, which
//! promises nothing new. Newcomers hear nothing, so that another server may serve them, and what would
//! be a change is let be.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::asking::{Asking, Verdict};
use super::config::LeaseTime;
use super::lease::{Lease, LeaseState};
use super::plan::Change;
use super::reason::Ignored;

/// Whether the store can write.
#[derive(Clone, Debug, Default)]
pub struct Outage {
    lasts: bool,
    /// Addresses whose change failed: whether the disk has it all the same is not known, and after a
    /// crash it may count. At most as many as commits were under way.
    doubtful: BTreeSet<Ipv4Addr>,
}

impl Outage {
    /// The store fails from now on, or works again.
    pub fn set(&mut self, lasts: bool) {
        self.lasts = lasts;
        self.doubtful.clear();
    }

    pub fn lasts(&self) -> bool {
        self.lasts
    }

    /// A change has failed, and the disk may have it all the same. A renewal takes nothing from its
    /// client either way; what else it may be, the client has no lease by it.
    pub fn doubt(&mut self, failed: &Lease, before: Option<&Lease>) {
        let renewed = failed.state == LeaseState::Leased
            && before.is_some_and(|before| before.is_of(&failed.client()));
        if self.lasts && !renewed {
            self.doubtful.insert(failed.address);
        }
    }

    /// No change can be stored.
    pub fn refuse(&self, verdict: &Verdict) -> Option<Ignored> {
        let stores = matches!(verdict.change, Change::Put { .. } | Change::Probe { .. });
        (self.lasts && stores).then_some(Ignored::StoreFails)
    }
}

impl Asking<'_> {
    /// What is left of the client's lease of this address, if it is all that can be said: the store
    /// fails, and has it.
    pub fn left_in_outage(&self, address: Ipv4Addr) -> Option<Duration> {
        let lease = self.active().filter(|lease| lease.address == address)?;
        let durable =
            self.under_way.is_settled(address) && !self.outage.doubtful.contains(&address);
        let left = Duration::from_secs(lease.expires.since(self.now).as_secs());
        let serves = self.outage.lasts && durable && !left.is_zero();
        serves.then_some(left.min(LeaseTime::INFINITE))
    }
}
