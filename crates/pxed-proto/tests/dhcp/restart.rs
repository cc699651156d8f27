//! What a server that was started again knows from the store.

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{ClientKey, Ignored, Lease, LeaseState, NakReason};

use crate::client::client;
use crate::lan::*;

fn row(number: u32, host: u8, state: LeaseState, granted: u64, expires: u64) -> Lease {
    let hardware = client(number).mac().into();
    Lease {
        address: local(host),
        client: ClientKey::Hardware(hardware),
        hardware,
        host_name: None,
        relay: None,
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
    let elsewhere = Lease {
        address: std::net::Ipv4Addr::new(203, 0, 113, 9),
        ..row(1, 0, LeaseState::Leased, 0, 9999)
    };
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

#[test]
fn infinite_leases_stay() {
    let endless = Lease { expires: Timestamp::FOREVER, ..row(1, 130, LeaseState::Leased, 0, 0) };
    let mut lan = restarted(Lan::new(), &[endless]);
    assert_eq!(lan.at(u64::from(u32::MAX)).wakes(), []);
    assert!(lan.active(local(130)).is_some());
}
