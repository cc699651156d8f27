//! What the store tells the DHCP thread.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::dhcp::{Commit, CommitError, CommitId, Lease, Quirk};
use pxed_proto::event::StoreEvent;

use super::StoreError;

/// Takes news, on the store's threads.
pub(super) type Tell = Arc<dyn Fn(News) + Send + Sync>;

/// What the store has to say.
#[derive(Debug)]
pub enum News {
    /// What became of a group of commits.
    Answers(Answers),
    /// It can not write: every commit fails until it says otherwise. Told once.
    Fails(StoreError),
    /// It makes the database anew, and wants the leases behind this address: [`Page`]. None may be
    /// among them whose commit is not answered yet.
    Wants(Option<Ipv4Addr>),
    /// It writes again, after so long.
    Works(Duration),
    /// Leases are durable, but the database does not get them for now. Told once.
    Behind(StoreError),
    /// It does again.
    CaughtUp,
    /// Another program has written to the database.
    Edited(PathBuf),
}

impl News {
    /// Is it worth waking someone for?
    pub fn is_trouble(&self) -> bool {
        matches!(self, Self::Fails(_) | Self::Behind(_) | Self::Edited(_))
    }

    /// What is told of it, if it is not between the store and the DHCP thread alone.
    pub fn told(self) -> Option<StoreEvent> {
        Some(match self {
            Self::Answers(_) | Self::Wants(_) => return None,
            Self::Fails(error) => StoreEvent::Fails { error: error.to_string() },
            Self::Works(after) => StoreEvent::Works { after },
            Self::Behind(error) => StoreEvent::Behind { error: error.to_string() },
            Self::CaughtUp => StoreEvent::CaughtUp,
            Self::Edited(path) => StoreEvent::Edited { file: path.display().to_string() },
        })
    }
}

/// What became of a group of commits.
#[derive(Debug, Default)]
pub struct Answers {
    /// Those that are durable.
    pub durable: Vec<CommitId>,
    /// Those that are not, for [`Server::committed`](pxed_proto::dhcp::Server::committed).
    pub failed: Vec<(CommitId, CommitError)>,
    /// Why, where it is not told by [`News::Fails`].
    pub error: Option<StoreError>,
}

impl Answers {
    /// The whole group has failed.
    pub(super) fn failed(group: &[Commit], error: Option<StoreError>) -> Self {
        let failed = group.iter().map(|commit| (commit.id, CommitError::Failed)).collect();
        Self { durable: Vec::new(), failed, error }
    }
}

/// A part of the lease table, for a database that is made anew.
#[derive(Debug)]
pub struct Page {
    /// The address behind which it begins, as it was wanted.
    pub after: Option<Ipv4Addr>,
    /// Every lease, also those that are over.
    pub leases: Vec<Lease>,
    /// Behind what address it goes on; `None`: that is all.
    pub next: Option<Ipv4Addr>,
    /// What was learned of machines, with the last page.
    pub quirks: Vec<Quirk>,
}
