//! The clients that a probe passes for, and what each sends.

use std::net::Ipv4Addr;

use clap::ValueEnum;
use pxed_proto::dhcp::{BOOT_SERVER_PORT, CLIENT_PORT};
use pxed_proto::machine::{Architecture, Uuid};
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::MessageType;
use pxed_proto::wire::options::code;
use pxed_proto::wire::pxe::code as pxe_code;
use serde::Serialize;

use crate::explain::{ExplainArgs, Kind};

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// A BIOS PXE ROM.
    Bios,
    /// UEFI PXE, x64.
    Uefi,
    /// UEFI HTTP Boot, x64.
    Http,
    /// iPXE, as a BIOS machine runs it.
    Ipxe,
    /// A client that is not booting: an operating system.
    Plain,
}

impl Client {
    /// All of them, in the order in which they are told of.
    pub const ALL: [Self; 5] = [Self::Bios, Self::Uefi, Self::Http, Self::Ipxe, Self::Plain];

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Bios => "BIOS PXE",
            Self::Uefi => "UEFI PXE (x64)",
            Self::Http => "UEFI HTTP Boot (x64)",
            Self::Ipxe => "iPXE",
            Self::Plain => "plain client",
        }
    }

    /// Does it load its boot file by TFTP, and ask boot servers?
    pub const fn is_pxe(self) -> bool {
        matches!(self, Self::Bios | Self::Uefi | Self::Ipxe)
    }

    /// What its processor and firmware run; `None` where nothing is said of that. iPXE has loaders of
    /// its own for what it is given.
    pub const fn architecture(self) -> Option<Architecture> {
        match self {
            Self::Bios => Some(Architecture::BIOS),
            Self::Uefi | Self::Http => Some(Architecture::UEFI_X64),
            Self::Ipxe | Self::Plain => None,
        }
    }

    /// From which port it asks a boot server: BIOS ROMs and iPXE from the client's, EDK2 from the
    /// server's own.
    pub const fn boot_server_source(self) -> u16 {
        if matches!(self, Self::Uefi) { BOOT_SERVER_PORT } else { CLIENT_PORT }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Bios => Kind::Bios,
            Self::Uefi => Kind::Uefi,
            Self::Http => Kind::UefiHttp,
            Self::Ipxe => Kind::Ipxe,
            Self::Plain => Kind::Os,
        }
    }
}

/// One client that asks.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// As what.
    pub client: Client,
    /// Who it says it is.
    pub mac: Mac,
    /// Its transaction.
    pub xid: u32,
}

impl Asking {
    /// Its DISCOVER, `secs` seconds after it began.
    pub fn discover(self, secs: u16) -> Vec<u8> {
        self.message(ExplainArgs { secs, ..self.machine() }, Ipv4Addr::UNSPECIFIED)
    }

    /// What it asks a boot server, once it has `own` as its address: for the boot file, or for that of
    /// this type of boot server. It asks for no address.
    pub fn boot_request(self, own: Ipv4Addr, kind: Option<u16>) -> Vec<u8> {
        let mut machine = self.machine();
        machine.options.push((code::MESSAGE_TYPE, vec![MessageType::Request as u8]));
        if let Some([high, low]) = kind.map(u16::to_be_bytes) {
            let item = vec![pxe_code::BOOT_ITEM, 4, high, low, 0, 0, pxe_code::END];
            machine.options.push((code::VENDOR_SPECIFIC, item));
        }
        self.message(machine, own)
    }

    /// What firmware says beside what everybody does: options 94 and 97 (RFC 4578), iPXE's option 175.
    fn machine(self) -> ExplainArgs {
        let mut machine = ExplainArgs::of(self.mac, self.client.kind());
        if self.client == Client::Plain {
            return machine;
        }
        let is_efi = self.client.architecture().is_some_and(|arch| arch != Architecture::BIOS);
        let undi = if is_efi { vec![1, 3, 16] } else { vec![1, 2, 1] };
        machine.options.push((code::CLIENT_INTERFACE, undi));
        machine.uuid = Some(uuid(self.mac));
        if self.client == Client::Ipxe {
            machine.options.push((code::IPXE, IPXE_FEATURES.to_vec()));
        }
        machine
    }

    /// With what `pxed explain` has no need of: transaction and address.
    fn message(self, machine: ExplainArgs, own: Ipv4Addr) -> Vec<u8> {
        let mut message = machine.discover();
        let fields = [(4, self.xid.to_be_bytes()), (12, own.octets())];
        for (at, octets) in fields {
            if let Some(field) = message.get_mut(at..at + octets.len()) {
                field.copy_from_slice(&octets);
            }
        }
        if let (false, Some(flags)) = (own.is_unspecified(), message.get_mut(10..12)) {
            flags.fill(0); // it can be answered at its address
        }
        message
    }
}

/// An identifier that is the same each time and nobody else's: the MAC, behind zeros.
fn uuid(mac: Mac) -> Uuid {
    let mut octets = [0; 16];
    octets.iter_mut().skip(10).zip(mac.0).for_each(|(to, from)| *to = from);
    Uuid(octets)
}

/// Protocols and formats of an iPXE that boots over PCI Ethernet: HTTP, TFTP, DNS, bzImage, menus.
const IPXE_FEATURES: [u8; 15] = [19, 1, 1, 21, 1, 1, 23, 1, 1, 24, 1, 1, 39, 1, 1];

#[cfg(test)]
mod tests {
    use pxed_proto::machine::{Firmware, identify};
    use pxed_proto::wire::dhcp::{FLAG_BROADCAST, Message};

    use super::*;

    const MAC: Mac = Mac([2, 0x77, 0, 0, 0, 1]);

    #[test]
    fn each_is_taken_for_what_it_passes_for() {
        let x64 = Some(Architecture::UEFI_X64);
        for (client, firmware) in [
            (Client::Bios, Firmware::Pxe(Some(Architecture::BIOS))),
            (Client::Uefi, Firmware::Pxe(x64)),
            (Client::Http, Firmware::HttpBoot(Some(Architecture::HTTP_X64))),
            (Client::Ipxe, Firmware::Ipxe(Some(Architecture::BIOS))),
            (Client::Plain, Firmware::NotBooting),
        ] {
            let discover = Asking { client, mac: MAC, xid: 0x0102_0304 }.discover(3);
            let message = Message::parse(&discover).unwrap();
            assert_eq!(message.message_type(), Some(MessageType::Discover));
            assert_eq!((message.xid, message.secs), (0x0102_0304, 3));
            assert_eq!(message.flags, FLAG_BROADCAST);
            let (machine, found) = identify(&message).unwrap();
            assert_eq!((machine.mac(), found), (Some(MAC), firmware));
            assert_eq!(machine.uuid.is_some(), client != Client::Plain);
            assert_eq!(message.option(code::IPXE).is_some(), client == Client::Ipxe);
        }
    }

    /// The one REQUEST that a probe sends names neither an address nor a DHCP server, so there is
    /// nothing that a server could lease.
    #[test]
    fn a_boot_server_is_asked_for_a_file_and_for_no_address() {
        let own = Ipv4Addr::new(192, 0, 2, 9);
        let asking = Asking { client: Client::Uefi, mac: MAC, xid: 7 };
        let request = asking.boot_request(own, Some(0x8001));
        let message = Message::parse(&request).unwrap();
        assert_eq!(message.message_type(), Some(MessageType::Request));
        assert_eq!((message.ciaddr, message.flags, message.xid), (own, 0, 7));
        assert_eq!(message.option(code::REQUESTED_ADDRESS), None);
        assert_eq!(message.option(code::SERVER_IDENTIFIER), None);
        let item = message.option(code::VENDOR_SPECIFIC).unwrap();
        assert_eq!(*item, [71, 4, 0x80, 1, 0, 0, 255]);
        let request = asking.boot_request(own, None);
        assert_eq!(Message::parse(&request).unwrap().option(code::VENDOR_SPECIFIC), None);
    }
}
