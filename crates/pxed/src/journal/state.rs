//! What is kept of events, and how many of them the log has room for.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use pxed_proto::dhcp::Ignored;
use pxed_proto::event::{DhcpEvent, Event, HttpEvent, Outcome, TftpEvent, TlsEvent};
use pxed_proto::limits;
use pxed_proto::net::Mac;
use tracing::{Level, enabled, warn};

use super::HISTORY;
use super::limiter::Limiter;
use super::lines::tell;
use super::machines::Machines;
use super::queue::Waiting;
use super::record::Record;

/// What the journal knows: only who has its lock.
#[derive(Debug)]
pub(super) struct State {
    /// The last events, the oldest first.
    pub(super) history: VecDeque<Arc<Record>>,
    /// What the log has room for.
    pub(super) limiter: Limiter,
    pub(super) machines: Machines,
    /// An empty queue, to be given for a full one.
    pub(super) empty: Waiting,
}

impl State {
    /// Is there room for it in the log? Whoever wants to see every datagram has it.
    pub(super) fn is_logged(&mut self, record: &Record, now: Instant) -> bool {
        let limited = record.is_milestone() && !enabled!(Level::DEBUG);
        let topic = record.topic().filter(|_| limited);
        topic.is_none_or(|(what, source)| self.limiter.admits(what, source, now))
    }

    pub(super) fn keep(&mut self, record: Arc<Record>) {
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(record);
    }

    pub(super) fn warn_of(&mut self, event: &DhcpEvent) {
        match event.outcome {
            Outcome::Ignored(Ignored::NoPool | Ignored::PoolExhausted) => {
                self.warn_at_times(
                    "exhausted pools",
                    format_args!("{}: {}", event.heard(), event.done()),
                );
            }
            Outcome::NotDurable { .. } => {
                self.warn_at_times("leases that were not stored", event.done())
            }
            Outcome::Ignored(
                reason @ (Ignored::NewcomerRate | Ignored::PortRate | Ignored::InformRate),
            ) => {
                let (link, reason) = (&event.link, Ignored::to_string(&reason));
                self.warn_at_times(
                    "unknown machines that ask too often",
                    format_args!("{link}: {reason}; the last: {}", event.heard()),
                );
            }
            _ => {}
        }
    }

    /// A peer may be able to cause it as often as it likes; the log is told once a minute.
    pub(super) fn warn_at_times(&mut self, trouble: &'static str, text: impl fmt::Display) {
        if self.may_warn(trouble) {
            warn!("{text}");
        }
    }

    /// Is it the first of its minute?
    pub(super) fn may_warn(&mut self, trouble: &'static str) -> bool {
        let now = Instant::now();
        let is_first = self.limiter.admits_warning(trouble, now);
        tell(&self.limiter.over(now));
        is_first
    }

    /// The event with the machine that it is about, and no longer than is kept.
    pub(super) fn completed(&self, event: Event) -> Event {
        match event {
            Event::Tftp(event) => {
                let machine = event.machine.or_else(|| self.machine_at(event.client));
                Event::Tftp(TftpEvent { machine, ..event })
            }
            Event::Http(event) => {
                let machine = event.machine.or_else(|| self.machine_at(event.client));
                let (method, target) = (shortened(event.method), shortened(event.target));
                Event::Http(HttpEvent { machine, method, target, ..event })
            }
            Event::Tls(event) => {
                let machine = event.machine.or_else(|| self.machine_at(event.client));
                Event::Tls(TlsEvent { machine, ..event })
            }
            other => other,
        }
    }

    pub(super) fn machine_at(&self, client: SocketAddr) -> Option<Mac> {
        let IpAddr::V4(address) = client.ip() else { return None };
        self.machines.at(address)
    }
}

/// What a request's head has room for is more than anybody reads.
pub(super) fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(limits::FILE_NAME_MAX));
    text.shrink_to_fit();
    text
}
