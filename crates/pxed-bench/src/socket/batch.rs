//! sendmmsg(2) and recvmmsg(2), with buffers that are made once.

use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, SockaddrStorage, recvmmsg, sendmmsg,
};

use super::{Path, frame};

/// How many datagrams one system call takes.
const BATCH: usize = 64;

/// An Ethernet frame.
const DATAGRAM_MAX: usize = 1536;

/// What is to be sent.
pub(crate) struct Outgoing {
    headers: MultiHeaders<SockaddrIn>,
    datagrams: Vec<u8>,
    /// Where each datagram ends in `datagrams`.
    ends: Vec<usize>,
    to: Vec<Option<SockaddrIn>>,
    /// How many of them are gone.
    gone: usize,
    pub(super) errors: u64,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            datagrams: Vec::with_capacity(BATCH * DATAGRAM_MAX),
            ends: Vec::with_capacity(BATCH),
            to: Vec::with_capacity(BATCH),
            gone: 0,
            errors: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.ends.len() < BATCH
    }

    /// Puts a datagram into the batch.
    pub(crate) fn queue(&mut self, path: &Path, payload: &[u8]) {
        match path {
            Path::Udp(to) => self.push(Some(*to), &[payload]),
            Path::Frame { source_mac, destination_mac, source, destination } => {
                let macs = (*source_mac, *destination_mac);
                if let Some(header) = frame::header(macs, *source, *destination, payload) {
                    self.push(None, &[&header, payload]);
                }
            }
        }
    }

    fn push(&mut self, to: Option<SocketAddrV4>, parts: &[&[u8]]) {
        for part in parts {
            self.datagrams.extend_from_slice(part);
        }
        self.ends.push(self.datagrams.len());
        self.to.push(to.map(SockaddrIn::from));
    }

    pub(super) fn flush(&mut self, socket: RawFd) -> usize {
        let before = self.gone;
        while self.gone < self.ends.len() {
            match self.send_rest(socket) {
                Ok(sent) => self.gone += sent,
                Err(Errno::EAGAIN | Errno::ENOBUFS) => return self.gone - before,
                Err(Errno::EINTR) => {}
                Err(_) => {
                    self.errors += 1;
                    self.gone += 1;
                }
            }
        }
        let sent = self.gone - before;
        self.gone = 0;
        self.datagrams.clear();
        self.ends.clear();
        self.to.clear();
        sent
    }

    fn send_rest(&mut self, socket: RawFd) -> nix::Result<usize> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let datagram = |(from, to): (usize, &usize)| {
            [IoSlice::new(self.datagrams.get(from..*to).unwrap_or_default())]
        };
        let parts: Vec<_> = begins.zip(&self.ends).skip(self.gone).map(datagram).collect();
        let to = self.to.get(self.gone..).unwrap_or_default();
        let none: [ControlMessage<'_>; 0] = [];
        let flags = MsgFlags::MSG_DONTWAIT;
        Ok(sendmmsg(socket, &mut self.headers, &parts, to, none, flags)?.count())
    }
}

/// What comes in.
pub(super) struct Incoming {
    // Room for an address of any family: the kernel says how long it would have been, and nix
    // gives that back to it as the room that there is.
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Box<[[u8; DATAGRAM_MAX]]>,
}

impl Incoming {
    pub(super) fn new() -> Self {
        let buffers = vec![[0; DATAGRAM_MAX]; BATCH].into_boxed_slice();
        Self { headers: MultiHeaders::preallocate(BATCH, None), buffers }
    }

    pub(super) fn receive(
        &mut self,
        socket: RawFd,
        mut each: impl FnMut(Option<SocketAddrV4>, &[u8]),
    ) -> usize {
        let mut parts: Vec<_> = self.buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let Ok(messages) = recvmmsg(socket, &mut self.headers, &mut parts, flags, None) else {
            return 0;
        };
        let mut count = 0;
        for message in messages {
            count += 1;
            let from = message.address.as_ref().and_then(|from| from.as_sockaddr_in().copied());
            for data in message.iovs() {
                each(from.map(SocketAddrV4::from), data);
            }
        }
        count
    }
}
