//! Replies: what stands in them (RFC 2131 table 3) and where they go (section 4.1).

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::asking::Asking;
use super::lease::Lease;
use super::reason::NakReason;
use super::relay::{Agent, Behind, RelayAgent};
use super::transmit::{CLIENT_PORT, Destination, SERVER_PORT, Transmit};
use crate::boot::{Boot, BootFile, BootName};
use crate::limits;
use crate::machine::Firmware;
use crate::net::dotted;
use crate::wire::dhcp::{FLAG_BROADCAST, Header, MessageType, Writer, encoded_len, is_sub_options};
use crate::wire::options::{Codes, code, with_default};
use crate::wire::pxe;

pub(super) mod proxy;
mod spare;

pub use spare::Spare;

/// IPv4 and UDP headers, in octets.
const IP_UDP_HEADERS: usize = 28;

/// iPXE's option 176 within 175: "do not wait for a ProxyDHCP server", which saves two seconds.
const IPXE_NO_PROXY: [u8; 3] = [176, 1, 1];

/// The menu item that the boot loader of a Raspberry Pi looks for.
const RASPBERRY_PI_BOOT: &str = "Raspberry Pi Boot";

/// What a client gets that sends no parameter request list (option 55), or an empty one.
const COMMON_WISHES: [u8; 2] = [code::DOMAIN_NAME_SERVER, code::DOMAIN_NAME];

/// What a BOOTP client gets, which has no such list.
const BOOTP_WISHES: [u8; 3] = [code::DOMAIN_NAME_SERVER, code::HOST_NAME, code::DOMAIN_NAME];

/// What follows from the network and the lease, where nothing is configured.
const DERIVED: Codes =
    Codes::of(&[code::BROADCAST_ADDRESS, code::RENEWAL_TIME, code::REBINDING_TIME]);

/// "DHCP extensions" (RFC 2132 section 9), 50 to 61: nothing to a BOOTP client.
const DHCP_ONLY: Codes = Codes::of(&[50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61]);

/// What no setting can put into a reply: it is a client's to say (RFC 2131 table 3), or only ever
/// comes back (RFC 6842, RFC 3046, RFC 3011), or is no option.
const NOT_SETTINGS: Codes = Codes::of(&[
    code::PAD,
    code::REQUESTED_ADDRESS,
    code::OVERLOAD,
    code::MESSAGE_TYPE,
    code::SERVER_IDENTIFIER,
    code::PARAMETER_REQUEST_LIST,
    code::MAX_MESSAGE_SIZE,
    code::CLIENT_IDENTIFIER,
    code::RAPID_COMMIT,
    code::RELAY_AGENT,
    code::SUBNET_SELECTION,
    code::END,
]);

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

/// The options of a reply, written in the order of their importance: where room runs out, the
/// client misses what it can do without.
struct Options<'a> {
    asking: &'a Asking<'a>,
    writer: Writer,
    /// What is configured for this client, as far as it is for clients like it.
    configured: Codes,
    /// Of these, what it gets without asking.
    always: Codes,
    /// What stands in the message, or had no room: nothing is written twice.
    done: Codes,
    /// Option 82, for which room is kept at the end.
    relay_information: Option<Cow<'a, [u8]>>,
    left_out: Vec<u8>,
    /// Where it comes from.
    source: Ipv4Addr,
    delay: Duration,
}

impl<'a> Options<'a> {
    /// Options 53 and 54, but for BOOTP; 53 comes first, since small ROMs look for it there.
    fn new(asking: &'a Asking<'a>, header: &Header<'_>, message_type: Option<MessageType>) -> Self {
        let (configured, always) = asking.entitled.layers.codes(asking.is_booting());
        let never = |codes: Codes| match message_type {
            Some(_) => codes.without(NOT_SETTINGS),
            None => codes.without(NOT_SETTINGS).without(DHCP_ONLY),
        };
        let mut options = Self {
            asking,
            writer: Writer::over(asking.spare.take(), header, asking.budget()),
            configured: never(configured),
            always: never(always),
            done: Codes::NONE,
            relay_information: None,
            left_out: Vec::new(),
            source: asking.source(),
            delay: Duration::ZERO,
        };
        let Some(message_type) = message_type else { return options };
        if message_type == MessageType::Offer {
            options.delay = asking.subnet.offer_delay;
        }
        let server = asking.server_identifier_from(options.source);
        options.push(code::MESSAGE_TYPE, &[message_type as u8]);
        options.push(code::SERVER_IDENTIFIER, &server.octets());
        options
    }

    fn push(&mut self, code: u8, value: &[u8]) {
        if self.done.insert(code) && !self.writer.option(code, value) {
            self.left_out.push(code);
        }
    }

    /// Writes an option if it is configured: `true`.
    fn push_configured(&mut self, code: u8) -> bool {
        if !self.configured.contains(code) {
            return false;
        }
        let value = self.setting(code);
        match code {
            code::CLASSLESS_STATIC_ROUTES => {
                let router = match self.configured.contains(code::ROUTER) {
                    true => self.setting(code::ROUTER),
                    false => &[],
                };
                self.push(code, &with_default(value, router));
            }
            _ => self.push(code, value),
        }
        true
    }

    /// The value of an option that is configured.
    fn setting(&self, code: u8) -> &'a [u8] {
        let setting = self.asking.entitled.layers.option(code, self.asking.is_booting());
        setting.map_or(&[], |setting| &setting.value)
    }

    /// Writes what is configured, else what pxed itself has to say.
    fn push_or(&mut self, code: u8, own: &[u8]) {
        if !self.push_configured(code) {
            self.push(code, own);
        }
    }

    /// The name of the boot file in its own field, as far as it fits there.
    fn file(&mut self, boot: &Boot) {
        if let Boot::File(BootFile { name, .. }) = boot {
            self.writer.file(|out| name.append(out));
        }
    }

    /// Everything about the network and the boot, as far as it is configured. Lease times are in
    /// seconds, where there is a lease.
    fn network(&mut self, boot: &Boot, lease_time: Option<u32>) {
        self.file(boot);
        self.push(code::SUBNET_MASK, &self.asking.subnet.net.mask().octets());
        self.echoes();
        self.push_configured(code::ROUTER);
        let wishes = self.asking.wishes();
        if wishes.contains(&code::DOMAIN_NAME_SERVER) {
            self.push_configured(code::DOMAIN_NAME_SERVER);
        }
        self.boot(boot);
        let known = self.configured.with(DERIVED);
        for code in wishes.iter().copied().filter(|code| known.contains(*code)) {
            self.wish(code, lease_time);
        }
        self.always();
    }

    /// What is configured for clients whether they ask for it or not. "MUST NOT be included ... if it
    /// is not requested" (RFC 8925 section 3.3).
    fn always(&mut self) {
        let mut rest = self.always.without(self.done);
        rest.set(code::IPV6_ONLY_PREFERRED, false);
        for code in rest.iter() {
            self.push_configured(code);
        }
    }

    /// Client identifier (RFC 6842), subnet selection (RFC 3011) where it is allowed, and relay agent
    /// information (RFC 3046 section 2.2) go back as they came, the latter last. What is not made of
    /// sub-options is not relay agent information.
    fn echoes(&mut self) {
        let asked = |code| self.asking.message.option(code).filter(|value| !value.is_empty());
        let (id, information) = (asked(code::CLIENT_IDENTIFIER), asked(code::RELAY_AGENT));
        if let Some(id) = id.filter(|_| !self.asking.is_bootp()) {
            self.push(code::CLIENT_IDENTIFIER, &id);
        }
        if let Some(subnet) = asked(code::SUBNET_SELECTION).filter(|_| self.asking.selects) {
            self.push(code::SUBNET_SELECTION, &subnet);
        }
        let Some(information) = information else { return };
        if is_sub_options(&information) && self.writer.reserve(encoded_len(information.len())) {
            self.relay_information = Some(information);
        } else {
            self.left_out.push(code::RELAY_AGENT);
        }
    }

    /// What firmware needs to load its file: see docs/quirks.md for who needs which.
    fn boot(&mut self, boot: &Boot) {
        match boot {
            Boot::Nothing => return,
            // `file` and `siaddr` say all that there is to say in BOOTP.
            Boot::File(_) if self.asking.is_bootp() => return,
            Boot::NoLoader(_) => {}
            Boot::File(file) => self.boot_file(file),
            Boot::OwnFiles(server) => self.own_files(*server),
        }
        self.machine_identifier();
    }

    fn machine_identifier(&mut self) {
        let id = self.asking.message.option(code::CLIENT_MACHINE_ID);
        if let Some(id) = id.filter(|id| id.len() == 17) {
            self.push(code::CLIENT_MACHINE_ID, &id);
        }
    }

    fn boot_file(&mut self, file: &BootFile) {
        match self.asking.firmware {
            Firmware::Ipxe(_) => self.push_or(code::IPXE, &IPXE_NO_PROXY),
            Firmware::HttpBoot(_) => self.push_or(code::VENDOR_CLASS, b"HTTPClient"),
            Firmware::Pxe(_) | Firmware::NotBooting | Firmware::Bootp => {
                self.push_or(code::VENDOR_CLASS, b"PXEClient");
                self.push_or(code::VENDOR_SPECIFIC, &pxe::USE_BOOT_FILE);
            }
        }
        self.boot_file_name(&file.name);
        self.server_name(file.server);
    }

    /// A Raspberry Pi takes an offer for one that it can boot by if the menu names it.
    fn own_files(&mut self, server: Ipv4Addr) {
        self.push_or(code::VENDOR_CLASS, b"PXEClient");
        let menu = pxe::menu(RASPBERRY_PI_BOOT, self.source);
        self.push_or(code::VENDOR_SPECIFIC, &menu);
        self.server_name(server);
    }

    fn boot_file_name(&mut self, name: &BootName) {
        self.name(code::BOOT_FILE_NAME, |out| name.append(out));
    }

    fn server_name(&mut self, server: Ipv4Addr) {
        let name = dotted(server);
        self.name(code::TFTP_SERVER_NAME, |out| out.extend_from_slice(name.as_bytes()));
    }

    fn name(&mut self, code: u8, append: impl FnOnce(&mut Vec<u8>)) {
        // Old ROMs append the octet after the name to it; in the length only they want the NUL.
        let nul: &[u8] = if matches!(self.asking.firmware, Firmware::Pxe(_)) { &[0] } else { &[] };
        let with_nul = |out: &mut Vec<u8>| {
            append(out);
            out.extend_from_slice(nul);
        };
        if self.done.insert(code) && !self.writer.option_of(code, with_nul) {
            self.left_out.push(code);
        }
    }

    /// What the client asked for: what is configured, else what follows from the lease. T1 is half
    /// and T2 seven eighths of it (RFC 2131 section 4.4.5).
    fn wish(&mut self, code: u8, lease_time: Option<u32>) {
        if self.push_configured(code) {
            return;
        }
        match (code, lease_time) {
            (code::BROADCAST_ADDRESS, _) => {
                self.push(code, &self.asking.subnet.net.broadcast().octets());
            }
            (code::RENEWAL_TIME, Some(time)) => self.push(code, &eighths(4, time)),
            (code::REBINDING_TIME, Some(time)) => self.push(code, &eighths(7, time)),
            _ => {}
        }
    }

    /// Ends the message and addresses it. What came by a relay agent goes back by it.
    fn finish(mut self, destination: Destination) -> Reply {
        self.writer.reserve(0);
        if let Some(information) = self.relay_information.take() {
            self.push(code::RELAY_AGENT, &information);
        }
        let destination = self.asking.relay_port().map_or(destination, Destination::Routed);
        let port = self.asking.arrival.destination.port();
        let source = SocketAddrV4::new(self.source, port);
        let link = self.asking.link_id;
        let delay = self.delay;
        let message = self.writer.finish();
        let transmit = Transmit { link, destination, source, delay, message };
        Reply { transmit, left_out: self.left_out }
    }
}

/// A part of a lease time, as an option's value. What never ends is never renewed.
fn eighths(count: u64, seconds: u32) -> [u8; 4] {
    let part = u32::try_from(u64::from(seconds) * count / 8).unwrap_or(u32::MAX);
    if seconds == u32::MAX { seconds } else { part }.to_be_bytes()
}
