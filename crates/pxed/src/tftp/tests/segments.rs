//! Windows that are to leave in one call, where that is not possible: their blocks leave one by one.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::process::Command;

use pxed_proto::Timestamp;
use pxed_proto::tftp::{Settings, Transfer};
use pxed_proto::wire::tftp::data_header;

use super::super::cache::Cache;
use super::super::sending::{Sending, Source};
use super::*;
use crate::net::test_namespace::{self, Ethernet};
use crate::net::{Destination, TftpSocket, is_of_segments};

/// Nobody is there; but there is a route, and a neighbour at the other end of the cable.
const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 2070);

const BLOCKS: u16 = 4;
const BLKSIZE: u16 = 1000;

/// TFTP's.
const HEADER: u16 = 4;

fn inside(test: &str, body: impl FnOnce()) {
    test_namespace::run(&format!("{}::{test}", module_path!()), body);
}

fn run(command: &str) {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// By the cable, where packets of `mtu` octets pass.
fn route(mtu: &str) -> Ethernet {
    let end = Ethernet::open("cli");
    let client = CLIENT.ip();
    run(&format!("ip neigh replace {client} lladdr {} dev srv", end.mac));
    run(&format!("ip route replace {client} dev srv mtu {mtu}"));
    end
}

fn text() -> Vec<u8> {
    (0..=250).cycle().take(usize::from(BLOCKS * BLKSIZE)).collect()
}

/// What the kernel says of two blocks in one call.
fn two_segments() -> io::Result<()> {
    let socket = TftpSocket::open(Ipv4Addr::new(192, 0, 2, 9), "srv")?;
    let octets = [0; 2 * (BLKSIZE + HEADER) as usize];
    let at = Destination { from: None, to: CLIENT };
    socket.send_segments(at, &[io::IoSlice::new(&octets)], BLKSIZE + HEADER)
}

/// Sends a window on a link that is said to have an MTU of 1500, and hears the blocks at the other
/// end; how many packets that were.
fn sends_a_window(end: &Ethernet) -> usize {
    let settings = Settings { blksize: BLKSIZE, windowsize: BLOCKS, ..Settings::default() };
    let text = text();
    let transfer = Transfer::new(Timestamp::EPOCH, text.len() as u64, settings);
    let mut sending = Sending::new(transfer, Source::Text(text), 1500, true);
    let socket = TftpSocket::open(Ipv4Addr::new(192, 0, 2, 9), "srv").unwrap();
    let at = Destination { from: None, to: CLIENT };
    sending.flush(&mut Cache::default(), &socket, at).unwrap();
    assert!(sending.transfer.due().is_empty(), "all of it has left");
    let (mut fragments, mut missing) =
        (BTreeMap::new(), usize::from(BLOCKS * (8 + HEADER + BLKSIZE)));
    while missing > 0 {
        let (_, _, packet) = end.receive();
        if packet[9] != 17 || packet[16..20] != CLIENT.ip().octets() {
            continue;
        }
        let [identifier, place] = [4, 6].map(|at| u16::from_be_bytes([packet[at], packet[at + 1]]));
        let payload = packet[20..usize::from(u16::from_be_bytes([packet[2], packet[3]]))].to_vec();
        missing -= payload.len();
        fragments.insert((identifier, place & 0x1fff), payload);
    }
    let mut datagrams: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    for ((identifier, _), payload) in &fragments {
        datagrams.entry(*identifier).or_default().extend(payload);
    }
    let heard: Vec<Vec<u8>> = datagrams.into_values().map(|whole| whole[8..].to_vec()).collect();
    let blocks = self::text();
    let blocks = (1..=BLOCKS).zip(blocks.chunks(usize::from(BLKSIZE)));
    let expected: Vec<Vec<u8>> =
        blocks.map(|(block, data)| [&data_header(block)[..], data].concat()).collect();
    assert!(expected.iter().all(|block| heard.contains(block)), "{heard:?}");
    fragments.len()
}

#[test]
fn the_path_takes_shorter_packets_than_its_interface() {
    inside("the_path_takes_shorter_packets_than_its_interface", || {
        let end = route("600");
        assert!(is_of_segments(&two_segments().unwrap_err()));
        assert_eq!(sends_a_window(&end), usize::from(2 * BLOCKS), "in fragments");
    });
}

/// What pxed knows of an interface is what it was.
#[test]
fn the_mtu_has_become_smaller_just_now() {
    inside("the_mtu_has_become_smaller_just_now", || {
        route("0");
        two_segments().unwrap();
        run("ip link set srv mtu 600");
        assert!(is_of_segments(&two_segments().unwrap_err()));
        let end = route("0");
        assert_eq!(sends_a_window(&end), usize::from(2 * BLOCKS), "in fragments");
    });
}

/// Before Linux 6.11 that is an error (EIO).
#[test]
fn the_card_computes_no_checksums() {
    inside("the_card_computes_no_checksums", || {
        let off = Command::new("ethtool").args(["-K", "srv", "tx", "off"]).output();
        if !off.is_ok_and(|output| output.status.success()) {
            return test_namespace::not_tested("the_card_computes_no_checksums", "no ethtool here");
        }
        assert_eq!(sends_a_window(&route("1500")), usize::from(BLOCKS));
    });
}
