//! pxed: DHCP, TFTP and HTTP boot from one process.

#![deny(unsafe_code)]

mod cli;
mod clock;
mod config;
mod control;
mod decode;
mod dhcp;
mod files;
mod http;
mod journal;
#[allow(unsafe_code, reason = "sockets; each block says why it is sound")]
mod net;
mod privileges;
mod script;
mod server;
mod store;
mod tftp;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ControlCommand, LogFormat, ServeArgs};
use config::Config;
use control::ControlError;
use server::Logging;

/// A mistake on the command line.
const EXIT_USAGE: u8 = 2;
/// pxed could not start, or could not go on.
const EXIT_FAILURE: u8 = 1;
/// There is no pxed that could be asked.
const EXIT_NOT_RUNNING: u8 = 3;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve(*args),
        Command::Decode(args) => match decode::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, EXIT_FAILURE),
        },
        Command::Control(command) => ask(command),
    }
}

/// Asks the pxed that runs.
fn ask(command: ControlCommand) -> ExitCode {
    match control::ask(&command.question()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ ControlError::NotRunning(_)) => fail(&error, EXIT_NOT_RUNNING),
        Err(error) => fail(&error, EXIT_FAILURE),
    }
}

fn serve(args: ServeArgs) -> ExitCode {
    let logging = Logging { format: args.log_format, verbose: args.verbose };
    let config = match Config::from_args(args) {
        Ok(config) => config,
        Err(error) => return fail(&error, EXIT_USAGE),
    };
    match server::run(config, logging) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if logging.format == LogFormat::Json => {
            tracing::error!("{}", chain(&error).join("; because: "));
            ExitCode::from(EXIT_FAILURE)
        }
        Err(error) => fail(&error, EXIT_FAILURE),
    }
}

/// The error with all that it came from, on one line each.
fn fail(error: &dyn Error, code: u8) -> ExitCode {
    // Nobody may be there to read it; the exit code still tells.
    let _ = writeln!(io::stderr(), "pxed: {}", chain(error).join("\n  because: "));
    ExitCode::from(code)
}

/// The error, and what it came from.
fn chain(error: &dyn Error) -> Vec<String> {
    std::iter::successors(Some(error), |error| (*error).source()).map(ToString::to_string).collect()
}
