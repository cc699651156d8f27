//! The store on a real disk: what it takes comes back, also after a crash, and what is wrong with a
//! file is said.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{
    ClientKey, Commit, CommitError, CommitId, Form, Learned, LeaseState, RelayAgent, Said,
    Signature, Works,
};
use pxed_proto::limits;
use pxed_proto::machine::{Architecture, HardwareAddress};
use pxed_proto::net::Mac;
use tempfile::TempDir;

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

fn commit(id: u64, lease: &Lease) -> Commit {
    Commit { id: CommitId(id), lease: lease.clone() }
}

/// A state directory, and what a store in it does.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A directory with the files of `other` as they are this moment: what a crash leaves.
    fn crashed(other: &Self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.state_dir()).unwrap();
        for file in ["leases.db", "leases.db-wal"] {
            fs::copy(other.file(file), copy.file(file)).unwrap();
        }
        copy
    }

    fn state_dir(&self) -> PathBuf {
        self.0.path().join("pxed")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state_dir().join(name)
    }

    fn open(&self) -> Store {
        Store::open(&self.state_dir()).unwrap()
    }

    fn error(&self) -> String {
        Store::open(&self.state_dir()).unwrap_err().to_string()
    }

    /// What a person does with sqlite3.
    fn sql(&self, sql: &str) {
        Connection::open(self.file("leases.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn writer(&self) -> (Writer, Receiver<Answers>) {
        let (tell, answers) = channel();
        (self.open().start(move |group| tell.send(group).unwrap()).unwrap(), answers)
    }

    fn leases(&self) -> Vec<Lease> {
        leases_of(&self.open())
    }
}

fn leases_of(store: &Store) -> Vec<Lease> {
    let mut loaded = store.load().unwrap();
    assert_eq!(loaded.unreadable, []);
    loaded.leases.sort_by_key(|lease| lease.address);
    loaded.leases
}

fn write(store: &mut Store, group: Vec<Commit>) -> Answers {
    group::write(&mut store.connection, &store.path, group)
}

fn written(answers: &Answers) -> bool {
    answers.error.is_none() && answers.commits.iter().all(|(_, result)| result.is_ok())
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
        let said = Said::new(&lease(host, 1).client(), Some(&format!("host-{host}.lab")), None);
        leases.push(Lease { state, said, ..lease(host, 1) });
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
    let disk = Disk::new();
    let (writer, answers) = disk.writer();
    let batch = leases.iter().zip(1..).map(|(lease, id)| commit(id, lease)).collect();
    writer.commit(batch).unwrap();
    writer.stop().unwrap();
    assert!(written(&answers.recv().unwrap()));
    assert_eq!(disk.leases(), leases);
}

#[test]
fn a_commit_replaces_only_the_version_before_its_own() {
    let stored = lease(1, 3);
    for (version, before, result) in [
        (1, None, Ok(())),
        (1, Some(&stored), Err(CommitError::Conflict(Some(stored.clone())))),
        (2, Some(&stored), Err(CommitError::Conflict(Some(stored.clone())))),
        (3, Some(&stored), Err(CommitError::Conflict(Some(stored.clone())))),
        (4, Some(&stored), Ok(())),
        (5, Some(&stored), Err(CommitError::Conflict(Some(stored.clone())))),
        (2, None, Err(CommitError::Conflict(None))),
    ] {
        let disk = Disk::new();
        let mut store = disk.open();
        for version in 1..=before.map_or(0, |lease| lease.version) {
            assert!(written(&write(&mut store, vec![commit(version, &lease(1, version))])));
        }
        let answers = write(&mut store, vec![commit(9, &lease(1, version))]);
        let after = if result.is_ok() { Some(lease(1, version)) } else { before.cloned() };
        assert_eq!(answers.commits, [(CommitId(9), result)], "{version} over {before:?}");
        assert!(answers.error.is_none());
        assert_eq!(leases_of(&store), Vec::from_iter(after));
    }
}

#[test]
fn one_conflict_leaves_the_rest_of_its_group_alone() {
    let disk = Disk::new();
    let mut store = disk.open();
    write(&mut store, vec![commit(1, &lease(2, 1))]);
    let group = vec![commit(2, &lease(1, 1)), commit(3, &lease(2, 1)), commit(4, &lease(3, 1))];
    let answers = write(&mut store, group);
    let conflict = Err(CommitError::Conflict(Some(lease(2, 1))));
    assert_eq!(
        answers.commits,
        [(CommitId(2), Ok(())), (CommitId(3), conflict), (CommitId(4), Ok(()))]
    );
    assert_eq!(leases_of(&store), [lease(1, 1), lease(2, 1), lease(3, 1)]);
}

#[test]
fn commits_of_one_address_follow_each_other_in_the_order_of_their_ids() {
    let disk = Disk::new();
    let (writer, answers) = disk.writer();
    let versions = |range: std::ops::RangeInclusive<u64>| range.map(|n| commit(n, &lease(1, n)));
    writer.commit(versions(1..=3).rev().collect()).unwrap();
    for commit in versions(4..=100) {
        writer.commit(vec![commit]).unwrap();
    }
    writer.stop().unwrap();
    let answers: Vec<_> = answers.iter().flat_map(|group| group.commits).collect();
    let expected: Vec<_> = (1..=100).map(|id| (CommitId(id), Ok(()))).collect();
    assert_eq!(answers, expected);
    assert_eq!(disk.leases(), [lease(1, 100)]);
}

#[test]
fn what_queues_behind_a_group_is_one_group_of_bounded_size() {
    let disk = Disk::new();
    let (tell, answers) = channel();
    let (go, gate) = channel::<()>();
    let told = move |group: Answers| {
        tell.send(group).unwrap();
        let _ = gate.recv();
    };
    let writer = disk.open().start(told).unwrap();
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
    let failed = |id| (CommitId(id), Err(CommitError::Failed));
    assert_eq!(refused.commits, [failed(2 * id), failed(2 * id + 1)]);
    drop(go);
    writer.stop().unwrap();
    let sizes: Vec<usize> = answers.iter().map(|group| group.commits.len()).collect();
    assert_eq!(sizes, [1024, 1024]);
}

#[test]
fn item_129_what_was_answered_survives_a_crash() {
    let disk = Disk::new();
    let (writer, answers) = disk.writer();
    let leases: Vec<Lease> = (1..=50).map(|host| lease(host, 1)).collect();
    for (lease, id) in leases.iter().zip(1..) {
        writer.commit(vec![commit(id, lease)]).unwrap();
        assert!(written(&answers.recv().unwrap()));
        if id % 10 == 0 {
            assert_eq!(Disk::crashed(&disk).leases(), leases[..id.try_into().unwrap()]);
        }
    }
}

#[test]
fn item_129_a_group_that_was_being_written_in_a_crash_is_dropped() {
    let disk = Disk::new();
    let mut store = disk.open();
    write(&mut store, vec![commit(1, &lease(1, 1)), commit(2, &lease(2, 1))]);
    let durable = fs::metadata(disk.file("leases.db-wal")).unwrap().len();
    write(&mut store, vec![commit(3, &lease(1, 2)), commit(4, &lease(3, 1))]);
    let all = fs::metadata(disk.file("leases.db-wal")).unwrap().len();
    for len in (durable..all).step_by(500) {
        let crashed = Disk::crashed(&disk);
        let log = OpenOptions::new().write(true).open(crashed.file("leases.db-wal")).unwrap();
        log.set_len(len).unwrap();
        assert_eq!(crashed.leases(), [lease(1, 1), lease(2, 1)], "{len} of {all}");
    }
    assert_eq!(Disk::crashed(&disk).leases(), [lease(1, 2), lease(2, 1), lease(3, 1)]);
}

#[test]
fn a_stop_leaves_one_file_and_a_drop_stops() {
    let disk = Disk::new();
    let (writer, answers) = disk.writer();
    writer.commit(vec![commit(1, &lease(1, 1))]).unwrap();
    drop(writer);
    assert!(written(&answers.recv().unwrap()));
    assert!(!disk.file("leases.db-wal").exists());
    assert_eq!(disk.leases(), [lease(1, 1)]);
}

#[test]
fn a_full_disk_fails_the_group_and_no_more() {
    let disk = Disk::new();
    let mut store = disk.open();
    write(&mut store, vec![commit(1, &lease(1, 1))]);
    let pages = |store: &Store, max: u32| {
        store.connection.query_row(&format!("PRAGMA max_page_count = {max}"), [], |_| Ok(()))
    };
    pages(&store, 1).unwrap();
    let identifier = ClientKey::Identifier(vec![7; 255].into());
    let said = Said::new(&identifier, None, None);
    let many = || (2..=200).map(|host| Lease { said: said.clone(), ..lease(host, 1) });
    let group = || many().zip(2..).map(|(lease, id)| commit(id, &lease)).collect::<Vec<_>>();
    let answers = write(&mut store, group());
    assert_eq!(answers.commits.len(), 199);
    assert!(answers.commits.iter().all(|(_, result)| *result == Err(CommitError::Failed)));
    let text = answers.error.unwrap().to_string();
    assert!(text.contains("leases.db: database or disk is full; look whether"), "{text}");
    assert_eq!(leases_of(&store), [lease(1, 1)]);
    pages(&store, 1000).unwrap();
    assert!(written(&write(&mut store, group())));
    assert_eq!(leases_of(&store).len(), 200);
}

#[test]
fn a_fault_that_passes_is_reported_once_for_its_group() {
    let disk = Disk::new();
    let (writer, answers) = disk.writer();
    disk.sql(
        "CREATE TRIGGER fault BEFORE INSERT ON leases WHEN new.address = '10.0.0.2'
              BEGIN SELECT raise(ROLLBACK, 'the disk burns'); END",
    );
    let group = || vec![commit(1, &lease(1, 1)), commit(2, &lease(2, 1)), commit(3, &lease(3, 1))];
    writer.commit(group()).unwrap();
    let failed = answers.recv().unwrap();
    let all: Vec<_> = (1..=3).map(|id| (CommitId(id), Err(CommitError::Failed))).collect();
    assert_eq!(failed.commits, all);
    assert!(failed.error.unwrap().to_string().contains("cannot write"));
    disk.sql("DROP TRIGGER fault");
    writer.commit(group()).unwrap();
    assert!(written(&answers.recv().unwrap()));
    writer.stop().unwrap();
    assert_eq!(disk.leases(), [lease(1, 1), lease(2, 1), lease(3, 1)]);
}

#[test]
fn a_row_that_somebody_spoilt_is_reported_and_keeps_its_address() {
    let disk = Disk::new();
    let mut store = disk.open();
    write(&mut store, vec![commit(1, &lease(1, 1)), commit(2, &lease(2, 1))]);
    disk.sql("UPDATE leases SET hardware = 'the printer' WHERE address = '10.0.0.1'");
    let loaded = store.load().unwrap();
    assert_eq!(loaded.leases, [lease(2, 1)]);
    let row = UnreadableRow { address: "10.0.0.1".to_owned(), column: "hardware" };
    assert_eq!(loaded.unreadable, [row]);
    let answers = write(&mut store, vec![commit(3, &lease(1, 1)), commit(4, &lease(2, 2))]);
    let failed = Err(CommitError::Failed);
    assert_eq!(answers.commits, [(CommitId(3), failed), (CommitId(4), Ok(()))]);
    let text = answers.error.unwrap().to_string();
    assert!(text.starts_with("the lease of 10.0.0.1 can not be read: its hardware"), "{text}");
}

/// Kea CVE-2019-6474 and ISC CVE-2021-25217: a start that fails, or worse, by what is stored. What
/// else a row may hold, the table's own checks refuse.
#[test]
fn cve_2019_6474_a_poisoned_row_stops_no_start() {
    for (column, value) in [
        ("address", "'nowhere'"),
        ("hardware", "''"),
        ("hardware", "'htype 999: zz'"),
        ("hardware", "'htype 1: 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10'"),
        ("relay", "'here'"),
    ] {
        let disk = Disk::new();
        let mut store = disk.open();
        write(&mut store, vec![commit(1, &lease(1, 1)), commit(2, &lease(2, 1))]);
        drop(store);
        disk.sql(&format!("UPDATE leases SET {column} = {value} WHERE address = '10.0.0.1'"));
        let mut store = disk.open();
        let loaded = store.load().unwrap();
        assert_eq!((loaded.leases, loaded.unreadable.len()), (vec![lease(2, 1)], 1), "{column}");
        assert_eq!(loaded.unreadable[0].column, column);
        assert!(written(&write(&mut store, vec![commit(3, &lease(2, 2))])));
    }
}

#[test]
fn a_person_can_read_it() {
    let disk = Disk::new();
    let mut store = disk.open();
    let forever = Lease { expires: Timestamp::FOREVER, ..lease(2, 1) };
    write(&mut store, vec![commit(1, &lease(1, 1)), commit(2, &forever)]);
    let row: (String, String, String) = store
        .connection
        .query_row("SELECT address, hardware, expires FROM active", [], |row| row.try_into())
        .unwrap();
    assert_eq!(row, ("10.0.0.2".into(), "52:54:00:00:00:02".into(), "never".into()));
}

#[test]
fn a_second_pxed_hears_who_has_the_store() {
    let disk = Disk::new();
    let first = disk.open();
    let pid = std::process::id();
    let error = disk.error();
    assert!(error.starts_with(&format!("another pxed (process {pid}) has the leases")), "{error}");
    drop(first);
    disk.open();
}

#[test]
fn the_directory_is_for_pxed_alone_unless_it_was_there() {
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let disk = Disk::new();
    let _store = disk.open();
    assert_eq!(mode(disk.state_dir()), 0o700);
    for file in ["leases.db", "leases.db-wal", "pxed.lock"] {
        assert_eq!(mode(disk.file(file)), 0o600, "{file}");
    }
    let shared = Disk::new();
    fs::create_dir(shared.state_dir()).unwrap();
    fs::set_permissions(shared.state_dir(), Permissions::from_mode(0o755)).unwrap();
    shared.open();
    assert_eq!(mode(shared.state_dir()), 0o755);
}

/// The table as format 1 had it: no conflicts.
#[test]
fn a_database_of_format_1_is_brought_to_this_one() {
    let disk = Disk::new();
    let mut store = disk.open();
    assert!(written(&write(&mut store, vec![commit(1, &lease(1, 1)), commit(2, &lease(2, 1))])));
    store.close().unwrap();
    disk.sql(
        "ALTER TABLE leases RENAME TO new; DROP VIEW active; DROP TABLE quirks;
         CREATE TABLE leases (
             address TEXT NOT NULL PRIMARY KEY, hardware TEXT NOT NULL, client_id BLOB,
             host_name TEXT,
             state TEXT NOT NULL CHECK (state IN ('leased', 'released', 'declined')),
             granted INTEGER NOT NULL, expires INTEGER, version INTEGER NOT NULL,
             relay TEXT, relay_information BLOB) STRICT, WITHOUT ROWID;
         INSERT INTO leases SELECT * FROM new; DROP TABLE new;
         CREATE VIEW active AS SELECT address FROM leases; PRAGMA user_version = 1",
    );
    let mut store = disk.open();
    assert_eq!(leases_of(&store), [lease(1, 1), lease(2, 1)]);
    let conflict = Lease { state: LeaseState::Conflict, ..lease(3, 1) };
    assert!(written(&write(&mut store, vec![commit(3, &conflict)])));
    store.close().unwrap();
    assert_eq!(disk.leases().len(), 3, "and it stays so");
}

/// As format 2 had it: nothing was learned of machines.
#[test]
fn a_database_of_format_2_is_brought_to_this_one() {
    let disk = Disk::new();
    let mut store = disk.open();
    assert!(written(&write(&mut store, vec![commit(1, &lease(1, 1))])));
    store.close().unwrap();
    disk.sql("DROP TABLE quirks; PRAGMA user_version = 2");
    let mut store = disk.open();
    assert_eq!(leases_of(&store), [lease(1, 1)]);
    quirk::write(&mut store.connection, &[Learned::Works(follows(1, "menu"))]).unwrap();
    store.close().unwrap();
    assert_eq!(disk.open().load().unwrap().quirks, [follows(1, "menu")], "and it stays so");
}

fn follows(host: u8, form: &str) -> Quirk {
    let signature = Signature {
        vendor_class: "PXEClient:Arch:00007:UNDI".to_owned(),
        architecture: Some(Architecture::UEFI_X64),
        parameters: vec![1, 2, 3, 60, 255],
    };
    let since = Timestamp::from_millis(1_700_000_000_000 + u64::from(host));
    let works = Works { form: Form::by_name(form).unwrap(), times: 3, since, last: since };
    let hardware = Mac([0x52, 0x54, 0, 0, 0, host]).into();
    Quirk { hardware, signature: Arc::new(signature), works }
}

#[test]
fn what_was_learned_comes_back_as_it_was_last() {
    let disk = Disk::new();
    let (writer, answers) = disk.writer();
    let mut other = follows(2, "direct");
    other.signature = Arc::new(Signature::default());
    let again = follows(1, "redirect");
    let learned = [follows(1, "menu"), other.clone(), follows(3, "binl"), again.clone()];
    writer.remember(learned.map(Learned::Works).to_vec());
    let gone = follows(3, "binl");
    writer.remember(vec![Learned::Forgotten(gone.hardware, gone.signature)]);
    // Leases are as durable beside it.
    writer.commit(vec![commit(1, &lease(1, 1))]).unwrap();
    assert!(written(&answers.recv().unwrap()));
    writer.stop().unwrap();
    assert_eq!(disk.open().load().unwrap().quirks, [again, other]);
    assert_eq!(disk.leases(), [lease(1, 1)]);
}

#[test]
fn what_was_learned_and_can_not_be_read_stops_no_start() {
    for (column, value) in [
        ("hardware", "'the printer'"),
        ("form", "'of tomorrow'"),
        ("architecture", "70000"),
        ("parameters", "'1 2 x'"),
    ] {
        let disk = Disk::new();
        let mut store = disk.open();
        let learned = [follows(1, "menu"), follows(2, "menu")].map(Learned::Works);
        quirk::write(&mut store.connection, &learned).unwrap();
        drop(store);
        disk.sql(&format!("UPDATE quirks SET {column} = {value} WHERE since = 1700000000001"));
        let loaded = disk.open().load().unwrap();
        assert_eq!((loaded.quirks, loaded.unreadable_quirks), (vec![follows(2, "menu")], 1));
    }
}

#[test]
fn no_more_is_kept_of_machines_than_has_room() {
    let disk = Disk::new();
    disk.open().close().unwrap();
    let max = limits::QUIRK_MACHINES_MAX;
    disk.sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {max})
         INSERT INTO quirks SELECT printf('52:54:00:00:%02x:%02x', i / 256, i % 256), '', -1, '',
                                   'direct', 1, i, i FROM n"
    ));
    let quirks = disk.open().load().unwrap().quirks;
    assert_eq!((quirks.len(), quirks[0].works.last.as_millis()), (max, 1), "the oldest is gone");
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let spoilt = |sql: &str| {
        let disk = Disk::new();
        drop(disk.open());
        disk.sql(sql);
        disk
    };
    let text = Disk::new();
    fs::create_dir(text.state_dir()).unwrap();
    fs::write(text.file("leases.db"), "no database\n".repeat(99)).unwrap();
    for (disk, expected) in [
        (spoilt("PRAGMA user_version = 4"), "leases.db has format 4 of a newer pxed, this one"),
        (spoilt("PRAGMA user_version = 0"), "leases.db is a database of another program; move"),
        (spoilt("PRAGMA application_id = 7"), "leases.db is a database of another program; move"),
        (text, "leases.db is damaged (file is not a database) and was left as it is; stop pxed"),
    ] {
        let before = fs::read(disk.file("leases.db")).unwrap();
        let error = disk.error();
        assert!(error.contains(expected), "{error}");
        assert_eq!(fs::read(disk.file("leases.db")).unwrap(), before);
    }
}

#[test]
fn item_129_a_damaged_page_is_found_at_the_start() {
    let disk = Disk::new();
    let mut store = disk.open();
    write(&mut store, (1..=200).map(|host| commit(host.into(), &lease(host, 1))).collect());
    store.close().unwrap();
    let mut bytes = fs::read(disk.file("leases.db")).unwrap();
    bytes[3 * 4096..].fill(0x55);
    fs::write(disk.file("leases.db"), bytes).unwrap();
    let error = disk.error();
    assert!(error.contains("leases.db is damaged ("), "{error}");
    assert!(error.contains("leases.db-shm away to begin without leases"), "{error}");
}

#[test]
fn what_the_system_does_not_let_us_have_is_named() {
    let disk = Disk::new();
    fs::create_dir_all(disk.file("leases.db")).unwrap();
    let error = disk.error();
    assert!(error.contains("pxed/leases.db: Is a directory (os error 21); give --state-dir"));
    let nowhere = Store::open(&disk.0.path().join("no/where")).unwrap_err().to_string();
    assert!(nowhere.contains("no/where: No such file or directory"), "{nowhere}");
}
