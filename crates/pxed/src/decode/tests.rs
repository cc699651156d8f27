//! Whole captures and what is told of them.

mod captures;
mod stories;
mod wire;

use std::net::Ipv4Addr;

use pxed_proto::wire::dhcp::MessageType;
use pxed_proto::wire::tftp;

use super::*;
use wire::*;

fn args() -> DecodeArgs {
    DecodeArgs { file: PathBuf::new(), mac: None, full: false }
}

fn try_tell(file: &[u8], args: &DecodeArgs) -> Result<String, DecodeError> {
    let mut output = Vec::new();
    tell(file, "wire.pcap", args, &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

fn told(file: &[u8]) -> String {
    try_tell(file, &args()).unwrap()
}

/// What is told of packets in Ethernet frames, each with its milliseconds.
fn told_of(packets: &[(u64, Vec<u8>)]) -> String {
    told(&pcap(1, &framed(packets)))
}

fn framed(packets: &[(u64, Vec<u8>)]) -> Vec<(u64, Vec<u8>)> {
    let frame = |packet: &Vec<u8>| {
        let from_server = packet[12..16] == SERVER.octets();
        ethernet(if from_server { SERVER_MAC } else { MAC }, &[], packet)
    };
    packets.iter().map(|(at, packet)| (*at, frame(packet))).collect()
}

/// A ROM that gets its address and its NBP, and loses a block on the way.
fn boot() -> Vec<(u64, Vec<u8>)> {
    let (client, server) = ((CLIENT, 1501), (SERVER, 40000));
    let options = [("tsize", 0), ("blksize", 1468), ("windowsize", 2)];
    let request = tftp::read_request(b"ipxe.efi", "octet", &options);
    let size = tftp::read_request(b"ipxe.efi", "octet", &[("tsize", 0)]);
    let abort = tftp::error(tftp::ErrorCode::NotDefined, "User aborted the transfer");
    let data = |block, len| [&tftp::data_header(block)[..], &vec![7; len]].concat();
    let ack = |block| udp(client, server, &tftp::ack(block));
    let sent = |block, len| udp(server, client, &data(block, len));
    let get = b"GET /machine/52-54-00-77-00-01/boot.ipxe?uuid=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 412\r\n\r\n#!ipxe";
    let asked = [(50, &CLIENT.octets()[..]), (54, &SERVER.octets())];
    vec![
        (0, question(7, MessageType::Discover, &[ROM])),
        (1000, question(7, MessageType::Discover, &[ROM])),
        (1004, answer(7, MessageType::Offer, SERVER, CLIENT, b"ipxe.efi")),
        (1010, question(7, MessageType::Request, &[ROM, &asked])),
        (1012, answer(7, MessageType::Ack, SERVER, CLIENT, b"ipxe.efi")),
        (1020, udp((CLIENT, 1500), (SERVER, 69), &size)),
        (1021, udp((SERVER, 39999), (CLIENT, 1500), &tftp::oack(&[("tsize", 2946)]))),
        (1022, udp((CLIENT, 1500), (SERVER, 39999), &abort)),
        (1030, udp(client, (SERVER, 69), &request)),
        (1031, udp(server, client, &tftp::oack(&[("blksize", 1468), ("windowsize", 2)]))),
        (1032, ack(0)),
        (1033, sent(1, 1468)),
        (1034, sent(2, 1468)),
        (1035, ack(1)),
        (2035, sent(2, 1468)),
        (2036, sent(3, 10)),
        (2037, ack(3)),
        (4000, question(8, MessageType::Discover, &[IPXE])),
        (4001, answer(8, MessageType::Offer, SERVER, CLIENT, b"http://192.168.77.1/boot.ipxe")),
        (4002, question(8, MessageType::Request, &[IPXE, &asked])),
        (4003, answer(8, MessageType::Ack, SERVER, CLIENT, b"http://192.168.77.1/boot.ipxe")),
        (4010, tcp((CLIENT, 2000), (SERVER, 8067), 1, get)),
        (4030, tcp((CLIENT, 2000), (SERVER, 8067), 1, get)),
        (4031, tcp((SERVER, 8067), (CLIENT, 2000), 1, ok)),
    ]
}

const BOOT: &str = "\
wire.pcap: 24 packets in 4.031 s, 1 machine

52:54:00:77:00:01, from Thu, 01 Jan 2026 00:00:00 GMT
   0.000  52:54:00:77:00:01 → broadcast       DISCOVER (PXE, UEFI x64)
   1.000  52:54:00:77:00:01 → broadcast       DISCOVER (PXE, UEFI x64), again
   1.004  192.168.77.1 → 52:54:00:77:00:01    OFFER 192.168.77.100, boot tftp://192.168.77.1/ipxe.efi
   1.010  52:54:00:77:00:01 → broadcast       REQUEST 192.168.77.100, selecting 192.168.77.1 (PXE, UEFI x64)
   1.012  192.168.77.1 → 52:54:00:77:00:01    ACK 192.168.77.100 for 1h, boot tftp://192.168.77.1/ipxe.efi
   1.020  192.168.77.100 → 192.168.77.1       RRQ ipxe.efi, tsize 0
   1.021  192.168.77.1 → 192.168.77.100       OACK, tsize 2946
   1.022  192.168.77.100 → 192.168.77.1       ERROR 0 \"User aborted the transfer\" (size asked for, not fetched)
   1.030  192.168.77.100 → 192.168.77.1       RRQ ipxe.efi, tsize 0, blksize 1468, windowsize 2
   1.031  192.168.77.1 → 192.168.77.100       OACK, blksize 1468, windowsize 2
   1.033  192.168.77.1 → 192.168.77.100       DATA of ipxe.efi: blocks 1 to 3, 2946 bytes in 1003 ms, 1 sent again, blksize 1468, windowsize 2, 2 ACKs, last ACK 3
   4.000  52:54:00:77:00:01 → broadcast       DISCOVER (iPXE, UEFI x64)
   4.001  192.168.77.1 → 52:54:00:77:00:01    OFFER 192.168.77.100, boot http://192.168.77.1/boot.ipxe
   4.002  52:54:00:77:00:01 → broadcast       REQUEST 192.168.77.100, selecting 192.168.77.1 (iPXE, UEFI x64)
   4.003  192.168.77.1 → 52:54:00:77:00:01    ACK 192.168.77.100 for 1h, boot http://192.168.77.1/boot.ipxe
   4.010  192.168.77.100 → 192.168.77.1:8067  HTTP GET /machine/52-54-00-77-00-01/boot.ipxe?uuid=1: 200 OK, 412 bytes
  As PXE, UEFI x64 it got 192.168.77.100 from 192.168.77.1 and fetched ipxe.efi (2946 bytes); then as iPXE, UEFI x64 it got 192.168.77.100 from 192.168.77.1 and asked by HTTP for boot.ipxe (200).
";

#[test]
fn a_boot_is_told_from_end_to_end() {
    assert_eq!(told_of(&boot()), BOOT);
}

#[test]
fn every_form_of_file_is_told_alike() {
    let frames = framed(&boot());
    let [be, le]: [fn(u32) -> [u8; 4]; 2] = [u32::to_be_bytes, u32::to_le_bytes];
    for (name, file) in [
        ("big-endian", pcap_as(0xa1b2_c3d4, 1000, be, &frames)),
        ("nanoseconds", pcap_as(0xa1b2_3c4d, 1, le, &frames)),
        ("big-endian, nanoseconds", pcap_as(0xa1b2_3c4d, 1, be, &frames)),
        ("pcapng", pcapng(le, &frames)),
        ("pcapng, big-endian", pcapng(be, &frames)),
        ("two sections", [pcapng(le, &frames[..9]), pcapng(be, &frames[9..])].concat()),
    ] {
        assert_eq!(told(&file), BOOT, "{name}");
    }
}

/// Puts a packet into a frame.
type Layer<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

#[test]
fn every_link_layer_is_told_alike() {
    let cooked = |packet: &[u8]| [&[0, 1, 0, 1, 0, 6][..], &MAC, &[0, 0, 8, 0], packet].concat();
    let cooked_v2 =
        |packet: &[u8]| [&[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 1, 6][..], &MAC, &[0, 0], packet].concat();
    let raw = |packet: &[u8]| packet.to_vec();
    let layers: [(u32, Layer<'_>); 3] = [(113, &cooked), (276, &cooked_v2), (101, &raw)];
    for (link_type, layer) in layers {
        let frames: Vec<_> = boot().iter().map(|(at, packet)| (*at, layer(packet))).collect();
        assert_eq!(told(&pcap(link_type, &frames)), BOOT, "{link_type}");
    }
    let unknown = told(&pcap(147, &framed(&boot())));
    assert!(
        unknown.ends_with("Packets not shown: 24 of link type 147, which is not known here.\n")
    );
}

#[test]
fn vlans_are_named() {
    let discover = question(7, MessageType::Discover, &[]);
    for (tags, text) in [
        (&[0x81, 0, 0, 10][..], "DISCOVER on VLAN 10\n"),
        (&[0x88, 0xa8, 0x60, 20, 0x81, 0, 0, 10], "DISCOVER on VLAN 20.10\n"),
    ] {
        let told = told(&pcap(1, &[(0, ethernet(MAC, tags, &discover))]));
        assert!(told.contains(text), "{told}");
    }
}

#[test]
fn a_packet_of_a_bridge_and_its_port_is_told_once() {
    let discover = question(7, MessageType::Discover, &[]);
    let heard = |interface: u8| {
        let head = [8, 0, 0, 0, 0, 0, 0, interface, 0, 1, 1, 6];
        [&head[..], &MAC, &[0, 0], &discover].concat()
    };
    let told = told(&pcap(276, &[(0, heard(2)), (1, heard(3)), (900, heard(2)), (901, heard(3))]));
    assert_eq!(told.matches("DISCOVER").count(), 2, "{told}");
    assert!(told.contains("it asked 2 times and nobody answered"), "{told}");
    assert!(told.contains("2 heard a second time on another interface"), "{told}");
}

#[test]
fn checksums_that_hardware_would_have_filled_in_are_no_damage() {
    let mut packets = boot();
    for (_, packet) in &mut packets {
        packet[10..12].fill(0);
        packet[26] ^= 0x55;
    }
    // In TCP that octet is of the sequence number.
    assert_eq!(told_of(&packets), BOOT);
    let (_, packet) = &mut packets[0];
    packet[10] = 1;
    assert!(told_of(&packets).contains("Packets not shown: 1 damaged."));
}

#[test]
fn what_was_not_captured_is_not_guessed() {
    let mut file = pcap(1, &[]);
    for (_, frame) in framed(&boot()) {
        let kept = frame.len().min(14 + 28 + 246);
        file.extend([0; 8]);
        file.extend(u32::try_from(kept).unwrap().to_le_bytes());
        file.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
        file.extend_from_slice(&frame[..kept]);
    }
    let told = told(&file);
    assert!(told.contains("REQUEST, its end not captured"), "{told}");
    assert!(told.contains("DATA of ipxe.efi: blocks 1 to 3, 2946 bytes"), "{told}");
    assert!(told.contains("\n  It got 192.168.77.100 from 192.168.77.1 and fetched"), "{told}");
}

#[test]
fn only_the_machine_that_is_asked_for() {
    let file = pcap(1, &framed(&boot()));
    let of = |mac: &str| {
        try_tell(&file, &DecodeArgs { mac: Some(mac.parse().unwrap()), ..args() }).unwrap()
    };
    assert_eq!(of("52:54:00:77:00:01"), BOOT);
    let absent = "Nothing of 52:54:00:00:00:00 in it, but of 52:54:00:77:00:01.";
    assert!(of("52:54:00:00:00:00").contains(absent));
}

#[test]
fn files_that_are_no_captures_are_refused_by_name() {
    for (file, error) in [
        (&b""[..], "wire.pcap: the file is empty"),
        (b"x", "wire.pcap: not a pcap or pcapng capture"),
        (b"root:x:0:0:root:/root:/bin/bash\n", "wire.pcap: not a pcap or pcapng capture"),
        (b"\xd4\xc3\xb2\xa1\x02\0", "wire.pcap: not a pcap or pcapng capture"),
        (b"\x0a\x0d\x0d\x0a\x1c\0\0\0????", "wire.pcap: not a pcap or pcapng capture"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "wire.pcap: the file is compressed; unpack it first"),
    ] {
        assert_eq!(try_tell(file, &args()).unwrap_err().to_string(), error);
    }
}

#[test]
fn a_file_that_ends_early_is_told_as_far_as_it_goes() {
    let frames = framed(&boot());
    let cut = "The file ends within a packet: the end is missing.\n";
    for (file, header) in [(pcap(1, &frames), 24), (pcapng(u32::to_le_bytes, &frames), 28)] {
        assert!(told(&file[..file.len() - 1]).ends_with(cut));
        for len in header..file.len() {
            let told = told(&file[..len]);
            assert!(told.starts_with("wire.pcap: "), "{len}: {told}");
        }
    }
    let mut damaged = pcap(1, &frames[..1]);
    damaged.extend([0xff; 16]);
    assert!(told(&damaged).ends_with("damaged behind packet 1; what follows could not be read.\n"));
}

#[test]
fn no_bytes_are_too_bad() {
    let frames = framed(&boot());
    let mut seed = 88_172_645_463_325_252_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below).unwrap()).unwrap()
    };
    let full = DecodeArgs { full: true, ..args() };
    for file in [pcap(1, &frames), pcap(113, &frames), pcapng(u32::to_be_bytes, &frames)] {
        for _ in 0..2000 {
            let mut file = file.clone();
            for _ in 0..=random(20) {
                let at = random(file.len());
                file[at] = [0, 1, 0x7f, 0x80, 0xff, random(256).to_le_bytes()[0]][random(6)];
            }
            // An error is as good an answer as a story.
            let _ = try_tell(&file, &full);
        }
    }
}

#[test]
fn a_flood_is_bounded_and_said() {
    let octets = |n: u32| {
        let [a, b, c, d] = n.to_be_bytes();
        [2, 0, a, b, c, d]
    };
    let from = |n: u32| {
        let header = header(1, octets(n), n);
        let message = message(&header, MessageType::Discover, &[]);
        (u64::from(n), ethernet(MAC, &[], &udp((NOBODY, 68), (EVERYBODY, 67), &message)))
    };
    let many: Vec<_> = (0..4200).map(from).collect();
    let told = told(&pcap(1, &many));
    assert!(told.contains("4096 machines"));
    assert!(told.ends_with("104 of machines beyond the most that are kept.\n"));

    let one = |n: u32| (u64::from(n), question(n, MessageType::Discover, &[ROM]));
    let told = told_of(&(0..20_000).map(one).collect::<Vec<_>>());
    assert!(told.contains(" more lines, left out\n") && told.len() < 2 << 20);
    assert!(told.contains("it asked 20000 times and nobody answered."));
}

#[test]
fn all_options_are_shown_if_asked_for() {
    let file = pcap(1, &framed(&boot()[..3]));
    let told = try_tell(&file, &DecodeArgs { full: true, ..args() }).unwrap();
    for text in ["xid 00000007", "server identifier (54): 192.168.77.1", "(93): UEFI x64"] {
        assert!(told.contains(text), "{told}");
    }
}
