//! Which address is given next, and what the table costs.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::Ignored;
use pxed_proto::event::Event;
use pxed_proto::limits::{OFFERS_MAX, POOL_ADDRESSES_MAX};
use pxed_proto::net::{AddressRange, Ipv4Net};

use crate::client::client;
use crate::lan::*;

/// A LAN with the largest pool there is.
fn huge() -> Lan {
    let last = Ipv4Addr::new(10, 127, 255, 255);
    let range = AddressRange::new(Ipv4Addr::new(10, 0, 0, 0), last).unwrap();
    assert_eq!(range.count(), POOL_ADDRESSES_MAX);
    Lan::with(|subnet| {
        subnet.net = Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), 8).unwrap();
        subnet.pools = vec![range.into()];
    })
}

#[test]
fn a_pool_of_millions_is_served_at_once() {
    let mut lan = huge();
    for number in 0..1000 {
        let offered = lan.offers(number);
        assert_eq!(offered.to_bits(), (10 << 24) + number);
    }
    let far = Ipv4Addr::new(10, 127, 255, 255);
    assert_eq!(lan.hears(&client(5000).discover().address(50, far)).offer().yiaddr(), far);
}

#[test]
fn offers_are_bounded_and_the_oldest_gives_way() {
    let mut lan = huge();
    let first = lan.offers(0);
    for number in 1..=u32::try_from(OFFERS_MAX).unwrap() {
        lan.at(u64::from(number) / 1000).offers(number);
    }
    assert_eq!(lan.server.offers(), OFFERS_MAX);
    lan.hears(&client(9_000_000).discover().address(50, first)).offer();
    lan.hears(&client(0).selecting(first)).nak();
    assert_ne!(lan.offers(0), first, "somebody else asked for it meanwhile");
}

#[test]
fn the_pools_are_used_up_in_order() {
    let range = |first, last| AddressRange::new(local(first), local(last)).unwrap();
    let mut lan =
        Lan::with(|subnet| subnet.pools = vec![range(200, 201).into(), range(110, 111).into()]);
    let got: Vec<Ipv4Addr> = (1..=4).map(|number| lan.leases(number)).collect();
    assert_eq!(got, [200, 201, 110, 111].map(local));
    assert_eq!(lan.hears(&client(5).discover()).silence(), Ignored::PoolExhausted);
}

#[test]
fn the_address_that_is_free_for_longest_is_reused_first() {
    let mut lan = Lan::with_pool(local(100), local(102));
    let got = [1, 2, 3].map(|number| lan.leases(number));
    for (seconds, number) in [(10, 2), (20, 3), (30, 1)] {
        let address = got[number as usize - 1];
        lan.at(seconds).hears(&client(number).release(address)).change();
    }
    assert_eq!([4, 5, 6].map(|number| lan.leases(number)), [got[1], got[2], got[0]]);
}

#[test]
fn a_fresh_address_is_taken_before_one_that_somebody_may_want_again() {
    let mut lan = Lan::with_pool(local(100), local(101));
    let own = lan.leases(1);
    lan.hears(&client(1).release(own)).change();
    assert_ne!(lan.leases(2), own);
    assert_eq!(lan.leases(1), own);
}

#[test]
fn expired_leases_are_told_once_and_reused() {
    for timer_runs in [true, false] {
        let mut lan = Lan::with_pool(local(100), local(100));
        let own = lan.leases(1);
        assert_eq!(lan.server.poll_timeout(), Some(second(600)));
        assert_eq!(lan.at(599).wakes(), []);
        lan.at(600);
        if timer_runs {
            let machine = pxed_proto::machine::Machine::from(client(1).mac());
            assert_eq!(lan.wakes(), [Event::Expired { address: own, machine }]);
            assert_eq!(lan.wakes(), []);
            assert_eq!(lan.server.poll_timeout(), None);
        }
        assert_eq!(lan.leases(2), own);
    }
}

#[test]
fn a_renewed_lease_expires_later() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    lan.at(300).hears(&client(1).renewing(own)).ack();
    assert_eq!(lan.at(600).wakes(), []);
    assert_eq!(lan.at(900).wakes().len(), 1);
}
