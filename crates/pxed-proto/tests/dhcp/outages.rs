//! While the store can not write: what is durable is served for what is left of it, and no more.

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{CommitError, Ignored, LeaseState};
use pxed_proto::limits;

use crate::client::{Sent, client};
use crate::lan::*;

fn outage(lan: &mut Lan) {
    lan.server.set_store_outage(true);
}

#[test]
fn a_lease_that_runs_is_acknowledged_for_what_is_left_of_it() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    outage(&mut lan);
    let renamed: fn(Sent) -> Sent = |sent| sent.option(12, b"bench-1");
    for sent in [
        client(1).renewing(own),
        client(1).rebinding(own),
        client(1).init_reboot(own),
        client(1).selecting(own),
        renamed(client(1).renewing(own)),
    ] {
        for (now, left) in [(200, 400), (590, 10)] {
            let answer = lan.at(now).hears(&sent);
            assert_eq!((answer.stored.clone(), answer.ack().seconds(51)), (None, Some(left)));
        }
    }
    let offer = lan.at(300).hears(&client(1).discover()).offer();
    assert_eq!((offer.yiaddr(), offer.seconds(51)), (own, Some(300)));
    let shorter = client(1).renewing(own).option(51, &100u32.to_be_bytes());
    assert_eq!(lan.hears(&shorter).ack().seconds(51), Some(100));
    assert_eq!(lan.active(own).unwrap().expires, second(600));
    assert!(lan.server.store_fails());
}

#[test]
fn nobody_hears_of_what_can_not_be_stored() {
    let mut lan = Lan::new();
    let (own, offered) = (lan.leases(1), lan.offers(2));
    outage(&mut lan);
    for sent in [
        client(2).selecting(offered),
        client(3).discover(),
        client(1).release(own),
        client(1).decline(own),
    ] {
        assert_eq!(lan.at(10).hears(&sent).silence(), Ignored::StoreFails, "{sent:?}");
    }
    assert!(lan.active(own).is_some(), "as the store has it");
    lan.at(601).wakes();
    assert_eq!(lan.hears(&client(1).renewing(own)).silence(), Ignored::StoreFails, "it is over");
    assert_eq!(lan.hears(&client(1).discover()).silence(), Ignored::StoreFails);
    assert_eq!(Ignored::StoreFails.label(), "store-fails");
    lan.server.set_store_outage(false);
    assert!(lan.hears(&client(1).renewing(own)).stored.is_some());
    assert_eq!(lan.offers(3).octets()[..3], own.octets()[..3]);
}

/// What is refused needs no store.
#[test]
fn who_is_wrong_is_still_told_so() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    outage(&mut lan);
    lan.hears(&client(2).init_reboot(own)).nak();
}

/// The disk may have the change that failed, and after a crash it would count: so its lease is not
/// prolonged by word of mouth.
#[test]
fn a_lease_whose_change_failed_is_in_doubt_until_the_store_works() {
    let mut lan = Lan::new();
    let (own, other) = (lan.leases(1), lan.leases(2));
    let release = lan.at(10).takes(&client(1).release(own)).commits.first().cloned().unwrap();
    assert_eq!(release.lease.state, LeaseState::Released);
    outage(&mut lan);
    lan.store_says(release.id, Err(CommitError::Failed));
    assert!(lan.active(own).is_some());
    assert_eq!(lan.hears(&client(1).renewing(own)).silence(), Ignored::StoreFails);
    lan.hears(&client(2).renewing(other)).ack();
    lan.server.set_store_outage(false);
    outage(&mut lan);
    lan.hears(&client(1).renewing(own)).ack();
}

/// Whether the disk has a renewal or not, the lease is the same client's.
#[test]
fn a_lease_whose_renewal_failed_is_served_for_what_was_left_before() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let renewal = lan.at(300).takes(&client(1).renewing(own)).commits.first().cloned().unwrap();
    outage(&mut lan);
    lan.store_says(renewal.id, Err(CommitError::Failed));
    assert_eq!(lan.hears(&client(1).renewing(own)).ack().seconds(51), Some(300));
}

#[test]
fn a_lease_that_waits_for_the_store_is_not_acknowledged_from_memory() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let commit = lan.takes(&client(1).selecting(offered)).commits.first().cloned().unwrap();
    outage(&mut lan);
    assert_eq!(lan.hears(&client(1).renewing(offered)).silence(), Ignored::StoreFails);
    lan.store_says(commit.id, Err(CommitError::Failed));
    assert!(lan.active(offered).is_none());
}

#[test]
fn a_lease_without_end_stays_so() {
    let mut lan = Lan::new();
    let endless = pxed_proto::dhcp::LeaseTime::of(pxed_proto::dhcp::LeaseTime::INFINITE);
    lan.reload(|config| config.subnets[0].lease_time = endless);
    let own = lan.leases(1);
    outage(&mut lan);
    assert_eq!(lan.active(own).unwrap().expires, Timestamp::FOREVER);
    assert_eq!(lan.at(1 << 33).hears(&client(1).renewing(own)).ack().seconds(51), Some(u32::MAX));
}

/// A store that is made anew gets every lease once, in parts, wherever it is.
#[test]
fn the_store_can_be_made_anew_from_what_is_remembered() {
    let mut lan = Lan::new();
    let mut expected: Vec<_> = (0..7).map(|number| lan.leases(number)).collect();
    lan.hears(&client(3).release(expected[3]));
    // Of a subnet that is configured no more.
    expected.push(lan.leases_as(9, |sent| sent.by_relay(RELAY)));
    lan.reload(|config| config.subnets.truncate(1));
    expected.sort();
    for most in [1, 3, 8, limits::STORE_PAGE] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = lan.server.stored_after(after, most);
            after = page.last().map(|lease| lease.address);
            found.extend(page.iter().map(|lease| lease.address));
            if page.len() < most {
                break;
            }
        }
        assert_eq!(found, expected, "{most} at once");
    }
    let all = lan.server.stored_after(None, 100);
    let released = all.iter().filter(|lease| lease.state == LeaseState::Released);
    assert_eq!(released.count(), 1);
}
