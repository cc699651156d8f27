//! The commit log: where a lease is durable first.
//!
//! It is written by one thread and read by another, the [follower](super::follower), which takes it
//! into the database. Its files have one size and are allocated whole, so that a commit is one write
//! and one `fdatasync` that has no names or sizes to make durable. A file whose commits the database
//! has is used again.

mod backlog;
mod frame;
mod newest;
mod record;
mod replay;
mod segment;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use pxed_proto::dhcp::Commit;
use pxed_proto::limits;

use super::fault::Kind;
use super::{Place, StoreError};
pub use backlog::Lag;
pub(super) use backlog::{Backlog, Due, Part};
pub(super) use newest::{Newest, Take};
pub(super) use record::{state_number, state_of};
pub(super) use replay::{Replay, read as replay};
pub(super) use segment::{Segment, all as files, is_name, remove_all};

/// The end of the log, where groups are appended.
#[derive(Debug)]
pub(super) struct Log {
    place: Place,
    backlog: Arc<Backlog>,
    segment: Arc<Segment>,
    /// Where the next group goes.
    at: u64,
    /// The last group that was tried.
    sequence: u64,
    /// Of all groups that this log writes: [`frame`].
    mask: u64,
    frame: Vec<u8>,
}

impl Log {
    /// A log that goes on behind the group `sequence`, in a file of its own.
    pub fn begin(
        place: Place,
        backlog: Arc<Backlog>,
        sequence: u64,
    ) -> Result<Self, (StoreError, Kind)> {
        let segment = next_segment(&place, &backlog)?;
        let mask = RandomState::new().build_hasher().finish();
        Ok(Self { place, backlog, segment, at: 0, sequence, mask, frame: Vec::new() })
    }

    /// Makes a group durable, or says what is to be thought of the disk.
    pub fn append(&mut self, group: &[Commit]) -> Result<(), (StoreError, Kind)> {
        frame::write(self.sequence + 1, self.mask, group, &mut self.frame);
        let size = self.frame.len() as u64;
        if self.at + size > limits::LOG_SEGMENT {
            self.make_room()?;
        }
        self.sequence += 1;
        let Segment { file, path } = &*self.segment;
        let written = self.place.disk.write(file, &self.frame, self.at);
        let synced = written.and_then(|()| self.place.disk.sync(file));
        synced.map_err(|cause| (StoreError::file("write", path, cause), Kind::Untrusted))?;
        self.at += size;
        self.backlog.grew(self.at, self.sequence, group.len() as u64);
        Ok(())
    }

    /// Goes on in another file.
    pub fn make_room(&mut self) -> Result<(), (StoreError, Kind)> {
        self.segment = next_segment(&self.place, &self.backlog)?;
        self.at = 0;
        Ok(())
    }

    /// The last group that was tried.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

fn next_segment(place: &Place, backlog: &Backlog) -> Result<Arc<Segment>, (StoreError, Kind)> {
    backlog.next_segment(&place.disk, &place.directory).map_err(|error| (error, Kind::NoRoom))
}
