//! Noticing that a file may have changed.
//!
//! Editors put another file in its place, configuration management writes into it, perhaps in
//! pieces, and a container's platform turns a symbolic link that is on the way. So every change in
//! the file's directory, and in the directories that symbolic links lead through, is a reason to
//! look and not a message to read.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::{info, warn};

/// A file that has been the same for so long is complete.
const SETTLED: Duration = Duration::from_millis(500);

/// How long until a look that no change announces.
const RETRY: Duration = Duration::from_secs(1);

/// So many symbolic links the kernel follows as well.
const LINKS_MAX: usize = 40;

/// Has `look` look at the file whenever it may have changed.
pub(super) async fn follow(path: &Path, look: impl AsyncFn()) -> Infallible {
    let (watch, mut told) = (Watch::start(), false);
    info!("watching {}", path.display());
    loop {
        // First listen, then look: what changes meanwhile is heard.
        let listening = match &watch {
            Ok(watch) => watch.add(path).map(|()| watch),
            Err(error) => Err(*error),
        };
        settled(path).await;
        look().await;
        match listening {
            Ok(watch) => watch.changed.notified().await,
            Err(error) => {
                if !told {
                    let path = path.display();
                    warn!("changes of {path} are not told, pxed looks every second: {error}");
                }
                sleep(RETRY).await;
            }
        }
        told = listening.is_err();
    }
}

/// Returns when the file has not changed for a while.
async fn settled(path: &Path) {
    let mut before = stamp(path);
    loop {
        sleep(SETTLED).await;
        let now = stamp(path);
        if now == before {
            return;
        }
        before = now;
    }
}

/// What is another where the file is.
fn stamp(path: &Path) -> Option<[i128; 5]> {
    let found = fs::metadata(path).ok()?;
    let (device, inode, len) = (found.dev().into(), found.ino().into(), found.len().into());
    Some([device, inode, len, found.mtime().into(), found.mtime_nsec().into()])
}

/// Tells that something in a directory has changed, and not what.
struct Watch {
    inotify: Arc<Inotify>,
    changed: Arc<Notify>,
}

impl Watch {
    /// A thread of its own waits for the kernel; it ends with the process.
    fn start() -> Result<Self, Errno> {
        let inotify = Arc::new(Inotify::init(InitFlags::IN_CLOEXEC)?);
        let changed = Arc::new(Notify::new());
        let watch = Self { inotify: inotify.clone(), changed: changed.clone() };
        let listen = move || {
            while matches!(inotify.read_events(), Ok(_) | Err(Errno::EINTR)) {
                changed.notify_one();
            }
        };
        let thread = thread::Builder::new().name("pxed-watch".to_owned()).spawn(listen);
        thread.map(|_| watch).map_err(|_| Errno::EAGAIN)
    }

    /// Listens to the file's directories; to one that it listens to already it listens once.
    fn add(&self, path: &Path) -> Result<(), Errno> {
        let changes = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF;
        directories(path).iter().try_for_each(|directory| {
            self.inotify.add_watch(directory, AddWatchFlags::IN_ONLYDIR | changes).map(drop)
        })
    }
}

/// The file's directory, and every one with a symbolic link that leads there.
fn directories(path: &Path) -> Vec<PathBuf> {
    let backwards = |path: &Path| -> Vec<PathBuf> {
        path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect()
    };
    let (mut directories, mut at) = (Vec::new(), PathBuf::new());
    let mut parts = backwards(&std::path::absolute(path).unwrap_or_default());
    while let Some(part) = parts.pop() {
        let here = at.join(part);
        match fs::read_link(&here) {
            Ok(target) if directories.len() < LINKS_MAX => {
                directories.push(at.clone());
                parts.extend(backwards(&target));
            }
            _ => at = here,
        }
    }
    directories.extend(at.parent().map(Path::to_owned));
    directories
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_on_the_way_has_its_directory_watched() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(root.join("releases/7/files")).unwrap();
        fs::write(root.join("releases/7/files/pxed.toml"), "").unwrap();
        symlink("releases/7", root.join("current")).unwrap();
        symlink("../current/files/pxed.toml", root.join("etc/pxed.toml")).unwrap();
        let up = root.join("etc/..");
        let expected = [root.join("etc"), up.clone(), up.join("releases/7/files")];
        assert_eq!(directories(&root.join("etc/pxed.toml")), expected);
        assert_eq!(directories(&root.join("etc/gone.toml")), [root.join("etc")]);
        // The kernel refuses it as well.
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(directories(&root.join("loop")).len(), LINKS_MAX + 1);
    }
}
