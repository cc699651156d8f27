//! TFTP conversations: what the sender says, packet by packet, with literal times; and whole files
//! over a bad link in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod whole_files;

use std::ops::Range;

use pxed_proto::Timestamp;
use pxed_proto::event::TftpOutcome;
use pxed_proto::tftp::{Transfer, Transmit, negotiate};
use pxed_proto::wire::tftp::{Packet, ack, data_header, oack, read_request};

/// What a 1500 octet MTU carries.
const MAX_BLKSIZE: u16 = 1468;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// The file's octets: no two blocks are alike for long.
fn content(range: Range<u64>) -> Vec<u8> {
    range.map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// A transfer, with packets as bytes on both sides.
struct Server(Transfer);

impl Server {
    fn new(millis: u64, len: u64, options: &[(&str, u64)]) -> Self {
        Self::asked(millis, len, &read_request(b"file", "octet", options))
    }

    fn asked(millis: u64, len: u64, datagram: &[u8]) -> Self {
        let Ok(Packet::Request(request)) = Packet::parse(datagram) else { panic!("no request") };
        Self(Transfer::new(at(millis), len, negotiate(&request, len, MAX_BLKSIZE)))
    }

    fn hears(&mut self, millis: u64, datagram: &[u8]) -> &mut Self {
        self.0.handle_packet(at(millis), &Packet::parse(datagram).unwrap());
        self
    }

    fn waits(&mut self, millis: u64) -> &mut Self {
        self.0.handle_timeout(at(millis));
        self
    }

    fn says(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while let Some(transmit) = self.0.poll_transmit() {
            packets.push(match transmit {
                Transmit::OAck(packet) => packet,
                Transmit::Data { block, range } => {
                    [&data_header(block)[..], &content(range)].concat()
                }
            });
        }
        packets
    }

    /// Says these blocks and nothing else, each full or the short last one.
    fn says_blocks(&mut self, blocks: impl IntoIterator<Item = u16>) -> &mut Self {
        let said = self.says();
        let said: Vec<u16> = said.iter().map(|packet| block_of(packet)).collect();
        assert_eq!(said, blocks.into_iter().collect::<Vec<_>>());
        self
    }

    fn ends(&self, outcome: &TftpOutcome, bytes: u64, retransmissions: u32) {
        assert_eq!(self.0.outcome(), Some(outcome));
        assert_eq!((self.0.bytes(), self.0.retransmissions()), (bytes, retransmissions));
    }
}

fn block_of(datagram: &[u8]) -> u16 {
    match Packet::parse(datagram) {
        Ok(Packet::Data { block, .. }) => block,
        other => panic!("{other:?}"),
    }
}

// Literal conversations.

#[test]
fn without_options_the_first_packet_is_block_1() {
    let mut server = Server::new(0, 1000, &[]);
    assert_eq!(server.says(), [[&b"\0\x03\0\x01"[..], &content(0..512)].concat()]);
    server.hears(2, b"\0\x04\0\x01");
    assert_eq!(server.says(), [[&b"\0\x03\0\x02"[..], &content(512..1000)].concat()]);
    server.hears(4, b"\0\x04\0\x02").says_blocks([]);
    server.ends(&TftpOutcome::Completed, 1000, 0);
}

/// EDK2 asks twice: once for the size, and then, from a new port, for the file.
#[test]
fn edk2_asks_for_the_size_and_then_for_the_file() {
    let probe = b"\0\x01ipxe.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0";
    let mut server = Server::asked(0, 5000, probe);
    assert_eq!(server.says(), [b"\0\x06blksize\x001468\0windowsize\x004\0tsize\x005000\0"]);
    server.hears(1, b"\0\x05\0\x08User aborted the transfer\0").says_blocks([]);
    let message = b"User aborted the transfer".to_vec();
    server.ends(&TftpOutcome::Aborted { code: 8, message }, 0, 0);

    let fetch = b"\0\x01ipxe.efi\0octet\0blksize\x001468\0windowsize\x004\0";
    let mut server = Server::asked(100, 5000, fetch);
    assert_eq!(server.says(), [b"\0\x06blksize\x001468\0windowsize\x004\0"]);
    server.hears(101, &ack(0)).says_blocks(1..=4).hears(102, &ack(4)).says_blocks([]);
    server.ends(&TftpOutcome::Completed, 5000, 0);
}

#[test]
fn a_lost_oack_and_a_lost_ack_of_it_look_alike() {
    let options = [("blksize", 8)];
    let mut server = Server::new(0, 9, &options);
    assert_eq!(server.says(), [oack(&options)]);
    assert_eq!(server.0.poll_timeout(), Some(at(1000)));
    assert_eq!(server.waits(1000).says(), [oack(&options)]);
    // Both OACKs came, both are acknowledged: block 1 is sent once.
    server.hears(1001, &ack(0)).says_blocks([1]).hears(1002, &ack(0)).says_blocks([]);
    server.hears(1003, &ack(1)).says_blocks([2]).hears(1004, &ack(2)).says_blocks([]);
    server.ends(&TftpOutcome::Completed, 9, 1);
}

#[test]
fn before_its_ack_of_the_oack_a_client_gets_no_data() {
    let mut server = Server::new(0, 9, &[("blksize", 8)]);
    server.says();
    server.hears(1, &ack(1)).says_blocks([]);
    server.hears(2, &ack(65_535)).says_blocks([]);
    server.hears(3, &ack(0)).says_blocks([1]);
}

#[test]
fn lost_data_is_sent_again_with_growing_patience() {
    let mut server = Server::new(0, 1, &[]);
    server.says_blocks([1]);
    for millis in [1000, 3000, 7000] {
        assert_eq!(server.0.poll_timeout(), Some(at(millis)));
        server.waits(millis - 1).says_blocks([]).waits(millis).says_blocks([1]);
    }
    assert_eq!(server.0.poll_timeout(), Some(at(15_000)));
    server.waits(15_000).says_blocks([]);
    server.ends(&TftpOutcome::TimedOut, 0, 3);
}

#[test]
fn progress_makes_the_sender_patient_again() {
    let mut server = Server::new(0, 2000, &[("timeout", 2)]);
    server.says();
    server.waits(1000).says();
    assert_eq!(server.0.poll_timeout(), Some(at(3000)));
    // From here on the time holds that the client asked for.
    server.hears(2500, &ack(0)).says_blocks([1]);
    assert_eq!(server.0.poll_timeout(), Some(at(4500)));
    // What the sender ignores does not keep it waiting longer.
    server.hears(4000, &ack(0)).hears(4001, &ack(9)).says_blocks([]);
    assert_eq!(server.0.poll_timeout(), Some(at(4500)));
}

#[test]
fn the_last_block_is_sent_until_it_is_acknowledged() {
    let mut server = Server::new(0, 512, &[]);
    server.says_blocks([1]).hears(1, &ack(1));
    assert_eq!(server.says(), [b"\0\x03\0\x02"]);
    assert_eq!(server.0.outcome(), None);
    // It answers within a millisecond, so that it is not waited for longer than has to be.
    assert_eq!(server.0.poll_timeout(), Some(at(201)));
    assert_eq!(server.waits(201).says(), [b"\0\x03\0\x02"]);
    server.hears(202, &ack(2)).ends(&TftpOutcome::Completed, 512, 1);
}

/// RFC 1123 section 4.2.3.1: had the doubled ACK sent block 2 again, all that follow would be
/// sent twice.
#[test]
fn doubled_acks_send_nothing_twice() {
    let mut server = Server::new(0, 3000, &[]);
    server.says_blocks([1]);
    for block in 1..=5 {
        server.hears(block.into(), &ack(block)).says_blocks([block + 1]);
        server.hears(block.into(), &ack(block)).says_blocks([]);
        server.hears(block.into(), &ack(block - 1)).says_blocks([]);
    }
    server.hears(9, &ack(6)).ends(&TftpOutcome::Completed, 3000, 0);
}

#[test]
fn an_ack_inside_the_window_rewinds_to_what_was_lost() {
    let mut server = Server::new(0, 99, &[("blksize", 10), ("windowsize", 4)]);
    server.says();
    server.hears(1, &ack(0)).says_blocks([1, 2, 3, 4]);
    // Block 3 was lost; the client says so once for each block that came after it.
    server.hears(2, &ack(2)).says_blocks([3, 4, 5, 6]);
    server.hears(2, &ack(2)).says_blocks([]);
    // All came, but the ACK of it was lost.
    server.waits(1002).says_blocks([3, 4, 5, 6]);
    server.hears(1003, &ack(6)).says_blocks([7, 8, 9, 10]);
    // The ACK of the whole window overtakes one from its middle.
    server.hears(1004, &ack(10)).hears(1004, &ack(8)).says_blocks([]);
    server.ends(&TftpOutcome::Completed, 99, 6);
}

/// RFC 7440 section 4: a client that misses the first block of a window says what it had before.
#[test]
fn a_lost_first_block_is_sent_again_at_once() {
    let mut server = Server::new(0, 999, &[("blksize", 10), ("windowsize", 3)]);
    server.says();
    server.hears(1, &ack(0)).says_blocks([1, 2, 3]);
    server.hears(2, &ack(0)).says_blocks([1, 2, 3]);
    // It says so for block 3 as well; and for the copy of a window that it had.
    server.hears(2, &ack(0)).says_blocks([]);
    server.hears(3, &ack(3)).says_blocks([4, 5, 6]).hears(3, &ack(3)).says_blocks([]);
    server.hears(4, &ack(6)).says_blocks([7, 8, 9]);
    assert_eq!(server.0.retransmissions(), 3);
}

/// A ROM that asks for its files and then waits for an hour has no part in it.
#[test]
fn a_disk_that_sleeps_is_no_fault_of_the_client() {
    let mut server = Server::new(0, 2000, &[]);
    server.says_blocks([1]).hears(1, &ack(1));
    assert_eq!(server.0.due(), 2..3);
    server.0.resume(at(40_000));
    assert_eq!(server.0.poll_timeout(), Some(at(40_200)));
    server.waits(40_100).says_blocks([2]).hears(40_101, &ack(2)).says_blocks([3]);
}

#[test]
fn the_client_can_end_it_at_any_time() {
    for said_before in 0..3 {
        let mut server = Server::new(0, 5000, &[("blksize", 1000)]);
        server.says();
        for block in 0..said_before {
            server.hears(1, &ack(block)).says();
        }
        server.hears(2, b"\0\x05\0\x03disk full\0").waits(99_999).says_blocks([]);
        let message = b"disk full".to_vec();
        let bytes = u64::from(said_before).saturating_sub(1) * 1000;
        server.ends(&TftpOutcome::Aborted { code: 3, message }, bytes, 0);
    }
}

#[test]
fn what_a_sender_does_not_understand_changes_nothing() {
    let mut server = Server::new(0, 5000, &[]);
    server.says_blocks([1]);
    for datagram in [&b"\0\x03\0\x01data"[..], b"\0\x06blksize\08\0", b"\0\x01file\0octet\0"] {
        server.hears(1, datagram).says_blocks([]);
    }
    assert_eq!((server.0.outcome(), server.0.poll_timeout()), (None, Some(at(1000))));
}
