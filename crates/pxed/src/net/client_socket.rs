//! The other side of DHCP, for probes: speaks as a client that has no address, and hears what servers
//! answer, beside whatever DHCP client or server this host runs. No UDP port is bound.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pxed_proto::dhcp::{CLIENT_PORT, SERVER_PORT};
use pxed_proto::net::Mac;
use pxed_proto::wire::udp;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::batch::Batch;
use super::interface::Interface;
use super::packet_socket::{datagram, filtered, link_address};

/// A datagram to a client's port.
pub struct Heard<'a> {
    /// Who sent the frame.
    pub mac: Option<Mac>,
    /// Who sent the datagram.
    pub source: SocketAddrV4,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Speaks and hears as a DHCP client on one interface.
pub struct ClientSocket {
    socket: Socket,
    interface: Interface,
    batch: Batch,
}

impl ClientSocket {
    /// Hears what comes in by `interface` to port 68, or to `other_port`.
    pub fn bind(interface: &Interface, other_port: u16) -> io::Result<Self> {
        let socket = filtered(interface, &datagrams_to(CLIENT_PORT, other_port))?;
        Ok(Self { socket, interface: interface.clone(), batch: Batch::new() })
    }

    /// Sends `message` to every server on the link, in a frame from the interface's own MAC.
    pub fn broadcast(&self, message: &[u8]) -> io::Result<()> {
        let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT);
        let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);
        let headers = udp::emit(from, to, message).ok_or_else(too_long)?;
        let everybody = link_address(self.interface.index, libc::ETH_P_IP, Mac::BROADCAST)?;
        let packet = [IoSlice::new(&headers), IoSlice::new(message)];
        self.socket.send_to_vectored(&packet, &everybody)?;
        Ok(())
    }

    /// Sends `message` to one server, wherever the host's routes say that it is. The kernel finds its
    /// MAC; the port that `from` names is not bound, and the answer comes to [`Self::receive`].
    pub fn send(&self, from: SocketAddrV4, to: SocketAddrV4, message: &[u8]) -> io::Result<()> {
        let raw = Protocol::from(libc::IPPROTO_RAW); // the IP header is ours
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(raw))?;
        if self.interface.is_neighbour(*to.ip()) {
            socket.bind_device(Some(self.interface.name.as_bytes()))?;
        }
        let headers = udp::emit(from, to, message).ok_or_else(too_long)?;
        let packet = [IoSlice::new(&headers), IoSlice::new(message)];
        socket.send_to_vectored(&packet, &to.into())?;
        Ok(())
    }

    /// Waits for datagrams and gives them to `each`, until `end` or until there are some.
    pub fn receive(&mut self, end: Instant, mut each: impl FnMut(Heard<'_>)) -> io::Result<()> {
        let left = end.saturating_duration_since(Instant::now());
        // A millisecond more, so that nobody asks again for the rest of one.
        let left = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], left) {
            Ok(0) | Err(Errno::EINTR) => return Ok(()),
            ready => ready?,
        };
        let index = self.interface.index;
        let packets = self.batch.receive(self.socket.as_fd())?;
        for (mac, datagram) in packets.filter_map(|packet| datagram(&packet, index)) {
            if let Ok(udp::Datagram { source, payload, .. }) = datagram {
                each(Heard { mac, source, payload });
            }
        }
        Ok(())
    }
}

impl AsFd for ClientSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn too_long() -> io::Error {
    io::Error::from_raw_os_error(libc::EMSGSIZE)
}

/// The kernel's filter: IPv4 UDP in one packet, to one of two ports.
fn datagrams_to(port: u16, other: u16) -> [SockFilter; 10] {
    use libc::{BPF_ABS, BPF_B, BPF_H, BPF_IND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K};
    use libc::{BPF_LD, BPF_LDX, BPF_MSH, BPF_RET};
    let code = |code| u16::try_from(code).unwrap_or_default();
    let load = |size, offset| SockFilter::new(code(BPF_LD | BPF_ABS | size), 0, 0, offset);
    let equal = |value, then, otherwise| {
        SockFilter::new(code(BPF_JMP | BPF_JEQ | BPF_K), then, otherwise, value)
    };
    [
        load(BPF_B, 9),
        equal(17, 0, 7),
        load(BPF_H, 6),
        SockFilter::new(code(BPF_JMP | BPF_JSET | BPF_K), 5, 0, 0x1fff),
        SockFilter::new(code(BPF_LDX | BPF_B | BPF_MSH), 0, 0, 0),
        SockFilter::new(code(BPF_LD | BPF_H | BPF_IND), 0, 0, 2),
        equal(u32::from(port), 1, 0),
        equal(u32::from(other), 0, 1),
        SockFilter::new(code(BPF_RET | BPF_K), 0, 0, u32::MAX),
        SockFilter::new(code(BPF_RET | BPF_K), 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::net::test_namespace::{self, Ethernet, comes_within};

    const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const IPV4: &[u8] = &[8, 0];

    fn run(test: &str, body: impl FnOnce()) {
        test_namespace::run(&format!("{}::{test}", module_path!()), body);
    }

    fn packet(source: u16, destination: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
        let (source, destination) =
            (SocketAddrV4::new(SERVER, source), SocketAddrV4::new(destination.0, destination.1));
        [&udp::emit(source, destination, payload).unwrap()[..], payload].concat()
    }

    /// To a MAC and an address, to all, from an odd port, to the other port; and neither another
    /// port's, nor another machine's, nor a fragment.
    #[test]
    fn answers_to_a_client_are_heard_and_nothing_else() {
        run("answers_to_a_client_are_heard_and_nothing_else", || {
            let srv = Interface::find("srv").unwrap();
            let mut socket = ClientSocket::bind(&srv, 4011).unwrap();
            let far = Ethernet::open("cli");
            let own = srv.addresses[0].0;
            let offered = Ipv4Addr::new(192, 0, 2, 77);
            let mut fragment = packet(67, (own, 68), b"fragment");
            fragment[7] = 1;
            let send = |mac, packet: &[u8]| far.send(mac, IPV4, packet);
            let end = Instant::now() + Duration::from_secs(20);
            let mut heard = Vec::new();
            // Until the cable is up, nothing comes.
            while heard.is_empty() && Instant::now() < end {
                send(srv.mac, &packet(67, (own, 69), b"another port"));
                send(Mac([2, 0, 0, 0, 0, 1]), &packet(67, (offered, 68), b"another machine"));
                send(srv.mac, &fragment);
                send(srv.mac, &packet(67, (offered, 68), b"unicast"));
                send(Mac::BROADCAST, &packet(67, (Ipv4Addr::BROADCAST, 68), b"broadcast"));
                send(srv.mac, &packet(4012, (own, 4011), b"boot server"));
                let soon = Instant::now() + Duration::from_millis(200);
                let keep = |one: Heard<'_>| {
                    assert_eq!((one.mac, *one.source.ip()), (Some(far.mac), SERVER));
                    heard.push((one.source.port(), one.payload.to_vec()));
                };
                socket.receive(soon, keep).unwrap();
            }
            heard.truncate(3);
            let expected = [(67, &b"unicast"[..]), (67, b"broadcast"), (4012, b"boot server")];
            let heard: Vec<_> = heard.iter().map(|(port, text)| (*port, &text[..])).collect();
            assert_eq!(heard, expected);
        });
    }

    #[test]
    fn it_speaks_from_a_port_that_it_does_not_have() {
        run("it_speaks_from_a_port_that_it_does_not_have", || {
            let srv = Interface::find("srv").unwrap();
            let socket = ClientSocket::bind(&srv, 4011).unwrap();
            let far = Ethernet::open("cli");
            let own = SocketAddrV4::new(srv.addresses[0].0, 4011);
            let everybody = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
            // Both ends are in one namespace, so ARP finds nobody: the kernel is told.
            let address = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 50), 4011);
            let told = format!("neigh add {} lladdr {} dev srv", address.ip(), far.mac);
            let told = Command::new("ip").args(told.split(' ')).status().unwrap();
            assert!(told.success());
            // Until the cable is up, nothing arrives.
            for _ in 0..200 {
                socket.broadcast(b"discover").unwrap();
                if comes_within(50, &far) {
                    break;
                }
            }
            socket.send(own, address, b"request").unwrap();
            let mut expected = vec![
                (Mac::BROADCAST, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), everybody),
                (far.mac, own, address),
            ];
            while !expected.is_empty() {
                let (to, from, packet) = far.receive();
                let Ok(datagram) = udp::parse(&packet, udp::Checksum::Verify) else { continue };
                assert_eq!(from, srv.mac);
                expected.retain(|one| *one != (to, datagram.source, datagram.destination));
            }
        });
    }
}
