//! The interfaces there are, with what a DHCP server has to know of them.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use pxed_proto::net::{Ipv4Net, Mac};

/// A network interface as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `eth0`.
    pub name: Arc<str>,
    /// The kernel's number for it, never 0; an interface that is made again has another.
    pub index: u32,
    /// Its hardware address; zero on the loopback and where it is not an Ethernet address.
    pub mac: Mac,
    /// It is set up, whether or not there is a cable.
    pub up: bool,
    /// Its IPv4 addresses, each with its network.
    pub addresses: Vec<(Ipv4Addr, Ipv4Net)>,
    /// The longest IP packet that it sends, in octets.
    pub mtu: u32,
}

/// Why pxed can not serve an interface.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// There is none of this name.
    #[error("no interface {name}; this machine has {present}: name one of these")]
    NotFound {
        /// What was asked for.
        name: String,
        /// The names that there are, for the reader.
        present: String,
    },
    /// It has no IPv4 address.
    #[error(
        "interface {name} has no IPv4 address, and a DHCP server answers from one: give it one \
         (`ip address add 192.0.2.1/24 dev {name}`) or name another interface"
    )]
    NoAddress {
        /// What was asked for.
        name: String,
    },
    /// The kernel does not tell.
    #[error("interface {name}: the kernel does not describe it")]
    System {
        /// What was asked for.
        name: String,
        /// What it said.
        source: io::Error,
    },
}

impl Interface {
    /// The interface `name` with its addresses of now, at least one.
    pub fn find(name: &str) -> Result<Self, InterfaceError> {
        let found = Self::look(name)?;
        if found.addresses.is_empty() {
            return Err(InterfaceError::NoAddress { name: name.to_owned() });
        }
        Ok(found)
    }

    /// The same, where it may have no address.
    pub fn look(name: &str) -> Result<Self, InterfaceError> {
        let system = |source| InterfaceError::System { name: name.to_owned(), source };
        let everything: Vec<_> = getifaddrs().map_err(|error| system(error.into()))?.collect();
        let own = || everything.iter().filter(|entry| device(entry) == name);
        let (index, mac) = own().find_map(link).ok_or_else(|| not_found(name, &everything))?;
        let up = own().any(|entry| entry.flags.contains(InterfaceFlags::IFF_UP));
        let addresses = own().filter_map(ipv4).collect();
        let mtu = mtu(name).map_err(system)?;
        Ok(Self { name: name.into(), index, mac, up, addresses, mtu })
    }

    /// An interface that is not there yet, or has no address yet, as the configuration describes it.
    pub fn awaited(name: &str, address: Ipv4Addr, net: Ipv4Net) -> Self {
        let (index, mac, addresses) = (0, Mac([0; 6]), vec![(address, net)]);
        Self { name: name.into(), index, mac, up: false, addresses, mtu: 1500 }
    }

    /// Was it not there when it was looked for?
    pub fn is_awaited(&self) -> bool {
        self.index == 0
    }

    /// Is `address` on one of the interface's own networks?
    pub fn is_neighbour(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|(_, net)| net.contains(address))
    }

    /// Is `address` one of the interface's own, or the broadcast address of one of its networks?
    pub(super) fn answers_to(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|(own, net)| *own == address || net.broadcast() == address)
    }
}

fn not_found(name: &str, everything: &[InterfaceAddress]) -> InterfaceError {
    let is_lo = |entry: &&InterfaceAddress| entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
    let mut present: BTreeSet<&str> = everything.iter().map(device).collect();
    if present.len() > 1 {
        let own: BTreeSet<&str> = everything.iter().filter(is_lo).map(device).collect();
        present.retain(|name| !own.contains(name));
    }
    let present = present.into_iter().collect::<Vec<_>>().join(", ");
    InterfaceError::NotFound { name: name.to_owned(), present }
}

/// An address may carry a label, `eth0:backup`; no interface has a colon in its name.
fn device(entry: &InterfaceAddress) -> &str {
    entry.interface_name.split(':').next().unwrap_or_default()
}

fn link(entry: &InterfaceAddress) -> Option<(u32, Mac)> {
    let address = entry.address.as_ref()?.as_link_addr()?;
    let mac = address.addr().filter(|_| address.halen() == 6).unwrap_or_default();
    Some((u32::try_from(address.ifindex()).ok()?, Mac(mac)))
}

fn ipv4(entry: &InterfaceAddress) -> Option<(Ipv4Addr, Ipv4Net)> {
    let address = entry.address.as_ref()?.as_sockaddr_in()?.ip();
    let mask = entry.netmask.as_ref()?.as_sockaddr_in()?.ip();
    Some((address, Ipv4Net::with_mask(address, mask)?))
}

/// By ioctl and not from /sys, which may show another network namespace than the one we are in.
fn mtu(name: &str) -> io::Result<u32> {
    let any_socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_mtu: 0 },
    };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from.cast_signed();
    }
    // SAFETY: SIOCGIFMTU reads the name, which ends in zero, and writes the MTU, both in `request`.
    let result = unsafe { libc::ioctl(any_socket.as_raw_fd(), libc::SIOCGIFMTU, &mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the ioctl succeeded, so the MTU is what the union holds.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    u32::try_from(mtu).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::net::test_namespace;

    #[test]
    fn the_loopback_is_found_with_all_it_has() {
        let lo = Interface::find("lo").unwrap();
        assert_eq!((&*lo.name, lo.mac), ("lo", Mac([0; 6])));
        assert_eq!(lo.index, nix::net::if_::if_nametoindex("lo").unwrap());
        let net = Ipv4Net::new(Ipv4Addr::LOCALHOST, 8).unwrap();
        assert!(lo.addresses.contains(&(Ipv4Addr::LOCALHOST, net)));
        let mtu = std::fs::read_to_string("/sys/class/net/lo/mtu").unwrap();
        assert_eq!(mtu.trim(), lo.mtu.to_string());
    }

    #[test]
    fn an_unknown_interface_is_answered_with_those_there_are() {
        let text = Interface::find("eth77").unwrap_err().to_string();
        assert!(text.starts_with("no interface eth77; this machine has "), "{text}");
        assert_eq!(text.contains(" lo"), text.contains("has lo:"), "only if it is alone: {text}");
    }

    #[test]
    fn an_address_with_a_label_counts_and_none_is_an_error() {
        let test = "an_address_with_a_label_counts_and_none_is_an_error";
        test_namespace::run(&format!("{}::{test}", module_path!()), || {
            let ip = |arguments: &str| {
                assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success());
            };
            ip("address add 203.0.113.1/30 dev srv label srv:backup");
            ip("link set srv mtu 9000");
            let srv = Interface::find("srv").unwrap();
            let addresses: Vec<String> =
                srv.addresses.iter().map(|(own, net)| format!("{own} {net}")).collect();
            assert_eq!(addresses, ["192.0.2.9 192.0.2.0/24", "203.0.113.1 203.0.113.0/30"]);
            assert_eq!(srv.mtu, 9000);
            ip("address flush dev srv");
            let error = Interface::find("srv").unwrap_err();
            assert!(matches!(error, InterfaceError::NoAddress { .. }), "{error}");
        });
    }
}
