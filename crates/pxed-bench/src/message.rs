//! What machines say: each message is built once, and for each machine only its own octets change.

use std::net::Ipv4Addr;

use pxed_proto::wire::dhcp::{BOOTREQUEST, FLAG_BROADCAST, Header, MessageType, Writer};
use pxed_proto::wire::options::code;

use crate::machine::mac;

const XID_AT: usize = 4;
const SECS_AT: usize = 8;
const CIADDR_AT: usize = 12;
const CHADDR_AT: usize = 28;
const OPTIONS_AT: usize = 240;

/// More than any of these messages has.
const MESSAGE_MAX: usize = 576;

/// Whose messages they are, option by option and in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Firmware {
    /// ISC dhclient: a parameter request list and nothing else.
    Plain,
    /// EDK2's PXE client (OVMF).
    Pxe,
    /// iPXE as an option ROM.
    Ipxe,
}

/// What all machines of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Whose options they send.
    pub firmware: Firmware,
    /// The relay agent that passes their messages on.
    pub relay: Option<Ipv4Addr>,
    /// "Answer me by broadcast".
    pub broadcast: bool,
}

/// What is a machine's own in a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) number: u32,
    pub(crate) xid: u32,
    pub(crate) secs: u16,
    pub(crate) address: Ipv4Addr,
    pub(crate) server: Ipv4Addr,
}

/// The three messages of a run.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) discover: Template,
    pub(crate) request: Template,
    pub(crate) renew: Template,
}

impl Messages {
    pub(crate) fn new(client: &Client) -> Self {
        let direct = Client { relay: None, ..*client };
        Self {
            discover: Template::new(client, MessageType::Discover, false),
            request: Template::new(client, MessageType::Request, false),
            renew: Template::new(&direct, MessageType::Request, true),
        }
    }
}

/// A message, and where a machine's own octets are in it; 0 is nowhere.
#[derive(Debug)]
pub(crate) struct Template {
    octets: Vec<u8>,
    requested: usize,
    server: usize,
    client_id: usize,
    uuid: usize,
    renews: bool,
}

impl Template {
    fn new(client: &Client, kind: MessageType, renews: bool) -> Self {
        let octets = build(client, kind, renews);
        let at = |code| value_at(&octets, code).unwrap_or(0);
        let requested = at(code::REQUESTED_ADDRESS);
        let server = at(code::SERVER_IDENTIFIER);
        // Behind the type octets of both, the UUID's MAC is its last six of sixteen octets.
        let client_id = at(code::CLIENT_IDENTIFIER);
        let uuid = at(code::CLIENT_MACHINE_ID);
        Self { requested, server, client_id, uuid, renews, octets }
    }

    /// Writes the machine's message.
    pub(crate) fn write(&self, own: &Own, to: &mut Vec<u8>) {
        to.clear();
        to.extend_from_slice(&self.octets);
        let mac = mac(own.number).0;
        put(to, XID_AT, &own.xid.to_be_bytes());
        put(to, SECS_AT, &own.secs.to_be_bytes());
        put(to, CHADDR_AT, &mac);
        if self.renews {
            put(to, CIADDR_AT, &own.address.octets());
        }
        for (at, octets) in [
            (self.requested, &own.address.octets()[..]),
            (self.server, &own.server.octets()),
            (self.client_id.saturating_add(1), &mac),
            (self.uuid.saturating_add(11), &mac),
        ] {
            if at > OPTIONS_AT {
                put(to, at, octets);
            }
        }
    }
}

fn put(message: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = message.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}

/// Where the value of an option begins.
fn value_at(message: &[u8], code: u8) -> Option<usize> {
    let mut at = OPTIONS_AT;
    loop {
        let [found, length] = *message.get(at..)?.first_chunk()?;
        if found == code {
            return Some(at + 2);
        }
        at += 2 + usize::from(length);
    }
}

fn build(client: &Client, kind: MessageType, renews: bool) -> Vec<u8> {
    let flags = if client.broadcast && !renews { FLAG_BROADCAST } else { 0 };
    let header = Header {
        op: BOOTREQUEST,
        htype: 1,
        hlen: 6,
        xid: 0,
        secs: 0,
        flags,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: client.relay.unwrap_or(Ipv4Addr::UNSPECIFIED),
        chaddr: [0; 16],
        sname: &[],
        file: &[],
    };
    let mut writer = Writer::new(&header, MESSAGE_MAX);
    let mut add = |code, value: &[u8]| {
        let fits = writer.option(code, value);
        debug_assert!(fits, "a message is longer than {MESSAGE_MAX}");
    };
    add(code::MESSAGE_TYPE, &[kind as u8]);
    if kind == MessageType::Request && !renews {
        add(code::SERVER_IDENTIFIER, &[0; 4]);
        add(code::REQUESTED_ADDRESS, &[0; 4]);
    }
    for (code, value) in client.firmware.options(kind) {
        add(code, value);
    }
    let mut message = writer.finish();
    if let (Some(_), Some(hops)) = (client.relay, message.get_mut(3)) {
        *hops = 1;
    }
    message
}

impl Firmware {
    /// The options behind those that every DHCP client sends, as they were captured
    /// (crates/pxed-proto/testdata/captures: dhclient, edk2-pxe, ipxe-rom).
    fn options(self, kind: MessageType) -> Vec<(u8, &'static [u8])> {
        const UUID: &[u8] = &[0; 17];
        match self {
            Self::Plain => vec![(code::PARAMETER_REQUEST_LIST, &[1, 28, 2, 3, 15, 6, 12, 66, 67])],
            Self::Pxe => {
                let largest: &[u8] =
                    if kind == MessageType::Discover { &[0x05, 0xc0] } else { &[0xff, 0] };
                vec![
                    (code::MAX_MESSAGE_SIZE, largest),
                    (code::PARAMETER_REQUEST_LIST, EDK2_LIST),
                    (code::CLIENT_MACHINE_ID, UUID),
                    (code::CLIENT_INTERFACE, &[1, 3, 0]),
                    (code::CLIENT_ARCHITECTURE, &[0, 7]),
                    (code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003000"),
                ]
            }
            Self::Ipxe => vec![
                (code::MAX_MESSAGE_SIZE, &[0x05, 0xc0]),
                (code::CLIENT_ARCHITECTURE, &[0, 0]),
                (code::CLIENT_INTERFACE, &[1, 2, 1]),
                (code::VENDOR_CLASS, b"PXEClient:Arch:00000:UNDI:002001"),
                (code::USER_CLASS, b"iPXE"),
                (code::PARAMETER_REQUEST_LIST, IPXE_LIST),
                (code::IPXE, IPXE_FEATURES),
                (code::CLIENT_IDENTIFIER, &[1, 0, 0, 0, 0, 0, 0]),
                (code::CLIENT_MACHINE_ID, UUID),
            ],
        }
    }
}

const EDK2_LIST: &[u8] = &[
    1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66,
    67, 97, 128, 129, 130, 131, 132, 133, 134, 135,
];
const IPXE_LIST: &[u8] = &[
    1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175,
    203,
];
/// bus-id, version, and flags, of which pxe-extensions is a number.
const IPXE_FEATURES: &[u8] = &[
    0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 1, 0, 0, 0x17, 1, 1, 0x22, 1, 1, 0x13, 1, 1, 0x11, 1,
    1, 0x27, 1, 1, 0x19, 1, 1, 0x29, 1, 1, 0x10, 1, 2, 0x21, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x12, 1,
    1,
];

#[cfg(test)]
mod tests {
    use pxed_proto::wire::dhcp::Message;

    use super::*;

    /// The first DHCP message of a capture.
    fn captured(name: &str) -> Vec<u8> {
        let path = format!("../pxed-proto/testdata/captures/{name}.pcap");
        let file = std::fs::read(path).unwrap();
        let length = u32::from_le_bytes(*file[32..].first_chunk().unwrap()) as usize;
        // The file's header, the packet's, Ethernet, IPv4, UDP.
        file[24 + 16..][..length][14 + 20 + 8..].to_vec()
    }

    /// All options but those with the machine's own octets; trailing zeros are padding.
    fn options(message: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let message = Message::parse(message).unwrap();
        let own = [code::CLIENT_IDENTIFIER, code::CLIENT_MACHINE_ID];
        let value = |(code, value): (u8, &[u8])| {
            (code, if own.contains(&code) { vec![0; value.len()] } else { value.to_vec() })
        };
        message.instances().map(value).collect()
    }

    fn own() -> Own {
        let [address, server] = [Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(10, 0, 0, 1)];
        Own { number: 0x0102_0304, xid: 0xdead_beef, secs: 7, address, server }
    }

    fn written(template: &Template) -> Vec<u8> {
        let mut message = Vec::new();
        template.write(&own(), &mut message);
        message
    }

    #[test]
    fn a_discover_says_what_was_captured() {
        for (firmware, name) in [
            (Firmware::Plain, "dhclient"),
            (Firmware::Pxe, "edk2-pxe"),
            (Firmware::Ipxe, "ipxe-rom"),
        ] {
            let messages = Messages::new(&Client { firmware, relay: None, broadcast: false });
            assert_eq!(options(&written(&messages.discover)), options(&captured(name)), "{name}");
        }
    }

    #[test]
    fn a_machine_s_own_octets_are_where_they_belong() {
        let relay = Ipv4Addr::new(10, 0, 0, 2);
        let client = Client { firmware: Firmware::Ipxe, relay: Some(relay), broadcast: true };
        let messages = Messages::new(&client);
        let octets = written(&messages.request);
        let request = Message::parse(&octets).unwrap();
        let mac = [0x02, 0xbe, 1, 2, 3, 4];
        assert_eq!((request.xid, request.secs, request.flags), (0xdead_beef, 7, FLAG_BROADCAST));
        assert_eq!((request.giaddr, request.hops), (relay, 1));
        assert_eq!(request.chaddr[..6], mac);
        assert_eq!(request.ipv4(code::REQUESTED_ADDRESS), Some(own().address));
        assert_eq!(request.ipv4(code::SERVER_IDENTIFIER), Some(own().server));
        assert_eq!(request.option(code::CLIENT_IDENTIFIER).unwrap()[1..], mac);
        assert_eq!(request.option(code::CLIENT_MACHINE_ID).unwrap()[11..], mac);
    }

    #[test]
    fn a_renewal_has_its_address_in_ciaddr_and_no_relay() {
        let relay = Some(Ipv4Addr::new(10, 0, 0, 2));
        let messages = Messages::new(&Client { firmware: Firmware::Plain, relay, broadcast: true });
        let octets = written(&messages.renew);
        let renew = Message::parse(&octets).unwrap();
        assert_eq!((renew.ciaddr, renew.giaddr), (own().address, Ipv4Addr::UNSPECIFIED));
        assert_eq!((renew.hops, renew.flags), (0, 0));
        assert_eq!(renew.option(code::REQUESTED_ADDRESS), None);
        assert_eq!(renew.option(code::SERVER_IDENTIFIER), None);
    }
}
