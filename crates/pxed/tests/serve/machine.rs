//! A machine that boots: it speaks DHCP below IP, as a ROM does.

use std::cell::Cell;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, bind};
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{BOOTREPLY, Header, Message, MessageType, Writer};
use pxed_proto::wire::options::code;
use pxed_proto::wire::udp::{self, Checksum};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lan::{PATIENCE, run};

/// What goes in front of an IPv4 packet: addresses and type.
const ETHERNET_HEADER: usize = 14;

/// How long until a question is asked again.
const RETRY: Duration = Duration::from_secs(1);

pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);

/// A machine at the end of a cable.
pub struct Machine {
    pub mac: Mac,
    interface: &'static str,
    socket: Socket,
    /// What it says of itself in every message.
    options: Vec<(u8, Vec<u8>)>,
    xid: Cell<u32>,
}

/// What pxed answered.
pub struct Reply {
    message: Vec<u8>,
    /// The frame's destination.
    pub to: Mac,
    /// The frame's source.
    from: Mac,
}

impl Machine {
    pub fn new(interface: &'static str, number: u8) -> Self {
        let ipv4 = Protocol::from(i32::from(0x0800_u16.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(ipv4)).unwrap();
        bind(socket.as_raw_fd(), &link_address(interface)).unwrap();
        let mac = Mac([0x52, 0x54, 0, 0x77, 0, number]);
        let xid = Cell::new(u32::from(number) << 16);
        Self { mac, interface, socket, options: Vec::new(), xid }
    }

    /// It says this option too.
    pub fn with(mut self, code: u8, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    /// A PXE ROM of an architecture.
    pub fn pxe(self, arch: u16) -> Self {
        let class = format!("PXEClient:Arch:{arch:05}:UNDI:003001");
        let this = self.with(code::VENDOR_CLASS, class.as_bytes());
        this.with(code::CLIENT_ARCHITECTURE, &arch.to_be_bytes())
    }

    /// iPXE on a BIOS machine.
    pub fn ipxe(self) -> Self {
        self.pxe(0).with(code::USER_CLASS, b"iPXE")
    }

    /// DISCOVER, and the OFFER.
    pub fn discover(&self) -> Reply {
        let offer = self.ask(MessageType::Discover, &[]);
        assert_eq!(offer.kind(), MessageType::Offer);
        offer
    }

    /// DISCOVER, OFFER, REQUEST, and the ACK.
    pub fn get_address(&self) -> Reply {
        let offer = self.discover();
        let (server, address) = (offer.server().octets(), offer.address().octets());
        let options =
            [(code::SERVER_IDENTIFIER, &server[..]), (code::REQUESTED_ADDRESS, &address[..])];
        let ack = self.ask(MessageType::Request, &options);
        assert_eq!((ack.kind(), ack.address()), (MessageType::Ack, offer.address()));
        ack
    }

    /// REQUEST of an address that it remembers, and whatever is the answer.
    pub fn remember(&self, address: Ipv4Addr) -> Reply {
        self.ask(MessageType::Request, &[(code::REQUESTED_ADDRESS, &address.octets())])
    }

    /// Its operating system takes the address, so that it can speak IP.
    pub fn configure(&self, ack: &Reply) {
        run(&format!("ip address replace {}/24 dev {}", ack.address(), self.interface));
    }

    /// Prolongs its lease, as an operating system that was [configured](Self::configure).
    pub fn renew(&self, lease: &Reply) -> Reply {
        self.renew_by(&Self::client_port(lease), lease)
    }

    /// Where an operating system hears what is sent to its address.
    pub fn client_port(lease: &Reply) -> UdpSocket {
        let socket = UdpSocket::bind((lease.address(), 68)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// The same, by a socket that stays.
    pub fn renew_by(&self, socket: &UdpSocket, lease: &Reply) -> Reply {
        let message = self.message(MessageType::Request, lease.address(), &[]);
        socket.send_to(&message, (lease.server(), 67)).unwrap();
        let mut buffer = [0; 1500];
        let (length, _) = socket.recv_from(&mut buffer).unwrap();
        Reply { message: buffer[..length].to_vec(), to: self.mac, from: lease.from }
    }

    /// Gives its address back. There is no answer to that.
    pub fn release(&self, lease: &Reply) {
        let server = lease.server().octets();
        let options = [(code::SERVER_IDENTIFIER, &server[..])];
        let message = self.message(MessageType::Release, lease.address(), &options);
        let source = SocketAddrV4::new(lease.address(), 68);
        self.send(lease.from, source, SocketAddrV4::new(lease.server(), 67), &message);
    }

    /// Sends anything to everybody's port 67.
    pub fn shout(&self, payload: &[u8]) {
        let source = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
        self.send(Mac::BROADCAST, source, SocketAddrV4::new(Ipv4Addr::BROADCAST, 67), payload);
    }

    /// Passes for a DHCP server, and offers `address` to everybody who listens.
    pub fn offers_as(&self, server: Ipv4Addr, address: Ipv4Addr) {
        let identifier = [(code::SERVER_IDENTIFIER, &server.octets()[..])];
        let mut message = self.message(MessageType::Offer, Ipv4Addr::UNSPECIFIED, &identifier);
        message[0] = BOOTREPLY;
        message[16..20].copy_from_slice(&address.octets());
        let source = SocketAddrV4::new(server, 67);
        self.send(Mac::BROADCAST, source, SocketAddrV4::new(Ipv4Addr::BROADCAST, 68), &message);
    }

    /// A message of this machine's, with a transaction of its own.
    pub fn message(&self, kind: MessageType, ciaddr: Ipv4Addr, more: &[(u8, &[u8])]) -> Vec<u8> {
        self.xid.set(self.xid.get() + 1);
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&self.mac.0);
        let none = Ipv4Addr::UNSPECIFIED;
        let header = Header {
            op: 1,
            htype: 1,
            hlen: 6,
            xid: self.xid.get(),
            secs: 0,
            flags: 0,
            ciaddr,
            yiaddr: none,
            siaddr: none,
            giaddr: none,
            chaddr,
            sname: &[],
            file: &[],
        };
        let mut writer = Writer::new(&header, 1472);
        assert!(writer.option(code::MESSAGE_TYPE, &[kind as u8]));
        let own = self.options.iter().map(|(code, value)| (*code, &value[..]));
        for (code, value) in own.chain(more.iter().copied()) {
            assert!(writer.option(code, value));
        }
        writer.finish()
    }

    /// A DISCOVER, and no waiting for the answer.
    pub fn begin(&self) {
        self.shout(&self.message(MessageType::Discover, Ipv4Addr::UNSPECIFIED, &[]));
    }

    /// The answer to what it asked last.
    pub fn answer(&self) -> Reply {
        self.hear(Instant::now() + PATIENCE).unwrap()
    }

    fn ask(&self, kind: MessageType, options: &[(u8, &[u8])]) -> Reply {
        self.say(&self.message(kind, Ipv4Addr::UNSPECIFIED, options))
    }

    /// The answer to its last [message](Self::message).
    pub fn say(&self, message: &[u8]) -> Reply {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.shout(message);
            if let Some(reply) = self.hear(Instant::now() + RETRY) {
                return reply;
            }
        }
        panic!("{} hears no answer", self.mac);
    }

    /// The answer to what it asked last, if it comes.
    pub fn hears_within(&self, patience: Duration) -> Option<Reply> {
        self.hear(Instant::now() + patience)
    }

    fn send(&self, to: Mac, source: SocketAddrV4, destination: SocketAddrV4, payload: &[u8]) {
        let headers = udp::emit(source, destination, payload).unwrap();
        let frame = [&to.0[..], &self.mac.0, &[8, 0], &headers, payload].concat();
        self.socket.send(&frame).unwrap();
    }

    /// The answer to what it asked last.
    fn hear(&self, deadline: Instant) -> Option<Reply> {
        let mut buffer = [0; 2048];
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
            let Ok(length) = (&self.socket).read(&mut buffer) else { continue };
            if let Some(reply) = self.open(&buffer[..length]) {
                return Some(reply);
            }
        }
        None
    }

    fn open(&self, frame: &[u8]) -> Option<Reply> {
        let packet = udp::parse(frame.get(ETHERNET_HEADER..)?, Checksum::NotReady).ok()?;
        let message = Message::parse(packet.payload).ok()?;
        let for_this = packet.destination.port() == 68 && message.xid == self.xid.get();
        let mac = |octets: &[u8]| Mac(octets.try_into().unwrap());
        let (to, from) = (mac(&frame[..6]), mac(&frame[6..12]));
        (for_this && message.chaddr[..6] == self.mac.0).then(|| Reply {
            message: packet.payload.to_vec(),
            to,
            from,
        })
    }
}

impl Reply {
    fn message(&self) -> Message<'_> {
        Message::parse(&self.message).unwrap()
    }

    pub fn kind(&self) -> MessageType {
        self.message().message_type().unwrap()
    }

    /// The address that it gives.
    pub fn address(&self) -> Ipv4Addr {
        self.message().yiaddr
    }

    /// Who answers.
    pub fn server(&self) -> Ipv4Addr {
        self.message().ipv4(code::SERVER_IDENTIFIER).unwrap()
    }

    pub fn flags(&self) -> u16 {
        self.message().flags
    }

    /// Where the boot file is.
    pub fn next_server(&self) -> Ipv4Addr {
        self.message().siaddr
    }

    /// The boot file, which stands in the header and in an option.
    pub fn boot_file(&self) -> Option<String> {
        let message = self.message();
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.trim_end_matches('\0').to_owned()
        };
        let option = message.option(code::BOOT_FILE_NAME).map(|name| text(&name));
        assert_eq!(option.clone().unwrap_or_default(), text(message.file()));
        option
    }

    pub fn option(&self, code: u8) -> Option<Vec<u8>> {
        self.message().option(code).map(|value| value.into_owned())
    }

    /// The message as it was on the wire.
    pub fn octets(&self) -> &[u8] {
        &self.message
    }
}

fn link_address(interface: &str) -> LinkAddr {
    let entries = getifaddrs().unwrap().filter(|entry| entry.interface_name == interface);
    let mut addresses = entries.filter_map(|entry| entry.address);
    *addresses.find_map(|address| address.as_link_addr().copied()).as_ref().unwrap()
}
