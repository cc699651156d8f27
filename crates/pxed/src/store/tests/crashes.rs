//! What a crash leaves: the log to its last whole group, and never less than was answered.

use super::*;
use crate::store::log::{Newest, Replay, Take, replay};

#[test]
fn item_129_what_was_answered_survives_a_crash() {
    let bed = Bed::new();
    let mut running = bed.start_unfollowed();
    let leases: Vec<Lease> = (1..=50).map(|host| lease(host, 1)).collect();
    for (lease, id) in leases.iter().zip(1..) {
        assert!(written(&running.write(vec![commit(id, lease)])));
        if id % 10 == 0 {
            assert_eq!(Bed::crashed(&bed).leases(), leases[..id.try_into().unwrap()]);
        }
    }
}

/// Groups in a log, and the file that they are in: no larger than they are.
fn groups(groups: &[Vec<Commit>]) -> (Bed, Vec<u8>) {
    let bed = Bed::new();
    let mut running = bed.start_unfollowed();
    for group in groups {
        assert!(written(&running.write(group.clone())));
    }
    let left = running.crash(&bed);
    let octets = fs::read(left.file("commits.0")).unwrap();
    let file = File::open(left.file("commits.0")).unwrap();
    let mut read = Newest::default();
    let begin = read.read(&file, 0, octets.len() as u64).unwrap();
    // A masked octet may be 0, so that where zeros begin says nothing of the end.
    let end = read.take(begin, |_| Take::Nothing);
    (left, octets[..end].to_vec())
}

fn replayed(bed: &Bed, file: &[u8]) -> Result<Vec<Lease>, String> {
    fs::write(bed.file("commits.0"), file).unwrap();
    let replayed = replay(&bed.state_dir(), 0).map_err(|error| error.to_string());
    replayed.map(|Replay { mut newest, .. }| newest.leases().collect())
}

fn three() -> [Vec<Commit>; 3] {
    [
        vec![commit(1, &lease(1, 1)), commit(2, &lease(2, 1))],
        vec![commit(3, &lease(1, 2))],
        vec![commit(4, &named(1, 3, "bench-1")), commit(5, &lease(3, 1))],
    ]
}

/// Where the power goes while a group is written, any part of it may be on disk.
#[test]
fn item_129_a_group_that_is_torn_anywhere_is_dropped() {
    let (bed, file) = groups(&three());
    let (_, begin) = groups(&three()[..2]);
    let before = [lease(1, 2), lease(2, 1)];
    for cut in begin.len()..file.len() - 7 {
        let mut torn = file.clone();
        torn[cut..].fill(0);
        if torn == file {
            continue;
        }
        assert_eq!(replayed(&bed, &torn).unwrap(), before, "torn at {cut}");
        // The end is there, and the beginning is not.
        let mut torn = file.clone();
        torn[begin.len()..=cut].fill(0);
        assert_eq!(replayed(&bed, &torn).unwrap(), before, "begun at {cut}");
    }
    assert_eq!(replayed(&bed, &file[..begin.len() + 5]).unwrap(), before, "cut short");
    assert_eq!(replayed(&bed, &file).unwrap().len(), 3);
}

#[test]
fn damage_before_a_whole_group_stops_the_start() {
    let (bed, file) = groups(&three());
    let (_, begin) = groups(&three()[..2]);
    for at in 0..begin.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        if at < file.len() && replayed(&bed, &damaged).is_ok() {
            // Between two groups there is nothing that could be damaged.
            assert_eq!(replayed(&bed, &damaged).unwrap(), replayed(&bed, &file).unwrap(), "{at}");
            continue;
        }
        let error = replayed(&bed, &damaged).unwrap_err();
        assert!(error.contains("move the files commits.* away to go on with"), "{error}");
    }
    let mut damaged = file.clone();
    damaged[40] ^= 1;
    fs::write(bed.file("commits.0"), damaged).unwrap();
    let error = bed.error();
    assert!(error.contains("is damaged: group 1 is missing or can not be read"), "{error}");
    assert_eq!(bed.files(), ["commits.0", "leases.db"], "and nothing was deleted");
}

/// A client says what it likes, also what reads as a group of the log: it is none, where the one that it
/// stands in is torn.
#[test]
fn what_a_client_says_is_no_group() {
    let fourth = vec![commit(6, &lease(9, 1))];
    let (_, three_groups) = groups(&three());
    let (_, four_groups) = groups(&[three().as_slice(), &[fourth]].concat());
    let forged = &four_groups[three_groups.len()..];
    let (_, begin) = groups(&three()[..2]);
    for misaligned in 0..8 {
        let identifier = [&vec![0; misaligned], forged].concat();
        let said = Said::new(&ClientKey::Identifier(identifier.into()), None, None);
        let last = vec![commit(4, &Lease { said, ..lease(3, 1) })];
        let (bed, mut file) = groups(&[&three()[..2], &[last]].concat());
        file[begin.len()] ^= 1;
        assert_eq!(replayed(&bed, &file).unwrap(), [lease(1, 2), lease(2, 1)], "{misaligned}");
    }
}

#[test]
fn a_database_that_is_older_than_the_log_is_noticed() {
    let bed = Bed::new();
    let mut running = bed.start();
    running.write(vec![commit(1, &lease(1, 1))]);
    running.stop();
    let older = Bed::crashed(&bed);
    let mut running = bed.start();
    running.write(vec![commit(2, &lease(1, 2))]);
    running.stop();
    let mut running = bed.start_unfollowed();
    running.write(vec![commit(3, &lease(1, 3))]);
    let left = running.crash(&bed);
    fs::copy(older.file("leases.db"), left.file("leases.db")).unwrap();
    let error = left.error();
    assert!(error.contains("If leases.db was put back from a backup, that is why"), "{error}");
    fs::remove_file(left.file("commits.0")).unwrap();
    assert_eq!(left.leases(), [lease(1, 1)]);
}

/// What a file of the log held when it was used before is not taken for news.
#[test]
fn what_the_database_has_is_not_taken_again() {
    let (bed, file) = groups(&three());
    assert_eq!(bed.leases().len(), 3);
    fs::write(bed.file("commits.0"), &file).unwrap();
    bed.sql("UPDATE lease_rows SET version = 9 WHERE ip = 167772161");
    assert_eq!(bed.leases()[0].version, 9);
    assert_eq!(bed.files(), ["leases.db"]);
}

#[test]
fn groups_go_on_over_several_files() {
    let bed = Bed::new();
    let mut running = bed.start_unfollowed();
    let identifier = ClientKey::Identifier(vec![7; 255].into());
    let said = Said::new(&identifier, None, None);
    let large = |host| Lease { said: said.clone(), ..lease(host, 1) };
    let mut id = 0;
    for _ in 0..30 {
        let group = (0..1000).map(|n| {
            id += 1;
            commit(id, &large(u8::try_from(n % 250).unwrap()))
        });
        let group = group.collect();
        assert!(written(&running.write(group)));
    }
    running.write(vec![commit(99_999, &lease(1, 2))]);
    let left = running.crash(&bed);
    assert!(left.files().len() > 3, "{:?}", left.files());
    let leases = left.leases();
    assert_eq!((leases.len(), &leases[1]), (250, &lease(1, 2)));
}
