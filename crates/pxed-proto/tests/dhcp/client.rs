//! What clients send, field by field; nothing here uses the code under test.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::dhcp::Arrival;
use pxed_proto::net::Mac;

use crate::lan::SERVER;

/// The parameter request list of the conformance list's DISCOVER.
pub const WISHES: [u8; 15] = [1, 3, 6, 12, 15, 28, 43, 51, 54, 58, 59, 60, 66, 67, 97];

/// A datagram that a client or a relay agent sends.
#[derive(Clone, Debug)]
pub struct Sent {
    pub op: u8,
    pub htype: u8,
    pub hlen: u8,
    pub hops: u8,
    pub xid: u32,
    pub secs: u16,
    pub flags: u16,
    pub ciaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub chaddr: [u8; 16],
    pub sname: Vec<u8>,
    pub file: Vec<u8>,
    /// Options that are well formed.
    pub options: Vec<(u8, Vec<u8>)>,
    /// What stands behind them.
    pub tail: Vec<u8>,
    pub arrival: Arrival,
}

/// The client with a number, about to send something.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub u32);

pub fn client(number: u32) -> Client {
    Client(number)
}

impl Client {
    pub fn mac(self) -> Mac {
        let [a, b, c, d] = self.0.to_be_bytes();
        Mac([2, 0, a, b, c, d])
    }

    /// A message with option 53, by broadcast from 0.0.0.0.
    pub fn says(self, message_type: u8) -> Sent {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&self.mac().0);
        Sent {
            op: 1,
            htype: 1,
            hlen: 6,
            hops: 0,
            xid: 0x1000_0000 + self.0,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr,
            sname: vec![],
            file: vec![],
            options: vec![(53, vec![message_type])],
            tail: vec![255],
            arrival: Arrival {
                source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
                destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
                source_mac: Some(self.mac()),
            },
        }
    }

    /// A BOOTP request of 300 octets (RFC 951).
    pub fn bootp(self) -> Sent {
        let tail = [&[255][..], &[0; 59]].concat();
        Sent { tail, ..self.says(0).without(53) }
    }

    pub fn discover(self) -> Sent {
        self.says(1).option(55, &WISHES)
    }

    /// A REQUEST with nothing but the parameter request list.
    pub fn request(self) -> Sent {
        self.says(3).option(55, &WISHES)
    }

    pub fn selecting(self, address: Ipv4Addr) -> Sent {
        self.request().address(54, SERVER).address(50, address)
    }

    pub fn init_reboot(self, address: Ipv4Addr) -> Sent {
        self.request().address(50, address)
    }

    pub fn renewing(self, address: Ipv4Addr) -> Sent {
        Sent { ciaddr: address, ..self.request() }.unicast_from(address)
    }

    pub fn rebinding(self, address: Ipv4Addr) -> Sent {
        let mut sent = Sent { ciaddr: address, ..self.request() };
        sent.arrival.source = SocketAddrV4::new(address, 68);
        sent
    }

    pub fn release(self, address: Ipv4Addr) -> Sent {
        let sent = Sent { ciaddr: address, ..self.says(7) };
        sent.address(54, SERVER).unicast_from(address)
    }

    pub fn decline(self, address: Ipv4Addr) -> Sent {
        self.says(4).address(54, SERVER).address(50, address)
    }

    pub fn inform(self, address: Ipv4Addr) -> Sent {
        let sent = Sent { ciaddr: address, ..self.says(8) };
        sent.option(55, &WISHES).unicast_from(address)
    }
}

impl Sent {
    pub fn option(mut self, code: u8, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    pub fn address(self, code: u8, address: Ipv4Addr) -> Self {
        self.option(code, &address.octets())
    }

    pub fn without(mut self, code: u8) -> Self {
        self.options.retain(|(other, _)| *other != code);
        self
    }

    pub fn broadcast_flag(mut self) -> Self {
        self.flags = 0x8000;
        self
    }

    pub fn unicast_from(mut self, address: Ipv4Addr) -> Self {
        self.arrival.source = SocketAddrV4::new(address, 68);
        self.arrival.destination.set_ip(SERVER);
        self
    }

    pub fn written_to(mut self, server: Ipv4Addr) -> Self {
        self.arrival.destination.set_ip(server);
        self
    }

    /// As a relay agent passes it on.
    pub fn by_relay(mut self, relay: Ipv4Addr) -> Self {
        self.hops = 1;
        self.giaddr = relay;
        self.arrival.source = SocketAddrV4::new(relay, 67);
        self.arrival.destination.set_ip(SERVER);
        self
    }

    /// A BIOS PXE ROM.
    pub fn bios(self) -> Self {
        self.firmware(b"PXEClient:Arch:00000:UNDI:002001", 0)
    }

    /// EDK2, booting from TFTP.
    pub fn uefi(self) -> Self {
        self.firmware(b"PXEClient:Arch:00007:UNDI:003016", 7)
    }

    /// EDK2, booting from HTTP.
    pub fn http_boot(self) -> Self {
        self.firmware(b"HTTPClient:Arch:00016:UNDI:003001", 16)
    }

    /// iPXE, started by a BIOS ROM.
    pub fn ipxe(self) -> Self {
        self.bios().option(77, b"iPXE").option(175, &[1, 1, 1])
    }

    /// Options 60, 93, 94 and 97 as firmware sends them, and its larger messages.
    pub fn firmware(self, vendor_class: &[u8], architecture: u16) -> Self {
        let sent = self.option(57, &1472u16.to_be_bytes()).option(60, vendor_class);
        let sent = sent.option(93, &architecture.to_be_bytes()).option(94, &[1, 2, 1]);
        sent.option(97, &machine_id())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, self.htype, self.hlen, self.hops];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        bytes.extend(self.ciaddr.octets());
        bytes.extend([0; 8]);
        bytes.extend(self.giaddr.octets());
        bytes.extend(self.chaddr);
        for (field, end) in [(&self.sname, 108), (&self.file, 236)] {
            bytes.extend(field);
            bytes.resize(end, 0);
        }
        bytes.extend([99, 130, 83, 99]);
        for (code, value) in &self.options {
            bytes.extend([*code, u8::try_from(value.len()).unwrap()]);
            bytes.extend(value);
        }
        bytes.extend(&self.tail);
        bytes
    }
}

/// Option 97 of the test machines: type 0 and a UUID.
pub fn machine_id() -> Vec<u8> {
    [&[0][..], &[0x4c; 16]].concat()
}
