//! The seam between the protocol and the world: plan, then apply; [`commits`] has the third step.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::asking::{Asking, Heard, Verdict};
use super::config::{Config, Identity, LinkId, Mode, SubnetId};
use super::lease::{ClientKey, Lease};
use super::others::Others;
use super::outage::Outage;
use super::plan::{Change, Output, Plan};
use super::probe::Probes;
use super::quirks::Quirks;
use super::rate::{Buckets, Charge};
use super::reason::Ignored;
use super::reply::Spare;
use super::rules::Rules;
use super::table::{Hold, LeaseTable, Secret};
use super::transmit::{Arrival, BOOT_SERVER_PORT, Transmit};
use super::under_way::{Told, UnderWay};
use super::{boot_server, bootp, discover, inform, proxy, release, request};
use crate::boot::Boot;
use crate::event::{DhcpEvent, Event, Outcome, Request};
use crate::machine::{Firmware, HardwareAddress, identify};
use crate::wire::dhcp::{BOOTREQUEST, Message, MessageType};
use crate::wire::options::code;
use crate::wire::udp;
use crate::{Few, Timestamp, limits};

mod commits;
mod explain;
mod learning;
mod locate;
mod overhearing;
mod probing;
mod reconfiguring;
mod topology;
mod wire_end;

pub use explain::{Explanation, Found};
use topology::Topology;

/// The DHCP server: configuration, lease tables, and what waits for the store.
#[derive(Clone, Debug)]
pub struct Server {
    config: Arc<Config>,
    /// Where its subnets lie.
    topology: Topology,
    /// Who its classes and groups are for.
    rules: Rules,
    /// One for each subnet of the configuration, in the same order.
    pub(super) tables: Vec<LeaseTable>,
    under_way: UnderWay,
    outage: Outage,
    probes: Probes,
    buckets: Buckets,
    quirks: Quirks,
    others: Others,
    spare: Spare,
    /// Leases of the store that are of no configured subnet; it may come back.
    elsewhere: BTreeMap<Ipv4Addr, Lease>,
    secret: Secret,
}

impl Server {
    /// A server without leases. The driver draws the secret anew for each.
    pub fn new(config: Arc<Config>, secret: Secret) -> Self {
        Self {
            topology: Topology::of(&config),
            rules: Rules::of(&config.policy),
            tables: reconfiguring::tables(&config, secret),
            config,
            under_way: UnderWay::default(),
            outage: Outage::default(),
            probes: Probes::default(),
            buckets: Buckets::new(secret),
            quirks: Quirks::default(),
            others: Others::default(),
            spare: Spare::default(),
            elsewhere: BTreeMap::new(),
            secret,
        }
    }

    /// Takes a lease over from the store, at start. A lease of no configured subnet is kept, and
    /// not used: `false`.
    pub fn load(&mut self, lease: Lease, now: Timestamp) -> bool {
        let Some(id) = self.subnet_of(lease.address) else {
            self.elsewhere.insert(lease.address, lease);
            return false;
        };
        let lease = self.renamed(id, lease);
        if let Some(table) = self.tables.get_mut(id.0) {
            table.put(lease, now);
        }
        true
    }

    /// Where identifiers are not looked at any more, who had one is known by its hardware.
    fn renamed(&self, id: SubnetId, lease: Lease) -> Lease {
        let identity = self.config.subnets.get(id.0).map(|subnet| subnet.identity);
        let by_hardware = identity == Some(Identity::Mac) && !lease.hardware.is_empty();
        let is_named = lease.said.identifier_octets().is_some();
        if by_hardware && is_named { lease.by_hardware() } else { lease }
    }

    /// Makes room for so many leases that are to be loaded.
    pub fn expect(&mut self, leases: u32) {
        self.tables.iter_mut().for_each(|table| table.expect(leases));
    }

    /// The link carries datagrams of another length from now on.
    pub fn set_mtu(&mut self, link: LinkId, mtu: usize) {
        if let Some(link) = Arc::make_mut(&mut self.config).links.get_mut(link.0) {
            link.mtu = mtu;
        }
    }

    /// What this datagram deserves; changes nothing.
    pub fn plan(&self, now: Timestamp, link: LinkId, arrival: &Arrival, datagram: &[u8]) -> Plan {
        let message = Message::parse(datagram).map_err(Ignored::Malformed);
        let request = message.as_ref().map_err(|reason| *reason).and_then(request_of);
        let verdict = match (&message, &request) {
            (Ok(message), Ok(request)) => {
                let Request { machine, firmware, .. } = *request;
                let information = message.option(code::RELAY_AGENT);
                let agent = self.agent(link, message, information.as_deref());
                let heard =
                    Heard { now, link, arrival, message, datagram, machine, firmware, agent };
                self.verdict(&heard)
            }
            (Err(reason), _) | (_, Err(reason)) => Err(*reason),
        };
        let (charge, verdict) = verdict.unwrap_or_else(Verdict::ignored_free);
        let verdict = self.unless_busy(verdict).unwrap_or_else(Verdict::ignored);
        let Verdict { outcome, change, reply } = verdict;
        let (reply, left_out) = reply.map(|reply| (reply.transmit, reply.left_out)).unzip();
        let request = request.ok();
        let chosen = message.ok().zip(request.map(|request| request.machine));
        let chosen =
            chosen.and_then(|(message, machine)| self.chosen(link, arrival, &message, machine));
        let (link, left_out) = (self.link_name(link), left_out.unwrap_or_default());
        let event = DhcpEvent { link, request, outcome, left_out };
        Plan { event, change, reply, chosen, charge }
    }

    /// A message has left: the next one may be written into its buffer. Whoever does not say so has
    /// one allocated for each.
    pub fn recycle(&mut self, message: Vec<u8>) {
        self.spare.give(message);
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
        let Plan { event, change, reply, chosen, charge } = plan;
        self.buckets.settle(charge, now);
        let other = self.heard_besides(&event, chosen, now);
        Output { other, ..self.change(event, change, reply, now) }
    }

    fn change(
        &mut self,
        event: DhcpEvent,
        change: Change,
        reply: Option<Transmit>,
        now: Timestamp,
    ) -> Output {
        let mut learned = Vec::new();
        match change {
            Change::Put { lease, freed } => {
                if let Some(id) = self.subnet_of(lease.address).filter(|_| !lease.is_mark()) {
                    self.drop_holds(id, &lease.client());
                }
                let told = Told { event: Event::Dhcp(event), reply };
                let mut commits = Few::One(self.put(lease, now, Some(told)));
                commits.extend(freed.map(|freed| self.put(freed, now, None)));
                return Output { commits, ..Output::default() };
            }
            Change::Hold { subnet, address, hold } => self.hold(subnet, address, hold),
            Change::Probe { subnet, address, hold, wait, question } => {
                self.hold(subnet, address, hold);
                return self.probes.start(address, wait, event, *question);
            }
            Change::DropHold { subnet, client } => {
                self.drop_holds(subnet, &client);
                self.probes.withdraw(&client);
            }
            Change::See(evidence) => learned = self.quirks.see(evidence, now),
            Change::None => {}
        }
        let event = Some(Event::Dhcp(event));
        Output { event, transmit: reply, learned, ..Output::default() }
    }

    /// Ends the offers and leases whose time is over, one event for each lease: so many at once that
    /// nobody waits for it, and the others at the next call. They count as over before that.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Vec<Event> {
        let mut room = limits::EXPIRIES_AT_ONCE;
        let expired = self.tables.iter_mut().flat_map(|table| table.expire(now, &mut room));
        expired
            .map(|lease| Event::Expired { address: lease.address, machine: lease.machine() })
            .collect()
    }

    /// When [`Server::handle_timeout`] has something to do next, which may be now; changes with every
    /// call that takes `&mut self`.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.tables.iter().filter_map(LeaseTable::next_expiry).min()
    }

    /// The leases that clients have at `now`.
    pub fn active_leases(&self, now: Timestamp) -> impl Iterator<Item = &Lease> {
        self.tables.iter().flat_map(move |table| table.active(now))
    }

    /// How many that are; cheap.
    pub fn active_count(&self, now: Timestamp) -> usize {
        self.tables.iter().map(|table| table.active_count(now)).sum()
    }

    /// How many offers are held.
    pub fn offers(&self) -> usize {
        self.tables.iter().map(LeaseTable::offers).sum()
    }

    /// How many sources of datagrams are counted.
    pub fn counted_sources(&self) -> usize {
        self.buckets.len()
    }

    /// The configuration that is in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    fn link_name(&self, link: LinkId) -> Arc<str> {
        self.config.links.get(link.0).map_or_else(|| Arc::from("?"), |link| link.name.clone())
    }

    fn verdict(&self, heard: &Heard<'_>) -> Result<(Charge, Verdict), Ignored> {
        let message_type = client_message_type(heard.message)?;
        if !acceptable(&heard.machine.hardware) {
            return Err(Ignored::GroupAddress);
        }
        let asking = self.locate(heard)?;
        if let Some(reason) = another_servers(&asking) {
            return Err(reason);
        }
        let charge = self.buckets.admit(&asking, message_type)?;
        let boot = || {
            let mut wishes = asking.entitled.wishes(heard.firmware);
            let wanted = bootp::wanted_file(heard).filter(|_| wishes.boot_file.is_none());
            let wanted: Option<Arc<str>> = wanted.map(Arc::from);
            wishes.boot_file = wishes.boot_file.or(wanted.as_ref());
            let (catalog, services) = (&self.config.catalog, &asking.subnet.services);
            Boot::of(&heard.machine, heard.firmware, &wishes, catalog, services)
        };
        let Some(message_type) = message_type else {
            return Ok((charge, bootp::plan(&asking, boot())));
        };
        let verdict = match message_type {
            _ if asks_boot_server(&asking) => boot_server::plan(&asking, message_type, boot()),
            _ if asking.subnet.mode == Mode::Proxy => proxy::plan(&asking, message_type, boot()),
            MessageType::Discover => discover::plan(&asking, boot()),
            MessageType::Request => request::plan(&asking, boot()),
            MessageType::Inform => inform::plan(&asking, boot()),
            MessageType::Release => release::plan_release(&asking),
            MessageType::Decline => release::plan_decline(&asking),
            from_server => return Err(Ignored::FromServer(from_server)),
        };
        Ok((charge, verdict))
    }

    /// Holds an address, the only one that the client is offered on the wire.
    fn hold(&mut self, id: SubnetId, address: Ipv4Addr, hold: Hold) {
        self.drop_holds(id, &hold.client);
        if let Some(table) = self.tables.get_mut(id.0) {
            table.hold(address, hold);
        }
    }

    /// Nothing is on offer to the client any more on the wire of this subnet.
    fn drop_holds(&mut self, id: SubnetId, client: &ClientKey) {
        let on_wire = self.topology.wire(id).map_or(&[][..], |wire| &wire.subnets);
        for id in on_wire {
            if let Some(table) = self.tables.get_mut(id.0) {
                table.drop_hold(client);
            }
        }
    }

    fn table_of(&mut self, address: Ipv4Addr) -> Option<&mut LeaseTable> {
        let id = self.subnet_of(address)?;
        self.tables.get_mut(id.0)
    }
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

/// Why nothing is said to a client that another server gives its address: no limit counts it.
fn another_servers(asking: &Asking<'_>) -> Option<Ignored> {
    let elsewhere = asking.subnet.mode == Mode::Proxy || asks_boot_server(asking);
    match asking.firmware {
        Firmware::NotBooting if elsewhere => Some(Ignored::NotBooting),
        Firmware::Bootp if elsewhere => Some(Ignored::Bootp),
        _ => None,
    }
}

fn asks_boot_server(asking: &Asking<'_>) -> bool {
    asking.arrival.destination.port() == BOOT_SERVER_PORT
}

/// `None` is BOOTP (RFC 1534 section 2): a message type that can not be read does not make it so.
fn client_message_type(message: &Message<'_>) -> Result<Option<MessageType>, Ignored> {
    match message.option(code::MESSAGE_TYPE) {
        None => Ok(None),
        Some(_) => message.message_type().map(Some).ok_or(Ignored::MessageType),
    }
}

/// A group's address is no machine's own.
fn acceptable(hardware: &HardwareAddress) -> bool {
    !hardware.mac().is_some_and(crate::net::Mac::is_multicast)
}
