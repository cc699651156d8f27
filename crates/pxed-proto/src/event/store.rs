//! What becomes of the lease store, for those who watch over it.

use std::fmt;
use std::time::Duration;

use crate::time::Human;

/// The lease store does something else from now on. One for each change, however many leases it is
/// about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// It can not write: nothing is leased anew.
    Fails {
        /// What the system says.
        error: String,
    },
    /// It writes again.
    Works {
        /// For how long it could not.
        after: Duration,
    },
    /// Leases are durable, but who reads the database does not see them.
    Behind {
        /// Why the database can not be written.
        error: String,
    },
    /// The database gets them again.
    CaughtUp,
    /// Another program has written to the database.
    Edited {
        /// Its path.
        file: String,
    },
}

impl StoreEvent {
    /// One word for it.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Fails { .. } => "fails",
            Self::Works { .. } => "works",
            Self::Behind { .. } => "behind",
            Self::CaughtUp => "caught-up",
            Self::Edited { .. } => "edited",
        }
    }

    /// Is it worth waking someone for?
    pub const fn is_trouble(&self) -> bool {
        matches!(self, Self::Fails { .. } | Self::Behind { .. } | Self::Edited { .. })
    }
}

impl fmt::Display for StoreEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails { error } => write!(
                f,
                "leases can not be stored: {error}. Until they can, leases that are stored are \
                 acknowledged for the time that is left of them, and nothing is leased anew"
            ),
            Self::Works { after } => {
                write!(f, "leases are stored again, after {}", Human(*after))
            }
            Self::Behind { error } => {
                write!(f, "leases are durable, but leases.db does not get them for now: {error}")
            }
            Self::CaughtUp => f.write_str("leases.db gets the leases again"),
            Self::Edited { file } => write!(
                f,
                "another program has changed {file} while pxed runs: what pxed knows is written over it \
                 when a lease changes next, and the rest is read at the next start; stop pxed to edit it"
            ),
        }
    }
}
