//! UDP sockets of clients, each with an address of its own: what a server sends as one piece
//! (UDP_SEGMENT) comes in as one, since a rack of machines would not take it apart on one core either.

use std::io::{self, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendto, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

/// What a client's socket may hold: two of the largest windows.
const BUFFER: usize = 1 << 20;

/// The most that one call gives: a datagram, or several in one piece.
const PIECE_MAX: usize = 1 << 16;

/// One client's socket.
pub struct Datagrams(OwnedFd);

/// Room for what comes in, for all clients. By default there is none, which costs nothing.
#[derive(Default)]
pub struct Room {
    octets: Vec<u8>,
    control: Vec<u8>,
}

impl Room {
    /// Room for one piece.
    pub fn new() -> Self {
        Self { octets: vec![0; PIECE_MAX], control: nix::cmsg_space!(i32) }
    }

    /// The piece that came last.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl Datagrams {
    /// A socket with this address; port 0 is any.
    ///
    /// # Errors
    ///
    /// The address is not here, or there are no more sockets.
    pub fn open(local: SocketAddrV4) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.bind(&local.into())?;
        let socket = OwnedFd::from(socket);
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
        }
        // Older kernels do without.
        let _ = setsockopt(&socket, sockopt::UdpGroSegment, &true);
        Ok(Self(socket))
    }

    /// Sends a datagram; says whether the kernel took it.
    pub fn send(&self, to: SocketAddrV4, datagram: &[u8]) -> bool {
        let flags = MsgFlags::MSG_DONTWAIT;
        sendto(self.0.as_raw_fd(), datagram, &SockaddrIn::from(to), flags).is_ok()
    }

    /// Gives the datagrams of one piece that has come in to `each`; says whether there was one.
    pub fn receive(&self, room: &mut Room, mut each: impl FnMut(SocketAddrV4, &[u8])) -> bool {
        let mut parts = [IoSliceMut::new(&mut room.octets)];
        let control = Some(room.control.as_mut_slice());
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = recvmsg::<SockaddrIn>(self.0.as_raw_fd(), &mut parts, control, flags);
        let (octets, from, segment) = match received {
            Ok(message) => (message.bytes, message.address, segment(&message)),
            Err(error) => return error == Errno::EINTR,
        };
        let from = from.map(SocketAddrV4::from);
        let (Some(from), Some(piece)) = (from, room.octets.get(..octets)) else { return true };
        if segment == 0 || octets == 0 {
            each(from, piece);
        } else {
            piece.chunks(segment).for_each(|datagram| each(from, datagram));
        }
        true
    }
}

/// The length of each datagram but the last in a piece; 0 if it is one.
fn segment(message: &nix::sys::socket::RecvMsg<'_, '_, SockaddrIn>) -> usize {
    let mut found = message.cmsgs().into_iter().flatten().filter_map(|control| match control {
        ControlMessageOwned::UdpGroSegments(size) => usize::try_from(size).ok(),
        _ => None,
    });
    found.next().unwrap_or(0)
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
