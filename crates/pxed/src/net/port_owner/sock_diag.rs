//! The kernel's list of sockets (sock_diag(7)). /proc/net/udp would do without netlink, but it does
//! not tell the interface that a socket is bound to.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType};
use nix::sys::socket::{recv, send, socket};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// INET_DIAG_SKV6ONLY.
const ATTRIBUTE_V6_ONLY: u16 = 11;
/// TCP_CLOSE, which for UDP means "not connected": a connected socket hears one peer only.
const UNCONNECTED: u32 = 1 << 7;

/// The address family to ask for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    Inet,
    Inet6,
}

/// A UDP socket that is bound and not connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BoundSocket {
    pub(super) local: SocketAddr,
    /// The interface it is bound to; 0 is none.
    pub(super) device: u32,
    /// Does an IPv6 socket leave IPv4 alone?
    pub(super) v6_only: bool,
    /// The number that its file descriptors show.
    pub(super) inode: u32,
}

/// The UDP sockets on `port` in this network namespace.
pub(super) fn bound_udp_sockets(family: Family, port: u16) -> io::Result<Vec<BoundSocket>> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let protocol = SockProtocol::NetlinkSockDiag;
    let netlink = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
    send(netlink.as_raw_fd(), &request(family, port), MsgFlags::empty())?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        if parse(buffer.get(..length).unwrap_or_default(), &mut found)? == Dump::Complete {
            return Ok(found);
        }
    }
}

/// `struct nlmsghdr` with `struct inet_diag_req_v2`.
fn request(family: Family, port: u16) -> Vec<u8> {
    let family = match family {
        Family::Inet => libc::AF_INET,
        Family::Inet6 => libc::AF_INET6,
    };
    let mut request = Vec::with_capacity(72);
    request.extend(72u32.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_DUMP).unwrap_or_default();
    request.extend(flags.to_ne_bytes());
    request.extend([0; 8]); // sequence number, sender: one question per socket
    let [family, ..] = family.to_le_bytes();
    let [udp, ..] = libc::IPPROTO_UDP.to_le_bytes();
    request.extend([family, udp, 0, 0]); // and no extensions, padding
    request.extend(UNCONNECTED.to_ne_bytes());
    request.extend(port.to_be_bytes());
    request.resize(72, 0); // any peer, addresses, interface, cookie
    request
}

/// Has the kernel said all?
#[derive(Debug, PartialEq, Eq)]
enum Dump {
    Complete,
    Continues,
}

/// Reads the messages of one datagram.
fn parse(mut datagram: &[u8], found: &mut Vec<BoundSocket>) -> io::Result<Dump> {
    while let Some((kind, body, rest)) = split_message(datagram) {
        match i32::from(kind) {
            // Both end the dump, and both may carry an error: "done" one that came late.
            libc::NLMSG_DONE | libc::NLMSG_ERROR => {
                let error = body.first_chunk().map_or(0, |octets| i32::from_ne_bytes(*octets));
                return match error {
                    0 => Ok(Dump::Complete),
                    error => Err(io::Error::from_raw_os_error(error.saturating_neg())),
                };
            }
            _ if kind == SOCK_DIAG_BY_FAMILY => found.extend(parse_socket(body)),
            _ => {}
        }
        datagram = rest;
    }
    Ok(Dump::Continues)
}

/// The first message's type and body, and what follows it. Messages begin at multiples of 4.
fn split_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let [l0, l1, l2, l3, k0, k1, ..] = *bytes.first_chunk::<16>()?;
    let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
    let rest = bytes.get(length.checked_next_multiple_of(4)?..).unwrap_or_default();
    Some((u16::from_ne_bytes([k0, k1]), bytes.get(16..length)?, rest))
}

/// `struct inet_diag_msg`: family, state, timer, retransmissions; source and destination port,
/// source and destination address (16 octets each), interface, cookie (8); expiry, two queue
/// lengths, user, inode. Then attributes.
fn parse_socket(body: &[u8]) -> Option<BoundSocket> {
    let (message, attributes) = body.split_first_chunk::<72>()?;
    let port = u16::from_be_bytes([message[4], message[5]]);
    let address: [u8; 16] = *message.get(8..)?.first_chunk()?;
    let local = match i32::from(message[0]) {
        libc::AF_INET => SocketAddr::new(Ipv4Addr::from(*address.first_chunk()?).into(), port),
        libc::AF_INET6 => SocketAddr::new(Ipv6Addr::from(address).into(), port),
        _ => return None,
    };
    Some(BoundSocket {
        local,
        device: u32::from_ne_bytes([message[40], message[41], message[42], message[43]]),
        v6_only: attribute(attributes, ATTRIBUTE_V6_ONLY) == Some(&[1]),
        inode: u32::from_ne_bytes([message[68], message[69], message[70], message[71]]),
    })
}

/// The value of an attribute: length and type (2 octets each), value, padding to 4.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let [l0, l1, k0, k1] = *bytes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = bytes.get(4..length)?;
        if u16::from_ne_bytes([k0, k1]) == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + body.len()).unwrap();
        [&length.to_ne_bytes(), &kind.to_ne_bytes()[..], &[0; 10], body].concat()
    }

    #[test]
    fn a_dump_ends_with_done_or_an_error() {
        let (done, failed) = (0i32.to_ne_bytes(), (-libc::ENOENT).to_ne_bytes());
        let mut found = Vec::new();
        assert_eq!(parse(&message(3, &done), &mut found).unwrap(), Dump::Complete);
        assert_eq!(parse(&message(99, &[]), &mut found).unwrap(), Dump::Continues);
        for kind in [2, 3] {
            let error = parse(&message(kind, &failed), &mut found).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        }
    }

    #[test]
    fn half_a_message_is_none() {
        let whole = message(SOCK_DIAG_BY_FAMILY, &[&[2; 72][..], &[5, 0, 11, 0, 1]].concat());
        let mut found = Vec::new();
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length], &mut found).unwrap(), Dump::Continues);
        }
        assert_eq!(found, []);
        parse(&whole, &mut found).unwrap();
        assert_eq!((found.len(), found[0].v6_only), (1, true));
    }
}
