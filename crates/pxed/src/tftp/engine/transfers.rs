//! Transfers under way: what clients say, what is sent, and how it ends.

use std::io;

use nix::sys::epoll::{EpollEvent, EpollFlags};
use pxed_proto::event::TftpOutcome;
use pxed_proto::limits::TFTP_TEXTS_MAX;
use pxed_proto::tftp::{Transfer, negotiate};
use pxed_proto::wire::tftp::{ErrorCode, Packet};

use super::super::exchange::{Exchange, Outlet};
use super::super::mailbox::Word;
use super::super::opening::{Denial, Found};
use super::super::sending::{HEADERS, Pause, Sending, Source};
use super::Engine;
use crate::net::Destination;

/// A client sends ACKs of 4 octets and ERRORs with a line of text; what is longer is cut.
const PACKET_MAX: usize = 600;

impl Engine {
    /// What a request names was looked for: its transfer begins, or it is denied.
    pub(super) fn begin(&mut self, id: u64, found: Result<Found, Denial>) {
        let Some(exchange) = self.table.get(id) else { return };
        let begun = found.and_then(|found| {
            let outlet = self.outlet(exchange);
            let outlet =
                outlet.map_err(|error| Denial { text: "busy", ..Denial::failed(error) })?;
            self.sending(exchange, found).map(|sending| (outlet, sending))
        });
        match begun {
            Ok((outlet, found)) => self.start(id, outlet, found),
            Err(denial) => {
                if let Some(exchange) = self.table.remove(id) {
                    self.deny(&exchange, denial);
                }
            }
        }
    }

    /// What was agreed on for it, and the MTU and segments of its link.
    fn sending(&self, exchange: &Exchange, found: Found) -> Result<(Found, Transfer), Denial> {
        let len = match &found {
            Found::File(opened) => opened.len(),
            Found::Text(text) if self.texts + text.len() > TFTP_TEXTS_MAX => {
                return Err(Denial::refused(ErrorCode::NotDefined, "busy"));
            }
            Found::Text(text) => text.len() as u64,
        };
        let Ok(Packet::Request(request)) = Packet::parse(&exchange.datagram) else {
            return Err(Denial::refused(ErrorCode::IllegalOperation, "it is no request"));
        };
        let mtu = self.links.get(&exchange.link).map_or(0, |link| link.mtu);
        let max_blksize = u16::try_from(mtu.saturating_sub(HEADERS)).unwrap_or(u16::MAX);
        let settings = negotiate(&request, len, max_blksize);
        Ok((found, Transfer::new(self.now, len, settings)))
    }

    fn start(&mut self, id: u64, outlet: Outlet, (found, transfer): (Found, Transfer)) {
        let Some(exchange) = self.table.get_mut(id) else { return };
        let source = match found {
            Found::File(opened) => Source::File(self.cache.begin(opened)),
            Found::Text(text) => {
                self.texts += text.len();
                Source::Text(text)
            }
        };
        let link = self.links.get(&exchange.link);
        let (mtu, segments) = link.map_or((0, false), |link| (link.mtu, link.segments));
        exchange.sending = Some(Sending::new(transfer, source, mtu, segments));
        let mut added = Ok(());
        if !outlet.is_shared() {
            self.own_ports_left = self.own_ports_left.saturating_sub(1);
            added = self.epoll.add(&outlet.socket, EpollEvent::new(EpollFlags::EPOLLIN, id));
        }
        exchange.outlet = Some(outlet);
        match added {
            Ok(()) => self.go_on(id),
            Err(error) => self.finish(id, TftpOutcome::Failed(error.to_string())),
        }
    }

    /// Something has come to a transfer's own socket. One from elsewhere does not disturb the transfer
    /// (RFC 1350 section 4), and an ERROR is never answered.
    pub(super) fn hear_client(&mut self, id: u64) {
        let mut buffer = [0; PACKET_MAX];
        let Some(outlet) = self.table.get(id).and_then(|exchange| exchange.outlet.as_ref()) else {
            return;
        };
        match outlet.socket.receive(&mut buffer) {
            Ok((datagram, from)) => match Packet::parse(datagram) {
                Ok(packet) if from == outlet.at.to => self.hear(id, &packet),
                Ok(Packet::Error { .. }) | Err(_) => {}
                Ok(_) => {
                    let at = Destination { to: from, ..outlet.at };
                    let stranger = Outlet { at, ..outlet.clone() };
                    // A courtesy: whether it comes makes no difference here.
                    let _ = stranger.tell(ErrorCode::UnknownTransferId, "unknown transfer ID");
                }
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.finish(id, TftpOutcome::Failed(error.to_string())),
        }
    }

    /// The client says something.
    pub(super) fn hear(&mut self, id: u64, packet: &Packet<'_>) {
        let sending = self.table.get_mut(id).and_then(|exchange| exchange.sending.as_mut());
        let Some(sending) = sending else { return };
        sending.transfer.handle_packet(self.now, packet);
        self.table.note_answer(id);
        self.go_on(id);
    }

    /// The client has said nothing for a while. It is not asked again in vain if somebody else may
    /// have asked in its name.
    pub(super) fn handle_timeout(&mut self, id: u64) {
        let Some(exchange) = self.table.get_mut(id) else { return };
        let (answered, client) = (exchange.is_answered(), *exchange.parties.client.ip());
        let Some(sending) = &mut exchange.sending else { return };
        let early = sending.transfer.poll_timeout().is_none_or(|deadline| deadline > self.now);
        if !early && !answered && self.table.is_doubtful(client) {
            return self.finish(id, TftpOutcome::TimedOut);
        }
        if let Some(sending) = self.table.get_mut(id).and_then(|it| it.sending.as_mut()) {
            sending.transfer.handle_timeout(self.now);
        }
        self.go_on(id);
    }

    /// Sends what is due, and ends what has ended.
    pub(super) fn go_on(&mut self, id: u64) {
        let Some(exchange) = self.table.get_mut(id) else { return };
        let (Some(sending), Some(outlet)) = (&mut exchange.sending, &exchange.outlet) else {
            return;
        };
        if let Some(outcome) = sending.outcome() {
            return self.finish(id, outcome);
        }
        if sending.reading {
            return;
        }
        let flushed = sending.flush(&mut self.cache, &outlet.socket, outlet.at);
        if let Some(deadline) = sending.transfer.poll_timeout() {
            self.timers.no_later_than(id, deadline);
        }
        if sending.transfer.settings().windowsize == 1 {
            self.vigil.want();
        }
        match flushed {
            Ok(()) => {}
            Err(Pause::Read(index)) => self.read(id, index),
            Err(Pause::NoRoom) => self.wait_for_room(id),
            Err(Pause::Failed(error)) => self.fail(id, &error),
        }
    }

    /// Has a chunk read that the next block lies in. The client's time does not run meanwhile.
    fn read(&mut self, id: u64, index: u32) {
        let Some(sending) = self.table.get_mut(id).and_then(|it| it.sending.as_mut()) else {
            return;
        };
        let Source::File(content) = sending.source else { return };
        sending.reading = true;
        self.timers.forget(id);
        let waiting = self.reading.entry((content, index)).or_default();
        waiting.push(id);
        let Some(opened) = self.cache.opened(content).filter(|_| waiting.len() == 1) else {
            return;
        };
        let (opened, mailbox) = (opened.clone(), self.mailbox.clone());
        self.jobs.spawn_blocking(move || {
            mailbox.tell(Word::Read { content, index, octets: opened.read(index) });
        });
    }

    /// A chunk was read: who waited for it goes on.
    pub(super) fn take_chunk(&mut self, content: u64, index: u32, octets: io::Result<Vec<u8>>) {
        let waiting = self.reading.remove(&(content, index)).unwrap_or_default();
        let failed = octets.map(|octets| self.cache.keep(content, index, octets)).err();
        for id in waiting {
            let Some(exchange) = self.table.get_mut(id) else { continue };
            let Some(sending) = &mut exchange.sending else { continue };
            sending.reading = false;
            sending.transfer.resume(self.now);
            match &failed {
                None => self.go_on(id),
                Some(error) => self.fail(id, error),
            }
        }
    }

    /// The file can not be read to its end.
    fn fail(&mut self, id: u64, error: &io::Error) {
        self.tell(id, "the file can not be read");
        self.finish(id, TftpOutcome::Failed(error.to_string()));
    }

    /// Tells a client that its transfer is over, as a courtesy.
    pub(super) fn tell(&self, id: u64, text: &str) {
        let outlet = self.table.get(id).and_then(|exchange| exchange.outlet.as_ref());
        if let Some(outlet) = outlet {
            let _ = outlet.tell(ErrorCode::NotDefined, text);
        }
    }

    /// Forgets a request, and tells of it.
    pub(super) fn finish(&mut self, id: u64, outcome: TftpOutcome) {
        self.timers.forget(id);
        let Some(exchange) = self.table.remove(id) else { return };
        match exchange.sending.as_ref().map(|sending| &sending.source) {
            Some(Source::File(content)) => self.cache.end(*content),
            Some(Source::Text(text)) => self.texts -= text.len(),
            None => {}
        }
        self.own_ports_left +=
            usize::from(exchange.outlet.as_ref().is_some_and(|at| !at.is_shared()));
        let refused = |sending: &Sending| sending.segments_were_refused();
        if exchange.sending.as_ref().is_some_and(refused)
            && let Some(link) = self.links.get_mut(&exchange.link)
        {
            link.segments = false;
        }
        self.report(&exchange, outcome);
    }
}
