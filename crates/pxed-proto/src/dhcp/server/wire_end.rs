//! Which wire a message comes from: by its relay agent, by the subnet that one selects, or by the
//! link that it came in by.

use std::net::Ipv4Addr;

use super::Server;
use super::locate::own_address;
use super::topology::Wire;
use crate::dhcp::asking::Heard;
use crate::dhcp::config::{LinkId, Subnet, SubnetId};
use crate::dhcp::reason::Ignored;
use crate::dhcp::relay::Agent;
use crate::wire::dhcp::Message;
use crate::wire::options::code;

impl Server {
    /// Who says where the client is attached, `information` being option 82 of its message.
    pub(super) fn agent<'a>(
        &self,
        link: LinkId,
        message: &Message<'_>,
        information: Option<&'a [u8]>,
    ) -> Option<Agent<'a>> {
        Agent::of(message, information, self.topology.on_link(link).trusts_option_82)
    }

    /// A subnet of the wire that a message comes from.
    pub(super) fn wire_end(
        &self,
        heard: &Heard<'_>,
        client_selects: bool,
    ) -> Result<SubnetId, Ignored> {
        let giaddr = heard.message.giaddr;
        let wish = heard.message.ipv4(code::SUBNET_SELECTION).filter(|_| client_selects);
        // What the relay agent says "MUST be used" then (RFC 3527 section 4).
        match (heard.agent.and_then(Agent::selected_link), wish) {
            (Some(link), _) => self.selected(link, giaddr),
            (None, Some(subnet)) => self.subnet_of(subnet).ok_or(Ignored::UnknownLink),
            _ if giaddr.is_unspecified() => self.attached(heard),
            _ => self.behind(giaddr),
        }
    }

    /// Where a client is that may say by option 118 on which subnet it wants an address (RFC 3011).
    pub(super) fn selector<'a>(&'a self, heard: &Heard<'a>) -> Option<&'a Subnet> {
        heard.message.ipv4(code::SUBNET_SELECTION)?;
        let origin = match heard.message.giaddr {
            Ipv4Addr::UNSPECIFIED => self.topology.on_link(heard.link).first?,
            giaddr => self.behind(giaddr).ok()?,
        };
        let entitled = self.asking(heard, origin).ok()?.entitled;
        let allows = |subnet: &Subnet| {
            let class = subnet.subnet_selection.as_deref();
            class.is_some_and(|class| entitled.is_in(class))
        };
        let wire = &self.topology.wire(origin)?.subnets;
        let allowed = wire.iter().filter_map(|id| self.subnet(*id)).any(allows);
        self.subnet(origin).filter(|_| allowed)
    }

    /// A subnet of the link. A client behind a relay agent renews by unicast, without it: its
    /// address tells.
    fn attached(&self, heard: &Heard<'_>) -> Result<SubnetId, Ignored> {
        let by_unicast = !heard.arrival.destination.ip().is_broadcast();
        let behind_relay = own_address(heard).filter(|_| by_unicast);
        let behind_relay = behind_relay.and_then(|address| self.subnet_of(address));
        let remote = |id: &SubnetId| self.subnet(*id).is_some_and(|subnet| subnet.link.is_none());
        let on_link = || self.topology.on_link(heard.link).first;
        behind_relay.filter(remote).or_else(on_link).ok_or(Ignored::NoSubnet)
    }

    /// The subnet that a relay agent is said to serve, or else the one that it is on. Where it
    /// serves several wires, it has to select one.
    fn behind(&self, giaddr: Ipv4Addr) -> Result<SubnetId, Ignored> {
        self.check_relay(giaddr)?;
        if let Some(served) = self.topology.served_by(giaddr) {
            return Ok(served);
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
        let known = giaddr.is_unspecified()
            || self.own_subnet(giaddr).is_some()
            || self.topology.knows_relay(giaddr);
        match known {
            true if self.admits(id, giaddr) => Ok(id),
            true => Err(Ignored::UnknownRelay),
            false => Err(Ignored::NoSubnet),
        }
    }

    /// Not what no relay agent can have.
    fn check_relay(&self, giaddr: Ipv4Addr) -> Result<(), Ignored> {
        let impossible = giaddr.is_loopback() || giaddr.is_broadcast() || giaddr.is_multicast();
        match impossible || self.topology.is_own(giaddr) {
            true => Err(Ignored::RelayAddress),
            false => Ok(()),
        }
    }

    /// The subnet in which `giaddr` is a host.
    fn own_subnet(&self, giaddr: Ipv4Addr) -> Option<SubnetId> {
        let is_host = |id: &SubnetId| self.subnet(*id).is_some_and(|s| s.net.contains_host(giaddr));
        self.subnet_of(giaddr).filter(is_host)
    }

    /// May clients of this relay agent be on the wire of the subnet?
    fn admits(&self, id: SubnetId, giaddr: Ipv4Addr) -> bool {
        self.topology.wire(id).is_some_and(|wire| wire.admits(giaddr))
    }

    /// Is it one of the relay agents of the wire: is it said to be, or on that wire itself, where
    /// none are listed? What is leased there is a client's address.
    pub(super) fn is_relay_of(&self, giaddr: Ipv4Addr, wire: &Wire) -> bool {
        let leased = |subnet: &Subnet| subnet.pools.iter().any(|pool| pool.range.contains(giaddr));
        let on_it = |subnet: &Subnet| subnet.net.contains_host(giaddr) && !leased(subnet);
        let mut subnets = wire.subnets.iter().filter_map(|id| self.subnet(*id));
        wire.lists(giaddr) || wire.admits(giaddr) && subnets.any(on_it)
    }

    pub(super) fn subnet(&self, id: SubnetId) -> Option<&Subnet> {
        self.config.subnets.get(id.0)
    }
}
