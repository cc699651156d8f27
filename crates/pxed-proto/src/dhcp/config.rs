//! What the DHCP server is configured to do; checked by the program before it comes here.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use crate::boot::Services;
use crate::catalog::Catalog;
use crate::net::{AddressRange, Ipv4Net};

/// The networks that are served, and what machines boot there.
#[derive(Clone, Debug)]
pub struct Config {
    /// The interfaces that are listened on; a [`LinkId`] is an index into them.
    pub links: Vec<Link>,
    /// The subnets; a [`SubnetId`] is an index into them.
    pub subnets: Vec<Subnet>,
    /// What there is to boot.
    pub catalog: Arc<Catalog>,
}

/// Names an interface: an index into [`Config::links`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub usize);

/// Names a subnet: an index into [`Config::subnets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubnetId(pub usize);

/// An interface that is listened on.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name, `eth0`.
    pub name: Arc<str>,
    /// All of the server's own addresses on it: a client may name any of them.
    pub addresses: Vec<Ipv4Addr>,
    /// The most octets of an IP datagram on it.
    pub mtu: usize,
}

/// A network with the addresses that are leased there.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// The network.
    pub net: Ipv4Net,
    /// The link that it is directly attached to.
    pub link: LinkId,
    /// What is leased. No range holds the network's, the broadcast or a server's own address.
    pub pools: Vec<AddressRange>,
    /// The server identifier (option 54): an address of the link.
    pub server: Ipv4Addr,
    /// Where this subnet's machines reach TFTP and HTTP.
    pub services: Services,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<String>,
    /// How long leases last.
    pub lease_time: LeaseTime,
}

/// How long leases last. Whole seconds; [`LeaseTime::INFINITE`] is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTime {
    /// The least that a client can ask for (option 51).
    pub min: Duration,
    /// What a client gets that does not ask.
    pub default: Duration,
    /// The most that a client can ask for.
    pub max: Duration,
}

impl LeaseTime {
    /// 0xffffffff seconds (RFC 2131 section 3.3).
    pub const INFINITE: Duration = Duration::from_secs(u32::MAX as u64);

    /// `default` is also the most; a client may ask for as little as a minute.
    pub fn of(default: Duration) -> Self {
        Self { min: default.min(Duration::from_secs(60)), default, max: default }
    }

    /// What a client gets that asked for `wish` seconds, if it asked.
    pub fn granted(&self, wish: Option<u32>) -> Duration {
        match wish {
            None => self.default,
            Some(seconds) => {
                Duration::from_secs(u64::from(seconds)).clamp(self.min, self.max.max(self.min))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_26_wishes_are_clamped() {
        let seconds = Duration::from_secs;
        let time = LeaseTime { min: seconds(60), default: seconds(600), max: seconds(3600) };
        for (wish, granted) in
            [(None, 600), (Some(1), 60), (Some(0), 60), (Some(u32::MAX), 3600), (Some(86400), 3600)]
        {
            assert_eq!(time.granted(wish), seconds(granted), "{wish:?}");
        }
        assert_eq!(LeaseTime::of(LeaseTime::INFINITE).granted(Some(u32::MAX)), LeaseTime::INFINITE);
    }
}
