//! The sockets of one interface that pxed serves.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use pxed_proto::dhcp::{BOOT_SERVER_PORT, CLIENT_PORT, Destination, Transmit};
use pxed_proto::net::Mac;

use super::arp_socket::ArpSocket;
use super::interface::Interface;
use super::packet_socket::PacketSocket;
use super::udp_socket::DhcpUdpSocket;
use super::{BindError, Received};

/// Hears everything on the DHCP port of one interface, each datagram once, and what is asked of the
/// boot server, and answers. Asks there by ARP who has an address, and overhears what other servers
/// broadcast.
pub struct DhcpSockets {
    interface: Arc<str>,
    packet: PacketSocket,
    /// `None` where the port is another server's.
    udp: Option<DhcpUdpSocket>,
    /// On the boot server's port. What it answers has to leave from there.
    boot_server: DhcpUdpSocket,
    arp: ArpSocket,
    /// Hears what servers broadcast to clients.
    watch: PacketSocket,
}

/// Whose the servers' port is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerPort {
    /// pxed's: it is bound, and what is sent to this machine is heard.
    #[default]
    Own,
    /// Another server's: a packet socket hears what is broadcast, and no more.
    AnotherServers,
}

impl DhcpSockets {
    /// Opens the sockets on `port`, which is 67 but for tests; clients have the one after it. The
    /// boot server's port is 4011.
    pub fn bind(interface: &Interface, port: u16, whose: ServerPort) -> Result<Self, BindError> {
        let own = (whose == ServerPort::Own).then(|| DhcpUdpSocket::bind(interface, port));
        let udp = own.transpose()?;
        let boot_server = DhcpUdpSocket::bind(interface, BOOT_SERVER_PORT)?;
        let packet = PacketSocket::bind(interface, port)
            .map_err(|source| BindError::new("open a packet socket", interface, port, source))?;
        let arp = ArpSocket::bind(interface)
            .map_err(|source| BindError::new("open an ARP socket", interface, port, source))?;
        let watch = PacketSocket::bind(interface, port + 1).map_err(|source| {
            BindError::new("open a packet socket", interface, port + 1, source)
        })?;
        Ok(Self { interface: interface.name.clone(), packet, udp, boot_server, arp, watch })
    }

    /// Gives what has come in, at most a batch of each socket, to `each`; does not wait.
    ///
    /// There is no error: an interface that goes down says so once, and may come up again.
    pub fn receive(&mut self, mut each: impl FnMut(Received<'_>)) {
        let packets = self.packet.receive(&mut each);
        let udp = self.udp.as_mut().map(|udp| udp.receive(&mut each));
        let boot_server = self.boot_server.receive(&mut each);
        [packets, boot_server].into_iter().chain(udp).for_each(|result| self.note(result));
    }

    /// Asks the link who has `address`.
    pub fn probe(&self, address: Ipv4Addr) -> io::Result<()> {
        self.arp.probe(address)
    }

    /// Gives who has said to have which address, at most a batch, to `each`; does not wait.
    pub fn receive_arp(&mut self, each: impl FnMut(Mac, Ipv4Addr)) {
        let result = self.arp.receive(each);
        self.note(result);
    }

    /// Gives what servers have broadcast to clients, but not what this machine has, to `each`; at
    /// most a batch.
    pub fn overhear(&mut self, each: impl FnMut(Received<'_>)) {
        let result = self.watch.receive(each);
        self.note(result);
    }

    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result
            && error.kind() != io::ErrorKind::WouldBlock
        {
            tracing::debug!(interface = &*self.interface, %error, "receive");
        }
    }

    /// Sends `transmit` the way that its destination asks for.
    pub fn send(&self, transmit: &Transmit) -> io::Result<()> {
        let Transmit { destination, source, message, .. } = transmit;
        let client = |address| SocketAddrV4::new(address, CLIENT_PORT);
        match *destination {
            Destination::Unicast { mac, address } => {
                self.packet.send(mac, *source, client(address), message)
            }
            Destination::Broadcast => {
                self.packet.send(Mac::BROADCAST, *source, client(Ipv4Addr::BROADCAST), message)
            }
            Destination::Routed(host) if source.port() == BOOT_SERVER_PORT => {
                self.boot_server.send(*source.ip(), host, message)
            }
            Destination::Routed(host) => match &self.udp {
                Some(udp) => udp.send(*source.ip(), host, message),
                None => Err(io::Error::other("port 67 is another server's (--dhcp-no-bind)")),
            },
        }
    }

    /// How many datagrams the kernel has had no room for, since the bind.
    pub fn overflowed(&mut self) -> u64 {
        let udp = self.udp.as_ref().map_or(0, DhcpUdpSocket::overflowed);
        self.packet.overflowed() + udp + self.boot_server.overflowed()
    }

    /// What poll(2) waits for.
    pub fn as_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let Self { packet, udp, boot_server, arp, watch, .. } = self;
        let all = [packet.as_fd(), boot_server.as_fd(), arp.as_fd(), watch.as_fd()];
        all.into_iter().chain(udp.as_ref().map(|udp| udp.as_fd()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::process::Command;
    use std::time::Duration;

    use pxed_proto::dhcp::Arrival;
    use pxed_proto::wire::udp::{self, Checksum, Malformed};
    use socket2::SockRef;

    use super::*;
    use crate::net::test_namespace::{self, Ethernet, comes_within, wait_for};

    const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
    const SERVER_AT: SocketAddrV4 = SocketAddrV4::new(SERVER, 67);
    const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    const BOUND_CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 50), 68);
    const IPV4: &[u8] = &[8, 0];

    type Kept = Result<(Arrival, Vec<u8>), Malformed>;

    /// Both sockets on one end of a cable, and the cable's other end.
    struct Lab {
        server: DhcpSockets,
        server_mac: Mac,
        client: Ethernet,
    }

    impl Lab {
        fn new() -> Self {
            let srv = Interface::find("srv").unwrap();
            let server = DhcpSockets::bind(&srv, 67, ServerPort::Own).unwrap();
            let mut lab = Self { server, server_mac: srv.mac, client: Ethernet::open("cli") };
            lab.wait_for_the_cable();
            lab
        }

        fn broadcast(&self, payload: &[u8]) {
            self.client.send(Mac::BROADCAST, IPV4, &packet(CLIENT, Ipv4Addr::BROADCAST, payload));
        }

        fn unicast(&self, destination: Ipv4Addr, payload: &[u8]) {
            self.client.send(self.server_mac, IPV4, &packet(BOUND_CLIENT, destination, payload));
        }

        /// The kernel tells the client's end a little later that the server's is up.
        fn wait_for_the_cable(&mut self) {
            let arrives = |_| {
                self.unicast(SERVER, b"end");
                comes_within(50, self.server.udp.as_ref().unwrap())
            };
            assert!((0..200).any(arrives), "the cable stays dead");
            self.heard();
        }

        /// What the server hears of all that was sent, without the mark that tells the end.
        fn heard(&mut self) -> Vec<Kept> {
            self.unicast(SERVER, b"end");
            let mut heard: Vec<Kept> = Vec::new();
            let end = |kept: &Kept| kept.as_ref().is_ok_and(|(_, payload)| payload == b"end");
            while !heard.iter().any(end) {
                wait_for(self.server.udp.as_ref().unwrap());
                self.server.receive(|received| heard.push(keep(received)));
            }
            self.server.receive(|received| heard.push(keep(received)));
            heard.retain(|kept| !end(kept));
            heard
        }

        fn discover(&self, payload: &[u8]) -> Kept {
            let source_mac = Some(self.client.mac);
            let destination = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
            Ok((Arrival { source: CLIENT, destination, source_mac }, payload.to_vec()))
        }
    }

    fn keep(received: Received<'_>) -> Kept {
        received.map(|(arrival, payload)| (arrival, payload.to_vec()))
    }

    fn packet(source: SocketAddrV4, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
        let destination = SocketAddrV4::new(destination, 67);
        let headers = udp::emit(source, destination, payload).unwrap();
        [&headers, payload].concat()
    }

    fn transmit(destination: Destination, message: Vec<u8>) -> Transmit {
        let (link, delay) = (pxed_proto::dhcp::LinkId(0), Duration::ZERO);
        Transmit { link, destination, source: SERVER_AT, delay, message }
    }

    fn run(test: &str, body: impl FnOnce()) {
        test_namespace::run(&format!("{}::{test}", module_path!()), body);
    }

    #[test]
    fn each_datagram_is_heard_once() {
        run("each_datagram_is_heard_once", || {
            let mut lab = Lab::new();
            lab.broadcast(b"discover");
            lab.unicast(SERVER, b"renew");
            lab.unicast(Ipv4Addr::new(192, 0, 2, 255), b"to the subnet");
            let from_bound = |payload: &[u8]| {
                let arrival =
                    Arrival { source: BOUND_CLIENT, destination: SERVER_AT, source_mac: None };
                Ok((arrival, payload.to_vec()))
            };
            let expected =
                [lab.discover(b"discover"), from_bound(b"renew"), from_bound(b"to the subnet")];
            assert_eq!(lab.heard(), expected);
        });
    }

    #[test]
    fn item_117_what_is_not_for_this_interface_is_not_heard() {
        run("item_117_what_is_not_for_this_interface_is_not_heard", || {
            let mut lab = Lab::new();
            let packet = packet(CLIENT, Ipv4Addr::BROADCAST, b"of VLAN 5");
            lab.client.send(Mac::BROADCAST, &[0x81, 0, 0, 5, 8, 0], &packet);
            lab.client.send(Mac([2, 0, 0, 0, 0, 1]), IPV4, &packet);
            assert_eq!(lab.heard(), []);
        });
    }

    #[test]
    fn item_118_what_the_server_sends_it_does_not_hear() {
        run("item_118_what_the_server_sends_it_does_not_hear", || {
            let mut lab = Lab::new();
            // To its own port, as a server that answers a broadcast relay agent would.
            let everyone = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
            lab.server.packet.send(Mac::BROADCAST, SERVER_AT, everyone, b"own").unwrap();
            lab.server.send(&transmit(Destination::Broadcast, b"own".to_vec())).unwrap();
            assert_eq!(lab.heard(), []);
        });
    }

    #[test]
    fn item_117_ip_options_and_padding_are_no_part_of_a_message() {
        run("item_117_ip_options_and_padding_are_no_part_of_a_message", || {
            let mut lab = Lab::new();
            let mut router_alert = packet(CLIENT, Ipv4Addr::BROADCAST, b"discover");
            router_alert.splice(20..20, [0x94, 4, 0, 0]);
            (router_alert[0], router_alert[3]) = (0x46, router_alert[3] + 4);
            // What the header grew by, word by word (RFC 1624).
            let before = u16::from_be_bytes([router_alert[10], router_alert[11]]);
            let sum = [0x0100, 4, 0x9404].iter().fold(!before, |sum: u16, word| {
                let (sum, carry) = sum.overflowing_add(*word);
                sum + u16::from(carry)
            });
            router_alert[10..12].copy_from_slice(&(!sum).to_be_bytes());
            lab.client.send(Mac::BROADCAST, IPV4, &router_alert);
            let mut padded = packet(CLIENT, Ipv4Addr::BROADCAST, b"short");
            padded.resize(46, 0xee);
            lab.client.send(Mac::BROADCAST, IPV4, &padded);
            assert_eq!(lab.heard(), [lab.discover(b"discover"), lab.discover(b"short")]);
        });
    }

    #[test]
    fn item_117_a_tag_with_only_a_priority_is_no_vlan() {
        run("item_117_a_tag_with_only_a_priority_is_no_vlan", || {
            let mut lab = Lab::new();
            let packet = packet(CLIENT, Ipv4Addr::BROADCAST, b"discover");
            lab.client.send(Mac::BROADCAST, &[0x81, 0, 0xe0, 0, 8, 0], &packet);
            assert_eq!(lab.heard(), [lab.discover(b"discover")]);
        });
    }

    #[test]
    fn item_117_checksums_and_damage() {
        run("item_117_checksums_and_damage", || {
            let mut lab = Lab::new();
            let mut wrong = packet(CLIENT, Ipv4Addr::BROADCAST, b"damaged");
            wrong[27] ^= 1;
            lab.client.send(Mac::BROADCAST, IPV4, &wrong);
            wrong[26..28].fill(0);
            lab.client.send(Mac::BROADCAST, IPV4, &wrong);
            let mut other_port = packet(CLIENT, Ipv4Addr::BROADCAST, b"damaged");
            other_port[23] = 69;
            lab.client.send(Mac::BROADCAST, IPV4, &other_port);
            let expected = [Err(Malformed::UdpChecksum), lab.discover(b"damaged")];
            assert_eq!(lab.heard(), expected);
        });
    }

    #[test]
    fn item_117_a_fragmented_broadcast_is_one_malformed_datagram() {
        run("item_117_a_fragmented_broadcast_is_one_malformed_datagram", || {
            let mut lab = Lab::new();
            let mut first = packet(CLIENT, Ipv4Addr::BROADCAST, b"discover");
            first[6] = 0x20;
            first[10] = first[10].checked_sub(0x20).unwrap(); // the checksum follows
            let mut later = first.clone();
            later[7] = 1;
            for fragment in [first, later] {
                lab.client.send(Mac::BROADCAST, IPV4, &fragment);
            }
            assert_eq!(lab.heard(), [Err(Malformed::Fragment)]);
        });
    }

    /// A socket on this machine leaves the checksum to the cable, which is none.
    #[test]
    fn item_117_checksum_that_is_not_ready() {
        run("item_117_checksum_that_is_not_ready", || {
            let mut lab = Lab::new();
            let wire = Ethernet::open("srv");
            let client = UdpSocket::bind("198.51.100.1:68").unwrap();
            client.set_broadcast(true).unwrap();
            SockRef::from(&client).bind_device(Some(b"cli")).unwrap();
            client.send_to(b"discover", "255.255.255.255:67").unwrap();
            let (_, _, packet) = wire.receive();
            assert_eq!(udp::parse(&packet, Checksum::Verify), Err(Malformed::UdpChecksum));
            let heard = lab.heard();
            assert_eq!(heard.len(), 1);
            assert_eq!(heard[0].as_ref().unwrap().1, b"discover");
        });
    }

    #[test]
    fn item_9_and_10_replies_go_where_the_destination_says() {
        run("item_9_and_10_replies_go_where_the_destination_says", || {
            let lab = Lab::new();
            let offered = Ipv4Addr::new(192, 0, 2, 100);
            let unicast = Destination::Unicast { mac: lab.client.mac, address: offered };
            for (destination, to_mac, to) in [
                (unicast, lab.client.mac, offered),
                (Destination::Broadcast, Mac::BROADCAST, Ipv4Addr::BROADCAST),
            ] {
                let message = b"offer".to_vec();
                lab.server.send(&transmit(destination, message)).unwrap();
                let (destination, source, packet) = lab.client.receive();
                assert_eq!((destination, source), (to_mac, lab.server_mac));
                let datagram = udp::parse(&packet, Checksum::Verify).unwrap();
                assert_eq!(datagram.source, SERVER_AT);
                assert_eq!(datagram.destination, SocketAddrV4::new(to, 68));
                assert_eq!(datagram.payload, b"offer");
            }
        });
    }

    #[test]
    fn item_140_the_boot_server_answers_from_the_port_that_was_asked() {
        run("item_140_the_boot_server_answers_from_the_port_that_was_asked", || {
            let mut lab = Lab::new();
            let boot_server = SocketAddrV4::new(SERVER, 4011);
            let headers = udp::emit(BOUND_CLIENT, boot_server, b"request").unwrap();
            lab.client.send(lab.server_mac, IPV4, &[&headers[..], b"request"].concat());
            wait_for(&lab.server.boot_server);
            let arrival =
                Arrival { source: BOUND_CLIENT, destination: boot_server, source_mac: None };
            assert_eq!(lab.heard(), [Ok((arrival, b"request".to_vec()))]);
            let neighbour = |mac: Mac| {
                let add = ["neigh", "replace", "192.0.2.50", "dev", "srv", "lladdr"];
                Command::new("ip").args(add).arg(mac.to_string()).status()
            };
            assert!(neighbour(lab.client.mac).unwrap().success());
            let reply = transmit(Destination::Routed(BOUND_CLIENT), b"ack".to_vec());
            lab.server.send(&Transmit { source: boot_server, ..reply }).unwrap();
            let (destination, _, packet) = lab.client.receive();
            let datagram = udp::parse(&packet, Checksum::NotReady).unwrap();
            assert_eq!(destination, lab.client.mac);
            assert_eq!((datagram.source, datagram.destination), (boot_server, BOUND_CLIENT));
        });
    }

    #[test]
    fn item_130_an_interface_goes_down_and_comes_up() {
        run("item_130_an_interface_goes_down_and_comes_up", || {
            let mut lab = Lab::new();
            let set = |state| Command::new("ip").args(["link", "set", "srv", state]).status();
            assert!(set("down").unwrap().success());
            let transmit = transmit(Destination::Broadcast, b"offer".to_vec());
            let down = lab.server.send(&transmit).unwrap_err();
            assert_eq!(down.raw_os_error(), Some(libc::ENETDOWN));
            lab.server.receive(|_| panic!("heard something"));
            assert!(set("up").unwrap().success());
            lab.wait_for_the_cable();
            lab.broadcast(b"discover");
            assert_eq!(lab.heard(), [lab.discover(b"discover")]);
            lab.server.send(&transmit).unwrap();
        });
    }

    #[test]
    fn datagrams_that_found_no_room_are_counted() {
        run("datagrams_that_found_no_room_are_counted", || {
            let mut lab = Lab::new();
            for socket in lab.server.as_fds() {
                SockRef::from(&socket).set_recv_buffer_size(0).unwrap();
            }
            assert_eq!(lab.server.overflowed(), 0);
            for _ in 0..50 {
                lab.broadcast(&[0; 300]);
            }
            let on_the_packet_socket = lab.server.packet.overflowed();
            assert!(on_the_packet_socket > 0);
            lab.server.receive(|_| {});
            lab.heard();
            assert!(lab.server.overflowed() > on_the_packet_socket);
        });
    }

    #[test]
    fn a_second_server_is_refused_by_name() {
        run("a_second_server_is_refused_by_name", || {
            let _lab = Lab::new();
            let srv = Interface::find("srv").unwrap();
            let text = DhcpSockets::bind(&srv, 67, ServerPort::Own).err().unwrap().to_string();
            let expected = format!("port 67 on srv is already served by {}", "pxed");
            assert!(text.starts_with(&expected), "{text}");
            assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
            DhcpSockets::bind(&Interface::find("cli").unwrap(), 67, ServerPort::Own).unwrap();
        });
    }

    #[test]
    fn another_boot_server_is_refused_by_name() {
        run("another_boot_server_is_refused_by_name", || {
            let _other = UdpSocket::bind((SERVER, 4011)).unwrap();
            let text = DhcpSockets::bind(&Interface::find("srv").unwrap(), 67, ServerPort::Own)
                .err()
                .unwrap();
            let text = text.to_string();
            assert!(text.starts_with("port 4011 on srv is already served by pxed"), "{text}");
            assert!(text.contains("leave PXE to pxed") && !text.contains("renewals"), "{text}");
        });
    }

    #[test]
    fn a_missing_capability_is_named_with_its_remedy() {
        run("a_missing_capability_is_named_with_its_remedy", || {
            caps::clear(None, caps::CapSet::Effective).unwrap();
            let srv = Interface::find("srv").unwrap();
            for (port, step) in [(67, "bind the UDP socket"), (6767, "open a packet socket")] {
                let text =
                    DhcpSockets::bind(&srv, port, ServerPort::Own).err().unwrap().to_string();
                assert!(text.starts_with(&format!("{step} for port {port} on srv: ")), "{text}");
                assert!(text.contains("`setcap cap_net_raw,cap_net_bind_service=ep /"), "{text}");
            }
        });
    }
}
