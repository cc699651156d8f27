//! Hundreds of small worlds, each from a seed: machines of all kinds at once in changing weather,
//! a server that crashes, a store that fails. The invariants of `pxed_sim::checker` hold in each,
//! and every machine gets where it wants to be.
//!
//! A failure names its seed. `PXED_SIM_SEED=7 cargo test -p pxed-sim --test faults -- --nocapture`
//! tells that story; `PXED_SIM_SEEDS=100000` looks for one longer than usual.

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

use pxed_sim::files::Files;
use pxed_sim::firmware::Ending;
use pxed_sim::firmware::ipxe::Platform;
use pxed_sim::firmware::plain::Stay;
use pxed_sim::lan::Weather;
use pxed_sim::machine::Kind;
use pxed_sim::random::Random;
use pxed_sim::server::store::Health;
use pxed_sim::site::Site;
use pxed_sim::world::World;

/// How many worlds there are.
const SEEDS: u64 = 4000;

/// The longest that a story may take, and the packets that a machine may cost.
const TIME_MAX: Duration = Duration::from_secs(4 * 3600);
const PACKETS_PER_MACHINE: usize = 5000;

/// How often a machine is switched on again, if it fails.
const BOOTS: u32 = 1000;

/// When the bad times are over.
const TROUBLE: u64 = 300_000;

fn world(seed: u64) -> World {
    let mut random = Random::new(seed);
    let site = site(&mut random);
    let mut world = World::new(&site, Weather::changing(&mut random), random.bits());
    for _ in 0..random.between(2, 8) {
        let kind = kind(&mut random);
        let mac = world.add(kind, moment(&mut random, 60_000), BOOTS);
        if random.chance(200) {
            world.reset(mac, moment(&mut random, TROUBLE));
        }
    }
    for _ in 0..random.between(0, 4) {
        let after = moment(&mut random, TROUBLE);
        world.crash(after, moment(&mut random, 20_000));
    }
    if random.chance(500) {
        let chance = random.between(100, 600) as u32;
        let (failing, doubtful) = (Health::Failing(chance), Health::Doubtful(chance));
        let health = if random.chance(500) { failing } else { doubtful };
        world.health(moment(&mut random, 60_000), health);
        world.health(Duration::from_millis(TROUBLE), Health::Good);
    }
    world
}

/// Every third site has too few addresses, so that leases have to end before others can begin.
fn site(random: &mut Random) -> Site {
    let files = Files::small();
    let (addresses, longest) = if random.chance(333) { (3, 300) } else { (20, 3600) };
    let lease_time = Duration::from_secs(random.between(120, longest));
    let conflict_probe = random.chance(500).then(|| Duration::from_millis(random.between(1, 900)));
    let plain_tftp = random.chance(100);
    Site { lease_time, addresses, files, plain_tftp, conflict_probe, ..Site::default() }
}

fn moment(random: &mut Random, most: u64) -> Duration {
    Duration::from_millis(random.between(0, most))
}

fn kind(random: &mut Random) -> Kind {
    match random.between(0, 5) {
        0 => Kind::Bios,
        1 => Kind::Edk2Pxe,
        2 => Kind::Edk2Http,
        3 => Kind::Ipxe(Platform::Bios),
        _ => {
            let time = Duration::from_secs(random.between(60, 3600));
            let taken = random.chance(100).then_some(Ipv4Addr::new(192, 168, 77, 100));
            Kind::Plain(Stay { releases: random.chance(500), taken, ..Stay::of(time) })
        }
    }
}

/// What went wrong in the world, if anything did.
fn findings(world: &mut World) -> Vec<String> {
    let packets = PACKETS_PER_MACHINE * world.machines().len();
    let mut findings = world.run(TIME_MAX, packets).findings().to_vec();
    for machine in world.machines() {
        match (machine.kind(), machine.ending()) {
            (Kind::Plain(_), Some(Ending::Bound(_))) => {}
            (Kind::Plain(_), _) => findings.push(format!("{machine:?}")),
            (_, Some(Ending::Booted { kernel, .. })) if kernel == "vmlinuz" => {}
            _ => findings.push(format!("{machine:?}")),
        }
    }
    findings
}

#[test]
fn every_machine_boots_in_the_end() {
    if let Some(seed) = number("PXED_SIM_SEED") {
        return tell(seed);
    }
    for seed in 0..number("PXED_SIM_SEEDS").unwrap_or(SEEDS) {
        let findings = findings(&mut world(seed));
        assert!(
            findings.is_empty(),
            "seed {seed}: {findings:#?}\nRead the story: PXED_SIM_SEED={seed} cargo test \
             -p pxed-sim --test faults -- --nocapture"
        );
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

fn tell(seed: u64) {
    let mut world = world(seed).recording();
    let findings = findings(&mut world);
    println!("{}", world.transcript);
    assert!(findings.is_empty(), "seed {seed}: {findings:#?}");
}
