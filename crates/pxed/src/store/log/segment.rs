//! The files of the log: each of one size, allocated before it is used.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};
use pxed_proto::limits;

use crate::store::disk::{Call, Disk};

/// What the names of the files begin with; a number follows.
const NAME: &str = "commits.";

/// A file of the log.
#[derive(Debug)]
pub(in crate::store) struct Segment {
    pub file: File,
    pub path: PathBuf,
}

impl Segment {
    /// Makes a file whose room and name are durable before a commit stands in it.
    pub fn allocate(disk: &Disk, directory: &Path) -> io::Result<Self> {
        disk.asked(Call::Allocate)?;
        let (file, path) = create(directory)?;
        let made = reserve(&file).and_then(|()| file.sync_all());
        match made.and_then(|()| disk.sync_names(directory)) {
            Ok(()) => Ok(Self { file, path }),
            Err(error) => {
                // Half a file is no use, and on a full disk in the way.
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }
}

/// The first name that is free: few are taken, and those that could not be removed are let be.
fn create(directory: &Path) -> io::Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let mut number = 0;
    loop {
        let path = directory.join(format!("{NAME}{number}"));
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            opened => return opened.map(|file| (file, path)),
        }
    }
}

fn reserve(file: &File) -> io::Result<()> {
    let size = i64::try_from(limits::LOG_SEGMENT).unwrap_or(i64::MAX);
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        // Then a write may find the disk full; that is a fault like any other.
        Err(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::ENOSYS) => {
            file.set_len(limits::LOG_SEGMENT)
        }
        result => result.map_err(io::Error::from),
    }
}

/// Is it the name of a file of the log?
pub(in crate::store) fn is_name(name: &OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.strip_prefix(NAME));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The files of the log that are there, in no order.
pub(in crate::store) fn all(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if is_name(&entry.file_name()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes every file of the log, durably.
pub(in crate::store) fn remove_all(disk: &Disk, directory: &Path) -> io::Result<()> {
    let files = all(directory)?;
    if files.is_empty() {
        return Ok(());
    }
    files.iter().try_for_each(std::fs::remove_file)?;
    disk.sync_names(directory)
}
