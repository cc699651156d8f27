//! What is told, as lines of the log.

use pxed_proto::dhcp::{Arrival, Transmit};
use pxed_proto::event::Event;
use pxed_proto::text::HexDump;
use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::Decoded;
use tracing::{Level, debug, enabled, info, warn};

use super::limiter::Suppressed;
use super::record::Record;
use crate::log::{self, LogFormat};

/// Writes an event: what was heard and what was done about it.
pub(super) fn log(format: LogFormat, record: &Record, level: Level) {
    match (format, level, &record.event) {
        (LogFormat::Json, ..) => log_object(record, level),
        (LogFormat::Text, Level::INFO, Event::Dhcp(event)) => {
            info!("{}", event.heard());
            info!("{}", event.done());
        }
        (LogFormat::Text, Level::WARN, _) => warn!("{}", record.message()),
        (LogFormat::Text, Level::INFO, _) => info!("{}", record.message()),
        (LogFormat::Text, ..) => debug!("{}", record.message()),
    }
}

/// Writes what there was no room for.
pub(super) fn tell(over: &[Suppressed]) {
    over.iter().for_each(|suppressed| info!("{suppressed}"));
}

/// Shows a datagram that came in.
pub(super) fn received(arrival: &Arrival, datagram: &[u8]) {
    let (from, to, len) = (arrival.source, arrival.destination, datagram.len());
    debug!("received {len} octets from {from} to {to}\n{}", described(datagram));
}

/// Shows a message that leaves.
pub(super) fn sending(transmit: &Transmit) {
    let Transmit { destination, source, message, .. } = transmit;
    let len = message.len();
    debug!("sending {len} octets from {source} to {destination:?}\n{}", described(message));
}

/// An event is one line of the JSON log as it is. (tracing wants to know the names of its fields
/// when it is compiled.) A log that can not be written stops nothing.
fn log_object(record: &Record, level: Level) {
    let is_read = match level {
        Level::WARN => enabled!(Level::WARN),
        Level::INFO => enabled!(Level::INFO),
        _ => enabled!(Level::DEBUG),
    };
    if is_read && let Ok(mut line) = serde_json::to_vec(&record.line(level)) {
        line.push(b'\n');
        log::line(line);
    }
}

fn described(datagram: &[u8]) -> String {
    match Message::parse(datagram) {
        Ok(message) => format!("{}\n{}", HexDump(datagram), Decoded(&message)),
        Err(_) => HexDump(datagram).to_string(),
    }
}
