//! PXE ROMs that each follow one form of a proxy offer alone, beside a DHCP server of somebody else:
//! pxed finds the form within three starts, and knows it from then on.
//!
//! `PXED_SIM_SEEDS=100000 cargo test -p pxed-sim --test roms` tries worse luck than usual.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test may stop"
)]

use std::time::Duration;

use pxed_proto::dhcp::{Form, Told};
use pxed_proto::net::Mac;
use pxed_sim::firmware::Ending;
use pxed_sim::firmware::rom::Habits;
use pxed_sim::lan::Weather;
use pxed_sim::machine::Kind;
use pxed_sim::site::Site;
use pxed_sim::world::World;

const HOUR: Duration = Duration::from_secs(3600);

/// A second between machines: they do not disturb each other.
const APART: Duration = Duration::from_secs(1);

/// What people put up with: a start that fails, and another one.
const STARTS_MAX: u32 = 3;

fn beside_another() -> Site {
    Site { proxy: true, ..Site::default() }
}

fn rom(form: &'static Form, hasty: bool, architecture: u16) -> Kind {
    Kind::Rom(Habits { follows: form, architecture, hasty })
}

/// One machine for each form.
fn one_of_each(world: &mut World, forms: &'static [Form], hasty: bool, arch: u16) -> Vec<Mac> {
    let at = (0..).map(|n| APART * n);
    forms.iter().zip(at).map(|(form, at)| world.add(rom(form, hasty, arch), at, 100)).collect()
}

fn run(world: &mut World) {
    world.run(world.time() + HOUR, 1_000_000);
    assert_eq!(world.checker.findings(), &[] as &[String], "{}", world.transcript);
}

/// How often each machine was started until its loader ran.
fn starts(world: &World, machines: &[Mac]) -> Vec<u32> {
    let starts = |mac: &Mac| {
        let machine = world.machines().iter().find(|machine| machine.mac() == *mac).unwrap();
        let loaded = matches!(machine.ending(), Some(Ending::Loaded(_)));
        assert!(loaded, "{machine:?}\n{}", world.transcript);
        machine.starts()
    };
    machines.iter().map(starts).collect()
}

/// They are all started once more; how often that had to be.
fn again(world: &mut World, machines: &[Mac]) -> Vec<u32> {
    machines.iter().for_each(|mac| world.start_again(*mac, 100));
    run(world);
    starts(world, machines)
}

fn fine(site: &Site, seed: u64) -> World {
    World::new(site, Weather::fine(), seed).recording()
}

#[test]
fn every_rom_boots_within_three_starts_and_at_the_first_once_it_is_known() {
    for architecture in [0, 7] {
        let mut world = fine(&beside_another(), 1);
        let machines = one_of_each(&mut world, Form::all(), false, architecture);
        run(&mut world);
        assert_eq!(starts(&world, &machines), [1, 1, 1, 1, 2, 2, 2, 2]);
        for _ in 0..3 {
            assert_eq!(again(&mut world, &machines), [1; 8]);
        }
    }
}

/// A ROM that takes an address without anything to boot, and stops, asks once a start: it follows one
/// of the first three forms, or is told of.
#[test]
fn roms_that_ask_once_boot_within_three_starts() {
    let first = &Form::all()[..3];
    for (architecture, expected) in [(0, [1, 2, 3]), (7, [2, 1, 3])] {
        let mut world = fine(&beside_another(), 1);
        let machines = one_of_each(&mut world, first, true, architecture);
        run(&mut world);
        assert_eq!(starts(&world, &machines), expected);
        assert_eq!(again(&mut world, &machines), [1; 3]);
    }
}

#[test]
fn a_raspberry_pi_boots_at_its_first_start() {
    let mut world = fine(&beside_another(), 1);
    let pi = Mac([0xdc, 0xa6, 0x32, 0, 0, 1]);
    let menu = Form::by_name("menu").unwrap();
    world.add_known(pi, rom(menu, true, 0), Duration::ZERO, 1);
    run_until_asked(&mut world);
    let story = world.transcript.to_string();
    assert!(!story.contains("gives up: PXE-E5"), "{story}");
}

/// A Pi knows the names of its files itself, and this model does not: it gets as far as TFTP.
fn run_until_asked(world: &mut World) {
    world.run(HOUR, 100_000);
    assert_eq!(world.checker.findings(), &[] as &[String], "{}", world.transcript);
}

#[test]
fn what_was_learned_outlives_a_crash() {
    let mut world = fine(&beside_another(), 1);
    let machines = one_of_each(&mut world, Form::all(), false, 7);
    run(&mut world);
    world.crash(world.time() + Duration::from_secs(1), Duration::from_secs(5));
    assert_eq!(again(&mut world, &machines), [1; 8]);
}

/// Machines that nobody knows, with firmware that another site has met.
#[test]
fn what_one_site_has_learned_is_good_at_another() {
    let mut world = fine(&beside_another(), 1);
    let machines = one_of_each(&mut world, Form::all(), false, 7);
    run(&mut world);
    let told: Told = world.pxed.exported();
    assert_eq!(told.len(), machines.len());
    let mut other = fine(&Site { quirks: told, ..beside_another() }, 2);
    // Those that ask once too.
    let machines = one_of_each(&mut other, Form::all(), true, 7);
    run(&mut other);
    assert_eq!(starts(&other, &machines), [1; 8]);
}

/// The third machine of a firmware profits by the first two.
#[test]
fn machines_of_one_firmware_learn_of_each_other() {
    let mut world = fine(&beside_another(), 1);
    let delayed = Form::by_name("delayed").unwrap();
    let two = [0, 1].map(|n| world.add(rom(delayed, false, 7), APART * n, 100));
    run(&mut world);
    assert_eq!(starts(&world, &two), [2, 2]);
    let third = world.add(rom(delayed, true, 7), world.time() + APART, 100);
    run(&mut world);
    assert_eq!(starts(&world, &[third]), [1]);
}

/// Losses and copies may cost a start; they teach nothing that does not mend.
#[test]
fn in_bad_weather_every_rom_gets_there_and_is_known_in_the_end() {
    let seeds = std::env::var("PXED_SIM_SEEDS").map_or(100, |seeds| seeds.parse().unwrap());
    let (mut first, mut known, mut late) = (0, 0, 0);
    for seed in 0..seeds {
        let weather = Weather { loss: 20, duplication: 50, ..Weather::fine() };
        let mut world = World::new(&beside_another(), weather, seed);
        let machines = one_of_each(&mut world, Form::all(), false, 7);
        run(&mut world);
        let starts = starts(&world, &machines);
        assert!(starts.iter().all(|starts| *starts <= STARTS_MAX + 2), "seed {seed}: {starts:?}");
        late += starts.iter().filter(|starts| **starts > STARTS_MAX).count();
        first += starts.len();
        let again = again(&mut world, &machines);
        known += again.iter().filter(|starts| **starts == 1).count();
    }
    println!(
        "{first} machines: {late} took more than three starts; {known} boot at the first then"
    );
    assert!(late * 100 <= first, "{late} of {first} took more than {STARTS_MAX} starts");
    assert!(known * 100 >= first * 97, "{known} of {first} at the first");
}
