//! IPv4 and UDP headers, for sockets that see whole packets: a client without an address is heard
//! and answered below the kernel's UDP.

use std::net::{Ipv4Addr, SocketAddrV4};

/// The octets in front of the payload that [`emit`] writes: IPv4 without options, and UDP.
pub const HEADERS: usize = IP_HEADER + UDP_HEADER;

/// The most octets in front of the payload that [`parse`] takes: IPv4 with all options, and UDP.
pub const HEADERS_MAX: usize = 60 + UDP_HEADER;

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const TIME_TO_LIVE: u8 = 64;
const PROTOCOL_UDP: u8 = 17;
/// "More fragments" and the fragment offset; without "don't fragment".
const FRAGMENT_BITS: u16 = 0x3fff;

/// A UDP datagram in its IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// IP source address and UDP source port.
    pub source: SocketAddrV4,
    /// IP destination address and UDP destination port.
    pub destination: SocketAddrV4,
    /// What UDP carries.
    pub payload: &'a [u8],
}

/// Is the UDP checksum worth a look?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Yes: a wrong one is refused.
    Verify,
    /// Not yet computed: a local virtual machine leaves it to hardware that is not there
    /// (TP_STATUS_CSUMNOTREADY). Nothing can have damaged the datagram, it was never on a wire.
    NotReady,
}

/// Why a packet is no UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Malformed {
    /// It ends before its headers say so, or the receiver's buffer did.
    TooShort,
    /// The version is not 4.
    NotIpv4,
    /// The IP header's length is below 20 octets, or beyond the packet's total length.
    HeaderLength,
    /// A part of a datagram. DHCP messages fit one packet, and whoever sees packets would have to
    /// reassemble them.
    Fragment,
    /// Another protocol.
    NotUdp,
    /// The UDP length is below 8 octets, or beyond the packet's total length.
    UdpLength,
    /// The IP header's checksum is wrong.
    IpChecksum,
    /// The UDP checksum is wrong.
    UdpChecksum,
}

/// Takes a packet apart. What follows the IP packet's total length is Ethernet padding and cut; a
/// UDP checksum of zero means "none" (RFC 768).
pub fn parse(packet: &[u8], checksum: Checksum) -> Result<Datagram<'_>, Malformed> {
    let ip = parse_ip(packet)?;
    let udp = ip.payload.first_chunk::<UDP_HEADER>().ok_or(Malformed::UdpLength)?;
    let length = u16::from_be_bytes([udp[4], udp[5]]);
    let datagram = ip.payload.get(..usize::from(length)).ok_or(Malformed::UdpLength)?;
    let payload = datagram.get(UDP_HEADER..).ok_or(Malformed::UdpLength)?;
    let absent = [udp[6], udp[7]] == [0, 0];
    if checksum == Checksum::Verify && !absent {
        let sum = add(pseudo_header(ip.source, ip.destination, length), datagram);
        if sum != u16::MAX {
            return Err(Malformed::UdpChecksum);
        }
    }
    Ok(Datagram {
        source: SocketAddrV4::new(ip.source, u16::from_be_bytes([udp[0], udp[1]])),
        destination: SocketAddrV4::new(ip.destination, u16::from_be_bytes([udp[2], udp[3]])),
        payload,
    })
}

/// The headers that go in front of `payload`; `None` if it does not fit one IP packet.
///
/// "Don't fragment" is clear and the identification zero, as ISC dhcpd has sent them to every ROM
/// there is: only a router would look at either, and the packet never meets one.
pub fn emit(
    source: SocketAddrV4,
    destination: SocketAddrV4,
    payload: &[u8],
) -> Option<[u8; HEADERS]> {
    let udp_length = u16::try_from(UDP_HEADER + payload.len()).ok()?;
    let total_length = u16::try_from(HEADERS + payload.len()).ok()?;
    let ip = emit_ip(*source.ip(), *destination.ip(), total_length);

    let ([s0, s1], [d0, d1]) = (source.port().to_be_bytes(), destination.port().to_be_bytes());
    let [l0, l1] = udp_length.to_be_bytes();
    let mut udp = [s0, s1, d0, d1, l0, l1, 0, 0];
    let sum = add(pseudo_header(*source.ip(), *destination.ip(), udp_length), &udp);
    // Zero would mean "none"; its other form in ones' complement stands in (RFC 768).
    let checksum = match !add(sum, payload) {
        0 => u16::MAX,
        checksum => checksum,
    };
    [udp[6], udp[7]] = checksum.to_be_bytes();

    let mut headers = [0; HEADERS];
    for (to, from) in headers.iter_mut().zip(ip.as_flattened().iter().chain(&udp)) {
        *to = *from;
    }
    Some(headers)
}

/// An IPv4 packet that carries a whole UDP datagram.
struct IpPacket<'a> {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload: &'a [u8],
}

fn parse_ip(packet: &[u8]) -> Result<IpPacket<'_>, Malformed> {
    let fixed = packet.first_chunk::<IP_HEADER>().ok_or(Malformed::TooShort)?;
    if fixed[0] >> 4 != 4 {
        return Err(Malformed::NotIpv4);
    }
    let header_length = usize::from(fixed[0] & 0xf) * 4;
    let total_length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if header_length < IP_HEADER || header_length > total_length {
        return Err(Malformed::HeaderLength);
    }
    let packet = packet.get(..total_length).ok_or(Malformed::TooShort)?;
    let (header, payload) = packet.split_at_checked(header_length).ok_or(Malformed::TooShort)?;
    if add(0, header) != u16::MAX {
        return Err(Malformed::IpChecksum);
    }
    if u16::from_be_bytes([fixed[6], fixed[7]]) & FRAGMENT_BITS != 0 {
        return Err(Malformed::Fragment);
    }
    if fixed[9] != PROTOCOL_UDP {
        return Err(Malformed::NotUdp);
    }
    let source = Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]);
    let destination = Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]);
    Ok(IpPacket { source, destination, payload })
}

/// The header in words of 32 bits, as RFC 791 draws it.
fn emit_ip(source: Ipv4Addr, destination: Ipv4Addr, total_length: u16) -> [[u8; 4]; 5] {
    let [l0, l1] = total_length.to_be_bytes();
    let mut words = [
        [0x45, 0, l0, l1],
        [0, 0, 0, 0],
        [TIME_TO_LIVE, PROTOCOL_UDP, 0, 0],
        source.octets(),
        destination.octets(),
    ];
    [words[2][2], words[2][3]] = (!add(0, words.as_flattened())).to_be_bytes();
    words
}

/// The sum of what the UDP checksum covers beside the datagram.
fn pseudo_header(source: Ipv4Addr, destination: Ipv4Addr, udp_length: u16) -> u16 {
    let sum = add(add(0, &source.octets()), &destination.octets());
    add(add(sum, &[0, PROTOCOL_UDP]), &udp_length.to_be_bytes())
}

/// The ones' complement sum of `bytes` as 16-bit words (RFC 1071); an odd octet is padded.
/// Over bytes with their own checksum it is `u16::MAX`.
fn add(sum: u16, bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(sum, |sum, pair| {
        let word = match *pair {
            [high, low] => u16::from_be_bytes([high, low]),
            [high] => u16::from_be_bytes([high, 0]),
            _ => 0,
        };
        // A sum that overflowed is below u16::MAX and has room for its carry.
        let (sum, carry) = sum.overflowing_add(word);
        sum.wrapping_add(u16::from(carry))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 9), 67);
    const EVERYONE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);

    /// BusyBox udhcpc 1.35 on a veth, captured by tcpdump: 333 octets, an odd number.
    fn captured() -> Vec<u8> {
        let head = "4500014d00000000401179a100000000ffffffff00440043013941eb\
                    010106001e28c559";
        let chaddr = "d285abfbf344";
        let options = "6382536335010139020240370701 03060c0f1c2a0c036c6162\
                       3c20505845436c69656e743a417263683a30303030373a554e44493a303033303136\
                       3d0701d285abfbf344ff";
        let mut packet = hex(head);
        packet.resize(packet.len() + 20, 0);
        packet.extend(hex(chaddr));
        packet.resize(packet.len() + 10 + 192, 0);
        packet.extend(hex(options));
        packet
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn packet(source: SocketAddrV4, destination: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
        let mut packet = emit(source, destination, payload).unwrap().to_vec();
        packet.extend_from_slice(payload);
        packet
    }

    /// Writes the IP header's checksum anew, after a test changed the header.
    fn seal(packet: &mut [u8]) {
        let header_length = usize::from(packet[0] & 0xf) * 4;
        packet[10..12].fill(0);
        let checksum = !add(0, &packet[..header_length]);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    }

    #[test]
    fn a_captured_discover_is_read_and_written_as_it_was() {
        let captured = captured();
        let datagram = parse(&captured, Checksum::Verify).unwrap();
        assert_eq!((datagram.source, datagram.destination), (CLIENT, EVERYONE));
        assert_eq!((datagram.payload.len(), &datagram.payload[4..8]), (305, &captured[32..36]));
        assert_eq!(packet(CLIENT, EVERYONE, datagram.payload), captured);
    }

    #[test]
    fn round_trip_of_every_length() {
        let payload: Vec<u8> = (0..=u8::MAX).cycle().take(1473).collect();
        for length in 0..payload.len() {
            let datagram =
                Datagram { source: SERVER, destination: EVERYONE, payload: &payload[..length] };
            let packet = packet(SERVER, EVERYONE, datagram.payload);
            assert_eq!(parse(&packet, Checksum::Verify), Ok(datagram), "{length}");
        }
    }

    #[test]
    fn what_does_not_fit_one_packet_is_not_written() {
        assert!(emit(SERVER, CLIENT, &[0; 65535 - HEADERS]).is_some());
        assert!(emit(SERVER, CLIENT, &[0; 65536 - HEADERS]).is_none());
    }

    #[test]
    fn item_117_padding_is_cut_and_options_are_skipped() {
        let mut padded = packet(CLIENT, EVERYONE, b"short");
        padded.resize(46, 0xee);
        assert_eq!(parse(&padded, Checksum::Verify).unwrap().payload, b"short");

        let mut with_options = packet(CLIENT, EVERYONE, b"router alert");
        with_options.splice(20..20, [0x94, 4, 0, 0]);
        with_options[0] = 0x46;
        with_options[3] += 4;
        seal(&mut with_options);
        assert_eq!(parse(&with_options, Checksum::Verify).unwrap().payload, b"router alert");
    }

    #[test]
    fn item_117_checksums() {
        let good = packet(CLIENT, EVERYONE, b"payload");
        let mut wrong = good.clone();
        wrong[27] ^= 1;
        assert_eq!(parse(&wrong, Checksum::Verify), Err(Malformed::UdpChecksum));
        assert_eq!(parse(&wrong, Checksum::NotReady).unwrap().payload, b"payload");

        let mut none = good;
        none[26..28].fill(0);
        assert_eq!(parse(&none, Checksum::Verify).unwrap().payload, b"payload");
    }

    #[test]
    fn a_checksum_that_comes_out_as_zero_is_written_as_its_other_form() {
        let header = emit(CLIENT, EVERYONE, &[0, 0]).unwrap();
        // The checksum of the same datagram with zero for payload is what makes the sum complete.
        let payload = [header[26], header[27]];
        let packet = packet(CLIENT, EVERYONE, &payload);
        assert_eq!(packet[26..28], [0xff, 0xff]);
        assert_eq!(parse(&packet, Checksum::Verify).unwrap().payload, payload);
    }

    #[test]
    fn item_117_each_kind_of_damage_has_its_name() {
        use Malformed::*;
        type Damage = fn(&mut Vec<u8>);
        let cases: [(&str, Damage, Malformed); 14] = [
            ("nothing", |p| p.clear(), TooShort),
            ("half a header", |p| p.truncate(19), TooShort),
            ("cut", |p| p.truncate(p.len() - 1), TooShort),
            ("IPv6", |p| p[0] = 0x65, NotIpv4),
            ("header of 16", |p| p[0] = 0x44, HeaderLength),
            ("total below header", |p| p[2..4].copy_from_slice(&[0, 19]), HeaderLength),
            ("header beyond total", |p| p[..4].copy_from_slice(&[0x4f, 0, 0, 35]), HeaderLength),
            ("a bit in the header", |p| p[8] ^= 1, IpChecksum),
            ("first fragment", |p| p[6] = 0x20, Fragment),
            ("last fragment", |p| p[7] = 2, Fragment),
            ("TCP", |p| p[9] = 6, NotUdp),
            ("no room for UDP", |p| p[3] = 27, UdpLength),
            ("UDP length 7", |p| p[25] = 7, UdpLength),
            ("UDP beyond IP", |p| p[25] += 1, UdpLength),
        ];
        for (name, damage, expected) in cases {
            let mut packet = packet(CLIENT, EVERYONE, b"payload");
            damage(&mut packet);
            if packet.len() >= 20 && expected != IpChecksum {
                seal_if_possible(&mut packet);
            }
            assert_eq!(parse(&packet, Checksum::Verify), Err(expected), "{name}");
        }
    }

    fn seal_if_possible(packet: &mut [u8]) {
        if usize::from(packet[0] & 0xf) * 4 <= packet.len() {
            seal(packet);
        }
    }

    #[test]
    fn dont_fragment_is_no_fragment() {
        let mut packet = packet(CLIENT, EVERYONE, b"payload");
        packet[6] = 0x40;
        seal(&mut packet);
        assert!(parse(&packet, Checksum::Verify).is_ok());
    }
}
