//! The socket's place: a name in the state directory, for its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};

/// The socket's name in the state directory.
const NAME: &str = "control.sock";

/// Only its owner may ask (and root): answers tell who is on the network, and `stop` stops.
const MODE: Mode = Mode::from_bits_truncate(0o600);

/// How many may wait to be accepted.
const BACKLOG: i32 = 16;

/// The socket is there. Dropped, its name is gone.
#[derive(Debug)]
pub struct Bound {
    directory: File,
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Who removed it before had a reason.
        let _ = fs::remove_file(in_directory(&self.directory));
    }
}

/// Makes the socket in `state_dir`, which the caller has locked: a socket that is there already is
/// what a pxed that died has left.
pub fn bind(state_dir: &Path) -> io::Result<(UnixListener, Bound)> {
    let directory = open(state_dir)?;
    let path = in_directory(&directory);
    remove_stale(&path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Linux gives the name this mode, less the umask, when it makes it: there is no moment in which
    // others could connect.
    fchmod(&socket, MODE)?;
    socket.bind(&SockAddr::unix(&path)?)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), Bound { directory }))
}

/// Connects to the pxed that serves from `state_dir`.
pub(super) fn connect(state_dir: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(in_directory(&open(state_dir)?))
}

/// Removes a socket, and nothing else.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::other(format!("{NAME} is there, and is no socket; remove it"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn open(state_dir: &Path) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(state_dir)
}

/// The socket's path, however long the state directory's own is: a socket's address has room for
/// 107 octets.
fn in_directory(directory: &File) -> PathBuf {
    Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(NAME)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_socket_is_its_owners_and_goes_with_its_server() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("long".repeat(60));
        fs::create_dir(&dir).unwrap();
        let (listener, bound) = bind(&dir).unwrap();
        let path = dir.join(NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        connect(&dir).unwrap();
        drop(listener);
        assert_eq!(connect(&dir).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        // What one that died has left is replaced.
        let (_listener, _bound) = bind(&dir).unwrap();
        connect(&dir).unwrap();
        drop(bound);
        assert_eq!(connect(&dir).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        fs::write(&path, "somebody's").unwrap();
        assert!(bind(dir.path()).unwrap_err().to_string().contains("is no socket; remove it"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
    }
}
