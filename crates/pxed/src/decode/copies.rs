//! The same packet heard on several interfaces: `tcpdump -i any` on a bridge hears each packet on
//! the bridge and on its ports. Told twice it would pass for a retransmission.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};

use super::link::Packet;

/// How far apart copies are, in nanoseconds: they pass through one kernel. Clients send again after
/// a second, or at the earliest after some 100 ms.
const WITHIN: u64 = 10_000_000;

/// How many packets are remembered: a window of TFTP on a few interfaces.
const REMEMBERED_MAX: usize = 256;

/// The last packets.
#[derive(Debug, Default)]
pub struct Copies(VecDeque<Seen>);

#[derive(Debug)]
struct Seen {
    hash: u64,
    at: u64,
    interface: Option<u32>,
}

impl Copies {
    /// Was this packet heard just now on another interface? Remembers it if not.
    pub fn is_copy(&mut self, packet: &Packet<'_>) -> bool {
        let mut hasher = DefaultHasher::new();
        hasher.write(packet.octets);
        let (hash, at, interface) = (hasher.finish(), packet.at, packet.interface);
        while self.0.front().is_some_and(|seen| seen.at.saturating_add(WITHIN) < at)
            || self.0.len() >= REMEMBERED_MAX
        {
            self.0.pop_front();
        }
        let elsewhere = |seen: &Seen| interface.is_none() || seen.interface != interface;
        let copy = self.0.iter().any(|seen| seen.hash == hash && elsewhere(seen));
        if !copy {
            self.0.push_back(Seen { hash, at, interface });
        }
        copy
    }
}
