//! Where a client is: on which wire, and on which of its subnets.

use std::net::Ipv4Addr;

use super::Server;
use crate::dhcp::asking::{Asking, Heard, by_hardware, client_key};
use crate::dhcp::class::Facts;
use crate::dhcp::config::{Mode, Subnet, SubnetId};
use crate::dhcp::lease::{ClientKey, Lease};
use crate::dhcp::reason::Ignored;
use crate::dhcp::relay::{Place, RelayAgent};
use crate::dhcp::table::LeaseTable;
use crate::dhcp::transmit::BOOT_SERVER_PORT;
use crate::net::Ipv4Net;
use crate::wire::dhcp::MessageType;
use crate::wire::options::code;

impl Server {
    /// The subnet that an address is of; of several, the smallest.
    pub(in crate::dhcp) fn subnet_of(&self, address: Ipv4Addr) -> Option<SubnetId> {
        let alone = Ipv4Net::new(address, 32)?;
        let around = self.by_net.range(..=alone).rev();
        around.into_iter().find(|(net, _)| net.contains(address)).map(|(_, id)| *id)
    }

    /// The client on the subnet that it is on.
    pub(super) fn locate<'a>(&'a self, heard: &Heard<'a>) -> Result<Asking<'a>, Ignored> {
        let agent = self.agent(heard);
        let selector = self.selector(heard, agent.as_ref());
        let here = self.wire_end(heard, agent.as_ref(), selector.is_some())?;
        let on_wire = self.on_wire(heard, here)?;
        let asking = on_wire.iter().map(|id| self.asking(heard, agent.as_ref(), *id));
        let asking = asking.collect::<Result<Vec<_>, _>>()?;
        let place = if asking.len() == 1 { 0 } else { place(&asking, heard) };
        let others = asking.iter().enumerate().filter(|(index, _)| *index != place);
        let elsewhere = others.into_iter().find_map(|(_, asking)| asking.active());
        let crowded = asking.get(place).is_some_and(|here| is_crowded(here, &asking));
        let found = asking.into_iter().nth(place).ok_or(Ignored::NoSubnet)?;
        let server = selector.map_or(found.server, |subnet| subnet.server);
        let (giaddr, selects) = (heard.message.giaddr, selector.is_some());
        let attached = giaddr.is_unspecified() && self.is_on_wire(heard.link, here);
        let by_relay_of_wire = self.is_relay_of(giaddr, here);
        Ok(Asking { elsewhere, crowded, server, selects, attached, by_relay_of_wire, ..found })
    }

    /// The subnets that lie on one wire with `here` and are served, `here` before the others.
    fn on_wire(&self, heard: &Heard<'_>, here: SubnetId) -> Result<Vec<SubnetId>, Ignored> {
        let all = || self.config.subnets.iter().enumerate();
        let first = || all().filter(|(id, _)| *id == here.0);
        let rest = || all().filter(|(id, _)| *id != here.0 && self.same_wire(*id, here));
        let on_wire = || first().chain(rest());
        let spoken_of = spoken_of(heard);
        let off = |subnet: &Subnet| {
            let spoken_of = spoken_of.is_some_and(|address| subnet.net.contains(address));
            subnet.mode == Mode::Off && spoken_of
        };
        let served = on_wire().filter(|(_, subnet)| subnet.mode != Mode::Off);
        let served: Vec<SubnetId> = served.map(|(id, _)| SubnetId(id)).collect();
        let silent = served.is_empty() || on_wire().any(|(_, subnet)| off(subnet));
        if silent { Err(Ignored::SubnetOff) } else { Ok(served) }
    }

    /// Everything about a client, if it is on this subnet.
    pub(super) fn asking<'a>(
        &'a self,
        heard: &Heard<'a>,
        agent: Option<&RelayAgent>,
        id: SubnetId,
    ) -> Result<Asking<'a>, Ignored> {
        let Heard { now, link: link_id, arrival, message, datagram, machine, firmware } = *heard;
        let link = self.config.links.get(link_id.0).ok_or(Ignored::NoSubnet)?;
        let subnet = self.config.subnets.get(id.0).ok_or(Ignored::NoSubnet)?;
        let table = self.tables.get(id.0).ok_or(Ignored::NoSubnet)?;
        let client = known_as(client_key(heard, subnet.identity)?, heard, table);
        let relay = relay_agent(heard, agent, table.of(&client));
        let facts =
            Facts { message, machine: &machine, firmware, relay: relay.as_ref(), groups: &[] };
        let entitled = self.config.policy.of(subnet, &facts);
        let (subnet_id, elsewhere, crowded, selects) = (id, None, false, false);
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
            relay,
            subnet_id,
            subnet,
            table,
            probes: &self.probes,
            elsewhere,
            crowded,
            server: subnet.server,
            selects,
            attached: false,
            by_relay_of_wire: false,
            entitled,
            host_name: self.config.host_name.as_deref(),
            under_way: &self.under_way,
            quirks: &self.quirks,
            told: &self.config.policy.quirks,
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
    let had = |here: &Asking<'_>| {
        here.table.of(&here.client).is_some_and(|lease| here.can_have(lease.address))
    };
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
    let Some(agent) = here.relay.as_ref() else { return false };
    let caps = here.subnet.relay_caps;
    let full = |cap: Option<usize>, place: fn(&RelayAgent) -> Option<Place>| {
        let (Some(cap), Some(place)) = (cap, place(agent)) else { return false };
        let known = |on: &Asking<'_>| on.table.is_behind(&place, &on.client, on.now);
        let in_use = on_wire.iter().map(|on| on.table.behind(&place, on.now)).sum::<usize>();
        in_use >= cap && !on_wire.iter().any(known)
    };
    full(caps.remote_id, RelayAgent::remote) || full(caps.circuit_id, RelayAgent::circuit)
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
/// looked at, stays known by its hardware address.
fn known_as(key: ClientKey, heard: &Heard<'_>, table: &LeaseTable) -> ClientKey {
    if matches!(key, ClientKey::Hardware(_)) || table.of(&key).is_some() {
        return key;
    }
    let before = by_hardware(&heard.machine.hardware);
    let runs = |old: &ClientKey| table.of(old).is_some_and(|lease| lease.is_active(heard.now));
    before.filter(runs).unwrap_or(key)
}

/// The relay agent that the client is behind. Of a client that renews by unicast, or by a relay
/// agent that says nothing about it, what was said when it got its lease still holds.
fn relay_agent(
    heard: &Heard<'_>,
    here: Option<&RelayAgent>,
    lease: Option<&Lease>,
) -> Option<RelayAgent> {
    let told = here.is_some_and(|agent| !agent.information.is_empty());
    let renewed =
        |lease: &&Lease| lease.is_active(heard.now) && Some(lease.address) == own_address(heard);
    let before = lease.filter(renewed).and_then(Lease::relay);
    let same = |old: &RelayAgent| here.is_none_or(|here| here.address == old.address);
    before.filter(|_| !told).filter(same).or_else(|| here.cloned())
}
