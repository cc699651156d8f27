//! Many leases that end in the same moment: they are put away in parts, and are over before that.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{Ignored, Lease, LeaseState, NakReason, Said};
use pxed_proto::limits::EXPIRIES_AT_ONCE;
use pxed_proto::net::Ipv4Net;

use crate::client::client;
use crate::lan::*;

const LEASES: u32 = 3 * EXPIRIES_AT_ONCE as u32 - 100;

fn nth(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(192, 0, 16, 0).to_bits() + number)
}

fn nth_lease(number: u32) -> Lease {
    Lease {
        address: nth(number),
        hardware: client(number).mac().into(),
        said: Said::default(),
        state: LeaseState::Leased,
        granted: second(0),
        expires: second(1000),
        version: 1,
    }
}

/// A LAN whose whole pool is leased, until the same second.
fn full() -> Lan {
    let mut lan = Lan::with(|subnet| {
        subnet.net = Ipv4Net::new(Ipv4Addr::new(192, 0, 0, 0), 16).unwrap();
        subnet.pools = pool(nth(0), nth(LEASES - 1));
    });
    for number in 0..LEASES {
        assert!(lan.server.load(nth_lease(number), second(0)));
    }
    lan
}

#[test]
fn leases_that_end_at_once_are_put_away_in_parts() {
    let mut lan = full();
    assert_eq!(lan.at(999).wakes(), []);
    assert_eq!(lan.hears(&client(9000).discover()).silence(), Ignored::PoolExhausted);
    lan.at(1000);
    for part in [EXPIRIES_AT_ONCE, EXPIRIES_AT_ONCE, EXPIRIES_AT_ONCE - 100] {
        assert_eq!(lan.server.poll_timeout(), Some(second(1000)));
        assert_eq!(lan.wakes_once().len(), part);
    }
    assert_eq!((lan.server.poll_timeout(), lan.wakes_once()), (None, vec![]));
    lan.hears(&client(9000).discover()).offer();
}

/// Whatever is asked in between, it is answered as if all were put away.
#[test]
fn what_is_over_is_over_before_it_is_put_away() {
    for calls in 0..=3 {
        let mut lan = full();
        lan.at(1000);
        (0..calls).for_each(|_| drop(lan.wakes_once()));
        assert_eq!(lan.server.active_count(second(1000)), 0);
        let of_pool = lan.pool_use(1000).remove(0).pools.remove(0);
        assert_eq!((of_pool.leased, of_pool.free()), (0, u64::from(LEASES)));
        // The last one that is put away, to who asks for it and to who had it.
        let last = nth(LEASES - 1);
        assert_eq!(lan.hears(&client(LEASES - 1).decline(last)).silence(), Ignored::NotHolder);
        let wish = client(9000).discover().address(50, last);
        assert_eq!(lan.hears(&wish).offer().yiaddr(), last);
        lan.hears(&client(9000).selecting(last)).ack();
        let (_, reason) = lan.hears(&client(LEASES - 1).renewing(last)).nak();
        assert_eq!(reason, NakReason::InUse);
        // Its own again to who had another one.
        assert_eq!(lan.hears(&client(LEASES - 2).discover()).offer().yiaddr(), nth(LEASES - 2));
        // Any to who asks for none.
        let offered = lan.hears(&client(9001).discover()).offer().yiaddr();
        assert!(![last, nth(LEASES - 2)].contains(&offered), "{offered}");
        lan.wakes();
        assert_eq!(
            lan.active(last).map(|lease| lease.hardware.mac()),
            Some(Some(client(9000).mac()))
        );
        assert_eq!((lan.server.active_count(second(1000)), lan.server.offers()), (1, 2));
    }
}
