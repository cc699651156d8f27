//! A frame: one group of commits in the log, whole or not there.
//!
//! ```text
//! magic u32 | length of the records u32 | sequence u64 | mask u64 | commits u32 | CRC-32 u32 | records
//! ```
//!
//! little-endian, and filled up to a multiple of eight. The checksum is of the five numbers before it
//! and of the records. Sequences count groups and never go back, so that what stands in a file from an
//! earlier use of it is told by its sequence.
//!
//! Records are masked: in the file stands each octet's exclusive or with one of the mask. Clients have a say in
//! what records are, and whole groups are looked for behind one that is torn ([`mod@super::replay`]): a
//! client identifier that reads as a group must not be found there. So the mask is what no client
//! knows.

use pxed_proto::dhcp::Commit;

use super::record;

const MAGIC: u32 = u32::from_le_bytes(*b"pxG2");

/// Octets before the records.
pub(super) const HEADER: usize = 32;

/// Frames begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;

/// A group, as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Frame<'a> {
    /// Its place among all groups.
    pub sequence: u64,
    /// How many commits it has.
    pub commits: u32,
    /// One behind the other, masked: [`unmask`], then [`record::first`].
    pub records: &'a [u8],
    pub mask: u64,
    /// How many octets it takes in the file.
    pub size: usize,
}

/// Writes a group's frame in place of what `out` holds.
pub(super) fn write(sequence: u64, mask: u64, group: &[Commit], out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER, 0);
    group.iter().for_each(|commit| record::write(&commit.lease, out));
    unmask(mask, out.get_mut(HEADER..).unwrap_or_default());
    let length = u32::try_from(out.len() - HEADER).unwrap_or(u32::MAX);
    let commits = u32::try_from(group.len()).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(HEADER);
    header.extend(MAGIC.to_le_bytes());
    header.extend(length.to_le_bytes());
    header.extend(sequence.to_le_bytes());
    header.extend(mask.to_le_bytes());
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
    let long = |at: usize| Some(u64::from(word(at)?) | u64::from(word(at + 4)?) << 32);
    let (sequence, mask) = (long(8)?, long(16)?);
    let records = octets.get(HEADER..HEADER.checked_add(length)?)?;
    let whole = checksum(header.get(..HEADER - 4)?, records) == word(HEADER - 4)?;
    let size = (HEADER + length).next_multiple_of(ALIGNMENT);
    whole.then_some(Frame { sequence, commits: word(24)?, records, mask, size })
}

/// Masks records, and takes the mask off again.
pub(super) fn unmask(mask: u64, records: &mut [u8]) {
    let (words, rest) = records.as_chunks_mut();
    words.iter_mut().for_each(|word| *word = (u64::from_le_bytes(*word) ^ mask).to_le_bytes());
    rest.iter_mut().zip(mask.to_le_bytes()).for_each(|(octet, mask)| *octet ^= mask);
}

fn checksum(header: &[u8], records: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(header);
    sum.update(records);
    sum.finalize()
}
