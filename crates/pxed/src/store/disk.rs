//! The calls by which leases reach a disk, in one place, so that a test can have each of them fail.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What a disk may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// To make a file of the log.
    Allocate,
    /// To take octets of the log.
    Write,
    /// To make them durable.
    Sync,
    /// To take a part of the log into the database.
    Follow,
    /// To take a page of leases into a new database.
    Page,
    /// To put a new database in the place of the old one.
    Replace,
}

/// The disk; a test makes it fail.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    faults: std::sync::Arc<std::sync::Mutex<std::collections::BTreeMap<u8, i32>>>,
}

impl Disk {
    /// Has the disk taken a call so far? Where it fails by itself there is no need to ask.
    pub fn asked(&self, call: Call) -> io::Result<()> {
        #[cfg(test)]
        if let Some(errno) = self.faults.lock().unwrap().get(&(call as u8)) {
            return Err(io::Error::from_raw_os_error(*errno));
        }
        let _ = call;
        Ok(())
    }

    pub fn write(&self, file: &File, octets: &[u8], offset: u64) -> io::Result<()> {
        self.asked(Call::Write)?;
        file.write_all_at(octets, offset)
    }

    pub fn sync(&self, file: &File) -> io::Result<()> {
        self.asked(Call::Sync)?;
        file.sync_data()
    }

    /// Makes the names in a directory durable.
    pub fn sync_names(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    /// From now on the disk refuses this call so, or takes it again.
    #[cfg(test)]
    pub fn refuse(&self, call: Call, errno: Option<i32>) {
        let mut faults = self.faults.lock().unwrap();
        match errno {
            Some(errno) => faults.insert(call as u8, errno),
            None => faults.remove(&(call as u8)),
        };
    }
}
