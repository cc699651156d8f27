//! pxed as its driver runs it: the DHCP server with a store behind it, TFTP, HTTP.

pub mod http;
pub mod store;
pub mod tftp;

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{
    Arrival, BOOT_SERVER_PORT, Change, Config, Destination, Lease, LinkId, Output, Probe,
    SERVER_PORT, Secret, Server, Told, Transmit,
};
use pxed_proto::event::Event;
use pxed_proto::net::Mac;

use self::http::{Http, Method, Response};
use self::store::Store;
use self::tftp::Tftp;
use crate::files::Files;
use crate::lan::{Datagram, To};
use crate::random::Random;
use crate::site::{SERVER, SERVER_MAC, Site, services};

/// What pxed does in the world.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Sends.
    Send(Datagram),
    /// Asks who has an address.
    Probe(Probe),
    /// Tells.
    Event(Event),
    /// Its store is to make a row durable.
    Submitted(Lease),
    /// Its store has made a row durable.
    Stored(Lease),
    /// Its store has failed to make a row durable. The lease of its address that runs since.
    Failed(Lease, Option<Lease>),
    /// Something that must not be.
    Wrong(String),
}

/// The server, with everything that it keeps in memory, and what survives beside it.
#[derive(Debug)]
pub struct Pxed {
    config: Arc<Config>,
    files: Files,
    /// `None` while it is down.
    dhcp: Option<Server>,
    /// What survives.
    pub store: Store,
    tftp: Tftp,
    /// Offers that are to come after the other server's.
    delayed: Vec<(Timestamp, Datagram)>,
    /// Sends what waits for a commit without waiting. pxed must never do this: it is here to show
    /// that the invariants notice.
    pub hasty: bool,
    deeds: Vec<Deed>,
}

impl Pxed {
    /// A server that has just started for the first time.
    pub fn new(site: &Site, random: Random) -> Self {
        let mut tftp = Tftp::new(site.files.clone(), SERVER);
        tftp.plain = site.plain_tftp;
        let config = site.config();
        Self {
            dhcp: Some(Server::new(config.clone(), Secret::default())),
            config,
            files: site.files.clone(),
            store: Store::new(random),
            tftp,
            delayed: Vec::new(),
            hasty: false,
            deeds: Vec::new(),
        }
    }

    /// Is it running?
    pub fn is_up(&self) -> bool {
        self.dhcp.is_some()
    }

    /// Does it listen for this datagram's port?
    pub fn listens(&self, datagram: &Datagram) -> bool {
        match datagram.to {
            To::Mac(mac) => mac == SERVER_MAC,
            To::Everybody => datagram.destination.port() == SERVER_PORT,
            To::Owner => *datagram.destination.ip() == self.tftp.address(),
        }
    }

    /// Takes a datagram.
    pub fn hear(&mut self, now: Timestamp, datagram: &Datagram) {
        if [SERVER_PORT, BOOT_SERVER_PORT].contains(&datagram.destination.port()) {
            self.hear_dhcp(now, datagram);
        } else {
            let port = datagram.destination.port();
            let deeds = self.tftp.hear(now, port, datagram.source, &datagram.payload);
            self.take_tftp(deeds, now);
        }
    }

    /// Answers an HTTP request; `None` while it is down.
    pub fn http(&self, method: Method, url: &str) -> Option<Response> {
        self.dhcp.as_ref()?;
        let (catalog, services) = (&self.config.catalog, &services());
        Some(Http { catalog, services, files: &self.files }.answer(method, url))
    }

    /// Is nothing under way?
    pub fn is_idle(&self) -> bool {
        let idle = self.store.poll_timeout().is_none() && self.tftp.poll_timeout().is_none();
        idle && self.delayed.is_empty()
    }

    /// When it has something to do without being asked.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let dhcp = self.dhcp.as_ref().and_then(Server::poll_timeout);
        let delayed = self.delayed.iter().map(|(due, _)| *due).min();
        let times = [dhcp, self.store.poll_timeout(), self.tftp.poll_timeout(), delayed];
        times.into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(dhcp) = &mut self.dhcp {
            self.deeds.extend(dhcp.handle_timeout(now).into_iter().map(Deed::Event));
        }
        let (due, later) = self.delayed.drain(..).partition(|(due, _)| *due <= now);
        self.delayed = later;
        let due: Vec<(Timestamp, Datagram)> = due;
        self.deeds.extend(due.into_iter().map(|(_, datagram)| Deed::Send(datagram)));
        let deeds = self.tftp.handle_timeout(now);
        self.take_tftp(deeds, now);
        self.finish_commits(now);
    }

    /// The power goes. Returns how many datagrams nobody will hear of again.
    pub fn crash(&mut self) -> usize {
        let waiting = self.dhcp.take().map_or(0, |dhcp| dhcp.probes_waiting());
        self.tftp.crash();
        self.delayed.clear();
        waiting + self.store.crash()
    }

    /// It starts again, with what the store has.
    pub fn start(&mut self, now: Timestamp) {
        let mut dhcp = Server::new(self.config.clone(), Secret::default());
        for lease in self.store.load() {
            if !dhcp.load(lease.clone(), now) {
                self.deeds.push(Deed::Wrong(format!("{} is of no subnet", lease.address)));
            }
        }
        self.store.quirks().for_each(|quirk| dhcp.recall(quirk.clone()));
        self.dhcp = Some(dhcp);
    }

    /// What it has learned, as another site takes it over.
    pub fn exported(&self) -> Told {
        let quirks = self.dhcp.iter().flat_map(|dhcp| dhcp.quirks().firmwares());
        quirks.filter_map(|(of, votes)| Some((of.clone(), votes.most()?.0))).collect()
    }

    /// What it did since this was last asked.
    pub fn take_deeds(&mut self) -> Vec<Deed> {
        std::mem::take(&mut self.deeds)
    }

    fn hear_dhcp(&mut self, now: Timestamp, datagram: &Datagram) {
        let Some(dhcp) = &mut self.dhcp else { return };
        let arrival = Arrival {
            source: datagram.source,
            destination: datagram.destination,
            source_mac: Some(datagram.from),
        };
        let plan = dhcp.plan(now, LinkId(0), &arrival, &datagram.payload);
        let too_early = match (&plan.change, &plan.reply) {
            (Change::Put { .. }, Some(reply)) if self.hasty => Some(reply.clone()),
            _ => None,
        };
        let output = dhcp.apply(plan, now);
        let waits = !output.commits.is_empty() || output.probe.is_some();
        if output.event.is_some() == waits {
            let text = "a datagram is either told, or stored or probed first";
            self.deeds.push(Deed::Wrong(text.to_owned()));
        }
        self.take(output, now);
        self.deeds.extend(too_early.map(|reply| Deed::Send(in_a_frame(reply))));
    }

    fn finish_commits(&mut self, now: Timestamp) {
        let (answers, wrong) = self.store.handle_timeout(now);
        self.deeds.extend(wrong.into_iter().map(Deed::Wrong));
        for answer in answers {
            let Some(dhcp) = &mut self.dhcp else { return };
            let (stored, address) = (answer.result.is_ok(), answer.lease.address);
            let mut output = dhcp.committed(answer.id, answer.result, now);
            self.deeds.push(if stored {
                Deed::Stored(answer.lease)
            } else {
                let row = dhcp.active_leases(now).find(|lease| lease.address == address);
                Deed::Failed(answer.lease, row.cloned())
            });
            output.transmit.take_if(|_| self.hasty);
            self.take(output, now);
        }
    }

    /// Somebody has answered a probe, or nobody in time.
    pub fn probed(&mut self, now: Timestamp, probe: &Probe, found: Option<Mac>) {
        if let Some(dhcp) = &mut self.dhcp {
            let output = dhcp.probed(probe, found, now);
            self.take(output, now);
        }
    }

    fn take(&mut self, output: Output, now: Timestamp) {
        for commit in output.commits {
            self.deeds.push(Deed::Submitted(commit.lease.clone()));
            self.deeds.extend(self.store.submit(commit, now).err().map(Deed::Wrong));
        }
        self.deeds.extend(output.probe.map(Deed::Probe));
        self.store.learn(output.learned);
        if let Some(transmit) = output.transmit {
            let due = now + transmit.delay;
            let now = transmit.delay.is_zero();
            let datagram = in_a_frame(transmit);
            match now {
                true => self.deeds.push(Deed::Send(datagram)),
                false => self.delayed.push((due, datagram)),
            }
        }
        self.deeds.extend(output.event.map(Deed::Event));
        self.deeds.extend(output.other.map(Deed::Event));
    }

    fn take_tftp(&mut self, deeds: Vec<tftp::Deed>, now: Timestamp) {
        for deed in &deeds {
            if let (tftp::Deed::Event(event), Some(dhcp)) = (deed, &mut self.dhcp)
                && event.is_fetch()
                && let IpAddr::V4(client) = event.client.ip()
            {
                let output = dhcp.fetched(None, client, now);
                self.take(output, now);
            }
        }
        self.deeds.extend(deeds.into_iter().map(|deed| match deed {
            tftp::Deed::Event(event) => Deed::Event(Event::Tftp(event)),
            tftp::Deed::Send(port, client, packet) => Deed::Send(Datagram {
                from: SERVER_MAC,
                to: To::Owner,
                source: SocketAddrV4::new(SERVER, port),
                destination: client,
                payload: Rc::from(packet),
            }),
        }));
    }
}

/// A DHCP reply as the driver addresses it.
fn in_a_frame(transmit: Transmit) -> Datagram {
    let client = |address| SocketAddrV4::new(address, pxed_proto::dhcp::CLIENT_PORT);
    let (to, destination) = match transmit.destination {
        Destination::Unicast { mac, address } => (To::Mac(mac), client(address)),
        Destination::Broadcast => (To::Everybody, client(Ipv4Addr::BROADCAST)),
        Destination::Routed(host) => (To::Owner, host),
    };
    Datagram {
        from: SERVER_MAC,
        to,
        source: transmit.source,
        destination,
        payload: Rc::from(transmit.message),
    }
}
