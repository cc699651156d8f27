//! The database: whose it is, its format and its tables.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// `pxed`: what `file leases.db` shows, and what tells ours from other databases.
const APPLICATION_ID: i32 = 0x7078_6564;

/// The format of the database. A change of the table is a new number, and a step that takes the
/// old one there.
pub(super) const VERSION: i32 = 3;

/// How long a write waits for another program that holds the database (a backup, somebody's
/// transaction). A client asks again after 4 s and believes no older answer.
const BUSY: Duration = Duration::from_secs(2);

/// SQLite keeps the comments, so that `.schema` explains itself.
const LEASES: &str = "
CREATE TABLE leases (
    address   TEXT NOT NULL PRIMARY KEY,        -- '192.168.77.100'
    hardware  TEXT NOT NULL,                    -- '52:54:00:12:34:56', or 'htype 32: 80 00 01'
    client_id BLOB,                             -- option 61 of a client without hardware address;
                                                -- NULL: the client is known by its hardware
    host_name TEXT,
    state     TEXT NOT NULL CHECK (state IN ('leased', 'released', 'declined', 'conflict')),
    granted   INTEGER NOT NULL CHECK (granted >= 0),    -- milliseconds since 1970, UTC
    expires   INTEGER CHECK (expires >= 0),             -- the same; NULL: never
    version   INTEGER NOT NULL CHECK (version >= 1),    -- how often the row was written
    relay     TEXT,                             -- the relay agent that the client is behind
    relay_information BLOB                      -- option 82, as that relay agent sent it
) STRICT, WITHOUT ROWID;
CREATE VIEW active AS -- the addresses in use, in local time
SELECT address, hardware, host_name,
       datetime(granted / 1000, 'unixepoch', 'localtime') AS granted,
       coalesce(datetime(expires / 1000, 'unixepoch', 'localtime'), 'never') AS expires
FROM leases
WHERE state = 'leased' AND (expires IS NULL OR expires > strftime('%s', 'now') * 1000);
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

/// From format 1, which knew no conflicts, to format 2: the same columns.
const FROM_1: [&str; 3] = [
    "DROP VIEW active; ALTER TABLE leases RENAME TO leases_1",
    LEASES,
    "INSERT INTO leases SELECT * FROM leases_1; DROP TABLE leases_1",
];

/// What an own database needs before it can be used.
enum Format {
    Empty,
    First,
    Second,
    Current,
}

/// Makes sure that the database is ours and sound, creates the table in an empty one, and sets
/// what a connection has to have. Nothing is written before the database is known to be ours.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |cause| StoreError::sqlite("open", path, cause);
    connection.busy_timeout(BUSY).map_err(failed)?;
    let format = format(connection, path)?;
    check(connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    match format {
        Format::Empty => bring(connection, &[LEASES, QUIRKS]).map_err(failed),
        Format::First => bring(connection, &[&FROM_1[..], &[QUIRKS]].concat()).map_err(failed),
        Format::Second => bring(connection, &[QUIRKS]).map_err(failed),
        Format::Current => Ok(()),
    }
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
        (APPLICATION_ID, 2) => Ok(Format::Second),
        (APPLICATION_ID, VERSION) => Ok(Format::Current),
        (APPLICATION_ID, version) if version > VERSION => {
            Err(StoreError::Newer { path: path.to_owned(), version })
        }
        _ => Err(StoreError::Foreign { path: path.to_owned() }),
    }
}

/// Looks at every page: damage that is found now is one clear text, and not a client that gets no
/// address at night. It costs as much as reading the leases does.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found.map_err(|cause| StoreError::sqlite("open", path, cause))? {
        fine if fine == "ok" => Ok(()),
        cause => Err(StoreError::Damaged { path: path.to_owned(), cause }),
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
