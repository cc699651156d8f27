//! What leaves: the replies of a round together, and OFFERs that wait for another server's.

use std::collections::VecDeque;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{LinkId, Transmit};
use pxed_proto::limits::DELAYED_OFFERS_MAX;
use tracing::{Level, enabled};

use super::Worker;

/// What is to leave, each by its link.
pub(super) struct Outbox {
    links: Vec<Vec<Transmit>>,
    /// OFFERs that wait, and until when.
    delayed: VecDeque<(Timestamp, Transmit)>,
}

impl Outbox {
    /// For so many links.
    pub(super) fn new(links: usize) -> Self {
        Self { links: vec![Vec::new(); links], delayed: VecDeque::new() }
    }

    /// When the first of those that wait has waited long enough.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.delayed.iter().map(|(due, _)| *due).min()
    }

    /// Puts with the others what has waited long enough.
    pub(super) fn collect_due(&mut self, now: Timestamp) {
        for _ in 0..self.delayed.len() {
            match self.delayed.pop_front() {
                Some((due, transmit)) if due <= now => self.put(transmit),
                Some(waiting) => self.delayed.push_back(waiting),
                None => {}
            }
        }
    }

    fn put(&mut self, transmit: Transmit) {
        if let Some(link) = self.links.get_mut(transmit.link.0) {
            link.push(transmit);
        }
    }

    /// Keeps it until then; `false` if too many wait already.
    fn delay(&mut self, due: Timestamp, transmit: Transmit) -> bool {
        let has_room = self.delayed.len() < DELAYED_OFFERS_MAX;
        if has_room {
            self.delayed.push_back((due, transmit));
        }
        has_room
    }
}

impl Worker {
    /// Sends with the round, or later what is to come after another server's.
    pub(super) fn send(&mut self, transmit: Transmit, now: Timestamp) {
        let (link, delay) = (transmit.link, transmit.delay);
        if delay.is_zero() {
            self.outbox.put(transmit);
        } else if !self.outbox.delay(now + delay, transmit) {
            // A client whose OFFER does not come asks again.
            self.send_failed(link, std::io::Error::other("too many delayed OFFERs wait already"));
        }
    }

    /// Sends what is due.
    pub(super) fn flush(&mut self) {
        for index in 0..self.outbox.links.len() {
            self.flush_link(LinkId(index));
        }
    }

    fn flush_link(&mut self, link: LinkId) {
        let Some(transmits) = self.outbox.links.get_mut(link.0).filter(|link| !link.is_empty())
        else {
            return;
        };
        if enabled!(Level::DEBUG) {
            transmits.iter().for_each(|transmit| self.notebook.sending(transmit));
        }
        let mut errors = Vec::new();
        // None where the interface has gone.
        if let Some(Some(sockets)) = self.sockets.get_mut(link.0) {
            sockets.send(transmits, |error| errors.push(error));
        }
        transmits.drain(..).for_each(|transmit| self.server.recycle(transmit.message));
        errors.into_iter().for_each(|error| self.send_failed(link, error));
    }

    fn send_failed(&mut self, link: LinkId, error: std::io::Error) {
        if let Some(link) = self.server.config().links.get(link.0) {
            self.notebook.send_failed(link.name.clone(), error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::time::Duration;

    use pxed_proto::dhcp::Destination;

    use super::*;

    fn transmit(link: usize, number: u8) -> Transmit {
        let source = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 67);
        let (link, destination) = (LinkId(link), Destination::Broadcast);
        Transmit { link, destination, source, delay: Duration::ZERO, message: vec![number] }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn what_waits_leaves_when_it_is_due_and_not_before() {
        let mut outbox = Outbox::new(2);
        for (due, link, number) in [(30, 1, 3), (10, 0, 1), (20, 1, 2), (10, 7, 9)] {
            assert!(outbox.delay(at(due), transmit(link, number)));
        }
        let numbers = |link: &Vec<Transmit>| link.iter().map(|sent| sent.message[0]).collect();
        let left = |outbox: &Outbox| outbox.links.iter().map(numbers).collect::<Vec<Vec<u8>>>();
        outbox.collect_due(at(9));
        assert_eq!((left(&outbox), outbox.next_due()), (vec![vec![], vec![]], Some(at(10))));
        outbox.collect_due(at(20));
        assert_eq!((left(&outbox), outbox.next_due()), (vec![vec![1], vec![2]], Some(at(30))));
        outbox.collect_due(at(30));
        assert_eq!((left(&outbox), outbox.next_due()), (vec![vec![1], vec![2, 3]], None));
    }

    #[test]
    fn so_many_may_wait() {
        let mut outbox = Outbox::new(1);
        let kept = (0..DELAYED_OFFERS_MAX + 5).filter(|_| outbox.delay(at(9), transmit(0, 1)));
        assert_eq!(kept.count(), DELAYED_OFFERS_MAX);
    }
}
