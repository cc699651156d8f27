//! Many datagrams by one system call: recvmmsg(2) into buffers that are made once.
//!
//! Not nix's `recvmmsg`: it does not give the kernel the control buffers' size anew for each call,
//! so a control message that comes seldom (lost datagrams) would find the room of the last one.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use pxed_proto::limits::DHCP_MESSAGE_MAX;
use pxed_proto::wire::udp;

/// How many datagrams one system call takes: what arrives while the batch before is worked on.
pub(super) const BATCH: usize = 64;

/// A part of a message that has none.
pub(super) const NO_PART: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };

/// A message that has nothing.
// SAFETY: a structure of numbers and raw pointers, for which zero is a value.
pub(super) const NO_HEADER: libc::mmsghdr = unsafe { mem::zeroed() };

/// sockaddr_in has 16 octets, sockaddr_ll 20.
const ADDRESS_MAX: usize = 24;

/// Room for PACKET_AUXDATA or IP_PKTINFO, with SO_RXQ_OVFL; a multiple of the alignment.
const CONTROL_MAX: usize = 96;

/// The kernel's `struct cmsghdr`: `size_t cmsg_len; int cmsg_level; int cmsg_type`.
pub(super) const CONTROL_HEADER: usize = size_of::<usize>() + 8;

/// Buffers for a batch of datagrams.
pub(super) struct Batch {
    slots: Box<[Slot]>,
}

/// One datagram's buffers. Control messages are aligned as the kernel writes them.
#[repr(C, align(8))]
#[derive(Clone)]
struct Slot {
    control: [u8; CONTROL_MAX],
    address: [u8; ADDRESS_MAX],
    data: [u8; DHCP_MESSAGE_MAX + udp::HEADERS_MAX],
}

/// A datagram, and what the kernel says of it.
pub(super) struct Datagram<'a> {
    /// What the socket's type says: a UDP payload or an IP packet.
    pub(super) data: &'a [u8],
    /// It was longer than the buffer.
    pub(super) truncated: bool,
    /// The source's `sockaddr`, as the kernel wrote it.
    pub(super) address: &'a [u8; ADDRESS_MAX],
    /// Control messages, one behind the other.
    pub(super) control: &'a [u8],
}

impl Batch {
    pub(super) fn new() -> Self {
        let empty = Slot {
            control: [0; CONTROL_MAX],
            address: [0; ADDRESS_MAX],
            data: [0; DHCP_MESSAGE_MAX + udp::HEADERS_MAX],
        };
        Self { slots: vec![empty; BATCH].into_boxed_slice() }
    }

    /// What `socket` holds now, at most a batch; does not wait. Without anything it is
    /// [`io::ErrorKind::WouldBlock`].
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
    ) -> io::Result<impl ExactSizeIterator<Item = Datagram<'_>>> {
        let mut parts = [NO_PART; BATCH];
        let mut headers = [NO_HEADER; BATCH];
        for ((slot, part), header) in self.slots.iter_mut().zip(&mut parts).zip(&mut headers) {
            *header = slot.header(part);
        }
        let count = libc::c_uint::try_from(headers.len()).unwrap_or(0);
        // SAFETY: `headers` holds `count` headers, whose pointers are into `self.slots` and `parts`
        // with the lengths of what they point at. All three outlive the call, and nothing else
        // reads or writes them during it. No timeout.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        Ok(self
            .slots
            .iter()
            .zip(headers)
            .take(received)
            .map(|(slot, header)| slot.datagram(&header)))
    }
}

impl Slot {
    /// Tells the kernel where to write.
    #[expect(clippy::cast_possible_truncation, reason = "the lengths are below 100")]
    fn header(&mut self, part: &mut libc::iovec) -> libc::mmsghdr {
        *part = libc::iovec { iov_base: self.data.as_mut_ptr().cast(), iov_len: self.data.len() };
        let mut header = NO_HEADER;
        header.msg_hdr.msg_name = self.address.as_mut_ptr().cast();
        header.msg_hdr.msg_namelen = ADDRESS_MAX as _;
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = self.control.as_mut_ptr().cast();
        header.msg_hdr.msg_controllen = CONTROL_MAX as _;
        header
    }

    /// Reads what the kernel wrote.
    fn datagram(&self, header: &libc::mmsghdr) -> Datagram<'_> {
        let length = usize::try_from(header.msg_len).unwrap_or(usize::MAX);
        Datagram {
            data: self.data.get(..length).unwrap_or(&self.data),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            address: &self.address,
            control: self.control.get(..header.msg_hdr.msg_controllen as _).unwrap_or(&[]),
        }
    }
}

impl<'a> Datagram<'a> {
    /// The value of the control message of this level and type.
    pub(super) fn control(&self, level: libc::c_int, kind: libc::c_int) -> Option<&'a [u8]> {
        let mut rest = self.control;
        loop {
            let message = ControlMessage::first(rest)?;
            if (message.level, message.kind) == (level, kind) {
                return Some(message.value);
            }
            rest = message.rest;
        }
    }

    /// SO_RXQ_OVFL: how many datagrams the socket has had no room for so far. The kernel leaves it
    /// out while it is zero.
    pub(super) fn overflowed(&self) -> Option<u32> {
        let value = self.control(libc::SOL_SOCKET, libc::SO_RXQ_OVFL)?;
        value.first_chunk().map(|octets| u32::from_ne_bytes(*octets))
    }
}

/// A control message (cmsg(3)), and the bytes that follow it.
struct ControlMessage<'a> {
    level: libc::c_int,
    kind: libc::c_int,
    value: &'a [u8],
    rest: &'a [u8],
}

impl<'a> ControlMessage<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let (length, header) = bytes.split_first_chunk()?;
        let (level, header) = header.split_first_chunk()?;
        let (kind, _) = header.split_first_chunk()?;
        let length = usize::from_ne_bytes(*length);
        Some(Self {
            level: i32::from_ne_bytes(*level),
            kind: i32::from_ne_bytes(*kind),
            value: bytes.get(CONTROL_HEADER..length)?,
            rest: bytes.get(length.next_multiple_of(align_of::<usize>())..).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (sender, receiver)
    }

    #[test]
    fn datagrams_come_in_order_and_the_buffers_are_used_again() {
        let (sender, receiver) = pair();
        let mut batch = Batch::new();
        for round in 0..3 {
            let sent: Vec<Vec<u8>> = (0..70).map(|n| vec![round; n]).collect();
            for datagram in &sent {
                sender.send(datagram).unwrap();
            }
            for expected in [&sent[..BATCH], &sent[BATCH..]] {
                let got = batch.receive(receiver.as_fd()).unwrap();
                assert_eq!(got.map(|d| d.data.to_vec()).collect::<Vec<_>>(), expected);
            }
            let nothing = batch.receive(receiver.as_fd()).err().unwrap();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn what_is_longer_than_the_buffer_says_so() {
        let (sender, receiver) = pair();
        for length in [DHCP_MESSAGE_MAX, 20_000] {
            sender.send(&vec![7; length]).unwrap();
        }
        let mut batch = Batch::new();
        let flags: Vec<bool> =
            batch.receive(receiver.as_fd()).unwrap().map(|d| d.truncated).collect();
        assert_eq!(flags, [false, true]);
    }

    /// A control message as the kernel writes it.
    pub(crate) fn control_message(level: i32, kind: i32, value: &[u8]) -> Vec<u8> {
        let length = (CONTROL_HEADER + value.len()).to_ne_bytes();
        let mut message = [&length, &level.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        message.resize(message.len().next_multiple_of(align_of::<usize>()), 0);
        message
    }

    fn datagram(control: &[u8]) -> Datagram<'_> {
        Datagram { data: &[], truncated: false, address: &[0; ADDRESS_MAX], control }
    }

    #[test]
    fn control_messages_are_found_behind_others_and_damage_is_nothing() {
        let first = control_message(9, 1, &[1, 2, 3]);
        let mut control = [first, control_message(9, 2, &[4, 5, 6, 7])].concat();
        assert_eq!(datagram(&control).control(9, 2), Some(&[4u8, 5, 6, 7][..]));
        assert_eq!(datagram(&control).control(9, 3), None);
        for length in 0..control.len() {
            datagram(&control[..length]).control(9, 3);
        }
        control[0] = 0;
        assert_eq!(datagram(&control).control(9, 2), None);
        control[..size_of::<usize>()].fill(0xff);
        assert_eq!(datagram(&control).control(9, 2), None);
    }
}
