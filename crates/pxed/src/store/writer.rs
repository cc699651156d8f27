//! The thread that writes: it takes what has queued as one group.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use pxed_proto::dhcp::{Commit, Learned};

use super::group::{self, Answers};
use super::{Store, StoreError, quirk};

/// How many batches may wait. A batch is what the DHCP server made of one look at its sockets, and
/// a thousand of them are more than a disk writes before the clients give up and ask again.
const QUEUE_BATCHES: usize = 1024;

/// No more batches join a group of this many commits: the first of them waits for the last, 10 to
/// 20 ms, and the cost of a sync is spread thin long before.
const GROUP_COMMITS: usize = 1024;

/// What is queued.
#[derive(Debug)]
enum Work {
    Commits(Vec<Commit>),
    Quirks(Vec<Learned>),
}

/// Writes leases on a thread of its own. Dropped, it stops like [`Writer::stop`] does, but has
/// nobody to tell of an error.
#[derive(Debug)]
pub struct Writer {
    queue: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Writer {
    pub(super) fn start(
        store: Store,
        answers: impl Fn(Answers) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (queue, batches) = sync_channel(QUEUE_BATCHES);
        let thread = thread::Builder::new()
            .name("pxed-store".to_owned())
            .spawn(move || run(store, &batches, answers))
            .map_err(StoreError::Thread)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a batch of commits; each is answered, in a group with others. Never waits: where
    /// there is no room, or nobody to write, the answers come at once, and all of them failed.
    ///
    /// Batches are carried out in the order in which they come here, commits of one group in the
    /// order of their ids.
    pub fn commit(&self, batch: Vec<Commit>) -> Result<(), Answers> {
        let Some(queue) = &self.queue else {
            return Err(Answers::failed(&batch, StoreError::WriterDied));
        };
        queue.try_send(Work::Commits(batch)).map_err(|error| match error {
            TrySendError::Full(work) => Answers::failed(work.commits(), StoreError::QueueFull),
            TrySendError::Disconnected(work) => {
                Answers::failed(work.commits(), StoreError::WriterDied)
            }
        })
    }

    /// Queues what was learned of machines. Nobody waits for it: where there is no room it is lost,
    /// and learned anew some day.
    pub fn remember(&self, learned: Vec<Learned>) {
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(Work::Quirks(learned));
        }
    }

    /// Writes what is queued, answers it, takes the log into the database and closes it. What was
    /// answered `Ok` is durable also where this fails.
    pub fn stop(mut self) -> Result<(), StoreError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        drop(self.queue.take());
        match self.thread.take() {
            Some(thread) => thread.join().unwrap_or(Err(StoreError::WriterDied)),
            None => Ok(()),
        }
    }
}

impl Work {
    fn commits(&self) -> &[Commit] {
        match self {
            Self::Commits(commits) => commits,
            Self::Quirks(_) => &[],
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

fn run(
    mut store: Store,
    queue: &Receiver<Work>,
    answers: impl Fn(Answers),
) -> Result<(), StoreError> {
    while let Some((group, learned)) = next_group(queue) {
        if !group.is_empty() {
            answers(group::write(&mut store.connection, &store.path, group));
        }
        // Behind what clients wait for.
        if !learned.is_empty()
            && let Err(cause) = quirk::write(&mut store.connection, &learned)
        {
            let error = Some(StoreError::sqlite("write", &store.path, cause));
            answers(Answers { commits: Vec::new(), error });
        }
    }
    store.close()
}

/// Waits for work, and takes what came while the group before it was written. `None` when nothing
/// is left and nothing can come.
fn next_group(queue: &Receiver<Work>) -> Option<(Vec<Commit>, Vec<Learned>)> {
    let (mut group, mut learned) = (Vec::new(), Vec::new());
    let mut next = Some(queue.recv().ok()?);
    while let Some(work) = next {
        match work {
            Work::Commits(commits) => group.extend(commits),
            Work::Quirks(quirks) => learned.extend(quirks),
        }
        let has_room = group.len() + learned.len() < GROUP_COMMITS;
        next = has_room.then(|| queue.try_recv().ok()).flatten();
    }
    Some((group, learned))
}
