//! `pxed-bench tftp`.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use clap::{Args, value_parser};
use pxed_bench::{Clients, Wanted};

use super::{nanoseconds, ppm, salt, say, start};

#[derive(Debug, Args)]
pub(super) struct TftpArgs {
    /// The server's address and port.
    #[arg(long)]
    server: SocketAddrV4,
    /// The file's name.
    #[arg(long)]
    file: String,
    /// How many clients there are; all begin at once.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=100_000))]
    clients: u32,
    /// The first client's address; the next one has the next. All of them are this computer's (AnyIP).
    #[arg(long)]
    from: Option<Ipv4Addr>,
    /// The option blksize; 0 asks for none.
    #[arg(long, default_value_t = 1468)]
    block_size: u16,
    /// The option windowsize; 0 asks for none.
    #[arg(long, default_value_t = 0)]
    window_size: u16,
    /// Milliseconds that a datagram takes, each way, beside what it takes anyway.
    #[arg(long, default_value_t = 0.0)]
    delay: f64,
    /// Percent of the DATA packets that are lost.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Which of them are; another one in each run if it is not named.
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds until a client sends again what it sent last.
    #[arg(long, default_value_t = 4.0)]
    timeout: f64,
    /// How often a client sends a packet before it gives up.
    #[arg(long, default_value_t = 6)]
    tries: u8,
    /// The file as it should be: the first client compares it.
    #[arg(long)]
    original: Option<PathBuf>,
    /// Seconds after which those who are not ready give up.
    #[arg(long, default_value_t = 120.0)]
    patience: f64,
    /// The core to run on.
    #[arg(long)]
    cpu: Option<usize>,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

pub(super) fn tftp(args: &TftpArgs) -> io::Result<String> {
    start(args.cpu)?;
    let asked = |value: u16| (value > 0).then_some(value);
    let wanted = Wanted {
        file: args.file.clone(),
        block_size: asked(args.block_size),
        window_size: asked(args.window_size),
        wait: nanoseconds(args.timeout),
        tries: args.tries,
        size_only: false,
    };
    let clients = Clients {
        server: args.server,
        clients: args.clients,
        from: args.from,
        wanted,
        delay: nanoseconds(args.delay / 1000.0),
        lost_ppm: ppm(args.loss),
        seed: args.seed.unwrap_or_else(|| salt().into()),
        original: args.original.as_ref().map(std::fs::read).transpose()?,
        patience: nanoseconds(args.patience),
    };
    say(&clients.run()?, args.json)
}
