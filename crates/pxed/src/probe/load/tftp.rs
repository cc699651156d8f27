//! The first block of a file by TFTP (RFC 1350, RFC 2347).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use pxed_proto::limits::NETWORK_PROBE_HEAD;
use pxed_proto::text::Printable;
use pxed_proto::wire::tftp::{ErrorCode, Packet, ack, error, read_request};
use socket2::{Domain, Protocol, Socket, Type};

use super::super::heard::Loaded;
use crate::net::Interface;

/// The port of read requests (RFC 1350 section 4).
const PORT: u16 = 69;

/// How often the request is sent, evenly in the time that there is.
const TRIES: u32 = 3;

/// What reading the first block of `file` comes to.
pub fn load(interface: &Interface, server: Ipv4Addr, file: &[u8], end: Instant) -> Loaded {
    match open(interface, server).and_then(|socket| read(&socket, server, file, end)) {
        Ok(loaded) => loaded,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Loaded::NoPort,
        Err(error) if error.kind() == io::ErrorKind::HostUnreachable => Loaded::Silence,
        Err(error) => super::failed(server, &error),
    }
}

/// Not connected: the server answers from another port, and one that answers from another address is
/// to be noticed. An ICMP error is heard all the same (IP_RECVERR, ip(7)).
fn open(interface: &Interface, server: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if interface.is_neighbour(server) {
        socket.bind_device(Some(interface.name.as_bytes()))?;
    }
    setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into())?;
    Ok(socket.into())
}

fn read(socket: &UdpSocket, server: Ipv4Addr, file: &[u8], end: Instant) -> io::Result<Loaded> {
    let block = u64::from(NETWORK_PROBE_HEAD);
    let request = read_request(file, "octet", &[("tsize", 0), ("blksize", block)]);
    let each = end.saturating_duration_since(Instant::now()) / TRIES;
    let mut size = None;
    for _ in 0..TRIES {
        socket.send_to(&request, (server, PORT))?;
        let next = Instant::now() + each;
        while let Some((datagram, from)) = receive(socket, next)? {
            let IpAddr::V4(host) = from.ip() else { continue };
            if host != server {
                return Ok(Loaded::From(host));
            }
            match Packet::parse(&datagram) {
                Ok(Packet::OAck(options)) => {
                    size = options.number("tsize");
                    socket.send_to(&ack(0), from)?;
                }
                Ok(Packet::Data { block: 1, data }) => {
                    let enough = error(ErrorCode::NotDefined, "pxed probe has seen enough");
                    socket.send_to(&enough, from)?;
                    return Ok(Loaded::Head { octets: data.to_vec(), size });
                }
                Ok(Packet::Error { code, message }) => {
                    return Ok(Loaded::Refused(format!(
                        "error {code}, \"{}\"",
                        Printable(message)
                    )));
                }
                _ => {}
            }
        }
    }
    Ok(Loaded::Silence)
}

fn receive(socket: &UdpSocket, end: Instant) -> io::Result<Option<(Vec<u8>, SocketAddr)>> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(None);
    }
    socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    let mut datagram = vec![0; 2048];
    match socket.recv_from(&mut datagram) {
        Ok((length, from)) => {
            datagram.truncate(length);
            Ok(Some((datagram, from)))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
