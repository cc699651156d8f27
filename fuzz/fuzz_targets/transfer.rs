//! A file on its way to a client that does all right, over a network that does what it likes: what
//! arrives is the file's, a transfer that says it is complete is, and it ends.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pxed_fuzz::Input;
use pxed_proto::Timestamp;
use pxed_proto::event::TftpOutcome;
use pxed_proto::tftp::{Transfer, Transmit, negotiate, on_wire};
use pxed_proto::wire::tftp::{Packet, ack, read_request};

/// What is under way in each direction at once; a network that holds more loses it.
const UNDER_WAY: usize = 256;

fuzz_target!(|octets: &[u8]| {
    let mut input = Input(octets);
    let (Some(len), Some(blksize), Some(windowsize)) = (input.word(), input.word(), input.byte())
    else {
        return;
    };
    let len = u64::from(len);
    let options =
        [("blksize", u64::from(blksize % 1024)), ("windowsize", u64::from(windowsize % 72))];
    let datagram = read_request(b"file", "octet", &options);
    let Ok(Packet::Request(request)) = Packet::parse(&datagram) else { panic!("a request") };
    let mut world =
        World::new(len, Transfer::new(Timestamp::EPOCH, len, negotiate(&request, len, 1468)));
    while let (Some(act), None) = (input.byte(), world.transfer.outcome()) {
        world.goes_on(act, &mut input);
        world.check();
    }
    world.falls_silent();
});

/// Both ends, and what is between them.
struct World {
    len: u64,
    transfer: Transfer,
    now: Timestamp,
    /// Blocks, counted without rolling over, and their octets; 0 is the OACK.
    to_client: Vec<(u64, std::ops::Range<u64>)>,
    to_server: Vec<u16>,
    /// The block that the client wants, how many of a window it has, and all that it has.
    next: u64,
    in_window: u16,
    has: u64,
    whole: bool,
}

impl World {
    fn new(len: u64, transfer: Transfer) -> Self {
        let (to_client, to_server, now) = (Vec::new(), Vec::new(), Timestamp::EPOCH);
        let (next, in_window, has, whole) = (1, 0, 0, false);
        Self { len, transfer, now, to_client, to_server, next, in_window, has, whole }
    }

    fn goes_on(&mut self, act: u8, input: &mut Input<'_>) {
        self.sends();
        let place = usize::from(act & 0x0f);
        match act >> 4 {
            // The next packet arrives, or one that overtakes others.
            0..=5 => self.client_hears(0, false),
            6 => self.client_hears(place, false),
            7 => self.client_hears(place, true),
            8..=11 => self.server_hears(0, false),
            12 => self.server_hears(place, place % 2 == 1),
            13 => drop(take(&mut self.to_client, place)),
            14 => drop(take(&mut self.to_server, place)),
            _ => {
                let millis = u64::from(input.byte().unwrap_or_default()) * 40;
                self.now = self.now + Duration::from_millis(millis);
                self.transfer.handle_timeout(self.now);
                // The client says again what it has.
                self.says(on_wire(self.next - 1));
            }
        }
    }

    /// All that is due.
    fn sends(&mut self) {
        let window = u64::from(self.transfer.settings().windowsize);
        let due = self.transfer.due();
        assert!(due.end - due.start <= window, "a window of {window}");
        for block in due {
            let octets = self.transfer.octets(&(block..block + 1));
            match self.transfer.poll_transmit() {
                Some(Transmit::OAck(_)) => assert_eq!(block, 0),
                Some(Transmit::Data { block: number, range }) => {
                    assert_eq!((number, &range), (on_wire(block), &octets));
                }
                None => panic!("what was due is not sent"),
            }
            if self.to_client.len() < UNDER_WAY {
                self.to_client.push((block, octets));
            }
        }
        assert!(self.transfer.due().is_empty());
    }

    fn client_hears(&mut self, place: usize, again: bool) {
        let packet = match again {
            true => self.to_client.get(place).cloned(),
            false => take(&mut self.to_client, place),
        };
        let Some((block, octets)) = packet else { return };
        if block != self.next {
            // The OACK, or what it did not expect: it says what it has.
            self.in_window = 0;
            return self.says(on_wire(self.next - 1));
        }
        assert_eq!(octets.start, self.has, "a block that belongs elsewhere");
        self.has = octets.end;
        self.next += 1;
        self.in_window += 1;
        self.whole = octets.end - octets.start < u64::from(self.transfer.settings().blksize);
        if self.whole || self.in_window == self.transfer.settings().windowsize {
            self.in_window = 0;
            self.says(on_wire(block));
        }
    }

    fn says(&mut self, block: u16) {
        if self.to_server.len() < UNDER_WAY {
            self.to_server.push(block);
        }
    }

    fn server_hears(&mut self, place: usize, again: bool) {
        let block = match again {
            true => self.to_server.get(place).copied(),
            false => take(&mut self.to_server, place),
        };
        let Some(block) = block else { return };
        let packet = ack(block);
        let Ok(packet) = Packet::parse(&packet) else { panic!("an ACK") };
        self.transfer.handle_packet(self.now, &packet);
    }

    fn check(&self) {
        assert!(self.transfer.bytes() <= self.has, "acknowledged, and never heard of");
        if self.transfer.outcome() == Some(&TftpOutcome::Completed) {
            assert!(self.whole && self.has == self.len);
        }
    }

    /// Nothing arrives any more.
    fn falls_silent(&mut self) {
        for _ in 0..20 {
            self.sends();
            let Some(deadline) = self.transfer.poll_timeout() else { break };
            self.now = self.now.max(deadline);
            self.transfer.handle_timeout(self.now);
        }
        self.check();
        assert!(self.transfer.outcome().is_some(), "a transfer that does not end");
    }
}

/// The packet at this place, or the last.
fn take<T>(packets: &mut Vec<T>, place: usize) -> Option<T> {
    let last = packets.len().checked_sub(1)?;
    Some(packets.remove(place.min(last)))
}
