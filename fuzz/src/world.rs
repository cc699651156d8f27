//! A server with a store, its clients and time, and what must hold whatever they do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::dhcp::{
    Arrival, Census, Commit, CommitError, CommitId, Destination, Lease, LeaseState, LinkId, Output,
    Probe, RelayAgent, Said, Secret, Server, Transmit,
};
use pxed_proto::event::Event;
use pxed_proto::limits::DHCP_REPLY_MIN;
use pxed_proto::machine::HardwareAddress;
use pxed_proto::wire::dhcp::{BOOTREPLY, Message, MessageType};
use pxed_proto::wire::options::code;
use pxed_proto::{Few, Timestamp};

use crate::is_legible;
use crate::shape::{Shape, mac};

/// Whoever has an address by the word of another server.
const STRANGER: u8 = 200;

/// The server and its surroundings.
pub struct World {
    server: Server,
    now: Timestamp,
    /// What is durable.
    rows: BTreeMap<Ipv4Addr, Lease>,
    /// What waits for the store, in order.
    queue: VecDeque<Commit>,
    /// Those of them that a datagram's event hangs on.
    told: BTreeSet<CommitId>,
    /// Who may use which address until when, as far as clients have heard.
    users: BTreeMap<Ipv4Addr, Lease>,
    /// The store wrote what it said it had not: the server learns of it with the next change.
    misled: bool,
    /// Addresses of which a change has failed.
    failed: BTreeSet<Ipv4Addr>,
}

/// What the store makes of the next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// It is durable.
    Writes,
    /// It could not be written, and is not there.
    Fails,
    /// Its sync reported an error, and it is there all the same.
    FailsAndWrites,
    /// Somebody else has taken the row away.
    FindsNothing,
    /// Somebody else has leased the address to a stranger.
    FindsAnother,
}

impl World {
    /// Nobody has an address yet.
    pub fn new(shape: Shape) -> Self {
        Self {
            server: Server::new(Arc::new(shape.config()), Secret::default()),
            now: Timestamp::from_millis(1_750_000_000_000),
            rows: BTreeMap::new(),
            queue: VecDeque::new(),
            told: BTreeSet::new(),
            users: BTreeMap::new(),
            misled: false,
            failed: BTreeSet::new(),
        }
    }

    /// A datagram comes in. Returns what is sent for it at once.
    pub fn hears(&mut self, link: usize, arrival: &Arrival, datagram: &[u8]) -> Option<Transmit> {
        self.speaks(datagram);
        let link = LinkId(link);
        let plan = self.server.plan(self.now, link, arrival, datagram);
        let explained = self.server.explain(self.now, link, arrival, datagram);
        assert_eq!(explained.plan, plan, "a plan changes nothing");
        for text in [plan.event.heard().to_string(), plan.event.done().to_string()] {
            assert!(is_legible(&text), "{text:?}");
        }
        let mut output = self.server.apply(plan, self.now);
        while let Some(probe) = output.probe {
            output = self.answers(&probe);
        }
        let sent = output.transmit.clone();
        if output.commits.is_empty() {
            self.is_one_event(&output, datagram);
        } else {
            assert_eq!((&output.event, &output.transmit), (&None, &None), "before it is durable");
        }
        self.submit(output.commits);
        sent
    }

    /// A probe is answered at once, for every seventh address by a stranger.
    fn answers(&mut self, probe: &Probe) -> Output {
        let taken = probe.address.octets()[3] % 7 == 0;
        let mut output = self.server.probed(probe, taken.then_some(mac(STRANGER)), self.now);
        assert!(self.server.probed(probe, None, self.now) == Output::default(), "it is over");
        let commits = std::mem::take(&mut output.commits);
        // By rapid commit the client may be granted an address at once.
        let of_stranger = |commit: &Commit| commit.lease.state == LeaseState::Conflict;
        let (marks, commits) = commits.into_iter().partition(of_stranger);
        self.submit(marks);
        Output { commits, ..output }
    }

    /// Time passes; what is over is over once.
    pub fn waits(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// The server looks at the clock.
    pub fn wakes(&mut self) {
        while self.server.poll_timeout().is_some_and(|due| due <= self.now) {
            self.server.handle_timeout(self.now);
        }
        assert_eq!(self.server.handle_timeout(self.now), []);
        assert!(self.server.poll_timeout().is_none_or(|next| next > self.now));
        let known: Vec<_> = self.server.known_addresses(None, self.now).collect();
        assert!(known.is_sorted_by(|a, b| (a.subnet, a.address) < (b.subnet, b.address)));
        let mut census = Census::default();
        while !self.server.count_pools(&mut census, 3, self.now) {}
        for subnet in census.into_subnets() {
            for pool in subnet.pools {
                assert!(pool.leased + pool.offered + pool.declined <= pool.range.count());
            }
        }
    }

    /// The store answers for the change that waits longest. Returns what is sent by that.
    pub fn stores(&mut self, how: Store) -> Option<Transmit> {
        let commit = self.queue.pop_front()?;
        let result = self.commit(&commit.lease, how);
        let durable = result.is_ok();
        if !durable {
            self.failed.insert(commit.lease.address);
        }
        let output = self.server.committed(commit.id, result, self.now);
        assert!(output.commits.is_empty(), "a commit makes no commit");
        assert!(durable || output.transmit.is_none(), "a reply that stands on nothing");
        let told = self.told.remove(&commit.id);
        assert_eq!(output.event.is_some(), told, "one datagram, one event");
        if output.transmit.is_some() && !self.is_given_up(&commit.lease) {
            self.uses(&commit.lease);
        }
        output.transmit
    }

    /// The store writes all that waits for it.
    pub fn stores_all(&mut self) {
        while !self.queue.is_empty() {
            self.stores(Store::Writes);
        }
    }

    /// An operator frees an address; whoever has it is not told.
    pub fn frees(&mut self, address: Ipv4Addr) {
        self.stores_all();
        let Ok(output) = self.server.release(address, self.now) else { return };
        assert_eq!((output.event, output.transmit), (None, None));
        for commit in output.commits {
            let result = self.commit(&commit.lease, Store::Writes);
            let durable = result.is_ok();
            let output = self.server.committed(commit.id, result, self.now);
            assert_eq!((output.event.is_some(), output.transmit), (durable, None));
        }
        self.users.remove(&address);
    }

    /// Another configuration.
    pub fn reloads(&mut self, shape: Shape) {
        self.server.reconfigure(Arc::new(shape.config()), self.now);
    }

    /// The server is killed, and started again.
    pub fn restarts(&mut self) {
        self.queue.clear();
        self.told.clear();
        self.server = Server::new(Arc::clone(self.server.config()), Secret::default());
        for row in self.rows.values() {
            self.server.load(row.clone(), self.now);
        }
    }

    /// What must hold when everything has been said.
    pub fn ends(&mut self) {
        self.stores_all();
        assert_eq!((self.server.commits_waiting(), self.told.len()), (0, 0));
        self.wakes();
        for lease in self.server.active_leases(self.now).filter(|_| !self.misled) {
            let what = |lease: &Lease| (lease.version, lease.state, lease.expires);
            assert_eq!(self.rows.get(&lease.address).map(what), Some(what(lease)));
        }
    }

    fn submit(&mut self, commits: Few<Commit>) {
        for (i, commit) in commits.into_iter().enumerate() {
            assert!(self.queue.back().is_none_or(|before| before.id < commit.id));
            if i == 0 {
                self.told.insert(commit.id);
            }
            self.queue.push_back(commit);
        }
    }

    /// The contract of a store: a row replaces the version before it, or none.
    fn commit(&mut self, lease: &Lease, how: Store) -> Result<(), CommitError> {
        let address = lease.address;
        let is_used = self.users.get(&address).is_some_and(|user| user.expires > self.now);
        let interferes = matches!(how, Store::FindsNothing | Store::FindsAnother);
        // What is said of a change on top of one that failed is not listened to.
        self.misled |= interferes && self.failed.contains(&address);
        match how {
            Store::Fails => return Err(CommitError::Failed),
            Store::FindsNothing if !is_used => drop(self.rows.remove(&address)),
            Store::FindsAnother if !is_used => {
                let hardware = HardwareAddress::from(mac(STRANGER));
                let said = Said::default();
                let row = Lease { said, hardware, version: lease.version + 7, ..lease.clone() };
                self.rows.insert(address, row);
            }
            _ => {}
        }
        let stored = self.rows.get(&address);
        if stored.map_or(0, |row| row.version) + 1 != lease.version {
            return Err(CommitError::Conflict(stored.cloned()));
        }
        self.rows.insert(address, lease.clone());
        self.misled |= how == Store::FailsAndWrites;
        if how == Store::FailsAndWrites { Err(CommitError::Failed) } else { Ok(()) }
    }

    fn is_one_event(&self, output: &Output, datagram: &[u8]) {
        assert!(
            matches!(output.event, Some(Event::Dhcp(_))),
            "one datagram, one event: {output:?}"
        );
        if let Some(transmit) = &output.transmit {
            self.is_reply(transmit, datagram);
        }
    }

    /// What holds for every reply.
    fn is_reply(&self, transmit: &Transmit, datagram: &[u8]) {
        let request = Message::parse(datagram).expect("who is answered said something");
        let reply = Message::parse(&transmit.message).expect("a DHCP message");
        assert_eq!((reply.op, reply.xid, reply.giaddr), (BOOTREPLY, request.xid, request.giaddr));
        let link = &self.server.config().links[transmit.link.0];
        assert!((DHCP_REPLY_MIN..=link.mtu - 28).contains(&transmit.message.len()));
        let name = reply.ipv4(code::SERVER_IDENTIFIER);
        match request.option(code::MESSAGE_TYPE) {
            Some(_) => self.is_called(&request, name, *transmit.source.ip()),
            None => assert_eq!(name, None, "BOOTP knows no servers by number"),
        }
        match transmit.destination {
            Destination::Unicast { address, .. } => assert_eq!(address, reply.yiaddr),
            Destination::Routed(to) => {
                assert!(!to.ip().is_unspecified() && !to.ip().is_broadcast())
            }
            Destination::Broadcast => assert!(request.giaddr.is_unspecified()),
        }
    }

    /// By the address that it answers from, or by what a relay agent says, now or with a lease.
    fn is_called(&self, request: &Message<'_>, name: Option<Ipv4Addr>, source: Ipv4Addr) {
        let here = RelayAgent::of(request, false);
        let leases = self.server.active_leases(self.now);
        let agents = leases.filter_map(Lease::relay).chain(here);
        let said = agents.into_iter().any(|agent| agent.view().server_identifier() == name);
        assert!(name == Some(source) || name.is_some() && said, "{name:?} from {source}");
    }

    /// A client that gives its address back has no more use for it, whatever the server says, and
    /// whoever asks for one has no other.
    fn speaks(&mut self, datagram: &[u8]) {
        let Ok(message) = Message::parse(datagram) else { return };
        let Some(who) = HardwareAddress::new(message.htype, message.hlen, message.chaddr) else {
            return;
        };
        let named = message.ipv4(code::REQUESTED_ADDRESS);
        let ciaddr = message.ciaddr;
        let left = |address| match message.message_type() {
            Some(MessageType::Request) => ciaddr != address && named != Some(address),
            Some(MessageType::Discover) | None => true,
            Some(MessageType::Decline) => named == Some(address),
            Some(MessageType::Release) => ciaddr == address,
            _ => false,
        };
        self.users.retain(|address, lease| lease.hardware != who || !left(*address));
    }

    /// Did the client give the address back before it heard the ACK?
    fn is_given_up(&self, lease: &Lease) -> bool {
        let later = self.queue.iter().map(|commit| &commit.lease);
        let mut later = later.filter(|later| later.address == lease.address);
        later.any(|later| later.state != LeaseState::Leased)
    }

    /// An ACK has left for a lease: it is durable, and nobody else uses the address.
    fn uses(&mut self, lease: &Lease) {
        let row = self.rows.get(&lease.address);
        assert!(row.is_some_and(|row| row.version >= lease.version), "not durable: {lease:?}");
        // Who has an address by rapid commit never said that it gave up the one before.
        let before = |address: &Ipv4Addr, user: &Lease| {
            user.hardware == lease.hardware && *address != lease.address
        };
        self.users.retain(|address, user| !before(address, user));
        let other = self.users.insert(lease.address, lease.clone());
        // A client is known by its identifier or by its hardware.
        let stranger =
            |other: &Lease| other.hardware != lease.hardware && other.client() != lease.client();
        let other = other.filter(stranger);
        assert!(
            other.as_ref().is_none_or(|other| other.expires <= self.now),
            "{lease:?} {other:?}"
        );
    }
}
