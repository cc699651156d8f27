//! ARP over Ethernet (RFC 826), as far as a server needs it to ask who has an address.

use std::net::Ipv4Addr;

use crate::net::Mac;

/// The octets of an ARP packet for Ethernet and IPv4.
pub const LENGTH: usize = 28;

/// Ethernet, IPv4, addresses of six and of four octets.
const KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// An ARP probe (RFC 5227 section 2.1.1): who has `address`? It names no sender's IP address, so
/// nobody's ARP cache changes by it, and no proxy is meant.
pub fn probe(sender: Mac, address: Ipv4Addr) -> [u8; LENGTH] {
    let [k0, k1, k2, k3, k4, k5] = KIND;
    let [m0, m1, m2, m3, m4, m5] = sender.0;
    let [a0, a1, a2, a3] = address.octets();
    [
        k0, k1, k2, k3, k4, k5, 0, REQUEST, // operation
        m0, m1, m2, m3, m4, m5, 0, 0, 0, 0, // sender
        0, 0, 0, 0, 0, 0, a0, a1, a2, a3, // target
    ]
}

/// Who has which address, if the packet is an ARP reply that says so.
pub fn reply(packet: &[u8]) -> Option<(Mac, Ipv4Addr)> {
    let (head, rest) = packet.split_first_chunk::<8>()?;
    let (sender, rest) = rest.split_first_chunk::<6>()?;
    let (address, rest) = rest.split_first_chunk::<4>()?;
    let whole = rest.len() >= 10;
    let is_reply = head.starts_with(&KIND) && head.ends_with(&[0, REPLY]);
    let address = Ipv4Addr::from_octets(*address);
    (whole && is_reply && !address.is_unspecified()).then_some((Mac(*sender), address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
    const SENDER: Mac = Mac([0x52, 0x54, 0, 1, 2, 3]);

    /// RFC 5227 section 2.1.1: an ARP request whose sender IP address and target hardware address
    /// are zero.
    #[test]
    fn a_probe_names_no_sender_s_address() {
        let expected = [
            [0, 1, 8, 0, 6, 4, 0, 1].as_slice(),
            &[0x52, 0x54, 0, 1, 2, 3, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0, 192, 0, 2, 100],
        ];
        assert_eq!(probe(SENDER, ADDRESS).as_slice(), expected.concat());
        assert_eq!(reply(&probe(SENDER, ADDRESS)), None, "it is no reply");
    }

    #[test]
    fn a_reply_says_who_has_an_address() {
        let mut packet = probe(SENDER, ADDRESS).to_vec();
        packet[7] = REPLY;
        packet[14..18].copy_from_slice(&ADDRESS.octets());
        assert_eq!(reply(&packet), Some((SENDER, ADDRESS)));
        let padded = [&packet[..], &[0; 18]].concat();
        assert_eq!(reply(&padded), Some((SENDER, ADDRESS)), "Ethernet pads");
        for length in 0..LENGTH {
            assert_eq!(reply(&packet[..length]), None, "{length} octets");
        }
        for at in 0..8 {
            let mut other = packet.clone();
            other[at] ^= 0x40;
            assert_eq!(reply(&other), None, "octet {at}");
        }
        packet[14..18].fill(0);
        assert_eq!(reply(&packet), None, "of no address");
    }
}
