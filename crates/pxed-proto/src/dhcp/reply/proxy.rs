//! What a machine is told that gets its address from another server: proxy offers, and the boot
//! server's ACKs. Nothing in them is about the network.

use std::net::Ipv4Addr;

use super::options::{Options, RASPBERRY_PI_BOOT};
use super::{Reply, header};
use crate::boot::Boot;
use crate::dhcp::asking::Asking;
use crate::dhcp::form::{Discovery, Form, Naming};
use crate::dhcp::transmit::Destination;
use crate::machine::Firmware;
use crate::net::dotted;
use crate::wire::dhcp::{FLAG_BROADCAST, Header, MessageType};
use crate::wire::options::{Codes, code};
use crate::wire::pxe::{self, BootItem};

/// The text of a menu that no person sees.
const MENU: &str = "pxed";

/// iPXE's option 1 within 175: these settings come before those of the other server's ACK, which
/// may name a boot file too.
const IPXE_PRIORITY: [u8; 3] = [1, 1, 1];

/// What is the other server's to say, who gives the address: an interface has one of each.
const OF_THE_LEASE: Codes = Codes::of(&[
    code::SUBNET_MASK,
    code::ROUTER,
    code::HOST_NAME,
    code::BROADCAST_ADDRESS,
    code::STATIC_ROUTES,
    code::LEASE_TIME,
    code::RENEWAL_TIME,
    code::REBINDING_TIME,
    code::IPV6_ONLY_PREFERRED,
    code::CLASSLESS_STATIC_ROUTES,
    code::CAPTIVE_PORTAL,
]);

/// Is this option the other server's to say, on a subnet that is served by proxy?
pub fn is_of_the_lease(code: u8) -> bool {
    OF_THE_LEASE.contains(code)
}

/// DHCPOFFER without an address (PXE 2.1 section 2.2.3). There is nothing to send it to but
/// everybody, or the machine's MAC.
pub fn offer(asking: &Asking<'_>, boot: &Boot, form: &Form) -> Reply {
    let named = header(asking, boot);
    let server = dotted(named.siaddr);
    let header = match form.naming {
        // The boot server is asked, and that is this one.
        Naming::Nowhere => Header { siaddr: asking.source(), ..named },
        Naming::Everywhere => Header { sname: server.as_bytes(), ..named },
        Naming::Fields | Naming::Options => named,
    };
    let mac = asking.machine.mac().filter(|_| form.unicast && !asking.is_relayed());
    let (flags, destination) = match mac {
        Some(mac) => (header.flags, Destination::Unicast { mac, address: Ipv4Addr::BROADCAST }),
        None => (header.flags | FLAG_BROADCAST, Destination::Broadcast),
    };
    let mut options =
        Options::without_lease(asking, &Header { flags, ..header }, MessageType::Offer);
    options.delay += form.delay;
    if matches!(form.naming, Naming::Everywhere | Naming::Fields) {
        options.file(boot);
    }
    options.offer_boot(boot, form);
    options.beside_lease();
    options.finish(destination)
}

/// DHCPACK to who asks what to boot: to where it asks from, since it has its address.
pub fn ack(asking: &Asking<'_>, boot: &Boot, item: Option<BootItem>) -> Reply {
    let named = header(asking, boot);
    let server = dotted(named.siaddr);
    let (ciaddr, sname) = (asking.message.ciaddr, server.as_bytes());
    let header = Header { ciaddr, sname, ..named };
    let mut options = Options::without_lease(asking, &header, MessageType::Ack);
    options.file(boot);
    if let Some(item) = item {
        options.push(code::VENDOR_SPECIFIC, &item.answer());
    }
    options.offer_boot(boot, &Form::DIRECT);
    options.beside_lease();
    options.finish(Destination::Routed(asking.arrival.source))
}

impl<'a> Options<'a> {
    fn without_lease(asking: &'a Asking<'a>, header: &Header<'_>, kind: MessageType) -> Self {
        let mut options = Self::new(asking, header, Some(kind));
        options.configured = options.configured.without(OF_THE_LEASE);
        options.always = options.always.without(OF_THE_LEASE);
        options.echoes();
        options
    }

    /// What to boot, in the form that the machine follows.
    fn offer_boot(&mut self, boot: &Boot, form: &Form) {
        // By its option 60 firmware tells a proxy offer from half an offer of an address.
        let http = matches!(self.asking.firmware, Firmware::HttpBoot(_));
        self.push_or(code::VENDOR_CLASS, if http { b"HTTPClient" } else { b"PXEClient" });
        if matches!(self.asking.firmware, Firmware::Pxe(_)) {
            self.discovery(boot, form.discovery);
        }
        // Also to an iPXE that calls itself something else, as a card's ROM may.
        if self.asking.message.option(code::IPXE).is_some() {
            self.push_or(code::IPXE, &IPXE_PRIORITY);
        }
        if matches!(form.naming, Naming::Everywhere | Naming::Options) {
            match boot {
                Boot::File(file) => {
                    self.boot_file_name(&file.name);
                    self.server_name(file.server);
                }
                Boot::OwnFiles(server) => self.server_name(*server),
                Boot::Nothing | Boot::NoLoader(_) => {}
            }
        }
        self.machine_identifier();
    }

    fn discovery(&mut self, boot: &Boot, discovery: Discovery) {
        let item = if matches!(boot, Boot::OwnFiles(_)) { RASPBERRY_PI_BOOT } else { MENU };
        match discovery {
            Discovery::Unsaid => {}
            Discovery::UseBootFile => self.push_or(code::VENDOR_SPECIFIC, &pxe::USE_BOOT_FILE),
            Discovery::Menu => {
                self.push_or(code::VENDOR_SPECIFIC, &pxe::menu(item, self.source));
            }
        }
    }

    /// What else is configured for it, as far as it is no part of a lease.
    fn beside_lease(&mut self) {
        for code in self.asking.wishes().iter() {
            self.push_configured(*code);
        }
        self.always();
    }
}
