//! One file on its way to one client: a sender without sockets, files or clocks.

use std::ops::Range;
use std::time::Duration;

use super::Settings;
use crate::Timestamp;
use crate::event::TftpOutcome;
use crate::limits::{
    TFTP_BACKOFF_MAX, TFTP_RETRANSMISSIONS_MIN, TFTP_SILENCE_MAX, TFTP_UNANSWERED_RETRANSMISSIONS,
    TFTP_WAIT, TFTP_WAIT_MIN,
};
use crate::wire::tftp::Packet;

/// The sender's side of RFC 1350 and RFC 7440.
///
/// Blocks are counted without rolling over, and the OACK is block 0: it is sent, acknowledged and
/// sent again like any other, in a window of its own. Up to a window of blocks is under way; an
/// ACK within it moves its start and sends what follows (RFC 7440 section 4: the client lost
/// something, or has all).
///
/// An ACK of what is acknowledged already sends nothing in lock-step, or one doubled packet would
/// double all that follow (RFC 1123 section 4.2.3.1, "Sorcerer's Apprentice"). In a larger window it
/// is also what a client says that misses the window's *first* block, so there it sends the window
/// again, but once: what a client answers to copies is not believed (`echoes_end`).
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
    /// Blocks before this one were sent twice, and the client may answer the copies: only in a window
    /// that begins behind it, an ACK of what is acknowledged already means a loss.
    echoes_end: u64,
    /// The client has acknowledged something: it is at its address, and wants this.
    answered: bool,
    /// How often the window at `first` was sent again for want of an answer.
    attempts: u32,
    retransmissions: u32,
    /// When the client last acknowledged something new.
    progress: Timestamp,
    /// The slowest answer to what was sent once.
    slowest: Duration,
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
        let mut transfer = Self {
            settings,
            len,
            first,
            next: first,
            sent: first,
            echoes_end: 0,
            answered: false,
            attempts: 0,
            retransmissions: 0,
            progress: now,
            slowest: Duration::ZERO,
            deadline: now,
            outcome: None,
        };
        transfer.deadline = now + transfer.patience();
        transfer
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
        if self.is_in_vain(now) {
            self.outcome = Some(TftpOutcome::TimedOut);
            return;
        }
        self.attempts += 1;
        self.rewind(now);
    }

    /// What was due could not be sent until now, for no fault of the client's: its time begins now.
    pub fn resume(&mut self, now: Timestamp) {
        self.progress = now;
        self.deadline = now + self.patience();
    }

    /// The blocks to send now, in order, counted without rolling over; 0 is the OACK. To be asked
    /// after everything else. They are the same until [`Transfer::sent`] says which of them left.
    pub fn due(&self) -> Range<u64> {
        match self.outcome {
            None => self.next..self.window_end().max(self.next),
            Some(_) => 0..0,
        }
    }

    /// The next `blocks` of the due ones have been sent.
    pub fn sent(&mut self, blocks: u64) {
        let end = self.next + blocks;
        let copies = self.sent.min(end).saturating_sub(self.next);
        let copies = u32::try_from(copies).unwrap_or(u32::MAX);
        self.retransmissions = self.retransmissions.saturating_add(copies);
        self.next = end;
        self.sent = self.sent.max(end);
    }

    /// The next packet to send, which counts as sent: for who sends them one by one. To be called
    /// after everything else, until it says `None`.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let block = self.due().next()?;
        self.sent(1);
        Some(match &self.settings.oack {
            Some(oack) if block == 0 => Transmit::OAck(oack.clone()),
            _ => Transmit::Data { block: on_wire(block), range: self.octets(&(block..block + 1)) },
        })
    }

    /// The octets of what is sent that these blocks carry.
    pub fn octets(&self, blocks: &Range<u64>) -> Range<u64> {
        self.offset(blocks.start)..self.offset(blocks.end)
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

    /// Has the client acknowledged anything? Until then somebody else may have asked in its name.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// How often what is under way was sent again for want of an answer.
    pub fn attempts(&self) -> u32 {
        self.attempts
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
        if beyond_first < self.sent - self.first {
            self.advance(now, self.first + beyond_first + 1);
        } else if block == on_wire(self.first).wrapping_sub(1) && self.lost_its_first() {
            self.rewind(now);
        }
    }

    /// All before `first` is acknowledged. If that is less than what was sent, the client misses what
    /// follows.
    fn advance(&mut self, now: Timestamp, first: u64) {
        if self.attempts == 0 {
            self.slowest = self.slowest.max(now.since(self.progress));
        }
        (self.first, self.progress) = (first, now);
        (self.attempts, self.answered) = (0, true);
        self.rewind(now);
        if self.first == self.end() {
            self.outcome = Some(TftpOutcome::Completed);
        }
    }

    /// Does an ACK of the block before the window mean that the window's first was lost?
    fn lost_its_first(&self) -> bool {
        let of_window = self.answered && self.settings.windowsize > 1;
        of_window && self.sent > self.first && self.first > self.echoes_end
    }

    /// Goes on at `first`, whatever was sent of it.
    fn rewind(&mut self, now: Timestamp) {
        if self.sent > self.first {
            self.echoes_end = self.sent;
        }
        self.next = self.first;
        self.deadline = now + self.patience();
    }

    /// Has nobody answered for too long?
    fn is_in_vain(&self, now: Timestamp) -> bool {
        if self.answered {
            let silence = now.since(self.progress);
            self.attempts >= TFTP_RETRANSMISSIONS_MIN && silence >= TFTP_SILENCE_MAX
        } else {
            self.attempts >= TFTP_UNANSWERED_RETRANSMISSIONS
        }
    }

    /// How long to wait for an answer: twice as long each time, so that a congested path is left
    /// to recover, but not so long that a client gives up in the meantime.
    fn patience(&self) -> Duration {
        let wait = match self.settings.timeout {
            Some(timeout) if self.answered => timeout,
            None if self.answered => (self.slowest * 4).clamp(TFTP_WAIT_MIN, TFTP_WAIT),
            _ => TFTP_WAIT,
        };
        let doubled = wait.saturating_mul(1 << self.attempts.min(16));
        doubled.min(wait.max(TFTP_BACKOFF_MAX))
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
pub const fn on_wire(block: u64) -> u16 {
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

    /// Waits that long, each time, until the transfer is given up.
    fn waits(mut transfer: Transfer, began: Timestamp) -> Vec<u64> {
        let (mut now, mut waits) = (began, Vec::new());
        while let Some(deadline) = transfer.poll_timeout() {
            drain(&mut transfer);
            transfer.handle_timeout(Timestamp::from_millis(deadline.as_millis() - 1));
            assert_eq!(drain(&mut transfer), [], "too early");
            waits.push(u64::try_from(deadline.since(now).as_millis()).unwrap());
            now = deadline;
            transfer.handle_timeout(now);
        }
        assert_eq!(transfer.outcome(), Some(&TftpOutcome::TimedOut));
        assert_eq!(u64::from(transfer.retransmissions()), waits.len() as u64 - 1);
        waits
    }

    #[test]
    fn who_never_answers_is_sent_little() {
        assert_eq!(waits(transfer(1, 512, 1), START), [1000, 2000, 4000, 8000]);
        let timeout = Some(Duration::from_secs(255));
        let asked = Settings { timeout, ..Settings::default() };
        let asked = Transfer::new(START, 1, asked);
        assert_eq!(waits(asked, START), [1000, 2000, 4000, 8000], "nothing is agreed yet");
    }

    #[test]
    fn patience_doubles_up_to_a_limit() {
        for (timeout, answer_in, expected) in [
            (None, 1, &[200, 400, 800, 1600, 3200, 6400, 8000, 8000, 8000][..]),
            (None, 100, &[400, 800, 1600, 3200, 6400, 8000, 8000, 8000]),
            (None, 900, &[1000, 2000, 4000, 8000, 8000, 8000]),
            (Some(1), 1, &[1000, 2000, 4000, 8000, 8000, 8000]),
            (Some(5), 1, &[5000, 8000, 8000, 8000, 8000]),
            (Some(60), 1, &[60_000; 4]),
        ] {
            let timeout = timeout.map(Duration::from_secs);
            let settings = Settings { timeout, ..Settings::default() };
            let mut transfer = Transfer::new(START, 600, settings);
            drain(&mut transfer);
            let answered = START + Duration::from_millis(answer_in);
            transfer.handle_packet(answered, &Packet::Ack(1));
            assert_eq!(waits(transfer, answered), expected, "{timeout:?} {answer_in}");
        }
    }

    #[test]
    fn a_window_that_lost_its_first_block_is_sent_again_once() {
        let mut transfer = transfer(99 * 8, 8, 4);
        assert_eq!(drain(&mut transfer).len(), 4);
        // Nobody has answered yet, and this is none.
        transfer.handle_packet(START, &Packet::Ack(0));
        assert_eq!(drain(&mut transfer), []);
        let mut hears = |ack, sends: &[u16]| {
            transfer.handle_packet(START, &Packet::Ack(ack));
            let sent: Vec<u16> = drain(&mut transfer).iter().map(|(block, _)| *block).collect();
            assert_eq!(sent, sends, "ACK {ack}");
        };
        hears(4, &[5, 6, 7, 8]);
        hears(4, &[5, 6, 7, 8]);
        // A talkative client says so for 7 and 8 as well, and perhaps for the copies.
        hears(4, &[]);
        hears(8, &[9, 10, 11, 12]);
        hears(8, &[]);
        hears(12, &[13, 14, 15, 16]);
        hears(12, &[13, 14, 15, 16]);
        // 14 was lost; it says so for 15 and 16.
        hears(13, &[14, 15, 16, 17]);
        hears(13, &[]);
    }

    #[test]
    fn what_could_not_be_sent_is_still_due() {
        let mut transfer = transfer(99 * 8, 8, 4);
        assert_eq!(transfer.due(), 1..5);
        assert_eq!(transfer.octets(&(1..5)), 0..32);
        transfer.sent(3);
        assert_eq!((transfer.due(), transfer.retransmissions()), (4..5, 0));
        transfer.handle_packet(START, &Packet::Ack(2));
        assert_eq!(transfer.due(), 3..7);
        transfer.sent(4);
        assert_eq!((transfer.due().is_empty(), transfer.retransmissions()), (true, 1));
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
