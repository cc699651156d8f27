//! UDP sockets of TFTP: requests come in with the address that they were sent to, and blocks go out
//! by the burst.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::batch::{Batch, Datagram};
use super::udp_socket::source;

/// The most segments that the kernel takes in one call (UDP_MAX_SEGMENTS, since Linux 4.18).
const SEGMENTS_MAX: u64 = 64;

/// The largest UDP payload, and so what the segments of one call come to.
const PAYLOAD_MAX: u64 = 65_507;

/// IP and UDP headers, in octets.
const HEADERS: u32 = 28;

/// What a listener's socket holds that is not yet on the wire, in octets: where all transfers share
/// one, a window of each of thirty.
const SEND_BUFFER: usize = 4 << 20;

/// A socket that requests come to, or that belongs to one transfer.
#[derive(Debug)]
pub struct TftpSocket(UdpSocket);

/// A datagram at a listener.
#[derive(Debug)]
pub struct TftpArrival<'a> {
    /// Who sent it.
    pub client: SocketAddrV4,
    /// The address to answer from.
    pub local: Ipv4Addr,
    /// It was sent to that address, not to a broadcast or multicast address.
    pub unicast: bool,
    /// What it says.
    pub datagram: &'a [u8],
}

/// Buffers for what comes to listeners.
pub struct TftpBatch(Batch);

/// Where a packet goes.
#[derive(Clone, Copy, Debug)]
pub struct Destination {
    /// The address to send from, where the socket is bound to none.
    pub from: Option<Ipv4Addr>,
    /// The client.
    pub to: SocketAddrV4,
}

impl TftpSocket {
    /// A listener's, as [`super::bind_udp`] makes them.
    pub fn of_listener(socket: UdpSocket) -> io::Result<Self> {
        // The system's limit may be lower, and is enough for a start.
        let _ = SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER);
        fragment(&socket)?;
        Ok(Self(socket))
    }

    /// A socket for one transfer: at the address that the client asked, so that no firewall and no
    /// client takes the answer for somebody else's, and on the interface that the request came by, so
    /// that a routing table with a better idea does not answer on a network that is not configured.
    ///
    /// Where binding to the interface fails the request fails, visibly: Linux before 5.7 wants
    /// `CAP_NET_RAW` for it, which pxed keeps anyway.
    pub fn open(local: Ipv4Addr, interface: &str) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.bind(&SocketAddrV4::new(local, 0).into())?;
        socket.set_nonblocking(true)?;
        fragment(&socket)?;
        Ok(Self(socket.into()))
    }

    /// The next datagram, as much of it as the buffer takes, and who sent it.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<(&'a [u8], SocketAddrV4)> {
        match self.0.recv_from(buffer)? {
            (len, SocketAddr::V4(from)) => Ok((buffer.get(..len).unwrap_or_default(), from)),
            (_, SocketAddr::V6(_)) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Sends one datagram that is put together of `parts`.
    pub fn send(&self, at: Destination, parts: &[IoSlice<'_>]) -> io::Result<()> {
        match (parts, at.from) {
            ([packet], None) => self.0.send_to(packet, at.to).map(drop),
            _ => self.send_with(at, parts, None),
        }
    }

    /// Sends datagrams of `segment` octets each, the last of which may be shorter, in one call (UDP
    /// segmentation offload). [`is_of_segments`] says of an error that they can go out one by one.
    pub fn send_segments(
        &self,
        at: Destination,
        parts: &[IoSlice<'_>],
        segment: u16,
    ) -> io::Result<()> {
        self.send_with(at, parts, Some(segment))
    }

    fn send_with(
        &self,
        at: Destination,
        parts: &[IoSlice<'_>],
        segment: Option<u16>,
    ) -> io::Result<()> {
        let source = |from: Ipv4Addr| libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: from.to_bits().to_be() },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        let source = at.from.map(source);
        let source = source.as_ref().map(ControlMessage::Ipv4PacketInfo);
        let segments = segment.as_ref().map(ControlMessage::UdpGsoSegments);
        let (fd, to) = (self.0.as_raw_fd(), SockaddrIn::from(at.to));
        let send = |control: &[_]| sendmsg(fd, parts, control, MsgFlags::empty(), Some(&to));
        match (source, segments) {
            (None, None) => send(&[]),
            (Some(one), None) | (None, Some(one)) => send(&[one]),
            (Some(source), Some(segments)) => send(&[source, segments]),
        }?;
        Ok(())
    }
}

impl AsFd for TftpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How many segments of so many octets go out in one call where the MTU is `mtu`; 1 is: none.
pub fn segments_of(segment: u16, mtu: u32) -> u64 {
    match u32::from(segment) + HEADERS <= mtu {
        true => (PAYLOAD_MAX / u64::from(segment.max(1))).clamp(1, SEGMENTS_MAX),
        false => 1,
    }
}

/// Does the kernel, or this path, know no segments? A route with a smaller MTU than its interface's
/// says EINVAL or EMSGSIZE, a card without checksums EIO.
pub fn is_of_segments(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EMSGSIZE | libc::EIO))
}

#[expect(clippy::cast_possible_truncation, reason = "a C int has four octets")]
/// Clears DF: a block that some router on the way finds too long arrives in fragments, and not at all
/// otherwise, for TFTP agrees on a length once.
fn fragment(socket: &impl AsFd) -> io::Result<()> {
    let value = libc::IP_PMTUDISC_DONT;
    // SAFETY: the option's value is a C int, which lives during the call, with its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl TftpBatch {
    /// Empty buffers.
    pub fn new() -> Self {
        Self(Batch::new())
    }

    /// What `socket` holds now, at most a batch. Without anything it is
    /// [`io::ErrorKind::WouldBlock`].
    pub fn receive(
        &mut self,
        socket: &TftpSocket,
    ) -> io::Result<impl Iterator<Item = TftpArrival<'_>>> {
        Ok(self.0.receive(socket.as_fd())?.filter_map(|datagram| arrival(&datagram)))
    }
}

/// From `struct in_pktinfo`: the interface, the address of ours that answers, the IP header's.
fn arrival<'a>(datagram: &Datagram<'a>) -> Option<TftpArrival<'a>> {
    let info = datagram.control(libc::IPPROTO_IP, libc::IP_PKTINFO)?;
    let [_, _, _, _, o0, o1, o2, o3, h0, h1, h2, h3] = *info.first_chunk()?;
    let (local, asked) = (Ipv4Addr::new(o0, o1, o2, o3), Ipv4Addr::new(h0, h1, h2, h3));
    let (client, unicast) = (source(datagram), local == asked);
    Some(TftpArrival { client, local, unicast, datagram: datagram.data })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    fn client() -> (UdpSocket, Destination) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(to) = socket.local_addr().unwrap() else { panic!() };
        (socket, Destination { from: None, to })
    }

    #[test]
    fn segments_are_datagrams() {
        let (client, at) = client();
        let socket = TftpSocket::open(LOCAL, "lo").unwrap();
        let parts = [IoSlice::new(b"one"), IoSlice::new(b"twoth"), IoSlice::new(b"r")];
        socket.send_segments(at, &parts, 3).unwrap();
        socket.send(at, &parts).unwrap();
        let mut buffer = [0; 20];
        for expected in [&b"one"[..], b"two", b"thr", b"onetwothr"] {
            let (len, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from.ip()), (expected, LOCAL.into()));
        }
    }

    #[test]
    fn segments_fit_the_mtu_and_one_call() {
        for (segment, mtu, segments) in [
            (1472, 1500, 44),
            (1473, 1500, 1),
            (516, 1500, 64),
            (12, 1500, 64),
            (8972, 9000, 7),
            (65_468, 65_536, 1),
        ] {
            assert_eq!(segments_of(segment, mtu), segments, "{segment}");
        }
    }

    #[test]
    fn what_the_kernel_can_not_cut_is_known_by_its_error() {
        let (_client, at) = client();
        let socket = TftpSocket::open(LOCAL, "lo").unwrap();
        // More segments than there may be.
        let octets = [0; 2000];
        let error = socket.send_segments(at, &[IoSlice::new(&octets)], 1).unwrap_err();
        assert!(is_of_segments(&error), "{error}");
        assert!(!is_of_segments(&io::ErrorKind::WouldBlock.into()));
    }

    #[test]
    fn a_listener_answers_from_the_address_that_was_asked() {
        let interface = crate::net::Interface::find("lo").unwrap();
        let socket = crate::net::bind_udp(&interface, 0).unwrap();
        let port = socket.local_addr().unwrap().port();
        let listener = TftpSocket::of_listener(socket).unwrap();
        let (client, at) = client();
        client.send_to(b"read", (LOCAL, port)).unwrap();
        crate::net::test_namespace::wait_for(&listener);
        let mut batch = TftpBatch::new();
        let heard: Vec<_> = batch.receive(&listener).unwrap().collect();
        let [TftpArrival { client: from, local: LOCAL, unicast: true, datagram: b"read" }] =
            heard[..]
        else {
            panic!("{heard:?}")
        };
        assert_eq!(from, at.to);
        let at = Destination { from: Some(LOCAL), to: from };
        listener.send_segments(at, &[IoSlice::new(b"datadata")], 4).unwrap();
        let mut buffer = [0; 20];
        for _ in 0..2 {
            let (len, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from), (&b"data"[..], (LOCAL, port).into()));
        }
    }

    /// A datagram above the MTU arrives in fragments.
    #[test]
    fn df_is_clear() {
        let socket = TftpSocket::open(LOCAL, "lo").unwrap();
        let mut value = -1;
        let mut len = libc::socklen_t::try_from(size_of_val(&value)).unwrap();
        // SAFETY: both are C ints that live during the call.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::IPPROTO_IP,
                libc::IP_MTU_DISCOVER,
                (&raw mut value).cast(),
                &raw mut len,
            )
        };
        assert_eq!((result, value), (0, libc::IP_PMTUDISC_DONT));
    }
}
