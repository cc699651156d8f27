//! Rows that somebody edited.

use super::*;

/// Two leases in the database, and this done to the first.
fn edited(sql: &str) -> Bed {
    let bed = Bed::new();
    let mut running = bed.start();
    running.write(vec![commit(1, &lease(1, 1)), commit(2, &lease(2, 1))]);
    running.stop();
    bed.sql(&format!(
        "PRAGMA ignore_check_constraints = 1; UPDATE lease_rows SET {sql} WHERE ip = 167772161"
    ));
    bed
}

#[test]
fn a_row_that_somebody_spoilt_is_reported_and_keeps_its_address() {
    let bed = edited("hardware = 'the printer'");
    let loaded = bed.open().load(drop).unwrap();
    let row = UnreadableRow { address: "10.0.0.1".to_owned(), column: "hardware" };
    assert_eq!(loaded.unreadable, [row]);
    let mut running = bed.start();
    let answers = running.write(vec![commit(3, &lease(1, 1)), commit(4, &lease(2, 2))]);
    assert_eq!(answers.durable, ids([4]));
    assert_eq!(answers.failed, [(CommitId(3), CommitError::Failed)]);
    let text = answers.error.unwrap().to_string();
    assert!(text.starts_with("the lease of 10.0.0.1 can not be read: its hardware"), "{text}");
    running.stop();
    let left = "SELECT hardware FROM lease_rows WHERE ip = 167772161";
    let left: String = bed.open().connection.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, "the printer", "it stays as it is");
}

/// Kea CVE-2019-6474 and ISC CVE-2021-25217: a start that fails, or worse, by what is stored.
#[test]
fn cve_2019_6474_a_poisoned_row_stops_no_start() {
    for (column, value) in [
        ("ip", "-1"),
        ("ip", "4294967296"),
        ("state", "4"),
        ("state", "-1"),
        ("htype", "256"),
        ("hardware", "zeroblob(17)"),
        ("hardware", "'htype 999: zz'"),
        ("hardware", "7"),
        ("granted", "-1"),
        ("expires", "-1"),
        ("version", "-1"),
        ("relay", "'here'"),
        ("relay", "-1"),
    ] {
        let bed = edited(&format!("{column} = {value}"));
        let mut leases = Vec::new();
        let loaded = bed.open().load(|lease| leases.push(lease)).unwrap();
        assert_eq!((&leases[..], loaded.unreadable.len()), (&[lease(2, 1)][..], 1), "{column}");
        assert_eq!(loaded.unreadable[0].column, column);
        let mut running = bed.start();
        assert!(written(&running.write(vec![commit(3, &lease(2, 2))])));
    }
}
