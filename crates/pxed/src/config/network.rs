//! Interfaces, subnets and ranges.

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxed_proto::boot::Services;
use pxed_proto::dhcp::{self, LeaseTime, Link, LinkId, Mode, OptionSetting, Pool, Subnet};
use pxed_proto::limits;
use pxed_proto::net::{AddressRange, Ipv4Net};
use pxed_proto::wire::options::code;

use super::{Service, UsageError};
use crate::cli::{ServeArgs, ServeMode};
use crate::net::{Interface, ServerPort};
use crate::tls::Names;

/// How long leases last where nobody says so.
pub const DEFAULT_LEASE_TIME: Duration = Duration::from_secs(3600);

/// What this machine calls itself.
pub fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

/// What machines call this server in URLs.
pub fn names(dhcp: &dhcp::Config) -> Names {
    let mut addresses = Vec::new();
    for subnet in &dhcp.subnets {
        let address = *subnet.services.http.ip();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let domain = dhcp.policy.everywhere.options.iter();
    let domain = domain.filter(|option| option.code == code::DOMAIN_NAME);
    let domain = domain.filter_map(|option| str::from_utf8(&option.value).ok()).next_back();
    let host = dhcp.host_name.as_deref().filter(|host| !host.is_empty());
    let whole = host.zip(domain).filter(|(host, _)| !host.contains('.'));
    let whole = whole.map(|(host, domain)| format!("{host}.{domain}"));
    Names { addresses, hosts: host.map(str::to_owned).into_iter().chain(whole).collect() }
}

/// The interfaces that the flags name, each once.
pub fn interfaces(args: &ServeArgs) -> Result<Vec<Interface>, UsageError> {
    let mut interfaces = Vec::new();
    for (index, name) in args.interfaces.iter().enumerate() {
        let flag = format!("--interface {name}");
        if args.interfaces.iter().take(index).any(|earlier| earlier == name) {
            return Err(UsageError::new(flag, "it is named twice", "Name each interface once."));
        }
        let found = Interface::find(name);
        interfaces.push(found.map_err(|error| UsageError::new(flag, error, ""))?);
    }
    Ok(interfaces)
}

/// The links and subnets that are to be served on them.
pub fn networks(
    args: &ServeArgs,
    interfaces: &[Interface],
    http_port: u16,
) -> Result<(Vec<Link>, Vec<Subnet>), UsageError> {
    check_server_ip(args, interfaces)?;
    let mut subnets = Vec::new();
    for (index, interface) in interfaces.iter().enumerate() {
        subnets.push(subnet(args, LinkId(index), interface, http_port)?);
    }
    check_apart(interfaces, &subnets)?;
    check_ranges(args, interfaces, &subnets)?;
    Ok((interfaces.iter().map(link).collect(), subnets))
}

/// What the DHCP server has to know of an interface.
pub fn link(interface: &Interface) -> Link {
    Link {
        name: interface.name.clone(),
        addresses: interface.addresses.iter().map(|(address, _)| *address).collect(),
        mtu: usize::try_from(interface.mtu).unwrap_or(limits::DHCP_DATAGRAM_MIN),
    }
}

fn subnet(
    args: &ServeArgs,
    link: LinkId,
    interface: &Interface,
    http_port: u16,
) -> Result<Subnet, UsageError> {
    let (server, net) = server_address(args, interface)?;
    let inside = |range: &&AddressRange| net.contains(range.first());
    let pools: Vec<Pool> = args.ranges.iter().filter(inside).copied().map(Pool::from).collect();
    let mode = mode(args)?;
    if mode == Mode::Full && pools.is_empty() {
        return Err(without_range(args, interface, server, net));
    }
    let http = SocketAddrV4::new(server, http_port);
    let services = Services { tftp: server, http, https_port: None };
    let lease_time = LeaseTime::of(args.lease_time.unwrap_or(DEFAULT_LEASE_TIME));
    Ok(Subnet { pools, mode, ..Subnet::new(net, Some(link), services, lease_time) })
}

/// The mode that flags say, or that follows from them: without addresses there are none to give.
fn mode(args: &ServeArgs) -> Result<Mode, UsageError> {
    match (args.mode, args.ranges.first()) {
        (Some(ServeMode::Proxy), Some(range)) => Err(UsageError::new(
            format!("--range {range}"),
            "with --mode proxy addresses are another server's",
            "Leave --range out, or give --mode full.",
        )),
        (Some(ServeMode::Proxy), None) | (None, None) => without_addresses(args),
        (Some(ServeMode::Full), _) | (None, Some(_)) => Ok(Mode::Full),
    }
}

/// What is told with an address has no use where none is given.
fn without_addresses(args: &ServeArgs) -> Result<Mode, UsageError> {
    let said = [
        ("--lease-time", args.lease_time.is_some()),
        ("--router", !args.routers.is_empty()),
        ("--dns", !args.dns.is_empty()),
        ("--domain", args.domain.is_some()),
    ];
    match said.into_iter().find(|(_, said)| *said) {
        None => Ok(Mode::Proxy),
        Some((flag, _)) => Err(UsageError::new(
            flag,
            "without --range addresses are another server's, and this is for that server to say",
            "Give --range, and --mode full if another server is there, or leave it out.",
        )),
    }
}

/// What the configuration calls a mode.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Full => "full",
        Mode::Proxy => "proxy",
        Mode::Off => "off",
    }
}

/// A subnet that can not be served without port 67, where that is another server's.
pub struct NeedsServerPort {
    /// What the subnet needs the port for.
    pub problem: String,
    /// What to write in a file.
    pub in_file: &'static str,
}

/// The same, where the subnet is one of the flags'.
pub const WITHOUT_RANGE: &str = "Leave --range and --mode full out, and that server gives the \
    addresses; or stop it, and leave --dhcp-no-bind out.";

/// The first subnet that can not be served without port 67, where that is another server's.
pub fn without_server_port<'a>(
    service: &Service,
    mut subnets: impl Iterator<Item = &'a Subnet>,
) -> Option<NeedsServerPort> {
    if service.server_port == ServerPort::Own {
        return None;
    }
    subnets.find_map(|subnet| match (subnet.mode, subnet.link) {
        (Mode::Off, _) | (Mode::Proxy, Some(_)) => None,
        (_, None) => Some(NeedsServerPort {
            problem: format!("the relay agents of {} write to port 67", subnet.net),
            in_file: "leave that subnet out; or stop the server that has port 67, and leave \
                      dhcp-no-bind out",
        }),
        (Mode::Full, Some(_)) => Some(NeedsServerPort {
            problem: format!("{} is to be given addresses from port 67", subnet.net),
            in_file: "only what machines broadcast on an interface's own link is heard then: write \
                      mode = \"proxy\"",
        }),
    })
}

/// Routers (those of `net`, if it is given), name servers and domain as options.
pub fn options(args: &ServeArgs, net: Option<Ipv4Net>) -> Vec<OptionSetting> {
    let octets = |addresses: Vec<Ipv4Addr>| -> Vec<u8> {
        addresses.iter().flat_map(|address| address.octets()).collect()
    };
    let here = |router: &Ipv4Addr| net.is_none_or(|net| net.contains(*router));
    let routers = args.routers.iter().copied().filter(here).collect();
    let domain = args.domain.clone().unwrap_or_default().into_bytes();
    let all = [
        (code::ROUTER, octets(routers)),
        (code::DOMAIN_NAME_SERVER, octets(args.dns.clone())),
        (code::DOMAIN_NAME, domain),
    ];
    let setting = |(code, value)| OptionSetting { code, value, always: false, booting_only: false };
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(setting).collect()
}

/// The address to answer from: the one that was named, else the one whose subnet a range is in,
/// else the first.
fn server_address(
    args: &ServeArgs,
    interface: &Interface,
) -> Result<(Ipv4Addr, Ipv4Net), UsageError> {
    let named = interface.addresses.iter().find(|(own, _)| Some(*own) == args.server_ip);
    let has_range = |(_, net): &&(Ipv4Addr, Ipv4Net)| {
        args.ranges.iter().any(|range| net.contains(range.first()))
    };
    let with_range = || interface.addresses.iter().find(has_range);
    let found = named.or_else(with_range).or(interface.addresses.first());
    // An interface without an address was refused when it was looked up.
    let &(server, net) = found.ok_or_else(|| {
        UsageError::new(
            format!("--interface {}", interface.name),
            "it has no IPv4 address",
            "Give it one.",
        )
    })?;
    let Some(mask) = args.subnet_mask else { return Ok((server, net)) };
    match Ipv4Net::with_mask(server, mask).filter(|net| net.contains_host(server)) {
        Some(net) => Ok((server, net)),
        None => Err(UsageError::new(
            format!("--subnet-mask {mask}"),
            format_args!("it leaves {server}, which pxed answers from, no host's address"),
            "Write the mask of the network that the interface is on.",
        )),
    }
}

/// An address that two interfaces could lease would be leased twice.
fn check_apart(interfaces: &[Interface], subnets: &[Subnet]) -> Result<(), UsageError> {
    let served: Vec<_> = interfaces.iter().zip(subnets).collect();
    for (index, (interface, Subnet { net, .. })) in served.iter().enumerate() {
        let meets = |other: Ipv4Net| other.contains(net.network()) || net.contains(other.network());
        let mut earlier = served.iter().take(index);
        if let Some((other, Subnet { net: others, .. })) = earlier.find(|(_, s)| meets(s.net)) {
            return Err(UsageError::new(
                format!("--interface {}", interface.name),
                format_args!("its subnet {net} is also on {}, as {others}", other.name),
                "Name one of the two, or join them in a bridge and name that.",
            ));
        }
    }
    Ok(())
}

fn check_server_ip(args: &ServeArgs, interfaces: &[Interface]) -> Result<(), UsageError> {
    let Some(server) = args.server_ip else { return Ok(()) };
    let own = interfaces.iter().flat_map(|interface| &interface.addresses);
    if own.clone().any(|(address, _)| *address == server) {
        return Ok(());
    }
    let own: Vec<String> = own.map(|(address, _)| address.to_string()).collect();
    Err(UsageError::new(
        format!("--server-ip {server}"),
        "no served interface has this address",
        format_args!("Name one that is there ({}), or add it to the interface.", own.join(", ")),
    ))
}

fn without_range(
    args: &ServeArgs,
    interface: &Interface,
    server: Ipv4Addr,
    net: Ipv4Net,
) -> UsageError {
    let name = &interface.name;
    let remedy = match example_range(server, net) {
        Some(range) => format!("Give addresses of {net}, such as --range {range}."),
        None => format!("{net} has no address but {server}: give {name} a larger network."),
    };
    let problem = match args.ranges.first() {
        None => format!(
            "{name} is to be served with --mode full, and no addresses are given to lease there"
        ),
        Some(_) => format!("none of the ranges is in {name}'s subnet {net}"),
    };
    let flag = match args.ranges.as_slice() {
        [range] => format!("--range {range}"),
        _ => "--range".to_owned(),
    };
    UsageError::new(flag, problem, remedy)
}

/// The half of the subnet's hosts that the server is not in; `None` if it is alone.
fn example_range(server: Ipv4Addr, net: Ipv4Net) -> Option<AddressRange> {
    let hosts = hosts(net)?;
    let (low, high) = (hosts.first().to_bits(), hosts.last().to_bits());
    let middle = low + (high - low).div_ceil(2);
    let (first, last) =
        if server.to_bits() < middle { (middle, high) } else { (low, middle.checked_sub(1)?) };
    let range = AddressRange::new(Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last))?;
    (!range.contains(server)).then_some(range)
}

/// From the subnet's first address that a host can have to the last.
pub fn hosts(net: Ipv4Net) -> Option<AddressRange> {
    let edge = u32::from(!net.contains_host(net.network()));
    let first = net.network().to_bits().checked_add(edge)?;
    let last = net.broadcast().to_bits().checked_sub(edge)?;
    AddressRange::new(Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last))
}

fn check_ranges(
    args: &ServeArgs,
    interfaces: &[Interface],
    subnets: &[Subnet],
) -> Result<(), UsageError> {
    for (index, range) in args.ranges.iter().enumerate() {
        let wrong = |problem: String, remedy: String| {
            Err(UsageError::new(format!("--range {range}"), problem, remedy))
        };
        let Some(subnet) = subnets.iter().find(|subnet| has_range(subnet, *range)) else {
            let nets: Vec<String> = subnets.iter().map(|subnet| subnet.net.to_string()).collect();
            let nets = nets.join(", ");
            return wrong(
                format!("it is in no served subnet ({nets}; one of each interface)"),
                "Correct it, or name the interface that it is on.".to_owned(),
            );
        };
        let net = subnet.net;
        if !net.contains_host(range.first()) || !net.contains_host(range.last()) {
            let hosts = hosts(net).map(|hosts| hosts.to_string()).unwrap_or_default();
            return wrong(
                format!("not all of it is for hosts of {net}"),
                format!("Stay within {hosts}."),
            );
        }
        if range.count() > limits::POOL_ADDRESSES_MAX {
            let problem = format!("{} addresses are more than a pool can have", range.count());
            return wrong(problem, format!("The most is {}.", limits::POOL_ADDRESSES_MAX));
        }
        let own = interfaces.iter().flat_map(|interface| &interface.addresses);
        let own = own.map(|(address, _)| ("this server's own address", *address));
        let routers = args.routers.iter().map(|router| ("the router's address", *router));
        let dns = args.dns.iter().map(|dns| ("a name server's address", *dns));
        let tftp = args.tftp_server.iter().map(|tftp| ("the TFTP server's address", *tftp));
        let mut taken = own.chain(routers).chain(dns).chain(tftp);
        if let Some((whose, address)) = taken.find(|(_, address)| range.contains(*address)) {
            let problem = format!("it holds {address}, {whose}, which no client may get");
            return wrong(problem, format!("Leave {address} out; --range may be repeated."));
        }
        let earlier = args.ranges.iter().take(index);
        if let Some(other) = earlier.copied().find(|other| overlap(*other, *range)) {
            return wrong(format!("it overlaps --range {other}"), "Separate them.".to_owned());
        }
    }
    Ok(())
}

fn has_range(subnet: &Subnet, range: AddressRange) -> bool {
    subnet.pools.iter().any(|pool| pool.range == range)
}

fn overlap(a: AddressRange, b: AddressRange) -> bool {
    a.first() <= b.last() && b.first() <= a.last()
}

/// Every router that a flag names is in a subnet, or no client could reach it.
pub fn check_routers(args: &ServeArgs, subnets: &[Subnet]) -> Result<(), UsageError> {
    let served = |router: &Ipv4Addr| subnets.iter().any(|subnet| subnet.net.contains_host(*router));
    match args.routers.iter().find(|router| !served(router)) {
        None => Ok(()),
        Some(router) => Err(UsageError::new(
            format!("--router {router}"),
            "it is in no served subnet, so no client could reach it",
            "Name the router's address on the served network.",
        )),
    }
}
