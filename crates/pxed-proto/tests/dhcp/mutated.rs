//! Item 116: whatever comes, in whatever order, with whatever store.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{
    Arrival, Class, Commit, CommitError, Config, HostKey, Lease, LeaseState, LinkId, Output,
    Reservation, Reservations, Settings, Test,
};
use pxed_proto::machine::HardwareAddress;

use crate::client::{Sent, client};
use crate::lan::*;

const DATAGRAMS: u32 = 100_000;

/// Knuth's generator: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        let product = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = product.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn byte(&mut self) -> u8 {
        let telling = [0, 1, 2, 3, 50, 52, 53, 54, 55, 61, 82, 255];
        if self.one_in(2) { telling[self.below(telling.len())] } else { self.below(256) as u8 }
    }
}

/// One of a few clients says something sensible, or nearly so.
fn utterance(dice: &mut Dice) -> Sent {
    let number = dice.below(12);
    let host = if dice.one_in(2) { number } else { dice.below(10) };
    let (who, address) = (client(number as u32), local(100 + host as u8));
    let sent = match dice.below(9) {
        0 | 1 => who.discover().address(50, address),
        2 => who.selecting(address),
        3 => who.init_reboot(address),
        4 => who.renewing(address),
        5 => who.rebinding(address),
        6 => who.release(address),
        // Each costs the small pool an address for ten minutes.
        7 if dice.one_in(30) => who.decline(address),
        _ => who.inform(address),
    };
    let sent = match dice.below(6) {
        0 => sent.bios(),
        1 => sent.ipxe().option(82, &[1, 2, 3, 4]),
        2 => sent.http_boot().option(61, &[7; 40]),
        3 => sent.broadcast_flag().option(12, b"name"),
        _ => sent,
    };
    if dice.one_in(8) { sent.by_relay(RELAY) } else { sent }
}

fn mutate(datagram: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..dice.below(4) {
        let at = dice.below(datagram.len().max(1));
        match dice.below(8) {
            0 => datagram.truncate(at),
            1 => datagram.insert(at.min(datagram.len()), dice.byte()),
            2 if !datagram.is_empty() => drop(datagram.remove(at)),
            3 if at + 4 < datagram.len() => datagram.extend_from_within(at..at + 4),
            4 if datagram.len() > 250 => datagram[240 + at % 10] = dice.byte(),
            _ if at < datagram.len() => datagram[at] = dice.byte(),
            _ => {}
        }
    }
}

#[test]
fn item_116_whatever_comes_is_one_event_and_no_panic() {
    let mut dice = Dice(1);
    let mut lan = Lan::with_pool(local(100), local(109));
    let (mut events, mut replies) = (0, 0);
    for round in 0..DATAGRAMS {
        let now = second(u64::from(round) / 2);
        let sent = utterance(&mut dice);
        let mut datagram = sent.bytes();
        mutate(&mut datagram, &mut dice);
        let source = SocketAddrV4::new(*sent.arrival.source.ip(), dice.below(70) as u16);
        let arrival = Arrival { source, ..sent.arrival };
        let plan = lan.server.plan(now, LinkId(dice.below(2)), &arrival, &datagram);
        let text = format!("{} {}", plan.event.heard(), plan.event.done());
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
        let mut output = lan.server.apply(plan, now);
        for commit in std::mem::take(&mut output.commits) {
            assert_eq!(output, Output::default(), "too early, or told twice");
            output = lan.server.committed(commit.id, Ok(()), now);
        }
        events += u32::from(output.event.is_some());
        replies += u32::from(output.transmit.is_some());
    }
    assert_eq!(events, DATAGRAMS);
    assert!(replies > DATAGRAMS / 10, "{replies}: most of this should make sense");
}

/// A store that keeps the contract: in order, and only over the version before.
#[derive(Default)]
struct Store(BTreeMap<Ipv4Addr, Lease>);

impl Store {
    fn commit(&mut self, lease: &Lease) -> Result<(), CommitError> {
        let stored = self.0.get(&lease.address);
        if stored.map_or(0, |row| row.version) + 1 != lease.version {
            return Err(CommitError::Conflict(stored.cloned()));
        }
        self.0.insert(lease.address, lease.clone());
        Ok(())
    }

    /// A group of commits; where the disk fails, it fails for all of them, and either none or, as
    /// after a sync that reports an error, all of it is there.
    fn group(&mut self, commits: &[Commit], dice: &mut Dice) -> Vec<Result<(), CommitError>> {
        let broken = dice.one_in(5);
        let written = !broken || dice.one_in(4);
        let write = |commit: &Commit| if written { self.commit(&commit.lease) } else { Ok(()) };
        let results: Vec<_> = commits.iter().map(write).collect();
        if broken { vec![Err(CommitError::Failed); commits.len()] } else { results }
    }
}

/// Who may use which address until when, as far as clients have heard.
#[derive(Default)]
struct Users(BTreeMap<Ipv4Addr, Lease>);

impl Users {
    /// A client that gives its address back has no more use for it, whatever the server says.
    fn speaks(&mut self, sent: &Sent) {
        let message_type = sent.options[0].1[0];
        let who = HardwareAddress::new(1, 6, sent.chaddr).unwrap();
        let named = |lease: &Lease| sent.options.contains(&(50, lease.address.octets().to_vec()));
        let left = |lease: &Lease| match message_type {
            // Whoever asks for an address has no other one.
            3 => lease.address != sent.ciaddr && !named(lease),
            4 => named(lease),
            7 => lease.address == sent.ciaddr,
            _ => false,
        };
        self.0.retain(|_, lease| lease.hardware != who || !left(lease));
    }

    /// An ACK has left for a lease that the store has.
    fn hears(&mut self, lease: &Lease, store: &Store, now: Timestamp) {
        let row = &store.0[&lease.address];
        assert!(row.version >= lease.version, "not durable: {lease:?}, the store has {row:?}");
        let other = self.0.insert(lease.address, lease.clone());
        let other = other.filter(|other| other.hardware != lease.hardware);
        assert!(other.as_ref().is_none_or(|other| other.expires <= now), "{lease:?} {other:?}");
    }
}

/// Another pool, which may have a class, another reservation, or another order of subnets.
fn change(config: &mut Config, dice: &mut Dice) {
    let host = 100 + dice.below(8) as u8;
    let reserved = Reservation {
        keys: vec![HostKey::Mac(client(dice.below(40) as u32).mac())],
        address: Some(local(100 + dice.below(12) as u8)),
        ..Reservation::default()
    };
    let test = Test::OptionPresent(60);
    config.policy.classes =
        vec![Class { name: "c".to_owned(), test, settings: Settings::default() }];
    config.policy.reservations = Reservations::new(vec![reserved]);
    for subnet in &mut config.subnets {
        let class = dice.one_in(2).then(|| "c".to_owned());
        let first = if subnet.net.contains(local(0)) { local } else { remote };
        subnet.pools = pool(first(host), first(host + 8));
        subnet.pools[0].class = class.filter(|_| dice.one_in(4));
        subnet.adopt = dice.one_in(4);
    }
    config.subnets.reverse();
}

/// Did the client give the address back before it heard the ACK?
fn is_given_up<'a>(lease: &Lease, later: impl Iterator<Item = &'a Commit>) -> bool {
    let later = later.map(|commit| &commit.lease);
    let mut later = later.filter(|other| other.address == lease.address);
    later.any(|other| other.state != LeaseState::Leased)
}

#[test]
fn a_store_that_fails_never_makes_two_users_of_one_address() {
    let (mut dice, mut lan) = (Dice(2), Lan::with_pool(local(100), local(109)));
    let (mut store, mut users) = (Store::default(), Users::default());
    // Commits that wait for the store, and answers that the server has not heard.
    let (mut queue, mut answers) = (Vec::<Commit>::new(), VecDeque::new());
    let mut acks = 0;
    for round in 0..DATAGRAMS {
        let now = second(u64::from(round) / 2);
        let sent = utterance(&mut dice);
        users.speaks(&sent);
        let plan = lan.server.plan(now, LinkId(0), &sent.arrival, &sent.bytes());
        queue.extend(lan.server.apply(plan, now).commits);
        if dice.one_in(3) {
            let results = store.group(&queue, &mut dice);
            answers.extend(queue.drain(..).zip(results));
        }
        while !dice.one_in(3)
            && let Some((commit, result)) = answers.pop_front()
        {
            let output = lan.server.committed(commit.id, result, now);
            let later = answers.iter().map(|(later, _)| later).chain(&queue);
            if output.transmit.is_some() && !is_given_up(&commit.lease, later) {
                users.hears(&commit.lease, &store, now);
                acks += 1;
            }
        }
        if dice.one_in(50) {
            lan.server.handle_timeout(now);
        }
        if dice.one_in(500) {
            lan.at(u64::from(round) / 2).reload(|config| change(config, &mut dice));
        }
    }
    assert!(acks > DATAGRAMS / 50, "{acks}: most of this should make sense");
}
