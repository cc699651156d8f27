//! The conversation as a story: one line a packet, with the time, who, to whom, and what it says.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::SocketAddrV4;

use pxed_proto::Timestamp;
use pxed_proto::boot::{BootFile, is_url};
use pxed_proto::dhcp::{BOOT_SERVER_PORT, CLIENT_PORT, SERVER_PORT};
use pxed_proto::machine::{Firmware, identify};
use pxed_proto::text::Printable;
use pxed_proto::time::Human;
use pxed_proto::wire::dhcp::{Message, MessageType};
use pxed_proto::wire::options::code;
use pxed_proto::wire::tftp::{Options, Packet};

use crate::lan::{Datagram, To};
use crate::site::{BEGINNING, SERVER, SERVER_MAC};

/// What has happened so far.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// Stories that nobody reads are not written down.
    pub recording: bool,
    entries: Vec<Entry>,
    flows: BTreeMap<(SocketAddrV4, SocketAddrV4), Flow>,
}

#[derive(Clone, Debug)]
enum Entry {
    Line(String),
    /// The middle of a TFTP transfer, in one line.
    Middle(Middle),
}

/// A TFTP transfer, by the addresses of server and client.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// How long the first block was.
    block_len: Option<usize>,
    ended: bool,
    middle: Option<usize>,
}

#[derive(Clone, Debug)]
struct Middle {
    whose: String,
    began: Timestamp,
    ended: Timestamp,
    first: u16,
    last: u16,
    data: usize,
    acks: usize,
    lost: usize,
}

impl Transcript {
    /// A transcript that is written down.
    pub fn recording() -> Self {
        Self { recording: true, ..Self::default() }
    }

    /// Something that is no packet.
    pub fn line(&mut self, now: Timestamp, who: impl fmt::Display, text: impl fmt::Display) {
        if self.recording {
            self.entries.push(Entry::Line(format!("{}{who}: {text}", time(now))));
        }
    }

    /// An HTTP request or response: TCP's packets are not shown.
    pub fn exchange(&mut self, now: Timestamp, whose: &str, text: impl fmt::Display) {
        if self.recording {
            self.entries.push(Entry::Line(format!("{}{whose:<38}{text}", time(now))));
        }
    }

    /// Lines that belong to the line before.
    pub fn quote(&mut self, text: &str) {
        if self.recording {
            let lines = text.lines().map(|line| format!("{:>13}| {line}", ""));
            self.entries.extend(lines.map(|line| Entry::Line(line.trim_end().to_owned())));
        }
    }

    /// A datagram, and when it will arrive: never, once, or twice.
    pub fn packet(&mut self, now: Timestamp, datagram: &Datagram, arrivals: &[Timestamp]) {
        if !self.recording || self.in_the_middle(now, datagram, arrivals.is_empty()) {
            return;
        }
        let mut text = said(datagram);
        match arrivals {
            [] => text.push_str("  (lost)"),
            [once] if once.since(now).as_millis() > 100 => {
                let _ = write!(text, "  (comes {:.3} s late)", once.since(now).as_secs_f64());
            }
            [_] => {}
            _ => text.push_str("  (comes twice)"),
        }
        self.exchange(now, &whose(datagram), text);
    }

    /// Is it a block in the middle of a transfer? Then it is counted in that transfer's line.
    fn in_the_middle(&mut self, now: Timestamp, datagram: &Datagram, lost: bool) -> bool {
        let from_server = datagram.from == SERVER_MAC;
        let ends = (datagram.source, datagram.destination);
        let key = if from_server { ends } else { (ends.1, ends.0) };
        if is_dhcp(datagram) || key.0.port() == 69 {
            return false;
        }
        let flow = self.flows.entry(key).or_default();
        let (block, is_data) = match (Packet::parse(&datagram.payload), flow.block_len) {
            (Ok(Packet::Data { data, .. }), None) => {
                flow.block_len = Some(data.len());
                flow.ended = data.len() < 512;
                return false;
            }
            (Ok(Packet::Data { block, data }), Some(len)) if data.len() == len => (block, true),
            (Ok(Packet::Data { .. }), Some(_)) => {
                flow.ended = true;
                return false;
            }
            (Ok(Packet::Ack(block)), Some(_)) if !flow.ended => (block, false),
            _ => return false,
        };
        let index = *flow.middle.get_or_insert(self.entries.len());
        if index == self.entries.len() {
            self.entries.push(Entry::Middle(Middle::new(now, whose(datagram), block)));
        }
        if let Some(Entry::Middle(middle)) = self.entries.get_mut(index) {
            middle.count(now, block, is_data, lost);
        }
        true
    }
}

impl Middle {
    fn new(now: Timestamp, whose: String, block: u16) -> Self {
        let (first, last) = (block, block);
        Self { whose, began: now, ended: now, first, last, data: 0, acks: 0, lost: 0 }
    }

    fn count(&mut self, now: Timestamp, block: u16, is_data: bool, lost: bool) {
        self.ended = now;
        self.first = self.first.min(block);
        self.last = self.last.max(block);
        *(if is_data { &mut self.data } else { &mut self.acks }) += 1;
        self.lost += usize::from(lost);
    }
}

impl fmt::Display for Middle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whose, began, ended, first, last, data, acks, lost } = self;
        write!(f, "{}{:<38}… {acks} ACKs, ", time(*began), whose)?;
        write!(f, "{data} DATA, blocks {first} to {last}")?;
        if *lost > 0 {
            write!(f, ", {lost} lost")?;
        }
        write!(f, ", in {:.3} s", ended.since(*began).as_secs_f64())
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            match entry {
                Entry::Line(line) => writeln!(f, "{line}")?,
                Entry::Middle(middle) => writeln!(f, "{middle}")?,
            }
        }
        Ok(())
    }
}

fn time(now: Timestamp) -> String {
    format!("{:>9.3}  ", now.since(BEGINNING).as_secs_f64())
}

fn whose(datagram: &Datagram) -> String {
    let name = |mac| if mac == SERVER_MAC { "pxed".to_owned() } else { format!("{mac}") };
    let whom = match datagram.to {
        To::Mac(mac) => name(mac),
        To::Everybody => "everybody".to_owned(),
        To::Owner if *datagram.destination.ip() == SERVER => "pxed".to_owned(),
        To::Owner => datagram.destination.ip().to_string(),
    };
    format!("{} → {whom}", name(datagram.from))
}

fn is_dhcp(datagram: &Datagram) -> bool {
    [SERVER_PORT, CLIENT_PORT, BOOT_SERVER_PORT].contains(&datagram.destination.port())
}

fn said(datagram: &Datagram) -> String {
    if !is_dhcp(datagram) {
        return said_by_tftp(&datagram.payload);
    }
    match Message::parse(&datagram.payload) {
        Ok(message) => said_by_dhcp(&message, datagram),
        Err(reason) => format!("{} octets, {reason:?}", datagram.payload.len()),
    }
}

fn said_by_dhcp(message: &Message<'_>, datagram: &Datagram) -> String {
    use MessageType::{Ack, Decline, Discover, Nak, Offer, Release, Request};
    let wish = message.ipv4(code::REQUESTED_ADDRESS);
    match (message.message_type(), wish) {
        (Some(Discover), _) => format!("DISCOVER{}", firmware(message)),
        (Some(Request), Some(wish)) => match message.ipv4(code::SERVER_IDENTIFIER) {
            Some(server) => format!("REQUEST {wish} of {server}{}", firmware(message)),
            None => format!("REQUEST {wish}, remembered{}", firmware(message)),
        },
        (Some(Request), None) if datagram.destination.port() == BOOT_SERVER_PORT => {
            format!("REQUEST to port {BOOT_SERVER_PORT}{}", firmware(message))
        }
        (Some(Request), None) => {
            let rebinding = datagram.to == To::Everybody;
            let state = if rebinding { "rebinding" } else { "renewing" };
            format!("REQUEST {} for longer, {state}", message.ciaddr)
        }
        (Some(kind @ (Offer | Ack)), _) => format!("{kind} {}{}", lease(message), boot(message)),
        (Some(Nak), _) => {
            let why = message.option(code::MESSAGE).unwrap_or_default();
            format!("NAK: {}", Printable(&why))
        }
        (Some(Decline), Some(wish)) => format!("DECLINE {wish}: somebody else uses it"),
        (Some(Release), _) => format!("RELEASE {}", message.ciaddr),
        (kind, _) => format!("{kind:?}"),
    }
}

fn firmware(message: &Message<'_>) -> String {
    match identify(message) {
        Some((_, Firmware::NotBooting)) | None => String::new(),
        Some((_, firmware)) => format!(" ({firmware})"),
    }
}

fn lease(message: &Message<'_>) -> String {
    if message.yiaddr.is_unspecified() {
        return "without an address".to_owned();
    }
    let time = std::time::Duration::from_secs(message.u32(code::LEASE_TIME).unwrap_or(0).into());
    format!("{} for {}", message.yiaddr, Human(time))
}

fn boot(message: &Message<'_>) -> String {
    let name = message.option(code::BOOT_FILE_NAME).unwrap_or_default();
    let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
    match name.as_str() {
        "" => String::new(),
        url if is_url(url) => format!(", boot {url}"),
        _ => format!(", boot {}", BootFile { server: message.siaddr, name: name.into() }),
    }
}

fn said_by_tftp(payload: &[u8]) -> String {
    match Packet::parse(payload) {
        Ok(Packet::Request(request)) => {
            let kind = if request.write { "WRQ" } else { "RRQ" };
            format!("{kind} {}{}", Printable(request.file), options(request.options))
        }
        Ok(Packet::OAck(granted)) => format!("OACK{}", options(granted)),
        Ok(Packet::Data { block, data }) => format!("DATA {block}, {} octets", data.len()),
        Ok(Packet::Ack(block)) => format!("ACK {block}"),
        Ok(Packet::Error { code, message }) => format!("ERROR {code}, {}", Printable(message)),
        Err(reason) => format!("{} octets: {}", payload.len(), reason.as_str()),
    }
}

fn options(options: Options<'_>) -> String {
    let names = ["tsize", "blksize", "windowsize", "timeout"];
    let found = names.into_iter().filter_map(|name| Some((name, options.number(name)?)));
    found.map(|(name, value)| format!(" {name}={value}")).collect()
}
