//! What a run counts.

use hdrhistogram::Histogram;

/// The longest latency that is told apart from longer ones: EDK2 waits for 60 s in all, twice.
const LATENCY_MAX: u64 = 200_000_000_000;

/// How exact a latency is.
const DIGITS: u8 = 3;

/// Counts, and latencies in nanoseconds, of exchanges that were to begin in the time that is
/// measured; of datagrams, all that were sent and received.
#[derive(Debug)]
pub struct Tally {
    /// Exchanges that began.
    pub started: u64,
    /// Exchanges that came to a good end, however late.
    pub completed: u64,
    /// Exchanges that came to a good end while the measured time ran, whenever they began.
    pub completed_in_time: u64,
    /// Given up without an OFFER.
    pub without_offer: u64,
    /// Given up without an ACK.
    pub without_ack: u64,
    /// Refused by a NAK.
    pub refused: u64,
    /// Messages sent again.
    pub resent: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams received.
    pub received: u64,
    /// Answers that nobody waited for: to an exchange given up, or the second to one message.
    pub unexpected: u64,
    /// Datagrams that are no answer to any machine here.
    pub foreign: u64,
    /// Exchanges that could not begin in time because every machine was busy.
    pub no_idle_machine: u64,
    /// From when a DISCOVER was first to be sent to its OFFER.
    pub offer: Histogram<u64>,
    /// From when a REQUEST was first to be sent to its ACK.
    pub ack: Histogram<u64>,
    /// From when the exchange was to begin to its end.
    pub exchange: Histogram<u64>,
    /// How late the generator was with the first message of an exchange.
    pub late: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            started: 0,
            completed: 0,
            completed_in_time: 0,
            without_offer: 0,
            without_ack: 0,
            refused: 0,
            resent: 0,
            sent: 0,
            received: 0,
            unexpected: 0,
            foreign: 0,
            no_idle_machine: 0,
            offer: histogram(),
            ack: histogram(),
            exchange: histogram(),
            late: histogram(),
        }
    }
}

/// An empty one for latencies.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX, DIGITS)
        .unwrap_or_else(|_| unreachable!("a maximum above 1, and at most five digits"))
}

/// Counts a latency; what is longer than the histogram goes is its longest.
pub(crate) fn record(histogram: &mut Histogram<u64>, from: u64, to: u64) {
    histogram.saturating_record(to.saturating_sub(from).min(LATENCY_MAX));
}
