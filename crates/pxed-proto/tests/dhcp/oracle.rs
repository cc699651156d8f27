//! Items 1 to 8: what holds for every reply, whatever the test is about.

use pxed_proto::dhcp::{Destination, Transmit};
use pxed_proto::event::{DhcpEvent, Outcome};

use crate::client::Sent;
use crate::lan::{SECOND, SERVER};

const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

pub fn check(sent: &Sent, event: &DhcpEvent, transmit: &Transmit, mtu: usize) {
    let request = sent.bytes();
    let reply = &transmit.message;
    let options = options(reply);
    if matches!(event.outcome, Outcome::BootReplied { .. }) {
        return check_bootp(sent, transmit, &options);
    }
    let proxied =
        is_proxy_offer(event) && !matches!(transmit.destination, Destination::Unicast { .. });
    let broadcast = proxied || message_type(&options) == NAK && !sent.giaddr.is_unspecified();
    item_1_and_3_copied_fields(&request, reply, broadcast);
    assert_eq!((reply[3], &reply[8..10]), (0, &[0, 0][..]), "item 2: hops and secs");
    item_4_type_and_server(sent, &options, transmit);
    item_5_no_doubles(&options);
    item_6_client_identifier(sent, event, &options);
    assert!(reply.len() >= 300, "item 7: {} octets", reply.len());
    item_8_fits(sent, reply.len(), mtu);
    let codes: Vec<u8> = options.iter().map(|(code, _)| *code).collect();
    let mut from_82 = codes.iter().skip_while(|code| **code != 82);
    assert!(from_82.all(|code| *code == 82), "item 78: 82 comes last: {codes:?}");
    no_stale_bytes(reply);
    match event.outcome {
        Outcome::ProxyOffered { .. } => offered_by_proxy(sent, transmit, &codes),
        Outcome::BootServed { .. } => served_to_boot(sent, transmit, &codes),
        _ => to_whom(sent, transmit),
    }
}

fn is_proxy_offer(event: &DhcpEvent) -> bool {
    matches!(event.outcome, Outcome::ProxyOffered { .. })
}

/// Items 133 and 145: no address and nothing of a lease, to everybody or to the machine's own MAC,
/// or to the relay agent.
fn offered_by_proxy(sent: &Sent, transmit: &Transmit, codes: &[u8]) {
    assert_eq!(message_type(&options(&transmit.message)), OFFER);
    of_no_lease(transmit, codes);
    match transmit.destination {
        Destination::Broadcast => assert!(sent.giaddr.is_unspecified()),
        Destination::Unicast { mac, address } => {
            assert!(sent.giaddr.is_unspecified() && address.is_broadcast());
            assert_eq!(mac.0, sent.chaddr[..6]);
        }
        Destination::Routed(to) => assert_eq!(*to.ip(), sent.giaddr),
    }
}

/// Item 140: from the port that was asked, to where it was asked from.
fn served_to_boot(sent: &Sent, transmit: &Transmit, codes: &[u8]) {
    assert_eq!(message_type(&options(&transmit.message)), ACK);
    of_no_lease(transmit, codes);
    assert_eq!(transmit.source.port(), sent.arrival.destination.port());
    assert_eq!(transmit.destination, Destination::Routed(sent.arrival.source));
}

fn of_no_lease(transmit: &Transmit, codes: &[u8]) {
    assert_eq!(transmit.message[16..20], [0; 4], "yiaddr");
    assert_ne!(transmit.message[20..24], [0; 4], "siaddr");
    let of_lease = [1, 3, 12, 28, 33, 51, 58, 59, 121];
    assert!(!codes.iter().any(|code| of_lease.contains(code)), "{codes:?}");
}

/// A BOOTREPLY has nothing that only DHCP knows (RFC 1534 section 2).
fn check_bootp(sent: &Sent, transmit: &Transmit, options: &[(u8, Vec<u8>)]) {
    let (request, reply) = (sent.bytes(), &transmit.message);
    item_1_and_3_copied_fields(&request, reply, false);
    assert_eq!((reply[3], &reply[8..10]), (0, &[0, 0][..]), "item 2: hops and secs");
    item_5_no_doubles(options);
    assert!(!options.iter().any(|(code, _)| (50..=61).contains(code)), "{options:?}");
    assert!((300..=request.len().max(300)).contains(&reply.len()), "no longer than the request");
    no_stale_bytes(reply);
    to_whom(sent, transmit);
}

/// The options field as it lies, to its end option; behind that come only pads.
pub fn options(reply: &[u8]) -> Vec<(u8, Vec<u8>)> {
    assert_eq!(reply[236..240], [99, 130, 83, 99]);
    let (mut options, mut at) = (vec![], 240);
    while reply[at] != 255 {
        let (code, len) = (reply[at], usize::from(reply[at + 1]));
        assert_ne!(code, 0, "no pad between options");
        options.push((code, reply[at + 2..at + 2 + len].to_vec()));
        at += 2 + len;
    }
    assert!(reply[at + 1..].iter().all(|byte| *byte == 0), "item 5: only pads at the end");
    options
}

fn message_type(options: &[(u8, Vec<u8>)]) -> u8 {
    assert_eq!(options[0].0, 53, "item 4: the message type comes first");
    assert_eq!(options[0].1.len(), 1);
    options[0].1[0]
}

fn item_1_and_3_copied_fields(request: &[u8], reply: &[u8], broadcast: bool) {
    assert_eq!(reply[0], 2, "op");
    assert_eq!(reply[1..3], request[1..3], "htype, hlen");
    assert_eq!(reply[4..8], request[4..8], "xid");
    let mut flags = [request[10], request[11]];
    flags[0] |= if broadcast { 0x80 } else { 0 };
    assert_eq!(reply[10..12], flags, "flags");
    assert_eq!(reply[24..28], request[24..28], "giaddr");
    assert_eq!(reply[28..44], request[28..44], "chaddr, all 16 octets");
}

fn item_4_type_and_server(sent: &Sent, options: &[(u8, Vec<u8>)], transmit: &Transmit) {
    assert!(matches!(message_type(options), OFFER | ACK | NAK));
    let own = transmit.source.ip().octets().to_vec();
    match sub_option(sent, 11).filter(|_| !sent.giaddr.is_unspecified()) {
        Some(server) => assert_eq!(options[1], (54, server), "item 89"),
        // Of a renewal that does not bring it, the lease knows.
        None if !sent.ciaddr.is_unspecified() => assert_eq!(options[1].0, 54),
        None => assert_eq!(options[1], (54, own)),
    }
    assert!([SERVER, SECOND].contains(transmit.source.ip()), "one of the link's own addresses");
}

/// What the relay agent says, if its option 82 is legible.
fn sub_option(sent: &Sent, wanted: u8) -> Option<Vec<u8>> {
    let (_, said) = sent.options.iter().find(|(code, _)| *code == 82)?;
    let (mut at, mut found) = (0, None);
    while at < said.len() {
        let end = at + 2 + usize::from(*said.get(at + 1)?);
        let value = said.get(at + 2..end)?.to_vec();
        if said[at] == wanted {
            found = found.or(Some(value));
        }
        at = end;
    }
    found
}

fn item_5_no_doubles(options: &[(u8, Vec<u8>)]) {
    for (i, (code, _)) in options.iter().enumerate() {
        assert!(![50, 52, 55, 57].contains(code), "option {code} is not a server's");
        let (before, first) = (&options[..i], options.iter().position(|(c, _)| c == code));
        let parts_of_one =
            before[first.unwrap()..].iter().all(|(c, v)| c == code && v.len() == 255);
        assert!(parts_of_one, "option {code} is there twice");
    }
}

fn item_6_client_identifier(sent: &Sent, event: &DhcpEvent, options: &[(u8, Vec<u8>)]) {
    let joined = |options: &[(u8, Vec<u8>)]| -> Vec<u8> {
        let parts = options.iter().filter(|(code, _)| *code == 61);
        parts.flat_map(|(_, value)| value.clone()).collect()
    };
    let expected = if event.left_out.contains(&61) { vec![] } else { joined(&sent.options) };
    // The options that a test hides in other fields are looked at by that test.
    if sent.tail == [255] && !sent.options.iter().any(|(code, _)| *code == 52) {
        assert_eq!(joined(options), expected);
    }
}

fn item_8_fits(sent: &Sent, len: usize, mtu: usize) {
    let asked: Vec<_> = sent.options.iter().filter(|(code, _)| *code == 57).collect();
    let asked = match asked[..] {
        [(_, value)] if value.len() == 2 => usize::from(u16::from_be_bytes([value[0], value[1]])),
        _ => 576,
    };
    let most = asked.max(576).min(mtu);
    assert!(len + 28 <= most, "item 8: {len} octets in a message of {most}");
}

/// Busybox once sent what happened to lie in its memory.
fn no_stale_bytes(reply: &[u8]) {
    for (name, field) in [("sname", &reply[44..108]), ("file", &reply[108..236])] {
        let end = field.iter().position(|byte| *byte == 0).expect("a field ends in a NUL");
        assert!(field[end..].iter().all(|byte| *byte == 0), "{name}");
    }
}

/// Nothing is ever sent to an address that only the client's word stands for.
fn to_whom(sent: &Sent, transmit: &Transmit) {
    let yiaddr = &transmit.message[16..20];
    match transmit.destination {
        Destination::Broadcast => assert!(sent.giaddr.is_unspecified()),
        Destination::Unicast { mac, address } => {
            assert!(sent.giaddr.is_unspecified() && sent.flags & 0x8000 == 0);
            assert_eq!((&mac.0[..], &address.octets()[..]), (&sent.chaddr[..6], yiaddr));
        }
        Destination::Routed(to) if !sent.giaddr.is_unspecified() => {
            let from = sent.arrival.source;
            let own_port = sub_option(sent, 19).map_or(67, |_| from.port());
            // Whether another address is believed is the configuration's to say.
            let believed = to.port() == own_port || *from.ip() != sent.giaddr && to.port() == 67;
            assert!(*to.ip() == sent.giaddr && believed, "item 90: {to}");
        }
        Destination::Routed(to) => assert_eq!(to.port(), 68),
    }
}
