//! How much of the server one source may have: token buckets for machines, networks and relay ports,
//! which let known machines through while newcomers have to wait.
//!
//! A bucket is one time (GCRA): when all that was taken from it will have flowed back. A bucket that
//! is full again says nothing, and is forgotten; so a flood of made-up names leaves nothing behind.
//! Everything is ordered, so no name that a client chooses makes a look-up slow.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::asking::{Asking, by_hardware};
use super::config::SubnetId;
use super::lease::ClientKey;
use super::reason::Ignored;
use super::relay::{RelayAgent, RelaySubOption};
use crate::wire::dhcp::MessageType;
use crate::wire::options::code;
use crate::{Timestamp, limits};

/// How much of a subnet's service one source may have. Rates are datagrams a second, 0 is without a
/// limit; at once it may be as much as in [`limits::RATE_BURST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of one machine, whatever it asks.
    pub machine: u32,
    /// Of all machines of the subnet that are not known: offers that are taken do not count.
    pub newcomers: u32,
    /// The same of one port of a relay agent.
    pub port: u32,
    /// INFORMs of machines that are not known.
    pub informs: u32,
    /// Offers that are held at once for machines of the subnet; the oldest gives way.
    pub offers: usize,
    /// The same for those behind one port of a relay agent.
    pub port_offers: usize,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            machine: limits::MACHINE_RATE,
            newcomers: limits::NEWCOMER_RATE,
            port: limits::PORT_RATE,
            informs: limits::INFORM_RATE,
            offers: limits::OFFERS_MAX,
            port_offers: limits::PORT_OFFERS_MAX,
        }
    }
}

/// A port of a relay agent: where it says that the client is plugged in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    relay: Ipv4Addr,
    circuit: Option<Vec<u8>>,
    remote: Option<Vec<u8>>,
}

impl Port {
    /// The one that an agent speaks of.
    pub fn of(agent: &RelayAgent) -> Self {
        let id = |wanted| agent.view().sub_option(wanted).map(<[u8]>::to_vec);
        let (circuit, remote) = (id(RelaySubOption::CircuitId), id(RelaySubOption::RemoteId));
        Self { relay: agent.address, circuit, remote }
    }
}

/// Whose datagrams are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Of one machine.
    Machine(ClientKey),
    /// Of a subnet's newcomers.
    Newcomers(SubnetId),
    /// Of the newcomers behind a relay agent's port.
    Port(Port),
    /// Of those of a subnet who only inform themselves.
    Informs(SubnetId),
}

/// What a datagram costs, or gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// These pay one each; with their rates.
    pub pay: Vec<(Source, u32)>,
    /// These get one back: an offer of theirs is taken.
    pub regain: Vec<(Source, u32)>,
}

/// The buckets that are not full.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// When each is full again, in microseconds.
    full_at: BTreeMap<Source, u64>,
    by_time: BTreeSet<(u64, Source)>,
}

impl Buckets {
    /// What the request costs, or whose bucket is empty. Known machines pay for themselves alone, and
    /// so does who was made an offer.
    pub fn admit(&self, asking: &Asking<'_>, kind: Option<MessageType>) -> Result<Charge, Ignored> {
        let (rates, subnet) = (asking.subnet.rates, asking.subnet_id);
        let machine = by_hardware(&asking.machine.hardware).unwrap_or(asking.client.clone());
        let machine = (Source::Machine(machine), rates.machine);
        let newcomers = || {
            let port = asking.relay.as_ref().map(|relay| Port::of(&relay.keep()));
            let port = port.map(|port| (Source::Port(port), rates.port));
            port.into_iter().chain([(Source::Newcomers(subnet), rates.newcomers)])
        };
        let mut charge = Charge { pay: vec![machine], regain: Vec::new() };
        match kind {
            _ if is_known(asking) => {}
            Some(MessageType::Request) if takes_offer(asking) => charge.regain.extend(newcomers()),
            Some(MessageType::Discover) if asking.has_offer() => {}
            // BOOTP has no message types.
            None | Some(MessageType::Discover) => charge.pay.extend(newcomers()),
            Some(MessageType::Request) if is_for_us(asking) => charge.pay.extend(newcomers()),
            Some(MessageType::Inform) => charge.pay.push((Source::Informs(subnet), rates.informs)),
            _ => {}
        }
        let empty = charge.pay.iter().find(|(source, rate)| !self.has(source, *rate, asking.now));
        match empty.map(|(source, _)| source) {
            None => Ok(charge),
            Some(Source::Machine(_)) => Err(Ignored::MachineRate),
            Some(Source::Newcomers(_)) => Err(Ignored::NewcomerRate),
            Some(Source::Port(_)) => Err(Ignored::PortRate),
            Some(Source::Informs(_)) => Err(Ignored::InformRate),
        }
    }

    /// Takes what a datagram costs, and gives back what it regains.
    pub fn settle(&mut self, charge: Charge, now: Timestamp) {
        let now = micros(now);
        for (source, rate) in charge.pay {
            let full_at =
                now.saturating_add(self.taken(&source, now)).saturating_add(interval(rate));
            self.set(source, full_at, now);
        }
        for (source, rate) in charge.regain {
            if let Some(full_at) = self.full_at.get(&source) {
                let full_at = full_at.saturating_sub(interval(rate));
                self.set(source, full_at, now);
            }
        }
        // Two for one that comes in at the most: it never takes long, and never lags behind.
        for _ in 0..8 {
            if self.by_time.first().is_some_and(|(at, _)| *at <= now) {
                self.forget_first();
            }
        }
    }

    /// How many buckets are not full.
    pub fn len(&self) -> usize {
        self.full_at.len()
    }

    fn has(&self, source: &Source, rate: u32, now: Timestamp) -> bool {
        self.taken(source, micros(now)).saturating_add(interval(rate)) <= burst()
    }

    /// How long it takes until the bucket is full. What is more than it holds is of another time.
    fn taken(&self, source: &Source, now: u64) -> u64 {
        let taken = self.full_at.get(source).map_or(0, |at| at.saturating_sub(now));
        if taken > burst() { 0 } else { taken }
    }

    fn set(&mut self, source: Source, full_at: u64, now: u64) {
        if let Some(before) = self.full_at.remove(&source) {
            self.by_time.remove(&(before, source.clone()));
        }
        if full_at <= now {
            return;
        }
        if self.full_at.len() >= limits::RATED_MAX {
            self.forget_first();
        }
        self.by_time.insert((full_at, source.clone()));
        self.full_at.insert(source, full_at);
    }

    fn forget_first(&mut self) {
        if let Some((_, source)) = self.by_time.pop_first() {
            self.full_at.remove(&source);
        }
    }
}

/// Has the machine a lease, had it one, or is there a reservation for it?
fn is_known(asking: &Asking<'_>) -> bool {
    let reserved = asking.entitled.reservation.is_some();
    reserved || asking.table.of(&asking.client).is_some() || asking.elsewhere.is_some()
}

/// Is it an answer to what the client was offered just now?
fn takes_offer(asking: &Asking<'_>) -> bool {
    let held = asking.table.held_for(&asking.client, asking.now);
    held.is_some() && held == asking.message.ipv4(code::REQUESTED_ADDRESS)
}

/// Not for another server.
fn is_for_us(asking: &Asking<'_>) -> bool {
    let server = asking.message.ipv4(code::SERVER_IDENTIFIER);
    server.is_none_or(|server| asking.is_ours(server))
}

fn micros(now: Timestamp) -> u64 {
    now.as_millis().saturating_mul(1000)
}

/// What a bucket holds.
fn burst() -> u64 {
    u64::try_from(limits::RATE_BURST.as_micros()).unwrap_or(u64::MAX)
}

/// How long it takes until one more may come.
fn interval(rate: u32) -> u64 {
    1_000_000_u64.checked_div(rate.into()).unwrap_or(0)
}
