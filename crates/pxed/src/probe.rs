//! `pxed probe`: what would each kind of machine get from this network, and what is wrong with that?
//!
//! [`ask`] sends what such machines send: DISCOVERs, questions to PXE boot servers, and the beginning of
//! a download. Never the REQUEST of an address, so that nothing is leased. [`findings`] concludes, and
//! neither asks nor waits.

mod ask;
mod client;
mod course;
mod findings;
mod flags;
mod heard;
mod load;
mod loader;
mod neighbours;
mod offer;
mod report;
#[cfg(test)]
mod testing;

use std::io;
use std::path::Path;

use pxed_proto::net::Mac;

use crate::net::{Interface, InterfaceError};
use ask::Questions;
pub use flags::ProbeArgs;
pub use neighbours::{Neighbour, neighbours, rival};
use report::Report;

/// Why a network could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no such interface.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// It has no MAC.
    #[error(
        "--interface {0}: it is no Ethernet interface, and DHCP clients have a MAC: name another"
    )]
    NoMac(String),
    /// It is down.
    #[error("--interface {0}: it is down; `ip link set {0} up`, and look for a cable")]
    Down(String),
    /// A capability is missing.
    #[error(
        "--interface {interface}: permission denied; a probe speaks without an address of its own, \
         by a packet socket, which needs CAP_NET_RAW: run it as root, or \
         `setcap cap_net_raw,cap_net_bind_service=ep {executable}`"
    )]
    Permission {
        /// Where.
        interface: String,
        /// The file that setcap would be given.
        executable: String,
    },
    /// The kernel says no for another reason.
    #[error("--interface {interface}: the network can not be asked")]
    System {
        /// Where.
        interface: String,
        /// What it said.
        source: io::Error,
    },
}

/// Asks, and prints what came of it. Says whether something is wrong.
///
/// # Errors
///
/// The network could not be asked.
pub fn run(args: &ProbeArgs, out: &mut dyn io::Write) -> Result<bool, ProbeError> {
    let name = &args.interface;
    let interface = Interface::look(name)?;
    if interface.mac == Mac([0; 6]) {
        return Err(ProbeError::NoMac(name.clone()));
    }
    if !interface.up {
        return Err(ProbeError::Down(name.clone()));
    }
    let mac = args.mac.unwrap_or(interface.mac);
    let questions = Questions { mac, clients: args.clients(), wait: args.wait() };
    let heard = ask::ask(&interface, &questions).map_err(|error| failed(name, error))?;
    let findings = findings::findings(&heard);
    let report = Report { heard: &heard, findings: &findings };
    // Nobody may be there to read it; the exit code still tells.
    let _ = match args.json {
        true => writeln!(out, "{}", report.json()),
        false => write!(out, "{report}"),
    };
    Ok(!findings.is_empty())
}

fn failed(interface: &str, source: io::Error) -> ProbeError {
    let interface = interface.to_owned();
    if source.kind() != io::ErrorKind::PermissionDenied {
        return ProbeError::System { interface, source };
    }
    let executable = std::env::current_exe();
    let executable = executable.as_deref().unwrap_or(Path::new("PATH/TO/pxed")).display();
    ProbeError::Permission { interface, executable: executable.to_string() }
}
