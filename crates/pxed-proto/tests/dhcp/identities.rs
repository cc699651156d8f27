//! Item 25: who is who, where client identifiers count (RFC 2131 section 4.2, RFC 4361).

use pxed_proto::dhcp::{ClientKey, CommitError, HostKey, Identity, Reservation, Reservations};

use crate::client::{Client, Sent, client};
use crate::lan::*;

const INSTALLER: [u8; 7] = [0xff, 1, 2, 3, 4, 0, 1];

fn by_client_id() -> Lan {
    Lan::with(|subnet| subnet.identity = Identity::ClientId)
}

/// What ROM, installer and a client without an identifier say, on one machine.
fn faces() -> [fn(Sent) -> Sent; 3] {
    let rom = |sent: Sent| {
        let id = [&[1][..], &sent.chaddr[..6]].concat();
        sent.option(61, &id)
    };
    [rom, |sent| sent.option(61, &INSTALLER), |sent| sent]
}

#[test]
fn item_25_by_client_identifier_each_face_of_a_machine_has_an_address() {
    let mut lan = by_client_id();
    let addresses = faces().map(|face| lan.leases_as(1, face));
    assert_eq!(addresses, [100, 101, 102].map(local));
    for (face, address) in faces().into_iter().zip(addresses) {
        assert_eq!(lan.at(60).leases_as(1, face), address);
        lan.hears(&face(client(1).renewing(address))).ack();
        lan.hears(&face(client(2).renewing(address)));
    }
}

#[test]
fn one_identifier_is_one_client_on_all_its_hardware() {
    let mut lan = by_client_id();
    let [_, installer, _] = faces();
    let address = lan.leases_as(1, installer);
    assert_eq!(lan.leases_as(2, installer), address);
    let lease = lan.active(address).unwrap();
    assert_eq!(lease.client(), ClientKey::Identifier(INSTALLER.to_vec().into()));
    assert_eq!(lease.hardware, Client(2).mac().into());
    lan.hears(&installer(client(3).release(address))).change();
}

#[test]
fn item_113_an_identifier_that_is_too_short_is_none() {
    let mut lan = by_client_id();
    let short = |sent: Sent| sent.option(61, &[0]);
    assert_ne!(lan.leases_as(1, short), lan.leases_as(2, short));
    assert_eq!(lan.leases(1), local(100), "known by its hardware address");
}

#[test]
fn a_reserved_machine_has_its_address_under_each_identifier() {
    let list = vec![Reservation {
        keys: vec![HostKey::Mac(Client(1).mac())],
        address: Some(local(50)),
        ..Reservation::default()
    }];
    let mut lan = by_client_id();
    lan.reload(|config| config.policy.reservations = Reservations::new(list));
    for face in faces() {
        assert_eq!(lan.hears(&face(client(1).discover())).offer().yiaddr(), local(50), "offered");
    }
    for face in faces() {
        assert_eq!(lan.leases_as(1, face), local(50));
        lan.at(60).hears(&face(client(1).renewing(local(50)))).ack();
        lan.hears(&face(client(1).init_reboot(local(50)))).ack();
    }
    assert_eq!(lan.server.active_leases(second(60)).count(), 1);
}

#[test]
fn a_changed_identity_policy_moves_nobody() {
    for (before, after) in
        [(Identity::Mac, Identity::ClientId), (Identity::ClientId, Identity::Mac)]
    {
        let mut lan = Lan::with(|subnet| subnet.identity = before);
        let [rom, ..] = faces();
        let address = lan.leases_as(1, rom);
        lan.at(300).reload(|config| config.subnets[0].identity = after);
        lan.hears(&rom(client(1).renewing(address))).ack();
        lan.hears(&rom(client(1).init_reboot(address))).ack();
        assert_eq!(lan.leases_as(1, rom), address, "{after:?}");
    }
}

/// A renewal that is on its way to the store when identifiers are looked at no more, and fails.
#[test]
fn what_is_taken_back_after_a_changed_identity_policy_is_the_machines() {
    let mut lan = by_client_id();
    let [rom, ..] = faces();
    let address = lan.leases_as(1, rom);
    let [commit] = &lan.at(300).takes(&rom(client(1).renewing(address))).commits[..] else {
        panic!("one change")
    };
    lan.reload(|config| config.subnets[0].identity = Identity::Mac);
    assert_eq!(lan.store_says(commit.id, Err(CommitError::Failed)).transmit, None);
    for face in faces() {
        lan.hears(&face(client(1).init_reboot(address))).ack();
    }
}
