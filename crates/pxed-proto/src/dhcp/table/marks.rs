//! Addresses that are out of use: which client declined them or answers for them, and behind which
//! port they were declined.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::LeaseTable;
use crate::Timestamp;
use crate::dhcp::lease::{ClientKey, Lease, LeaseState};
use crate::dhcp::rate::Port;

/// What runs and is no lease, but the mark of an address; also past its end, until it is put away.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    by_client: BTreeSet<(ClientKey, Ipv4Addr)>,
    /// Those by DECLINE, behind each port of a relay agent; `None` on the server's own link.
    declined: BTreeMap<Option<Port>, BTreeSet<Ipv4Addr>>,
    /// How many these are.
    declines: usize,
}

impl Marks {
    /// A mark stands from now on.
    pub(super) fn enter(&mut self, mark: &Lease) {
        self.by_client.insert((mark.client(), mark.address));
        if mark.state == LeaseState::Declined {
            let here = self.declined.entry(port_of(mark)).or_default();
            self.declines += usize::from(here.insert(mark.address));
        }
    }

    /// It does no more.
    pub(super) fn leave(&mut self, mark: &Lease) {
        self.by_client.remove(&(mark.client(), mark.address));
        if mark.state != LeaseState::Declined {
            return;
        }
        let port = port_of(mark);
        if let Some(here) = self.declined.get_mut(&port) {
            self.declines -= usize::from(here.remove(&mark.address));
            if here.is_empty() {
                self.declined.remove(&port);
            }
        }
    }

    /// How many stand.
    pub(super) fn len(&self) -> usize {
        self.by_client.len()
    }

    #[cfg(test)]
    pub(super) fn has(&self, mark: &Lease) -> bool {
        let declined = self.declined.get(&port_of(mark));
        let is_declined = declined.is_some_and(|here| here.contains(&mark.address));
        let of_client = self.by_client.contains(&(mark.client(), mark.address));
        assert_eq!(is_declined, of_client && mark.state == LeaseState::Declined);
        of_client
    }
}

impl LeaseTable {
    /// How many addresses are out of use at `now` because this client declined them, or answers for
    /// them.
    pub fn declined_by(&self, client: &ClientKey, now: Timestamp) -> usize {
        self.marked_by(client, now).count()
    }

    /// Which these are.
    pub(super) fn marked_by(
        &self,
        client: &ClientKey,
        now: Timestamp,
    ) -> impl Iterator<Item = Ipv4Addr> {
        let from = (client.clone(), Ipv4Addr::UNSPECIFIED);
        let marks = self.marks.by_client.range(from..);
        let its_own = marks.take_while(move |(other, _)| other == client);
        its_own.map(|(_, address)| *address).filter(move |address| self.runs(*address, now))
    }

    /// Are so many addresses out of use at `now` by DECLINE, or more? Counted; only where that does not
    /// say it, what has just ended is looked at.
    pub fn has_declines(&self, many: usize, now: Timestamp) -> bool {
        let Some(beyond) = self.marks.declines.checked_sub(many) else { return false };
        let due = self.expiries.until(now).filter_map(|number| self.leases.slots.get(number));
        let over = due.filter(|it| it.expires <= now && it.state == LeaseState::Declined);
        over.take(beyond + 1).count() <= beyond
    }

    /// The same behind the port that this lease's client is behind.
    pub fn has_declines_beside(&self, lease: &Lease, many: usize, now: Timestamp) -> bool {
        let here = self.marks.declined.get(&port_of(lease)).into_iter().flatten();
        here.filter(|address| self.runs(**address, now)).take(many).count() >= many
    }

    fn runs(&self, address: Ipv4Addr, now: Timestamp) -> bool {
        self.get(address).is_some_and(|lease| lease.is_running(now))
    }
}

fn port_of(lease: &Lease) -> Option<Port> {
    lease.relay().as_ref().map(Port::of)
}
