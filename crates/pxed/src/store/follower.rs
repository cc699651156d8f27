//! The thread that takes the commit log into the database.
//!
//! It takes the oldest parts of the log together, of each address only the newest version, in the
//! order of the table, as one transaction; and when that is on disk, the log's files are free. The
//! more there is the more of it is one row, so that it rests for most of the time ([`Pace`]).

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Learned, Lease, LeaseState};
use pxed_proto::limits;
use rusqlite::{Connection, TransactionBehavior};

use super::disk::Call;
use super::log::{Backlog, Due, Newest, Part, Take};
use super::news::{News, Tell};
use super::{Place, StoreError, quirk, row};
use crate::clock::Clock;
use crate::net::be_patient;

/// What the follower needs.
pub(super) struct Follower {
    pub place: Place,
    pub connection: Connection,
    pub backlog: Arc<Backlog>,
    /// The last group that the database has.
    pub followed: u64,
    pub clock: Clock,
    pub tell: Tell,
    /// What was last seen of writers: `PRAGMA data_version`.
    data_version: i64,
}

/// A follower that runs.
pub(super) type Running = JoinHandle<Result<(), StoreError>>;

impl Follower {
    pub fn new(
        place: Place,
        connection: Connection,
        backlog: Arc<Backlog>,
        followed: u64,
        (clock, tell): (Clock, Tell),
    ) -> Self {
        Self { place, connection, backlog, followed, clock, tell, data_version: 0 }
    }

    /// Starts it. If the database can not be trusted any more, the backlog has the reason, `failed` is
    /// called on its thread, and it ends.
    pub fn start(mut self, failed: impl FnOnce() + Send + 'static) -> Result<Running, StoreError> {
        self.data_version = self.read_data_version()?;
        let thread = thread::Builder::new().name("pxed-follow".to_owned());
        thread.spawn(move || self.run(failed)).map_err(StoreError::Thread)
    }

    fn run(mut self, failed: impl FnOnce()) -> Result<(), StoreError> {
        be_patient();
        let mut pace = Pace::new(Instant::now());
        let mut in_trouble = false;
        loop {
            match self.backlog.wait(pace.rest, pace.rest + limits::STORE_SEEN) {
                Due::Abandon => return Ok(()),
                Due::Finish => return self.finish(),
                Due::Pass => {}
            }
            let began = Instant::now();
            match self.pass() {
                Ok(()) => {
                    pace.done(Instant::now(), began.elapsed());
                    if std::mem::take(&mut in_trouble) {
                        self.backlog.set_trouble(None);
                        (self.tell)(News::CaughtUp);
                    }
                }
                Err(error) if error.passes() => {
                    pace.failed(Instant::now());
                    self.backlog.set_trouble(Some(error.to_string()));
                    if !std::mem::replace(&mut in_trouble, true) {
                        (self.tell)(News::Behind(error));
                    }
                }
                Err(error) => {
                    self.backlog.set_failure(error);
                    failed();
                    return Ok(());
                }
            }
        }
    }

    /// Takes all that is left, and closes the database.
    fn finish(mut self) -> Result<(), StoreError> {
        self.pass()?;
        while self.backlog.lag().commits > 0 {
            self.pass()?;
        }
        let path = self.place.database();
        let failed = |cause| StoreError::sqlite("close", &path, cause);
        // A row comes back also where a reader is in the way: the write-ahead log stays, and is as
        // durable.
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(checkpoint, [], |_| Ok(())).map_err(failed)?;
        self.connection.close().map_err(|(_, cause)| failed(cause))
    }

    /// Takes the oldest parts.
    fn pass(&mut self) -> Result<(), StoreError> {
        self.notice_others()?;
        self.keep_write_ahead_log_short()?;
        let (parts, learned) = self.backlog.oldest();
        let mut newest = Newest::default();
        for part in &parts {
            read(&mut newest, part)?;
        }
        let asked = self.place.disk.asked(Call::Follow);
        let path = self.place.database();
        asked.map_err(|cause| StoreError::file("write", &path, cause))?;
        let last = parts.iter().map(|part| part.sequence).max().unwrap_or(0).max(self.followed);
        let now = self.clock.now();
        write(&mut self.connection, newest.leases(), &learned, (last, now))
            .map_err(|cause| StoreError::sqlite("write", &path, cause))?;
        self.followed = last;
        self.backlog.followed(&parts);
        self.checkpoint().map(drop)
    }

    /// Has another program changed the database? What pxed knows wins, and it says so.
    fn notice_others(&mut self) -> Result<(), StoreError> {
        let version = self.read_data_version()?;
        if version != self.data_version {
            self.data_version = version;
            (self.tell)(News::Edited(self.place.database()));
        }
        Ok(())
    }

    fn read_data_version(&self) -> Result<i64, StoreError> {
        let version = self.connection.query_row("PRAGMA data_version", [], |row| row.get(0));
        version.map_err(|cause| StoreError::sqlite("read", &self.place.database(), cause))
    }

    /// Somebody who reads for hours keeps SQLite's write-ahead log from being begun again: then the
    /// commit log takes the commits, until that is half full.
    fn keep_write_ahead_log_short(&self) -> Result<(), StoreError> {
        let path = self.place.directory.join("leases.db-wal");
        let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if length <= limits::DATABASE_WAL_MAX || self.checkpoint()? || self.backlog.is_urgent() {
            return Ok(());
        }
        Err(StoreError::Reader { path: self.place.database() })
    }

    fn checkpoint(&self) -> Result<bool, StoreError> {
        let done = checkpoint(&self.connection);
        done.map_err(|cause| StoreError::sqlite("write", &self.place.database(), cause))
    }
}

/// Takes the write-ahead log into the database, so that it can begin again. `false` if a reader
/// stands in the way.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get(2)?));
    let (all, done): (i64, i64) =
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], read)?;
    Ok(all == done)
}

fn read(newest: &mut Newest, part: &Part) -> Result<(), StoreError> {
    let failed = |cause| StoreError::file("read", &part.segment.path, cause);
    let begin = newest.read(&part.segment.file, part.from, part.to).map_err(failed)?;
    let end = newest.take(begin, |_| Take::Records);
    let whole = end == newest.octets().len();
    let damaged = || std::io::Error::other("what was written does not come back");
    if whole { Ok(()) } else { Err(failed(damaged())) }
}

/// Writes leases in one transaction, with the last group that they are of and a time that pxed has
/// seen. Returns the latest time that it found in them.
pub(super) fn write(
    connection: &mut Connection,
    leases: impl Iterator<Item = Lease>,
    learned: &[Learned],
    (followed, seen): (u64, Timestamp),
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut seen = seen;
    for lease in leases {
        seen = seen.max(decided(&lease));
        row::put(&transaction, &lease)?;
    }
    quirk::write(&transaction, learned)?;
    let mut note =
        transaction.prepare_cached("UPDATE store SET followed = ?1, seen = max(seen, ?2)")?;
    note.execute([row::integer(followed), row::integer(seen.as_millis())])?;
    drop(note);
    transaction.commit()
}

/// When the version of a lease was decided.
fn decided(lease: &Lease) -> Timestamp {
    match lease.state {
        LeaseState::Released => lease.expires.max(lease.granted),
        _ => lease.granted,
    }
}

/// When the follower works: seldom enough that it takes a small part of a core, and often enough that
/// who reads the database sees what was a second ago.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Nothing is to be done before.
    rest: Instant,
    /// After so many failures.
    failures: u32,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { rest: now, failures: 0 }
    }

    fn done(&mut self, now: Instant, took: Duration) {
        self.failures = 0;
        self.rest = now + (took * limits::FOLLOW_REST).max(limits::FOLLOW_AT_MOST);
    }

    fn failed(&mut self, now: Instant) {
        let wait = limits::FOLLOW_AT_MOST * 2_u32.saturating_pow(self.failures.min(16));
        self.failures += 1;
        self.rest = now + wait.min(limits::STORE_RETRY_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_nine_times_as_long_as_it_works_and_a_second_at_least() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for (took, rest) in [(0, 1000), (100, 1000), (200, 1800), (3000, 27_000)] {
            pace.done(now, Duration::from_millis(took));
            assert_eq!(pace.rest - now, Duration::from_millis(rest));
        }
    }

    #[test]
    fn what_fails_is_tried_again_ever_more_seldom() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for rest in [1, 2, 4, 8, 16, 30, 30] {
            pace.failed(now);
            assert_eq!(pace.rest - now, Duration::from_secs(rest));
        }
        pace.done(now, Duration::ZERO);
        pace.failed(now);
        assert_eq!(pace.rest - now, Duration::from_secs(1));
    }
}
