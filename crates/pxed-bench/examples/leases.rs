//! What a lease costs in memory, how long a million take to load, and what it costs to find an address
//! in a pool of eight million. Prints the tables of docs/benchmarks.md; each line comes from a process
//! of its own, since an allocator seldom gives memory back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it may stop")]
#![allow(clippy::print_stdout, reason = "it is what it is for")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use pxed_bench::{Client, Engine, Exchange, Firmware, Pace, Plan};
use pxed_proto::Timestamp;
use pxed_proto::boot::Services;
use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{
    Arrival, ClientKey, Config, Identity, Lease, LeaseState, LeaseTime, Link, LinkId, Policy, Pool,
    RelayAgent, Said, Secret, Server, Subnet,
};
use pxed_proto::machine::HardwareAddress;
use pxed_proto::net::{AddressRange, Ipv4Net, Mac};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The first address of the pool, 10.128.0.0/9.
const FIRST: u32 = 0x0a80_0000;
const POOL: u32 = 1 << 23;
const HOUR: Duration = Duration::from_secs(3600);

/// What is said of machines.
const KINDS: [&str; 5] = ["nothing", "client identifier", "host name", "circuit", "all three"];
/// How the addresses of the pool stand.
const POOLS: [&str; 4] =
    ["1,000 leases", "1,000,000 leases", "full but for 4,096", "expired, declined"];

/// `leases`: both tables. `leases memory KIND COUNT` and `leases find POOL`: one line.
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args {
        [] => tables(),
        ["memory", kind, count] => memory(kind, count.parse().unwrap()),
        ["find", pool] => find(pool),
        _ => panic!("{args:?}"),
    }
}

fn tables() {
    println!("| said beside the hardware address | leases | octets a lease | loaded in, CPU |");
    println!("|---|---|---|---|");
    for count in ["100000", "1000000"] {
        KINDS.iter().for_each(|kind| again(&["memory", kind, count]));
    }
    println!("\n| pool of 8,388,608 | DISCOVER, µs of CPU | resident MiB |\n|---|---|---|");
    POOLS.iter().for_each(|pool| again(&["find", pool]));
}

fn again(args: &[&str]) {
    let itself = std::env::current_exe().unwrap();
    assert!(Command::new(itself).args(args).status().unwrap().success());
}

fn memory(kind: &str, count: u32) {
    let mut server = Server::new(Arc::new(config()), Secret([7; 16]));
    let (before, begun) = (resident(), cpu());
    // In the order of a store that has them by address.
    for number in 0..count {
        server.load(lease(number, LeaseState::Leased, said(kind, number)), now());
    }
    let (took, octets) = (cpu() - begun, resident() - before);
    assert_eq!(server.active_leases(now()).count(), count as usize);
    println!("| {kind} | {count} | {} | {} ms |", octets / u64::from(count), took.as_millis());
}

/// What newcomers' DISCOVERs cost, each with the offer that is held for it.
fn find(pool: &str) {
    let mut server = Server::new(Arc::new(config()), Secret([7; 16]));
    let state = |number: u32| match pool {
        "1,000 leases" => (number < 1000).then_some(LeaseState::Leased),
        "1,000,000 leases" => (number < 1_000_000).then_some(LeaseState::Leased),
        // Those that have an offer find no address for others: a few are free for them.
        "full but for 4,096" => (number % (POOL / 4096) != 7).then_some(LeaseState::Leased),
        "expired, declined" if number.is_multiple_of(2) => Some(LeaseState::Released),
        "expired, declined" => Some(LeaseState::Declined),
        _ => panic!("{pool}"),
    };
    for number in 0..POOL {
        // Far from the order of addresses.
        let number = number.wrapping_mul(0x9e37_79b1) & (POOL - 1);
        if let Some(state) = state(number) {
            server.load(lease(number, state, Said::default()), now());
        }
    }
    let mut machines = engine(2000);
    let mut round = |round: u32| {
        machines = std::mem::replace(&mut machines, engine(0)).again(plan(2000, round * 2000));
        let begun = cpu();
        let count = discovers(&mut server, &mut machines);
        (cpu() - begun).as_secs_f64() * 1e6 / f64::from(count)
    };
    // What others do on the machine only ever takes time: the least of many rounds has least of it.
    let least = (0..50).map(&mut round).fold(f64::INFINITY, f64::min);
    println!("| {pool} | {least:.1} | {} |", resident() >> 20);
}

fn discovers(server: &mut Server, machines: &mut Engine) -> u32 {
    let (mut message, mut count) = (Vec::new(), 0);
    let arrival = Arrival {
        source: SocketAddrV4::new(RELAY, 67),
        destination: SocketAddrV4::new(HERE, 67),
        source_mac: None,
    };
    while machines.next(0, &mut message).is_some() {
        let plan = server.plan(now(), LinkId(0), &arrival, &message);
        let offer = server.apply(plan, now()).transmit.unwrap();
        machines.received(0, &offer.message);
        count += 1;
    }
    count
}

fn lease(number: u32, state: LeaseState, said: Said) -> Lease {
    let end = u64::from(number % 3_600_000) + 1;
    let expires = match state {
        LeaseState::Released => Timestamp::from_millis(now().as_millis() - end),
        _ => now() + Duration::from_millis(end),
    };
    let address = Ipv4Addr::from_bits(FIRST + number);
    Lease { address, hardware: hardware(number), said, state, granted: now(), expires, version: 1 }
}

fn hardware(number: u32) -> HardwareAddress {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([0x52, 0x54, a, b, c, d]).into()
}

fn said(kind: &str, number: u32) -> Said {
    let is = |what| kind == what || kind == "all three";
    let client = match is("client identifier") {
        // RFC 4361: a type, an IAID and a DUID of link layer and time.
        true => {
            let mac = hardware(number);
            let duid = [&[255, 0, 0, 0, 1, 0, 1, 0, 1, 0x2f, 1, 2, 3], mac.octets()].concat();
            ClientKey::Identifier(duid.into())
        }
        false => ClientKey::Hardware(hardware(number)),
    };
    let name = is("host name").then(|| format!("machine-{number}"));
    let relay = is("circuit").then(|| {
        let circuit = format!("eth 1/{:07}", number);
        let length = u8::try_from(circuit.len()).unwrap();
        let information = [&[1, length], circuit.as_bytes(), &[2, 6, 2, 0, 0, 0, 0, 9]].concat();
        RelayAgent { address: RELAY, information: information.into() }
    });
    Said::new(&client, name.as_deref(), relay.as_ref())
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000)
}

/// The resident memory of this process, in octets.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// The time that this process has had of its core.
fn cpu() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap())
}

fn plan(machines: u32, first: u32) -> Plan {
    Plan {
        exchange: Exchange::Discover,
        pace: Pace::InFlight(1),
        warm_up: 0,
        measured: u64::MAX,
        count: u64::from(machines),
        waits: vec![u64::MAX],
        salt: 0,
        first,
    }
}

fn engine(machines: u32) -> Engine {
    let client = Client { firmware: Firmware::Pxe, relay: Some(RELAY), broadcast: false };
    Engine::new(plan(machines, 0), &client, machines)
}

fn config() -> Config {
    let link = Link { name: Arc::from("eth0"), addresses: vec![HERE], mtu: 1500 };
    let services = Services { tftp: HERE, http: SocketAddrV4::new(HERE, 8067), https_port: None };
    let time = LeaseTime { min: HOUR, default: HOUR, max: HOUR };
    let network = Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), 8).unwrap();
    let mut subnet = Subnet::new(network, Some(LinkId(0)), services, time);
    let [first, last] = [FIRST, FIRST + (POOL - 1)].map(Ipv4Addr::from_bits);
    subnet.pools = vec![Pool::from(AddressRange::new(first, last).unwrap())];
    subnet.conflict_probe = None;
    subnet.identity = Identity::ClientId;
    (subnet.rates.machine, subnet.rates.newcomers, subnet.rates.port) = (0, 0, 0);
    let (catalog, policy) = (Arc::new(Catalog::default()), Policy::default());
    Config { links: vec![link], subnets: vec![subnet], policy, catalog, host_name: None }
}
