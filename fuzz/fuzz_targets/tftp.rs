//! Any packets of a TFTP client, and time: a transfer keeps its window, sends each octet, and ends.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pxed_fuzz::Input;
use pxed_proto::Timestamp;
use pxed_proto::limits::{FILE_NAME_MAX, TFTP_BLKSIZE_MAX, TFTP_WINDOWSIZE_MAX};
use pxed_proto::tftp::{Transfer, Transmit, negotiate, refusal};
use pxed_proto::wire::tftp::{Packet, ack};

fuzz_target!(|octets: &[u8]| {
    let mut input = Input(octets);
    let (Some(len), Some(max_blksize)) = (input.word(), input.word()) else { return };
    // Some files are longer than their block numbers.
    let len = u64::from(len) << (max_blksize & 0xf);
    let Ok(Packet::Request(request)) = Packet::parse(input.slice(1024)) else { return };
    assert!(!request.file.is_empty() && request.file.len() <= FILE_NAME_MAX);
    if refusal(&request).is_some() {
        return;
    }
    let settings = negotiate(&request, len, max_blksize);
    assert!((8..=max_blksize.clamp(512, TFTP_BLKSIZE_MAX)).contains(&settings.blksize));
    assert!((1..=TFTP_WINDOWSIZE_MAX).contains(&settings.windowsize));
    assert!(settings.timeout.is_none_or(|timeout| (1..=255).contains(&timeout.as_secs())));
    if let Some(oack) = &settings.oack {
        assert!(matches!(Packet::parse(oack), Ok(Packet::OAck(_))));
    }
    let mut now = Timestamp::from_millis(1000);
    let mut transfer = Transfer::new(now, len, settings);
    while !input.0.is_empty() && transfer.outcome().is_none() {
        let sent = drain(&mut transfer, len);
        act(&mut input, &mut transfer, &mut now, sent);
    }
    silence_ends(&mut transfer, now, len);
});

/// All that is to be sent now; the number of the last block.
fn drain(transfer: &mut Transfer, len: u64) -> Option<u16> {
    let (blksize, windowsize) =
        (u64::from(transfer.settings().blksize), u64::from(transfer.settings().windowsize));
    let (mut packets, mut last) = (0, None);
    while let Some(transmit) = transfer.poll_transmit() {
        packets += 1;
        assert!(packets <= windowsize, "a window of {windowsize}");
        last = match transmit {
            Transmit::OAck(_) => Some(0),
            Transmit::Data { block, range } => {
                assert!(range.start <= range.end && range.end <= len);
                let octets = range.end - range.start;
                assert!(octets == blksize || range.end == len && octets < blksize);
                assert_eq!(range.start % blksize, 0);
                assert_eq!(block, ((range.start / blksize + 1) & 0xffff) as u16);
                assert!(range.start >= transfer.bytes(), "acknowledged already");
                Some(block)
            }
        };
    }
    last
}

fn act(input: &mut Input<'_>, transfer: &mut Transfer, now: &mut Timestamp, sent: Option<u16>) {
    let acknowledged = transfer.bytes();
    match input.byte().unwrap_or_default() {
        // What a client that heard everything says, and one that heard less.
        back @ 0..=127 => {
            let block = sent.unwrap_or_default().wrapping_sub(u16::from(back / 4));
            let packet = ack(block);
            transfer.handle_packet(*now, &Packet::parse(&packet).expect("an ACK"));
        }
        128..=191 => {
            if let Ok(packet) = Packet::parse(input.slice(64)) {
                transfer.handle_packet(*now, &packet);
            }
        }
        seconds => {
            *now = *now + Duration::from_secs(u64::from(seconds & 0xf));
            transfer.handle_timeout(*now);
        }
    }
    assert!(transfer.bytes() >= acknowledged);
}

/// A client that says nothing more is given up.
fn silence_ends(transfer: &mut Transfer, mut now: Timestamp, len: u64) {
    for _ in 0..20 {
        drain(transfer, len);
        let Some(deadline) = transfer.poll_timeout() else { break };
        now = now.max(deadline);
        transfer.handle_timeout(now);
    }
    assert!(transfer.outcome().is_some(), "a transfer that does not end");
    assert_eq!((transfer.poll_timeout(), transfer.poll_transmit()), (None, None));
}
