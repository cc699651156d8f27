//! The store on a real disk: what it takes comes back, also after a crash, and what is wrong with a
//! file is said.

mod crashes;
mod faults;
mod formats;
mod quirks;
mod spoilt;

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use pxed_proto::dhcp::{ClientKey, Commit, CommitError, CommitId, LeaseState, RelayAgent, Said};
use pxed_proto::machine::HardwareAddress;
use pxed_proto::net::Mac;
use tempfile::TempDir;

use super::disk::Call;
use super::*;

/// A lease of 10.0.0.`host`, as a client that got it for the `version`th time has it.
fn lease(host: u8, version: u64) -> Lease {
    let hardware = HardwareAddress::from(Mac([0x52, 0x54, 0, 0, 0, host]));
    Lease {
        address: Ipv4Addr::new(10, 0, 0, host),
        hardware,
        said: Said::default(),
        state: LeaseState::Leased,
        granted: Timestamp::from_millis(1_700_000_000_000 + version),
        expires: Timestamp::from_millis(1_700_000_600_000 + version),
        version,
    }
}

/// The same of a client that calls itself so.
fn named(host: u8, version: u64, name: &str) -> Lease {
    let lease = lease(host, version);
    Lease { said: Said::new(&lease.client(), Some(name), None), ..lease }
}

fn commit(id: u64, lease: &Lease) -> Commit {
    Commit { id: CommitId(id), lease: lease.clone() }
}

/// A state directory on a disk that can be made to fail, and what a store in it does.
struct Bed {
    directory: TempDir,
    disk: Disk,
}

impl Bed {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), disk: Disk::default() }
    }

    /// A directory with the files of `other` as they are this moment: what a crash leaves.
    fn crashed(other: &Self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.state_dir()).unwrap();
        for name in other.files() {
            fs::copy(other.file(&name), copy.file(&name)).unwrap();
        }
        copy
    }

    /// What is in the state directory that a crash leaves.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.state_dir()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> =
            names.filter(|name| name != "pxed.lock" && name != "leases.db-shm").collect();
        names.sort();
        names
    }

    fn state_dir(&self) -> PathBuf {
        self.directory.path().join("pxed")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state_dir().join(name)
    }

    fn open(&self) -> Store {
        Store::open_on(&self.state_dir(), self.disk.clone()).unwrap()
    }

    fn error(&self) -> String {
        Store::open(&self.state_dir()).unwrap_err().to_string()
    }

    /// What a person does with sqlite3.
    fn sql(&self, sql: &str) {
        Connection::open(self.file("leases.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn start(&self) -> Running {
        let mut store = self.open();
        store.load(drop).unwrap();
        let (tell, news) = channel();
        let writer = store.start(Clock::start(), move |one| drop(tell.send(one))).unwrap();
        Running { writer, news, others: Vec::new() }
    }

    /// Nothing of the log gets into the database.
    fn start_unfollowed(&self) -> Running {
        self.disk.refuse(Call::Follow, Some(libc::ENOSPC));
        let mut running = self.start();
        running.writer.remember(quirks::anything());
        let behind = running.news.recv().unwrap();
        assert!(matches!(behind, News::Behind(_)), "{behind:?}");
        running.others.clear();
        running
    }

    fn leases(&self) -> Vec<Lease> {
        let mut store = self.open();
        leases_of(&mut store)
    }
}

fn leases_of(store: &mut Store) -> Vec<Lease> {
    let mut leases = Vec::new();
    let loaded = store.load(|lease| leases.push(lease)).unwrap();
    assert_eq!(loaded.unreadable, []);
    assert!(leases.is_sorted_by_key(|lease| lease.address));
    leases
}

/// A store that runs.
struct Running {
    writer: Writer,
    news: Receiver<News>,
    /// What came beside answers.
    others: Vec<News>,
}

impl Running {
    /// Commits a batch, and waits for what becomes of all of it.
    fn write(&mut self, batch: Vec<Commit>) -> Answers {
        let count = batch.len();
        self.writer.commit(batch).unwrap();
        self.answers(count)
    }

    fn answers(&mut self, count: usize) -> Answers {
        let mut all = Answers::default();
        while all.durable.len() + all.failed.len() < count {
            match self.news.recv().unwrap() {
                News::Answers(answers) => {
                    all.durable.extend(answers.durable);
                    all.failed.extend(answers.failed);
                    all.error = all.error.or(answers.error);
                }
                other => self.others.push(other),
            }
        }
        all
    }

    fn stop(self) {
        self.writer.stop().unwrap();
    }

    /// Ends without taking the log into the database, as a crash does.
    fn crash(self, bed: &Bed) -> Bed {
        let left = Bed::crashed(bed);
        bed.disk.refuse(Call::Follow, Some(libc::EIO));
        drop(self.writer);
        left
    }
}

fn written(answers: &Answers) -> bool {
    answers.error.is_none() && answers.failed.is_empty()
}

fn ids(ids: impl IntoIterator<Item = u64>) -> Vec<CommitId> {
    ids.into_iter().map(CommitId).collect()
}

#[test]
fn item_59_every_field_comes_back() {
    let chaddr = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    let hardware = |htype, hlen| HardwareAddress::new(htype, hlen, chaddr).unwrap();
    let mut leases: Vec<Lease> = [(1, 6), (1, 5), (1, 0), (6, 6), (32, 16), (255, 1), (0, 0)]
        .into_iter()
        .zip(1..)
        .map(|((htype, hlen), host)| {
            let hardware = hardware(htype, hlen);
            Lease { hardware, ..lease(host, 1) }
        })
        .collect();
    for (identifier, host) in [vec![], vec![0], vec![0xff; 255]].into_iter().zip(10..) {
        let client = ClientKey::Identifier(identifier.into());
        leases.push(Lease { said: Said::new(&client, None, None), ..lease(host, 1) });
    }
    use LeaseState::{Conflict, Declined, Leased, Released};
    for (state, host) in [Leased, Released, Declined, Conflict].into_iter().zip(20..) {
        leases.push(Lease { state, ..named(host, 1, &format!("host-{host}.lab")) });
    }
    // A relay agent that says nothing, one that says something, and a switch.
    let agents =
        [([10, 0, 0, 1], vec![]), ([10, 9, 0, 1], vec![1, 2, 0, 0xff]), ([0; 4], vec![19, 0])];
    for ((giaddr, information), host) in agents.into_iter().zip(26..) {
        let agent = RelayAgent { address: giaddr.into(), information: information.into() };
        let said = Said::new(&lease(host, 1).client(), None, Some(&agent));
        leases.push(Lease { said, ..lease(host, 1) });
    }
    leases.push(Lease { expires: Timestamp::FOREVER, ..lease(30, 1) });
    leases.push(Lease { granted: Timestamp::EPOCH, expires: Timestamp::EPOCH, ..lease(31, 1) });
    let bed = Bed::new();
    let mut running = bed.start_unfollowed();
    let batch = leases.iter().zip(1..).map(|(lease, id)| commit(id, lease)).collect();
    assert!(written(&running.write(batch)));
    let left = running.crash(&bed);
    assert_eq!(left.leases(), leases, "from the log");
    assert_eq!(left.leases(), leases, "from the database");
}

#[test]
fn commits_of_one_address_follow_each_other_in_the_order_of_their_ids() {
    let bed = Bed::new();
    let mut running = bed.start();
    let versions = |range: std::ops::RangeInclusive<u64>| range.map(|n| commit(n, &lease(1, n)));
    running.writer.commit(versions(1..=3).rev().collect()).unwrap();
    for commit in versions(4..=100) {
        running.writer.commit(vec![commit]).unwrap();
    }
    assert_eq!(running.answers(100).durable, ids(1..=100));
    running.stop();
    assert_eq!(bed.leases(), [lease(1, 100)]);
}

#[test]
fn what_queues_behind_a_group_is_one_group_of_bounded_size() {
    let bed = Bed::new();
    let (tell, answers) = channel();
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let told = move |news: News| {
        if let News::Answers(group) = news {
            tell.send(group).unwrap();
            let _ = gate.lock().unwrap().recv();
        }
    };
    let writer = bed.open().start(Clock::start(), told).unwrap();
    writer.commit(vec![commit(1, &lease(1, 1))]).unwrap();
    assert!(written(&answers.recv().unwrap()), "the writer stands at the gate");
    let mut id = 1;
    let refused = loop {
        id += 1;
        let batch = vec![commit(2 * id, &lease(1, 2 * id - 2)), commit(2 * id + 1, &lease(2, 1))];
        if let Err(answers) = writer.commit(batch) {
            break answers;
        }
    };
    assert!(matches!(refused.error, Some(StoreError::QueueFull)));
    let failed = |id| (CommitId(id), CommitError::Failed);
    assert_eq!(refused.failed, [failed(2 * id), failed(2 * id + 1)]);
    drop(go);
    writer.stop().unwrap();
    let sizes: Vec<usize> = answers.iter().map(|group| group.durable.len()).collect();
    assert_eq!(sizes, [1024, 1024]);
}

#[test]
fn a_stop_leaves_one_file_and_a_drop_stops() {
    let bed = Bed::new();
    let mut running = bed.start();
    assert!(written(&running.write(vec![commit(1, &lease(1, 1))])));
    assert_eq!(bed.files(), ["commits.0", "leases.db", "leases.db-wal"]);
    drop(running.writer);
    assert_eq!(bed.files(), ["leases.db"]);
    assert_eq!(bed.leases(), [lease(1, 1)]);
    assert_eq!(bed.files(), ["leases.db"], "nor does who only looks");
}

/// At rest the database has everything within a second: without a commit that would push it.
#[test]
fn the_database_follows_by_itself_and_the_lag_is_shown() {
    let bed = Bed::new();
    let mut running = bed.start_unfollowed();
    assert_eq!(running.writer.lag().commits, 0);
    running.write((1..=3).map(|host| commit(host.into(), &lease(host, 1))).collect());
    running.write(vec![commit(4, &lease(1, 2))]);
    assert_eq!(running.writer.lag().commits, 4);
    bed.disk.refuse(Call::Follow, None);
    loop {
        match running.news.recv().unwrap() {
            News::CaughtUp => break,
            news => assert!(matches!(news, News::Behind(_)), "{news:?}"),
        }
    }
    assert_eq!(running.writer.lag(), Lag::default());
    let reader = Connection::open(bed.file("leases.db")).unwrap();
    let versions = "SELECT group_concat(address || ' ' || version, ', ') FROM leases";
    let versions: String = reader.query_row(versions, [], |row| row.get(0)).unwrap();
    assert_eq!(versions, "10.0.0.1 2, 10.0.0.2 1, 10.0.0.3 1");
}

#[test]
fn files_of_the_log_are_used_again_and_few_are_kept() {
    let bed = Bed::new();
    let mut running = bed.start();
    let name = "a".repeat(253);
    let large = |host| named(host, 1, &name);
    // A dozen files full, each address again and again.
    for round in 0..150 {
        let ids = round * 1000..(round + 1) * 1000;
        let group = ids.map(|id| commit(id, &large(u8::try_from(id % 200).unwrap())));
        let group = group.collect();
        assert!(written(&running.write(group)));
    }
    running.stop();
    assert_eq!(bed.leases().len(), 200);
    assert_eq!(bed.files(), ["leases.db"]);
}

#[test]
fn a_person_can_read_it() {
    let bed = Bed::new();
    let mut running = bed.start();
    let forever = Lease { expires: Timestamp::FOREVER, ..lease(2, 1) };
    let odd = HardwareAddress::new(32, 3, [0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let odd = Lease { hardware: odd.unwrap(), state: LeaseState::Declined, ..lease(3, 1) };
    running.write(vec![commit(1, &lease(1, 1)), commit(2, &forever), commit(3, &odd)]);
    running.stop();
    let reader = Connection::open(bed.file("leases.db")).unwrap();
    let row = |sql: &str| -> (String, String, String) {
        reader.query_row(sql, [], |row| row.try_into()).unwrap()
    };
    let active = row("SELECT address, hardware, expires FROM active");
    assert_eq!(active, ("10.0.0.2".into(), "52:54:00:00:00:02".into(), "never".into()));
    let declined = row("SELECT address, hardware, state FROM leases WHERE state = 'declined'");
    assert_eq!(declined, ("10.0.0.3".into(), "htype 32: 800001".into(), "declined".into()));
}

/// Somebody writes to the database beside pxed: it says so once, and goes on.
#[test]
fn who_edits_the_database_of_a_running_pxed_is_told() {
    let bed = Bed::new();
    let mut running = bed.start();
    running.write(vec![commit(1, &lease(1, 1))]);
    bed.sql("CREATE TABLE notes (x); UPDATE lease_rows SET version = 7");
    running.write(vec![commit(2, &lease(1, 2))]);
    let Running { writer, news, others } = running;
    writer.stop().unwrap();
    let edited = others.into_iter().chain(news).filter(|one| matches!(one, News::Edited(_)));
    assert_eq!(edited.count(), 1);
    assert_eq!(bed.leases(), [lease(1, 2)], "what pxed knows wins");
}

#[test]
fn a_second_pxed_hears_who_has_the_store() {
    let bed = Bed::new();
    let first = bed.open();
    let pid = std::process::id();
    let error = bed.error();
    assert!(error.starts_with(&format!("another pxed (process {pid}) has the leases")), "{error}");
    drop(first);
    bed.open();
}

#[test]
fn the_directory_is_for_pxed_alone_unless_it_was_there() {
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let bed = Bed::new();
    let running = bed.start();
    assert_eq!(mode(bed.state_dir()), 0o700);
    for file in ["leases.db", "leases.db-wal", "commits.0", "pxed.lock"] {
        assert_eq!(mode(bed.file(file)), 0o600, "{file}");
    }
    drop(running);
    let shared = Bed::new();
    fs::create_dir(shared.state_dir()).unwrap();
    fs::set_permissions(shared.state_dir(), Permissions::from_mode(0o755)).unwrap();
    shared.open();
    assert_eq!(mode(shared.state_dir()), 0o755);
}

#[test]
fn what_the_system_does_not_let_us_have_is_named() {
    let bed = Bed::new();
    fs::create_dir_all(bed.file("leases.db")).unwrap();
    let error = bed.error();
    assert!(error.contains("pxed/leases.db: Is a directory (os error 21); give --state-dir"));
    let nowhere = Store::open(&bed.directory.path().join("no/where")).unwrap_err().to_string();
    assert!(nowhere.contains("no/where: No such file or directory"), "{nowhere}");
}

/// Items 128: a machine whose clock begins in 1970 at every start.
#[test]
fn time_goes_on_from_what_the_store_has_seen() {
    let bed = Bed::new();
    assert_eq!(bed.open().seen(), Timestamp::EPOCH);
    let before = Clock::start().now();
    let mut running = bed.start();
    running.write(vec![commit(1, &lease(1, 1))]);
    running.stop();
    let seen = bed.open().seen();
    assert!(seen >= before, "{seen:?}");
    // In the log it is what was granted last.
    let late = Lease { granted: Timestamp::from_millis(1 << 45), ..lease(1, 2) };
    let mut running = bed.start_unfollowed();
    running.write(vec![commit(2, &late)]);
    assert_eq!(running.crash(&bed).open().seen(), late.granted);
}
