//! Subnets next to each other: what two of them must not both have.

use pxed_proto::dhcp::{Mode, Pool};

use super::document::Table;
use super::report::Problem;
use super::subnets::Wanted;

/// Subnets and ranges must not overlap, and two subnets on one wire must say so.
pub fn check(top: &Table<'_>, wanted: &[Wanted]) {
    for (index, one) in wanted.iter().enumerate() {
        let (net, link) = (one.subnet.net, one.subnet.link);
        for other in wanted.iter().take(index) {
            let (others, same_wire) =
                (other.subnet.net, link.is_some() && link == other.subnet.link);
            if others.contains(net.network()) || net.contains(others.network()) {
                let text = format!("the subnets {net} and {others} overlap");
                let problem = Problem::error(one.at.of("network"), text)
                    .see(other.at.of("network"), "the other one");
                top.problem(match net == others {
                    true => problem.help("a subnet may have several ranges: range = [\"...\"]"),
                    false => problem,
                });
            } else if same_wire
                && (one.subnet.shared_network.is_none()
                    || one.subnet.shared_network != other.subnet.shared_network)
            {
                let names =
                    one.subnet.shared_network.as_ref().zip(other.subnet.shared_network.as_ref());
                let what = match names {
                    Some((one, other)) => format!("two shared networks, {other} and {one}"),
                    None => "no shared network".to_owned(),
                };
                let text = format!("{net} and {others} are on one interface, but {what}");
                let problem = Problem::error(one.at.of("shared-network"), text)
                    .see(other.at.of("shared-network"), "the other one");
                top.problem(problem.help("give both the same shared-network = \"...\""));
            }
        }
        check_ranges(top, one);
        check_shared(top, one, wanted);
    }
}

/// A shared network is one of several subnets.
fn check_shared(top: &Table<'_>, one: &Wanted, wanted: &[Wanted]) {
    let Some(name) = &one.subnet.shared_network else { return };
    let same = |other: &&Wanted| other.subnet.shared_network.as_ref() == Some(name);
    let mut members = wanted.iter().filter(same);
    let elsewhere = |other: &Wanted| {
        let links = one.subnet.link.zip(other.subnet.link);
        links.is_some_and(|(here, there)| there < here)
    };
    if let Some(other) = members.clone().find(|other| elsewhere(other)) {
        let text =
            format!("the shared network {name} is one wire, and can not be on two interfaces");
        let problem = Problem::error(one.at.of("interface"), text);
        let problem = problem.see(other.at.of("interface"), "the other one");
        top.problem(problem.help("join the interfaces in a bridge, and name that"));
    }
    let modes = [one.subnet.mode, Mode::Off];
    if let Some(other) = members.clone().find(|other| !modes.contains(&other.subnet.mode))
        && one.subnet.mode == Mode::Proxy
    {
        let text = format!("{name} is one wire: pxed gives addresses there, or does not");
        let problem = Problem::error(one.at.of("mode"), text);
        let problem = problem.see(other.at.of("mode"), "the other one");
        top.problem(problem.help("write one mode for all of its subnets, or mode = \"off\""));
    }
    if members.by_ref().count() == 1 {
        let text = format!("no other subnet is in the shared network {name}");
        top.problem(Problem::warning(one.at.of("shared-network"), text));
    }
}

fn check_ranges(top: &Table<'_>, wanted: &Wanted) {
    for (index, one) in wanted.subnet.pools.iter().enumerate() {
        let overlaps = |other: &&Pool| {
            other.range.first() <= one.range.last() && one.range.first() <= other.range.last()
        };
        if let Some(other) = wanted.subnet.pools.iter().take(index).find(overlaps) {
            let text = format!("the ranges {} and {} overlap", one.range, other.range);
            top.problem(Problem::error(wanted.place_of(one), text));
        }
    }
}
