//! Item 92: how many addresses may be in use behind one remote ID or circuit ID.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{Config, HostKey, Ignored, NakReason, Reservation, Reservations, Subnet};
use pxed_proto::net::Ipv4Net;

use crate::client::{Client, Sent, client};
use crate::lan::*;

/// Behind a port of a switch that RELAY is the relay agent of.
fn behind(switch: &[u8], port: &[u8]) -> impl Fn(Sent) -> Sent + use<> {
    by(RELAY, switch, port)
}

fn by(relay: Ipv4Addr, switch: &[u8], port: &[u8]) -> impl Fn(Sent) -> Sent + use<> {
    let sub = |code, value: &[u8]| match value {
        [] => vec![],
        value => [&[code, value.len() as u8], value].concat(),
    };
    let said = [sub(1, port), sub(2, switch)].concat();
    move |sent| sent.option(82, &said).by_relay(relay)
}

/// The remote subnet has a cap on remote IDs and one on circuit IDs.
fn capped(remote_id: Option<usize>, circuit_id: Option<usize>) -> Lan {
    Lan::configured(|config| cap(&mut config.subnets[1], remote_id, circuit_id))
}

fn cap(subnet: &mut Subnet, remote_id: Option<usize>, circuit_id: Option<usize>) {
    subnet.relay_caps.remote_id = remote_id;
    subnet.relay_caps.circuit_id = circuit_id;
}

#[test]
fn item_92_a_third_machine_behind_a_remote_id_is_one_too_many() {
    let mut lan = capped(Some(2), None);
    let here = behind(b"modem", b"7");
    assert_eq!([1, 2].map(|number| lan.leases_as(number, &here)), [remote(100), remote(101)]);
    for sent in [client(3).discover(), client(3).selecting(remote(102))] {
        assert_eq!(lan.hears(&here(sent)).silence(), Ignored::RelayCap);
    }
    let other_port = behind(b"modem", b"8")(client(3).discover());
    assert_eq!(lan.hears(&other_port).silence(), Ignored::RelayCap, "whatever the circuit");
    let other_relay = by(remote(2), b"modem", b"7")(client(3).discover());
    assert_eq!(lan.hears(&other_relay).silence(), Ignored::RelayCap, "whatever the relay agent");
    assert_eq!(lan.leases_as(3, behind(b"other", b"7")), remote(102));
    assert_eq!(lan.leases_as(4, |sent| sent.by_relay(RELAY)), remote(103), "nothing is said");
}

/// Two instances of option 82, as RFC 3396 has them joined.
#[test]
fn item_92_and_96_long_relay_agent_information_is_read_like_any_other() {
    let mut lan = capped(Some(1), None);
    let padding = [&[9, 250][..], &[7; 250]].concat();
    let remote_id = [&[2, 5][..], b"modem"].concat();
    let here = |sent: Sent| sent.option(82, &padding).option(82, &remote_id).by_relay(RELAY);
    let own = lan.leases_as(1, |sent| here(sent.option(57, &1472u16.to_be_bytes())));
    let kept = lan.active(own).unwrap().relay().unwrap();
    assert_eq!(*kept.information, [&padding[..], &remote_id].concat());
    assert_eq!(lan.hears(&here(client(2).discover())).silence(), Ignored::RelayCap);
    assert_eq!(
        lan.hears(&behind(b"modem", b"")(client(2).discover())).silence(),
        Ignored::RelayCap
    );
    // More than any relay agent says comes back if it fits, and decides nothing.
    let more = (0..4).fold(client(3).discover(), |sent, _| sent.option(82, &padding));
    let answer = lan.hears(&here(more));
    assert_eq!(answer.event.left_out.last(), Some(&82));
    answer.offer();
}

#[test]
fn item_92_known_machines_renew_always() {
    let mut lan = capped(Some(2), Some(2));
    let here = behind(b"modem", b"7");
    let own = [1, 2].map(|number| lan.leases_as(number, &here));
    lan.reload(|config| cap(&mut config.subnets[1], Some(1), Some(1)));
    for (number, address) in [(1, own[0]), (2, own[1])] {
        lan.at(300).hears(&client(number).renewing(address)).ack();
        lan.hears(&here(client(number).rebinding(address))).ack();
        lan.hears(&here(client(number).init_reboot(address))).ack();
        assert_eq!(lan.leases_as(number, &here), address);
    }
    lan.hears(&client(1).release(own[0])).change();
    assert_eq!(lan.hears(&here(client(1).discover())).silence(), Ignored::RelayCap, "not its turn");
}

#[test]
fn item_92_offers_count_and_their_end_makes_room() {
    let mut lan = capped(Some(2), None);
    let here = behind(b"modem", b"");
    let offers = |lan: &mut Lan, number| lan.hears(&here(client(number).discover()));
    assert_eq!(offers(&mut lan, 1).offer().yiaddr(), remote(100));
    assert_eq!(offers(&mut lan, 2).offer().yiaddr(), remote(101));
    assert_eq!(offers(&mut lan, 3).silence(), Ignored::RelayCap);
    assert_eq!(offers(&mut lan, 1).offer().yiaddr(), remote(100), "it has one of them");
    lan.hears(&here(client(2).selecting(remote(101)))).ack();
    assert_eq!(offers(&mut lan, 3).silence(), Ignored::RelayCap, "an offer taken counts once");
    assert_eq!(lan.at(30).leases_as(3, &here), remote(102), "the offer's time is over");
    assert_eq!(offers(&mut lan, 1).silence(), Ignored::RelayCap);
    let own = lan.at(600).leases_as(1, &here);
    assert_eq!(own, remote(103), "client 2's lease is over");
    assert_eq!(offers(&mut lan, 2).silence(), Ignored::RelayCap);
    assert_eq!(lan.at(601).wakes().len(), 1);
    assert_eq!(offers(&mut lan, 2).silence(), Ignored::RelayCap);
    lan.at(602).hears(&client(1).release(own)).change();
    lan.hears(&here(client(2).discover())).offer();
}

#[test]
fn item_92_a_circuit_is_one_of_one_switch_and_one_relay_agent() {
    let mut lan = capped(None, Some(1));
    assert_eq!(lan.leases_as(1, behind(b"switch", b"7")), remote(100));
    let full = behind(b"switch", b"7")(client(2).discover());
    assert_eq!(lan.hears(&full).silence(), Ignored::RelayCap);
    for (number, as_) in [
        (3, by(RELAY, b"switch", b"8")),
        (4, by(RELAY, b"other", b"7")),
        (5, by(RELAY, b"", b"7")),
        (6, by(remote(2), b"switch", b"7")),
    ] {
        assert_eq!(lan.leases_as(number, &as_), remote(98 + number as u8));
    }
}

#[test]
fn item_92_a_machine_that_moves_needs_room_where_it_comes_to() {
    let mut lan = capped(None, Some(1));
    let (left, right) = (behind(b"switch", b"7"), behind(b"switch", b"8"));
    let own = lan.leases_as(1, &left);
    lan.leases_as(2, &right);
    for sent in [client(1).rebinding(own), client(1).discover(), client(1).init_reboot(own)] {
        assert_eq!(lan.hears(&right(sent)).silence(), Ignored::RelayCap, "or caps would add up");
    }
    lan.at(10).hears(&client(1).renewing(own)).ack();
    let free = behind(b"switch", b"9");
    assert_eq!(lan.leases_as(1, &free), own);
    assert_eq!(lan.leases_as(3, &left), remote(102), "it has left");
    assert_eq!(lan.hears(&free(client(4).discover())).silence(), Ignored::RelayCap);
}

#[test]
fn item_92_a_lease_of_which_nothing_was_said_finds_its_place() {
    let mut lan = capped(None, Some(1));
    let here = behind(b"switch", b"7");
    let own = lan.leases_as(1, |sent| sent.by_relay(RELAY));
    lan.leases_as(2, &here);
    lan.hears(&here(client(1).rebinding(own))).ack();
    assert_eq!(lan.hears(&here(client(3).discover())).silence(), Ignored::RelayCap);
}

#[test]
fn item_92_what_is_reserved_is_taken_from_nobody() {
    let mut lan = capped(Some(1), Some(1));
    let reserve = |config: &mut Config, address| {
        config.policy.reservations = Reservations::new(vec![Reservation {
            keys: vec![HostKey::Mac(Client(3).mac())],
            address: Some(address),
            ..Reservation::default()
        }]);
    };
    lan.reload(|config| reserve(config, remote(50)));
    let here = behind(b"modem", b"7");
    lan.leases_as(1, &here);
    assert_eq!(lan.leases_as(3, &here), remote(50));
    assert_eq!(lan.hears(&here(client(4).discover())).silence(), Ignored::RelayCap);
    let taken = here(client(4).init_reboot(remote(50)));
    assert_eq!(lan.hears(&taken).nak().1, NakReason::Reserved);
}

#[test]
fn item_92_declined_addresses_count() {
    let mut lan = capped(Some(1), None);
    let here = behind(b"modem", b"7");
    let own = lan.leases_as(1, &here);
    lan.hears(&here(client(1).decline(own))).change();
    for number in [1, 2] {
        let answer = lan.hears(&here(client(number).discover()));
        assert_eq!(answer.silence(), Ignored::RelayCap);
    }
    assert_eq!(lan.at(600).leases_as(2, &here), remote(101));
}

#[test]
fn item_92_the_subnets_of_one_wire_have_one_cap() {
    let third = |host| Ipv4Addr::new(203, 0, 113, host);
    let mut lan = Lan::configured(|config| {
        cap(&mut config.subnets[1], Some(2), None);
        config.subnets[1].pools = pool(remote(100), remote(100));
        config.subnets[1].shared_network = Some("floor".to_owned());
        let mut more = config.subnets[1].clone();
        (more.net, more.pools) = (Ipv4Net::new(third(0), 24).unwrap(), pool(third(10), third(20)));
        config.subnets.push(more);
    });
    let here = behind(b"modem", b"7");
    assert_eq!([1, 2].map(|number| lan.leases_as(number, &here)), [remote(100), third(10)]);
    assert_eq!(lan.hears(&here(client(3).discover())).silence(), Ignored::RelayCap);
}

#[test]
fn item_92_after_a_restart_and_a_reload_addresses_count() {
    let mut lan = capped(Some(1), None);
    let here = behind(b"modem", b"7");
    let own = lan.leases_as(1, &here);
    let stored = lan.active(own).unwrap().clone();
    let mut again = capped(Some(1), None);
    assert!(again.server.load(stored, second(0)));
    let reject = |lan: &mut Lan| lan.hears(&here(client(2).discover())).silence();
    assert_eq!([reject(&mut lan), reject(&mut again)], [Ignored::RelayCap; 2]);
    lan.reload(|config| cap(&mut config.subnets[1], None, None));
    lan.hears(&here(client(2).discover())).offer();
    lan.reload(|config| cap(&mut config.subnets[1], Some(2), None));
    assert_eq!(lan.hears(&here(client(3).discover())).silence(), Ignored::RelayCap, "the offer");
}

/// Starvation from one port takes no more than its cap.
#[test]
fn item_92_a_flood_from_one_port_leaves_the_pool_to_others() {
    let mut lan = capped(None, Some(4));
    let port = behind(b"switch", b"666");
    let answered = (1000..11_000).filter(|number| {
        let answer = lan.hears(&port(client(*number).discover()));
        answer.reply.is_some()
    });
    assert_eq!(answered.count(), 4);
    for number in 1..=50 {
        let neighbour = behind(b"switch", &[number as u8]);
        lan.leases_as(number, neighbour);
    }
}
