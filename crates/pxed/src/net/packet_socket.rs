//! The packet socket: hears the broadcasts of machines that have no address, and answers them by
//! their hardware address, because nobody can ask them for it by ARP.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{getsockopt, setsockopt};
use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl};
use pxed_proto::dhcp::{Arrival, Share};
use pxed_proto::net::Mac;
use pxed_proto::wire::udp::{self, Checksum};
use socket2::{Domain, SockAddr, SockAddrStorage, SockFilter, Socket, Type};

use super::batch::{Batch, Datagram};
use super::filter::broadcasts_to;
use super::interface::Interface;
use super::letters::{Letter, Letters};
use super::{Received, enlarge_buffers};

sockopt_impl!(
    /// PACKET_AUXDATA: what the frame's headers no longer say, with each packet.
    AuxiliaryData, Both, libc::SOL_PACKET, libc::PACKET_AUXDATA, bool
);
sockopt_impl!(
    /// PACKET_STATISTICS: packets seen and lost since the question before.
    Statistics, GetOnly, libc::SOL_PACKET, libc::PACKET_STATISTICS, libc::tpacket_stats
);

/// Hears and speaks below IP on one interface.
pub struct PacketSocket {
    socket: Socket,
    interface_index: u32,
    port: u16,
    batch: Batch,
    letters: Letters,
    overflowed: u64,
}

/// A message that leaves in a frame of its own.
pub struct Framed<'a> {
    /// Whose frame it is.
    pub mac: Mac,
    /// Address and port that it comes from.
    pub source: SocketAddrV4,
    /// Address and port that it goes to.
    pub destination: SocketAddrV4,
    /// The UDP payload.
    pub message: &'a [u8],
}

impl<'a> Framed<'a> {
    /// `None` if it does not fit an IP packet.
    fn letter(self, interface_index: u32) -> Option<Letter<'a>> {
        let Self { mac, source, destination, message } = self;
        let headers = Some(udp::emit(source, destination, message)?);
        let to = link_address(interface_index, libc::ETH_P_IP, mac).ok()?;
        Some(Letter { to, from: None, headers, message })
    }
}

impl PacketSocket {
    /// Hears what comes in by `interface` to 255.255.255.255 and `port`.
    pub fn bind(interface: &Interface, port: u16) -> io::Result<Self> {
        let socket = filtered(interface, &broadcasts_to(port, None))?;
        let (interface_index, batch, letters) = (interface.index, Batch::new(), Letters::new());
        Ok(Self { socket, interface_index, port, batch, letters, overflowed: 0 })
    }

    /// Gives what has come in, at most a batch, to `each`. How many packets there were.
    pub fn receive(&mut self, each: impl FnMut(Received<'_>)) -> io::Result<usize> {
        let packets = self.batch.receive(self.socket.as_fd())?;
        let count = packets.len();
        packets.filter_map(|packet| open(&packet, self.interface_index)).for_each(each);
        Ok(count)
    }

    /// Sends messages, each in a frame to its hardware address. The kernel writes the frames' headers.
    pub fn send<'a>(
        &mut self,
        messages: impl Iterator<Item = Framed<'a>>,
        mut failed: impl FnMut(io::Error),
    ) {
        let interface_index = self.interface_index;
        let mut too_long = 0;
        let letters = messages.filter_map(|framed| {
            let letter = framed.letter(interface_index);
            too_long += usize::from(letter.is_none());
            letter
        });
        self.letters.send(self.socket.as_fd(), letters, &mut failed);
        (0..too_long).for_each(|_| failed(io::Error::from_raw_os_error(libc::EMSGSIZE)));
    }

    /// Has the kernel drop DISCOVERs, all but a share of them.
    pub fn shed(&self, share: Share) -> io::Result<()> {
        self.socket.attach_filter(&broadcasts_to(self.port, share.threshold()))
    }

    /// How many packets the socket has had no room for, since it was made.
    pub fn overflowed(&mut self) -> u64 {
        // The kernel forgets its count when asked.
        if let Ok(statistics) = getsockopt(&self.socket, Statistics) {
            self.overflowed += u64::from(statistics.tp_drops);
        }
        self.overflowed
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A packet socket on `interface` that hears the IPv4 packets that `filter` lets through.
pub(super) fn filtered(interface: &Interface, filter: &[SockFilter]) -> io::Result<Socket> {
    // Protocol 0 hears nothing. With a protocol, packets of every interface would come in
    // between this line and the bind, past the filter.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
    socket.attach_filter(filter)?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, AuxiliaryData, &true)?;
    enlarge_buffers(&socket)?;
    socket.bind(&link_address(interface.index, libc::ETH_P_IP, Mac([0; 6]))?)?;
    Ok(socket)
}

/// Opens a packet for a server.
fn open<'a>(packet: &Datagram<'a>, interface_index: u32) -> Option<Received<'a>> {
    let (source_mac, datagram) = datagram(packet, interface_index)?;
    Some(datagram.map(|datagram| {
        let udp::Datagram { source, destination, .. } = datagram;
        let arrival = Arrival { source, destination, source_mac };
        (arrival, datagram.payload)
    }))
}

/// What is in a packet that came in by the interface itself, untagged, for this machine or for all;
/// and who sent its frame.
pub(super) fn datagram<'a>(
    packet: &Datagram<'a>,
    interface_index: u32,
) -> Option<(Option<Mac>, Result<udp::Datagram<'a>, udp::Malformed>)> {
    let link = LinkSource::parse(packet.address);
    let own_interface = u32::try_from(link.interface_index) == Ok(interface_index);
    let for_us = !matches!(link.packet_type, libc::PACKET_OTHERHOST | libc::PACKET_OUTGOING);
    let auxiliary = Auxiliary::parse(packet);
    if !own_interface || !for_us || auxiliary.vlan_tagged {
        return None;
    }
    Some((link.mac, udp::parse(packet.data, auxiliary.checksum)))
}

/// What `struct sockaddr_ll` says of a packet.
struct LinkSource {
    /// Where the kernel handed it up. A socket on eth0 also hears what goes on to eth0.5.
    interface_index: i32,
    packet_type: u8,
    mac: Option<Mac>,
}

impl LinkSource {
    /// The structure: family, protocol, interface index (4 octets), hardware type, packet type,
    /// address length, address.
    fn parse(sockaddr: &[u8; 24]) -> Self {
        let [_, _, _, _, i0, i1, i2, i3, _, _, packet_type, length, mac @ ..] = *sockaddr;
        Self {
            interface_index: i32::from_ne_bytes([i0, i1, i2, i3]),
            packet_type,
            mac: mac.first_chunk().filter(|_| length == 6).map(|octets| Mac(*octets)),
        }
    }
}

/// What `struct tpacket_auxdata` says of a packet.
struct Auxiliary {
    checksum: Checksum,
    /// In a VLAN other than the interface's own; a tag with VLAN 0 carries only a priority.
    vlan_tagged: bool,
}

impl Auxiliary {
    /// The structure: status, length, captured length (4 octets each), offsets of the frame and of
    /// the packet, VLAN tag (2 octets each).
    fn parse(packet: &Datagram<'_>) -> Self {
        let data = packet.control(libc::SOL_PACKET, libc::PACKET_AUXDATA);
        let [s0, s1, s2, s3, _, _, _, _, _, _, _, _, _, _, _, _, t0, t1] =
            data.and_then(|data| data.first_chunk()).copied().unwrap_or_default();
        let status = u32::from_ne_bytes([s0, s1, s2, s3]);
        let vlan = u16::from_ne_bytes([t0, t1]) & 0x0fff;
        let not_ready = status & libc::TP_STATUS_CSUMNOTREADY != 0;
        Self {
            checksum: if not_ready { Checksum::NotReady } else { Checksum::Verify },
            vlan_tagged: status & libc::TP_STATUS_VLAN_VALID != 0 && vlan != 0,
        }
    }
}

/// A `struct sockaddr_ll` for a protocol (`ETH_P_...`) on an interface.
#[expect(clippy::cast_possible_truncation, reason = "AF_PACKET is 17, the length 20")]
pub(super) fn link_address(
    interface_index: u32,
    protocol: libc::c_int,
    mac: Mac,
) -> io::Result<SockAddr> {
    let [m0, m1, m2, m3, m4, m5] = mac.0;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is a sockaddr, so the storage is large enough and aligned for it, and
    // any bytes are one.
    let address: &mut libc::sockaddr_ll = unsafe { storage.view_as() };
    address.sll_family = libc::AF_PACKET as _;
    address.sll_protocol = u16::try_from(protocol).map_err(io::Error::other)?.to_be();
    address.sll_ifindex = i32::try_from(interface_index).map_err(io::Error::other)?;
    address.sll_halen = 6;
    address.sll_addr = [m0, m1, m2, m3, m4, m5, 0, 0];
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the storage holds a sockaddr_ll, whose length this is.
    Ok(unsafe { SockAddr::new(storage, length) })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use pxed_proto::wire::udp::Malformed;

    use super::*;
    use crate::net::batch::tests::control_message;

    const INDEX: i32 = 4;
    const MAC: [u8; 8] = [0x52, 0x54, 0, 1, 2, 3, 0, 0];

    /// `struct sockaddr_ll`, padded.
    fn sockaddr(interface_index: i32, packet_type: u8) -> [u8; 24] {
        let index = interface_index.to_ne_bytes();
        let parts = [&[17, 0, 8, 0], &index[..], &[1, 0, packet_type, 6], &MAC, &[0; 4]];
        parts.concat().try_into().unwrap()
    }

    /// `struct tpacket_auxdata`.
    fn auxiliary(status: u32, vlan: u16) -> Vec<u8> {
        let data = [&status.to_ne_bytes()[..], &[0; 12], &vlan.to_ne_bytes(), &[0; 2]].concat();
        control_message(libc::SOL_PACKET, libc::PACKET_AUXDATA, &data)
    }

    #[test]
    fn only_what_came_in_by_the_interface_itself_is_opened() {
        const HOST: u8 = 0;
        const BROADCAST: u8 = 1;
        let vlan = libc::TP_STATUS_VLAN_VALID;
        for (interface_index, packet_type, status, tag, heard) in [
            (INDEX, BROADCAST, 0, 0, true),
            (INDEX, HOST, 0, 0, true),
            (INDEX, libc::PACKET_OTHERHOST, 0, 0, false),
            (INDEX, libc::PACKET_OUTGOING, 0, 0, false),
            (INDEX + 1, BROADCAST, 0, 0, false), // eth0.5 on eth0
            (INDEX, BROADCAST, vlan, 5, false),
            (INDEX, BROADCAST, vlan, 0xe005, false),
            (INDEX, BROADCAST, vlan, 0xe000, true), // only a priority
        ] {
            let (address, control) =
                (sockaddr(interface_index, packet_type), auxiliary(status, tag));
            let packet =
                Datagram { data: &[], truncated: false, address: &address, control: &control };
            let name = format!("{interface_index} {packet_type} {status} {tag:x}");
            assert_eq!(open(&packet, INDEX.cast_unsigned()).is_some(), heard, "{name}");
        }
    }

    #[test]
    fn a_packet_is_opened_with_its_hardware_address() {
        let source = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
        let everyone = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
        let mut data = udp::emit(source, everyone, b"discover").unwrap().to_vec();
        data.extend(b"discoveR");
        let not_ready = auxiliary(libc::TP_STATUS_CSUMNOTREADY, 0);
        let arrival = Arrival {
            source,
            destination: everyone,
            source_mac: Some(Mac([0x52, 0x54, 0, 1, 2, 3])),
        };
        for (control, expected) in [
            (not_ready, Ok((arrival, &b"discoveR"[..]))),
            (auxiliary(0, 0), Err(Malformed::UdpChecksum)),
            (Vec::new(), Err(Malformed::UdpChecksum)),
        ] {
            let address = sockaddr(INDEX, 1);
            let packet =
                Datagram { data: &data, truncated: false, address: &address, control: &control };
            assert_eq!(open(&packet, INDEX.cast_unsigned()), Some(expected));
        }
    }
}
