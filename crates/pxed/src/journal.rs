//! Events become log lines and counters here, and nowhere else.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pxed_proto::dhcp::{Ignored, Lease};
use pxed_proto::event::{DhcpEvent, Event, HttpEvent, Outcome, TftpEvent, TftpOutcome};
use pxed_proto::net::Mac;
use tracing::{debug, info, warn};

use crate::cli::LogFormat;

/// How often the same trouble is worth a WARN.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// Takes every event. Shared by all threads; never blocks for long.
#[derive(Debug)]
pub struct Journal {
    format: LogFormat,
    counters: Mutex<Counters>,
}

/// How often what happened since the start.
#[derive(Debug, Default)]
struct Counters {
    /// Messages heard and sent, and files served, by name.
    done: BTreeMap<&'static str, u64>,
    /// Datagrams that were not answered, by reason.
    ignored: BTreeMap<&'static str, u64>,
    /// When each trouble was last warned of.
    warned: BTreeMap<&'static str, Instant>,
    /// Who has which address by a lease: TFTP and HTTP know their clients by these.
    machines: BTreeMap<Ipv4Addr, Mac>,
}

impl Journal {
    /// A journal whose log lines suit `format`: facts are in the text, and in JSON also fields.
    pub fn new(format: LogFormat) -> Self {
        Self { format, counters: Mutex::default() }
    }

    /// Counts and logs one event.
    pub fn record(&self, event: Event) {
        match event {
            Event::Dhcp(event) => self.dhcp(&event),
            Event::Expired { address, machine } => {
                self.count("expired");
                self.counters().machines.remove(&address);
                debug!("lease of {address} by {} expired", machine.hardware);
            }
            Event::Tftp(event) => {
                let machine = event.machine.or_else(|| self.machine_at(event.client));
                self.tftp(&TftpEvent { machine, ..event });
            }
            Event::Http(event) => {
                let machine = event.machine.or_else(|| self.machine_at(event.client));
                self.http(&HttpEvent { machine, ..event });
            }
        }
    }

    /// A lease of an earlier run.
    pub fn remember(&self, lease: &Lease) {
        if let Some(mac) = lease.hardware.mac() {
            self.counters().machines.insert(lease.address, mac);
        }
    }

    fn machine_at(&self, client: SocketAddr) -> Option<Mac> {
        let IpAddr::V4(address) = client.ip() else { return None };
        self.counters().machines.get(&address).copied()
    }

    /// A reply could not be handed to the network.
    pub fn send_failed(&self, interface: &str, error: &std::io::Error) {
        self.count("send failed");
        self.warn_at_times("send failed", format_args!("{interface}: can not send: {error}"));
    }

    /// A machine's script could not be read.
    pub fn script_failed(&self, error: &str) {
        self.count("script failed");
        self.warn_at_times("script", format_args!("no script for machines: {error}"));
    }

    /// Leases could not be made durable.
    pub fn store_failed(&self, error: &crate::store::StoreError) {
        self.warn_at_times("store", format_args!("leases can not be stored: {error}"));
    }

    fn dhcp(&self, event: &DhcpEvent) {
        self.count(heard(event));
        match &event.outcome {
            Outcome::Ignored(reason) => {
                *self.counters().ignored.entry(reason.label()).or_default() += 1;
                debug!("{}: {}", event.heard(), event.done());
                if *reason == Ignored::PoolExhausted {
                    let text = format_args!("{}: {}", event.heard(), event.done());
                    self.warn_at_times("pool", text);
                }
            }
            outcome => {
                self.count(sent(outcome));
                self.follow(event);
                if let Outcome::NotDurable { .. } = outcome {
                    self.warn_at_times("not durable", event.done());
                }
                self.dhcp_line(event, event.heard());
                self.dhcp_line(event, event.done());
            }
        }
    }

    /// Keeps track of who has which address.
    fn follow(&self, event: &DhcpEvent) {
        let mac = event.request.and_then(|request| request.machine.mac());
        match (&event.outcome, mac) {
            (Outcome::Acked { address, .. }, Some(mac)) => {
                self.counters().machines.insert(*address, mac);
            }
            (Outcome::Released { address } | Outcome::Declined { address, .. }, _) => {
                self.counters().machines.remove(address);
            }
            _ => {}
        }
    }

    fn dhcp_line(&self, event: &DhcpEvent, text: impl fmt::Display) {
        let request = event.request.filter(|_| self.format == LogFormat::Json);
        let Some(request) = request else { return info!("{text}") };
        let (mac, interface) = (request.machine.hardware, &*event.link);
        let xid = format_args!("{:08x}", request.xid);
        let firmware = request.firmware;
        match address(&event.outcome) {
            Some(address) => info!(%mac, interface, %xid, %firmware, %address, "{text}"),
            None => info!(%mac, interface, %xid, %firmware, "{text}"),
        }
    }

    fn tftp(&self, event: &TftpEvent) {
        self.count(match event.outcome {
            TftpOutcome::Completed => "TFTP files",
            TftpOutcome::Ignored(_) => "TFTP ignored",
            _ => "TFTP other",
        });
        match (&event.outcome, self.format) {
            (TftpOutcome::Ignored(_), _) => debug!("{event}"),
            (_, LogFormat::Text) => info!("{event}"),
            (_, LogFormat::Json) => {
                let (client, bytes) = (event.client, event.bytes);
                let mac = event.machine.map(tracing::field::display);
                let file = String::from_utf8_lossy(&event.file).into_owned();
                let (ms, retransmissions) = (milliseconds(event.duration), event.retransmissions);
                info!(mac, %client, file, bytes, ms, retransmissions, "{event}");
            }
        }
    }

    fn http(&self, event: &HttpEvent) {
        self.count("HTTP requests");
        if self.format == LogFormat::Text {
            return info!("{event}");
        }
        let HttpEvent { client, method, target, status, bytes, .. } = event;
        let ms = milliseconds(event.duration);
        let mac = event.machine.map(tracing::field::display);
        info!(mac, %client, method, target, status, bytes, ms, "{event}");
    }

    /// The counters as one line: `DISCOVER 3, OFFER 3; not answered: unknown-client 1`.
    pub fn summary(&self) -> String {
        let counters = self.counters();
        let done = list(&counters.done);
        match counters.ignored.is_empty() {
            true => done,
            false => format!("{done}; not answered: {}", list(&counters.ignored)),
        }
    }

    fn count(&self, what: &'static str) {
        *self.counters().done.entry(what).or_default() += 1;
    }

    /// A peer may be able to cause it as often as it likes; the log is told once a minute.
    fn warn_at_times(&self, trouble: &'static str, text: impl fmt::Display) {
        let now = Instant::now();
        let mut counters = self.counters();
        let last = counters.warned.get(trouble);
        if last.is_none_or(|last| now.duration_since(*last) >= WARN_INTERVAL) {
            counters.warned.insert(trouble, now);
            drop(counters);
            warn!("{text}");
        }
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was heard, by its name in the counters; a message that only servers send counts as itself
/// when it is sent.
fn heard(event: &DhcpEvent) -> &'static str {
    match (event.request.and_then(|request| request.message_type), &event.outcome) {
        (_, Outcome::Ignored(Ignored::FromServer(_))) => "from servers",
        (Some(message_type), _) => message_type.name(),
        (None, _) => "unreadable",
    }
}

/// What was sent, or done without sending, by its name in the counters.
fn sent(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Offered { .. } => "OFFER",
        Outcome::Acked { .. } | Outcome::Informed { .. } => "ACK",
        Outcome::Refused { .. } => "NAK",
        Outcome::Released { .. } => "released",
        Outcome::Declined { .. } => "declined",
        Outcome::Ignored(_) => "ignored",
        Outcome::NotDurable { .. } => "not durable",
    }
}

fn address(outcome: &Outcome) -> Option<Ipv4Addr> {
    match outcome {
        Outcome::Offered { address, .. }
        | Outcome::Acked { address, .. }
        | Outcome::Informed { address, .. }
        | Outcome::Released { address }
        | Outcome::Declined { address, .. }
        | Outcome::NotDurable { address } => Some(*address),
        Outcome::Refused { address, .. } => *address,
        Outcome::Ignored(_) => None,
    }
}

fn list(counts: &BTreeMap<&'static str, u64>) -> String {
    if counts.is_empty() {
        return "nothing".to_owned();
    }
    let items: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    items.join(", ")
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
