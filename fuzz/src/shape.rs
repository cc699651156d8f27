//! Configurations by number: two links, a shared network, a subnet behind a relay agent, classes,
//! reservations, and what changes how addresses are given.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::boot::Services;
use pxed_proto::catalog::{Catalog, Loader};
use pxed_proto::dhcp::{
    Bootp, Class, Config, HostKey, Identity, LeaseTime, Link, LinkId, Mode, OptionSetting, Policy,
    Pool, RelayCaps, Reservation, Reservations, Settings, Subnet, Test,
};
use pxed_proto::machine::Architecture;
use pxed_proto::net::{AddressRange, Ipv4Net, Mac};

/// The networks, whatever the shape: on the first link, on the second one, behind a relay agent, and
/// on the first link again.
pub const NETS: [[u8; 3]; 4] = [[192, 0, 2], [10, 1, 0], [198, 51, 100], [203, 0, 113]];

/// The server's own address on each.
pub const SERVER: u8 = 1;

/// A relay agent's address on each.
pub const RELAY: u8 = 2;

/// The first address of each pool.
pub const POOL: u8 = 100;

/// An address of a network.
pub fn address(net: usize, host: u8) -> Ipv4Addr {
    let [a, b, c] = NETS[net % NETS.len()];
    Ipv4Addr::new(a, b, c, host)
}

/// The MAC of a machine.
pub fn mac(machine: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, machine])
}

/// Each bit of the number is something that may be configured.
#[derive(Clone, Copy, Debug)]
pub struct Shape(pub u16);

impl Shape {
    fn has(self, bit: u16) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// What is configured.
    pub fn config(self) -> Config {
        let mut subnets = vec![self.subnet(0, Some(0)), self.subnet(1, Some(1))];
        if !self.has(0) {
            subnets.push(self.subnet(2, None));
        }
        if self.has(1) {
            subnets[0].shared_network = Some("hall".to_owned());
            let shared_network = subnets[0].shared_network.clone();
            subnets.push(Subnet { shared_network, ..self.subnet(3, Some(0)) });
        }
        if self.has(2) {
            subnets.reverse();
        }
        let links = [0, 1].map(|net| Link {
            name: Arc::from(format!("eth{net}")),
            addresses: vec![address(net, SERVER)],
            mtu: if net == 1 { 576 } else { 1500 },
        });
        let (policy, host_name) = (self.policy(), Some("boot".to_owned()));
        Config { links: links.into(), subnets, policy, catalog: catalog(), host_name }
    }

    fn subnet(self, net: usize, link: Option<usize>) -> Subnet {
        let server = address(net, SERVER);
        let services =
            Services { tftp: server, http: SocketAddrV4::new(server, 8067), https_port: None };
        let seconds = Duration::from_secs;
        let max = if self.has(3) { LeaseTime::INFINITE } else { seconds(3600) };
        let time = LeaseTime { min: seconds(60), default: seconds(600), max };
        let network = Ipv4Net::new(address(net, 0), 24).expect("24 bits");
        let mut subnet = Subnet::new(network, link.map(LinkId), services, time);
        let first = if self.has(4) { POOL + 1 } else { POOL };
        let last = first + if self.has(5) { 1 } else { 5 };
        let range = AddressRange::new(address(net, first), address(net, last)).expect("in order");
        subnet.pools = vec![Pool { range, class: self.has(6).then(|| "firmware".to_owned()) }];
        subnet.identity = if self.has(7) { Identity::ClientId } else { Identity::Mac };
        subnet.adopt = self.has(8);
        subnet.authoritative = !self.has(9);
        if self.has(10) && net == 0 {
            (subnet.min_secs, subnet.offer_delay) = (2, Duration::from_millis(500));
        }
        if self.has(15) && net > 0 {
            (subnet.rapid_commit, subnet.lease_cache) = (true, 25);
            subnet.bootp = Bootp::Dynamic;
        }
        if self.has(15) {
            subnet.relay_caps = RelayCaps { remote_id: Some(2), circuit_id: Some(1) };
            subnet.subnet_selection = Some("firmware".to_owned());
            subnet.trusts_option_82 = net == 0;
        }
        if self.has(11) && net == 1 {
            subnet.mode = Mode::Off;
        }
        subnet.settings.options = vec![
            option(3, &address(net, 254).octets(), true),
            option(6, &[8; 8], false),
            option(43, &[7; 300], self.has(14)),
            option(108, &[0, 0, 7, 8], true),
            option(119, b"\x03lab\x07example\0", false),
        ];
        subnet
    }

    fn policy(self) -> Policy {
        let settings = Settings {
            options: vec![option(15, b"firmware.example", false)],
            ..Settings::default()
        };
        let class = Class { name: "firmware".to_owned(), test: Test::OptionPresent(60), settings };
        let mut reserved = Vec::new();
        if self.has(12) {
            // Of two networks, in a pool and outside.
            reserved.push(reservation(HostKey::Mac(mac(1)), address(0, POOL + 1)));
            reserved.push(reservation(HostKey::Mac(mac(2)), address(1, 50)));
        }
        if self.has(13) {
            let relay = address(2, RELAY);
            reserved.push(reservation(HostKey::Circuit(relay, vec![3]), address(2, POOL + 2)));
            reserved.push(reservation(HostKey::ClientId(vec![0, 4]), address(0, POOL + 2)));
        }
        Policy {
            classes: vec![class],
            reservations: Reservations::new(reserved),
            ..Policy::default()
        }
    }
}

fn reservation(key: HostKey, address: Ipv4Addr) -> Reservation {
    let (name, address) = (address.to_string(), Some(address));
    Reservation {
        settings: Settings { options: vec![option(12, b"known", false)], ..Settings::default() },
        keys: vec![key],
        name,
        address,
        ..Reservation::default()
    }
}

fn option(code: u8, value: &[u8], always: bool) -> OptionSetting {
    OptionSetting { code, value: value.to_vec(), always, booting_only: code == 43 }
}

fn catalog() -> Arc<Catalog> {
    let loader = |file: &str, architectures: &[u16]| Loader {
        name: file.to_owned(),
        architectures: architectures.iter().map(|arch| Architecture(*arch)).collect(),
        file: Arc::from(file),
        companions: Vec::new(),
    };
    let loaders = vec![loader("undionly.kpxe", &[0]), loader("ipxe.efi", &[7, 9, 16])];
    Arc::new(Catalog { loaders, ..Catalog::default() })
}
