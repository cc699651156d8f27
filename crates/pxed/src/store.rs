//! The lease store: who has which address, on disk.
//!
//! # Layout
//!
//! The state directory (0700: it tells who is on the network) holds
//!
//! - `commits.0`, `commits.1` ..., the [commit log](log): where a lease is durable first. Files of one
//!   size, allocated whole; few at rest, [`LOG_SEGMENTS_MAX`](pxed_proto::limits::LOG_SEGMENTS_MAX) at
//!   most. A clean stop leaves none;
//! - `leases.db`, a SQLite database of three [tables](schema): `lease_rows`, one row for each address,
//!   `quirks`, what was learned of machines ([`pxed_proto::dhcp::Quirks`]), and `store`, how far it has
//!   followed the log. `sqlite3 leases.db 'SELECT * FROM active'` may be run at any time, beside a
//!   running pxed, and shows what was a second ago, or under load some seconds;
//! - `leases.db-wal` and `leases.db-shm`, SQLite's write-ahead log and its index. They belong to
//!   the database, and so does the commit log: whoever copies or moves one of a pxed that did not end
//!   well takes all. A clean stop removes them;
//! - `leases.db.new`, `leases.db.next`: a database that is being [made anew](rewrite);
//! - `pxed.lock`, locked by the pxed that runs, with its process id: two servers on one table
//!   would each believe that they alone give addresses;
//! - `control.sock`, while pxed runs: [`crate::control`].
//!
//! # What is durable when
//!
//! A [`Commit`](pxed_proto::dhcp::Commit) that was answered as durable survives the loss of power. The
//! thread of the [`Writer`] takes what has queued, whoever it is for, as one group: one
//! [frame](log) with one checksum, one write, one `fdatasync`. So the store gets faster per lease the
//! more machines boot at once, and a lone ACK waits for its own sync only. Where group follows on group
//! they keep a [distance](spacing) of less than half a millisecond, so that syncs do not take the processor
//! from those who ask. Nothing is said of a commit before its group is synced, and the next group is not
//! begun before.
//!
//! The [`follower`], a thread of its own, takes the log into the database: of each address the
//! newest version, in the order of the table, in one transaction; and frees the log's files when that is
//! synced. It works on other files than the writer, rests for nine tenths of the time, and hurries when
//! the log is half full; when the log is full the writer waits for it, and who waits for the writer is
//! told that pxed is busy. How far it is behind is in `pxed status`.
//!
//! # Who wins
//!
//! Each row has a version, and a commit names the one that it replaces. With the log in front there is
//! one writer, by the lock, so that nothing is compared: what pxed has in memory is what is so. Somebody
//! who edits the database of a running pxed is noticed (`PRAGMA data_version`) and told: what pxed writes
//! of a lease next goes over it, and what it does not write is read at the next start. With several
//! servers on one database, a commit that names another version than is there is how a race is lost
//! ([`CommitError::Conflict`](pxed_proto::dhcp::CommitError::Conflict)).
//!
//! # After a crash
//!
//! [`Store::open`] takes what the log has and the database has not into the database, syncs it, and begins
//! the log anew: then the database is all there is. A group at the end that is torn was being
//! written, nobody was told of it, and it is dropped. But a group that is missing or damaged with a whole
//! one behind it had been synced: that is never passed over, and stops the start with a text that
//! says what to do. The table may be one group further than what was answered: a group can reach the disk
//! and the power fail before anybody was told. Such a lease belongs to a client that asked for it and
//! will ask again; no address is given twice by it.
//!
//! Damage of a sector beside the one that is being written is not expected: SQLite expects the same
//! of disks.
//!
//! # When a disk fails
//!
//! When a sync fails, Linux forgets what it could not write, and a second sync would succeed. So after an
//! error of the log or the database nothing that was written is trusted: every commit fails, the DHCP
//! thread hands over its lease table, and a database is [made anew](rewrite) of it, synced and put in the
//! place of the old one, before the next commit is answered. This is tried again, ever more seldom, for as
//! long as it fails ([`fault`]); it is told when it begins and when it ends. Meanwhile the server
//! acknowledges leases that are durable for the time that is left of them, and nobody else
//! (`pxed_proto::dhcp`, `outage.rs`).
//!
//! A disk without room, or a database that somebody else keeps locked, is no such error: what is there is
//! as good as before. The log takes leases until it is full too; then commits fail until there is room.
//!
//! Nothing is ever deleted to get going again. A file that is damaged, of a newer pxed or not ours
//! stops the start with a text that says what to do. A row that can not be read (somebody edited
//! it) is reported and left alone, and its address is not given to anybody: see [`Loaded`].
//!
//! # Time
//!
//! A running pxed counts by the monotonic clock ([`crate::clock`]), so a clock that is set expires nothing
//! and revives nothing. The database knows the latest time that pxed has seen ([`Store::seen`]), written
//! with the leases, and every ten minutes; a start whose clock is behind that goes on from there. A
//! clock that has jumped forward can not be told from time that has passed: leases that are over by it are
//! over. Their addresses stay their clients' until somebody else needs them.
//!
//! # Why both
//!
//! SQLite, because an administrator can read, back up and repair it with a tool that is already there; it
//! has the longest record of surviving crashes; and its SQL is that of PostgreSQL, which can stand
//! behind the same calls (load, commit, stop) where servers share their leases. The log in front, because
//! a row costs SQLite several microseconds and a record of the log a fraction of one: docs/benchmarks.md.
//! The cost is a second format on disk, a database that is a little late, and code that says what a torn
//! group is.

mod disk;
mod error;
mod fault;
mod follower;
mod lock;
mod log;
#[cfg(test)]
mod measure;
mod news;
mod older;
mod ownership;
mod quirk;
mod rewrite;
mod row;
mod schema;
mod spacing;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::User;
use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Lease, Quirk};
use rusqlite::Connection;

use crate::clock::Clock;
use disk::Disk;
pub use error::StoreError;
pub use log::Lag;
pub use news::{Answers, News, Page};
use row::Spoilt;
pub use row::UnreadableRow;
pub use writer::Writer;

/// The lease store, opened. It is read once, by [`Store::load`]; [`Store::start`] makes it write.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    place: Place,
    /// The last group of the commit log that is in the database.
    followed: u64,
    /// The latest time that pxed has seen.
    seen: Timestamp,
    /// Rows that could not be read.
    spoilt: Vec<Spoilt>,
    /// Behind the connection: the next pxed may come when the database is closed.
    lock: File,
}

/// Where the store is.
#[derive(Clone, Debug)]
struct Place {
    directory: PathBuf,
    disk: Disk,
}

/// What the store holds besides leases.
#[derive(Debug)]
pub struct Loaded {
    /// The rows that are no leases, each worth a warning. They stay as they are: whoever has such an
    /// address may well be using it, so a commit for it fails until the row is mended or deleted.
    pub unreadable: Vec<UnreadableRow>,
    /// What was learned of machines, the oldest first.
    pub quirks: Vec<Quirk>,
    /// How many rows of that could not be read. They stay as they are.
    pub unreadable_quirks: usize,
}

impl Store {
    /// Makes the state directory, and what is in it, `user`'s: for root, before it becomes that
    /// user and opens the store.
    pub fn create_for(state_dir: &Path, user: &User) -> io::Result<()> {
        ownership::create_for(state_dir, user)
    }

    /// Opens the store in `state_dir`. Creates the directory, if its parent is there, and the
    /// database. A directory that is there already keeps its mode: it is its owner's business.
    ///
    /// What the commit log holds that the database does not is taken over, durably, before this
    /// returns.
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        Self::open_on(state_dir, Disk::default())
    }

    fn open_on(state_dir: &Path, disk: Disk) -> Result<Self, StoreError> {
        create_directory(state_dir)?;
        let lock = lock::take(state_dir)?;
        let place = Place { directory: state_dir.to_owned(), disk };
        let path = place.database();
        rewrite::complete(&place).map_err(|cause| StoreError::file("replace", &path, cause))?;
        create_file(&path)?;
        let mut connection = schema::open(&path)?;
        let (followed, _) = position(&connection, &path)?;
        let replay = log::replay(state_dir, followed)?;
        take_over(&mut connection, &place, replay)?;
        let (followed, seen) = position(&connection, &path)?;
        Ok(Self { connection, place, followed, seen, spoilt: Vec::new(), lock })
    }

    /// The latest time that pxed has seen in an earlier run: it is not before that now.
    pub fn seen(&self) -> Timestamp {
        self.seen
    }

    /// How many leases are in it.
    pub fn count(&self) -> Result<u32, StoreError> {
        let counted =
            self.connection.query_row("SELECT count(*) FROM lease_rows", [], |row| row.get(0));
        counted.map_err(|cause| StoreError::sqlite("read", &self.place.database(), cause))
    }

    /// Reads everything: every lease that can be read goes to `each`, also those that are over, in
    /// the order of addresses.
    pub fn load(&mut self, each: impl FnMut(Lease)) -> Result<Loaded, StoreError> {
        let path = self.place.database();
        let failed = |cause| StoreError::sqlite("read", &path, cause);
        self.spoilt = row::all(&self.connection, each).map_err(failed)?;
        let (quirks, unreadable_quirks) = quirk::all(&self.connection).map_err(failed)?;
        let unreadable = self.spoilt.iter().map(|spoilt| spoilt.row.clone()).collect();
        Ok(Loaded { unreadable, quirks, unreadable_quirks })
    }

    /// Starts the threads that write. `tell` is called on them, with every group of commits that is
    /// answered and holds up the next group for as long as it takes.
    pub fn start(
        self,
        clock: Clock,
        tell: impl Fn(News) + Send + Sync + 'static,
    ) -> Result<Writer, StoreError> {
        Writer::start(self, clock, tell)
    }
}

impl Place {
    fn database(&self) -> PathBuf {
        self.directory.join("leases.db")
    }
}

/// The last group of the commit log that is in the database, and the latest time.
fn position(connection: &Connection, path: &Path) -> Result<(u64, Timestamp), StoreError> {
    let read = connection.query_row("SELECT followed, seen FROM store", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    });
    let (followed, seen) = read.map_err(|cause| StoreError::sqlite("read", path, cause))?;
    let seen = row::timestamp(seen).unwrap_or(Timestamp::EPOCH);
    Ok((u64::try_from(followed).unwrap_or(0), seen))
}

/// The log's commits become rows, and the log goes. What a page of memory has of the log is not what
/// a disk has that failed before: so it is written again, and synced, before anybody is served by it.
fn take_over(
    connection: &mut Connection,
    place: &Place,
    mut replay: log::Replay,
) -> Result<(), StoreError> {
    let path = place.database();
    if replay.commits > 0 {
        let at = (replay.sequence, Timestamp::EPOCH);
        let written = follower::write(connection, replay.newest.leases(), &[], at);
        written.map_err(|cause| StoreError::sqlite("write", &path, cause))?;
    }
    let directory = &place.directory;
    log::remove_all(&place.disk, directory)
        .map_err(|cause| StoreError::file("remove the commit log in", directory, cause))
}

/// Creates the directory for pxed alone, whatever the umask says, and makes its name durable: a
/// lease is not, in a directory that a crash takes away.
fn create_directory(path: &Path) -> Result<(), StoreError> {
    let create = || {
        DirBuilder::new().mode(0o700).create(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
        File::open(path.join(".."))?.sync_all()
    };
    match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(|cause| StoreError::file("create", path, cause)),
    }
}

/// SQLite would create the file as well, but says less where it can not, and asks the umask about
/// its mode, which it also gives to the log.
fn create_file(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(|cause| StoreError::file("open", path, cause))
}
