//! ARP probes: asks on one interface who has an address, and hears who answers.

use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};

use pxed_proto::net::Mac;
use pxed_proto::wire::arp;
use socket2::{Domain, SockFilter, Socket, Type};

use super::interface::Interface;
use super::packet_socket::link_address;

/// How many answers are read at once: as many as probes may wait, and as many again.
const BATCH: usize = 512;

/// Asks and hears ARP on one interface.
pub struct ArpSocket {
    socket: Socket,
    interface_index: u32,
    mac: Mac,
}

impl ArpSocket {
    /// Hears the ARP replies that come to `interface`.
    pub fn bind(interface: &Interface) -> io::Result<Self> {
        // Protocol 0 hears nothing until the filter is there.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
        socket.attach_filter(&replies(interface.index))?;
        socket.set_nonblocking(true)?;
        socket.bind(&link_address(interface.index, libc::ETH_P_ARP, Mac([0; 6]))?)?;
        Ok(Self { socket, interface_index: interface.index, mac: interface.mac })
    }

    /// Asks everybody on the link who has `address`.
    pub fn probe(&self, address: Ipv4Addr) -> io::Result<()> {
        let everybody = link_address(self.interface_index, libc::ETH_P_ARP, Mac::BROADCAST)?;
        self.socket.send_to(&arp::probe(self.mac, address), &everybody)?;
        Ok(())
    }

    /// Gives the answers that have come in, at most a batch, to `each`: who has which address.
    pub fn receive(&mut self, mut each: impl FnMut(Mac, Ipv4Addr)) -> io::Result<()> {
        let mut packet = [0; 64];
        for _ in 0..BATCH {
            let length = (&self.socket).read(&mut packet)?;
            if let Some((holder, address)) = packet.get(..length).and_then(arp::reply) {
                each(holder, address);
            }
        }
        Ok(())
    }
}

impl AsFd for ArpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The kernel's filter: ARP replies in frames to this machine or to all, so that what others ask
/// each other wakes nobody; by the interface itself and untagged, since a socket on eth0 also hears
/// what goes on to eth0.5. A tag with VLAN 0 carries only a priority.
fn replies(interface_index: u32) -> [SockFilter; 10] {
    use libc::{BPF_ABS, BPF_B, BPF_H, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W};
    let code = |code| u16::try_from(code).unwrap_or_default();
    let load = |size, offset| SockFilter::new(code(BPF_LD | BPF_ABS | size), 0, 0, offset);
    let jump = |test, then, otherwise, value| {
        SockFilter::new(code(BPF_JMP | test | BPF_K), then, otherwise, value)
    };
    // What the kernel knows of a packet lies behind SKF_AD_OFF: SKF_AD_PKTTYPE, _IFINDEX, _VLAN_TAG.
    let known = |of| u32::MAX - 4095 + of;
    let other_host = u32::from(libc::PACKET_OTHERHOST);
    [
        load(BPF_H, 6),
        jump(BPF_JEQ, 0, 7, 2),
        load(BPF_B, known(4)),
        jump(BPF_JEQ, 5, 0, other_host),
        load(BPF_W, known(8)),
        jump(BPF_JEQ, 0, 3, interface_index),
        load(BPF_H, known(44)),
        jump(BPF_JSET, 1, 0, 0x0fff),
        SockFilter::new(code(BPF_RET | BPF_K), 0, 0, u32::MAX),
        SockFilter::new(code(BPF_RET | BPF_K), 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::test_namespace::{self, Ethernet, comes_within, wait_for};

    const ARP: &[u8] = &[8, 6];
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);

    fn run(test: &str, body: impl FnOnce()) {
        test_namespace::run(&format!("{}::{test}", module_path!()), body);
    }

    /// What `packet` says when it is a reply by the client's end for an address.
    fn reply(holder: Mac, address: Ipv4Addr) -> Vec<u8> {
        let mut packet = arp::probe(holder, address).to_vec();
        packet[7] = 2;
        packet[14..18].copy_from_slice(&address.octets());
        packet
    }

    #[test]
    fn only_answers_to_this_machine_are_heard() {
        run("only_answers_to_this_machine_are_heard", || {
            let srv = Interface::find("srv").unwrap();
            let mut socket = ArpSocket::bind(&srv).unwrap();
            let client = Ethernet::open("cli");
            let arrives = |_| {
                client.send(srv.mac, ARP, &reply(client.mac, Ipv4Addr::LOCALHOST));
                comes_within(50, &socket)
            };
            assert!((0..200).any(arrives), "the cable stays dead");
            // Of a VLAN.
            client.send(srv.mac, &[0x81, 0, 0, 5, 8, 6], &reply(client.mac, ADDRESS));
            client.send(Mac::BROADCAST, &[0x81, 0, 0, 5, 8, 6], &reply(client.mac, ADDRESS));
            // Another's, a question, what is no ARP.
            client.send(Mac([2, 0, 0, 0, 0, 1]), ARP, &reply(client.mac, ADDRESS));
            client.send(Mac::BROADCAST, ARP, &arp::probe(client.mac, ADDRESS));
            client.send(srv.mac, &[8, 0], &reply(client.mac, ADDRESS));
            let last = Mac([2, 0, 0, 0, 0, 9]);
            client.send(srv.mac, &[0x81, 0, 0xe0, 0, 8, 6], &reply(client.mac, ADDRESS));
            client.send(srv.mac, ARP, &reply(last, ADDRESS));
            let mut heard = Vec::new();
            while !heard.contains(&(last, ADDRESS)) {
                wait_for(&socket);
                let _ = socket.receive(|holder, address| heard.push((holder, address)));
            }
            heard.retain(|(_, address)| *address == ADDRESS);
            assert_eq!(heard, [(client.mac, ADDRESS), (last, ADDRESS)], "and with only a priority");
        });
    }

    /// The kernel at the other end answers for the address that it has, and for no other.
    #[test]
    fn a_host_answers_a_probe_of_its_address() {
        run("a_host_answers_a_probe_of_its_address", || {
            let (srv, cli) = (Interface::find("srv").unwrap(), Interface::find("cli").unwrap());
            let mut socket = ArpSocket::bind(&srv).unwrap();
            let own = Ipv4Addr::new(198, 51, 100, 1);
            let mut heard = Vec::new();
            for _ in 0..200 {
                socket.probe(Ipv4Addr::new(198, 51, 100, 2)).unwrap();
                socket.probe(own).unwrap();
                if comes_within(50, &socket) {
                    let _ = socket.receive(|holder, address| heard.push((holder, address)));
                    break;
                }
            }
            assert!(heard.iter().all(|answer| *answer == (cli.mac, own)), "{heard:?}");
            assert!(!heard.is_empty());
        });
    }
}
