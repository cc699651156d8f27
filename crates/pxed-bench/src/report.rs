//! What came of a run: JSON for machines, a few lines for people.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::engine::Engine;
use crate::pace::SECOND;
use crate::socket::Port;
use crate::tally::Tally;

/// A run's result. Latencies are in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The length of the time that was measured, in seconds.
    pub seconds: f64,
    /// Exchanges that were to begin in it.
    pub started: u64,
    /// Those of them that came to a good end.
    pub completed: u64,
    /// Exchanges that came to a good end in that time, a second.
    pub per_second: f64,
    /// The share of the started ones that did not come to a good end.
    pub incomplete: f64,
    /// Given up without an OFFER.
    pub without_offer: u64,
    /// Given up without an ACK.
    pub without_ack: u64,
    /// Refused by a NAK.
    pub refused: u64,
    /// Messages sent again.
    pub resent: u64,
    /// Answers that nobody waited for any more.
    pub unexpected: u64,
    /// Datagrams that are no answers to machines here.
    pub foreign: u64,
    /// Machines that hold a lease at the end.
    pub leases: usize,
    /// Leases on addresses that another machine holds too. Anything but zero is a server's worst.
    pub shared_addresses: usize,
    /// From when a DISCOVER was first to be sent to its OFFER.
    pub offer: Latency,
    /// From when a REQUEST was first to be sent to its ACK.
    pub ack: Latency,
    /// From when an exchange was to begin to its end.
    pub exchange: Latency,
    /// What the generator itself did wrong.
    pub generator: Generator,
}

/// What is the generator's fault and not the server's.
#[derive(Clone, Debug, Serialize)]
pub struct Generator {
    /// How late the first message of an exchange was.
    pub late: Latency,
    /// The share of the run's time in which there was nothing to do.
    pub free: f64,
    /// Datagrams sent and received, in the whole run.
    pub sent: u64,
    /// The same.
    pub received: u64,
    /// Datagrams that the kernel did not send.
    pub send_errors: u64,
    /// Answers that found the socket's buffer full.
    pub overflowed: u64,
    /// Exchanges that had to wait because every machine was busy: more machines are needed.
    pub no_idle_machine: u64,
}

/// Percentiles, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// How many there are; without any, the rest is zero.
    pub count: u64,
    /// The least.
    pub min: f64,
    /// The average.
    pub mean: f64,
    /// Half are below.
    pub p50: f64,
    /// 90 of 100 are below.
    pub p90: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// 999 of 1000 are below.
    pub p999: f64,
    /// 9999 of 10,000 are below.
    pub p9999: f64,
    /// The most.
    pub max: f64,
}

impl Report {
    /// The result of a run that took so many nanoseconds, of which the generator had nothing to do
    /// for `free`.
    pub fn new(engine: &Engine, port: &Port, took: u64, free: u64) -> Self {
        let tally = &engine.tally;
        let seconds = ratio(engine.measured(took), SECOND);
        Self {
            seconds,
            started: tally.started,
            completed: tally.completed,
            per_second: ratio(tally.completed_in_time, 1) / seconds.max(f64::MIN_POSITIVE),
            incomplete: ratio(tally.started - tally.completed, tally.started),
            without_offer: tally.without_offer,
            without_ack: tally.without_ack,
            refused: tally.refused,
            resent: tally.resent,
            unexpected: tally.unexpected,
            foreign: tally.foreign,
            leases: engine.leases(),
            shared_addresses: engine.shared_addresses(),
            offer: Latency::of(&tally.offer),
            ack: Latency::of(&tally.ack),
            exchange: Latency::of(&tally.exchange),
            generator: Generator::new(tally, port, ratio(free, took)),
        }
    }
}

impl Generator {
    fn new(tally: &Tally, port: &Port, free: f64) -> Self {
        Self {
            late: Latency::of(&tally.late),
            free,
            sent: tally.sent,
            received: tally.received,
            send_errors: port.send_errors(),
            overflowed: port.overflowed(),
            no_idle_machine: tally.no_idle_machine,
        }
    }
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| ratio(histogram.value_at_quantile(quantile), 1000);
        Self {
            count: histogram.len(),
            min: ratio(histogram.min(), 1000),
            mean: histogram.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: ratio(histogram.max(), 1000),
        }
    }
}

/// Counts of a run are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let incomplete = self.incomplete * 100.0;
        writeln!(
            f,
            "{} of {} exchanges, {:.0} a second, {incomplete:.3} % incomplete",
            self.completed, self.started, self.per_second
        )?;
        writeln!(
            f,
            "  without OFFER {}, without ACK {}, refused {}, sent again {}, too late {}",
            self.without_offer, self.without_ack, self.refused, self.resent, self.unexpected
        )?;
        writeln!(f, "  leases {}, held twice {}", self.leases, self.shared_addresses)?;
        let own = &self.generator;
        let latencies = [("OFFER", &self.offer), ("ACK", &self.ack), ("exchange", &self.exchange)];
        writeln!(
            f,
            "{:>10} {:>10} {:>10} {:>10} {:>10} {:>10} µs",
            "", "p50", "p99", "p99.9", "p99.99", "max"
        )?;
        for (name, latency) in latencies.into_iter().chain([("late", &own.late)]) {
            writeln!(f, "{name:>10} {latency}")?;
        }
        let free = own.free * 100.0;
        write!(
            f,
            "generator: free {free:.0} %, send errors {}, overflowed {}, foreign {}, \
            no idle machine {}",
            own.send_errors, own.overflowed, self.foreign, own.no_idle_machine
        )
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p99, p999, p9999, max, .. } = self;
        write!(f, "{p50:10.1} {p99:10.1} {p999:10.1} {p9999:10.1} {max:10.1}")
    }
}
