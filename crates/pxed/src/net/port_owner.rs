//! Who has a port already. Two DHCP servers can bind one port, and each then loses what the kernel
//! gives to the other.

mod sock_diag;

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use pxed_proto::text::Printable;

use super::interface::Interface;
use sock_diag::{BoundSocket, Family};

/// A socket that gets what is sent to a port, and its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// The process; unknown if it is somebody else's and pxed is not root, or in a container.
    pub pid: Option<u32>,
    /// The process's name.
    pub process: Option<String>,
    /// What the socket is bound to.
    pub local: SocketAddr,
}

impl PortOwner {
    /// How to get rid of it.
    pub(super) fn remedy(&self) -> String {
        match self.pid {
            Some(pid) => format!("`systemctl status {pid}` names its service"),
            None => format!("`ss -lunp sport = :{}`, run by root, names it", self.local.port()),
        }
    }
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.process, self.pid) {
            (Some(process), Some(pid)) => write!(f, "{process} (pid {pid})"),
            (None, Some(pid)) => write!(f, "pid {pid}"),
            (_, None) => write!(f, "an unknown process"),
        }
    }
}

/// Which UDP sockets get what comes in by `interface` for IPv4 and `port`. Needs no privilege, but
/// names other users' processes only to root.
///
/// The error is that the kernel can not say it (no `udp_diag`).
pub fn owners(port: u16, interface: &Interface) -> io::Result<Vec<PortOwner>> {
    if port == 0 {
        return Ok(Vec::new()); // the kernel will choose one that nobody has
    }
    let mut sockets = sock_diag::bound_udp_sockets(Family::Inet, port)?;
    match sock_diag::bound_udp_sockets(Family::Inet6, port) {
        Ok(dual_stack) => sockets.extend(dual_stack),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {} // a kernel without IPv6
        Err(error) => return Err(error),
    }
    sockets.retain(|socket| takes_from(socket, interface));
    Ok(sockets.into_iter().map(owner).collect())
}

/// Does `socket` get IPv4 datagrams that come in by `interface`?
fn takes_from(socket: &BoundSocket, interface: &Interface) -> bool {
    let address = match socket.local.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) if socket.v6_only => None,
        IpAddr::V6(address) if address.is_unspecified() => Some(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(address) => address.to_ipv4_mapped(),
    };
    let of_interface = |address: Ipv4Addr| {
        address.is_unspecified() || address.is_broadcast() || interface.answers_to(address)
    };
    (socket.device == 0 || socket.device == interface.index) && address.is_some_and(of_interface)
}

fn owner(socket: BoundSocket) -> PortOwner {
    let pid = process_with_socket(socket.inode);
    let process = pid.and_then(|pid| fs::read(format!("/proc/{pid}/comm")).ok());
    let process = process.map(|name| Printable(name.trim_ascii_end()).to_string());
    PortOwner { pid, process, local: socket.local }
}

/// The first process that holds the socket; skips what it may not read and what has just ended.
fn process_with_socket(inode: u32) -> Option<u32> {
    let link = format!("socket:[{inode}]");
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|to| to.as_os_str() == &*link)
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(holds)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use pxed_proto::net::Ipv4Net;
    use socket2::{Domain, SockRef, Socket, Type};

    use super::*;

    fn loopback() -> Interface {
        Interface::find("lo").unwrap()
    }

    #[test]
    fn an_own_socket_is_found_with_its_process() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        let name = fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned();
        let expected = PortOwner { pid: Some(std::process::id()), process: Some(name), local };
        assert_eq!(owners(local.port(), &loopback()).unwrap(), [expected]);
    }

    #[test]
    fn a_socket_on_another_interface_is_no_conflict() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        SockRef::from(&socket).bind_device(Some(b"lo")).unwrap();
        let port = socket.local_addr().unwrap().port();
        let elsewhere = Interface { index: 77, ..loopback() };
        assert_eq!(owners(port, &loopback()).unwrap().len(), 1);
        assert_eq!(owners(port, &elsewhere).unwrap(), []);
    }

    #[test]
    fn an_ipv6_socket_has_ipv4_as_well_unless_it_says_no() {
        for (v6_only, expected) in [(false, 1), (true, 0)] {
            let Ok(socket) = Socket::new(Domain::IPV6, Type::DGRAM, None) else {
                eprintln!("NOT TESTED: this kernel has no IPv6");
                return;
            };
            socket.set_only_v6(v6_only).unwrap();
            socket.bind(&SocketAddr::from(([0u16; 8], 0)).into()).unwrap();
            let port = socket.local_addr().unwrap().as_socket().unwrap().port();
            assert_eq!(owners(port, &loopback()).unwrap().len(), expected);
        }
    }

    #[test]
    fn what_is_a_conflict_on_an_interface() {
        let address = Ipv4Addr::new(192, 0, 2, 9);
        let addresses = vec![(address, Ipv4Net::new(address, 24).unwrap())];
        let eth0 = Interface { index: 2, addresses, ..loopback() };
        for (local, device, v6_only, conflict) in [
            ("0.0.0.0:67", 0, false, true),
            ("0.0.0.0:67", 2, false, true),
            ("0.0.0.0:67", 3, false, false), // libvirt's dnsmasq on virbr0
            ("255.255.255.255:67", 0, false, true),
            ("192.0.2.9:67", 0, false, true),
            ("192.0.2.255:67", 0, false, true),
            ("192.0.2.10:67", 0, false, false),
            ("[::]:67", 0, false, true),
            ("[::]:67", 0, true, false),
            ("[::]:67", 3, false, false),
            ("[::ffff:192.0.2.9]:67", 0, false, true),
            ("[2001:db8::9]:67", 0, false, false),
        ] {
            let socket = BoundSocket { local: local.parse().unwrap(), device, v6_only, inode: 1 };
            assert_eq!(takes_from(&socket, &eth0), conflict, "{local} on device {device}");
        }
    }

    #[test]
    fn owners_are_named_as_far_as_known() {
        let local = "0.0.0.0:67".parse().unwrap();
        let owner = |pid, process: Option<&str>| {
            let owner = PortOwner { pid, process: process.map(str::to_owned), local };
            format!("{owner}: {}", owner.remedy())
        };
        assert_eq!(
            owner(Some(1234), Some("dnsmasq")),
            "dnsmasq (pid 1234): `systemctl status 1234` names its service"
        );
        assert_eq!(
            owner(None, None),
            "an unknown process: `ss -lunp sport = :67`, run by root, names it"
        );
    }
}
