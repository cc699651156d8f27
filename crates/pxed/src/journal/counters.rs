//! How often what happened, and how fast it goes now. Whoever has something to tell counts it here first:
//! by adding to a number, without a lock, so that the counts are right also where an event is lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pxed_proto::dhcp::{Ignored, Shed};
use pxed_proto::event::{DhcpEvent, Event, Outcome, TftpOutcome};
use pxed_proto::wire::dhcp::MessageType;
use pxed_proto::wire::glance::Kind;

/// How many seconds are kept.
const SLOTS: usize = 60;

/// How long a rate looks back, in seconds.
pub const RATE_SECONDS: u64 = SLOTS as u64;

/// What is counted beside messages heard and not answered.
pub(super) const DONE: &[&str] = &[
    "OFFER",
    "OFFER by proxy",
    "ACK of the boot server",
    "ACK",
    "BOOTREPLY",
    "NAK",
    "released",
    "declined",
    "not-durable",
    "from servers",
    "probes skipped",
    "expired",
    "freed",
    "conflicts",
    "learned",
    "other servers",
    "no DHCP server",
    "TFTP files",
    "TFTP ignored",
    "TFTP other",
    "HTTP requests",
    "HTTPS refused",
    "send failed",
    "script failed",
    "store troubles",
    "events lost",
];

/// The kinds of messages: a place for each type, by its number, and one each for BOOTP and what can not
/// be read.
const HEARD: usize = MessageType::Inform as usize + 2;
const BOOTP: usize = 0;
const UNREADABLE: usize = HEARD - 1;

/// A place in [`DONE`], found when pxed is compiled.
macro_rules! done {
    ($name:literal) => {
        $crate::journal::counters::Done(
            const { pxed_proto::text::place_of($crate::journal::counters::DONE, $name) },
        )
    };
}
pub(super) use done;

/// One of the things that are counted.
#[derive(Clone, Copy, Debug)]
pub struct Done(pub(super) usize);

/// How often what happened since the start.
#[derive(Debug)]
pub struct Counters {
    heard: [AtomicU64; HEARD],
    done: [AtomicU64; DONE.len()],
    ignored: [AtomicU64; Ignored::LABELS.len()],
    begun: Instant,
    minute: [Slot; SLOTS],
}

/// One second of the last minute.
#[derive(Debug, Default)]
struct Slot {
    /// Which, counted from the start.
    second: AtomicU64,
    datagrams: AtomicU64,
    acks: AtomicU64,
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
        Self {
            heard: [const { AtomicU64::new(0) }; HEARD],
            done: [const { AtomicU64::new(0) }; DONE.len()],
            ignored: [const { AtomicU64::new(0) }; Ignored::LABELS.len()],
            begun: Instant::now(),
            minute: std::array::from_fn(|_| Slot::default()),
        }
    }

    /// Counts an event.
    pub fn event(&self, event: &Event) {
        self.count(match event {
            // Who has news of the store counts them before they are one.
            Event::Store(_) => return,
            Event::Dhcp(event) => return self.dhcp(event),
            Event::Expired { .. } => done!("expired"),
            Event::Freed { .. } => done!("freed"),
            Event::Conflict(_) => done!("conflicts"),
            Event::Learned(_) => done!("learned"),
            Event::OtherServer(_) => done!("other servers"),
            Event::NoDhcpServer { .. } => done!("no DHCP server"),
            Event::Tftp(event) => match event.outcome {
                TftpOutcome::Completed => done!("TFTP files"),
                TftpOutcome::Ignored(_) => done!("TFTP ignored"),
                _ => done!("TFTP other"),
            },
            Event::Http(_) => done!("HTTP requests"),
            Event::Tls(_) => done!("HTTPS refused"),
        });
    }

    /// Counts one of these.
    pub fn count(&self, what: Done) {
        self.count_many(what, 1);
    }

    /// Counts so many.
    pub fn count_many(&self, Done(place): Done, many: u64) {
        add(self.done.get(place), many);
    }

    /// Counts a datagram that was not answered, unread: there is no event of it.
    pub fn shed(&self, shed: &Shed) {
        self.heard(shed.kind);
        add(self.ignored.get(shed.reason.number()), 1);
        self.tick(self.begun.elapsed().as_secs(), false);
    }

    fn dhcp(&self, event: &DhcpEvent) {
        match &event.outcome {
            // A message that only servers send counts as itself when it is sent.
            Outcome::Ignored(Ignored::FromServer(_)) => self.count(done!("from servers")),
            _ => self.heard(kind(event)),
        }
        match &event.outcome {
            Outcome::Ignored(reason) => add(self.ignored.get(reason.number()), 1),
            outcome => add(sent_place(outcome).and_then(|Done(place)| self.done.get(place)), 1),
        }
        if let Outcome::Offered { unprobed: true, .. } = event.outcome {
            self.count(done!("probes skipped"));
        }
        let is_ack = matches!(event.outcome, Outcome::Acked { .. } | Outcome::Informed { .. });
        self.tick(self.begun.elapsed().as_secs(), is_ack);
    }

    fn heard(&self, kind: Kind) {
        add(
            self.heard.get(match kind {
                Kind::Message(message_type) => message_type as usize,
                Kind::Bootp => BOOTP,
                Kind::Unreadable => UNREADABLE,
            }),
            1,
        );
    }

    /// Only the DHCP thread does so; who reads meanwhile may be one datagram off.
    fn tick(&self, second: u64, is_ack: bool) {
        let place = usize::try_from(second % RATE_SECONDS).unwrap_or_default();
        let Some(slot) = self.minute.get(place) else { return };
        if slot.second.load(Ordering::Relaxed) != second {
            slot.datagrams.store(0, Ordering::Relaxed);
            slot.acks.store(0, Ordering::Relaxed);
            slot.second.store(second, Ordering::Relaxed);
        }
        add(Some(&slot.datagrams), 1);
        add(Some(&slot.acks), u64::from(is_ack));
    }

    /// Messages heard and sent, files served, by name: those that there were.
    pub fn done(&self) -> BTreeMap<&'static str, u64> {
        let heard = self.heard.iter().enumerate().map(|(place, count)| (heard_name(place), count));
        let done = DONE.iter().copied().zip(&self.done);
        let mut all = BTreeMap::new();
        for (name, count) in heard.chain(done) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                *all.entry(name).or_default() += count;
            }
        }
        all
    }

    /// Datagrams that were not answered, by reason.
    pub fn ignored(&self) -> BTreeMap<&'static str, u64> {
        let counts = Ignored::LABELS.iter().copied().zip(&self.ignored);
        let counts = counts.map(|(name, count)| (name, count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// How fast it goes now.
    pub fn rates(&self) -> Rates {
        self.rates_at(self.begun.elapsed().as_secs())
    }

    fn rates_at(&self, second: u64) -> Rates {
        let number = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let recent = self.minute.iter().filter(|slot| number(&slot.second) + RATE_SECONDS > second);
        let sums = recent.fold((0, 0), |(datagrams, acks), slot| {
            (datagrams + number(&slot.datagrams), acks + number(&slot.acks))
        });
        let seconds = second.clamp(1, RATE_SECONDS);
        let rate = |count: u64| (count * 100 / seconds) as f64 / 100.0;
        Rates { datagrams: rate(sums.0), acks: rate(sums.1) }
    }
}

fn add(counter: Option<&AtomicU64>, many: u64) {
    if let Some(counter) = counter {
        counter.fetch_add(many, Ordering::Relaxed);
    }
}

fn kind(event: &DhcpEvent) -> Kind {
    match event.request.map(|request| request.message_type) {
        Some(Some(message_type)) => Kind::Message(message_type),
        Some(None) => Kind::Bootp,
        None => Kind::Unreadable,
    }
}

/// What was heard, by its name.
pub fn heard(event: &DhcpEvent) -> &'static str {
    match kind(event) {
        Kind::Message(message_type) => message_type.name(),
        Kind::Bootp => "BOOTP",
        Kind::Unreadable => "unreadable",
    }
}

fn heard_name(place: usize) -> &'static str {
    let message_type = u8::try_from(place).ok().and_then(MessageType::from_u8);
    match (place, message_type) {
        (BOOTP, _) => "BOOTP",
        (_, Some(message_type)) => message_type.name(),
        _ => "unreadable",
    }
}

/// What was sent, or done without sending, by its name in the counters.
pub fn sent(outcome: &Outcome) -> &'static str {
    let name = sent_place(outcome).and_then(|Done(place)| DONE.get(place));
    name.copied().unwrap_or("ignored")
}

fn sent_place(outcome: &Outcome) -> Option<Done> {
    Some(match outcome {
        Outcome::Offered { .. } => done!("OFFER"),
        Outcome::ProxyOffered { .. } => done!("OFFER by proxy"),
        Outcome::BootServed { .. } => done!("ACK of the boot server"),
        Outcome::Acked { .. } | Outcome::Informed { .. } => done!("ACK"),
        Outcome::BootReplied { .. } => done!("BOOTREPLY"),
        Outcome::Refused { .. } => done!("NAK"),
        Outcome::Released { .. } => done!("released"),
        Outcome::Declined { .. } => done!("declined"),
        Outcome::NotDurable { .. } => done!("not-durable"),
        Outcome::Ignored(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_look_back_a_minute() {
        let counters = Counters::new();
        for second in 0..10 {
            counters.tick(second, second % 2 == 0);
        }
        let rates = |second| {
            let Rates { datagrams, acks } = counters.rates_at(second);
            (datagrams, acks)
        };
        assert_eq!(rates(10), (1.0, 0.5));
        assert_eq!(rates(40), (0.25, 0.12));
        assert_eq!(rates(64), (0.08, 0.03), "five of them are over a minute old");
        assert_eq!(rates(100), (0.0, 0.0));
        counters.tick(123, true);
        assert_eq!(rates(123), (0.01, 0.01), "a slot is used anew");
    }

    #[test]
    fn each_message_type_has_a_place_of_its_own() {
        let counters = Counters::new();
        let types = (1..=8).filter_map(MessageType::from_u8).map(Kind::Message);
        let kinds: Vec<Kind> = types.chain([Kind::Bootp, Kind::Unreadable]).collect();
        for (kind, times) in kinds.iter().zip(1..) {
            (0..times).for_each(|_| counters.heard(*kind));
        }
        let names = kinds.iter().map(|kind| match kind {
            Kind::Message(message_type) => message_type.name(),
            Kind::Bootp => "BOOTP",
            Kind::Unreadable => "unreadable",
        });
        assert_eq!(counters.done(), names.zip(1..).collect());
    }

    #[test]
    fn what_is_shed_counts_as_heard_and_as_not_answered() {
        let counters = Counters::new();
        let kind = Kind::Message(MessageType::Discover);
        counters.shed(&Shed { kind, reason: Ignored::Overload });
        assert_eq!(counters.done(), BTreeMap::from([("DISCOVER", 1)]));
        assert_eq!(counters.ignored(), BTreeMap::from([("overload", 1)]));
    }
}
