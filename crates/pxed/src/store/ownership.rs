//! Giving the store to the user that pxed becomes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::User;

/// What pxed keeps in its directory, besides the files of the commit log.
const FILES: [&str; 7] = [
    "leases.db",
    "leases.db-wal",
    "leases.db-shm",
    "leases.db.new",
    "leases.db.next",
    "pxed.lock",
    "control.sock",
];

/// The directory of certificates ([`crate::tls`]), which pxed makes as the user that it has become.
const TLS: &str = "tls";

/// Creates the directory if it is missing, and makes it and the store's files `user`'s.
///
/// A directory with anything else in it is somebody's, and not given away: `--state-dir .` is a slip
/// of the hand.
///
/// Root does this in a directory that an unprivileged user may own, so it follows no link and
/// touches nothing but regular files that have one name: else that user could have any file of the
/// system given to it.
pub(super) fn create_for(state_dir: &Path, user: &User) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(state_dir) {
        // Its name is made durable: a lease is not, in a directory that a crash takes away.
        Ok(()) => File::open(state_dir.join(".."))?.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    refuse_others(state_dir)?;
    give(state_dir, OFlag::O_DIRECTORY, user)?;
    // The socket is made anew by whoever serves.
    let log = super::log::files(state_dir)?;
    let own = FILES.into_iter().filter(|name| *name != "control.sock");
    for path in own.map(|name| state_dir.join(name)).chain(log) {
        match give(&path, OFlag::empty(), user) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}

fn refuse_others(state_dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(state_dir)? {
        let name = entry?.file_name();
        let own = FILES.iter().any(|own| name == *own) || super::log::is_name(&name);
        if !own && name != TLS {
            let name = name.display();
            return Err(io::Error::other(format!("it holds {name}, so it is not pxed's own")));
        }
    }
    Ok(())
}

fn give(path: &Path, flags: OFlag, user: &User) -> io::Result<()> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() || (metadata.is_file() && metadata.nlink() == 1) {
        fchown(&file, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
    } else {
        Err(io::Error::other(format!("{} is no ordinary file", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::Uid;

    fn myself() -> User {
        User::from_uid(Uid::effective()).unwrap().unwrap()
    }

    #[test]
    fn the_directory_is_made_and_links_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("state");
        create_for(&dir, &myself()).unwrap();
        assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
        create_for(&dir, &myself()).unwrap();

        std::fs::create_dir(dir.join(TLS)).unwrap();
        std::fs::write(dir.join("commits.12"), "").unwrap();
        create_for(&dir, &myself()).unwrap();

        let foreign = dir.join("thesis.txt");
        std::fs::write(&foreign, "").unwrap();
        let error = create_for(&dir, &myself()).unwrap_err().to_string();
        assert!(error.contains("thesis.txt"), "{error}");
        std::fs::remove_file(&foreign).unwrap();

        let elsewhere = parent.path().join("elsewhere");
        std::fs::write(&elsewhere, "").unwrap();
        let name = dir.join("leases.db");
        std::os::unix::fs::symlink(&elsewhere, &name).unwrap();
        assert!(create_for(&dir, &myself()).is_err(), "a symbolic link");
        std::fs::remove_file(&name).unwrap();
        std::fs::hard_link(&elsewhere, &name).unwrap();
        assert!(create_for(&dir, &myself()).is_err(), "a second name of another file");
    }
}
