//! How an address stands to a client, and which one it is offered.

use std::net::Ipv4Addr;

use super::LeaseTable;
use crate::Timestamp;
use crate::dhcp::config::Pool;
use crate::dhcp::lease::{ClientKey, Lease, LeaseState};
use crate::limits::EXPIRIES_AT_ONCE;
use crate::machine::HardwareAddress;

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
        if let Some(lease) = self.get(address).filter(|lease| lease.is_running(now)) {
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

    /// Addresses of holds and leases that have ended, and are not put away yet. Of many not all: they
    /// are put away in a moment.
    pub(super) fn lapsed(&self, now: Timestamp) -> impl Iterator<Item = Ipv4Addr> {
        let holds = self.hold_ends.iter().take_while(move |(end, _)| *end <= now);
        let due = self.expiries.until(now).take(EXPIRIES_AT_ONCE);
        let leases = due.filter_map(|number| self.leases.slots.get(number));
        let leases = leases.filter(move |lease| lease.expires <= now);
        holds.map(|(_, address)| *address).chain(leases.map(|lease| lease.address))
    }

    /// A free address of the pools for classes, or of those for everybody.
    fn free(&self, who: &Applicant<'_>, of_class: bool) -> Option<Ipv4Addr> {
        let is = |pool: &Pool| pool.class.is_some() == of_class && (who.admitted)(pool);
        let pools = || self.pools.iter().filter(|state| is(&state.pool));
        let fresh = pools().find_map(|state| state.fresh.first());
        let longest_free = || {
            let firsts = pools().filter_map(|state| state.idle.first());
            let leases = firsts.filter_map(|(_, number)| self.leases.slots.get(number));
            leases.min_by_key(|lease| (lease.expires, lease.address)).map(|lease| lease.address)
        };
        fresh.or_else(longest_free)
    }
}
