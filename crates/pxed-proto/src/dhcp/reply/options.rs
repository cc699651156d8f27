//! What stands in a reply.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::Reply;
use crate::boot::{Boot, BootFile, BootName};
use crate::dhcp::asking::Asking;
use crate::dhcp::transmit::{Destination, Transmit};
use crate::machine::Firmware;
use crate::net::dotted;
use crate::wire::dhcp::{Header, MessageType, Writer, encoded_len, is_sub_options};
use crate::wire::options::{Codes, code, with_default};
use crate::wire::pxe;

/// iPXE's option 176 within 175: "do not wait for a ProxyDHCP server", which saves two seconds.
const IPXE_NO_PROXY: [u8; 3] = [176, 1, 1];

/// The menu item that the boot loader of a Raspberry Pi looks for.
pub(super) const RASPBERRY_PI_BOOT: &str = "Raspberry Pi Boot";

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

/// The options of a reply, written in the order of their importance: where room runs out, the
/// client misses what it can do without.
pub(super) struct Options<'a> {
    pub(super) asking: &'a Asking<'a>,
    writer: Writer,
    /// What is configured for this client, as far as it is for clients like it.
    pub(super) configured: Codes,
    /// Of these, what it gets without asking.
    pub(super) always: Codes,
    /// What stands in the message, or had no room: nothing is written twice.
    done: Codes,
    /// Option 82, for which room is kept at the end.
    relay_information: Option<Cow<'a, [u8]>>,
    left_out: Vec<u8>,
    /// Where it comes from.
    pub(super) source: Ipv4Addr,
    pub(super) delay: Duration,
}

impl<'a> Options<'a> {
    /// Options 53 and 54, but for BOOTP; 53 comes first, since small ROMs look for it there.
    pub(super) fn new(
        asking: &'a Asking<'a>,
        header: &Header<'_>,
        message_type: Option<MessageType>,
    ) -> Self {
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

    pub(super) fn push(&mut self, code: u8, value: &[u8]) {
        if self.done.insert(code) && !self.writer.option(code, value) {
            self.left_out.push(code);
        }
    }

    /// Writes an option if it is configured: `true`.
    pub(super) fn push_configured(&mut self, code: u8) -> bool {
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
    pub(super) fn push_or(&mut self, code: u8, own: &[u8]) {
        if !self.push_configured(code) {
            self.push(code, own);
        }
    }

    /// The name of the boot file in its own field, as far as it fits there.
    pub(super) fn file(&mut self, boot: &Boot) {
        if let Boot::File(BootFile { name, .. }) = boot {
            self.writer.file(|out| name.append(out));
        }
    }

    /// Everything about the network and the boot, as far as it is configured. Lease times are in
    /// seconds, where there is a lease.
    pub(super) fn network(&mut self, boot: &Boot, lease_time: Option<u32>) {
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
    pub(super) fn always(&mut self) {
        let mut rest = self.always.without(self.done);
        rest.set(code::IPV6_ONLY_PREFERRED, false);
        for code in rest.iter() {
            self.push_configured(code);
        }
    }

    /// Client identifier (RFC 6842), subnet selection (RFC 3011) where it is allowed, and relay agent
    /// information (RFC 3046 section 2.2) go back as they came, the latter last. What is not made of
    /// sub-options is not relay agent information.
    pub(super) fn echoes(&mut self) {
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

    pub(super) fn machine_identifier(&mut self) {
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

    pub(super) fn boot_file_name(&mut self, name: &BootName) {
        self.name(code::BOOT_FILE_NAME, |out| name.append(out));
    }

    pub(super) fn server_name(&mut self, server: Ipv4Addr) {
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
    pub(super) fn finish(mut self, destination: Destination) -> Reply {
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
