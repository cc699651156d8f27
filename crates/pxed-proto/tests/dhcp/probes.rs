//! Items 32 and 33: an address is probed before it is offered on the server's own link, nobody else
//! waits for that, and nothing is probed twice.

use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::dhcp::{
    Bootp, HostKey, Ignored, Lease, LeaseState, Link, NakReason, Probe, ProbeId, Reservation,
    Reservations, Server, Settings, Subnet,
};
use pxed_proto::event::{Conflict, Event, Outcome};
use pxed_proto::limits::{
    CONFLICTS_PER_HOST_MAX, DECLINE_PROBATION, PROBE_VALID, PROBES_MAX, PROBES_PER_DISCOVER_MAX,
    PROBES_REMEMBERED_MAX,
};
use pxed_proto::net::{Ipv4Net, Mac};

use crate::client::{Sent, client};
use crate::lan::*;

const WAIT: Duration = Duration::from_millis(30);
const STRANGER: Mac = Mac([2, 0xbd, 0, 0, 0, 1]);

fn lan() -> Lan {
    Lan::with(|subnet| subnet.conflict_probe = Some(WAIT))
}

impl Lan {
    /// The probe that a DISCOVER makes; nothing is told yet.
    fn asks(&mut self, sent: &Sent) -> Probe {
        let output = self.takes(sent);
        assert_eq!((&output.event, &output.transmit), (&None, &None));
        let probe = output.probe.unwrap();
        assert_eq!(probe.wait, WAIT);
        probe
    }

    /// Nobody answers: the offer.
    fn is_free(&mut self, probe: &Probe) -> Reply {
        let Probed { found, output } = self.probed(probe, None);
        assert_eq!(found, []);
        Answer::of(output, vec![]).offer()
    }

    /// A stranger answers: the next probe.
    fn is_taken(&mut self, probe: &Probe, holder: Mac) -> Probe {
        let Probed { found, output } = self.probed(probe, Some(holder));
        assert_eq!(found, [conflict(probe.address, holder)]);
        assert_eq!((&output.event, &output.transmit), (&None, &None));
        output.probe.unwrap()
    }
}

fn conflict(address: Ipv4Addr, holder: Mac) -> Event {
    Event::Conflict(Conflict { link: "lan".into(), address, holder, probation: DECLINE_PROBATION })
}

#[test]
fn item_32_an_address_that_a_stranger_has_is_not_offered() {
    let mut lan = lan();
    let first = lan.asks(&client(1).discover());
    assert_eq!(first.address, local(100));
    let second = lan.is_taken(&first, STRANGER);
    assert_eq!(second.address, local(101), "another address at once");
    let offer = lan.is_free(&second);
    assert_eq!((offer.yiaddr(), offer.destination), (local(101), unicast(1, local(101))));
    lan.hears(&client(1).selecting(local(101))).ack();
    // Nobody else gets it while it is out of use.
    let other = lan.at(599).asks(&client(2).discover().address(50, local(100)));
    assert_eq!(other.address, local(102));
    let (_, reason) = lan.hears(&client(3).selecting(local(100))).nak();
    assert_eq!(reason, NakReason::Declined);
    let over = lan.at(601).wakes();
    assert!(
        !over
            .iter()
            .any(|event| matches!(event, Event::Expired { address, .. } if *address == local(100)))
    );
    assert_eq!(lan.asks(&client(4).discover().address(50, local(100))).address, local(100));
}

#[test]
fn item_32_nobody_waits_for_another_s_probe() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    lan.is_free(&probe);
    lan.hears(&client(1).selecting(probe.address)).ack();
    let waits = lan.asks(&client(2).discover());
    lan.hears(&client(1).renewing(probe.address)).ack();
    lan.hears(&client(1).discover()).offer();
    // A newcomer has a probe of its own, which is over when it is over.
    let other = lan.asks(&client(3).discover());
    assert_ne!(other.address, waits.address);
    assert_eq!(lan.is_free(&other).yiaddr(), other.address);
    assert_eq!(lan.is_free(&waits).yiaddr(), waits.address);
}

#[test]
fn item_33_nothing_is_probed_at_request_time() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    let offered = lan.is_free(&probe).yiaddr();
    lan.hears(&client(1).selecting(offered)).ack();
    // Not even what was never offered.
    lan.at(300).hears(&client(2).selecting(local(130))).ack();
    lan.hears(&client(1).init_reboot(offered)).ack();
    lan.hears(&client(1).renewing(offered)).ack();
}

#[test]
fn a_client_that_asks_again_is_answered_once_by_its_latest_transaction() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    for xid in [7, 8] {
        let again = Sent { xid, ..client(1).discover() };
        let output = lan.takes(&again);
        assert_eq!((&output.probe, &output.transmit), (&None, &None), "no second probe");
        let Some(Event::Dhcp(event)) = output.event else { panic!("no event") };
        assert_eq!(event.outcome, Outcome::Ignored(Ignored::Superseded));
        assert_ne!(event.request.unwrap().xid, xid, "the one before is told");
    }
    assert_eq!(lan.server.probes_waiting(), 1);
    let offer = lan.is_free(&probe);
    assert_eq!(offer.bytes[4..8], [0, 0, 0, 8]);
    assert_eq!(lan.server.probes_waiting(), 0);
    // It is over: what the driver says of it once more changes nothing.
    let Probed { found, output } = lan.probed(&probe, None);
    assert!(found.is_empty() && output == pxed_proto::dhcp::Output::default());
}

#[test]
fn an_answer_by_the_client_itself_is_no_conflict() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    let Probed { found, output } = lan.probed(&probe, Some(client(1).mac()));
    assert_eq!(found, []);
    assert_eq!(Answer::of(output, vec![]).offer().yiaddr(), probe.address);
}

#[test]
fn what_a_client_has_or_had_just_now_is_not_probed() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    lan.is_free(&probe);
    let own = probe.address;
    lan.hears(&client(1).discover()).offer();
    lan.hears(&client(1).selecting(own)).ack();
    lan.at(500).hears(&client(1).discover()).offer();
    lan.hears(&client(1).release(own)).change();
    lan.at(559).hears(&client(1).discover()).offer();
    assert_eq!(lan.at(620).asks(&client(1).discover()).address, own, "long ago");
}

#[test]
fn what_is_reserved_or_behind_a_relay_agent_is_not_probed() {
    let reservation = Reservation {
        keys: vec![HostKey::Mac(client(1).mac())],
        address: Some(local(50)),
        name: "bench".to_owned(),
        group: None,
        settings: Settings::default(),
    };
    let mut lan = Lan::configured(|config| {
        config.policy.reservations = Reservations::new(vec![reservation]);
        for subnet in &mut config.subnets {
            subnet.conflict_probe = Some(WAIT);
        }
    });
    assert_eq!(lan.offers(1), local(50));
    lan.hears(&client(2).discover().by_relay(RELAY)).offer();
    // Nor for a client of this link that a relay agent brought.
    lan.hears(&client(3).discover().by_relay(local(2))).offer();
}

/// The second subnet of a shared network has no interface of its own, but the same wire.
#[test]
fn item_32_all_subnets_of_the_wire_are_probed() {
    let mut lan = Lan::configured(|config| {
        let lan = &mut config.subnets[0];
        lan.conflict_probe = Some(WAIT);
        lan.shared_network = Some("hall".to_owned());
        lan.pools = pool(local(100), local(100));
        let second = Subnet {
            net: Ipv4Net::new(Ipv4Addr::new(203, 0, 113, 0), 24).unwrap(),
            link: None,
            pools: pool(Ipv4Addr::new(203, 0, 113, 100), Ipv4Addr::new(203, 0, 113, 101)),
            ..lan.clone()
        };
        config.subnets.push(second);
    });
    let first = lan.asks(&client(1).discover());
    assert_eq!(first.address, local(100));
    let second = lan.is_taken(&first, STRANGER);
    assert_eq!((second.address, second.link), (Ipv4Addr::new(203, 0, 113, 100), first.link));
    assert_eq!(lan.is_free(&second).yiaddr(), second.address);
    let relayed = client(2).discover().by_relay(Ipv4Addr::new(203, 0, 113, 1));
    assert_eq!(lan.hears(&relayed).offer().yiaddr(), Ipv4Addr::new(203, 0, 113, 101));
}

#[test]
fn a_subnet_that_does_not_probe_offers_at_once() {
    let mut lan = Lan::with(|subnet| subnet.conflict_probe = None);
    assert_eq!(lan.offers(1), local(100));
}

#[test]
fn what_was_found_free_is_not_probed_again_for_a_while() {
    let mut lan = Lan::with(|subnet| {
        subnet.conflict_probe = Some(WAIT);
        subnet.pools = pool(local(100), local(100));
    });
    let probe = lan.asks(&client(1).discover());
    lan.is_free(&probe);
    lan.at(31).wakes();
    assert_eq!(lan.offers(2), local(100), "a known answer");
    let after = PROBE_VALID.as_secs() + 31;
    lan.at(after).wakes();
    lan.asks(&client(3).discover());
}

#[test]
fn under_load_offers_leave_without_a_probe() {
    let mut lan = Lan::with(|subnet| {
        subnet.conflict_probe = Some(WAIT);
        subnet.net = Ipv4Net::new(local(0), 16).unwrap();
        subnet.pools = pool(Ipv4Addr::new(192, 0, 8, 0), Ipv4Addr::new(192, 0, 47, 255));
    });
    let probes: Vec<Probe> =
        (0..PROBES_MAX as u32).map(|number| lan.asks(&client(number).discover())).collect();
    let unprobed = lan.hears(&client(9000).discover());
    assert!(matches!(unprobed.event.outcome, Outcome::Offered { unprobed: true, .. }));
    assert!(unprobed.event.done().to_string().ends_with(", not probed"));
    unprobed.offer();
    // Who waits already stays in the queue, and a place that is free again is used.
    let again = lan.takes(&client(3).discover());
    assert!(again.transmit.is_none() && again.event.is_some());
    lan.is_free(&probes[0]);
    lan.asks(&client(9001).discover());
    assert_eq!(lan.server.probes_waiting(), PROBES_MAX);
}

#[test]
fn what_is_known_of_free_addresses_is_bounded() {
    let mut lan = Lan::with(|subnet| {
        subnet.conflict_probe = Some(WAIT);
        subnet.net = Ipv4Net::new(local(0), 16).unwrap();
        subnet.pools = pool(Ipv4Addr::new(192, 0, 8, 0), Ipv4Addr::new(192, 0, 47, 255));
    });
    let mut first = None;
    for number in 0..=PROBES_REMEMBERED_MAX as u32 {
        let probe = lan.asks(&client(number).discover());
        lan.is_free(&probe);
        lan.hears(&client(number).selecting(probe.address)).ack();
        first = first.or(Some(probe.address));
    }
    let (first, second) = (first.unwrap(), Ipv4Addr::from_bits(first.unwrap().to_bits() + 1));
    for (number, address) in [(0, first), (1, second)] {
        lan.hears(&client(number).release(address)).change();
    }
    let wants = |address| client(90_000).discover().address(50, address);
    assert_eq!(lan.asks(&wants(first)).address, first, "the oldest is forgotten");
    lan.hears(&client(90_001).discover().address(50, second)).offer();
}

#[test]
fn one_discover_tries_so_many_addresses_and_the_next_goes_on() {
    let mut lan = lan();
    let holder = |number: usize| Mac([2, 0xbd, 0, 0, 0, number as u8]);
    let mut probe = lan.asks(&client(1).discover());
    for number in 1..PROBES_PER_DISCOVER_MAX {
        probe = lan.is_taken(&probe, holder(number));
    }
    let Probed { found, output } = lan.probed(&probe, Some(holder(99)));
    assert_eq!(found, [conflict(probe.address, holder(99))]);
    assert_eq!(Answer::of(output, vec![]).silence(), Ignored::Conflicts);
    let next = lan.asks(&client(1).discover());
    assert_eq!(usize::from(next.address.octets()[3]), 100 + PROBES_PER_DISCOVER_MAX);
    lan.is_free(&next);
}

#[test]
fn an_answer_that_comes_late_makes_the_client_ask_again() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    lan.is_free(&probe);
    let Probed { found, output } = lan.probed(&probe, Some(client(1).mac()));
    assert!(found.is_empty() && output == pxed_proto::dhcp::Output::default(), "it is its own");
    let Probed { found, output } = lan.probed(&probe, Some(STRANGER));
    assert_eq!(found, [conflict(probe.address, STRANGER)]);
    assert_eq!((output.event, output.transmit), (None, None));
    let (_, reason) = lan.hears(&client(1).selecting(probe.address)).nak();
    assert_eq!(reason, NakReason::Declined);
    assert_ne!(lan.asks(&client(1).discover()).address, probe.address);
}

#[test]
fn an_answer_that_comes_after_the_ack_changes_nothing() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    lan.is_free(&probe);
    lan.hears(&client(1).selecting(probe.address)).ack();
    let Probed { found, .. } = lan.probed(&probe, Some(STRANGER));
    assert_eq!(found, [], "the client declines it, or has it");
    assert!(lan.active(probe.address).is_some());
    let made_up = Probe { id: ProbeId(77), ..probe };
    assert_eq!(lan.probed(&made_up, Some(STRANGER)).found, []);
}

#[test]
fn a_host_that_answers_for_everything_is_not_believed_for_ever() {
    let mut lan = lan();
    let mut believed = 0;
    for number in 0..40 {
        let mut probe = Some(lan.asks(&client(number).discover()));
        while let Some(asked) = probe {
            let Probed { found, output } = lan.probed(&asked, Some(STRANGER));
            believed += found.len();
            probe = output.probe;
        }
    }
    assert_eq!(believed, CONFLICTS_PER_HOST_MAX);
}

#[test]
fn what_is_in_conflict_stays_so_after_a_restart_but_for_who_has_it() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    let output = lan.server.probed(&probe, Some(client(9).mac()), second(0));
    let commit = output.commits[0].clone();
    let Lease { state, hardware, expires, .. } = commit.lease;
    assert_eq!((state, hardware.mac()), (LeaseState::Conflict, Some(client(9).mac())));
    assert_eq!(expires, second(600));

    let mut config = config();
    config.subnets[0].adopt = true;
    let mut lan = Lan::of(config);
    assert!(Server::load(&mut lan.server, commit.lease, second(1)));
    assert_eq!(lan.offers(1), local(101));
    let (_, reason) = lan.hears(&client(1).init_reboot(probe.address)).nak();
    assert_eq!(reason, NakReason::Declined);
    // Leases were lost, and this machine has its own still: it is adopted where that is wanted.
    lan.hears(&client(9).renewing(probe.address)).ack();
}

#[test]
fn a_reload_forgets_no_question() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    lan.reload(|config| {
        let mut other = config.links[0].clone();
        other.name = "other".into();
        other.addresses.clear();
        config.links.insert(0, other);
        for subnet in &mut config.subnets {
            subnet.link = subnet.link.map(|link| pxed_proto::dhcp::LinkId(link.0 + 1));
        }
    });
    let Probed { output, .. } = lan.probed(&probe, None);
    assert_eq!(output.transmit.unwrap().link, pxed_proto::dhcp::LinkId(1));
    let probe = Probe { link: pxed_proto::dhcp::LinkId(1), ..probe };
    lan.reload(|config| config.links.truncate(1));
    let Probed { output, .. } = lan.probed(&probe, None);
    assert_eq!(output, pxed_proto::dhcp::Output::default(), "it is over");
}

/// The older DISCOVER would be answered in a transaction that the client has given up.
#[test]
fn a_reload_has_no_older_question_displace_a_newer_one() {
    let mut lan = lan();
    let older = lan.asks(&Sent { xid: 7, ..client(1).discover() });
    lan.reload(|config| config.subnets[0].pools = pool(local(101), local(110)));
    let newer = lan.asks(&Sent { xid: 8, ..client(1).discover() });
    assert_ne!(older.address, newer.address);
    let Probed { output, .. } = lan.probed(&older, None);
    assert_eq!(Answer::of(output, vec![]).silence(), Ignored::Superseded);
    assert_eq!(lan.is_free(&newer).bytes[4..8], [0, 0, 0, 8]);
    assert_eq!(lan.server.probes_waiting(), 0);
}

/// The older question goes on by itself where the client has asked nothing since.
#[test]
fn a_question_finds_another_address_after_a_reload() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    lan.reload(|config| config.subnets[0].pools = pool(local(101), local(110)));
    let Probed { output, .. } = lan.probed(&probe, None);
    let next = output.probe.unwrap();
    assert_eq!(lan.is_free(&next).yiaddr(), local(101));
}

/// What could not be asked is not known to be free: the event says so, and nobody relies on it.
#[test]
fn a_probe_that_could_not_be_sent_is_no_silence() {
    let mut lan = Lan::with(|subnet| {
        subnet.conflict_probe = Some(WAIT);
        subnet.pools = pool(local(100), local(100));
    });
    let probe = lan.asks(&client(1).discover());
    let output = lan.server.not_probed(&probe, second(0));
    let answer = Answer::of(output, vec![]);
    assert!(matches!(answer.event.outcome, Outcome::Offered { unprobed: true, .. }));
    assert_eq!(answer.offer().yiaddr(), probe.address);
    assert_eq!(lan.server.probes_waiting(), 0);
    assert_eq!(lan.server.not_probed(&probe, second(0)), pxed_proto::dhcp::Output::default());
    lan.at(31).wakes();
    lan.asks(&client(2).discover());
}

#[test]
fn what_was_silent_is_known_for_late_answers() {
    let mut lan = lan();
    let probe = lan.asks(&client(1).discover());
    let late = |lan: &Lan, link, address| lan.server.silent_probe(link, address, second(59));
    assert_eq!(late(&lan, probe.link, probe.address), None, "still asked");
    lan.is_free(&probe);
    assert_eq!(late(&lan, probe.link, probe.address), Some(probe));
    assert_eq!(late(&lan, pxed_proto::dhcp::LinkId(1), probe.address), None, "elsewhere");
    assert_eq!(late(&lan, probe.link, local(101)), None);
    let over = second(PROBE_VALID.as_secs());
    assert_eq!(lan.server.silent_probe(probe.link, probe.address, over), None);
    lan.reload(|config| {
        let other = Link { name: "other".into(), addresses: vec![], ..config.links[0].clone() };
        config.links.insert(0, other);
    });
    let moved = Probe { link: pxed_proto::dhcp::LinkId(1), ..probe };
    assert_eq!(late(&lan, moved.link, probe.address), Some(moved));
    assert_eq!(late(&lan, probe.link, probe.address), None);
}

/// What is leased without an offer is probed as well; the lease is made when nobody answered.
#[test]
fn item_122_and_120_what_is_leased_at_once_is_probed_first() {
    let bootp = Sent { secs: 4, ..client(1).bootp() };
    for sent in [client(1).discover().option(80, &[]), bootp] {
        let mut lan = lan();
        lan.reload(|config| {
            config.subnets[0].rapid_commit = true;
            config.subnets[0].bootp = Bootp::Dynamic;
        });
        let probe = lan.asks(&sent);
        assert!(lan.active(probe.address).is_none());
        let next = lan.is_taken(&probe, STRANGER);
        let output = lan.server.probed(&next, None, second(0));
        assert_eq!((&output.event, &output.transmit), (&None, &None), "not durable yet");
        let [commit] = &output.commits[..] else { panic!("{output:?}") };
        assert_eq!((commit.lease.address, commit.lease.state), (local(101), LeaseState::Leased));
        let told = lan.server.committed(commit.id, Ok(()), second(0));
        assert_eq!(told.transmit.unwrap().message[16..20], local(101).octets());
        assert_eq!(lan.at(1).hears(&sent).reply.unwrap().yiaddr(), local(101), "its own");
    }
}
