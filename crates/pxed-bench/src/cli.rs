//! The command line, and the two things that it asks for.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand, value_parser};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pxed_bench::{
    Client, Clock, Engine, Exchange, Firmware, Null, Pace, Plan, Port, Report, drive, pin,
};

/// How EDK2 waits for an answer, in seconds, and how often (PXE 2.1 section 2.2.3).
const EDK2_WAITS: [u64; 4] = [4, 8, 16, 32];

/// How many machines there can be.
const MACHINES: RangeInclusive<i64> = 1..=Engine::MACHINES_MAX as i64;

/// How many leases are asked for at once before renewals are measured.
const FILL_IN_FLIGHT: u32 = 32;

/// Load for DHCP servers, and what they make of it.
#[derive(Debug, Parser)]
#[command(name = "pxed-bench", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Machines that want an address.
    ///
    /// Latencies count from when a message was to be sent, so a server that stalls is charged for
    /// all that would have asked meanwhile. Exit status 0 says that it ran, and nothing of the
    /// server.
    Dhcp(Box<DhcpArgs>),
    /// Answers everything at once and remembers nothing: the generator's ceiling.
    Null(NullArgs),
}

#[derive(Debug, Args)]
struct DhcpArgs {
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

#[derive(Debug, Args)]
struct NullArgs {
    /// UDP at this address.
    #[arg(long, default_value = "0.0.0.0:67")]
    listen: SocketAddrV4,
    /// Frames of this interface instead.
    #[arg(long)]
    interface: Option<String>,
    /// Who it says that it is.
    #[arg(long, default_value = "10.0.0.1")]
    server_id: Ipv4Addr,
    /// Leaves every n-th request without an answer.
    #[arg(long, default_value_t = 0)]
    drop_every: u64,
    /// How many seconds it runs.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// The core to run on.
    #[arg(long)]
    cpu: Option<usize>,
}

/// Does what was asked for, and says what came of it.
pub fn run(cli: &Cli) -> io::Result<String> {
    match &cli.command {
        Command::Dhcp(args) => dhcp(args),
        Command::Null(args) => null(args),
    }
}

fn dhcp(args: &DhcpArgs) -> io::Result<String> {
    args.cpu.map(pin).transpose()?;
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
    if args.json {
        serde_json::to_string(&report).map_err(io::Error::other)
    } else {
        Ok(report.to_string())
    }
}

fn measure(mut engine: Engine, port: &mut Port, server: Option<SocketAddrV4>) -> Report {
    let (took, free) = drive(&mut engine, port, server);
    Report::new(&engine, port, took, free)
}

/// What a run is to do.
fn plan(args: &DhcpArgs) -> Plan {
    let nanoseconds = |seconds: f64| {
        let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
    };
    let PaceArgs { rate, in_flight, .. } = args.pace;
    let pace = rate.map(Pace::Rate).or(in_flight.map(Pace::InFlight)).unwrap_or(Pace::Avalanche);
    let once = if args.pace.avalanche { u64::from(args.machines) } else { u64::MAX };
    let waits = match args.retransmit {
        true => EDK2_WAITS.map(|seconds| seconds * 1_000_000_000).to_vec(),
        false => vec![nanoseconds(args.timeout)],
    };
    // Any number will do that is another one in the next run.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Plan {
        exchange: args.exchange,
        pace,
        warm_up: nanoseconds(args.warm_up),
        measured: nanoseconds(args.seconds),
        count: args.count.min(once),
        waits,
        salt: since.subsec_nanos(),
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

fn null(args: &NullArgs) -> io::Result<String> {
    args.cpu.map(pin).transpose()?;
    let mut port = match &args.interface {
        Some(interface) => Port::frames(interface, 67)?,
        None => Port::udp(args.listen)?,
    };
    let mut null = Null::new(args.server_id, args.drop_every);
    let clock = Clock::start();
    let end = Duration::try_from_secs_f64(args.seconds).unwrap_or_default().as_nanos();
    while u128::from(clock.now()) < end {
        if null.serve(&mut port) == 0 {
            let mut wait = [PollFd::new(port.as_fd(), PollFlags::POLLIN)];
            poll(&mut wait, PollTimeout::from(100u8))?;
        }
    }
    Ok(format!("{} requests, {} left without an answer", null.seen, null.dropped))
}
