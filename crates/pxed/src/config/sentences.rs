//! What a configuration comes to, in sentences: for `pxed check`, and for the log at start.

use pxed_proto::boot::Scheme;
use pxed_proto::catalog::Profile;
use pxed_proto::dhcp::{Bootp, Identity, LeaseTime, Mode, Reservation, Subnet};
use pxed_proto::time::Human;
use pxed_proto::wire::options::Described;

use super::Config;

impl Config {
    /// A few lines for each subnet, and what machines boot.
    pub fn sentences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for subnet in &self.dhcp.subnets {
            self.subnet(subnet, &mut lines);
        }
        let policy = &self.dhcp.policy;
        for class in &policy.classes {
            let own = counted(count(&class.settings), "setting");
            lines.push(format!("class {}: members have {own} of their own", class.name));
        }
        for group in &policy.groups {
            let named = |own: &&Reservation| own.group.as_ref() == Some(&group.name);
            let members = group.members.len() + policy.reservations.iter().filter(named).count();
            let members = counted(members, "member");
            let own = counted(count(&group.settings), "setting");
            lines.push(format!("group {}: {members}, with {own} of their own", group.name));
        }
        let reserved = policy.reservations.iter().count();
        if reserved > 0 {
            let with_address = policy.reservations.iter().filter(|own| own.address.is_some());
            let (reserved, with) = (counted(reserved, "reservation"), with_address.count());
            lines.push(format!("{reserved}, {with} of them with an address"));
        }
        self.boot(&mut lines);
        lines
    }

    fn subnet(&self, subnet: &Subnet, lines: &mut Vec<String>) {
        let Subnet { net, server, .. } = subnet;
        let name = match subnet.link.and_then(|link| self.dhcp.links.get(link.0)) {
            Some(link) => link.name.to_string(),
            None => format!("{net} (by relay agents)"),
        };
        if subnet.mode == Mode::Off {
            return lines.push(format!("{name}: {net} is off: pxed keeps silent there"));
        }
        if subnet.mode == Mode::Proxy {
            lines.push(format!(
                "{name}: {server} says on {net} what to boot; addresses are another server's (proxy)"
            ));
            ways(&name, subnet, lines);
            return self.services(&name, subnet, lines);
        }
        let pool = |pool: &pxed_proto::dhcp::Pool| match &pool.class {
            Some(class) => format!("{} (class {class})", pool.range),
            None => pool.range.to_string(),
        };
        let pools: Vec<String> = subnet.pools.iter().map(pool).collect();
        let addresses: u64 = subnet.pools.iter().map(|pool| pool.range.count()).sum();
        let time = subnet.lease_time;
        let (pools, lasts) = (pools.join(", "), Human(time.default));
        lines.push(format!(
            "{name}: {server} serves {net}, leasing {pools} ({addresses} addresses) for {lasts}"
        ));
        if LeaseTime::of(time.default) != time {
            let (min, max) = (Human(time.min), Human(time.max));
            lines.push(format!("{name}: clients may ask for leases of {min} to {max}"));
        }
        ways(&name, subnet, lines);
        self.services(&name, subnet, lines);
    }

    fn services(&self, name: &str, subnet: &Subnet, lines: &mut Vec<String>) {
        let services = &subnet.services;
        let tftp = self.dhcp.policy.everywhere.tftp_server;
        let tftp = subnet.settings.tftp_server.or(tftp).unwrap_or(services.tftp);
        let https = services.web(Scheme::Https);
        let https = match https.scheme {
            Scheme::Https => format!(", HTTPS {https}/"),
            Scheme::Http => String::new(),
        };
        lines.push(format!("{name}: TFTP server {tftp}, HTTP http://{}/{https}", services.http));
        for option in &subnet.settings.options {
            lines.push(format!("{name}: {}", Described(option.code, &option.value)));
        }
    }

    fn boot(&self, lines: &mut Vec<String>) {
        let everywhere = &self.dhcp.policy.everywhere;
        if let Some(file) = &everywhere.boot_file {
            lines.push(format!("PXE firmware loads {file}"));
        }
        let default = self.dhcp.catalog.default_profile.as_deref();
        for (name, profile) in &self.dhcp.catalog.profiles {
            let who = match Some(name.as_str()) == default {
                true => "machines".to_owned(),
                false => format!("machines of profile {name}"),
            };
            lines.push(match profile {
                Profile::Nothing => continue,
                Profile::Script(_) => format!("{who} run the iPXE script"),
                Profile::Program(file) => format!("{who} chainload {file} by iPXE"),
                Profile::Image(file) => format!("{who} boot the image {file} by UEFI HTTP Boot"),
                Profile::Linux { arguments, .. } => {
                    format!("{who} boot Linux, arguments \"{arguments}\"")
                }
            });
        }
    }
}

fn count(settings: &pxed_proto::dhcp::Settings) -> usize {
    let single =
        [settings.profile.is_some(), settings.tftp_server.is_some(), settings.boot_file.is_some()];
    settings.options.len() + settings.loaders.len() + single.iter().filter(|set| **set).count()
}

/// `1 error`, `2 errors`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What is unusual about how a subnet is served.
fn ways(name: &str, subnet: &Subnet, lines: &mut Vec<String>) {
    if subnet.identity == Identity::ClientId {
        lines.push(format!("{name}: clients are known by client identifier"));
    }
    if !subnet.authoritative {
        lines.push(format!("{name}: silent about other networks' addresses (not authoritative)"));
    }
    if subnet.adopt {
        lines.push(format!("{name}: grants free addresses that clients remember (adopt)"));
    }
    if subnet.min_secs > 0 || !subnet.offer_delay.is_zero() {
        let (secs, delay) = (subnet.min_secs, Human(subnet.offer_delay));
        lines.push(format!("{name}: stands by: after {secs} s of asking, offers wait {delay}"));
    }
    if !subnet.relays.is_empty() {
        let relays: Vec<String> = subnet.relays.iter().map(ToString::to_string).collect();
        lines.push(format!("{name}: by the relay agents {} only", relays.join(", ")));
    }
    if subnet.trusts_option_82 {
        lines.push(format!("{name}: believes option 82 of the switches there"));
    }
    if subnet.rapid_commit {
        lines.push(format!("{name}: leases at once to clients that ask for it (rapid commit)"));
    }
    if subnet.lease_cache > 0 {
        let part = subnet.lease_cache;
        lines.push(format!("{name}: renewals in the first {part} % of a lease are not written"));
    }
    match subnet.bootp {
        Bootp::Reserved => {}
        Bootp::Off => lines.push(format!("{name}: BOOTP clients are not answered")),
        Bootp::Dynamic => lines.push(format!("{name}: BOOTP clients keep an address for ever")),
    }
    let caps = subnet.relay_caps;
    for (id, cap) in [("remote", caps.remote_id), ("circuit", caps.circuit_id)] {
        if let Some(cap) = cap {
            lines.push(format!("{name}: at most {cap} addresses behind one {id} ID"));
        }
    }
    if let Some(class) = &subnet.subnet_selection {
        lines.push(format!("{name}: class {class} may select another subnet"));
    }
    if let Some(shared) = &subnet.shared_network {
        lines.push(format!("{name}: part of the shared network {shared}"));
    }
}
