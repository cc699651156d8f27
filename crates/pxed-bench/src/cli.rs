//! The command line: one file for each thing that it asks for.

mod dhcp;
mod http;
mod null;
mod storm;
mod tftp;

use std::fmt::Display;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use pxed_bench::pin;
use serde::Serialize;

/// How EDK2 waits for an answer, in seconds, and how often (PXE 2.1 section 2.2.3).
const EDK2_WAITS: [f64; 4] = [4.0, 8.0, 16.0, 32.0];

/// Load for boot servers, and what they make of it.
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
    Dhcp(Box<dhcp::DhcpArgs>),
    /// A rack that is switched on: addresses, loaders, scripts, kernels and initrds.
    ///
    /// Needs root, and addresses that are all this computer's: see bench/README.md.
    Storm(storm::StormArgs),
    /// Clients that load a file by TFTP, all at once.
    Tftp(tftp::TftpArgs),
    /// Clients that load a file by HTTP, again and again.
    Http(http::HttpArgs),
    /// Answers everything at once and remembers nothing: the generator's ceiling.
    Null(null::NullArgs),
}

/// Does what was asked for, and says what came of it.
pub fn run(cli: &Cli) -> io::Result<String> {
    match &cli.command {
        Command::Dhcp(args) => dhcp::dhcp(args),
        Command::Storm(args) => storm::storm(args),
        Command::Tftp(args) => tftp::tftp(args),
        Command::Http(args) => http::http(args),
        Command::Null(args) => null::null(args),
    }
}

/// Keeps to the core, if one was named.
fn start(cpu: Option<usize>) -> io::Result<()> {
    Ok(cpu.map(pin).transpose().map(|_| ())?)
}

/// One line of JSON, or the table.
fn say<R: Serialize + Display>(report: &R, json: bool) -> io::Result<String> {
    if json {
        serde_json::to_string(report).map_err(io::Error::other)
    } else {
        Ok(report.to_string())
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Another number in the next run.
fn salt() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos()
}

/// Percent as parts of a million.
fn ppm(percent: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000,000")]
    let parts = (percent.clamp(0.0, 100.0) * 10_000.0).round() as u32;
    parts
}
