//! The machines of a capture, each with its conversation. Everything here grows with the capture,
//! so everything has a bound.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::Ipv4Addr;

use pxed_proto::machine::{HardwareAddress, Uuid};
use pxed_proto::net::Mac;

use super::link::Packet;
use super::stage::Stages;
use super::tally::Skipped;

/// Machines that are kept: more than boot at once behind one interface, and what a flood of
/// invented addresses can cost.
const MACHINES_MAX: usize = 4096;

/// Addresses whose owner is remembered; a machine has one, seldom two.
const ADDRESSES_MAX: usize = 4 * MACHINES_MAX;

/// Octets of text for one machine: a boot takes 3 kB, with all options 30 kB.
const TEXT_PER_MACHINE_MAX: usize = 1 << 20;

/// Octets of text for all machines.
const TEXT_MAX: usize = 64 << 20;

/// DHCP messages that one machine's retransmissions are found among: a client sends one again
/// within a minute, with a handful of others between.
const MESSAGES_MAX: usize = 64;

/// Machines that are named where the one that was asked for is not there.
const OTHERS_MAX: usize = 16;

/// By what a machine is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Its hardware address, in DHCP or in front of its packets.
    Hardware(HardwareAddress),
    /// Its IP address, where no link layer was captured and no DHCP.
    Address(Ipv4Addr),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hardware(hardware) if hardware.octets().is_empty() => {
                f.write_str("without hardware address")
            }
            Self::Hardware(hardware) => hardware.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// One line of a conversation.
#[derive(Clone, Debug)]
pub struct Line {
    /// When, in nanoseconds since the Unix epoch.
    pub at: u64,
    /// From whom to whom.
    pub who: String,
    /// What.
    pub text: String,
    /// All of it, a line each, if that is wanted.
    pub detail: String,
}

impl Line {
    /// A line without detail.
    pub fn new(at: u64, from: impl fmt::Display, to: impl fmt::Display, text: String) -> Self {
        Self { at, who: format!("{from} → {to}"), text, detail: String::new() }
    }

    fn octets(&self) -> usize {
        size_of::<Self>() + self.who.len() + self.text.len() + self.detail.len()
    }
}

/// What makes two DHCP messages the same message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// `xid`.
    pub xid: u32,
    /// `op` and option 53.
    pub kind: (u8, Option<u8>),
    /// Two that differ only in this are not the same.
    pub purpose: Purpose,
    /// Option 54; in a reply without it who sent it.
    pub server: Option<Ipv4Addr>,
    /// From where to where, with the port; what a relay agent passes on differs here only.
    pub way: (Ipv4Addr, Ipv4Addr, u16),
}

/// What a message is for, beside its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What its type says.
    Plain,
    /// A lease that the client has.
    Prolong,
    /// A PXE boot server, on port 4011.
    BootServer,
}

/// Whether a message is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is.
    New,
    /// It was sent again, with the same `xid`.
    Again,
    /// A relay agent passed it on, and it was heard before that too.
    PassedOn,
}

/// One machine and all that was heard of it.
#[derive(Debug)]
pub struct Conversation {
    /// Who.
    pub key: Key,
    /// Option 97.
    pub uuid: Option<Uuid>,
    /// What was said, in the order it was captured.
    pub lines: Vec<Line>,
    /// Lines that had no room.
    pub left_out: u64,
    /// What it came to.
    pub stages: Stages,
    messages: VecDeque<Fingerprint>,
    octets: usize,
}

impl Conversation {
    fn new(key: Key) -> Self {
        Self {
            key,
            uuid: None,
            lines: Vec::new(),
            left_out: 0,
            stages: Stages::default(),
            messages: VecDeque::new(),
            octets: 0,
        }
    }

    /// What is sent from now on in place of these messages is not sent again.
    pub fn forget(&mut self, which: impl Fn(&Fingerprint) -> bool) {
        self.messages.retain(|message| !which(message));
    }

    /// Was the same message heard before? Remembers it.
    pub fn heard(&mut self, message: Fingerprint) -> Heard {
        if self.messages.contains(&message) {
            return Heard::Again;
        }
        let same = |before: &Fingerprint| Fingerprint { way: message.way, ..*before } == message;
        let before = self.messages.iter().any(same);
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
        if before { Heard::PassedOn } else { Heard::New }
    }
}

/// Which machine, in [`Machines::list`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(usize);

/// All machines.
#[derive(Debug)]
pub struct Machines {
    /// In the order in which they were first heard.
    list: Vec<Conversation>,
    by_key: BTreeMap<Key, Id>,
    owners: BTreeMap<Ipv4Addr, Key>,
    /// The one that was asked for, if one was.
    only: Option<Mac>,
    /// Some of the others.
    others: BTreeSet<Key>,
    /// Whether detail is wanted.
    pub full: bool,
    octets: usize,
}

impl Machines {
    /// None yet.
    pub fn new(only: Option<Mac>, full: bool) -> Self {
        Self {
            list: Vec::new(),
            by_key: BTreeMap::new(),
            owners: BTreeMap::new(),
            only,
            others: BTreeSet::new(),
            full,
            octets: 0,
        }
    }

    /// Each with its conversation.
    pub fn list(&self) -> &[Conversation] {
        &self.list
    }

    /// The one machine that was asked for, and some of the others that are there.
    pub fn only(&self) -> Option<(Mac, &BTreeSet<Key>)> {
        self.only.map(|mac| (mac, &self.others))
    }

    /// The machine that sent `packet` from `address`: whoever was given that address, else whoever
    /// sent the frame.
    pub fn sender(&mut self, packet: &Packet<'_>, address: Ipv4Addr) -> Result<Id, Skipped> {
        let key = self.owners.get(&address).copied().unwrap_or_else(|| match packet.source {
            Some(mac) => Key::Hardware(mac.into()),
            None => Key::Address(address),
        });
        self.of(key)
    }

    /// The machine that has `address`, as far as DHCP told.
    pub fn owner(&mut self, address: Ipv4Addr) -> Option<Result<Id, Skipped>> {
        let key = *self.owners.get(&address)?;
        Some(self.of(key))
    }

    /// The machine that is known by `key`, as a new one if need be.
    pub fn of(&mut self, key: Key) -> Result<Id, Skipped> {
        if let Some(id) = self.by_key.get(&key) {
            return Ok(*id);
        }
        if self.only.is_some_and(|mac| key != Key::Hardware(mac.into())) {
            if self.others.len() < OTHERS_MAX {
                self.others.insert(key);
            }
            return Err(Skipped::NotAskedFor);
        }
        if self.list.len() == MACHINES_MAX {
            return Err(Skipped::TooManyMachines);
        }
        let id = Id(self.list.len());
        self.list.push(Conversation::new(key));
        self.by_key.insert(key, id);
        Ok(id)
    }

    /// From now on `address` is that machine's.
    pub fn give(&mut self, address: Ipv4Addr, to: Key) {
        if !address.is_unspecified()
            && (self.owners.len() < ADDRESSES_MAX || self.owners.contains_key(&address))
        {
            self.owners.insert(address, to);
        }
    }

    /// A machine's conversation.
    pub fn get(&mut self, id: Id) -> Option<&mut Conversation> {
        self.list.get_mut(id.0)
    }

    /// Adds a line to a machine's conversation, and says at which place; `None` if there is no
    /// room for it.
    pub fn say(&mut self, id: Id, line: Line) -> Option<usize> {
        let conversation = self.list.get_mut(id.0)?;
        let octets = line.octets();
        if conversation.octets + octets > TEXT_PER_MACHINE_MAX || self.octets + octets > TEXT_MAX {
            conversation.left_out += 1;
            return None;
        }
        conversation.octets += octets;
        self.octets += octets;
        conversation.lines.push(line);
        Some(conversation.lines.len() - 1)
    }

    /// Continues a line that was said.
    pub fn add(&mut self, id: Id, line: Option<usize>, text: &str) {
        let lines = self.list.get_mut(id.0).map(|conversation| &mut conversation.lines);
        if let Some(line) = lines.zip(line).and_then(|(lines, line)| lines.get_mut(line)) {
            line.text.push_str(text);
        }
    }
}
