//! What tables say of each other: names that must exist, addresses that must be nobody else's.

use std::collections::BTreeSet;
use std::path::Path;

use pxed_proto::boot::is_url;
use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{self, Test};

use super::document::{At, Place, Table};
use super::report::Problem;
use super::rules::Ruled;
use super::schema;
use super::settings::Said;
use super::subnets::Wanted;
use crate::config::Loaders;
use crate::net::Interface;

/// `boot` names a profile that exists.
pub fn check_profile(top: &Table<'_>, said: &Said, catalog: &Catalog) {
    let Some(At { value: name, span }) = &said.profile else { return };
    if !catalog.profiles.contains_key(name) {
        let problem = Problem::error(span.clone(), format!("there is no profile {name}"));
        let nearest = schema::nearest(name, catalog.profiles.keys().map(String::as_str));
        top.problem(match nearest {
            Some(nearest) => problem.help(format!("did you mean {nearest}?")),
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
            let problem = Problem::warning(span.clone(), format!("there is no file {file}"));
            top.problem(problem.help("put it into boot-dir, or name its tftp-server"));
        }
    }
}

/// Pools name classes that exist; classes are for machines that can boot.
pub fn check_classes(
    top: &Table<'_>,
    wanted: &[Wanted],
    classes: &[Ruled<dhcp::Class>],
    catalog: &Catalog,
) {
    let mut names = BTreeSet::new();
    for class in classes {
        if !names.insert(class.rule.name.as_str()) {
            let text = format!("there are two classes {}", class.rule.name);
            top.problem(Problem::error(class.at.of("name"), text));
        }
        let Test::Architecture(known) = &class.rule.test else { continue };
        let can_boot = known.iter().any(|arch| {
            catalog.loader(*arch).is_some() || class.rule.settings.loaders.contains_key(arch)
        });
        if !can_boot && class.rule.settings.boot_file.is_none() {
            let text =
                format!("there is no loader for the architecture of class {}", class.rule.name);
            let problem = Problem::warning(class.at.of("match"), text);
            top.problem(problem.help("put one into boot-dir, and name it by loader = { ... }"));
        }
    }
    for At { value, span } in wanted.iter().flat_map(|wanted| &wanted.classes) {
        if !names.contains(value.as_str()) {
            top.problem(Problem::error(span.clone(), format!("there is no class {value}")));
        }
    }
}

/// A reserved address is of a subnet, nobody else's, and not the server's.
pub fn check_reservations(
    top: &Table<'_>,
    reservations: &[Ruled<dhcp::Reservation>],
    wanted: &[Wanted],
    interfaces: &[Interface],
) {
    let own =
        |address| interfaces.iter().any(|i| i.addresses.iter().any(|(own, _)| *own == address));
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
        } else if !wanted.iter().any(|wanted| wanted.subnet.net.contains_host(address)) {
            let text = format!("{address} is in no subnet");
            top.problem(Problem::error(at.of("address"), text));
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
