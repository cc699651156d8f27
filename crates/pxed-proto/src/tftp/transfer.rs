//! One file on its way to one client: a sender without sockets, files or clocks.

use std::ops::Range;
use std::time::Duration;

use super::Settings;
use crate::Timestamp;
use crate::event::TftpOutcome;
use crate::limits::{TFTP_BACKOFF_MAX, TFTP_RETRANSMISSIONS_MAX};
use crate::wire::tftp::Packet;

/// The sender's side of RFC 1350 and RFC 7440.
///
/// Blocks are counted without rolling over, and the OACK is block 0: it is sent, acknowledged and
/// sent again like any other, in a window of its own. Up to a window of blocks is under way; an
/// ACK within it moves its start and sends what follows (RFC 7440 section 4: the client lost
/// something, or has all). An ACK of what is acknowledged already sends nothing, or one doubled
/// packet would double all that follow (RFC 1123 section 4.2.3.1, "Sorcerer's Apprentice"). The
/// price is that the loss of a window's *first* block costs a time-out.
#[derive(Clone, Debug)]
pub struct Transfer {
    settings: Settings,
    len: u64,
    /// The first block that is not acknowledged.
    first: u64,
    /// The block to send next, at least `first`.
    next: u64,
    /// One more than the last block that was ever sent.
    sent: u64,
    /// How often the window at `first` was sent again.
    attempts: u32,
    retransmissions: u32,
    deadline: Timestamp,
    outcome: Option<TftpOutcome>,
}

/// A packet to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// This OACK packet.
    OAck(Vec<u8>),
    /// A DATA packet.
    Data {
        /// The block's number on the wire.
        block: u16,
        /// The octets of what is sent; empty where the file ended with the block before.
        range: Range<u64>,
    },
}

impl Transfer {
    /// A transfer of `len` octets that begins now: with the OACK, or else with block 1.
    pub fn new(now: Timestamp, len: u64, settings: Settings) -> Self {
        let first = if settings.oack.is_some() { 0 } else { 1 };
        let deadline = now + settings.timeout;
        Self {
            settings,
            len,
            first,
            next: first,
            sent: first,
            attempts: 0,
            retransmissions: 0,
            deadline,
            outcome: None,
        }
    }

    /// Takes a packet from the client. Only ACK and ERROR mean anything to a sender.
    pub fn handle_packet(&mut self, now: Timestamp, packet: &Packet<'_>) {
        match *packet {
            _ if self.outcome.is_some() => {}
            Packet::Ack(block) => self.acknowledge(now, block),
            Packet::Error { code, message } => {
                self.outcome = Some(TftpOutcome::Aborted { code, message: message.to_vec() });
            }
            Packet::Request(_) | Packet::Data { .. } | Packet::OAck(_) => {}
        }
    }

    /// Sends the window again if its time is over, or gives up.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.outcome.is_some() || now < self.deadline {
            return;
        }
        if self.attempts == TFTP_RETRANSMISSIONS_MAX {
            self.outcome = Some(TftpOutcome::TimedOut);
            return;
        }
        self.attempts += 1;
        self.next = self.first;
        self.deadline = now + self.patience();
    }

    /// The packet to send next. To be called after everything else, until it says `None`.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if self.outcome.is_some() || self.next >= self.window_end() {
            return None;
        }
        let block = self.next;
        self.next += 1;
        if block < self.sent {
            self.retransmissions = self.retransmissions.saturating_add(1);
        }
        self.sent = self.sent.max(self.next);
        Some(self.packet(block))
    }

    /// When to call [`Transfer::handle_timeout`]; `None` once the transfer has ended.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.outcome.is_none().then_some(self.deadline)
    }

    /// How the transfer ended, when it has.
    pub fn outcome(&self) -> Option<&TftpOutcome> {
        self.outcome.as_ref()
    }

    /// What was agreed on.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The octets that the client acknowledged.
    pub fn bytes(&self) -> u64 {
        self.offset(self.first)
    }

    /// The packets that were sent again.
    pub fn retransmissions(&self) -> u32 {
        self.retransmissions
    }

    fn acknowledge(&mut self, now: Timestamp, block: u16) {
        let beyond_first = u64::from(block.wrapping_sub(on_wire(self.first)));
        if beyond_first >= self.sent - self.first {
            return;
        }
        self.first += beyond_first + 1;
        self.next = self.first;
        self.attempts = 0;
        self.deadline = now + self.settings.timeout;
        if self.first == self.end() {
            self.outcome = Some(TftpOutcome::Completed);
        }
    }

    /// How long to wait for an answer: twice as long each time, so that a congested path is left
    /// to recover, but not so long that a client gives up in the meantime.
    fn patience(&self) -> Duration {
        let longest = self.settings.timeout.max(TFTP_BACKOFF_MAX);
        self.settings.timeout.saturating_mul(1 << self.attempts).min(longest)
    }

    fn packet(&self, block: u64) -> Transmit {
        match &self.settings.oack {
            Some(oack) if block == 0 => Transmit::OAck(oack.clone()),
            _ => {
                let range = self.offset(block)..self.offset(block + 1);
                Transmit::Data { block: on_wire(block), range }
            }
        }
    }

    /// Where the block begins.
    fn offset(&self, block: u64) -> u64 {
        (block.saturating_sub(1) * u64::from(self.settings.blksize)).min(self.len)
    }

    /// One more than the last block that may be under way.
    fn window_end(&self) -> u64 {
        match self.first {
            0 => 1,
            first => (first + u64::from(self.settings.windowsize)).min(self.end()),
        }
    }

    /// One more than the last block, which is the first that is shorter than `blksize`.
    fn end(&self) -> u64 {
        self.len / u64::from(self.settings.blksize) + 2
    }
}

/// The block's number on the wire, where 0 follows 65535: no RFC says so, and every client that
/// takes files of more than 65535 blocks expects it.
fn on_wire(block: u64) -> u16 {
    (block & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1000);

    fn transfer(len: u64, blksize: u16, windowsize: u16) -> Transfer {
        Transfer::new(START, len, Settings { blksize, windowsize, ..Settings::default() })
    }

    fn drain(transfer: &mut Transfer) -> Vec<(u16, Range<u64>)> {
        let mut sent = Vec::new();
        while let Some(Transmit::Data { block, range }) = transfer.poll_transmit() {
            sent.push((block, range));
        }
        sent
    }

    #[test]
    fn the_last_block_is_shorter() {
        for (len, expected) in [
            (0, &[(1, 0..0)][..]),
            (1, &[(1, 0..1)]),
            (7, &[(1, 0..7)]),
            (8, &[(1, 0..8), (2, 8..8)]),
            (9, &[(1, 0..8), (2, 8..9)]),
            (16, &[(1, 0..8), (2, 8..16), (3, 16..16)]),
        ] {
            assert_eq!(drain(&mut transfer(len, 8, 64)), expected, "{len}");
        }
    }

    #[test]
    fn acks_move_the_window_or_nothing() {
        // Blocks 1 to 4 of 100 are under way.
        for (ack, first, sends) in [
            (0, 1, 0),
            (1, 2, 4),
            (2, 3, 4),
            (4, 5, 4),
            (5, 1, 0),
            (99, 1, 0),
            (65_535, 1, 0),
            (32_769, 1, 0),
        ] {
            let mut transfer = transfer(99 * 8, 8, 4);
            assert_eq!(drain(&mut transfer).len(), 4);
            transfer.handle_packet(START, &Packet::Ack(ack));
            assert_eq!((transfer.first, drain(&mut transfer).len()), (first, sends), "ACK {ack}");
        }
    }

    #[test]
    fn patience_doubles_up_to_a_limit() {
        for (timeout, waits) in [(1, [1, 2, 4, 8, 8, 8, 8]), (5, [5, 8, 8, 8, 8, 8, 8])] {
            let timeout = Duration::from_secs(timeout);
            let mut transfer = Transfer::new(START, 1, Settings { timeout, ..Settings::default() });
            let mut now = START;
            for wait in waits {
                assert_eq!(drain(&mut transfer).len(), 1);
                let deadline = transfer.poll_timeout().unwrap();
                assert_eq!(deadline.since(now), Duration::from_secs(wait));
                transfer.handle_timeout(Timestamp::from_millis(deadline.as_millis() - 1));
                assert_eq!(drain(&mut transfer), [], "too early");
                now = deadline;
                transfer.handle_timeout(now);
            }
            assert_eq!(transfer.outcome(), Some(&TftpOutcome::TimedOut));
            assert_eq!((transfer.poll_timeout(), transfer.retransmissions()), (None, 6));
        }
    }

    #[test]
    fn nothing_happens_after_the_end() {
        let mut transfer = transfer(1, 512, 1);
        assert_eq!(drain(&mut transfer).len(), 1);
        transfer.handle_packet(START, &Packet::Ack(1));
        assert_eq!(transfer.outcome(), Some(&TftpOutcome::Completed));
        transfer.handle_packet(START, &Packet::Error { code: 0, message: b"" });
        transfer.handle_packet(START, &Packet::Ack(1));
        transfer.handle_timeout(Timestamp::FOREVER);
        assert_eq!(transfer.outcome(), Some(&TftpOutcome::Completed));
        assert_eq!((transfer.poll_transmit(), transfer.bytes()), (None, 1));
    }
}
