//! What is offered, to whom, until when: holds of addresses, in memory only.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::{LeaseTable, behind, is_of};
use crate::dhcp::lease::{ClientKey, Lease};
use crate::dhcp::rate::Port;
use crate::dhcp::relay::RelayAgent;
use crate::{Timestamp, limits};

/// An offer: a short hold in memory, not a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// For whom.
    pub client: ClientKey,
    /// The relay agent that the client is behind.
    pub relay: Option<RelayAgent>,
    /// Until when.
    pub until: Timestamp,
    /// How many may be held at once where the client is attached.
    pub most: usize,
}

impl Hold {
    /// Behind which port of a relay agent; `None` on the server's own link.
    fn port(&self) -> Option<Port> {
        self.relay.as_ref().map(Port::of)
    }
}

impl LeaseTable {
    /// The address that is held for the client at `now`.
    pub fn held_for(&self, client: &ClientKey, now: Timestamp) -> Option<Ipv4Addr> {
        let address = *self.hold_of.get(client)?;
        self.holds.get(&address).is_some_and(|hold| hold.until > now).then_some(address)
    }

    /// Holds an address that no other client has, for an offer. The oldest hold gives way to the
    /// newest where there are too many, in all or behind one port, and a client has one. A lease of it
    /// runs on until its end.
    pub fn hold(&mut self, address: Ipv4Addr, hold: Hold) {
        self.drop_hold(&hold.client);
        self.end_hold(address);
        let full = |ends: &&BTreeSet<(Timestamp, Ipv4Addr)>, most| ends.len() >= most;
        let port = hold.port();
        let of_port = self.port_hold_ends.get(&port).filter(|ends| full(ends, hold.most));
        let of_all = Some(&self.hold_ends).filter(|ends| full(ends, limits::OFFERS_MAX));
        let oldest = of_port.or(of_all).and_then(|ends| ends.first().copied());
        if let Some((_, oldest)) = oldest {
            self.end_hold(oldest);
        }
        self.take_free(address);
        self.hold_of.insert(hold.client.clone(), address);
        self.hold_ends.insert((hold.until, address));
        self.port_hold_ends.entry(port).or_default().insert((hold.until, address));
        self.behind.enter(hold.relay.as_ref(), address);
        self.holds.insert(address, hold);
    }

    /// Holds an address for a client once more: what another table held, or what could not be
    /// leased. Not if the address is another's by now, if the client's own lease keeps it for as
    /// long, or if the client was offered another one since.
    pub fn hold_again(&mut self, address: Ipv4Addr, hold: Hold, now: Timestamp) {
        let Hold { client, until, .. } = &hold;
        let needless = |lease: &Lease| lease.is_running(*until) || !is_of(lease, client);
        let lease = self.get(address).filter(|lease| lease.is_running(now));
        let others = |hold: &Hold| hold.until > now && hold.client != *client;
        let taken = lease.is_some_and(needless) || self.holds.get(&address).is_some_and(others);
        let moved = self.held_for(client, now).is_some_and(|newer| newer != address);
        let leasable = !self.reserved.contains(&address) && self.pool_of(address).is_some();
        if leasable && !taken && !moved {
            self.hold(address, hold);
        }
    }

    /// Forgets what was offered to the client.
    pub fn drop_hold(&mut self, client: &ClientKey) {
        if let Some(address) = self.hold_of.get(client).copied() {
            self.end_hold(address);
        }
    }

    /// How many offers are held.
    pub fn offers(&self) -> usize {
        self.holds.len()
    }

    /// The offers of addresses behind `after` that are held at `now`: what, to whom, until when.
    /// Without those of leases that still run.
    pub fn offers_after(
        &self,
        after: Option<Ipv4Addr>,
        now: Timestamp,
    ) -> impl Iterator<Item = (Ipv4Addr, &ClientKey, Timestamp)> {
        let runs = move |address| self.get(address).is_some_and(|lease| lease.is_running(now));
        let held = self.holds.range(behind(after));
        let held = held.filter(move |(address, hold)| hold.until > now && !runs(**address));
        held.map(|(address, hold)| (*address, &hold.client, hold.until))
    }

    /// Ends a hold; an address whose lease does not run is free then.
    pub(super) fn end_hold(&mut self, address: Ipv4Addr) {
        let Some(hold) = self.holds.remove(&address) else { return };
        self.hold_ends.remove(&(hold.until, address));
        let port = hold.port();
        if let Some(ends) = self.port_hold_ends.get_mut(&port) {
            ends.remove(&(hold.until, address));
            if ends.is_empty() {
                self.port_hold_ends.remove(&port);
            }
        }
        self.hold_of.remove(&hold.client);
        self.behind.leave(hold.relay.as_ref(), address);
        if !self.is_running_at(address) {
            self.lay_free(address);
        }
    }
}
