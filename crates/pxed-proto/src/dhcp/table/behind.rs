//! How many addresses are in use behind each circuit and remote ID, where there is a cap.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::LeaseTable;
use crate::Timestamp;
use crate::dhcp::config::RelayCaps;
use crate::dhcp::lease::{ClientKey, Lease};
use crate::dhcp::relay::{Place, RelayAgent};

impl LeaseTable {
    /// How many addresses are in use behind a place at `now`, leased or offered. Only places of a
    /// kind that has a cap are known.
    pub fn behind(&self, place: &Place, now: Timestamp) -> usize {
        let Some(addresses) = self.behind.in_use.get(place) else { return 0 };
        if self.next_expiry().is_none_or(|next| next > now) {
            return addresses.len();
        }
        let in_use = |address: &&Ipv4Addr| {
            let runs = self.get(**address).is_some_and(|lease| lease.is_running(now));
            runs || self.holds.get(*address).is_some_and(|hold| hold.until > now)
        };
        addresses.keys().filter(in_use).count()
    }

    /// Is an address of the client's, leased or offered, among them? A lease of which nothing was
    /// said belongs anywhere.
    pub fn is_behind(&self, place: &Place, client: &ClientKey, now: Timestamp) -> bool {
        let lease = self.of(client).filter(|lease| lease.is_active(now));
        let unsaid = |lease: &Lease| !self.behind.knows(lease.relay().as_ref());
        let leased = lease.map(|lease| lease.address);
        let mut own = leased.into_iter().chain(self.held_for(client, now));
        lease.is_some_and(unsaid) || own.any(|address| self.behind.has(place, address))
    }
}

/// The addresses behind each place. One may be there twice: by its lease and by an offer of it.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    caps: RelayCaps,
    in_use: BTreeMap<Place, BTreeMap<Ipv4Addr, u8>>,
}

impl Behind {
    pub fn new(caps: RelayCaps) -> Self {
        Self { caps, in_use: BTreeMap::new() }
    }

    /// Takes other caps, if the same kinds of places are counted by them: `true` then.
    pub fn cap(&mut self, caps: RelayCaps) -> bool {
        let counted = |caps: &RelayCaps| (caps.remote_id.is_some(), caps.circuit_id.is_some());
        let same = counted(&caps) == counted(&self.caps);
        if same {
            self.caps = caps;
        }
        same
    }

    pub fn has(&self, place: &Place, address: Ipv4Addr) -> bool {
        self.in_use.get(place).is_some_and(|addresses| addresses.contains_key(&address))
    }

    /// Does the relay agent name a place that has a cap?
    pub fn knows(&self, agent: Option<&RelayAgent>) -> bool {
        self.places(agent).next().is_some()
    }

    /// Is there a cap at all?
    pub fn is_capped(&self) -> bool {
        self.caps != RelayCaps::default()
    }

    /// An address is in use behind it, for one reason more.
    pub fn enter(&mut self, agent: Option<&RelayAgent>, address: Ipv4Addr) {
        for place in self.places(agent) {
            *self.in_use.entry(place).or_default().entry(address).or_default() += 1;
        }
    }

    /// For one reason less.
    pub fn leave(&mut self, agent: Option<&RelayAgent>, address: Ipv4Addr) {
        for place in self.places(agent) {
            let Some(addresses) = self.in_use.get_mut(&place) else { continue };
            match addresses.get_mut(&address) {
                Some(reasons) if *reasons > 1 => *reasons -= 1,
                _ => drop(addresses.remove(&address)),
            }
            if addresses.is_empty() {
                self.in_use.remove(&place);
            }
        }
    }

    /// The places that have a cap, of those that the relay agent names.
    fn places(&self, agent: Option<&RelayAgent>) -> impl Iterator<Item = Place> + use<> {
        let remote = agent.filter(|_| self.caps.remote_id.is_some());
        let circuit = agent.filter(|_| self.caps.circuit_id.is_some());
        let (remote, circuit) =
            (remote.and_then(RelayAgent::remote), circuit.and_then(RelayAgent::circuit));
        remote.into_iter().chain(circuit)
    }
}
