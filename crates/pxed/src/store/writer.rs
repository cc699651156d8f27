//! The thread that makes commits durable: it takes what has queued as one group.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use pxed_proto::dhcp::{Commit, CommitError, Learned};

use super::fault::{Fault, Kind};
use super::follower::{Follower, Running};
use super::log::{Backlog, Due, Lag, Log, remove_all};
use super::news::{Answers, News, Page, Tell};
use super::row::{Spoilt, UnreadableRow};
use super::spacing::Spacing;
use super::{Place, Store, StoreError};
use crate::clock::Clock;
use crate::net::take_short_turns;

/// How many batches may wait. A batch is what the DHCP server made of one look at its sockets, and
/// a thousand of them are more than a disk writes before the clients give up and ask again.
const QUEUE_BATCHES: usize = 1024;

/// No more batches join a group of this many commits: the first of them waits for the last, and the
/// cost of a sync is spread thin long before.
const GROUP_COMMITS: usize = 1024;

/// What is queued.
#[derive(Debug)]
pub(super) enum Work {
    Commits(Vec<Commit>),
    /// A part of the lease table, which was wanted.
    Page(Page),
    /// The follower has ended.
    Look,
    Stop,
}

/// Makes leases durable on threads of its own. Dropped, it stops like [`Writer::stop`] does, but has
/// nobody to tell of an error.
#[derive(Debug)]
pub struct Writer {
    queue: SyncSender<Work>,
    backlog: Arc<Backlog>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Writer {
    pub(super) fn start(
        store: Store,
        clock: Clock,
        tell: impl Fn(News) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let (queue, work) = sync_channel(QUEUE_BATCHES);
        let backlog = Arc::new(Backlog::new());
        let Store { connection, place, followed, spoilt, lock, .. } = store;
        let log =
            Log::begin(place.clone(), backlog.clone(), followed).map_err(|(error, _)| error)?;
        let mut writing = Writing {
            place,
            work,
            queue: queue.clone(),
            next: None,
            backlog: backlog.clone(),
            clock,
            tell: Arc::new(tell),
            unreadable: spoilt.iter().filter_map(by_address).collect(),
            spoilt,
            log,
            spacing: Spacing::new(Instant::now()),
            follower: None,
            fault: None,
            _lock: lock,
        };
        writing.follow(connection, followed)?;
        let thread = thread::Builder::new()
            .name("pxed-store".to_owned())
            .spawn(move || writing.run())
            .map_err(StoreError::Thread)?;
        Ok(Self { queue, backlog, thread: Some(thread) })
    }

    /// Queues a batch of commits; each is answered, in a group with others. Never waits: where
    /// there is no room, or nobody to write, the answers come at once, and all of them failed.
    ///
    /// Batches are carried out in the order in which they come here, commits of one group in the
    /// order of their ids.
    pub fn commit(&self, batch: Vec<Commit>) -> Result<(), Answers> {
        self.queue.try_send(Work::Commits(batch)).map_err(|error| {
            let (work, error) = match error {
                TrySendError::Full(work) => (work, StoreError::QueueFull),
                TrySendError::Disconnected(work) => (work, StoreError::WriterDied),
            };
            let batch = if let Work::Commits(batch) = work { batch } else { Vec::new() };
            Answers::failed(&batch, Some(error))
        })
    }

    /// Hands over a part of the lease table, as [`News::Wants`] asks for. One that finds no room is
    /// asked for again.
    pub fn hand_over(&self, page: Page) {
        let _ = self.queue.try_send(Work::Page(page));
    }

    /// Takes what was learned of machines, which is written with the next leases. Nobody waits for
    /// it: where there is no room it is lost, and learned anew some day.
    pub fn remember(&self, learned: Vec<Learned>) {
        self.backlog.learn(learned);
    }

    /// How far the database is behind the commits.
    pub fn lag(&self) -> Lag {
        self.backlog.lag()
    }

    /// Writes what is queued, answers it, takes the log into the database and closes it. What was
    /// answered is durable also where this fails.
    pub fn stop(mut self) -> Result<(), StoreError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // Nobody takes it where the thread has died.
        let _ = self.queue.send(Work::Stop);
        thread.join().unwrap_or(Err(StoreError::WriterDied))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

fn by_address(spoilt: &Spoilt) -> Option<(Ipv4Addr, UnreadableRow)> {
    Some((spoilt.address?, spoilt.row.clone()))
}

/// The thread's own.
pub(super) struct Writing {
    pub place: Place,
    work: Receiver<Work>,
    queue: SyncSender<Work>,
    /// What came while a group was gathered.
    next: Option<Work>,
    pub backlog: Arc<Backlog>,
    pub clock: Clock,
    pub tell: Tell,
    pub spoilt: Vec<Spoilt>,
    /// The same by address.
    unreadable: BTreeMap<Ipv4Addr, UnreadableRow>,
    pub log: Log,
    spacing: Spacing,
    pub follower: Option<Running>,
    pub fault: Option<Fault>,
    _lock: std::fs::File,
}

impl Writing {
    fn run(mut self) -> Result<(), StoreError> {
        take_short_turns();
        loop {
            let work = self.next_work();
            if let Some(error) = self.backlog.take_failure() {
                self.fail(error, Kind::Untrusted);
            }
            match work {
                Some(Work::Commits(first)) => {
                    let group = self.gather(first);
                    self.commit(group);
                }
                Some(Work::Page(page)) => self.page(&page),
                Some(Work::Look) => {}
                Some(Work::Stop) => return self.stop(),
                None => self.recover(),
            }
        }
    }

    /// Waits for work; `None` when it is time to try again.
    fn next_work(&mut self) -> Option<Work> {
        if let Some(work) = self.next.take() {
            return Some(work);
        }
        let Some(fault) = &self.fault else {
            return Some(self.work.recv().unwrap_or(Work::Stop));
        };
        let patience = fault.retry.checked_duration_since(Instant::now())?;
        self.work.recv_timeout(patience).ok()
    }

    /// Takes what came while the group before was written, and a moment longer where group follows on
    /// group.
    fn gather(&mut self, first: Vec<Commit>) -> Vec<Commit> {
        let mut group = first;
        thread::sleep(self.spacing.wait(Instant::now()));
        while group.len() < GROUP_COMMITS
            && let Ok(work) = self.work.try_recv()
        {
            match work {
                Work::Commits(more) => group.extend(more),
                other => {
                    self.next = Some(other);
                    break;
                }
            }
        }
        group.sort_by_key(|commit| commit.id);
        group
    }

    fn commit(&mut self, group: Vec<Commit>) {
        if self.fault.is_some() {
            return (self.tell)(News::Answers(Answers::failed(&group, None)));
        }
        let (group, mut answers) = self.set_aside(group);
        if !group.is_empty() {
            match self.log.append(&group) {
                Ok(()) => answers.durable.extend(group.iter().map(|commit| commit.id)),
                Err((error, kind)) => {
                    self.fail(error, kind);
                    answers.failed.extend(Answers::failed(&group, None).failed);
                }
            }
        }
        (self.tell)(News::Answers(answers));
    }

    /// Commits for an address whose row can not be read fail: somebody may have it.
    fn set_aside(&self, mut group: Vec<Commit>) -> (Vec<Commit>, Answers) {
        let mut answers = Answers::default();
        if !self.unreadable.is_empty() {
            group.retain(|commit| {
                let unreadable = self.unreadable.get(&commit.lease.address);
                if let Some(row) = unreadable {
                    answers.failed.push((commit.id, CommitError::Failed));
                    answers.error = Some(row.clone().into());
                }
                unreadable.is_none()
            });
        }
        (group, answers)
    }

    /// Has a thread take the log into this database.
    pub fn follow(
        &mut self,
        connection: rusqlite::Connection,
        followed: u64,
    ) -> Result<(), StoreError> {
        let (place, backlog) = (self.place.clone(), self.backlog.clone());
        let ways = (self.clock, self.tell.clone());
        let follower = Follower::new(place, connection, backlog, followed, ways);
        let queue = self.queue.clone();
        // Where the queue is full the writer looks anyway.
        let failed = move || drop(queue.try_send(Work::Look));
        self.follower = Some(follower.start(failed)?);
        Ok(())
    }

    /// Waits for the follower to end so.
    pub fn end_follower(&mut self, order: Due) -> Result<(), StoreError> {
        let Some(follower) = self.follower.take() else { return Ok(()) };
        self.backlog.order(order);
        follower.join().unwrap_or(Err(StoreError::WriterDied))
    }

    /// The database has everything then, and the log goes.
    fn stop(mut self) -> Result<(), StoreError> {
        if let Some(fault) = self.fault.take() {
            let _ = self.end_follower(Due::Abandon);
            return Err(StoreError::Unmended(fault.error));
        }
        self.end_follower(Due::Finish)?;
        let directory = &self.place.directory;
        remove_all(&self.place.disk, directory)
            .map_err(|cause| StoreError::file("remove the commit log in", directory, cause))
    }

    /// From now on commits fail, until it is mended.
    pub fn fail(&mut self, error: StoreError, kind: Kind) {
        match &mut self.fault {
            Some(fault) => fault.worsen(kind),
            None => {
                self.fault = Some(Fault::new(error.to_string(), kind, Instant::now()));
                (self.tell)(News::Fails(error));
            }
        }
    }
}
