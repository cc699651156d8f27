//! Machines that ask too much or too often have to wait, and known machines do not wait for them.

use pxed_proto::dhcp::{Ignored, LeaseState, Rates, Subnet};
use pxed_proto::event::{Event, Outcome};
use pxed_proto::limits::{DECLINES_PER_SOURCE_MAX, MACHINE_RATE, NEWCOMER_RATE, OFFERS_MAX};
use pxed_proto::net::{Ipv4Net, Mac};

use crate::client::{Sent, client};
use crate::lan::*;

fn rated(change: impl Fn(&mut Rates)) -> Lan {
    Lan::configured(|config| config.subnets.iter_mut().for_each(|subnet| change(&mut subnet.rates)))
}

/// 192.0.8.0 to 192.0.47.255 are leased.
fn large(subnet: &mut Subnet) {
    subnet.net = Ipv4Net::new(local(0), 16).unwrap();
    subnet.pools = pool([192, 0, 8, 0].into(), [192, 0, 47, 255].into());
}

fn behind_port(number: u32, port: &[u8]) -> Sent {
    let information = [&[1, port.len() as u8][..], port].concat();
    client(number).discover().by_relay(RELAY).option(82, &information)
}

impl Lan {
    /// Why it is not answered, if it is not.
    fn shed(&mut self, sent: &Sent) -> Option<Ignored> {
        match self.hears(sent).event.outcome {
            Outcome::Ignored(reason) => Some(reason),
            _ => None,
        }
    }
}

#[test]
fn a_machine_may_send_so_much_at_once_and_so_much_a_second() {
    let mut lan = Lan::new();
    let burst = MACHINE_RATE * 5;
    for xid in 0..burst {
        lan.hears(&Sent { xid, ..client(1).discover() }).offer();
    }
    assert_eq!(lan.shed(&client(1).discover()), Some(Ignored::MachineRate));
    assert_eq!(lan.shed(&client(1).inform(local(7))), Some(Ignored::MachineRate));
    assert_eq!(lan.shed(&client(2).discover()), None, "another one may");
    let one_more = 1000 / u64::from(MACHINE_RATE);
    assert_eq!(lan.at_millis(one_more).shed(&client(1).discover()), None);
    assert_eq!(lan.shed(&client(1).discover()), Some(Ignored::MachineRate));
    lan.at(10);
    for xid in 0..burst {
        lan.hears(&Sent { xid, ..client(1).discover() }).offer();
    }
}

#[test]
fn newcomers_wait_and_known_machines_do_not() {
    let mut lan = rated(|rates| rates.newcomers = 10);
    let known = lan.leases(1);
    for number in 100..150 {
        assert_eq!(lan.shed(&client(number).discover()), None, "{number}");
    }
    assert_eq!(lan.shed(&client(150).discover()), Some(Ignored::NewcomerRate));
    let unasked = client(151).selecting(local(200));
    assert_eq!(lan.shed(&unasked), Some(Ignored::NewcomerRate), "a REQUEST without an offer");
    // Who has a lease, had one, or was offered one is served; another server's client is let alone.
    lan.hears(&client(1).renewing(known)).ack();
    lan.hears(&client(1).discover()).offer();
    lan.hears(&client(100).discover()).offer();
    let elsewhere = client(152).request().address(54, OTHER_SERVER).address(50, local(201));
    assert_eq!(lan.shed(&elsewhere), Some(Ignored::OtherServer));
    assert_eq!(lan.at_millis(100).shed(&client(153).discover()), None, "one more");
    assert_eq!(lan.shed(&client(154).discover()), Some(Ignored::NewcomerRate));
    // A newcomer behind a relay agent is of another subnet.
    assert_eq!(lan.shed(&client(155).discover().by_relay(RELAY)), None);
}

#[test]
fn an_offer_that_is_taken_costs_nothing() {
    let mut lan = rated(|rates| (rates.newcomers, rates.port) = (1, 1));
    for number in 0..100 {
        lan.leases(number);
    }
    for number in 200..300 {
        let discover = behind_port(number, b"7");
        let offered = lan.hears(&discover).offer().yiaddr();
        let request = client(number).selecting(offered).by_relay(RELAY).option(82, &[1, 1, b'7']);
        lan.hears(&request).ack();
    }
}

#[test]
fn a_reservation_makes_a_machine_known() {
    use pxed_proto::dhcp::{HostKey, Reservation, Reservations};
    let reservation = Reservation {
        name: "bench".to_owned(),
        keys: vec![HostKey::Mac(client(1).mac())],
        address: Some(local(50)),
        ..Reservation::default()
    };
    let mut lan = Lan::configured(|config| {
        config.policy.reservations = Reservations::new(vec![reservation]);
        config.subnets[0].rates.newcomers = 1;
    });
    while lan.shed(&client(lan.server.offers() as u32 + 100).discover()).is_none() {}
    assert_eq!(lan.offers(1), local(50));
}

#[test]
fn a_flood_behind_one_port_is_that_port_s_alone() {
    let mut lan = rated(|rates| rates.port = 2);
    for number in 0..10 {
        assert_eq!(lan.shed(&behind_port(number, b"7")), None);
    }
    assert_eq!(lan.shed(&behind_port(10, b"7")), Some(Ignored::PortRate));
    assert_eq!(lan.shed(&behind_port(11, b"8")), None);
    assert_eq!(lan.shed(&client(12).discover().by_relay(RELAY)), None, "of no port");
    assert_eq!(lan.at_millis(500).shed(&behind_port(13, b"7")), None);
}

#[test]
fn informs_have_a_rate_of_their_own() {
    let mut lan = rated(|rates| rates.informs = 1);
    for number in 0..5 {
        assert_eq!(lan.shed(&client(number).inform(local(7))), None);
    }
    assert_eq!(lan.shed(&client(5).inform(local(7))), Some(Ignored::InformRate));
    assert_eq!(lan.shed(&client(6).discover()), None);
    lan.hears(&client(6).selecting(local(100))).ack();
    lan.hears(&client(6).inform(local(100))).ack();
}

#[test]
fn zero_is_without_a_limit() {
    let mut lan = rated(|rates| {
        (rates.machine, rates.newcomers, rates.port, rates.informs) = (0, 0, 0, 0);
    });
    for xid in 0..2000 {
        lan.hears(&Sent { xid, ..client(1).discover() }).offer();
        assert_eq!(lan.shed(&client(xid).inform(local(7))), None);
    }
    assert_eq!(lan.server.counted_sources(), 0);
}

/// Five hundred machines that start at once, each with an impatient ROM.
#[test]
fn a_rack_that_starts_at_once_is_served() {
    for relayed in [false, true] {
        let mut lan = Lan::configured(|config| {
            large(&mut config.subnets[0]);
            config.subnets[1].net = Ipv4Net::new(remote(0), 16).unwrap();
            config.subnets[1].pools = pool([198, 51, 104, 0].into(), [198, 51, 111, 255].into());
        });
        let there =
            |sent: Sent| if relayed { sent.by_relay(RELAY).option(82, &[1, 1, 7]) } else { sent };
        for copy in 0..4 {
            for number in 0..500 {
                assert_eq!(lan.shed(&there(client(number).discover())), None, "{copy} {number}");
            }
        }
        for number in 0..500 {
            let offered = lan.hears(&there(client(number).discover())).offer().yiaddr();
            lan.hears(&there(client(number).selecting(offered))).ack();
        }
    }
}

#[test]
fn the_oldest_offer_gives_way_to_the_newest() {
    let mut lan = rated(|rates| rates.offers = 10);
    let first = lan.offers(0);
    for number in 1..10 {
        lan.at_millis(u64::from(number)).offers(number);
    }
    assert_eq!(lan.server.offers(), 10);
    assert_ne!(lan.at_millis(20).offers(10), first);
    assert_eq!(lan.server.offers(), 10);
    assert_eq!(lan.at_millis(21).offers(11), first, "it is free again");
}

#[test]
fn item_63_many_clients_can_not_decline_the_whole_pool() {
    let mut lan = Lan::with(large);
    let mut declined = 0;
    for number in 0..200 {
        let address = lan.leases(number);
        match lan.hears(&client(number).decline(address)) {
            answer if answer.stored.is_some() => declined += 1,
            answer => assert_eq!(answer.silence(), Ignored::SourceDeclines),
        }
    }
    assert_eq!(declined, DECLINES_PER_SOURCE_MAX);
    let mut lan = Lan::with_pool(local(100), local(109));
    let mut states = Vec::new();
    for number in 0..6 {
        let address = lan.leases(number);
        states.push(lan.shed(&client(number).decline(address)));
    }
    assert_eq!(states, [None, None, None, None, None, Some(Ignored::PoolDeclines)]);
}

#[test]
fn declines_behind_one_port_leave_the_others_theirs() {
    let mut lan = Lan::new();
    lan.reload(|config| {
        config.subnets[1].net = Ipv4Net::new(remote(0), 16).unwrap();
        config.subnets[1].pools = pool([198, 51, 104, 0].into(), [198, 51, 111, 255].into());
    });
    let mut declines = |number, port: u8| {
        let there = |sent: Sent| sent.by_relay(RELAY).option(82, &[1, 1, port]);
        let offered = lan.hears(&there(client(number).discover())).offer().yiaddr();
        lan.hears(&there(client(number).selecting(offered))).ack();
        lan.shed(&there(client(number).decline(offered)))
    };
    for number in 0..DECLINES_PER_SOURCE_MAX as u32 {
        assert_eq!(declines(number, 7), None);
    }
    assert_eq!(declines(900, 7), Some(Ignored::SourceDeclines));
    assert_eq!(declines(901, 8), None);
}

/// The random MAC addresses of a flood.
fn random_mac(sent: Sent, number: u64) -> Sent {
    let [.., a, b, c, d, e] = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&Mac([2, a, b, c, d, e]).0);
    Sent { chaddr, ..sent }
}

/// Section 12, starvation: ten thousand random machines a second for half a minute.
#[test]
fn starvation_by_random_machines_leaves_known_ones_served_and_nothing_behind() {
    let mut lan = Lan::with(|subnet| {
        large(subnet);
        subnet.conflict_probe = Some(pxed_proto::limits::CONFLICT_PROBE);
    });
    let known = lan.renewing_machine();
    let (mut offers, mut sources, mut answered) = (0, 0, 0);
    for millisecond in 0..30_000_u64 {
        lan.at_millis(1000 + millisecond);
        lan.wakes();
        for number in 0..10 {
            let sent = random_mac(client(0).discover(), millisecond * 10 + number);
            let output = lan.takes(&sent);
            if let Some(probe) = output.probe {
                lan.probed(&probe, None);
            }
            let shed = matches!(&output.event, Some(Event::Dhcp(event))
                if event.outcome == Outcome::Ignored(Ignored::NewcomerRate));
            answered += u64::from(!shed);
        }
        offers = offers.max(lan.server.offers());
        sources = sources.max(lan.server.counted_sources());
        if millisecond % 250 == 0 {
            lan.hears(&client(1).renewing(known)).ack();
        }
    }
    assert_eq!(offers, OFFERS_MAX);
    assert!(sources < 1000, "{sources}");
    assert!(answered <= 35 * u64::from(NEWCOMER_RATE), "{answered}");
    // All is over when the hold time is: no row, no offer, nothing to remember.
    lan.at(70).wakes();
    lan.hears(&client(1).renewing(known)).ack();
    assert_eq!(lan.server.offers(), 0);
    let known_addresses: Vec<_> = lan.server.known_addresses(None, second(70)).collect();
    assert_eq!(known_addresses.len(), 1, "the flood has left nothing");
    assert!(lan.server.counted_sources() < 100, "{}", lan.server.counted_sources());
}

impl Lan {
    /// Machine 1, which has its lease.
    fn renewing_machine(&mut self) -> std::net::Ipv4Addr {
        let output = self.takes(&client(1).discover());
        let Some(Event::Dhcp(_)) = self.probed(&output.probe.unwrap(), None).output.event else {
            panic!("no offer")
        };
        let address = [192, 0, 8, 0].into();
        assert_eq!(self.hears(&client(1).selecting(address)).change_state(), LeaseState::Leased);
        address
    }
}

impl Answer {
    fn change_state(self) -> LeaseState {
        self.stored.unwrap().state
    }
}
