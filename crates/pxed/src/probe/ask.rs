//! Asking: DISCOVERs as every client, then whatever the offers lead to.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

use pxed_proto::dhcp::BOOT_SERVER_PORT;
use pxed_proto::limits::{NETWORK_PROBE_ANSWER, NETWORK_PROBE_FILES_MAX, NETWORK_PROBE_OFFERS_MAX};
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{BOOTREPLY, Message, MessageType};

use super::client::{Asking, Client};
use super::course::{Lead, Step, leads};
use super::heard::{Asked, BootAnswer, BootServer, Heard, Loaded, Trail};
use super::load::load;
use super::offer::{Offer, Source};
use crate::net::{self, ClientSocket, Interface};

/// When a probe's DISCOVER that nobody has answered is sent again.
const REPEATS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// How DISCOVERs are sent, and how long their OFFERs are listened for.
pub struct Round {
    /// When each that nobody has answered is sent again.
    pub repeats: &'static [Duration],
    /// When it is over.
    pub wait: Duration,
    /// An OFFER that ends it before.
    pub ends_with: fn(&Offer) -> bool,
}

/// How often a boot server is asked, evenly in the time that it has.
const BOOT_SERVER_TRIES: u32 = 3;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Questions {
    /// Who to say that one is.
    pub mac: Mac,
    /// As what.
    pub clients: Vec<Client>,
    /// How long to listen for OFFERs.
    pub wait: Duration,
}

/// Asks the network of `interface`.
///
/// # Errors
///
/// The packet socket could not be had, or the interface went away.
pub fn ask(interface: &Interface, questions: &Questions) -> io::Result<Heard> {
    let mut socket = ClientSocket::bind(interface, BOOT_SERVER_PORT)?;
    let asking = asking(&questions.clients, questions.mac);
    let round = Round { repeats: &REPEATS, wait: questions.wait, ends_with: |_| false };
    let heard = discover(&mut socket, &asking, &round)?;
    let patience = questions.wait.min(NETWORK_PROBE_ANSWER);
    let mut clients: Vec<Asked> = asking.iter().zip(heard).map(follow).collect();
    ask_boot_servers(&mut socket, interface, &mut clients, questions.mac, patience)?;
    load_all(interface, &mut clients, patience);
    Ok(Heard {
        interface: interface.name.clone(),
        mac: questions.mac,
        addresses: interface.addresses.clone(),
        own_server: net::server_on(interface),
        clients,
    })
}

/// One of each, with transactions of their own.
pub fn asking(clients: &[Client], mac: Mac) -> Vec<Asking> {
    let one = |(client, xid): (&Client, u32)| Asking { client: *client, mac, xid };
    clients.iter().zip(transactions()).map(one).collect()
}

/// Transaction numbers that nobody can guess, one after the other.
fn transactions() -> impl Iterator<Item = u32> {
    let state = RandomState::new();
    (0u32..).map(move |n| u32::try_from(state.hash_one(n) >> 32).unwrap_or(n))
}

/// Sends the DISCOVERs and gives the OFFERs that came to each.
pub fn discover(
    socket: &mut ClientSocket,
    asking: &[Asking],
    round: &Round,
) -> io::Result<Vec<Vec<Offer>>> {
    let begun = Instant::now();
    let mut heard = vec![Vec::new(); asking.len()];
    let repeats = round.repeats.iter().copied().filter(|at| *at < round.wait);
    let times: Vec<Duration> = [Duration::ZERO].into_iter().chain(repeats).collect();
    for (n, at) in times.iter().enumerate() {
        let until = times.get(n + 1).copied().unwrap_or(round.wait);
        let secs = u16::try_from(at.as_secs()).unwrap_or(u16::MAX);
        let unanswered = asking.iter().zip(&heard).filter(|(_, offers)| offers.is_empty());
        for (one, _) in unanswered {
            socket.broadcast(&one.discover(secs))?;
        }
        let is_last = |heard: &[Vec<Offer>]| heard.iter().flatten().any(round.ends_with);
        while Instant::now() < begun + until && !is_last(&heard) {
            hear(socket, asking, begun + until, &mut heard)?;
        }
    }
    Ok(heard)
}

fn hear(
    socket: &mut ClientSocket,
    asking: &[Asking],
    end: Instant,
    heard: &mut [Vec<Offer>],
) -> io::Result<()> {
    socket.receive(end, |datagram| {
        let Ok(message) = Message::parse(datagram.payload) else { return };
        let mut all = asking.iter().zip(heard.iter_mut());
        let asked = all.find(|(one, _)| answers(&message, one.xid, one.mac));
        let Some((_, offers)) = asked else { return };
        if message.message_type() == Some(MessageType::Offer) {
            keep(offers, Offer::read(*datagram.source.ip(), datagram.mac, &message));
        }
    })
}

fn answers(message: &Message<'_>, xid: u32, mac: Mac) -> bool {
    message.op == BOOTREPLY && message.xid == xid && message.chaddr.starts_with(&mac.0)
}

/// A server that says the same thing twice has said it once.
fn keep(offers: &mut Vec<Offer>, offer: Offer) {
    let key = |offer: &Offer| (offer.who(), offer.from, offer.address.is_some());
    let is_new = offers.iter().all(|other| key(other) != key(&offer));
    if is_new && offers.len() < NETWORK_PROBE_OFFERS_MAX {
        offers.push(offer);
    }
}

/// Where the offers of one client lead.
fn follow((asking, offers): (&Asking, Vec<Offer>)) -> Asked {
    let trail = |Lead { offer, step }| match step {
        Step::Load(source) => {
            Trail { offer, boot_server: None, source: Some(source), loaded: None }
        }
        Step::Ask { server, kind } => {
            let answer = BootAnswer::Silence;
            let boot_server = Some(BootServer { server, kind, answer });
            Trail { offer, boot_server, source: None, loaded: None }
        }
    };
    let trails = leads(asking.client, &offers).into_iter().map(trail).collect();
    Asked { client: asking.client, offers, trails }
}

/// A question to a boot server that waits for its answer.
struct Pending<'a> {
    asking: Asking,
    message: Vec<u8>,
    from: SocketAddrV4,
    trail: &'a mut Trail,
}

impl Pending<'_> {
    fn boot_server(&mut self) -> Option<&mut BootServer> {
        self.trail.boot_server.as_mut()
    }
}

fn ask_boot_servers(
    socket: &mut ClientSocket,
    interface: &Interface,
    clients: &mut [Asked],
    mac: Mac,
    patience: Duration,
) -> io::Result<()> {
    let mut xids = transactions();
    let mut pending = Vec::new();
    for Asked { client, trails, .. } in clients {
        for (trail, xid) in trails.iter_mut().zip(&mut xids) {
            let Some(boot_server) = &mut trail.boot_server else { continue };
            let asking = Asking { client: *client, mac, xid };
            match own_address(interface, boot_server.server) {
                Err(why) => boot_server.answer = BootAnswer::NotAsked(why),
                Ok(own) => {
                    let message = asking.boot_request(own, boot_server.kind);
                    let from = SocketAddrV4::new(own, client.boot_server_source());
                    pending.push(Pending { asking, message, from, trail });
                }
            }
        }
    }
    let each = patience / BOOT_SERVER_TRIES;
    for _ in 0..BOOT_SERVER_TRIES {
        for one in &mut pending {
            let (from, message) = (one.from, one.message.clone());
            let Some(boot_server) = one.boot_server() else { continue };
            let to = SocketAddrV4::new(boot_server.server, BOOT_SERVER_PORT);
            // No route, or a host that ARP does not find: it does not answer.
            let _ = socket.send(from, to, &message);
        }
        hear_boot_servers(socket, &mut pending, Instant::now() + each)?;
    }
    Ok(())
}

/// Takes out of `pending` whatever is answered.
fn hear_boot_servers(
    socket: &mut ClientSocket,
    pending: &mut Vec<Pending<'_>>,
    end: Instant,
) -> io::Result<()> {
    while !pending.is_empty() && Instant::now() < end {
        socket.receive(end, |datagram| {
            let Ok(message) = Message::parse(datagram.payload) else { return };
            let asked = |one: &Pending<'_>| answers(&message, one.asking.xid, one.asking.mac);
            let Some(at) = pending.iter().position(asked) else { return };
            let mut one = pending.swap_remove(at);
            let Some(boot_server) = one.boot_server() else { return };
            let expected = SocketAddrV4::new(boot_server.server, BOOT_SERVER_PORT);
            if datagram.source != expected {
                boot_server.answer = BootAnswer::From(datagram.source);
                return;
            }
            let ack = Offer::read(*datagram.source.ip(), datagram.mac, &message);
            let source = ack.source();
            boot_server.answer = BootAnswer::Ack(Box::new(ack));
            one.trail.source = source;
        })?;
    }
    Ok(())
}

/// The address of this host that `server` would answer to.
fn own_address(interface: &Interface, server: Ipv4Addr) -> Result<Ipv4Addr, String> {
    let addresses = &interface.addresses;
    if addresses.iter().any(|(own, _)| *own == server) {
        return Err(format!("{server} is this host"));
    }
    let near = addresses.iter().find(|(_, net)| net.contains(server)).or(addresses.first());
    near.map(|(own, _)| *own)
        .ok_or_else(|| format!("{} has no IPv4 address that could be answered to", interface.name))
}

/// Loads every boot file once, all at the same time.
fn load_all(interface: &Interface, clients: &mut [Asked], patience: Duration) {
    let trails = || clients.iter().flat_map(|asked| &asked.trails);
    let mut sources: BTreeMap<Source, Loaded> =
        trails().filter_map(|trail| Some((trail.source.clone()?, Loaded::Silence))).collect();
    thread::scope(|scope| {
        for (source, loaded) in sources.iter_mut().take(NETWORK_PROBE_FILES_MAX) {
            scope.spawn(move || {
                *loaded = match has_address(interface, source) {
                    Ok(()) => load(interface, source, patience),
                    Err(why) => Loaded::NotTried(why),
                };
            });
        }
    });
    for loaded in sources.values_mut().skip(NETWORK_PROBE_FILES_MAX) {
        *loaded = Loaded::NotTried("there are too many boot files".to_owned());
    }
    for trail in clients.iter_mut().flat_map(|asked| &mut asked.trails) {
        trail.loaded = trail.source.as_ref().and_then(|source| sources.get(source)).cloned();
    }
}

fn has_address(interface: &Interface, source: &Source) -> Result<(), String> {
    match source {
        Source::Tftp { server, .. } => own_address(interface, *server).map(|_| ()),
        Source::Url(_) => own_address(interface, Ipv4Addr::UNSPECIFIED).map(|_| ()),
    }
}
