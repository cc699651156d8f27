//! For how long a server with a million leases is busy with another configuration: nobody is answered
//! meanwhile. Prints the table of docs/benchmarks.md.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it may stop")]
#![allow(clippy::print_stdout, reason = "it is what it is for")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use pxed_proto::Timestamp;
use pxed_proto::boot::Services;
use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{
    ClientKey, Config, HostKey, Identity, Lease, LeaseState, LeaseTime, Link, LinkId,
    OptionSetting, Policy, Pool, RelayCaps, Reservation, Reservations, Said, Secret, Server,
    Subnet,
};
use pxed_proto::net::{AddressRange, Ipv4Net, Mac};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The first address of the pool.
const FIRST: u32 = 0x0a10_0000;
const LEASES: u32 = 1_000_000;
/// How many addresses nobody ever had.
const FRESH: u32 = 48_000;
const HOUR: Duration = Duration::from_secs(3600);
/// What others do on the machine only ever takes time: the least of so many has least of it.
const TIMES: u32 = 5;

type Change = fn(&mut Config);

/// What is different in the other configuration.
const CHANGES: [(&str, Change); 10] = [
    ("nothing", |_| {}),
    ("an option", |config| config.subnets[0].settings.options = vec![option()]),
    ("a reservation more", |config| config.policy.reservations = reserved(1)),
    ("10,000 reservations more", |config| config.policy.reservations = reserved(10_000)),
    ("the pool ends 16 addresses later", |config| range(config, 0, 16)),
    ("the pool begins 16 addresses earlier", |config| range(config, -16, 0)),
    ("1,000 addresses taken out of its middle", cut),
    ("a subnet more", |config| config.subnets.push(subnet(Ipv4Addr::new(172, 16, 0, 0), 16))),
    ("the first cap behind a relay agent", |config| {
        config.subnets[0].relay_caps = RelayCaps { remote_id: Some(4), circuit_id: None };
    }),
    ("clients are told apart by MAC alone", |config| config.subnets[0].identity = Identity::Mac),
];

fn main() {
    println!("| what is new | CPU, ms |\n|---|---|");
    let mut server = Server::new(Arc::new(config()), Secret([7; 16]));
    server.expect(LEASES);
    (0..LEASES).for_each(|number| assert!(server.load(lease(number), now())));
    for (what, change) in CHANGES {
        let mut changed = config();
        change(&mut changed);
        row(what, &server, changed);
    }
    let (mut gone, mut split) = (config(), config());
    gone.subnets.clear();
    row("the subnet goes", &server, gone.clone());
    let pools = std::mem::take(&mut split.subnets[0].pools);
    split.subnets.push(Subnet { pools, ..subnet(Ipv4Addr::from_bits(FIRST), 12) });
    row("a smaller subnet takes them all", &server, split);
    server.reconfigure(Arc::new(gone), now());
    row("the subnet comes back", &server, config());
}

fn row(what: &str, server: &Server, changed: Config) {
    let changed = Arc::new(changed);
    let once = |_| {
        let mut server = server.clone();
        let begun = cpu();
        server.reconfigure(Arc::clone(&changed), now());
        cpu() - begun
    };
    let least = (0..TIMES).map(once).min().unwrap();
    println!("| {what} | {:.2} |", least.as_secs_f64() * 1e3);
}

/// Of every four one is over, and is free.
fn lease(number: u32) -> Lease {
    let end = Duration::from_millis(u64::from(number % 3_600_000) + 1);
    let is_over = number.is_multiple_of(4);
    let expires = if is_over { Timestamp::from_millis(end.as_secs()) } else { now() + end };
    let identifier = [&[255, 0, 0, 0, 1, 0, 1], &number.to_be_bytes()[..]].concat();
    let said = Said::new(&ClientKey::Identifier(identifier.into()), None, None);
    let (address, hardware) = (Ipv4Addr::from_bits(FIRST + number), mac(number).into());
    let state = LeaseState::Leased;
    Lease { address, hardware, said, state, granted: now(), expires, version: 1 }
}

fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([0x52, 0x54, a, b, c, d])
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000)
}

/// The time that this process has had of its core.
fn cpu() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap())
}

fn option() -> OptionSetting {
    OptionSetting { code: 15, value: b"lab".to_vec(), always: false, booting_only: false }
}

/// So many machines that nobody has seen, each with an address of the pool.
fn reserved(count: u32) -> Reservations {
    let one = |number: u32| Reservation {
        keys: vec![HostKey::Mac(mac(LEASES + number))],
        address: Some(Ipv4Addr::from_bits(FIRST + number * 97)),
        ..Reservation::default()
    };
    Reservations::new((0..count).map(one).collect())
}

fn pool(first: u32, last: u32) -> Pool {
    let [first, last] = [first, last].map(Ipv4Addr::from_bits);
    Pool::from(AddressRange::new(first, last).unwrap())
}

/// The pool begins and ends so many addresses later.
fn range(config: &mut Config, begins: i32, ends: i32) {
    let last = FIRST + LEASES + FRESH - 1;
    let borders = (FIRST.wrapping_add_signed(begins), last.wrapping_add_signed(ends));
    config.subnets[0].pools = vec![pool(borders.0, borders.1)];
}

fn cut(config: &mut Config) {
    let (middle, last) = (FIRST + LEASES / 2, FIRST + LEASES + FRESH - 1);
    config.subnets[0].pools = vec![pool(FIRST, middle - 1), pool(middle + 1_000, last)];
}

fn subnet(network: Ipv4Addr, prefix_len: u8) -> Subnet {
    let services = Services { tftp: HERE, http: SocketAddrV4::new(HERE, 8067), https_port: None };
    let time = LeaseTime { min: HOUR, default: HOUR, max: HOUR };
    let network = Ipv4Net::new(network, prefix_len).unwrap();
    Subnet { identity: Identity::ClientId, ..Subnet::new(network, Some(LinkId(0)), services, time) }
}

fn config() -> Config {
    let link = Link { name: Arc::from("eth0"), addresses: vec![HERE], mtu: 1500 };
    let subnets = vec![subnet(Ipv4Addr::new(10, 0, 0, 0), 8)];
    let (catalog, policy) = (Arc::new(Catalog::default()), Policy::default());
    let mut config = Config { links: vec![link], subnets, policy, catalog, host_name: None };
    range(&mut config, 0, 0);
    config
}
