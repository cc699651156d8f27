//! The network that the stories play on: one server, one subnet, iPXE and a Linux to boot.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::boot::Services;
use pxed_proto::catalog::{Catalog, Loader, Profile};
use pxed_proto::dhcp::{
    Config, LeaseTime, Link, LinkId, Mode, OptionSetting, Policy, Settings, Subnet, Told,
};
use pxed_proto::machine::Architecture;
use pxed_proto::net::{AddressRange, Ipv4Net, Mac};
use pxed_proto::wire::options::code;

use crate::files::Files;

/// The server's address.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);

/// The server's Ethernet address.
pub const SERVER_MAC: Mac = Mac([0x52, 0x54, 0, 0, 0, 0xfe]);

/// When every story begins.
pub const BEGINNING: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// What differs from story to story.
#[derive(Clone, Debug)]
pub struct Site {
    /// How long leases last.
    pub lease_time: Duration,
    /// How many addresses there are to lease, from 192.168.77.100.
    pub addresses: u8,
    /// What is served.
    pub files: Files,
    /// The TFTP server knows no options.
    pub plain_tftp: bool,
    /// How long an address probe waits, if there is one.
    pub conflict_probe: Option<Duration>,
    /// Addresses are another server's.
    pub proxy: bool,
    /// What pxed was told of firmware.
    pub quirks: Told,
}

impl Default for Site {
    fn default() -> Self {
        let lease_time = Duration::from_secs(3600);
        let files = Files::usual();
        Self {
            lease_time,
            addresses: 100,
            files,
            plain_tftp: false,
            conflict_probe: None,
            proxy: false,
            quirks: Told::new(),
        }
    }
}

impl Site {
    /// What pxed is configured to do here.
    pub fn config(&self) -> Arc<Config> {
        let link = Link { name: "eth0".into(), addresses: vec![SERVER], mtu: 1500 };
        let catalog = Arc::new(catalog());
        let (subnets, policy) = (vec![self.subnet()], self.policy());
        Arc::new(Config { links: vec![link], subnets, policy, catalog, host_name: None })
    }

    fn policy(&self) -> Policy {
        Policy { quirks: self.quirks.clone(), ..Policy::default() }
    }

    fn subnet(&self) -> Subnet {
        let address = |last| Ipv4Addr::new(192, 168, 77, last);
        let pool = AddressRange::new(address(100), address(99 + self.addresses));
        let net = Ipv4Net::new(SERVER, 24).expect("24 is a prefix length");
        let lease_time = LeaseTime::of(self.lease_time);
        let mode = if self.proxy { Mode::Proxy } else { Mode::Full };
        if self.proxy {
            let settings = Settings::default();
            let subnet = Subnet::new(net, Some(LinkId(0)), services(), lease_time);
            return Subnet { mode, settings, ..subnet };
        }
        Subnet {
            pools: vec![pool.expect("a pool has at least one address").into()],
            settings: settings(),
            conflict_probe: self.conflict_probe,
            ..Subnet::new(net, Some(LinkId(0)), services(), lease_time)
        }
    }
}

/// Router, name server and domain.
fn settings() -> Settings {
    let setting = |code, value| OptionSetting { code, value, always: false, booting_only: false };
    let server = || SERVER.octets().to_vec();
    let options = vec![
        setting(code::ROUTER, server()),
        setting(code::DOMAIN_NAME_SERVER, server()),
        setting(code::DOMAIN_NAME, b"lab.example".to_vec()),
    ];
    Settings { options, ..Settings::default() }
}

/// Where TFTP and HTTP are.
pub fn services() -> Services {
    Services { tftp: SERVER, http: SocketAddrV4::new(SERVER, 8067), https_port: None }
}

fn catalog() -> Catalog {
    let loader = |file: &str, architectures: &[Architecture]| Loader {
        name: file.to_owned(),
        architectures: architectures.to_vec(),
        file: Arc::from(file),
        companions: vec![],
    };
    let efi = [Architecture::UEFI_X64, Architecture::UEFI_EBC, Architecture::HTTP_X64];
    let profile = Profile::Linux {
        kernel: "vmlinuz".to_owned(),
        initrds: vec!["initrd.gz".to_owned()],
        arguments: "console=ttyS0".to_owned(),
    };
    let loaders = vec![loader("undionly.kpxe", &[Architecture::BIOS]), loader("ipxe.efi", &efi)];
    let name = "linux".to_owned();
    let profiles = [(name.clone(), profile)].into();
    Catalog { loaders, profiles, default_profile: Some(name.into()) }
}
