//! The engine against the null responder, in virtual time: every count is exact.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use pxed_bench::{Client, Engine, Exchange, Firmware, Null, Pace, Plan};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLISECOND;

fn plan() -> Plan {
    Plan {
        exchange: Exchange::FourWay,
        pace: Pace::Rate(1000),
        warm_up: 0,
        measured: SECOND / 2,
        count: u64::MAX,
        waits: vec![SECOND],
        salt: 0x1234_5678,
        first: 7,
    }
}

fn edk2() -> Vec<u64> {
    [4, 8, 16, 32].map(|seconds| seconds * SECOND).to_vec()
}

fn engine(plan: Plan) -> Engine {
    let relay = Some(Ipv4Addr::new(10, 0, 0, 2));
    Engine::new(plan, &Client { firmware: Firmware::Pxe, relay, broadcast: false }, 1000)
}

fn responder(drop_every: u64) -> Null {
    Null::new(Ipv4Addr::new(10, 0, 0, 1), drop_every)
}

/// Runs to the end, with answers that take `delay`; says when that was.
fn run(engine: &mut Engine, null: &mut Null, delay: u64) -> u64 {
    let (mut now, mut message) = (0, Vec::new());
    let mut answers: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    while !engine.is_over(now) {
        while engine.next(now, &mut message).is_some() {
            answers.extend(null.answer(&message).map(|answer| (now + delay, answer.to_vec())));
        }
        let arrives = answers.front().map(|(arrives, _)| *arrives);
        let wakes = [engine.wakes(now), arrives].into_iter().flatten().min();
        now = wakes.map_or(now + SECOND, |wakes| wakes.max(now));
        while let Some((_, answer)) = answers.pop_front_if(|(arrives, _)| *arrives <= now) {
            engine.received(now, &answer);
        }
    }
    now
}

#[test]
fn every_exchange_completes_and_takes_what_it_takes() {
    let mut engine = engine(plan());
    run(&mut engine, &mut responder(0), MILLISECOND);
    let tally = &engine.tally;
    assert_eq!(
        (tally.started, tally.completed, tally.sent, tally.received),
        (500, 500, 1000, 1000)
    );
    assert_eq!((engine.leases(), engine.shared_addresses()), (500, 0));
    for (histogram, expected) in
        [(&tally.offer, MILLISECOND), (&tally.ack, MILLISECOND), (&tally.exchange, 2 * MILLISECOND)]
    {
        assert_eq!(histogram.len(), 500);
        // To three digits.
        assert!(histogram.min() * 999 / 1000 <= expected && expected <= histogram.max());
        assert!(histogram.max() - histogram.min() <= expected / 500);
    }
    assert_eq!(tally.late.max(), 0);
}

#[test]
fn what_is_dropped_is_counted_where_it_was_missed() {
    // Messages alternate, and so the seventh is a DISCOVER each time, the tenth a REQUEST.
    for drop_every in [7, 10] {
        let mut engine = engine(plan());
        let mut null = responder(drop_every);
        run(&mut engine, &mut null, MILLISECOND);
        let tally = &engine.tally;
        let expected = if drop_every == 7 { [null.dropped, 0] } else { [0, null.dropped] };
        assert_eq!([tally.without_offer, tally.without_ack], expected);
        assert_eq!(tally.completed, tally.started - null.dropped);
        assert!(null.dropped >= 100 && tally.resent == 0);
    }
}

#[test]
fn machines_send_again_as_edk2_does() {
    let mut engine = engine(Plan { waits: edk2(), ..plan() });
    let mut null = responder(10);
    let end = run(&mut engine, &mut null, MILLISECOND);
    let tally = &engine.tally;
    assert_eq!((tally.started, tally.completed), (500, 500));
    assert_eq!(tally.resent, null.dropped);
    // From when it was first to be sent, not from when it was sent last.
    assert!(tally.exchange.max() >= 4 * SECOND && end >= 4 * SECOND);
    assert_eq!(tally.exchange.value_at_quantile(0.5) / MILLISECOND, 2);
}

#[test]
fn a_dead_server_is_given_up_after_a_minute() {
    let mut engine = engine(Plan { waits: edk2(), ..plan() });
    let end = run(&mut engine, &mut responder(1), MILLISECOND);
    let tally = &engine.tally;
    assert_eq!((tally.started, tally.without_offer, tally.sent), (500, 500, 2000));
    assert!((60 * SECOND..62 * SECOND).contains(&end), "{end}");
}

#[test]
fn an_answer_that_is_too_late_is_not_an_answer_to_the_next_exchange() {
    let mut engine = engine(Plan { count: 1500, measured: 3 * SECOND, ..plan() });
    run(&mut engine, &mut responder(0), SECOND * 3 / 2);
    let tally = &engine.tally;
    assert_eq!((tally.completed, tally.without_offer), (0, 1500));
    assert!(tally.unexpected > 0 && tally.offer.is_empty());
}

#[test]
fn a_generator_that_is_late_charges_itself_and_the_latency() {
    let mut engine = engine(Plan { pace: Pace::Rate(10), ..plan() });
    let (mut null, mut message, mut sent) = (responder(0), Vec::new(), 0);
    // What was due is made up for, also after the end.
    let stalled = SECOND;
    assert!(!engine.is_over(stalled));
    while engine.next(stalled, &mut message).is_some() {
        sent += 1;
        engine.received(stalled, null.answer(&message).unwrap());
    }
    // The five that were due at 0, 0.1, 0.2, 0.3 and 0.4 s, with two messages each.
    assert_eq!((sent, engine.tally.completed), (10, 5));
    for histogram in [&engine.tally.late, &engine.tally.offer, &engine.tally.exchange] {
        assert!(histogram.max() >= stalled, "{}", histogram.max());
        assert!((stalled * 6 / 10).abs_diff(histogram.min()) < MILLISECOND, "{}", histogram.min());
    }
    assert!(engine.is_over(stalled));
}

#[test]
fn the_warm_up_is_not_measured() {
    let mut engine = engine(Plan { warm_up: SECOND / 10, ..plan() });
    run(&mut engine, &mut responder(0), MILLISECOND);
    assert_eq!((engine.tally.started, engine.tally.sent), (500, 1200));
    assert_eq!(engine.measured(2 * SECOND), SECOND / 2);
    assert_eq!(engine.measured(SECOND / 5), SECOND / 10);
}

#[test]
fn as_fast_as_answered_has_so_many_under_way() {
    let pace = Pace::InFlight(8);
    let mut engine = engine(Plan { pace, count: 80, ..plan() });
    let end = run(&mut engine, &mut responder(0), MILLISECOND);
    assert_eq!((engine.tally.completed, end), (80, 20 * MILLISECOND));
}

#[test]
fn an_avalanche_begins_at_once() {
    let mut engine = engine(Plan { pace: Pace::Avalanche, count: 1000, ..plan() });
    let end = run(&mut engine, &mut responder(0), MILLISECOND);
    assert_eq!((engine.tally.completed, end), (1000, 2 * MILLISECOND));
}

#[test]
fn too_few_machines_are_told() {
    let mut engine = engine(Plan { pace: Pace::Rate(10_000), ..plan() });
    run(&mut engine, &mut responder(0), SECOND / 4);
    assert!(engine.tally.no_idle_machine > 0 && engine.tally.late.max() > SECOND / 10);
}

#[test]
fn only_machines_with_a_lease_renew_it() {
    let fill = Plan { pace: Pace::InFlight(8), count: 300, measured: u64::MAX, ..plan() };
    let mut filled = engine(fill);
    run(&mut filled, &mut responder(10), MILLISECOND);
    let leases = filled.leases();
    assert!(leases > 200 && leases < 300);
    let mut renewing = filled.again(Plan { exchange: Exchange::Renew, ..plan() });
    assert_eq!(renewing.machines(), leases);
    run(&mut renewing, &mut responder(0), MILLISECOND);
    let tally = &renewing.tally;
    assert_eq!((tally.started, tally.completed, tally.sent), (500, 500, 500));
    assert_eq!((tally.ack.len(), tally.offer.len()), (500, 0));
}

#[test]
fn without_a_lease_nobody_renews_and_it_ends() {
    let mut none = engine(plan()).again(Plan { exchange: Exchange::Renew, ..plan() });
    run(&mut none, &mut responder(0), MILLISECOND);
    assert_eq!((none.machines(), none.tally.started), (0, 0));
}

#[test]
fn an_offer_is_the_end_where_nothing_more_is_wanted() {
    let mut engine = engine(Plan { exchange: Exchange::Discover, ..plan() });
    run(&mut engine, &mut responder(0), MILLISECOND);
    assert_eq!((engine.tally.completed, engine.tally.sent, engine.leases()), (500, 500, 0));
}

#[test]
fn others_answers_are_foreign() {
    let mut engine = engine(plan());
    let mut message = Vec::new();
    assert!(engine.next(0, &mut message).is_some());
    let answer = responder(0).answer(&message).unwrap().to_vec();
    let mut other_machine = answer.clone();
    other_machine[28 + 5] ^= 1;
    for datagram in [&message, &other_machine, &answer[..100].to_vec()] {
        engine.received(0, datagram);
    }
    assert_eq!((engine.tally.foreign, engine.tally.offer.len()), (3, 0));
    engine.received(0, &answer);
    engine.received(0, &answer);
    assert_eq!((engine.tally.offer.len(), engine.tally.unexpected), (1, 1));
}

#[test]
fn who_was_called_begins_anew_after_a_nak_and_others_do_not() {
    for pace in [Pace::Called, Pace::Avalanche] {
        let mut engine = engine(Plan { pace, count: 1, ..plan() });
        let (mut null, mut message, mut sent) = (responder(0), Vec::new(), Vec::new());
        engine.call(0, 0);
        while engine.next(SECOND / 4, &mut message).is_some() {
            let mut answer = null.answer(&message).unwrap().to_vec();
            // Option 53 is the first: the first two ACKs become NAKs.
            if answer[242] == 5 && engine.tally.refused < 2 {
                answer[242] = 6;
            }
            sent.push(message[242]);
            assert!(engine.received(SECOND / 4, &answer));
        }
        let expected: &[u8] = if pace == Pace::Called { &[1, 3, 1, 3, 1, 3] } else { &[1, 3] };
        assert_eq!(sent, expected);
        let ended = engine.ended().map(|ended| (ended.machine, ended.ack.is_some()));
        assert_eq!(ended, (pace == Pace::Called).then_some((0, true)));
        assert_eq!(engine.leases(), usize::from(pace == Pace::Called));
    }
}
