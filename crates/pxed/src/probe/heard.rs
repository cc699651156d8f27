//! What a probe heard, before anything is concluded from it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use pxed_proto::net::{Ipv4Net, Mac};

use super::client::Client;
use super::offer::{Offer, Source};

/// Everything that a probe heard on one interface.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Where.
    pub interface: Arc<str>,
    /// Who it said it was.
    pub mac: Mac,
    /// The interface's addresses.
    pub addresses: Vec<(Ipv4Addr, Ipv4Net)>,
    /// Who has DHCP's port for servers on this host. It can not hear what is sent from here.
    pub own_server: Option<String>,
    /// What each client heard, in the order of [`Client::ALL`].
    pub clients: Vec<Asked>,
}

/// What one client heard.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which.
    pub client: Client,
    /// Every OFFER once, as they came.
    pub offers: Vec<Offer>,
    /// Where the offers led to, what firmware prefers first.
    pub trails: Vec<Trail>,
}

/// Where an offer led to.
#[derive(Clone, Debug)]
pub struct Trail {
    /// Which of the client's offers.
    pub offer: usize,
    /// What the boot server said that had to be asked.
    pub boot_server: Option<BootServer>,
    /// Where the boot file is, as far as that is known.
    pub source: Option<Source>,
    /// What loading it came to.
    pub loaded: Option<Loaded>,
}

/// A boot server that was asked at port 4011.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootServer {
    /// Whom.
    pub server: Ipv4Addr,
    /// For which type of boot server, where there is a menu.
    pub kind: Option<u16>,
    /// What it said.
    pub answer: BootAnswer,
}

/// What a boot server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootAnswer {
    /// It named a file, or not.
    Ack(Box<Offer>),
    /// It answered, but from elsewhere, which firmware does not hear.
    From(SocketAddrV4),
    /// Nothing.
    Silence,
    /// It was not asked, for this reason.
    NotAsked(String),
}

/// What came of loading a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// It is there.
    Head {
        /// Its first octets.
        octets: Vec<u8>,
        /// How long it is, if the server says so.
        size: Option<u64>,
    },
    /// The TFTP server's error, or the HTTP server's status.
    Refused(String),
    /// No answer.
    Silence,
    /// The host is there, and nobody has the port.
    NoPort,
    /// A TFTP answer from another address than the one that was asked.
    From(Ipv4Addr),
    /// Another trouble, in words.
    Failed(String),
    /// It was not tried, for this reason.
    NotTried(String),
}

impl Asked {
    /// The offers that come with an address.
    pub fn with_address(&self) -> impl Iterator<Item = &Offer> {
        self.offers.iter().filter(|offer| offer.address.is_some())
    }

    /// The offers that have none: those of ProxyDHCP servers.
    pub fn without_address(&self) -> impl Iterator<Item = &Offer> {
        self.offers.iter().filter(|offer| offer.address.is_none())
    }
}
