//! Items 31, 48, 49, 53 and 144: what a subnet decides for itself.

use std::time::Duration;

use pxed_proto::dhcp::{Ignored, Mode, NakReason, RequestState};
use pxed_proto::event::Outcome;

use crate::client::{Sent, client};
use crate::lan::*;

#[test]
fn a_subnet_that_is_off_is_silent() {
    let mut lan = Lan::with(|subnet| subnet.mode = Mode::Off);
    for sent in [
        client(1).discover(),
        client(1).selecting(local(100)),
        client(1).init_reboot(local(100)),
        client(1).init_reboot(remote(100)),
        client(1).renewing(local(100)),
        client(1).release(local(100)),
        client(1).inform(local(77)),
    ] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::SubnetOff);
    }
    let elsewhere = lan.leases_as(1, |sent| sent.by_relay(RELAY));
    assert_eq!(elsewhere, remote(100), "another one is not");
}

#[test]
fn item_31_a_standby_answers_those_who_have_waited() {
    let mut lan = Lan::with(|subnet| subnet.min_secs = 4);
    let waited = |secs| Sent { secs, ..client(1).discover() };
    for secs in [0, 3] {
        assert_eq!(lan.hears(&waited(secs)).silence(), Ignored::StandingBy);
    }
    assert_eq!(lan.server.offers(), 0);
    let offered = lan.hears(&waited(4)).offer().yiaddr();
    lan.hears(&client(1).selecting(offered)).ack();
    lan.at(300).hears(&client(1).renewing(offered)).ack();
}

#[test]
fn item_31_an_offer_may_wait_and_nothing_else_does() {
    let delay = Duration::from_millis(500);
    let mut lan = Lan::with(|subnet| subnet.offer_delay = delay);
    let offer = lan.hears(&client(1).discover()).offer();
    assert_eq!(offer.delay, delay);
    let ack = lan.hears(&client(1).selecting(offer.yiaddr())).ack();
    let (nak, _) = lan.hears(&client(2).selecting(offer.yiaddr())).nak();
    let inform = lan.hears(&client(3).inform(local(77))).ack();
    assert_eq!([ack, nak, inform].map(|reply| reply.delay), [Duration::ZERO; 3]);
    assert_eq!(Lan::new().hears(&client(1).discover()).offer().delay, Duration::ZERO);
}

#[test]
fn item_48_who_is_not_authoritative_refuses_no_other_network() {
    let mut lan = Lan::with(|subnet| subnet.authoritative = false);
    for sent in [
        client(1).init_reboot(remote(100)),
        client(1).rebinding(remote(100)),
        client(1).renewing(std::net::Ipv4Addr::new(10, 9, 9, 9)),
    ] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::UnknownClient);
    }
    let own = lan.leases(1);
    let (_, reason) = lan.hears(&client(2).init_reboot(own)).nak();
    assert_eq!(reason, NakReason::InUse, "of its own addresses it knows");
    let (_, reason) = lan.hears(&client(1).selecting(remote(100))).nak();
    assert_eq!(reason, NakReason::WrongNetwork, "it was asked by name");
}

#[test]
fn items_49_and_53_adopting_is_a_switch() {
    let remembering = |address| {
        [client(1).init_reboot(address), client(1).renewing(address), client(1).rebinding(address)]
    };
    for sent in remembering(local(130)) {
        assert_eq!(Lan::new().hears(&sent).silence(), Ignored::UnknownClient);
        let mut lan = Lan::with(|subnet| subnet.adopt = true);
        let answer = lan.hears(&sent);
        assert!(matches!(answer.event.outcome, Outcome::Acked { .. }));
        assert_eq!(answer.stored.as_ref().map(|lease| lease.version), Some(1));
        assert_eq!(answer.ack().yiaddr(), local(130));
        assert_eq!(lan.hears(&client(2).init_reboot(local(130))).nak().1, NakReason::InUse);
    }
    for sent in remembering(local(99)) {
        let mut lan = Lan::with(|subnet| subnet.adopt = true);
        assert_eq!(lan.hears(&sent).silence(), Ignored::UnknownClient, "in no pool");
    }
}

#[test]
fn item_49_who_is_known_by_another_address_is_not_adopted() {
    let mut lan = Lan::with(|subnet| subnet.adopt = true);
    lan.leases(1);
    assert_eq!(lan.hears(&client(1).init_reboot(local(200))).nak().1, NakReason::NotYours);
}

#[test]
fn the_subnet_says_how_long_an_offer_is_held() {
    let mut lan = Lan::with(|subnet| {
        subnet.pools = pool(local(100), local(100));
        subnet.offer_hold = Duration::from_secs(5);
    });
    lan.offers(1);
    assert_eq!(lan.at(4).hears(&client(2).discover()).silence(), Ignored::PoolExhausted);
    assert_eq!(lan.at(5).offers(2), local(100));
    assert_eq!(lan.server.poll_timeout(), Some(second(10)));
}

#[test]
fn the_subnet_says_how_long_a_declined_address_rests() {
    let probation = Duration::from_secs(7);
    let mut lan = Lan::with(|subnet| {
        subnet.pools = pool(local(100), local(100));
        subnet.decline_probation = probation;
    });
    let own = lan.leases(1);
    let answer = lan.hears(&client(1).decline(own));
    assert_eq!(answer.event.outcome, Outcome::Declined { address: own, probation });
    assert_eq!(answer.change().expires, second(7));
    assert_eq!(lan.at(6).hears(&client(2).discover()).silence(), Ignored::PoolExhausted);
    assert_eq!(lan.at(7).offers(2), own);
}

#[test]
fn a_renewal_through_the_relay_agents_subnet_is_one() {
    let mut lan = Lan::new();
    let own = lan.leases_as(1, |sent| sent.by_relay(RELAY));
    let answer = lan.at(300).hears(&client(1).renewing(own));
    let Outcome::Acked { state, .. } = answer.event.outcome else { panic!("{answer:?}") };
    assert_eq!(state, RequestState::Renewing);
    let ack = answer.ack();
    assert_eq!((ack.destination, ack.addresses(3)), (routed(own, 68), vec![remote(254)]));
    assert_eq!(lan.hears(&client(1).release(own)).change().address, own);
}
