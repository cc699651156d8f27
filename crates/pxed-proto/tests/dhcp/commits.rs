//! What must be durable first: no ACK before the store has said yes, none if it says no.

use pxed_proto::Few;
use pxed_proto::dhcp::{Commit, CommitError, CommitId, Ignored, Lease, LeaseState, Output, Said};
use pxed_proto::event::{Event, Outcome};
use pxed_proto::limits::COMMITS_MAX;

use crate::client::{Client, Sent, client};
use crate::lan::*;

/// A datagram that asks the store for something.
fn commit(lan: &mut Lan, sent: &Sent) -> Commit {
    let commits = lan.takes(sent).commits;
    assert_eq!(commits.len(), 1, "{sent:?}");
    commits[0].clone()
}

fn outcome(output: &Output) -> &Outcome {
    let Some(Event::Dhcp(event)) = &output.event else { panic!("{output:?}") };
    &event.outcome
}

/// Nothing leaves, and the event says so.
fn assert_not_durable(output: &Output, lease: &Lease) {
    assert_eq!((&output.transmit, &output.commits), (&None, &Few::None));
    assert_eq!(*outcome(output), Outcome::NotDurable { address: lease.address });
}

#[test]
fn an_ack_waits_for_the_store() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let waiting = lan.takes(&client(1).selecting(offered));
    assert_eq!((&waiting.transmit, &waiting.event), (&None, &None));
    let [commit] = &waiting.commits[..] else { panic!("{waiting:?}") };
    assert_eq!((commit.lease.address, commit.lease.version), (offered, 1));
    assert_eq!(lan.server.commits_waiting(), 1);
    let done = lan.store_says(commit.id, Ok(()));
    assert_eq!(done.transmit.unwrap().message[242], 5, "an ACK");
    assert_eq!(lan.server.commits_waiting(), 0);
    let twice = lan.store_says(commit.id, Ok(()));
    assert_eq!(twice, Output::default(), "said once");
}

#[test]
fn commits_that_nobody_made_are_nothing() {
    let output = Lan::new().store_says(CommitId(7), Err(CommitError::Failed));
    assert_eq!(output, Output::default());
}

#[test]
fn a_failed_commit_sends_nothing_and_leases_nothing() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let failed = commit(&mut lan, &client(1).selecting(offered));
    let output = lan.store_says(failed.id, Err(CommitError::Failed));
    assert_not_durable(&output, &failed.lease);
    let text = match output.event {
        Some(Event::Dhcp(event)) => event.done().to_string(),
        event => panic!("{event:?}"),
    };
    assert!(text.ends_with("the lease could not be stored"), "{text}");
    assert!(lan.active(offered).is_none());
    let again = commit(&mut lan, &client(1).selecting(offered));
    assert_eq!(again.lease.version, 1, "it replaces no row");
    assert!(lan.store_says(again.id, Ok(())).transmit.is_some());
}

#[test]
fn a_failed_commit_leaves_the_table_as_it_was() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let own = lan.leases(1);
    let before = lan.active(own).cloned().unwrap();
    lan.at(300);
    for sent in [client(1).renewing(own), client(1).release(own)] {
        let failed = commit(&mut lan, &sent);
        assert_eq!(failed.lease.version, 2);
        assert_not_durable(&lan.store_says(failed.id, Err(CommitError::Failed)), &failed.lease);
        assert_eq!(lan.active(own), Some(&before), "{sent:?}");
    }
    assert!(lan.hears(&client(2).discover()).reply.is_none());
    let expired = lan.at(600).wakes();
    assert!(matches!(expired[..], [Event::Expired { address, .. }] if address == own));
}

#[test]
fn a_failed_decline_leaves_the_lease() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let failed = commit(&mut lan, &client(1).decline(own));
    assert_eq!(failed.lease.state, LeaseState::Declined);
    assert_not_durable(&lan.store_says(failed.id, Err(CommitError::Failed)), &failed.lease);
    assert!(lan.active(own).is_some());
}

#[test]
fn release_and_decline_are_events_when_they_are_durable() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let released = commit(&mut lan, &client(1).release(own));
    let output = lan.store_says(released.id, Ok(()));
    assert_eq!(output.transmit, None);
    assert_eq!(*outcome(&output), Outcome::Released { address: own });
    let own = lan.leases(1);
    let declined = commit(&mut lan, &client(1).decline(own));
    let output = lan.store_says(declined.id, Ok(()));
    assert_eq!(output.transmit, None);
    assert!(matches!(outcome(&output), Outcome::Declined { address, .. } if *address == own));
}

#[test]
fn an_address_is_taken_while_its_commit_is_under_way() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let offered = lan.offers(1);
    commit(&mut lan, &client(1).selecting(offered));
    assert!(lan.hears(&client(2).discover()).reply.is_none());
    lan.hears(&client(2).selecting(offered)).nak();
}

#[test]
fn a_request_that_is_sent_again_meanwhile_is_acked_twice() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let commits = [(); 2].map(|()| commit(&mut lan, &client(1).selecting(offered)));
    assert_eq!([1, 2], [0, 1].map(|i: usize| commits[i].lease.version));
    let replies = commits.map(|commit| lan.store_says(commit.id, Ok(())).transmit.unwrap());
    assert_eq!(replies[0], replies[1]);
}

#[test]
fn a_change_on_top_of_another_fails_with_it() {
    for error in [CommitError::Failed, CommitError::Conflict(None)] {
        let mut lan = Lan::with_pool(local(100), local(100));
        let offered = lan.offers(1);
        let below = commit(&mut lan, &client(1).selecting(offered));
        let on_top = commit(&mut lan, &client(1).release(offered));
        assert_not_durable(&lan.store_says(below.id, Err(error.clone())), &below.lease);
        assert!(lan.active(offered).is_none());
        assert_eq!(lan.leases(2), offered, "free again, and leased by another");
        assert_not_durable(&lan.store_says(on_top.id, Err(error)), &on_top.lease);
        assert_eq!(lan.active(offered).unwrap().hardware, client(2).mac().into());
    }
}

#[test]
fn a_change_below_that_holds_survives_one_on_top_that_fails() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let below = commit(&mut lan, &client(1).selecting(offered));
    let on_top = commit(&mut lan, &client(1).release(offered));
    assert!(lan.store_says(below.id, Ok(())).transmit.is_some());
    assert_not_durable(&lan.store_says(on_top.id, Err(CommitError::Failed)), &on_top.lease);
    assert_eq!(lan.active(offered), Some(&below.lease));
}

/// A sync that reports an error may have written all the same.
#[test]
fn a_change_whose_failed_predecessor_is_in_the_store_after_all_counts() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let below = commit(&mut lan, &client(1).selecting(offered));
    let on_top = commit(&mut lan, &client(1).selecting(offered));
    assert_not_durable(&lan.store_says(below.id, Err(CommitError::Failed)), &below.lease);
    assert!(lan.store_says(on_top.id, Ok(())).transmit.is_some());
    assert_eq!(lan.active(offered), Some(&on_top.lease));
}

#[test]
fn a_change_that_counts_after_all_leaves_the_offer_made_since() {
    let mut lan = Lan::with_pool(local(100), local(101));
    let own = lan.leases(1);
    let below = commit(&mut lan, &client(1).selecting(own));
    let on_top = commit(&mut lan, &client(1).decline(own));
    let newer = lan.offers(1);
    lan.store_says(below.id, Err(CommitError::Failed));
    lan.store_says(on_top.id, Ok(()));
    assert!(lan.hears(&client(2).discover()).reply.is_none(), "one declined, one held");
    lan.hears(&client(1).selecting(newer)).ack();
}

#[test]
fn the_winners_row_is_taken_over() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let lost = commit(&mut lan, &client(1).selecting(offered));
    let winner = row_of(client(7), &lost.lease);
    let conflict = CommitError::Conflict(Some(winner.clone()));
    assert_not_durable(&lan.store_says(lost.id, Err(conflict)), &lost.lease);
    assert_eq!(lan.active(offered), Some(&winner));
    lan.hears(&client(1).selecting(offered)).nak();
    assert_ne!(lan.offers(1), offered);
    let renewed = commit(&mut lan, &client(7).renewing(offered));
    assert_eq!(renewed.lease.version, winner.version + 1);
}

#[test]
fn a_row_that_is_gone_from_the_store_is_gone() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let renewal = commit(&mut lan, &client(1).renewing(own));
    let output = lan.store_says(renewal.id, Err(CommitError::Conflict(None)));
    assert_not_durable(&output, &renewal.lease);
    assert!(lan.active(own).is_none());
    assert_eq!(commit(&mut lan, &client(1).selecting(own)).lease.version, 1);
}

#[test]
fn what_was_offered_meanwhile_is_not_lost_by_a_failure() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let offered = lan.offers(1);
    let below = commit(&mut lan, &client(1).selecting(offered));
    let on_top = commit(&mut lan, &client(1).release(offered));
    assert_eq!(lan.offers(2), offered);
    lan.store_says(below.id, Err(CommitError::Failed));
    lan.store_says(on_top.id, Err(CommitError::Failed));
    assert!(lan.hears(&client(3).discover()).reply.is_none(), "held for client 2");
    lan.hears(&client(2).selecting(offered)).ack();
    assert!(lan.at(599).hears(&client(3).discover()).reply.is_none());
    assert_eq!(lan.at(601).offers(3), offered);
}

/// The client that got no ACK asks again in a second or two, and is to find what it was offered.
#[test]
fn what_could_not_be_leased_is_held_again() {
    for doubled in [false, true] {
        for error in [CommitError::Failed, CommitError::Conflict(None)] {
            let mut lan = Lan::with_pool(local(100), local(100));
            let offered = lan.offers(1);
            let failed = commit(&mut lan, &client(1).selecting(offered));
            if doubled {
                assert_eq!(lan.offers(1), offered, "a DISCOVER that came twice");
            }
            lan.at(25).store_says(failed.id, Err(error));
            assert_eq!(lan.server.offers(), 1);
            assert!(lan.at(54).hears(&client(2).discover()).reply.is_none(), "held for client 1");
            lan.hears(&client(1).selecting(offered)).ack();
        }
    }
}

#[test]
fn what_could_not_be_leased_is_not_held_for_ever() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let offered = lan.offers(1);
    let failed = commit(&mut lan, &client(1).selecting(offered));
    lan.store_says(failed.id, Err(CommitError::Failed));
    lan.at(30).wakes();
    assert_eq!(lan.server.offers(), 0);
    assert_eq!(lan.offers(2), offered);
}

/// The client had the address before, and its lease ends while the client waits for the ACK.
#[test]
fn a_renewal_that_could_not_be_stored_keeps_the_address_a_while() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let own = lan.leases(1);
    let failed = commit(lan.at(599), &client(1).rebinding(own));
    lan.at(602).store_says(failed.id, Err(CommitError::Failed));
    assert!(lan.active(own).is_none());
    assert!(lan.at(603).hears(&client(2).discover()).reply.is_none());
    lan.hears(&client(1).rebinding(own)).ack();
}

#[test]
fn what_fails_is_held_for_whom_it_was_to_be_last() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let offered = lan.offers(1);
    let first = commit(&mut lan, &client(1).selecting(offered));
    let released = commit(&mut lan, &client(1).release(offered));
    assert_eq!(lan.offers(2), offered);
    let second = commit(&mut lan, &client(2).selecting(offered));
    for failed in [first, released, second] {
        lan.store_says(failed.id, Err(CommitError::Failed));
        assert!(lan.hears(&client(3).discover()).reply.is_none());
    }
    assert!(lan.hears(&client(1).discover()).reply.is_none());
    lan.hears(&client(2).selecting(offered)).ack();
}

/// What is taken back is one address, and an offer of another is not its business.
#[test]
fn a_failure_leaves_the_clients_newer_offer() {
    let mut lan = Lan::with_pool(local(100), local(101));
    let old = lan.leases(1);
    let failed = commit(lan.at(700), &client(2).selecting(old));
    assert_eq!(failed.lease.address, old);
    let newer = lan.offers(1);
    assert_ne!(newer, old);
    lan.store_says(failed.id, Err(CommitError::Failed));
    assert_eq!(lan.server.offers(), 2, "one for each client");
    assert!(lan.hears(&client(3).discover()).reply.is_none());
    lan.hears(&client(2).selecting(old)).ack();
    lan.hears(&client(1).selecting(newer)).ack();
}

/// Where a lease that is over stands below, the offer of it stays as well.
#[test]
fn what_was_offered_meanwhile_survives_an_old_row_that_comes_back() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let only = lan.leases(1);
    lan.at(700).offers(2);
    let below = commit(&mut lan, &client(2).selecting(only));
    let on_top = commit(&mut lan, &client(2).release(only));
    assert_eq!(lan.offers(3), only);
    lan.store_says(below.id, Err(CommitError::Failed));
    lan.store_says(on_top.id, Err(CommitError::Failed));
    assert!(lan.hears(&client(1).discover()).reply.is_none(), "held for client 3");
    lan.hears(&client(3).selecting(only)).ack();
}

#[test]
fn a_store_that_stalls_is_not_given_more_than_it_may_have() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    lan.reload(|config| {
        config.subnets[0].pools = pool(local(200), local(249));
        config.subnets[0].rates.machine = 0;
    });
    let moved = lan.offers(1);
    let others = lan.leases(2);
    let commits: Vec<_> =
        (1..COMMITS_MAX).map(|_| commit(&mut lan, &client(2).renewing(others)).id).collect();
    let gives_up = client(1).selecting(moved);
    assert_eq!(lan.hears(&gives_up).silence(), Ignored::Busy, "this one needs two");
    let last = commit(&mut lan, &client(1).release(own));
    assert_eq!(lan.server.commits_waiting(), COMMITS_MAX);
    for sent in [client(2).renewing(others), client(2).release(others), client(2).decline(others)] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::Busy);
    }
    assert_eq!(Ignored::Busy.label(), "busy");
    lan.hears(&client(3).discover()).offer();
    lan.hears(&client(3).init_reboot(remote(130))).nak();
    for id in commits {
        lan.store_says(id, Err(CommitError::Failed));
    }
    lan.store_says(last.id, Ok(()));
    assert_eq!(lan.server.commits_waiting(), 0);
    lan.hears(&client(2).renewing(others)).ack();
}

/// Another server's lease of the same address.
fn row_of(winner: Client, lost: &Lease) -> Lease {
    let hardware = winner.mac().into();
    Lease { hardware, said: Said::default(), version: 5, ..lost.clone() }
}
