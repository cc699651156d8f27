//! Which socket has something, and whether somebody has left a word: epoll(7), so that nothing is read in
//! vain.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use pxed_proto::dhcp::LinkId;

use crate::net::{DhcpSockets, Inlet};

/// How many sockets are told of at once. The others are told of the next time, before these.
const EVENTS: usize = 64;

/// What stands for the call by which words are announced.
const CALL: u64 = u64::MAX;

/// What is waited for, and what of it was ready.
pub(super) struct Readiness {
    epoll: Epoll,
    events: Box<[EpollEvent]>,
    ready: usize,
}

impl Readiness {
    /// Of a call alone.
    pub(super) fn new(call: &impl AsFd) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(call, EpollEvent::new(EpollFlags::EPOLLIN, CALL))?;
        let events = vec![EpollEvent::empty(); EVENTS].into_boxed_slice();
        Ok(Self { epoll, events, ready: 0 })
    }

    /// From now on a link's sockets too; until they are closed.
    pub(super) fn watch(&self, link: LinkId, sockets: &DhcpSockets) -> io::Result<()> {
        sockets.inlets().try_for_each(|(inlet, socket)| {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, mark(link, inlet));
            Ok(self.epoll.add(socket, event)?)
        })
    }

    /// Sleeps until something is ready, at most so long. Was it the call?
    pub(super) fn wait(&mut self, patience: Duration) -> bool {
        let timeout = EpollTimeout::try_from(patience).unwrap_or(EpollTimeout::MAX);
        // An interrupted wait is a short one.
        self.ready = self.epoll.wait(&mut self.events, timeout).unwrap_or(0);
        self.marks().any(|mark| mark == CALL)
    }

    /// The place's socket, if one was ready, as of the last wait.
    pub(super) fn ready(&self, place: usize) -> Option<Option<(LinkId, Inlet)>> {
        self.marks().nth(place).map(meant)
    }

    fn marks(&self) -> impl Iterator<Item = u64> {
        self.events.iter().take(self.ready).map(EpollEvent::data)
    }
}

fn mark(LinkId(link): LinkId, inlet: Inlet) -> u64 {
    (link as u64) << 8 | inlet as u64
}

/// `None` for the call.
fn meant(mark: u64) -> Option<(LinkId, Inlet)> {
    let link = usize::try_from(mark >> 8).ok()?;
    let inlet = usize::try_from(mark & 0xff).ok().and_then(|number| Inlet::ALL.get(number))?;
    Some((LinkId(link), *inlet))
}

#[cfg(test)]
mod tests {
    use nix::sys::eventfd::EventFd;

    use super::*;

    #[test]
    fn a_mark_means_what_it_was_made_of() {
        for (number, inlet) in Inlet::ALL.into_iter().enumerate() {
            assert_eq!(inlet as usize, number);
            assert_eq!(meant(mark(LinkId(300), inlet)), Some((LinkId(300), inlet)));
        }
        assert_eq!(meant(CALL), None);
    }

    #[test]
    fn a_call_is_heard_until_it_is_taken() {
        let call = EventFd::new().unwrap();
        let mut readiness = Readiness::new(&call).unwrap();
        assert!(!readiness.wait(Duration::ZERO));
        call.write(1).unwrap();
        assert!(readiness.wait(Duration::MAX) && readiness.wait(Duration::ZERO));
        assert_eq!((readiness.ready(0), readiness.ready(1)), (Some(None), None));
        call.read().unwrap();
        assert!(!readiness.wait(Duration::ZERO));
    }
}
