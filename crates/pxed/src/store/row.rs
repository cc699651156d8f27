//! A lease as a row, and back.

use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{ClientKey, Lease, LeaseState, RelayAgent, Said};
use pxed_proto::machine::HardwareAddress;
use pxed_proto::net::Mac;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Row, params};

const INSERT: &str = "
INSERT INTO leases (address, hardware, client_id, host_name, state, granted, expires, version,
                    relay, relay_information)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (address) DO NOTHING";

const UPDATE: &str = "
UPDATE leases SET hardware = ?2, client_id = ?3, host_name = ?4, state = ?5, granted = ?6,
       expires = ?7, version = ?8, relay = ?9, relay_information = ?10
WHERE address = ?1 AND version = ?8 - 1";

/// A row that is no lease: somebody edited it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the lease of {address} can not be read: its {column} is not one; nobody gets the address \
     until the row in leases.db is mended or deleted"
)]
pub struct UnreadableRow {
    /// Of which address, as the row has it.
    pub address: String,
    /// What can not be read.
    pub column: &'static str,
}

/// Every lease, and the rows that are none.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<(Vec<Lease>, Vec<UnreadableRow>)> {
    let (mut leases, mut unreadable) = (Vec::new(), Vec::new());
    let mut statement = connection.prepare("SELECT * FROM leases")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(lease) => leases.push(lease),
            Err(row) => unreadable.push(row),
        }
    }
    Ok((leases, unreadable))
}

/// The row of an address, if there is one.
pub(super) fn get(
    connection: &Connection,
    address: Ipv4Addr,
) -> rusqlite::Result<Option<Result<Lease, UnreadableRow>>> {
    let mut statement = connection.prepare_cached("SELECT * FROM leases WHERE address = ?1")?;
    statement.query_row([address.to_string()], |row| Ok(read(row))).optional()
}

/// Writes a lease over the version before it. `false` if the row does not have that version.
pub(super) fn put(connection: &Connection, lease: &Lease) -> rusqlite::Result<bool> {
    let sql = if lease.version == 1 { INSERT } else { UPDATE };
    let (client_id, relay) = (lease.said.identifier(), lease.relay());
    let changed = connection.prepare_cached(sql)?.execute(params![
        lease.address.to_string(),
        lease.hardware.to_string(),
        client_id.as_deref(),
        lease.host_name(),
        state_name(lease.state),
        integer(lease.granted.as_millis()),
        // What does not fit is FOREVER, or as good as.
        i64::try_from(lease.expires.as_millis()).ok(),
        integer(lease.version),
        relay.as_ref().map(|relay| relay.address.to_string()),
        relay.as_ref().map(|relay| &*relay.information),
    ])?;
    Ok(changed == 1)
}

fn read(row: &Row<'_>) -> Result<Lease, UnreadableRow> {
    let hardware = column(row, "hardware", |text: String| parse_hardware(&text))?;
    let client = |identifier: Option<Vec<u8>>| match identifier {
        Some(identifier) => ClientKey::Identifier(identifier.into()),
        None => ClientKey::Hardware(hardware),
    };
    let client = column(row, "client_id", |identifier| Some(client(identifier)))?;
    let host_name: Option<String> = column(row, "host_name", Some)?;
    Ok(Lease {
        address: column(row, "address", |text: String| text.parse().ok())?,
        hardware,
        said: Said::new(&client, host_name.as_deref(), relay(row)?.as_ref()),
        state: column(row, "state", |name: String| parse_state(&name))?,
        granted: column(row, "granted", timestamp)?,
        expires: column(row, "expires", |millis: Option<i64>| {
            millis.map_or(Some(Timestamp::FOREVER), timestamp)
        })?,
        version: column(row, "version", |version: i64| u64::try_from(version).ok())?,
    })
}

fn relay(row: &Row<'_>) -> Result<Option<RelayAgent>, UnreadableRow> {
    let address = column(row, "relay", |text: Option<String>| match text {
        Some(text) => text.parse().ok().map(Some),
        None => Some(None),
    })?;
    let information = column(row, "relay_information", |blob: Option<Vec<u8>>| Some(blob))?;
    let agent =
        |address| RelayAgent { address, information: information.unwrap_or_default().into() };
    Ok(address.map(agent))
}

/// Reads one column, and takes it for what a lease has there.
fn column<T: FromSql, U>(
    row: &Row<'_>,
    name: &'static str,
    take: impl FnOnce(T) -> Option<U>,
) -> Result<U, UnreadableRow> {
    row.get(name).ok().and_then(take).ok_or_else(|| {
        let address = row.get("address").unwrap_or_else(|_| "?".to_owned());
        UnreadableRow { address, column: name }
    })
}

pub(super) fn timestamp(millis: i64) -> Option<Timestamp> {
    u64::try_from(millis).ok().map(Timestamp::from_millis)
}

/// SQLite's integers have 63 bits; neither a clock nor a counter gets there.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads what its `Display` wrote, and an Ethernet address however it is written.
pub(super) fn parse_hardware(text: &str) -> Option<HardwareAddress> {
    if let Ok(mac) = text.parse::<Mac>() {
        return Some(mac.into());
    }
    let (htype, octets) = text.strip_prefix("htype ")?.split_once(':')?;
    let mut chaddr = [0; 16];
    let mut hlen = 0;
    for octet in octets.split_whitespace() {
        *chaddr.get_mut(usize::from(hlen))? = u8::from_str_radix(octet, 16).ok()?;
        hlen += 1;
    }
    HardwareAddress::new(htype.parse().ok()?, hlen, chaddr)
}

fn state_name(state: LeaseState) -> &'static str {
    match state {
        LeaseState::Leased => "leased",
        LeaseState::Released => "released",
        LeaseState::Declined => "declined",
        LeaseState::Conflict => "conflict",
    }
}

fn parse_state(name: &str) -> Option<LeaseState> {
    use LeaseState::{Conflict, Declined, Leased, Released};
    let states = [Leased, Released, Declined, Conflict];
    states.into_iter().find(|state| state_name(*state) == name)
}
