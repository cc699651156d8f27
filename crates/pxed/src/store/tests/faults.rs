//! Disks that fail: nothing is answered that is not durable, and the store mends itself.

use super::*;

/// Plays the DHCP thread, whose lease table is `leases`: hands them over by two until the store works.
fn mend(running: &mut Running, leases: &[Lease]) {
    loop {
        match running.news.recv().unwrap() {
            News::Wants(after) => {
                let mut behind =
                    leases.iter().filter(|lease| after.is_none_or(|after| lease.address > after));
                let page: Vec<Lease> = behind.by_ref().take(2).cloned().collect();
                let next = behind.next().and(page.last().map(|lease| lease.address));
                let quirks = Vec::new();
                running.writer.hand_over(Page { after, leases: page, next, quirks });
            }
            News::Works(_) => return,
            other => running.others.push(other),
        }
    }
}

fn said(running: &Running) -> Vec<String> {
    let said = running.others.iter().map(|news| match news {
        News::Fails(error) => format!("fails: {error}"),
        other => format!("{other:?}"),
    });
    said.collect()
}

/// What the disk has of groups that failed counts for nothing: EIO of a sync is where Linux forgets.
#[test]
fn after_an_error_of_the_log_the_database_is_made_anew_from_memory() {
    for call in [Call::Write, Call::Sync] {
        let bed = Bed::new();
        let mut running = bed.start();
        let hosts = |hosts: std::ops::RangeInclusive<u8>| {
            hosts.map(|host| commit(host.into(), &lease(host, 1))).collect::<Vec<_>>()
        };
        assert!(written(&running.write(hosts(1..=5))));
        bed.disk.refuse(call, Some(libc::EIO));
        let failed = running.write(hosts(6..=7));
        assert_eq!((failed.durable, failed.failed.len()), (vec![], 2), "{call:?}");
        // It has tried by now, or does so later; but nothing is told twice.
        bed.disk.refuse(call, None);
        let before = bed.file("leases.db").metadata().unwrap();
        let table: Vec<Lease> = (1..=5).map(|host| lease(host, 1)).collect();
        mend(&mut running, &table);
        let after = bed.file("leases.db").metadata().unwrap();
        use std::os::unix::fs::MetadataExt;
        assert_ne!(before.ino(), after.ino(), "another file");
        let said = said(&running);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("fails: cannot write") && said[0].contains("os error 5"));
        assert!(written(&running.write(hosts(8..=9))));
        let left = Bed::crashed(&bed);
        let expected: Vec<Lease> = [1, 2, 3, 4, 5, 8, 9].map(|host| lease(host, 1)).into();
        assert_eq!(left.leases(), expected, "what failed is not there");
        running.stop();
        assert_eq!(bed.leases(), expected);
        assert_eq!(bed.files(), ["leases.db"]);
    }
}

#[test]
fn while_the_fault_lasts_every_commit_fails_and_it_is_told_once() {
    let bed = Bed::new();
    let mut running = bed.start();
    bed.disk.refuse(Call::Page, Some(libc::EIO));
    bed.disk.refuse(Call::Sync, Some(libc::EIO));
    for id in 1..=20 {
        let failed = running.write(vec![commit(id, &lease(1, id))]);
        assert_eq!(failed.failed, [(CommitId(id), CommitError::Failed)]);
    }
    assert_eq!(said(&running).len(), 1);
    bed.disk.refuse(Call::Page, None);
    // A new database is no use where the log can not be written: it is not said to work.
    let mut wanted = 0;
    while wanted < 3 {
        match running.news.recv().unwrap() {
            News::Wants(after) => {
                wanted += 1;
                let (leases, quirks) = (Vec::new(), Vec::new());
                running.writer.hand_over(Page { after, leases, next: None, quirks });
            }
            news => panic!("{news:?}"),
        }
    }
    bed.disk.refuse(Call::Sync, None);
    mend(&mut running, &[]);
    assert!(written(&running.write(vec![commit(21, &lease(1, 21))])));
    running.stop();
    assert_eq!(bed.leases(), [lease(1, 21)]);
}

#[test]
fn an_error_of_the_database_is_a_fault_as_well() {
    let bed = Bed::new();
    bed.disk.refuse(Call::Follow, Some(libc::EIO));
    let mut running = bed.start();
    running.write(vec![commit(1, &lease(1, 1))]);
    let News::Fails(error) = running.news.recv().unwrap() else { panic!("nothing is told") };
    assert!(error.to_string().contains("leases.db"), "{error}");
    bed.disk.refuse(Call::Follow, None);
    mend(&mut running, &[lease(1, 1)]);
    assert!(written(&running.write(vec![commit(2, &lease(1, 2))])));
    running.stop();
    assert_eq!(bed.leases(), [lease(1, 2)]);
}

#[test]
fn a_new_database_that_can_not_take_its_place_is_tried_again() {
    let bed = Bed::new();
    let mut running = bed.start();
    running.write(vec![commit(1, &lease(1, 1))]);
    bed.disk.refuse(Call::Replace, Some(libc::EROFS));
    bed.disk.refuse(Call::Sync, Some(libc::EIO));
    running.write(vec![commit(2, &lease(2, 1))]);
    bed.disk.refuse(Call::Sync, None);
    let mut wanted = 0;
    while wanted < 3 {
        if let News::Wants(after) = running.news.recv().unwrap() {
            wanted += 1;
            let (leases, quirks) = (vec![lease(1, 1)], Vec::new());
            running.writer.hand_over(Page { after, leases, next: None, quirks });
        }
    }
    bed.disk.refuse(Call::Replace, None);
    mend(&mut running, &[lease(1, 1)]);
    running.stop();
    assert_eq!(bed.leases(), [lease(1, 1)]);
}

/// A page of an attempt that was given up would leave a hole.
#[test]
fn a_page_that_nobody_asked_for_is_not_taken() {
    let bed = Bed::new();
    let mut running = bed.start();
    bed.disk.refuse(Call::Sync, Some(libc::EIO));
    running.write(vec![commit(1, &lease(1, 1))]);
    bed.disk.refuse(Call::Sync, None);
    let after = Some(lease(7, 1).address);
    running.writer.hand_over(Page { after, leases: vec![lease(9, 1)], next: None, quirks: vec![] });
    mend(&mut running, &[lease(1, 1), lease(2, 1), lease(3, 1)]);
    running.stop();
    assert_eq!(bed.leases(), [lease(1, 1), lease(2, 1), lease(3, 1)]);
}

/// Where the database gets nothing, the log takes commits to its bound and no further; then it goes
/// on where it was, and nothing is made anew.
#[test]
fn a_database_without_room_is_borne_until_the_log_is_full() {
    let bed = Bed::new();
    let mut running = bed.start_unfollowed();
    let name = "a".repeat(253);
    let large = |version| named(1, version, &name);
    let mut version = 0;
    let failed = loop {
        let group: Vec<Commit> = (0..1000)
            .map(|_| {
                version += 1;
                commit(version, &large(version))
            })
            .collect();
        let answers = running.write(group);
        if !answers.failed.is_empty() {
            break answers;
        }
    };
    assert_eq!((failed.durable.len(), failed.failed.len()), (0, 1000));
    let said = said(&running);
    assert!(said[0].contains("the commit log is full, since the database can not be"), "{said:?}");
    bed.disk.refuse(Call::Follow, None);
    let mut works = false;
    while !works {
        let news = running.news.recv().unwrap();
        assert!(!matches!(news, News::Wants(_)), "nothing is wrong with what is there");
        works = matches!(news, News::Works(_));
    }
    assert!(written(&running.write(vec![commit(version + 1, &lease(1, version - 999))])));
    running.stop();
    assert_eq!(bed.leases(), [lease(1, version - 999)]);
}

#[test]
fn a_full_disk_fails_commits_until_there_is_room() {
    let bed = Bed::new();
    let mut running = bed.start_unfollowed();
    let name = "a".repeat(253);
    let large = named(1, 1, &name);
    bed.disk.refuse(Call::Allocate, Some(libc::ENOSPC));
    let group = || (0..1000).map(|id| commit(id, &large)).collect::<Vec<_>>();
    let failed = loop {
        let answers = running.write(group());
        if !answers.failed.is_empty() {
            break answers;
        }
    };
    assert_eq!(failed.failed.len(), 1000);
    bed.disk.refuse(Call::Allocate, None);
    while !matches!(running.news.recv().unwrap(), News::Works(_)) {}
    assert!(written(&running.write(group())));
    let left = running.crash(&bed);
    assert_eq!(left.leases(), [large]);
}

#[test]
fn a_stop_in_a_fault_says_so_and_leaves_what_was_answered() {
    let bed = Bed::new();
    let mut running = bed.start_unfollowed();
    running.write(vec![commit(1, &lease(1, 1))]);
    bed.disk.refuse(Call::Page, Some(libc::EIO));
    bed.disk.refuse(Call::Sync, Some(libc::EIO));
    running.write(vec![commit(2, &lease(2, 1))]);
    let error = running.writer.stop().unwrap_err().to_string();
    assert!(error.starts_with("leases could not be stored in the end"), "{error}");
    assert_eq!(bed.leases()[0], lease(1, 1));
}

/// The replacement of the database is cut off at each of its steps.
#[test]
fn a_start_goes_on_where_a_replacement_was_cut_off() {
    let bed = Bed::new();
    let mut running = bed.start();
    running.write(vec![commit(1, &lease(1, 1)), commit(2, &lease(2, 1))]);
    running.stop();
    let other = Bed::new();
    let mut running = other.start();
    running.write(vec![commit(1, &lease(3, 1))]);
    running.stop();
    // Half a new one is nothing.
    fs::write(bed.file("leases.db.new"), "half").unwrap();
    assert_eq!(bed.leases(), [lease(1, 1), lease(2, 1)]);
    assert_eq!(bed.files(), ["leases.db"]);
    // A whole one counts, and what belongs to the old one does not.
    fs::copy(other.file("leases.db"), bed.file("leases.db.next")).unwrap();
    fs::write(bed.file("leases.db-wal"), "of the old one").unwrap();
    assert_eq!(bed.leases(), [lease(3, 1)]);
    assert_eq!(bed.files(), ["leases.db"]);
}

#[test]
fn what_can_not_be_read_survives_a_new_database() {
    let bed = Bed::new();
    let mut running = bed.start();
    running.write(vec![commit(1, &lease(1, 1)), commit(2, &lease(2, 1))]);
    running.stop();
    bed.sql("UPDATE lease_rows SET hardware = 'the printer' WHERE ip = 167772161");
    let mut running = bed.start();
    bed.disk.refuse(Call::Sync, Some(libc::EIO));
    running.write(vec![commit(3, &lease(2, 2))]);
    bed.disk.refuse(Call::Sync, None);
    mend(&mut running, &[lease(2, 1)]);
    running.stop();
    let unreadable = bed.open().load(drop).unwrap().unreadable;
    assert_eq!(unreadable[0].address, "10.0.0.1");
}
