//! The blocks of a transfer, as the capture shows them: counted, not kept.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use crate::decode::report::counted;

/// Blocks that were passed over and may still come: a few windows. Of those beyond nobody will
/// know whether they came late.
const MISSING_MAX: usize = 1024;

/// What was seen of a file's blocks.
#[derive(Debug)]
pub struct Blocks {
    begin: u64,
    end: u64,
    server: Ipv4Addr,
    /// The first number seen; 1 unless the capture lacks the beginning.
    first: Option<u64>,
    /// The highest number seen, counted on where 16 bits end.
    highest: u64,
    /// Numbers below the highest that were not seen yet.
    missing: BTreeSet<u64>,
    count: u64,
    bytes: u64,
    /// Blocks seen more than once.
    again: u64,
    acks: u64,
    last_ack: u64,
    /// The last block, shorter than the others, was seen.
    short: bool,
}

impl Blocks {
    /// None yet.
    pub fn new(at: u64, server: Ipv4Addr) -> Self {
        Self {
            begin: at,
            end: at,
            server,
            first: None,
            highest: 0,
            missing: BTreeSet::new(),
            count: 0,
            bytes: 0,
            again: 0,
            acks: 0,
            last_ack: 0,
            short: false,
        }
    }

    /// When the first one was seen, in nanoseconds since the Unix epoch.
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// Who sent them.
    pub fn server(&self) -> Ipv4Addr {
        self.server
    }

    /// Octets of the file that were seen.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A block was sent.
    pub fn sent(&mut self, at: u64, block: u16, len: u64, short: bool) {
        self.end = self.end.max(at);
        let number = self.unwrapped(block);
        if number > self.highest {
            let passed_over = self.highest + 1..number;
            let room = MISSING_MAX.saturating_sub(self.missing.len());
            self.missing.extend(passed_over.take(room));
            self.highest = number;
        } else if !self.missing.remove(&number) {
            self.again += 1;
            return;
        }
        self.first.get_or_insert(number);
        self.count += 1;
        self.bytes += len;
        self.short |= short;
    }

    /// The client has all blocks up to this one.
    pub fn acked(&mut self, block: u16) {
        self.acks += 1;
        self.last_ack = self.last_ack.max(self.unwrapped(block));
    }

    /// Octets of the whole file: all blocks but the last, which was seen, have one size.
    pub fn file_size(&self, blksize: u64) -> u64 {
        self.bytes.saturating_add(self.highest.saturating_sub(self.count).saturating_mul(blksize))
    }

    /// Was the last block sent?
    pub fn is_sent(&self) -> bool {
        self.short
    }

    /// Was it acknowledged too? Then the client has all, whatever the capture lacks.
    pub fn is_whole(&self) -> bool {
        self.is_sent() && self.last_ack == self.highest
    }

    /// A 16-bit number as the one that is nearest to the highest.
    fn unwrapped(&self, block: u16) -> u64 {
        let [.., a, b] = self.highest.to_be_bytes();
        let ahead = block.wrapping_sub(u16::from_be_bytes([a, b]));
        if ahead < 0x8000 {
            self.highest + u64::from(ahead)
        } else {
            self.highest.saturating_sub(0x1_0000 - u64::from(ahead))
        }
    }

    /// `blocks 1 to 712, 1043968 bytes in 210 ms, …`, with the agreed size of blocks and windows.
    pub fn told(&self, (blksize, windowsize): (u64, u64)) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| {
            match (self.first.unwrap_or(0), self.highest) {
                (first, highest) if first == highest => write!(f, "block {first}")?,
                (first, highest) => write!(f, "blocks {first} to {highest}")?,
            }
            let ms = self.end.saturating_sub(self.begin) / 1_000_000;
            write!(f, ", {} bytes in {ms} ms, {} sent again", self.bytes, self.again)?;
            if !self.missing.is_empty() {
                write!(f, ", {} not in the capture", self.missing.len())?;
            }
            write!(f, ", blksize {blksize}, windowsize {windowsize}")?;
            match self.acks {
                0 => f.write_str(", no ACK"),
                acks => write!(f, ", {}, last ACK {}", counted(acks, "ACK"), self.last_ack),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(numbers: impl IntoIterator<Item = u64>) -> Blocks {
        let mut blocks = Blocks::new(0, Ipv4Addr::LOCALHOST);
        for number in numbers {
            blocks.sent(0, u16::try_from(number % 0x1_0000).unwrap(), 8, false);
        }
        blocks
    }

    #[test]
    fn numbers_go_on_behind_65535() {
        let mut blocks = blocks(1..=140_000);
        assert_eq!((blocks.highest, blocks.count, blocks.again), (140_000, 140_000, 0));
        blocks.sent(0, u16::try_from(140_001_u64 % 0x1_0000).unwrap(), 0, true);
        assert!(blocks.is_sent() && !blocks.is_whole());
        blocks.acked(u16::try_from(140_001_u64 % 0x1_0000).unwrap());
        assert!(blocks.is_whole());
    }

    #[test]
    fn late_blocks_are_not_sent_again() {
        let blocks = blocks([1, 2, 5, 3, 4, 4]);
        assert_eq!((blocks.count, blocks.bytes, blocks.again), (5, 40, 1));
        assert!(blocks.missing.is_empty());
    }

    #[test]
    fn what_never_comes_is_missing() {
        let mut blocks = blocks([1, 4]);
        blocks.sent(0, 5, 0, true);
        blocks.acked(5);
        assert!(blocks.is_whole());
        assert_eq!((blocks.bytes(), blocks.file_size(8)), (16, 32));
        assert!(blocks.told((8, 1)).to_string().contains(", 2 not in the capture"));
    }
}
