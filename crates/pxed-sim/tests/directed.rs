//! One fault each, at the worst moment.

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

use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{Message, MessageType};
use pxed_proto::wire::tftp::Packet;
use pxed_sim::files::Files;
use pxed_sim::firmware::Ending;
use pxed_sim::firmware::ipxe::Platform;
use pxed_sim::firmware::plain::Stay;
use pxed_sim::lan::{Datagram, Weather};
use pxed_sim::machine::Kind;
use pxed_sim::server::store::Health;
use pxed_sim::site::Site;
use pxed_sim::world::World;

const NOW: Duration = Duration::ZERO;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn world(site: &Site) -> World {
    World::new(site, Weather::fine(), 1).recording()
}

/// A network with few addresses and short leases.
fn small(addresses: u8) -> Site {
    Site { addresses, lease_time: seconds(120), ..Site::default() }
}

fn stay(time: u64, releases: bool) -> Kind {
    Kind::Plain(Stay { releases, ..Stay::of(seconds(time)) })
}

/// Runs, and expects that nothing is wrong. Returns the story.
fn told(world: &mut World) -> String {
    world.run(seconds(8 * 3600), 20_000);
    let story = world.transcript.to_string();
    assert_eq!(world.checker.findings(), &[] as &[String], "{story}");
    story
}

fn assert_booted(world: &World, mac: Mac, story: &str) {
    assert!(matches!(world.ending(mac), Some(Ending::Booted { .. })), "{story}");
}

fn assert_bound(world: &World, mac: Mac, last: u8, story: &str) {
    let address = Ipv4Addr::new(192, 168, 77, last);
    assert_eq!(world.ending(mac), Some(&Ending::Bound(address)), "{story}");
}

fn count(story: &str, what: &str) -> usize {
    story.lines().filter(|line| line.contains(what)).count()
}

fn is_dhcp(datagram: &Datagram, kind: MessageType) -> bool {
    Message::parse(&datagram.payload).is_ok_and(|message| message.message_type() == Some(kind))
}

/// Loses the first so many of these.
fn lose(world: &mut World, mut times: u32, what: impl Fn(&Datagram) -> bool + 'static) {
    world.lan.lose(move |datagram| {
        let hit = times > 0 && what(datagram);
        times -= u32::from(hit);
        hit
    });
}

#[test]
fn a_lost_offer_costs_the_rom_four_seconds() {
    let mut world = world(&Site::default());
    let mac = world.add(Kind::Bios, NOW, 1);
    lose(&mut world, 1, |datagram| is_dhcp(datagram, MessageType::Offer));
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
    assert_eq!(count(&story, "OFFER 192.168.77.100"), 3, "{story}");
    assert!(story.contains("    4.000  52:54:00:00:00:01 → everybody         DISCOVER"), "{story}");
}

#[test]
fn a_lost_ack_is_sent_again_for_the_same_address() {
    for kind in [Kind::Bios, Kind::Edk2Pxe, Kind::Edk2Http, Kind::Ipxe(Platform::Efi)] {
        let mut world = world(&Site::default());
        let mac = world.add(kind, NOW, 1);
        lose(&mut world, 1, |datagram| is_dhcp(datagram, MessageType::Ack));
        let story = told(&mut world);
        assert_booted(&world, mac, &story);
        assert_eq!(count(&story, "192.168.77.101"), 0, "{story}");
    }
}

#[test]
fn the_last_ack_of_a_transfer_may_be_lost() {
    let mut world = world(&Site::default());
    let mac = world.add(Kind::Bios, NOW, 1);
    lose(&mut world, 1, |datagram| {
        Packet::parse(&datagram.payload) == Ok(Packet::Ack(49)) && datagram.source.port() == 2072
    });
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
    // The ROM has gone on: nobody is there to acknowledge the last block again.
    assert_eq!(count(&story, "DATA 49, 1112 octets"), 9, "{story}");
    assert_eq!(count(&story, "the client fell silent after 69888 bytes"), 1, "{story}");
}

#[test]
fn a_lost_oack_is_sent_again() {
    let mut world = world(&Site::default());
    let mac = world.add(Kind::Edk2Pxe, NOW, 1);
    lose(&mut world, 2, |datagram| matches!(Packet::parse(&datagram.payload), Ok(Packet::OAck(_))));
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
}

#[test]
fn a_window_with_a_hole_goes_on_behind_it() {
    let mut world = world(&Site::default());
    let mac = world.add(Kind::Edk2Pxe, NOW, 1);
    lose(&mut world, 1, |datagram| {
        matches!(Packet::parse(&datagram.payload), Ok(Packet::Data { block: 23, .. }))
    });
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
    assert_eq!(count(&story, "2 retransmissions, blksize 1468, windowsize 4"), 1, "{story}");
}

/// In lock-step it doubles nothing. In a window it may be the word of a client that misses the first
/// block, so a window is sent again, but what is answered to that doubles nothing more.
#[test]
fn a_doubled_ack_does_not_double_all_that_follows() {
    for (kind, blocks) in [(Kind::Bios, 0), (Kind::Edk2Pxe, 706)] {
        let mut world = world(&Site::default());
        let mac = world.add(kind, NOW, 1);
        world.lan.double(|datagram| matches!(Packet::parse(&datagram.payload), Ok(Packet::Ack(_))));
        let story = told(&mut world);
        assert_booted(&world, mac, &story);
        assert!(retransmissions(&story) <= blocks, "{story}");
    }
}

/// How many packets of its first transfer were copies.
fn retransmissions(story: &str) -> u32 {
    let (before, _) = story.split_once(" retransmissions, blksize 14").unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_bad_line_takes_time_and_no_second_boot() {
    let mut world = world(&Site::default());
    let mac = world.add(Kind::Bios, NOW, 1);
    let mut packets = 0;
    world.lan.lose(move |datagram| {
        packets += u32::from(datagram.destination.port() > 1024);
        packets % 5 == 4
    });
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
}

#[test]
fn a_file_of_whole_blocks_ends_with_an_empty_one() {
    let files = Files::usual().with("undionly.kpxe", 10 * 1456).with("ipxe.efi", 8 * 1468);
    for (kind, empty) in [(Kind::Bios, "DATA 11, 0 octets"), (Kind::Edk2Pxe, "DATA 9, 0 octets")] {
        let mut world = world(&Site { files: files.clone(), ..Site::default() });
        let mac = world.add(kind, NOW, 1);
        let story = told(&mut world);
        assert_booted(&world, mac, &story);
        assert_eq!(count(&story, empty), 1, "{story}");
    }
}

#[test]
fn a_tftp_server_without_options_is_enough_for_a_rom() {
    let mut world = world(&Site { plain_tftp: true, ..Site::default() });
    let mac = world.add(Kind::Bios, NOW, 1);
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
    assert_eq!(count(&story, "blksize 512, windowsize 1"), 1, "{story}");
}

#[test]
fn nothing_is_promised_while_the_store_fails() {
    let mut world = world(&Site::default());
    let mac = world.add(Kind::Ipxe(Platform::Bios), NOW, 1);
    world.health(NOW, Health::Failing(1000));
    world.health(seconds(3), Health::Good);
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
    assert_eq!(count(&story, "the lease could not be stored"), 4, "{story}");
    assert_eq!(count(&story, " ACK 192"), 1, "{story}");
}

#[test]
fn an_address_that_could_not_be_leased_is_free_again() {
    let mut world = world(&small(1));
    world.add(Kind::Ipxe(Platform::Bios), NOW, 1);
    let second = world.add(stay(30, true), seconds(60), 1);
    world.health(NOW, Health::Failing(1000));
    world.health(seconds(50), Health::Good);
    let story = told(&mut world);
    assert_bound(&world, second, 100, &story);
}

#[test]
fn a_renewal_that_fails_leaves_the_lease_as_it_was() {
    let mut world = world(&small(1));
    let mac = world.add(stay(200, true), NOW, 1);
    world.health(seconds(50), Health::Failing(1000));
    world.health(seconds(70), Health::Good);
    let story = told(&mut world);
    assert_bound(&world, mac, 100, &story);
    assert_eq!(count(&story, "the lease could not be stored"), 1, "{story}");
    assert_eq!(count(&story, "rebinding"), 1, "{story}");
    assert_eq!(count(&story, "DISCOVER"), 1, "{story}");
}

#[test]
fn a_client_whose_server_does_not_hear_it_asks_everybody() {
    let mut world = world(&small(1));
    let mac = world.add(stay(200, true), NOW, 1);
    lose(&mut world, 1, |datagram| {
        is_dhcp(datagram, MessageType::Request) && !datagram.destination.ip().is_broadcast()
    });
    let story = told(&mut world);
    assert_bound(&world, mac, 100, &story);
    assert_eq!(count(&story, "rebinding"), 1, "{story}");
}

#[test]
fn two_machines_race_for_the_last_address() {
    let mut world = world(&small(1));
    let first = world.add(stay(100, true), NOW, 1);
    let second = world.add(stay(100, true), NOW, 10);
    let story = told(&mut world);
    assert_bound(&world, first, 100, &story);
    assert_bound(&world, second, 100, &story);
    assert!(count(&story, "every address of the pool is in use") > 0, "{story}");
}

#[test]
fn an_address_is_used_again_when_its_lease_is_over() {
    let mut world = world(&small(1));
    let first = world.add(stay(30, false), NOW, 1);
    let second = world.add(stay(30, false), seconds(40), 10);
    let story = told(&mut world);
    assert_bound(&world, first, 100, &story);
    assert_bound(&world, second, 100, &story);
    assert_eq!(count(&story, "the lease of 192.168.77.100 by 52:54:00:00:00:01 is over"), 1);
    let has = story.lines().rfind(|line| line.ends_with("has 192.168.77.100")).unwrap();
    let time: f64 = has.split_whitespace().next().unwrap().parse().unwrap();
    assert!(time > 120.0, "{story}");
}

#[test]
fn an_offer_that_nobody_takes_is_made_to_another() {
    let mut world = world(&small(1));
    world.add(Kind::Bios, NOW, 1);
    let second = world.add(stay(30, true), seconds(2), 10);
    world.lan.lose(|datagram| {
        datagram.from == Mac([0x52, 0x54, 0, 0, 0, 1]) && is_dhcp(datagram, MessageType::Request)
    });
    let story = told(&mut world);
    assert_bound(&world, second, 100, &story);
    let offer = story.lines().find(|line| line.contains("00:02              OFFER")).unwrap();
    let time: f64 = offer.split_whitespace().next().unwrap().parse().unwrap();
    assert!((30.0..80.0).contains(&time), "{story}");
}

#[test]
fn an_address_that_somebody_else_uses_is_given_to_nobody() {
    let mut world = world(&small(3));
    let taken = Some(Ipv4Addr::new(192, 168, 77, 100));
    let stay = Kind::Plain(Stay { taken, ..Stay::of(seconds(100)) });
    let first = world.add(stay, NOW, 1);
    let second = world.add(stay, seconds(30), 1);
    let story = told(&mut world);
    assert_bound(&world, first, 101, &story);
    assert_bound(&world, second, 102, &story);
    assert_eq!(count(&story, "DECLINE"), 1, "{story}");
}

/// Neither a ROM nor an installer looks whether its address is free: only the server can.
#[test]
fn item_32_machines_get_no_address_that_a_stranger_has() {
    let probing = || Site { conflict_probe: Some(Duration::from_millis(30)), ..small(4) };
    let mut world = world(&probing());
    let [first, second] = [100, 101].map(|last| Ipv4Addr::new(192, 168, 77, last));
    world.squat(first, Mac([2, 0xbd, 0, 0, 0, 1]));
    world.squat(second, Mac([2, 0xbd, 0, 0, 0, 2]));
    let rom = world.add(Kind::Edk2Pxe, NOW, 1);
    let other = world.add(stay(30, true), seconds(20), 1);
    let story = told(&mut world);
    assert_booted(&world, rom, &story);
    assert_bound(&world, other, 103, &story);
    for address in [first, second] {
        let text = format!("{address} on eth0 is in use by 02:bd:00:00:00:0");
        assert_eq!(count(&story, &text), 1, "{story}");
        assert_eq!(count(&story, &format!("the conflict of {address} is durable")), 1, "{story}");
    }
    assert_eq!(
        count(&story, "asks who has"),
        4,
        "each address once, iPXE's own not again\n{story}"
    );
}

#[test]
fn a_conflict_is_remembered_by_the_next_run() {
    let site = Site { conflict_probe: Some(Duration::from_millis(30)), ..small(3) };
    let mut world = world(&site);
    world.squat(Ipv4Addr::new(192, 168, 77, 100), Mac([2, 0xbd, 0, 0, 0, 1]));
    world.add(stay(10, true), NOW, 1);
    world.crash(seconds(20), seconds(1));
    let second = world.add(stay(10, true), seconds(30), 1);
    let story = told(&mut world);
    assert!(matches!(world.ending(second), Some(Ending::Bound(_))), "{story}");
    assert_eq!(count(&story, "asks who has 192.168.77.100"), 1, "{story}");
}

#[test]
fn a_commit_that_came_through_although_it_failed_is_taken_over() {
    let mut world = world(&small(1));
    let mac = world.add(stay(100, true), NOW, 1);
    world.health(NOW, Health::Doubtful(1000));
    world.health(seconds(2), Health::Good);
    let story = told(&mut world);
    assert_bound(&world, mac, 100, &story);
    assert_eq!(count(&story, "the lease could not be stored"), 2, "{story}");
}

#[test]
fn a_client_that_remembers_another_s_address_is_told_so() {
    let mut world = world(&small(2));
    let first = world.add(stay(100, true), NOW, 1);
    let remembers = Some(Ipv4Addr::new(192, 168, 77, 100));
    let stay = Stay { remembers, ..Stay::of(seconds(10)) };
    let second = world.add(Kind::Plain(stay), seconds(5), 1);
    let story = told(&mut world);
    assert_bound(&world, first, 100, &story);
    assert_bound(&world, second, 101, &story);
    assert_eq!(count(&story, "NAK: another client has the address"), 1, "{story}");
}

#[test]
fn a_machine_that_is_reset_gets_its_address_again() {
    let mut world = world(&Site::default());
    let other = world.add(Kind::Edk2Pxe, Duration::from_millis(4010), 1);
    let mac = world.add(stay(60, true), seconds(1), 1);
    world.reset(mac, seconds(20));
    let story = told(&mut world);
    assert_booted(&world, other, &story);
    assert_bound(&world, mac, 100, &story);
    assert_eq!(count(&story, "REQUEST 192.168.77.100, remembered"), 1, "{story}");
}

#[test]
fn an_offer_outlives_the_server_that_made_it() {
    let mut world = world(&Site::default());
    let mac = world.add(Kind::Edk2Pxe, NOW, 1);
    world.crash(seconds(1), seconds(1));
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
    assert_eq!(count(&story, "DISCOVER (PXE"), 1, "{story}");
}

#[test]
fn a_crash_between_lease_and_ack_loses_neither() {
    for crash in [2, 3, 4, 5] {
        let mut world = world(&Site::default());
        let mac = world.add(Kind::Bios, NOW, 1);
        world.crash(Duration::from_millis(crash), Duration::from_millis(500));
        let story = told(&mut world);
        assert_booted(&world, mac, &story);
        assert_eq!(count(&story, "192.168.77.101"), 0, "{story}");
    }
}

#[test]
fn a_transfer_that_the_server_forgot_fails_and_is_begun_again() {
    let mut world = world(&Site::default());
    let mac = world.add(Kind::Bios, NOW, 2);
    world.crash(Duration::from_millis(50), seconds(2));
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
    assert_eq!(count(&story, "PXE-E32"), 1, "{story}");
}

#[test]
fn a_kernel_that_breaks_off_sends_the_machine_to_its_next_boot_device() {
    let mut world = world(&Site::default());
    let mac = world.add(Kind::Ipxe(Platform::Bios), NOW, 2);
    world.crash(Duration::from_millis(50), seconds(2));
    let story = told(&mut world);
    assert_booted(&world, mac, &story);
    assert_eq!(count(&story, "iPXE prints: pxed: this did not boot"), 1, "{story}");
    assert_eq!(count(&story, "gives up: iPXE: exit 1"), 1, "{story}");
}

#[test]
fn ten_machines_boot_at_once() {
    let mut world = world(&Site::default());
    let kinds = [Kind::Bios, Kind::Edk2Pxe, Kind::Edk2Http, Kind::Ipxe(Platform::Efi)];
    let macs: Vec<Mac> =
        kinds.iter().cycle().take(10).map(|kind| world.add(*kind, NOW, 1)).collect();
    let story = told(&mut world);
    macs.into_iter().for_each(|mac| assert_booted(&world, mac, &story));
}
