//! What tables say of each other: names that must exist, addresses that must be nobody else's.

use std::net::Ipv4Addr;
use std::path::Path;

use pxed_proto::boot::is_url;
use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{self, Mode, Subnet, Test};
use pxed_proto::net::Ipv4Net;
use pxed_proto::wire::options::code;

use super::document::{At, Place, Table};
use super::misspelt::no_such;
use super::report::Problem;
use super::rules::Ruled;
use super::settings::Said;
use super::subnets::{Subnets, Wanted};
use crate::config::network::without_server_port;
use crate::config::{Loaders, Service};
use crate::net::Interface;

/// `boot` names a profile that exists.
pub fn check_profile(top: &Table<'_>, said: &Said, catalog: &Catalog) {
    let Some(At { value: name, span }) = &said.profile else { return };
    if !catalog.profiles.contains_key(name) {
        let known: Vec<String> = catalog.profiles.keys().cloned().collect();
        let problem = no_such("profile", name, span.clone(), &known);
        top.problem(match problem.help {
            Some(_) => problem,
            None => problem.help(format!("add [profile.{name}]")),
        });
    }
}

/// What firmware is to load is there, unless it loads that elsewhere.
pub fn check_files(top: &Table<'_>, layers: &[&Said], loaders: &Loaders, boot_dir: Option<&Path>) {
    if layers.iter().any(|said| said.settings.tftp_server.is_some()) {
        return;
    }
    for At { value: file, span } in layers.iter().flat_map(|said| &said.files) {
        let name = file.trim_start_matches('/');
        let here = boot_dir.is_some_and(|dir| dir.join(name).is_file());
        if !here && !is_url(file) && !loaders.named_files().any(|(known, _)| known == name) {
            let place = boot_dir.map(|dir| dir.join(name)).unwrap_or_else(|| name.into());
            let text = format!("there is no file {}", place.display());
            let within = boot_dir.and_then(|dir| Path::new(file).strip_prefix(dir).ok());
            let problem = Problem::warning(span.clone(), text);
            top.problem(match within {
                Some(within) => problem.help(format!(
                    "names begin in boot-dir: write {:?}",
                    within.display().to_string()
                )),
                None => problem.help("put it into boot-dir, or name its tftp-server"),
            });
        }
    }
}

/// Firmware that is to load a URL with a name in it has to be told a name server, where pxed tells it.
pub fn check_names(top: &Table<'_>, layers: &[&Said], wanted: &[Wanted]) {
    let has_dns =
        |said: &&Said| said.options.iter().any(|at| at.value.code == code::DOMAIN_NAME_SERVER);
    let gives_addresses = wanted.iter().any(|wanted| wanted.subnet.mode == Mode::Full);
    if !gives_addresses || layers.iter().any(has_dns) {
        return;
    }
    for At { value: file, span } in layers.iter().flat_map(|said| &said.files) {
        let Some((_, rest)) = file.split_once("://") else { continue };
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        if host.parse::<Ipv4Addr>().is_err() && !host.starts_with('[') {
            let text = format!("firmware has to look {host} up, and is told no name server");
            let problem = Problem::warning(span.clone(), text);
            top.problem(problem.help("write dns = [\"192.168.77.1\"], or an address in the URL"));
        }
    }
}

/// Port 67 is pxed's own where somebody writes to it.
pub fn check_server_port(top: &Table<'_>, service: &Service, subnets: &Subnets) {
    let served = subnets.wanted.iter().map(|wanted| &wanted.subnet);
    if let Some(needs) = without_server_port(service, served) {
        let problem = Problem::error(top.place().of("dhcp-no-bind"), needs.problem);
        top.problem(problem.help(needs.in_file));
    }
}

/// Pools name classes that exist; classes are for machines that can boot.
pub fn check_classes(
    top: &Table<'_>,
    wanted: &[Wanted],
    classes: &[Ruled<dhcp::Class>],
    catalog: &Catalog,
) {
    let names = top.names("class");
    for (index, class) in classes.iter().enumerate() {
        let same = |other: &&Ruled<dhcp::Class>| other.rule.name == class.rule.name;
        if let Some(first) = classes.iter().take(index).find(same) {
            let text = format!("there are two classes {}", class.rule.name);
            let problem = Problem::error(class.at.of("name"), text);
            top.problem(problem.see(first.at.of("name"), "the first one"));
        }
        let Test::Architecture(known) = &class.rule.test else { continue };
        let can_boot = known.iter().any(|arch| {
            catalog.loader(*arch).is_some() || class.rule.settings.loaders.contains_key(arch)
        });
        let tried = !class.said.files.is_empty();
        if !can_boot && !tried {
            let text =
                format!("there is no loader for the architecture of class {}", class.rule.name);
            let problem = Problem::warning(class.at.of("match"), text);
            top.problem(problem.help("put one into boot-dir, and name it by loader = { ... }"));
        }
    }
    for At { value, span } in wanted.iter().flat_map(|wanted| &wanted.classes) {
        if !names.contains(value) {
            top.problem(no_such("class", value, span.clone(), &names));
        }
    }
}

/// A reserved address is of a subnet, nobody else's, and not the server's.
pub fn check_reservations(
    top: &Table<'_>,
    reservations: &[Ruled<dhcp::Reservation>],
    subnets: &Subnets,
    interfaces: &[Interface],
) {
    let (wanted, nets) = (&subnets.wanted, &subnets.nets);
    let own =
        |address| interfaces.iter().any(|i| i.addresses.iter().any(|(own, _)| *own == address));
    let proxy = |address| {
        let has = |subnet: &Subnet| subnet.mode == Mode::Proxy && subnet.net.contains(address);
        wanted.iter().any(|wanted| has(&wanted.subnet))
    };
    for (index, Ruled { rule, at, .. }) in reservations.iter().enumerate() {
        for earlier in reservations.iter().take(index) {
            let shared = rule.keys.iter().any(|key| earlier.rule.keys.contains(key));
            let same = rule.address.is_some() && rule.address == earlier.rule.address;
            if shared || same {
                let what = if same { "this address" } else { "this machine" };
                let place = |at: &Place| if same { at.of("address") } else { at.table() };
                let text = format!("{what} is reserved twice");
                let problem = Problem::error(place(at), text);
                top.problem(problem.see(place(&earlier.at), "the first time"));
            }
        }
        let Some(address) = rule.address else { continue };
        if own(address) {
            let text = format!("{address} is this server's own address");
            top.problem(Problem::error(at.of("address"), text));
        } else if let Some(text) = not_a_hosts(address, nets) {
            top.problem(Problem::error(at.of("address"), text));
        } else if proxy(address) {
            let text = format!("{address} is not pxed's to give: its subnet has mode = \"proxy\"");
            top.problem(Problem::warning(at.of("address"), text));
        }
    }
    for wanted in wanted {
        for pool in &wanted.subnet.pools {
            let inside = reservations.iter().filter_map(|ruled| ruled.rule.address);
            let inside = inside.filter(|address| pool.range.contains(*address)).count();
            if u64::try_from(inside).is_ok_and(|inside| inside >= pool.range.count()) {
                let text = format!("every address of {} is reserved", pool.range);
                top.problem(Problem::warning(wanted.place_of(pool), text));
            }
        }
    }
}

/// Why no machine can have an address, where all networks are known.
fn not_a_hosts(address: Ipv4Addr, nets: &[Option<Ipv4Net>]) -> Option<String> {
    if nets.iter().flatten().any(|net| net.contains_host(address)) {
        return None;
    }
    match nets.iter().flatten().find(|net| net.contains(address)) {
        Some(net) if net.network() == address => {
            Some(format!("{address} is the address of the network {net} itself"))
        }
        Some(net) => Some(format!("{address} is the broadcast address of {net}")),
        None if nets.contains(&None) => None,
        None => Some(format!("{address} is in no subnet")),
    }
}
