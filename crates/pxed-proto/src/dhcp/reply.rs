//! Replies: what stands in them (RFC 2131 table 3) and where they go (section 4.1).

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::reason::NakReason;
use super::server::Asking;
use super::transmit::{CLIENT_PORT, Destination, SERVER_PORT, Transmit};
use crate::boot::{Boot, BootFile};
use crate::limits;
use crate::machine::Firmware;
use crate::wire::dhcp::{FILE_MAX, FLAG_BROADCAST, Header, MessageType, Writer, encoded_len};
use crate::wire::options::code;
use crate::wire::pxe;

/// IPv4 and UDP headers, in octets.
const IP_UDP_HEADERS: usize = 28;

/// iPXE's option 176 within 175: "do not wait for a ProxyDHCP server", which saves two seconds.
const IPXE_NO_PROXY: [u8; 3] = [176, 1, 1];

/// DHCPOFFER, or DHCPACK to a REQUEST.
pub(super) fn lease(
    asking: &Asking<'_>,
    message_type: MessageType,
    address: Ipv4Addr,
    lease_time: Duration,
    boot: &Boot,
) -> Transmit {
    let mut header = Header { yiaddr: address, ..Header::reply_to(asking.message) };
    // A client that renews has its address, and is answered there.
    let bound = message_type == MessageType::Ack && !asking.message.ciaddr.is_unspecified();
    if bound {
        header.ciaddr = asking.message.ciaddr;
    }
    let mut options = Options::new(asking, message_type);
    options.lease_times(lease_time);
    options.network();
    let message = options.finish(header, boot);
    let destination = if bound {
        Destination::Routed(SocketAddrV4::new(asking.message.ciaddr, CLIENT_PORT))
    } else {
        to_unbound(asking, address)
    };
    asking.transmit(destination, message)
}

/// DHCPACK to an INFORM: no lease, `yiaddr` empty, sent to the client's own address.
pub(super) fn inform(asking: &Asking<'_>, address: Ipv4Addr, boot: &Boot) -> Transmit {
    let header = Header { ciaddr: asking.message.ciaddr, ..Header::reply_to(asking.message) };
    let mut options = Options::new(asking, MessageType::Ack);
    options.network();
    let message = options.finish(header, boot);
    asking.transmit(Destination::Routed(SocketAddrV4::new(address, CLIENT_PORT)), message)
}

/// DHCPNAK: broadcast, whatever the flags and `ciaddr` say (RFC 2131 section 4.3.2): the client
/// may not be where its address says that it is.
pub(super) fn nak(asking: &Asking<'_>, reason: NakReason) -> Transmit {
    let mut header = Header::reply_to(asking.message);
    if !header.giaddr.is_unspecified() {
        header.flags |= FLAG_BROADCAST;
    }
    let mut options = Options::new(asking, MessageType::Nak);
    options.push(code::MESSAGE, reason.as_str().as_bytes());
    let message = options.finish(header, &Boot::Nothing);
    asking.transmit(Destination::Broadcast, message)
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

impl Asking<'_> {
    /// Is `server` one of the server's own addresses on this link?
    pub fn is_ours(&self, server: Ipv4Addr) -> bool {
        self.link.addresses.contains(&server)
    }

    /// The server identifier to answer with: the address that was asked, if it was one of ours.
    fn server_identifier(&self) -> Ipv4Addr {
        let asked = self.arrival.destination;
        if self.is_ours(asked) { asked } else { self.subnet.server }
    }

    /// What came by a relay agent goes back by it.
    fn transmit(&self, destination: Destination, message: Vec<u8>) -> Transmit {
        let destination = match self.message.giaddr {
            Ipv4Addr::UNSPECIFIED => destination,
            relay => Destination::Routed(SocketAddrV4::new(relay, SERVER_PORT)),
        };
        Transmit { destination, source: self.server_identifier(), message }
    }

    fn asks_for(&self, code: u8) -> bool {
        self.message.option(code::PARAMETER_REQUEST_LIST).is_some_and(|list| list.contains(&code))
    }

    /// A client without a list gets what most clients want.
    fn asks_for_common(&self, code: u8) -> bool {
        self.message.option(code::PARAMETER_REQUEST_LIST).is_none_or(|list| list.contains(&code))
    }

    /// The most octets that the client, and the link, can take in one unfragmented message
    /// (option 57; less than 576 counts as 576).
    fn budget(&self) -> usize {
        let wish = self.message.u16(code::MAX_MESSAGE_SIZE).map_or(0, usize::from);
        let datagram = wish.max(limits::DHCP_DATAGRAM_MIN).min(self.link.mtu);
        datagram.saturating_sub(IP_UDP_HEADERS).max(limits::DHCP_REPLY_MIN)
    }
}

/// The options of a reply, the most important first: what does not fit is dropped from the end.
struct Options<'a> {
    asking: &'a Asking<'a>,
    list: Vec<(u8, Cow<'a, [u8]>)>,
}

impl<'a> Options<'a> {
    /// Options 53 and 54; 53 comes first, since small ROMs look for it there.
    fn new(asking: &'a Asking<'a>, message_type: MessageType) -> Self {
        let mut options = Self { asking, list: Vec::with_capacity(20) };
        options.push(code::MESSAGE_TYPE, &[message_type as u8]);
        options.push(code::SERVER_IDENTIFIER, &asking.server_identifier().octets());
        options
    }

    fn push(&mut self, code: u8, value: &[u8]) {
        self.list.push((code, Cow::Owned(value.to_vec())));
    }

    /// Options 51, 58 and 59: T1 is half and T2 seven eighths of the lease (RFC 2131 section 4.4.5).
    fn lease_times(&mut self, lease_time: Duration) {
        let seconds = u32::try_from(lease_time.as_secs()).unwrap_or(u32::MAX);
        self.push(code::LEASE_TIME, &seconds.to_be_bytes());
        let eighths =
            |count: u64| u32::try_from(u64::from(seconds) * count / 8).unwrap_or(u32::MAX);
        for (code, time) in [(code::RENEWAL_TIME, eighths(4)), (code::REBINDING_TIME, eighths(7))] {
            if self.asking.asks_for(code) {
                // What never ends is never renewed.
                let time = if seconds == u32::MAX { seconds } else { time };
                self.push(code, &time.to_be_bytes());
            }
        }
    }

    /// Mask, routers, name servers, domain, broadcast address: as far as configured and asked for.
    fn network(&mut self) {
        let subnet = self.asking.subnet;
        self.push(code::SUBNET_MASK, &subnet.net.mask().octets());
        self.addresses(code::ROUTER, &subnet.routers);
        if self.asking.asks_for_common(code::DOMAIN_NAME_SERVER) {
            self.addresses(code::DOMAIN_NAME_SERVER, &subnet.dns);
        }
        if let Some(domain) = &subnet.domain
            && self.asking.asks_for_common(code::DOMAIN_NAME)
        {
            self.push(code::DOMAIN_NAME, domain.as_bytes());
        }
        if self.asking.asks_for(code::BROADCAST_ADDRESS) {
            self.push(code::BROADCAST_ADDRESS, &subnet.net.broadcast().octets());
        }
    }

    fn addresses(&mut self, code: u8, addresses: &[Ipv4Addr]) {
        if !addresses.is_empty() {
            let octets: Vec<u8> = addresses.iter().flat_map(|address| address.octets()).collect();
            self.push(code, &octets);
        }
    }

    /// What firmware needs to load `file`: see docs/quirks.md for who needs which.
    fn boot(&mut self, file: &BootFile, firmware: Firmware) {
        // Old ROMs append the octet after the name to it; in the length only they want the NUL.
        let nul: &[u8] = if matches!(firmware, Firmware::Pxe(_)) { &[0] } else { &[] };
        match firmware {
            Firmware::Ipxe(_) => self.push(code::IPXE, &IPXE_NO_PROXY),
            Firmware::HttpBoot(_) => self.push(code::VENDOR_CLASS, b"HTTPClient"),
            Firmware::Pxe(_) | Firmware::NotBooting => {
                self.push(code::VENDOR_CLASS, b"PXEClient");
                self.push(code::VENDOR_SPECIFIC, &pxe::USE_BOOT_FILE);
            }
        }
        let server = file.server.to_string();
        self.push(code::TFTP_SERVER_NAME, &[server.as_bytes(), nul].concat());
        self.push(code::BOOT_FILE_NAME, &[file.name.as_bytes(), nul].concat());
        let id = self.asking.message.option(code::CLIENT_MACHINE_ID);
        if let Some(id) = id.filter(|id| id.len() == 17) {
            self.push(code::CLIENT_MACHINE_ID, &id);
        }
    }

    /// Writes the message. Client identifier (RFC 6842) and relay agent information (RFC 3046
    /// section 2.2) are echoed as they came, the latter last.
    fn finish<'h>(mut self, mut header: Header<'h>, boot: &'h Boot) -> Vec<u8> {
        if let Boot::File(file) = boot {
            self.boot(file, self.asking.firmware);
            header.siaddr = file.server;
            let name = file.name.as_bytes();
            // A name that is too long for the field would only be wrong there.
            header.file = if name.len() <= FILE_MAX { name } else { &[] };
        }
        let mut echoes = Vec::new();
        for code in [code::CLIENT_IDENTIFIER, code::RELAY_AGENT] {
            echoes.extend(self.asking.message.option(code).map(|value| (code, value)));
        }
        let mut writer = Writer::new(&header, self.asking.budget());
        writer.reserve(echoes.iter().map(|(_, value)| encoded_len(value.len())).sum());
        self.list.retain(|(code, value)| writer.option(*code, value));
        writer.reserve(0);
        echoes.retain(|(code, value)| writer.option(*code, value));
        writer.finish()
    }
}
