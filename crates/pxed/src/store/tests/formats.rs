//! Databases of an older pxed, and files that are none of ours.

use super::*;

/// The tables as formats 1, 2 and 3 had them, with two leases and one of each oddity.
fn older(format: u8) -> String {
    let conflict = if format > 1 { ", 'conflict'" } else { "" };
    let leases = format!(
        "CREATE TABLE leases (
             address TEXT NOT NULL PRIMARY KEY, hardware TEXT NOT NULL, client_id BLOB,
             host_name TEXT,
             state TEXT NOT NULL CHECK (state IN ('leased', 'released', 'declined'{conflict})),
             granted INTEGER NOT NULL CHECK (granted >= 0), expires INTEGER CHECK (expires >= 0),
             version INTEGER NOT NULL CHECK (version >= 1), relay TEXT, relay_information BLOB
         ) STRICT, WITHOUT ROWID;
         CREATE VIEW active AS SELECT address FROM leases;
         INSERT INTO leases VALUES
             ('10.0.0.1', '52:54:00:00:00:01', NULL, NULL, 'leased', 1700000000001, 1700000600001,
              1, NULL, NULL),
             ('10.0.0.2', 'htype 32: 80 00 01', x'00ff', 'bench-2', 'declined', 5, NULL, 7,
              '10.9.0.1', x'0102');
         PRAGMA application_id = 0x70786564; PRAGMA user_version = {format};"
    );
    let quirks = "CREATE TABLE quirks (
             hardware TEXT NOT NULL, vendor_class TEXT NOT NULL, architecture INTEGER NOT NULL,
             parameters TEXT NOT NULL, form TEXT NOT NULL, times INTEGER NOT NULL,
             since INTEGER NOT NULL, last INTEGER NOT NULL,
             PRIMARY KEY (hardware, vendor_class, architecture, parameters)
         ) STRICT, WITHOUT ROWID;
         INSERT INTO quirks VALUES ('52:54:00:00:00:01', '', -1, '', 'direct', 1, 5, 5);";
    if format < 3 { leases } else { leases + quirks }
}

fn bed(sql: &str) -> Bed {
    let bed = Bed::new();
    fs::create_dir(bed.state_dir()).unwrap();
    bed.sql(sql);
    bed
}

#[test]
fn databases_of_older_formats_are_brought_to_this_one() {
    let relay = RelayAgent { address: Ipv4Addr::new(10, 9, 0, 1), information: vec![1, 2].into() };
    let chaddr = [0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let odd = Lease {
        hardware: HardwareAddress::new(32, 3, chaddr).unwrap(),
        said: Said::new(
            &ClientKey::Identifier(vec![0, 0xff].into()),
            Some("bench-2"),
            Some(&relay),
        ),
        state: LeaseState::Declined,
        granted: Timestamp::from_millis(5),
        expires: Timestamp::FOREVER,
        ..lease(2, 7)
    };
    for format in 1..=3 {
        let bed = bed(&older(format));
        assert_eq!(bed.leases(), [lease(1, 1), odd.clone()], "{format}");
        let mut store = bed.open();
        assert_eq!(store.seen(), lease(1, 1).granted);
        let quirks = store.load(drop).unwrap().quirks;
        assert_eq!(quirks.len(), usize::from(format == 3));
        drop(store);
        let mut running = bed.start();
        let conflict = Lease { state: LeaseState::Conflict, ..lease(3, 1) };
        assert!(written(&running.write(vec![commit(1, &conflict)])));
        running.stop();
        assert_eq!(bed.leases(), [lease(1, 1), odd.clone(), conflict], "and it stays so");
    }
}

#[test]
fn an_older_row_that_is_no_lease_keeps_its_address() {
    let bed = bed(&older(3));
    bed.sql(
        "INSERT INTO leases SELECT '10.0.0.3', 'the printer', client_id, host_name, state,
                 granted, expires, version, relay, relay_information FROM leases LIMIT 1;
             INSERT INTO leases SELECT 'nowhere', hardware, client_id, host_name, state,
                 granted, expires, version, relay, relay_information FROM leases LIMIT 1;
             UPDATE leases SET relay = 'here' WHERE address = '10.0.0.2'",
    );
    let mut store = bed.open();
    let mut leases = Vec::new();
    let unreadable = store.load(|lease| leases.push(lease)).unwrap().unreadable;
    assert_eq!(leases, [lease(1, 1)]);
    let row = |address: &str, column| UnreadableRow { address: address.to_owned(), column };
    assert_eq!(unreadable, [row("10.0.0.2", "relay"), row("10.0.0.3", "hardware")]);
    let left = "SELECT address FROM older_leases";
    let left: String = store.connection.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, "nowhere");
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let spoilt = |sql: &str| {
        let bed = Bed::new();
        drop(bed.open());
        bed.sql(sql);
        bed
    };
    let text = Bed::new();
    fs::create_dir(text.state_dir()).unwrap();
    fs::write(text.file("leases.db"), "no database\n".repeat(99)).unwrap();
    for (bed, expected) in [
        (spoilt("PRAGMA user_version = 5"), "leases.db has format 5 of a newer pxed, this one"),
        (spoilt("PRAGMA user_version = 0"), "leases.db is a database of another program; move"),
        (spoilt("PRAGMA application_id = 7"), "leases.db is a database of another program; move"),
        (text, "leases.db is damaged (file is not a database) and was left as it is; stop pxed"),
    ] {
        let before = fs::read(bed.file("leases.db")).unwrap();
        let error = bed.error();
        assert!(error.contains(expected), "{error}");
        assert_eq!(fs::read(bed.file("leases.db")).unwrap(), before);
    }
}

#[test]
fn item_129_a_damaged_page_is_found_at_the_start() {
    let bed = Bed::new();
    let mut running = bed.start();
    let lease = |host: u8| named(host, 1, &format!("{host:0200}"));
    running.write((1..=200).map(|host| commit(host.into(), &lease(host))).collect());
    running.stop();
    let whole = fs::read(bed.file("leases.db")).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 12, "{pages}");
    for page in 1..pages {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0x55);
        fs::write(bed.file("leases.db"), bytes).unwrap();
        let found = Store::open(&bed.state_dir()).and_then(|mut store| store.load(drop));
        let Err(error) = found else { continue };
        let error = error.to_string();
        assert!(error.contains("leases.db is damaged ("), "{error}");
        assert!(error.contains("commits.* beside it away to begin without leases"), "{error}");
    }
    let mut bytes = whole.clone();
    bytes[3 * 4096..].fill(0x55);
    fs::write(bed.file("leases.db"), bytes).unwrap();
    assert!(Store::open(&bed.state_dir()).and_then(|mut store| store.load(drop)).is_err());
}
