//! DISCOVER, OFFER, REQUEST, ACK: the client's half, with habits that differ from firmware to
//! firmware.

use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{BOOTREQUEST, Header, MessageType, Writer};
use pxed_proto::wire::options::code;

use super::reply::Reply;
use super::{Held, Nic};
use crate::lan::Datagram;

/// How often a client begins again after a NAK.
const RESTARTS_MAX: u32 = 5;

/// What makes one client's exchange differ from another's.
#[derive(Clone, Debug)]
pub struct Habits {
    /// What its DISCOVER and REQUEST say of it.
    pub options: Vec<(u8, Vec<u8>)>,
    /// `flags`.
    pub flags: u16,
    /// How long it waits after each DISCOVER, in milliseconds.
    pub discover_waits: &'static [u64],
    /// How long it waits after each REQUEST, in milliseconds.
    pub request_waits: &'static [u64],
    /// By how much these vary (RFC 2131 section 4.1), in milliseconds.
    pub jitter: u64,
    /// What it thinks of an offer.
    pub judge: fn(&Reply) -> Judgement,
}

/// What a client thinks of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Takes it at once.
    Take,
    /// Takes it when no better one has come in the time that it waits.
    Keep,
    /// Can do nothing with it.
    Refuse(&'static str),
    /// Would now do what no server may make it do.
    Wrong(String),
}

/// What has come of the exchange.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Nothing yet.
    Waiting,
    /// An ACK, and the address as long as it is the client's.
    Bound(Reply, Held),
    /// Nothing, for good.
    Failed(&'static str),
}

/// One exchange.
#[derive(Clone, Debug)]
pub struct Dora {
    habits: Habits,
    xid: u32,
    state: State,
    deadline: Option<Timestamp>,
    restarts: u32,
    why: &'static str,
}

#[derive(Clone, Debug)]
enum State {
    Off,
    Selecting { tries: usize, kept: Option<Reply> },
    Requesting { asked: Asked, tries: usize, since: Timestamp },
}

/// What a REQUEST is for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    address: Ipv4Addr,
    /// Whose offer it is; `None` in INIT-REBOOT.
    server: Option<Ipv4Addr>,
}

impl Dora {
    /// An exchange that has not begun.
    pub fn new(habits: Habits) -> Self {
        let why = "no offer";
        Self { habits, xid: 0, state: State::Off, deadline: None, restarts: 0, why }
    }

    /// Begins with a DISCOVER.
    pub fn begin(&mut self, now: Timestamp, nic: &mut Nic) {
        self.xid = nic.random.bits() as u32;
        self.state = State::Selecting { tries: 0, kept: None };
        self.send(now, nic);
    }

    /// Begins with a REQUEST for an address that the client had before (INIT-REBOOT).
    pub fn begin_with(&mut self, address: Ipv4Addr, now: Timestamp, nic: &mut Nic) {
        self.xid = nic.random.bits() as u32;
        let asked = Asked { address, server: None };
        self.state = State::Requesting { asked, tries: 0, since: now };
        self.send(now, nic);
    }

    /// When to call [`Dora::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Takes what may be a reply.
    pub fn hear(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic) -> Progress {
        let Some(reply) = Reply::of(datagram, nic.mac, self.xid) else { return Progress::Waiting };
        match (&mut self.state, reply.message_type) {
            (State::Selecting { .. }, MessageType::Offer) => self.judge(reply, now, nic),
            (State::Requesting { asked, since, .. }, MessageType::Ack) => {
                if reply.address != asked.address {
                    let text = format!("asked for {}, was given {}", asked.address, reply.address);
                    nic.act(super::Act::Wrong(text));
                }
                // RFC 2131 section 4.4.1: a lease counts from when it was asked for.
                let expires = *since + reply.lease_time();
                let held = Held { address: reply.address, expires };
                self.stop();
                Progress::Bound(reply, held)
            }
            (State::Requesting { .. }, MessageType::Nak) if self.restarts < RESTARTS_MAX => {
                self.restarts += 1;
                self.begin(now, nic);
                Progress::Waiting
            }
            (State::Requesting { .. }, MessageType::Nak) => self.fail("refused again and again"),
            _ => Progress::Waiting,
        }
    }

    /// Asks again, takes what it kept, or gives up.
    pub fn handle_timeout(&mut self, now: Timestamp, nic: &mut Nic) -> Progress {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Progress::Waiting;
        }
        let (tries, waits) = match &mut self.state {
            State::Off => return Progress::Waiting,
            State::Selecting { kept, .. } if kept.is_some() => {
                let offer = kept.take();
                offer.into_iter().for_each(|offer| self.take(&offer, now, nic));
                return Progress::Waiting;
            }
            State::Selecting { tries, .. } => (tries, self.habits.discover_waits),
            State::Requesting { tries, .. } => (tries, self.habits.request_waits),
        };
        *tries += 1;
        if *tries < waits.len() {
            self.send(now, nic);
            return Progress::Waiting;
        }
        match self.state {
            // Nobody remembers: it begins like everybody else (RFC 2131 section 3.2).
            State::Requesting { asked: Asked { server: None, .. }, .. } => {
                self.begin(now, nic);
                Progress::Waiting
            }
            State::Requesting { .. } => self.fail("no ACK"),
            State::Off | State::Selecting { .. } => self.fail(self.why),
        }
    }

    fn judge(&mut self, offer: Reply, now: Timestamp, nic: &mut Nic) -> Progress {
        match (self.habits.judge)(&offer) {
            Judgement::Take => self.take(&offer, now, nic),
            Judgement::Keep => {
                if let State::Selecting { kept, .. } = &mut self.state {
                    kept.get_or_insert(offer);
                }
            }
            Judgement::Refuse(why) => self.why = why,
            Judgement::Wrong(what) => {
                nic.act(super::Act::Wrong(what));
                return self.fail("driven to where it must not be");
            }
        }
        Progress::Waiting
    }

    fn take(&mut self, offer: &Reply, now: Timestamp, nic: &mut Nic) {
        let asked = Asked { address: offer.address, server: Some(offer.server) };
        self.state = State::Requesting { asked, tries: 0, since: now };
        self.send(now, nic);
    }

    fn send(&mut self, now: Timestamp, nic: &mut Nic) {
        let (message_type, asked, wait) = match &self.state {
            State::Off => return,
            State::Selecting { tries, .. } => {
                (MessageType::Discover, None, self.habits.discover_waits[*tries])
            }
            State::Requesting { asked, tries, .. } => {
                (MessageType::Request, Some(*asked), self.habits.request_waits[*tries])
            }
        };
        let mut options = Vec::new();
        if let Some(Asked { address, server }) = asked {
            options.push((code::REQUESTED_ADDRESS, address.octets().to_vec()));
            options.extend(server.map(|it| (code::SERVER_IDENTIFIER, it.octets().to_vec())));
        }
        options.extend(self.habits.options.iter().cloned());
        let header = Header { flags: self.habits.flags, ..client_header(nic.mac, self.xid) };
        nic.broadcast(client_message(&header, message_type, &options));
        let jitter = nic.random.between(0, self.habits.jitter);
        self.deadline = Some(now + Duration::from_millis(wait + jitter));
    }

    fn fail(&mut self, why: &'static str) -> Progress {
        self.stop();
        Progress::Failed(why)
    }

    fn stop(&mut self) {
        self.state = State::Off;
        self.deadline = None;
    }
}

/// A client's header: Ethernet, no addresses.
pub fn client_header(mac: Mac, xid: u32) -> Header<'static> {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&mac.0);
    Header {
        op: BOOTREQUEST,
        htype: 1,
        hlen: 6,
        xid,
        secs: 0,
        flags: 0,
        ciaddr: none,
        yiaddr: none,
        siaddr: none,
        giaddr: none,
        chaddr,
        sname: &[],
        file: &[],
    }
}

/// A client's message.
pub fn client_message(
    header: &Header<'_>,
    message_type: MessageType,
    options: &[(u8, Vec<u8>)],
) -> Vec<u8> {
    let mut writer = Writer::new(header, 1472);
    let mut fits = writer.option(code::MESSAGE_TYPE, &[message_type as u8]);
    for (code, value) in options {
        fits &= writer.option(*code, value);
    }
    assert!(fits, "a client's message has at most 1472 octets");
    writer.finish()
}

/// What every PXE client says of itself (RFC 4578): options 93, 94, 97.
pub fn pxe_options(mac: Mac, arch: u16) -> Vec<(u8, Vec<u8>)> {
    // Type 0, then the UUID 00000000-0000-4000-8000-<mac>.
    let mut id = vec![0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x80, 0];
    id.extend_from_slice(&mac.0);
    vec![
        (code::CLIENT_ARCHITECTURE, arch.to_be_bytes().to_vec()),
        (code::CLIENT_INTERFACE, vec![1, 2, 1]),
        (code::CLIENT_MACHINE_ID, id),
    ]
}
