//! Events become log lines, counters and a history here, and nowhere else.
//!
//! Who has an event counts it and leaves it in a [queue]; a thread takes what has gathered, formats it
//! and tells it. So nobody who serves machines waits for who reads, and the counters are right whatever
//! becomes of the rest.

mod counters;
mod holders;
mod limiter;
mod lines;
mod machines;
mod queue;
mod record;
mod state;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use pxed_proto::Timestamp;
use pxed_proto::dhcp::Lease;
use pxed_proto::event::Event;
use pxed_proto::net::Mac;
use tokio::sync::broadcast;
use tracing::Level;

use crate::log::LogFormat;
use counters::{Counters, done};
pub use counters::{RATE_SECONDS, Rates};
use limiter::Limiter;
use lines::tell;
use machines::Machines;
pub use queue::Notebook;
use queue::{Entry, Fact, Queue, Waiting};
pub use record::Record;
use state::State;

/// How many events are kept for those who ask later: some hundred boots. An event is at most a few
/// hundred octets and two texts of [`FILE_NAME_MAX`](pxed_proto::limits::FILE_NAME_MAX), so they take
/// 2 MB at the worst.
const HISTORY: usize = 1000;

/// How many events may wait for a listener that is slow; then it loses the oldest.
const LISTENER_LAG: usize = 1024;

/// For how long events gather before they are told: a thread that wakes for each costs more than it tells.
const GATHER: Duration = Duration::from_millis(1);

/// Takes every event. Shared by all threads.
#[derive(Debug)]
pub struct Journal {
    format: LogFormat,
    counters: Counters,
    queue: Queue,
    state: Mutex<State>,
    listeners: broadcast::Sender<Arc<Record>>,
    /// Who tells what waits; nobody, before it is started.
    teller: OnceLock<Thread>,
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

/// The thread that tells what waits; while this lives.
pub struct Telling {
    journal: Arc<Journal>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Telling {
    /// Starts the thread. Not before privileges are dropped: it would keep them.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start(journal: Arc<Journal>) -> io::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (its_journal, ends) = (journal.clone(), is_over.clone());
        let thread = thread::Builder::new().name("pxed-journal".to_owned()).spawn(move || {
            while !ends.load(Ordering::Acquire) {
                thread::park();
                thread::sleep(GATHER);
                drop(its_journal.up_to_date());
            }
        })?;
        let _ = journal.teller.set(thread.thread().clone());
        journal.wake();
        Ok(Self { journal, is_over, thread: Some(thread) })
    }
}

impl Drop for Telling {
    /// Nothing comes any more: the last is told, and what the log had no room for.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        self.journal.wake();
        let _ = self.thread.take().map(JoinHandle::join);
        let over = self.journal.up_to_date().limiter.finish();
        tell(&over);
    }
}

impl Journal {
    /// A journal whose log lines suit `format`: facts are in the text, and in JSON also fields.
    pub fn new(format: LogFormat) -> Self {
        let state = State {
            history: VecDeque::with_capacity(HISTORY),
            limiter: Limiter::default(),
            machines: Machines::default(),
            empty: Waiting::default(),
        };
        Self {
            format,
            counters: Counters::new(),
            queue: Queue::default(),
            state: Mutex::new(state),
            listeners: broadcast::Sender::new(LISTENER_LAG),
            teller: OnceLock::new(),
        }
    }

    /// Says what the log had no room for, as far as its time is over.
    pub fn tell_what_was_not_logged(&self) {
        let over = self.state().limiter.over(Instant::now());
        tell(&over);
    }

    /// The last events, and those that are still to come: none is missing, none is twice.
    pub fn listen(&self) -> (Vec<Arc<Record>>, broadcast::Receiver<Arc<Record>>) {
        let state = self.up_to_date();
        (state.history.iter().cloned().collect(), self.listeners.subscribe())
    }

    /// A lease of an earlier run.
    pub fn remember(&self, lease: &Lease) {
        if let Some(mac) = lease.hardware.mac() {
            self.state().machines.has_leased(lease.address, mac);
        }
    }

    /// Which machine has this address, as far as it is known.
    pub fn machine_at(&self, address: Ipv4Addr) -> Option<Mac> {
        self.up_to_date().machine_at((address, 0).into())
    }

    /// A machine's script could not be read.
    pub fn script_failed(&self, error: &str) {
        self.counters.count(done!("script failed"));
        let text = format_args!("no script for machines: {error}");
        self.state().warn_at_times("scripts not read", text);
    }

    /// What the counters say now.
    pub fn tally(&self) -> Tally {
        let Self { counters, .. } = self;
        Tally { done: counters.done(), ignored: counters.ignored(), rates: counters.rates() }
    }

    fn wake(&self) {
        if let Some(teller) = self.teller.get() {
            teller.unpark();
        }
    }

    /// Tells what waits. The events are in order, whoever does it.
    fn up_to_date(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        let mut waiting = mem::take(&mut state.empty);
        self.queue.swap(&mut waiting);
        for (address, mac) in waiting.holders.drain(..) {
            state.machines.has_leased(address, mac);
        }
        waiting.entries.drain(..).for_each(|entry| self.take(&mut state, entry));
        waiting.give_back_room();
        let lost = mem::take(&mut waiting.lost);
        if lost > 0 {
            let text = format_args!(
                "{lost} events were counted, but not told: they came faster than the journal takes them"
            );
            state.warn_at_times("events not told", text);
        }
        state.empty = waiting;
        state
    }

    fn take(&self, state: &mut State, Entry { time, fact }: Entry) {
        match fact {
            Fact::Event(event) => self.take_event(state, time, event),
            Fact::SendFailed(link, error) => {
                let text = format_args!("{link}: can not send: {error}");
                state.warn_at_times("messages not sent", text);
            }
            Fact::StoreFailed(error) => {
                let text = format_args!("the store can not be written: {error}");
                state.warn_at_times("store troubles", text);
            }
            Fact::Store(news) => {
                if let Some(event) = news.told() {
                    self.take_event(state, time, Event::Store(event));
                }
            }
            Fact::Overload => state.warn_at_times(
                "overload",
                "more is asked than can be answered: the most urgent is answered first, and pxed status                  counts what is not (overload, repeated, stale)",
            ),
            Fact::Received(arrival, datagram) => lines::received(&arrival, &datagram),
            Fact::Sending(transmit) => lines::sending(&transmit),
        }
    }

    /// Keeps, tells and logs one event.
    fn take_event(&self, state: &mut State, time: Timestamp, event: Event) {
        let record = Arc::new(Record::at(time, state.completed(event)));
        state.machines.follow(&record.event);
        state.keep(record.clone());
        // Nobody may be listening. Under the lock, so that all see the same order.
        let _ = self.listeners.send(record.clone());
        let now = Instant::now();
        let is_logged = state.is_logged(&record, now);
        tell(&state.limiter.over(now));
        match &record.event {
            Event::Dhcp(event) => state.warn_of(event),
            Event::OtherServer(other) if other.trouble.is_some() => {
                state.warn_at_times("other DHCP servers", other);
            }
            Event::NoDhcpServer { .. } => {
                state.warn_at_times("networks without a DHCP server", record.message());
            }
            Event::Conflict(_) if state.may_warn("conflicts") => {
                return lines::log(self.format, &record, Level::WARN);
            }
            _ => {}
        }
        if is_logged {
            lines::log(self.format, &record, record.level());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
mod tests;
