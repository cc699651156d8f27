//! `pxed-bench storm`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use pxed_bench::{
    Client, Engine, Exchange, Firmware, Pace, Plan, Port, Rack, Storm, StormReport, World,
};

use super::{EDK2_WAITS, nanoseconds, salt, say, start};

/// How iPXE waits for an answer, in seconds, and how often (DHCP_MIN_TIMEOUT, doubled until 10 s).
const IPXE_WAITS: [f64; 4] = [1.0, 2.0, 4.0, 8.0];

/// What distinguishes iPXE's transactions from the firmware's of the same machine: a bit of what is
/// the machine's number otherwise.
const IPXE_SALT: u32 = 0x0055_5555;

#[derive(Debug, Args)]
pub(super) struct StormArgs {
    /// Machines on this interface's own network.
    #[arg(long)]
    interface: String,
    /// How many machines are switched on at once.
    #[arg(long, default_value_t = 500, value_parser = value_parser!(u32).range(1..=100_000))]
    machines: u32,
    /// The windowsize that the firmware asks for; 0 asks for none.
    #[arg(long, default_value_t = 4)]
    window_size: u16,
    /// A folder with the files as they should be, each found by its own name.
    #[arg(long)]
    originals: Option<PathBuf>,
    /// Every n-th machine compares what it gets with the originals.
    #[arg(long, default_value_t = 50)]
    compare_every: u32,
    /// Seconds after which those that are not ready give up.
    #[arg(long, default_value_t = 300.0)]
    patience: f64,
    /// The core to run on.
    #[arg(long)]
    cpu: Option<usize>,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

pub(super) fn storm(args: &StormArgs) -> io::Result<String> {
    start(args.cpu)?;
    let originals = args.originals.as_deref().map(originals).transpose()?.unwrap_or_default();
    let window_size = (args.window_size > 0).then_some(args.window_size);
    let StormArgs { machines, compare_every, .. } = *args;
    let mut storm = Storm::new(Rack { machines, window_size, originals, compare_every });
    let salt = salt();
    let mut firmware = engine(Firmware::Pxe, &EDK2_WAITS, salt, machines);
    let mut ipxe = engine(Firmware::Ipxe, &IPXE_WAITS, salt ^ IPXE_SALT, machines);
    let mut world = World::new(Port::frames(&args.interface, 68)?, machines)?;
    let patience = nanoseconds(args.patience);
    let effort = world.run(&mut storm, [&mut firmware, &mut ipxe], patience);
    let marks = &storm.marks;
    say(&StormReport::new(machines, marks, [&firmware, &ipxe], &world, &effort), args.json)
}

/// The DHCP client of one program on all machines.
fn engine(firmware: Firmware, waits: &[f64], salt: u32, machines: u32) -> Engine {
    let plan = Plan {
        exchange: Exchange::FourWay,
        pace: Pace::Called,
        warm_up: 0,
        measured: u64::MAX,
        count: u64::MAX,
        waits: waits.iter().copied().map(nanoseconds).collect(),
        salt,
        first: 0,
    };
    // EDK2 asks for broadcasts, iPXE does not.
    let broadcast = firmware == Firmware::Pxe;
    Engine::new(plan, &Client { firmware, relay: None, broadcast }, machines)
}

/// All plain files of a folder.
fn originals(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.insert(name, std::fs::read(entry.path())?);
        }
    }
    Ok(files)
}
