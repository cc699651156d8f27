//! Captures made by hand: packets, link layers and files.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::wire::dhcp::{BOOTREPLY, BOOTREQUEST, Header, MessageType, Writer};
use pxed_proto::wire::udp;

/// Octets of the machine that boots.
pub const MAC: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 1];
/// Octets of the server's card.
pub const SERVER_MAC: [u8; 6] = [2, 0x77, 0, 0, 0, 1];
pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 100);
pub const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
pub const EVERYBODY: Ipv4Addr = Ipv4Addr::BROADCAST;

pub type Options<'a> = &'a [(u8, &'a [u8])];

/// What a PXE ROM says of itself.
pub const ROM: Options<'static> = &[(60, b"PXEClient:Arch:00007:UNDI:003016"), (93, &[0, 7])];
/// What iPXE says of itself.
pub const IPXE: Options<'static> = &[(60, b"PXEClient"), (93, &[0, 7]), (77, b"iPXE")];

/// A DHCP message's fields, where they are not the usual.
pub fn header(op: u8, mac: [u8; 6], xid: u32) -> Header<'static> {
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&mac);
    Header {
        op,
        htype: 1,
        hlen: 6,
        xid,
        secs: 0,
        flags: 0x8000,
        ciaddr: NOBODY,
        yiaddr: NOBODY,
        siaddr: NOBODY,
        giaddr: NOBODY,
        chaddr,
        sname: b"",
        file: b"",
    }
}

/// A DHCP message.
pub fn message(header: &Header<'_>, kind: MessageType, options: &[Options<'_>]) -> Vec<u8> {
    let mut writer = Writer::new(header, 1472);
    assert!(writer.option(53, &[kind as u8]));
    for (code, value) in options.iter().copied().flatten() {
        assert!(writer.option(*code, value));
    }
    writer.finish()
}

/// A client's message, by broadcast.
pub fn question(xid: u32, kind: MessageType, options: &[Options<'_>]) -> Vec<u8> {
    let message = message(&header(BOOTREQUEST, MAC, xid), kind, options);
    udp((NOBODY, 68), (EVERYBODY, 67), &message)
}

/// A server's answer, by broadcast.
pub fn answer(
    xid: u32,
    kind: MessageType,
    server: Ipv4Addr,
    address: Ipv4Addr,
    file: &[u8],
) -> Vec<u8> {
    let header = Header { yiaddr: address, siaddr: server, file, ..header(BOOTREPLY, MAC, xid) };
    let options: Options<'_> = &[(54, &server.octets()), (51, &[0, 0, 14, 16])];
    udp((server, 67), (EVERYBODY, 68), &message(&header, kind, &[options]))
}

/// A UDP datagram in its IP packet.
pub fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let (from, to) = (SocketAddrV4::new(from.0, from.1), SocketAddrV4::new(to.0, to.1));
    [&udp::emit(from, to, payload).unwrap(), payload].concat()
}

/// A TCP segment in its IP packet, without checksums.
pub fn tcp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut segment = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend_from_slice(payload);
    ip(6, from.0, to.0, &segment)
}

/// ICMP: nobody listens where `packet` was sent.
pub fn unreachable(from: Ipv4Addr, to: Ipv4Addr, packet: &[u8]) -> Vec<u8> {
    ip(1, from, to, &[&[3, 3, 0, 0, 0, 0, 0, 0], &packet[..28]].concat())
}

fn ip(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let head = [0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    [&head[..], &from.octets(), &to.octets(), payload].concat()
}

/// A frame of `sender` with these octets between the addresses and the packet.
pub fn ethernet(sender: [u8; 6], tags: &[u8], packet: &[u8]) -> Vec<u8> {
    [&[0xff; 6][..], &sender, tags, &[8, 0], packet].concat()
}

/// A pcap file, little-endian and in microseconds: the milliseconds and octets of each frame.
pub fn pcap(link_type: u32, frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = file_header(0xa1b2_c3d4_u32.to_le_bytes(), link_type.to_le_bytes());
    for (at, frame) in frames {
        record(&mut file, *at, 1000, frame, u32::to_le_bytes);
    }
    file
}

/// The same in another byte order, in units of so many nanoseconds.
pub fn pcap_as(
    magic: u32,
    unit: u64,
    order: fn(u32) -> [u8; 4],
    frames: &[(u64, Vec<u8>)],
) -> Vec<u8> {
    let mut file = file_header(order(magic), order(1));
    for (at, frame) in frames {
        record(&mut file, *at, unit, frame, order);
    }
    file
}

fn file_header(magic: [u8; 4], link_type: [u8; 4]) -> Vec<u8> {
    [&magic[..], &[0; 16], &link_type].concat()
}

/// Frames are captured from the first second of 2026 on.
const BEGIN: u64 = 1_767_225_600;

fn record(file: &mut Vec<u8>, ms: u64, unit: u64, frame: &[u8], order: fn(u32) -> [u8; 4]) {
    let seconds = u32::try_from(BEGIN + ms / 1000).unwrap();
    let part = u32::try_from(ms % 1000 * 1_000_000 / unit).unwrap();
    let len = u32::try_from(frame.len()).unwrap();
    for field in [seconds, part, len, len] {
        file.extend(order(field));
    }
    file.extend_from_slice(frame);
}

/// A pcapng file in nanoseconds, with a block in it that nobody knows.
pub fn pcapng(order: fn(u32) -> [u8; 4], frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    let magic = order(0x1a2b_3c4d);
    block(&mut file, order, 0x0a0d_0d0a, &[&magic[..], &[0; 4], &[0xff; 8]].concat());
    let half = |value: u32| order(value << 16 | value)[..2].to_vec();
    let resolution = [half(9), half(1), vec![9, 0, 0, 0], vec![0; 4]].concat();
    block(&mut file, order, 1, &[half(1), vec![0; 6], resolution].concat());
    block(&mut file, order, 0x4242, b"whatever");
    for (ms, frame) in frames {
        let units = BEGIN * 1_000_000_000 + ms * 1_000_000;
        let high = u32::try_from(units >> 32).unwrap();
        let low = u32::try_from(units & 0xffff_ffff).unwrap();
        let len = u32::try_from(frame.len()).unwrap();
        let mut body: Vec<u8> = [0, high, low, len, len].into_iter().flat_map(order).collect();
        body.extend_from_slice(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        block(&mut file, order, 6, &body);
    }
    file
}

fn block(file: &mut Vec<u8>, order: fn(u32) -> [u8; 4], kind: u32, body: &[u8]) {
    let total = order(u32::try_from(body.len() + 12).unwrap());
    file.extend([&order(kind), &total, body, &total].concat());
}
