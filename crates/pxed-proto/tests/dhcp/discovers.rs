//! Items 9 to 30: DISCOVER and OFFER.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxed_proto::dhcp::{Destination, Ignored, LeaseTime, LinkId};

use crate::client::{Sent, client};
use crate::lan::*;

fn wishing(number: u32, address: Ipv4Addr) -> Sent {
    client(number).discover().address(50, address)
}

#[test]
fn item_9_an_offer_goes_to_the_hardware_address() {
    let mut sent = client(1).discover().bios();
    sent.arrival.source_mac = Some(client(2).mac());
    let offer = Lan::new().hears(&sent).offer();
    assert_eq!(offer.destination, unicast(1, offer.yiaddr()), "chaddr, not the frame's source");
    assert!((local(100)..=local(249)).contains(&offer.yiaddr()));
    assert_eq!(offer.ciaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(offer.siaddr(), SERVER, "the next server, for firmware");
    assert!(offer.seconds(51).unwrap() >= 1);
}

#[test]
fn item_10_the_broadcast_flag_is_obeyed() {
    let offer = Lan::new().hears(&client(1).discover().broadcast_flag()).offer();
    assert_eq!(offer.destination, Destination::Broadcast);
}

#[test]
fn item_11_the_clients_source_port_does_not_matter() {
    let mut sent = client(1).discover();
    sent.arrival.source = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 1068);
    let offer = Lan::new().hears(&sent).offer();
    assert_eq!(offer.destination, unicast(1, offer.yiaddr()));
}

#[test]
fn item_12_ciaddr_of_a_discover_is_not_believed() {
    let sent = Sent { ciaddr: local(77), ..client(1).discover() };
    let offer = Lan::new().hears(&sent).offer();
    assert_eq!(offer.ciaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(offer.destination, unicast(1, offer.yiaddr()));
}

#[test]
fn item_13_a_free_address_that_is_asked_for_is_offered() {
    assert_eq!(Lan::new().hears(&wishing(1, local(130))).offer().yiaddr(), local(130));
}

#[test]
fn item_14_addresses_that_nobody_can_have_are_not_offered() {
    for wish in [
        local(0),
        local(255),
        SERVER,
        local(50),
        local(250),
        remote(120),
        Ipv4Addr::new(10, 9, 9, 9),
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
    ] {
        let offered = Lan::new().hears(&wishing(1, wish)).offer().yiaddr();
        assert!((local(100)..=local(249)).contains(&offered), "{wish} -> {offered}");
    }
}

#[test]
fn item_15_a_client_keeps_its_lease_and_gets_an_old_one_again() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    assert_eq!(lan.hears(&wishing(1, local(200))).offer().yiaddr(), own, "it has one");
    lan.at(10).hears(&client(1).release(own)).change();
    for other in 2..=6 {
        assert_ne!(lan.leases(other), own);
    }
    assert_eq!(lan.offers(1), own, "it was released, and is free");
    assert_eq!(lan.at(5000).offers(1), own, "its hold is over, and it is free");
    let second = lan.leases(7);
    assert_eq!(lan.at(100_000).offers(7), second, "it is expired, and free");
}

#[test]
fn item_15_an_offer_of_the_clients_own_lease_leaves_it_as_it_is() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    assert_eq!(lan.at(10).offers(1), own);
    assert_eq!((lan.server.offers(), lan.server.poll_timeout()), (0, Some(second(600))));
    assert_eq!(lan.at(600).wakes().len(), 1);
}

/// The lease that is offered ends before the client, or its retry, takes the offer.
#[test]
fn item_15_an_offer_of_a_lease_that_is_about_to_end_is_held() {
    for timer_runs in [true, false] {
        let mut lan = Lan::with_pool(local(100), local(100));
        let own = lan.leases(1);
        assert_eq!(lan.at(595).offers(1), own);
        assert_eq!(lan.server.offers(), 1);
        assert!(lan.active(own).is_some(), "and runs until its end");
        lan.at(601);
        if timer_runs {
            assert_eq!(lan.wakes().len(), 1, "the lease is over, and the offer is not");
        }
        assert_eq!(lan.hears(&wishing(2, own)).silence(), Ignored::PoolExhausted);
        lan.at(624).hears(&client(1).selecting(own)).ack();
    }
}

#[test]
fn an_offer_of_a_lease_that_is_about_to_end_is_over_in_its_time() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let own = lan.leases(1);
    assert_eq!(lan.at(590).offers(1), own);
    let used = |lan: &Lan, at| {
        let pool = lan.pool_use(at)[0].pools[0];
        (pool.leased, pool.offered)
    };
    assert_eq!((used(&lan, 590), used(&lan, 600)), ((1, 0), (0, 1)), "never counted twice");
    lan.at(592).hears(&client(1).release(own)).change();
    assert_eq!(lan.offers(2), own, "who gives a lease back gives up its offer");
    let mut lan = Lan::with_pool(local(100), local(100));
    let own = lan.leases(1);
    lan.at(590).offers(1);
    lan.at(620);
    assert_eq!((lan.wakes().len(), lan.server.offers()), (1, 0));
    assert_eq!(lan.offers(2), own);
}

#[test]
fn item_16_two_discovers_get_one_offer() {
    let mut lan = Lan::new();
    let first = lan.offers(1);
    let again = lan.at(1).hears(&Sent { xid: 99, ..client(1).discover() }).offer();
    assert_eq!(again.yiaddr(), first);
    assert_eq!(lan.server.offers(), 1);
}

#[test]
fn item_17_what_is_offered_to_one_is_not_offered_to_another() {
    let mut lan = Lan::new();
    let held = lan.offers(1);
    assert_ne!(lan.at(29).hears(&wishing(2, held)).offer().yiaddr(), held);
}

#[test]
fn item_18_an_offer_that_is_not_taken_is_forgotten() {
    for timer_runs in [true, false] {
        let mut lan = Lan::new();
        let answer = lan.hears(&client(1).discover());
        assert_eq!(answer.stored, None, "an offer is no row in the store");
        let held = answer.offer().yiaddr();
        lan.at(31);
        if timer_runs {
            assert_eq!(lan.wakes(), [], "not worth an event");
            assert_eq!(lan.server.offers(), 0);
        }
        assert_eq!(lan.hears(&wishing(2, held)).offer().yiaddr(), held);
    }
}

#[test]
fn item_19_retransmissions_make_one_hold() {
    let mut lan = Lan::new();
    let offers: Vec<Reply> = (0..4).map(|_| lan.hears(&client(1).discover()).offer()).collect();
    assert!(offers.iter().all(|offer| *offer == offers[0]));
    assert_eq!(lan.server.offers(), 1);
}

#[test]
fn item_20_an_exhausted_pool_still_renews_and_recovers() {
    let mut lan = Lan::with_pool(local(100), local(100));
    let only = lan.leases(1);
    assert_eq!(lan.hears(&client(2).discover()).silence(), Ignored::PoolExhausted);
    lan.at(300).hears(&client(1).renewing(only)).ack();
    lan.at(301).hears(&client(1).release(only)).change();
    assert_eq!(lan.leases(2), only);
}

#[test]
fn item_21_holes_are_found() {
    let mut lan = Lan::new();
    lan.hears(&wishing(1, local(249))).offer();
    lan.hears(&client(1).selecting(local(249))).ack();
    let mut found: Vec<_> = (2..=150).map(|number| lan.leases(number)).collect();
    found.sort_unstable();
    assert_eq!(found, (100..=248).map(local).collect::<Vec<_>>());
    assert_eq!(lan.hears(&client(151).discover()).silence(), Ignored::PoolExhausted);
}

#[test]
fn item_22_a_link_without_a_subnet_is_silent() {
    let mut bare = config();
    bare.subnets.remove(0);
    let mut lan = Lan::of(bare);
    for message_type in [1, 3, 4, 7, 8] {
        let sent = client(1).says(message_type).address(54, SERVER).address(50, local(1));
        assert_eq!(lan.hears(&sent).silence(), Ignored::NoSubnet, "{message_type}");
        let unicast = sent.unicast_from(local(77));
        assert_eq!(lan.hears(&unicast).silence(), Ignored::NoSubnet, "{message_type}");
    }
    let nowhere = client(1).discover();
    let plan = lan.server.plan(second(0), LinkId(7), &nowhere.arrival, &nowhere.bytes());
    assert_eq!(plan.reply, None, "a link that nobody configured");
}

#[test]
fn item_25_rom_installer_and_system_of_one_machine_are_one_client() {
    let mut lan = Lan::new();
    let rom = [&[1][..], &client(1).mac().0].concat();
    let installer = [0xff, 1, 2, 3, 4, 0, 1, 0, 1, 5, 6, 7, 8];
    let addresses = [Some(&rom[..]), Some(&installer), None].map(|id| {
        let identified = |sent: Sent| match id {
            Some(id) => sent.option(61, id),
            None => sent,
        };
        let offer = lan.hears(&identified(client(1).discover())).offer();
        lan.hears(&identified(client(1).selecting(offer.yiaddr()))).ack().yiaddr()
    });
    assert_eq!(addresses, [addresses[0]; 3]);
}

#[test]
fn item_26_wishes_for_a_lease_time_are_clamped() {
    let mut lan = Lan::new();
    let time = |lan: &mut Lan, wish: u32| {
        let sent = client(1).discover().option(51, &wish.to_be_bytes());
        lan.hears(&sent).offer().seconds(51).unwrap()
    };
    for (wish, granted) in [(1, 60), (0, 60), (u32::MAX, 3600), (86400, 3600), (100, 100)] {
        assert_eq!(time(&mut lan, wish), granted);
    }
    assert_eq!(lan.hears(&client(1).discover()).offer().seconds(51), Some(600));
    let mut endless = Lan::with(|subnet| subnet.lease_time = LeaseTime::of(LeaseTime::INFINITE));
    assert_eq!(time(&mut endless, u32::MAX), u32::MAX);
    let address = endless.leases(1);
    assert!(endless.at(1 << 32).active(address).is_some());
}

#[test]
fn item_27_renewal_times_lie_within_the_lease() {
    for seconds in [1, 2, 60, 600, 86400] {
        let lease_time = LeaseTime::of(Duration::from_secs(seconds));
        let mut lan = Lan::with(|subnet| subnet.lease_time = lease_time);
        let offer = lan.hears(&client(1).discover()).offer();
        let [t1, t2, lease] = [58, 59, 51].map(|code| offer.seconds(code).unwrap());
        assert!(t1 <= t2 && t2 < lease, "{t1} {t2} {lease}");
        assert_eq!((t1, t2), (lease / 2, lease * 7 / 8));
    }
    let unasked = Lan::new().hears(&client(1).discover().without(55)).offer();
    assert_eq!((unasked.option(58), unasked.option(59)), (None, None));
    let mut endless = Lan::with(|subnet| subnet.lease_time = LeaseTime::of(LeaseTime::INFINITE));
    let offer = endless.hears(&client(1).discover()).offer();
    assert_eq!([51, 58, 59].map(|code| offer.seconds(code)), [Some(u32::MAX); 3]);
}

#[test]
fn item_28_what_is_configured_and_asked_for_is_there() {
    let everything: Vec<u8> = (1..=254).collect();
    let sent = client(1).discover().without(55).option(55, &everything);
    let offer = Lan::new().hears(&sent).offer();
    let mut codes = offer.codes();
    codes.sort_unstable();
    assert_eq!(codes, [1, 3, 6, 15, 28, 51, 53, 54, 58, 59]);
    assert_eq!(offer.addresses(1), [Ipv4Addr::new(255, 255, 255, 0)]);
    assert_eq!(offer.addresses(3), [local(254)]);
    assert_eq!(offer.addresses(6), [local(53), local(54)]);
    assert_eq!(offer.addresses(28), [local(255)]);
    assert_eq!(offer.text(15), "lab.example", "item 127: without a NUL");
}

#[test]
fn item_28_what_is_not_configured_is_absent() {
    let mut lan = Lan::with(|subnet| subnet.settings.options.clear());
    let offer = lan.hears(&client(1).discover()).offer();
    assert_eq!(offer.codes(), [53, 54, 51, 1, 28, 58, 59]);
}

#[test]
fn item_29_a_parameter_request_list_in_two_parts_is_one() {
    let sent = client(1).discover().without(55).option(55, &[1, 3]).option(55, &[6, 15]);
    let codes = Lan::new().hears(&sent).offer().codes();
    assert_eq!(codes, [53, 54, 51, 1, 3, 6, 15]);
}

#[test]
fn item_30_a_client_that_asks_for_nothing_gets_the_common_options() {
    for sent in [client(1).discover().without(55), client(1).discover().without(55).option(55, &[])]
    {
        assert_eq!(Lan::new().hears(&sent).offer().codes(), [53, 54, 51, 1, 3, 6, 15]);
    }
    let modest = client(1).discover().without(55).option(55, &[28]);
    assert_eq!(Lan::new().hears(&modest).offer().codes(), [53, 54, 51, 1, 3, 28]);
}
