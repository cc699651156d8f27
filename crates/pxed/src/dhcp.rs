//! The DHCP driver: one thread between the sockets, the store and [`pxed_proto::dhcp::Server`],
//! which holds every rule.
//!
//! It receives a batch, plans and applies each datagram, sends what needs no commit at once, and
//! hands the batch's lease changes to the store as one group. When the store says that they are
//! durable, the server lets the held replies go.

mod mailbox;
mod probes;

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use pxed_proto::Timestamp;
use pxed_proto::dhcp::{
    Arrival, Commit, CommitId, KnownServer, Learned, Lease, LinkId, Output, Probe, Server, Transmit,
};
use pxed_proto::limits;
use pxed_proto::text::HexDump;
use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::Decoded;
use tokio::sync::watch;
use tracing::{Level, debug, enabled};

use crate::clock::Clock;
use crate::explain::explain;
use crate::journal::Journal;
use crate::net::DhcpSockets;
use crate::store::{Answers, Store, StoreError, Writer};
use mailbox::{Fetches, Reply, Word};
pub use mailbox::{Mailbox, OtherServer, Quirks, ReleaseError, Status, Wanted};
use probes::Probes;

/// How long the thread sleeps at most when nothing comes in.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How long a stop waits for the store to answer what was handed to it.
const STOP_GRACE: Duration = Duration::from_secs(5);

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
        let store = store.start(move |answers| answer_to.leave(Word::Committed(answers)))?;
        let (life, alive) = watch::channel(());
        let worker = Worker {
            server,
            sockets,
            overflowed_before: 0,
            store,
            inbox,
            wake: mailbox.wake.clone(),
            fetches,
            journal,
            clock,
            commits: Vec::new(),
            learned: Vec::new(),
            releases: BTreeMap::new(),
            delayed: VecDeque::new(),
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
    /// What sockets that are closed had no room for.
    overflowed_before: u64,
    store: Writer,
    inbox: Receiver<Word>,
    wake: Arc<EventFd>,
    fetches: Arc<Fetches>,
    journal: Arc<Journal>,
    clock: Clock,
    /// What this round has for the store.
    commits: Vec<Commit>,
    /// What this round has learned of machines, for the store as well.
    learned: Vec<Learned>,
    /// Who waits to hear that a lease is freed; as many as may ask at once.
    releases: BTreeMap<CommitId, (Lease, ReleaseReply)>,
    /// Offers that wait, and until when.
    delayed: VecDeque<(Timestamp, Transmit)>,
    /// Addresses that were asked for.
    probes: Probes,
    /// It was told to end, or has nothing left to do it with.
    stopping: bool,
    /// Dropped with the rest, also by a panic.
    _life: watch::Sender<()>,
}

impl Worker {
    fn run(mut self) -> (Server, Writer) {
        loop {
            self.wait();
            self.hear_words();
            if self.stopping {
                break;
            }
            let now = self.clock.now();
            for event in self.server.handle_timeout(now) {
                self.journal.record(event);
            }
            self.send_delayed(now);
            for index in 0..self.sockets.len() {
                self.receive_arp(index, now);
                self.overhear(index, now);
                self.receive(index, now);
            }
            self.end_probes(now);
            self.hand_over_commits();
        }
        self.finish();
        (self.server, self.store)
    }

    /// Sleeps until a datagram, a word or the server's next timeout.
    fn wait(&self) {
        let delayed = self.delayed.iter().map(|(due, _)| *due).min();
        let until = self.server.poll_timeout().into_iter().chain(delayed);
        let until = until.chain(self.probes.next_due()).min();
        let until = until.map(|at| at.since(self.clock.now()));
        let patience = until.unwrap_or(IDLE_MAX).min(IDLE_MAX) + Duration::from_millis(1);
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut fds = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        let sockets = self.sockets.iter().flatten().flat_map(DhcpSockets::as_fds);
        fds.extend(sockets.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, timeout);
    }

    /// Does what others asked for.
    fn hear_words(&mut self) {
        let _ = self.wake.read();
        while let Ok(word) = self.inbox.try_recv() {
            match word {
                Word::Committed(answers) => self.committed(answers),
                Word::Status(reply) => drop(reply.send(self.status())),
                Word::Addresses(wanted, after, reply) => {
                    let now = self.clock.now();
                    drop(reply.send(mailbox::page(&self.server, &wanted, after, now)));
                }
                Word::Release(address, reply) => self.release(address, reply),
                Word::Explain(inquiry, reply) => {
                    drop(reply.send(explain(&self.server, &inquiry, self.clock.now())));
                }
                Word::Fetched(machine, from) => {
                    self.fetches.waiting.fetch_sub(1, Ordering::Relaxed);
                    let output = self.server.fetched(machine, from, self.clock.now());
                    self.carry_out(output);
                }
                Word::Quirks(reply) => drop(reply.send(mailbox::quirks(&self.server))),
                Word::Forget(machine, reply) => {
                    let output = self.server.forget(machine);
                    let _ = reply.send(output.learned.len());
                    self.carry_out(output);
                }
                Word::Reconfigure(config, done) => {
                    self.server.reconfigure(config, self.clock.now());
                    self.fetches.wanted.store(self.server.learns(), Ordering::Relaxed);
                    let _ = done.send(());
                }
                Word::Sockets(link, sockets, done) => {
                    self.replace_sockets(link, sockets.map(|sockets| *sockets));
                    let _ = done.send(());
                }
                Word::Mtu(link, mtu, done) => {
                    self.server.set_mtu(link, mtu);
                    let _ = done.send(());
                }
                Word::Stop => self.stopping = true,
                #[cfg(test)]
                Word::Panic => panic!("a bug"),
            }
        }
    }

    /// An interface is gone, or there again.
    fn replace_sockets(&mut self, link: LinkId, sockets: Option<DhcpSockets>) {
        let Some(place) = self.sockets.get_mut(link.0) else { return };
        if let Some(mut old) = std::mem::replace(place, sockets) {
            self.overflowed_before += old.overflowed();
        }
    }

    /// Frees a lease; whoever asked is answered when that is durable.
    fn release(&mut self, address: Ipv4Addr, reply: ReleaseReply) {
        let now = self.clock.now();
        match self.server.release(address, now) {
            Ok(output) => {
                let commit = output.commits.first();
                let waiting = commit.map(|commit| (commit.id, (commit.lease.clone(), reply)));
                self.releases.extend(waiting);
                self.carry_out(output);
            }
            Err(nothing) => drop(reply.send(Err(ReleaseError::Nothing(nothing)))),
        }
    }

    fn receive(&mut self, index: usize, now: Timestamp) {
        let Some(Some(sockets)) = self.sockets.get_mut(index) else { return };
        let (server, link) = (&mut self.server, LinkId(index));
        let mut outputs = Vec::new();
        sockets.receive(|received| {
            outputs.push(match received {
                Ok((arrival, datagram)) => {
                    log_datagram(&arrival, datagram);
                    let plan = server.plan(now, link, &arrival, datagram);
                    server.apply(plan, now)
                }
                Err(damage) => server.damaged(link, damage),
            });
        });
        outputs.into_iter().for_each(|output| self.carry_out(output));
    }

    /// Transmit, then tell; what is to be committed waits for the end of the round.
    fn carry_out(&mut self, output: Output) {
        if let Some(transmit) = output.transmit {
            self.send(transmit);
        }
        if let Some(event) = output.event {
            self.journal.record(event);
        }
        if let Some(other) = output.other {
            self.journal.record(other);
        }
        if let Some(probe) = output.probe {
            self.probe(probe);
        }
        self.commits.extend(output.commits);
        self.learned.extend(output.learned);
    }

    /// Asks who has an address. If that can not be sent, nobody can answer.
    fn probe(&mut self, probe: Probe) {
        let now = self.clock.now();
        let sockets = self.sockets.get(probe.link.0).and_then(Option::as_ref);
        match sockets.map(|sockets| sockets.probe(probe.address)) {
            Some(Ok(())) => return self.probes.sent(probe, now),
            Some(Err(error)) => {
                if let Some(link) = self.server.config().links.get(probe.link.0) {
                    self.journal.send_failed(&link.name, &error);
                }
            }
            // The interface is gone.
            None => {}
        }
        let output = self.server.not_probed(&probe, now);
        self.carry_out(output);
    }

    fn receive_arp(&mut self, index: usize, now: Timestamp) {
        let Some(Some(sockets)) = self.sockets.get_mut(index) else { return };
        let mut found = Vec::new();
        let (probes, server, link) = (&mut self.probes, &self.server, LinkId(index));
        sockets.receive_arp(|holder, address| {
            let probe = probes.answered(link, address);
            let probe = probe.or_else(|| server.silent_probe(link, address, now));
            found.extend(probe.map(|probe| (probe, holder)));
        });
        for (probe, holder) in found {
            let output = self.server.probed(&probe, Some(holder), now);
            self.carry_out(output);
        }
    }

    /// What other servers say to their clients.
    fn overhear(&mut self, index: usize, now: Timestamp) {
        let Some(Some(sockets)) = self.sockets.get_mut(index) else { return };
        let (server, link) = (&mut self.server, LinkId(index));
        let mut outputs = Vec::new();
        sockets.overhear(|received| {
            outputs.push(match received {
                Ok((arrival, datagram)) => server.overheard(link, &arrival, datagram, now),
                Err(damage) => server.damaged(link, damage),
            });
        });
        outputs.into_iter().for_each(|output| self.carry_out(output));
    }

    /// Nobody has answered for long enough.
    fn end_probes(&mut self, now: Timestamp) {
        while let Some(probe) = self.probes.next_silent(now) {
            let output = self.server.probed(&probe, None, now);
            self.carry_out(output);
        }
    }

    /// Sends at once, or keeps for later what is to come after another server's.
    fn send(&mut self, transmit: Transmit) {
        if transmit.delay.is_zero() {
            return self.send_now(&transmit);
        }
        let due = self.clock.now() + transmit.delay;
        // A client whose OFFER does not come asks again.
        if self.delayed.len() < limits::DELAYED_OFFERS_MAX {
            self.delayed.push_back((due, transmit));
        } else if let Some(link) = self.server.config().links.get(transmit.link.0) {
            let error = std::io::Error::other("too many delayed OFFERs wait already");
            self.journal.send_failed(&link.name, &error);
        }
    }

    fn send_now(&self, transmit: &Transmit) {
        log_reply(transmit);
        let (links, link) = (&self.server.config().links, transmit.link.0);
        if let (Some(Some(sockets)), Some(link)) = (self.sockets.get(link), links.get(link))
            && let Err(error) = sockets.send(transmit)
        {
            self.journal.send_failed(&link.name, &error);
        }
    }

    /// Sends what has waited long enough.
    fn send_delayed(&mut self, now: Timestamp) {
        let (due, rest) = self.delayed.drain(..).partition(|(due, _)| *due <= now);
        self.delayed = rest;
        let due: VecDeque<(Timestamp, Transmit)> = due;
        due.iter().for_each(|(_, transmit)| self.send_now(transmit));
    }

    fn hand_over_commits(&mut self) {
        if !self.commits.is_empty() {
            let commits = std::mem::take(&mut self.commits);
            if let Err(refused) = self.store.commit(commits) {
                self.committed(refused);
            }
        }
        // One place in the queue for all of them, which leases need more.
        if !self.learned.is_empty() {
            self.store.remember(std::mem::take(&mut self.learned));
        }
    }

    fn committed(&mut self, answers: Answers) {
        let now = self.clock.now();
        if let Some(error) = &answers.error {
            self.journal.store_failed(error);
            // Nothing can be leased any more, and nobody would see why.
            self.stopping |= matches!(error, StoreError::WriterDied);
        }
        for (id, result) in answers.commits {
            if let Some((lease, reply)) = self.releases.remove(&id) {
                let durable = result.as_ref().map_err(|_| ReleaseError::NotDurable);
                let _ = reply.send(durable.map(|()| lease));
            }
            let output = self.server.committed(id, result, now);
            self.carry_out(output);
        }
    }

    /// Waits for the store's answers to what is under way, and sends what they let go.
    fn finish(&mut self) {
        self.hand_over_commits();
        let deadline = self.clock.now() + STOP_GRACE;
        while self.server.commits_waiting() > 0 {
            let patience = deadline.since(self.clock.now());
            match self.inbox.recv_timeout(patience) {
                Ok(Word::Committed(answers)) => self.committed(answers),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }

    fn status(&mut self) -> Status {
        let now = self.clock.now();
        let overflowed = self.sockets.iter_mut().flatten().map(DhcpSockets::overflowed);
        Status {
            config: self.server.config().clone(),
            pools: self.server.pool_use(now),
            active_leases: self.server.active_leases(now).count(),
            offers: self.server.offers(),
            others: self.server.other_servers().map(other_server).collect(),
            overflowed: overflowed.sum::<u64>() + self.overflowed_before,
        }
    }
}

fn other_server((link, address, known): (&Arc<str>, Ipv4Addr, &KnownServer)) -> OtherServer {
    OtherServer { link: link.clone(), address, known: known.clone() }
}

/// Nothing is formatted unless somebody reads it.
fn log_datagram(arrival: &Arrival, datagram: &[u8]) {
    if enabled!(Level::DEBUG) {
        let (from, to, len) = (arrival.source, arrival.destination, datagram.len());
        debug!("received {len} octets from {from} to {to}\n{}", described(datagram));
    }
}

fn log_reply(transmit: &Transmit) {
    if enabled!(Level::DEBUG) {
        let Transmit { destination, source, message, .. } = transmit;
        let len = message.len();
        debug!("sending {len} octets from {source} to {destination:?}\n{}", described(message));
    }
}

fn described(datagram: &[u8]) -> String {
    match Message::parse(datagram) {
        Ok(message) => format!("{}\n{}", HexDump(datagram), Decoded(&message)),
        Err(_) => HexDump(datagram).to_string(),
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
