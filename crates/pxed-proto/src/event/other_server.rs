//! Another DHCP server, as it is told of.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::boot::BootFile;
use crate::machine::Machine;
use crate::net::Mac;
use crate::wire::dhcp::MessageType;

/// What was heard of another DHCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherServer {
    /// The interface by which it was heard.
    pub link: Arc<str>,
    /// Its server identifier (option 54), else the address that it sends from.
    pub server: Ipv4Addr,
    /// The source of its frame, where that was seen.
    pub mac: Option<Mac>,
    /// What it did.
    pub deed: Deed,
    /// Nobody knew that it does this.
    pub news: bool,
    /// What is wrong with it, where that is to be told now.
    pub trouble: Option<Trouble>,
}

/// What another server did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A client named it, whose offer it takes.
    Chosen {
        /// The client.
        machine: Machine,
        /// The address that it takes.
        address: Option<Ipv4Addr>,
    },
    /// It answered by broadcast.
    Replied {
        /// Option 53; `None` is BOOTP.
        message_type: Option<MessageType>,
        /// To whom.
        machine: Machine,
        /// The address that it gives (`yiaddr`).
        address: Option<Ipv4Addr>,
        /// What it has the client boot.
        boot: Option<BootFile>,
        /// It speaks to firmware: option 60 says `PXEClient` or `HTTPClient`.
        for_firmware: bool,
    },
}

/// What is wrong with another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It gives addresses, where pxed gives addresses.
    Rival,
    /// It is a ProxyDHCP server beside pxed.
    SecondProxy,
}

impl Trouble {
    /// A name for programs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Rival => "rival",
            Self::SecondProxy => "second-proxy",
        }
    }
}

impl Deed {
    /// It shows that the server gives addresses: an ACK to an INFORM does not.
    pub const fn gives_address(&self) -> bool {
        match self {
            Self::Chosen { .. } => true,
            Self::Replied { address, .. } => address.is_some(),
        }
    }

    /// It is what a ProxyDHCP server does.
    pub const fn is_proxy(&self) -> bool {
        let Self::Replied { message_type, address: None, for_firmware: true, .. } = self else {
            return false;
        };
        matches!(message_type, Some(MessageType::Offer))
    }

    /// What it has a machine boot.
    pub const fn boot(&self) -> Option<&BootFile> {
        match self {
            Self::Chosen { .. } => None,
            Self::Replied { boot, .. } => boot.as_ref(),
        }
    }

    /// The machine that it is about.
    pub const fn machine(&self) -> &Machine {
        match self {
            Self::Chosen { machine, .. } | Self::Replied { machine, .. } => machine,
        }
    }
}

impl fmt::Display for OtherServer {
    /// `another server, 192.168.77.250 (52:54:00:00:00:fa), on eth1: OFFER 192.168.77.100 to …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, server, mac, deed, trouble, .. } = self;
        let kind = if deed.is_proxy() { "another ProxyDHCP server" } else { "another DHCP server" };
        write!(f, "{kind}, {server}")?;
        if let Some(mac) = mac {
            write!(f, " ({mac})")?;
        }
        write!(f, ", on {link}: {deed}")?;
        match trouble {
            Some(trouble) => write!(f, "; {trouble}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen { machine, address: Some(address) } => {
                write!(f, "{} takes {address} from it", machine.hardware)
            }
            Self::Chosen { machine, address: None } => {
                write!(f, "{} takes its offer", machine.hardware)
            }
            Self::Replied { message_type, machine, address, boot, .. } => {
                match message_type {
                    Some(message_type) => write!(f, "{message_type}")?,
                    None => f.write_str("BOOTREPLY")?,
                }
                if let Some(address) = address {
                    write!(f, " {address}")?;
                }
                write!(f, " to {}", machine.hardware)?;
                match boot {
                    Some(boot) => write!(f, ", boot {boot}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rival => {
                "pxed gives addresses there too, and machines take either's: stop one of the two, \
                 or have pxed only tell machines what to boot (mode = \"proxy\"), or name the other \
                 in known-servers if both are meant to give addresses"
            }
            Self::SecondProxy => {
                "it tells machines what to boot, as pxed does, and they follow either: stop one of \
                 the two, or name the other in known-servers"
            }
        })
    }
}
