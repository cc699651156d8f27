//! A frame: one group of commits in the log, whole or not there.
//!
//! ```text
//! magic u32 | length of the records u32 | sequence u64 | commits u32 | CRC-32 u32 | records
//! ```
//!
//! little-endian, and filled up to a multiple of eight. The checksum is of the four numbers before it
//! and of the records. Sequences count groups and never go back, so that what stands in a file from an
//! earlier use of it is told by its sequence.

use pxed_proto::dhcp::Commit;

use super::record;

const MAGIC: u32 = u32::from_le_bytes(*b"pxG1");

/// Octets before the records.
const HEADER: usize = 24;

/// Frames begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;

/// A group, as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Frame<'a> {
    /// Its place among all groups.
    pub sequence: u64,
    /// How many commits it has.
    pub commits: u32,
    /// One behind the other: [`record::first`].
    pub records: &'a [u8],
    /// How many octets it takes in the file.
    pub size: usize,
}

/// Writes a group's frame in place of what `out` holds.
pub(super) fn write(sequence: u64, group: &[Commit], out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER, 0);
    group.iter().for_each(|commit| record::write(&commit.lease, out));
    let length = u32::try_from(out.len() - HEADER).unwrap_or(u32::MAX);
    let commits = u32::try_from(group.len()).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(HEADER);
    header.extend(MAGIC.to_le_bytes());
    header.extend(length.to_le_bytes());
    header.extend(sequence.to_le_bytes());
    header.extend(commits.to_le_bytes());
    let sum = checksum(&header, out.get(HEADER..).unwrap_or_default());
    header.extend(sum.to_le_bytes());
    if let Some(place) = out.get_mut(..HEADER) {
        place.copy_from_slice(&header);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

/// The frame at the beginning of `octets`, if there is one that is whole.
pub(in crate::store) fn read(octets: &[u8]) -> Option<Frame<'_>> {
    let header = octets.get(..HEADER)?;
    let word = |at: usize| {
        let octets = header.get(at..at + 4)?;
        Some(u32::from_le_bytes(octets.try_into().ok()?))
    };
    if word(0)? != MAGIC {
        return None;
    }
    let length = usize::try_from(word(4)?).ok()?;
    let sequence = u64::from(word(8)?) | u64::from(word(12)?) << 32;
    let records = octets.get(HEADER..HEADER.checked_add(length)?)?;
    let whole = checksum(header.get(..HEADER - 4)?, records) == word(HEADER - 4)?;
    let size = (HEADER + length).next_multiple_of(ALIGNMENT);
    whole.then_some(Frame { sequence, commits: word(16)?, records, size })
}

fn checksum(header: &[u8], records: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(header);
    sum.update(records);
    sum.finalize()
}
