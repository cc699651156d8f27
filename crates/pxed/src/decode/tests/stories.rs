//! Short conversations, and the sentence that each comes to.

use pxed_proto::wire::dhcp::{BOOTREPLY, BOOTREQUEST, Header};

use super::*;

const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn discover(xid: u32) -> Vec<u8> {
    question(xid, MessageType::Discover, &[ROM])
}

fn request(xid: u32) -> Vec<u8> {
    let asked = [(50, &CLIENT.octets()[..]), (54, &SERVER.octets())];
    question(xid, MessageType::Request, &[ROM, &asked])
}

fn offer(xid: u32, server: Ipv4Addr) -> Vec<u8> {
    answer(xid, MessageType::Offer, server, CLIENT, b"ipxe.efi")
}

fn ack(xid: u32) -> Vec<u8> {
    answer(xid, MessageType::Ack, SERVER, CLIENT, b"ipxe.efi")
}

/// A message at port 4011, to or from.
fn at_4011(op: u8, kind: MessageType, options: Options<'_>) -> Vec<u8> {
    let header = Header { siaddr: OTHER, ciaddr: CLIENT, ..header(op, MAC, 9) };
    let header = if op == BOOTREPLY { Header { file: b"boot.0", ..header } } else { header };
    let message = message(&header, kind, &[ROM, options]);
    match op {
        BOOTREPLY => udp((OTHER, 4011), (CLIENT, 68), &message),
        _ => udp((CLIENT, 68), (OTHER, 4011), &message),
    }
}

/// A message between the server and a relay agent.
fn relayed(op: u8, kind: MessageType) -> Vec<u8> {
    let header = Header { giaddr: RELAY, ..header(op, MAC, 7) };
    match op {
        BOOTREPLY => {
            let header = Header { yiaddr: CLIENT, ..header };
            udp((SERVER, 67), (RELAY, 67), &message(&header, kind, &[&[(54, &SERVER.octets())]]))
        }
        _ => udp((RELAY, 67), (SERVER, 67), &message(&header, kind, &[])),
    }
}

fn proxy_offer() -> Vec<u8> {
    let vendor: &[u8] =
        &[6, 1, 3, 8, 7, 0, 5, 1, 192, 168, 77, 2, 9, 7, 0, 5, 4, b'D', b'i', b's', b'k', 255];
    let header = header(BOOTREPLY, MAC, 7);
    let options: Options<'_> = &[(54, &OTHER.octets()), (60, b"PXEClient"), (43, vendor)];
    udp((OTHER, 67), (EVERYBODY, 68), &message(&header, MessageType::Offer, &[options]))
}

/// The conversation's lines without times and people, and the sentence.
fn story(packets: &[Vec<u8>]) -> String {
    let packets: Vec<_> = (0..).zip(packets.iter().cloned()).collect();
    let told = told_of(&packets);
    let lines = told.lines().skip(3).take_while(|line| !line.is_empty());
    lines.map(|line| line.trim_start()).collect::<Vec<_>>().join("\n")
}

fn ends(packets: &[Vec<u8>], sentence: &str) {
    let story = story(packets);
    assert!(story.ends_with(sentence), "{story}\n{sentence}");
}

#[test]
fn silence() {
    ends(&[discover(7)], "As PXE, UEFI x64 it asked once and nobody answered.");
    ends(
        &[discover(7), discover(7), discover(8), discover(8)],
        "As PXE, UEFI x64 it asked 4 times and nobody answered.",
    );
    ends(
        &[discover(7), offer(7, SERVER)],
        "it got an OFFER from 192.168.77.1 and never sent a REQUEST.",
    );
    ends(
        &[discover(7), offer(7, SERVER), offer(7, OTHER)],
        "it got 2 OFFERs from 192.168.77.1 and 192.168.77.2 and never sent a REQUEST.",
    );
    ends(
        &[discover(7), offer(7, SERVER), request(7), request(7)],
        "it got an OFFER from 192.168.77.1, sent a REQUEST 2 times and nobody answered.",
    );
    ends(
        &[discover(7), proxy_offer()],
        "it got an OFFER without an address from 192.168.77.2 and none with one.",
    );
}

#[test]
fn two_servers_are_seen() {
    let story = story(&[discover(7), offer(7, SERVER), offer(7, OTHER), request(7), ack(7)]);
    assert!(story.contains("192.168.77.2 → 52:54:00:77:00:01  OFFER 192.168.77.100"), "{story}");
    assert!(!story.contains("again"), "{story}");
}

#[test]
fn a_nak_and_its_reason() {
    let init_reboot = question(7, MessageType::Request, &[&[(50, &CLIENT.octets())]]);
    let options: Options<'_> = &[(54, &SERVER.octets()), (56, b"not on this \x1b[2Jnetwork")];
    let nak = message(&header(BOOTREPLY, MAC, 7), MessageType::Nak, &[options]);
    let nak = udp((SERVER, 67), (EVERYBODY, 68), &nak);
    let story = story(&[init_reboot, nak]);
    assert!(story.contains("REQUEST 192.168.77.100, init-reboot\n"), "{story}");
    assert!(story.contains("NAK: \"not on this \\x1b[2Jnetwork\"\n"), "{story}");
    assert!(story.ends_with("As a plain DHCP client it was refused by 192.168.77.1."), "{story}");
}

#[test]
fn renewals_with_one_xid_are_not_sent_again() {
    let header = Header { ciaddr: CLIENT, ..header(BOOTREQUEST, MAC, 7) };
    let renew = message(&header, MessageType::Request, &[]);
    let renew = udp((CLIENT, 68), (SERVER, 67), &renew);
    let packets = [renew.clone(), ack(7), renew.clone(), ack(7), renew.clone(), renew];
    let story = story(&packets);
    assert_eq!(story.matches(", again").count(), 1, "{story}");
    assert!(story.ends_with("It prolonged its lease 2 times."), "{story}");
}

#[test]
fn what_a_relay_agent_passes_on_is_not_sent_again() {
    let packets = [
        discover(7),
        relayed(BOOTREQUEST, MessageType::Discover),
        relayed(BOOTREPLY, MessageType::Offer),
    ];
    let story = story(&packets);
    assert!(story.contains("10.0.0.1 → 192.168.77.1        DISCOVER by relay 10.0.0.1"), "{story}");
    assert!(
        story.contains("192.168.77.1 → 10.0.0.1        OFFER 192.168.77.100 by relay 10.0.0.1, no"),
        "{story}"
    );
    assert!(!story.contains("again") && !story.contains("2 OFFERs"), "{story}");
}

#[test]
fn pxe_menus_and_boot_servers() {
    let item: Options<'_> = &[(43, &[71, 4, 0, 5, 0, 0, 255])];
    let packets = [
        discover(7),
        offer(7, SERVER),
        proxy_offer(),
        request(7),
        ack(7),
        at_4011(BOOTREQUEST, MessageType::Request, item),
        at_4011(BOOTREPLY, MessageType::Ack, item),
    ];
    let story = story(&packets);
    for text in [
        "OFFER without an address, no boot file, PXE boot servers 192.168.77.2 (type 5), \
         PXE menu \"Disk\" (type 5)\n",
        "REQUEST at port 4011, boot server type 5 (PXE, UEFI x64)\n",
        "ACK without an address from port 4011, boot tftp://192.168.77.2/boot.0, boot server type 5",
        "it got 192.168.77.100 from 192.168.77.1 beside an OFFER without an address of \
         192.168.77.2 and was answered from port 4011 by 192.168.77.2.",
    ] {
        assert!(story.contains(text), "{story}\n{text}");
    }
    let packets = [discover(7), at_4011(BOOTREQUEST, MessageType::Request, item)];
    ends(&packets, "nobody answered and asked once at port 4011 and nobody answered.");
}

#[test]
fn boot_files_as_they_are_named() {
    let reply = |siaddr, file, options: Options<'_>| {
        let header = Header { siaddr, file, yiaddr: CLIENT, ..header(BOOTREPLY, MAC, 7) };
        let offer = message(&header, MessageType::Offer, &[options]);
        story(&[discover(7), udp((SERVER, 67), (EVERYBODY, 68), &offer)])
    };
    for (story, text) in [
        (reply(NOBODY, b"", &[]), "OFFER 192.168.77.100, no boot file\n"),
        (reply(NOBODY, b"a.0", &[]), ", boot a.0 (no server named)\n"),
        (reply(NOBODY, b"a.0", &[(66, b"tftp\0")]), ", boot tftp://tftp/a.0\n"),
        (reply(OTHER, b"", &[(67, b"a.0\0")]), ", boot tftp://192.168.77.2/a.0\n"),
        (
            reply(OTHER, b"b.0", &[(67, b"a.0"), (66, b"10.0.0.9")]),
            ", boot tftp://192.168.77.2/a.0 (option 66 says 10.0.0.9) (the file field says b.0)\n",
        ),
        (reply(SERVER, b"", &[(54, &OTHER.octets())]), ", no boot file, server 192.168.77.2\n"),
    ] {
        assert!(story.contains(text), "{story}\n{text}");
    }
}

#[test]
fn transfers_that_come_to_nothing() {
    let rrq = |port| udp((CLIENT, port), (SERVER, 69), &tftp::read_request(b"a", "octet", &[]));
    let absent = tftp::error(tftp::ErrorCode::FileNotFound, "no such file");
    let full = udp((OTHER, 4000), (CLIENT, 5), &[&tftp::data_header(1)[..], &[0; 512]].concat());
    let abort = tftp::error(tftp::ErrorCode::NotDefined, "enough");
    for (packets, sentence) in [
        (vec![rrq(5), rrq(5), rrq(6)], "It asked for a 3 times and nobody answered."),
        (
            vec![rrq(5), unreachable(SERVER, CLIENT, &rrq(5))],
            "It asked for a where nobody listens (ICMP port unreachable).",
        ),
        (
            vec![rrq(5), udp((SERVER, 69), (CLIENT, 5), &absent)],
            "It asked for a and got ERROR 1 \"no such file\".",
        ),
        (vec![rrq(5), full.clone()], "It was sent only 512 bytes of a."),
        (
            vec![rrq(5), full, udp((CLIENT, 5), (OTHER, 4000), &abort)],
            "It broke off a with ERROR 0 \"enough\".",
        ),
        (
            vec![rrq(5), udp((SERVER, 4000), (CLIENT, 5), &tftp::data_header(1))],
            "It was sent a and did not acknowledge the last block.",
        ),
    ] {
        ends(&packets, sentence);
    }
}

#[test]
fn what_nobody_answers_by_http() {
    let get = |port| tcp((CLIENT, port), (SERVER, 80), 1, b"GET / HTTP/1.0\r\n\r\n");
    let packets = [get(1), tcp((SERVER, 80), (CLIENT, 1), 1, b"HTTP/1.0 404 \x07\r\n\r\n"), get(2)];
    let story = story(&packets);
    assert!(story.contains("HTTP GET /: 404 \\x07\n"), "{story}");
    assert!(story.contains("HTTP GET /: no answer\n"), "{story}");
    assert!(story.ends_with("It asked by HTTP for / (404) and / (no answer)."), "{story}");
}

#[test]
fn leases_that_end() {
    let header = Header { ciaddr: CLIENT, ..header(BOOTREQUEST, MAC, 9) };
    let server: Options<'_> = &[(54, &SERVER.octets())];
    let release = message(&header, MessageType::Release, &[server]);
    let release = udp((CLIENT, 68), (SERVER, 67), &release);
    let decline =
        question(8, MessageType::Decline, &[server, &[(50, &CLIENT.octets()), (56, b"arp")]]);
    let story = story(&[discover(7), offer(7, SERVER), request(7), ack(7), decline, release]);
    assert!(story.contains("DECLINE 192.168.77.100, server 192.168.77.1: \"arp\"\n"), "{story}");
    assert!(story.contains("RELEASE 192.168.77.100, server 192.168.77.1\n"), "{story}");
    let sentence = "found 192.168.77.100 in use and gave 192.168.77.100 back.";
    assert!(story.ends_with(sentence), "{story}");
}

#[test]
fn a_machine_that_boots_on_and_on() {
    let boots =
        (1..=40).flat_map(|xid| [discover(xid), offer(xid, SERVER), request(xid), ack(xid)]);
    let story = story(&boots.collect::<Vec<_>>());
    let last = "; then 23 stages more; at last as PXE, UEFI x64 it got 192.168.77.100 from \
                192.168.77.1.";
    assert!(story.ends_with(last), "{story}");
}
