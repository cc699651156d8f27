//! Tests that need a network of their own, or privileges to lose: each runs once more, alone, in a
//! child process with a network namespace; without root in a user namespace as well.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::geteuid;
use pxed_proto::net::Mac;
use socket2::{Domain, Protocol, Socket, Type};

use super::Interface;
use super::packet_socket::link_address;

const INSIDE: &str = "PXED_TEST_NAMESPACE";

/// `srv` and `cli` are the two ends of a cable.
const SET_UP: &str = "
    ip link set lo up
    ip link add srv type veth peer name cli
    ip address add 192.0.2.9/24 dev srv
    ip address add 198.51.100.1/24 dev cli
    ip link set cli up
    ip link set srv up
    exec \"$@\"";

/// Runs `body`, which is what test `name` (with its path) does, inside; or says why it can not.
pub(crate) fn run(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let unshare = |command: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(if geteuid().is_root() {
            &["--net"][..]
        } else {
            &["--net", "--map-root-user"]
        });
        unshare.args(["sh", "-ec", SET_UP, "sh"]).args(command).env(INSIDE, "1").output()
    };
    match unshare(&["true"]) {
        Ok(output) if output.status.success() => {}
        failed => return not_tested(name, &format!("no namespaces here: {failed:?}")),
    }
    let (_, path) = name.split_once("::").unwrap();
    let program = std::env::current_exe().unwrap();
    let child = [program.to_str().unwrap(), "--exact", path, "--test-threads=1", "--nocapture"];
    let output = unshare(&child).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(passed, "in its namespace, {path} failed:\n{said}{complained}");
}

/// Past the test harness, which keeps what passing tests print. For CI it is a failure.
pub(crate) fn not_tested(name: &str, reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "NOT TESTED: {name}: {reason}");
    let _ = writeln!(io::stderr(), "\nNOT TESTED: {name}: {reason}");
}

/// Waits until there is something to receive; a test that hangs has failed.
pub(crate) fn wait_for(socket: &impl AsFd) {
    assert!(comes_within(10_000, socket), "nothing came");
}

pub(crate) fn comes_within(milliseconds: u16, socket: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::from(milliseconds)).unwrap() == 1
}

/// One end of the cable, for whole Ethernet frames.
pub(crate) struct Ethernet {
    socket: Socket,
    pub(crate) mac: Mac,
}

impl AsFd for Ethernet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Ethernet {
    pub(crate) fn open(interface: &str) -> Self {
        let interface = Interface::find(interface).unwrap();
        let ipv4 = Protocol::from(i32::from(0x0800u16.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(ipv4)).unwrap();
        let address = link_address(interface.index, libc::ETH_P_IP, interface.mac).unwrap();
        socket.bind(&address).unwrap();
        Self { socket, mac: interface.mac }
    }

    /// `kind` is what stands between the addresses and the packet: `08 00`, or a VLAN tag with it.
    pub(crate) fn send(&self, destination: Mac, kind: &[u8], packet: &[u8]) {
        let frame = [&destination.0, &self.mac.0, kind, packet].concat();
        self.socket.send(&frame).unwrap();
    }

    /// The next IPv4 frame: destination, source, packet.
    pub(crate) fn receive(&self) -> (Mac, Mac, Vec<u8>) {
        wait_for(&self.socket);
        let mut frame = [0; 2048];
        let length = (&self.socket).read(&mut frame).unwrap();
        let mac = |octets: &[u8]| Mac(octets.try_into().unwrap());
        (mac(&frame[..6]), mac(&frame[6..12]), frame[14..length].to_vec())
    }
}
