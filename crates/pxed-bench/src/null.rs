//! A responder that knows nothing: an OFFER for each DISCOVER, an ACK for each REQUEST, the address
//! taken from the MAC. It is no server. It shows how fast the generator can be.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{
    BOOTREPLY, BOOTREQUEST, FLAG_BROADCAST, Header, Message, MessageType, Writer,
};
use pxed_proto::wire::options::code;

use crate::socket::{Path, Port};

const XID_AT: usize = 4;
const FLAGS_AT: usize = 10;
const YIADDR_AT: usize = 16;
const GIADDR_AT: usize = 24;
const SNAME_AT: usize = 44;
/// Option 53 is the first.
const KIND_AT: usize = 242;

/// Its frames' source: nobody sends anything there.
const OWN_MAC: Mac = Mac([0x02, 0, 0, 0, 0, 1]);

/// 10.128.0.0/9.
const NETWORK: u32 = 0x0a80_0000;
const NETWORK_MASK: u32 = 0xff80_0000;

/// The responder.
#[derive(Debug)]
pub struct Null {
    /// Where it says that it is.
    server: Ipv4Addr,
    reply: Vec<u8>,
    /// Every n-th request is left without an answer; 0 is none.
    drop_every: u64,
    /// Requests seen.
    pub seen: u64,
    /// Requests left without an answer.
    pub dropped: u64,
}

impl Null {
    /// A responder with this address that leaves every n-th request without an answer.
    pub fn new(server: Ipv4Addr, drop_every: u64) -> Self {
        let reply = template(server);
        Self { server, reply, drop_every, seen: 0, dropped: 0 }
    }

    /// The answer to a request.
    pub fn answer(&mut self, request: &[u8]) -> Option<&[u8]> {
        let message = Message::parse(request).ok().filter(|message| message.op == BOOTREQUEST)?;
        self.seen += 1;
        if self.drop_every > 0 && self.seen.is_multiple_of(self.drop_every) {
            self.dropped += 1;
            return None;
        }
        let kind = match message.message_type()? {
            MessageType::Discover => MessageType::Offer,
            MessageType::Request => MessageType::Ack,
            _ => return None,
        };
        let [_, _, a, b, c, d, ..] = message.chaddr;
        let number = u32::from_be_bytes([a, b, c, d]) & !NETWORK_MASK;
        let address = Ipv4Addr::from_bits(NETWORK | number);
        for (at, octets) in [
            (XID_AT, &message.xid.to_be_bytes()[..]),
            (FLAGS_AT, &message.flags.to_be_bytes()),
            (YIADDR_AT, &address.octets()),
            (GIADDR_AT, request.get(GIADDR_AT..SNAME_AT)?),
            (KIND_AT, &[kind as u8]),
        ] {
            self.reply.get_mut(at..at + octets.len())?.copy_from_slice(octets);
        }
        Some(&self.reply)
    }

    /// Answers a batch of what has come in at `port`; says how much that was.
    pub fn serve(&mut self, port: &mut Port) -> usize {
        let server = self.server;
        let received = port.respond(|from, request, replies| {
            if let Some(reply) = self.answer(request) {
                replies.queue(&way_back(from, reply, server), reply);
            }
        });
        port.flush();
        received
    }
}

/// Where an answer goes, given where its request came from: to whoever sent it, so it needs neither
/// ARP nor the ports of relay agents.
fn way_back(from: &Path, reply: &[u8], server: Ipv4Addr) -> Path {
    let Path::Frame { source_mac, .. } = from else { return *from };
    let octets = |at: usize| reply.get(at..).unwrap_or_default();
    let flags = octets(FLAGS_AT).first_chunk().map_or(0, |flags| u16::from_be_bytes(*flags));
    let address: Option<&[u8; 4]> = octets(YIADDR_AT).first_chunk();
    let (destination_mac, address) = match address {
        Some(address) if flags & FLAG_BROADCAST == 0 => (*source_mac, Ipv4Addr::from(*address)),
        _ => (Mac::BROADCAST, Ipv4Addr::BROADCAST),
    };
    Path::Frame {
        source_mac: OWN_MAC,
        destination_mac,
        source: SocketAddrV4::new(server, 67),
        destination: SocketAddrV4::new(address, 68),
    }
}

fn template(server: Ipv4Addr) -> Vec<u8> {
    let header = Header {
        op: BOOTREPLY,
        htype: 1,
        hlen: 6,
        xid: 0,
        secs: 0,
        flags: 0,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: server,
        giaddr: Ipv4Addr::UNSPECIFIED,
        chaddr: [0; 16],
        sname: &[],
        file: b"ipxe.efi",
    };
    let mut writer = Writer::new(&header, 548);
    for (code, value) in [
        (code::MESSAGE_TYPE, &[MessageType::Offer as u8][..]),
        (code::SERVER_IDENTIFIER, &server.octets()),
        (code::LEASE_TIME, &3600u32.to_be_bytes()),
        (code::SUBNET_MASK, &[255, 0, 0, 0]),
        (code::ROUTER, &server.octets()),
        (code::DOMAIN_NAME_SERVER, &server.octets()),
    ] {
        let fits = writer.option(code, value);
        debug_assert!(fits, "six short options fit 548 octets");
    }
    writer.finish()
}
