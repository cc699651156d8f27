//! A lease as a row, and back.

use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{ClientKey, Lease, RelayAgent, Said};
use pxed_proto::machine::HardwareAddress;
use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, Row, params, params_from_iter};

use super::log::{state_number, state_of};

/// The columns, in the order in which they are read and written here.
const READ: &str = "
SELECT ip, state, htype, hardware, granted, expires, version, client_id, host_name, relay,
       relay_information
FROM lease_rows";

const PUT: &str = "
INSERT OR REPLACE INTO lease_rows
    (ip, state, htype, hardware, granted, expires, version, client_id, host_name, relay,
     relay_information)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const COLUMNS: [&str; 11] = [
    "ip",
    "state",
    "htype",
    "hardware",
    "granted",
    "expires",
    "version",
    "client_id",
    "host_name",
    "relay",
    "relay_information",
];

/// A row that is no lease: somebody edited it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the lease of {address} can not be read: its {column} is not one; nobody gets the address \
     until the row of lease_rows in leases.db is mended or deleted, and pxed started again"
)]
pub struct UnreadableRow {
    /// Of which address, as the row has it.
    pub address: String,
    /// What can not be read.
    pub column: &'static str,
}

/// Such a row as it is, for a database that is made anew.
#[derive(Clone, Debug)]
pub(super) struct Spoilt {
    /// Whom it keeps from being leased; a row may not even have that.
    pub address: Option<Ipv4Addr>,
    pub row: UnreadableRow,
    values: Vec<Value>,
}

/// Reads every lease, and returns the rows that are none.
pub(super) fn all(
    connection: &Connection,
    mut each: impl FnMut(Lease),
) -> rusqlite::Result<Vec<Spoilt>> {
    let mut spoilt = Vec::new();
    let mut statement = connection.prepare(READ)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(lease) => each(lease),
            Err(column) => spoilt.push(keep(row, column)?),
        }
    }
    Ok(spoilt)
}

/// Writes a lease over whatever is there.
pub(super) fn put(connection: &Connection, lease: &Lease) -> rusqlite::Result<()> {
    let relay = lease.relay();
    let row = params![
        lease.address.to_bits(),
        state_number(lease.state),
        lease.hardware.htype(),
        lease.hardware.octets(),
        integer(lease.granted.as_millis()),
        // What does not fit is FOREVER, or as good as.
        i64::try_from(lease.expires.as_millis()).ok(),
        integer(lease.version),
        lease.said.identifier_octets(),
        lease.host_name(),
        relay.as_ref().map(|relay| relay.address.to_bits()),
        relay.as_ref().map(|relay| &*relay.information),
    ];
    connection.prepare_cached(PUT)?.execute(row).map(drop)
}

/// Writes a row as it was.
pub(super) fn put_spoilt(connection: &Connection, spoilt: &Spoilt) -> rusqlite::Result<()> {
    connection.prepare_cached(PUT)?.execute(params_from_iter(&spoilt.values)).map(drop)
}

/// The error names the column.
fn read(row: &Row<'_>) -> Result<Lease, &'static str> {
    let octets: &[u8] = match row.get_ref(3) {
        Ok(rusqlite::types::ValueRef::Blob(octets)) => octets,
        _ => return Err("hardware"),
    };
    let hardware = hardware(column(row, 2, Some)?, octets).ok_or("hardware")?;
    Ok(Lease {
        address: column(row, 0, |ip: u32| Some(Ipv4Addr::from_bits(ip)))?,
        hardware,
        said: said(row, hardware)?,
        state: column(row, 1, state_of)?,
        granted: column(row, 4, timestamp)?,
        expires: column(row, 5, |millis: Option<i64>| {
            millis.map_or(Some(Timestamp::FOREVER), timestamp)
        })?,
        version: column(row, 6, |version: i64| u64::try_from(version).ok())?,
    })
}

fn said(row: &Row<'_>, hardware: HardwareAddress) -> Result<Said, &'static str> {
    let client = match column(row, 7, |identifier: Option<Vec<u8>>| Some(identifier))? {
        Some(identifier) => ClientKey::Identifier(identifier.into()),
        None => ClientKey::Hardware(hardware),
    };
    let host_name: Option<String> = column(row, 8, Some)?;
    Ok(Said::new(&client, host_name.as_deref(), relay(row)?.as_ref()))
}

fn hardware(htype: u8, octets: &[u8]) -> Option<HardwareAddress> {
    let mut chaddr = [0; 16];
    chaddr.get_mut(..octets.len())?.copy_from_slice(octets);
    HardwareAddress::new(htype, u8::try_from(octets.len()).ok()?, chaddr)
}

fn relay(row: &Row<'_>) -> Result<Option<RelayAgent>, &'static str> {
    let Some(address) = column(row, 9, |ip: Option<u32>| Some(ip.map(Ipv4Addr::from_bits)))? else {
        return Ok(None);
    };
    let information = column(row, 10, |blob: Option<Vec<u8>>| Some(blob.unwrap_or_default()))?;
    Ok(Some(RelayAgent { address, information: information.into() }))
}

/// Reads one column, and takes it for what a lease has there.
fn column<T: FromSql, U>(
    row: &Row<'_>,
    index: usize,
    take: impl FnOnce(T) -> Option<U>,
) -> Result<U, &'static str> {
    let name = COLUMNS.get(index).copied().unwrap_or("?");
    row.get(index).ok().and_then(take).ok_or(name)
}

fn keep(row: &Row<'_>, column: &'static str) -> rusqlite::Result<Spoilt> {
    let values: rusqlite::Result<Vec<Value>> =
        (0..COLUMNS.len()).map(|index| row.get(index)).collect();
    let values = values?;
    let address = row.get::<_, u32>(0).ok().map(Ipv4Addr::from_bits);
    let text = match (address, values.first()) {
        (Some(address), _) => address.to_string(),
        (None, Some(Value::Integer(number))) => format!("ip {number}"),
        (None, _) => "?".to_owned(),
    };
    Ok(Spoilt { address, row: UnreadableRow { address: text, column }, values })
}

pub(super) fn timestamp(millis: i64) -> Option<Timestamp> {
    u64::try_from(millis).ok().map(Timestamp::from_millis)
}

/// SQLite's integers have 63 bits; neither a clock nor a counter gets there.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
