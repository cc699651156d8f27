//! Whole files over a bad link, in virtual time, to models of clients.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use pxed_proto::event::TftpOutcome;
use pxed_proto::tftp::Settings;
use pxed_proto::wire::tftp::{Packet, ack};

use super::{Server, content};

/// A link that takes 1 ms, and loses, doubles and holds back some of its packets, in per cent.
#[derive(Default)]
struct Link {
    seed: u64,
    lost: u64,
    doubled: u64,
    late: u64,
    under_way: BTreeMap<(u64, u64), (To, Vec<u8>)>,
    carried: u64,
}

#[derive(Clone, Copy)]
enum To {
    Client,
    Server,
}

impl Link {
    /// Knuth's MMIX generator, its upper bits.
    fn happens(&mut self, percent: u64) -> bool {
        const FACTOR: u64 = 6_364_136_223_846_793_005;
        self.seed = self.seed.wrapping_mul(FACTOR).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % 100 < percent
    }

    fn send(&mut self, now: u64, to: To, packet: &[u8]) {
        let copies = if self.happens(self.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            self.carried += 1;
            let delay = if self.happens(self.late) { 3 } else { 1 };
            if !self.happens(self.lost) {
                self.under_way.insert((now + delay, self.carried), (to, packet.to_vec()));
            }
        }
    }
}

/// What a client says to a block that it did not expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Manner {
    /// What it has, each time, as EDK2 does.
    #[default]
    Talkative,
    /// What it has, once for each gap, as RFC 7440 has it.
    Precise,
    /// Nothing: it waits until its time is over.
    Silent,
}

/// A client, which says the last thing again every four seconds, fifty times.
struct Client {
    manner: Manner,
    settings: Settings,
    file: Vec<u8>,
    next: u64,
    in_window: u16,
    acked: Option<u16>,
    complained: bool,
    whole: bool,
    patience: u32,
}

impl Client {
    fn new(settings: Settings, manner: Manner) -> Self {
        let (file, acked) = (Vec::new(), None);
        let (next, in_window, complained, whole, patience) = (1, 0, false, false, 50);
        Self { manner, settings, file, next, in_window, acked, complained, whole, patience }
    }

    fn hears(&mut self, datagram: &[u8]) -> Option<u16> {
        match Packet::parse(datagram).unwrap() {
            Packet::OAck(_) => self.acks(0),
            Packet::Data { block, data }
                if u64::from(block) == self.next % 65_536 && !self.whole =>
            {
                self.takes(block, data)
            }
            // What came twice is acknowledged again by a client that has it all: its ACK was lost.
            Packet::Data { .. } if self.whole || self.complains() => {
                self.acks(u16::try_from((self.next - 1) % 65_536).unwrap())
            }
            Packet::Data { .. } => None,
            other => panic!("{other:?}"),
        }
    }

    fn complains(&mut self) -> bool {
        match self.manner {
            Manner::Talkative => true,
            Manner::Precise => !std::mem::replace(&mut self.complained, true),
            Manner::Silent => false,
        }
    }

    fn takes(&mut self, block: u16, data: &[u8]) -> Option<u16> {
        self.file.extend_from_slice(data);
        self.next += 1;
        self.in_window += 1;
        self.complained = false;
        self.whole = data.len() < usize::from(self.settings.blksize);
        let answer_due = self.whole || self.in_window == self.settings.windowsize;
        if answer_due { self.acks(block) } else { None }
    }

    fn acks(&mut self, block: u16) -> Option<u16> {
        self.in_window = 0;
        self.acked = Some(block);
        self.acked
    }

    /// It has heard nothing for long, and says the last thing again.
    fn wakes(&mut self) -> Option<u16> {
        self.patience = self.patience.saturating_sub(1);
        let has = u16::try_from((self.next - 1) % 65_536).unwrap();
        if self.patience == 0 { None } else { self.acked.and_then(|_| self.acks(has)) }
    }
}

struct Fetched {
    packets: u64,
    millis: u64,
    retransmissions: u32,
}

/// Fetches a file and checks every octet of it.
fn fetch(len: u64, options: &[(&str, u64)], link: Link) -> Fetched {
    let (server, client, fetched) = talk(len, options, link, Manner::Talkative);
    assert_eq!(server.0.outcome(), Some(&TftpOutcome::Completed));
    assert_eq!(server.0.bytes(), len);
    assert!(client.whole && client.file == content(0..len), "the file came damaged");
    fetched
}

/// Until the server says that it is over.
fn talk(
    len: u64,
    options: &[(&str, u64)],
    mut link: Link,
    manner: Manner,
) -> (Server, Client, Fetched) {
    let mut server = Server::new(0, len, options);
    let mut client = Client::new(server.0.settings().clone(), manner);
    let (mut now, mut client_wakes) = (0, 4000);
    while server.0.outcome().is_none() {
        for packet in server.says() {
            link.send(now, To::Client, &packet);
        }
        let server_wakes = server.0.poll_timeout().unwrap().as_millis();
        let arrival =
            link.under_way.first_key_value().map_or(u64::MAX, |((arrival, _), _)| *arrival);
        now = arrival.min(server_wakes).min(client_wakes);
        server.waits(now);
        let mut answer = None;
        if now == arrival {
            match link.under_way.pop_first().unwrap().1 {
                (To::Server, packet) => drop(server.hears(now, &packet)),
                (To::Client, packet) => answer = client.hears(&packet),
            }
        } else if now == client_wakes {
            answer = client.wakes();
        }
        if answer.is_some() || now == client_wakes {
            client_wakes = now + 4000;
        }
        if let Some(block) = answer {
            link.send(now, To::Server, &ack(block));
        }
    }
    let retransmissions = server.0.retransmissions();
    (server, client, Fetched { packets: link.carried, millis: now, retransmissions })
}

#[test]
fn files_of_every_size_arrive() {
    for blksize in [8, 512, 1468] {
        for windowsize in [1, 4, 64] {
            for len in [0, 1, blksize - 1, blksize, blksize + 1, 9 * blksize, 100 * blksize - 1] {
                let options = [("blksize", blksize), ("windowsize", windowsize)];
                let fetched = fetch(len, &options, Link::default());
                if windowsize == 1 {
                    let blocks = len / blksize + 1;
                    assert_eq!(fetched.packets, 2 + 2 * blocks);
                    assert_eq!(fetched.retransmissions, 0);
                }
            }
        }
    }
    for len in [0, 1, 511, 512, 513] {
        assert_eq!(fetch(len, &[], Link::default()).packets, 2 * (len / 512 + 1));
    }
}

#[test]
fn block_numbers_roll_over() {
    for blocks in [65_534, 65_535, 65_536, 65_537, 65_540, 131_073] {
        for windowsize in [1, 5] {
            // As many full blocks, and an empty or a short one.
            for len in [blocks * 8, blocks * 8 + 3] {
                let options = [("blksize", 8), ("windowsize", windowsize)];
                fetch(len, &options, Link::default());
            }
        }
    }
}

#[test]
fn files_arrive_over_a_bad_link() {
    for seed in 0..200 {
        for windowsize in [1, 4, 64] {
            let options = [("blksize", 100), ("windowsize", windowsize)];
            let link = Link { seed, lost: 5, doubled: 5, late: 5, ..Link::default() };
            let fetched = fetch(9_999, &options, link);
            // A ceiling against storms: lock-step without loss takes 204 packets.
            assert!(fetched.packets < 12 * 204 && fetched.millis < 60_000, "seed {seed}");
        }
    }
}

/// Without loss, doubled packets cost what they are and no more.
#[test]
fn doubled_packets_are_not_answered_with_data() {
    for seed in 0..20 {
        let fetched = fetch(51_200, &[], Link { seed, doubled: 50, late: 10, ..Link::default() });
        assert_eq!(fetched.retransmissions, 0);
    }
}

/// What is missed is said, and sent again at once: waiting for the end of each time-out instead would
/// take 0.2 s for one block in fifty.
#[test]
fn a_lossy_link_is_not_waited_for() {
    let options = [("blksize", 1000), ("windowsize", 16)];
    for seed in 0..20 {
        let link = Link { seed, lost: 2, ..Link::default() };
        let fetched = fetch(1_000_000, &options, link);
        assert!(fetched.millis < 3000, "seed {seed}: {} ms", fetched.millis);
        assert!(fetched.packets < 3000, "seed {seed}: {} packets", fetched.packets);
    }
}

/// Any file, any options, any client, a link that is as bad as it likes: what arrives is the file's
/// beginning and, if the server says so, all of it; and it ends, after so many packets.
#[test]
fn whatever_the_link_does_the_octets_are_right_and_it_ends() {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    let manner = prop_oneof![Just(Manner::Talkative), Just(Manner::Precise), Just(Manner::Silent)];
    let bad = (any::<u64>(), 0..30_u64, 0..30_u64, 0..30_u64);
    let what = (0..4000_u64, 8..600_u64, 0..20_u64, 0..5_u64);
    let story = |((seed, lost, doubled, late), (len, blksize, windowsize, timeout), manner)| {
        let asked = [("blksize", blksize), ("windowsize", windowsize), ("timeout", timeout)];
        let link = Link { seed, lost, doubled, late, ..Link::default() };
        let (server, client, fetched) = talk(len, &asked, link, manner);
        let has = client.file.len() as u64;
        prop_assert!(client.file == content(0..has), "octets that are not the file's");
        prop_assert!(server.0.bytes() <= has);
        if server.0.outcome() == Some(&TftpOutcome::Completed) {
            prop_assert!(client.whole && has == len);
        } else {
            prop_assert!(lost > 5, "given up on a good link: {:?}", server.0.outcome());
        }
        // What a window costs at the worst, for each step forward.
        let blocks = len / blksize + 2;
        prop_assert!(fetched.packets < 100 * blocks, "{} for {blocks}", fetched.packets);
        Ok(())
    };
    TestRunner::new(config).run(&(bad, what, manner), story).unwrap();
}
