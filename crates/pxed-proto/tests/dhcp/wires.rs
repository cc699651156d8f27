//! Several subnets on one wire (a shared network), and subnets behind relay agents.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{
    Config, HostKey, Ignored, Mode, NakReason, Reservation, Reservations, Subnet,
};
use pxed_proto::net::Ipv4Net;

use crate::client::{Client, Sent, client};
use crate::lan::*;

/// An address of the LAN's second subnet; .100 to .249 are the pool.
const fn second_net(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, host)
}

/// The LAN has a pool of two addresses, and a second subnet on the same wire.
fn two_on_one_wire(config: &mut Config) {
    let lan = &mut config.subnets[0];
    lan.pools = pool(local(100), local(101));
    lan.shared_network = Some("hall".to_owned());
    let mut more = Subnet { net: Ipv4Net::new(second_net(0), 24).unwrap(), ..lan.clone() };
    more.pools = pool(second_net(100), second_net(249));
    set(&mut more.settings.options, [addresses(3, &[second_net(254)])]);
    config.subnets.push(more);
}

fn reserve(config: &mut Config, number: u32, address: Ipv4Addr) {
    config.policy.reservations = Reservations::new(vec![Reservation {
        keys: vec![HostKey::Mac(Client(number).mac())],
        address: Some(address),
        ..Reservation::default()
    }]);
}

#[test]
fn the_second_subnet_is_used_when_the_first_is_full() {
    let mut lan = Lan::configured(two_on_one_wire);
    assert_eq!([1, 2].map(|number| lan.leases(number)), [100, 101].map(local));
    let offer = lan.hears(&client(3).discover()).offer();
    assert_eq!((offer.yiaddr(), offer.addresses(3)), (second_net(100), vec![second_net(254)]));
    lan.hears(&client(2).release(local(101))).change();
    assert_eq!(lan.offers(3), second_net(100), "item 16: the same offer");
    lan.leases(2);
    lan.hears(&client(3).selecting(second_net(100))).ack();
    lan.reload(|config| config.subnets[2].pools = pool(second_net(100), second_net(100)));
    assert_eq!(lan.hears(&client(4).discover()).silence(), Ignored::PoolExhausted);
}

#[test]
fn a_client_keeps_its_address_on_either_subnet() {
    let mut lan = Lan::configured(two_on_one_wire);
    let own = [1, 2, 3].map(|number| lan.leases(number));
    lan.hears(&client(1).release(own[0])).change();
    assert_eq!(lan.offers(3), own[2], "though there is room on the first one");
    for sent in [client(3).renewing(own[2]), client(3).init_reboot(own[2])] {
        let ack = lan.at(300).hears(&sent).ack();
        assert_eq!((ack.yiaddr(), ack.addresses(3)), (own[2], vec![second_net(254)]));
    }
    lan.hears(&client(3).release(own[2])).change();
    assert_eq!(lan.offers(3), own[2], "item 15: remembered");
    assert_eq!(lan.offers(1), own[0]);
}

#[test]
fn a_wish_is_granted_on_either_subnet() {
    let mut lan = Lan::configured(two_on_one_wire);
    let wish = client(1).discover().address(50, second_net(130));
    assert_eq!(lan.hears(&wish).offer().yiaddr(), second_net(130));
    lan.hears(&client(1).selecting(second_net(130))).ack();
    let taken = client(2).discover().address(50, second_net(130));
    assert_eq!(lan.hears(&taken).offer().yiaddr(), local(100));
}

#[test]
fn one_client_has_one_address_of_a_wire() {
    let mut lan = Lan::configured(two_on_one_wire);
    let own = lan.leases(1);
    let (_, reason) = lan.hears(&client(1).init_reboot(second_net(130))).nak();
    assert_eq!(reason, NakReason::NotYours);
    let answer = lan.hears(&client(1).selecting(second_net(130)));
    assert_eq!(answer.freed.as_ref().map(|lease| lease.address), Some(own));
    answer.ack();
    assert_eq!(lan.server.active_leases(second(0)).count(), 1);
}

#[test]
fn item_24_a_reserved_address_of_the_second_subnet() {
    let mut lan = Lan::configured(two_on_one_wire);
    let before = lan.leases(1);
    lan.reload(|config| reserve(config, 1, second_net(50)));
    let offer = lan.hears(&client(1).discover()).offer();
    assert_eq!((offer.yiaddr(), offer.addresses(3)), (second_net(50), vec![second_net(254)]));
    let answer = lan.hears(&client(1).selecting(second_net(50)));
    assert_eq!(answer.freed.as_ref().map(|lease| lease.address), Some(before));
    answer.ack();
    assert_eq!(lan.leases(1), second_net(50));
    lan.hears(&client(1).renewing(second_net(50))).ack();
}

#[test]
fn a_reserved_address_that_is_taken_leaves_the_client_where_it_is() {
    let mut lan = Lan::configured(two_on_one_wire);
    let own = lan.leases(1);
    lan.hears(&client(2).discover().address(50, second_net(130))).offer();
    lan.hears(&client(2).selecting(second_net(130))).ack();
    lan.reload(|config| reserve(config, 1, second_net(130)));
    assert_eq!(lan.offers(1), own);
}

#[test]
fn an_address_of_another_network_is_refused_on_a_shared_one() {
    let mut lan = Lan::configured(two_on_one_wire);
    let (_, reason) = lan.hears(&client(1).init_reboot(remote(100))).nak();
    assert_eq!(reason, NakReason::WrongNetwork);
    let relayed = lan.hears(&client(1).discover().by_relay(second_net(2))).offer();
    assert_eq!(relayed.yiaddr(), second_net(100), "its relay agent's own comes first");
}

#[test]
fn a_subnet_that_is_off_is_left_alone_on_a_shared_network() {
    let mut lan = Lan::configured(two_on_one_wire);
    lan.reload(|config| config.subnets[2].mode = Mode::Off);
    for sent in [client(1).init_reboot(second_net(100)), client(1).rebinding(second_net(100))] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::SubnetOff);
    }
    assert_eq!([1, 2].map(|number| lan.leases(number)), [100, 101].map(local));
    assert_eq!(lan.hears(&client(3).discover()).silence(), Ignored::PoolExhausted);
}

#[test]
fn another_servers_offer_frees_what_was_held_on_either_subnet() {
    let mut lan = Lan::configured(two_on_one_wire);
    lan.offers(1);
    lan.offers(2);
    assert_eq!(lan.offers(3), second_net(100));
    let theirs =
        client(3).request().address(54, OTHER_SERVER).address(50, Ipv4Addr::new(10, 9, 9, 9));
    assert_eq!(lan.hears(&theirs).silence(), Ignored::OtherServer);
    assert_eq!(lan.server.offers(), 2);
}

#[test]
fn one_client_has_one_offer_of_a_wire() {
    let mut lan = Lan::configured(two_on_one_wire);
    assert_eq!(lan.offers(1), local(100));
    // A class has the pool now.
    lan.reload(|config| config.subnets[0].pools[0].class = Some("others".to_owned()));
    assert_eq!(lan.offers(1), second_net(100));
    assert_eq!(lan.server.offers(), 1, "the one before is not on offer any more");
    lan.hears(&client(1).selecting(second_net(100))).ack();
    assert_eq!(lan.server.offers(), 0);
}

#[test]
fn item_35_what_another_server_offers_ends_the_hold_on_each_subnet() {
    let mut lan = Lan::configured(two_on_one_wire);
    assert_eq!(lan.offers(1), local(100));
    let theirs = client(1).request().address(54, OTHER_SERVER).address(50, second_net(50));
    assert_eq!(lan.hears(&theirs).silence(), Ignored::OtherServer);
    assert_eq!(lan.server.offers(), 0);
}

#[test]
fn item_77_a_subnet_behind_a_relay_agent_is_served_through_it_alone() {
    let mut lan = Lan::new();
    let own = lan.leases_as(1, |sent| sent.by_relay(RELAY));
    assert_eq!(own, remote(100));
    let ack = lan.at(300).hears(&client(1).renewing(own)).ack();
    assert_eq!(ack.addresses(3), [remote(254)]);
    for sent in [client(1).rebinding(own), client(1).init_reboot(own)] {
        let (nak, reason) = lan.hears(&sent).nak();
        assert_eq!(reason, NakReason::WrongNetwork, "it has moved to the LAN");
        assert_eq!(nak.destination, pxed_proto::dhcp::Destination::Broadcast);
    }
    let (_, reason) = lan.hears(&client(2).renewing(own)).nak();
    assert_eq!(reason, NakReason::InUse);
    assert_eq!(lan.offers(1), local(100));
}

#[test]
fn item_12_a_discover_is_where_it_is_whatever_its_ciaddr_says() {
    let odd = Sent { ciaddr: remote(77), ..client(1).discover() }.written_to(SERVER);
    assert_eq!(Lan::new().hears(&odd).offer().yiaddr(), local(100));
}

#[test]
fn the_smallest_of_subnets_that_overlap_has_the_address() {
    let mut lan = Lan::configured(|config| {
        let net = Ipv4Net::new(remote(0), 8).unwrap();
        config.subnets.insert(0, Subnet { net, ..config.subnets[1].clone() });
    });
    let behind_relay = |sent: Sent| sent.by_relay(RELAY);
    let own = lan.leases_as(1, behind_relay);
    assert_ne!(lan.leases_as(2, behind_relay), own);
    lan.hears(&client(1).renewing(own)).ack();
    lan.reload(|_| {});
    assert_eq!(lan.hears(&client(3).renewing(own)).nak().1, NakReason::InUse);
    lan.hears(&client(1).renewing(own)).ack();
}
