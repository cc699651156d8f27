//! The seam between the protocol and the world: plan, apply, commit.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::config::{Config, Link, LinkId, Subnet, SubnetId};
use super::lease::{ClientKey, Lease};
use super::reason::Ignored;
use super::reply::Reply;
use super::table::LeaseTable;
use super::transmit::{Arrival, Transmit};
use super::{discover, inform, release, request};
use crate::boot::Boot;
use crate::event::{DhcpEvent, Event, Outcome, Request};
use crate::machine::{Firmware, HardwareAddress, Machine, identify};
use crate::wire::dhcp::{BOOTREQUEST, Message, MessageType};
use crate::wire::options::code;
use crate::wire::udp;
use crate::{Timestamp, limits};

/// The DHCP server: configuration, lease tables, and what waits for the store.
#[derive(Clone, Debug)]
pub struct Server {
    config: Arc<Config>,
    /// One for each subnet of the configuration, in the same order.
    pub(super) tables: Vec<LeaseTable>,
    waiting: BTreeMap<CommitId, Waiting>,
    last_commit: CommitId,
}

/// Names a commit; later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(pub u64);

/// What a datagram deserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The fact, as it will be told once it is true.
    pub event: DhcpEvent,
    /// What becomes of the lease table.
    pub change: Change,
    /// What is sent.
    pub reply: Option<Transmit>,
}

/// What becomes of the lease table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// An address is held for an offer: in memory only.
    Hold {
        /// Where.
        subnet: SubnetId,
        /// What.
        address: Ipv4Addr,
        /// For whom.
        client: ClientKey,
        /// Until when.
        until: Timestamp,
    },
    /// The client took another server's offer.
    DropHold {
        /// Where.
        subnet: SubnetId,
        /// Whose.
        client: ClientKey,
    },
    /// A lease is written: granted, released or declined. This must be durable.
    Put {
        /// Where.
        subnet: SubnetId,
        /// What; its version is the one after that of the lease it replaces.
        lease: Lease,
    },
}

/// What is to be done in the world after one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Record this.
    pub event: Option<Event>,
    /// Send this.
    pub transmit: Option<Transmit>,
    /// Make this durable, and say so by [`Server::committed`]; the event and the message that
    /// belong to it come out then.
    pub commit: Option<Commit>,
}

/// A lease change that must be durable. Commits are to be carried out in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Which one.
    pub id: CommitId,
    /// The row. It replaces the row of its address with the version before (0: no row), or fails.
    pub lease: Lease,
}

/// Why a commit failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// The store has another version of the row: this one (`None`: no row). It is taken over.
    Conflict(Option<Lease>),
    /// The store could not write.
    Failed,
}

/// A commit that the store has not answered.
#[derive(Clone, Debug)]
struct Waiting {
    subnet: SubnetId,
    lease: Lease,
    before: Option<Lease>,
    /// A change that this one stands on has failed.
    doomed: bool,
    told: Told,
}

/// What is told once a change is durable.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub event: Event,
    pub reply: Option<Transmit>,
}

/// A datagram that is a DHCP message, and how it came.
struct Heard<'a> {
    now: Timestamp,
    link: LinkId,
    arrival: &'a Arrival,
    message: &'a Message<'a>,
}

/// A request that deserves a look: everything that the functions for each message type need.
pub(super) struct Asking<'a> {
    pub now: Timestamp,
    pub link: &'a Link,
    pub arrival: &'a Arrival,
    pub message: &'a Message<'a>,
    pub machine: Machine,
    pub firmware: Firmware,
    pub client: ClientKey,
    pub subnet_id: SubnetId,
    pub subnet: &'a Subnet,
    pub table: &'a LeaseTable,
}

/// What one of those functions says.
pub(super) struct Verdict {
    pub outcome: Outcome,
    pub change: Change,
    pub reply: Option<Reply>,
}

impl Verdict {
    /// No answer and no change.
    pub fn ignored(reason: Ignored) -> Self {
        Self { outcome: Outcome::Ignored(reason), change: Change::None, reply: None }
    }
}

impl Server {
    /// A server without leases.
    pub fn new(config: Arc<Config>) -> Self {
        let tables =
            config.subnets.iter().map(|subnet| LeaseTable::new(subnet.pools.clone())).collect();
        Self { config, tables, waiting: BTreeMap::new(), last_commit: CommitId::default() }
    }

    /// Takes a lease over from the store, at start. A lease of no configured subnet is left where
    /// it is: `false`.
    pub fn load(&mut self, lease: Lease, now: Timestamp) -> bool {
        let subnets = self.config.subnets.iter().zip(&mut self.tables);
        for (subnet, table) in subnets {
            if subnet.net.contains(lease.address) {
                table.put(lease, now);
                return true;
            }
        }
        false
    }

    /// What this datagram deserves; changes nothing.
    pub fn plan(&self, now: Timestamp, link: LinkId, arrival: &Arrival, datagram: &[u8]) -> Plan {
        let message = Message::parse(datagram).map_err(Ignored::Malformed);
        let request = message.as_ref().map_err(|reason| *reason).and_then(request_of);
        let verdict = match (&message, &request) {
            (Ok(message), Ok(request)) => {
                self.verdict(&Heard { now, link, arrival, message }, request)
            }
            (Err(reason), _) | (_, Err(reason)) => Err(*reason),
        };
        let Verdict { outcome, change, reply } = verdict.unwrap_or_else(Verdict::ignored);
        let (reply, left_out) = reply.map(|reply| (reply.transmit, reply.left_out)).unzip();
        let (link, request) = (self.link_name(link), request.ok());
        let event = DhcpEvent { link, request, outcome, left_out: left_out.unwrap_or_default() };
        Plan { event, change, reply }
    }

    /// What to do about a packet that carries no datagram: it is an event too.
    pub fn damaged(&self, link: LinkId, damage: udp::Malformed) -> Output {
        let outcome = Outcome::Ignored(Ignored::Damaged(damage));
        let link = self.link_name(link);
        let event = DhcpEvent { link, request: None, outcome, left_out: Vec::new() };
        Output { event: Some(Event::Dhcp(event)), ..Output::default() }
    }

    /// Takes the plan into the lease table, and says what to do in the world.
    pub fn apply(&mut self, plan: Plan, now: Timestamp) -> Output {
        let Plan { event, change, reply } = plan;
        match change {
            Change::Put { subnet, lease } => {
                let commit =
                    self.put(subnet, lease, now, Told { event: Event::Dhcp(event), reply });
                return Output { commit, ..Output::default() };
            }
            Change::Hold { subnet, address, client, until } => {
                if let Some(table) = self.tables.get_mut(subnet.0) {
                    table.hold(address, client, until);
                }
            }
            Change::DropHold { subnet, client } => {
                if let Some(table) = self.tables.get_mut(subnet.0) {
                    table.drop_hold(&client);
                }
            }
            Change::None => {}
        }
        Output { event: Some(Event::Dhcp(event)), transmit: reply, commit: None }
    }

    /// The store's answer to a commit. Only now the reply leaves and the event is a fact.
    pub fn committed(
        &mut self,
        id: CommitId,
        result: Result<(), CommitError>,
        now: Timestamp,
    ) -> Output {
        let Some(done) = self.waiting.remove(&id) else { return Output::default() };
        match result {
            Ok(()) => {
                self.confirm(&done, now);
                let Told { event, reply } = done.told;
                Output { event: Some(event), transmit: reply, commit: None }
            }
            Err(error) => {
                let event = not_durable(&done);
                self.take_back(done, error, now);
                Output { event, ..Output::default() }
            }
        }
    }

    /// Ends the offers and leases whose time is over, one event for each lease.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Vec<Event> {
        let expired = self.tables.iter_mut().flat_map(|table| table.expire(now));
        expired
            .map(|lease| Event::Expired { address: lease.address, machine: lease.machine() })
            .collect()
    }

    /// When [`Server::handle_timeout`] has something to do next; changes with every call that
    /// takes `&mut self`.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.tables.iter().filter_map(LeaseTable::next_expiry).min()
    }

    /// The leases that clients have at `now`.
    pub fn active_leases(&self, now: Timestamp) -> impl Iterator<Item = &Lease> {
        self.tables.iter().flat_map(move |table| table.active(now))
    }

    /// How many offers are held.
    pub fn offers(&self) -> usize {
        self.tables.iter().map(LeaseTable::offers).sum()
    }

    /// How many commits the store has not answered.
    pub fn commits_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The configuration that is in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    fn link_name(&self, link: LinkId) -> Arc<str> {
        self.config.links.get(link.0).map_or_else(|| Arc::from("?"), |link| link.name.clone())
    }

    fn verdict(&self, heard: &Heard<'_>, request: &Request) -> Result<Verdict, Ignored> {
        let Heard { now, link, arrival, message } = *heard;
        let message_type = client_message_type(message)?;
        let Request { machine, firmware, .. } = *request;
        let client = client_key(message, &machine.hardware)?;
        let (link, subnet_id, subnet, table) = self.locate(link, message.giaddr)?;
        let asking = Asking {
            now,
            link,
            arrival,
            message,
            machine,
            firmware,
            client,
            subnet_id,
            subnet,
            table,
        };
        let boot = || Boot::of(&machine, firmware, &self.config.catalog, &subnet.services);
        Ok(match message_type {
            MessageType::Discover => discover::plan(&asking, boot()),
            MessageType::Request => request::plan(&asking, boot()),
            MessageType::Inform => inform::plan(&asking, boot()),
            MessageType::Release => release::plan_release(&asking),
            MessageType::Decline => release::plan_decline(&asking),
            from_server => return Err(Ignored::FromServer(from_server)),
        })
    }

    /// The subnet that the client is on: the relay agent's, or the link's own.
    fn locate(
        &self,
        link: LinkId,
        giaddr: Ipv4Addr,
    ) -> Result<(&Link, SubnetId, &Subnet, &LeaseTable), Ignored> {
        let on_link = self.config.links.get(link.0).ok_or(Ignored::NoSubnet)?;
        let impossible = giaddr.is_loopback() || giaddr.is_broadcast() || giaddr.is_multicast();
        if impossible || self.config.links.iter().any(|link| link.addresses.contains(&giaddr)) {
            return Err(Ignored::RelayAddress);
        }
        let serves = |subnet: &Subnet| match giaddr {
            Ipv4Addr::UNSPECIFIED => subnet.link == link,
            relay => subnet.net.contains_host(relay),
        };
        let found = self.config.subnets.iter().zip(&self.tables).enumerate();
        let mut found = found.filter(|(_, (subnet, _))| serves(subnet));
        let (index, (subnet, table)) = found.next().ok_or(Ignored::NoSubnet)?;
        Ok((on_link, SubnetId(index), subnet, table))
    }

    pub(super) fn put(
        &mut self,
        subnet: SubnetId,
        lease: Lease,
        now: Timestamp,
        told: Told,
    ) -> Option<Commit> {
        let before = self.tables.get_mut(subnet.0)?.put(lease.clone(), now);
        self.last_commit = CommitId(self.last_commit.0 + 1);
        let id = self.last_commit;
        let waiting = Waiting { subnet, lease: lease.clone(), before, doomed: false, told };
        self.waiting.insert(id, waiting);
        Some(Commit { id, lease })
    }

    /// The table has what the store has, also where a change before this one was taken back.
    fn confirm(&mut self, done: &Waiting, now: Timestamp) {
        let Some(table) = self.tables.get_mut(done.subnet.0) else { return };
        let version = table.get(done.lease.address).map_or(0, |lease| lease.version);
        if version < done.lease.version {
            table.put(done.lease.clone(), now);
        }
    }

    /// Takes a change back that could not be stored, and with it what was changed on top of it.
    fn take_back(&mut self, failed: Waiting, error: CommitError, now: Timestamp) {
        let address = failed.lease.address;
        let Some(table) = self.tables.get_mut(failed.subnet.0) else { return };
        if failed.doomed {
            return;
        }
        let stored = match error {
            CommitError::Conflict(stored) => stored,
            CommitError::Failed => failed.before,
        };
        table.restore(address, stored, now);
        let on_top = self.waiting.values_mut().filter(|waiting| waiting.lease.address == address);
        on_top.for_each(|waiting| waiting.doomed = true);
    }
}

/// What is told where a change could not be stored. What an operator asked for is answered to the
/// operator.
fn not_durable(failed: &Waiting) -> Option<Event> {
    let Event::Dhcp(event) = &failed.told.event else { return None };
    let outcome = Outcome::NotDurable { address: failed.lease.address };
    Some(Event::Dhcp(DhcpEvent { outcome, left_out: Vec::new(), ..event.clone() }))
}

/// Who asks for what.
fn request_of(message: &Message<'_>) -> Result<Request, Ignored> {
    if message.op != BOOTREQUEST {
        return Err(Ignored::NotARequest);
    }
    let (machine, firmware) = identify(message).ok_or(Ignored::Hardware)?;
    Ok(Request {
        message_type: message.message_type(),
        xid: message.xid,
        machine,
        firmware,
        relay: (!message.giaddr.is_unspecified()).then_some(message.giaddr),
    })
}

fn client_message_type(message: &Message<'_>) -> Result<MessageType, Ignored> {
    match message.message_type() {
        Some(message_type) => Ok(message_type),
        None if message.option(code::MESSAGE_TYPE).is_none_or(|value| value.is_empty()) => {
            Err(Ignored::Bootp)
        }
        None => Err(Ignored::MessageType),
    }
}

/// Who the client is: see [`ClientKey`].
fn client_key(message: &Message<'_>, hardware: &HardwareAddress) -> Result<ClientKey, Ignored> {
    if hardware.htype() == 0 {
        return Err(Ignored::Hardware);
    }
    if hardware.mac().is_some_and(crate::net::Mac::is_multicast) {
        return Err(Ignored::GroupAddress);
    }
    if !hardware.is_empty() {
        return Ok(ClientKey::Hardware(*hardware));
    }
    match message.option(code::CLIENT_IDENTIFIER) {
        Some(id) if !id.is_empty() => {
            Ok(ClientKey::Identifier(id.iter().copied().take(limits::CLIENT_ID_MAX).collect()))
        }
        _ => Err(Ignored::NoIdentity),
    }
}
