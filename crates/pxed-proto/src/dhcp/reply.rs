//! Replies (RFC 2131 table 3), from whom they come and where they go (section 4.1); [`options`] is what
//! stands in them.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::asking::Asking;
use super::lease::Lease;
use super::reason::NakReason;
use super::relay::{Agent, Behind, RelayAgent};
use super::transmit::{CLIENT_PORT, Destination, SERVER_PORT, Transmit};
use crate::boot::{Boot, BootFile};
use crate::limits;
use crate::machine::Firmware;
use crate::wire::dhcp::{FLAG_BROADCAST, Header, MessageType};
use crate::wire::options::code;

mod options;
pub(super) mod proxy;
mod spare;

use options::Options;
pub use spare::Spare;

/// IPv4 and UDP headers, in octets.
const IP_UDP_HEADERS: usize = 28;

/// What a client gets that sends no parameter request list (option 55), or an empty one.
const COMMON_WISHES: [u8; 2] = [code::DOMAIN_NAME_SERVER, code::DOMAIN_NAME];

/// What a BOOTP client gets, which has no such list.
const BOOTP_WISHES: [u8; 3] = [code::DOMAIN_NAME_SERVER, code::HOST_NAME, code::DOMAIN_NAME];

/// A reply, and what had to be left out of it.
pub(super) struct Reply {
    pub transmit: Transmit,
    /// Options that ought to stand in the reply, and did not fit or could not be echoed.
    pub left_out: Vec<u8>,
}

/// DHCPOFFER, or DHCPACK to a REQUEST or, by rapid commit, to a DISCOVER.
pub(super) fn lease(
    asking: &Asking<'_>,
    message_type: MessageType,
    address: Ipv4Addr,
    lease_time: Duration,
    boot: &Boot,
) -> Reply {
    let mut header = Header { yiaddr: address, ..header(asking, boot) };
    let discovers = asking.message.message_type() == Some(MessageType::Discover);
    // A client that renews has its address, and is answered there.
    let renews = !discovers && !asking.message.ciaddr.is_unspecified();
    let bound = message_type == MessageType::Ack && renews;
    if bound {
        header.ciaddr = asking.message.ciaddr;
    }
    let seconds = u32::try_from(lease_time.as_secs()).unwrap_or(u32::MAX);
    let mut options = Options::new(asking, &header, Some(message_type));
    options.push(code::LEASE_TIME, &seconds.to_be_bytes());
    if discovers && message_type == MessageType::Ack {
        options.push(code::RAPID_COMMIT, &[]);
    }
    options.network(boot, Some(seconds));
    options.finish(to_client(asking, bound, address))
}

/// BOOTREPLY to a BOOTP client: no lease time and no other DHCP extension. What it says of its own
/// address counts where that is the address that it gets.
pub(super) fn bootp(asking: &Asking<'_>, address: Ipv4Addr, boot: &Boot) -> Reply {
    let bound = asking.message.ciaddr == address;
    let header = Header { yiaddr: address, ..header(asking, boot) };
    let ciaddr = if bound { address } else { header.ciaddr };
    let mut options = Options::new(asking, &Header { ciaddr, ..header }, None);
    options.delay = asking.subnet.offer_delay;
    options.network(boot, None);
    options.finish(to_client(asking, bound, address))
}

/// DHCPACK to an INFORM: no lease, `yiaddr` empty, sent to the client's own address.
pub(super) fn inform(asking: &Asking<'_>, address: Ipv4Addr, boot: &Boot) -> Reply {
    let header = Header { ciaddr: asking.message.ciaddr, ..header(asking, boot) };
    let mut options = Options::new(asking, &header, Some(MessageType::Ack));
    options.network(boot, None);
    options.finish(Destination::Routed(SocketAddrV4::new(address, CLIENT_PORT)))
}

/// DHCPNAK: broadcast, whatever the flags and `ciaddr` say (RFC 2131 section 4.3.2): the client
/// may not be where its address says that it is.
pub(super) fn nak(asking: &Asking<'_>, reason: NakReason) -> Reply {
    let mut header = header(asking, &Boot::Nothing);
    if asking.is_relayed() {
        header.flags |= FLAG_BROADCAST;
    }
    let mut options = Options::new(asking, &header, Some(MessageType::Nak));
    options.echoes();
    options.push(code::MESSAGE, reason.as_str().as_bytes());
    options.finish(Destination::Broadcast)
}

/// What is copied from the request, and where to boot from.
fn header(asking: &Asking<'_>, boot: &Boot) -> Header<'static> {
    let header = Header::reply_to(asking.message);
    match boot {
        Boot::File(BootFile { server, .. }) | Boot::OwnFiles(server) => {
            Header { siaddr: *server, ..header }
        }
        Boot::Nothing | Boot::NoLoader(_) => header,
    }
}

/// A client that is `bound` to its address is reached there.
fn to_client(asking: &Asking<'_>, bound: bool, address: Ipv4Addr) -> Destination {
    match bound {
        true => Destination::Routed(SocketAddrV4::new(asking.message.ciaddr, CLIENT_PORT)),
        false => to_unbound(asking, address),
    }
}

/// Where a client is reached that has no address yet.
fn to_unbound(asking: &Asking<'_>, address: Ipv4Addr) -> Destination {
    match asking.machine.mac() {
        Some(mac) if asking.message.flags & FLAG_BROADCAST == 0 => {
            Destination::Unicast { mac, address }
        }
        _ => Destination::Broadcast,
    }
}

impl<'a> Asking<'a> {
    /// Does `server` name this server: by an address of its own, or by what the client's relay
    /// agent has it called, now or when the client got its lease?
    pub fn is_ours(&self, server: Ipv4Addr) -> bool {
        if self.is_own(server) {
            return true;
        }
        let lease = self.own.and_then(Lease::relay);
        let agents = [self.relay.as_ref().map(Behind::agent), lease.as_ref().map(RelayAgent::view)];
        agents.into_iter().flatten().any(|agent| agent.server_identifier() == Some(server))
    }

    /// Is it one of the server's addresses on this link, or the one that it answers with?
    pub fn is_own(&self, server: Ipv4Addr) -> bool {
        self.link.addresses.contains(&server) || [self.subnet.server, self.server].contains(&server)
    }

    /// Did a relay agent bring it?
    pub fn is_relayed(&self) -> bool {
        !self.message.giaddr.is_unspecified()
    }

    /// Did the client send it to its relay agent by unicast (RFC 5010)?
    pub fn is_relayed_unicast(&self) -> bool {
        self.brought_by.is_some_and(Agent::was_unicast)
    }

    /// The reply's source: the address by which the client named the server, or wrote to it, if
    /// that is ours.
    fn source(&self) -> Ipv4Addr {
        let named = self.message.ipv4(code::SERVER_IDENTIFIER);
        let mut asked = named.into_iter().chain([*self.arrival.destination.ip()]);
        asked.find(|server| self.is_own(*server)).unwrap_or(self.server)
    }

    /// The server identifier to answer with: that address, unless the relay agent has the client
    /// write to itself (RFC 5107).
    pub fn server_identifier(&self) -> Ipv4Addr {
        self.server_identifier_from(self.source())
    }

    fn server_identifier_from(&self, source: Ipv4Addr) -> Ipv4Addr {
        let overridden = self.relay.as_ref().and_then(|it| it.agent().server_identifier());
        overridden.unwrap_or(source)
    }

    /// Where the relay agent waits for the reply, if it is not the client that does: at the
    /// servers' port, or at the one that it says it sent from (RFC 8357): not by the word of whoever
    /// writes in another's name.
    fn relay_port(&self) -> Option<SocketAddrV4> {
        let agent = self.brought_by?;
        let from = self.arrival.source.port();
        let itself = *self.arrival.source.ip() == agent.address;
        let believed = itself || self.subnet.relays.contains(&agent.address);
        let own_port = believed && agent.uses_source_port() && from != 0;
        let port = if own_port { from } else { SERVER_PORT };
        Some(SocketAddrV4::new(agent.address, port))
    }

    /// What the client wants to be told, in its order of preference.
    fn wishes(&self) -> Cow<'a, [u8]> {
        if self.is_bootp() {
            return Cow::Borrowed(&BOOTP_WISHES);
        }
        let list = self.message.option(code::PARAMETER_REQUEST_LIST);
        list.filter(|list| !list.is_empty()).unwrap_or(Cow::Borrowed(&COMMON_WISHES))
    }

    fn is_booting(&self) -> bool {
        self.firmware != Firmware::NotBooting
    }

    fn is_bootp(&self) -> bool {
        self.firmware == Firmware::Bootp
    }

    /// The most octets that the client, and the link, can take in one unfragmented message
    /// (option 57; less than 576 counts as 576). A BOOTP client takes as many as it sends.
    fn budget(&self) -> usize {
        let wish = self.message.u16(code::MAX_MESSAGE_SIZE).map_or(0, usize::from);
        let wish = match self.is_bootp() {
            true => self.message.len() + IP_UDP_HEADERS,
            false => wish.max(limits::DHCP_DATAGRAM_MIN),
        };
        let datagram = wish.min(self.link.mtu);
        datagram.saturating_sub(IP_UDP_HEADERS).max(limits::DHCP_REPLY_MIN)
    }
}
