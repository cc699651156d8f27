//! Items 34 to 45: REQUEST in state SELECTING, and what a NAK looks like.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{Destination, Ignored, LeaseState, NakReason, RequestState};
use pxed_proto::event::Outcome;

use crate::client::{Sent, client};
use crate::lan::*;

#[test]
fn item_34_an_offer_that_is_taken_is_acked_with_what_was_offered() {
    let mut lan = Lan::new();
    let offer = lan.hears(&client(1).discover().bios()).offer();
    let answer = lan.hears(&client(1).selecting(offer.yiaddr()).bios());
    let Outcome::Acked { state, .. } = answer.event.outcome else { panic!("{answer:?}") };
    assert_eq!(state, RequestState::Selecting);
    let lease = answer.stored.clone().unwrap();
    assert_eq!((lease.address, lease.state), (offer.yiaddr(), LeaseState::Leased));
    assert_eq!((lease.granted, lease.expires), (second(0), second(600)));
    let ack = answer.ack();
    assert_eq!((ack.yiaddr(), ack.ciaddr()), (offer.yiaddr(), Ipv4Addr::UNSPECIFIED));
    assert_eq!(ack.destination, unicast(1, ack.yiaddr()));
    assert_eq!(ack.options()[1..], offer.options()[1..], "everything but the type");
    assert_eq!(lan.server.offers(), 0, "the hold became a lease");
}

#[test]
fn item_34_the_ack_obeys_the_broadcast_flag() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let ack = lan.hears(&client(1).selecting(offered).broadcast_flag()).ack();
    assert_eq!(ack.destination, Destination::Broadcast);
}

#[test]
fn item_35_the_choice_of_another_server_ends_the_hold() {
    let mut lan = Lan::new();
    lan.offers(1);
    let elsewhere = client(1).request().address(54, OTHER_SERVER).address(50, local(230));
    let answer = lan.hears(&elsewhere);
    assert_eq!(answer.silence(), Ignored::OtherServer);
    assert_eq!(lan.server.offers(), 0);
}

#[test]
fn item_36_any_of_the_servers_addresses_names_it() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let ack = lan.hears(&client(1).request().address(54, SECOND).address(50, offered)).ack();
    assert_eq!(ack.addresses(54), [SECOND], "the client waits for the server that it named");
}

#[test]
fn item_37_a_choice_without_an_address_is_refused() {
    let mut lan = Lan::new();
    lan.offers(1);
    let (nak, reason) = lan.hears(&client(1).request().address(54, SERVER)).nak();
    assert_eq!((nak.yiaddr(), reason), (Ipv4Addr::UNSPECIFIED, NakReason::NoAddress));
}

#[test]
fn item_38_a_free_address_that_was_never_offered_is_given_to_who_asks_us() {
    let ack = Lan::new().hears(&client(1).selecting(local(130))).ack();
    assert_eq!(ack.yiaddr(), local(130));
}

#[test]
fn item_39_the_address_of_another_client_is_refused() {
    let mut lan = Lan::new();
    let taken = lan.leases(1);
    let held = lan.offers(2);
    for address in [taken, held] {
        let (_, reason) = lan.hears(&client(3).selecting(address)).nak();
        assert_eq!(reason, NakReason::InUse);
    }
}

#[test]
fn a_client_can_not_take_another_address_than_the_one_it_was_promised() {
    let mut lan = Lan::new();
    lan.offers(1);
    let (_, reason) = lan.hears(&client(1).selecting(local(200))).nak();
    assert_eq!(reason, NakReason::NotYours);
    lan.leases(2);
    let (_, reason) = lan.hears(&client(2).selecting(local(201))).nak();
    assert_eq!(reason, NakReason::NotYours);
}

#[test]
fn item_40_addresses_that_nobody_can_have_are_refused() {
    for (address, reason) in [
        (local(50), NakReason::NotInPool),
        (SERVER, NakReason::NotInPool),
        (local(0), NakReason::WrongNetwork),
        (local(255), NakReason::WrongNetwork),
        (remote(120), NakReason::WrongNetwork),
        (Ipv4Addr::UNSPECIFIED, NakReason::WrongNetwork),
        (Ipv4Addr::BROADCAST, NakReason::WrongNetwork),
    ] {
        let (nak, why) = Lan::new().hears(&client(1).selecting(address)).nak();
        assert_eq!((why, nak.yiaddr()), (reason, Ipv4Addr::UNSPECIFIED), "{address}");
    }
}

#[test]
fn item_41_a_request_that_is_sent_again_is_acked_again() {
    let mut lan = Lan::new();
    let address = lan.offers(1);
    let first = lan.hears(&client(1).selecting(address));
    let again = lan.at(4).hears(&client(1).selecting(address));
    let [before, after] = [&first, &again].map(|answer| answer.stored.as_ref().unwrap().expires);
    assert!(after >= before, "not shortened");
    assert_eq!(first.ack(), again.ack());
}

#[test]
fn item_42_who_comes_too_late_is_refused() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let address = lan.offers(1);
    assert_eq!(lan.at(31).leases(2), address);
    let (_, reason) = lan.at(32).hears(&client(1).selecting(address)).nak();
    assert_eq!(reason, NakReason::InUse);
}

#[test]
fn item_43_a_nak_holds_nothing_but_the_refusal() {
    let sent = client(1).selecting(local(50)).bios().option(61, &[1, 2, 3]).option(82, &[1, 1, 7]);
    let (nak, reason) = Lan::new().hears(&sent).nak();
    assert_eq!(nak.codes(), [53, 54, 61, 56, 82]);
    assert_eq!(nak.text(56), reason.as_str());
    for address in [nak.ciaddr(), nak.yiaddr(), nak.siaddr()] {
        assert_eq!(address, Ipv4Addr::UNSPECIFIED);
    }
    assert_eq!(nak.file(), "");
}

#[test]
fn item_44_a_nak_is_broadcast_whatever_the_client_says() {
    let mut lan = Lan::new();
    let owner = lan.leases(1);
    for sent in [
        client(2).selecting(owner),
        client(2).selecting(owner).broadcast_flag(),
        client(2).renewing(owner),
        client(2).rebinding(owner),
        client(2).renewing(Ipv4Addr::new(10, 9, 9, 9)),
        client(2).init_reboot(Ipv4Addr::new(10, 9, 9, 9)),
        Sent { ciaddr: owner, ..client(2).selecting(owner) },
    ] {
        assert_eq!(lan.hears(&sent).nak().0.destination, Destination::Broadcast, "{sent:?}");
    }
}

#[test]
fn item_45_a_nak_by_a_relay_agent_has_the_broadcast_bit() {
    let (nak, _) = Lan::new().hears(&client(1).selecting(local(150)).by_relay(RELAY)).nak();
    assert_eq!((nak.destination, nak.flags()), (routed(RELAY, 67), 0x8000));
}
