//! One request and its answer: what is told of it when it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::http::request::Parts;
use pxed_proto::event::HttpEvent;
use pxed_proto::net::Mac;

use super::Http;

/// Lives as long as anything of the answer has yet to be written to the socket; its end is the
/// request's event. A client that goes away ends it like a body that was sent.
pub(super) struct Exchange {
    http: Arc<Http>,
    /// The event, but for what is only known at the end.
    event: HttpEvent,
    begun: Instant,
    /// Octets of the body.
    len: u64,
    sent: AtomicU64,
}

impl Exchange {
    pub(super) fn begin(
        http: Arc<Http>,
        client: SocketAddr,
        machine: Option<Mac>,
        head: &Parts,
    ) -> Self {
        http.running.fetch_add(1, Ordering::Relaxed);
        let event = HttpEvent {
            client,
            machine,
            method: head.method.to_string(),
            target: head.uri.to_string(),
            status: 0,
            bytes: 0,
            duration: Duration::ZERO,
            complete: false,
        };
        Self { http, event, begun: Instant::now(), len: 0, sent: AtomicU64::new(0) }
    }

    /// The same, with its answer: a status and `len` octets of body.
    pub(super) fn answered(mut self, status: StatusCode, len: u64) -> Self {
        self.event.status = status.as_u16();
        self.len = len;
        self
    }

    /// So many more octets of the body were written to the socket.
    pub(super) fn sent(&self, octets: usize) {
        self.sent.fetch_add(octets as u64, Ordering::Relaxed);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.http.running.fetch_sub(1, Ordering::Relaxed);
        let bytes = self.sent.load(Ordering::Relaxed);
        (self.http.events)(HttpEvent {
            bytes,
            duration: self.begun.elapsed(),
            complete: self.event.status != 0 && bytes == self.len,
            ..self.event.clone()
        });
    }
}
