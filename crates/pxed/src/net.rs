//! Sockets and interfaces: the only place in the workspace with `unsafe`, each block with its
//! reason, and the only one that knows how Linux hands out datagrams.
//!
//! A DHCP server needs two sockets per interface: a packet socket hears broadcasts and answers
//! machines that have no address, a UDP socket has the rest. [`DhcpSockets`] is both.

mod arp_socket;
mod batch;
mod bind_error;
mod client_socket;
mod dhcp_sockets;
mod filter;
mod interface;
mod letters;
mod packet_socket;
mod port_owner;
mod sending;
#[cfg(test)]
pub(crate) mod test_namespace;
mod tftp_socket;
mod turns;
mod udp_socket;
mod watch;

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use pxed_proto::dhcp::{Arrival, SERVER_PORT};
use pxed_proto::wire::udp::Malformed;

pub use bind_error::BindError;
pub use client_socket::ClientSocket;
pub use dhcp_sockets::{DhcpSockets, Inlet, ServerPort};
pub use interface::{Interface, InterfaceError};
pub use sending::{is_at_hand, is_writable, read_at_hand, send_file, unacknowledged};
pub use tftp_socket::{
    Destination, TftpArrival, TftpBatch, TftpSocket, is_of_segments, segments_of,
};
pub use turns::{be_patient, go_first, go_with_others, take_short_turns};
pub use udp_socket::bind_udp;
pub use watch::InterfaceWatch;

/// A datagram with what its socket knows of it, or why it is none.
pub type Received<'a> = Result<(Arrival, &'a [u8]), Malformed>;

/// Who serves DHCP on `interface` of this host, if anybody does and the kernel tells.
pub fn server_on(interface: &Interface) -> Option<String> {
    let owners = port_owner::owners(SERVER_PORT, interface).ok()?;
    owners.first().map(ToString::to_string)
}

/// What a socket may hold before it is read, in octets: two thousand machines that start at once,
/// each with one message of 2 kB of kernel memory.
const RECEIVE_BUFFER: usize = 4 << 20;

/// What a socket may hold before the wire has taken it, in octets: all answers of a round and more.
const SEND_BUFFER: usize = 1 << 20;

/// Beyond the system's limit where pxed may (CAP_NET_ADMIN, which root has), else up to it.
fn enlarge_buffers(socket: &impl AsFd) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    }
    if setsockopt(socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        setsockopt(socket, sockopt::SndBuf, &SEND_BUFFER)?;
    }
    Ok(())
}
