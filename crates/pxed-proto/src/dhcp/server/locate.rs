//! Where a client is: on which wire, and on which of its subnets.

use std::net::Ipv4Addr;

use super::Server;
use super::topology::Wire;
use crate::dhcp::asking::{Asking, Heard, by_hardware, client_key};
use crate::dhcp::class::Facts;
use crate::dhcp::config::{Mode, RelayCaps, Subnet, SubnetId};
use crate::dhcp::lease::{ClientKey, Lease};
use crate::dhcp::reason::Ignored;
use crate::dhcp::relay::{Agent, Behind, Place, RelayAgent};
use crate::dhcp::table::LeaseTable;
use crate::dhcp::transmit::BOOT_SERVER_PORT;
use crate::wire::dhcp::MessageType;
use crate::wire::options::code;

impl Server {
    /// The subnet that an address is of; of several, the smallest.
    pub(in crate::dhcp) fn subnet_of(&self, address: Ipv4Addr) -> Option<SubnetId> {
        self.topology.subnet_of(address)
    }

    /// The client on the subnet that it is on.
    pub(super) fn locate<'a>(&'a self, heard: &Heard<'a>) -> Result<Asking<'a>, Ignored> {
        let selector = self.selector(heard);
        let here = self.wire_end(heard, selector.is_some())?;
        let wire = self.topology.wire(here).ok_or(Ignored::NoSubnet)?;
        self.unless_silent(heard, wire)?;
        let mut found = match &*wire.subnets {
            [_] => {
                let mut alone = self.asking(heard, here)?;
                alone.crowded = is_crowded(&alone, std::slice::from_ref(&alone));
                alone
            }
            several => self.on_one_of(heard, here, several)?,
        };
        if let Some(subnet) = selector {
            (found.server, found.selects) = (subnet.server, true);
        }
        let giaddr = heard.message.giaddr;
        found.attached = giaddr.is_unspecified() && wire.has_link(heard.link);
        found.by_relay_of_wire = self.is_relay_of(giaddr, wire);
        Ok(found)
    }

    /// The client on one of the subnets of a wire, `here` before the others.
    fn on_one_of<'a>(
        &'a self,
        heard: &Heard<'a>,
        here: SubnetId,
        wire: &[SubnetId],
    ) -> Result<Asking<'a>, Ignored> {
        let others = wire.iter().copied().filter(|id| *id != here);
        let served = |id: &SubnetId| self.subnet(*id).is_some_and(|it| it.mode != Mode::Off);
        let served = std::iter::once(here).chain(others).filter(served);
        let asking = served.map(|id| self.asking(heard, id)).collect::<Result<Vec<_>, _>>()?;
        let place = if asking.len() == 1 { 0 } else { place(&asking, heard) };
        let others = asking.iter().enumerate().filter(|(index, _)| *index != place);
        let elsewhere = others.into_iter().find_map(|(_, asking)| asking.active());
        let crowded = asking.get(place).is_some_and(|here| is_crowded(here, &asking));
        let found = asking.into_iter().nth(place).ok_or(Ignored::NoSubnet)?;
        Ok(Asking { elsewhere, crowded, ..found })
    }

    /// Not where nothing is served, or where the client speaks of an address that is not.
    fn unless_silent(&self, heard: &Heard<'_>, wire: &Wire) -> Result<(), Ignored> {
        let subnets = || wire.subnets.iter().filter_map(|id| self.subnet(*id));
        let off = || subnets().filter(|subnet| subnet.mode == Mode::Off);
        if off().next().is_none() {
            return Ok(());
        }
        let spoken_of = spoken_of(heard);
        let of_it = |subnet: &Subnet| spoken_of.is_some_and(|it| subnet.net.contains(it));
        let silent = off().count() == wire.subnets.len() || off().any(of_it);
        if silent { Err(Ignored::SubnetOff) } else { Ok(()) }
    }

    /// Everything about a client, if it is on this subnet.
    pub(super) fn asking<'a>(
        &'a self,
        heard: &Heard<'a>,
        id: SubnetId,
    ) -> Result<Asking<'a>, Ignored> {
        let Heard { now, link: link_id, arrival, message, datagram, machine, firmware, agent } =
            *heard;
        let link = self.config.links.get(link_id.0).ok_or(Ignored::NoSubnet)?;
        let subnet = self.subnet(id).ok_or(Ignored::NoSubnet)?;
        let table = self.tables.get(id.0).ok_or(Ignored::NoSubnet)?;
        let (client, own) = known_as(client_key(heard, subnet.identity)?, heard, table);
        let relay = relay_agent(heard, own);
        let agent_here = relay.as_ref().map(Behind::agent);
        let facts = Facts { message, machine: &machine, firmware, relay: agent_here, groups: &[] };
        let entitled = self.config.policy.of(&self.rules, subnet, &facts);
        Ok(Asking {
            now,
            link_id,
            link,
            arrival,
            message,
            datagram,
            machine,
            firmware,
            client,
            own,
            brought_by: agent.filter(|_| !message.giaddr.is_unspecified()),
            relay,
            subnet_id: id,
            subnet,
            table,
            probes: &self.probes,
            elsewhere: None,
            crowded: false,
            server: subnet.server,
            selects: false,
            attached: false,
            by_relay_of_wire: false,
            entitled,
            host_name: self.config.host_name.as_deref(),
            under_way: &self.under_way,
            outage: &self.outage,
            quirks: &self.quirks,
            told: &self.config.policy.quirks,
            spare: &self.spare,
        })
    }
}

/// Of several subnets on one wire the one that the client speaks of; else the one where an address
/// is kept for it, where it has one, had one, wants one, or where there is one.
fn place(asking: &[Asking<'_>], heard: &Heard<'_>) -> usize {
    let find = |is: &dyn Fn(&Asking<'_>) -> bool| asking.iter().position(is);
    let address = spoken_of(heard);
    let contains = |here: &Asking<'_>| address.is_some_and(|a| here.subnet.net.contains(a));
    let has = |here: &Asking<'_>| {
        let held = here.table.held_for(&here.client, here.now);
        let has = here.active().map(|lease| lease.address).into_iter().chain(held);
        has.into_iter().any(|address| here.can_have(address))
    };
    let had = |here: &Asking<'_>| here.own.is_some_and(|lease| here.can_have(lease.address));
    let wish = heard.message.ipv4(code::REQUESTED_ADDRESS);
    find(&contains)
        .or_else(|| find(&|here| here.reserved_and_free().is_some()))
        .or_else(|| find(&has))
        .or_else(|| find(&had))
        .or_else(|| find(&|here| wish.is_some_and(|wish| here.can_have(wish))))
        .or_else(|| find(&|here| here.choose(None).is_some()))
        .unwrap_or(0)
}

/// Is the wire full for who is attached like this client? Known clients renew always.
fn is_crowded(here: &Asking<'_>, on_wire: &[Asking<'_>]) -> bool {
    let caps = here.subnet.relay_caps;
    let relay = here.relay.as_ref().filter(|_| caps != RelayCaps::default());
    let Some(agent) = relay.map(Behind::agent) else { return false };
    let full = |cap: Option<usize>, place: fn(Agent<'_>) -> Option<Place>| {
        let (Some(cap), Some(place)) = (cap, place(agent)) else { return false };
        let known = |on: &Asking<'_>| on.table.is_behind(&place, &on.client, on.now);
        let in_use = on_wire.iter().map(|on| on.table.behind(&place, on.now)).sum::<usize>();
        in_use >= cap && !on_wire.iter().any(known)
    };
    full(caps.remote_id, |it| it.remote()) || full(caps.circuit_id, |it| it.circuit())
}

/// The address that the client says it has. `ciaddr` of a DISCOVER is a mistake; some clients leave
/// it empty in an INFORM, and some firmware where it asks a boot server.
pub(super) fn own_address(heard: &Heard<'_>) -> Option<Ipv4Addr> {
    let message = heard.message;
    let has_one = heard.arrival.destination.port() == BOOT_SERVER_PORT
        || message.message_type() == Some(MessageType::Inform);
    let address = match (message.message_type()?, message.ciaddr) {
        (MessageType::Discover, _) => return None,
        (_, Ipv4Addr::UNSPECIFIED) if has_one && message.giaddr.is_unspecified() => {
            *heard.arrival.source.ip()
        }
        (_, ciaddr) => ciaddr,
    };
    Some(address).filter(|address| !address.is_unspecified())
}

/// The address that the client has, or believes to have: a DISCOVER only wishes.
fn spoken_of(heard: &Heard<'_>) -> Option<Ipv4Addr> {
    let discovers = heard.message.message_type() == Some(MessageType::Discover);
    let wanted = || heard.message.ipv4(code::REQUESTED_ADDRESS);
    own_address(heard).or_else(|| wanted().filter(|_| !discovers))
}

/// A client that had no client identifier when it got the lease that it has, or when none was
/// looked at, stays known by its hardware address. With the lease that it has or had.
fn known_as<'a>(
    key: ClientKey,
    heard: &Heard<'_>,
    table: &'a LeaseTable,
) -> (ClientKey, Option<&'a Lease>) {
    let own = table.of(&key);
    if matches!(key, ClientKey::Hardware(_)) || own.is_some() {
        return (key, own);
    }
    let before = by_hardware(&heard.machine.hardware);
    let own = before.as_ref().and_then(|old| table.of(old));
    match (before, own.filter(|lease| lease.is_active(heard.now))) {
        (Some(before), Some(own)) => (before, Some(own)),
        _ => (key, None),
    }
}

/// The relay agent that the client is behind. Of a client that renews by unicast, or by a relay
/// agent that says nothing about it, what was said when it got its lease still holds.
fn relay_agent<'a>(heard: &Heard<'a>, own: Option<&Lease>) -> Option<Behind<'a>> {
    let told = heard.agent.is_some_and(|agent| !agent.information.is_empty());
    let renews = own.is_some_and(|lease| {
        lease.is_active(heard.now) && Some(lease.address) == own_address(heard)
    });
    let still = |old: &RelayAgent| match heard.agent {
        Some(agent) if told || !renews => agent == old.view(),
        Some(agent) => agent.address == old.address,
        None => renews,
    };
    let before = own.and_then(Lease::relay).filter(still);
    before.map(Behind::Kept).or(heard.agent.map(Behind::Heard))
}
