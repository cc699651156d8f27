//! What is broken on purpose is found: the invariants can fail.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test may stop"
)]

use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::dhcp::{Lease, LeaseState, Said};
use pxed_proto::net::Mac;
use pxed_proto::wire::tftp::Packet;
use pxed_sim::checker::Checker;
use pxed_sim::firmware::plain::Stay;
use pxed_sim::lan::{Datagram, Weather};
use pxed_sim::machine::Kind;
use pxed_sim::server::store::Health;
use pxed_sim::site::{BEGINNING, SERVER_MAC, Site};
use pxed_sim::world::World;

const NOW: Duration = Duration::ZERO;

fn world() -> World {
    World::new(&Site::default(), Weather::fine(), 1).recording()
}

fn stay(seconds: u64) -> Kind {
    Kind::Plain(Stay::of(Duration::from_secs(seconds)))
}

fn assert_found(world: &mut World, what: &str) {
    let findings = world.run(Duration::from_secs(7200), 10_000).findings().to_vec();
    let found = findings.iter().any(|finding| finding.contains(what));
    assert!(found, "not found: {what}\n{findings:#?}\n{}", world.transcript);
}

/// `replacement` for the first place where `octets` stand in what the server sends.
fn replaced(datagram: &Datagram, octets: &[u8], replacement: &[u8]) -> Option<Vec<u8>> {
    assert_eq!(octets.len(), replacement.len());
    let mut payload = datagram.payload.to_vec();
    let at = payload.windows(octets.len()).position(|window| window == octets)?;
    payload[at..at + octets.len()].copy_from_slice(replacement);
    (datagram.from == SERVER_MAC).then_some(payload)
}

#[test]
fn an_ack_before_its_commit() {
    let mut world = world();
    world.add(Kind::Bios, NOW, 1);
    world.pxed.hasty = true;
    assert_found(&mut world, "left before its lease was durable");
}

#[test]
fn a_hasty_server_that_crashes_gives_one_address_to_two_machines() {
    let mut world = world();
    world.add(stay(60), NOW, 1);
    world.add(stay(60), Duration::from_secs(5), 1);
    world.pxed.hasty = true;
    // A store that loses what it was writing when the power went.
    world.pxed.store.health = Health::Failing(0);
    world.crash(Duration::from_millis(4), Duration::from_secs(1));
    assert_found(&mut world, "192.168.77.100 is held by 52:54:00:00:00:01 and by");
}

#[test]
fn a_store_that_loses_rows() {
    let mut world = world();
    world.add(stay(60), NOW, 1);
    world.add(stay(60), Duration::from_secs(5), 1);
    world.pxed.store.health = Health::Lying(1000);
    world.crash(Duration::from_secs(2), Duration::from_secs(1));
    assert_found(&mut world, "192.168.77.100 is held by 52:54:00:00:00:01 and by");
    assert_found(&mut world, "for longer than is stored");
}

#[test]
fn a_store_that_loses_a_row_shows_in_the_versions() {
    let mut world = world();
    world.add(stay(3600), NOW, 1);
    world.pxed.store.health = Health::Lying(1000);
    assert_found(&mut world, "version 2 of 192.168.77.100 was to follow version 0");
}

#[test]
fn one_address_on_offer_to_two_machines() {
    let mut world = world();
    world.add(Kind::Edk2Pxe, NOW, 1);
    world.add(stay(60), NOW, 1);
    world.lan.forger =
        Some(|datagram| replaced(datagram, &[192, 168, 77, 101], &[192, 168, 77, 100]));
    assert_found(&mut world, "192.168.77.100 is on offer to 52:54:00:00:00:01");
}

#[test]
fn a_stranger_s_address_that_nobody_probes() {
    let mut world = world();
    world.squat(Ipv4Addr::new(192, 168, 77, 100), Mac([2, 0xbd, 0, 0, 0, 1]));
    world.add(Kind::Edk2Pxe, NOW, 1);
    assert_found(&mut world, "192.168.77.100 is held by 02:bd:00:00:00:01 and by");
}

/// A lease of 192.168.77.100 that the server wants to be durable.
fn lease_of(mac: Mac) -> Lease {
    Lease {
        address: Ipv4Addr::new(192, 168, 77, 100),
        hardware: mac.into(),
        said: Said::default(),
        state: LeaseState::Leased,
        granted: BEGINNING,
        expires: BEGINNING + Duration::from_secs(60),
        version: 1,
    }
}

#[test]
fn what_could_not_be_leased_to_one_machine_goes_to_another() {
    let [one, two] = [1, 2].map(|number| lease_of(Mac([2, 0, 0, 0, 0, number])));
    for (row, found) in [(None, true), (Some(&one), true), (Some(&two), false)] {
        let mut checker = Checker::default();
        checker.submitted(BEGINNING, &one);
        checker.failed(BEGINNING, &one, row);
        checker.submitted(BEGINNING + Duration::from_secs(29), &two);
        let findings = checker.findings();
        let on_offer = findings.iter().any(|finding| finding.contains("is on offer to"));
        assert_eq!(on_offer, found, "{row:?}: {findings:?}");
    }
}

#[test]
fn an_offer_that_would_send_edk2_to_port_4011() {
    let mut world = world();
    world.add(Kind::Edk2Pxe, NOW, 1);
    world.lan.forger =
        Some(|datagram| replaced(datagram, &[43, 4, 6, 1, 8, 255], &[224, 4, 6, 1, 8, 255]));
    assert_found(&mut world, "made to ask at port 4011");
}

#[test]
fn an_offer_that_would_load_ipxe_again() {
    let mut world = world();
    world.add(Kind::Bios, NOW, 1);
    world.lan.forger = Some(|datagram| {
        let forged = replaced(datagram, b"/boot.ipxe", b"/ipxe.kpxe")?;
        let again = Datagram { payload: forged.clone().into(), ..datagram.clone() };
        Some(replaced(&again, b"/boot.ipxe", b"/ipxe.kpxe").unwrap_or(forged))
    });
    assert_found(&mut world, "instead of a script");
}

#[test]
fn boot_options_for_an_operating_system() {
    let mut world = world();
    world.add(stay(60), NOW, 1);
    world.lan.forger = Some(|datagram| replaced(datagram, &[15, 11], &[67, 11]));
    assert_found(&mut world, "a client that does not boot was offered option 67");
}

#[test]
fn a_damaged_block() {
    let mut world = world();
    world.add(Kind::Bios, NOW, 1);
    world.lan.forger = Some(|datagram| match Packet::parse(&datagram.payload) {
        Ok(Packet::Data { block: 7, .. }) => {
            let mut payload = datagram.payload.to_vec();
            payload[100] ^= 1;
            Some(payload)
        }
        _ => None,
    });
    assert_found(&mut world, "a damaged image");
}

#[test]
fn an_event_that_is_missing_or_told_twice() {
    let (second, end) = (Duration::from_secs(1), BEGINNING);
    let mut silent = Checker::default();
    silent.heard();
    silent.end(end, 1, second);
    assert!(silent.findings()[0].contains("1 datagrams, 0 events"), "{silent:?}");
    let mut twice = Checker::default();
    twice.heard();
    twice.told(end);
    twice.told(end);
    assert!(twice.findings()[0].contains("more events than datagrams"), "{twice:?}");
}

#[test]
fn a_story_that_does_not_end() {
    let mut world = world();
    world.add(stay(20_000), NOW, 1);
    assert_found(&mut world, "no end after 7200 s");
}
