//! One pxed for one state directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreError;

/// Locks the state directory for as long as the file is open: the kernel unlocks it, however the
/// process ends. The file stays, since who would delete it could delete another's lock.
pub(super) fn take(state_dir: &Path) -> Result<File, StoreError> {
    let path = state_dir.join("pxed.lock");
    let failed = |cause| StoreError::file("lock", &path, cause);
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => sign(&mut file).map_err(failed)?,
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Locked { owner: owner(file), state_dir: state_dir.to_owned() });
        }
        Err(TryLockError::Error(cause)) => return Err(failed(cause)),
    }
    Ok(file)
}

/// Says who has the lock.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// Reads who has the lock. Nothing is there yet if the owner got it this moment.
fn owner(file: File) -> String {
    let mut text = String::new();
    let read = file.take(16).read_to_string(&mut text).ok();
    match read.and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(pid) => format!("another pxed (process {pid})"),
        None => "another pxed".to_owned(),
    }
}
