//! Sockets: datagrams in and out in batches, by UDP or as whole frames; and clients' own sockets.

mod batch;
mod datagrams;
mod frame;
mod stream;

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::{getsockopt_impl, sockopt_impl};
use pxed_proto::net::Mac;
use socket2::{Domain, Protocol, Socket, Type};

use batch::{Incoming, Outgoing};

pub use datagrams::{Datagrams, Room};
pub use stream::{Basin, Came, Stream};

sockopt_impl!(
    /// SO_MEMINFO (linux/sock_diag.h): numbers about a socket's memory, the last one how many
    /// datagrams found no room. It is the same for UDP and for packet sockets.
    MemoryInfo, GetOnly, libc::SOL_SOCKET, SO_MEMINFO, [u32; 9]
);
/// asm-generic/socket.h; the libc crate has it on some architectures only.
const SO_MEMINFO: libc::c_int = 55;

/// What a socket may hold, in octets: 50 ms of 200,000 answers a second of 2 kB of kernel memory.
const BUFFER: usize = 32 << 20;

/// Where a datagram comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The other end's address.
    Udp(SocketAddrV4),
    /// A frame of its own, with the headers of IP and UDP.
    Frame {
        /// Ethernet source.
        source_mac: Mac,
        /// Ethernet destination.
        destination_mac: Mac,
        /// IP source and UDP source port.
        source: SocketAddrV4,
        /// IP destination and UDP destination port.
        destination: SocketAddrV4,
    },
}

/// A socket with its batches.
pub struct Port {
    socket: OwnedFd,
    frames: bool,
    incoming: Incoming,
    outgoing: Outgoing,
    overflowed_before: u32,
}

impl Port {
    /// UDP, bound to this address.
    ///
    /// # Errors
    ///
    /// The address is not here, or taken, or the port needs root.
    pub fn udp(local: SocketAddrV4) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_broadcast(true)?;
        socket.bind(&local.into())?;
        Self::new(socket.into(), false)
    }

    /// Frames on an interface: hears UDP to `port`, whoever it is for.
    ///
    /// # Errors
    ///
    /// There is no such interface, or this is not root.
    pub fn frames(interface: &str, port: u16) -> io::Result<Self> {
        Self::new(frame::bind(interface, port)?, true)
    }

    fn new(socket: OwnedFd, frames: bool) -> io::Result<Self> {
        // Beyond the system's limit where root may, else up to it.
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
        }
        let mut port = Self {
            socket,
            frames,
            incoming: Incoming::new(),
            outgoing: Outgoing::new(),
            overflowed_before: 0,
        };
        port.overflowed_before = port.memory_drops()?;
        Ok(port)
    }

    /// The UDP port and address that it has.
    pub fn local(&self) -> io::Result<SocketAddrV4> {
        let address: nix::sys::socket::SockaddrIn =
            nix::sys::socket::getsockname(self.socket.as_raw_fd())?;
        Ok(address.into())
    }

    /// Puts a datagram into the batch that [`Self::flush`] sends.
    pub fn queue(&mut self, path: &Path, payload: &[u8]) {
        self.outgoing.queue(path, payload);
    }

    /// There is room for another datagram in the batch.
    pub fn has_room(&self) -> bool {
        self.outgoing.has_room()
    }

    /// Sends what is queued, as far as the kernel takes it; says how many are gone.
    pub fn flush(&mut self) -> usize {
        self.outgoing.flush(self.socket.as_raw_fd())
    }

    /// Gives what has come in, at most a batch, to `each`; says how many.
    pub fn receive(&mut self, mut each: impl FnMut(&Path, &[u8])) -> usize {
        self.respond(|from, data, _| each(from, data))
    }

    /// The same for who answers at once; the answers leave with [`Self::flush`].
    pub(crate) fn respond(&mut self, mut each: impl FnMut(&Path, &[u8], &mut Outgoing)) -> usize {
        let Self { socket, frames, incoming, outgoing, .. } = self;
        incoming.receive(socket.as_raw_fd(), |from, data| {
            let udp = || from.map(|from| (Path::Udp(from), data));
            if let Some((path, payload)) = if *frames { frame::open(data) } else { udp() } {
                each(&path, payload, outgoing);
            }
        })
    }

    /// Datagrams that the kernel refused to send.
    pub fn send_errors(&self) -> u64 {
        self.outgoing.errors
    }

    /// How many datagrams came in and found the socket's buffer full.
    pub fn overflowed(&self) -> u64 {
        let now = self.memory_drops().unwrap_or(self.overflowed_before);
        u64::from(now.wrapping_sub(self.overflowed_before))
    }

    fn memory_drops(&self) -> io::Result<u32> {
        let [.., drops] = getsockopt(&self.socket, MemoryInfo)?;
        Ok(drops)
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
