//! The sockets of one interface that pxed serves.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use pxed_proto::dhcp::{BOOT_SERVER_PORT, CLIENT_PORT, Destination, Share, Transmit};
use pxed_proto::net::Mac;

use super::arp_socket::ArpSocket;
use super::batch::BATCH;
use super::interface::Interface;
use super::packet_socket::{Framed, PacketSocket};
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

/// One of the ways in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Inlet {
    /// To all, on the servers' port.
    Broadcasts,
    /// To this machine, on the servers' port.
    Unicasts,
    /// On the boot server's port.
    BootServer,
    /// What servers broadcast to clients, but not what this machine has.
    Overheard,
    /// Answers to probes.
    Arp,
}

impl Inlet {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Broadcasts, Self::Unicasts, Self::BootServer, Self::Overheard, Self::Arp];
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

    /// Gives what has come in by `inlet`, at most a batch, to `each`; does not wait. Was it a whole batch,
    /// so that there may be more?
    ///
    /// There is no error: an interface that goes down says so once, and may come up again.
    pub fn receive(&mut self, inlet: Inlet, each: impl FnMut(Received<'_>)) -> bool {
        let result = match inlet {
            Inlet::Broadcasts => self.packet.receive(each),
            Inlet::Unicasts => self.udp.as_mut().map_or(Ok(0), |udp| udp.receive(each)),
            Inlet::BootServer => self.boot_server.receive(each),
            Inlet::Overheard => self.watch.receive(each),
            Inlet::Arp => Ok(0),
        };
        let count = *result.as_ref().unwrap_or(&0);
        self.note(result.map(drop));
        count == BATCH
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

    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result
            && error.kind() != io::ErrorKind::WouldBlock
        {
            tracing::debug!(interface = &*self.interface, %error, "receive");
        }
    }

    /// Sends all of these, each the way that its destination asks for; does not wait. Those that can not
    /// be sent are told to `failed`, one by one.
    pub fn send(&mut self, transmits: &[Transmit], mut failed: impl FnMut(io::Error)) {
        self.packet.send(transmits.iter().filter_map(framed), &mut failed);
        let routed = |to_boot_server: bool| {
            transmits.iter().filter_map(move |transmit| routed(transmit, to_boot_server))
        };
        self.boot_server.send(routed(true), &mut failed);
        match &mut self.udp {
            Some(udp) => udp.send(routed(false), failed),
            None => routed(false).for_each(|_| {
                failed(io::Error::other("port 67 is another server's (--dhcp-no-bind)"));
            }),
        }
    }

    /// Has the kernel drop DISCOVERs, all but a share of them.
    pub fn shed(&mut self, share: Share) {
        let packets = self.packet.shed(share);
        let udp = self.udp.as_mut().map(|udp| udp.shed(share));
        [packets].into_iter().chain(udp).for_each(|result| self.note(result));
    }

    /// How many datagrams the kernel has had no room for, since the bind.
    pub fn overflowed(&mut self) -> u64 {
        let udp = self.udp.as_ref().map_or(0, DhcpUdpSocket::overflowed);
        self.packet.overflowed() + udp + self.boot_server.overflowed()
    }

    /// What there is to wait for.
    pub fn inlets(&self) -> impl Iterator<Item = (Inlet, BorrowedFd<'_>)> {
        let udp = self.udp.as_ref().map(|udp| (Inlet::Unicasts, udp.as_fd()));
        [
            (Inlet::Broadcasts, self.packet.as_fd()),
            (Inlet::BootServer, self.boot_server.as_fd()),
            (Inlet::Arp, self.arp.as_fd()),
            (Inlet::Overheard, self.watch.as_fd()),
        ]
        .into_iter()
        .chain(udp)
    }
}

/// What leaves below IP.
fn framed(transmit: &Transmit) -> Option<Framed<'_>> {
    let Transmit { destination, source, message, .. } = transmit;
    let (mac, address) = match *destination {
        Destination::Unicast { mac, address } => (mac, address),
        Destination::Broadcast => (Mac::BROADCAST, Ipv4Addr::BROADCAST),
        Destination::Routed(_) => return None,
    };
    let destination = SocketAddrV4::new(address, CLIENT_PORT);
    Some(Framed { mac, source: *source, destination, message })
}

/// What the kernel routes, from this port.
fn routed(transmit: &Transmit, from_boot_server: bool) -> Option<(Ipv4Addr, SocketAddrV4, &[u8])> {
    let Transmit { destination, source, message, .. } = transmit;
    let Destination::Routed(host) = *destination else { return None };
    let is_from_there = (source.port() == BOOT_SERVER_PORT) == from_boot_server;
    is_from_there.then_some((*source.ip(), host, message))
}
