//! A part of the log, of which only the newest record of each address counts.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use pxed_proto::dhcp::Lease;

use super::frame::{self, Frame, HEADER, unmask};
use super::record;

/// Records, and where the newest of each address is.
#[derive(Debug, Default)]
pub(in crate::store) struct Newest {
    octets: Vec<u8>,
    /// The address above, the record's place in `octets` below: in order, the last of an address is
    /// its newest.
    places: Vec<u64>,
}

impl Newest {
    /// Reads a part of a file and returns where it begins in [`Newest::octets`].
    pub fn read(&mut self, file: &File, from: u64, to: u64) -> io::Result<usize> {
        let begin = self.octets.len();
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
        self.octets.resize(begin + length, 0);
        file.read_exact_at(self.octets.get_mut(begin..).unwrap_or_default(), from)?;
        Ok(begin)
    }

    /// Takes the records of whole frames from `at` on for as long as `takes` says so, and returns
    /// where the first begins that it did not.
    pub fn take(&mut self, mut at: usize, mut takes: impl FnMut(&Frame<'_>) -> Take) -> usize {
        while let Some(frame) = frame::read(self.octets.get(at..).unwrap_or_default()) {
            let (mask, length, size) = (frame.mask, frame.records.len(), frame.size);
            match takes(&frame) {
                Take::Records => self.index(mask, at + HEADER..at + HEADER + length),
                Take::Nothing => {}
                Take::End => break,
            }
            at += size;
        }
        at
    }

    /// Takes the mask off records, and notes where they are.
    fn index(&mut self, mask: u64, records: Range<usize>) {
        let (mut at, end) = (records.start, records.end);
        let Some(records) = self.octets.get_mut(records) else { return };
        unmask(mask, records);
        let mut rest = &*records;
        while let Some((address, _, behind)) = record::first(rest) {
            self.places.push(u64::from(address.to_bits()) << 32 | at as u64);
            at = end - behind.len();
            rest = behind;
        }
    }

    /// What was read, and of what was taken the records without their masks.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Forgets what was read and not taken.
    pub fn cut(&mut self, at: usize) {
        self.octets.truncate(at);
    }

    /// The newest record of each address, in ascending order of addresses.
    pub fn leases(&mut self) -> impl Iterator<Item = Lease> {
        self.places.sort_unstable();
        let same = |one: &u64, other: &u64| one >> 32 == other >> 32;
        let last_of = self.places.chunk_by(same).filter_map(|places| places.last());
        last_of.filter_map(|place| {
            let at = usize::try_from(place & u64::from(u32::MAX)).ok()?;
            record::read(record::first(self.octets.get(at..)?)?.1)
        })
    }
}

/// What to do about a frame.
pub(in crate::store) enum Take {
    Records,
    /// It is known already.
    Nothing,
    /// It is no part of it.
    End,
}
