//! TCP connections of clients, which throw away what nobody looks at without copying it.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use socket2::{Domain, Protocol, Socket, Type};

/// The most that one call takes, so that nobody waits for one connection.
const TAKE_MAX: usize = 1 << 20;

/// What a connection may hold, which the kernel doubles: iPXE's window is a quarter to two MiB. Left to
/// itself the kernel gives hundreds of connections more than it has for all of TCP, and then they
/// wait for each other.
const BUFFER: usize = 512 << 10;

/// One connection.
pub struct Stream {
    socket: OwnedFd,
    /// What the kernel has not yet taken.
    out: Vec<u8>,
}

/// What has become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// So many octets: those that were thrown away, or those in the room.
    Octets(usize),
    /// Nothing for now.
    Nothing,
    /// It is over.
    Over,
}

/// Room for what comes in, for all connections. What is thrown away never touches it.
pub struct Basin(Vec<u8>);

impl Basin {
    /// Room for one call.
    pub fn new() -> Self {
        Self(vec![0; TAKE_MAX])
    }

    /// What came last.
    pub fn octets(&self, count: usize) -> &[u8] {
        self.0.get(..count).unwrap_or_default()
    }
}

impl Default for Basin {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    /// Begins to connect from this address.
    ///
    /// # Errors
    ///
    /// The address is not here, nobody listens there, or there are no more sockets.
    pub fn connect(from: Ipv4Addr, to: SocketAddrV4) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_recv_buffer_size(BUFFER)?;
        socket.bind(&SocketAddrV4::new(from, 0).into())?;
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        Ok(Self { socket: socket.into(), out: Vec::new() })
    }

    /// Sends this, now or, by [`Self::flush`], when there is room.
    pub fn write(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
        self.flush();
    }

    /// There is something left to send.
    pub fn is_writing(&self) -> bool {
        !self.out.is_empty()
    }

    /// Sends what is left; says whether that is nothing now. Failures show in [`Self::take`].
    pub fn flush(&mut self) -> bool {
        while !self.out.is_empty() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(self.socket.as_raw_fd(), &self.out, flags) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(_) => return false,
            }
        }
        true
    }

    /// Takes what has come: throws at most `unseen` octets away, or, if that is zero, reads some.
    pub fn take(&self, basin: &mut Basin, unseen: u64) -> Came {
        let most = usize::try_from(unseen).unwrap_or(usize::MAX).min(TAKE_MAX);
        let (room, flags) = match basin.0.get_mut(..most) {
            Some(room) if most > 0 => (room, MsgFlags::MSG_TRUNC),
            _ => (basin.0.as_mut_slice(), MsgFlags::empty()),
        };
        match recv(self.socket.as_raw_fd(), room, flags | MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Came::Over,
            Ok(octets) => Came::Octets(octets),
            Err(Errno::EAGAIN | Errno::EINTR) => Came::Nothing,
            Err(_) => Came::Over,
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
