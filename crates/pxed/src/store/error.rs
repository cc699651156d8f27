//! Why the store can not be had or written, with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::row::UnreadableRow;
use super::schema;

/// Why the store can not be had or written. The text says everything: there is no chain behind it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system does not let us have a file or the directory.
    #[error(
        "cannot {action} {}: {cause}; give --state-dir a directory that the user of pxed may \
         write, on a disk with room",
        path.display()
    )]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another pxed has the store.
    #[error(
        "{owner} has the leases in {}; stop it, or give this one a --state-dir of its own",
        state_dir.display()
    )]
    Locked {
        /// Who.
        owner: String,
        /// Where.
        state_dir: PathBuf,
    },
    /// A database, but not one of leases.
    #[error(
        "{} is a database of another program; move it away, or give --state-dir another directory",
        path.display()
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A newer pxed wrote it.
    #[error(
        "{} has format {version} of a newer pxed, this one knows up to {}; run the newer pxed, or \
         give --state-dir another directory",
        path.display(),
        schema::VERSION
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        version: i32,
    },
    /// The file is damaged, or no database at all.
    #[error(
        "{path} is damaged ({cause}) and was left as it is; stop pxed and restore it from a \
         backup, or save what `sqlite3 {path} .recover` can read, or move {path}, {path}-wal, \
         {path}-shm and the files commits.* beside it away to begin without leases",
        path = path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite found.
        cause: String,
    },
    /// SQLite does not work on the file.
    #[error(
        "cannot {action} {}: {cause}; look whether its disk is full, read-only or failing, and \
         whether another program keeps the database locked",
        path.display()
    )]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What SQLite said.
        cause: String,
        /// Is it as good as it was, but locked or without room?
        passes: bool,
    },
    /// The database can not take the log, and the log may not grow any more.
    #[error("the commit log is full, since the database can not be written: {trouble}")]
    LogFull {
        /// Why.
        trouble: String,
    },
    /// A group of commits is missing or damaged in the log, and later ones are there.
    #[error(
        "the commit log in {} is damaged: group {sequence} is missing or can not be read, and later \
         ones are there ({}), so that leases which were acknowledged are lost. If leases.db was put \
         back from a backup, that is why. Put back all files of the directory together; or move the \
         files commits.* away to go on with what leases.db has, and the addresses of the leases that \
         are lost may be given to others while their clients still use them",
        directory.display(), path.display()
    )]
    Gap {
        /// The state directory.
        directory: PathBuf,
        /// Which group.
        sequence: u64,
        /// Where a later one is.
        path: PathBuf,
    },
    /// Somebody reads the database and does not stop.
    #[error(
        "another program has been reading {} for so long that its write-ahead log grows: end its \
         transaction; leases are durable in the commit log meanwhile",
        path.display()
    )]
    Reader {
        /// Which.
        path: PathBuf,
    },
    /// A commit met a row that can not be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableRow),
    /// More commits wait than the disk can take.
    #[error("the disk does not keep up with the leases: too many wait to be written")]
    QueueFull,
    /// It ends while it can not write.
    #[error("leases could not be stored in the end, since this went wrong: {0}")]
    Unmended(String),
    /// There is no thread to write with.
    #[error("cannot start the thread that writes leases: {0}; raise the limit of tasks of pxed")]
    Thread(io::Error),
    /// The thread that writes has ended before its time.
    #[error("the thread that writes leases has died, which is a bug of pxed; start pxed again")]
    WriterDied,
}

impl StoreError {
    pub(super) fn file(action: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), cause }
    }

    /// SQLite's error, with what it means to the operator.
    pub(super) fn sqlite(action: &'static str, path: &Path, cause: rusqlite::Error) -> Self {
        let (path, text) = (path.to_owned(), cause.to_string());
        match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, cause: text }
            }
            code => {
                use ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
                let passes = matches!(code, Some(DatabaseBusy | DatabaseLocked | DiskFull));
                Self::Sqlite { action, path, cause: text, passes }
            }
        }
    }

    /// Is what is on the disk as good as it was, and only nothing more to be added for now?
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Sqlite { passes, .. } => *passes,
            Self::File { cause, .. } => cause.kind() == io::ErrorKind::StorageFull,
            Self::Reader { .. } => true,
            _ => false,
        }
    }
}
