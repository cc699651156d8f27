//! The fields of events as JSON. docs/control.md lists them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use pxed_proto::boot::Boot;
use pxed_proto::dhcp::Quirk;
use pxed_proto::event::{
    BrokenOff, Conflict, Deed, DhcpEvent, Event, HttpEvent, OtherServer, Outcome, StoreEvent,
    TftpEvent, TftpOutcome, TlsEvent, Trouble,
};
use pxed_proto::machine::Machine;
use pxed_proto::text::Printable;
use pxed_proto::wire::dhcp::MessageType;
use serde::Serialize;
use tracing::Level;

use super::Record;
use crate::clock::Rfc3339;
use crate::journal::counters::{heard, sent};

impl Record {
    /// Its object, in a log of such lines.
    pub fn line(&self, level: Level) -> Line<'_> {
        let facts = match &self.event {
            Event::Dhcp(event) => Facts::Dhcp(dhcp(event)),
            Event::Expired { address, machine } => Facts::Expired(lease(*address, machine)),
            Event::Freed { address, machine } => Facts::Freed(lease(*address, machine)),
            Event::Conflict(found) => Facts::Conflict(conflict(found)),
            Event::Learned(quirk) => Facts::Learned(learned(quirk)),
            Event::OtherServer(other) => Facts::OtherServer(other_server(other)),
            Event::NoDhcpServer { link, machine, waited } => {
                let (mac, seconds) = (machine.hardware.to_string(), waited.as_secs());
                Facts::NoDhcpServer(Nobody { interface: link, mac, seconds })
            }
            Event::Tftp(event) => Facts::Tftp(tftp(event)),
            Event::Http(event) => Facts::Http(http(event)),
            Event::Tls(event) => Facts::Tls(tls(event)),
            Event::Store(event) => Facts::Store(store(event)),
        };
        let timestamp = Rfc3339(self.time).to_string();
        Line { timestamp, level: level.as_str(), message: self.message(), facts }
    }
}

/// The object of every event. The first three are those of every line of the JSON log.
#[derive(Serialize)]
pub struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: String,
    #[serde(flatten)]
    facts: Facts<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Facts<'a> {
    Dhcp(Dhcp<'a>),
    Expired(Lease),
    Freed(Lease),
    Conflict(InUse<'a>),
    Learned(Follows),
    #[serde(rename = "other-server")]
    OtherServer(Other<'a>),
    #[serde(rename = "no-dhcp-server")]
    NoDhcpServer(Nobody<'a>),
    Tftp(Tftp),
    Http(Http),
    Tls(Tls),
    Store(Store<'a>),
}

#[derive(Serialize)]
struct Lease {
    ip: Ipv4Addr,
    mac: String,
}

fn lease(ip: Ipv4Addr, machine: &Machine) -> Lease {
    Lease { ip, mac: machine.hardware.to_string() }
}

#[derive(Serialize)]
struct InUse<'a> {
    interface: &'a str,
    ip: Ipv4Addr,
    mac: String,
    seconds: u64,
}

fn conflict(found: &Conflict) -> InUse<'_> {
    let Conflict { link, address, holder, probation } = found;
    let (mac, seconds) = (holder.to_string(), probation.as_secs());
    InUse { interface: link, ip: *address, mac, seconds }
}

#[derive(Serialize)]
struct Nobody<'a> {
    interface: &'a str,
    mac: String,
    seconds: u64,
}

#[derive(Serialize)]
struct Other<'a> {
    interface: &'a str,
    server: Ipv4Addr,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_mac: Option<String>,
    heard: &'static str,
    mac: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'static str>,
}

fn other_server(other: &OtherServer) -> Other<'_> {
    let (heard, ip) = match &other.deed {
        Deed::Chosen { address, .. } => ("REQUEST", *address),
        Deed::Replied { message_type, address, .. } => {
            (message_type.map_or("BOOTREPLY", MessageType::name), *address)
        }
    };
    Other {
        interface: &other.link,
        server: other.server,
        server_mac: other.mac.map(|mac| mac.to_string()),
        heard,
        mac: other.deed.machine().hardware.to_string(),
        ip,
        boot: other.deed.boot().map(ToString::to_string),
        trouble: other.trouble.map(Trouble::label),
    }
}

#[derive(Serialize)]
struct Follows {
    mac: String,
    form: &'static str,
    signature: String,
}

fn learned(quirk: &Quirk) -> Follows {
    let (mac, signature) = (quirk.hardware.to_string(), quirk.signature.to_string());
    Follows { mac, form: quirk.works.form.name, signature }
}

#[derive(Default, Serialize)]
#[serde(default)]
struct Dhcp<'a> {
    interface: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay: Option<Ipv4Addr>,
    heard: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unprobed: bool,
    #[serde(skip_serializing_if = "<[u8]>::is_empty")]
    left_out: &'a [u8],
}

fn dhcp(event: &DhcpEvent) -> Dhcp<'_> {
    let (heard, outcome) = (heard(event), sent(&event.outcome));
    let facts = Dhcp { heard, outcome, left_out: &event.left_out, ..of_outcome(&event.outcome) };
    let facts = Dhcp { interface: &event.link, reason: reason(&event.outcome), ..facts };
    let Some(request) = event.request else { return facts };
    Dhcp {
        mac: Some(request.machine.hardware.to_string()),
        uuid: request.machine.uuid.map(|uuid| uuid.to_string()),
        xid: Some(format!("{:08x}", request.xid)),
        firmware: Some(request.firmware.to_string()),
        relay: request.relay,
        ..facts
    }
}

fn of_outcome(outcome: &Outcome) -> Dhcp<'static> {
    let nothing = Dhcp::default();
    match outcome {
        Outcome::Offered { address, boot, unprobed } => {
            Dhcp { ip: Some(*address), unprobed: *unprobed, ..of_boot(boot) }
        }
        Outcome::ProxyOffered { form, boot } => Dhcp { form: Some(form.name), ..of_boot(boot) },
        Outcome::Informed { address, boot }
        | Outcome::BootServed { address, boot }
        | Outcome::BootReplied { address, boot } => Dhcp { ip: Some(*address), ..of_boot(boot) },
        Outcome::Acked { address, lease_time, state, boot } => Dhcp {
            ip: Some(*address),
            seconds: Some(lease_time.as_secs()),
            client_state: Some(state.to_string()),
            ..of_boot(boot)
        },
        Outcome::Refused { address, .. } => Dhcp { ip: *address, ..nothing },
        Outcome::Declined { address, probation } => {
            Dhcp { ip: Some(*address), seconds: Some(probation.as_secs()), ..nothing }
        }
        Outcome::Released { address } | Outcome::NotDurable { address } => {
            Dhcp { ip: Some(*address), ..nothing }
        }
        Outcome::Ignored(_) => nothing,
    }
}

/// Why it was refused or not answered, or there is nothing to boot. Asked of every event: it makes no
/// text.
pub(super) fn reason(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Refused { reason, .. } => Some(reason.label()),
        Outcome::Ignored(reason) => Some(reason.label()),
        Outcome::Offered { boot, .. }
        | Outcome::ProxyOffered { boot, .. }
        | Outcome::Informed { boot, .. }
        | Outcome::BootServed { boot, .. }
        | Outcome::BootReplied { boot, .. }
        | Outcome::Acked { boot, .. } => matches!(boot, Boot::NoLoader(_)).then_some("no-loader"),
        Outcome::Declined { .. } | Outcome::Released { .. } | Outcome::NotDurable { .. } => None,
    }
}

fn of_boot(boot: &Boot) -> Dhcp<'static> {
    let nothing = Dhcp::default();
    match boot {
        Boot::Nothing | Boot::NoLoader(_) => nothing,
        Boot::File(file) => Dhcp { boot: Some(file.to_string()), ..nothing },
        Boot::OwnFiles(server) => Dhcp { boot: Some(format!("tftp://{server}/")), ..nothing },
    }
}

#[derive(Serialize)]
struct Tftp {
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    ip: IpAddr,
    port: u16,
    file: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    bytes: u64,
    ms: u64,
    retransmissions: u32,
    blksize: u16,
    windowsize: u16,
    #[serde(skip_serializing_if = "is_none")]
    searched: u16,
}

/// Of a number that is told only if there is something to count.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(count: &u16) -> bool {
    *count == 0
}

fn tftp(event: &TftpEvent) -> Tftp {
    let (outcome, reason) = of_tftp_outcome(&event.outcome);
    Tftp {
        mac: event.machine.map(|mac| mac.to_string()),
        ip: event.client.ip(),
        port: event.client.port(),
        file: Printable(&event.file).to_string(),
        outcome,
        reason,
        bytes: event.bytes,
        ms: milliseconds(event.duration),
        retransmissions: event.retransmissions,
        blksize: event.blksize,
        windowsize: event.windowsize,
        searched: event.searched,
    }
}

pub(super) fn of_tftp_outcome(outcome: &TftpOutcome) -> (&'static str, Option<String>) {
    match outcome {
        TftpOutcome::Completed => ("completed", None),
        TftpOutcome::Aborted { code, message } => {
            ("aborted", Some(format!("error {code} {}", Printable(message))))
        }
        TftpOutcome::TimedOut => ("timed-out", None),
        TftpOutcome::NotFound => ("not-found", None),
        TftpOutcome::Refused(reason) => ("refused", Some((*reason).to_owned())),
        TftpOutcome::Failed(error) => ("failed", Some(error.clone())),
        TftpOutcome::Stopped => ("stopped", None),
        TftpOutcome::Ignored(reason) => ("ignored", Some((*reason).to_owned())),
    }
}

#[derive(Serialize)]
struct Http {
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    ip: IpAddr,
    port: u16,
    secure: bool,
    method: String,
    target: String,
    status: u16,
    bytes: u64,
    ms: u64,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

fn http(event: &HttpEvent) -> Http {
    Http {
        mac: event.machine.map(|mac| mac.to_string()),
        ip: event.client.ip(),
        port: event.client.port(),
        secure: event.secure,
        method: Printable(event.method.as_bytes()).to_string(),
        target: Printable(event.target.as_bytes()).to_string(),
        status: event.status,
        bytes: event.bytes,
        ms: milliseconds(event.duration),
        complete: event.broken_off.is_none(),
        reason: event.broken_off.as_ref().map(BrokenOff::label),
    }
}

/// A client that wanted HTTPS and got none.
#[derive(Serialize)]
struct Tls {
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    ip: IpAddr,
    port: u16,
    reason: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    offered: String,
    ms: u64,
}

fn tls(event: &TlsEvent) -> Tls {
    Tls {
        mac: event.machine.map(|mac| mac.to_string()),
        ip: event.client.ip(),
        port: event.client.port(),
        reason: event.trouble.label(),
        offered: Printable(event.offered.as_bytes()).to_string(),
        ms: milliseconds(event.duration),
    }
}

#[derive(Serialize)]
struct Store<'a> {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
}

fn store(event: &StoreEvent) -> Store<'_> {
    let facts = Store { outcome: event.label(), reason: None, seconds: None, file: None };
    match event {
        StoreEvent::Fails { error } | StoreEvent::Behind { error } => {
            Store { reason: Some(error), ..facts }
        }
        StoreEvent::Works { after } => Store { seconds: Some(after.as_secs()), ..facts },
        StoreEvent::Edited { file } => Store { file: Some(file), ..facts },
        StoreEvent::CaughtUp => facts,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use pxed_proto::net::Mac;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_conflict_names_who_has_the_address() {
        let conflict = Conflict {
            link: "eth1".into(),
            address: Ipv4Addr::new(192, 168, 77, 100),
            holder: Mac([2, 0xbd, 0, 0, 0, 1]),
            probation: Duration::from_secs(600),
        };
        let record = Record::new(Event::Conflict(conflict));
        let line = serde_json::to_value(&record).unwrap();
        let text = "192.168.77.100 on eth1 is in use by 02:bd:00:00:00:01: out of use for 10m";
        for (field, value) in [
            ("kind", "conflict"),
            ("interface", "eth1"),
            ("ip", "192.168.77.100"),
            ("mac", "02:bd:00:00:00:01"),
            ("level", "INFO"),
            ("message", text),
        ] {
            assert_eq!(line[field], value, "{field}");
        }
        assert_eq!(line["seconds"], 600);
        assert_eq!(record.mac(), Some(Mac([2, 0xbd, 0, 0, 0, 1])));
    }

    #[test]
    fn trouble_with_the_store_is_an_event_and_loud() {
        let error = || "disk full".to_owned();
        let file = "/var/lib/pxed/leases.db".to_owned();
        for (event, level, more) in [
            (StoreEvent::Fails { error: error() }, "WARN", json!({ "reason": "disk full" })),
            (
                StoreEvent::Works { after: Duration::from_secs(90) },
                "INFO",
                json!({ "seconds": 90 }),
            ),
            (StoreEvent::Behind { error: error() }, "WARN", json!({ "reason": "disk full" })),
            (StoreEvent::CaughtUp, "INFO", json!({})),
            (StoreEvent::Edited { file: file.clone() }, "WARN", json!({ "file": file })),
        ] {
            let (outcome, message) = (event.label(), event.to_string());
            let record = Record::new(Event::Store(event));
            let mut line = serde_json::to_value(&record).unwrap();
            let line = line.as_object_mut().unwrap();
            assert!(line.remove("timestamp").is_some());
            let mut expected = json!({
                "level": level, "message": message, "kind": "store", "outcome": outcome,
            });
            expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(*line, *expected.as_object().unwrap());
            assert_eq!((record.is_milestone(), record.topic(), record.mac()), (true, None, None));
        }
    }
}
