//! Names that are written in other letters than the file's.

use std::fs::File;
use std::os::fd::OwnedFd;

use nix::dir::Dir;
use pxed_proto::limits;

use super::BootDir;

impl BootDir {
    /// The name of the file that `name` means if the case of its letters makes no difference, as it
    /// is written; of two that differ in nothing else, the first in the order of their octets.
    pub(super) fn whatever_case(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut found: Vec<u8> = Vec::new();
        for part in name.split(|byte| *byte == b'/') {
            let directory = if found.is_empty() { &b"."[..] } else { &found };
            let entry = entry_of(self.lookup(directory).ok()?, part)?;
            if !found.is_empty() {
                found.push(b'/');
            }
            found.extend_from_slice(&entry);
        }
        Some(found)
    }
}

/// The directory's entry of that name, if that is written so, or else in other letters.
fn entry_of(directory: File, part: &[u8]) -> Option<Vec<u8>> {
    let entries = Dir::from_fd(OwnedFd::from(directory)).ok()?.into_iter();
    let names = entries.take(limits::CASE_ENTRIES_MAX).flatten();
    let names = names.map(|entry| entry.file_name().to_bytes().to_vec());
    let alike = names.filter(|name| name.eq_ignore_ascii_case(part));
    alike.min_by_key(|name| (name != part, name.clone()))
}
