//! A group of commits: one transaction, one sync of the disk.

use std::path::Path;

use pxed_proto::dhcp::{Commit, CommitError, CommitId, Lease};
use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;
use super::row::{self, UnreadableRow};

/// What became of a group of commits.
#[derive(Debug)]
pub struct Answers {
    /// Each commit, for [`Server::committed`](pxed_proto::dhcp::Server::committed).
    pub commits: Vec<(CommitId, Result<(), CommitError>)>,
    /// Why commits [failed](CommitError::Failed), once for all of them.
    pub error: Option<StoreError>,
}

/// What became of one commit within a transaction.
enum Put {
    Written,
    Conflict(Option<Lease>),
    Unreadable(UnreadableRow),
}

impl Answers {
    /// The whole group has failed.
    pub(super) fn failed(group: &[Commit], error: StoreError) -> Self {
        let commits = group.iter().map(|commit| (commit.id, Err(CommitError::Failed))).collect();
        Self { commits, error: Some(error) }
    }
}

/// Writes a group in the order of its ids, all of it or nothing, and says what became of each.
pub(super) fn write(connection: &mut Connection, path: &Path, mut group: Vec<Commit>) -> Answers {
    group.sort_by_key(|commit| commit.id);
    match transact(connection, &group) {
        Ok(puts) => answers(&group, puts),
        Err(cause) => Answers::failed(&group, StoreError::sqlite("write", path, cause)),
    }
}

/// Rolls back, by dropping the transaction, wherever it does not come to its end.
fn transact(connection: &mut Connection, group: &[Commit]) -> rusqlite::Result<Vec<Put>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let puts = group.iter().map(|commit| put(&transaction, &commit.lease));
    let puts = puts.collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(puts)
}

/// A commit that can not be carried out changes nothing, and does not disturb the others.
fn put(connection: &Connection, lease: &Lease) -> rusqlite::Result<Put> {
    if row::put(connection, lease)? {
        return Ok(Put::Written);
    }
    Ok(match row::get(connection, lease.address)?.transpose() {
        Ok(stored) => Put::Conflict(stored),
        Err(unreadable) => Put::Unreadable(unreadable),
    })
}

fn answers(group: &[Commit], puts: Vec<Put>) -> Answers {
    let mut error = None;
    let mut answer = |put| match put {
        Put::Written => Ok(()),
        Put::Conflict(stored) => Err(CommitError::Conflict(stored)),
        Put::Unreadable(unreadable) => {
            error = Some(unreadable.into());
            Err(CommitError::Failed)
        }
    };
    let ids = group.iter().map(|commit| commit.id);
    let commits = ids.zip(puts.into_iter().map(&mut answer)).collect();
    Answers { commits, error }
}
