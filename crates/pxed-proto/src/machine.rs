//! Who is asking: a machine, and the firmware that runs on it now.

use std::fmt;

use crate::net::Mac;
use crate::text::{Ascii, Hex};
use crate::wire::dhcp::Message;
use crate::wire::options::code;

/// A computer that boots, known by its MAC and, if it says so, its UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// `htype`, `hlen` and `chaddr` of its messages.
    pub hardware: HardwareAddress,
    /// Option 97, where it is a real UUID.
    pub uuid: Option<Uuid>,
}

impl Machine {
    /// The Ethernet address, if that is what the hardware has.
    pub fn mac(&self) -> Option<Mac> {
        self.hardware.mac()
    }
}

impl From<Mac> for Machine {
    fn from(mac: Mac) -> Self {
        Self { hardware: HardwareAddress::from(mac), uuid: None }
    }
}

/// A client's hardware address as DHCP carries it: `htype`, `hlen`, `chaddr` (RFC 2131 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareAddress {
    htype: u8,
    len: u8,
    bytes: [u8; 16],
}

impl HardwareAddress {
    /// `htype` of Ethernet (IANA ARP parameters).
    pub const ETHERNET: u8 = 1;

    /// Takes the first `hlen` octets of `chaddr`. `None` if `hlen` exceeds the field's 16 octets.
    pub fn new(htype: u8, hlen: u8, chaddr: [u8; 16]) -> Option<Self> {
        let mut bytes = [0; 16];
        let significant = chaddr.get(..usize::from(hlen))?;
        bytes.iter_mut().zip(significant).for_each(|(to, from)| *to = *from);
        Some(Self { htype, len: hlen, bytes })
    }

    /// The ARP hardware type.
    pub const fn htype(&self) -> u8 {
        self.htype
    }

    /// The significant octets.
    pub fn octets(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The Ethernet address, if that is what it is: zeros are nobody's.
    pub fn mac(&self) -> Option<Mac> {
        if self.htype != Self::ETHERNET || self.is_empty() {
            return None;
        }
        self.octets().try_into().ok().map(Mac)
    }

    /// Does it tell nobody from anybody: no octets, or only zeros?
    pub fn is_empty(&self) -> bool {
        self.octets().iter().all(|octet| *octet == 0)
    }
}

impl From<Mac> for HardwareAddress {
    fn from(mac: Mac) -> Self {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(mac.0).for_each(|(to, from)| *to = from);
        Self { htype: Self::ETHERNET, len: 6, bytes }
    }
}

impl fmt::Display for HardwareAddress {
    /// `aa:bb:cc:dd:ee:ff` for Ethernet, `htype 32: aa bb` for anything else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mac() {
            Some(mac) => mac.fmt(f),
            None => write!(f, "htype {}: {}", self.htype, Hex(self.octets())),
        }
    }
}

/// The client machine identifier of option 97 (RFC 4578 section 2.3), as the SMBIOS has it: the
/// first three fields are little-endian on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// From option 97: type octet 0 and sixteen octets. All zeros and all ones are what boards
    /// say that have none; they would make one machine of many.
    pub fn from_option(value: &[u8]) -> Option<Self> {
        let (&0, uuid) = value.split_first()? else { return None };
        let uuid: [u8; 16] = uuid.try_into().ok()?;
        (uuid != [0; 16] && uuid != [0xff; 16]).then_some(Self(uuid))
    }
}

impl Uuid {
    /// As SMBIOS tools show it.
    pub fn text(self) -> Ascii<36> {
        let [a, b, c, d, e, f, g, h, i @ ..] = self.0;
        let mut text = Ascii::EMPTY;
        for (n, octet) in [d, c, b, a, f, e, h, g].into_iter().chain(i).enumerate() {
            if matches!(n, 4 | 6 | 8 | 10) {
                text.push(b'-');
            }
            text.push_hex(octet);
        }
        text
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The address blocks of Raspberry Pi (IEEE registry MA-L).
const RASPBERRY_PI_OUIS: [[u8; 3]; 6] = [
    [0xb8, 0x27, 0xeb],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
    [0xd8, 0x3a, 0xdd],
    [0x2c, 0xcf, 0x67],
    [0x28, 0xcd, 0xc1],
];

/// A processor architecture and firmware interface: option 93 (RFC 4578 section 2.1 and the IANA
/// registry "Processor Architecture Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Architecture(pub u16);

impl Architecture {
    /// x86 BIOS.
    pub const BIOS: Self = Self(0);
    /// x86 UEFI, 32 bits.
    pub const UEFI_IA32: Self = Self(6);
    /// x64 UEFI.
    pub const UEFI_X64: Self = Self(7);
    /// EFI byte code in the registry; x64 UEFI in much firmware, since RFC 4578 had 7 and 9 the
    /// other way round.
    pub const UEFI_EBC: Self = Self(9);
    /// 32-bit ARM UEFI.
    pub const UEFI_ARM32: Self = Self(10);
    /// 64-bit ARM UEFI.
    pub const UEFI_ARM64: Self = Self(11);
    /// x86 UEFI, boot from HTTP.
    pub const HTTP_IA32: Self = Self(15);
    /// x64 UEFI, boot from HTTP.
    pub const HTTP_X64: Self = Self(16);
    /// 32-bit ARM UEFI, boot from HTTP.
    pub const HTTP_ARM32: Self = Self(18);
    /// 64-bit ARM UEFI, boot from HTTP.
    pub const HTTP_ARM64: Self = Self(19);
    /// The boot loader of a Raspberry Pi, which knows its files by name.
    pub const RASPBERRY_PI: Self = Self(41);

    /// The name that people use; `None` for a number that has none here.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "BIOS",
            6 => "UEFI IA32",
            7 => "UEFI x64",
            9 => "UEFI x64 (EBC)",
            10 => "UEFI arm32",
            11 => "UEFI arm64",
            15 => "UEFI IA32 HTTP",
            16 => "UEFI x64 HTTP",
            17 => "EBC HTTP",
            18 => "UEFI arm32 HTTP",
            19 => "UEFI arm64 HTTP",
            20 => "BIOS HTTP",
            21 => "U-Boot arm32",
            22 => "U-Boot arm64",
            23 => "U-Boot arm32 HTTP",
            24 => "U-Boot arm64 HTTP",
            25 => "UEFI RISC-V 32",
            26 => "UEFI RISC-V 32 HTTP",
            27 => "UEFI RISC-V 64",
            28 => "UEFI RISC-V 64 HTTP",
            29 => "UEFI RISC-V 128",
            30 => "UEFI RISC-V 128 HTTP",
            37 => "UEFI LoongArch 32",
            38 => "UEFI LoongArch 32 HTTP",
            39 => "UEFI LoongArch 64",
            40 => "UEFI LoongArch 64 HTTP",
            41 => "Raspberry Pi",
            _ => return None,
        })
    }

    /// The one that counts in option 93, a list of 16-bit numbers: the first known one, else the
    /// first. `None` for an empty list or an odd number of octets (RFC 4578 section 2.1).
    pub fn from_option(value: &[u8]) -> Option<Self> {
        let (pairs, rest) = value.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let all = || pairs.iter().map(|pair| Self(u16::from_be_bytes(*pair)));
        all().find(|arch| arch.name().is_some()).or_else(|| all().next())
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "architecture {}", self.0),
        }
    }
}

/// What runs on a machine now, and asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// A plain DHCP client: an operating system, an installer, a printer. It is not booting.
    NotBooting,
    /// A BOOTP client, which knows nothing of DHCP: it loads `file` by TFTP.
    Bootp,
    /// A PXE ROM: loads its NBP by TFTP. Without option 93 the architecture is unknown.
    Pxe(Option<Architecture>),
    /// UEFI HTTP Boot: loads its NBP from an absolute URL.
    HttpBoot(Option<Architecture>),
    /// iPXE: understands scripts and HTTP, and must never be given a loader again.
    Ipxe(Option<Architecture>),
}

impl Firmware {
    /// Its architecture, if it says so.
    pub const fn architecture(self) -> Option<Architecture> {
        match self {
            Self::NotBooting | Self::Bootp => None,
            Self::Pxe(arch) | Self::HttpBoot(arch) | Self::Ipxe(arch) => arch,
        }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, arch) = match self {
            Self::NotBooting => return f.write_str("not booting"),
            Self::Bootp => return f.write_str("BOOTP"),
            Self::Pxe(arch) => ("PXE", arch),
            Self::HttpBoot(arch) => ("HTTP Boot", arch),
            Self::Ipxe(arch) => ("iPXE", arch),
        };
        match arch {
            Some(arch) => write!(f, "{name}, {arch}"),
            None => write!(f, "{name}, architecture not said"),
        }
    }
}

/// Reads who sent `message` from `chaddr` and options 60, 77, 93, 97 and 175.
///
/// `None` if `hlen` is more than `chaddr` can hold.
pub fn identify(message: &Message<'_>) -> Option<(Machine, Firmware)> {
    let hardware = HardwareAddress::new(message.htype, message.hlen, message.chaddr)?;
    let uuid = message.option(code::CLIENT_MACHINE_ID).and_then(|value| Uuid::from_option(&value));
    let firmware = match (firmware(message), hardware.mac()) {
        (Firmware::Pxe(Some(Architecture::BIOS)), Some(mac)) if is_raspberry_pi(mac) => {
            Firmware::Pxe(Some(Architecture::RASPBERRY_PI))
        }
        (firmware, _) => firmware,
    };
    Some((Machine { hardware, uuid }, firmware))
}

/// The boot loaders of Raspberry Pis say that they are BIOS PXE ROMs, but for the latest; there is no
/// BIOS on any of them.
fn is_raspberry_pi(mac: Mac) -> bool {
    let [a, b, c, ..] = mac.0;
    RASPBERRY_PI_OUIS.contains(&[a, b, c])
}

fn firmware(message: &Message<'_>) -> Firmware {
    // "Any message ... that does not have" a message type (RFC 1534 section 2).
    if message.option(code::MESSAGE_TYPE).is_none() {
        return Firmware::Bootp;
    }
    let vendor_class = message.option(code::VENDOR_CLASS).unwrap_or_default();
    let arch = message
        .option(code::CLIENT_ARCHITECTURE)
        .and_then(|value| Architecture::from_option(&value))
        .or_else(|| arch_of_vendor_class(&vendor_class));
    if is_ipxe(message) {
        Firmware::Ipxe(arch)
    } else if vendor_class.starts_with(b"PXEClient") {
        Firmware::Pxe(arch)
    } else if vendor_class.starts_with(b"HTTPClient") {
        Firmware::HttpBoot(arch)
    } else {
        Firmware::NotBooting
    }
}

/// iPXE says so in its user class, or has its own option space and no user class. A client with
/// that option space and *another* user class was told by its owner to pass for a PXE ROM.
fn is_ipxe(message: &Message<'_>) -> bool {
    match message.option(code::USER_CLASS) {
        // Raw as iPXE sends it, or with the length octet of RFC 3004.
        Some(class) => matches!(&*class, b"iPXE" | b"\x04iPXE"),
        None => message.option(code::IPXE).is_some(),
    }
}

/// A ROM without option 93 is a BIOS one if its vendor class says `Arch:00000`.
fn arch_of_vendor_class(vendor_class: &[u8]) -> Option<Architecture> {
    vendor_class.starts_with(b"PXEClient:Arch:00000").then_some(Architecture::BIOS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dhcp::testing::discover_with;

    fn firmware_of(options: &[(u8, &[u8])]) -> Firmware {
        let datagram = discover_with(options);
        let message = Message::parse(&datagram).unwrap();
        identify(&message).unwrap().1
    }

    #[test]
    fn firmware_is_recognised() {
        let rom: (u8, &[u8]) = (60, b"PXEClient:Arch:00000:UNDI:002001");
        let uefi: (u8, &[u8]) = (60, b"PXEClient:Arch:00007:UNDI:003016");
        let bios = Some(Architecture::BIOS);
        for (options, firmware) in [
            (vec![], Firmware::NotBooting),
            (vec![(60, b"MSFT 5.0".as_slice())], Firmware::NotBooting),
            (vec![(60, b"pxeclient".as_slice())], Firmware::NotBooting),
            (vec![rom], Firmware::Pxe(bios)),
            (vec![(60, b"PXEClient".as_slice())], Firmware::Pxe(None)),
            (vec![rom, (93, &[0, 0])], Firmware::Pxe(bios)),
            (vec![uefi, (93, &[0, 7])], Firmware::Pxe(Some(Architecture::UEFI_X64))),
            // Item 136: the first known one of a list; an odd length is no architecture.
            (vec![uefi, (93, &[0, 0xff, 0, 9])], Firmware::Pxe(Some(Architecture::UEFI_EBC))),
            (vec![uefi, (93, &[0, 0xff])], Firmware::Pxe(Some(Architecture(255)))),
            (vec![uefi, (93, &[7])], Firmware::Pxe(None)),
            (
                vec![(60, b"HTTPClient:Arch:00016:UNDI:003001".as_slice()), (93, &[0, 16])],
                Firmware::HttpBoot(Some(Architecture::HTTP_X64)),
            ),
            // Item 147.
            (vec![rom, (93, &[0, 0]), (77, b"iPXE")], Firmware::Ipxe(bios)),
            (vec![rom, (93, &[0, 0]), (77, b"\x04iPXE")], Firmware::Ipxe(bios)),
            (vec![rom, (93, &[0, 0]), (175, &[1, 1, 1])], Firmware::Ipxe(bios)),
            (vec![rom, (93, &[0, 0]), (77, b"plain"), (175, &[1, 1, 1])], Firmware::Pxe(bios)),
        ] {
            assert_eq!(firmware_of(&options), firmware, "{options:?}");
        }
    }

    #[test]
    fn item_151_a_raspberry_pi_is_known_by_its_address_too() {
        let rom: [(u8, &[u8]); 1] = [(60, b"PXEClient:Arch:00000:UNDI:002001")];
        let mut datagram = discover_with(&rom);
        datagram[28..34].copy_from_slice(&[0xdc, 0xa6, 0x32, 1, 2, 3]);
        let message = Message::parse(&datagram).unwrap();
        let raspberry_pi = Some(Architecture::RASPBERRY_PI);
        assert_eq!(identify(&message).unwrap().1, Firmware::Pxe(raspberry_pi));
        assert_eq!(firmware_of(&[rom[0], (93, &[0, 41])]), Firmware::Pxe(raspberry_pi));
        let uefi: [(u8, &[u8]); 2] = [(60, b"PXEClient:Arch:00011:UNDI:003016"), (93, &[0, 11])];
        let mut datagram = discover_with(&uefi);
        datagram[28..34].copy_from_slice(&[0xdc, 0xa6, 0x32, 1, 2, 3]);
        let message = Message::parse(&datagram).unwrap();
        let uefi = Firmware::Pxe(Some(Architecture::UEFI_ARM64));
        assert_eq!(identify(&message).unwrap().1, uefi, "EDK2 on a Pi");
    }

    #[test]
    fn item_138_uuids_that_are_none() {
        let mut option = [7; 17];
        option[0] = 0;
        assert_eq!(
            Uuid::from_option(&option).unwrap().to_string(),
            "07070707-0707-0707-0707-070707070707"
        );
        assert_eq!(Uuid::from_option(&[0; 17]), None);
        assert_eq!(Uuid::from_option(&option[..3]), None);
        assert_eq!(Uuid::from_option(&[1; 17]), None, "only type 0 is defined");
    }

    #[test]
    fn uuid_is_shown_as_smbios_tools_show_it() {
        let mut option = [0; 17];
        option.iter_mut().enumerate().for_each(|(i, b)| *b = u8::try_from(i).unwrap());
        option[0] = 0;
        assert_eq!(
            Uuid::from_option(&option).unwrap().to_string(),
            "04030201-0605-0807-090a-0b0c0d0e0f10"
        );
    }

    #[test]
    fn hardware_addresses_keep_what_is_significant() {
        let chaddr = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        let mac = HardwareAddress::new(1, 6, chaddr).unwrap();
        assert_eq!(mac.to_string(), "01:02:03:04:05:06");
        assert_eq!(mac, HardwareAddress::from(Mac([1, 2, 3, 4, 5, 6])));
        assert_eq!(HardwareAddress::new(32, 2, chaddr).unwrap().to_string(), "htype 32: 01 02");
        assert_eq!(HardwareAddress::new(1, 17, chaddr), None);
    }

    #[test]
    fn zeros_are_no_mac() {
        let zeros = HardwareAddress::new(1, 6, [0; 16]).unwrap();
        assert!(zeros.is_empty() && zeros.mac().is_none());
        assert!(HardwareAddress::new(32, 0, [7; 16]).unwrap().is_empty());
    }
}
