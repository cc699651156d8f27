//! Datagrams on DHCP ports, and what became of them.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use crate::boot::Boot;
use crate::dhcp::{Form, Ignored, NakReason, RequestState};
use crate::machine::{Firmware, Machine};
use crate::time::Human;
use crate::wire::dhcp::MessageType;

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
