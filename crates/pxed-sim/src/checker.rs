//! What must hold in every story, whatever the weather.
//!
//! - No address is held by two machines at once: by what the machines believe.
//! - No ACK leaves before its lease is durable, and no machine believes more than is durable.
//! - A machine whose lease runs keeps its address.
//! - What is on offer to one machine is neither offered nor leased to another.
//! - Each datagram that came to the DHCP port is told once.
//! - Nobody is driven to port 4011, and where addresses are another server's, none is offered.
//! - A story ends: in time, and with a bounded number of packets.
//!
//! Models and server report what else they find ([`Checker::wrong`]).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Lease, LeaseState, SERVER_PORT};
use pxed_proto::limits::OFFER_HOLD;
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{BOOTREPLY, Message, MessageType};
use pxed_proto::wire::options::code;

use crate::firmware::Held;
use crate::lan::Datagram;
use crate::server::store::Store;
use crate::site::{BEGINNING, SERVER_MAC, Site};

/// Port 4011, where a firmware asks a boot server that was hidden from it.
const BOOT_SERVER_PORT: u16 = 4011;

/// The invariants, and what broke them.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    wrong: Vec<String>,
    /// Who has an address without having asked for it.
    squatters: BTreeMap<Ipv4Addr, Mac>,
    /// What each machine believes to have.
    believed: BTreeMap<Mac, Held>,
    /// What each machine was promised, whether it remembers or not.
    promised: BTreeMap<Mac, Held>,
    /// What is on offer: to whom, and since when.
    offered: BTreeMap<Ipv4Addr, (Mac, Timestamp)>,
    /// What the server last wanted to become durable, of each address.
    submitted: BTreeMap<Ipv4Addr, Lease>,
    heard: usize,
    told: usize,
    lost: usize,
    packets: usize,
    /// Addresses are another server's, and port 4011 is where some are sent.
    proxy: bool,
}

impl Checker {
    /// What must hold at this site.
    pub fn of(site: &Site) -> Self {
        Self { proxy: site.proxy, ..Self::default() }
    }

    /// What broke.
    pub fn findings(&self) -> &[String] {
        &self.wrong
    }

    /// How many datagrams were sent.
    pub fn packets(&self) -> usize {
        self.packets
    }

    /// Something broke.
    pub fn wrong(&mut self, now: Timestamp, what: impl AsRef<str>) {
        let at = now.since(BEGINNING).as_secs_f64();
        self.wrong.push(format!("{at:.3}: {}", what.as_ref()));
    }

    /// Somebody sent this.
    pub fn sent(&mut self, now: Timestamp, datagram: &Datagram, store: &Store) {
        self.packets += 1;
        if datagram.destination.port() == BOOT_SERVER_PORT && !self.proxy {
            self.wrong(now, format!("{} asks at port 4011", datagram.from));
        }
        if datagram.source.port() == SERVER_PORT && datagram.from == SERVER_MAC {
            self.server_sent(now, datagram, store);
        }
    }

    /// Somebody has this address.
    pub fn squats(&mut self, address: Ipv4Addr, mac: Mac) {
        self.squatters.insert(address, mac);
    }

    /// A machine has an address, or has it for longer.
    pub fn bound(&mut self, now: Timestamp, mac: Mac, held: Held, store: &Store) {
        let Held { address, expires } = held;
        let has = |other: &Held| other.address == address && other.expires > now;
        let other = self.believed.iter().find(|(other, held)| **other != mac && has(held));
        if let Some(other) = other.map(|(other, _)| *other) {
            self.wrong(now, format!("{address} is held by {other} and by {mac}"));
        }
        if let Some(squatter) = self.squatters.get(&address) {
            self.wrong(now, format!("{address} is held by {squatter} and by {mac}"));
        }
        let before = self.promised.get(&mac).filter(|before| before.expires > now);
        if let Some(before) = before.filter(|before| before.address != address) {
            let lost = before.address;
            self.wrong(now, format!("{mac} had {lost}, and was given {address}"));
        }
        let durable = store.ever_held(|row| {
            let its = row.address == address && row.hardware.mac() == Some(mac);
            its && row.state == LeaseState::Leased && row.expires >= expires
        });
        if !durable && !self.proxy {
            self.wrong(now, format!("{mac} believes to have {address} for longer than is stored"));
        }
        self.believed.insert(mac, held);
        self.promised.insert(mac, held);
    }

    /// A machine has no address any more; `told` if it said so.
    pub fn unbound(&mut self, mac: Mac, told: bool) {
        self.believed.remove(&mac);
        if told {
            self.promised.remove(&mac);
        }
    }

    /// The server heard a datagram on its DHCP port.
    pub fn heard(&mut self) {
        self.heard += 1;
    }

    /// The server told of a datagram.
    pub fn told(&mut self, now: Timestamp) {
        self.told += 1;
        if self.told + self.lost > self.heard {
            self.wrong(now, "more events than datagrams");
        }
    }

    /// The server crashed before it told of so many datagrams. Its offers are forgotten.
    pub fn lost(&mut self, count: usize) {
        self.lost += count;
        self.offered.clear();
        self.submitted.clear();
    }

    /// The store could not do what it was to do. What the server takes back, or learns, costs an
    /// offer only where the address turns out to be another machine's (`row`). What could not be
    /// leased is on offer again, to the machine that it was for last.
    pub fn failed(&mut self, now: Timestamp, lost: &Lease, row: Option<&Lease>) {
        let (address, mac) = (lost.address, lost.hardware.mac());
        let others = |whose: Option<Mac>| row.is_some_and(|row| row.hardware.mac() != whose);
        if self.offered.get(&address).is_some_and(|(mac, _)| others(Some(*mac))) {
            self.offered.remove(&address);
        }
        let last = self.submitted.get(&address) == Some(lost) && lost.state == LeaseState::Leased;
        let Some(mac) = mac.filter(|mac| last && !others(Some(*mac))) else { return };
        let newer = |(place, (whose, since)): (&Ipv4Addr, &(Mac, Timestamp))| {
            (*place == address) != (*whose == mac) && now.since(*since) < OFFER_HOLD
        };
        if !self.offered.iter().any(newer) {
            self.offered.insert(address, (mac, now));
        }
    }

    /// The server wants this to become durable: what was on offer, the address or to the machine, is
    /// not any more.
    pub fn submitted(&mut self, now: Timestamp, lease: &Lease) {
        if let Some(mac) = lease.hardware.mac().filter(|_| lease.state == LeaseState::Leased) {
            self.on_offer_to_nobody_else(now, lease.address, mac);
        }
        self.offered.remove(&lease.address);
        self.offered.retain(|_, (whose, _)| Some(*whose) != lease.hardware.mac());
        self.submitted.insert(lease.address, lease.clone());
    }

    /// The story is over.
    pub fn end(&mut self, now: Timestamp, packets_max: usize, time_max: Duration) {
        let (heard, told, lost) = (self.heard, self.told, self.lost);
        if heard != told + lost {
            let text = format!("{heard} datagrams, {told} events, {lost} lost in crashes");
            self.wrong(now, text);
        }
        if self.packets > packets_max {
            self.wrong(now, format!("{} packets, more than {packets_max}", self.packets));
        }
        if now.since(BEGINNING) > time_max {
            self.wrong(now, format!("no end after {} s", time_max.as_secs()));
        }
    }

    fn server_sent(&mut self, now: Timestamp, datagram: &Datagram, store: &Store) {
        let Ok(message) = Message::parse(&datagram.payload) else {
            return self.wrong(now, "the server sent what is no DHCP message");
        };
        match message.message_type().filter(|_| message.op == BOOTREPLY) {
            Some(MessageType::Ack) => self.acked(now, &message, store),
            Some(MessageType::Offer) => self.offers(now, &message),
            _ => {}
        }
    }

    /// A machine that is offered one address is not offered another any more.
    fn offers(&mut self, now: Timestamp, message: &Message<'_>) {
        let Some(mac) = message.chaddr.first_chunk().copied().map(Mac) else { return };
        if self.proxy {
            if !message.yiaddr.is_unspecified() {
                self.wrong(now, format!("{} is offered beside another server", message.yiaddr));
            }
            return;
        }
        self.on_offer_to_nobody_else(now, message.yiaddr, mac);
        self.offered.retain(|_, (whose, _)| *whose != mac);
        self.offered.insert(message.yiaddr, (mac, now));
    }

    fn on_offer_to_nobody_else(&mut self, now: Timestamp, address: Ipv4Addr, mac: Mac) {
        let Some((other, since)) = self.offered.get(&address).copied() else { return };
        if other != mac && now.since(since) < OFFER_HOLD {
            self.wrong(now, format!("{address} is on offer to {other}, and goes to {mac}"));
        }
    }

    /// An ACK of a lease needs its row.
    fn acked(&mut self, now: Timestamp, message: &Message<'_>, store: &Store) {
        let Some(seconds) = message.u32(code::LEASE_TIME) else { return };
        let lease_time = Duration::from_secs(seconds.into());
        let (address, chaddr) = (message.yiaddr, message.chaddr);
        let durable = store.ever_held(|row| {
            let its = row.address == address && row.hardware.octets() == &chaddr[..6];
            its && row.state == LeaseState::Leased && row.granted + lease_time == row.expires
        });
        if !durable {
            self.wrong(now, format!("an ACK of {address} left before its lease was durable"));
        }
    }
}
