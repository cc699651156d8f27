//! Many messages by one system call: sendmmsg(2), out of buffers that are made once.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use pxed_proto::wire::udp;
use socket2::SockAddr;

use super::batch::{BATCH, CONTROL_HEADER, NO_HEADER, NO_PART};

/// A message, and how it is to leave.
pub(super) struct Letter<'a> {
    /// Where to: a `sockaddr` of the socket's kind.
    pub(super) to: SockAddr,
    /// The source address, where the kernel writes the IP header (IP_PKTINFO).
    pub(super) from: Option<Ipv4Addr>,
    /// What stands in front of the message, where the kernel does not.
    pub(super) headers: Option<[u8; udp::HEADERS]>,
    pub(super) message: &'a [u8],
}

/// Room for what a batch of letters needs beside its messages.
pub(super) struct Letters {
    slots: Box<[Slot]>,
}

/// IP_PKTINFO, a multiple of the alignment.
const CONTROL: usize = (CONTROL_HEADER + size_of::<libc::in_pktinfo>()).next_multiple_of(8);

#[repr(C, align(8))]
struct Slot {
    control: [u8; CONTROL],
    headers: [u8; udp::HEADERS],
    to: SockAddr,
}

impl Letters {
    pub(super) fn new() -> Self {
        let slot = || Slot {
            control: [0; CONTROL],
            headers: [0; udp::HEADERS],
            to: SockAddr::from(std::net::SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        };
        Self { slots: std::iter::repeat_with(slot).take(BATCH).collect() }
    }

    /// Hands all of them to the kernel, in their order; does not wait. Those that it does not take are
    /// told to `failed`, one by one, and stop none of the others.
    pub(super) fn send<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        letters: impl Iterator<Item = Letter<'a>>,
        mut failed: impl FnMut(io::Error),
    ) {
        let mut letters = letters.peekable();
        while letters.peek().is_some() {
            let mut parts = [[NO_PART; 2]; BATCH];
            let mut headers = [NO_HEADER; BATCH];
            let places = self.slots.iter_mut().zip(&mut parts).zip(&mut headers);
            let count = places
                .zip(&mut letters)
                .map(|(((slot, parts), header), letter)| *header = slot.header(parts, letter))
                .count();
            let batch = headers.get_mut(..count).unwrap_or_default();
            send_all(socket, batch, &mut failed);
        }
    }
}

impl Slot {
    /// Tells the kernel where to read. `parts` and the letter's message are pointed at.
    fn header(&mut self, parts: &mut [libc::iovec; 2], letter: Letter<'_>) -> libc::mmsghdr {
        let mut header = NO_HEADER;
        let Letter { to, from, headers, message } = letter;
        self.to = to;
        header.msg_hdr.msg_name = self.to.as_ptr().cast_mut().cast();
        header.msg_hdr.msg_namelen = self.to.len();
        let [first, second] = parts;
        let part = |octets: &[u8]| libc::iovec {
            iov_base: octets.as_ptr().cast_mut().cast(),
            iov_len: octets.len(),
        };
        if let Some(headers) = headers {
            self.headers = headers;
            (*first, *second) = (part(&self.headers), part(message));
            header.msg_hdr.msg_iovlen = 2;
        } else {
            *first = part(message);
            header.msg_hdr.msg_iovlen = 1;
        }
        header.msg_hdr.msg_iov = first;
        if let Some(from) = from {
            self.control = packet_info(from);
            header.msg_hdr.msg_control = self.control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL as _;
        }
        header
    }
}

/// The control message that says by which of its addresses a socket sends (ip(7)).
fn packet_info(from: Ipv4Addr) -> [u8; CONTROL] {
    let length = (CONTROL_HEADER + size_of::<libc::in_pktinfo>()).to_ne_bytes();
    let (level, kind) = (libc::IPPROTO_IP.to_ne_bytes(), libc::IP_PKTINFO.to_ne_bytes());
    // struct in_pktinfo: no interface, the source, and an address that only the way in has.
    let info = [[0; 4], from.octets(), [0; 4]];
    let octets = length.into_iter().chain(level).chain(kind).chain(info.into_iter().flatten());
    let mut control = [0; CONTROL];
    control.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
    control
}

/// The kernel stops at the first that it can not send, and says why only when asked for that one alone.
fn send_all(
    socket: BorrowedFd<'_>,
    mut rest: &mut [libc::mmsghdr],
    failed: &mut impl FnMut(io::Error),
) {
    while !rest.is_empty() {
        let count = libc::c_uint::try_from(rest.len()).unwrap_or(1);
        // SAFETY: `rest` holds `count` headers, whose pointers are into the slots, the parts and the
        // messages of `Letters::send`, with the lengths of what they point at; all of them outlive the
        // call. The kernel only reads what they point at, and writes `msg_len` of the headers.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), count, libc::MSG_DONTWAIT)
        };
        let done = match usize::try_from(sent) {
            Ok(sent) => sent,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => continue,
                error => {
                    failed(error);
                    1
                }
            },
        };
        rest = rest.get_mut(done.max(1)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddrV4, UdpSocket};
    use std::os::fd::AsFd;

    use super::*;

    fn letter<'a>(to: &UdpSocket, from: Option<Ipv4Addr>, message: &'a [u8]) -> Letter<'a> {
        let to = to.local_addr().unwrap().into();
        Letter { to, from, headers: None, message }
    }

    fn received(socket: &UdpSocket) -> (Vec<u8>, Ipv4Addr) {
        let mut buffer = [0; 100];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let std::net::IpAddr::V4(from) = from.ip() else { panic!("{from}") };
        (buffer[..length].to_vec(), from)
    }

    fn bound() -> UdpSocket {
        let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        socket
    }

    #[test]
    fn all_leave_in_order_from_the_address_that_each_names() {
        let (receiver, sender) = (bound(), UdpSocket::bind("0.0.0.0:0").unwrap());
        let mut letters = Letters::new();
        for _ in 0..2 {
            let messages: Vec<[u8; 2]> =
                (0..u8::try_from(BATCH).unwrap() + 6).map(|number| [number, 9]).collect();
            let from = |message: &[u8; 2]| Ipv4Addr::new(127, 0, 0, 1 + message[0] % 3);
            let all = messages.iter().map(|each| letter(&receiver, Some(from(each)), each));
            letters.send(sender.as_fd(), all, |error| panic!("{error}"));
            for message in &messages {
                assert_eq!(received(&receiver), (message.to_vec(), from(message)));
            }
        }
        letters.send(sender.as_fd(), std::iter::empty(), |error| panic!("{error}"));
    }

    #[test]
    fn one_that_can_not_leave_is_told_and_the_others_leave() {
        let (receiver, sender) = (bound(), UdpSocket::bind("0.0.0.0:0").unwrap());
        let stranger = Some(Ipv4Addr::new(192, 0, 2, 1));
        let all = [
            letter(&receiver, stranger, b"from an address that is not ours"),
            letter(&receiver, None, b"one"),
            letter(&receiver, None, &[0; 70_000]),
            letter(&receiver, None, b"two"),
            letter(&receiver, stranger, b"again"),
        ];
        let mut errors = Vec::new();
        Letters::new().send(sender.as_fd(), all.into_iter(), |error| {
            errors.push(error.raw_os_error().unwrap() == libc::EMSGSIZE);
        });
        assert_eq!([received(&receiver).0, received(&receiver).0], [b"one", b"two"]);
        assert_eq!(errors, [false, true, false]);
    }

    #[test]
    fn headers_stand_in_front_of_the_message() {
        let (receiver, sender) = (bound(), bound());
        let with = Letter { headers: Some([7; udp::HEADERS]), ..letter(&receiver, None, b"end") };
        Letters::new().send(sender.as_fd(), std::iter::once(with), |error| panic!("{error}"));
        assert_eq!(received(&receiver).0, [&[7; udp::HEADERS][..], b"end"].concat());
    }
}
