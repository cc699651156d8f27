//! Twenty years of vulnerabilities in DHCP servers and clients, and why pxed stands. What a bug
//! class needs beyond the protocol is tested where it lives; these are its other tests:
//!
//! - control sockets without bounds (ISC CVE-2017-3144, CVE-2016-2774; Kea CVE-2026-3608): `control`
//!   in `pxed/tests/serve`, `garbage_is_answered_and_disturbs_nobody`,
//!   `there_is_room_for_so_many_connections`, `cve_2026_3608_nested_json_is_one_line_too_long`;
//! - rows and directories that others can write or read (ISC CVE-2021-25217, Kea CVE-2019-6474,
//!   CVE-2025-32801 to 32803): `pxed/src/store/tests.rs`, `the_directory_is_for_pxed_alone…`,
//!   `a_row_that_somebody_spoilt…`, `cve_2019_6474_a_poisoned_row_stops_no_start`;
//! - logging itself (Kea CVE-2015-8373): below, and `verbose_shows_every_message…` in `logs`;
//! - lengths on raw frames (ISC CVE-2018-5732, CVE-2011-2748): `item_117_…` in `wire::udp`;
//! - TFTP (dnsmasq CVE-2009-2957, atftpd, tftp-hpa): `tests/tftp.rs` and `pxed/src/tftp/tests.rs`.
//!
//! There is no DNS server, no script that a lease runs, no library that is loaded at run time and
//! no FORCERENEW: dnsmasq's CVE-2026-4892, CVE-2017-14491 and their like have nothing to be in.

use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{
    ClientKey, Identity, Ignored, Lease, LeaseState, LinkId, NakReason, Octets, Said,
};
use pxed_proto::limits::{CLIENT_ID_MAX, OFFERS_MAX};
use pxed_proto::net::Ipv4Net;
use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::Decoded;

use crate::client::{Sent, client};
use crate::lan::*;

/// An address of the client, under identities that count and such that do not.
fn both_identities() -> [Lan; 2] {
    [Identity::Mac, Identity::ClientId].map(|identity| Lan::with(|s| s.identity = identity))
}

/// dnsmasq CVE-2017-14494 and busybox e265c8d4c: octets of the server's memory in a reply. Replies
/// are built from zeros; [`oracle`](crate::oracle) looks at `sname`, `file` and the padding of every
/// reply of every test, and here at what was long before.
#[test]
fn cve_2017_14494_replies_hold_no_stale_octets() {
    let mut lan = Lan::new();
    let stuffed = Sent { sname: vec![0xaa; 64], file: vec![0xbb; 128], ..client(1).discover() };
    let long = stuffed.option(61, &[0xcc; 255]).option(43, &[0xdd; 255]).ipxe();
    lan.hears(&long).offer();
    let bare = lan.hears(&client(2).discover().without(55).option(55, &[1])).offer();
    assert_eq!((&bare.bytes[44..236], bare.bytes.len()), (&[0; 192][..], 300));
    let end = 240 + bare.options().iter().map(|(_, value)| value.len() + 2).sum::<usize>();
    assert!(bare.bytes[end + 1..].iter().all(|octet| *octet == 0));
}

/// dnsmasq CVE-2008-3214: a NAK to a client of another network crashed it.
#[test]
fn cve_2008_3214_an_address_of_another_network_is_refused() {
    for sent in
        [client(1).init_reboot([10, 9, 9, 9].into()), client(1).renewing([10, 9, 9, 9].into())]
    {
        assert_eq!(Lan::new().hears(&sent).nak().1, NakReason::WrongNetwork);
    }
}

/// dnsmasq CVE-2019-14834, ISC CVE-2018-5733, CVE-2022-2928: memory and reference counts that grow
/// with every packet. What a peer can make grow has a bound, and offers end.
#[test]
fn cve_2018_5733_a_flood_leaves_no_trace() {
    let mut lan = Lan::with(|subnet| {
        subnet.net = Ipv4Net::new([10, 0, 0, 0].into(), 8).unwrap();
        subnet.pools = pool([10, 1, 0, 0].into(), [10, 2, 255, 255].into());
    });
    for number in 0..100_000 {
        lan.at(u64::from(number) / 10_000);
        lan.takes(&client(number).discover().bios().option(12, b"flood").option(61, &[7; 255]));
        lan.takes(&client(number).init_reboot([10, 1, 9, 9].into()));
    }
    assert_eq!(lan.server.offers(), OFFERS_MAX);
    lan.at(100).wakes();
    let left = lan.server.known_addresses(None, second(100)).count();
    assert_eq!((lan.server.offers(), lan.server.commits_waiting(), left), (0, 0, 0));
    assert_eq!(lan.server.poll_timeout(), None);
}

/// ISC CVE-2022-2929: option 81 with a label of more than 63 octets leaked memory.
#[test]
fn cve_2022_2929_a_label_that_is_too_long_costs_nothing() {
    let label = [&[4, 0, 0, 64][..], &[b'a'; 64], &[0]].concat();
    let pointer = [4, 0, 0, 0xc0, 0x03];
    for fqdn in [&label[..], &pointer, &[4, 0, 0, 200, b'x'], &[4, 0, 0]] {
        let sent = client(1).discover().option(81, fqdn);
        assert_eq!(Lan::new().hears(&sent).offer().yiaddr(), local(100));
    }
}

/// ISC CVE-2012-3571 and CVE-2010-2156: an empty client identifier looped for ever, or ended it.
#[test]
fn cve_2012_3571_an_empty_client_identifier_is_none() {
    for mut lan in both_identities() {
        let offer = lan.hears(&client(1).discover().option(61, &[])).offer();
        assert_eq!(offer.option(61), None);
        let ack = lan.hears(&client(1).selecting(offer.yiaddr()).option(61, &[])).ack();
        lan.hears(&client(1).renewing(ack.yiaddr()).option(61, &[])).ack();
        lan.hears(&client(1).release(ack.yiaddr()).option(61, &[])).change();
    }
}

/// ISC CVE-2012-3570, Kea CVE-2019-6472, dnsmasq CVE-2026-4892: identifiers that are longer than
/// somebody thought, in buffers, assertions and environments.
#[test]
fn cve_2019_6472_long_identifiers_are_kept_as_far_as_they_can_be() {
    for mut lan in both_identities() {
        let id = |last: u8| [&[0xff; 254][..], &[last]].concat();
        let long = |sent: Sent| sent.option(61, &id(1)).option(61, &[9; 255]);
        let own = lan.leases_as(1, long);
        let ClientKey::Identifier(kept) = lan.active(own).unwrap().client() else { continue };
        assert_eq!(*kept, id(1)[..CLIENT_ID_MAX]);
        let other = |sent: Sent| sent.option(61, &id(2));
        assert_ne!(lan.leases_as(2, other), own);
    }
}

/// Kea CVE-2025-11232 aborted where sanitising a host name left nothing; ISC CVE-2009-1892,
/// CVE-2011-0997 and busybox CVE-2011-2716 handed what it held to a shell. A name that is kept is
/// letters, digits, dots and hyphens; `item_114_…` has the whole list.
#[test]
fn cve_2025_11232_a_host_name_of_nothing_legal_is_none() {
    for name in [&b"$(reboot)`;&|<>\n"[..], b"....", b"----", &[0; 255], &[0xff; 255], b" "] {
        let mut lan = Lan::new();
        let offered = lan.offers(1);
        let stored = lan.hears(&client(1).selecting(offered).option(12, name)).stored.unwrap();
        let legal = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        assert!(stored.host_name().is_none_or(|kept| kept.chars().all(legal)), "{name:?}");
    }
}

/// Kea CVE-2025-40779: a message by unicast, with certain options, where no subnet matched.
/// `item_22_…` says every message type; here with every option, empty and full.
#[test]
fn cve_2025_40779_no_option_matters_where_there_is_no_subnet() {
    let mut bare = config();
    bare.subnets.clear();
    let mut lan = Lan::of(bare);
    for message_type in [1, 3, 4, 7, 8] {
        for code in (1..=254).filter(|code| *code != 53) {
            for value in [&[][..], &[1, 2, 3, 4], &[0xff; 255]] {
                let sent = client(1).says(message_type).option(code, value);
                let unicast = sent.unicast_from(local(77));
                assert_eq!(lan.hears(&unicast).silence(), Ignored::NoSubnet, "{code}");
            }
        }
    }
    assert_eq!(lan.hears(&client(1).bootp()).silence(), Ignored::NoSubnet);
}

/// busybox CVE-2018-20679 and CVE-2019-5747: options of four octets that were fewer. Every option
/// in every length up to eight, in every message type.
#[test]
fn cve_2018_20679_no_length_is_believed() {
    let mut lan = Lan::new();
    let own = lan.leases(1);
    for code in (1..=254).filter(|code| ![53, 82].contains(code)) {
        for len in 0..=8 {
            let value = [0xff; 8];
            let odd = |sent: Sent| sent.without(code).option(code, &value[..len]);
            lan.hears(&odd(client(2).discover()));
            lan.hears(&odd(client(1).renewing(own)));
            lan.hears(&odd(client(1).inform(own)));
            lan.hears(&odd(client(3).release(own)));
            lan.hears(&odd(client(3).decline(own)));
        }
    }
    assert!(lan.active(own).is_some());
}

/// Kea CVE-2015-8373: a malformed packet was harmless until somebody logged it in full. Whatever
/// comes is described, in printable text.
#[test]
fn cve_2015_8373_malformed_messages_are_described() {
    let mut bytes = client(1).discover().ipxe().option(82, &[1, 200]).option(119, &[0xc0]).bytes();
    let mut described = 0;
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let before = std::mem::replace(&mut bytes[at], value);
            let Ok(message) = Message::parse(&bytes) else { panic!("{at}") };
            let text = Decoded(&message).to_string();
            assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{text}");
            let arrival = client(1).discover().arrival;
            let plan = Lan::new().server.plan(second(0), LinkId(0), &arrival, &bytes);
            described += plan.event.done().to_string().len();
            bytes[at] = before;
        }
    }
    assert!(described > 0);
}

/// Kea CVE-2019-6474: a lease that was stored kept it from starting again. Rows of any kind are
/// loaded, and the next client is served.
#[test]
fn cve_2019_6474_odd_leases_are_loaded() {
    let hardware = client(1).mac().into();
    let lease = |host, client| Lease {
        address: local(host),
        hardware,
        said: Said::new(&client, Some("\u{1b}[2J"), None),
        state: LeaseState::Leased,
        granted: Timestamp::FOREVER,
        expires: Timestamp::EPOCH,
        version: u64::MAX / 2,
    };
    let mut lan = Lan::new();
    lan.server.load(lease(100, ClientKey::Identifier(Octets::default())), second(0));
    lan.server.load(lease(101, ClientKey::Identifier(vec![0; 5000].into())), second(0));
    lan.server.load(
        Lease { address: Ipv4Addr::BROADCAST, ..lease(0, ClientKey::Hardware(hardware)) },
        second(0),
    );
    let declined =
        Lease { state: LeaseState::Declined, ..lease(102, ClientKey::Hardware(hardware)) };
    lan.server.load(Lease { expires: Timestamp::FOREVER, ..declined }, second(0));
    lan.wakes();
    for number in 1..=10 {
        assert_ne!(lan.leases(number), local(102));
    }
}
