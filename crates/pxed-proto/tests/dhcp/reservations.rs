//! Items 23, 24, 64 and 91: machines that are known one by one.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{
    HostKey, Ignored, LeaseState, NakReason, OptionSetting, Reservation, Reservations,
};
use pxed_proto::machine::Uuid;

use crate::client::{Client, Sent, client, machine_id};
use crate::lan::*;

const RESERVED: Ipv4Addr = local(50);
const OTHER_RELAY: Ipv4Addr = remote(2);

fn reservation(key: HostKey, address: Ipv4Addr) -> Reservation {
    Reservation {
        name: "bench".to_owned(),
        keys: vec![key],
        address: Some(address),
        ..Reservation::default()
    }
}

fn mac(number: u32) -> HostKey {
    HostKey::Mac(Client(number).mac())
}

/// A LAN where this is reserved.
fn reserving(list: Vec<Reservation>) -> Lan {
    Lan::configured(|config| config.policy.reservations = Reservations::new(list))
}

fn reserve(lan: &mut Lan, number: u32, address: Ipv4Addr) {
    let list = vec![reservation(mac(number), address)];
    lan.reload(|config| config.policy.reservations = Reservations::new(list));
}

#[test]
fn item_23_a_reserved_machine_gets_its_address_whatever_it_wishes() {
    for address in [RESERVED, local(130)] {
        let mut lan = reserving(vec![reservation(mac(1), address)]);
        let offer = lan.hears(&client(1).discover().address(50, local(200))).offer();
        assert_eq!(offer.yiaddr(), address);
        assert_eq!(lan.leases(1), address);
        lan.at(300).hears(&client(1).renewing(address)).ack();
        lan.hears(&client(1).init_reboot(address)).ack();
    }
}

#[test]
fn item_23_a_machines_own_next_server_and_file_are_stronger_than_the_subnets() {
    let mut own = reservation(mac(1), RESERVED);
    own.settings.boot_file = Some("own.0".into());
    own.settings.tftp_server = Some(local(9));
    let mut lan = reserving(vec![own]);
    lan.reload(|config| config.subnets[0].settings.boot_file = Some("all.0".into()));
    let mut file = |number: u32| {
        let offer = lan.hears(&client(number).discover().bios()).offer();
        (offer.file().to_owned(), offer.siaddr(), offer.text(66))
    };
    assert_eq!(file(1), ("own.0".to_owned(), local(9), "192.0.2.9\0".to_owned()));
    assert_eq!(file(2), ("all.0".to_owned(), SERVER, "192.0.2.1\0".to_owned()));
}

#[test]
fn item_24_a_reservation_is_stronger_than_a_lease_with_a_client_identifier() {
    let mut lan = Lan::new();
    let identified = |sent: Sent| sent.option(61, b"id A");
    let before = lan.leases_as(1, identified);
    lan.at(10);
    reserve(&mut lan, 1, RESERVED);
    let offer = lan.hears(&identified(client(1).discover())).offer();
    assert_eq!(offer.yiaddr(), RESERVED);
    assert!(lan.active(before).is_some(), "until it takes the offer");
    let answer = lan.hears(&identified(client(1).selecting(RESERVED)));
    let freed = answer.freed.clone().unwrap();
    assert_eq!((freed.address, freed.state, freed.version), (before, LeaseState::Released, 2));
    assert_eq!(answer.stored.as_ref().map(|lease| lease.address), Some(RESERVED));
    answer.ack();
    assert!(lan.active(before).is_none() && lan.active(RESERVED).is_some());
    lan.hears(&identified(client(1).renewing(RESERVED))).ack();
}

#[test]
fn item_24_both_changes_are_durable_and_the_reply_waits_for_its_own() {
    let mut lan = Lan::new();
    let before = lan.leases(1);
    reserve(&mut lan, 1, RESERVED);
    lan.offers(1);
    let commits = lan.takes(&client(1).selecting(RESERVED)).commits;
    let addresses: Vec<Ipv4Addr> = commits.iter().map(|commit| commit.lease.address).collect();
    assert_eq!(addresses, [RESERVED, before]);
    assert!(lan.store_says(commits[0].id, Ok(())).transmit.is_some());
    let freed = lan.server.committed(commits[1].id, Ok(()), second(0));
    assert_eq!(freed, pxed_proto::dhcp::Output::default(), "nobody asked for it");
    // Both were granted in one moment; the later one is the client's.
    lan.hears(&client(1).renewing(RESERVED)).ack();
    lan.hears(&client(1).init_reboot(before)).nak();
}

#[test]
fn item_24_a_machine_with_a_reservation_moves_when_it_renews() {
    let mut lan = Lan::new();
    let before = lan.leases(1);
    reserve(&mut lan, 1, RESERVED);
    for sent in [client(1).renewing(before), client(1).init_reboot(before)] {
        assert_eq!(lan.hears(&sent).nak().1, NakReason::NotYours);
    }
    assert_eq!(lan.leases(1), RESERVED);
}

#[test]
fn nobody_else_gets_a_reserved_address() {
    for address in [RESERVED, local(100)] {
        let mut lan = reserving(vec![reservation(mac(1), address)]);
        let offer = lan.hears(&client(2).discover().address(50, address)).offer();
        assert_ne!(offer.yiaddr(), address);
        for sent in [client(3).selecting(address), client(3).init_reboot(address)] {
            assert_eq!(lan.hears(&sent).nak().1, NakReason::Reserved);
        }
        for sent in [client(3).renewing(address), client(3).rebinding(address)] {
            assert_eq!(lan.hears(&sent).nak().1, NakReason::Reserved);
        }
    }
}

#[test]
fn a_pool_that_is_all_reserved_is_full_for_others() {
    let mut lan = Lan::with_pool(local(100), local(101));
    let list = vec![reservation(mac(1), local(100)), reservation(mac(2), local(101))];
    lan.reload(|config| config.policy.reservations = Reservations::new(list));
    assert_eq!(lan.hears(&client(3).discover()).silence(), Ignored::PoolExhausted);
    assert_eq!([lan.leases(2), lan.leases(1)], [local(101), local(100)]);
    lan.hears(&client(1).release(local(100))).change();
    assert_eq!(lan.hears(&client(3).discover()).silence(), Ignored::PoolExhausted);
}

#[test]
fn a_reserved_address_that_is_taken_is_waited_for_in_the_pool() {
    let mut lan = Lan::new();
    let taken = lan.leases(2);
    reserve(&mut lan, 1, taken);
    let meanwhile = lan.leases(1);
    assert_ne!(meanwhile, taken);
    lan.at(300).hears(&client(1).renewing(meanwhile)).ack();
    assert_eq!(lan.leases(1), meanwhile, "also after a restart of the machine");
    assert_eq!(lan.hears(&client(2).renewing(taken)).nak().1, NakReason::Reserved);
    let elsewhere = lan.leases(2);
    assert_ne!(elsewhere, taken);
    lan.hears(&client(1).renewing(meanwhile)).nak();
    let answer = lan.hears(&client(1).discover());
    assert_eq!(answer.offer().yiaddr(), taken);
    assert_eq!(lan.hears(&client(1).selecting(taken)).freed.unwrap().address, meanwhile);
}

#[test]
fn item_64_a_reserved_address_that_was_declined_comes_back() {
    let mut lan = reserving(vec![reservation(mac(1), RESERVED)]);
    lan.leases(1);
    lan.hears(&client(1).decline(RESERVED)).change();
    let meanwhile = lan.leases(1);
    assert_ne!(meanwhile, RESERVED);
    assert_eq!(lan.at(601).offers(1), RESERVED);
}

#[test]
fn machines_are_known_by_client_identifier_and_by_uuid() {
    let uuid = Uuid::from_option(&machine_id()).unwrap();
    let by_id = reservation(HostKey::ClientId(b"id A".to_vec()), local(51));
    let by_uuid = reservation(HostKey::Uuid(uuid), local(52));
    let mut lan = reserving(vec![reservation(mac(1), RESERVED), by_id, by_uuid]);
    let identified = |sent: Sent| sent.option(61, b"id A");
    assert_eq!(lan.leases_as(2, identified), local(51));
    assert_eq!(lan.leases_as(3, Sent::bios), local(52));
    let both = |sent: Sent| identified(sent.bios());
    assert_eq!(lan.leases_as(1, both), RESERVED, "its MAC counts most");
    lan.hears(&client(2).release(local(51)).option(61, b"id A")).change();
    assert_eq!(lan.leases_as(4, both), local(51), "then its identifier");
}

#[test]
fn item_91_a_circuit_is_one_of_one_relay_agent() {
    let circuit = |relay| HostKey::Circuit(relay, b"port".to_vec());
    let remote_id = HostKey::Remote(RELAY, b"rid".to_vec());
    let mut lan = reserving(vec![
        reservation(circuit(RELAY), remote(50)),
        reservation(circuit(OTHER_RELAY), remote(51)),
        reservation(remote_id, remote(52)),
    ]);
    let port = [1, 4, b'p', b'o', b'r', b't'];
    let rid = [2, 3, b'r', b'i', b'd'];
    let mut leases = |number, relay, information: &[u8]| {
        lan.leases_as(number, |sent| sent.option(82, information).by_relay(relay))
    };
    assert_eq!(leases(1, RELAY, &port), remote(50));
    assert_eq!(leases(2, OTHER_RELAY, &port), remote(51));
    assert_eq!(leases(3, RELAY, &rid), remote(52));
    assert_eq!(leases(4, RELAY, &[1, 3, b'p', b'o', b'r']), remote(100), "another circuit");
    assert_eq!(leases(5, RELAY, &[1, 9, b'p']), remote(101), "damaged");
}

#[test]
fn item_82_without_a_relay_agent_a_circuit_is_nobodys() {
    let circuit = HostKey::Circuit(Ipv4Addr::UNSPECIFIED, b"port".to_vec());
    let mut lan = reserving(vec![reservation(circuit, RESERVED)]);
    let sent = client(1).discover().option(82, &[1, 4, b'p', b'o', b'r', b't']);
    assert_eq!(lan.hears(&sent).offer().yiaddr(), local(100));
}

#[test]
fn item_59_a_circuits_client_renews_by_unicast() {
    let circuit = HostKey::Circuit(RELAY, b"port".to_vec());
    let mut own = reservation(circuit, remote(50));
    own.settings.options = vec![option(15, "port.example")];
    let mut lan = reserving(vec![own]);
    let port = [1, 4, b'p', b'o', b'r', b't'];
    lan.leases_as(1, |sent| sent.option(82, &port).by_relay(RELAY));
    for seconds in [300, 600, 900] {
        let answer = lan.at(seconds).hears(&client(1).renewing(remote(50)));
        assert_eq!(answer.stored.as_ref().unwrap().expires, second(seconds + 600));
        assert_eq!(answer.ack().text(15), "port.example");
    }
    let unaware = client(1).rebinding(remote(50)).by_relay(RELAY);
    assert_eq!(lan.hears(&unaware).ack().text(15), "port.example");
    let moved = client(1).rebinding(remote(50)).option(82, &[1, 1, 9]).by_relay(RELAY);
    assert_eq!(lan.hears(&moved).nak().1, NakReason::Reserved);
}

#[test]
fn a_machine_is_told_its_name_and_the_lease_has_it() {
    let mut own = reservation(mac(1), RESERVED);
    own.settings.options = vec![option(12, "bench-7")];
    let mut lan = reserving(vec![own]);
    let everybodys = OptionSetting { always: true, ..option(12, "anybody") };
    lan.reload(|config| config.subnets[0].settings.options.push(everybodys));
    let named = |sent: Sent| sent.option(12, b"localhost");
    assert_eq!(lan.hears(&named(client(1).discover())).offer().text(12), "bench-7");
    let answer = lan.hears(&named(client(1).selecting(RESERVED)));
    assert_eq!(answer.stored.as_ref().unwrap().host_name(), Some("bench-7"));
    assert_eq!(answer.ack().text(12), "bench-7", "item 127: without a NUL");
    let unasked = lan.hears(&client(1).discover().without(55)).offer();
    assert_eq!(unasked.option(12), None, "nor another's");
    let other = lan.hears(&named(client(2).discover())).offer();
    assert_eq!(other.text(12), "anybody");
}
