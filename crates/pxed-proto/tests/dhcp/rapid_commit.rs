//! Item 122: an ACK to a DISCOVER (RFC 4039).

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{
    CommitError, Destination, HostKey, Ignored, LeaseState, RequestState, Reservation, Reservations,
};
use pxed_proto::event::Outcome;

use crate::client::{Client, Sent, client};
use crate::lan::*;

fn rapid(number: u32) -> Sent {
    client(number).discover().option(80, &[])
}

fn lan() -> Lan {
    Lan::with(|subnet| subnet.rapid_commit = true)
}

#[test]
fn item_122_a_client_that_asks_for_it_gets_its_address_at_once() {
    let mut lan = lan();
    let answer = lan.hears(&rapid(1));
    let Outcome::Acked { state, .. } = answer.event.outcome else { panic!("{answer:?}") };
    assert_eq!(state, RequestState::RapidCommit);
    let lease = answer.stored.clone().unwrap();
    assert_eq!((lease.state, lease.expires), (LeaseState::Leased, second(600)));
    let ack = answer.ack();
    assert_eq!((ack.yiaddr(), ack.destination), (lease.address, unicast(1, lease.address)));
    assert_eq!(ack.codes()[..4], [53, 54, 51, 80]);
    assert_eq!((ack.option(80), ack.seconds(51)), (Some(vec![]), Some(600)));
    assert_eq!(lan.server.offers(), 0);
    lan.at(300).hears(&client(1).renewing(lease.address)).ack();
}

#[test]
fn item_122_others_are_made_an_offer() {
    for sent in [client(1).discover(), client(1).discover().option(80, &[1])] {
        assert_eq!(lan().hears(&sent).offer().option(80), None);
    }
    let mut off = Lan::new();
    assert_eq!(off.hears(&rapid(1)).offer().option(80), None);
    let ack = off.hears(&client(1).selecting(local(100)).option(80, &[])).ack();
    assert_eq!(ack.option(80), None);
    let ack = lan().hears(&client(1).selecting(local(100)).option(80, &[])).ack();
    assert_eq!(ack.option(80), None, "only in answer to a DISCOVER");
}

#[test]
fn item_122_the_lease_is_durable_before_the_ack() {
    let mut lan = lan();
    let [commit] = &lan.takes(&rapid(1)).commits[..] else { panic!() };
    assert_eq!(lan.store_says(commit.id, Err(CommitError::Failed)).transmit, None);
    let [commit] = &lan.takes(&rapid(1)).commits[..] else { panic!() };
    assert!(lan.store_says(commit.id, Ok(())).transmit.is_some());
}

#[test]
fn item_122_everything_else_is_as_in_an_offer() {
    let mut lan = lan();
    let wish = Sent { ciaddr: local(77), ..rapid(1).address(50, local(130)).bios() };
    let ack = lan.hears(&wish).ack();
    assert_eq!((ack.yiaddr(), ack.file()), (local(130), "undionly.kpxe"));
    assert_eq!((ack.ciaddr(), ack.destination), (Ipv4Addr::UNSPECIFIED, unicast(1, local(130))));
    let ack = lan.hears(&rapid(2).broadcast_flag()).ack();
    assert_eq!(ack.destination, Destination::Broadcast);
    let relayed = rapid(3).by_relay(RELAY);
    lan.reload(|config| config.subnets[1].rapid_commit = true);
    assert_eq!(lan.hears(&relayed).ack().destination, routed(RELAY, 67));
    let own = Reservation {
        keys: vec![HostKey::Mac(Client(1).mac())],
        address: Some(local(50)),
        ..Reservation::default()
    };
    lan.reload(|config| config.policy.reservations = Reservations::new(vec![own]));
    let moved = lan.hears(&rapid(1));
    assert_eq!(moved.freed.as_ref().map(|lease| lease.address), Some(local(130)));
    assert_eq!(moved.ack().yiaddr(), local(50));
}

#[test]
fn item_122_a_full_pool_and_a_server_that_waits_are_silent() {
    let mut lan = Lan::with(|subnet| {
        subnet.rapid_commit = true;
        subnet.pools = pool(local(100), local(100));
    });
    lan.hears(&rapid(1)).ack();
    assert_eq!(lan.hears(&rapid(2)).silence(), Ignored::PoolExhausted);
    lan.reload(|config| config.subnets[0].min_secs = 4);
    assert_eq!(lan.hears(&rapid(1)).silence(), Ignored::StandingBy);
}
