//! Item 88: clients that select their subnet (RFC 3011).

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{Class, Config, Ignored, Settings, Test};

use crate::client::{Client, Sent, client};
use crate::lan::*;

/// Only this client may select, where the LAN's subnet says so.
const ACCESS_SERVER: u32 = 1;

fn allowing(config: &mut Config) {
    let test = Test::Mac(Client(ACCESS_SERVER).mac().to_string().parse().unwrap());
    let name = "access-server".to_owned();
    config.policy.classes = vec![Class { name: name.clone(), test, settings: Settings::default() }];
    config.subnets[0].subnet_selection = Some(name);
}

fn selects(subnet: Ipv4Addr) -> impl Fn(Sent) -> Sent {
    move |sent| sent.address(118, subnet)
}

#[test]
fn item_88_who_may_gets_an_address_of_the_subnet_that_it_selects() {
    let mut lan = Lan::configured(allowing);
    let there = selects(remote(0));
    let offer = lan.hears(&there(client(1).discover())).offer();
    assert_eq!((offer.yiaddr(), offer.destination), (remote(100), unicast(1, remote(100))));
    assert_eq!((offer.addresses(118), offer.addresses(3)), (vec![remote(0)], vec![remote(254)]));
    let ack = lan.hears(&there(client(1).selecting(remote(100)))).ack();
    assert_eq!(ack.addresses(118), [remote(0)]);
    let renewal = lan.at(300).hears(&there(client(1).renewing(remote(100)))).ack();
    assert_eq!(renewal.addresses(118), [remote(0)]);
    let (nak, _) = lan.hears(&there(client(1).init_reboot(local(100)))).nak();
    assert_eq!(nak.addresses(118), [remote(0)]);
    assert_eq!(lan.offers(1), local(100), "it does not have to");
}

#[test]
fn item_88_who_may_not_is_not_heard() {
    let there = selects(remote(0));
    let mut lan = Lan::configured(allowing);
    for (number, mut lan) in [(ACCESS_SERVER, Lan::new()), (2, Lan::configured(allowing))] {
        let offer = lan.hears(&there(client(number).discover())).offer();
        assert_eq!((offer.yiaddr(), offer.option(118)), (local(100), None));
    }
    let elsewhere = selects(local(0))(client(ACCESS_SERVER).discover()).by_relay(RELAY);
    let offer = lan.hears(&elsewhere).offer();
    assert_eq!((offer.yiaddr(), offer.option(118)), (remote(100), None), "that subnet does not");
}

#[test]
fn item_88_a_relayed_client_may_too() {
    let mut lan = Lan::configured(allowing);
    let sent = selects(remote(0))(client(ACCESS_SERVER).discover()).by_relay(local(2));
    let offer = lan.hears(&sent).offer();
    assert_eq!((offer.yiaddr(), offer.destination), (remote(100), routed(local(2), 67)));
    assert_eq!(offer.addresses(118), [remote(0)]);
}

#[test]
fn item_88_a_subnet_that_is_not_there_is_answered_by_silence() {
    let mut lan = Lan::configured(allowing);
    let nowhere = selects(Ipv4Addr::new(203, 0, 113, 0));
    assert_eq!(lan.hears(&nowhere(client(1).discover())).silence(), Ignored::UnknownLink);
    assert_eq!(lan.hears(&nowhere(client(2).discover())).offer().yiaddr(), local(101 - 1));
    let damaged = client(1).discover().option(118, &[198, 51, 100]);
    let offer = lan.hears(&damaged).offer();
    assert_eq!((offer.yiaddr(), offer.option(118)), (local(101), None));
}

/// RFC 3527 section 4.
#[test]
fn item_88_what_the_relay_agent_selects_is_stronger() {
    let mut lan = Lan::configured(allowing);
    let link = [&[5, 4][..], &remote(0).octets()].concat();
    let sent = selects(local(0))(client(ACCESS_SERVER).discover());
    let offer = lan.hears(&sent.option(82, &link).by_relay(local(2))).offer();
    assert_eq!((offer.yiaddr(), offer.addresses(118)), (remote(100), vec![local(0)]));
}

#[test]
fn item_88_the_server_is_called_by_an_address_that_the_client_reaches() {
    let far = Ipv4Addr::new(203, 0, 113, 1);
    let mut lan = Lan::configured(|config| {
        allowing(config);
        config.subnets[1].server = far;
    });
    let there = selects(remote(0));
    let offer = lan.hears(&there(client(1).discover())).offer();
    assert_eq!(offer.addresses(54), [SERVER]);
    lan.hears(&there(client(1).selecting(remote(100)))).ack();
}
