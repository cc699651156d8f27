//! Who is answered, in which order, and who is not.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::*;
use crate::wire::dhcp::MessageType;
use crate::wire::glance::tests::message;

const DISCOVER: &[u8] = &[53, 1, 1, 255];
const REQUEST: &[u8] = &[53, 1, 3, 255];
const RELEASE: &[u8] = &[53, 1, 7, 255];

/// A backlog, what it has shed, and the time.
#[derive(Default)]
struct Bench {
    backlog: Backlog,
    shed: Vec<Shed>,
    now: u64,
}

impl Bench {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000 + self.now)
    }

    fn came() -> (LinkId, Arrival) {
        let source = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 67);
        let destination = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 67);
        (LinkId(0), Arrival { source, destination, source_mac: None })
    }

    fn push(&mut self, datagram: &[u8]) {
        let now = self.now();
        self.backlog.push(now, Self::came(), datagram, &mut |shed| self.shed.push(shed));
    }

    fn discover(&mut self, xid: u32) {
        self.push(&message(xid, [0; 4], DISCOVER));
    }

    fn request(&mut self, xid: u32) {
        self.push(&message(xid, [0; 4], REQUEST));
    }

    fn renewal(&mut self, xid: u32) {
        self.push(&message(xid, [10, 0, 0, 9], REQUEST));
    }

    /// The transaction of the next one.
    fn take_unless(&mut self, store_is_behind: bool) -> Option<u32> {
        let now = self.now();
        let waiting = self.backlog.take(now, store_is_behind, &mut |shed| self.shed.push(shed));
        waiting.map(|waiting| u32::from_be_bytes(waiting.datagram[4..8].try_into().unwrap()))
    }

    fn take(&mut self) -> Option<u32> {
        self.take_unless(false)
    }

    fn shed(&mut self, reason: Ignored) -> usize {
        let (of_reason, others) = self.shed.drain(..).partition(|shed| shed.reason == reason);
        self.shed = others;
        Vec::len(&of_reason)
    }
}

#[test]
fn item_132_the_most_urgent_comes_first_and_of_equals_the_first() {
    let mut bench = Bench::default();
    bench.discover(1);
    bench.request(2);
    bench.request(3);
    bench.push(&message(4, [10, 0, 0, 9], RELEASE));
    bench.renewal(5);
    bench.discover(6);
    bench.push(b"noise");
    assert_eq!(bench.backlog.len(), 7);
    let order: Vec<u32> =
        std::iter::from_fn(|| (bench.backlog.len() > 1).then(|| bench.take()).flatten()).collect();
    assert_eq!(order, [5, 4, 2, 3, 1, 6]);
    let now = bench.now();
    let noise = bench.backlog.take(now, false, &mut |_| {}).unwrap();
    assert_eq!((&noise.datagram[..], noise.link), (&b"noise"[..], LinkId(0)));
    assert_eq!(bench.take(), None);
    assert!(bench.backlog.is_empty() && bench.shed.is_empty());
}

#[test]
fn item_132_renewals_without_end_keep_nobody_out() {
    let mut bench = Bench::default();
    (1..=3).for_each(|xid| bench.discover(xid));
    (11..=13).for_each(|xid| bench.request(xid));
    (100..200).for_each(|xid| bench.renewal(xid));
    let first: Vec<u32> = (0..40).map_while(|_| bench.take()).collect();
    let turn = usize::try_from(BACKLOG_TURN).unwrap();
    let by_turn: Vec<u32> = first.iter().copied().skip(turn - 1).step_by(turn).collect();
    let renewals = |taken: &u32| *taken >= 100;
    assert_eq!(by_turn.len(), 10);
    assert_eq!(by_turn[1..3], [11, 1], "after a renewal a REQUEST, and a newcomer");
    assert_eq!(by_turn[4..6], [12, 2]);
    assert_eq!(by_turn[7..9], [13, 3]);
    assert_eq!(first.iter().filter(|taken| renewals(taken)).count(), 34);
}

#[test]
fn item_132_of_many_newcomers_the_newest_are_answered_and_the_oldest_are_shed() {
    let mut bench = Bench::default();
    let many = u32::try_from(BACKLOG_MAX).unwrap() + 100;
    (0..many).for_each(|xid| bench.discover(xid));
    assert_eq!(bench.backlog.len(), BACKLOG_MAX);
    let kind = Kind::Message(MessageType::Discover);
    assert_eq!(bench.shed.first(), Some(&Shed { kind, reason: Ignored::Overload }));
    assert_eq!(bench.shed(Ignored::Overload), 100);
    assert_eq!(bench.take(), Some(100), "the oldest, while nobody waits for long");
    bench.now += u64::try_from(BACKLOG_LATE.as_millis()).unwrap();
    bench.discover(many);
    let newest: Vec<u32> = std::iter::from_fn(|| bench.take()).collect();
    assert!(newest.iter().rev().copied().eq(101..=many), "the newest first");
    bench.discover(1);
    bench.discover(2);
    assert_eq!(bench.take(), Some(1), "and the oldest again");
}

#[test]
fn requests_are_answered_in_their_order_however_many_wait() {
    let mut bench = Bench::default();
    let many = u32::try_from(BACKLOG_MAX).unwrap();
    (0..many + 5).for_each(|xid| bench.renewal(xid));
    assert_eq!(bench.shed(Ignored::Overload), 5);
    assert_eq!([bench.take(), bench.take()], [Some(5), Some(6)]);
}

#[test]
fn item_132_a_retransmission_takes_the_place_of_what_waits() {
    let mut bench = Bench::default();
    let long = u32::try_from(BACKLOG_LONG).unwrap();
    (0..long).for_each(|xid| bench.discover(xid));
    bench.discover(7);
    bench.request(7);
    assert_eq!(bench.backlog.len(), BACKLOG_LONG + 1, "another kind is another message");
    assert_eq!(bench.shed(Ignored::Repeated), 1);
    assert_eq!(bench.take(), Some(7), "the REQUEST");
    let taken: Vec<u32> = std::iter::from_fn(|| bench.take()).collect();
    let expected: Vec<u32> = (0..long).filter(|xid| *xid != 7).chain([7]).collect();
    assert_eq!(taken, expected);
    bench.discover(7);
    assert_eq!(bench.take(), Some(7), "what was answered is nothing that waits");
    assert!(bench.shed.is_empty());
}

#[test]
fn of_few_every_copy_is_answered() {
    let mut bench = Bench::default();
    (0..10).for_each(|_| bench.discover(7));
    assert_eq!(std::iter::from_fn(|| bench.take()).count(), 10);
    assert!(bench.shed.is_empty());
}

#[test]
fn who_has_given_up_is_not_answered() {
    let mut bench = Bench::default();
    bench.discover(1);
    bench.request(2);
    bench.now += u64::try_from(DISCOVER_PATIENCE.as_millis()).unwrap();
    bench.discover(3);
    assert_eq!([bench.take(), bench.take(), bench.take()], [Some(2), Some(3), None]);
    assert_eq!((bench.shed(Ignored::Stale), bench.backlog.len()), (1, 0));
}

#[test]
fn item_132_behind_a_slow_store_changes_wait_and_newcomers_come_one_by_one() {
    let mut bench = Bench::default();
    let many = u32::try_from(BACKLOG_STORE_BEHIND).unwrap();
    (1..many).for_each(|xid| bench.request(xid));
    bench.discover(9001);
    bench.discover(9002);
    assert_eq!(bench.take_unless(true), Some(9001), "the store may only have paused");
    bench.request(many);
    assert_eq!(bench.take_unless(true), None);
    let now = bench.now();
    assert!(!bench.backlog.has_next(now, true) && bench.backlog.has_next(now, false));
    bench.now += 1;
    assert_eq!(bench.take_unless(true), Some(9002));
    let (link, arrival) = Bench::came();
    let destination = SocketAddrV4::new(*arrival.destination.ip(), 4011);
    let to_boot_server = (link, Arrival { destination, ..arrival });
    let inform = message(9003, [10, 0, 0, 9], REQUEST);
    bench.backlog.push(bench.now(), to_boot_server, &inform, &mut |_| {});
    assert_eq!(bench.take_unless(true), Some(9003));
    assert_eq!([bench.take(), bench.take()], [Some(1), Some(2)]);
}

#[test]
fn large_datagrams_have_a_bound_of_their_own() {
    let mut bench = Bench::default();
    bench.renewal(1);
    let mut large = message(2, [0; 4], DISCOVER);
    large.resize(9000, 0);
    let room = BACKLOG_OCTETS_MAX / large.len();
    (0..room + 10).for_each(|_| {
        large[7] = large[7].wrapping_add(1);
        bench.push(&large);
    });
    let shed = bench.shed(Ignored::Overload) + bench.shed(Ignored::Repeated);
    assert!(shed >= 10, "{shed}");
    assert!(bench.backlog.octets <= BACKLOG_OCTETS_MAX);
    assert_eq!(bench.take(), Some(1), "newcomers give way");
    while bench.take().is_some() {}
    assert_eq!(bench.backlog.octets, 0);
    assert!(bench.backlog.slots.len() <= room + 1, "places are used again");
    (0..2 * room).for_each(|_| {
        bench.discover(5);
        bench.take();
    });
    assert!(bench.backlog.slots.iter().any(|slot| slot.waiting.datagram.capacity() < 1000));
}

#[test]
fn the_clock_of_patience_is_of_the_last_copy() {
    let mut bench = Bench::default();
    let long = u32::try_from(BACKLOG_LONG).unwrap();
    (0..long).for_each(|xid| bench.discover(xid));
    bench.now += u64::try_from(DISCOVER_PATIENCE.as_millis()).unwrap() - 1;
    bench.discover(0);
    bench.now += 1;
    assert_eq!(bench.shed(Ignored::Repeated), 1);
    assert_eq!([bench.take(), bench.take()], [Some(0), None]);
    assert_eq!(bench.shed(Ignored::Stale), BACKLOG_LONG - 1);
}
