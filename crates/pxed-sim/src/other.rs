//! A DHCP server of somebody else: it gives addresses, and knows nothing of booting.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;

use pxed_proto::dhcp::{CLIENT_PORT, SERVER_PORT};
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{BOOTREPLY, BOOTREQUEST, Header, Message, MessageType, Writer};
use pxed_proto::wire::options::code;

use crate::lan::{Datagram, To};

/// Its address.
pub const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);

/// Its Ethernet address.
pub const OTHER_MAC: Mac = Mac([0x52, 0x54, 0, 0, 0, 0xfd]);

/// The server: each machine has its address for ever.
#[derive(Clone, Debug, Default)]
pub struct OtherServer {
    given: BTreeMap<[u8; 6], Ipv4Addr>,
}

impl OtherServer {
    /// Answers a broadcast datagram.
    pub fn hear(&mut self, datagram: &Datagram) -> Option<Datagram> {
        let message = Message::parse(&datagram.payload).ok()?;
        let to_servers = datagram.destination.port() == SERVER_PORT;
        let heard = to_servers && datagram.to == To::Everybody && message.op == BOOTREQUEST;
        let mac = *message.chaddr.first_chunk::<6>().filter(|_| heard)?;
        let next = 150 + self.given.len() as u8;
        let address = || Ipv4Addr::new(192, 168, 77, next);
        let address = *self.given.entry(mac).or_insert_with(address);
        match message.message_type()? {
            MessageType::Discover => Some(reply(&message, MessageType::Offer, address)),
            MessageType::Request if message.ipv4(code::SERVER_IDENTIFIER) == Some(OTHER) => {
                Some(reply(&message, MessageType::Ack, address))
            }
            _ => None,
        }
    }
}

fn reply(message: &Message<'_>, message_type: MessageType, address: Ipv4Addr) -> Datagram {
    let none = Ipv4Addr::UNSPECIFIED;
    let Message { htype, hlen, xid, flags, chaddr, .. } = *message;
    let header = Header {
        op: BOOTREPLY,
        htype,
        hlen,
        xid,
        secs: 0,
        flags,
        ciaddr: none,
        yiaddr: address,
        siaddr: none,
        giaddr: none,
        chaddr,
        sname: &[],
        file: &[],
    };
    let mut writer = Writer::new(&header, 576);
    let options: [(u8, &[u8]); 4] = [
        (code::MESSAGE_TYPE, &[message_type as u8]),
        (code::SERVER_IDENTIFIER, &OTHER.octets()),
        (code::LEASE_TIME, &86_400_u32.to_be_bytes()),
        (code::SUBNET_MASK, &[255, 255, 255, 0]),
    ];
    let fits = options.iter().all(|(code, value)| writer.option(*code, value));
    assert!(fits, "four short options fit");
    Datagram {
        from: OTHER_MAC,
        to: To::Everybody,
        source: SocketAddrV4::new(OTHER, SERVER_PORT),
        destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT),
        payload: Rc::from(writer.finish()),
    }
}
