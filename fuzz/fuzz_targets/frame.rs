//! Any octets as an IPv4 packet. What is a UDP datagram is one again when pxed writes it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pxed_proto::wire::udp::{Checksum, Datagram, HEADERS, emit, parse};

fuzz_target!(|octets: &[u8]| {
    // No fuzzer guesses two checksums: an odd first octet has them set right.
    let Some((seals, packet)) = octets.split_first() else { return };
    let mut packet = packet.to_vec();
    if seals & 1 == 1 {
        seal(&mut packet);
    }
    let verified = parse(&packet, Checksum::Verify);
    let trusted = parse(&packet, Checksum::NotReady);
    if let Ok(datagram) = verified {
        assert_eq!(trusted, Ok(datagram));
    }
    if let Ok(datagram) = trusted {
        is_one_again(&datagram);
    }
});

fn is_one_again(datagram: &Datagram<'_>) {
    let Datagram { source, destination, payload } = *datagram;
    // A packet with less header than ours may carry a payload that has no room behind ours.
    let Some(headers) = emit(source, destination, payload) else {
        return assert!(HEADERS + payload.len() > usize::from(u16::MAX));
    };
    let packet = [&headers[..], payload].concat();
    assert_eq!(parse(&packet, Checksum::Verify), Ok(*datagram));
}

/// The IP header's checksum as RFC 791 has it, and no UDP checksum.
fn seal(packet: &mut [u8]) {
    let Some(header_length) = packet.first().map(|first| usize::from(first & 0xf) * 4) else {
        return;
    };
    if header_length < 20 || packet.len() < header_length + 8 {
        return;
    }
    packet[10..12].fill(0);
    let words =
        packet[..header_length].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let checksum = !u16::try_from(folded).expect("folded twice");
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet[header_length + 6..header_length + 8].fill(0);
}
