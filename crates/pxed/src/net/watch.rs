//! Hears that interfaces or their addresses have changed.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::unix::AsyncFd;

/// More than any message of the kernel's about one interface; what is longer is cut, and nobody
/// reads it.
const MESSAGE_MAX: usize = 8192;

/// Tells that something has changed, and not what: who wants to know looks at all of it, and so
/// can not be misled by a message that was lost.
#[derive(Debug)]
pub struct InterfaceWatch {
    socket: AsyncFd<OwnedFd>,
}

impl InterfaceWatch {
    /// Begins to listen. Needs no privilege, and tokio's runtime.
    ///
    /// # Errors
    ///
    /// The kernel gives no such socket, or a sandbox keeps it (systemd's `RestrictAddressFamilies`
    /// without `AF_NETLINK`).
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let family = AddressFamily::Netlink;
        let socket = socket(family, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        let groups = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR).cast_unsigned();
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        // SAFETY: the descriptor is the `OwnedFd`'s, which AsyncFd owns: it is open, and the same,
        // until AsyncFd has taken it out of tokio's reactor.
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(Self { socket })
    }

    /// Returns when something has changed since it was asked before.
    ///
    /// # Errors
    ///
    /// The socket is of no use any more.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            if let Ok(changed) = ready.try_io(|socket| drain(socket.get_ref())) {
                return changed;
            }
        }
    }
}

/// Takes in all that there is.
fn drain(socket: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0; MESSAGE_MAX];
    let mut heard = false;
    loop {
        match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            // There was more than the socket could hold: that is a change too.
            Ok(_) | Err(Errno::ENOBUFS) => heard = true,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) if heard => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::net::test_namespace;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn ip(arguments: &str) {
        let words = arguments.split(' ');
        assert!(Command::new("ip").args(words).status().unwrap().success());
    }

    #[test]
    fn changes_of_links_and_addresses_are_told() {
        let test = "changes_of_links_and_addresses_are_told";
        test_namespace::run(&format!("{}::{test}", module_path!()), || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let watch = InterfaceWatch::open().unwrap();
                for change in [
                    "link add made type veth peer name other",
                    "address add 203.0.113.1/30 dev made",
                    "address del 203.0.113.1/30 dev made",
                    "link set made up",
                    "link set made down",
                    "link del made",
                ] {
                    ip(change);
                    timeout(PATIENCE, watch.changed()).await.expect(change).unwrap();
                }
            });
        });
    }

    /// Far more than the socket holds.
    #[test]
    fn what_was_lost_is_a_change_too() {
        let test = "what_was_lost_is_a_change_too";
        test_namespace::run(&format!("{}::{test}", module_path!()), || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let watch = InterfaceWatch::open().unwrap();
                socket2::SockRef::from(&watch.socket.get_ref()).set_recv_buffer_size(0).unwrap();
                for _ in 0..10 {
                    ip("address add 203.0.113.1/30 dev srv");
                    ip("address del 203.0.113.1/30 dev srv");
                }
                timeout(PATIENCE, watch.changed()).await.unwrap().unwrap();
                ip("link set srv down");
                timeout(PATIENCE, watch.changed()).await.unwrap().unwrap();
            });
        });
    }
}
