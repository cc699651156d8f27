//! `pxed-bench dhcp`.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;

use clap::{Args, value_parser};
use pxed_bench::{Client, Engine, Exchange, Firmware, Pace, Plan, Port, Report, drive};

use super::{EDK2_WAITS, nanoseconds, salt, say, start};

/// How many machines there can be.
const MACHINES: RangeInclusive<i64> = 1..=Engine::MACHINES_MAX as i64;

/// How many leases are asked for at once before renewals are measured.
const FILL_IN_FLIGHT: u32 = 32;

#[derive(Debug, Args)]
pub(super) struct DhcpArgs {
    /// Where the server is.
    #[arg(long, default_value = "255.255.255.255")]
    server: Ipv4Addr,
    /// The server's UDP port.
    #[arg(long, default_value_t = 67)]
    port: u16,
    #[command(flatten)]
    attached: Attached,
    /// The UDP port of the relay agent.
    #[arg(long, default_value_t = 67)]
    relay_port: u16,
    #[command(flatten)]
    pace: PaceArgs,
    /// What each exchange is. Before renewals every machine gets its lease.
    #[arg(long, value_enum, default_value = "four-way")]
    exchange: Exchange,
    /// How many machines there are; they ask in turn.
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u32).range(MACHINES))]
    machines: u32,
    /// The number of the first machine: its MAC's last four octets.
    #[arg(long, default_value_t = 0)]
    first: u32,
    /// Whose options they send.
    #[arg(long, value_enum, default_value = "pxe")]
    firmware: Firmware,
    /// They want broadcast answers.
    #[arg(long)]
    broadcast: bool,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds before, which are not.
    #[arg(long, default_value_t = 0.0)]
    warm_up: f64,
    /// At most so many exchanges.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    count: u64,
    /// Send again as EDK2 does, after 4, 8, 16 and 32 seconds.
    #[arg(long)]
    retransmit: bool,
    /// Without sending again: seconds until a machine gives up.
    #[arg(long, default_value_t = 1.0, conflicts_with = "retransmit")]
    timeout: f64,
    /// The core to run on.
    #[arg(long)]
    cpu: Option<usize>,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Attached {
    /// Machines on this interface's own network.
    #[arg(long)]
    interface: Option<String>,
    /// Machines behind a relay agent with this address, which is one of this computer's.
    #[arg(long)]
    relay: Option<Ipv4Addr>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct PaceArgs {
    /// So many exchanges begin every second, whatever the server does.
    #[arg(long)]
    rate: Option<u32>,
    /// An exchange begins as soon as one of so many has ended.
    #[arg(long)]
    in_flight: Option<u32>,
    /// All machines begin at once, and once.
    #[arg(long)]
    avalanche: bool,
}

pub(super) fn dhcp(args: &DhcpArgs) -> io::Result<String> {
    start(args.cpu)?;
    let client =
        Client { firmware: args.firmware, relay: args.attached.relay, broadcast: args.broadcast };
    let plan = plan(args);
    let server = SocketAddrV4::new(args.server, args.port);
    let mut port = match (&args.attached.interface, args.attached.relay) {
        (Some(interface), _) => Port::frames(interface, 68)?,
        (None, relay) => {
            let relay = relay.unwrap_or(Ipv4Addr::UNSPECIFIED);
            Port::udp(SocketAddrV4::new(relay, args.relay_port))?
        }
    };
    let to = args.attached.relay.map(|_| server);
    let report = if args.exchange == Exchange::Renew {
        let mut fill = Engine::new(fill(&plan, args.machines), &client, args.machines);
        drive(&mut fill, &mut port, to);
        if fill.leases() == 0 {
            return Err(io::Error::other("no machine got a lease that it could renew"));
        }
        let mut own_address = Port::udp(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68))?;
        measure(fill.again(plan), &mut own_address, Some(server))
    } else {
        measure(Engine::new(plan, &client, args.machines), &mut port, to)
    };
    say(&report, args.json)
}

fn measure(mut engine: Engine, port: &mut Port, server: Option<SocketAddrV4>) -> Report {
    let (took, free) = drive(&mut engine, port, server);
    Report::new(&engine, port, took, free)
}

/// What a run is to do.
fn plan(args: &DhcpArgs) -> Plan {
    let PaceArgs { rate, in_flight, .. } = args.pace;
    let pace = rate.map(Pace::Rate).or(in_flight.map(Pace::InFlight)).unwrap_or(Pace::Avalanche);
    let once = if args.pace.avalanche { u64::from(args.machines) } else { u64::MAX };
    let waits = match args.retransmit {
        true => EDK2_WAITS.map(nanoseconds).to_vec(),
        false => vec![nanoseconds(args.timeout)],
    };
    Plan {
        exchange: args.exchange,
        pace,
        warm_up: nanoseconds(args.warm_up),
        measured: nanoseconds(args.seconds),
        count: args.count.min(once),
        waits,
        salt: salt(),
        first: args.first,
    }
}

/// A lease for each machine.
fn fill(plan: &Plan, machines: u32) -> Plan {
    Plan {
        exchange: Exchange::FourWay,
        pace: Pace::InFlight(FILL_IN_FLIGHT),
        warm_up: 0,
        measured: u64::MAX,
        count: u64::from(machines),
        waits: vec![1_000_000_000; 3],
        ..plan.clone()
    }
}
