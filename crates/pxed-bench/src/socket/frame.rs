//! Ethernet frames with IPv4 and UDP in them, by a packet socket: for machines without an address.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};
use pxed_proto::net::Mac;
use pxed_proto::wire::udp::{self, Checksum};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::Path;

const ETHERNET: usize = 14;
/// EtherType of IPv4 (IEEE 802).
const IPV4: u16 = 0x0800;

sockopt_impl!(
    /// PACKET_ADD_MEMBERSHIP, here for frames to others' MAC addresses.
    Membership, SetOnly, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, libc::packet_mreq
);

/// A packet socket that hears UDP to `port` on `interface`, whoever the frame is for.
pub(super) fn bind(interface: &str, port: u16) -> io::Result<OwnedFd> {
    let found = nix::ifaddrs::getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied());
    let Some(address) = found else {
        return Err(io::Error::other(format!("there is no interface {interface}")));
    };
    let protocol = i32::from(IPV4.to_be());
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(protocol)))?;
    socket.attach_filter(&udp_to(port))?;
    let membership = libc::packet_mreq {
        mr_ifindex: i32::try_from(address.ifindex()).map_err(io::Error::other)?,
        mr_type: u16::try_from(libc::PACKET_MR_PROMISC).map_err(io::Error::other)?,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    setsockopt(&socket, Membership, &membership)?;
    // getifaddrs(3) leaves the protocol zero, and the socket keeps its own then.
    nix::sys::socket::bind(socket.as_raw_fd(), &address)?;
    Ok(socket.into())
}

/// The headers of a frame.
pub(super) fn header(
    (source_mac, destination_mac): (Mac, Mac),
    source: SocketAddrV4,
    destination: SocketAddrV4,
    payload: &[u8],
) -> Option<[u8; ETHERNET + udp::HEADERS]> {
    let packet = udp::emit(source, destination, payload)?;
    let mut header = [0; ETHERNET + udp::HEADERS];
    let octets = destination_mac.0.into_iter().chain(source_mac.0).chain(IPV4.to_be_bytes());
    for (to, from) in header.iter_mut().zip(octets.chain(packet)) {
        *to = from;
    }
    Some(header)
}

/// A frame's payload, and whose it is. A checksum is not looked at: a virtual cable computes none.
pub(super) fn open(frame: &[u8]) -> Option<(Path, &[u8])> {
    let (ethernet, packet) = frame.split_first_chunk::<ETHERNET>()?;
    let (destination_mac, rest) = ethernet.split_first_chunk()?;
    let source_mac = rest.first_chunk()?;
    let datagram = udp::parse(packet, Checksum::NotReady).ok()?;
    let path = Path::Frame {
        source_mac: Mac(*source_mac),
        destination_mac: Mac(*destination_mac),
        source: datagram.source,
        destination: datagram.destination,
    };
    Some((path, datagram.payload))
}

/// The kernel's filter: IPv4 UDP to `port`, in one packet or the first fragment.
fn udp_to(port: u16) -> [SockFilter; 9] {
    use libc::{BPF_ABS, BPF_B, BPF_H, BPF_IND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K};
    use libc::{BPF_LD, BPF_LDX, BPF_MSH, BPF_RET};
    let code = |code| u16::try_from(code).unwrap_or_default();
    let load = |size, offset| SockFilter::new(code(BPF_LD | BPF_ABS | size), 0, 0, offset);
    let equal =
        |value, otherwise| SockFilter::new(code(BPF_JMP | BPF_JEQ | BPF_K), 0, otherwise, value);
    [
        load(BPF_B, 14 + 9),
        equal(17, 6),
        load(BPF_H, 14 + 6),
        SockFilter::new(code(BPF_JMP | BPF_JSET | BPF_K), 4, 0, 0x1fff),
        SockFilter::new(code(BPF_LDX | BPF_B | BPF_MSH), 0, 0, 14),
        SockFilter::new(code(BPF_LD | BPF_H | BPF_IND), 0, 0, 14 + 2),
        equal(u32::from(port), 1),
        SockFilter::new(code(BPF_RET | BPF_K), 0, 0, u32::MAX),
        SockFilter::new(code(BPF_RET | BPF_K), 0, 0, 0),
    ]
}
