//! What a server that was started again knows from the store.

use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Ignored, Lease, LeaseState, NakReason, Said};

use crate::client::client;
use crate::lan::*;

fn row(number: u32, host: u8, state: LeaseState, granted: u64, expires: u64) -> Lease {
    let hardware = client(number).mac().into();
    Lease {
        address: local(host),
        hardware,
        said: Said::default(),
        state,
        granted: second(granted),
        expires: second(expires),
        version: 3,
    }
}

/// A server that starts at second 1000 with these rows.
fn restarted(mut lan: Lan, rows: &[Lease]) -> Lan {
    lan.at(1000);
    for row in rows {
        assert!(lan.server.load(row.clone(), second(1000)));
    }
    lan
}

#[test]
fn a_client_gets_the_address_that_it_has() {
    let mut lan = restarted(Lan::new(), &[row(1, 130, LeaseState::Leased, 900, 1500)]);
    assert_eq!(lan.offers(1), local(130));
    let stored = lan.hears(&client(1).renewing(local(130))).stored.unwrap();
    assert_eq!((stored.version, stored.expires), (4, second(1600)));
    assert_ne!(
        lan.hears(&client(2).discover().address(50, local(130))).offer().yiaddr(),
        local(130)
    );
    assert_eq!(lan.server.poll_timeout(), Some(second(1030)), "the hold of client 2");
}

#[test]
fn expired_and_released_leases_are_remembered_and_free() {
    let rows = [
        row(1, 100, LeaseState::Leased, 100, 700),
        row(2, 101, LeaseState::Released, 100, 600),
        row(3, 102, LeaseState::Leased, 900, 1500),
    ];
    let mut lan = restarted(Lan::with_pool(local(100), local(102)), &rows);
    assert_eq!(lan.server.active_leases(second(1000)).count(), 1);
    assert_eq!(lan.offers(4), local(101), "free for longest");
    assert_eq!(lan.offers(1), local(100), "remembered");
    assert_eq!(lan.wakes(), [], "no news");
    assert_eq!(lan.hears(&client(5).discover()).silence(), Ignored::PoolExhausted);
}

#[test]
fn declined_addresses_stay_out_of_use() {
    let rows = [row(1, 100, LeaseState::Declined, 900, 1500)];
    let mut lan = restarted(Lan::with_pool(local(100), local(100)), &rows);
    assert_eq!(lan.hears(&client(1).discover()).silence(), Ignored::PoolExhausted);
    let (_, reason) = lan.hears(&client(2).selecting(local(100))).nak();
    assert_eq!(reason, NakReason::Declined);
    assert_eq!(lan.at(1501).offers(1), local(100));
}

#[test]
fn of_two_rows_the_newer_is_the_clients() {
    let old = row(1, 120, LeaseState::Leased, 100, 700);
    let new = row(1, 140, LeaseState::Leased, 900, 1500);
    for rows in [[old.clone(), new.clone()], [new, old]] {
        assert_eq!(restarted(Lan::new(), &rows).offers(1), local(140));
    }
}

#[test]
fn leases_of_no_subnet_are_left_alone() {
    let mut lan = Lan::new();
    let elsewhere =
        Lease { address: Ipv4Addr::new(203, 0, 113, 9), ..row(1, 0, LeaseState::Leased, 0, 9999) };
    assert!(!lan.server.load(elsewhere, second(0)));
    assert_eq!(lan.server.poll_timeout(), None);
}

#[test]
fn a_lease_outside_the_pools_runs_out_and_is_never_offered() {
    let mut lan = restarted(Lan::new(), &[row(1, 50, LeaseState::Leased, 900, 1500)]);
    assert!(lan.active(local(50)).is_some());
    assert_ne!(lan.offers(1), local(50));
    assert_eq!(lan.at(1501).wakes().len(), 1);
    for number in 0..150 {
        assert_ne!(lan.offers(number), local(50));
    }
    assert_eq!(lan.hears(&client(200).discover()).silence(), Ignored::PoolExhausted);
}

#[test]
fn item_128_a_clock_that_was_set_back_resurrects_nothing() {
    let rows = [row(1, 100, LeaseState::Released, 50_000, 60_000)];
    let mut lan = restarted(Lan::with_pool(local(100), local(100)), &rows);
    assert_eq!(lan.server.active_leases(second(1000)).count(), 0);
    assert_eq!(lan.offers(2), local(100), "what was released is free");
}

/// The wall clock of the start counts: one that is a day ahead ends leases, since nobody can tell
/// it from a server that was off for a day; one that is a day behind ends none.
#[test]
fn item_128_a_start_with_the_clock_a_day_off() {
    const DAY: u64 = 86_400;
    let leased = [row(1, 130, LeaseState::Leased, DAY, DAY + 600)];
    let mut behind = restarted(Lan::new(), &leased);
    assert!(behind.active(local(130)).is_some(), "it is still the client's");
    assert_eq!(behind.wakes(), []);
    let answer = behind.hears(&client(1).renewing(local(130)));
    assert_eq!(answer.stored.as_ref().unwrap().expires, second(1600), "for a lease's time");
    let mut ahead = Lan::new();
    ahead.at(3 * DAY);
    assert!(ahead.server.load(leased[0].clone(), second(3 * DAY)));
    assert_eq!(ahead.wakes(), [], "no storm of events");
    assert_eq!(ahead.offers(1), local(130), "the client gets it again");
    assert_ne!(ahead.offers(2), local(130), "and others something else, while there is");
    ahead.hears(&client(1).init_reboot(local(130))).ack();
}

#[test]
fn item_129_a_server_starts_with_a_hundred_thousand_leases() {
    let address = |number: u32| Ipv4Addr::from_bits((10 << 24) + number);
    let leases = 100_000u32;
    let mut lan = Lan::with(|subnet| {
        subnet.net = pxed_proto::net::Ipv4Net::new(address(0), 8).unwrap();
        subnet.pools = pool(address(1), address(1 << 18));
    });
    lan.at(1000);
    for number in 1..=leases {
        let lease = row(number, 0, LeaseState::Leased, 900, 1500);
        lan.server.load(Lease { address: address(number), ..lease }, second(1000));
    }
    assert_eq!(lan.server.active_leases(second(1000)).count(), leases as usize);
    assert_eq!(lan.offers(leases + 1), address(leases + 1), "the first that is free");
    for number in [1, leases / 2, leases] {
        assert_eq!(lan.offers(number), address(number));
        lan.hears(&client(number).renewing(address(number))).ack();
        lan.hears(&client(0).renewing(address(number))).nak();
    }
}

#[test]
fn infinite_leases_stay() {
    let endless = Lease { expires: Timestamp::FOREVER, ..row(1, 130, LeaseState::Leased, 0, 0) };
    let mut lan = restarted(Lan::new(), &[endless]);
    assert_eq!(lan.at(u64::from(u32::MAX)).wakes(), []);
    assert!(lan.active(local(130)).is_some());
}
