//! `pxed decode`: a capture told as the conversation it was, machine by machine.
//!
//! One pass: [`capture`] reads frames, [`link`] and [`packet`] take them apart, [`dhcp`], [`tftp`]
//! and [`http`] say what they mean, [`machines`] files it under the machine it is about. What is
//! said of a machine in the end is worked out in [`stage`]. Nothing is guessed: a capture shows
//! what was on the wire at one place, and this shows no more.

mod capture;
mod copies;
mod dhcp;
mod http;
mod link;
mod machines;
mod packet;
mod pxe;
mod report;
mod stage;
mod tally;
#[cfg(test)]
mod tests;
mod tftp;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use pxed_proto::net::Mac;

use capture::{Capture, Frame, NotReadable, Stop};
use copies::Copies;
use http::Exchanges;
use machines::Machines;
use packet::Carried;
use tally::{Skipped, Tally};
use tftp::Transfers;

/// The flags of `pxed decode`.
#[derive(Args, Clone, Debug)]
pub struct DecodeArgs {
    /// The capture: pcap or pcapng, as tcpdump, dumpcap and Wireshark write them; `-` reads
    /// standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Show this machine only.
    #[arg(long, value_name = "MAC", value_parser = mac)]
    pub mac: Option<Mac>,

    /// Show all fields and options of every DHCP message, and the heads of HTTP requests.
    #[arg(long)]
    pub full: bool,
}

fn mac(text: &str) -> Result<Mac, String> {
    text.parse().map_err(|_| "a MAC is written aa:bb:cc:dd:ee:ff".to_owned())
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file can not be opened.
    #[error("{file}: can not be opened")]
    Open {
        /// Its name.
        file: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is no capture.
    #[error("{file}: {reason}")]
    NotACapture {
        /// Its name.
        file: String,
        /// What it is instead.
        reason: &'static str,
    },
    /// Reading failed.
    #[error("{file}: can not be read")]
    Read {
        /// Its name.
        file: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Standard output failed.
    #[error("standard output can not be written")]
    Write(#[source] io::Error),
}

/// Prints the conversations in a capture to standard output.
///
/// # Errors
///
/// The file can not be read or is no capture. A reader that has seen enough (`| head`) is none.
pub fn run(args: &DecodeArgs) -> Result<(), DecodeError> {
    let (input, file) = open(&args.file)?;
    match tell(input, &file, args, &mut io::stdout().lock()) {
        Err(DecodeError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn open(path: &Path) -> Result<(Box<dyn Read>, String), DecodeError> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin().lock()), "standard input".to_owned()));
    }
    let file = path.display().to_string();
    match File::open(path) {
        Ok(open) => Ok((Box::new(open), file)),
        Err(source) => Err(DecodeError::Open { file, source }),
    }
}

/// Reads a capture to its end and writes what was in it.
fn tell(
    input: impl Read,
    file: &str,
    args: &DecodeArgs,
    output: &mut impl Write,
) -> Result<(), DecodeError> {
    let unreadable = |source| DecodeError::Read { file: file.to_owned(), source };
    let mut capture = Capture::open(BufReader::new(input)).map_err(|error| match error {
        NotReadable::Form(reason) => DecodeError::NotACapture { file: file.to_owned(), reason },
        NotReadable::Io(source) => unreadable(source),
    })?;
    let mut story = Story::new(args);
    let stop = loop {
        match capture.next() {
            Ok(frame) => story.hear(&frame),
            Err(Stop::Io(source)) => return Err(unreadable(source)),
            Err(stop) => break stop,
        }
    };
    story.end();
    report::write(output, file, &story, &stop).map_err(DecodeError::Write)
}

/// All that is known so far.
struct Story {
    machines: Machines,
    transfers: Transfers,
    exchanges: Exchanges,
    copies: Copies,
    tally: Tally,
    /// Frames read.
    frames: u64,
    /// The earliest and the latest frame, in nanoseconds since the Unix epoch.
    span: Option<(u64, u64)>,
}

impl Story {
    fn new(args: &DecodeArgs) -> Self {
        Self {
            machines: Machines::new(args.mac, args.full),
            transfers: Transfers::default(),
            exchanges: Exchanges::default(),
            copies: Copies::default(),
            tally: Tally::default(),
            frames: 0,
            span: None,
        }
    }

    /// Takes in one frame.
    fn hear(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        let (first, last) = self.span.unwrap_or((frame.at, frame.at));
        self.span = Some((first.min(frame.at), last.max(frame.at)));
        if let Err(skipped) = self.understand(frame) {
            self.tally.count(skipped);
        }
    }

    fn understand(&mut self, frame: &Frame<'_>) -> Result<(), Skipped> {
        let mut link = link::strip(frame)?;
        let octets = packet::sealed(link.octets);
        link.octets = &octets;
        let carried = packet::parse(&octets, frame.cut)?;
        if self.copies.is_copy(&link) {
            return Err(Skipped::Copy);
        }
        match carried {
            Carried::Udp(datagram) if dhcp::is_dhcp(&datagram) => {
                dhcp::hear(&mut self.machines, &link, &datagram)
            }
            Carried::Udp(datagram) => self.transfers.hear(&mut self.machines, &link, &datagram),
            Carried::Tcp(segment) => self.exchanges.hear(&mut self.machines, &link, &segment),
            Carried::Unreachable(unreachable) => {
                self.transfers.refused(&mut self.machines, &link, &unreachable)
            }
        }
    }

    /// Says of what is still open that it never ended.
    fn end(&mut self) {
        self.transfers.end(&mut self.machines);
        self.exchanges.end(&mut self.machines);
    }
}
