//! Where datagrams come from and where replies go: RFC 2131 section 4.1 as types.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::config::LinkId;
use crate::net::Mac;

/// The port of DHCP servers and relay agents.
pub const SERVER_PORT: u16 = 67;
/// The port of DHCP clients.
pub const CLIENT_PORT: u16 = 68;
/// The port of PXE boot servers (PXE 2.1 section 2.4.2).
pub const BOOT_SERVER_PORT: u16 = 4011;

/// How a datagram came in: what only the socket knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// IP source address and UDP source port.
    pub source: SocketAddrV4,
    /// IP destination address, which is 255.255.255.255 or one of ours, and UDP destination port.
    pub destination: SocketAddrV4,
    /// The frame's source, where a packet socket saw the frame.
    pub source_mac: Option<Mac>,
}

/// Where a reply goes (RFC 2131 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To `address`, port 68, with the frame addressed to `mac`: the client has no address yet and
    /// can not answer ARP. "You MUST NOT rely on ARP" is why packet sockets exist.
    Unicast {
        /// The client's hardware address, from `chaddr`.
        mac: Mac,
        /// `yiaddr`; 255.255.255.255 for a machine that is offered no address.
        address: Ipv4Addr,
    },
    /// To 255.255.255.255, port 68, and every station of the link.
    Broadcast,
    /// To a host that has an address: a relay agent (port 67, or its own choice by RFC 8357) or a
    /// bound client (port 68).
    /// The kernel routes, and asks by ARP.
    Routed(SocketAddrV4),
}

/// A message that is to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// By which link: the one that the request came in by.
    pub link: LinkId,
    /// Where to.
    pub destination: Destination,
    /// The IP source address: the server identifier that the message carries, unless a relay agent
    /// has overridden that; and the UDP source port: the one that was asked.
    pub source: SocketAddrV4,
    /// How long it is to wait, so that another server's message is there first.
    pub delay: Duration,
    /// The DHCP message, without UDP and IP headers.
    pub message: Vec<u8>,
}
