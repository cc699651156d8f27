//! `pxed-bench http`.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use clap::{Args, value_parser};
use pxed_bench::Fetch;

use super::{nanoseconds, say, start};

#[derive(Debug, Args)]
pub(super) struct HttpArgs {
    /// The server's address and port.
    #[arg(long)]
    server: SocketAddrV4,
    /// The file's path.
    #[arg(long)]
    path: String,
    /// How many connections there are, each kept.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// The first client's address; the next one has the next. All of them are this computer's (AnyIP).
    #[arg(long)]
    from: Option<Ipv4Addr>,
    /// Asks for so many octets at a random place each time, and not for the whole file.
    #[arg(long)]
    range: Option<u64>,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before, which are not.
    #[arg(long, default_value_t = 0.0)]
    warm_up: f64,
    /// The file as it should be: it is fetched and compared before the run.
    #[arg(long)]
    original: Option<PathBuf>,
    /// The core to run on.
    #[arg(long)]
    cpu: Option<usize>,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

pub(super) fn http(args: &HttpArgs) -> io::Result<String> {
    start(args.cpu)?;
    let fetch = Fetch {
        server: args.server,
        path: args.path.clone(),
        connections: args.connections,
        from: args.from,
        warm_up: nanoseconds(args.warm_up),
        measured: nanoseconds(args.seconds),
        range: args.range,
        original: args.original.as_ref().map(std::fs::read).transpose()?,
    };
    say(&fetch.run()?, args.json)
}
