//! What a new configuration changes, and what of it needs a restart.

use std::collections::BTreeSet;
use std::fmt::Display;

use pxed_proto::dhcp::Subnet;

use super::Config;
use super::network::mode_name;

/// What is different, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What came, went and changed.
    pub changes: Vec<String>,
    /// What is written in the file and holds only after a restart.
    pub after_restart: Vec<String>,
}

impl Config {
    /// What `new` changes.
    pub fn difference(&self, new: &Self) -> Difference {
        let mut changes = Vec::new();
        let nets = |config: &Self| {
            config.dhcp.subnets.iter().map(|subnet| subnet.net).collect::<BTreeSet<_>>()
        };
        compare("subnet", &nets(self), &nets(new), &mut changes);
        for subnet in &new.dhcp.subnets {
            let same = self.dhcp.subnets.iter().find(|other| other.net == subnet.net);
            if let Some(old) = same {
                if old.mode != subnet.mode {
                    let (was, is) = (mode_name(old.mode), mode_name(subnet.mode));
                    changes.push(format!("mode of {} {is}, was {was}", subnet.net));
                }
                let what = format!("range of {}", subnet.net);
                compare(&what, &ranges(old), &ranges(subnet), &mut changes);
            }
        }
        let reservations = |config: &Self| {
            let all = config.dhcp.policy.reservations.iter();
            all.map(|reservation| reservation.name.clone()).collect::<BTreeSet<_>>()
        };
        compare("reservation", &reservations(self), &reservations(new), &mut changes);
        let classes = |config: &Self| {
            let all = config.dhcp.policy.classes.iter();
            all.map(|class| class.name.clone()).collect::<BTreeSet<_>>()
        };
        compare("class", &classes(self), &classes(new), &mut changes);
        let groups = |config: &Self| {
            let all = config.dhcp.policy.groups.iter();
            all.map(|group| group.name.clone()).collect::<BTreeSet<_>>()
        };
        compare("group", &groups(self), &groups(new), &mut changes);
        let profiles =
            |config: &Self| config.dhcp.catalog.profiles.keys().cloned().collect::<BTreeSet<_>>();
        compare("profile", &profiles(self), &profiles(new), &mut changes);
        Difference { changes, after_restart: self.after_restart(new) }
    }

    /// What pxed would have to bind anew to serve `new`, if anything.
    pub fn bound_otherwise(&self, new: &Self) -> Option<String> {
        let names = |config: &Self| {
            config.interfaces.iter().map(|interface| interface.name.clone()).collect::<Vec<_>>()
        };
        let (old, wanted) = (names(self), names(new));
        let http = |config: &Self| {
            let services = config.dhcp.subnets.iter().map(|subnet| subnet.services);
            services.map(|services| (services.http, services.https_port)).collect::<BTreeSet<_>>()
        };
        if old != wanted {
            Some(format!(
                "the served interfaces changed from {} to {}",
                old.join(", "),
                wanted.join(", ")
            ))
        } else if !http(new).is_subset(&http(self)) {
            Some("the address or a port of HTTP or HTTPS changed".to_owned())
        } else {
            None
        }
    }

    /// What can not be taken while pxed runs: what it bound, opened or became at start.
    fn after_restart(&self, new: &Self) -> Vec<String> {
        let (old, service) = (&self.service, &new.service);
        let changed = [
            ("state-dir", old.state_dir != service.state_dir),
            ("user", old.user != service.user),
            ("status-interval", old.status_interval != service.status_interval),
            ("log-format", old.log_format != service.log_format),
            ("verbose", old.verbose != service.verbose),
            ("dhcp-no-bind", old.server_port != service.server_port),
            ("tftp-single-port", old.tftp_single_port != service.tftp_single_port),
            ("watch-config", old.watch_config != service.watch_config),
        ];
        let changed = changed.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(name, _)| name.to_owned()).collect()
    }
}

fn ranges(subnet: &Subnet) -> BTreeSet<String> {
    subnet.pools.iter().map(|pool| pool.range.to_string()).collect()
}

fn compare<T: Ord + Display>(
    what: &str,
    old: &BTreeSet<T>,
    new: &BTreeSet<T>,
    changes: &mut Vec<String>,
) {
    changes.extend(new.difference(old).map(|item| format!("{what} {item} added")));
    changes.extend(old.difference(new).map(|item| format!("{what} {item} removed")));
}
