//! Opening what the kernel has in memory, for those who must not wait for a disk.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, ResolveFlag, openat2};
use pxed_proto::net::Mac;

use super::names::{self, PROFILE_PREFIX, normalized};
use super::{BENEATH, Files, OpenFile, Roots, how, regular};

impl Files {
    /// The same as [`Files::open_for`], if the kernel can do it from memory alone; nothing, where
    /// somebody might have to wait for a disk, or where there is more to say.
    pub fn open_at_hand(&self, name: &[u8], machine: Option<Mac>) -> Option<OpenFile> {
        let roots = self.roots();
        let name = normalized(name).ok()?;
        let names = names::of_machine(&name, machine);
        let mut found = names.iter().map(|name| roots.open_at_hand(name));
        found.find(|found| !matches!(found, Err(Errno::ENOENT)))?.ok()
    }
}

impl Roots {
    /// ENOENT is: for certain not there.
    fn open_at_hand(&self, name: &[u8]) -> Result<OpenFile, Errno> {
        let named = self.named.get(name);
        let of_profile = named.is_some() && name.starts_with(PROFILE_PREFIX);
        let found = match self.boot_dir.as_ref().filter(|_| !of_profile) {
            Some(dir) => openat2(&dir.fd, OsStr::from_bytes(name), how(BENEATH | cached())),
            None => Err(Errno::ENOENT),
        };
        let found = match (found, named) {
            // It may be there in other letters.
            (Err(Errno::ENOENT), _) if self.case_insensitive && !of_profile => Err(Errno::EAGAIN),
            (Err(Errno::ENOENT), Some(path)) => openat2(AT_FDCWD, path, how(cached())),
            (found, _) => found,
        };
        regular(File::from(found?)).map_err(|_| Errno::EINVAL)
    }
}

/// Fail rather than wait (Linux 5.12).
fn cached() -> ResolveFlag {
    ResolveFlag::from_bits_retain(libc::RESOLVE_CACHED)
}
