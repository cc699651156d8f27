//! Items 89 and 90: relay agents that have the server called otherwise (RFC 5107), and that wait
//! at a port of their own (RFC 8357); items 36, 65, 69, 75 with that name.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::dhcp::{
    HostKey, Ignored, LeaseState, NakReason, RequestState, Reservation, Reservations, Settings,
};
use pxed_proto::event::Outcome;

use crate::client::{Client, Sent, client};
use crate::lan::*;

/// What the relay agent has the server called.
const NAME: Ipv4Addr = remote(254);
const UNICAST: u8 = 0x80;

/// Sub-option 11, with others.
fn overriding(flags: u8) -> Vec<u8> {
    [&[1, 1, 7, 10, 1, flags, 11, 4][..], &NAME.octets()].concat()
}

/// By the relay agent, as the client broadcast it.
fn by_relay(sent: Sent) -> Sent {
    sent.option(82, &overriding(0)).by_relay(RELAY)
}

/// By the relay agent, to which the client sent it.
fn by_unicast(sent: Sent) -> Sent {
    sent.option(82, &overriding(UNICAST)).by_relay(RELAY)
}

/// Says that it means the relay agent.
fn named(sent: Sent) -> Sent {
    sent.without(54).address(54, NAME)
}

fn leased(lan: &mut Lan, number: u32) -> Ipv4Addr {
    lan.leases_as(number, |sent| match sent.options[0].1[..] {
        [3] => by_relay(named(sent)),
        _ => by_relay(sent),
    })
}

#[test]
fn item_89_the_server_is_called_what_the_relay_agent_says() {
    let mut lan = Lan::new();
    let offer = lan.hears(&by_relay(client(1).discover())).offer();
    assert_eq!((offer.addresses(54), offer.source), (vec![NAME], SERVER));
    let request = by_relay(named(client(1).selecting(offer.yiaddr())));
    let ack = lan.hears(&request).ack();
    assert_eq!((ack.addresses(54), ack.destination), (vec![NAME], routed(RELAY, 67)));
    assert_eq!(ack.options().last(), Some(&(82, overriding(0))));
    let (nak, _) = lan.hears(&by_relay(named(client(2).selecting(offer.yiaddr())))).nak();
    assert_eq!(nak.addresses(54), [NAME]);
    let inform = lan.hears(&by_relay(client(3).inform(remote(77)))).ack();
    assert_eq!(inform.addresses(54), [NAME]);
}

#[test]
fn item_89_and_36_it_is_still_known_by_its_own_address() {
    let mut lan = Lan::new();
    let own = lan.leases_as(1, by_relay);
    lan.hears(&by_relay(client(1).decline(own))).change();
}

#[test]
fn item_89_and_35_another_name_is_another_server() {
    let mut lan = Lan::new();
    let offer = lan.hears(&by_relay(client(1).discover())).offer();
    let other = by_relay(client(1).request().address(50, offer.yiaddr()).address(54, OTHER_SERVER));
    assert_eq!(lan.hears(&other).silence(), Ignored::OtherServer);
    assert_eq!(lan.server.offers(), 0);
    for sent in [
        named(client(1).selecting(remote(100))).by_relay(RELAY),
        named(client(1).selecting(local(100))),
        named(client(1).selecting(local(100))).option(82, &overriding(0)),
    ] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::OtherServer, "nobody called it so");
    }
}

#[test]
fn item_89_a_name_that_is_no_hosts_is_none() {
    for name in [[0; 4], [127, 0, 0, 1], [224, 0, 0, 5], [255; 4]] {
        let said = [&[11, 4][..], &name].concat();
        let sent = client(1).discover().option(82, &said).by_relay(RELAY);
        let datagram = sent.bytes();
        let lan = Lan::new();
        let link = pxed_proto::dhcp::LinkId(0);
        let plan = lan.server.plan(second(0), link, &sent.arrival, &datagram);
        let reply = plan.reply.unwrap();
        let options = crate::oracle::options(&reply.message);
        assert_eq!(options[1], (54, SERVER.octets().to_vec()), "{name:?}");
    }
}

#[test]
fn item_89_a_renewal_by_the_relay_agent_is_one() {
    let mut lan = Lan::new();
    let own = leased(&mut lan, 1);
    for (sent, expected) in [
        (by_unicast(client(1).renewing(own)), RequestState::Renewing),
        (by_relay(client(1).rebinding(own)), RequestState::Rebinding),
    ] {
        let answer = lan.at(300).hears(&sent);
        let Outcome::Acked { state, .. } = answer.event.outcome else { panic!("{answer:?}") };
        assert_eq!(state, expected);
        let ack = answer.ack();
        assert_eq!((ack.addresses(54), ack.destination), (vec![NAME], routed(RELAY, 67)));
    }
}

#[test]
fn item_89_a_renewal_without_option_82_keeps_the_name() {
    let mut lan = Lan::new();
    let own = leased(&mut lan, 1);
    for sent in [client(1).renewing(own), client(1).renewing(own).by_relay(RELAY)] {
        let ack = lan.at(300).hears(&sent).ack();
        assert_eq!((ack.addresses(54), ack.option(82)), (vec![NAME], None));
    }
    let changed = client(1).rebinding(own).option(82, &[1, 1, 7]).by_relay(RELAY);
    assert_eq!(lan.hears(&changed).ack().addresses(54), [SERVER], "it says so no more");
}

#[test]
fn item_89_and_65_and_69_the_name_is_ours_for_the_lease_that_has_it() {
    let bare = |sent: Sent| named(sent).by_relay(RELAY);
    for as_ in [|sent| by_unicast(named(sent)), bare, named] as [fn(Sent) -> Sent; 3] {
        let mut lan = Lan::new();
        let own = leased(&mut lan, 1);
        let lease = lan.hears(&as_(client(1).release(own))).change();
        assert_eq!(lease.state, LeaseState::Released);
    }
    for as_ in [|sent| by_relay(named(sent)), bare] as [fn(Sent) -> Sent; 2] {
        let mut lan = Lan::new();
        let own = leased(&mut lan, 1);
        let lease = lan.hears(&as_(client(1).decline(own))).change();
        assert_eq!(lease.state, LeaseState::Declined);
    }
}

#[test]
fn item_89_the_name_is_ours_for_nobody_else() {
    let mut lan = Lan::new();
    let own = leased(&mut lan, 1);
    let plain = lan.leases_as(2, |sent| sent.by_relay(RELAY));
    let of = |number: u32, say: fn(Client, Ipv4Addr) -> Sent, address| {
        named(say(client(number), address)).by_relay(RELAY)
    };
    for sent in [
        of(2, Client::release, plain),
        of(2, Client::decline, plain),
        of(3, Client::release, own),
        of(3, Client::decline, own),
    ] {
        assert_eq!(lan.hears(&sent).silence(), Ignored::NotForUs);
    }
    let stranger = by_relay(named(client(3).release(own)));
    assert_eq!(lan.hears(&stranger).silence(), Ignored::NotHolder);
    assert!(lan.active(own).is_some() && lan.active(plain).is_some());
}

#[test]
fn item_89_and_75_an_inform_may_use_the_name() {
    let mut lan = Lan::new();
    let own = leased(&mut lan, 1);
    for sent in [
        by_relay(named(client(3).inform(remote(77)))),
        named(client(1).inform(own)),
        by_unicast(named(client(1).inform(own))),
    ] {
        assert_eq!(lan.hears(&sent).ack().addresses(54), [NAME]);
    }
    let unknown = named(client(4).inform(remote(77))).by_relay(RELAY);
    assert_eq!(lan.hears(&unknown).silence(), Ignored::OtherServer);
}

#[test]
fn item_89_after_a_restart_the_lease_knows_the_name() {
    let mut lan = Lan::new();
    let own = leased(&mut lan, 1);
    let stored = lan.active(own).unwrap().clone();
    let mut again = Lan::new();
    assert!(again.server.load(stored, second(0)));
    let ack = again.at(300).hears(&client(1).renewing(own)).ack();
    assert_eq!(ack.addresses(54), [NAME]);
    again.hears(&named(client(1).release(own))).change();
}

/// All servers behind the relay agent have one name: what this one did not offer, another one did.
#[test]
fn item_89_and_35_what_another_of_the_same_name_offered_is_not_refused() {
    for (number, address) in [(1, remote(50)), (1, remote(130)), (2, remote(50))] {
        for authoritative in [true, false] {
            let mut lan = Lan::configured(|config| config.subnets[1].authoritative = authoritative);
            lan.hears(&by_relay(client(1).discover())).offer();
            let request = by_relay(named(client(number).selecting(address)));
            assert_eq!(lan.hears(&request).silence(), Ignored::OtherServer);
            assert_eq!(lan.server.offers(), number as usize - 1, "its offer is dropped");
        }
    }
}

#[test]
fn item_89_and_39_what_is_wrong_whoever_offered_it_is_refused_under_a_shared_name() {
    for authoritative in [true, false] {
        let mut lan = Lan::configured(|config| config.subnets[1].authoritative = authoritative);
        let own = leased(&mut lan, 1);
        for (address, expected) in [(own, NakReason::InUse), (local(100), NakReason::WrongNetwork)]
        {
            let answer = lan.hears(&by_relay(named(client(2).selecting(address))));
            match authoritative {
                true => assert_eq!(answer.nak().1, expected),
                false => assert_eq!(answer.silence(), Ignored::OtherServer),
            }
        }
    }
}

/// A relay agent that has renewals sent to itself passes them on to all servers.
#[test]
fn item_89_a_renewal_of_another_s_lease_is_not_refused() {
    let mut lan = Lan::new();
    let own = leased(&mut lan, 1);
    for sent in
        [by_unicast(client(1).renewing(remote(50))), by_relay(client(1).rebinding(remote(50)))]
    {
        assert_eq!(lan.hears(&sent).silence(), Ignored::OtherServer);
    }
    let taken = by_unicast(client(2).renewing(own));
    assert_eq!(lan.hears(&taken).nak().1, NakReason::InUse);
    assert!(lan.active(own).is_some());
}

/// What this server itself leased is its own to refuse.
#[test]
fn item_89_and_24_a_machine_with_a_reservation_moves_under_a_shared_name() {
    let mut lan = Lan::new();
    let own = leased(&mut lan, 1);
    lan.reload(|config| {
        config.policy.reservations = Reservations::new(vec![Reservation {
            keys: vec![HostKey::Mac(client(1).mac())],
            address: Some(remote(50)),
            name: "bench".to_owned(),
            group: None,
            settings: Settings::default(),
        }]);
    });
    let (_, reason) = lan.hears(&by_unicast(client(1).renewing(own))).nak();
    assert_eq!(reason, NakReason::NotYours);
    assert_eq!(leased(&mut lan, 1), remote(50));
}

/// Whoever writes in a relay agent's name does not choose the port of what that is sent.
#[test]
fn item_90_the_port_is_the_relay_agents_own_word() {
    let sent = |from: Ipv4Addr| {
        let mut sent = client(1).discover().option(82, &[19, 0]).by_relay(RELAY);
        sent.arrival.source = SocketAddrV4::new(from, 53);
        sent
    };
    let other = Ipv4Addr::new(203, 0, 113, 66);
    let mut lan = Lan::new();
    assert_eq!(lan.hears(&sent(other)).offer().destination, routed(RELAY, 67));
    assert_eq!(lan.hears(&sent(RELAY)).offer().destination, routed(RELAY, 53));
    lan.reload(|config| config.subnets[1].relays = vec![RELAY]);
    let offer = lan.hears(&sent(other)).offer();
    assert_eq!(offer.destination, routed(RELAY, 53), "one that is known has several addresses");
}

#[test]
fn item_90_a_relay_agent_with_a_port_of_its_own_is_answered_there() {
    let said = [1, 1, 7, 19, 0];
    let from = |sent: Sent, port| {
        let mut sent = sent.by_relay(RELAY);
        sent.arrival.source = SocketAddrV4::new(RELAY, port);
        sent
    };
    let mut lan = Lan::new();
    let discover = client(1).discover();
    let offer = lan.hears(&from(discover.clone().option(82, &said), 9067)).offer();
    assert_eq!(offer.destination, routed(RELAY, 9067));
    assert_eq!(offer.option(82).as_deref(), Some(&said[..]));
    let request = client(1).selecting(offer.yiaddr()).option(82, &said);
    assert_eq!(lan.hears(&from(request, 9068)).ack().destination, routed(RELAY, 9068));
    let (nak, _) = lan.hears(&from(client(1).init_reboot(local(5)).option(82, &said), 9067)).nak();
    assert_eq!(nak.destination, routed(RELAY, 9067));
    for unsaid in [discover.clone(), discover.clone().option(82, &[1, 1, 7])] {
        assert_eq!(lan.hears(&from(unsaid, 9067)).offer().destination, routed(RELAY, 67));
    }
    let renewal = from(client(1).rebinding(offer.yiaddr()), 9067);
    assert_eq!(lan.hears(&renewal).ack().destination, routed(RELAY, 67), "it says so each time");
    let direct = client(2).discover().option(82, &said);
    assert_eq!(lan.hears(&direct).offer().destination, unicast(2, local(100)));
}
