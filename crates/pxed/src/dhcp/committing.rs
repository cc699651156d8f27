//! Lease changes on their way to the store, and its answers.

use std::collections::VecDeque;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::CommitId;
use pxed_proto::limits::STORE_PATIENCE;

use super::{ReleaseError, Word, Worker};
use crate::store::{Answers, News, StoreError};

/// How long a stop waits for the store to answer what was handed to it.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Since when the store has what it has not answered: the last commit of each batch, the oldest first.
#[derive(Debug, Default)]
pub(super) struct StoreLag(VecDeque<(CommitId, Timestamp)>);

impl StoreLag {
    fn handed_over(&mut self, last: CommitId, now: Timestamp) {
        self.0.push_back((last, now));
    }

    /// Everything up to this commit is answered.
    fn answered(&mut self, last: CommitId) {
        while self.0.front().is_some_and(|(first, _)| *first <= last) {
            self.0.pop_front();
        }
    }

    /// Does what it has wait for longer than a client should?
    pub(super) fn is_behind(&self, now: Timestamp) -> bool {
        self.0.front().is_some_and(|(_, since)| now.since(*since) > STORE_PATIENCE)
    }
}

impl Worker {
    pub(super) fn hand_over_commits(&mut self) {
        if let Some(last) = self.commits.last().map(|commit| commit.id) {
            let commits = std::mem::take(&mut self.commits);
            match self.store.commit(commits) {
                Ok(()) => self.store_lag.handed_over(last, self.clock.now()),
                Err(refused) => self.committed(refused),
            }
        }
        // One place in the queue for all of them, which leases need more.
        if !self.learned.is_empty() {
            self.store.remember(std::mem::take(&mut self.learned));
        }
    }

    pub(super) fn committed(&mut self, answers: Answers) {
        let now = self.clock.now();
        if let Some(error) = answers.error {
            // Nothing can be leased any more, and nobody would see why.
            self.stopping |= matches!(error, StoreError::WriterDied);
            self.notebook.store_failed(error);
        }
        let failed = answers.failed.iter().map(|(id, _)| *id);
        if let Some(last) = answers.durable.iter().copied().chain(failed).max() {
            self.store_lag.answered(last);
        }
        let durable = answers.durable.into_iter().map(|id| (id, Ok(())));
        let failed = answers.failed.into_iter().map(|(id, error)| (id, Err(error)));
        for (id, result) in durable.chain(failed) {
            if let Some((lease, reply)) = self.releases.remove(&id) {
                let durable = result.as_ref().map_err(|_| ReleaseError::NotDurable);
                let _ = reply.send(durable.map(|()| lease));
            }
            let output = self.server.committed(id, result, now);
            self.carry_out(output, now);
        }
    }

    /// Waits for the store's answers to what is under way, and sends what they let go.
    pub(super) fn finish(&mut self) {
        self.hand_over_commits();
        let deadline = self.clock.now() + STOP_GRACE;
        while self.server.commits_waiting() > 0 {
            let patience = deadline.since(self.clock.now());
            match self.inbox.recv_timeout(patience) {
                Ok(Word::Store(News::Answers(answers))) => self.committed(answers),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_behind_while_its_oldest_work_is_old() {
        let at = |millis| Timestamp::from_millis(1000 + millis);
        let patience = u64::try_from(STORE_PATIENCE.as_millis()).unwrap();
        let mut lag = StoreLag::default();
        assert!(!lag.is_behind(at(patience * 9)), "nothing waits");
        for (last, since) in [(3, 0), (7, 5), (8, 200)] {
            lag.handed_over(CommitId(last), at(since));
        }
        assert_eq!([patience, patience + 1].map(|now| lag.is_behind(at(now))), [false, true]);
        lag.answered(CommitId(2));
        assert!(lag.is_behind(at(patience + 1)), "half a batch");
        lag.answered(CommitId(7));
        let now = 200 + patience;
        assert_eq!([now, now + 1].map(|now| lag.is_behind(at(now))), [false, true]);
        lag.answered(CommitId(8));
        assert!(!lag.is_behind(at(patience * 9)));
    }
}
