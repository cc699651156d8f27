//! `pxed-bench`: load for DHCP, TFTP and HTTP servers.

#![forbid(unsafe_code)]

mod cli;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(&cli::Cli::parse()) {
        Ok(text) => {
            let written = writeln!(io::stdout(), "{text}");
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "pxed-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
