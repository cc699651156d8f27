//! What of a transfer leaves now: as much as is due, in bursts of segments.

use std::io::{self, IoSlice, Write};
use std::ops::Range;

use pxed_proto::event::TftpOutcome;
use pxed_proto::tftp::{Transfer, on_wire};
use pxed_proto::wire::tftp::data_header;

use super::cache::{Cache, Miss};
use crate::net::{Destination, TftpSocket, is_of_segments, segments_of};

/// What IP (20 octets), UDP (8) and TFTP (4) take of an MTU.
pub const HEADERS: u32 = 32;

/// TFTP's own: opcode and block.
const HEADER: u16 = 4;

/// The longest block that is put together before it leaves alone: what fits an Ethernet frame.
const ALONE_MAX: u16 = 1500;

/// A DATA packet's head, and its octets in up to two chunks.
const PARTS_OF_BLOCK: usize = 3;

/// Where a transfer's octets come from.
#[derive(Debug)]
pub enum Source {
    /// A file, by its name in the [`Cache`].
    File(u64),
    /// A text.
    Text(Vec<u8>),
}

/// A transfer under way.
#[derive(Debug)]
pub struct Sending {
    /// The rules.
    pub transfer: Transfer,
    /// What is sent.
    pub source: Source,
    /// The next octets are being read: nothing is sent until they are there.
    pub reading: bool,
    /// How many blocks leave in one call; 1 is: without segments.
    segments: u64,
    /// It is the card that knows none.
    refused: bool,
    /// Why the last packet could not be sent.
    trouble: Option<io::Error>,
}

/// Why not all that is due has left.
#[derive(Debug)]
pub enum Pause {
    /// This chunk of the file has to be read first.
    Read(u32),
    /// The socket has no room.
    NoRoom,
    /// The file can not be read.
    Failed(io::Error),
}

impl Sending {
    /// Of a transfer that begins, on a link of that MTU which may know segments.
    pub fn new(transfer: Transfer, source: Source, mtu: u32, segments: bool) -> Self {
        let segment = transfer.settings().blksize.saturating_add(HEADER);
        let segments = if segments { segments_of(segment, mtu) } else { 1 };
        Self { transfer, source, reading: false, segments, refused: false, trouble: None }
    }

    /// Sends what is due.
    pub fn flush(
        &mut self,
        cache: &mut Cache,
        socket: &TftpSocket,
        at: Destination,
    ) -> Result<(), Pause> {
        loop {
            let due = self.transfer.due();
            if due.is_empty() {
                return Ok(());
            }
            let blocks = due.start..due.end.min(due.start + self.segments);
            match self.send(&blocks, cache, socket, at)? {
                Err(error) if blocks.end - blocks.start > 1 && is_of_segments(&error) => {
                    self.segments = 1;
                    self.refused = error.raw_os_error() == Some(libc::EIO);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Pause::NoRoom);
                }
                // What can not be sent is lost like what is lost on its way, and is sent again.
                sent => self.trouble = sent.err(),
            }
            self.transfer.sent(blocks.end - blocks.start);
        }
    }

    /// Does the interface's card take no segments (EIO), or only this client's path?
    pub fn segments_were_refused(&self) -> bool {
        self.refused
    }

    /// A client is not called silent if nothing could be sent to it.
    pub fn outcome(&self) -> Option<TftpOutcome> {
        let outcome = self.transfer.outcome()?;
        Some(match (outcome, &self.trouble) {
            (TftpOutcome::TimedOut, Some(error)) => {
                TftpOutcome::Failed(format!("packets can not be sent: {error}"))
            }
            _ => outcome.clone(),
        })
    }

    /// Sends these blocks in one call. The first error is the file's, the second the socket's.
    fn send(
        &self,
        blocks: &Range<u64>,
        cache: &mut Cache,
        socket: &TftpSocket,
        at: Destination,
    ) -> Result<io::Result<()>, Pause> {
        let settings = self.transfer.settings();
        if let (0, Some(oack)) = (blocks.start, &settings.oack) {
            return Ok(socket.send(at, &[IoSlice::new(oack)]));
        }
        let range = self.transfer.octets(blocks);
        let is_alone = blocks.end - blocks.start == 1 && settings.blksize <= ALONE_MAX;
        if let (true, Source::File(content)) = (is_alone, &self.source) {
            cache.hold(*content, &range)?;
            let header = data_header(on_wire(blocks.start));
            return Ok(send_alone(&header, cache.parts(*content, range), socket, at));
        }
        let headers: Vec<[u8; 4]> =
            blocks.clone().map(|block| data_header(on_wire(block))).collect();
        let blksize = usize::from(settings.blksize);
        let parts = match &self.source {
            Source::Text(text) => laid_out(&headers, [part_of(text, &range)].into_iter(), blksize),
            Source::File(content) => {
                cache.hold(*content, &range).map_err(Pause::from)?;
                laid_out(&headers, cache.parts(*content, range), blksize)
            }
        };
        Ok(match headers.len() {
            1 => socket.send(at, &parts),
            _ => socket.send_segments(at, &parts, settings.blksize + HEADER),
        })
    }
}

impl From<Miss> for Pause {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Chunk(index) => Self::Read(index),
            Miss::Failed(error) => Self::Failed(error),
        }
    }
}

fn part_of<'a>(text: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
    text.get(at(range.start)..at(range.end)).unwrap_or_default()
}

/// Sends a block in one piece: to copy it costs less than the kernel takes for three, and in lock-step each
/// block leaves so.
fn send_alone<'a>(
    header: &'a [u8],
    octets: impl Iterator<Item = &'a [u8]>,
    socket: &TftpSocket,
    at: Destination,
) -> io::Result<()> {
    let mut packet = [0; (HEADER + ALONE_MAX) as usize];
    let mut room = &mut packet[..];
    let len: usize = std::iter::once(header)
        .chain(octets)
        .map(|part| room.write(part))
        .sum::<io::Result<_>>()?;
    socket.send(at, &[IoSlice::new(packet.get(..len).unwrap_or_default())])
}

/// Each header, and behind it the octets of its block.
fn laid_out<'a>(
    headers: &'a [[u8; 4]],
    mut octets: impl Iterator<Item = &'a [u8]>,
    blksize: usize,
) -> Vec<IoSlice<'a>> {
    let mut parts = Vec::with_capacity(headers.len() * PARTS_OF_BLOCK);
    let mut rest: &[u8] = &[];
    for header in headers {
        parts.push(IoSlice::new(header));
        let mut missing = blksize;
        while missing > 0 {
            if rest.is_empty() {
                let Some(next) = octets.next() else { break };
                rest = next;
            }
            let (part, behind) = rest.split_at(missing.min(rest.len()));
            parts.push(IoSlice::new(part));
            (rest, missing) = (behind, missing - part.len());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_from_whatever_they_lie_in() {
        let headers = [1, 2, 3].map(data_header);
        for octets in [
            &[&b"abcdefgh"[..]][..],
            &[b"a", b"bcdefg", b"h"],
            &[b"", b"abc", b"", b"defgh"],
            &[b"abcd", b"efgh"],
        ] {
            let parts = laid_out(&headers, octets.iter().copied(), 3);
            let sent: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            assert_eq!(sent, b"\0\x03\0\x01abc\0\x03\0\x02def\0\x03\0\x03gh");
        }
        // The last block may be empty.
        let parts = laid_out(&headers[..2], [&b"abc"[..]].into_iter(), 3);
        assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), 11);
    }
}
