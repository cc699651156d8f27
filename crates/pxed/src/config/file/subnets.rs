//! `[[subnet]]`: networks, their addresses, and the interfaces that they are on.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;

use pxed_proto::boot::Services;
use pxed_proto::dhcp::{Bootp, Identity, LeaseTime, LinkId, Mode, OptionSetting, Pool, Subnet};
use pxed_proto::limits;
use pxed_proto::net::{AddressRange, Ipv4Net};
use pxed_proto::time::Human;
use pxed_proto::wire::options::{self, code};

use super::document::{At, Place, Table};
use super::report::Problem;
use super::schema::{POOL, SUBNET};
use super::settings::{Guard, Said, guard, lease_times, settings};
use super::{apart, proxy};
use crate::config::network::hosts;
use crate::config::values::{duration, host, network, range_or_host};
use crate::net::{Interface, InterfaceError};

/// A subnet, with what its table says and where it stands.
pub struct Wanted {
    /// The subnet; its link is an index into the interfaces.
    pub subnet: Subnet,
    /// Its shared keys.
    pub said: Said,
    /// Its place in the file.
    pub at: Place,
    /// The classes that it and its pools name.
    pub classes: Vec<At<String>>,
    /// Its ranges and those of its pools, as they were written.
    pub ranges: Vec<At<AddressRange>>,
}

impl Wanted {
    /// Where the range of a pool was written; of two that hold it, the later one.
    pub fn place_of(&self, pool: &Pool) -> Range<usize> {
        let holds = |at: &&At<AddressRange>| {
            at.value.contains(pool.range.first()) && at.value.contains(pool.range.last())
        };
        let written = self.ranges.iter().rfind(holds);
        written.map_or_else(|| self.at.table(), |at| at.span.clone())
    }
}

/// All subnets.
pub struct Subnets {
    /// Those that can be served.
    pub wanted: Vec<Wanted>,
    /// The networks of all that are written; `None` where that is not known.
    pub nets: Vec<Option<Ipv4Net>>,
}

/// What holds for every subnet.
pub struct Site<'a> {
    /// Looks an interface up.
    pub find: &'a dyn Fn(&str) -> Result<Interface, InterfaceError>,
    /// The port of HTTP.
    pub http_port: u16,
    /// The port of HTTPS, if it is on.
    pub https_port: Option<u16>,
    /// How long leases last where a subnet does not say so.
    pub lease_time: LeaseTime,
    /// What guards a subnet that does not say so itself.
    pub guard: Guard,
}

/// All `[[subnet]]`, and the interfaces that they name.
pub fn subnets(top: &Table<'_>, site: &Site<'_>) -> (Subnets, Vec<Interface>) {
    let mut interfaces: Vec<Interface> = Vec::new();
    let tables = top.tables("subnet", &SUBNET);
    let attached = |table: &&Table<'_>| table.has("interface");
    for table in tables.iter().filter(attached) {
        interface(table, site, &mut interfaces);
    }
    let (mut wanted, mut nets) = (Vec::new(), Vec::new());
    for table in &tables {
        let found = subnet(table, site, &interfaces);
        // One with a mistake is there as well: who has an address of it has made none.
        let written = || table.parsed("network", network).map(|at| at.value);
        nets.push(found.as_ref().map(|found| found.subnet.net).or_else(written));
        wanted.extend(found);
    }
    apart::check(top, &wanted);
    (Subnets { wanted, nets }, interfaces)
}

fn interface(table: &Table<'_>, site: &Site<'_>, interfaces: &mut Vec<Interface>) {
    let Some(At { value: name, span }) = table.text("interface") else { return };
    if let Some(known) = interfaces.iter_mut().find(|known| *known.name == *name) {
        let more = known.is_awaited().then(|| described(table)).flatten();
        known.addresses.extend(more);
        return;
    }
    let error = match (site.find)(&name) {
        Ok(interface) => return interfaces.push(interface),
        Err(error) => error,
    };
    match described(table) {
        None => {
            let help = "pxed waits for an interface whose network and server-ip are written here";
            table.problem(Problem::error(span, error.to_string()).help(help));
        }
        Some((address, net)) => {
            interfaces.push(Interface::awaited(&name, address, net));
            let text = format!("{name} is not there yet, or has no address; pxed waits for it");
            table.problem(Problem::warning(span, text));
        }
    }
}

/// The server's address and network, if both are written: pxed can wait for an interface then.
fn described(table: &Table<'_>) -> Option<(Ipv4Addr, Ipv4Net)> {
    let written = table.has("server-ip") && table.has("network");
    let both = || Some((table.parsed("server-ip", host)?, table.parsed("network", network)?));
    let (server, net) = written.then(both).flatten()?;
    net.value.contains(server.value).then_some((server.value, net.value))
}

fn subnet(table: &Table<'_>, site: &Site<'_>, interfaces: &[Interface]) -> Option<Wanted> {
    let said = settings(table);
    let mut ranges = table.list("range", range_or_host);
    let name = table.text("interface");
    let on = name
        .as_ref()
        .and_then(|name| interfaces.iter().position(|interface| *interface.name == *name.value));
    if name.is_some() && on.is_none() {
        return None; // said already
    }
    let (server, net) = match on.and_then(|index| interfaces.get(index)) {
        Some(interface) => attached(table, interface, &ranges)?,
        None => behind_relays(table, interfaces)?,
    };
    let http = SocketAddrV4::new(server, site.http_port);
    let services = Services { tftp: server, http, https_port: site.https_port };
    let link = on.map(LinkId);
    let mut subnet = Subnet::new(net, link, services, lease_times(table, site.lease_time));
    let Guard { conflict_probe, rates } = guard(table, site.guard);
    (subnet.conflict_probe, subnet.rates) = (conflict_probe, rates);
    let mut classes = pools(table, &mut ranges, &mut subnet);
    let selectors = table.text("subnet-selection");
    subnet.subnet_selection = selectors.as_ref().map(|class| class.value.clone());
    classes.extend(selectors);
    subnet.settings = said.settings.clone();
    ways(table, &mut subnet);
    relays(table, &mut subnet, interfaces);
    check_pools(table, &subnet, &said, interfaces);
    proxy::check(table, &subnet, &said);
    let at = table.place();
    Some(Wanted { subnet, said, at, classes, ranges })
}

/// The address to answer from and the network, on an interface: what is written, else what the
/// interface has.
fn attached(
    table: &Table<'_>,
    interface: &Interface,
    ranges: &[At<AddressRange>],
) -> Option<(Ipv4Addr, Ipv4Net)> {
    let (server, net) = (table.parsed("server-ip", host), table.parsed("network", network));
    let of_server =
        |(own, _): &&(Ipv4Addr, Ipv4Net)| server.as_ref().is_none_or(|s| s.value == *own);
    let of_net =
        |(own, _): &&(Ipv4Addr, Ipv4Net)| net.as_ref().is_none_or(|n| n.value.contains(*own));
    let has_range = |(_, net): &&(Ipv4Addr, Ipv4Net)| {
        ranges.iter().any(|range| net.contains(range.value.first()))
    };
    let fitting = || interface.addresses.iter().filter(of_server).filter(of_net);
    match fitting().find(has_range).or_else(|| fitting().next()) {
        Some(&(own, own_net)) => Some((own, net.map_or(own_net, |net| net.value))),
        None => {
            let own: Vec<String> =
                interface.addresses.iter().map(|(own, _)| own.to_string()).collect();
            let text = match (&server, &net) {
                (None, Some(net)) => format!("{} has no address of {}", interface.name, net.value),
                (Some(server), Some(net)) if !net.value.contains(server.value) => {
                    format!("{} is not of the network {}", server.value, net.value)
                }
                _ => format!("{} has no such address", interface.name),
            };
            let span = server.map(|at| at.span).or(net.map(|at| at.span)).unwrap_or(table.span());
            let help = format!("it has {}", own.join(", "));
            table.problem(Problem::error(span, text).help(help));
            None
        }
    }
}

/// The same for a network that only relay agents reach: pxed answers from an address of its own.
fn behind_relays(table: &Table<'_>, interfaces: &[Interface]) -> Option<(Ipv4Addr, Ipv4Net)> {
    let own = || interfaces.iter().flat_map(|interface| &interface.addresses).map(|(own, _)| *own);
    if !table.has("network") {
        let text =
            "a subnet without an interface is reached through relay agents, and needs a network";
        let problem = Problem::error(table.span(), text);
        table.problem(problem.help("write network = \"192.168.78.0/24\", or interface = \"eth1\""));
    }
    let At { value: net, span } = table.parsed("network", network)?;
    if net.network().is_loopback() {
        let text = format!("no relay agent is on {net}, which never leaves a machine");
        table.problem(Problem::error(span, text));
    }
    let server = table.parsed("server-ip", host);
    if let Some(At { value, span }) = &server
        && !own().any(|own| own == *value)
    {
        table.problem(Problem::error(span.clone(), "no served interface has this address"));
    }
    let server = server.map(|at| at.value).or_else(|| own().next());
    if server.is_none() {
        let text = "some subnet needs an interface, for relay agents to reach pxed";
        table.problem(Problem::error(table.span(), text));
    }
    Some((server?, net))
}

/// The pools: ranges without what is excluded, and what only members of a class get, whose ranges
/// come to the others.
fn pools(
    table: &Table<'_>,
    ranges: &mut Vec<At<AddressRange>>,
    subnet: &mut Subnet,
) -> Vec<At<String>> {
    let holes = table.list("exclude", range_or_host);
    let excluded: Vec<AddressRange> = holes.iter().map(|at| at.value).collect();
    for range in ranges.iter() {
        check_inside(table, range, subnet.net);
        subnet.pools.extend(left(table, range, &excluded).into_iter().map(Pool::from));
    }
    let mut classes = Vec::new();
    for pool in table.tables("pool", &POOL) {
        let class = pool.text("class");
        for name in ["range", "class"].into_iter().filter(|name| !pool.has(name)) {
            pool.problem(Problem::error(pool.span(), format!("{name} is missing")));
        }
        for range in pool.list("range", range_or_host) {
            check_inside(&pool, &range, subnet.net);
            let class = class.as_ref().map(|class| class.value.clone());
            let of_class = |range| Pool { range, class: class.clone() };
            subnet.pools.extend(left(&pool, &range, &excluded).into_iter().map(of_class));
            ranges.push(range);
        }
        classes.extend(class);
    }
    check_holes(table, &holes, ranges);
    classes
}

/// What is excluded from no range is a slip of the pen.
fn check_holes(table: &Table<'_>, holes: &[At<AddressRange>], ranges: &[At<AddressRange>]) {
    for At { value: hole, span } in holes {
        if !ranges.iter().any(|range| cut(range.value, *hole) != [range.value]) {
            let text = format!("{hole} is in no range of this subnet");
            table.problem(Problem::warning(span.clone(), text));
        }
    }
}

fn check_inside(table: &Table<'_>, range: &At<AddressRange>, net: Ipv4Net) {
    let At { value, span } = range;
    if !net.contains_host(value.first()) || !net.contains_host(value.last()) {
        let within = hosts(net).map(|hosts| hosts.to_string()).unwrap_or_default();
        let text = format!("{value} is not all for hosts of the subnet {net}");
        table.problem(Problem::error(span.clone(), text).help(format!("stay within {within}")));
    } else if value.count() > limits::POOL_ADDRESSES_MAX {
        let most = limits::POOL_ADDRESSES_MAX;
        let text = format!("{} addresses are more than a pool can have ({most})", value.count());
        table.problem(Problem::error(span.clone(), text));
    }
}

/// What is left of a range; of one that was written there should be something.
fn left(table: &Table<'_>, at: &At<AddressRange>, excluded: &[AddressRange]) -> Vec<AddressRange> {
    let left = without(at.value, excluded);
    if left.is_empty() {
        let text = format!("exclude leaves nothing of {}", at.value);
        table.problem(Problem::warning(at.span.clone(), text));
    }
    left
}

/// What is left of `range`.
fn without(range: AddressRange, excluded: &[AddressRange]) -> Vec<AddressRange> {
    let mut left = vec![range];
    for hole in excluded {
        left = left.into_iter().flat_map(|part| cut(part, *hole)).collect();
    }
    left
}

fn cut(part: AddressRange, hole: AddressRange) -> Vec<AddressRange> {
    if hole.last() < part.first() || part.last() < hole.first() {
        return vec![part];
    }
    let bits = |address: Ipv4Addr| address.to_bits();
    let before = bits(hole.first()).checked_sub(1).map(Ipv4Addr::from_bits);
    let after = bits(hole.last()).checked_add(1).map(Ipv4Addr::from_bits);
    let before = before.and_then(|last| AddressRange::new(part.first(), last));
    let after = after.and_then(|first| AddressRange::new(first, part.last()));
    before.into_iter().chain(after).collect()
}

/// How the subnet is served.
fn ways(table: &Table<'_>, subnet: &mut Subnet) {
    let mode = table.parsed("mode", |text| match text {
        "full" => Ok(Mode::Full),
        "proxy" => Ok(Mode::Proxy),
        "off" => Ok(Mode::Off),
        _ => Err("write full, proxy or off".to_owned()),
    });
    let identity = table.parsed("identity", |text| match text {
        "mac" => Ok(Identity::Mac),
        "client-id" => Ok(Identity::ClientId),
        _ => Err("write mac or client-id".to_owned()),
    });
    let set = |place: &mut std::time::Duration, name| {
        if let Some(at) = table.parsed(name, duration) {
            *place = at.value;
        }
    };
    set(&mut subnet.offer_hold, "offer-hold");
    set(&mut subnet.decline_probation, "decline-probation");
    set(&mut subnet.offer_delay, "offer-delay");
    if subnet.offer_delay >= subnet.offer_hold {
        let [hold, delay] = [subnet.offer_hold, subnet.offer_delay].map(Human);
        let text = format!("offers are held for {hold}, and would only leave after {delay}");
        let problem = Problem::error(table.place().of("offer-delay"), text);
        table.problem(problem.help("make offer-delay shorter than offer-hold"));
    }
    subnet.mode = mode.map_or(subnet.mode, |at| at.value);
    subnet.identity = identity.map_or(subnet.identity, |at| at.value);
    subnet.authoritative = table.boolean("authoritative").is_none_or(|at| at.value);
    subnet.adopt = table.boolean("adopt").is_some_and(|at| at.value);
    subnet.shared_network = table.text("shared-network").map(|at| at.value);
    let secs = table.integer("min-secs", 0..0x1_0000);
    subnet.min_secs = secs.and_then(|at| u16::try_from(at.value).ok()).unwrap_or(0);
    // Half of a lease is over when clients renew it in time.
    let cache = table.integer("lease-cache", 0..50);
    subnet.lease_cache = cache.and_then(|at| u8::try_from(at.value).ok()).unwrap_or(0);
    let bootp = table.parsed("bootp", |text| match text {
        "reserved" => Ok(Bootp::Reserved),
        "dynamic" => Ok(Bootp::Dynamic),
        "off" => Ok(Bootp::Off),
        _ => Err("write reserved, dynamic or off".to_owned()),
    });
    subnet.bootp = bootp.map_or(subnet.bootp, |at| at.value);
    rapid_commit(table, subnet);
}

fn rapid_commit(table: &Table<'_>, subnet: &mut Subnet) {
    let Some(At { value, span }) = table.boolean("rapid-commit") else { return };
    subnet.rapid_commit = value;
    let standby = ["min-secs", "offer-delay"].into_iter().find(|name| table.has(name));
    if let Some(standby) = standby.filter(|_| value) {
        let text = format!("rapid-commit is not for a standby server, which {standby} makes it");
        let help = "the other server may lease the client an address too: write one of them";
        table.problem(Problem::error(span, text).help(help));
    }
}

/// Which relay agents and switches say where clients are, and how many may be at one place; which
/// other servers are there.
fn relays(table: &Table<'_>, subnet: &mut Subnet, interfaces: &[Interface]) {
    let own = |address| {
        interfaces.iter().flat_map(|interface| &interface.addresses).any(|(own, _)| *own == address)
    };
    for At { value: relay, span } in table.list("relay", host) {
        if own(relay) {
            let text = format!("{relay} is this server's own address, and no relay agent's");
            table.problem(Problem::error(span, text));
        }
        subnet.relays.push(relay);
    }
    let others = table.list("known-servers", host);
    subnet.known_servers = others.into_iter().map(|at| at.value).collect();
    let cap = |name| {
        let cap = table.integer(name, 1..limits::POOL_ADDRESSES_MAX.cast_signed())?;
        usize::try_from(cap.value).ok()
    };
    subnet.relay_caps.remote_id = cap("max-per-remote-id");
    subnet.relay_caps.circuit_id = cap("max-per-circuit-id");
    let Some(At { value: trusts, span }) = table.boolean("trust-option-82") else { return };
    subnet.trusts_option_82 = trusts;
    if trusts && subnet.link.is_none() {
        let text = "there is no interface whose messages could be trusted";
        let problem = Problem::error(span, text);
        table.problem(problem.help("relay agents need no trust-option-82: leave it out"));
    }
}

/// No client may get an address of the server itself or of a router.
fn check_pools(table: &Table<'_>, subnet: &Subnet, said: &Said, interfaces: &[Interface]) {
    let own = interfaces.iter().flat_map(|interface| &interface.addresses);
    let own = own.map(|(address, _)| ("this server's own address", *address, table.span()));
    let routers = || {
        let routers = said.options.iter().filter(|at| at.value.code == code::ROUTER);
        routers.flat_map(|At { value: OptionSetting { code, value, .. }, span }| {
            options::hosts(*code, value).into_iter().map(|router| (router, span.clone()))
        })
    };
    let named = routers().map(|(address, span)| ("a router's address", address, span));
    for (whose, address, span) in own.chain(named) {
        if subnet.pools.iter().any(|pool| pool.range.contains(address)) {
            let text = format!("{address}, {whose}, would be leased to clients");
            let problem = Problem::error(span, text);
            table.problem(problem.help(format!("write exclude = [\"{address}\"]")));
        }
    }
    for (router, span) in routers().filter(|(router, _)| !subnet.net.contains_host(*router)) {
        let text = format!("clients of {} can not reach the router {router}", subnet.net);
        table.problem(Problem::warning(span, text));
    }
    if subnet.pools.is_empty() && subnet.mode == Mode::Full {
        let text = format!("{} has no range: only reserved machines get addresses", subnet.net);
        table.problem(Problem::warning(table.span(), text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_addresses_leave_the_rest() {
        let range = |text: &str| range_or_host(text).unwrap();
        let left = |excluded: &[&str]| {
            let excluded: Vec<_> = excluded.iter().map(|text| range(text)).collect();
            let left = without(range("10.0.0.10-10.0.0.20"), &excluded);
            left.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        for (excluded, expected) in [
            (&[][..], "10.0.0.10-10.0.0.20"),
            (&["10.0.0.15"], "10.0.0.10-10.0.0.14 10.0.0.16-10.0.0.20"),
            (&["10.0.0.1-10.0.0.12", "10.0.0.20"], "10.0.0.13-10.0.0.19"),
            (&["10.0.0.0-10.0.0.255"], ""),
            (&["10.0.0.99"], "10.0.0.10-10.0.0.20"),
        ] {
            assert_eq!(left(excluded), expected, "{excluded:?}");
        }
    }
}
