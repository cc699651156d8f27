//! What a machine is to boot that asks for a file whose name says nothing of it.
//!
//! DHCP decides by all that a machine says: its architecture, its options, its relay agent. A URL has
//! the decision in it; a name that a loader was built with has not. So the last messages of
//! machines that boot are kept, and the decision made anew by a machine's own.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;

use pxed_proto::Timestamp;
use pxed_proto::boot::{Scheme, Web};
use pxed_proto::dhcp::{Arrival, Config, Found, LinkId, Plan, Server};
use pxed_proto::event::{Outcome, Request};
use pxed_proto::limits::BOOTING_MAX;
use pxed_proto::machine::{Firmware, Uuid, identify};
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::code;

use crate::explain::{ExplainArgs, Kind, arrival};

/// Who asks for such a file.
#[derive(Clone, Copy, Debug)]
pub struct Asks {
    /// The machine, if that is known.
    pub machine: Option<Mac>,
    /// The address of pxed's that it asks at.
    pub local: Ipv4Addr,
}

/// What it is to boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boots {
    /// What it says its UUID is.
    pub uuid: Option<Uuid>,
    /// The profile that was decided on; nothing is everybody's.
    pub profile: Option<Arc<str>>,
    /// The web server that it is told of; none where the address that was asked is of no subnet.
    pub web: Option<Web>,
}

/// The last [`BOOTING_MAX`] messages of machines that boot, the oldest first. In a list, since each of them is
/// kept and few machines ever ask.
#[derive(Debug, Default)]
pub(super) struct Booting(VecDeque<Said>);

#[derive(Debug)]
struct Said {
    mac: Mac,
    link: LinkId,
    arrival: Arrival,
    datagram: Vec<u8>,
}

impl Booting {
    /// Keeps a message that is answered. An offer of an address is followed by a REQUEST, which says the same.
    pub(super) fn hear(&mut self, plan: &Plan, from: (LinkId, Arrival), octets: &[u8]) {
        let is_offer = matches!(plan.event.outcome, Outcome::Offered { .. });
        if let (Some(request), Some(_), false) = (&plan.event.request, &plan.reply, is_offer) {
            self.keep(request, from, octets);
        }
    }

    /// Keeps it, if a machine sent it that boots: what the same machine says later, when it is an operating
    /// system, decides nothing.
    fn keep(&mut self, request: &Request, (link, arrival): (LinkId, Arrival), octets: &[u8]) {
        let boots = !matches!(request.firmware, Firmware::NotBooting | Firmware::Bootp);
        let Some(mac) = request.machine.mac().filter(|_| boots) else { return };
        let oldest = if self.0.len() < BOOTING_MAX { None } else { self.0.pop_front() };
        let mut datagram = oldest.map_or_else(Vec::new, |said| said.datagram);
        datagram.clear();
        datagram.extend_from_slice(octets);
        self.0.push_back(Said { mac, link, arrival, datagram });
    }

    fn said(&self, mac: Mac) -> Option<&Said> {
        self.0.iter().rev().find(|said| said.mac == mac)
    }

    /// What the rules that are in force say of who asks. Of a machine that has not been heard, since
    /// pxed began or for long, only its MAC is known.
    pub(super) fn decide(&self, server: &Server, asks: Asks, now: Timestamp) -> Boots {
        let kept = asks.machine.and_then(|mac| self.said(mac));
        let made = asks.machine.filter(|_| kept.is_none());
        let made = made.map(|mac| Said::by_nothing_but(mac, asks.local, server.config()));
        let of = |Said { link, arrival, datagram, .. }: &Said| {
            let found = server.explain(now, *link, arrival, datagram).found?;
            Some(boots(&found, datagram))
        };
        kept.or(made.as_ref()).and_then(of).unwrap_or_else(|| {
            let mut subnets = server.config().subnets.iter();
            let own = subnets.find(|it| it.services.tftp == asks.local || it.server == asks.local);
            let web = own.map(|subnet| subnet.services.web(Scheme::Http));
            Boots { web, ..Boots::default() }
        })
    }
}

impl Said {
    /// A DISCOVER of iPXE, with neither an architecture nor anything else that a class could ask for.
    fn by_nothing_but(mac: Mac, local: Ipv4Addr, config: &Config) -> Self {
        let mut links = config.links.iter();
        let link = LinkId(links.position(|it| it.addresses.contains(&local)).unwrap_or_default());
        let nothing = [(code::VENDOR_CLASS, b"PXEClient".to_vec())];
        let options = nothing.into_iter().chain([(code::CLIENT_ARCHITECTURE, Vec::new())]);
        let args = ExplainArgs { options: options.collect(), ..ExplainArgs::of(mac, Kind::Ipxe) };
        let datagram = args.discover();
        let arrival = arrival(Message::parse(&datagram).ok().as_ref(), link, config);
        Self { mac, link, arrival, datagram }
    }
}

fn boots(found: &Found<'_>, datagram: &[u8]) -> Boots {
    let wishes = found.entitled.wishes(found.firmware);
    let machine = Message::parse(datagram).ok().and_then(|message| identify(&message));
    Boots {
        uuid: machine.and_then(|(machine, _)| machine.uuid),
        profile: wishes.profile.cloned(),
        web: Some(found.subnet.services.web(wishes.scheme)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;
    use std::time::Duration;

    use pxed_proto::boot::Services;
    use pxed_proto::dhcp::{
        HostKey, LeaseTime, Link, Policy, Reservation, Reservations, Secret, Settings, Subnet,
    };
    use pxed_proto::net::Ipv4Net;

    use super::*;

    const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
    const NOW: Timestamp = Timestamp::from_millis(1_750_000_000_000);
    const UUID: Uuid = Uuid([7; 16]);

    fn mac(number: usize) -> Mac {
        let [.., a, b, c, d] = number.to_be_bytes();
        Mac([2, 0, a, b, c, d])
    }

    /// One machine is known by its UUID, another by its MAC.
    fn server() -> Server {
        let services =
            Services { tftp: LOCAL, http: SocketAddrV4::new(LOCAL, 8067), https_port: Some(8443) };
        let day = Duration::from_secs(86400);
        let time = LeaseTime { min: day, default: day, max: day };
        let net = Ipv4Net::new(LOCAL, 24).unwrap();
        let known = |key: HostKey, profile: &str| Reservation {
            keys: vec![key],
            settings: Settings { profile: Some(profile.into()), ..Settings::default() },
            ..Reservation::default()
        };
        let list =
            vec![known(HostKey::Uuid(UUID), "by-uuid"), known(HostKey::Mac(mac(2)), "by-mac")];
        let policy = Policy { reservations: Reservations::new(list), ..Policy::default() };
        Server::new(
            Arc::new(Config {
                links: vec![Link { name: "eth1".into(), addresses: vec![LOCAL], mtu: 1500 }],
                subnets: vec![Subnet::new(net, Some(LinkId(0)), services, time)],
                policy,
                catalog: Arc::default(),
                host_name: None,
            }),
            Secret::default(),
        )
    }

    /// The machine sends a DISCOVER with the UUID.
    fn says(booting: &mut Booting, mac: Mac, firmware: Kind) {
        let server = server();
        let mut args = ExplainArgs::of(mac, firmware);
        args.uuid = Some(UUID);
        let datagram = args.discover();
        let message = Message::parse(&datagram).unwrap();
        let arrival = arrival(Some(&message), LinkId(0), server.config());
        let request = server.plan(NOW, LinkId(0), &arrival, &datagram).event.request.unwrap();
        booting.keep(&request, (LinkId(0), arrival), &datagram);
    }

    fn profile(booting: &Booting, machine: Option<Mac>) -> Option<String> {
        let boots = booting.decide(&server(), Asks { machine, local: LOCAL }, NOW);
        assert_eq!(boots.web.unwrap().to_string(), "http://192.168.77.1:8067");
        boots.profile.map(|name| name.to_string())
    }

    #[test]
    fn it_is_decided_by_what_the_machine_said_when_it_booted() {
        let mut booting = Booting::default();
        let by = |booting: &Booting, number| profile(booting, Some(mac(number)));
        assert_eq!([1, 2].map(|number| by(&booting, number)), [None, Some("by-mac".to_owned())]);
        says(&mut booting, mac(1), Kind::Os);
        assert_eq!(by(&booting, 1), None, "it does not boot");
        says(&mut booting, mac(1), Kind::Uefi);
        says(&mut booting, mac(1), Kind::Os);
        assert_eq!(by(&booting, 1).as_deref(), Some("by-uuid"));
        assert_eq!(profile(&booting, None), None, "nobody knows who asks");
        let asks = Asks { machine: Some(mac(1)), local: LOCAL };
        assert_eq!(booting.decide(&server(), asks, NOW).uuid, Some(UUID));
        let nowhere = Asks { machine: None, local: Ipv4Addr::LOCALHOST };
        assert_eq!(booting.decide(&server(), nowhere, NOW), Boots::default());
    }

    #[test]
    fn of_a_machine_that_was_not_heard_nothing_is_made_up() {
        let server = server();
        let Said { datagram, .. } = Said::by_nothing_but(mac(3), LOCAL, server.config());
        let (machine, firmware) = identify(&Message::parse(&datagram).unwrap()).unwrap();
        assert_eq!((machine.mac(), firmware), (Some(mac(3)), Firmware::Ipxe(None)));
    }

    #[test]
    fn the_last_messages_are_kept_and_no_more() {
        let mut booting = Booting::default();
        for number in 1..=BOOTING_MAX + 2 {
            says(&mut booting, mac(number), Kind::Bios);
        }
        let known = |number| booting.said(mac(number)).is_some();
        assert_eq!([2, 3, BOOTING_MAX + 2].map(known), [false, true, true]);
        assert_eq!(booting.0.len(), BOOTING_MAX);
    }
}
