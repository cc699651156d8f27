//! Databases of formats 1 to 3, where a lease was text: addresses, hardware, states.

use std::net::Ipv4Addr;

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

use super::quirk::parse_hardware;

/// The old table makes room for the new one.
pub(super) const ASIDE: &str = "DROP VIEW active; ALTER TABLE leases RENAME TO older_leases";

/// What is text and no address stays text, which is no lease in the new table either; a row without
/// an address has no place there, and stays in the old one.
pub(super) const TAKE: &str = "
INSERT INTO lease_rows (ip, state, htype, hardware, granted, expires, version, client_id,
                        host_name, relay, relay_information)
SELECT ip_of(address),
       CASE state WHEN 'leased' THEN 0 WHEN 'released' THEN 1 WHEN 'declined' THEN 2 ELSE 3 END,
       htype_of(hardware), octets_of(hardware), granted, expires, version, client_id, host_name,
       ip_of(relay), relay_information
FROM older_leases WHERE typeof(ip_of(address)) = 'integer';
DELETE FROM older_leases WHERE typeof(ip_of(address)) = 'integer';
UPDATE store SET seen = coalesce((SELECT max(granted) FROM lease_rows), 0);
";

/// Gives the connection what [`TAKE`] is written in.
pub(super) fn with_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("ip_of", 1, flags, |context| {
        Ok(of_text(context, |text| {
            let address: Ipv4Addr = text.parse().ok()?;
            Some(Value::Integer(address.to_bits().into()))
        }))
    })?;
    connection.create_scalar_function("octets_of", 1, flags, |context| {
        Ok(of_text(context, |text| Some(Value::Blob(parse_hardware(text)?.octets().to_vec()))))
    })?;
    connection.create_scalar_function("htype_of", 1, flags, |context| {
        let htype = match context.get_raw(0) {
            ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(parse_hardware),
            _ => None,
        };
        Ok(htype.map_or(0, |hardware| i64::from(hardware.htype())))
    })
}

/// What text stands for, or the value as it is.
fn of_text(context: &Context<'_>, read: impl FnOnce(&str) -> Option<Value>) -> Value {
    let value = context.get_raw(0);
    let text = match value {
        ValueRef::Text(text) => std::str::from_utf8(text).ok(),
        _ => None,
    };
    text.and_then(read).unwrap_or_else(|| value.try_into().unwrap_or(Value::Null))
}
