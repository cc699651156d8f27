//! The files that pxed serves here: names, lengths, and octets that follow from name and offset.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::random::mix;

/// What a file does when a machine runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// iPXE as BIOS code.
    IpxeBios,
    /// iPXE as an EFI program.
    IpxeEfi,
    /// A Linux kernel.
    Kernel,
    /// Nothing: it is data.
    None,
}

/// One file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its octets' number.
    pub len: u64,
    /// What it does.
    pub program: Program,
}

/// What is served, by name.
#[derive(Clone, Debug)]
pub struct Files(BTreeMap<String, File>);

impl Files {
    /// The files of the stories: sizes as in life.
    pub fn usual() -> Self {
        Self::of([71_000, 1_035_264, 8_200_000, 24_000_000])
    }

    /// Small ones, for many boots in short time.
    pub fn small() -> Self {
        Self::of([20_480, 41_000, 100_000, 200_000])
    }

    fn of([undionly, efi, kernel, initrd]: [u64; 4]) -> Self {
        let file = |name: &str, len, program| (name.to_owned(), File { len, program });
        Self(BTreeMap::from([
            file("undionly.kpxe", undionly, Program::IpxeBios),
            file("ipxe.efi", efi, Program::IpxeEfi),
            file("vmlinuz", kernel, Program::Kernel),
            file("initrd.gz", initrd, Program::None),
        ]))
    }

    /// The same, with another length of one file.
    #[must_use]
    pub fn with(mut self, name: &str, len: u64) -> Self {
        self.0.entry(name.to_owned()).and_modify(|file| file.len = len);
        self
    }

    /// The file of that name.
    pub fn get(&self, name: &str) -> Option<File> {
        self.0.get(name).copied()
    }

    /// Which file these octets are; `None` if they are none of them, or damaged.
    pub fn identify(&self, octets: &[u8]) -> Option<&str> {
        let len = octets.len() as u64;
        let candidates = self.0.iter().filter(|(_, file)| file.len == len);
        candidates.map(|(name, _)| name.as_str()).find(|name| read(name, 0..len) == octets)
    }
}

/// Octets of the file of that name.
pub fn read(name: &str, range: Range<u64>) -> Vec<u8> {
    let seed = name.bytes().fold(1, |seed, byte| mix(seed ^ u64::from(byte)));
    range.map(|at| mix(seed.wrapping_add(at / 8)).to_le_bytes()[at as usize % 8]).collect()
}
