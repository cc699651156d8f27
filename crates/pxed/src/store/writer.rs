//! The thread that writes: it takes what has queued as one group.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use pxed_proto::dhcp::Commit;

use super::group::{self, Answers};
use super::{Store, StoreError};

/// How many batches may wait. A batch is what the DHCP server made of one look at its sockets, and
/// a thousand of them are more than a disk writes before the clients give up and ask again.
const QUEUE_BATCHES: usize = 1024;

/// No more batches join a group of this many commits: the first of them waits for the last, 10 to
/// 20 ms, and the cost of a sync is spread thin long before.
const GROUP_COMMITS: usize = 1024;

/// Writes leases on a thread of its own. Dropped, it stops like [`Writer::stop`] does, but has
/// nobody to tell of an error.
#[derive(Debug)]
pub struct Writer {
    queue: Option<SyncSender<Vec<Commit>>>,
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
        queue.try_send(batch).map_err(|error| match error {
            TrySendError::Full(batch) => Answers::failed(&batch, StoreError::QueueFull),
            TrySendError::Disconnected(batch) => Answers::failed(&batch, StoreError::WriterDied),
        })
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

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

fn run(
    mut store: Store,
    batches: &Receiver<Vec<Commit>>,
    answers: impl Fn(Answers),
) -> Result<(), StoreError> {
    while let Some(group) = next_group(batches) {
        answers(group::write(&mut store.connection, &store.path, group));
    }
    store.close()
}

/// Waits for a batch, and takes what came while the group before it was written. `None` when
/// nothing is left and nothing can come.
fn next_group(batches: &Receiver<Vec<Commit>>) -> Option<Vec<Commit>> {
    let mut group = batches.recv().ok()?;
    while group.len() < GROUP_COMMITS
        && let Ok(batch) = batches.try_recv()
    {
        group.extend(batch);
    }
    Some(group)
}
