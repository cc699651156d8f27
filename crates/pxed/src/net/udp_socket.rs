//! UDP sockets of one interface: relayed and unicast DHCP, and TFTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt};
use pxed_proto::dhcp::{Arrival, Share};
use pxed_proto::wire::udp::Malformed;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::batch::{Batch, Datagram};
use super::filter::share_of_discovers;
use super::interface::Interface;
use super::letters::{Letter, Letters};
use super::{BindError, Received, enlarge_buffers};

/// A UDP socket on `port` of every address of `interface`, and of 255.255.255.255 there, that does
/// not wait. It tells each datagram's destination (IP_PKTINFO).
///
/// Says [`BindError::Served`] if another socket would get some of the datagrams.
pub fn bind_udp(interface: &Interface, port: u16) -> Result<UdpSocket, BindError> {
    BindError::unless_free(interface, port)?;
    let failed = |source| BindError::new("open a UDP socket", interface, port, source);
    let socket = unbound(interface).map_err(failed)?;
    let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
    let failed = |source| BindError::new("bind the UDP socket", interface, port, source);
    socket.bind(&any.into()).map_err(failed)?;
    Ok(socket.into())
}

/// A socket with all its options: set after the bind, they would miss the first datagrams, or take
/// those of another interface.
fn unbound(interface: &Interface) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind_device(Some(interface.name.as_bytes()))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    enlarge_buffers(&socket)?;
    Ok(socket)
}

/// Hears and speaks DHCP on one port of one interface, through the kernel's IP and UDP.
pub struct DhcpUdpSocket {
    socket: UdpSocket,
    /// Where it is bound.
    port: u16,
    batch: Batch,
    letters: Letters,
    /// What the kernel has dropped so far: for want of room, and by the filter.
    drops: u32,
    overflowed: u64,
    is_shedding: bool,
}

impl DhcpUdpSocket {
    /// Binds as [`bind_udp`] does.
    pub fn bind(interface: &Interface, port: u16) -> Result<Self, BindError> {
        let socket = bind_udp(interface, port)?;
        let failed = |source| BindError::new("bind the UDP socket", interface, port, source);
        let port = socket.local_addr().map_err(failed)?.port();
        let (batch, letters) = (Batch::new(), Letters::new());
        Ok(Self { socket, port, batch, letters, drops: 0, overflowed: 0, is_shedding: false })
    }

    /// Gives what has come in, at most a batch, to `each`, but for datagrams to 255.255.255.255: a
    /// packet socket hears them as well, and knows their hardware address. How many there were.
    pub fn receive(&mut self, each: impl FnMut(Received<'_>)) -> io::Result<usize> {
        let (drops, port) = (&mut self.drops, self.port);
        let before = *drops;
        let datagrams = self.batch.receive(self.socket.as_fd())?;
        let count = datagrams.len();
        datagrams
            .inspect(|datagram| *drops = datagram.overflowed().unwrap_or(*drops))
            .filter_map(|datagram| open(&datagram, port))
            .for_each(each);
        // The kernel has one count for both.
        if !self.is_shedding {
            self.overflowed += u64::from(drops.wrapping_sub(before));
        }
        Ok(count)
    }

    /// Sends messages, each from its source, one of the interface's addresses, to its destination.
    pub fn send<'a>(
        &mut self,
        messages: impl Iterator<Item = (Ipv4Addr, SocketAddrV4, &'a [u8])>,
        failed: impl FnMut(io::Error),
    ) {
        let letters = messages.map(|(source, destination, message)| Letter {
            to: destination.into(),
            from: Some(source),
            headers: None,
            message,
        });
        self.letters.send(self.socket.as_fd(), letters, failed);
    }

    /// Has the kernel drop DISCOVERs, all but a share of them.
    pub fn shed(&mut self, share: Share) -> io::Result<()> {
        let socket = SockRef::from(&self.socket);
        match share.threshold() {
            Some(threshold) => socket.attach_filter(&share_of_discovers(threshold))?,
            None if self.is_shedding => socket.detach_filter()?,
            None => {}
        }
        self.is_shedding = share != Share::ALL;
        Ok(())
    }

    /// How many datagrams the socket has had no room for, as of the last one received.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

impl AsFd for DhcpUdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open<'a>(datagram: &Datagram<'a>, port: u16) -> Option<Received<'a>> {
    let destination = destination(datagram)?;
    if destination == Ipv4Addr::BROADCAST {
        return None;
    }
    if datagram.truncated {
        return Some(Err(Malformed::TooShort));
    }
    let destination = SocketAddrV4::new(destination, port);
    let arrival = Arrival { source: source(datagram), destination, source_mac: None };
    Some(Ok((arrival, datagram.data)))
}

/// The source, from `struct sockaddr_in`: family, port, address.
pub(super) fn source(datagram: &Datagram<'_>) -> SocketAddrV4 {
    let [_, _, p0, p1, a, b, c, d, ..] = *datagram.address;
    SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p0, p1]))
}

/// The destination, from `struct in_pktinfo`: the interface, the address of ours that answers, the
/// IP header's. They differ where a subnet's broadcast address was asked, which is none of ours.
fn destination(datagram: &Datagram<'_>) -> Option<Ipv4Addr> {
    let info = datagram.control(libc::IPPROTO_IP, libc::IP_PKTINFO)?;
    let [_, _, _, _, o0, o1, o2, o3, h0, h1, h2, h3] = *info.first_chunk()?;
    let in_header = Ipv4Addr::new(h0, h1, h2, h3);
    let own = Ipv4Addr::new(o0, o1, o2, o3);
    Some(if in_header == Ipv4Addr::BROADCAST { in_header } else { own })
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::getsockopt;

    use super::*;
    use crate::net::test_namespace::wait_for;

    fn loopback() -> Interface {
        Interface::find("lo").unwrap()
    }

    fn port_of(socket: &impl AsFd) -> u16 {
        let socket = SockRef::from(socket);
        socket.local_addr().unwrap().as_socket_ipv4().unwrap().port()
    }

    #[test]
    fn all_options_are_set_before_the_bind() {
        let socket = unbound(&loopback()).unwrap();
        assert_eq!(port_of(&socket), 0);
        assert!(socket.reuse_address().unwrap());
        assert!(socket.broadcast().unwrap());
        assert!(socket.nonblocking().unwrap());
        assert_eq!(socket.device().unwrap().unwrap(), b"lo");
        assert!(getsockopt(&socket, sockopt::Ipv4PacketInfo).unwrap());
        assert_eq!(getsockopt(&socket, sockopt::RxqOvfl).unwrap(), 1);
        let plain = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        assert!(socket.recv_buffer_size().unwrap() >= plain.recv_buffer_size().unwrap());
    }

    #[test]
    fn source_and_destination_are_told_and_obeyed() {
        let [one, two] = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];
        let mut server = DhcpUdpSocket::bind(&loopback(), 0).unwrap();
        let client = UdpSocket::bind((one, 0)).unwrap();
        let client_address = SocketAddrV4::new(one, port_of(&client));
        client.send_to(b"renew", (two, port_of(&server))).unwrap();
        wait_for(&server);
        let mut got = Vec::new();
        let keep = |received: Received<'_>| {
            let (arrival, payload) = received.unwrap();
            got.push((arrival, payload.to_vec()));
        };
        server.receive(keep).unwrap();
        let destination = SocketAddrV4::new(two, port_of(&server));
        let arrival = Arrival { source: client_address, destination, source_mac: None };
        assert_eq!(got, [(arrival, b"renew".to_vec())]);

        let reply = std::iter::once((two, client_address, &b"ack"[..]));
        server.send(reply, |error| panic!("{error}"));
        wait_for(&client);
        let mut buffer = [0; 16];
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"ack"[..], (two, port_of(&server)).into()));
    }

    #[test]
    fn what_is_too_long_is_malformed() {
        let mut server = DhcpUdpSocket::bind(&loopback(), 0).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(&[0; 20_000], (Ipv4Addr::LOCALHOST, port_of(&server))).unwrap();
        wait_for(&server);
        let mut got = Vec::new();
        server.receive(|received| got.push(received.map(|_| ()))).unwrap();
        assert_eq!(got, [Err(Malformed::TooShort)]);
    }
}
