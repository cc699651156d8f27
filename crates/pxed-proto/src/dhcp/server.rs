//! The seam between the protocol and the world: plan, apply, commit.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::asking::{Heard, Verdict, by_hardware};
use super::config::{Config, Identity, LinkId, Subnet, SubnetId};
use super::lease::{ClientKey, Lease, LeaseState};
use super::reason::Ignored;
use super::table::LeaseTable;
use super::transmit::{Arrival, Transmit};
use super::{discover, inform, release, request};
use crate::boot::Boot;
use crate::event::{DhcpEvent, Event, Outcome, Request};
use crate::machine::{HardwareAddress, identify};
use crate::net::Ipv4Net;
use crate::wire::dhcp::{BOOTREQUEST, Message, MessageType};
use crate::wire::options::code;
use crate::wire::udp;
use crate::{Timestamp, limits};

mod explain;
mod locate;

pub use explain::{Explanation, Found};

/// The DHCP server: configuration, lease tables, and what waits for the store.
#[derive(Clone, Debug)]
pub struct Server {
    config: Arc<Config>,
    /// The subnets by their networks.
    by_net: BTreeMap<Ipv4Net, SubnetId>,
    /// One for each subnet of the configuration, in the same order.
    pub(super) tables: Vec<LeaseTable>,
    waiting: BTreeMap<CommitId, Waiting>,
    /// The same by address, since what was changed on top of a change fails with it.
    waiting_for: BTreeSet<(Ipv4Addr, CommitId)>,
    last_commit: CommitId,
    /// Leases of the store that are of no configured subnet; it may come back.
    elsewhere: BTreeMap<Ipv4Addr, Lease>,
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
        /// What; its version is the one after that of the lease it replaces.
        lease: Lease,
        /// The client's lease of another address, which it gives up by this.
        freed: Option<Lease>,
    },
}

/// What is to be done in the world after one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Record this.
    pub event: Option<Event>,
    /// Send this.
    pub transmit: Option<Transmit>,
    /// Make these durable, and say so by [`Server::committed`]; the event and the message that
    /// belong to them come out then.
    pub commits: Vec<Commit>,
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
    lease: Lease,
    before: Option<Lease>,
    /// A change that this one stands on has failed.
    doomed: bool,
    /// `None` for what nobody asked for: a lease that is given up for another one.
    told: Option<Told>,
}

/// What is told once a change is durable.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub event: Event,
    pub reply: Option<Transmit>,
}

impl Server {
    /// A server without leases.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            by_net: by_net(&config),
            tables: tables(&config),
            config,
            waiting: BTreeMap::new(),
            waiting_for: BTreeSet::new(),
            last_commit: CommitId::default(),
            elsewhere: BTreeMap::new(),
        }
    }

    /// Takes a lease over from the store, at start. A lease of no configured subnet is kept, and
    /// not used: `false`.
    pub fn load(&mut self, lease: Lease, now: Timestamp) -> bool {
        let Some(id) = self.subnet_of(lease.address) else {
            self.elsewhere.insert(lease.address, lease);
            return false;
        };
        let identity = self.config.subnets.get(id.0).map(|subnet| subnet.identity);
        // Where identifiers are not looked at any more, who had one is known by its hardware.
        let client = match by_hardware(&lease.hardware) {
            Some(hardware) if identity == Some(Identity::Mac) => hardware,
            _ => lease.client.clone(),
        };
        if let Some(table) = self.tables.get_mut(id.0) {
            table.put(Lease { client, ..lease }, now);
        }
        true
    }

    /// Takes another configuration. Leases stay, also those whose address is no longer leased: they
    /// live until they expire. Offers that are held stay as far as their address is still leased.
    /// Replies that wait for the store leave by the link of the same name, if there is one.
    pub fn reconfigure(&mut self, config: Arc<Config>, now: Timestamp) {
        self.by_net = by_net(&config);
        let old = std::mem::replace(&mut self.tables, tables(&config));
        let before = std::mem::replace(&mut self.config, config);
        self.move_replies(&before);
        let elsewhere = std::mem::take(&mut self.elsewhere);
        let (leases, holds): (Vec<_>, Vec<_>) = old.into_iter().map(LeaseTable::into_parts).unzip();
        for lease in leases.into_iter().flatten().chain(elsewhere.into_values()) {
            self.load(lease, now);
        }
        for (address, client, until) in holds.into_iter().flatten() {
            if let Some(table) = self.table_of(address) {
                table.hold_again(address, client, until, now);
            }
        }
    }

    /// Replies that wait for the store name their link by its place in the old configuration.
    fn move_replies(&mut self, before: &Config) {
        let links = &self.config.links;
        let moved = |link: LinkId| {
            let name = &before.links.get(link.0)?.name;
            links.iter().position(|link| link.name == *name).map(LinkId)
        };
        for told in self.waiting.values_mut().filter_map(|waiting| waiting.told.as_mut()) {
            let reply = told.reply.take();
            told.reply =
                reply.and_then(|reply| Some(Transmit { link: moved(reply.link)?, ..reply }));
        }
    }

    /// What this datagram deserves; changes nothing.
    pub fn plan(&self, now: Timestamp, link: LinkId, arrival: &Arrival, datagram: &[u8]) -> Plan {
        let message = Message::parse(datagram).map_err(Ignored::Malformed);
        let request = message.as_ref().map_err(|reason| *reason).and_then(request_of);
        let verdict = match (&message, &request) {
            (Ok(message), Ok(request)) => {
                let Request { machine, firmware, .. } = *request;
                self.verdict(&Heard { now, link, arrival, message, machine, firmware })
            }
            (Err(reason), _) | (_, Err(reason)) => Err(*reason),
        };
        let verdict = verdict.and_then(|verdict| self.unless_busy(verdict));
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
            Change::Put { lease, freed } => {
                let told = Told { event: Event::Dhcp(event), reply };
                let mut commits = vec![self.put(lease, now, Some(told))];
                commits.extend(freed.map(|freed| self.put(freed, now, None)));
                return Output { commits, ..Output::default() };
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
        Output { event: Some(Event::Dhcp(event)), transmit: reply, commits: Vec::new() }
    }

    /// The store's answer to a commit. Only now the reply leaves and the event is a fact.
    pub fn committed(
        &mut self,
        id: CommitId,
        result: Result<(), CommitError>,
        now: Timestamp,
    ) -> Output {
        let Some(mut done) = self.waiting.remove(&id) else { return Output::default() };
        self.waiting_for.remove(&(done.lease.address, id));
        let told = done.told.take();
        match result {
            Ok(()) => {
                self.confirm(&done, now);
                let (event, transmit) = told.map(|told| (told.event, told.reply)).unzip();
                Output { event, transmit: transmit.flatten(), commits: Vec::new() }
            }
            Err(error) => {
                let event = told.and_then(|told| not_durable(told.event, done.lease.address));
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

    fn verdict(&self, heard: &Heard<'_>) -> Result<Verdict, Ignored> {
        let message_type = client_message_type(heard.message)?;
        if !acceptable(&heard.machine.hardware) {
            return Err(Ignored::GroupAddress);
        }
        let asking = self.locate(heard)?;
        let boot = || {
            let wishes = asking.entitled.wishes(heard.firmware);
            let (catalog, services) = (&self.config.catalog, &asking.subnet.services);
            Boot::of(&heard.machine, heard.firmware, &wishes, catalog, services)
        };
        Ok(match message_type {
            MessageType::Discover => discover::plan(&asking, boot()),
            MessageType::Request => request::plan(&asking, boot()),
            MessageType::Inform => inform::plan(&asking, boot()),
            MessageType::Release => release::plan_release(&asking),
            MessageType::Decline => release::plan_decline(&asking),
            from_server => return Err(Ignored::FromServer(from_server)),
        })
    }

    /// A store that stalls is not given more to do: the client asks again.
    fn unless_busy(&self, verdict: Verdict) -> Result<Verdict, Ignored> {
        let wanted = match &verdict.change {
            Change::Put { freed, .. } => 1 + usize::from(freed.is_some()),
            Change::None | Change::Hold { .. } | Change::DropHold { .. } => 0,
        };
        let busy = wanted > 0 && self.waiting.len() + wanted > limits::COMMITS_MAX;
        if busy { Err(Ignored::Busy) } else { Ok(verdict) }
    }

    fn table_of(&mut self, address: Ipv4Addr) -> Option<&mut LeaseTable> {
        let id = self.subnet_of(address)?;
        self.tables.get_mut(id.0)
    }

    pub(super) fn put(&mut self, lease: Lease, now: Timestamp, told: Option<Told>) -> Commit {
        let before = match self.table_of(lease.address) {
            Some(table) => table.put(lease.clone(), now),
            None => self.elsewhere.insert(lease.address, lease.clone()),
        };
        self.last_commit = CommitId(self.last_commit.0 + 1);
        let id = self.last_commit;
        self.waiting_for.insert((lease.address, id));
        self.waiting.insert(id, Waiting { lease: lease.clone(), before, doomed: false, told });
        Commit { id, lease }
    }

    /// The table has what the store has, also where a change before this one was taken back.
    fn confirm(&mut self, done: &Waiting, now: Timestamp) {
        let Some(table) = self.table_of(done.lease.address) else { return };
        let version = table.get(done.lease.address).map_or(0, |lease| lease.version);
        if version < done.lease.version {
            table.put(done.lease.clone(), now);
        }
    }

    /// Takes a change back that could not be stored, and with it what was changed on top of it. The
    /// client whose lease it was to be in the end asks again, and is to find the address.
    fn take_back(&mut self, failed: Waiting, error: CommitError, now: Timestamp) {
        let address = failed.lease.address;
        let all = (address, CommitId(0))..=(address, CommitId(u64::MAX));
        if !failed.doomed {
            self.restore(address, failed.before, error, now);
            for (_, id) in self.waiting_for.range(all.clone()) {
                self.waiting.entry(*id).and_modify(|on_top| on_top.doomed = true);
            }
        }
        let on_top = self.waiting_for.range(all).next_back();
        let on_top = on_top.and_then(|(_, id)| self.waiting.get(id));
        let last = on_top.map_or(&failed.lease, |on_top| &on_top.lease);
        if last.state == LeaseState::Leased {
            self.hold_again(address, last.client.clone(), now);
        }
    }

    /// Takes an address back to what the store has.
    fn restore(
        &mut self,
        address: Ipv4Addr,
        before: Option<Lease>,
        error: CommitError,
        now: Timestamp,
    ) {
        let stored = match error {
            CommitError::Conflict(stored) => stored,
            CommitError::Failed => before,
        };
        match (self.table_of(address), stored) {
            (Some(table), stored) => table.restore(address, stored, now),
            (None, Some(stored)) => drop(self.elsewhere.insert(address, stored)),
            (None, None) => drop(self.elsewhere.remove(&address)),
        }
    }

    fn hold_again(&mut self, address: Ipv4Addr, client: ClientKey, now: Timestamp) {
        let Some(id) = self.subnet_of(address) else { return };
        let Some(subnet) = self.config.subnets.get(id.0) else { return };
        if let Some(table) = self.tables.get_mut(id.0) {
            table.hold_again(address, client, now + subnet.offer_hold, now);
        }
    }
}

/// What is told where a change could not be stored. What an operator asked for is answered to the
/// operator.
fn not_durable(event: Event, address: Ipv4Addr) -> Option<Event> {
    let Event::Dhcp(event) = event else { return None };
    let outcome = Outcome::NotDurable { address };
    Some(Event::Dhcp(DhcpEvent { outcome, left_out: Vec::new(), ..event }))
}

/// The subnets by their networks; of two of one network, the first one counts.
fn by_net(config: &Config) -> BTreeMap<Ipv4Net, SubnetId> {
    let nets = config.subnets.iter().enumerate().map(|(id, subnet)| (subnet.net, SubnetId(id)));
    nets.rev().collect()
}

/// A table for each subnet. What is reserved lies in the subnet that contains it.
fn tables(config: &Config) -> Vec<LeaseTable> {
    let reserved = |subnet: &Subnet| config.policy.reservations.addresses(subnet.net).collect();
    let table = |subnet: &Subnet| LeaseTable::new(subnet.pools.clone(), reserved(subnet));
    config.subnets.iter().map(table).collect()
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

/// A group's address is no machine's own.
fn acceptable(hardware: &HardwareAddress) -> bool {
    !hardware.mac().is_some_and(crate::net::Mac::is_multicast)
}
