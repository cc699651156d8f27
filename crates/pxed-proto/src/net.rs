//! Addresses: what the standard library lacks.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::text::Ascii;

/// An Ethernet address, written `aa:bb:cc:dd:ee:ff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Every station of the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// A group address: the lowest bit of the first octet (IEEE 802). No machine's own.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// As a number of 48 bits.
    pub const fn to_bits(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The form that is safe in a URL path and that pxelinux uses: `aa-bb-cc-dd-ee-ff`.
    pub fn hyphens(self) -> Ascii<17> {
        self.text(b'-')
    }

    fn text(self, separator: u8) -> Ascii<17> {
        let mut text = Ascii::EMPTY;
        for (i, octet) in self.0.into_iter().enumerate() {
            if i > 0 {
                text.push(separator);
            }
            text.push_hex(octet);
        }
        text
    }
}

/// `192.168.77.1`.
pub fn dotted(address: Ipv4Addr) -> Ascii<15> {
    let mut text = Ascii::EMPTY;
    for (i, octet) in address.octets().into_iter().enumerate() {
        if i > 0 {
            text.push(b'.');
        }
        if octet >= 100 {
            text.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            text.push(b'0' + octet / 10 % 10);
        }
        text.push(b'0' + octet % 10);
    }
    text
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(b':'))
    }
}

/// Not six pairs of hexadecimal digits with `:` or `-` between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMac;

impl FromStr for Mac {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(InvalidMac)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| InvalidMac)?;
        }
        if parts.next().is_some() { Err(InvalidMac) } else { Ok(Self(octets)) }
    }
}

/// An IPv4 network: an address and the length of its mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv4Net {
    address: Ipv4Addr,
    prefix_len: u8,
}

impl Ipv4Net {
    /// The network that `address` is in; host bits are cleared. `None` if `prefix_len` exceeds 32.
    pub fn new(address: Ipv4Addr, prefix_len: u8) -> Option<Self> {
        let mask = mask_bits(prefix_len)?;
        Some(Self { address: Ipv4Addr::from_bits(address.to_bits() & mask), prefix_len })
    }

    /// The same from a mask as it is written, `255.255.255.0`. `None` if its ones have a gap.
    pub fn with_mask(address: Ipv4Addr, mask: Ipv4Addr) -> Option<Self> {
        let bits = mask.to_bits();
        let prefix_len = u8::try_from(bits.leading_ones()).ok()?;
        (mask_bits(prefix_len)? == bits).then(|| Self::new(address, prefix_len)).flatten()
    }

    /// The network's own address, all host bits zero.
    pub const fn network(self) -> Ipv4Addr {
        self.address
    }

    /// The network's mask (option 1).
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask_bits(self.prefix_len).unwrap_or(u32::MAX))
    }

    /// The directed broadcast address, all host bits one (option 28).
    pub fn broadcast(self) -> Ipv4Addr {
        self.address | !self.mask()
    }

    /// Is `address` in this network?
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address & self.mask() == self.address
    }

    /// May `address` be a host's: in the network, and neither its network address nor its
    /// broadcast address (networks of 31 and 32 bits have neither, RFC 3021).
    pub fn contains_host(self, address: Ipv4Addr) -> bool {
        self.contains(address)
            && (self.prefix_len >= 31 || (address != self.network() && address != self.broadcast()))
    }
}

impl fmt::Display for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

fn mask_bits(prefix_len: u8) -> Option<u32> {
    match prefix_len {
        0 => Some(0),
        1..=32 => Some(u32::MAX << (32 - prefix_len)),
        _ => None,
    }
}

/// An inclusive range of addresses, written `192.168.77.100-192.168.77.200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl AddressRange {
    /// `None` if `last` is before `first`.
    pub fn new(first: Ipv4Addr, last: Ipv4Addr) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The lowest address.
    pub const fn first(self) -> Ipv4Addr {
        self.first
    }

    /// The highest address.
    pub const fn last(self) -> Ipv4Addr {
        self.last
    }

    /// Is `address` in the range?
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// How many addresses there are; at least one.
    pub fn count(self) -> u64 {
        u64::from(self.last.to_bits()) - u64::from(self.first.to_bits()) + 1
    }

    /// Every address, in order.
    pub fn iter(self) -> impl Iterator<Item = Ipv4Addr> {
        (self.first.to_bits()..=self.last.to_bits()).map(Ipv4Addr::from_bits)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_read_in_both_forms_and_written_in_one() {
        for text in ["52:54:00:ab:cd:ef", "52-54-00-AB-CD-EF"] {
            assert_eq!(text.parse::<Mac>().unwrap().to_string(), "52:54:00:ab:cd:ef");
        }
        for text in
            ["", "52:54:00:ab:cd", "52:54:00:ab:cd:ef:00", "5:4:0:a:c:e", "zz:54:00:ab:cd:ef"]
        {
            assert_eq!(text.parse::<Mac>(), Err(InvalidMac), "{text}");
        }
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for octets in [[0; 4], [255; 4], [192, 168, 77, 1], [10, 0, 100, 9]] {
            let address = Ipv4Addr::from_octets(octets);
            assert_eq!(dotted(address).to_string(), address.to_string());
        }
    }

    #[test]
    fn network_edges() {
        let net = Ipv4Net::new(Ipv4Addr::new(192, 168, 77, 9), 24).unwrap();
        assert_eq!(net.to_string(), "192.168.77.0/24");
        assert!(!net.contains_host(net.network()) && !net.contains_host(net.broadcast()));
        assert!(net.contains_host(Ipv4Addr::new(192, 168, 77, 1)));
        assert!(!net.contains(Ipv4Addr::new(192, 168, 78, 1)));
        let p2p = Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), 31).unwrap();
        assert!(p2p.contains_host(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 0).unwrap().mask(), Ipv4Addr::UNSPECIFIED);
    }

    #[test]
    fn masks_with_gaps_are_no_masks() {
        let at = Ipv4Addr::new(10, 1, 2, 3);
        assert!(Ipv4Net::with_mask(at, Ipv4Addr::new(255, 0, 255, 0)).is_none());
        assert_eq!(
            Ipv4Net::with_mask(at, Ipv4Addr::new(255, 255, 254, 0)).unwrap().to_string(),
            "10.1.2.0/23"
        );
    }
}
