//! Waiting for many sockets at once.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;

/// How many sockets are told of in one call.
const EVENTS: usize = 512;

/// The longest sleep, so that who waits looks at its clock.
const SLEEP_MAX: u64 = 100_000_000;

/// A set of sockets, each with a number.
pub(crate) struct Watch {
    epoll: Epoll,
    events: Vec<EpollEvent>,
}

impl Watch {
    pub(crate) fn new() -> nix::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, events: vec![EpollEvent::empty(); EVENTS] })
    }

    /// Tells when there is something to read; for `writes` also when there is room to write.
    pub(crate) fn add(&self, socket: &impl AsFd, number: u64, writes: bool) -> nix::Result<()> {
        self.epoll.add(socket, EpollEvent::new(flags(writes), number))
    }

    /// The same for a socket that is known.
    pub(crate) fn change(&self, socket: &impl AsFd, number: u64, writes: bool) -> nix::Result<()> {
        self.epoll.modify(socket, &mut EpollEvent::new(flags(writes), number))
    }

    /// Sleeps for so many nanoseconds at most, until there is something to do.
    pub(crate) fn sleep(&self, nanoseconds: u64) {
        let nanoseconds = i64::try_from(nanoseconds.min(SLEEP_MAX)).unwrap_or(0);
        let mut wait = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
        let _ = ppoll(&mut wait, Some(TimeSpec::new(0, nanoseconds)), None);
    }

    /// The numbers of sockets that have something.
    pub(crate) fn ready(&mut self) -> Vec<u64> {
        let count = self.epoll.wait(&mut self.events, EpollTimeout::ZERO).unwrap_or(0);
        self.events.iter().take(count).map(EpollEvent::data).collect()
    }
}

fn flags(writes: bool) -> EpollFlags {
    if writes { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN }
}
