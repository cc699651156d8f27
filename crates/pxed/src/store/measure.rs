//! What the store costs: `cargo test --release -p pxed --bin pxed store::measure -- --ignored --nocapture
//! --test-threads 1`. Nothing is asserted about time; docs/benchmarks.md has what was seen.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use pxed_proto::dhcp::{Commit, CommitId, LeaseState, Said};
use pxed_proto::machine::HardwareAddress;
use pxed_proto::net::Mac;
use rusqlite::params;

use super::disk::Call;
use super::*;

/// Lease number `n` in its `version`th version.
fn lease(n: u32, version: u64) -> Lease {
    let [_, a, b, c] = n.to_be_bytes();
    let granted = Timestamp::from_millis(1_700_000_000_000 + version);
    Lease {
        address: std::net::Ipv4Addr::from_bits(0x0a00_0000 + n),
        hardware: HardwareAddress::from(Mac([2, 0, 0, a, b, c])),
        said: Said::default(),
        state: LeaseState::Leased,
        granted,
        expires: granted + Duration::from_secs(3600),
        version,
    }
}

/// User and system time of all threads.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap().into()
}

/// Does something `count` times over, and says what one cost.
fn cost(name: &str, count: u32, work: impl FnOnce()) {
    let (began, before) = (Instant::now(), cpu());
    work();
    let (took, used) = (began.elapsed(), cpu() - before);
    let (rate, each) = (f64::from(count) / took.as_secs_f64(), used.as_secs_f64() * 1e6);
    eprintln!("{name:<34} {rate:>9.0}/s  {:>7.2} us of CPU each", each / f64::from(count));
}

/// As the store was: each group a transaction of SQLite, which compares versions.
struct Direct(Connection);

impl Direct {
    fn new(directory: &Path) -> Self {
        let connection = Connection::open(directory.join("direct.db")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "synchronous", "FULL").unwrap();
        let table =
            "CREATE TABLE leases (address TEXT NOT NULL PRIMARY KEY, hardware TEXT NOT NULL,
             client_id BLOB, host_name TEXT, state TEXT NOT NULL
             CHECK (state IN ('leased', 'released', 'declined', 'conflict')),
             granted INTEGER NOT NULL CHECK (granted >= 0), expires INTEGER CHECK (expires >= 0),
             version INTEGER NOT NULL CHECK (version >= 1), relay TEXT, relay_information BLOB)
             STRICT, WITHOUT ROWID";
        connection.execute_batch(table).unwrap();
        Self(connection)
    }

    fn commit(&mut self, group: &[Commit]) {
        let transaction = self.0.transaction().unwrap();
        for Commit { lease, .. } in group {
            let sql = match lease.version {
                1 => {
                    "INSERT INTO leases VALUES (?1, ?2, NULL, NULL, 'leased', ?3, ?4, ?5, NULL, NULL)
                     ON CONFLICT (address) DO NOTHING"
                }
                _ => {
                    "UPDATE leases SET hardware = ?2, state = 'leased', granted = ?3, expires = ?4,
                     version = ?5 WHERE address = ?1 AND version = ?5 - 1"
                }
            };
            let (granted, expires) = (lease.granted.as_millis(), lease.expires.as_millis());
            let (address, hardware) = (lease.address.to_string(), lease.hardware.to_string());
            let [granted, expires, version] = [granted, expires, lease.version].map(row::integer);
            let row = params![address, hardware, granted, expires, version];
            assert_eq!(transaction.prepare_cached(sql).unwrap().execute(row).unwrap(), 1);
        }
        transaction.commit().unwrap();
    }
}

/// Groups of this size, of `leases` leases in a random-looking order, again and again.
fn groups(leases: u32, size: u32, count: u32, from: &mut Vec<u64>) -> Vec<Vec<Commit>> {
    from.resize(leases as usize, 0);
    let mut n = 0;
    let mut next = || {
        n = (n + 7_919) % leases;
        let version = from.get_mut(n as usize).unwrap();
        *version += 1;
        Commit { id: CommitId(u64::from(n)), lease: lease(n, *version) }
    };
    (0..count / size).map(|_| (0..size).map(|_| next()).collect()).collect()
}

fn start(directory: &Path, disk: &Disk) -> (Writer, Receiver<Answers>) {
    let (tell, answers) = channel();
    let mut store = Store::open_on(directory, disk.clone()).unwrap();
    store.load(drop).unwrap();
    let told = move |news| match news {
        News::Answers(answers) => drop(tell.send(answers)),
        News::Behind(_) => {}
        news => eprintln!("{news:?}"),
    };
    (store.start(Clock::start(), told).unwrap(), answers)
}

#[test]
#[ignore = "a measurement"]
fn commits_against_sqlite() {
    let leases = 100_000;
    let directory = tempfile::tempdir().unwrap();
    let mut direct = Direct::new(directory.path());
    let (writer, answers) = start(&directory.path().join("state"), &Disk::default());
    let (mut of_direct, mut of_log) = (Vec::new(), Vec::new());
    for group in groups(leases, 1000, leases, &mut of_direct) {
        direct.commit(&group);
    }
    for group in groups(leases, 1000, leases, &mut of_log) {
        writer.commit(group).unwrap();
        answers.recv().unwrap();
    }
    for round in 1..=3 {
        for (size, count) in [(1, 2_000), (16, 16_000), (128, 100_000), (1000, 400_000)] {
            let work = groups(leases, size, count, &mut of_direct);
            cost(&format!("{round}: {size} at once, SQLite"), count, || {
                work.iter().for_each(|group| direct.commit(group));
            });
            let work = groups(leases, size, count, &mut of_log);
            cost(&format!("{round}: {size} at once, log and follower"), count, || {
                for group in work {
                    writer.commit(group).unwrap();
                    answers.recv().unwrap();
                }
            });
        }
        // What is behind costs too.
        let behind = writer.lag().commits;
        let before = cpu();
        while writer.lag().commits > 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!(
            "{round}: {behind} behind, another {:?} of CPU until they are not",
            cpu() - before
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn load() {
    for count in [100_000, 1_000_000] {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let disk = Disk::default();
        disk.refuse(Call::Follow, Some(libc::ENOSPC));
        let (writer, answers) = start(&state, &disk);
        for first in (0..count).step_by(1000) {
            let group = (first..first + 1000)
                .map(|n| Commit { id: CommitId(u64::from(n)), lease: lease(n, 1) });
            writer.commit(group.collect()).unwrap();
            answers.recv().unwrap();
        }
        disk.refuse(Call::Follow, Some(libc::EIO));
        drop(writer);
        let opens = |what: &str| {
            let (began, before) = (Instant::now(), cpu());
            let mut store = Store::open(&state).unwrap();
            let opened = began.elapsed();
            let mut leases = 0;
            store.load(|_| leases += 1).unwrap();
            assert_eq!(leases, count);
            let (took, used) = (began.elapsed(), cpu() - before);
            eprintln!("{count} {what}: opened in {opened:?}, read after {took:?}, {used:?} of CPU");
        };
        opens("in the log");
        (0..3).for_each(|_| opens("in the database"));
        let size = std::fs::metadata(state.join("leases.db")).unwrap().len();
        eprintln!("{count} leases are {size} octets");
    }
}

/// One commit after the other, each after a millisecond: how long each takes while the database follows
/// a storm, and while it does not.
#[test]
#[ignore = "a measurement"]
fn latency_beside_the_follower() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let (writer, answers) = start(&directory.path().join("state"), &disk);
    let (mut versions, leases) = (Vec::new(), 500_000);
    for round in 0..4 {
        let follows = round % 2 == 1;
        disk.refuse(Call::Follow, (!follows).then_some(libc::ENOSPC));
        let mut waited = Vec::new();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            for group in groups(leases, 50, 50, &mut versions) {
                let sent = Instant::now();
                writer.commit(group).unwrap();
                answers.recv().unwrap();
                waited.push(sent.elapsed());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        waited.sort();
        let at = |permille: usize| waited[(waited.len() - 1) * permille / 1000];
        let what = if follows { "following" } else { "not following" };
        let lag = writer.lag();
        eprintln!(
            "{what}: {} groups of 50, p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}; behind {lag:?}",
            waited.len(),
            at(500),
            at(990),
            at(999),
            at(1000)
        );
    }
}
