//! Another configuration for a server that runs. Nobody is answered meanwhile, so a table that the change
//! does not concern is kept as it is, however many leases it has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::Server;
use super::topology::Topology;
use crate::Timestamp;
use crate::dhcp::config::{Config, Identity, Subnet};
use crate::dhcp::lease::Lease;
use crate::dhcp::parts::Part;
use crate::dhcp::rules::Rules;
use crate::dhcp::table::{LeaseTable, Secret};
use crate::net::Ipv4Net;

impl Server {
    /// Takes another configuration. Leases stay, also those whose address is no longer leased: they
    /// live until they expire. Offers that are held stay as far as their address is still leased.
    /// Replies that wait for the store leave by the link of the same name, if there is one.
    pub fn reconfigure(&mut self, config: Arc<Config>, now: Timestamp) {
        let topology = Topology::of(&config);
        let parts = topology.parts(&self.topology);
        let holds = self.tables.iter_mut().map(LeaseTable::take_holds).collect::<Vec<_>>();
        let given_up = self.replace_tables(&config, &parts);
        self.topology = topology;
        self.rules = Rules::of(&config.policy);
        let before = std::mem::replace(&mut self.config, config);
        self.under_way.move_replies(&before.links, &self.config.links);
        // They name subnets by their places.
        self.buckets.fill();
        self.probes.move_links(&before.links, &self.config.links);
        self.load_again(given_up, &parts, now);
        for (address, hold) in holds.into_iter().flatten() {
            if let Some(table) = self.table_of(address) {
                table.hold_again(address, hold, now);
            }
        }
    }

    /// A table for each subnet: the one that it had, where that can be. Returns the others.
    fn replace_tables(&mut self, config: &Config, parts: &[Part]) -> Vec<LeaseTable> {
        let heirs = heirs(&self.config, config, parts);
        let before = std::mem::take(&mut self.tables);
        let mut before: BTreeMap<usize, LeaseTable> = before.into_iter().enumerate().collect();
        for (id, subnet) in config.subnets.iter().enumerate() {
            let kept = heirs.get(&id).and_then(|own| before.remove(own));
            self.tables.push(match kept {
                Some(mut table) => {
                    let reserved = reserved(config, subnet);
                    table.reshape(subnet.pools.clone(), reserved, subnet.relay_caps);
                    table
                }
                None => table(config, subnet, self.secret),
            });
        }
        before.into_values().collect()
    }

    /// Leases of tables that were given up, and those of no subnet that are of one now.
    fn load_again(&mut self, given_up: Vec<LeaseTable>, parts: &[Part], now: Timestamp) {
        let found = parts.iter().filter(|part| part.before.is_none() && part.after.is_some());
        let found = found.flat_map(|part| {
            let leases = self.elsewhere.range(part.range.first()..=part.range.last());
            leases.map(|(address, _)| *address)
        });
        let found: Vec<Ipv4Addr> = found.collect();
        let found = found.iter().filter_map(|address| self.elsewhere.remove(address));
        let mut leases: Vec<Lease> = found.collect();
        leases.extend(given_up.into_iter().flat_map(LeaseTable::into_leases));
        if let Some(count) = u32::try_from(leases.len()).ok().filter(|count| *count > 0) {
            self.expect(count);
        }
        // A tree that is made of all of them at once is made many times as fast as one by one.
        let lost = leases.extract_if(.., |lease| self.subnet_of(lease.address).is_none());
        let mut lost: BTreeMap<_, _> = lost.map(|lease| (lease.address, lease)).collect();
        self.elsewhere.append(&mut lost);
        for lease in leases {
            self.load(lease, now);
        }
    }
}

/// Which subnets keep their tables, and the places that these had. A table has to be made anew where the
/// network is another, or is all its own no more, and where its clients have other names.
fn heirs(before: &Config, after: &Config, parts: &[Part]) -> BTreeMap<usize, usize> {
    let by_net = |config: &Config| -> BTreeMap<Ipv4Net, usize> {
        // Of two of one network the first one has its addresses.
        let subnets = config.subnets.iter().enumerate().rev();
        subnets.map(|(id, subnet)| (subnet.net, id)).collect()
    };
    let had = by_net(before);
    let same_net = by_net(after).into_iter();
    let same_net = same_net.filter_map(|(net, id)| Some((id, *had.get(&net)?)));
    let mut heirs: BTreeMap<usize, usize> = same_net.collect();
    let stays = |part: &Part| part.after.and_then(|id| heirs.get(&id).copied()) == part.before;
    let moved = parts.iter().filter(|part| !stays(part)).map(|part| (part.before, part.after));
    let (robbed, enriched): (BTreeSet<_>, BTreeSet<_>) = moved.unzip();
    let identity = |config: &Config, id: usize| config.subnets.get(id).map(|it| it.identity);
    heirs.retain(|id, own| {
        let (was, is) = (identity(before, *own), identity(after, *id));
        let renamed = was != is && is == Some(Identity::Mac);
        !(robbed.contains(&Some(*own)) || enriched.contains(&Some(*id)) || renamed)
    });
    heirs
}

/// A table for each subnet, without leases.
pub(super) fn tables(config: &Config, secret: Secret) -> Vec<LeaseTable> {
    config.subnets.iter().map(|subnet| table(config, subnet, secret)).collect()
}

fn table(config: &Config, subnet: &Subnet, secret: Secret) -> LeaseTable {
    let reserved = reserved(config, subnet);
    LeaseTable::new(subnet.pools.clone(), reserved, subnet.relay_caps, secret)
}

/// What is reserved lies in the subnet that contains it.
fn reserved(config: &Config, subnet: &Subnet) -> BTreeSet<Ipv4Addr> {
    config.policy.reservations.addresses(subnet.net).collect()
}
