//! One vocabulary of facts: what happened, to whom, and why not.
//!
//! The log, the counters and every later view read these and nothing else, so they cannot
//! disagree. Each datagram on a DHCP port yields exactly one event; so does each TFTP request and
//! each HTTP request, when it ends, each handshake of TLS that fails, and each change of what the lease
//! store does.

mod dhcp;
mod http;
mod other_server;
mod store;
mod tftp;
mod tls;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::dhcp::Quirk;
use crate::machine::Machine;
use crate::net::Mac;
use crate::time::Human;

pub use dhcp::{DhcpEvent, Outcome, Request};
pub use http::{BrokenOff, HttpEvent};
pub use other_server::{Deed, OtherServer, Trouble};
pub use store::StoreEvent;
pub use tftp::{TftpEvent, TftpOutcome};
pub use tls::{TlsEvent, TlsTrouble};

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A datagram came to a DHCP port.
    Dhcp(DhcpEvent),
    /// A lease ran out.
    Expired {
        /// What is free again.
        address: Ipv4Addr,
        /// Whose it was.
        machine: Machine,
    },
    /// An ARP probe found an address in use that was to be offered, or was offered just now.
    Conflict(Conflict),
    /// Another DHCP server did something that was heard here.
    OtherServer(OtherServer),
    /// A machine is told what to boot, and nobody gives it an address.
    NoDhcpServer {
        /// The interface by which it asks.
        link: Arc<str>,
        /// Who asks.
        machine: Machine,
        /// For how long nobody was heard who gives addresses.
        waited: Duration,
    },
    /// An operator freed a lease.
    Freed {
        /// What is free again.
        address: Ipv4Addr,
        /// Whose it was.
        machine: Machine,
    },
    /// It is known now which form of a proxy offer a machine follows.
    Learned(Quirk),
    /// A TFTP request was served, or not.
    Tftp(TftpEvent),
    /// An HTTP request was served, or not.
    Http(HttpEvent),
    /// A client wanted HTTPS, and there is none for it.
    Tls(TlsEvent),
    /// The lease store fails, or works again.
    Store(StoreEvent),
}

/// An address that somebody has who was not given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The interface where the probe was answered.
    pub link: Arc<str>,
    /// What nobody gets now.
    pub address: Ipv4Addr,
    /// Who has it.
    pub holder: Mac,
    /// For how long it is out of use.
    pub probation: Duration,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, address, holder, probation } = self;
        let probation = Human(*probation);
        write!(f, "{address} on {link} is in use by {holder}: out of use for {probation}")
    }
}

/// `192.168.77.100:2070 (52:54:00:12:34:56)`.
fn of_machine(client: SocketAddr, machine: Option<Mac>) -> impl fmt::Display {
    fmt::from_fn(move |f| match machine {
        Some(mac) => write!(f, "{client} ({mac})"),
        None => write!(f, "{client}"),
    })
}
