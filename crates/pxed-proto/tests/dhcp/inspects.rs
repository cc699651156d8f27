//! What an operator sees of the lease table, and a lease that an operator frees.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{AddressState, Census, CommitError, LeaseState, NotReleased, PoolUse};
use pxed_proto::event::Event;
use pxed_proto::machine::Machine;

use crate::client::client;
use crate::lan::*;

fn states(lan: &Lan, seconds: u64) -> Vec<(Ipv4Addr, AddressState)> {
    let known = lan.server.known_addresses(None, second(seconds));
    known.map(|known| (known.address, known.state)).collect()
}

/// One address in each state: leased, offered, declined, released, expired, in this order.
fn one_of_each() -> Lan {
    let mut lan = Lan::with_pool(local(100), local(109));
    let [_, _, declined, released, _] = [1, 2, 3, 4, 5].map(|number| lan.leases(number));
    lan.hears(&client(3).decline(declined)).change();
    lan.hears(&client(4).release(released)).change();
    lan.at(400).hears(&client(1).renewing(local(100))).ack();
    lan.at(605);
    lan
}

#[test]
fn every_address_that_was_ever_in_use_is_listed_once() {
    let mut lan = one_of_each();
    let decline_is_over = 601;
    assert_eq!(
        states(&lan, 590),
        [
            (local(100), AddressState::Leased),
            (local(101), AddressState::Leased),
            (local(102), AddressState::Declined),
            (local(103), AddressState::Released),
            (local(104), AddressState::Leased),
        ]
    );
    let expired = AddressState::Expired;
    assert_eq!(states(&lan, decline_is_over)[1..3], [(local(101), expired), (local(102), expired)]);
    // A client that had an address is offered it again: it is listed as offered, not as released.
    lan.at(601).offers(4);
    assert_eq!(states(&lan, 601)[3], (local(103), AddressState::Offered));
    assert_eq!(states(&lan, 700)[3], (local(103), AddressState::Released));
}

#[test]
fn a_list_can_be_read_in_parts() {
    let mut lan = Lan::new();
    lan.hears(&client(9).discover().by_relay(RELAY)).offer();
    let leased = [1, 2, 3].map(|number| lan.leases(number));
    let whole: Vec<_> = lan.server.known_addresses(None, second(1)).collect();
    assert_eq!(whole.len(), 4, "both subnets");
    assert_eq!((whole[3].granted, whole[3].until), (None, second(30)));
    let mut parts = Vec::new();
    while let Some(next) =
        lan.server.known_addresses(parts.last().copied(), second(1)).next().map(|k| k.address)
    {
        parts.push(next);
    }
    assert_eq!(parts, whole.iter().map(|known| known.address).collect::<Vec<_>>());
    assert_eq!(parts[..3], leased);
}

#[test]
fn the_pools_are_counted() {
    let mut lan = one_of_each();
    lan.at(591).offers(7);
    let of = |lan: &Lan, seconds| lan.pool_use(seconds)[0].clone();
    let used = of(&lan, 591);
    let range = used.pools[0].range;
    assert_eq!(used.pools, [PoolUse { range, leased: 3, offered: 1, declined: 1 }]);
    assert_eq!((used.pools[0].free(), used.outside), (5, 0));
    let later = of(&lan, 640).pools[0];
    assert_eq!((later.leased, later.offered, later.declined, later.free()), (1, 0, 0, 9));
}

#[test]
fn pools_are_counted_in_parts_and_anew_under_another_configuration() {
    let mut lan = Lan::new();
    lan.hears(&client(9).discover().by_relay(RELAY)).offer();
    for number in 1..=3 {
        lan.leases(number);
    }
    let mut census = Census::default();
    let mut counts_on = |lan: &Lan| lan.server.count_pools(&mut census, 1, second(1));
    assert_eq!([(); 2].map(|()| counts_on(&lan)), [false, false]);
    lan.reload(|_| ());
    assert_eq!([(); 3].map(|()| counts_on(&lan)), [false, false, true]);
    assert_eq!(census.into_subnets(), lan.pool_use(1));
}

#[test]
fn a_lease_of_an_address_that_is_in_no_pool_any_more_is_counted_apart() {
    let mut lan = Lan::with_pool(local(100), local(109));
    lan.leases(1);
    let lease = lan.active(local(100)).unwrap().clone();
    let mut lan = Lan::with_pool(local(105), local(109));
    lan.server.load(lease, second(0));
    let used = lan.pool_use(1)[0].clone();
    assert_eq!((used.pools[0].leased, used.outside), (0, 1));
}

#[test]
fn an_operator_frees_a_lease_and_its_client_is_still_known() {
    let mut lan = Lan::with_pool(local(100), local(101));
    let own = lan.leases(1);
    let output = lan.server.release(own, second(10)).unwrap();
    let commit = output.commits[0].clone();
    assert_eq!((output.event, output.transmit), (None, None), "not durable yet");
    let lease = commit.lease;
    assert_eq!((lease.state, lease.expires, lease.version), (LeaseState::Released, second(10), 2));
    let done = lan.at(10).store_says(commit.id, Ok(()));
    let machine = Machine { hardware: lease.hardware, uuid: None };
    assert_eq!(done.event, Some(Event::Freed { address: own, machine }));
    assert!(lan.active(own).is_none());
    let other = lan.leases(2);
    assert_ne!(other, own, "fresh addresses first");
    assert_eq!(lan.leases(3), own, "it is free");
}

#[test]
fn a_declined_address_can_be_freed_before_its_time() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let own = lan.leases(1);
    lan.hears(&client(1).decline(own)).change();
    let commit = lan.server.release(own, second(5)).unwrap().commits[0].clone();
    lan.at(5).store_says(commit.id, Ok(()));
    assert_eq!(lan.leases(2), own);
}

#[test]
fn there_may_be_nothing_to_free() {
    let mut lan = Lan::new();
    let free = |lan: &mut Lan, address, seconds| lan.server.release(address, second(seconds));
    assert_eq!(free(&mut lan, local(100), 0), Err(NotReleased::Unknown));
    assert_eq!(free(&mut lan, Ipv4Addr::new(10, 0, 0, 1), 0), Err(NotReleased::Unknown));
    let offered = lan.offers(1);
    assert_eq!(free(&mut lan, offered, 0), Err(NotReleased::Offered));
    let (gone, released) = (lan.leases(1), lan.leases(2));
    lan.hears(&client(2).release(released)).change();
    let state = |state| Err(NotReleased::Free(state));
    assert_eq!(free(&mut lan, released, 0), state(AddressState::Released));
    assert_eq!(free(&mut lan, gone, 600), state(AddressState::Expired));
}

#[test]
fn what_could_not_be_stored_is_not_freed() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let commit = lan.server.release(own, second(5)).unwrap().commits[0].clone();
    let output = lan.at(5).store_says(commit.id, Err(CommitError::Failed));
    assert_eq!(output, Default::default(), "the operator is told by the answer");
    assert!(lan.active(own).is_some());
}
