//! Other DHCP servers of a link: what is heard of them, and what that means for who is served here.
//!
//! What they broadcast is overheard, and a client that takes an offer names its server in option 54,
//! also where a switch hides the replies. Nothing of it changes what a client is answered.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::config::{Config, LinkId, Mode, Subnet};
use crate::boot::BootFile;
use crate::event::{Deed, OtherServer, Trouble};
use crate::machine::{HardwareAddress, Machine, identify};
use crate::net::Mac;
use crate::text::Printable;
use crate::wire::dhcp::{BOOTREPLY, Message, MessageType};
use crate::wire::options::code;
use crate::{Timestamp, limits};

/// The servers that were heard, by link and server identifier.
#[derive(Clone, Debug, Default)]
pub struct Others {
    known: BTreeMap<(Arc<str>, Ipv4Addr), KnownServer>,
    /// By link, a machine that was made a proxy offer; at most one for each link.
    waiting: BTreeMap<Arc<str>, Waiting>,
}

/// A machine that is told what to boot, and waits for another server's address.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    who: HardwareAddress,
    since: Timestamp,
    /// When it was last told, of any machine of the link, that no server is there.
    told: Option<Timestamp>,
}

/// What is known of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownServer {
    /// The source of its frames.
    pub mac: Option<Mac>,
    /// It gives addresses; it would be a ProxyDHCP server otherwise.
    pub gives_addresses: bool,
    /// It tells PXE firmware what to boot, and gives it no address.
    pub is_proxy: bool,
    /// What it last told a machine to boot.
    pub boot: Option<BootFile>,
    /// When it was last heard of.
    pub last: Timestamp,
    /// When trouble with it was last told.
    told: Option<Timestamp>,
}

impl Others {
    /// A server did something: what is to be told of it.
    pub fn note(&mut self, config: &Config, seen: Seen<'_>, now: Timestamp) -> OtherServer {
        let Seen { link, server, mac, deed } = seen;
        let gives_addresses = deed.gives_address();
        let is_proxy = deed.is_proxy();
        let key = (link.clone(), server);
        let before = self.known.remove(&key);
        self.make_room();
        let trouble = trouble(config, link, server, gives_addresses, is_proxy);
        let told = before.as_ref().and_then(|known| known.told);
        let due = told.is_none_or(|told| now.since(told) >= limits::OTHER_SERVER_AGAIN);
        let trouble = trouble.filter(|_| due);
        let old = before.as_ref();
        let known = KnownServer {
            mac: mac.or_else(|| old.and_then(|known| known.mac)),
            gives_addresses: gives_addresses || old.is_some_and(|known| known.gives_addresses),
            is_proxy: is_proxy || old.is_some_and(|known| known.is_proxy),
            boot: deed.boot().cloned().or_else(|| old.and_then(|known| known.boot.clone())),
            last: now,
            told: if trouble.is_some() { Some(now) } else { told },
        };
        let role = |known: &KnownServer| (known.gives_addresses, known.is_proxy);
        let news = before.as_ref().map(role) != Some(role(&known));
        self.known.insert(key, known);
        OtherServer { link: link.clone(), server, mac, deed, news, trouble }
    }

    /// The servers that are known, by link and server identifier.
    pub fn known(&self) -> impl Iterator<Item = (&Arc<str>, Ipv4Addr, &KnownServer)> {
        self.known.iter().map(|((link, server), known)| (link, *server, known))
    }

    /// A machine is made a proxy offer. For how long it has asked, if nobody who gives addresses was
    /// heard on the link meanwhile, and that is to be told now.
    pub fn asks_in_vain(
        &mut self,
        link: &Arc<str>,
        who: HardwareAddress,
        now: Timestamp,
    ) -> Option<Duration> {
        let fresh = Waiting { who, since: now, told: None };
        let waiting = self.waiting.entry(link.clone()).or_insert(fresh);
        let (since, told) = (waiting.since, waiting.told);
        if waiting.who != who || now.since(since) > limits::OTHER_SERVER_ATTEMPT {
            // Another one's turn, once this one has gone.
            if now.since(since) > limits::OTHER_SERVER_PATIENCE {
                *waiting = Waiting { told, ..fresh };
            }
            return None;
        }
        let waited = now.since(since);
        let due = told.is_none_or(|told| now.since(told) >= limits::OTHER_SERVER_AGAIN);
        if !due || waited < limits::OTHER_SERVER_PATIENCE || self.gives_addresses(link, since) {
            return None;
        }
        self.waiting.insert(link.clone(), Waiting { told: Some(now), ..fresh });
        Some(waited)
    }

    /// Was somebody who gives addresses heard on the link at `since` or later?
    fn gives_addresses(&self, link: &Arc<str>, since: Timestamp) -> bool {
        let mut here = self.known.iter().filter(|((on, _), _)| on == link);
        here.any(|(_, known)| known.gives_addresses && known.last >= since)
    }

    /// The one that was silent for the longest time gives way.
    fn make_room(&mut self) {
        if self.known.len() < limits::OTHER_SERVERS_MAX {
            return;
        }
        let oldest = self.known.iter().min_by_key(|(_, known)| known.last);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            self.known.remove(&oldest);
        }
    }
}

/// What a server was seen to do.
pub struct Seen<'a> {
    /// On which link.
    pub link: &'a Arc<str>,
    /// Its server identifier.
    pub server: Ipv4Addr,
    /// The source of its frame.
    pub mac: Option<Mac>,
    /// What it did.
    pub deed: Deed,
}

/// Another server's reply that was overheard: who sent it, and what it says. `None` if it is no
/// server's reply.
pub fn read(message: &Message<'_>, source: Ipv4Addr) -> Option<(Ipv4Addr, Deed)> {
    if message.op != BOOTREPLY {
        return None;
    }
    let (machine, _) = identify(message)?;
    let server = message.ipv4(code::SERVER_IDENTIFIER).unwrap_or(source);
    let class = message.option(code::VENDOR_CLASS).unwrap_or_default();
    let deed = Deed::Replied {
        message_type: message.message_type(),
        machine,
        address: Some(message.yiaddr).filter(|address| !address.is_unspecified()),
        boot: boot_file(message),
        for_firmware: class.starts_with(b"PXEClient") || class.starts_with(b"HTTPClient"),
    };
    Some((server, deed))
}

/// The server that a client names whose offer it takes, unless a relay agent brought it: what is
/// behind one is no server of this link.
pub fn chosen(message: &Message<'_>, machine: Machine) -> Option<(Ipv4Addr, Deed)> {
    let takes = message.message_type() == Some(MessageType::Request);
    let server = message.ipv4(code::SERVER_IDENTIFIER)?;
    let attached = message.giaddr.is_unspecified();
    let address = message.ipv4(code::REQUESTED_ADDRESS);
    (takes && attached).then_some((server, Deed::Chosen { machine, address }))
}

fn boot_file(message: &Message<'_>) -> Option<BootFile> {
    let option = message.option(code::BOOT_FILE_NAME).unwrap_or_default();
    let name = if option.is_empty() { message.file() } else { &option };
    let name = name.split(|octet| *octet == 0).next().filter(|name| !name.is_empty())?;
    let name = Printable(name.get(..limits::FILE_NAME_MAX).unwrap_or(name)).to_string();
    Some(BootFile { server: message.siaddr, name: name.into() })
}

/// What another server means for the subnets of the link.
fn trouble(
    config: &Config,
    link: &Arc<str>,
    server: Ipv4Addr,
    gives_addresses: bool,
    is_proxy: bool,
) -> Option<Trouble> {
    let place = config.links.iter().position(|here| here.name == *link).map(LinkId);
    let here = |subnet: &&Subnet| place.is_some() && subnet.link == place;
    let subnets = || config.subnets.iter().filter(here);
    let expected = subnets().any(|subnet| subnet.known_servers.contains(&server));
    if expected {
        None
    } else if gives_addresses && subnets().any(|subnet| subnet.mode == Mode::Full) {
        Some(Trouble::Rival)
    } else if is_proxy && subnets().any(|subnet| subnet.mode != Mode::Off) {
        Some(Trouble::SecondProxy)
    } else {
        None
    }
}
