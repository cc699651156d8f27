//! Why a server socket can not be had, with what to do about it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use pxed_proto::dhcp::{BOOT_SERVER_PORT, SERVER_PORT};

use super::interface::Interface;
use super::port_owner::{PortOwner, owners};

/// Why a server socket can not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has the port.
    #[error(
        "port {port} on {interface} is already served by {owner}: two servers on one port lose \
         each other's datagrams{}; stop it ({}) and start pxed again{}",
        lost_first(*port),
        owner.remedy(),
        beside(*port)
    )]
    Served {
        /// Which port.
        port: u16,
        /// Where.
        interface: Arc<str>,
        /// By whom.
        owner: PortOwner,
    },
    /// Somebody else has the port, and can not be found.
    #[error(
        "port {port} on {interface} is in use, by whom the kernel does not tell: find out with \
         `ss -lunp sport = :{port}`, stop it and start pxed again"
    )]
    InUse {
        /// Which port.
        port: u16,
        /// Where.
        interface: Arc<str>,
    },
    /// A capability is missing.
    #[error(
        "{step} for port {port} on {interface}: permission denied; packet sockets need CAP_NET_RAW \
         and ports below 1024 CAP_NET_BIND_SERVICE: run pxed as root (it drops what it does not \
         need), or `setcap cap_net_raw,cap_net_bind_service=ep {executable}`, or give its systemd \
         unit `AmbientCapabilities=CAP_NET_RAW CAP_NET_BIND_SERVICE`"
    )]
    Permission {
        /// What was tried.
        step: &'static str,
        /// Which port.
        port: u16,
        /// Where.
        interface: Arc<str>,
        /// The file that setcap would be given.
        executable: String,
    },
    /// The kernel says no for another reason.
    #[error("{step} for port {port} on {interface}")]
    System {
        /// What was tried.
        step: &'static str,
        /// Which port.
        port: u16,
        /// Where.
        interface: Arc<str>,
        /// What the kernel said.
        source: io::Error,
    },
}

impl BindError {
    /// The kernel's error at `step`, with what it means to the operator.
    pub(super) fn new(
        step: &'static str,
        interface: &Interface,
        port: u16,
        source: io::Error,
    ) -> Self {
        let name = interface.name.clone();
        match source.kind() {
            io::ErrorKind::PermissionDenied => {
                Self::Permission { step, port, interface: name, executable: executable() }
            }
            io::ErrorKind::AddrInUse => Self::InUse { port, interface: name },
            _ => Self::System { step, port, interface: name, source },
        }
    }

    /// Says who serves `port` already. The bind itself would not: SO_REUSEADDR, which lets pxed
    /// live beside a server on another interface's address, hides a server on this one as well.
    pub(super) fn unless_free(interface: &Interface, port: u16) -> Result<(), Self> {
        let owners = owners(port, interface).unwrap_or_else(|error| {
            let interface = &*interface.name;
            tracing::warn!(port, interface, %error, "another server on this port would go unseen");
            Vec::new()
        });
        match owners.into_iter().next() {
            Some(owner) => Err(Self::Served { port, interface: interface.name.clone(), owner }),
            None => Ok(()),
        }
    }
}

/// What is unicast to a shared port goes to one of the two: to clients, that is the renewals.
fn lost_first(port: u16) -> &'static str {
    if port == SERVER_PORT { ", renewals of leases first" } else { "" }
}

/// How two servers of one machine can live together.
fn beside(port: u16) -> &'static str {
    match port {
        SERVER_PORT => {
            "; or leave the addresses to it (mode proxy), and start pxed with --dhcp-no-bind"
        }
        BOOT_SERVER_PORT => {
            "; or have it leave PXE to pxed (dnsmasq: take out pxe-service and pxe-prompt)"
        }
        69 => "; or have it leave TFTP to pxed (dnsmasq: take out enable-tftp)",
        _ => "",
    }
}

fn executable() -> String {
    let path = std::env::current_exe();
    path.as_deref().unwrap_or(Path::new("PATH/TO/pxed")).display().to_string()
}
