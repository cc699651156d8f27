//! Requests come in with the address they were sent to, and are answered from it.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A request is one datagram of up to 512 octets (RFC 2347); what is longer is cut, which leaves
/// the options that stand first.
const REQUEST_MAX: usize = 2048;

/// A datagram on the listening port.
#[derive(Debug)]
pub struct Arrival {
    /// Who sent it.
    pub client: SocketAddrV4,
    /// The address to answer from.
    pub local: Ipv4Addr,
    /// It was sent to that address, not to a broadcast or multicast address.
    pub unicast: bool,
    /// What it says.
    pub datagram: Vec<u8>,
}

/// The next datagram.
pub async fn receive(socket: &UdpSocket) -> io::Result<Arrival> {
    socket.async_io(Interest::READABLE, || receive_now(socket)).await
}

fn receive_now(socket: &UdpSocket) -> io::Result<Arrival> {
    let mut buffer = [0; REQUEST_MAX];
    let mut control = nix::cmsg_space!(libc::in_pktinfo);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
    let message = recvmsg::<SockaddrIn>(fd, &mut parts, Some(&mut control), flags)?;
    let info = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(info),
        _ => None,
    });
    let (Some(info), Some(client)) = (info, message.address) else {
        return Err(io::Error::other("the kernel does not say who sent what to whom"));
    };
    let datagram = message.iovs().flatten().copied().collect();
    let address = |raw: libc::in_addr| Ipv4Addr::from(u32::from_be(raw.s_addr));
    let local = address(info.ipi_spec_dst);
    let unicast = address(info.ipi_addr) == local;
    Ok(Arrival { client: client.into(), local, unicast, datagram })
}

/// A socket for one transfer: at the address that the client asked, so that no firewall and no
/// client takes the answer for somebody else's, and on the interface that the request came by, so
/// that a routing table with a better idea does not answer on a network that is not configured.
///
/// Where binding to the interface fails the request fails, visibly: Linux before 5.7 wants
/// `CAP_NET_RAW` for it, which pxed keeps anyway.
pub fn open(local: Ipv4Addr, interface: &str) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&SocketAddrV4::new(local, 0).into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
