//! A model of the lease store: what it says is durable survives a crash, nothing else does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Commit, CommitError, CommitId, Learned, Lease, Quirk, Signature};
use pxed_proto::machine::HardwareAddress;

use crate::random::Random;

/// How the store does today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Every group is written.
    Good,
    /// So many groups in a thousand are not written, and the server is told.
    Failing(u32),
    /// So many groups in a thousand are written, and the server is told that they were not: the
    /// disk was quicker than its answer.
    Doubtful(u32),
    /// So many rows in a thousand are not written, and the server is told that they were. No
    /// store may do this: it is here to show that the invariants notice.
    Lying(u32),
}

/// The store: rows, and commits on their way to become rows.
#[derive(Clone, Debug)]
pub struct Store {
    rows: BTreeMap<Ipv4Addr, Lease>,
    /// Every row that ever was durable.
    history: Vec<Lease>,
    /// How the store does.
    pub health: Health,
    /// How long a group takes.
    pub latency: Duration,
    waiting: VecDeque<Waiting>,
    writing: Option<Writing>,
    last: CommitId,
    /// When a row's last commit failed: what was built on it may fail too.
    failed: BTreeMap<Ipv4Addr, Timestamp>,
    /// Rows that the server knows nothing of, since it was told that they failed.
    doubtful: BTreeSet<Ipv4Addr>,
    random: Random,
    /// What was learned of machines.
    quirks: BTreeMap<(HardwareAddress, Arc<Signature>), Quirk>,
}

#[derive(Clone, Debug)]
struct Waiting {
    commit: Commit,
    since: Timestamp,
}

#[derive(Clone, Debug)]
struct Writing {
    group: Vec<Waiting>,
    done: Timestamp,
}

/// The store's answer to one commit.
#[derive(Clone, Debug)]
pub struct Answer {
    /// To which.
    pub id: CommitId,
    /// The row as it was to be.
    pub lease: Lease,
    /// What became of it.
    pub result: Result<(), CommitError>,
}

impl Store {
    /// Keeps what was learned of machines.
    pub fn learn(&mut self, learned: Vec<Learned>) {
        for learned in learned {
            match learned {
                Learned::Works(quirk) => {
                    self.quirks.insert((quirk.hardware, quirk.signature.clone()), quirk);
                }
                Learned::Forgotten(hardware, signature) => {
                    self.quirks.remove(&(hardware, signature));
                }
            }
        }
    }

    /// What was learned of machines.
    pub fn quirks(&self) -> impl Iterator<Item = &Quirk> {
        self.quirks.values()
    }

    /// An empty store.
    pub fn new(random: Random) -> Self {
        Self {
            rows: BTreeMap::new(),
            history: Vec::new(),
            health: Health::Good,
            latency: Duration::from_millis(2),
            waiting: VecDeque::new(),
            writing: None,
            last: CommitId::default(),
            failed: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            random,
            quirks: BTreeMap::new(),
        }
    }

    /// The rows, as a server loads them when it starts.
    pub fn load(&self) -> impl Iterator<Item = &Lease> {
        self.rows.values()
    }

    /// Was there ever a durable row of which `is` says `true`?
    pub fn ever_held(&self, is: impl Fn(&Lease) -> bool) -> bool {
        self.history.iter().rev().any(is)
    }

    /// Takes a commit. `Err` says what is wrong with it.
    pub fn submit(&mut self, commit: Commit, now: Timestamp) -> Result<(), String> {
        let (id, last) = (commit.id, std::mem::replace(&mut self.last, commit.id));
        self.waiting.push_back(Waiting { commit, since: now });
        self.begin(now);
        if id > last { Ok(()) } else { Err(format!("{id:?} was submitted after {last:?}")) }
    }

    /// When the group that is being written is done.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.writing.as_ref().map(|writing| writing.done)
    }

    /// Ends the group if its time has come. `Err` names a commit that does not follow from what
    /// was there before.
    pub fn handle_timeout(&mut self, now: Timestamp) -> (Vec<Answer>, Vec<String>) {
        let Some(writing) = self.writing.take_if(|writing| writing.done <= now) else {
            return (Vec::new(), Vec::new());
        };
        let (fails, doubtful) = match self.health {
            Health::Failing(chance) => (self.random.chance(chance), false),
            Health::Doubtful(chance) => (false, self.random.chance(chance)),
            Health::Good | Health::Lying(_) => (false, false),
        };
        let mut wrong = Vec::new();
        let answers = writing.group.into_iter().map(|waiting| {
            let result = if fails { Err(CommitError::Failed) } else { self.write(&waiting.commit) };
            if result.is_err() {
                wrong.extend(self.note_failure(&waiting, &result, now));
            } else if doubtful {
                self.doubtful.insert(waiting.commit.lease.address);
            }
            let result = if doubtful { result.and(Err(CommitError::Failed)) } else { result };
            Answer { id: waiting.commit.id, lease: waiting.commit.lease, result }
        });
        let answers = answers.collect();
        self.begin(now);
        (answers, wrong)
    }

    /// The power goes: what waits is lost; what is being written may have arrived, all or nothing.
    /// Returns how many commits nobody will hear of again.
    pub fn crash(&mut self) -> usize {
        let mut unanswered = self.waiting.len();
        self.waiting.clear();
        if let Some(writing) = self.writing.take() {
            unanswered += writing.group.len();
            if self.health == Health::Good && self.random.chance(500) {
                for waiting in &writing.group {
                    drop(self.write(&waiting.commit));
                }
            }
        }
        self.failed.clear();
        self.doubtful.clear();
        self.last = CommitId::default();
        unanswered
    }

    fn begin(&mut self, now: Timestamp) {
        if self.writing.is_none() && !self.waiting.is_empty() {
            let group = self.waiting.drain(..).collect();
            self.writing = Some(Writing { group, done: now + self.latency });
        }
    }

    /// The conditional write of one row.
    fn write(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let lease = &commit.lease;
        let row = self.rows.get(&lease.address);
        if row.map_or(0, |row| row.version) + 1 != lease.version {
            return Err(CommitError::Conflict(row.cloned()));
        }
        if matches!(self.health, Health::Lying(chance) if self.random.chance(chance)) {
            return Ok(());
        }
        self.history.push(lease.clone());
        self.rows.insert(lease.address, lease.clone());
        Ok(())
    }

    /// A conflict is allowed only to what was built on a change that failed, or seemed to.
    fn note_failure(
        &mut self,
        waiting: &Waiting,
        result: &Result<(), CommitError>,
        now: Timestamp,
    ) -> Option<String> {
        let address = waiting.commit.lease.address;
        let before = self.failed.insert(address, now);
        let built_on_it = before.is_some_and(|failed| waiting.since <= failed);
        let excused = self.doubtful.remove(&address) || built_on_it;
        match result {
            Err(CommitError::Conflict(row)) if !excused => {
                let found = row.as_ref().map_or(0, |row| row.version);
                let version = waiting.commit.lease.version;
                Some(format!("version {version} of {address} was to follow version {found}"))
            }
            _ => None,
        }
    }
}
