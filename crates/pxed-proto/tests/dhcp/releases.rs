//! Items 66 to 70: RELEASE is believed from nobody but the holder.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::dhcp::{Ignored, LeaseState};
use pxed_proto::event::Outcome;

use crate::client::{Sent, client};
use crate::lan::*;

#[test]
fn item_66_a_released_address_is_free_and_remembered() {
    let mut lan = Lan::with_pool(local(100), local(101));
    let own = lan.leases(1);
    let answer = lan.at(10).hears(&client(1).release(own));
    assert_eq!(answer.event.outcome, Outcome::Released { address: own });
    let lease = answer.change();
    assert_eq!((lease.state, lease.expires, lease.version), (LeaseState::Released, second(10), 2));
    assert!(lan.active(own).is_none());
    assert_eq!(lan.offers(1), own, "remembered");
    let other = lan.at(50).offers(2);
    assert_eq!(lan.offers(3), own, "free: {other} was never used");
}

#[test]
fn item_67_and_68_a_release_by_another_machine_is_ignored() {
    let mut lan = Lan::new();
    let own = lan.offers(1);
    lan.hears(&client(1).selecting(own).option(61, b"\x00well known")).ack();
    for sent in [client(2).release(own), client(2).release(own).option(61, b"\x00well known")] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::NotHolder);
    }
    assert!(lan.active(own).is_some());
}

#[test]
fn item_69_a_release_that_names_another_server_or_none_is_ignored() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let nameless = client(1).release(own).without(54);
    for sent in [nameless.clone(), nameless.address(54, OTHER_SERVER)] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::NotForUs);
    }
    let by_other_name = client(1).release(own).without(54).address(54, SECOND);
    assert_eq!(lan.hears(&by_other_name).change().address, own);
}

#[test]
fn item_70_a_release_from_elsewhere_is_ignored() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let mut spoofed = client(1).release(own);
    spoofed.arrival.source = SocketAddrV4::new(local(66), 68);
    let mut nowhere = client(1).release(own);
    nowhere.arrival.source = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    let relayed = client(1).release(own).by_relay(local(2));
    let also_relayed = Sent { giaddr: local(2), ..client(1).release(own) };
    for sent in [spoofed, nowhere, relayed, also_relayed] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::SpoofedSource);
    }
    assert!(lan.active(own).is_some());
}

#[test]
fn item_70_a_release_by_the_relay_agent_of_the_lease_is_believed() {
    let mut lan = Lan::new();
    let by_relay = |sent: Sent| sent.option(82, &[1, 1, 7]).by_relay(RELAY);
    let own = lan.leases_as(1, by_relay);
    lan.at(300).hears(&client(1).renewing(own)).ack();
    let by_another_machine = client(2).release(own).by_relay(RELAY);
    assert_eq!(lan.hears(&by_another_machine).silence(), Ignored::NotHolder);
    let answer = lan.hears(&client(1).release(own).by_relay(RELAY));
    assert_eq!(answer.event.outcome, Outcome::Released { address: own });
    assert_eq!(answer.change().state, LeaseState::Released);
    let direct = lan.leases_as(1, by_relay);
    lan.hears(&client(1).release(direct)).change();
}

/// Routers that stand in for each other are relay agents of one wire.
#[test]
fn item_70_a_release_by_another_relay_agent_of_the_wire_is_believed() {
    let elsewhere = Ipv4Addr::new(203, 0, 113, 7);
    let mut lan = Lan::new();
    for (listed, by, expected) in [
        (vec![], remote(2), true),
        (vec![], remote(130), false),
        (vec![RELAY, elsewhere], elsewhere, true),
        (vec![RELAY, remote(130)], remote(130), true),
    ] {
        lan.reload(|config| config.subnets[1].relays = listed);
        let own = lan.leases_as(1, |sent| sent.by_relay(RELAY));
        let by_another = client(1).release(own).by_relay(by);
        let another_machine = client(2).release(own).by_relay(by);
        assert_eq!(lan.hears(&another_machine).silence(), Ignored::NotHolder);
        let answer = lan.hears(&by_another);
        match expected {
            true => assert_eq!(answer.change().address, own),
            false => assert_eq!(answer.silence(), Ignored::SpoofedSource, "a client's address"),
        }
    }
}

#[test]
fn item_70_a_relay_agent_of_another_wire_releases_nothing() {
    let mut lan = Lan::new();
    let own = lan.leases_as(1, |sent| sent.by_relay(RELAY));
    lan.reload(|config| config.subnets[1].relays = vec![RELAY]);
    let unlisted = client(1).release(own).by_relay(remote(2));
    assert_eq!(lan.hears(&unlisted).silence(), Ignored::UnknownRelay);
    lan.reload(|config| config.subnets[1].relays = vec![]);
    let of_the_lan = client(1).release(own).by_relay(local(2));
    assert_eq!(lan.hears(&of_the_lan).silence(), Ignored::NotHolder);
    let selects = [&[5, 4][..], &remote(0).octets()].concat();
    let selecting = client(1).release(own).option(82, &selects).by_relay(local(2));
    assert_eq!(lan.hears(&selecting).silence(), Ignored::SpoofedSource);
    assert!(lan.active(own).is_some());
}

#[test]
fn item_70_an_unknown_machine_can_not_release() {
    let mut lan = Lan::new();
    assert_eq!(lan.hears(&client(1).release(local(130))).silence(), Ignored::NotHolder);
    let held = lan.offers(1);
    let answer = lan.hears(&client(1).release(held));
    assert_eq!(answer.silence(), Ignored::NotHolder, "an offer is no lease");
}

#[test]
fn a_second_release_finds_nothing() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    lan.hears(&client(1).release(own)).change();
    assert_eq!(lan.hears(&client(1).release(own)).silence(), Ignored::NotHolder);
    let late = lan.at(5).leases(2);
    assert_eq!(lan.at(606).hears(&client(2).release(late)).silence(), Ignored::NotHolder);
}
