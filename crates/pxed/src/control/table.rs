//! Answers as people read them.

use std::collections::BTreeMap;
use std::time::Duration;

use pxed_proto::time::Human;
use serde::Deserialize;

use super::answers::{
    Count, InterfaceStatus, Lease, OtherServerStatus, PoolStatus, Released, Reloaded, Status,
    Stopping, StoreStatus, SubnetStatus,
};
use super::quirks::Forgotten;

/// What stands above the leases.
pub const LEASES_HEADING: &str =
    "ADDRESS          STATE     CLIENT             HOST NAME         UNTIL\n";

/// A line of the leases.
pub fn lease(lease: &Lease) -> String {
    let client = lease.mac.as_ref().or(lease.client_id.as_ref()).map_or("-", String::as_str);
    let name = lease.host_name.as_deref().unwrap_or("-");
    let until = lease.until.as_deref().unwrap_or("for ever");
    let left = match lease.seconds_left {
        Some(seconds) => format!(" (another {})", human(seconds)),
        None => String::new(),
    };
    let (ip, state) = (lease.ip.to_string(), &lease.state);
    format!("{ip:<16} {state:<9} {client:<18} {name:<17} {until}{left}\n")
}

/// What is needed of an event: it knows itself how it reads.
#[derive(Debug, Deserialize)]
pub struct Event {
    timestamp: String,
    message: String,
}

/// A line of the events.
pub fn event(event: &Event) -> String {
    format!("{} {}\n", event.timestamp, event.message)
}

/// Stands where events are missing.
pub fn lagged(lost: u64) -> String {
    format!("({lost} events are not shown: they came faster than they were read)\n")
}

/// Stands where there is nothing to list.
pub fn nothing(count: &Count, what: &str) -> String {
    if count.count == 0 { format!("no such {what}\n") } else { String::new() }
}

/// A lease that was freed.
pub fn released(released: &Released) -> String {
    let name = released.host_name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    let Released { ip, mac, .. } = released;
    format!("{ip} is free; {mac}{name} had it, and uses it until it asks again\n")
}

/// What was forgotten.
pub fn forgotten(forgotten: &Forgotten) -> String {
    match forgotten.machines {
        0 => "nothing was learned of it\n".to_owned(),
        1 => "1 machine is forgotten: the forms are tried anew\n".to_owned(),
        machines => format!("{machines} machines are forgotten: the forms are tried anew\n"),
    }
}

/// What changed.
pub fn reloaded(reloaded: &Reloaded) -> String {
    format!("{}\n", reloaded.difference)
}

/// pxed is gone.
pub fn stopped(stopped: &Stopping) -> String {
    format!("pxed (process {}) has stopped\n", stopped.pid)
}

/// How pxed stands.
pub fn status(status: &Status) -> String {
    let Status { version, pid, configuration, active_leases, offers, rates, .. } = status;
    let up = human(status.uptime_seconds);
    let (datagrams, acks) = (rates.datagrams_per_second, rates.acks_per_second);
    let (transfers, requests) = (status.tftp_transfers, status.http_requests);
    let (lost, dropped) = (status.lost_to_full_buffers, status.dropped_by_kernel);
    let facts = [
        ("leases", format!("{active_leases} active, {offers} offered")),
        ("rates", format!("{datagrams:.2} datagrams/s, {acks:.2} ACKs/s in the last minute")),
        ("store", store(&status.store)),
        ("running", format!("{transfers} TFTP transfers, {requests} HTTP requests")),
        ("since the start", list(&status.counters)),
        ("not answered", list(&status.ignored)),
        ("lost", format!("{lost} datagrams to full buffers, {dropped} dropped under overload")),
    ];
    let facts: String = facts.map(|(name, fact)| format!("{name:<15}  {fact}\n")).concat();
    let (subnets, pools) = (columns(subnets(&status.subnets)), columns(pools(&status.subnets)));
    let interfaces = columns(interfaces(&status.interfaces));
    let others = others(&status.other_servers);
    let since = &status.started;
    format!(
        "pxed {version}, process {pid}, up {up} (since {since}), configured by {configuration}\n\n\
         {subnets}\n{interfaces}\n{pools}\n{others}{facts}"
    )
}

fn interfaces(interfaces: &[InterfaceStatus]) -> Vec<Vec<String>> {
    let heading = ["INTERFACE", "STATE", "MTU"];
    let row = |one: &InterfaceStatus| {
        let InterfaceStatus { interface, state, reason, mtu } = one;
        let mtu = mtu.map_or_else(|| "-".to_owned(), |mtu| mtu.to_string());
        let known = [interface.clone(), state.clone(), mtu];
        known.into_iter().chain(reason.clone()).collect()
    };
    let rows = interfaces.iter().map(row);
    std::iter::once(heading.map(str::to_owned).to_vec()).chain(rows).collect()
}

fn store(store: &StoreStatus) -> String {
    let StoreStatus { state, commits_behind, seconds_behind } = store;
    match commits_behind {
        0 => format!("{state}, leases.db is up to date"),
        _ => format!(
            "{state}, leases.db is {commits_behind} leases and {seconds_behind:.1} s behind"
        ),
    }
}

/// Nothing where none was heard.
fn others(others: &[OtherServerStatus]) -> String {
    let heading = ["OTHER SERVER", "INTERFACE", "GIVES", "BOOTS", "LAST HEARD"];
    let row = |other: &OtherServerStatus| {
        let gives = match (other.gives_addresses, other.is_proxy) {
            (true, true) => "addresses, ProxyDHCP",
            (true, false) => "addresses",
            (false, true) => "ProxyDHCP",
            (false, false) => "-",
        };
        let boot = other.boot.as_deref().unwrap_or("-");
        [&other.server, &other.interface, gives, boot, &other.last].map(str::to_owned).to_vec()
    };
    if others.is_empty() {
        return String::new();
    }
    let rows = others.iter().map(row);
    let rows = std::iter::once(heading.map(str::to_owned).to_vec()).chain(rows);
    format!("{}\n", columns(rows.collect()))
}

fn subnets(subnets: &[SubnetStatus]) -> Vec<Vec<String>> {
    let mut heading = ["INTERFACE", "SUBNET", "MODE", "SERVER", "TFTP", "HTTP"].to_vec();
    let is_secure = subnets.iter().any(|subnet| subnet.https.is_some());
    heading.extend(is_secure.then_some("HTTPS"));
    let row = |subnet: &SubnetStatus| {
        let SubnetStatus { interface, subnet, mode, server, tftp, http, https, .. } = subnet;
        let row = [interface, subnet, mode, server, tftp, http].into_iter().chain(https);
        row.cloned().collect()
    };
    let rows = subnets.iter().map(row);
    std::iter::once(heading.into_iter().map(str::to_owned).collect()).chain(rows).collect()
}

fn pools(subnets: &[SubnetStatus]) -> Vec<Vec<String>> {
    let heading = ["POOL", "ADDRESSES", "USED", "HELD", "DECLINED", "FREE"];
    let row = |pool: &PoolStatus| {
        let PoolStatus { range, addresses, used, held, declined, free } = pool;
        let counts = [addresses, used, held, declined, free].map(u64::to_string);
        std::iter::once(range.clone()).chain(counts).collect()
    };
    let outside = |subnet: &SubnetStatus| {
        let used = Some(subnet.leased_outside_pools).filter(|used| *used > 0)?;
        let row = [format!("{} elsewhere", subnet.subnet), "-".to_owned(), used.to_string()];
        Some(row.to_vec())
    };
    let rows =
        subnets.iter().flat_map(|subnet| subnet.pools.iter().map(row).chain(outside(subnet)));
    std::iter::once(heading.map(str::to_owned).to_vec()).chain(rows).collect()
}

/// Rows under each other, each column as wide as it must be.
pub(super) fn columns(rows: Vec<Vec<String>>) -> String {
    let width = |column| rows.iter().filter_map(|row| row.get(column)).map(String::len).max();
    let widths: Vec<usize> = (0..).map_while(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "nothing".to_owned();
    }
    let items: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    items.join(", ")
}

fn human(seconds: u64) -> String {
    if seconds == 0 { "0s".to_owned() } else { Human(Duration::from_secs(seconds)).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_another_version_is_shown_as_far_as_it_goes() {
        let text = r#"{"version":"9.9","pid":7,"news":[1],"subnets":[{"subnet":"10.0.0.0/8",
            "pools":[{"range":"10.0.0.1-10.0.0.9","used":3}],"leased_outside_pools":2}]}"#;
        let text = status(&serde_json::from_str(text).unwrap());
        for part in [
            "pxed 9.9, process 7, up 0s",
            "\nPOOL                  ADDRESSES  USED  HELD  DECLINED  FREE\n",
            "\n10.0.0.1-10.0.0.9     0          3     0     0         0\n",
            "\n10.0.0.0/8 elsewhere  -          2\n",
            "\nnot answered     nothing\n",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    }

    #[test]
    fn a_lease_is_a_line_under_its_heading() {
        let text = r#"{"ip":"192.168.177.100","subnet":"192.168.177.0/24","state":"declined",
            "mac":"52:54:00:77:00:01","until":"2026-11-22T22:15:18.042Z","seconds_left":90}"#;
        let line = lease(&serde_json::from_str(text).unwrap());
        let expected = "192.168.177.100  declined  52:54:00:77:00:01  -                 \
                        2026-11-22T22:15:18.042Z (another 1m 30s)\n";
        assert_eq!(line, expected);
        let column = |name| LEASES_HEADING.find(name).unwrap();
        assert_eq!(line.find("52:").unwrap(), column("CLIENT"));
        assert_eq!(line.find("2026").unwrap(), column("UNTIL"));
    }
}
