//! How much of the server one source may have: token buckets for machines, networks and relay ports,
//! which let known machines through while newcomers have to wait.
//!
//! A bucket is one time (GCRA): when all that was taken from it will have flowed back. A bucket that
//! is full again says nothing, and its place is free; so a flood of made-up names leaves nothing behind.
//! Names stand in a table of one size as their keyed hash, each in one of eight places: no name that a
//! client chooses makes a look-up slow, and which names share places nobody outside knows. Where all
//! eight are taken, the one that has the least to wait for is forgotten. What has no rate costs nothing.

use std::hash::{DefaultHasher, Hasher};
use std::net::Ipv4Addr;
use std::ops::Range;

use super::asking::Asking;
use super::config::SubnetId;
use super::lease::ClientKey;
use super::reason::Ignored;
use super::relay::{Agent, Behind, RelayAgent, RelaySubOption};
use super::table::Secret;
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

/// Whose datagrams are counted together. A name is its keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Of one machine.
    Machine(u64),
    /// Of the newcomers behind a relay agent's port.
    Port(u64),
    /// Of a subnet's newcomers.
    Newcomers(SubnetId),
    /// Of those of a subnet who only inform themselves.
    Informs(SubnetId),
}

/// A datagram, or an offer, of a source: with how long it takes in microseconds until one more may
/// come.
type Due = (Source, u64);

/// What a datagram costs, or gives back. Without rates it is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// These pay one each.
    pay: [Option<Due>; 3],
    /// These get one back: an offer of theirs is taken.
    regain: [Option<Due>; 2],
}

/// The buckets that are not full.
#[derive(Clone, Debug)]
pub struct Buckets {
    /// It has taken in the secret.
    hasher: DefaultHasher,
    /// Empty until somebody is counted.
    named: Vec<Named>,
    /// By subnet: when the buckets of newcomers and of those who inform themselves are full again.
    of_subnets: Vec<[u64; 2]>,
    /// When it was last looked at.
    now: u64,
}

/// One name's bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Named {
    name: u64,
    /// In microseconds; a place is free when that is over.
    full_at: u64,
}

/// Places that a name can stand in.
const PLACES: usize = 8;

impl Buckets {
    /// All are full.
    pub fn new(secret: Secret) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&secret.0);
        Self { hasher, named: Vec::new(), of_subnets: Vec::new(), now: 0 }
    }

    /// All are full again.
    pub fn fill(&mut self) {
        self.named.clear();
        self.of_subnets.clear();
    }

    /// What the request costs, or whose bucket is empty. Known machines pay for themselves alone, and
    /// so does who was made an offer.
    pub fn admit(&self, asking: &Asking<'_>, kind: Option<MessageType>) -> Result<Charge, Ignored> {
        let rates = asking.subnet.rates;
        if [rates.machine, rates.newcomers, rates.port, rates.informs] == [0; 4] {
            return Ok(Charge::default());
        }
        let machine = due(rates.machine, || self.machine(asking));
        let newcomers = || {
            let port = asking.relay.as_ref().map(Behind::agent);
            let port = port.and_then(|agent| due(rates.port, || self.port(agent)));
            [port, due(rates.newcomers, || Source::Newcomers(asking.subnet_id))]
        };
        let informs = || due(rates.informs, || Source::Informs(asking.subnet_id));
        let (also, regain) = match kind {
            _ if is_known(asking) => ([None; 2], [None; 2]),
            Some(MessageType::Request) if takes_offer(asking) => ([None; 2], newcomers()),
            Some(MessageType::Discover) if asking.has_offer() => ([None; 2], [None; 2]),
            // BOOTP has no message types.
            None | Some(MessageType::Discover) => (newcomers(), [None; 2]),
            Some(MessageType::Request) if is_for_us(asking) => (newcomers(), [None; 2]),
            Some(MessageType::Inform) => ([informs(), None], [None; 2]),
            _ => ([None; 2], [None; 2]),
        };
        let charge = Charge { pay: [machine, also[0], also[1]], regain };
        let now = micros(asking.now);
        let empty = charge.pay.iter().flatten().find(|(source, interval)| {
            self.taken(*source, now).saturating_add(*interval) > burst()
        });
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
        self.now = now;
        for (source, interval) in charge.pay.into_iter().flatten() {
            let taken = self.taken(source, now).saturating_add(interval);
            self.set(source, now.saturating_add(taken));
        }
        for (source, interval) in charge.regain.into_iter().flatten() {
            let taken = self.taken(source, now).saturating_sub(interval);
            self.set(source, now.saturating_add(taken));
        }
    }

    /// How many buckets are not full.
    pub fn len(&self) -> usize {
        let named = self.named.iter().map(|named| named.full_at);
        let of_subnets = self.of_subnets.as_flattened().iter().copied();
        named.chain(of_subnets).filter(|full_at| *full_at > self.now).count()
    }

    fn machine(&self, asking: &Asking<'_>) -> Source {
        let hardware = &asking.machine.hardware;
        let mut hasher = self.hasher.clone();
        match &asking.client {
            ClientKey::Identifier(identifier) if hardware.is_empty() => hasher.write(identifier),
            _ => hasher.write(hardware.octets()),
        }
        hasher.write_u8(hardware.htype());
        Source::Machine(hasher.finish())
    }

    fn port(&self, agent: Agent<'_>) -> Source {
        let mut hasher = self.hasher.clone();
        hasher.write(&agent.address.octets());
        for wanted in [RelaySubOption::CircuitId, RelaySubOption::RemoteId] {
            let id = agent.sub_option(wanted);
            hasher.write_usize(id.map_or(usize::MAX, <[u8]>::len));
            hasher.write(id.unwrap_or_default());
        }
        Source::Port(hasher.finish())
    }

    /// How long it takes until the bucket is full. What is more than it holds is of another time.
    fn taken(&self, source: Source, now: u64) -> u64 {
        let full_at = match source {
            Source::Machine(name) | Source::Port(name) => self.named(name),
            Source::Newcomers(SubnetId(id)) => self.of_subnets.get(id).map(|[at, _]| *at),
            Source::Informs(SubnetId(id)) => self.of_subnets.get(id).map(|[_, at]| *at),
        };
        let taken = full_at.map_or(0, |at| at.saturating_sub(now));
        if taken > burst() { 0 } else { taken }
    }

    fn named(&self, name: u64) -> Option<u64> {
        let mut places = self.named.get(places(name))?.iter();
        places.find(|place| place.name == name).map(|place| place.full_at)
    }

    fn set(&mut self, source: Source, full_at: u64) {
        match source {
            Source::Machine(name) | Source::Port(name) => self.set_named(Named { name, full_at }),
            Source::Newcomers(id) => self.of_subnet(id, |[newcomers, _]| *newcomers = full_at),
            Source::Informs(id) => self.of_subnet(id, |[_, informs]| *informs = full_at),
        }
    }

    fn set_named(&mut self, new: Named) {
        if self.named.is_empty() {
            self.named = vec![Named::default(); limits::RATED_MAX];
        }
        let Some(places) = self.named.get_mut(places(new.name)) else { return };
        let same = places.iter().position(|place| place.name == new.name);
        let least = || (0..places.len()).min_by_key(|at| places.get(*at).map(|it| it.full_at));
        if let Some(place) = same.or_else(least).and_then(|at| places.get_mut(at)) {
            *place = new;
        }
    }

    fn of_subnet(&mut self, id: SubnetId, set: impl FnOnce(&mut [u64; 2])) {
        if self.of_subnets.len() <= id.0 {
            self.of_subnets.resize(id.0 + 1, [0; 2]);
        }
        if let Some(full_at) = self.of_subnets.get_mut(id.0) {
            set(full_at);
        }
    }
}

/// What is to be paid, if there is a rate at all.
fn due(rate: u32, source: impl FnOnce() -> Source) -> Option<Due> {
    1_000_000_u64.checked_div(rate.into()).map(|interval| (source(), interval))
}

/// Where a name can stand.
#[allow(clippy::cast_possible_truncation, reason = "any part of a hash is one")]
fn places(name: u64) -> Range<usize> {
    let first = name as usize % (limits::RATED_MAX / PLACES) * PLACES;
    first..first + PLACES
}

/// Has the machine a lease, had it one, or is there a reservation for it?
fn is_known(asking: &Asking<'_>) -> bool {
    let reserved = asking.entitled.reservation.is_some();
    reserved || asking.own.is_some() || asking.elsewhere.is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn one(source: Source, interval: u64) -> Charge {
        Charge { pay: [Some((source, interval)), None, None], regain: [None; 2] }
    }

    #[test]
    fn the_one_with_the_least_to_wait_for_gives_way() {
        let mut buckets = Buckets::new(Secret::default());
        let step = (limits::RATED_MAX / PLACES) as u64;
        let names: Vec<u64> = (1..=PLACES as u64 + 1).map(|i| i * step).collect();
        for (name, millis) in names.iter().zip([9, 1, 8, 2, 7, 3, 6, 4, 5]) {
            buckets.settle(one(Source::Machine(*name), millis * 1000), at(0));
        }
        let taken = |name: u64| buckets.taken(Source::Port(name), 0);
        assert_eq!((buckets.len(), taken(names[1]), taken(names[8])), (PLACES, 0, 5000));
        assert_eq!((taken(names[0]), taken(names[3])), (9000, 2000));
        buckets.settle(Charge::default(), at(5));
        assert_eq!(buckets.len(), 4, "what is full again is no more");
    }

    #[test]
    fn what_is_given_back_is_no_more_than_was_taken() {
        let mut buckets = Buckets::new(Secret::default());
        let newcomers = Source::Newcomers(SubnetId(3));
        buckets.settle(one(newcomers, 1000), at(0));
        buckets.settle(one(Source::Informs(SubnetId(3)), 2000), at(0));
        let regain = [Some((newcomers, 1000)), None];
        for _ in 0..3 {
            buckets.settle(Charge { pay: [None; 3], regain }, at(0));
        }
        assert_eq!((buckets.taken(newcomers, 0), buckets.len()), (0, 1));
    }

    #[test]
    fn names_stand_where_nobody_outside_knows() {
        let hash = |secret| match Buckets::new(Secret([secret; 16]))
            .port(Agent { address: Ipv4Addr::new(10, 0, 0, 1), information: &[1, 1, 7] })
        {
            Source::Port(name) => name,
            other => panic!("{other:?}"),
        };
        assert_ne!(hash(1), hash(2));
    }
}
