//! Items 71 to 76: INFORM.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::dhcp::Ignored;
use pxed_proto::event::Outcome;

use crate::client::{Sent, client};
use crate::lan::*;

#[test]
fn item_71_a_client_with_an_address_gets_the_rest() {
    let answer = Lan::new().hears(&client(1).inform(local(77)));
    assert!(
        matches!(answer.event.outcome, Outcome::Informed { address, .. } if address == local(77))
    );
    let ack = answer.ack();
    assert_eq!((ack.destination, ack.ciaddr()), (routed(local(77), 68), local(77)));
    assert_eq!(ack.yiaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(ack.codes(), [53, 54, 1, 3, 6, 15, 28], "and no lease times");
}

#[test]
fn item_72_an_inform_changes_no_lease() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    for sent in [client(2).inform(local(130)), client(2).inform(own), client(1).inform(own)] {
        assert_eq!(lan.hears(&sent).stored, None);
    }
    assert_eq!(lan.server.active_leases(second(0)).count(), 1);
    assert_eq!(lan.server.offers(), 0);
}

#[test]
fn item_73_an_inform_from_another_network_is_not_answered() {
    for address in [Ipv4Addr::new(10, 1, 1, 1), remote(0), local(0), local(255)] {
        let answer = Lan::new().hears(&client(1).inform(address));
        assert_eq!(answer.silence(), Ignored::InformAddress);
    }
    let moved = client(1).inform(remote(77)).written_to(Ipv4Addr::BROADCAST);
    assert_eq!(Lan::new().hears(&moved).silence(), Ignored::InformAddress);
    let ack = Lan::new().hears(&client(1).inform(remote(77))).ack();
    assert_eq!(ack.addresses(3), [remote(254)], "it is behind the relay agent");
}

#[test]
fn item_74_a_client_that_leaves_ciaddr_empty_is_known_by_its_source() {
    let windows = Sent { ciaddr: Ipv4Addr::UNSPECIFIED, ..client(1).inform(local(77)) };
    let ack = Lan::new().hears(&windows).ack();
    assert_eq!(ack.destination, routed(local(77), 68));
    let mut nameless = windows;
    nameless.arrival.source = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    for sent in [nameless.clone(), nameless.broadcast_flag()] {
        assert_eq!(Lan::new().hears(&sent).silence(), Ignored::InformAddress);
    }
}

#[test]
fn item_75_an_inform_for_another_server_is_not_answered() {
    let answer = Lan::new().hears(&client(1).inform(local(77)).address(54, OTHER_SERVER));
    assert_eq!(answer.silence(), Ignored::OtherServer);
    Lan::new().hears(&client(1).inform(local(77)).address(54, SECOND)).ack();
}

#[test]
fn item_76_a_relayed_inform_is_answered_by_the_relay_agent() {
    let information = [1, 4, b'p', b'o', b'r', b't'];
    let sent = client(1).inform(remote(77)).option(82, &information).by_relay(RELAY);
    let ack = Lan::new().hears(&sent).ack();
    assert_eq!((ack.destination, ack.giaddr()), (routed(RELAY, 67), RELAY));
    assert_eq!((ack.ciaddr(), ack.yiaddr()), (remote(77), Ipv4Addr::UNSPECIFIED));
    assert_eq!(ack.option(82).as_deref(), Some(&information[..]));
    let nameless = Sent { ciaddr: Ipv4Addr::UNSPECIFIED, ..sent };
    let answer = Lan::new().hears(&nameless);
    assert_eq!(answer.silence(), Ignored::InformAddress, "the relay agent's source is not its own");
}
