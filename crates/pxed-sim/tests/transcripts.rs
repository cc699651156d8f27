//! Boots in fine weather, word for word: `transcripts/*.txt` are to be read.
//!
//! `UPDATE_TRANSCRIPTS=1 cargo test -p pxed-sim` writes them anew.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test may stop"
)]

use std::path::PathBuf;
use std::time::Duration;

use pxed_proto::dhcp::Form;
use pxed_sim::firmware::ipxe::Platform;
use pxed_sim::firmware::plain::Stay;
use pxed_sim::firmware::rom::Habits;
use pxed_sim::lan::Weather;
use pxed_sim::machine::Kind;
use pxed_sim::site::Site;
use pxed_sim::world::World;

fn story(name: &str, title: &str, kind: Kind) {
    let mut world = World::new(&Site::default(), Weather::fine(), 1).recording();
    world.add(kind, Duration::ZERO, 1);
    world.run(Duration::from_secs(8 * 3600), 10_000);
    assert_eq!(world.checker.findings(), &[] as &[String], "{}", world.transcript);
    compare(name, &format!("{title}\n\n{}", world.transcript));
}

fn compare(name: &str, told: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        return std::fs::write(&path, told).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some(difference) = difference(&expected, told) {
        panic!("{name} is told differently now:\n{difference}\nUPDATE_TRANSCRIPTS=1 accepts it");
    }
}

/// The first lines that differ, with the lines around them.
fn difference(expected: &str, told: &str) -> Option<String> {
    let (expected, told): (Vec<_>, Vec<_>) = (expected.lines().collect(), told.lines().collect());
    let same = expected.iter().zip(&told).take_while(|(a, b)| a == b).count();
    if same == expected.len() && same == told.len() {
        return None;
    }
    let before = expected[same.saturating_sub(3)..same].iter().map(|line| format!("  {line}"));
    let minus = expected[same..].iter().take(5).map(|line| format!("- {line}"));
    let plus = told[same..].iter().take(5).map(|line| format!("+ {line}"));
    Some(before.chain(minus).chain(plus).collect::<Vec<_>>().join("\n"))
}

#[test]
fn bios() {
    story("bios.txt", "A BIOS with a PXE ROM boots Linux.", Kind::Bios);
}

#[test]
fn uefi_pxe() {
    story("uefi_pxe.txt", "A UEFI machine (EDK2) boots Linux by PXE.", Kind::Edk2Pxe);
}

#[test]
fn uefi_http() {
    story("uefi_http.txt", "A UEFI machine (EDK2) boots Linux by HTTP Boot.", Kind::Edk2Http);
}

#[test]
fn ipxe() {
    let title = "A machine with iPXE in its ROM boots Linux.";
    story("ipxe.txt", title, Kind::Ipxe(Platform::Bios));
}

#[test]
fn plain() {
    let title =
        "An operating system renews its lease and gives it back: it is told nothing to boot.";
    let stay = Stay::of(Duration::from_secs(75 * 60));
    story("plain.txt", title, Kind::Plain(stay));
}

/// A ROM that asks once a start, and is known at its fourth.
#[test]
fn learning() {
    let title = "A PXE ROM that follows menus alone, beside a DHCP server of somebody else: it takes an \
                 address\nwithout anything to boot, and stops. Then it is switched on once more.";
    let site = Site { proxy: true, ..Site::default() };
    let mut world = World::new(&site, Weather::fine(), 1).recording();
    let menu = Form::by_name("menu").unwrap();
    let habits = Habits { follows: menu, architecture: 7, hasty: true };
    let mac = world.add(Kind::Rom(habits), Duration::ZERO, 3);
    world.run(Duration::from_secs(3600), 10_000);
    world.start_again(mac, 1);
    world.run(Duration::from_secs(3600), 10_000);
    assert_eq!(world.checker.findings(), &[] as &[String], "{}", world.transcript);
    compare("learning.txt", &format!("{title}\n\n{}", world.transcript));
}
