//! What was heard and what is wrong with it, for people and for programs.

use std::fmt::{self, Write as _};

use pxed_proto::text::Printable;
use serde_json::{Value, json};

use super::findings::{Finding, called, listed};
use super::heard::{Asked, BootAnswer, Heard, Loaded, Trail};
use super::loader::Loader;
use super::offer::Offer;

/// A probe's result.
pub struct Report<'a> {
    /// What was heard.
    pub heard: &'a Heard,
    /// What is wrong with it.
    pub findings: &'a [Finding],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Heard { interface, mac, clients, .. } = self.heard;
        writeln!(f, "{interface}, asked as {mac}:")?;
        for asked in clients {
            writeln!(f, "\n{}", asked.client.title())?;
            lines(asked).iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        for note in notes(self.heard) {
            writeln!(f, "\nnote: {note}")?;
        }
        match self.findings {
            [] => writeln!(f, "\nnothing wrong was found"),
            findings => {
                writeln!(f, "\nwhat is wrong:")?;
                findings
                    .iter()
                    .enumerate()
                    .try_for_each(|(n, finding)| write_one(f, n + 1, finding))
            }
        }
    }
}

fn write_one(f: &mut fmt::Formatter<'_>, number: usize, finding: &Finding) -> fmt::Result {
    let Finding { code, clients, what, remedy } = finding;
    let clients = listed(clients.iter().map(|client| client.title().to_owned()));
    writeln!(f, "\n{number}. {clients}: {what} [{code}]")?;
    writeln!(f, "   {remedy}")
}

/// What one client would get.
fn lines(asked: &Asked) -> Vec<String> {
    let mut lines: Vec<String> = asked.offers.iter().map(offered).collect();
    if lines.is_empty() {
        lines.push("no answer".to_owned());
    }
    for (n, trail) in asked.trails.iter().enumerate() {
        let Some(offer) = asked.offers.get(trail.offer) else { continue };
        let word = if n == 0 { "boots" } else { "or boots" };
        lines.push(format!("{word} {}, as {} says", followed(trail), offer.who()));
    }
    lines
}

fn offered(offer: &Offer) -> String {
    let mut line = match offer.address {
        Some(address) => format!("address {address} from {}", called(offer)),
        None => format!("ProxyDHCP answer from {}", called(offer)),
    };
    let (class, file) = (offer.class.as_deref(), offer.file.as_deref());
    let rest = [("option 60", class), ("boot file", file)];
    for (name, value) in rest.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        let _ = write!(line, ", {name} {}", Printable(value.as_bytes()));
    }
    let next = offer.next_server.filter(|next| *next != offer.who());
    if let Some(next) = next {
        let _ = write!(line, ", next-server {next}");
    }
    line
}

fn followed(trail: &Trail) -> String {
    let asked = trail.boot_server.as_ref().map(|asked| match &asked.answer {
        BootAnswer::Ack(_) => format!(" (the boot server {} says)", asked.server),
        BootAnswer::Silence => format!("what the boot server {} would say", asked.server),
        BootAnswer::From(source) => {
            format!("what the boot server {} says, heard from {source}", asked.server)
        }
        BootAnswer::NotAsked(why) => {
            format!("what the boot server {} would say, not asked since {why}", asked.server)
        }
    });
    let asked = asked.unwrap_or_default();
    let Some(source) = &trail.source else { return asked };
    let loaded = trail.loaded.as_ref().map(loaded).unwrap_or_default();
    format!("{source}{asked}: {loaded}")
}

fn loaded(loaded: &Loaded) -> String {
    match loaded {
        Loaded::Head { octets, size } => {
            let size = size.map(|size| format!("{size} octets, ")).unwrap_or_default();
            format!("{size}{}", Loader::of(octets))
        }
        Loaded::Refused(why) => format!("refused, {why}"),
        Loaded::Silence => "no answer".to_owned(),
        Loaded::NoPort => "nobody has the port".to_owned(),
        Loaded::From(other) => format!("answered by {other}"),
        Loaded::Failed(why) => format!("failed, {why}"),
        Loaded::NotTried(why) => format!("not tried, {why}"),
    }
}

/// What the reader has to know of how it was asked.
fn notes(heard: &Heard) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(owner) = &heard.own_server {
        let name = &heard.interface;
        notes.push(format!(
            "{owner} serves DHCP on {name} of this host and does not hear what is sent from here: \
             probe it from another host; of a pxed, `pxed explain` tells too"
        ));
    }
    if heard.addresses.is_empty() {
        notes.push(format!(
            "{} has no IPv4 address, so that boot servers and boot files were not tried",
            heard.interface
        ));
    }
    notes
}

impl Report<'_> {
    /// The same as one JSON object.
    pub fn json(&self) -> Value {
        json!({
            "interface": &*self.heard.interface,
            "mac": self.heard.mac.to_string(),
            "clients": self.heard.clients.iter().map(client).collect::<Vec<_>>(),
            "notes": notes(self.heard),
            "findings": self.findings,
        })
    }
}

fn client(asked: &Asked) -> Value {
    let trails = asked.trails.iter().map(|trail| trail_json(asked, trail));
    json!({
        "as": asked.client,
        "offers": asked.offers.iter().map(offer).collect::<Vec<_>>(),
        "boots": trails.collect::<Vec<_>>(),
    })
}

fn offer(offer: &Offer) -> Value {
    json!({
        "server": offer.server,
        "source": offer.from,
        "mac": offer.mac.map(|mac| mac.to_string()),
        "relay": offer.relay,
        "address": offer.address,
        "lease-time": offer.lease_time,
        "routers": offer.routers,
        "vendor-class": offer.class,
        "next-server": offer.next_server,
        "server-name": offer.server_name,
        "boot-file": offer.file,
    })
}

fn trail_json(asked: &Asked, trail: &Trail) -> Value {
    json!({
        "by": asked.offers.get(trail.offer).map(Offer::who),
        "boot-server": trail.boot_server.as_ref().map(|asked| asked.server),
        "file": trail.source.as_ref().map(ToString::to_string),
        "result": trail.loaded.as_ref().map(loaded),
        "found": matches!(trail.loaded, Some(Loaded::Head { .. })),
    })
}
