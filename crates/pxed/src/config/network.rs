//! Interfaces, subnets and ranges.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::boot::Services;
use pxed_proto::dhcp::{LeaseTime, Link, LinkId, Subnet};
use pxed_proto::limits;
use pxed_proto::net::{AddressRange, Ipv4Net};

use super::UsageError;
use crate::cli::ServeArgs;
use crate::net::Interface;

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
) -> Result<(Vec<Link>, Vec<Subnet>), UsageError> {
    check_server_ip(args, interfaces)?;
    let mut subnets = Vec::new();
    for (index, interface) in interfaces.iter().enumerate() {
        subnets.push(subnet(args, LinkId(index), interface)?);
    }
    check_ranges(args, interfaces, &subnets)?;
    check_routers(args, &subnets)?;
    Ok((interfaces.iter().map(link).collect(), subnets))
}

fn link(interface: &Interface) -> Link {
    Link {
        name: interface.name.clone(),
        addresses: interface.addresses.iter().map(|(address, _)| *address).collect(),
        mtu: usize::try_from(interface.mtu).unwrap_or(limits::DHCP_DATAGRAM_MIN),
    }
}

fn subnet(args: &ServeArgs, link: LinkId, interface: &Interface) -> Result<Subnet, UsageError> {
    let (server, net) = server_address(args, interface)?;
    let pools: Vec<AddressRange> =
        args.ranges.iter().copied().filter(|range| net.contains(range.first())).collect();
    if pools.is_empty() {
        return Err(without_range(args, interface, server, net));
    }
    let http = SocketAddrV4::new(server, args.http_port);
    Ok(Subnet {
        net,
        link,
        pools,
        server,
        services: Services { tftp: server, http },
        routers: args.routers.iter().copied().filter(|router| net.contains(*router)).collect(),
        dns: args.dns.clone(),
        domain: args.domain.clone(),
        lease_time: LeaseTime::of(args.lease_time),
    })
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
    let net = Ipv4Net::with_mask(server, mask).ok_or_else(|| {
        let problem = "its ones are not all on the left";
        UsageError::new(format!("--subnet-mask {mask}"), problem, "Write one like 255.255.255.0.")
    })?;
    Ok((server, net))
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
    let example = example_range(server, net);
    let name = &interface.name;
    let problem = match args.ranges.first() {
        None => format!("{name} is to be served, and no addresses are given to lease there"),
        Some(_) => format!("none of the ranges is in {name}'s subnet {net}"),
    };
    let flag = match args.ranges.as_slice() {
        [range] => format!("--range {range}"),
        _ => "--range".to_owned(),
    };
    UsageError::new(flag, problem, format_args!("Give addresses of {net}, such as {example}."))
}

/// The upper half of the subnet without its last address, or without the server's.
fn example_range(server: Ipv4Addr, net: Ipv4Net) -> String {
    let (low, high) = (net.network().to_bits(), net.broadcast().to_bits());
    let middle = low + (high - low) / 2 + 1;
    let (first, last) = match server.to_bits() {
        server if server >= middle => (low + 1, middle - 1),
        _ => (middle, high.saturating_sub(1)),
    };
    format!("--range {}-{}", Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last))
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
        let Some(subnet) = subnets.iter().find(|subnet| subnet.pools.contains(range)) else {
            let nets: Vec<String> = subnets.iter().map(|subnet| subnet.net.to_string()).collect();
            let nets = nets.join(", ");
            return wrong(format!("it is in no served subnet ({nets})"), "Correct it.".to_owned());
        };
        let net = subnet.net;
        if !net.contains_host(range.first()) || !net.contains_host(range.last()) {
            return wrong(
                format!("it is not inside the subnet {net}, or holds its first or last address"),
                format!("Stay between {} and {}.", net.network(), net.broadcast()),
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
        if let Some((whose, address)) =
            own.chain(routers).chain(dns).find(|(_, address)| range.contains(*address))
        {
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

fn overlap(a: AddressRange, b: AddressRange) -> bool {
    a.first() <= b.last() && b.first() <= a.last()
}

fn check_routers(args: &ServeArgs, subnets: &[Subnet]) -> Result<(), UsageError> {
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
