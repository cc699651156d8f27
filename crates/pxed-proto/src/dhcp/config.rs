//! What the DHCP server is configured to do; checked by the program before it comes here.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::policy::Policy;
use super::rate::Rates;
use super::settings::Settings;
use crate::boot::Services;
use crate::catalog::Catalog;
use crate::limits;
use crate::net::{AddressRange, Ipv4Net};

/// The networks that are served, and what machines boot there.
#[derive(Clone, Debug)]
pub struct Config {
    /// The interfaces that are listened on; a [`LinkId`] is an index into them.
    pub links: Vec<Link>,
    /// The subnets; a [`SubnetId`] is an index into them.
    pub subnets: Vec<Subnet>,
    /// Who is given what, beyond a subnet's own settings.
    pub policy: Policy,
    /// What there is to boot.
    pub catalog: Arc<Catalog>,
    /// The name by which a BOOTP client may ask for this server (`sname`).
    pub host_name: Option<String>,
}

/// Names an interface: an index into [`Config::links`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub usize);

impl LinkId {
    /// The link of the same name in another configuration.
    pub(super) fn moved(self, before: &[Link], after: &[Link]) -> Option<Self> {
        let name = &before.get(self.0)?.name;
        after.iter().position(|link| link.name == *name).map(Self)
    }
}

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
    /// The link that it is directly attached to; `None` is reached only through relay agents.
    pub link: Option<LinkId>,
    /// Subnets of one shared network lie on one wire: a client may get an address of any of them.
    pub shared_network: Option<String>,
    /// The relay agents whose clients may be here, also those whose own address is elsewhere. None
    /// at all: any relay agent that the server knows.
    pub relays: Vec<Ipv4Addr>,
    /// Believes option 82 of messages without a relay agent that come by this subnet's link: a
    /// switch there adds it, and lets no client say it.
    pub trusts_option_82: bool,
    /// The class whose members, on this subnet's wire, may have addresses of another subnet by option
    /// 118 (RFC 3011).
    pub subnet_selection: Option<String>,
    /// Other DHCP servers that are meant to be there: nobody is warned of them.
    pub known_servers: Vec<Ipv4Addr>,
    /// How many addresses may be in use behind one place of a relay agent.
    pub relay_caps: RelayCaps,
    /// What is done there.
    pub mode: Mode,
    /// What is leased. No range holds the network's, the broadcast or a server's own address.
    pub pools: Vec<Pool>,
    /// The server identifier (option 54): an address of the server that clients can reach.
    pub server: Ipv4Addr,
    /// Where this subnet's machines reach TFTP and HTTP.
    pub services: Services,
    /// How long leases last.
    pub lease_time: LeaseTime,
    /// How clients are told from each other.
    pub identity: Identity,
    /// Refuses what other servers may have promised: a client that remembers an address of another
    /// network is told at once to ask anew (RFC 2131 section 4.3.2).
    pub authoritative: bool,
    /// Grants a free address to a client that remembers it, though there is no record of it: for
    /// the time after the leases were lost.
    pub adopt: bool,
    /// How long an offer keeps its address.
    pub offer_hold: Duration,
    /// How long an address stays out of use that was declined, or found in use by a probe.
    pub decline_probation: Duration,
    /// How much of the service one source may have.
    pub rates: Rates,
    /// How long an ARP probe of an address waits before the address is offered to a client of the
    /// link; `None` if nobody is asked.
    pub conflict_probe: Option<Duration>,
    /// Answers only clients that have asked for this many seconds (`secs`): for a server that
    /// stands by for another.
    pub min_secs: u16,
    /// Waits this long before an OFFER leaves, so that another server's comes first.
    pub offer_delay: Duration,
    /// Leases to a client that asks for it without an offer before (RFC 4039). Not for a server
    /// that stands by: the other one may lease it an address too.
    pub rapid_commit: bool,
    /// A client that renews a lease of which less than this part is over, in percent, is told how
    /// long it still runs, and nothing is written. 0: every renewal is written.
    pub lease_cache: u8,
    /// Which BOOTP clients get an address.
    pub bootp: Bootp,
    /// What clients are given.
    pub settings: Settings,
    /// What they are given here whatever else is said of them.
    pub imposed: Settings,
}

/// Which BOOTP clients get an address: theirs for ever, since BOOTP knows no leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bootp {
    /// None.
    Off,
    /// Those that have a reservation with an address.
    #[default]
    Reserved,
    /// All of them.
    Dynamic,
}

/// How many addresses of one wire may be in use, leased or offered, behind one place: the defence
/// against a client that asks under many names (RFC 3046 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCaps {
    /// Behind one remote ID, which is nobody else's whatever the relay agent.
    pub remote_id: Option<usize>,
    /// Behind one circuit: a circuit ID with its remote ID, of one relay agent.
    pub circuit_id: Option<usize>,
}

/// What is done on a subnet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Addresses and boot information.
    #[default]
    Full,
    /// Boot information for clients that boot; addresses are another server's (ProxyDHCP, PXE 2.1
    /// section 2.2.3).
    Proxy,
    /// Nothing: it is known, and kept silent on.
    Off,
}

/// How clients are told from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// By hardware address: ROM, installer and operating system are one machine.
    #[default]
    Mac,
    /// By client identifier (option 61), where there is one (RFC 2131 section 4.2, RFC 4361).
    ClientId,
}

/// Addresses that are leased to whom the class lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The addresses.
    pub range: AddressRange,
    /// Only members of this class get them.
    pub class: Option<String>,
}

impl From<AddressRange> for Pool {
    fn from(range: AddressRange) -> Self {
        Self { range, class: None }
    }
}

impl Subnet {
    /// A subnet as it is without a word of configuration: `server` answers, addresses are leased
    /// for `lease_time`.
    pub fn new(net: Ipv4Net, link: Option<LinkId>, services: Services, time: LeaseTime) -> Self {
        Self {
            net,
            link,
            shared_network: None,
            relays: Vec::new(),
            trusts_option_82: false,
            subnet_selection: None,
            known_servers: Vec::new(),
            relay_caps: RelayCaps::default(),
            mode: Mode::Full,
            pools: Vec::new(),
            server: *services.http.ip(),
            services,
            lease_time: time,
            identity: Identity::Mac,
            authoritative: true,
            adopt: false,
            offer_hold: limits::OFFER_HOLD,
            decline_probation: limits::DECLINE_PROBATION,
            rates: Rates::default(),
            conflict_probe: Some(limits::CONFLICT_PROBE),
            min_secs: 0,
            offer_delay: Duration::ZERO,
            rapid_commit: false,
            lease_cache: 0,
            bootp: Bootp::Reserved,
            settings: Settings::default(),
            imposed: Settings::default(),
        }
    }
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
