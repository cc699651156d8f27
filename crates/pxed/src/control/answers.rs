//! What the answers hold: the objects of docs/control.md, for those who write and who read them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::boot::Scheme;
use pxed_proto::dhcp::{AddressState, ClientKey, Config, KnownAddress, PoolUse, Subnet, SubnetUse};
use pxed_proto::text::Hex;
use serde::{Deserialize, Serialize};

use crate::clock::Rfc3339;
use crate::config::mode_name;
use crate::dhcp;

/// How pxed stands. Whoever reads one of another version gets nothing where there is nothing.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Of pxed.
    pub version: String,
    /// Of the process.
    pub pid: u32,
    /// When it started, and how long ago that is.
    pub started: String,
    pub uptime_seconds: u64,
    /// Where its configuration is from.
    pub configuration: String,
    /// How the interfaces stand that are served.
    pub interfaces: Vec<InterfaceStatus>,
    /// What is served where.
    pub subnets: Vec<SubnetStatus>,
    /// Other DHCP servers that were heard.
    pub other_servers: Vec<OtherServerStatus>,
    /// Leases that clients have, and offers that are held, everywhere.
    pub active_leases: u64,
    pub offers: u64,
    /// How fast it goes.
    pub rates: Rates,
    /// How often what happened since the start.
    pub counters: BTreeMap<String, u64>,
    /// Datagrams that were not answered, by reason.
    pub ignored: BTreeMap<String, u64>,
    /// Datagrams that the kernel had no room for.
    pub lost_to_full_buffers: u64,
    /// Datagrams that wait to be answered.
    pub waiting: u64,
    /// About how many DISCOVERs the kernel dropped, as it was told to under overload.
    pub dropped_by_kernel: u64,
    /// How the lease store stands.
    pub store: StoreStatus,
    /// What runs now.
    pub tftp_transfers: u64,
    pub http_requests: u64,
}

/// How the lease store stands.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreStatus {
    /// `writes`, or `fails`: nothing is leased anew.
    pub state: String,
    /// Leases that are durable, and not in the database yet.
    pub commits_behind: u64,
    /// For how long the first of them has not been.
    pub seconds_behind: f64,
}

/// How an interface stands that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceStatus {
    pub interface: String,
    /// `served`, or what it lacks.
    pub state: String,
    /// What is to be known of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The longest IP packet that it sends, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// What is served on a subnet.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SubnetStatus {
    pub subnet: String,
    pub interface: String,
    /// What pxed does there.
    pub mode: String,
    /// Who answers.
    pub server: String,
    /// Where machines are sent for files.
    pub tftp: String,
    pub http: String,
    /// The same by HTTPS, where that is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<String>,
    pub pools: Vec<PoolStatus>,
    /// Leases of addresses that are in no pool any more.
    pub leased_outside_pools: u64,
}

/// Another DHCP server, as it was heard.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OtherServerStatus {
    pub interface: String,
    pub server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// It gives addresses; it tells PXE firmware what to boot beside who does.
    pub gives_addresses: bool,
    pub is_proxy: bool,
    /// What it last told a machine to boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// When it was last heard.
    pub last: String,
}

/// How full a pool is.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolStatus {
    pub range: String,
    pub addresses: u64,
    pub used: u64,
    pub held: u64,
    pub declined: u64,
    pub free: u64,
}

/// Means of the last seconds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rates {
    pub of_seconds: u64,
    pub datagrams_per_second: f64,
    pub acks_per_second: f64,
}

/// How the lease store stands.
pub fn store(status: &dhcp::Status) -> StoreStatus {
    StoreStatus {
        state: if status.store_fails { "fails" } else { "writes" }.to_owned(),
        commits_behind: status.store_lag.commits,
        seconds_behind: (status.store_lag.age.as_secs_f64() * 1000.0).round() / 1000.0,
    }
}

/// The other servers of the status.
pub fn other_servers(status: &dhcp::Status) -> Vec<OtherServerStatus> {
    let one = |other: &dhcp::OtherServer| OtherServerStatus {
        interface: other.link.to_string(),
        server: other.address.to_string(),
        mac: other.known.mac.map(|mac| mac.to_string()),
        gives_addresses: other.known.gives_addresses,
        is_proxy: other.known.is_proxy,
        boot: other.known.boot.as_ref().map(ToString::to_string),
        last: Rfc3339(other.known.last).to_string(),
    };
    status.others.iter().map(one).collect()
}

/// The subnets of the status.
pub fn subnets(status: &dhcp::Status) -> Vec<SubnetStatus> {
    let subnets = status.config.subnets.iter().zip(&status.pools);
    subnets.map(|(subnet, pools)| subnet_status(&status.config, subnet, pools)).collect()
}

fn subnet_status(config: &Config, subnet: &Subnet, used: &SubnetUse) -> SubnetStatus {
    let link = subnet.link.and_then(|link| config.links.get(link.0));
    SubnetStatus {
        subnet: subnet.net.to_string(),
        interface: link.map(|link| link.name.to_string()).unwrap_or_default(),
        mode: mode_name(subnet.mode).to_owned(),
        server: subnet.server.to_string(),
        tftp: tftp_of(config, subnet).to_string(),
        http: format!("{}/", subnet.services.web(Scheme::Http)),
        https: subnet
            .services
            .https_port
            .map(|_| format!("{}/", subnet.services.web(Scheme::Https))),
        pools: used.pools.iter().map(pool_status).collect(),
        leased_outside_pools: used.outside,
    }
}

/// Where the subnet's PXE firmware finds its boot file, if nothing else is said of a machine.
fn tftp_of(config: &Config, subnet: &Subnet) -> Ipv4Addr {
    let everywhere = config.policy.everywhere.tftp_server;
    subnet.settings.tftp_server.or(everywhere).unwrap_or(subnet.services.tftp)
}

fn pool_status(pool: &PoolUse) -> PoolStatus {
    PoolStatus {
        range: pool.range.to_string(),
        addresses: pool.range.count(),
        used: pool.leased,
        held: pool.offered,
        declined: pool.declined,
        free: pool.free(),
    }
}

/// An address that a client has, had, or is offered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lease {
    pub ip: Ipv4Addr,
    pub subnet: String,
    pub state: String,
    /// Of the client; hardware that is no Ethernet is written as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Where the client is known by this (option 61, in hexadecimal).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// The last ACK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<String>,
    /// Until when it is so, or since when it is free; never, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How long it is so, if that has an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

impl Lease {
    /// What is told of an address.
    pub fn of(known: &KnownAddress, now: Timestamp) -> Self {
        let endless = known.until == Timestamp::FOREVER;
        let is_free = matches!(known.state, AddressState::Released | AddressState::Expired);
        let left = (!endless && !is_free).then(|| known.until.since(now).as_secs());
        let client_id = match &known.client {
            ClientKey::Identifier(id) => Some(Hex(id).to_string()),
            ClientKey::Hardware(_) => None,
        };
        Self {
            ip: known.address,
            subnet: known.subnet.to_string(),
            state: known.state.to_string(),
            mac: known.hardware.map(|hardware| hardware.to_string()),
            client_id,
            host_name: known.host_name.clone(),
            granted: known.granted.map(|at| Rfc3339(at).to_string()),
            until: (!endless).then(|| Rfc3339(known.until).to_string()),
            seconds_left: left,
        }
    }
}

/// A lease that was freed, and whose it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct Released {
    pub ip: Ipv4Addr,
    pub mac: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
}

/// How many lines came before.
#[derive(Debug, Serialize, Deserialize)]
pub struct Count {
    pub count: u64,
}

/// What a reload did.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reloaded {
    pub difference: String,
}

/// The process that stops.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stopping {
    pub pid: u32,
}
