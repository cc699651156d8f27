//! How often what happened, and how fast it goes now.

use std::collections::BTreeMap;
use std::time::Instant;

use pxed_proto::dhcp::Ignored;
use pxed_proto::event::{DhcpEvent, Event, Outcome, TftpOutcome};

/// How many seconds are kept.
const SLOTS: usize = 60;

/// How long a rate looks back, in seconds.
pub const RATE_SECONDS: u64 = SLOTS as u64;

/// How often what happened since the start.
#[derive(Debug)]
pub struct Counters {
    /// Messages heard and sent, and files served, by name.
    pub done: BTreeMap<&'static str, u64>,
    /// Datagrams that were not answered, by reason.
    pub ignored: BTreeMap<&'static str, u64>,
    begun: Instant,
    minute: [Slot; SLOTS],
}

/// One second of the last minute.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Which, counted from the start.
    second: u64,
    datagrams: u32,
    acks: u32,
}

/// How fast it goes, as a mean of the last [`RATE_SECONDS`] or since the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Datagrams on DHCP ports, a second.
    pub datagrams: f64,
    /// DHCPACKs, a second.
    pub acks: f64,
}

impl Counters {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        let minute = [Slot::default(); SLOTS];
        let (done, ignored) = (BTreeMap::new(), BTreeMap::new());
        Self { done, ignored, begun: Instant::now(), minute }
    }

    /// Counts an event.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Dhcp(event) => self.dhcp(event),
            Event::Expired { .. } => self.count("expired"),
            Event::Freed { .. } => self.count("freed"),
            Event::Conflict(_) => self.count("conflicts"),
            Event::Learned(_) => self.count("learned"),
            Event::OtherServer(_) => self.count("other servers"),
            Event::NoDhcpServer { .. } => self.count("no DHCP server"),
            Event::Tftp(event) => self.count(match event.outcome {
                TftpOutcome::Completed => "TFTP files",
                TftpOutcome::Ignored(_) => "TFTP ignored",
                _ => "TFTP other",
            }),
            Event::Http(_) => self.count("HTTP requests"),
        }
    }

    /// Counts one of these.
    pub fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    fn dhcp(&mut self, event: &DhcpEvent) {
        match &event.outcome {
            // A message that only servers send counts as itself when it is sent.
            Outcome::Ignored(Ignored::FromServer(_)) => self.count("from servers"),
            _ => self.count(heard(event)),
        }
        match &event.outcome {
            Outcome::Ignored(reason) => *self.ignored.entry(reason.label()).or_default() += 1,
            outcome => self.count(sent(outcome)),
        }
        if let Outcome::Offered { unprobed: true, .. } = event.outcome {
            self.count("probes skipped");
        }
        let is_ack = matches!(event.outcome, Outcome::Acked { .. } | Outcome::Informed { .. });
        self.tick(self.begun.elapsed().as_secs(), is_ack);
    }

    fn tick(&mut self, second: u64, is_ack: bool) {
        let place = usize::try_from(second % RATE_SECONDS).unwrap_or_default();
        let Some(slot) = self.minute.get_mut(place) else { return };
        if slot.second != second {
            *slot = Slot { second, ..Slot::default() };
        }
        slot.datagrams = slot.datagrams.saturating_add(1);
        slot.acks = slot.acks.saturating_add(u32::from(is_ack));
    }

    /// How fast it goes now.
    pub fn rates(&self) -> Rates {
        self.rates_at(self.begun.elapsed().as_secs())
    }

    fn rates_at(&self, second: u64) -> Rates {
        let recent = self.minute.iter().filter(|slot| slot.second + RATE_SECONDS > second);
        let sums = recent.fold((0, 0), |(datagrams, acks), slot| {
            (datagrams + u64::from(slot.datagrams), acks + u64::from(slot.acks))
        });
        let seconds = second.clamp(1, RATE_SECONDS);
        let rate = |count: u64| (count * 100 / seconds) as f64 / 100.0;
        Rates { datagrams: rate(sums.0), acks: rate(sums.1) }
    }
}

/// What was heard, by its name.
pub fn heard(event: &DhcpEvent) -> &'static str {
    match event.request.map(|request| request.message_type) {
        Some(Some(message_type)) => message_type.name(),
        Some(None) => "BOOTP",
        None => "unreadable",
    }
}

/// What was sent, or done without sending, by its name in the counters.
pub fn sent(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Offered { .. } => "OFFER",
        Outcome::ProxyOffered { .. } => "OFFER by proxy",
        Outcome::BootServed { .. } => "ACK of the boot server",
        Outcome::Acked { .. } | Outcome::Informed { .. } => "ACK",
        Outcome::BootReplied { .. } => "BOOTREPLY",
        Outcome::Refused { .. } => "NAK",
        Outcome::Released { .. } => "released",
        Outcome::Declined { .. } => "declined",
        Outcome::Ignored(_) => "ignored",
        Outcome::NotDurable { .. } => "not-durable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_look_back_a_minute() {
        let mut counters = Counters::new();
        for second in 0..10 {
            counters.tick(second, second % 2 == 0);
        }
        let rates = |counters: &Counters, second| {
            let Rates { datagrams, acks } = counters.rates_at(second);
            (datagrams, acks)
        };
        assert_eq!(rates(&counters, 10), (1.0, 0.5));
        assert_eq!(rates(&counters, 40), (0.25, 0.12));
        assert_eq!(rates(&counters, 64), (0.08, 0.03), "five of them are over a minute old");
        assert_eq!(rates(&counters, 100), (0.0, 0.0));
        counters.tick(123, true);
        assert_eq!(rates(&counters, 123), (0.01, 0.01), "a slot is used anew");
    }
}
