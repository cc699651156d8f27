//! Captures of real firmware and clients, taken in the lab: every message is read and written
//! again, and every client is answered.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::boot::Services;
use pxed_proto::dhcp::{Arrival, Config};
use pxed_proto::net::{Ipv4Net, Mac};
use pxed_proto::wire::dhcp::{BOOTREQUEST, Header, Message, MessageType, Writer};

use crate::lan::{Lan, config, pool};

/// Each with what its clients sent in vain; testdata/captures/README.md says how they were taken.
macro_rules! captures {
    ($($name:literal),*) => {
        [$((
            $name,
            include_bytes!(concat!("../../testdata/captures/", $name, ".pcap")).as_slice(),
        )),*]
    };
}
const CAPTURES: [(&str, &[u8]); 10] = captures![
    "dhclient",
    "dhcpcd",
    "edk2-http",
    "edk2-pxe",
    "grub",
    "ipxe-chained",
    "ipxe-rom",
    "networkd",
    "relayed",
    "udhcpc"
];

/// A DHCP message as it was on the wire.
struct Datagram {
    seconds: u64,
    arrival: Arrival,
    octets: Vec<u8>,
}

/// The DHCP messages of a capture: pcap, little-endian, Ethernet, IPv4 without options.
fn datagrams(pcap: &[u8]) -> Vec<Datagram> {
    assert_eq!(pcap[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
    let (mut found, mut rest) = (vec![], &pcap[24..]);
    while let Some((head, behind)) = rest.split_at_checked(16) {
        let kept = u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize;
        let seconds = u32::from_le_bytes(head[..4].try_into().unwrap());
        let (frame, next) = behind.split_at(kept);
        found.extend(datagram(u64::from(seconds), frame));
        rest = next;
    }
    found
}

fn datagram(seconds: u64, frame: &[u8]) -> Option<Datagram> {
    if frame[12..15] != [8, 0, 0x45] || frame[23] != 17 {
        return None;
    }
    let address = |at: usize| Ipv4Addr::from_octets(frame[at..at + 4].try_into().unwrap());
    let number = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let (from, to) = (number(34), number(36));
    if ![from, to].iter().any(|port| [67, 68].contains(port)) {
        return None;
    }
    let arrival = Arrival {
        source: SocketAddrV4::new(address(26), from),
        destination: SocketAddrV4::new(address(30), to),
        source_mac: Some(Mac(frame[6..12].try_into().unwrap())),
    };
    let octets = frame[42..34 + usize::from(number(38))].to_vec();
    Some(Datagram { seconds, arrival, octets })
}

/// The message as pxed writes it.
fn written(message: &Message<'_>) -> Vec<u8> {
    let header = Header {
        op: message.op,
        htype: message.htype,
        hlen: message.hlen,
        xid: message.xid,
        secs: message.secs,
        flags: message.flags,
        ciaddr: message.ciaddr,
        yiaddr: message.yiaddr,
        siaddr: message.siaddr,
        giaddr: message.giaddr,
        chaddr: message.chaddr,
        sname: message.sname(),
        file: message.file(),
    };
    let mut writer = Writer::new(&header, 1500);
    for (code, value) in message.instances() {
        assert!(writer.option(code, value));
    }
    writer.finish()
}

#[test]
fn captured_messages_are_written_again_octet_by_octet() {
    for (name, pcap) in CAPTURES {
        let datagrams = datagrams(pcap);
        assert!(datagrams.len() >= 4, "{name}: {}", datagrams.len());
        for Datagram { mut octets, .. } in datagrams {
            octets[3] = 0; // hops: pxed is no relay agent and writes none
            let message = Message::parse(&octets).unwrap();
            assert!(message.message_type().is_some(), "{name}");
            let again = written(&message);
            // Clients pad as they like; pxed to BOOTP's least length.
            let unpadded = |octets: &[u8]| {
                let end = octets.iter().rposition(|octet| *octet != 0).unwrap();
                octets[..=end].to_vec()
            };
            assert_eq!(unpadded(&again), unpadded(&octets), "{name}");
            assert_eq!(written(&Message::parse(&again).unwrap()), again, "{name}");
        }
    }
}

/// The lab's networks, where the captures were taken.
fn lab() -> Config {
    let server = Ipv4Addr::new(192, 168, 77, 1);
    let mut config = config();
    config.links[0].addresses = vec![server];
    for (subnet, third) in config.subnets.iter_mut().zip([77, 78]) {
        let address = |host| Ipv4Addr::new(192, 168, third, host);
        subnet.net = Ipv4Net::new(address(0), 24).unwrap();
        subnet.pools = pool(address(100), address(200));
        subnet.services =
            Services { tftp: server, http: SocketAddrV4::new(server, 8067), https_port: None };
    }
    config
}

#[test]
fn captured_clients_are_answered() {
    for (name, pcap) in CAPTURES {
        let (mut lan, mut answered) = (Lan::of(lab()), vec![]);
        let mut begun = None;
        for Datagram { seconds, arrival, octets } in datagrams(pcap) {
            let message = Message::parse(&octets).unwrap();
            if message.op != BOOTREQUEST {
                continue;
            }
            lan.at(seconds - *begun.get_or_insert(seconds));
            let sent = message.message_type().unwrap();
            let answer = lan.hears_octets(&arrival, &octets);
            match sent {
                MessageType::Discover => drop(answer.offer()),
                MessageType::Request => drop(answer.ack()),
                MessageType::Release => assert_eq!(answer.reply, None, "{name}"),
                other => panic!("{name}: {other}"),
            }
            answered.push(sent);
        }
        assert!(answered.contains(&MessageType::Request), "{name}: {answered:?}");
    }
}
