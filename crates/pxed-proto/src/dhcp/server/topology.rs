//! How the subnets of a configuration lie: by address, by link, by relay agent, by wire. Made once for
//! each configuration, so that a datagram costs the same among thousands of subnets as with one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::dhcp::config::{Config, LinkId, Mode, Subnet, SubnetId};
use crate::dhcp::parts::{Part, parts};
use crate::net::Ipv4Net;

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The subnet of all addresses from this one to the next border.
    borders: Vec<(Ipv4Addr, Option<SubnetId>)>,
    links: Vec<OnLink>,
    /// By subnet, an index into `wires`.
    wire_of: Vec<usize>,
    wires: Vec<Wire>,
    /// By relay agent, the first subnet that it is said to serve; `None` where they are on several
    /// wires.
    serves: BTreeMap<Ipv4Addr, Option<SubnetId>>,
    /// The links' addresses, in order.
    own: Vec<Ipv4Addr>,
    /// These, and those that the subnets are answered from.
    answering: Vec<Ipv4Addr>,
}

/// The subnets of one link.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnLink {
    /// The first one.
    pub first: Option<SubnetId>,
    /// One of them has a switch that says option 82.
    pub trusts_option_82: bool,
    /// Addresses are given there.
    pub gives_addresses: bool,
}

/// Subnets that lie on one wire.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    /// In the order of the configuration.
    pub subnets: Vec<SubnetId>,
    links: Vec<LinkId>,
    /// The relay agents that are said to serve it, in order.
    relays: Vec<Ipv4Addr>,
}

impl Topology {
    pub fn of(config: &Config) -> Self {
        let (wire_of, wires) = wires(config);
        let own: Vec<Ipv4Addr> =
            config.links.iter().flat_map(|link| link.addresses.iter().copied()).collect();
        let servers = config.subnets.iter().map(|subnet| subnet.server);
        Self {
            borders: borders(config),
            links: links(config),
            serves: serves(config, &wire_of),
            wire_of,
            wires,
            answering: sorted(own.iter().copied().chain(servers)),
            own: sorted(own),
        }
    }

    /// The subnet that an address is of; of several, the smallest, and of two of one network the
    /// first.
    pub fn subnet_of(&self, address: Ipv4Addr) -> Option<SubnetId> {
        let behind = self.borders.partition_point(|(from, _)| *from <= address);
        self.borders.get(behind.checked_sub(1)?)?.1
    }

    /// All addresses that are or were of a subnet, by which one; `before` is another configuration's.
    pub fn parts(&self, before: &Self) -> Vec<Part> {
        let borders = before.borders.iter().chain(&self.borders).map(|(from, _)| *from);
        let was = |address| before.subnet_of(address).map(|id| id.0);
        parts(borders, was, |address| self.subnet_of(address).map(|id| id.0))
    }

    pub fn on_link(&self, link: LinkId) -> OnLink {
        self.links.get(link.0).copied().unwrap_or_default()
    }

    /// The wire that a subnet is of.
    pub fn wire(&self, id: SubnetId) -> Option<&Wire> {
        self.wires.get(*self.wire_of.get(id.0)?)
    }

    /// Is there a subnet that the relay agent is said to serve?
    pub fn knows_relay(&self, giaddr: Ipv4Addr) -> bool {
        self.serves.contains_key(&giaddr)
    }

    /// A subnet of the one wire that the relay agent is said to serve.
    pub fn served_by(&self, giaddr: Ipv4Addr) -> Option<SubnetId> {
        self.serves.get(&giaddr).copied().flatten()
    }

    /// Is it an address of one of the server's links?
    pub fn is_own(&self, address: Ipv4Addr) -> bool {
        self.own.binary_search(&address).is_ok()
    }

    /// Is it one of these, or one that a subnet is answered from?
    pub fn answers_as(&self, address: Ipv4Addr) -> bool {
        self.answering.binary_search(&address).is_ok()
    }
}

impl Wire {
    pub fn has_link(&self, link: LinkId) -> bool {
        self.links.contains(&link)
    }

    /// Is the relay agent said to serve it?
    pub fn lists(&self, giaddr: Ipv4Addr) -> bool {
        self.relays.binary_search(&giaddr).is_ok()
    }

    /// May clients of this relay agent be on it? Where none are listed, those of any.
    pub fn admits(&self, giaddr: Ipv4Addr) -> bool {
        self.relays.is_empty() || self.lists(giaddr)
    }
}

fn subnets(config: &Config) -> impl DoubleEndedIterator<Item = (SubnetId, &Subnet)> {
    config.subnets.iter().enumerate().map(|(id, subnet)| (SubnetId(id), subnet))
}

fn sorted(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Vec<Ipv4Addr> {
    let mut sorted: Vec<Ipv4Addr> = addresses.into_iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

/// Networks lie in each other or apart, so each begins and ends in the one around it.
fn borders(config: &Config) -> Vec<(Ipv4Addr, Option<SubnetId>)> {
    let by_net: BTreeMap<Ipv4Net, SubnetId> =
        subnets(config).rev().map(|(id, subnet)| (subnet.net, id)).collect();
    let mut borders = BTreeMap::new();
    let mut around: Vec<(Ipv4Net, SubnetId)> = Vec::new();
    let leave = |around: &mut Vec<(Ipv4Net, SubnetId)>, borders: &mut BTreeMap<_, _>| {
        let end = around.pop().map(|(net, _)| net.broadcast().to_bits());
        if let Some(behind) = end.and_then(|end| end.checked_add(1)) {
            borders.insert(Ipv4Addr::from_bits(behind), around.last().map(|(_, id)| *id));
        }
    };
    for (net, id) in by_net {
        while around.last().is_some_and(|(outer, _)| !outer.contains(net.network())) {
            leave(&mut around, &mut borders);
        }
        borders.insert(net.network(), Some(id));
        around.push((net, id));
    }
    while !around.is_empty() {
        leave(&mut around, &mut borders);
    }
    borders.into_iter().collect()
}

fn links(config: &Config) -> Vec<OnLink> {
    let mut links = vec![OnLink::default(); config.links.len()];
    for (id, subnet) in subnets(config) {
        if let Some(link) = subnet.link.and_then(|link| links.get_mut(link.0)) {
            link.first = link.first.or(Some(id));
            link.trusts_option_82 |= subnet.trusts_option_82;
            link.gives_addresses |= subnet.mode == Mode::Full;
        }
    }
    links
}

fn wires(config: &Config) -> (Vec<usize>, Vec<Wire>) {
    let (mut wire_of, mut wires) = (Vec::new(), Vec::<Wire>::new());
    let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, subnet) in subnets(config) {
        let next = wires.len();
        let index = match subnet.shared_network.as_deref() {
            Some(name) => *shared.entry(name).or_insert(next),
            None => next,
        };
        if index == next {
            wires.push(Wire::default());
        }
        wire_of.push(index);
        if let Some(wire) = wires.get_mut(index) {
            wire.subnets.push(id);
            wire.links.extend(subnet.link);
            wire.relays.extend(&subnet.relays);
        }
    }
    for wire in &mut wires {
        wire.relays = sorted(std::mem::take(&mut wire.relays));
    }
    (wire_of, wires)
}

fn serves(config: &Config, wire_of: &[usize]) -> BTreeMap<Ipv4Addr, Option<SubnetId>> {
    let mut serves = BTreeMap::new();
    let wire = |id: SubnetId| wire_of.get(id.0);
    for (id, subnet) in subnets(config) {
        for relay in &subnet.relays {
            let first = serves.entry(*relay).or_insert(Some(id));
            *first = first.filter(|first| wire(*first) == wire(id));
        }
    }
    serves
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::boot::Services;
    use crate::dhcp::config::{LeaseTime, Link};
    use crate::dhcp::policy::Policy;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    fn config(nets: &[(&str, u8)]) -> Config {
        let services = Services {
            tftp: ip("10.0.0.1"),
            http: SocketAddrV4::new(ip("10.0.0.1"), 80),
            https_port: None,
        };
        let time = LeaseTime::of(Duration::from_secs(60));
        let subnet = |(network, len): &(&str, u8)| {
            Subnet::new(Ipv4Net::new(ip(network), *len).unwrap(), None, services, time)
        };
        let link = Link { name: Arc::from("eth0"), addresses: vec![ip("10.0.0.1")], mtu: 1500 };
        Config {
            links: vec![link],
            subnets: nets.iter().map(subnet).collect(),
            policy: Policy::default(),
            catalog: Arc::default(),
            host_name: None,
        }
    }

    #[test]
    fn the_smallest_network_around_an_address_is_found() {
        let nets = [
            ("10.0.0.0", 8),
            ("10.1.0.0", 16),
            ("10.1.255.0", 24),
            ("10.1.255.0", 24),
            ("10.2.0.0", 16),
            ("192.168.0.0", 24),
            ("255.255.255.0", 24),
            ("255.255.255.255", 32),
        ];
        let config = config(&nets);
        let topology = Topology::of(&config);
        for edge in &config.subnets {
            let [first, last] = [edge.net.network(), edge.net.broadcast()].map(Ipv4Addr::to_bits);
            for bits in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                let address = Ipv4Addr::from_bits(bits);
                let around = subnets(&config).filter(|(_, subnet)| subnet.net.contains(address));
                let smallest =
                    around.min_by_key(|(id, subnet)| (std::cmp::Reverse(subnet.net.mask()), *id));
                let expected = smallest.map(|(id, _)| id);
                assert_eq!(topology.subnet_of(address), expected, "{address}");
            }
        }
    }

    #[test]
    fn subnets_of_one_shared_network_are_one_wire() {
        let mut config = config(&[("10.1.0.0", 16), ("10.2.0.0", 16), ("10.3.0.0", 16)]);
        let relays = [ip("10.9.0.1"), ip("10.9.0.2")];
        for (subnet, name) in config.subnets.iter_mut().zip([Some("a"), None, Some("a")]) {
            subnet.shared_network = name.map(str::to_owned);
            subnet.relays.push(relays[0]);
        }
        config.subnets[1].relays.clear();
        config.subnets[0].relays.push(relays[1]);
        let topology = Topology::of(&config);
        let wire = |id| topology.wire(SubnetId(id)).unwrap();
        assert_eq!(wire(2).subnets, [SubnetId(0), SubnetId(2)]);
        assert_eq!(wire(1).subnets, [SubnetId(1)]);
        assert!(wire(2).lists(relays[1]) && wire(1).admits(relays[1]) && !wire(1).lists(relays[1]));
        assert_eq!(relays.map(|relay| topology.served_by(relay)), [Some(SubnetId(0)); 2]);
        config.subnets[1].relays.push(relays[1]);
        let topology = Topology::of(&config);
        assert_eq!(topology.served_by(relays[1]), None, "on two wires");
        assert!(topology.knows_relay(relays[1]) && !topology.knows_relay(ip("10.0.0.1")));
        assert!(topology.is_own(ip("10.0.0.1")) && !topology.is_own(relays[0]));
    }
}
