//! pxed: DHCP, TFTP and HTTP boot from one process.

#![deny(unsafe_code)]

mod cli;
mod clock;
mod config;
mod control;
mod decode;
mod dhcp;
mod explain;
mod files;
mod http;
mod journal;
mod log;
#[allow(unsafe_code, reason = "sockets; each block says why it is sound")]
mod net;
mod privileges;
mod probe;
mod reload;
mod script;
mod served;
mod server;
mod store;
mod tftp;
mod tls;
mod written;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use cli::{CheckArgs, Cli, Command, ServeArgs};
use clock::Clock;
use config::{Config, reference};
use control::{ControlError, Question};
use explain::ExplainArgs;
use log::LogFormat;

/// A mistake on the command line.
const EXIT_USAGE: u8 = 2;
/// pxed could not start, or could not go on.
const EXIT_FAILURE: u8 = 1;
/// There is no pxed that could be asked.
const EXIT_NOT_RUNNING: u8 = 3;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve(*args),
        Command::Check(args) => check(&args),
        Command::Explain(args) => explain(&args),
        Command::Decode(args) => match decode::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, EXIT_FAILURE),
        },
        Command::Probe(args) => match probe::run(&args, &mut io::stdout()) {
            Ok(false) => ExitCode::SUCCESS,
            Ok(true) => ExitCode::from(EXIT_FAILURE),
            Err(error) => fail(&error, EXIT_USAGE),
        },
        Command::Control(command) => ask(&command.question()),
    }
}

/// Asks the pxed that runs.
fn ask(question: &Question) -> ExitCode {
    match control::ask(question) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ ControlError::NotRunning(_)) => fail(&error, EXIT_NOT_RUNNING),
        Err(error) => fail(&error, EXIT_FAILURE),
    }
}

fn serve(args: ServeArgs) -> ExitCode {
    let config = match &args.config {
        None => Config::from_args(&args),
        Some(path) => match from_file(path) {
            Ok(config) => config.overridden(&args),
            Err(code) => return code,
        },
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => return fail(&error, EXIT_USAGE),
    };
    let format = config.service.log_format;
    match server::run(config, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if format == LogFormat::Json => {
            tracing::error!("{}", chain(&error).join("; because: "));
            ExitCode::from(EXIT_FAILURE)
        }
        Err(error) => fail(&error, EXIT_FAILURE),
    }
}

/// Reads a configuration file and says what is wrong with it.
fn from_file(path: &Path) -> Result<Config, ExitCode> {
    let read = read_file(path)?;
    if read.counts() != (0, 0) {
        let _ = writeln!(io::stderr(), "{}", read.report(io::stderr().is_terminal()));
    }
    read.config.ok_or(ExitCode::from(EXIT_USAGE))
}

fn read_file(path: &Path) -> Result<config::Read, ExitCode> {
    config::read(path).map_err(|error| {
        let _ = writeln!(io::stderr(), "pxed: {}: {error}", path.display());
        ExitCode::from(EXIT_USAGE)
    })
}

/// Says what a machine would get from the running pxed, or by a configuration file.
fn explain(args: &ExplainArgs) -> ExitCode {
    if let Err(problem) = args.check() {
        let _ = writeln!(io::stderr(), "pxed: {problem}");
        return ExitCode::from(EXIT_USAGE);
    }
    let Some(file) = &args.config else {
        let code = ask(&args.question());
        if code == ExitCode::from(EXIT_NOT_RUNNING) {
            let _ = writeln!(io::stderr(), "  without one, --config FILE explains by a file");
        }
        return code;
    };
    let config = match from_file(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let server = pxed_proto::dhcp::Server::new(config.dhcp, pxed_proto::dhcp::Secret::default());
    let unscripted = match explain::explain(&server, &args.inquiry(), Clock::start().now()) {
        Ok(unscripted) => unscripted,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "pxed: {problem}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let named = |name: &str| config.named_files.iter().find(|(served, _)| served == name);
    let explained = unscripted.with_script(&|name| {
        let (_, path) = named(name).ok_or("no such file")?;
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    });
    let _ = match args.whom.json {
        true => writeln!(io::stdout(), "{}", serde_json::to_string(&explained).unwrap_or_default()),
        false => write!(io::stdout(), "{explained}"),
    };
    ExitCode::SUCCESS
}

/// Says what is wrong with a configuration file, or what it comes to.
fn check(args: &CheckArgs) -> ExitCode {
    if args.example || args.reference {
        let text = if args.example { reference::example() } else { reference::page() };
        let _ = io::stdout().write_all(text.as_bytes());
        return ExitCode::SUCCESS;
    }
    let read = match read_file(&args.file) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let (errors, warnings) = read.counts();
    let out = &mut io::stdout();
    let report = read.report(out.is_terminal());
    let _ = if errors + warnings > 0 { writeln!(out, "{report}\n") } else { Ok(()) };
    if let Some(config) = &read.config {
        let _ = config.sentences().iter().try_for_each(|line| writeln!(out, "{line}"));
    }
    let (some, more) = (config::counted(errors, "error"), config::counted(warnings, "warning"));
    let _ = writeln!(out, "{}: {some}, {more}", args.file.display());
    match (errors, warnings) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) if !args.strict => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(EXIT_FAILURE),
        _ => ExitCode::from(EXIT_USAGE),
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
