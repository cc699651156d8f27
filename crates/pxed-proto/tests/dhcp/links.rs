//! Items 82, 83, 86 and 87: which link a relay agent's clients are on.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{Config, HostKey, Ignored, Mode, NakReason, Reservation, Reservations};

use crate::client::{Sent, client};
use crate::lan::*;

/// A relay agent of the LAN.
const NEAR: Ipv4Addr = local(2);
/// A relay agent whose address is of no subnet.
const LOOPBACK: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 0);

/// By a relay agent that says on which link the client is (RFC 3527).
fn selecting(relay: Ipv4Addr, link: Ipv4Addr) -> impl Fn(Sent) -> Sent {
    let said = [&[1, 1, 7, 5, 4][..], &link.octets()].concat();
    move |sent| sent.option(82, &said).by_relay(relay)
}

#[test]
fn item_86_the_relay_agent_selects_the_link() {
    let mut lan = Lan::new();
    for link in [remote(0), remote(1), remote(200)] {
        let offer = lan.hears(&selecting(NEAR, link)(client(1).discover())).offer();
        assert_eq!((offer.yiaddr(), offer.giaddr()), (remote(100), NEAR));
        assert_eq!((offer.destination, offer.source), (routed(NEAR, 67), SERVER));
        assert_eq!(offer.addresses(3), [remote(254)]);
    }
    let own = lan.leases_as(1, selecting(NEAR, remote(0)));
    assert_eq!(own, remote(100));
    lan.at(300).hears(&client(1).renewing(own)).ack();
    lan.hears(&selecting(NEAR, remote(0))(client(1).rebinding(own))).ack();
    let (nak, reason) = lan.hears(&selecting(NEAR, local(0))(client(1).init_reboot(own))).nak();
    assert_eq!((nak.destination, reason), (routed(NEAR, 67), NakReason::WrongNetwork));
    lan.hears(&client(1).release(own)).change();
}

#[test]
fn item_86_all_subnets_of_the_selected_link_are_its_own() {
    let mut lan = Lan::configured(|config| {
        let third = Ipv4Addr::new(203, 0, 113, 0);
        let mut more = config.subnets[1].clone();
        more.net = pxed_proto::net::Ipv4Net::new(third, 24).unwrap();
        more.pools = pool(Ipv4Addr::new(203, 0, 113, 10), Ipv4Addr::new(203, 0, 113, 10));
        config.subnets.push(more);
        for subnet in &mut config.subnets[1..] {
            subnet.shared_network = Some("floor".to_owned());
        }
        config.subnets[1].pools = pool(remote(100), remote(100));
    });
    let third = Ipv4Addr::new(203, 0, 113, 10);
    assert_eq!(lan.leases_as(1, selecting(NEAR, third)), third, "the selected one first");
    assert_eq!(lan.leases_as(2, selecting(NEAR, third)), remote(100), "then its wire");
    let full = lan.hears(&selecting(NEAR, third)(client(3).discover()));
    assert_eq!(full.silence(), Ignored::PoolExhausted, "never the relay agent's own");
    assert_eq!(lan.leases_as(3, |sent| sent.by_relay(NEAR)), local(100));
}

#[test]
fn item_87_an_unknown_link_has_nothing_to_fall_back_to() {
    let mut lan = Lan::new();
    for link in [ELSEWHERE, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST] {
        for sent in [client(1).discover(), client(1).selecting(local(100))] {
            let answer = lan.hears(&selecting(NEAR, link)(sent));
            assert_eq!(answer.silence(), Ignored::UnknownLink, "{link}");
        }
    }
    let short = client(1).discover().option(82, &[5, 3, 198, 51, 100]).by_relay(NEAR);
    assert_eq!(lan.hears(&short).silence(), Ignored::UnknownLink, "not legible");
    lan.reload(|config| config.subnets[1].mode = Mode::Off);
    let off = lan.hears(&selecting(NEAR, remote(0))(client(1).discover()));
    assert_eq!(off.silence(), Ignored::SubnetOff);
}

#[test]
fn item_83_and_86_only_a_relay_agent_that_is_known_selects() {
    for (relay, reason) in [
        (LOOPBACK, Ignored::NoSubnet),
        (local(255), Ignored::NoSubnet),
        (SERVER, Ignored::RelayAddress),
        (Ipv4Addr::BROADCAST, Ignored::RelayAddress),
    ] {
        let answer = Lan::new().hears(&selecting(relay, remote(0))(client(1).discover()));
        assert_eq!(answer.silence(), reason, "{relay}");
    }
    let own_making = client(1).discover().option(82, &[5, 4, 198, 51, 100, 0]);
    assert_eq!(Lan::new().hears(&own_making).offer().yiaddr(), local(100), "item 82");
}

/// The remote subnet has relay agents of its own.
fn listing(relays: &[Ipv4Addr]) -> impl FnOnce(&mut Config) {
    let relays = relays.to_vec();
    move |config| config.subnets[1].relays = relays
}

#[test]
fn item_83_a_relay_agent_elsewhere_is_known_where_it_is_listed() {
    let mut lan = Lan::configured(listing(&[LOOPBACK]));
    let offer = lan.hears(&client(1).discover().by_relay(LOOPBACK)).offer();
    assert_eq!((offer.yiaddr(), offer.destination), (remote(100), routed(LOOPBACK, 67)));
    let selected = lan.hears(&selecting(LOOPBACK, remote(0))(client(1).discover())).offer();
    assert_eq!(selected.yiaddr(), remote(100));
    let other = lan.hears(&selecting(LOOPBACK, local(0))(client(1).discover())).offer();
    assert_eq!(other.yiaddr(), local(100), "it selects where no list forbids");
}

#[test]
fn item_83_where_relay_agents_are_listed_no_other_is_one() {
    let mut lan = Lan::configured(listing(&[RELAY, NEAR]));
    assert_eq!(lan.leases_as(1, |sent| sent.by_relay(RELAY)), remote(100));
    assert_eq!(lan.leases_as(2, |sent| sent.by_relay(NEAR)), remote(101), "it serves there");
    let stranger = lan.hears(&client(3).discover().by_relay(remote(2)));
    assert_eq!(stranger.silence(), Ignored::UnknownRelay);
    for relay in [remote(2), local(3 + 1)] {
        let answer = lan.hears(&selecting(relay, remote(0))(client(3).discover()));
        assert_eq!(answer.silence(), Ignored::UnknownRelay, "{relay}");
    }
    lan.at(300).hears(&client(1).renewing(remote(100))).ack();
}

#[test]
fn item_83_a_relay_agent_of_two_wires_has_to_select() {
    let mut lan = Lan::configured(|config| {
        config.subnets[0].relays = vec![LOOPBACK];
        config.subnets[1].relays = vec![LOOPBACK];
    });
    let answer = lan.hears(&client(1).discover().by_relay(LOOPBACK));
    assert_eq!(answer.silence(), Ignored::NoSubnet);
    for (link, address) in [(local(0), local(100)), (remote(0), remote(100))] {
        let offer = lan.hears(&selecting(LOOPBACK, link)(client(1).discover())).offer();
        assert_eq!(offer.yiaddr(), address);
    }
}

#[test]
fn item_82_a_trusted_switch_says_where_the_client_is() {
    let port = [1, 4, b'p', b'o', b'r', b't'];
    let reserve = |config: &mut Config| {
        let circuit = HostKey::Circuit(Ipv4Addr::UNSPECIFIED, b"port".to_vec());
        let reservation = |keys, address| Reservation {
            name: "socket".to_owned(),
            keys,
            address: Some(address),
            ..Reservation::default()
        };
        let list = vec![reservation(vec![circuit], local(50))];
        config.policy.reservations = Reservations::new(list);
    };
    let by_switch = |sent: Sent| sent.option(82, &port);
    let mut lan = Lan::configured(reserve);
    let offer = lan.hears(&by_switch(client(1).discover())).offer();
    assert_eq!(offer.yiaddr(), local(100), "not trusted");
    lan.reload(|config| config.subnets[0].trusts_option_82 = true);
    let offer = lan.hears(&by_switch(client(1).discover())).offer();
    assert_eq!((offer.yiaddr(), offer.destination), (local(50), unicast(1, local(50))));
    assert_eq!(offer.option(82).as_deref(), Some(&port[..]));
    lan.hears(&by_switch(client(1).selecting(local(50)))).ack();
    let renewal = lan.at(300).hears(&client(1).renewing(local(50)));
    renewal.ack();
    let plain = lan.hears(&client(2).discover()).offer();
    assert_eq!(plain.yiaddr(), local(100));
    let elsewhere = by_switch(client(3).discover()).by_relay(RELAY);
    assert_eq!(lan.hears(&elsewhere).offer().yiaddr(), remote(100), "a relay agent's is its own");
    let selects = client(4).discover().option(82, &[5, 4, 198, 51, 100, 0]);
    assert_eq!(lan.hears(&selects).offer().yiaddr(), remote(101));
}
