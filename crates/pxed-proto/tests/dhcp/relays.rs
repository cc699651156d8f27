//! Items 77 to 85 and 93: relay agents and option 82.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::dhcp::{Config, Destination, Ignored, LinkId, Plan};
use pxed_proto::event::Outcome;

use crate::client::{Sent, client};
use crate::lan::*;

const PORT_AND_REMOTE: [u8; 11] = [1, 4, b'p', b'o', b'r', b't', 2, 3, b'r', b'i', b'd'];

#[test]
fn item_77_a_client_behind_a_relay_agent_gets_an_address_of_its_network() {
    let offer = Lan::new().hears(&client(1).discover().by_relay(RELAY)).offer();
    assert_eq!((offer.destination, offer.source), (routed(RELAY, 67), SERVER));
    assert_eq!((offer.yiaddr(), offer.giaddr()), (remote(100), RELAY));
    assert_eq!(offer.addresses(1), [Ipv4Addr::new(255, 255, 255, 0)]);
    assert_eq!(offer.addresses(3), [remote(254)]);
    assert_eq!(offer.addresses(28), [remote(255)]);
}

#[test]
fn item_78_relay_agent_information_comes_back_last() {
    let mut lan = Lan::new();
    let by_relay = |sent: Sent| sent.option(82, &PORT_AND_REMOTE).option(61, &[7]).by_relay(RELAY);
    let offer = lan.hears(&by_relay(client(1).discover())).offer();
    let ack = lan.hears(&by_relay(client(1).selecting(offer.yiaddr()))).ack();
    let (nak, _) = lan.hears(&by_relay(client(2).selecting(offer.yiaddr()))).nak();
    for reply in [offer, ack, nak] {
        assert_eq!(reply.options().last(), Some(&(82, PORT_AND_REMOTE.to_vec())));
    }
}

#[test]
fn item_79_long_relay_agent_information_comes_back_whole() {
    let long = [&[1, 4, 1, 2, 3, 4, 200, 242][..], &[9; 242]].concat();
    let sent = client(1).discover().option(82, &long).by_relay(RELAY);
    let answer = Lan::new().hears(&sent);
    assert_eq!(answer.event.left_out, [28, 58, 59], "what a client can do without");
    assert_eq!(answer.offer().option(82), Some(long));
}

#[test]
fn item_79_relay_agent_information_that_does_not_fit_is_left_out_and_told() {
    let long = [&[200, 248][..], &[9; 248]].concat();
    let sent = client(1).discover().option(61, &[3; 255]).option(82, &long).by_relay(RELAY);
    let answer = Lan::new().hears(&sent);
    assert!(answer.event.left_out.contains(&82));
    let done = answer.event.done().to_string();
    assert!(done.contains("without options 82"), "{done}");
    let offer = answer.offer();
    for code in [53, 54, 51, 1, 61, 3, 6] {
        assert!(offer.option(code).is_some(), "{code}");
    }
}

#[test]
fn item_80_relay_agent_information_stays_out_of_the_other_fields() {
    let long = [&[200, 248][..], &[9; 248]].concat();
    for sent in [client(1).discover(), client(1).discover().uefi(), client(1).discover().ipxe()] {
        let sent = sent.option(61, &[3; 200]).option(82, &long).by_relay(RELAY);
        let offer = Lan::new().hears(&sent).offer();
        assert_eq!(offer.option(52), None, "nothing is overloaded");
        assert!(offer.bytes[44..108].iter().all(|byte| *byte == 0), "sname");
        assert!(!offer.bytes[108..236].contains(&9), "file");
    }
}

#[test]
fn item_81_damaged_relay_agent_information_is_not_echoed() {
    for damaged in [&[][..], &[1], &[1, 200, 7], &[1, 1, 7, 2]] {
        let sent = client(1).discover().option(82, damaged).by_relay(RELAY);
        let answer = Lan::new().hears(&sent);
        assert_eq!(answer.event.left_out.contains(&82), !damaged.is_empty());
        assert_eq!(answer.offer().option(82), None, "{damaged:?}");
    }
}

#[test]
fn item_82_without_a_relay_agent_its_information_is_only_echoed() {
    let offer = Lan::new().hears(&client(1).discover().option(82, &PORT_AND_REMOTE)).offer();
    assert_eq!(offer.option(82).as_deref(), Some(&PORT_AND_REMOTE[..]));
    assert_eq!(offer.yiaddr(), local(100));
}

#[test]
fn item_83_impossible_relay_agents_are_not_answered() {
    for (relay, reason) in [
        (Ipv4Addr::new(203, 0, 113, 1), Ignored::NoSubnet),
        (remote(0), Ignored::NoSubnet),
        (remote(255), Ignored::NoSubnet),
        (SERVER, Ignored::RelayAddress),
        (SECOND, Ignored::RelayAddress),
        (Ipv4Addr::LOCALHOST, Ignored::RelayAddress),
        (Ipv4Addr::BROADCAST, Ignored::RelayAddress),
        (Ipv4Addr::new(224, 0, 0, 1), Ignored::RelayAddress),
    ] {
        let answer = Lan::new().hears(&client(1).discover().by_relay(relay));
        assert_eq!(answer.silence(), reason, "{relay}");
    }
}

#[test]
fn item_83_the_servers_address_on_another_link_is_no_relay_agent() {
    let mut config = config();
    config.links.push(config.links[0].clone());
    config.links[1].addresses = vec![remote(2)];
    let answer = Lan::of(config).hears(&client(1).discover().by_relay(remote(2)));
    assert_eq!(answer.silence(), Ignored::RelayAddress);
}

#[test]
fn item_84_the_relay_agent_is_answered_at_giaddr() {
    let mut sent = client(1).discover().by_relay(RELAY);
    sent.arrival.source = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 67);
    assert_eq!(Lan::new().hears(&sent).offer().destination, routed(RELAY, 67));
}

#[test]
fn item_85_hops_decide_nothing() {
    for hops in [0, 17] {
        let sent = Sent { hops, ..client(1).discover().by_relay(RELAY) };
        assert_eq!(Lan::new().hears(&sent).offer().destination, routed(RELAY, 67));
    }
    let direct = Sent { hops: 3, ..client(1).discover() };
    assert_eq!(Lan::new().hears(&direct).offer().destination, unicast(1, local(100)));
}

#[test]
fn item_93_the_server_answers_with_the_address_that_was_written_to() {
    let mut lan = Lan::new();
    let sent = client(1).discover().by_relay(RELAY).written_to(SECOND);
    let offer = lan.hears(&sent).offer();
    assert_eq!((offer.source, offer.addresses(54)), (SECOND, vec![SECOND]));
    let own = lan.leases(2);
    let ack = lan.hears(&client(2).renewing(own).written_to(SECOND)).ack();
    assert_eq!((ack.source, ack.addresses(54)), (SECOND, vec![SECOND]));
    let elsewhere = client(3).discover().written_to(Ipv4Addr::new(203, 0, 113, 7));
    assert_eq!(lan.hears(&elsewhere).offer().source, SERVER, "not an address of ours");
}

#[test]
fn a_server_knows_itself_by_its_address_on_another_link() {
    let mut config = config();
    config.subnets[1].server = Ipv4Addr::new(203, 0, 113, 1);
    let sent = client(1).request().address(54, config.subnets[1].server).address(50, remote(100));
    let plan = plan_of(config, &sent.by_relay(RELAY));
    let reply = plan.reply.unwrap();
    assert_eq!(*reply.source.ip(), Ipv4Addr::new(203, 0, 113, 1));
    assert!(matches!(plan.event.outcome, Outcome::Acked { .. }));
}

/// What a server with this configuration says first.
fn plan_of(config: Config, sent: &Sent) -> Plan {
    let server = Lan::of(config).server;
    server.plan(second(0), LinkId(0), &sent.arrival, &sent.bytes())
}

#[test]
fn a_client_is_another_behind_each_relay_agent() {
    let mut lan = Lan::new();
    let here = lan.leases(1);
    let there = lan.hears(&client(1).discover().by_relay(RELAY)).offer().yiaddr();
    assert_eq!((here, there), (local(100), remote(100)));
    let (nak, _) = lan.hears(&client(1).init_reboot(here).by_relay(RELAY)).nak();
    assert_ne!(nak.destination, Destination::Broadcast);
}
