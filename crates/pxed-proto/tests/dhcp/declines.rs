//! Items 61 to 65: DECLINE takes an address out of use, if its holder says so.

use pxed_proto::dhcp::{Ignored, LeaseState, NakReason};
use pxed_proto::event::Outcome;
use pxed_proto::limits::{DECLINE_PROBATION, DECLINES_PER_CLIENT_MAX};

use crate::client::client;
use crate::lan::*;

#[test]
fn item_61_a_declined_address_is_out_of_use_for_a_while() {
    let mut lan = Lan::with_pool(local(100), local(101));
    let taken = lan.leases(1);
    let answer = lan.at(1).hears(&client(1).decline(taken));
    let probation = DECLINE_PROBATION;
    assert_eq!(answer.event.outcome, Outcome::Declined { address: taken, probation });
    let lease = answer.change();
    assert_eq!((lease.state, lease.expires), (LeaseState::Declined, second(601)));
    let next = lan.hears(&client(1).discover().address(50, taken)).offer().yiaddr();
    assert_ne!(next, taken);
    assert_eq!(lan.hears(&client(2).discover()).silence(), Ignored::PoolExhausted);
    let (_, reason) = lan.hears(&client(2).selecting(taken)).nak();
    assert_eq!(reason, NakReason::Declined);
    let (_, reason) = lan.hears(&client(1).init_reboot(taken)).nak();
    assert_eq!(reason, NakReason::Declined, "also by who declined it");
    assert_eq!(lan.at(602).wakes(), [], "no client lost anything");
    lan.hears(&client(3).discover().address(50, taken)).offer();
    assert_eq!(lan.leases(3), taken);
}

#[test]
fn item_62_a_decline_by_another_is_ignored() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    assert_eq!(lan.hears(&client(2).decline(own)).silence(), Ignored::NotHolder);
    lan.at(300).hears(&client(1).renewing(own)).ack();
}

#[test]
fn item_63_a_decline_of_a_free_address_is_ignored() {
    let mut lan = Lan::new();
    for host in 100..=249 {
        let answer = lan.hears(&client(u32::from(host)).decline(local(host)));
        assert_eq!(answer.silence(), Ignored::NotHolder);
    }
    let held = lan.offers(1);
    assert_eq!(lan.hears(&client(1).decline(held)).silence(), Ignored::NotHolder, "only offered");
    let malformed = client(1).says(4).address(54, SERVER).option(50, &[192, 0, 2]);
    assert_eq!(lan.hears(&malformed).silence(), Ignored::NotHolder);
}

#[test]
fn item_63_one_client_can_not_decline_the_whole_pool() {
    let mut lan = Lan::new();
    let mut declined = 0;
    for second in 0..200 {
        let address = lan.at(second).leases(1);
        let answer = lan.hears(&client(1).decline(address));
        declined += usize::from(answer.stored.is_some());
        if answer.stored.is_none() {
            assert_eq!(answer.silence(), Ignored::TooManyDeclines);
        }
    }
    assert_eq!(declined, DECLINES_PER_CLIENT_MAX);
    let again = lan.at(700).leases(1);
    assert_eq!(lan.hears(&client(1).decline(again)).change().address, again, "forgiven");
}

#[test]
fn item_65_a_decline_that_names_another_server_or_none_is_ignored() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    let nameless = client(1).decline(own).without(54);
    for sent in [nameless.clone(), nameless.address(54, OTHER_SERVER)] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::NotForUs);
    }
    let by_other_name = client(1).decline(own).without(54).address(54, SECOND);
    assert_eq!(lan.hears(&by_other_name).change().address, own);
}

#[test]
fn a_decline_long_after_the_ack_is_ignored() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    assert_eq!(lan.at(61).hears(&client(1).decline(own)).silence(), Ignored::LateDecline);
    assert!(lan.active(own).is_some());
}
