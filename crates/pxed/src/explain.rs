//! `pxed explain`: what would this machine get, and which rule decided it?
//!
//! [`flags`] makes the DISCOVER that such a firmware sends; the same function that answers real ones
//! is asked about it, of a running pxed by the control socket and on its leases, or of a server that
//! is made from a file. Nothing is sent and nothing changes.

mod answer;
mod flags;
mod image;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use pxed_proto::Timestamp;
use pxed_proto::boot::Boot;
use pxed_proto::catalog::{Catalog, Profile};
use pxed_proto::dhcp::{
    self, Arrival, CLIENT_PORT, Change, Choice, Destination, Found, LinkId, Pool, SERVER_PORT,
    Server, Why,
};
use pxed_proto::event::{Event, Outcome};
use pxed_proto::machine::{Architecture, Firmware};
use pxed_proto::net::Mac;
use pxed_proto::text::Hex;
use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::{Decoded, Described, code};

use crate::http::ScriptRequest;
use crate::journal::Record;
use crate::script;
pub use answer::{Explained, Reply, Rule};
pub use flags::{ExplainArgs, Kind};

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
    let transmit = plan.reply.as_ref();
    let reply = transmit.and_then(|transmit| Message::parse(&transmit.message).ok());
    let exchange = Exchange { asked: message.as_ref(), reply: reply.as_ref() };
    let mut explained = found.as_ref().map(|found| rules(found, &exchange)).unwrap_or_default();
    if let Change::Probe { wait, .. } = plan.change {
        explained.probe_ms = u64::try_from(wait.as_millis()).ok();
    }
    explained.notes.extend(found.as_ref().and_then(|found| image::note(found, &config.catalog)));
    explained.notes.extend(asks_boot_server(&plan.event.outcome));
    let event = Record::new(Event::Dhcp(plan.event));
    explained.event = serde_json::to_value(&event).unwrap_or_default();
    let mut script = None;
    if let (Some(transmit), Some(reply)) = (transmit, &reply) {
        let (source, destination) = (*transmit.source.ip(), destination(transmit.destination));
        let (decoded, octets) = (Decoded(reply).to_string(), Hex(&transmit.message).to_string());
        let delay_ms = u64::try_from(transmit.delay.as_millis()).unwrap_or(u64::MAX);
        explained.reply = Some(Reply { source, destination, delay_ms, decoded, octets });
        let request = found.as_ref().and_then(|found| script_request(&event, found, reply.yiaddr));
        let has_profile = |request: &ScriptRequest| {
            *config.catalog.profile(request.profile.as_deref()) != Profile::Nothing
        };
        let boots_image = found.as_ref().and_then(|found| image::is_booted(found, &config.catalog));
        let request = request.filter(has_profile).filter(|_| boots_image != Some(true));
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
pub fn arrival(message: Option<&Message<'_>>, link: LinkId, config: &dhcp::Config) -> Arrival {
    let relay = message.map(|message| message.giaddr).filter(|relay| !relay.is_unspecified());
    let own = || config.links.get(link.0)?.addresses.first().copied();
    let client = message.map_or(Ipv4Addr::UNSPECIFIED, |message| message.ciaddr);
    let server = |address| SocketAddrV4::new(address, SERVER_PORT);
    match relay {
        Some(relay) => Arrival {
            source: SocketAddrV4::new(relay, SERVER_PORT),
            destination: server(own().unwrap_or(Ipv4Addr::UNSPECIFIED)),
            source_mac: None,
        },
        None => Arrival {
            source: SocketAddrV4::new(client, CLIENT_PORT),
            destination: server(Ipv4Addr::BROADCAST),
            source_mac: message.and_then(|message| message.chaddr.first_chunk().copied().map(Mac)),
        },
    }
}

fn destination(destination: Destination) -> String {
    match destination {
        Destination::Unicast { mac, address } => format!("{address} at {mac}"),
        Destination::Broadcast => "everybody on the link".to_owned(),
        Destination::Routed(host) if host.port() == SERVER_PORT => {
            format!("the relay agent {}", host.ip())
        }
        Destination::Routed(host) => host.ip().to_string(),
    }
}

/// What was asked and answered.
struct Exchange<'a> {
    asked: Option<&'a Message<'a>>,
    reply: Option<&'a Message<'a>>,
}

impl Exchange<'_> {
    /// Why an option that is said does not stand in the reply.
    fn not_sent(&self, number: u8) -> Option<String> {
        let absent = self.reply.filter(|reply| reply.option(number).is_none());
        let wishes = self.asked.and_then(|asked| asked.option(code::PARAMETER_REQUEST_LIST));
        let asked = wishes.is_some_and(|wishes| wishes.contains(&number));
        absent.map(|_| if asked { "it has no room" } else { "not asked for" }.to_owned())
    }

    /// The lease, and where it comes from.
    fn lease(&self, found: &Found<'_>) -> Vec<Rule> {
        let own = |message: &&Message<'_>| !message.yiaddr.is_unspecified();
        let Some(reply) = self.reply.filter(own) else { return Vec::new() };
        let reservation = found.entitled.reservation;
        let reserved = reservation.filter(|own| own.address == Some(reply.yiaddr));
        let pool = found.subnet.pools.iter().find(|pool| pool.range.contains(reply.yiaddr));
        let by = match (reserved, found.leased == Some(reply.yiaddr), pool) {
            (Some(reservation), ..) => format!("reservation {}", reservation.name),
            (None, true, _) => "the lease that it has".to_owned(),
            (None, false, Some(Pool { range, class: Some(class) })) => {
                format!("the pool {range} of class {class}")
            }
            (None, false, Some(Pool { range, class: None })) => format!("the range {range}"),
            (None, false, None) => "nobody".to_owned(),
        };
        let address = Rule { what: format!("address {}", reply.yiaddr), by, not_sent: None };
        let wished = self.asked.is_some_and(|asked| asked.u32(code::LEASE_TIME).is_some());
        let by = if wished { "what it asks for, and the subnet's bounds" } else { "the subnet" };
        let time = |value: &[u8]| Described(code::LEASE_TIME, value).to_string();
        let time = reply.option(code::LEASE_TIME).map(|value| time(&value));
        let time = time.map(|what| Rule { what, by: by.to_owned(), not_sent: None });
        [address].into_iter().chain(time).collect()
    }
}

/// What one may expect of a reservation, and does not hold here.
fn notes(found: &Found<'_>) -> Vec<String> {
    let elsewhere = |own: &&dhcp::Reservation| {
        own.address.is_some_and(|address| !found.subnet.net.contains_host(address))
    };
    let own = found.entitled.reservation.filter(elsewhere);
    let note = |own: &dhcp::Reservation| {
        let address = own.address.map(|address| address.to_string()).unwrap_or_default();
        format!("reservation {}: its address {address} is not on this subnet", own.name)
    };
    own.map(note).into_iter().collect()
}

/// Why a proxy offer names no file where one is told.
fn asks_boot_server(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::ProxyOffered { form, .. } if form.sends_to_boot_server() => {
            let port = dhcp::BOOT_SERVER_PORT;
            Some(format!("form {form}: it asks this server at port {port} what it is to boot"))
        }
        _ => None,
    }
}

/// Which rules hold for the machine, and what each decided.
fn rules(found: &Found<'_>, exchange: &Exchange<'_>) -> Explained {
    let (layers, booting) = (&found.entitled.layers, found.firmware != Firmware::NotBooting);
    let mut rules = exchange.lease(found);
    for (number, (origin, option)) in layers.options(booting) {
        let what = Described(number, &option.value).to_string();
        let not_sent = exchange.not_sent(number);
        rules.push(Rule { what, by: origin.to_string(), not_sent });
    }
    let mut rule = |what: String, by: dhcp::Origin<'_>| {
        rules.push(Rule { what, by: by.to_string(), not_sent: None });
    };
    if let Some((origin, name)) = layers.find(|settings| settings.profile.as_deref()) {
        rule(format!("profile {name}"), origin);
    }
    if let Some((origin, file)) = layers.find(|settings| settings.boot_file.as_deref()) {
        rule(format!("boot file {file}"), origin);
    }
    let loader = |arch: Architecture| layers.find(|settings| settings.loaders.get(&arch));
    if let Some((origin, file)) = found.firmware.architecture().and_then(loader) {
        rule(format!("loader {file}"), origin);
    }
    if let Some((origin, tftp)) = layers.find(|settings| settings.tftp_server) {
        rule(format!("TFTP server {tftp}"), origin);
    }
    if let Some(Choice { form, why }) = found.form {
        let told = layers.find(|settings| settings.proxy_form).filter(|_| why == Why::Told);
        let by = told.map_or_else(|| why.to_string(), |(origin, _)| origin.to_string());
        rules.push(Rule { what: format!("proxy form {form}"), by, not_sent: None });
    }
    Explained {
        subnet: Some(found.subnet.net.to_string()),
        reservation: found.entitled.reservation.map(|reservation| reservation.name.clone()),
        classes: found.entitled.classes().map(str::to_owned).collect(),
        layers: layers.origins().map(|origin| origin.to_string()).collect(),
        rules,
        notes: notes(found),
        ..Explained::default()
    }
}

/// What iPXE would ask for on this machine; `None` if it boots nothing.
fn script_request(event: &Record, found: &Found<'_>, address: Ipv4Addr) -> Option<ScriptRequest> {
    let Event::Dhcp(event) = &event.event else { return None };
    let machine = event.request?.machine;
    let boot = match &event.outcome {
        Outcome::Offered { boot, .. } | Outcome::Acked { boot, .. } => boot,
        Outcome::ProxyOffered { boot, .. } | Outcome::BootServed { boot, .. } => boot,
        _ => return None,
    };
    if !matches!(boot, Boot::File(_)) {
        return None;
    }
    let wishes = found.entitled.wishes(Firmware::Ipxe(found.firmware.architecture()));
    Some(ScriptRequest {
        machine: machine.mac(),
        uuid: machine.uuid.map(|uuid| uuid.to_string()),
        profile: wishes.profile.map(|name| name.to_string()),
        client: SocketAddrV4::new(address, 0).into(),
        web: found.subnet.services.web(wishes.scheme),
    })
}
