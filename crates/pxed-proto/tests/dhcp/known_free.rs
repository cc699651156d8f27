//! What a probe found is known of the right address, for the right client, for as long as it is so.

use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::dhcp::{CommitError, LinkId, Probe};
use pxed_proto::event::{Event, Outcome};
use pxed_proto::limits;
use pxed_proto::net::Mac;

use crate::client::client;
use crate::lan::*;

const WAIT: Duration = Duration::from_millis(30);
const STRANGER: Mac = Mac([2, 0xbd, 0, 0, 0, 1]);

/// One address, or as many as up to `last`; what was declined rests for ten seconds.
fn lan_up_to(last: u8) -> Lan {
    Lan::with(|subnet| {
        subnet.conflict_probe = Some(WAIT);
        subnet.pools = pool(local(100), local(last));
        subnet.decline_probation = Duration::from_secs(10);
    })
}

fn asks(lan: &mut Lan, number: u32) -> Probe {
    lan.takes(&client(number).discover()).probe.unwrap()
}

fn assert_probed(lan: &mut Lan, number: u32) {
    let output = lan.takes(&client(number).discover());
    assert!(output.probe.is_some(), "offered unprobed: {:?}", output.event);
}

#[test]
fn what_a_client_answers_for_itself_is_not_free_for_others() {
    for late in [false, true] {
        let mut lan = lan_up_to(100);
        let probe = asks(&mut lan, 1);
        if late {
            lan.probed(&probe, None);
        }
        lan.probed(&probe, Some(client(1).mac()));
        lan.at(31).wakes();
        assert_probed(&mut lan, 2);
    }
}

#[test]
fn what_was_found_free_is_not_so_after_a_conflict() {
    let mut lan = lan_up_to(100);
    let probe = asks(&mut lan, 1);
    lan.probed(&probe, None);
    assert_eq!(lan.probed(&probe, Some(STRANGER)).found.len(), 1);
    lan.at(11).wakes();
    assert_probed(&mut lan, 2);
}

#[test]
fn what_was_found_free_is_not_so_after_a_conflict_that_could_not_be_stored() {
    let mut lan = lan_up_to(100);
    let probe = asks(&mut lan, 1);
    lan.probed(&probe, None);
    let output = lan.server.probed(&probe, Some(STRANGER), second(0));
    lan.server.committed(output.commits[0].id, Err(CommitError::Failed), second(0));
    assert_probed(&mut lan, 2);
}

#[test]
fn a_declined_address_is_probed_when_it_has_rested() {
    for next in [1, 2] {
        let mut lan = lan_up_to(100);
        let probe = asks(&mut lan, 1);
        lan.probed(&probe, None);
        lan.hears(&client(1).selecting(local(100))).ack();
        lan.hears(&client(1).decline(local(100))).change();
        lan.at(11).wakes();
        assert_probed(&mut lan, next);
    }
}

/// Whoever says by ARP to be another machine takes no offer from it.
#[test]
fn a_conflict_leaves_the_offer_of_who_answered() {
    let mut lan = lan_up_to(101);
    let probe = asks(&mut lan, 9);
    lan.probed(&probe, None);
    assert_eq!(probe.address, local(100));
    let probe = asks(&mut lan, 1);
    assert_eq!(probe.address, local(101));
    lan.probed(&probe, Some(client(9).mac()));
    lan.hears(&client(1).selecting(local(100))).nak();
    lan.hears(&client(9).selecting(local(100))).ack();
}

#[test]
fn who_took_another_servers_offer_is_made_none() {
    let mut lan = lan_up_to(100);
    let probe = asks(&mut lan, 1);
    let request = client(1).request().address(54, OTHER_SERVER).address(50, local(50));
    lan.hears(&request).silence();
    let output = lan.probed(&probe, None).output;
    assert_eq!((lan.server.offers(), output.transmit), (0, None));
    assert!(output.event.is_some(), "the DISCOVER is told of");
}

#[test]
fn what_a_stranger_has_is_not_offered_while_the_store_has_no_room() {
    let mut lan = lan_up_to(109);
    lan.reload(|config| config.subnets[0].conflict_probe = None);
    let own: Ipv4Addr = lan.leases(77);
    lan.reload(|config| config.subnets[0].conflict_probe = Some(WAIT));
    let probe = asks(&mut lan, 1);
    let (sent, now) = (client(77).renewing(own), second(0));
    let bytes = sent.bytes();
    let plan = lan.server.plan(now, LinkId(0), &sent.arrival, &bytes);
    for _ in 0..limits::COMMITS_MAX {
        lan.server.apply(plan.clone(), now);
    }
    let output = lan.server.probed(&probe, Some(STRANGER), now);
    assert_eq!(output.transmit, None);
    let Some(Event::Dhcp(event)) = output.event else { panic!("no event") };
    assert!(matches!(event.outcome, Outcome::Ignored(_)), "{:?}", event.outcome);
}

/// An initial RAM disk leases an address and never renews it: its machine has it still.
#[test]
fn who_outlived_its_lease_is_offered_its_address_again() {
    let mut lan = lan_up_to(101);
    let probe = asks(&mut lan, 1);
    lan.probed(&probe, None);
    lan.hears(&client(1).selecting(local(100))).ack();
    lan.at(700).wakes();
    let probe = lan.takes(&client(2).discover().address(50, local(100))).probe.unwrap();
    let next = lan.probed(&probe, Some(client(1).mac())).output.probe.unwrap();
    lan.probed(&next, None);
    lan.hears(&client(2).selecting(local(101))).ack();
    assert_eq!(lan.hears(&client(1).discover()).offer().yiaddr(), local(100));
}
