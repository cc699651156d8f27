//! Files to sockets without a copy of ours, and without waiting for a disk where nobody may.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::sendfile::sendfile64;

/// Hands octets of `file` to a socket that does not wait: as many as it takes, 0 behind the file's
/// end. May wait for the disk.
///
/// # Errors
///
/// What the system says; `WouldBlock` where the socket takes nothing now.
pub fn send_file(socket: &impl AsFd, file: &File, at: u64, len: usize) -> io::Result<usize> {
    let mut offset = i64::try_from(at).map_err(io::Error::other)?;
    Ok(sendfile64(socket, file, Some(&mut offset), len)?)
}

/// As many octets as the kernel reads ahead at once, if nobody tells it otherwise.
const READ_AHEAD: usize = 128 * 1024;

/// Are these octets in the kernel's memory, so that reading them waits for no disk? It looks at the
/// last one, and where there are more than are read at once at the first: the kernel reads files ahead in
/// order, so there is seldom a gap before them, and who meets one waits for one read of the disk. "No" also
/// where the file system does not tell.
pub fn is_at_hand(file: &File, at: u64, len: usize) -> bool {
    let last = at.saturating_add(len as u64).saturating_sub(1).max(at);
    let mut octet = [0];
    // An octet behind the file's end is nothing to wait for.
    let mut there = |at| read_at_hand(file, &mut octet, at).is_ok();
    there(last) && (len <= READ_AHEAD || there(at))
}

/// Reads what the kernel has of `file` at this offset.
///
/// # Errors
///
/// `WouldBlock` where it would have to wait for the disk; `Unsupported` where the file system can
/// not say so.
pub fn read_at_hand(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let offset = libc::off_t::try_from(at).map_err(io::Error::other)?;
    let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: `part` describes `buffer`, which is writable, and borrowed for as long as the call
    // lasts; the kernel writes at most `iov_len` octets there and keeps neither pointer.
    let read =
        unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, libc::RWF_NOWAIT) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Would a socket take anything now?
pub fn is_writable(socket: &impl AsFd) -> bool {
    let mut sockets = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    !matches!(poll(&mut sockets, PollTimeout::ZERO), Ok(0))
}

/// How many octets of what a TCP socket was given its peer has not acknowledged.
///
/// # Errors
///
/// What the system says.
pub fn unacknowledged(socket: &impl AsFd) -> io::Result<u64> {
    let mut octets: libc::c_int = 0;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: SIOCOUTQ (tcp(7)), which has TIOCOUTQ's number, writes one int to the address that it
    // is given, which is that of a local variable.
    let result = unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &raw mut octets) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    u64::try_from(octets).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn a_file_goes_to_a_socket_as_far_as_that_takes_it() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let (near, mut far) = pair();
        assert_eq!(send_file(&near, &file, 2, 5).unwrap(), 5);
        let mut octets = [0; 5];
        far.read_exact(&mut octets).unwrap();
        assert_eq!(&octets, b"23456");
        assert_eq!(send_file(&near, &file, 8, 5).unwrap(), 2, "the file ends");
        assert_eq!(send_file(&near, &file, 10, 5).unwrap(), 0);

        near.set_nonblocking(true).unwrap();
        file.set_len(64 << 20).unwrap();
        let full = loop {
            if let Err(error) = send_file(&near, &file, 0, 64 << 20) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(!is_writable(&near) && unacknowledged(&near).unwrap() > 0);
    }

    #[test]
    fn what_was_written_just_now_is_at_hand() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 600_000]).unwrap();
        let mut octets = [0; 4];
        match read_at_hand(&file, &mut octets, 599_998) {
            Ok(read) => assert_eq!((read, octets), (2, [7, 7, 0, 0])),
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return,
            Err(error) => panic!("{error}"),
        }
        assert!(is_at_hand(&file, 0, 600_000));
        assert!(is_at_hand(&file, 599_999, 1) && is_at_hand(&file, 600_000, 9));
    }
}
