//! What a machine's conversation came to, in one sentence.
//!
//! A machine boots in stages: the ROM, then iPXE, then perhaps an installer, and each asks for an
//! address anew. A stage begins with a question that the one before can not have asked.

mod sentence;

use std::net::Ipv4Addr;

use pxed_proto::machine::Firmware;

/// Stages of one machine that are told: a boot has two or three, and somebody who reads of the
/// sixteenth has understood.
const STAGES_MAX: usize = 16;

/// Servers or files of one stage that are told: pxelinux asks for a dozen names before one is
/// there.
const LISTED_MAX: usize = 16;

/// A list of different things in the order they came, as far as somebody would read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    items: Vec<(T, u32)>,
    more: u32,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), more: 0 }
    }
}

impl<T: PartialEq> Listed<T> {
    fn add(&mut self, item: T) {
        if let Some((_, times)) = self.items.iter_mut().find(|(listed, _)| *listed == item) {
            *times += 1;
        } else if self.items.len() < LISTED_MAX {
            self.items.push((item, 1));
        } else {
            self.more += 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// How the fetching of a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// By TFTP, to the last block.
    Whole(u64),
    /// Ended by the client before the first block.
    Size,
    /// Ended by the server with an ERROR, whose text this is.
    Error(String),
    /// Ended by the client with an ERROR, after the first block.
    Aborted(String),
    /// Ended with the last block sent, which nobody acknowledged.
    Unacknowledged,
    /// Stopped before its end, with no word from either side.
    BrokenOff(u64),
    /// Nobody answered.
    NoAnswer,
    /// Nobody listens at the TFTP server's port.
    Refused,
    /// By HTTP, and this was the status; `None` if nobody answered.
    Http(Option<u16>),
}

/// A file that the machine asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its name, fit to be read.
    pub file: String,
    /// What came of it.
    pub fetch: Fetch,
}

/// One stage: what runs on the machine now, and what came of its questions.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// What runs there; `None` if it did not ask by DHCP.
    pub firmware: Option<Firmware>,
    /// The last transaction that opened or continued the stage.
    pub xid: u32,
    /// Times it asked at all: DISCOVER, INFORM, REQUEST of a remembered address, BOOTP.
    pub questions: u32,
    /// Servers that offered an address, with how often.
    pub offers: Listed<Ipv4Addr>,
    /// Servers that offered something else than an address.
    pub proxies: Listed<Ipv4Addr>,
    /// REQUESTs for what was offered.
    pub requests: u32,
    /// The address it got, and from whom.
    pub got: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Who answered without an address: to an INFORM.
    pub told: Option<Ipv4Addr>,
    /// ACKs of the address it had.
    pub renewals: u32,
    /// REQUESTs to prolong.
    pub prolongs: u32,
    /// Who said NAK.
    pub refusals: Listed<Ipv4Addr>,
    /// Questions to port 4011.
    pub boot_server_questions: u32,
    /// Who answered from port 4011.
    pub boot_servers: Listed<Ipv4Addr>,
    /// The address that it found in use.
    pub declined: Option<Ipv4Addr>,
    /// The address that it gave back.
    pub released: Option<Ipv4Addr>,
    files: Listed<Asked>,
}

/// The stages of one machine.
#[derive(Debug, Default)]
pub struct Stages {
    /// Those before, as far as they are told.
    past: Vec<Stage>,
    /// How many of those before are not told.
    beyond: usize,
    now: Stage,
}

impl Stages {
    /// The stage that is going on.
    pub fn current(&mut self) -> &mut Stage {
        &mut self.now
    }

    /// Its number, for what ends later.
    pub fn number(&self) -> usize {
        self.past.len() + self.beyond
    }

    /// The stage in which `firmware`, as far as it is known, opens the transaction `xid`.
    pub fn asks(&mut self, firmware: Option<Firmware>, xid: u32) {
        let now = &self.now;
        let same = now.firmware.is_none() || firmware.is_none() || now.firmware == firmware;
        let goes_on = same && (now.xid == xid || !now.has_come_to_something());
        if !goes_on {
            self.begin();
        }
        self.now.firmware = firmware.or(self.now.firmware);
        self.now.xid = xid;
        self.now.questions += 1;
    }

    fn begin(&mut self) {
        let past = std::mem::take(&mut self.now);
        if self.past.len() < STAGES_MAX {
            self.past.push(past);
        } else {
            self.beyond += 1;
        }
    }

    /// A file was asked for in stage `number`, and this came of it.
    pub fn fetched(&mut self, number: usize, file: &str, fetch: Fetch) {
        let stage = if number == self.number() {
            &mut self.now
        } else {
            let Some(stage) = self.past.get_mut(number) else { return };
            stage
        };
        stage.files.add(Asked { file: file.to_owned(), fetch });
    }
}

impl Stage {
    fn has_come_to_something(&self) -> bool {
        self.got.is_some() || self.told.is_some() || !self.files.is_empty()
    }
}

impl Stage {
    /// A server offered an address, or something else.
    pub fn offered(&mut self, server: Ipv4Addr, address: bool) {
        if address { self.offers.add(server) } else { self.proxies.add(server) }
    }

    /// A server said NAK.
    pub fn refused(&mut self, server: Ipv4Addr) {
        self.refusals.add(server);
    }

    /// A boot server answered.
    pub fn boot_server_answered(&mut self, server: Ipv4Addr) {
        self.boot_servers.add(server);
    }

    /// A server said ACK.
    pub fn acked(&mut self, server: Ipv4Addr, address: Ipv4Addr) {
        if address.is_unspecified() {
            self.told = Some(server);
        } else if self.prolongs > self.renewals {
            self.renewals += 1;
        } else {
            self.got = Some((address, server));
        }
    }
}
