//! What runs on machines: models with the timers and habits of the real ones.
//!
//! A model hears datagrams and the passing of time, and acts by its [`Nic`]. It shares no code with
//! the server but the parsers and writers of `pxed_proto::wire`.

pub mod bios;
pub mod dora;
pub mod download;
pub mod edk2_http;
pub mod edk2_pxe;
pub mod ipxe;
pub mod plain;
pub mod reply;
pub mod rom;
pub mod script;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{CLIENT_PORT, SERVER_PORT};
use pxed_proto::net::Mac;

use crate::lan::{Datagram, To};
use crate::random::Random;
use crate::server::http::{Method, Response};

/// A model of what runs on a machine.
pub trait Firmware {
    /// What people call it.
    fn name(&self) -> &'static str;
    /// It is started.
    fn begin(&mut self, now: Timestamp, nic: &mut Nic);
    /// A datagram comes that its station hears.
    fn hear(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic);
    /// An HTTP request that it made has ended.
    fn answered(&mut self, _now: Timestamp, _answer: Answer, _nic: &mut Nic) {}
    /// When it wants to be woken.
    fn poll_timeout(&self) -> Option<Timestamp>;
    /// It is woken.
    fn handle_timeout(&mut self, now: Timestamp, nic: &mut Nic);
}

/// How an HTTP request ended: with a response, or with a broken connection.
pub type Answer = Result<Response, &'static str>;

/// An address that a machine believes to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The address.
    pub address: Ipv4Addr,
    /// Until when.
    pub expires: Timestamp,
}

/// A program that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// These octets came, block by block.
    Octets(Vec<u8>),
    /// The file of this name came by a transport that loses nothing.
    File(String),
}

/// How the story of a machine ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The kernel runs.
    Booted {
        /// Its name.
        kernel: String,
        /// Its arguments.
        arguments: String,
        /// What it finds as initial file systems.
        initrds: Vec<String>,
    },
    /// A loader runs that finds its way from there.
    Loaded(String),
    /// It had an address as long as it wanted one.
    Bound(Ipv4Addr),
    /// It did not work.
    GaveUp(String),
}

/// What a model does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends.
    Send(Datagram),
    /// Asks by HTTP.
    Fetch(u64, Method, String),
    /// Has an address now, or has it for longer.
    Bind(Held),
    /// Has no address any more; `true` if it said so to the server.
    Unbind(bool),
    /// Runs what it has loaded.
    Run(Image),
    /// Is done.
    End(Ending),
    /// Says something worth reading.
    Note(String),
    /// Was made to do what no server may make it do.
    Wrong(String),
}

/// A machine's network interface: all that a model can do.
#[derive(Clone, Debug)]
pub struct Nic {
    /// Its Ethernet address.
    pub mac: Mac,
    /// What it believes to have.
    pub held: Option<Held>,
    /// The address that it had last; an operating system writes that down.
    pub last: Option<Ipv4Addr>,
    /// Its dice.
    pub random: Random,
    acts: Vec<Act>,
    next_port: u16,
    fetch: u64,
}

impl Nic {
    /// An interface without an address.
    pub fn new(mac: Mac, random: Random) -> Self {
        let (held, last) = (None, None);
        Self { mac, held, last, random, acts: Vec::new(), next_port: 2070, fetch: 0 }
    }

    /// Does it hear this datagram?
    pub fn hears(&self, datagram: &Datagram) -> bool {
        match datagram.to {
            To::Everybody => true,
            To::Mac(mac) => mac == self.mac,
            To::Owner => self.owns(*datagram.destination.ip()),
        }
    }

    /// Does it answer ARP for `address`?
    pub fn owns(&self, address: Ipv4Addr) -> bool {
        self.held.is_some_and(|held| held.address == address)
    }

    /// A UDP port that was not used yet.
    pub fn new_port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    /// Sends a DHCP message to everybody, from no address.
    pub fn broadcast(&mut self, message: Vec<u8>) {
        let source = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT);
        let destination = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);
        self.send_frame(To::Everybody, source, destination, message);
    }

    /// Sends from its address and `port`.
    pub fn send(&mut self, port: u16, destination: SocketAddrV4, payload: Vec<u8>) {
        let address = self.held.map_or(Ipv4Addr::UNSPECIFIED, |held| held.address);
        let to = if destination.ip().is_broadcast() { To::Everybody } else { To::Owner };
        self.send_frame(to, SocketAddrV4::new(address, port), destination, payload);
    }

    /// Makes an HTTP request; what was asked before is not waited for any more.
    pub fn fetch(&mut self, method: Method, url: &str) {
        self.fetch += 1;
        self.act(Act::Fetch(self.fetch, method, url.to_owned()));
    }

    /// Is this the request that is waited for?
    pub fn waits_for(&self, fetch: u64) -> bool {
        self.fetch == fetch
    }

    /// Has an address from now on.
    pub fn bind(&mut self, held: Held) {
        self.held = Some(held);
        self.last = Some(held.address);
        self.act(Act::Bind(held));
    }

    /// Gives its address up; `told` if the server was told.
    pub fn unbind(&mut self, told: bool) {
        if self.held.take().is_some() {
            self.act(Act::Unbind(told));
        }
    }

    /// Ends without success.
    pub fn give_up(&mut self, why: impl Into<String>) {
        self.act(Act::End(Ending::GaveUp(why.into())));
    }

    /// Does it.
    pub fn act(&mut self, act: Act) {
        self.acts.push(act);
    }

    /// What was done since this was last asked.
    pub fn take_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    /// Nothing that was asked for concerns it any more.
    pub fn forget_fetches(&mut self) {
        self.fetch += 1;
    }

    fn send_frame(
        &mut self,
        to: To,
        source: SocketAddrV4,
        destination: SocketAddrV4,
        payload: Vec<u8>,
    ) {
        let payload = Rc::from(payload);
        self.act(Act::Send(Datagram { from: self.mac, to, source, destination, payload }));
    }
}
