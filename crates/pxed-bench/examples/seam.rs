//! Machines and the server's rules in one process, without a socket: what `bench/instructions`
//! counts. `discover`, `request` and `renew` are functions of their own so that a profiler tells them
//! apart; all of them are a datagram in, and the answer and the event out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it may stop")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use pxed_bench::{Client, Engine, Exchange, Firmware, Pace, Plan};
use pxed_proto::Timestamp;
use pxed_proto::boot::Services;
use pxed_proto::catalog::{Catalog, Loader};
use pxed_proto::dhcp::{
    Arrival, Class, Config, FirmwareKind, Group, HostKey, LeaseTime, Link, LinkId, OptionSetting,
    Pattern, Policy, Pool, RelaySubOption, Reservation, Reservations, Secret, Server, Settings,
    Subnet, Test,
};
use pxed_proto::machine::Architecture;
use pxed_proto::net::{AddressRange, Ipv4Net, Mac};
use pxed_proto::wire::options::code;

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// `seam RULES LEASES EXCHANGES`: so many leases first, and then so many four-way exchanges of new
/// machines and so many renewals. RULES is how many classes, groups' members and reservations there
/// are, of each; all machines belong to the last class.
fn main() {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u32>().unwrap());
    let [rules, leases, exchanges] = [(); 3].map(|()| numbers.next().unwrap());
    let mut server = Server::new(Arc::new(config(rules)), Secret::default());
    run(&mut engine(leases, 0), &mut server, serve);
    let mut machines = engine(exchanges, leases);
    run(&mut machines, &mut server, by_kind);
    let renewals = Plan { exchange: Exchange::Renew, ..plan(exchanges, leases) };
    run(&mut machines.again(renewals), &mut server, renew);
    assert_eq!(server.active_leases(now()).count(), (leases + exchanges) as usize);
}

/// Runs to the end; every exchange completes.
fn run(engine: &mut Engine, server: &mut Server, how: fn(&mut Server, &[u8]) -> Vec<u8>) {
    let mut message = Vec::new();
    while engine.next(0, &mut message).is_some() {
        let answer = how(server, &message);
        engine.received(0, &answer);
        server.recycle(answer);
    }
    assert_eq!(engine.tally.completed, engine.tally.started);
}

fn by_kind(server: &mut Server, message: &[u8]) -> Vec<u8> {
    // Option 53 is the first.
    match message.get(242) {
        Some(1) => discover(server, message),
        _ => request(server, message),
    }
}

#[inline(never)]
fn discover(server: &mut Server, message: &[u8]) -> Vec<u8> {
    serve(server, message)
}

#[inline(never)]
fn request(server: &mut Server, message: &[u8]) -> Vec<u8> {
    serve(server, message)
}

#[inline(never)]
fn renew(server: &mut Server, message: &[u8]) -> Vec<u8> {
    serve(server, message)
}

/// A datagram comes in, and the store says yes at once.
fn serve(server: &mut Server, message: &[u8]) -> Vec<u8> {
    let arrival = Arrival {
        source: SocketAddrV4::new(RELAY, 67),
        destination: SocketAddrV4::new(HERE, 67),
        source_mac: None,
    };
    let plan = server.plan(now(), LinkId(0), &arrival, message);
    let mut output = server.apply(plan, now());
    let commits = std::mem::take(&mut output.commits);
    for commit in commits {
        let committed = server.committed(commit.id, Ok(()), now());
        output.transmit = committed.transmit.or(output.transmit);
    }
    let Some(reply) = output.transmit else { panic!("no answer") };
    reply.message
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000)
}

fn plan(machines: u32, first: u32) -> Plan {
    Plan {
        exchange: Exchange::FourWay,
        pace: Pace::InFlight(1),
        warm_up: 0,
        measured: u64::MAX,
        count: u64::from(machines),
        waits: vec![u64::MAX],
        salt: 0,
        first,
    }
}

fn engine(machines: u32, first: u32) -> Engine {
    let client = Client { firmware: Firmware::Pxe, relay: Some(RELAY), broadcast: false };
    Engine::new(plan(machines, first), &client, machines)
}

/// The network of bench/dhcp, and rules that are about others.
fn config(rules: u32) -> Config {
    let link = Link { name: Arc::from("eth0"), addresses: vec![HERE], mtu: 1500 };
    let services = Services { tftp: HERE, http: SocketAddrV4::new(HERE, 8067), https_port: None };
    let hour = Duration::from_secs(3600);
    let time = LeaseTime { min: hour, default: hour, max: hour };
    let network = Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), 8).unwrap();
    let mut subnet = Subnet::new(network, Some(LinkId(0)), services, time);
    let [first, last] = [Ipv4Addr::new(10, 128, 0, 0), Ipv4Addr::new(10, 131, 255, 255)];
    subnet.pools = vec![Pool::from(AddressRange::new(first, last).unwrap())];
    subnet.conflict_probe = None;
    (subnet.rates.machine, subnet.rates.newcomers, subnet.rates.port) = (0, 0, 0);
    let to_here = |code| {
        let value = HERE.octets().to_vec();
        OptionSetting { code, value, always: false, booting_only: false }
    };
    subnet.settings.options = [code::ROUTER, code::DOMAIN_NAME_SERVER].map(to_here).to_vec();
    let loader = Loader {
        name: "ipxe.efi".to_owned(),
        architectures: vec![Architecture(7)],
        file: Arc::from("ipxe.efi"),
        companions: vec![],
    };
    let catalog = Arc::new(Catalog { loaders: vec![loader], ..Catalog::default() });
    let subnets = vec![subnet];
    Config { links: vec![link], subnets, policy: policy(rules), catalog, host_name: None }
}

/// What a site writes: classes by vendor, by maker and by place, groups of machines, single machines.
fn policy(rules: u32) -> Policy {
    let others = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        Mac([0x52, 0x54, a, b, c, d])
    };
    let test = |number: u32| match number % 3 {
        _ if number + 1 == rules => Test::Firmware(FirmwareKind::Pxe),
        0 => Test::OptionLike(code::VENDOR_CLASS, Pattern::new(format!("vendor-{number}*"))),
        1 => Test::Mac(format!("52:54:{:02x}", number % 256).parse().unwrap()),
        _ => Test::All(vec![
            Test::Firmware(FirmwareKind::Pxe),
            Test::RelayAgent(RelaySubOption::CircuitId, Pattern::new(format!("rack-{number}/*"))),
        ]),
    };
    let options = vec![OptionSetting {
        code: 42,
        value: HERE.octets().to_vec(),
        always: false,
        booting_only: false,
    }];
    let settings = Settings { options, ..Settings::default() };
    let class = |number| {
        let name = format!("class-{number}");
        Class { name, test: test(number), settings: settings.clone() }
    };
    let members = |group: u32| (0..30).map(move |i| others(group * 30 + i).to_string());
    let group = |number| Group {
        name: format!("group-{number}"),
        members: members(number).map(|mac| mac.parse().unwrap()).collect(),
        settings: settings.clone(),
    };
    let reservation = |number| Reservation {
        name: format!("machine-{number}"),
        keys: match number % 2 {
            0 => vec![HostKey::Mac(others(number))],
            _ => vec![HostKey::ClientId(number.to_be_bytes().to_vec())],
        },
        address: Some(Ipv4Addr::from_bits(Ipv4Addr::new(10, 64, 0, 1).to_bits() + number)),
        ..Reservation::default()
    };
    Policy {
        classes: (0..rules).map(class).collect(),
        groups: (0..rules / 30).map(group).collect(),
        reservations: Reservations::new((0..rules).map(reservation).collect()),
        ..Policy::default()
    }
}
