//! The DHCP driver: one thread between the sockets, the store and [`pxed_proto::dhcp::Server`],
//! which holds every rule.
//!
//! A round of it: what has come in is [received](receiving) into the backlog, the most urgent of it is
//! planned and applied, replies that need no commit [leave](sending), lease changes go to the
//! [store](committing) as one group, and what happened is left for the journal. When the store says that
//! changes are durable, the server lets the held replies go.
//!
//! The thread waits for its sockets and for [words] of others, and for nothing else: neither for the
//! disk, nor for who reads the log.

mod booting;
mod committing;
mod mailbox;
mod probes;
mod readiness;
mod receiving;
mod sending;
mod storing;
mod words;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use pxed_proto::Timestamp;
use pxed_proto::dhcp::{
    Backlog, Commit, CommitId, Learned, Lease, LinkId, Output, Server, Shedding,
};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::journal::{Journal, Notebook};
use crate::net::{DhcpSockets, take_short_turns};
use crate::store::{Store, StoreError, Writer};
pub use booting::Asks;
use booting::Booting;
use committing::StoreLag;
use mailbox::{Fetches, Reply, Word};
pub use mailbox::{Mailbox, OtherServer, Quirks, ReleaseError, Status, Wanted};
use probes::Probes;
use readiness::Readiness;
use sending::Outbox;

/// How long the thread sleeps at most when nothing comes in.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How long it sleeps at most while something is left to do that nobody will wake it for.
const A_MOMENT: Duration = Duration::from_millis(1);

/// The running DHCP driver. Ends with [`Driver::stop`] and [`Driver::join`].
pub struct Driver {
    mailbox: Mailbox,
    /// Closed when the thread has ended, also by a panic.
    alive: watch::Receiver<()>,
    thread: JoinHandle<(Server, Writer)>,
}

impl Driver {
    /// Starts the thread. `sockets` are in the order of the configuration's links; there are none
    /// where an interface is missing.
    ///
    /// # Errors
    ///
    /// The system gives no thread or no eventfd, or the store can not be started.
    pub fn start(
        server: Server,
        sockets: Vec<Option<DhcpSockets>>,
        store: Store,
        journal: Arc<Journal>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_value_and_flags(0, flags).map_err(std::io::Error::from)?;
        let (words, inbox) = mpsc::channel();
        let fetches = Arc::new(Fetches::default());
        fetches.wanted.store(server.learns(), Ordering::Relaxed);
        let mailbox = Mailbox { words, wake: Arc::new(wake), fetches: fetches.clone() };
        let answer_to = mailbox.clone();
        let store = store.start(clock, move |news| answer_to.leave(Word::Store(news)))?;
        let (life, alive) = watch::channel(());
        let readiness = Readiness::new(&mailbox.wake)?;
        for (index, sockets) in sockets.iter().enumerate() {
            sockets.iter().try_for_each(|sockets| readiness.watch(LinkId(index), sockets))?;
        }
        let worker = Worker {
            server,
            outbox: Outbox::new(sockets.len()),
            sockets,
            readiness,
            overflowed_before: 0,
            backlog: Backlog::default(),
            shedding: Shedding::default(),
            store,
            store_lag: StoreLag::default(),
            inbox,
            wake: mailbox.wake.clone(),
            fetches,
            notebook: Notebook::new(journal),
            clock,
            commits: Vec::new(),
            learned: Vec::new(),
            releases: BTreeMap::new(),
            wanted_page: None,
            booting: Booting::default(),
            probes: Probes::default(),
            stopping: false,
            _life: life,
        };
        let thread = thread::Builder::new().name("pxed-dhcp".to_owned());
        let thread = thread.spawn(move || worker.run())?;
        Ok(Self { mailbox, alive, thread })
    }

    /// Reaches the thread.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Returns when the thread has ended, whatever the reason.
    pub async fn ended(&self) {
        // Nothing is ever sent; the error is that nobody is left who could.
        let _ = self.alive.clone().changed().await;
    }

    /// Has the thread take no more requests, and end. Does not wait for it.
    pub fn stop(&self) {
        self.mailbox.leave(Word::Stop);
    }

    /// Stops; waits for what the store was asked to write, and gives back the server with its
    /// leases, and the store. `None` if the thread has panicked.
    pub fn join(self) -> Option<(Server, Writer)> {
        self.stop();
        self.thread.join().ok()
    }

    #[cfg(test)]
    pub(crate) fn panic(&self) {
        self.mailbox.leave(Word::Panic);
    }
}

/// Why the driver did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gave no thread or no eventfd.
    #[error("can not start the DHCP thread")]
    System(#[from] std::io::Error),
    /// The store's own reason.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type ReleaseReply = Reply<Result<Lease, ReleaseError>>;

struct Worker {
    server: Server,
    sockets: Vec<Option<DhcpSockets>>,
    readiness: Readiness,
    /// What sockets that are closed had no room for.
    overflowed_before: u64,
    /// What came in and is not answered yet.
    backlog: Backlog,
    /// What the kernel is told to drop.
    shedding: Shedding,
    /// What this round sends, and OFFERs that wait.
    outbox: Outbox,
    store: Writer,
    store_lag: StoreLag,
    inbox: Receiver<Word>,
    wake: Arc<EventFd>,
    fetches: Arc<Fetches>,
    /// What this round has to tell.
    notebook: Notebook,
    clock: Clock,
    /// What this round has for the store.
    commits: Vec<Commit>,
    /// What this round has learned of machines, for the store as well.
    learned: Vec<Learned>,
    /// Who waits to hear that a lease is freed; as many as may ask at once.
    releases: BTreeMap<CommitId, (Lease, ReleaseReply)>,
    /// The store wants the leases behind this address.
    wanted_page: Option<Option<Ipv4Addr>>,
    /// What machines that boot have said.
    booting: Booting,
    /// Addresses that were asked for.
    probes: Probes,
    /// It was told to end, or has nothing left to do it with.
    stopping: bool,
    /// Dropped with the rest, also by a panic.
    _life: watch::Sender<()>,
}

impl Worker {
    fn run(mut self) -> (Server, Writer) {
        take_short_turns();
        loop {
            let patience = self.patience();
            if self.readiness.wait(patience) {
                self.hear_words();
            }
            if self.stopping {
                break;
            }
            self.round();
        }
        self.finish();
        (self.server, self.store)
    }

    fn round(&mut self) {
        let now = self.clock.now();
        for event in self.server.handle_timeout(now) {
            self.notebook.event(event);
        }
        self.outbox.collect_due(now);
        self.receive(now);
        self.answer(now);
        self.end_probes(now);
        self.flush();
        self.hand_over_commits();
        self.shed_in_kernel(now);
    }

    /// Tells what was done; how long there is nothing to do now, unless something comes in.
    fn patience(&mut self) -> Duration {
        let now = self.clock.now();
        let is_told = self.notebook.hand_over();
        if self.backlog.has_next(now, self.is_store_behind(now)) {
            return Duration::ZERO;
        }
        if !is_told || !self.backlog.is_empty() {
            return A_MOMENT;
        }
        let due = self.server.poll_timeout().into_iter().chain(self.outbox.next_due());
        let due = due.chain(self.probes.next_due()).chain(self.shedding.next_due()).min();
        let until = due.map(|at| at.since(now));
        until.unwrap_or(IDLE_MAX).min(IDLE_MAX) + Duration::from_millis(1)
    }

    /// Keeps what is to be sent, told and committed until its turn.
    fn carry_out(&mut self, output: Output, now: Timestamp) {
        if let Some(transmit) = output.transmit {
            self.send(transmit, now);
        }
        if let Some(event) = output.event {
            self.notebook.event(event);
        }
        if let Some(other) = output.other {
            self.notebook.event(other);
        }
        if let Some(probe) = output.probe {
            self.probe(probe, now);
        }
        self.commits.extend(output.commits);
        self.learned.extend(output.learned);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::log::LogFormat;

    /// A driver without sockets, with a store in `state_dir`.
    pub(crate) fn driver(state_dir: &std::path::Path) -> Driver {
        let nothing = pxed_proto::dhcp::Config {
            links: Vec::new(),
            subnets: Vec::new(),
            policy: pxed_proto::dhcp::Policy::default(),
            catalog: Arc::default(),
            host_name: None,
        };
        let store = Store::open(state_dir).unwrap();
        let journal = Arc::new(Journal::new(LogFormat::Text));
        let server = Server::new(Arc::new(nothing), pxed_proto::dhcp::Secret::default());
        Driver::start(server, Vec::new(), store, journal, Clock::start()).unwrap()
    }

    #[tokio::test]
    async fn it_answers_until_it_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let driver = driver(dir.path());
        assert_eq!(driver.mailbox().status().await.unwrap().active_leases, 0);
        driver.stop();
        driver.ended().await;
        assert!(driver.mailbox().status().await.is_none());
        let (_, store) = driver.join().unwrap();
        store.stop().unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let driver = driver(dir.path());
        driver.panic();
        driver.ended().await;
        assert!(driver.join().is_none());
        Store::open(dir.path()).unwrap();
    }
}
