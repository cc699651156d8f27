//! What comes to the listeners: requests, and in single-port mode all else.

use std::io;
use std::time::Duration;

use nix::sys::epoll::EpollFlags;
use pxed_proto::event::TftpOutcome;
use pxed_proto::wire::tftp::{ErrorCode, Packet};

use super::super::exchange::{Exchange, Outlet, unsent};
use super::super::mailbox::Word;
use super::super::opening::{self, Denial, Parties};
use super::super::table::Admission;
use super::Engine;
use crate::net::{TftpArrival, TftpBatch};

/// How long a listener rests after an error of its socket: an interface that is down or a kernel
/// without memory does not get better by being asked again at once.
const REST_AFTER_ERROR: Duration = Duration::from_millis(100);

impl Engine {
    /// Takes a batch of what has come in.
    pub(super) fn hear_requests(&mut self, link: u64, batch: &mut TftpBatch) {
        let Some(found) = self.links.get(&link) else { return };
        let socket = found.socket.clone();
        match batch.receive(&socket) {
            Ok(arrivals) => arrivals.for_each(|arrival| self.take(link, &arrival)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::warn!(interface = &*found.interface, %error, "TFTP can not receive");
                self.timers.no_later_than(link, self.now + REST_AFTER_ERROR);
                self.watch(link, EpollFlags::empty());
            }
        }
    }

    fn take(&mut self, link: u64, arrival: &TftpArrival<'_>) {
        let packet = Packet::parse(arrival.datagram);
        let TftpArrival { client, local, .. } = *arrival;
        let parties = Parties { client, local };
        let reason = match packet {
            Ok(Packet::Request(_)) if arrival.unicast => {
                return self.admit(link, parties, arrival.datagram);
            }
            Ok(Packet::Request(_)) => "it was sent to everybody",
            Ok(packet) => match self.table.sharing_latest(link, client) {
                Some(id) => return self.hear(id, &packet),
                None if self.server.single_port => {
                    self.disown(link, &parties, &packet);
                    "it is of no transfer"
                }
                None => "it is no request",
            },
            Err(malformed) => malformed.as_str(),
        };
        let outcome = TftpOutcome::Ignored(reason);
        (self.server.events)(unsent(&parties, arrival.datagram, outcome));
    }

    /// A packet of a transfer that is over, or never was (RFC 1350 section 4); an ERROR is never
    /// answered.
    fn disown(&self, link: u64, parties: &Parties, packet: &Packet<'_>) {
        if let (Some(link), false) = (self.links.get(&link), matches!(packet, Packet::Error { .. }))
        {
            let outlet = Outlet::shared(&link.socket, parties);
            // A courtesy: whether it comes makes no difference here.
            let _ = outlet.tell(ErrorCode::UnknownTransferId, "unknown transfer ID");
        }
    }

    /// Serves a request, if it is a new one and there is room.
    fn admit(&mut self, link: u64, parties: Parties, datagram: &[u8]) {
        let exchange = Exchange::new(link, parties, datagram, self.now);
        if self.end.is_some() {
            let denial = Denial::refused(ErrorCode::NotDefined, "the server is stopped");
            return self.deny(&exchange, denial);
        }
        match self.table.admit(self.now, link, parties.client, datagram) {
            Admission::Repeated => return,
            Admission::Full => {
                return self.deny(&exchange, Denial::refused(ErrorCode::NotDefined, "busy"));
            }
            Admission::Instead(stale) => self.finish(stale, TftpOutcome::TimedOut),
            Admission::Granted => {}
        }
        // At the listener's port a client can not have two transfers from one of its own.
        if let Some(before) = self.table.sharing_latest(link, parties.client) {
            self.finish(before, TftpOutcome::TimedOut);
        }
        self.last_request += 1;
        self.look_for(self.last_request, parties, exchange.datagram.clone());
        self.table.insert(self.last_request, exchange);
    }

    /// Looks for what it names, where waiting holds up nobody.
    fn look_for(&self, id: u64, parties: Parties, datagram: Box<[u8]>) {
        let (server, mailbox) = (self.server.clone(), self.mailbox.clone());
        self.jobs.spawn_blocking(move || {
            if let Ok(Packet::Request(request)) = Packet::parse(&datagram) {
                let found = opening::open(&server.served, &request, &parties);
                mailbox.tell(Word::Opened { id, found });
            }
        });
    }

    /// Tells the client why not, and ends the request.
    pub(super) fn deny(&mut self, exchange: &Exchange, denial: Denial) {
        let Denial { code, text, outcome } = denial;
        let outlet = self.outlet_of_link(exchange);
        let told = match &outlet {
            Some(outlet) => outlet.tell(code, text),
            None => Err(io::Error::other("the interface is gone")),
        };
        let outcome = match told {
            Ok(()) => outcome,
            Err(error) => TftpOutcome::Failed(format!("not told \"{text}\": {error}")),
        };
        self.report(exchange, outcome);
    }

    /// The way of everything that is said before there is a transfer.
    fn outlet_of_link(&self, exchange: &Exchange) -> Option<Outlet> {
        let link = self.links.get(&exchange.link)?;
        Some(Outlet::shared(&link.socket, &exchange.parties))
    }

    /// Where the packets of a transfer are to leave: by a port of its own, but where all are to share
    /// one, or there are too many already.
    pub(super) fn outlet(&self, exchange: &Exchange) -> io::Result<Outlet> {
        let Parties { local, .. } = exchange.parties;
        let gone = || io::Error::other("the interface is gone");
        let link = self.links.get(&exchange.link).ok_or_else(gone)?;
        if self.server.single_port || self.own_ports_left == 0 {
            return Ok(Outlet::shared(&link.socket, &exchange.parties));
        }
        let interface = &link.interface;
        match Outlet::own(interface, &exchange.parties) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                Ok(Outlet::shared(&link.socket, &exchange.parties))
            }
            own => own.map_err(|error| {
                io::Error::other(format!("no socket at {local} on {interface}: {error}"))
            }),
        }
    }

    /// The one event of a request, which may have come twice.
    pub(super) fn report(&mut self, exchange: &Exchange, outcome: TftpOutcome) {
        let event = exchange.event(self.now, outcome);
        let event = self.searches.follow(self.now, *exchange.parties.client.ip(), event);
        event.into_iter().for_each(|event| (self.server.events)(event));
    }
}
