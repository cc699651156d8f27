//! `pxed explain`: what would this machine get, and which rule decided it?
//!
//! [`flags`] makes the DISCOVER that such a firmware sends; the same function that answers real ones
//! is asked about it, of a running pxed by the control socket and on its leases, or of a server that
//! is made from a file. Nothing is sent and nothing changes.

mod answer;
mod flags;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use pxed_proto::Timestamp;
use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{
    self, Arrival, CLIENT_PORT, Change, Destination, Found, LinkId, SERVER_PORT, Server,
};
use pxed_proto::event::Event;
use pxed_proto::machine::{Architecture, Firmware};
use pxed_proto::net::Mac;
use pxed_proto::text::Hex;
use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::{Decoded, Described};

use crate::http::ScriptRequest;
use crate::journal::Record;
use crate::script;
pub use answer::{Explained, Reply, Rule};
pub use flags::ExplainArgs;

/// What is asked: what would become of this datagram?
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The interface that it comes in by; the first one, if none is named.
    pub interface: Option<String>,
    /// A DHCP message. If it names a relay agent, that agent brings it.
    pub datagram: Vec<u8>,
}

/// An explanation without its script: whether that can be read only a disk knows, and the DHCP thread
/// waits for none.
#[derive(Debug)]
pub struct Unscripted {
    explained: Explained,
    script: Option<(ScriptRequest, Arc<Catalog>)>,
}

impl Unscripted {
    /// With the script that iPXE would be given, in the end, filled in for the address that the
    /// machine would get; `file` reads a served one.
    pub fn with_script(self, file: &dyn Fn(&str) -> Result<String, String>) -> Explained {
        let Self { mut explained, script } = self;
        match script.map(|(request, catalog)| script::write(&request, &catalog, file)) {
            Some(Ok(text)) => explained.script = Some(text),
            Some(Err(error)) => explained.script_error = Some(error),
            None => {}
        }
        explained
    }
}

/// Explains by the server's rules and its leases.
///
/// # Errors
///
/// The interface is none of the configuration's.
pub fn explain(server: &Server, inquiry: &Inquiry, now: Timestamp) -> Result<Unscripted, String> {
    let config = server.config();
    let link = link(inquiry.interface.as_deref(), config)?;
    let message = Message::parse(&inquiry.datagram).ok();
    let arrival = arrival(message.as_ref(), link, config);
    let dhcp::Explanation { plan, found } = server.explain(now, link, &arrival, &inquiry.datagram);
    let mut explained = found.as_ref().map(rules).unwrap_or_default();
    if let Change::Probe { wait, .. } = plan.change {
        explained.probe_ms = u64::try_from(wait.as_millis()).ok();
    }
    let event = Record::new(Event::Dhcp(plan.event));
    explained.event = serde_json::to_value(&event).unwrap_or_default();
    let mut script = None;
    if let Some(transmit) = plan.reply
        && let Ok(reply) = Message::parse(&transmit.message)
    {
        let (source, destination) = (transmit.source, destination(transmit.destination));
        let (decoded, octets) = (Decoded(&reply).to_string(), Hex(&transmit.message).to_string());
        explained.reply = Some(Reply { source, destination, decoded, octets });
        let request = found.as_ref().and_then(|found| script_request(&event, found, reply.yiaddr));
        script = request.map(|request| (request, config.catalog.clone()));
    }
    Ok(Unscripted { explained, script })
}

fn link(interface: Option<&str>, config: &dhcp::Config) -> Result<LinkId, String> {
    let Some(name) = interface else { return Ok(LinkId(0)) };
    let served = || config.links.iter().map(|link| &*link.name).collect::<Vec<_>>().join(", ");
    let index = config.links.iter().position(|link| *link.name == *name);
    index.map(LinkId).ok_or_else(|| {
        format!("--interface {name}: the configuration serves no such one, but {}", served())
    })
}

/// How such a message comes in.
fn arrival(message: Option<&Message<'_>>, link: LinkId, config: &dhcp::Config) -> Arrival {
    let relay = message.map(|message| message.giaddr).filter(|relay| !relay.is_unspecified());
    let own = || config.links.get(link.0)?.addresses.first().copied();
    let client = message.map_or(Ipv4Addr::UNSPECIFIED, |message| message.ciaddr);
    match relay {
        Some(relay) => Arrival {
            source: SocketAddrV4::new(relay, SERVER_PORT),
            destination: own().unwrap_or(Ipv4Addr::UNSPECIFIED),
            source_mac: None,
        },
        None => Arrival {
            source: SocketAddrV4::new(client, CLIENT_PORT),
            destination: Ipv4Addr::BROADCAST,
            source_mac: message.and_then(|message| message.chaddr.first_chunk().copied().map(Mac)),
        },
    }
}

fn destination(destination: Destination) -> String {
    match destination {
        Destination::Unicast { mac, address } => format!("{address} at {mac}"),
        Destination::Broadcast => "everybody on the link".to_owned(),
        Destination::Routed(host) => host.to_string(),
    }
}

/// Which rules hold for the machine, and what each decided.
fn rules(found: &Found<'_>) -> Explained {
    let (layers, booting) = (&found.entitled.layers, found.firmware != Firmware::NotBooting);
    let mut rules = Vec::new();
    let mut rule = |what: String, by: dhcp::Origin<'_>| {
        rules.push(Rule { what, by: by.to_string() });
    };
    for (number, (origin, option)) in layers.options(booting) {
        rule(Described(number, &option.value).to_string(), origin);
    }
    if let Some((origin, name)) = layers.find(|settings| settings.profile.as_deref()) {
        rule(format!("profile {name}"), origin);
    }
    if let Some((origin, file)) = layers.find(|settings| settings.boot_file.as_deref()) {
        rule(format!("boot file {file}"), origin);
    }
    let loader = |arch: Architecture| {
        layers.find(|settings| settings.loaders.get(&arch).map(String::as_str))
    };
    if let Some((origin, file)) = found.firmware.architecture().and_then(loader) {
        rule(format!("loader {file}"), origin);
    }
    if let Some((origin, tftp)) = layers.find(|settings| settings.tftp_server) {
        rule(format!("TFTP server {tftp}"), origin);
    }
    Explained {
        subnet: Some(found.subnet.net.to_string()),
        reservation: found.entitled.reservation.map(|reservation| reservation.name.clone()),
        classes: found.entitled.classes.iter().map(|&name| name.to_owned()).collect(),
        layers: layers.origins().map(|origin| origin.to_string()).collect(),
        rules,
        ..Explained::default()
    }
}

/// What iPXE would ask for on this machine; `None` if it boots nothing.
fn script_request(event: &Record, found: &Found<'_>, address: Ipv4Addr) -> Option<ScriptRequest> {
    let Event::Dhcp(event) = &event.event else { return None };
    let machine = event.request?.machine;
    if found.firmware == Firmware::NotBooting {
        return None;
    }
    let wishes = found.entitled.wishes(Firmware::Ipxe(found.firmware.architecture()));
    Some(ScriptRequest {
        machine: machine.mac(),
        uuid: machine.uuid.map(|uuid| uuid.to_string()),
        profile: wishes.profile.map(ToOwned::to_owned),
        client: SocketAddrV4::new(address, 0).into(),
        host: found.subnet.services.http,
    })
}
