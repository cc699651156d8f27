//! What a machine follows as a row, and back. Nobody waits for these rows: what is lost of them is
//! learned anew.

use std::sync::Arc;

use pxed_proto::dhcp::{Form, Learned, Quirk, Signature, Works};
use pxed_proto::limits;
use pxed_proto::machine::{Architecture, HardwareAddress};
use pxed_proto::net::Mac;
use rusqlite::{Connection, Row, params};

use super::row::{integer, timestamp};

/// Of what is more than is kept, the oldest goes.
const TRIM: &str = "
DELETE FROM quirks WHERE (hardware, vendor_class, architecture, parameters) IN
    (SELECT hardware, vendor_class, architecture, parameters FROM quirks
     ORDER BY last DESC LIMIT -1 OFFSET ?1)";

const PUT: &str = "
INSERT OR REPLACE INTO quirks
    (hardware, vendor_class, architecture, parameters, form, times, since, last)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const DELETE: &str = "
DELETE FROM quirks
WHERE hardware = ?1 AND vendor_class = ?2 AND architecture = ?3 AND parameters = ?4";

/// Everything that can be read, and how many rows can not.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<(Vec<Quirk>, usize)> {
    connection.execute(TRIM, [integer(limits::QUIRK_MACHINES_MAX as u64)])?;
    let mut statement = connection.prepare("SELECT * FROM quirks ORDER BY last")?;
    let mut rows = statement.query([])?;
    let (mut quirks, mut unreadable) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        match read(row) {
            Some(quirk) => quirks.push(quirk),
            None => unreadable += 1,
        }
    }
    Ok((quirks, unreadable))
}

/// Writes what is new.
pub(super) fn write(connection: &Connection, learned: &[Learned]) -> rusqlite::Result<()> {
    for learned in learned {
        match learned {
            Learned::Works(quirk) => put(connection, quirk)?,
            Learned::Forgotten(hardware, signature) => {
                let (class, architecture, parameters) = key(signature);
                let key = params![hardware.to_string(), class, architecture, parameters];
                connection.prepare_cached(DELETE)?.execute(key)?;
            }
        }
    }
    Ok(())
}

/// Writes what a machine follows over what is there.
pub(super) fn put(connection: &Connection, quirk: &Quirk) -> rusqlite::Result<()> {
    let Quirk { hardware, signature, works } = quirk;
    let (class, architecture, parameters) = key(signature);
    let row = params![
        hardware.to_string(),
        class,
        architecture,
        parameters,
        works.form.name,
        works.times,
        integer(works.since.as_millis()),
        integer(works.last.as_millis()),
    ];
    connection.prepare_cached(PUT)?.execute(row).map(drop)
}

/// The columns that name a firmware.
fn key(signature: &Signature) -> (&str, i32, String) {
    let architecture = signature.architecture.map_or(-1, |architecture| architecture.0.into());
    let parameters: Vec<String> = signature.parameters.iter().map(u8::to_string).collect();
    (&signature.vendor_class, architecture, parameters.join(" "))
}

fn read(row: &Row<'_>) -> Option<Quirk> {
    let hardware: HardwareAddress = parse_hardware(&row.get::<_, String>("hardware").ok()?)?;
    let architecture = match row.get("architecture").ok()? {
        -1 => None,
        number => Some(Architecture(u16::try_from(number).ok()?)),
    };
    let parameters: String = row.get("parameters").ok()?;
    let parameters: Result<Vec<u8>, _> = parameters.split_whitespace().map(str::parse).collect();
    let vendor_class = row.get("vendor_class").ok()?;
    let signature = Signature { vendor_class, architecture, parameters: parameters.ok()? };
    let works = Works {
        form: Form::by_name(&row.get::<_, String>("form").ok()?)?,
        times: row.get("times").ok()?,
        since: timestamp(row.get("since").ok()?)?,
        last: timestamp(row.get("last").ok()?)?,
    };
    Some(Quirk { hardware, signature: Arc::new(signature), works })
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
