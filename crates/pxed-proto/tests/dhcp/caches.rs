//! Item 58: renewals that come early are answered without the disk.

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{LeaseTime, NakReason};

use crate::client::{Sent, client};
use crate::lan::*;

/// Leases of 600 s; a renewal in the first quarter is early.
fn lan() -> Lan {
    Lan::with(|subnet| subnet.lease_cache = 25)
}

#[test]
fn item_58_an_early_renewal_is_acked_for_what_is_left_and_not_written() {
    let mut lan = lan();
    let own = lan.leases(1);
    for sent in [client(1).renewing(own), client(1).rebinding(own), client(1).init_reboot(own)] {
        for (now, left) in [(1, 599), (149, 451)] {
            let answer = lan.at(now).hears(&sent);
            assert_eq!(answer.stored, None, "{now}");
            let ack = answer.ack();
            assert_eq!((ack.yiaddr(), ack.seconds(51)), (own, Some(left)));
            assert_eq!((ack.seconds(58), ack.seconds(59)), (Some(left / 2), Some(left * 7 / 8)));
        }
    }
    assert_eq!(lan.active(own).unwrap().expires, second(600), "never longer than stored");
    let answer = lan.at(150).hears(&client(1).renewing(own));
    assert_eq!(answer.stored.as_ref().unwrap().expires, second(750));
    assert_eq!(answer.ack().seconds(51), Some(600));
}

#[test]
fn item_58_without_the_cache_every_renewal_is_written() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let answer = lan.at(1).hears(&client(1).renewing(own));
    assert_eq!(answer.stored.as_ref().unwrap().expires, second(601));
}

#[test]
fn item_58_no_more_is_promised_than_was_asked_for() {
    let mut lan = lan();
    let own = lan.leases(1);
    let shorter = client(1).renewing(own).option(51, &100u32.to_be_bytes());
    let answer = lan.at(1).hears(&shorter);
    assert_eq!((answer.stored.clone(), answer.ack().seconds(51)), (None, Some(100)));
    let longer = client(1).renewing(own).option(51, &3600u32.to_be_bytes());
    let answer = lan.hears(&longer);
    assert_eq!((answer.stored.clone(), answer.ack().seconds(51)), (None, Some(599)));
}

#[test]
fn item_58_what_has_changed_is_written() {
    let mut lan = lan();
    let own = lan.leases(1);
    let named = client(1).renewing(own).option(12, b"bench-1");
    let stored = lan.at(1).hears(&named).stored.unwrap();
    assert_eq!(stored.host_name(), Some("bench-1"));
    assert_eq!(lan.hears(&named).stored, None);
    let by_relay = |sent: Sent| sent.option(82, &[1, 1, 7]).by_relay(RELAY);
    lan.reload(|config| config.subnets[1].lease_cache = 25);
    let there = lan.leases_as(2, by_relay);
    assert_eq!(lan.hears(&client(2).renewing(there)).stored, None, "behind its relay agent");
    let other_port = client(2).rebinding(there).option(82, &[1, 1, 9]).by_relay(RELAY);
    assert!(lan.hears(&other_port).stored.is_some());
}

#[test]
fn item_58_a_lease_that_the_store_has_not_answered_is_written_again() {
    let mut lan = lan();
    let own = lan.offers(1);
    let first = lan.takes(&client(1).selecting(own)).commits;
    let second = lan.takes(&client(1).renewing(own)).commits;
    assert_eq!((first.len(), second.len()), (1, 1));
    lan.store_says(first[0].id, Ok(()));
    lan.store_says(second[0].id, Ok(()));
    assert_eq!(lan.hears(&client(1).renewing(own)).stored, None);
}

#[test]
fn item_58_an_offer_that_is_taken_is_of_a_whole_lease() {
    let mut lan = lan();
    lan.leases(1);
    let offer = lan.at(10).hears(&client(1).discover()).offer();
    let answer = lan.hears(&client(1).selecting(offer.yiaddr()));
    assert!(answer.stored.is_some());
    assert_eq!((offer.seconds(51), answer.ack().seconds(51)), (Some(600), Some(600)));
}

#[test]
fn item_58_a_lease_that_is_over_or_has_no_end() {
    let mut lan = lan();
    let own = lan.leases(1);
    assert!(lan.at(601).hears(&client(1).renewing(own)).stored.is_some(), "it is over");
    assert_eq!(lan.hears(&client(2).renewing(own)).nak().1, NakReason::InUse);
    let endless = LeaseTime::of(LeaseTime::INFINITE);
    lan.reload(|config| config.subnets[0].lease_time = endless);
    let other = lan.leases(3);
    assert_eq!(lan.active(other).unwrap().expires, Timestamp::FOREVER);
    let answer = lan.at(1 << 32).hears(&client(3).renewing(other));
    assert_eq!((answer.stored.clone(), answer.ack().seconds(51)), (None, Some(u32::MAX)));
}
