use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Arrival, Ignored, Shed, Shedding};
use pxed_proto::wire::dhcp::MessageType;
use pxed_proto::wire::glance::Kind;
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

    /// By every way in but what is overheard.
    fn receive(&mut self, mut each: impl FnMut(Received<'_>)) {
        for inlet in [Inlet::Broadcasts, Inlet::Unicasts, Inlet::BootServer] {
            self.server.receive(inlet, &mut each);
        }
    }

    fn send(&mut self, transmit: Transmit) {
        self.server.send(&[transmit], |error| panic!("{error}"));
    }

    /// What the server hears of all that was sent, without the mark that tells the end.
    fn heard(&mut self) -> Vec<Kept> {
        self.unicast(SERVER, b"end");
        let mut heard: Vec<Kept> = Vec::new();
        let end = |kept: &Kept| kept.as_ref().is_ok_and(|(_, payload)| payload == b"end");
        while !heard.iter().any(end) {
            wait_for(self.server.udp.as_ref().unwrap());
            self.receive(|received| heard.push(keep(received)));
        }
        self.receive(|received| heard.push(keep(received)));
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
        let (mac, source, message) = (Mac::BROADCAST, SERVER_AT, &b"own"[..]);
        let own = Framed { mac, source, destination: everyone, message };
        lab.server.packet.send(std::iter::once(own), |error| panic!("{error}"));
        lab.send(transmit(Destination::Broadcast, b"own".to_vec()));
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
        let mut lab = Lab::new();
        let offered = Ipv4Addr::new(192, 0, 2, 100);
        let unicast = Destination::Unicast { mac: lab.client.mac, address: offered };
        for (destination, to_mac, to) in [
            (unicast, lab.client.mac, offered),
            (Destination::Broadcast, Mac::BROADCAST, Ipv4Addr::BROADCAST),
        ] {
            let message = b"offer".to_vec();
            lab.send(transmit(destination, message));
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
        let arrival = Arrival { source: BOUND_CLIENT, destination: boot_server, source_mac: None };
        assert_eq!(lab.heard(), [Ok((arrival, b"request".to_vec()))]);
        let neighbour = |mac: Mac| {
            let add = ["neigh", "replace", "192.0.2.50", "dev", "srv", "lladdr"];
            Command::new("ip").args(add).arg(mac.to_string()).status()
        };
        assert!(neighbour(lab.client.mac).unwrap().success());
        let reply = transmit(Destination::Routed(BOUND_CLIENT), b"ack".to_vec());
        lab.send(Transmit { source: boot_server, ..reply });
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
        let mut errors = Vec::new();
        let both = [transmit.clone(), transmit.clone()];
        lab.server.send(&both, |error| errors.push(error.raw_os_error()));
        assert_eq!(errors, [Some(libc::ENETDOWN); 2]);
        lab.receive(|_| panic!("heard something"));
        assert!(set("up").unwrap().success());
        lab.wait_for_the_cable();
        lab.broadcast(b"discover");
        assert_eq!(lab.heard(), [lab.discover(b"discover")]);
        lab.send(transmit);
    });
}

#[test]
fn datagrams_that_found_no_room_are_counted() {
    run("datagrams_that_found_no_room_are_counted", || {
        let mut lab = Lab::new();
        for (_, socket) in lab.server.inlets() {
            SockRef::from(&socket).set_recv_buffer_size(0).unwrap();
        }
        assert_eq!(lab.server.overflowed(), 0);
        for _ in 0..50 {
            lab.broadcast(&[0; 300]);
        }
        let on_the_packet_socket = lab.server.packet.overflowed();
        assert!(on_the_packet_socket > 0);
        lab.receive(|_| {});
        lab.heard();
        assert!(lab.server.overflowed() > on_the_packet_socket);
    });
}

/// A DISCOVER or another message, with its type in front of the other options.
fn message(message_type: u8) -> Vec<u8> {
    let mut message = vec![0; 240];
    message.extend([53, 1, message_type, 12, 1, b'a', 255]);
    message.resize(300, 0);
    message
}

#[test]
fn the_kernel_drops_discovers_and_nothing_else() {
    run("the_kernel_drops_discovers_and_nothing_else", || {
        const MANY: usize = 40;
        let mut lab = Lab::new();
        let (discover, request) = (message(1), message(3));
        let count = |lab: &mut Lab, share: Share| {
            lab.server.shed(share);
            for _ in 0..MANY {
                for message in [&discover, &request] {
                    lab.broadcast(message);
                    lab.unicast(SERVER, message);
                }
            }
            let heard = lab.heard();
            let of =
                |message: &[u8]| heard.iter().flatten().filter(|heard| heard.1 == message).count();
            (of(&discover), of(&request))
        };
        let discover_kind = Kind::Message(MessageType::Discover);
        let shed = Shed { kind: discover_kind, reason: Ignored::Overload };
        let mut shedding = Shedding::default();
        let shares: Vec<Share> = (1..1000)
            .filter_map(|round| {
                (0..100).for_each(|_| shedding.heard(discover_kind));
                (0..99).for_each(|_| shedding.shed(&shed));
                shedding.adjust(Timestamp::from_millis(50 * round))
            })
            .collect();
        assert_eq!(count(&mut lab, Share::ALL), (2 * MANY, 2 * MANY));
        let (discovers, requests) = count(&mut lab, *shares.last().unwrap());
        assert_eq!(requests, 2 * MANY);
        assert!(discovers < MANY, "of one in 64 came {discovers}");
        assert_eq!(lab.server.overflowed(), 0, "what the filter drops had room");
        assert_eq!(count(&mut lab, Share::ALL), (2 * MANY, 2 * MANY));
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
        let text =
            DhcpSockets::bind(&Interface::find("srv").unwrap(), 67, ServerPort::Own).err().unwrap();
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
            let text = DhcpSockets::bind(&srv, port, ServerPort::Own).err().unwrap().to_string();
            assert!(text.starts_with(&format!("{step} for port {port} on srv: ")), "{text}");
            assert!(text.contains("`setcap cap_net_raw,cap_net_bind_service=ep /"), "{text}");
        }
    });
}
