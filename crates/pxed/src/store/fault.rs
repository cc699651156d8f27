//! What the writer does about a disk that fails: it tries again, ever more seldom, and makes the
//! database anew where what is on the disk can not be trusted.

use std::time::{Duration, Instant};

use pxed_proto::limits;

use super::disk::Call;
use super::log::{Due, Log, remove_all};
use super::news::{News, Page};
use super::rewrite::Rewrite;
use super::writer::Writing;
use super::{StoreError, follower, schema};

/// How long a page of leases may take to come: the DHCP thread answers between two batches.
const PAGE_PATIENCE: Duration = Duration::from_secs(10);

/// What a fault comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no room for more; what is there is as good as before.
    NoRoom,
    /// Nobody knows what the disk has.
    Untrusted,
}

/// Commits fail.
#[derive(Debug)]
pub(super) struct Fault {
    /// What began it.
    pub error: String,
    kind: Kind,
    since: Instant,
    /// When it is tried again.
    pub retry: Instant,
    wait: Duration,
    /// The database that is being made.
    rewrite: Option<Rewrite>,
}

impl Fault {
    pub fn new(error: String, kind: Kind, now: Instant) -> Self {
        let wait = limits::STORE_RETRY_MIN;
        Self { error, kind, since: now, retry: now, wait, rewrite: None }
    }

    pub fn worsen(&mut self, kind: Kind) {
        if kind == Kind::Untrusted {
            self.kind = kind;
        }
    }

    /// It did not help: later.
    fn put_off(&mut self, now: Instant) {
        self.rewrite = None;
        self.retry = now + self.wait;
        self.wait = (self.wait * 2).min(limits::STORE_RETRY_MAX);
    }
}

impl Writing {
    /// It is time to try again.
    pub fn recover(&mut self) {
        let done = match self.fault.as_ref().map(|fault| fault.kind) {
            Some(Kind::NoRoom) => self.log.make_room().map(|()| true).map_err(|(error, _)| error),
            Some(Kind::Untrusted) => self.begin_rewrite().map(|()| false),
            None => return,
        };
        self.tried(done);
    }

    /// A page of leases for the new database has come.
    pub fn page(&mut self, page: &Page) {
        let rewrite = self.fault.as_mut().and_then(|fault| fault.rewrite.as_mut());
        // What comes late belongs to an attempt that was given up.
        let Some(rewrite) = rewrite.filter(|rewrite| rewrite.after == page.after) else { return };
        let taken = rewrite.take(page);
        let done = match (taken, page.next) {
            (Ok(()), Some(next)) => {
                self.want(Some(next));
                Ok(false)
            }
            (Ok(()), None) => self.end_rewrite().map(|()| true),
            (Err(error), _) => Err(error),
        };
        self.tried(done);
    }

    fn tried(&mut self, done: Result<bool, StoreError>) {
        match (done, &mut self.fault) {
            (Ok(true), fault) => {
                let since = fault.take().map(|fault| fault.since.elapsed());
                (self.tell)(News::Works(since.unwrap_or_default()));
            }
            (Err(_), Some(fault)) => fault.put_off(Instant::now()),
            (Ok(false) | Err(_), _) => {}
        }
    }

    fn begin_rewrite(&mut self) -> Result<(), StoreError> {
        // What it thinks of its database does not matter any more.
        let _ = self.end_follower(Due::Abandon);
        let rewrite = Rewrite::begin(self.place.clone())?;
        if let Some(fault) = &mut self.fault {
            fault.rewrite = Some(rewrite);
        }
        self.want(None);
        Ok(())
    }

    fn want(&mut self, after: Option<std::net::Ipv4Addr>) {
        if let Some(fault) = &mut self.fault {
            fault.retry = Instant::now() + PAGE_PATIENCE;
        }
        (self.tell)(News::Wants(after));
    }

    /// Every lease is in it: it takes the old one's place, and a new log begins.
    fn end_rewrite(&mut self) -> Result<(), StoreError> {
        let Some(rewrite) = self.fault.as_mut().and_then(|fault| fault.rewrite.take()) else {
            return Ok(());
        };
        // Whatever the disk has of groups that failed is not to be read again.
        let sequence = self.log.sequence();
        rewrite.finish(&self.spoilt, sequence, self.clock.now())?;
        let mut connection = schema::open(&self.place.database())?;
        self.try_out(&mut connection, sequence)?;
        // Files that stay hold nothing that the database lacks.
        let _ = remove_all(&self.place.disk, &self.place.directory);
        self.backlog.reset();
        let log = Log::begin(self.place.clone(), self.backlog.clone(), sequence);
        self.log = log.map_err(|(error, _)| error)?;
        // A disk that takes no group is not mended.
        self.log.append(&[]).map_err(|(error, _)| error)?;
        self.follow(connection, sequence)
    }

    /// Does the new database take what the follower will write? Else it would fail at once again.
    fn try_out(
        &self,
        connection: &mut rusqlite::Connection,
        sequence: u64,
    ) -> Result<(), StoreError> {
        let (path, now) = (self.place.database(), self.clock.now());
        let asked = self.place.disk.asked(Call::Follow);
        asked.map_err(|cause| StoreError::file("write", &path, cause))?;
        let nothing = std::iter::empty();
        follower::write(connection, nothing, &[], (sequence, now))
            .and_then(|()| follower::checkpoint(connection))
            .map(drop)
            .map_err(|cause| StoreError::sqlite("write", &path, cause))
    }
}
