//! What is durable in the log and not yet in the database: the writer's and the follower's common
//! ground.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pxed_proto::dhcp::Learned;
use pxed_proto::limits;

use super::segment::Segment;
use crate::store::StoreError;
use crate::store::disk::Disk;

/// How far the database is behind the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// How many commits it does not have yet.
    pub commits: u64,
    /// For how long the first of them has waited.
    pub age: Duration,
}

/// A file of the log with commits that the database does not have.
#[derive(Clone, Debug)]
pub(in crate::store) struct Part {
    pub segment: Arc<Segment>,
    /// What of it is behind.
    pub from: u64,
    pub to: u64,
    /// Its last durable group.
    pub sequence: u64,
    /// How many commits are behind, and since when.
    pub commits: u64,
    since: Option<Instant>,
}

/// What the follower is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Due {
    /// To take a part of the log.
    Pass,
    /// To take all that is left, and end.
    Finish,
    /// To end at once: the database is made anew.
    Abandon,
}

/// Shared by both threads.
#[derive(Debug)]
pub(in crate::store) struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// The oldest first; the last is being written.
    parts: VecDeque<Part>,
    /// Files whose commits the database has.
    spare: Vec<Arc<Segment>>,
    learned: Vec<Learned>,
    order: Due,
    /// Why the database does not follow.
    trouble: Option<String>,
    /// Why the follower has ended.
    failure: Option<StoreError>,
}

impl Backlog {
    pub fn new() -> Self {
        let state = State {
            parts: VecDeque::new(),
            spare: Vec::new(),
            learned: Vec::new(),
            order: Due::Pass,
            trouble: None,
            failure: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file to write to from now on. Where there are as many as may be, the writer waits for the
    /// follower, unless that has no hope.
    pub fn next_segment(&self, disk: &Disk, directory: &Path) -> Result<Arc<Segment>, StoreError> {
        let segment = match self.spare_segment()? {
            Some(segment) => segment,
            // Nobody waits for this but the writer, who alone adds files.
            None => Arc::new(Segment::allocate(disk, directory).map_err(|cause| {
                StoreError::file("make a file of the commit log in", directory, cause)
            })?),
        };
        let part =
            Part { segment: segment.clone(), from: 0, to: 0, sequence: 0, commits: 0, since: None };
        self.state().parts.push_back(part);
        self.changed.notify_all();
        Ok(segment)
    }

    /// A file that is used again; `None` if there may be one more.
    fn spare_segment(&self) -> Result<Option<Arc<Segment>>, StoreError> {
        let mut state = self.state();
        loop {
            if let Some(segment) = state.spare.pop() {
                return Ok(Some(segment));
            }
            if state.parts.len() < limits::LOG_SEGMENTS_MAX {
                return Ok(None);
            }
            if let Some(trouble) = &state.trouble {
                return Err(StoreError::LogFull { trouble: trouble.clone() });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A group of so many commits is durable in the file that is being written, up to `to`.
    pub fn grew(&self, to: u64, sequence: u64, commits: u64) {
        let mut state = self.state();
        let was_empty = !state.is_behind();
        if let Some(part) = state.parts.back_mut() {
            (part.to, part.sequence) = (to, sequence);
            part.commits += commits;
            part.since.get_or_insert_with(Instant::now);
        }
        if was_empty {
            self.changed.notify_all();
        }
    }

    /// Something to write with the next part; `false`: there is no room for it.
    pub fn learn(&self, learned: Vec<Learned>) -> bool {
        let mut state = self.state();
        let has_room = state.learned.len() + learned.len() <= limits::QUIRK_MACHINES_MAX;
        if has_room {
            state.learned.extend(learned);
            self.changed.notify_all();
        }
        has_room
    }

    /// Has the follower finish or abandon its work.
    pub fn order(&self, order: Due) {
        self.state().order = order;
        self.changed.notify_all();
    }

    /// Nothing is behind: another log begins.
    pub fn reset(&self) {
        let mut state = self.state();
        state.parts.clear();
        state.spare.clear();
        (state.order, state.trouble, state.failure) = (Due::Pass, None, None);
    }

    /// The follower ends: the database can not be trusted.
    pub fn set_failure(&self, error: StoreError) {
        let mut state = self.state();
        state.trouble = Some(error.to_string());
        state.failure = Some(error);
        drop(state);
        self.changed.notify_all();
    }

    /// Why the follower has ended, said once.
    pub fn take_failure(&self) -> Option<StoreError> {
        self.state().failure.take()
    }

    /// The writer waits no longer for a follower that can not go on.
    pub fn set_trouble(&self, trouble: Option<String>) {
        self.state().trouble = trouble;
        self.changed.notify_all();
    }

    /// Waits for what is to be done: nothing before `rest` is over, unless the log is half full and
    /// the database can be written; and a pass also when `at_latest` comes and there is nothing to take.
    pub fn wait(&self, rest: Instant, at_latest: Instant) -> Due {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let until = if state.has_work() { rest } else { at_latest };
            if state.order != Due::Pass {
                return state.order;
            }
            if now >= until || state.is_urgent() && state.trouble.is_none() {
                return Due::Pass;
            }
            let waited = self.changed.wait_timeout(state, until - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The oldest parts, as many as are taken at once; and what was learned.
    pub fn oldest(&self) -> (Vec<Part>, Vec<Learned>) {
        let mut state = self.state();
        let parts = state.parts.iter().take(limits::FOLLOW_SEGMENTS_MAX).cloned().collect();
        (parts, std::mem::take(&mut state.learned))
    }

    /// The database has these durably. Files that are not being written are free.
    pub fn followed(&self, parts: &[Part]) {
        let mut freed = Vec::new();
        let mut state = self.state();
        for followed in parts {
            let sealed = state.parts.len() > 1;
            let Some(part) = state.parts.front_mut() else { break };
            part.from = followed.to;
            part.commits -= followed.commits;
            part.since = (part.commits > 0).then(Instant::now);
            if sealed && part.from == part.to {
                freed.extend(state.parts.pop_front().map(|part| part.segment));
            }
        }
        let room = limits::LOG_SPARE.saturating_sub(state.spare.len());
        state.spare.extend(freed.drain(..room.min(freed.len())));
        drop(state);
        self.changed.notify_all();
        // A name that comes back after a crash has nothing that the database lacks.
        freed.iter().for_each(|segment| drop(std::fs::remove_file(&segment.path)));
    }

    /// Is the log so full that following can not wait?
    pub fn is_urgent(&self) -> bool {
        self.state().is_urgent()
    }

    pub fn lag(&self) -> Lag {
        let state = self.state();
        let since = state.parts.iter().find_map(|part| part.since);
        Lag {
            commits: state.parts.iter().map(|part| part.commits).sum(),
            age: since.map_or(Duration::ZERO, |since| since.elapsed()),
        }
    }
}

impl State {
    fn is_behind(&self) -> bool {
        self.parts.iter().any(|part| part.from < part.to)
    }

    fn has_work(&self) -> bool {
        self.is_behind() || !self.learned.is_empty()
    }

    fn is_urgent(&self) -> bool {
        self.parts.len() > limits::LOG_SEGMENTS_MAX / 2
    }
}
