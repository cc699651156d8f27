//! Noticing that a file may have changed.
//!
//! Editors put another file in its place, configuration management writes into it, perhaps in
//! pieces, a container's platform turns a symbolic link that is on the way, and a release takes the
//! place of a directory above. So every change in the file's directory and in the directories that
//! symbolic links lead through, and every move of one above them, is a reason to look and not a
//! message to read.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
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
    let (mut watch, mut told) = (Watch::start(), false);
    info!("watching {}", path.display());
    loop {
        // First listen, then look: what changes meanwhile is heard.
        let listening = match &mut watch {
            Ok(watch) => watch.listen(path).map(|()| &*watch),
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
    /// What is listened to.
    directories: BTreeSet<WatchDescriptor>,
}

impl Watch {
    /// A thread of its own waits for the kernel; it ends with the process.
    fn start() -> Result<Self, Errno> {
        let inotify = Arc::new(Inotify::init(InitFlags::IN_CLOEXEC)?);
        let changed = Arc::new(Notify::new());
        let (heard, directories) = (inotify.clone(), BTreeSet::new());
        let watch = Self { inotify: heard, changed: changed.clone(), directories };
        let listen = move || {
            while matches!(inotify.read_events(), Ok(_) | Err(Errno::EINTR)) {
                changed.notify_one();
            }
        };
        let thread = thread::Builder::new().name("pxed-watch".to_owned()).spawn(listen);
        thread.map(|_| watch).map_err(|_| Errno::EAGAIN)
    }

    /// Listens to the file's directories as they are now, and no longer to those that they were.
    fn listen(&mut self, path: &Path) -> Result<(), Errno> {
        let moves = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        let changes = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE;
        let add = |directory: &Path, flags| {
            self.inotify.add_watch(directory, AddWatchFlags::IN_ONLYDIR | flags)
        };
        let directories = directories(path);
        // Not all that lies above may be readable. What is in both is told more of, and so the last.
        let above = directories.iter().flat_map(|directory| directory.ancestors().skip(1));
        let above = above.filter_map(|above| add(above, moves).ok());
        let mut listening: BTreeSet<WatchDescriptor> = above.collect();
        for directory in &directories {
            listening.insert(add(directory, changes | moves)?);
        }
        for old in self.directories.difference(&listening) {
            // One that was deleted is forgotten by the kernel.
            let _ = self.inotify.rm_watch(*old);
        }
        self.directories = listening;
        Ok(())
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

    #[test]
    fn directories_that_the_file_has_left_are_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let (link, mut watch) = (dir.path().join("current"), Watch::start().unwrap());
        let mut counts = Vec::new();
        for release in ["1", "2", "3"] {
            fs::create_dir(dir.path().join(release)).unwrap();
            let _ = fs::remove_file(&link);
            symlink(release, &link).unwrap();
            watch.listen(&link.join("pxed.toml")).unwrap();
            counts.push(watch.directories.len());
        }
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    }
}
