//! The database: whose it is, its format and its tables.

use std::path::Path;
use std::time::Duration;

use pxed_proto::limits;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{StoreError, older};

/// `pxed`: what `file leases.db` shows, and what tells ours from other databases.
const APPLICATION_ID: i32 = 0x7078_6564;

/// The format of the database. A change of the table is a new number, and a step that takes the
/// old one there.
pub(super) const VERSION: i32 = 4;

/// How long a write waits for another program that holds the database (a backup, somebody's
/// transaction). No client waits for it, and it is tried again.
const BUSY: Duration = Duration::from_secs(2);

/// SQLite keeps the comments, so that `.schema` explains itself. Numbers and octets are what a
/// million leases are read and written fast in; the views are what people read.
const LEASES: &str = "
CREATE TABLE lease_rows (
    ip        INTEGER PRIMARY KEY CHECK (ip BETWEEN 0 AND 4294967295),  -- 10.0.0.1 is 167772161
    state     INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
                                                -- 0 leased, 1 released, 2 declined, 3 conflict
    htype     INTEGER NOT NULL CHECK (htype BETWEEN 0 AND 255),         -- 1: Ethernet
    hardware  ANY NOT NULL,                     -- the octets of the hardware address
    granted   INTEGER NOT NULL CHECK (granted >= 0),    -- milliseconds since 1970, UTC
    expires   INTEGER CHECK (expires >= 0),             -- the same; NULL: never
    version   INTEGER NOT NULL CHECK (version >= 1),    -- how often the row was written
    client_id BLOB,                             -- option 61 of a client without hardware address;
                                                -- NULL: the client is known by its hardware
    host_name TEXT,
    relay     ANY,                              -- the relay agent that the client is behind
    relay_information BLOB                      -- option 82, as that relay agent sent it
) STRICT;
CREATE VIEW leases AS -- every row in words
SELECT (ip >> 24) || '.' || (ip >> 16 & 255) || '.' || (ip >> 8 & 255) || '.' || (ip & 255)
           AS address,
       CASE WHEN htype = 1 AND length(hardware) = 6 THEN
           lower(substr(hex(hardware), 1, 2) || ':' || substr(hex(hardware), 3, 2) || ':' ||
                 substr(hex(hardware), 5, 2) || ':' || substr(hex(hardware), 7, 2) || ':' ||
                 substr(hex(hardware), 9, 2) || ':' || substr(hex(hardware), 11, 2))
       ELSE 'htype ' || htype || ': ' || lower(hex(hardware)) END AS hardware,
       client_id, host_name,
       CASE state WHEN 0 THEN 'leased' WHEN 1 THEN 'released' WHEN 2 THEN 'declined'
                  ELSE 'conflict' END AS state,
       granted, expires, version,
       (relay >> 24) || '.' || (relay >> 16 & 255) || '.' || (relay >> 8 & 255) || '.' ||
           (relay & 255) AS relay,
       relay_information
FROM lease_rows;
CREATE VIEW active AS -- the addresses in use, in local time
SELECT address, hardware, host_name,
       datetime(granted / 1000, 'unixepoch', 'localtime') AS granted,
       coalesce(datetime(expires / 1000, 'unixepoch', 'localtime'), 'never') AS expires
FROM leases
WHERE state = 'leased' AND (expires IS NULL OR expires > strftime('%s', 'now') * 1000);
CREATE TABLE store (                            -- one row
    followed INTEGER NOT NULL,                  -- the last group of the commit log that is in here
    seen     INTEGER NOT NULL                   -- the latest time that pxed was seen to run
) STRICT;
INSERT INTO store VALUES (0, 0);
";

/// Nothing here has to be durable before somebody hears of it.
const QUIRKS: &str = "
CREATE TABLE quirks (                           -- which form of a proxy offer a machine follows
    hardware     TEXT NOT NULL,                 -- as in leases
    vendor_class TEXT NOT NULL,                 -- option 60, without the version of UNDI
    architecture INTEGER NOT NULL,              -- option 93; -1: the firmware does not say it
    parameters   TEXT NOT NULL,                 -- option 55, '1 2 3 60 66 67'
    form         TEXT NOT NULL,                 -- 'direct', 'redirect', 'menu' ...
    times        INTEGER NOT NULL CHECK (times >= 1),   -- how often it was followed
    since        INTEGER NOT NULL CHECK (since >= 0),   -- milliseconds since 1970, UTC
    last         INTEGER NOT NULL CHECK (last >= 0),    -- the same
    PRIMARY KEY (hardware, vendor_class, architecture, parameters)
) STRICT, WITHOUT ROWID;
";

/// What an own database needs before it can be used.
enum Format {
    Empty,
    /// Without `quirks`.
    First,
    /// With it.
    Third,
    Current,
}

/// Opens the database, which is there, and makes sure that it is ours and of this format. Nothing is
/// written before it is known to be ours.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = |cause| StoreError::sqlite("open", path, cause);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let format = format(&connection, path)?;
    configure(&connection).map_err(failed)?;
    match format {
        Format::Current => Ok(()),
        Format::Empty => bring(&mut connection, &[LEASES, QUIRKS]),
        Format::First => older::with_functions(&connection)
            .and_then(|()| bring(&mut connection, &[older::ASIDE, LEASES, QUIRKS, older::TAKE])),
        Format::Third => older::with_functions(&connection)
            .and_then(|()| bring(&mut connection, &[older::ASIDE, LEASES, older::TAKE])),
    }
    .map_err(failed)?;
    Ok(connection)
}

/// A database of this format in a file that nobody reads before it is whole: without a journal.
pub(super) fn create(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    bring(&mut connection, &[LEASES, QUIRKS])?;
    Ok(connection)
}

/// Every row is read at the start, which finds a page that is damaged as well as any check does.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The follower takes the write-ahead log into the database itself.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", limits::DATABASE_WAL_KEPT)
}

/// The database's format. An error if it is none that this pxed can read.
fn format(connection: &Connection, path: &Path) -> Result<Format, StoreError> {
    let number = |query| {
        let value = connection.query_row(query, [], |row| row.get::<_, i32>(0));
        value.map_err(|cause| StoreError::sqlite("open", path, cause))
    };
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (number("PRAGMA application_id")?, number("PRAGMA user_version")?) {
        (0, 0) if tables == 0 => Ok(Format::Empty),
        (APPLICATION_ID, 1) => Ok(Format::First),
        // Format 2 was 1 with another state; 3 has what was learned.
        (APPLICATION_ID, 2) => Ok(Format::First),
        (APPLICATION_ID, 3) => Ok(Format::Third),
        (APPLICATION_ID, VERSION) => Ok(Format::Current),
        (APPLICATION_ID, version) if version > VERSION => {
            Err(StoreError::Newer { path: path.to_owned(), version })
        }
        _ => Err(StoreError::Foreign { path: path.to_owned() }),
    }
}

/// Brings the database to this format, all or nothing: a crash leaves it as it was.
fn bring(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
