//! Events become log lines, counters and a history here, and nowhere else.

mod counters;
mod limiter;
mod record;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pxed_proto::dhcp::{Ignored, Lease};
use pxed_proto::event::{DhcpEvent, Event, HttpEvent, Outcome, TftpEvent};
use pxed_proto::limits;
use pxed_proto::net::Mac;
use tokio::sync::broadcast;
use tracing::{Level, debug, enabled, info, warn};

use crate::log::{self, LogFormat};
use counters::Counters;
pub use counters::{RATE_SECONDS, Rates};
use limiter::{Limiter, Suppressed};
pub use record::Record;

/// How many events are kept for those who ask later: some hundred boots. An event is at most a few
/// hundred octets and two texts of [`limits::FILE_NAME_MAX`], so they take 2 MB at the worst.
const HISTORY: usize = 1000;

/// How many events may wait for a listener that is slow; then it loses the oldest.
const LISTENER_LAG: usize = 1024;

/// Takes every event. Shared by all threads; never blocks for long.
#[derive(Debug)]
pub struct Journal {
    format: LogFormat,
    state: Mutex<State>,
    listeners: broadcast::Sender<Arc<Record>>,
}

#[derive(Debug)]
struct State {
    counters: Counters,
    /// The last events, the oldest first.
    history: VecDeque<Arc<Record>>,
    /// What the log has room for.
    limiter: Limiter,
    /// Who has which address: TFTP and HTTP know their clients by these.
    machines: BTreeMap<Ipv4Addr, Mac>,
    /// Those of them that nobody leased here, the oldest first: they never expire.
    elsewhere: VecDeque<Ipv4Addr>,
}

/// What the counters say.
#[derive(Debug)]
pub struct Tally {
    /// Messages heard and sent, and files served, by name.
    pub done: BTreeMap<&'static str, u64>,
    /// Datagrams that were not answered, by reason.
    pub ignored: BTreeMap<&'static str, u64>,
    /// How fast it goes.
    pub rates: Rates,
}

impl Journal {
    /// A journal whose log lines suit `format`: facts are in the text, and in JSON also fields.
    pub fn new(format: LogFormat) -> Self {
        let state = State {
            counters: Counters::new(),
            history: VecDeque::with_capacity(HISTORY),
            limiter: Limiter::default(),
            machines: BTreeMap::new(),
            elsewhere: VecDeque::new(),
        };
        let listeners = broadcast::Sender::new(LISTENER_LAG);
        Self { format, state: Mutex::new(state), listeners }
    }

    /// Counts, keeps, tells and logs one event.
    pub fn record(&self, event: Event) {
        let mut state = self.state();
        let record = Arc::new(Record::new(state.completed(event)));
        state.take(record.clone());
        // Nobody may be listening. Under the lock, so that all see the same order.
        let _ = self.listeners.send(record.clone());
        let now = Instant::now();
        let (is_logged, over) = (state.is_logged(&record, now), state.limiter.over(now));
        drop(state);
        tell(&over);
        match &record.event {
            Event::Dhcp(event) => self.warn_of(event),
            Event::OtherServer(other) if other.trouble.is_some() => {
                self.warn_at_times("other DHCP servers", other)
            }
            Event::NoDhcpServer { .. } => {
                self.warn_at_times("networks without a DHCP server", record.message());
            }
            Event::Conflict(_) if self.may_warn("conflicts") => {
                return self.log(&record, Level::WARN);
            }
            _ => {}
        }
        if is_logged {
            self.log(&record, record.level());
        }
    }

    /// Says what the log had no room for, as far as its time is over.
    pub fn tell_what_was_not_logged(&self) {
        let over = self.state().limiter.over(Instant::now());
        tell(&over);
    }

    /// Says the rest of it: nothing comes any more.
    pub fn finish(&self) {
        let over = self.state().limiter.finish();
        tell(&over);
    }

    /// The last events, and those that are still to come: none is missing, none is twice.
    pub fn listen(&self) -> (Vec<Arc<Record>>, broadcast::Receiver<Arc<Record>>) {
        let state = self.state();
        (state.history.iter().cloned().collect(), self.listeners.subscribe())
    }

    /// A lease of an earlier run.
    pub fn remember(&self, lease: &Lease) {
        if let Some(mac) = lease.hardware.mac() {
            self.state().machines.insert(lease.address, mac);
        }
    }

    /// A reply could not be handed to the network.
    pub fn send_failed(&self, interface: &str, error: &io::Error) {
        self.state().counters.count("send failed");
        self.warn_at_times("messages not sent", format_args!("{interface}: can not send: {error}"));
    }

    /// A machine's script could not be read.
    pub fn script_failed(&self, error: &str) {
        self.state().counters.count("script failed");
        self.warn_at_times("scripts not read", format_args!("no script for machines: {error}"));
    }

    /// Leases, or what was learned, could not be made durable.
    pub fn store_failed(&self, error: &crate::store::StoreError) {
        self.warn_at_times("store troubles", format_args!("the store can not be written: {error}"));
    }

    /// What the counters say now.
    pub fn tally(&self) -> Tally {
        let counters = &self.state().counters;
        let (done, ignored) = (counters.done.clone(), counters.ignored.clone());
        Tally { done, ignored, rates: counters.rates() }
    }

    fn log(&self, record: &Record, level: Level) {
        match (self.format, level, &record.event) {
            (LogFormat::Json, ..) => log_object(record, level),
            (LogFormat::Text, Level::INFO, Event::Dhcp(event)) => {
                info!("{}", event.heard());
                info!("{}", event.done());
            }
            (LogFormat::Text, Level::WARN, _) => warn!("{}", record.message()),
            (LogFormat::Text, Level::INFO, _) => info!("{}", record.message()),
            (LogFormat::Text, ..) => debug!("{}", record.message()),
        }
    }

    fn warn_of(&self, event: &DhcpEvent) {
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
    fn warn_at_times(&self, trouble: &'static str, text: impl fmt::Display) {
        if self.may_warn(trouble) {
            warn!("{text}");
        }
    }

    /// Is it the first of its minute?
    fn may_warn(&self, trouble: &'static str) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let (is_first, over) =
            (state.limiter.admits_warning(trouble, now), state.limiter.over(now));
        drop(state);
        tell(&over);
        is_first
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(over: &[Suppressed]) {
    over.iter().for_each(|suppressed| info!("{suppressed}"));
}

/// An event is one line of the JSON log as it is. (tracing wants to know the names of its fields
/// when it is compiled.) A log that can not be written stops nothing.
fn log_object(record: &Record, level: Level) {
    let is_read = match level {
        Level::WARN => enabled!(Level::WARN),
        Level::INFO => enabled!(Level::INFO),
        _ => enabled!(Level::DEBUG),
    };
    if is_read && let Ok(mut line) = serde_json::to_vec(&record.line(level)) {
        line.push(b'\n');
        log::line(line);
    }
}

impl State {
    /// Is there room for it in the log? Whoever wants to see every datagram has it.
    fn is_logged(&mut self, record: &Record, now: Instant) -> bool {
        let limited = record.is_milestone() && !enabled!(Level::DEBUG);
        let topic = record.topic().filter(|_| limited);
        topic.is_none_or(|(what, source)| self.limiter.admits(what, source, now))
    }

    fn take(&mut self, record: Arc<Record>) {
        self.counters.event(&record.event);
        self.follow(&record.event);
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(record);
    }

    /// Keeps track of who has which address.
    fn follow(&mut self, event: &Event) {
        match event {
            Event::Expired { address, .. } | Event::Freed { address, .. } => {
                self.machines.remove(address);
            }
            Event::Dhcp(event) => match (&event.outcome, event.request) {
                (
                    Outcome::Acked { address, .. } | Outcome::BootReplied { address, .. },
                    Some(request),
                ) => {
                    self.machines.extend(request.machine.mac().map(|mac| (*address, mac)));
                }
                (Outcome::BootServed { address, .. }, Some(request)) => {
                    self.has_address(*address, request.machine.mac());
                }
                (Outcome::Released { address } | Outcome::Declined { address, .. }, _) => {
                    self.machines.remove(address);
                }
                _ => {}
            },
            Event::Conflict(_)
            | Event::OtherServer(_)
            | Event::NoDhcpServer { .. }
            | Event::Learned(_)
            | Event::Tftp(_)
            | Event::Http(_) => {}
        }
    }

    /// A machine asks at port 4011, from an address that may be another server's.
    fn has_address(&mut self, address: Ipv4Addr, mac: Option<Mac>) {
        let Some(mac) = mac else { return };
        if self.machines.insert(address, mac).is_some() {
            return;
        }
        self.elsewhere.push_back(address);
        if self.elsewhere.len() > limits::ADDRESSES_ELSEWHERE_MAX
            && let Some(oldest) = self.elsewhere.pop_front()
        {
            self.machines.remove(&oldest);
        }
    }

    /// The event with the machine that it is about, and no longer than is kept.
    fn completed(&self, event: Event) -> Event {
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
            other => other,
        }
    }

    fn machine_at(&self, client: SocketAddr) -> Option<Mac> {
        let IpAddr::V4(address) = client.ip() else { return None };
        self.machines.get(&address).copied()
    }
}

/// What a request's head has room for is more than anybody reads.
fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(limits::FILE_NAME_MAX));
    text.shrink_to_fit();
    text
}

impl fmt::Display for Tally {
    /// The counters as one line: `DISCOVER 3, OFFER 3; not answered: unknown-client 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&list(&self.done))?;
        if self.ignored.is_empty() {
            return Ok(());
        }
        write!(f, "; not answered: {}", list(&self.ignored))
    }
}

fn list(counts: &BTreeMap<&'static str, u64>) -> String {
    if counts.is_empty() {
        return "nothing".to_owned();
    }
    let items: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pxed_proto::boot::Boot;
    use pxed_proto::event::Request;
    use pxed_proto::machine::{Firmware, Machine};
    use pxed_proto::wire::dhcp::MessageType;

    fn expired(number: u32) -> Event {
        let machine = Machine::from(Mac([2, 0, 0, 0, 0, 1]));
        Event::Expired { address: Ipv4Addr::from_bits(number), machine }
    }

    /// What is answered at port 4011.
    fn served(address: Ipv4Addr, mac: Mac) -> Event {
        let request = Request {
            message_type: Some(MessageType::Request),
            xid: 1,
            machine: Machine::from(mac),
            firmware: Firmware::Pxe(None),
            relay: None,
        };
        let outcome = Outcome::BootServed { address, boot: Boot::Nothing };
        let (link, left_out) = (Arc::from("eth1"), Vec::new());
        Event::Dhcp(DhcpEvent { link, request: Some(request), outcome, left_out })
    }

    fn number(record: &Record) -> u32 {
        let Event::Expired { address, .. } = record.event else { panic!("{record:?}") };
        address.to_bits()
    }

    #[test]
    fn the_history_has_an_end_and_goes_on_where_it_ends() {
        let journal = Journal::new(LogFormat::Text);
        (0..1500).for_each(|number| journal.record(expired(number)));
        let (history, mut listener) = journal.listen();
        let numbers: Vec<u32> = history.iter().map(|record| number(record)).collect();
        assert_eq!(numbers, (500..1500).collect::<Vec<_>>());
        journal.record(expired(1500));
        assert_eq!(number(&listener.try_recv().unwrap()), 1500);
        assert_eq!(journal.tally().done, BTreeMap::from([("expired", 1501)]));
    }

    #[test]
    fn a_listener_that_is_slow_loses_the_oldest() {
        let journal = Journal::new(LogFormat::Text);
        let (_, mut listener) = journal.listen();
        (0..1500).for_each(|number| journal.record(expired(number)));
        let lagged = broadcast::error::TryRecvError::Lagged(1500 - LISTENER_LAG as u64);
        assert_eq!(listener.try_recv().unwrap_err(), lagged);
        assert_eq!(
            number(&listener.try_recv().unwrap()),
            1500 - u32::try_from(LISTENER_LAG).unwrap()
        );
    }

    #[test]
    fn machines_with_addresses_of_elsewhere_are_forgotten_some_day() {
        let journal = Journal::new(LogFormat::Text);
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let max = u32::try_from(limits::ADDRESSES_ELSEWHERE_MAX).unwrap();
        let mut state = journal.state();
        state.machines.insert(Ipv4Addr::from_bits(max + 9), mac);
        for number in 1..=max + 1 {
            let event = served(Ipv4Addr::from_bits(number), mac);
            state.follow(&event);
            state.follow(&event);
        }
        assert_eq!(state.machines.len(), limits::ADDRESSES_ELSEWHERE_MAX + 1);
        let known = |number| state.machines.contains_key(&Ipv4Addr::from_bits(number));
        assert_eq!([1, 2, max + 1, max + 9].map(known), [false, true, true, true]);
    }

    #[test]
    fn what_a_client_says_is_kept_no_longer_than_it_is_read() {
        assert_eq!(shortened("é".repeat(10_000)).len(), limits::FILE_NAME_MAX);
        assert_eq!(shortened("/boot.ipxe".to_owned()), "/boot.ipxe");
    }
}
