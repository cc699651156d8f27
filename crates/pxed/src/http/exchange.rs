//! One request and its answer: what is told of it when it ends.

use std::mem::take;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pxed_proto::event::{BrokenOff, Event, HttpEvent};
use pxed_proto::net::Mac;

use super::Http;

/// Lives until all of the answer was handed to the system; its end is the request's event, also
/// where that is the end of its connection or of pxed.
pub(super) struct Exchange {
    http: Arc<Http>,
    /// The event, but for what is only known at the end.
    event: HttpEvent,
    begun: Instant,
    /// Octets before the body that have yet to leave.
    head: usize,
}

impl Exchange {
    pub(super) fn begin(
        http: &Arc<Http>,
        (client, secure): (SocketAddr, bool),
        machine: Option<Mac>,
        (method, target): (String, String),
    ) -> Self {
        http.running.fetch_add(1, Ordering::Relaxed);
        let event = HttpEvent {
            client,
            machine,
            secure,
            method,
            target,
            status: 0,
            bytes: 0,
            duration: Duration::ZERO,
            // What nobody has ended by then ends with the server.
            broken_off: Some(BrokenOff::Stopped),
        };
        Self { http: http.clone(), event, begun: Instant::now(), head: 0 }
    }

    /// It is answered so, with so many octets before the body.
    pub(super) fn answered(&mut self, status: u16, head: usize) {
        self.event.status = status;
        self.head = head;
    }

    /// So many more octets were taken by the system.
    pub(super) fn sent(&mut self, octets: usize) {
        let of_head = octets.min(self.head);
        self.head -= of_head;
        self.event.bytes += (octets - of_head) as u64;
    }

    /// It has ended so.
    pub(super) fn ended(mut self, result: &Result<(), BrokenOff>) {
        self.event.broken_off = result.as_ref().err().cloned();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.http.running.fetch_sub(1, Ordering::Relaxed);
        let (method, target) = (take(&mut self.event.method), take(&mut self.event.target));
        let (duration, broken_off) = (self.begun.elapsed(), self.event.broken_off.take());
        let event = HttpEvent { method, target, duration, broken_off, ..self.event.clone() };
        (self.http.events)(Event::Http(event));
    }
}
