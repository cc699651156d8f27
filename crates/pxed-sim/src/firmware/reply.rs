//! A DHCP server's message as clients read it.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use pxed_proto::dhcp::CLIENT_PORT;
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{BOOTREPLY, Message, MessageType};
use pxed_proto::wire::options::code;

use crate::lan::Datagram;

/// An OFFER, ACK or NAK for this client.
#[derive(Clone, Debug)]
pub struct Reply {
    datagram: Rc<[u8]>,
    /// What it is.
    pub message_type: MessageType,
    /// The client's address (`yiaddr`).
    pub address: Ipv4Addr,
    /// The server identifier (option 54).
    pub server: Ipv4Addr,
    /// The next server (`siaddr`).
    pub next_server: Ipv4Addr,
}

impl Reply {
    /// Reads a datagram; `None` if it does not concern the transaction `xid` of `mac`.
    pub fn of(datagram: &Datagram, mac: Mac, xid: u32) -> Option<Self> {
        let message = Message::parse(&datagram.payload).ok()?;
        let for_client = datagram.destination.port() == CLIENT_PORT && message.op == BOOTREPLY;
        if !for_client || message.xid != xid || message.chaddr[..6] != mac.0 {
            return None;
        }
        Some(Self {
            message_type: message.message_type()?,
            address: message.yiaddr,
            server: message.ipv4(code::SERVER_IDENTIFIER)?,
            next_server: message.siaddr,
            datagram: datagram.payload.clone(),
        })
    }

    /// The value of an option.
    pub fn option(&self, code: u8) -> Option<Vec<u8>> {
        Message::parse(&self.datagram).ok()?.option(code).map(std::borrow::Cow::into_owned)
    }

    /// An option that is a number of seconds.
    pub fn seconds(&self, code: u8) -> Option<Duration> {
        let octets: [u8; 4] = self.option(code)?.try_into().ok()?;
        Some(Duration::from_secs(u32::from_be_bytes(octets).into()))
    }

    /// Option 51.
    pub fn lease_time(&self) -> Duration {
        self.seconds(code::LEASE_TIME).unwrap_or_default()
    }

    /// Does option 60 begin so?
    pub fn is_of_class(&self, class: &str) -> bool {
        self.option(code::VENDOR_CLASS).is_some_and(|value| value.starts_with(class.as_bytes()))
    }

    /// The boot file's name: option 67, else the `file` field; empty if there is none.
    pub fn boot_file(&self) -> String {
        let named = self
            .option(code::BOOT_FILE_NAME)
            .or_else(|| Message::parse(&self.datagram).ok().map(|message| message.file().to_vec()));
        let named = named.unwrap_or_default();
        let name = named.split(|&octet| octet == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }

    /// An option within another one that holds options itself.
    pub fn encapsulated(&self, code: u8, within: u8) -> Option<Vec<u8>> {
        let options = self.option(code)?;
        let mut rest = &options[..];
        while let [code, len, tail @ ..] = rest {
            let value = tail.get(..usize::from(*len))?;
            if *code == within {
                return Some(value.to_vec());
            }
            rest = &tail[value.len()..];
        }
        None
    }

    /// What a client that is not booting should not find; `None` if all is well.
    pub fn boot_option(&self) -> Option<String> {
        let codes = [
            code::VENDOR_SPECIFIC,
            code::VENDOR_CLASS,
            code::TFTP_SERVER_NAME,
            code::BOOT_FILE_NAME,
            code::IPXE,
        ];
        if let Some(code) = codes.into_iter().find(|code| self.option(*code).is_some()) {
            return Some(format!("option {code}"));
        }
        if !self.next_server.is_unspecified() {
            return Some(format!("siaddr {}", self.next_server));
        }
        let file = self.boot_file();
        (!file.is_empty()).then(|| format!("file {file}"))
    }
}
