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
         backup, or save what `sqlite3 {path} .recover` can read, or move {path}, {path}-wal and \
         {path}-shm away to begin without leases",
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
    },
    /// A commit met a row that can not be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableRow),
    /// More commits wait than the disk can take.
    #[error("the disk does not keep up with the leases: too many wait to be written")]
    QueueFull,
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
            _ => Self::Sqlite { action, path, cause: text },
        }
    }
}
