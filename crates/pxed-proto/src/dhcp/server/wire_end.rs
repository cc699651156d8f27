//! Which wire a message comes from: by its relay agent, by the subnet that one selects, or by the
//! link that it came in by.

use std::net::Ipv4Addr;

use super::Server;
use super::locate::own_address;
use crate::dhcp::asking::Heard;
use crate::dhcp::config::{LinkId, Subnet, SubnetId};
use crate::dhcp::reason::Ignored;
use crate::dhcp::relay::RelayAgent;
use crate::wire::options::code;

impl Server {
    /// Who says where the client is attached: the relay agent, or a switch on a link that is
    /// trusted to have one.
    pub(super) fn agent(&self, heard: &Heard<'_>) -> Option<RelayAgent> {
        let here = |subnet: &Subnet| subnet.link == Some(heard.link);
        let trusts = |subnet: &Subnet| here(subnet) && subnet.trusts_option_82;
        RelayAgent::of(heard.message, self.config.subnets.iter().any(trusts))
    }

    /// A subnet of the wire that a message comes from.
    pub(super) fn wire_end(
        &self,
        heard: &Heard<'_>,
        agent: Option<&RelayAgent>,
        client_selects: bool,
    ) -> Result<SubnetId, Ignored> {
        let giaddr = heard.message.giaddr;
        let wish = heard.message.ipv4(code::SUBNET_SELECTION).filter(|_| client_selects);
        // What the relay agent says "MUST be used" then (RFC 3527 section 4).
        match (agent.and_then(RelayAgent::selected_link), wish) {
            (Some(link), _) => self.selected(link, giaddr),
            (None, Some(subnet)) => self.subnet_of(subnet).ok_or(Ignored::UnknownLink),
            _ if giaddr.is_unspecified() => self.attached(heard),
            _ => self.behind(giaddr),
        }
    }

    /// Where a client is that may say by option 118 on which subnet it wants an address (RFC 3011).
    pub(super) fn selector<'a>(
        &'a self,
        heard: &Heard<'a>,
        agent: Option<&RelayAgent>,
    ) -> Option<&'a Subnet> {
        heard.message.ipv4(code::SUBNET_SELECTION)?;
        let origin = match heard.message.giaddr {
            Ipv4Addr::UNSPECIFIED => self.on_link(heard)?,
            giaddr => self.behind(giaddr).ok()?,
        };
        let entitled = self.asking(heard, agent, origin).ok()?.entitled;
        let allows = |subnet: &Subnet| {
            let class = subnet.subnet_selection.as_deref();
            class.is_some_and(|class| entitled.classes.contains(&class))
        };
        self.subnet(origin).filter(|_| self.wire(origin).any(allows))
    }

    /// A subnet of the link. A client behind a relay agent renews by unicast, without it: its
    /// address tells.
    fn attached(&self, heard: &Heard<'_>) -> Result<SubnetId, Ignored> {
        let by_unicast = !heard.arrival.destination.ip().is_broadcast();
        let behind_relay = own_address(heard).filter(|_| by_unicast);
        let behind_relay = behind_relay.and_then(|address| self.subnet_of(address));
        let remote = |id: &SubnetId| self.subnet(*id).is_some_and(|subnet| subnet.link.is_none());
        behind_relay.filter(remote).or_else(|| self.on_link(heard)).ok_or(Ignored::NoSubnet)
    }

    fn on_link(&self, heard: &Heard<'_>) -> Option<SubnetId> {
        let here = |subnet: &Subnet| subnet.link == Some(heard.link);
        self.config.subnets.iter().position(here).map(SubnetId)
    }

    /// The subnet that a relay agent is said to serve, or else the one that it is on. Where it
    /// serves several wires, it has to select one.
    fn behind(&self, giaddr: Ipv4Addr) -> Result<SubnetId, Ignored> {
        self.check_relay(giaddr)?;
        let subnets = self.config.subnets.iter().enumerate();
        let mut serves = subnets.filter(|(_, subnet)| subnet.relays.contains(&giaddr));
        if let Some((first, _)) = serves.next()
            && serves.all(|(other, _)| self.same_wire(other, SubnetId(first)))
        {
            return Ok(SubnetId(first));
        }
        let own = self.own_subnet(giaddr).ok_or(Ignored::NoSubnet)?;
        if self.admits(own, giaddr) { Ok(own) } else { Err(Ignored::UnknownRelay) }
    }

    /// The subnet that a relay agent selects (RFC 3527): "MUST allocate the address on" it or on
    /// its wire, so that there is nothing to fall back to.
    fn selected(&self, link: Ipv4Addr, giaddr: Ipv4Addr) -> Result<SubnetId, Ignored> {
        if !giaddr.is_unspecified() {
            self.check_relay(giaddr)?;
        }
        let id = self.subnet_of(link).ok_or(Ignored::UnknownLink)?;
        let knows = |subnet: &Subnet| subnet.relays.contains(&giaddr);
        let known = giaddr.is_unspecified()
            || self.own_subnet(giaddr).is_some()
            || self.config.subnets.iter().any(knows);
        match known {
            true if self.admits(id, giaddr) => Ok(id),
            true => Err(Ignored::UnknownRelay),
            false => Err(Ignored::NoSubnet),
        }
    }

    /// Not what no relay agent can have.
    fn check_relay(&self, giaddr: Ipv4Addr) -> Result<(), Ignored> {
        let own = || self.config.links.iter().any(|link| link.addresses.contains(&giaddr));
        let impossible = giaddr.is_loopback() || giaddr.is_broadcast() || giaddr.is_multicast();
        if impossible || own() { Err(Ignored::RelayAddress) } else { Ok(()) }
    }

    /// The subnet in which `giaddr` is a host.
    fn own_subnet(&self, giaddr: Ipv4Addr) -> Option<SubnetId> {
        let is_host = |id: &SubnetId| self.subnet(*id).is_some_and(|s| s.net.contains_host(giaddr));
        self.subnet_of(giaddr).filter(is_host)
    }

    /// May clients of this relay agent be on the wire of the subnet?
    fn admits(&self, id: SubnetId, giaddr: Ipv4Addr) -> bool {
        !self.wire(id).any(|subnet| !subnet.relays.is_empty())
            || self.wire(id).any(|subnet| subnet.relays.contains(&giaddr))
    }

    /// Is it one of the relay agents of the subnet's wire: is it said to be, or on that wire itself,
    /// where none are listed? What is leased there is a client's address.
    pub(super) fn is_relay_of(&self, giaddr: Ipv4Addr, id: SubnetId) -> bool {
        let leased = |subnet: &Subnet| subnet.pools.iter().any(|pool| pool.range.contains(giaddr));
        let on_it = |subnet: &Subnet| subnet.net.contains_host(giaddr) && !leased(subnet);
        self.admits(id, giaddr)
            && self.wire(id).any(|subnet| subnet.relays.contains(&giaddr) || on_it(subnet))
    }

    /// Is the link one of the subnet's wire?
    pub(super) fn is_on_wire(&self, link: LinkId, id: SubnetId) -> bool {
        self.wire(id).any(|subnet| subnet.link == Some(link))
    }

    /// The subnets of the wire that this one is of.
    fn wire(&self, id: SubnetId) -> impl Iterator<Item = &Subnet> {
        let subnets = self.config.subnets.iter().enumerate();
        let on_it = move |(other, _): &(usize, &Subnet)| self.same_wire(*other, id);
        subnets.filter(on_it).map(|(_, subnet)| subnet)
    }

    /// Do two subnets lie on one wire?
    pub(super) fn same_wire(&self, id: usize, here: SubnetId) -> bool {
        let net = |id: usize| self.config.subnets.get(id)?.shared_network.as_deref();
        id == here.0 || net(id).is_some_and(|name| net(here.0) == Some(name))
    }

    fn subnet(&self, id: SubnetId) -> Option<&Subnet> {
        self.config.subnets.get(id.0)
    }
}
