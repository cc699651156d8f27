//! Items 46 to 60: REQUEST of an address that the client remembers.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{Destination, Ignored, NakReason, RequestState};
use pxed_proto::event::Outcome;

use crate::client::{Sent, client};
use crate::lan::*;

const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);

fn state(answer: &Answer) -> RequestState {
    let Outcome::Acked { state, .. } = answer.event.outcome else { panic!("{answer:?}") };
    state
}

#[test]
fn item_46_a_client_that_reboots_gets_its_own_address() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let answer = lan.at(60).hears(&client(1).init_reboot(own));
    assert_eq!(state(&answer), RequestState::InitReboot);
    let ack = answer.ack();
    assert_eq!((ack.yiaddr(), ack.destination), (own, unicast(1, own)));
}

#[test]
fn item_47_a_client_that_remembers_another_address_is_refused() {
    let mut lan = Lan::new();
    lan.leases(1);
    let (_, reason) = lan.hears(&client(1).init_reboot(local(200))).nak();
    assert_eq!(reason, NakReason::NotYours);
}

#[test]
fn item_48_an_address_of_another_network_is_refused() {
    let (nak, reason) = Lan::new().hears(&client(1).init_reboot(ELSEWHERE)).nak();
    assert_eq!((nak.destination, reason), (Destination::Broadcast, NakReason::WrongNetwork));
}

#[test]
fn item_49_of_an_unknown_client_nothing_is_said() {
    let answer = Lan::new().hears(&client(1).init_reboot(local(130)));
    assert_eq!(answer.silence(), Ignored::UnknownClient);
    let static_host = Lan::new().hears(&client(1).init_reboot(local(50)));
    assert_eq!(static_host.silence(), Ignored::UnknownClient, "in no pool of ours");
}

#[test]
fn item_50_a_moved_client_is_refused_by_its_new_relay_agent() {
    let (nak, reason) = Lan::new().hears(&client(1).init_reboot(local(150)).by_relay(RELAY)).nak();
    assert_eq!((nak.destination, nak.flags()), (routed(RELAY, 67), 0x8000));
    assert_eq!(reason, NakReason::WrongNetwork);
}

#[test]
fn item_51_a_lease_is_prolonged() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let answer = lan.at(300).hears(&client(1).renewing(own));
    assert_eq!(state(&answer), RequestState::Renewing);
    assert_eq!(answer.stored.as_ref().unwrap().expires, second(900));
    let ack = answer.ack();
    assert_eq!((ack.ciaddr(), ack.yiaddr(), ack.destination), (own, own, routed(own, 68)));
}

#[test]
fn item_52_a_renewal_that_names_a_server_is_a_renewal() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    for server in [SERVER, OTHER_SERVER] {
        let answer = lan.at(300).hears(&client(1).renewing(own).address(54, server));
        assert_eq!(state(&answer), RequestState::Renewing);
        assert_eq!(answer.ack().addresses(54), [SERVER]);
    }
    let odd = client(1).renewing(own).address(50, local(200));
    assert_eq!(lan.hears(&odd).ack().yiaddr(), own, "ciaddr decides");
}

#[test]
fn item_53_a_renewal_by_an_unknown_client_is_not_answered() {
    for sent in [client(1).renewing(local(130)), client(1).rebinding(local(130))] {
        assert_eq!(Lan::new().hears(&sent).silence(), Ignored::UnknownClient);
    }
}

#[test]
fn item_54_nothing_is_sent_to_an_address_that_we_do_not_serve() {
    let mut lan = Lan::new();
    lan.leases(1);
    for number in [1, 2] {
        let (nak, reason) = lan.hears(&client(number).renewing(ELSEWHERE)).nak();
        assert_eq!((nak.destination, reason), (Destination::Broadcast, NakReason::WrongNetwork));
    }
}

#[test]
fn item_55_the_address_of_another_is_refused_and_stays_the_others() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    for sent in [client(2).renewing(own), client(2).rebinding(own), client(2).init_reboot(own)] {
        let (nak, reason) = lan.hears(&sent).nak();
        assert_eq!((nak.destination, reason), (Destination::Broadcast, NakReason::InUse));
    }
    lan.at(300).hears(&client(1).renewing(own)).ack();
}

#[test]
fn item_56_a_rebinding_client_is_answered_at_its_address() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let answer = lan.at(530).hears(&client(1).rebinding(own).broadcast_flag());
    assert_eq!(state(&answer), RequestState::Rebinding);
    assert_eq!(answer.ack().destination, routed(own, 68));
}

#[test]
fn a_relayed_request_with_ciaddr_is_a_rebinding() {
    let mut lan = Lan::new();
    let offer = lan.hears(&client(1).discover().by_relay(RELAY)).offer();
    lan.hears(&client(1).selecting(offer.yiaddr()).by_relay(RELAY)).ack();
    let answer = lan.hears(&client(1).rebinding(offer.yiaddr()).by_relay(RELAY));
    assert_eq!(state(&answer), RequestState::Rebinding);
    assert_eq!(answer.ack().destination, routed(RELAY, 67));
}

#[test]
fn item_60_a_request_for_nothing_is_refused() {
    let (nak, reason) = Lan::new().hears(&client(1).request()).nak();
    assert_eq!((nak.destination, reason), (Destination::Broadcast, NakReason::NoAddress));
}

#[test]
fn an_expired_lease_is_renewed_while_nobody_else_has_the_address() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let own = lan.leases(1);
    lan.at(601).hears(&client(1).rebinding(own)).ack();
    assert_eq!(lan.at(1300).leases(2), own);
    let (_, reason) = lan.at(1301).hears(&client(1).rebinding(own)).nak();
    assert_eq!(reason, NakReason::InUse);
}

#[test]
fn a_released_lease_comes_back_to_a_client_that_reboots() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    lan.hears(&client(1).release(own)).change();
    lan.hears(&client(1).init_reboot(own)).ack();
    let changed = Sent { ciaddr: own, ..client(1).init_reboot(own) };
    lan.hears(&changed).ack();
}
