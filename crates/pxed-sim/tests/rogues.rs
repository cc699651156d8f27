//! Clients that mean harm, for a day: known machines are served, and memory stays flat.
//!
//! `PXED_SIM_ROGUE_SECONDS=86400 cargo test -p pxed-sim --test rogues` is the whole day.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may stop")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Arrival, LinkId, Secret, Server};
use pxed_proto::event::{Event, Outcome};
use pxed_proto::limits;
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{Header, MessageType, Writer};
use pxed_proto::wire::options::code;
use pxed_sim::random::Random;
use pxed_sim::site::{BEGINNING, SERVER, Site};

/// How much of the day there is time for usually.
const SECONDS: u64 = 600;

/// Datagrams of rogues, a second.
const RATE: u64 = 50;

const KNOWN: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);

/// What is sent, and how it seems to come.
struct Sent {
    source: Ipv4Addr,
    datagram: Vec<u8>,
}

fn sent(op: u8, mac: Mac, [ciaddr, giaddr]: [Ipv4Addr; 2], options: &[(u8, &[u8])]) -> Sent {
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&mac.0);
    let none = Ipv4Addr::UNSPECIFIED;
    let header = Header {
        op,
        htype: 1,
        hlen: 6,
        xid: 7,
        secs: 0,
        flags: 0,
        ciaddr,
        yiaddr: none,
        siaddr: none,
        giaddr,
        chaddr,
        sname: &[],
        file: &[],
    };
    let mut writer = Writer::new(&header, 1472);
    let fit = options.iter().all(|(code, value)| writer.option(*code, value));
    assert!(fit);
    Sent {
        source: if giaddr.is_unspecified() { ciaddr } else { giaddr },
        datagram: writer.finish(),
    }
}

/// Something that a rogue thinks of.
fn rogue(random: &mut Random, own: Ipv4Addr) -> Sent {
    let mut octet = || u8::try_from(random.between(0, 255)).unwrap();
    let mac = Mac([2, octet(), octet(), octet(), octet(), octet()]);
    let somewhere = Ipv4Addr::new(192, 168, 77, octet());
    let junk = [octet(), octet(), octet()];
    let none = Ipv4Addr::UNSPECIFIED;
    let kind = |kind: MessageType| [kind as u8];
    let (server, wish) = (SERVER.octets(), somewhere.octets());
    match octet() % 8 {
        0 | 1 => sent(1, mac, [none, none], &[(53, &kind(MessageType::Discover)), (50, &wish)]),
        2 => {
            let options = [(53, &kind(MessageType::Request)[..]), (54, &server), (50, &wish)];
            sent(1, mac, [none, none], &options)
        }
        // In the name of others.
        3 => sent(1, mac, [own, none], &[(53, &kind(MessageType::Release)), (54, &server)]),
        4 => {
            let options =
                [(53, &kind(MessageType::Decline)[..]), (54, &server), (50, &own.octets())];
            sent(1, mac, [none, none], &options)
        }
        5 => sent(1, mac, [somewhere, none], &[(53, &kind(MessageType::Inform))]),
        6 => sent(2, mac, [none, none], &[(53, &kind(MessageType::Offer))]),
        _ => {
            let port = [1, 3, junk[0], junk[1], junk[2]];
            let options = [(53, &kind(MessageType::Discover)[..]), (code::RELAY_AGENT, &port)];
            sent(1, mac, [none, somewhere], &options)
        }
    }
}

/// What the server says to it; the store says yes, and nobody answers a probe.
fn hear(server: &mut Server, sent: &Sent, now: Timestamp) -> Outcome {
    let source = SocketAddrV4::new(sent.source, 68);
    let destination = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
    let arrival = Arrival { source, destination, source_mac: None };
    let plan = server.plan(now, LinkId(0), &arrival, &sent.datagram);
    let mut output = server.apply(plan, now);
    while let Some(probe) = output.probe {
        output = server.probed(&probe, None, now);
    }
    for commit in std::mem::take(&mut output.commits) {
        let done = server.committed(commit.id, Ok(()), now);
        output.event = output.event.or(done.event);
    }
    let Some(Event::Dhcp(event)) = output.event else { panic!("one datagram, one event") };
    event.outcome
}

#[test]
fn a_day_of_rogue_traffic_leaves_known_machines_served_and_memory_flat() {
    let seconds =
        std::env::var("PXED_SIM_ROGUE_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let probing = Some(Duration::from_millis(30));
    let site = Site { conflict_probe: probing, ..Site::default() };
    let mut server = Server::new(site.config(), Secret::default());
    let none = Ipv4Addr::UNSPECIFIED;
    let discover = sent(1, KNOWN, [none, none], &[(53, &[MessageType::Discover as u8])]);
    let Outcome::Offered { address: own, .. } = hear(&mut server, &discover, BEGINNING) else {
        panic!("no offer")
    };
    let options =
        [(53, &[MessageType::Request as u8][..]), (54, &SERVER.octets()), (50, &own.octets())];
    let request = sent(1, KNOWN, [none, none], &options);
    let renewal = sent(1, KNOWN, [own, none], &[(53, &[MessageType::Request as u8])]);
    assert!(matches!(hear(&mut server, &request, BEGINNING), Outcome::Acked { .. }));
    let (mut random, mut most) = (Random::new(1), [0; 3]);
    for second in 1..=seconds {
        let now = BEGINNING + Duration::from_secs(second);
        server.handle_timeout(now);
        for _ in 0..RATE {
            hear(&mut server, &rogue(&mut random, own), now);
        }
        if second % 300 == 0 {
            let outcome = hear(&mut server, &renewal, now);
            assert!(matches!(outcome, Outcome::Acked { .. }), "{second}: {outcome:?}");
        }
        let known = server.known_addresses(None, now).count();
        let now = [server.offers(), server.counted_sources(), known];
        most = std::array::from_fn(|i| most[i].max(now[i]));
    }
    let [offers, sources, known] = most;
    println!("{seconds} s: {offers} offers, {sources} sources, {known} addresses at the most");
    assert!(offers <= 100 && known <= 100, "no more than the pool has");
    assert!(sources <= limits::RATED_MAX / 16, "{sources}");
}

/// Reflection and amplification: what anybody can have sent, to whom, for how many octets of DHCP.
#[test]
fn what_is_sent_for_a_forged_datagram_is_no_weapon() {
    use pxed_proto::dhcp::Destination;
    let mut server = Server::new(Site::default().config(), Secret::default());
    let none = Ipv4Addr::UNSPECIFIED;
    let (victim, beside) = (Ipv4Addr::new(203, 0, 113, 9), Ipv4Addr::new(192, 168, 77, 9));
    let mac = Mac([2, 0, 0, 0, 0, 9]);
    let wishes: Vec<u8> = (1..=254).collect();
    let most = 1500_u16.to_be_bytes();
    let of = |kind: MessageType| vec![(53, vec![kind as u8]), (55, wishes.clone())];
    let large = |kind| [of(kind), vec![(57, most.to_vec())]].concat();
    let cases = [
        ("DISCOVER with another's ciaddr", [victim, none], of(MessageType::Discover)),
        ("DISCOVER by another's giaddr", [none, victim], of(MessageType::Discover)),
        ("DISCOVER that takes 1500 octets", [none, none], large(MessageType::Discover)),
        ("INFORM of another network", [victim, none], large(MessageType::Inform)),
        ("INFORM of a neighbour", [beside, none], large(MessageType::Inform)),
        ("renewal of another network", [victim, none], of(MessageType::Request)),
        ("renewal of a neighbour's", [beside, none], of(MessageType::Request)),
    ];
    for (name, addresses, options) in cases {
        let options: Vec<(u8, &[u8])> = options.iter().map(|(code, it)| (*code, &it[..])).collect();
        let forged = sent(1, mac, addresses, &options);
        let source = SocketAddrV4::new(forged.source, 68);
        let destination = SocketAddrV4::new(SERVER, 67);
        let arrival = Arrival { source, destination, source_mac: None };
        let plan = server.plan(BEGINNING, LinkId(0), &arrival, &forged.datagram);
        let (asked, answered) = (forged.datagram.len(), plan.reply.as_ref());
        println!("{name}: {asked} octets, answered by {:?}", answered.map(|it| it.message.len()));
        if let Some(reply) = answered {
            let elsewhere = matches!(reply.destination,
                Destination::Routed(to) if *to.ip() == victim);
            assert!(!elsewhere, "{name}: {:?}", reply.destination);
            assert!(reply.message.len() <= 2 * asked.max(limits::DHCP_REPLY_MIN), "{name}");
        }
        server.apply(plan, BEGINNING);
    }
}
