//! Item 131: another configuration, and what stays.

use std::sync::Arc;
use std::time::Duration;

use pxed_proto::dhcp::{
    AddressState, CommitError, Config, Ignored, Link, LinkId, NakReason, RequestState, Subnet,
};
use pxed_proto::event::{Event, Outcome};
use pxed_proto::net::Ipv4Net;

use crate::client::client;
use crate::lan::*;

/// The pool becomes the other half of the network.
fn shrink(lan: &mut Lan) {
    lan.reload(|config| config.subnets[0].pools = pool(local(200), local(249)));
}

#[test]
fn item_131_a_lease_outside_a_shrunken_pool_runs_out() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    lan.at(100);
    shrink(&mut lan);
    for (seconds, left) in [(100, 500), (300, 300), (599, 1)] {
        let answer = lan.at(seconds).hears(&client(1).renewing(own));
        assert_eq!(answer.stored.as_ref().unwrap().expires, second(600));
        assert_eq!(answer.ack().seconds(51), Some(left));
    }
    let late = client(1).renewing(own);
    let almost = second(599) + Duration::from_millis(1);
    let plan = lan.server.plan(almost, LinkId(0), &late.arrival, &late.bytes());
    let reason = NakReason::NotInPool;
    assert_eq!(plan.event.outcome, Outcome::Refused { address: Some(own), reason }, "no time left");
    let rebooting = lan.at(590).hears(&client(1).init_reboot(own)).ack();
    assert_eq!(rebooting.seconds(51), Some(10));
    for sent in [client(1).renewing(own), client(1).init_reboot(own)] {
        assert_eq!(lan.at(600).hears(&sent).nak().1, NakReason::NotInPool);
    }
    assert!(matches!(lan.wakes()[..], [Event::Expired { address, .. }] if address == own));
    assert_eq!(lan.leases(1), local(200));
}

#[test]
fn item_131_who_asks_anew_leaves_the_shrunken_pool() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    lan.at(100);
    shrink(&mut lan);
    assert_eq!(lan.offers(1), local(200));
    let answer = lan.hears(&client(1).selecting(local(200)));
    assert_eq!(answer.freed.as_ref().map(|lease| lease.address), Some(own));
    answer.ack();
    assert_eq!(lan.hears(&client(2).discover().address(50, own)).offer().yiaddr(), local(201));
}

#[test]
fn leases_and_offers_stay() {
    let mut lan = Lan::new();
    let (own, offered) = (lan.leases(1), lan.offers(2));
    lan.at(10).reload(|_| {});
    assert_eq!((lan.active(own).is_some(), lan.server.offers()), (true, 1));
    assert_ne!(lan.offers(3), offered);
    lan.hears(&client(2).selecting(offered)).ack();
    lan.hears(&client(1).renewing(own)).ack();
    assert_eq!(lan.server.poll_timeout(), Some(second(40)), "the hold of client 3");
}

#[test]
fn an_offer_of_what_the_client_has_ends_the_offer_before() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let whole = Arc::clone(lan.server.config());
    shrink(&mut lan);
    assert_eq!(lan.offers(1), local(200));
    lan.reload(|config| *config = (*whole).clone());
    assert_eq!((lan.offers(1), lan.server.offers()), (own, 0));
    assert_eq!(
        lan.hears(&client(2).discover().address(50, local(200))).offer().yiaddr(),
        local(200)
    );
}

#[test]
fn an_offer_that_can_not_be_kept_is_forgotten() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    shrink(&mut lan);
    assert_eq!(lan.server.offers(), 0);
    assert_eq!(lan.hears(&client(1).selecting(offered)).nak().1, NakReason::NotInPool);
    assert_eq!(lan.leases(1), local(200));
}

#[test]
fn item_131_a_request_in_flight_is_still_acked() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let [commit] = &lan.takes(&client(1).selecting(offered)).commits[..] else { panic!() };
    shrink(&mut lan);
    let done = lan.store_says(commit.id, Ok(()));
    assert_eq!(done.transmit.unwrap().message[242], 5, "an ACK");
    assert!(lan.active(offered).is_some());
    assert_eq!(lan.server.commits_waiting(), 0);
}

#[test]
fn a_request_in_flight_that_fails_after_a_reload_is_taken_back() {
    for gone in [false, true] {
        let mut lan = Lan::new();
        let offered = lan.offers(1);
        let [commit] = &lan.takes(&client(1).selecting(offered)).commits[..] else { panic!() };
        let whole = Arc::clone(lan.server.config());
        lan.reload(|config| config.subnets.truncate(if gone { 0 } else { 2 }));
        assert_eq!(lan.store_says(commit.id, Err(CommitError::Failed)).transmit, None);
        lan.server.reconfigure(whole, second(0));
        assert!(lan.active(offered).is_none());
        let again = lan.takes(&client(1).selecting(offered)).commits;
        assert_eq!(again[0].lease.version, 1);
    }
}

#[test]
fn a_reply_in_flight_leaves_by_the_link_of_the_same_name() {
    for (first, link) in [("new", Some(LinkId(1))), ("lan", Some(LinkId(0)))] {
        let mut lan = Lan::new();
        let offered = lan.offers(1);
        let [commit] = &lan.takes(&client(1).selecting(offered)).commits[..] else { panic!() };
        lan.reload(|config| {
            let other = Link { name: Arc::from("new"), addresses: vec![], mtu: 1500 };
            let at = if first == "new" { 0 } else { 1 };
            config.links.insert(at, other);
            config.subnets[0].link = link;
        });
        let done = lan.store_says(commit.id, Ok(()));
        assert_eq!(done.transmit.map(|transmit| transmit.link), link);
    }
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let [commit] = &lan.takes(&client(1).selecting(offered)).commits[..] else { panic!() };
    lan.reload(|config| config.links[0].name = Arc::from("new"));
    let done = lan.store_says(commit.id, Ok(()));
    assert_eq!(done.transmit, None, "its link is gone");
    assert!(matches!(done.event, Some(Event::Dhcp(event))
        if matches!(event.outcome, Outcome::Acked { state: RequestState::Selecting, .. })));
}

#[test]
fn leases_of_a_subnet_that_goes_away_come_back_with_it() {
    let mut lan = Lan::new();
    let own = lan.leases_as(1, |sent| sent.by_relay(RELAY));
    let behind_relay = lan.server.config().subnets[1].clone();
    lan.at(100).reload(|config| drop(config.subnets.pop()));
    assert!(lan.active(own).is_none());
    assert_eq!(lan.hears(&client(1).discover().by_relay(RELAY)).silence(), Ignored::NoSubnet);
    lan.at(200).reload(|_| {});
    lan.at(300).reload(|config| config.subnets.insert(0, behind_relay));
    assert_eq!(lan.active(own).map(|lease| lease.expires), Some(second(600)));
    let other = lan.hears(&client(2).discover().by_relay(RELAY).address(50, own)).offer();
    assert_ne!(other.yiaddr(), own);
    let answer = lan.hears(&client(1).renewing(own));
    assert_eq!(answer.stored.as_ref().map(|lease| lease.version), Some(2));
    answer.ack();
}

#[test]
fn a_thousand_reloads_lose_nothing() {
    let mut lan = Lan::new();
    let own: Vec<_> = (0..50).map(|number| lan.leases(number)).collect();
    let offered = lan.offers(60);
    for round in 0..1000u64 {
        lan.at(round / 100).reload(|config| config.subnets.reverse());
    }
    for (number, own) in (0..).zip(own) {
        lan.hears(&client(number).renewing(own)).ack();
    }
    lan.hears(&client(60).selecting(offered)).ack();
    assert_eq!(lan.server.active_leases(second(10)).count(), 51);
}

/// A reload that comes between a lease's end and the moment in which it is told.
#[test]
fn what_has_just_ended_is_told_after_a_reload() {
    for change in [|_: &mut Config| {}, |config: &mut Config| config.subnets.reverse()] {
        let mut lan = Lan::new();
        let own = lan.leases(1);
        lan.at(600).reload(change);
        assert!(matches!(lan.wakes()[..], [Event::Expired { address, .. }] if address == own));
    }
}

/// Leases are of the smallest network around them, whichever that is from now on.
#[test]
fn leases_of_a_part_that_becomes_a_subnet_move_there_and_back() {
    let mut lan = Lan::new();
    let (own, wish) = (lan.leases(1), local(200));
    lan.hears(&client(2).discover().address(50, wish)).offer();
    lan.hears(&client(2).selecting(wish)).ack();
    let whole = Arc::clone(lan.server.config());
    let upper = Ipv4Net::new(local(128), 25).unwrap();
    lan.reload(|config| {
        let pools = pool(local(128), local(249));
        let part = Subnet { net: upper, pools, ..config.subnets[0].clone() };
        config.subnets.insert(0, part);
    });
    let known = |lan: &Lan| -> Vec<_> {
        let known = lan.server.known_addresses(None, second(1));
        known.map(|known| (known.address, known.subnet, known.state)).collect()
    };
    let net = whole.subnets[0].net;
    let leased = AddressState::Leased;
    assert_eq!(known(&lan), [(own, net, leased), (wish, upper, leased)]);
    lan.reload(|config| *config = (*whole).clone());
    assert_eq!(known(&lan), [(own, net, leased), (wish, net, leased)]);
    lan.hears(&client(2).renewing(wish)).ack();
}

#[test]
fn a_pool_that_is_cut_keeps_what_is_free_for_longest() {
    let mut lan = Lan::with_pool(local(100), local(103));
    for (number, seconds) in [(1, 0), (2, 3), (3, 2), (4, 1)] {
        let own = lan.at(seconds).leases(number);
        lan.hears(&client(number).release(own));
    }
    // 100 is free since 0, 103 since 1, 102 since 2, 101 since 3: whoever comes anew has the first.
    lan.at(10).reload(|config| {
        let (high, low) = (pool(local(102), local(103)), pool(local(100), local(101)));
        config.subnets[0].pools = [high, low].concat();
    });
    let offers: Vec<_> = (11..15).map(|number| lan.offers(number)).collect();
    assert_eq!(offers, [100, 103, 102, 101].map(local));
}
