//! One vocabulary of facts: what happened, to whom, and why not.
//!
//! The log, the counters and every later view read these and nothing else, so they cannot
//! disagree. Each datagram on a DHCP port yields exactly one event; so does each TFTP request and
//! each HTTP request, when it ends, and each handshake of TLS that
//! fails.

mod other_server;
mod tls;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::boot::Boot;
use crate::dhcp::{Form, Ignored, NakReason, Quirk, RequestState};
use crate::machine::{Firmware, Machine};
use crate::net::Mac;
use crate::text::Printable;
use crate::tftp::{Step, step};
use crate::time::Human;
use crate::wire::dhcp::MessageType;

pub use other_server::{Deed, OtherServer, Trouble};
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

/// What became of one datagram on a DHCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpEvent {
    /// The interface it came in by.
    pub link: Arc<str>,
    /// Who asked for what; `None` where the datagram did not say so legibly.
    pub request: Option<Request>,
    /// What pxed did.
    pub outcome: Outcome,
    /// Options that the reply ought to have, and has not: they did not fit, or were damaged.
    pub left_out: Vec<u8>,
}

/// Who asked for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Option 53; `None` is a BOOTP request.
    pub message_type: Option<MessageType>,
    /// The transaction (`xid`).
    pub xid: u32,
    /// Who.
    pub machine: Machine,
    /// What runs there.
    pub firmware: Firmware,
    /// `giaddr`, if a relay agent brought it.
    pub relay: Option<Ipv4Addr>,
}

/// What pxed did with a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// DHCPOFFER.
    Offered {
        /// The address held for the client.
        address: Ipv4Addr,
        /// What it is to boot.
        boot: Boot,
        /// A probe was due, and left out: too many others waited.
        unprobed: bool,
    },
    /// DHCPACK to a REQUEST; the lease was durable before it left.
    Acked {
        /// The address leased.
        address: Ipv4Addr,
        /// For how long.
        lease_time: Duration,
        /// In which state the client asked.
        state: RequestState,
        /// What it is to boot.
        boot: Boot,
    },
    /// BOOTREPLY to a BOOTP client; the lease, which has no end, was durable before it left.
    BootReplied {
        /// The address leased.
        address: Ipv4Addr,
        /// What it is to boot.
        boot: Boot,
    },
    /// DHCPOFFER without an address, which is another server's to give: a ProxyDHCP offer.
    ProxyOffered {
        /// How it was made.
        form: &'static Form,
        /// What the client is to boot.
        boot: Boot,
    },
    /// DHCPACK of the boot server: no lease, and nothing but what to boot.
    BootServed {
        /// The client's own address.
        address: Ipv4Addr,
        /// What it is to boot.
        boot: Boot,
    },
    /// DHCPACK to an INFORM.
    Informed {
        /// The client's own address.
        address: Ipv4Addr,
        /// What it is to boot.
        boot: Boot,
    },
    /// DHCPNAK.
    Refused {
        /// What the client wanted, if it said so.
        address: Option<Ipv4Addr>,
        /// Why it can not have it.
        reason: NakReason,
    },
    /// The lease was given back.
    Released {
        /// What is free again.
        address: Ipv4Addr,
    },
    /// The client found its address in use.
    Declined {
        /// What is out of use now.
        address: Ipv4Addr,
        /// For how long.
        probation: Duration,
    },
    /// No answer, and why.
    Ignored(Ignored),
    /// An answer was due, and the lease could not be made durable: it was not sent.
    NotDurable {
        /// What was not leased.
        address: Ipv4Addr,
    },
}

impl DhcpEvent {
    /// What was heard, as one line: `DISCOVER 52:54:00:12:34:56 on eth0 (PXE, BIOS)`.
    pub fn heard(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| {
            let Some(request) = &self.request else {
                return write!(f, "datagram on {}", self.link);
            };
            match request.message_type {
                Some(message_type) => write!(f, "{message_type}")?,
                None => f.write_str("BOOTP")?,
            }
            write!(f, " {} on {}", request.machine.hardware, self.link)?;
            if let Some(relay) = request.relay {
                write!(f, " by relay {relay}")?;
            }
            match request.firmware {
                Firmware::NotBooting | Firmware::Bootp => Ok(()),
                firmware => write!(f, " ({firmware})"),
            }
        })
    }

    /// What pxed answered or did, as one line: `OFFER 192.168.77.100 to 52:54:00:12:34:56, boot
    /// tftp://192.168.77.1/undionly.kpxe`.
    pub fn done(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| {
            write!(f, "{}", self.outcome())?;
            let mut separator = ", without options ";
            for code in &self.left_out {
                write!(f, "{separator}{code}")?;
                separator = ", ";
            }
            Ok(())
        })
    }

    fn outcome(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| {
            let client = fmt::from_fn(|f| match &self.request {
                Some(request) => write!(f, "{}", request.machine.hardware),
                None => f.write_str("unknown"),
            });
            match &self.outcome {
                Outcome::Offered { address, boot, unprobed } => {
                    let unprobed = if *unprobed { ", not probed" } else { "" };
                    write!(f, "OFFER {address} to {client}{}{unprobed}", and_boot(boot))
                }
                Outcome::Acked { address, lease_time, state, boot } => {
                    let lease_time = Human(*lease_time);
                    write!(f, "ACK {address} to {client} for {lease_time} ({state})")?;
                    write!(f, "{}", and_boot(boot))
                }
                Outcome::BootReplied { address, boot } => {
                    write!(f, "BOOTREPLY {address} to {client}{}", and_boot(boot))
                }
                Outcome::ProxyOffered { form, boot } => {
                    write!(f, "OFFER by proxy ({form}) to {client}{}", and_boot(boot))
                }
                Outcome::BootServed { address, boot } => {
                    write!(f, "ACK of the boot server to {client} at {address}{}", and_boot(boot))
                }
                Outcome::Informed { address, boot } => {
                    write!(f, "ACK {address} of {client} (INFORM){}", and_boot(boot))
                }
                Outcome::Refused { address: Some(address), reason } => {
                    write!(f, "NAK {address} to {client}: {reason}")
                }
                Outcome::Refused { address: None, reason } => {
                    write!(f, "NAK to {client}: {reason}")
                }
                Outcome::Released { address } => {
                    write!(f, "released {address} by {client}")
                }
                Outcome::Declined { address, probation } => {
                    let probation = Human(*probation);
                    write!(f, "declined {address} by {client}: out of use for {probation}")
                }
                Outcome::Ignored(reason) => write!(f, "no answer to {client}: {reason}"),
                Outcome::NotDurable { address } => {
                    write!(f, "no ACK of {address} to {client}: the lease could not be stored")
                }
            }
        })
    }
}

/// `, boot tftp://…`, or why there is nothing to boot.
fn and_boot(boot: &Boot) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| match boot {
        Boot::Nothing => Ok(()),
        Boot::File(file) => write!(f, ", boot {file}"),
        Boot::OwnFiles(server) => write!(f, ", boot its own files of tftp://{server}/"),
        Boot::NoLoader(Some(arch)) => write!(f, ", nothing to boot: no loader for {arch}"),
        Boot::NoLoader(None) => f.write_str(", nothing to boot: it does not say its architecture"),
    })
}

/// What became of one TFTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpEvent {
    /// Who asked: address and TID.
    pub client: SocketAddr,
    /// The machine that has the client's address by a lease.
    pub machine: Option<Mac>,
    /// The file's name as it was asked for; empty where the request was illegible.
    pub file: Vec<u8>,
    /// How it ended.
    pub outcome: TftpOutcome,
    /// The file's octets that the client acknowledged.
    pub bytes: u64,
    /// From request to end.
    pub duration: Duration,
    /// Packets sent again.
    pub retransmissions: u32,
    /// Octets a block (RFC 2348).
    pub blksize: u16,
    /// Blocks a window (RFC 7440).
    pub windowsize: u16,
    /// How many names of the same search ([`crate::tftp::step`]) were asked for before, and are not
    /// there.
    pub searched: u16,
}

impl TftpEvent {
    /// Is it not there, and no news: the client tries other names, and the last one tells of all?
    pub fn goes_on(&self) -> bool {
        self.outcome == TftpOutcome::NotFound && step(&self.file) == Some(Step::OneOfMany)
    }

    /// Was it for a file that there is? A client that asks only for its size is one that has found it.
    pub fn is_fetch(&self) -> bool {
        use TftpOutcome::{
            Aborted, Completed, Failed, Ignored, NotFound, Refused, Stopped, TimedOut,
        };
        match self.outcome {
            Completed | Aborted { .. } | TimedOut | Failed(_) | Stopped => true,
            NotFound | Refused(_) | Ignored(_) => false,
        }
    }
}

/// How a TFTP request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TftpOutcome {
    /// The client has the whole file.
    Completed,
    /// The client ended it with an ERROR packet. Before the first block this is how PXE ROMs ask
    /// for a file's size, and nothing is wrong.
    Aborted {
        /// The ERROR packet's code.
        code: u16,
        /// Its text.
        message: Vec<u8>,
    },
    /// The client fell silent.
    TimedOut,
    /// There is no such file.
    NotFound,
    /// The request can not be granted; the text is what the client was told.
    Refused(&'static str),
    /// The file could not be read to its end, or the socket failed.
    Failed(String),
    /// pxed was stopped meanwhile.
    Stopped,
    /// Not a request at all: no answer.
    Ignored(&'static str),
}

impl fmt::Display for TftpEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, client) = (Printable(&self.file), of_machine(self.client, self.machine));
        write!(f, "TFTP {file} to {client}: ")?;
        let rate = fmt::from_fn(|f| {
            write!(f, "{} bytes in {} ms", self.bytes, self.duration.as_millis())?;
            write!(f, ", {} retransmissions", self.retransmissions)?;
            write!(f, ", blksize {}, windowsize {}", self.blksize, self.windowsize)
        });
        self.became(f, &rate)?;
        match self.searched {
            0 => Ok(()),
            1 => f.write_str(", after another name that is not there"),
            others => write!(f, ", after {others} other names that are not there"),
        }
    }
}

impl TftpEvent {
    fn became(&self, f: &mut fmt::Formatter<'_>, rate: &dyn fmt::Display) -> fmt::Result {
        match &self.outcome {
            TftpOutcome::Completed => write!(f, "sent, {rate}"),
            TftpOutcome::Aborted { .. } if self.bytes == 0 => {
                f.write_str("size asked for, not fetched")
            }
            TftpOutcome::Aborted { code, message } => {
                let message = Printable(message);
                write!(f, "ended by the client, error {code} \"{message}\", after {rate}")
            }
            TftpOutcome::TimedOut => write!(f, "the client fell silent after {rate}"),
            TftpOutcome::NotFound => f.write_str("no such file"),
            TftpOutcome::Refused(reason) => write!(f, "refused: {reason}"),
            TftpOutcome::Failed(error) => write!(f, "failed: {error}, after {rate}"),
            TftpOutcome::Stopped => write!(f, "stopped with the server after {rate}"),
            TftpOutcome::Ignored(reason) => write!(f, "no answer: {reason}"),
        }
    }
}

/// `192.168.77.100:2070 (52:54:00:12:34:56)`.
fn of_machine(client: SocketAddr, machine: Option<Mac>) -> impl fmt::Display {
    fmt::from_fn(move |f| match machine {
        Some(mac) => write!(f, "{client} ({mac})"),
        None => write!(f, "{client}"),
    })
}

/// What became of one HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpEvent {
    /// Who asked.
    pub client: SocketAddr,
    /// The machine that the URL names, or that has the client's address by a lease.
    pub machine: Option<Mac>,
    /// It came by HTTPS.
    pub secure: bool,
    /// `GET`, `HEAD`; empty where the request was illegible.
    pub method: String,
    /// The request target as it came.
    pub target: String,
    /// The status that was answered.
    pub status: u16,
    /// Octets of the body that were handed to the network.
    pub bytes: u64,
    /// From the request's head to the last octet.
    pub duration: Duration,
    /// Why the answer was not sent to its end, if it was not.
    pub broken_off: Option<BrokenOff>,
}

/// Why an answer by HTTP has no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokenOff {
    /// The client ended its connection, or was not there any more.
    ClientGone,
    /// The client took less than [`crate::limits::HTTP_SLOWEST`] in a while.
    TooSlow,
    /// The client took nothing for a while, and its connection was needed by another one.
    GaveWay,
    /// The file was changed meanwhile: what was sent is of no version of it.
    FileChanged,
    /// The file could not be read to its end.
    Unreadable(String),
    /// pxed was stopped meanwhile.
    Stopped,
}

impl BrokenOff {
    /// One word for it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::ClientGone => "client-gone",
            Self::TooSlow => "too-slow",
            Self::GaveWay => "gave-way",
            Self::FileChanged => "file-changed",
            Self::Unreadable(_) => "unreadable",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientGone => f.write_str("the client has gone"),
            Self::TooSlow => f.write_str("the client is too slow"),
            Self::GaveWay => f.write_str("the client took nothing, and gave way to another"),
            Self::FileChanged => f.write_str("the file changed meanwhile"),
            Self::Unreadable(error) => write!(f, "the file can not be read: {error}"),
            Self::Stopped => f.write_str("stopped with the server"),
        }
    }
}

impl HttpEvent {
    /// Was it for a file or script that there is?
    pub fn is_fetch(&self) -> bool {
        matches!(self.status, 200..=299 | 304)
    }
}

impl fmt::Display for HttpEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, target) =
            (Printable(self.method.as_bytes()), Printable(self.target.as_bytes()));
        let protocol = if self.secure { "HTTPS" } else { "HTTP" };
        write!(f, "{protocol} {method} {target} to {}", of_machine(self.client, self.machine))?;
        let (bytes, ms) = (self.bytes, self.duration.as_millis());
        write!(f, ": {}, {bytes} bytes in {ms} ms", self.status)?;
        match &self.broken_off {
            None => Ok(()),
            Some(reason) => write!(f, ", broken off: {reason}"),
        }
    }
}
