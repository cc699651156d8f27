//! The lease store: who has which address, on disk.
//!
//! # Layout
//!
//! The state directory (0700: it tells who is on the network) holds
//!
//! - `leases.db`, a SQLite database with two [tables](schema): `leases`, one row for each address,
//!   and `quirks`, what was learned of machines ([`pxed_proto::dhcp::Quirks`]).
//!   `sqlite3 leases.db 'SELECT * FROM active'` may be run at any time, beside a running pxed;
//! - `leases.db-wal` and `leases.db-shm`, SQLite's write-ahead log and its index. They belong to
//!   the database: whoever copies or moves one takes all three. A clean stop removes them;
//! - `pxed.lock`, locked by the pxed that runs, with its process id: two servers on one table
//!   would each believe that they alone give addresses;
//! - `control.sock`, while pxed runs: [`crate::control`].
//!
//! # What is durable when
//!
//! A [`Commit`](pxed_proto::dhcp::Commit) that was answered `Ok` survives the loss of power. The
//! thread of the [`Writer`] takes what has queued, whoever it is for, as one transaction, and
//! SQLite (`synchronous=FULL`) answers after the log was synced to disk: one sync for the group,
//! so the store gets faster per lease the more machines boot at once. Nothing is said of a commit
//! before its group is durable.
//!
//! Each row has a version, and a commit replaces only the version before its own. Today there is
//! one writer and a conflict is a bug or an edit by hand; with several servers on one database it
//! is how a race is lost. A commit that conflicts comes back with the row that won, and the rest
//! of its group is durable. If the transaction itself fails, it is rolled back, every commit of
//! the group has failed, and the next group is tried as if nothing had been.
//!
//! # After a crash
//!
//! The log holds whole transactions with checksums. The next [`Store::open`] takes over those that
//! are complete and drops what was being written, so the table is as it was after the last durable
//! group. It may be one group further than what was answered: a group can reach the disk and the
//! power fail, or the sync report an error, before anybody was told. Such a lease belongs to a
//! client that asked for it and will ask again; no address is given twice by it.
//!
//! When a sync fails, Linux forgets what it could not write, and a second sync would succeed. No
//! group lives by a second sync: the next one writes the same part of the log anew, and the log is
//! begun again only after the database file itself was synced. An error that passes costs answers,
//! no leases; one that stays is reported with every group.
//!
//! Nothing is ever deleted to get going again. A file that is damaged, of a newer pxed or not ours
//! stops the start with a text that says what to do. A row that can not be read (somebody edited
//! it) is reported and left alone, and its address is not given to anybody: see [`Loaded`].
//!
//! # Why SQLite
//!
//! Because an administrator can read, back up and repair it with a tool that is already there; it
//! has the longest record of surviving crashes; and its SQL is that of PostgreSQL, which can stand
//! behind the same three calls (load, commit, stop) where servers share their leases. A log of our
//! own is several times faster in large groups, and still no boot storm needs it: reads never come
//! here, the lease table is in memory.

mod error;
mod group;
mod lock;
mod ownership;
mod quirk;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::User;
use pxed_proto::dhcp::{Lease, Quirk};
use rusqlite::{Connection, OpenFlags};

pub use error::StoreError;
pub use group::Answers;
pub use row::UnreadableRow;
pub use writer::Writer;

/// The lease store, opened. It is read once, by [`Store::load`]; [`Store::start`] makes it write.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Behind the connection: the next pxed may come when the database is closed.
    _lock: File,
}

/// What the store holds.
#[derive(Debug)]
pub struct Loaded {
    /// Every lease that could be read, also those that are over, in no order.
    pub leases: Vec<Lease>,
    /// The rows that could not, each worth a warning. They stay as they are: whoever has such an
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
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        create_directory(state_dir)?;
        let lock = lock::take(state_dir)?;
        let path = state_dir.join("leases.db");
        create_file(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags)
            .map_err(|cause| StoreError::sqlite("open", &path, cause))?;
        schema::prepare(&mut connection, &path)?;
        Ok(Self { connection, path, _lock: lock })
    }

    /// Reads everything.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let failed = |cause| StoreError::sqlite("read", &self.path, cause);
        let (leases, unreadable) = row::all(&self.connection).map_err(failed)?;
        let (quirks, unreadable_quirks) = quirk::all(&self.connection).map_err(failed)?;
        Ok(Loaded { leases, unreadable, quirks, unreadable_quirks })
    }

    /// Starts the thread that writes. `answers` is called on it, once for each group of commits,
    /// and holds up the next group for as long as it takes.
    pub fn start(self, answers: impl Fn(Answers) + Send + 'static) -> Result<Writer, StoreError> {
        Writer::start(self, answers)
    }

    /// Takes the log into the database and closes it.
    fn close(self) -> Result<(), StoreError> {
        let failed = |cause| StoreError::sqlite("close", &self.path, cause);
        // A row comes back also where a reader is in the way: the log stays, and is as durable.
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(checkpoint, [], |_| Ok(())).map_err(failed)?;
        self.connection.close().map_err(|(_, cause)| failed(cause))
    }
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
