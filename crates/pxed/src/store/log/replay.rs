//! The log that a pxed left that did not end well: what of it is to be taken into the database.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::frame::{self, ALIGNMENT};
use super::newest::{Newest, Take};
use super::segment;
use crate::store::StoreError;

/// What a log holds that the database does not.
#[derive(Debug)]
pub(in crate::store) struct Replay {
    pub newest: Newest,
    /// The last whole group.
    pub sequence: u64,
    /// How many commits there are.
    pub commits: u64,
}

/// Reads the groups behind `followed`, up to the last whole one. What is not whole behind it was
/// being written when the power went, and nobody was told of it; but where a later group is whole, an
/// earlier one was durable and is damaged.
pub(in crate::store) fn read(directory: &Path, followed: u64) -> Result<Replay, StoreError> {
    let failed = |cause| StoreError::file("read", directory, cause);
    let mut replay = Replay { newest: Newest::default(), sequence: followed, commits: 0 };
    let mut rests = Vec::new();
    for (_, path) in in_order(segment::all(directory).map_err(failed)?)? {
        rests.push((replay.take_file(&path)?, path));
    }
    for (end, path) in rests {
        if holds_later(&path, end, replay.sequence)? {
            let (sequence, path) = (replay.sequence + 1, path.clone());
            return Err(StoreError::Gap { directory: directory.to_owned(), sequence, path });
        }
    }
    Ok(replay)
}

impl Replay {
    /// Takes what follows from a file, and returns where that ends in it.
    fn take_file(&mut self, path: &Path) -> Result<usize, StoreError> {
        let (sequence, commits) = (&mut self.sequence, &mut self.commits);
        let begin = read_file(&mut self.newest, path)?;
        let end = self.newest.take(begin, |frame| {
            if frame.sequence <= *sequence {
                return Take::Nothing;
            }
            if frame.sequence != *sequence + 1 {
                return Take::End;
            }
            *sequence = frame.sequence;
            *commits += u64::from(frame.commits);
            Take::Records
        });
        self.newest.cut(end);
        Ok(end - begin)
    }
}

/// The files by their first groups. A file without one holds nothing, or what is torn.
fn in_order(paths: Vec<PathBuf>) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut files = Vec::new();
    for path in paths {
        let mut newest = Newest::default();
        let begin = read_file(&mut newest, &path)?;
        let first = frame::read(newest.octets().get(begin..).unwrap_or_default());
        files.push((first.map_or(u64::MAX, |frame| frame.sequence), path));
    }
    files.sort_unstable();
    Ok(files)
}

fn read_file(newest: &mut Newest, path: &Path) -> Result<usize, StoreError> {
    let failed = |cause| StoreError::file("read", path, cause);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    newest.read(&file, 0, length).map_err(failed)
}

/// Is there a whole group behind `last`, somewhere behind `at`?
fn holds_later(path: &Path, at: usize, last: u64) -> Result<bool, StoreError> {
    let mut newest = Newest::default();
    read_file(&mut newest, path)?;
    let places = (at..newest.octets().len()).step_by(ALIGNMENT);
    let mut frames = places.filter_map(|at| frame::read(newest.octets().get(at..)?));
    Ok(frames.any(|frame| frame.sequence > last))
}
