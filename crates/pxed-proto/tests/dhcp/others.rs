//! What is heard of other DHCP servers.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxed_proto::dhcp::{LinkId, Mode, Output};
use pxed_proto::event::{Deed, Event, OtherServer, Trouble};
use pxed_proto::limits;
use pxed_proto::net::Mac;

use crate::client::{Sent, client};
use crate::lan::*;

const RIVAL_MAC: Mac = Mac([2, 0xfe, 0, 0, 0, 99]);

/// Another server's reply: what a client sends, and `yiaddr`.
struct Reply(Sent, Ipv4Addr);

impl Reply {
    fn option(self, code: u8, value: &[u8]) -> Self {
        Self(self.0.option(code, value), self.1)
    }
}

/// An OFFER of `address`, or of nothing.
fn offer(server: Ipv4Addr, address: Ipv4Addr) -> Reply {
    let mut sent = client(1).says(2).address(54, server);
    sent.op = 2;
    sent.arrival.source = SocketAddrV4::new(server, 67);
    sent.arrival.source_mac = Some(RIVAL_MAC);
    Reply(sent, address)
}

fn overhears(lan: &mut Lan, Reply(sent, address): &Reply, seconds: u64) -> Output {
    let mut datagram = sent.bytes();
    datagram[16..20].copy_from_slice(&address.octets());
    lan.server.overheard(LinkId(0), &sent.arrival, &datagram, second(seconds))
}

fn other(output: Output) -> OtherServer {
    let Some(Event::OtherServer(other)) = output.other else { panic!("{output:?}") };
    other
}

fn takes_from(lan: &mut Lan, number: u32, server: Ipv4Addr) -> Option<OtherServer> {
    let request = client(number).request().address(54, server).address(50, local(77));
    let output = lan.takes(&request);
    output.other.is_some().then(|| other(output))
}

#[test]
fn a_rival_is_told_with_what_it_gives() {
    let mut lan = Lan::new();
    let sent = offer(OTHER_SERVER, local(201)).option(67, b"grub.efi\0");
    let heard = other(overhears(&mut lan, &sent, 0));
    assert_eq!((heard.server, heard.mac, heard.news), (OTHER_SERVER, Some(RIVAL_MAC), true));
    assert_eq!(heard.trouble, Some(Trouble::Rival));
    let text = heard.to_string();
    let expected = "another DHCP server, 192.0.2.99 (02:fe:00:00:00:63), on lan: OFFER 192.0.2.201 \
                    to 02:00:00:00:00:01, boot tftp://0.0.0.0/grub.efi; pxed gives addresses there";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn trouble_is_told_again_after_an_hour_and_not_before() {
    let mut lan = Lan::new();
    let sent = offer(OTHER_SERVER, local(201));
    let again = limits::OTHER_SERVER_AGAIN.as_secs();
    let troubles = [0, 1, again - 1, again, again + 1]
        .map(|seconds| other(overhears(&mut lan, &sent, seconds)))
        .map(|heard| (heard.news, heard.trouble.is_some()));
    let expected = [(true, true), (false, false), (false, false), (false, true), (false, false)];
    assert_eq!(troubles, expected);
}

#[test]
fn a_client_that_takes_an_offer_names_its_server() {
    let mut lan = Lan::new();
    let heard = takes_from(&mut lan, 1, OTHER_SERVER).unwrap();
    assert_eq!((heard.server, heard.trouble), (OTHER_SERVER, Some(Trouble::Rival)));
    let address = Some(local(77));
    assert!(matches!(heard.deed, Deed::Chosen { address: named, .. } if named == address));
    assert_eq!(takes_from(&mut lan, 1, SECOND), None, "an address of our own");
    let relayed = client(1).request().address(54, OTHER_SERVER).address(50, remote(7));
    assert_eq!(lan.takes(&relayed.by_relay(RELAY)).other, None, "no server of this link");
}

#[test]
fn what_is_no_trouble() {
    let known = |subnet: &mut pxed_proto::dhcp::Subnet| subnet.known_servers = vec![OTHER_SERVER];
    let sent = offer(OTHER_SERVER, local(201));
    assert_eq!(other(overhears(&mut Lan::with(known), &sent, 0)).trouble, None, "it is known");
    let mut off = Lan::with(|subnet| subnet.mode = Mode::Off);
    assert_eq!(other(overhears(&mut off, &sent, 0)).trouble, None, "pxed does nothing there");
    let mut ack = offer(OTHER_SERVER, Ipv4Addr::UNSPECIFIED);
    ack.0.options = vec![(53, vec![5])];
    assert_eq!(other(overhears(&mut Lan::new(), &ack, 0)).trouble, None, "answers an INFORM");
}

#[test]
fn a_second_proxy_server_is_told_for_itself() {
    let mut lan = Lan::new();
    let sent = offer(OTHER_SERVER, Ipv4Addr::UNSPECIFIED).option(60, b"PXEClient");
    let heard = other(overhears(&mut lan, &sent, 0));
    assert_eq!((heard.news, heard.trouble), (true, Some(Trouble::SecondProxy)));
    assert!(heard.to_string().starts_with("another ProxyDHCP server, 192.0.2.99"));
    // The same server gives addresses too, from now on.
    let heard = other(overhears(&mut lan, &offer(OTHER_SERVER, local(201)), 1));
    assert!(heard.news);
    let known: Vec<_> = lan.server.other_servers().collect();
    let [(link, server, known)] = known[..] else { panic!("{known:?}") };
    assert_eq!((&**link, server), ("lan", OTHER_SERVER));
    assert!(known.gives_addresses && known.is_proxy);
    assert_eq!((known.mac, known.last), (Some(RIVAL_MAC), second(1)));
}

#[test]
fn what_says_nothing_of_another_server() {
    let mut lan = Lan::new();
    let own = offer(SERVER, local(100));
    assert_eq!(overhears(&mut lan, &own, 0), Output::default(), "our own, on another interface");
    let request = Reply(client(1).discover(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(overhears(&mut lan, &request, 0), Output::default(), "a request");
    let arrival = own.0.arrival;
    let output = lan.server.overheard(LinkId(0), &arrival, b"noise", second(0));
    assert_eq!(Answer::of(output, vec![]).silence().label(), "too-short");
    assert_eq!(lan.server.other_servers().count(), 0);
}

#[test]
fn invented_servers_displace_those_that_were_silent_longest() {
    let mut lan = Lan::new();
    overhears(&mut lan, &offer(OTHER_SERVER, local(201)), 0);
    for number in 0..1000 {
        let seconds = 1 + u64::from(number);
        overhears(&mut lan, &offer(OTHER_SERVER, local(201)), seconds);
        overhears(&mut lan, &offer(Ipv4Addr::from_bits(number + 1), local(202)), seconds);
    }
    assert_eq!(lan.server.other_servers().count(), limits::OTHER_SERVERS_MAX);
    assert!(lan.server.other_servers().any(|(_, server, _)| server == OTHER_SERVER));
}

#[test]
fn what_a_server_says_is_no_more_than_text() {
    let mut lan = Lan::new();
    let long = [&b"\x1b[2Jevil\n"[..], &[b'a'; 2000]].concat();
    let sent = offer(OTHER_SERVER, local(201)).option(67, &long[..250]);
    let text = other(overhears(&mut lan, &sent, 0)).to_string();
    assert!(!text.contains(['\x1b', '\n']), "{text}");
}

#[test]
fn what_is_known_outlives_a_reload() {
    let mut lan = Lan::new();
    overhears(&mut lan, &offer(OTHER_SERVER, local(201)), 0);
    lan.reload(|_| {});
    assert_eq!(lan.server.other_servers().count(), 1);
    assert!(!other(overhears(&mut lan, &offer(OTHER_SERVER, local(201)), 5)).news);
}

/// Where pxed is a ProxyDHCP server.
fn proxy() -> Lan {
    Lan::with(|subnet| {
        subnet.mode = Mode::Proxy;
        subnet.pools.clear();
    })
}

/// When it is told that no DHCP server is there, while a machine asks at these times.
fn asks(lan: &mut Lan, number: u32, seconds: &[u64]) -> Vec<(u64, Duration)> {
    let told = |at: &u64| match lan.at(*at).takes(&client(number).discover().bios()).other {
        Some(Event::NoDhcpServer { waited, .. }) => Some((*at, waited)),
        other => other.map(|other| panic!("{other:?}")),
    };
    seconds.iter().filter_map(told).collect()
}

#[test]
fn who_asks_in_vain_for_an_address_is_told_of() {
    let mut lan = proxy();
    let waited = Duration::from_secs(12);
    assert_eq!(asks(&mut lan, 1, &[0, 4, 12, 28, 60]), [(12, waited)]);
    let later = limits::OTHER_SERVER_AGAIN.as_secs() + 100;
    assert_eq!(asks(&mut lan, 1, &[later, later + 4, later + 12]), [(later + 12, waited)]);
}

#[test]
fn who_is_heard_to_give_addresses_is_there() {
    let mut lan = proxy();
    assert_eq!(asks(&mut lan, 1, &[0, 4]), []);
    overhears(&mut lan, &offer(OTHER_SERVER, local(201)), 5);
    assert_eq!(asks(&mut lan, 1, &[12, 28]), [], "it is the firmware that goes on asking");
    let mut switched = proxy();
    assert_eq!(asks(&mut switched, 1, &[0, 4]), []);
    takes_from(&mut switched, 2, OTHER_SERVER);
    assert_eq!(asks(&mut switched, 1, &[12]), [], "somebody took an offer that a switch hides");
}

#[test]
fn one_machine_after_the_other_is_looked_at() {
    let mut lan = proxy();
    assert_eq!(asks(&mut lan, 1, &[0]), []);
    for number in 2..1000 {
        assert_eq!(asks(&mut lan, number, &[1]), [], "nobody has waited yet");
    }
    assert_eq!(asks(&mut lan, 7, &[20, 24, 32]), [(32, Duration::from_secs(12))]);
    let relayed = client(1).discover().bios().by_relay(RELAY);
    assert_eq!(lan.at(100).takes(&relayed).other, None, "nothing is heard of that link");
}
