//! Classes: who belongs to them, and which pools they let in.

use pxed_proto::dhcp::{
    Class, FirmwareKind, Ignored, NakReason, Pattern, Pool, RelaySubOption, Settings, Test,
};
use pxed_proto::machine::Architecture;

use crate::client::{Sent, client};
use crate::lan::*;

fn class(name: &str, test: Test) -> Class {
    Class { name: name.to_owned(), test, settings: Settings::default() }
}

fn of_class(name: &str, first: u8, last: u8) -> Pool {
    let [pool] = pool(local(first), local(last)).try_into().unwrap();
    Pool { class: Some(name.to_owned()), ..pool }
}

/// A LAN with addresses for firmware (.10 to .11) and for the rest (.100 to .101).
fn two_pools() -> Lan {
    Lan::configured(|config| {
        let not_booting = Test::Firmware(FirmwareKind::NotBooting);
        config.policy.classes = vec![
            class("firmware", Test::Not(Box::new(not_booting.clone()))),
            class("rest", not_booting),
        ];
        config.subnets[0].pools = vec![of_class("firmware", 10, 11), of_class("rest", 100, 101)];
    })
}

#[test]
fn a_class_chooses_the_pool() {
    let mut lan = two_pools();
    assert_eq!([lan.leases_as(1, Sent::bios), lan.leases_as(2, Sent::uefi)], [10, 11].map(local));
    assert_eq!([lan.leases(3), lan.leases(4)], [100, 101].map(local));
    assert_eq!(lan.hears(&client(5).discover()).silence(), Ignored::PoolExhausted);
    assert_eq!(lan.hears(&client(6).discover().bios()).silence(), Ignored::PoolExhausted);
    let wish = client(3).discover().address(50, local(10));
    assert_eq!(lan.hears(&wish).offer().yiaddr(), local(100), "its own");
}

#[test]
fn members_of_a_class_have_its_pool_before_everybodys() {
    let everybodys = || pool(local(100), local(101)).remove(0);
    for pools in [
        vec![everybodys(), of_class("firmware", 10, 11)],
        vec![of_class("firmware", 10, 11), everybodys()],
    ] {
        let mut lan = two_pools();
        lan.reload(|config| config.subnets[0].pools = pools);
        assert_eq!(lan.leases(1), local(100), "not a member");
        assert_eq!(lan.leases_as(2, Sent::bios), local(10));
        lan.hears(&client(2).release(local(10)));
        // What was in use once comes before what is everybody's too.
        let rest = [3, 4, 5].map(|number| lan.leases_as(number, Sent::bios));
        assert_eq!(rest, [11, 10, 101].map(local));
    }
}

#[test]
fn who_belongs_to_no_class_of_the_pools_is_told_apart() {
    let mut lan = two_pools();
    lan.reload(|config| drop(config.subnets[0].pools.pop()));
    assert_eq!(lan.hears(&client(1).discover()).silence(), Ignored::NoPool);
    let firmware = [2, 3].map(|number| lan.leases_as(number, Sent::bios));
    assert_eq!(firmware, [10, 11].map(local));
    assert_eq!(lan.hears(&client(4).discover().bios()).silence(), Ignored::PoolExhausted);
}

#[test]
fn an_address_of_a_pool_for_others_is_refused() {
    let mut lan = two_pools();
    let wish = client(1).discover().address(50, local(11));
    assert_eq!(lan.hears(&wish).offer().yiaddr(), local(100));
    let (_, reason) = lan.hears(&client(2).selecting(local(10))).nak();
    assert_eq!(reason, NakReason::NotInPool);
}

#[test]
fn a_machine_that_leaves_its_class_moves_when_it_asks_anew() {
    let mut lan = two_pools();
    let rom = lan.leases_as(1, Sent::bios);
    assert_eq!(rom, local(10));
    let offer = lan.at(20).hears(&client(1).discover()).offer();
    assert_eq!(offer.yiaddr(), local(100));
    let answer = lan.hears(&client(1).selecting(local(100)));
    assert_eq!(answer.freed.as_ref().map(|lease| lease.address), Some(rom));
    answer.ack();
    assert_eq!(lan.leases_as(2, Sent::bios), local(11));
    assert_eq!(lan.leases_as(3, Sent::bios), rom, "free again");
}

#[test]
fn a_class_sets_options_and_the_later_one_is_stronger() {
    let x64 = Test::Architecture(vec![Architecture::UEFI_X64]);
    let like = Test::OptionLike(60, Pattern::new("PXEClient*"));
    let with = |class: Class, text: &str| {
        let settings = Settings { options: vec![option(15, text)], ..Settings::default() };
        Class { settings, ..class }
    };
    let mut lan = Lan::configured(|config| {
        config.policy.classes =
            vec![with(class("pxe", like), "pxe.example"), with(class("x64", x64), "x64.example")];
    });
    let mut domain = |sent: Sent| lan.hears(&sent).offer().text(15);
    assert_eq!(domain(client(1).discover()), "lab.example");
    assert_eq!(domain(client(1).discover().bios()), "pxe.example");
    assert_eq!(domain(client(1).discover().uefi()), "x64.example");
}

#[test]
fn item_59_a_pool_for_a_circuit_is_renewed_by_unicast() {
    let circuit = Test::RelayAgent(RelaySubOption::CircuitId, Pattern::new("rack-7*"));
    let mut lan = Lan::configured(|config| {
        config.policy.classes = vec![class("rack-7", circuit)];
        config.subnets[1].pools = vec![
            Pool { class: Some("rack-7".to_owned()), ..pool(remote(10), remote(19)).remove(0) },
            pool(remote(100), remote(249)).remove(0),
        ];
    });
    let rack = |sent: Sent| {
        sent.option(82, &[1, 9, b'r', b'a', b'c', b'k', b'-', b'7', b'/', b'0', b'1'])
            .by_relay(RELAY)
    };
    assert_eq!(lan.leases_as(1, rack), remote(10));
    assert_eq!(lan.leases_as(2, |sent| sent.by_relay(RELAY)), remote(100));
    for seconds in [300, 600, 900] {
        let answer = lan.at(seconds).hears(&client(1).renewing(remote(10)));
        assert_eq!(answer.stored.unwrap().expires, second(seconds + 600), "not the rest alone");
    }
    let direct = client(3).discover().option(82, &[1, 6, b'r', b'a', b'c', b'k', b'-', b'7']);
    assert_eq!(lan.hears(&direct).offer().yiaddr(), local(100), "its word alone is nothing");
}
