//! Items 34 and 129: what was acknowledged is there after a power cut, and after a kill in a storm.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::unistd::geteuid;
use pxed_proto::wire::dhcp::MessageType;
use pxed_proto::wire::options::code;

use crate::lan::{self, Lan, PATIENCE, RANGE, run};
use crate::machine::{Machine, SERVER};
use crate::process::Pxed;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// A disk whose file system holds the state directory. What is not synced stays with the kernel, so
/// that the file behind the loop device is what a power cut leaves.
struct Disk(PathBuf);

impl Disk {
    fn new(lan: &Lan) -> Self {
        let image = lan.file("disk", vec![0; 16 << 20]);
        run(&format!("mkfs.ext4 -q -F {}", image.display()));
        Self(image)
    }

    /// The disk as it is this moment.
    fn after_a_power_cut(&self) -> Self {
        let left = self.0.with_extension("left");
        std::fs::copy(&self.0, &left).unwrap();
        Self(left)
    }

    /// pxed with its state on this disk, in a mount namespace that ends with it. The file system
    /// itself writes nothing for minutes.
    fn pxed(&self, lan: &Lan) -> Pxed {
        let state = lan.path().join("state");
        std::fs::create_dir_all(&state).unwrap();
        let mount = format!("mount -o loop,commit=600 {} {}", self.0.display(), state.display());
        let mounted = format!("{mount}; exec \"$0\" \"$@\"");
        let flags = format!("-i srv --mode full --range {RANGE}");
        let pxed = Pxed::start(lan, &["unshare", "--mount", "sh", "-ec", &mounted], &flags);
        pxed.says(&["INFO", "ready"]);
        pxed
    }
}

/// Mounting a disk takes root, and a kernel with loop devices.
fn can_mount(lan: &Lan) -> bool {
    let image = lan.file("try", vec![0; 1 << 20]);
    let mount = format!("mkfs.ext4 -q -F {0} && mount -o loop {0} /mnt", image.display());
    let tried = Command::new("unshare").args(["--mount", "sh", "-ec", &mount]).output();
    geteuid().is_root() && tried.is_ok_and(|tried| tried.status.success())
}

#[test]
fn item_34_a_power_cut_right_after_the_ack_loses_no_lease() {
    story("item_34_a_power_cut_right_after_the_ack_loses_no_lease", |lan| {
        if !can_mount(lan) {
            assert!(std::env::var_os("CI").is_none(), "NOT TESTED: no loop device here");
            return eprintln!("NOT TESTED: no loop device here");
        }
        let disk = Disk::new(lan);
        let pxed = disk.pxed(lan);
        let one = lan.machine(1).get_address().address();
        let left = disk.after_a_power_cut();
        pxed.kill();

        let pxed = left.pxed(lan);
        pxed.says(&["leases in", "1, 1 of them active"]);
        let remembered = lan.machine(1).remember(one);
        assert_eq!((remembered.kind(), remembered.address()), (MessageType::Ack, one));
        pxed.stop();
    });
}

/// The address that this machine asks for, without having been offered it.
fn wanted(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, 100 + number)
}

#[test]
fn item_129_a_kill_in_a_storm_loses_no_lease_that_was_acked() {
    story("item_129_a_kill_in_a_storm_loses_no_lease_that_was_acked", |lan| {
        let start = || {
            let pxed = lan.start("-i srv --mode full --range 192.168.77.100-192.168.77.199");
            pxed.says(&["INFO", "ready"]);
            pxed
        };
        let pxed = start();
        let machines: Vec<(u8, Machine)> = (0..90).map(|n| (n, lan.machine(n))).collect();
        let asks = |(number, machine): &(u8, Machine)| {
            let (server, address) = (SERVER.octets(), wanted(*number).octets());
            let options =
                [(code::SERVER_IDENTIFIER, &server[..]), (code::REQUESTED_ADDRESS, &address)];
            machine.shout(&machine.message(MessageType::Request, Ipv4Addr::UNSPECIFIED, &options));
        };
        machines.iter().for_each(asks);
        let (first, rest) = machines.split_at(5);
        for (_, machine) in first {
            assert_eq!(machine.hears_within(PATIENCE).unwrap().kind(), MessageType::Ack);
        }
        pxed.kill();
        // What it sent before is in the sockets.
        let soon = Duration::from_millis(20);
        let acked = rest.iter().filter(|(_, machine)| machine.hears_within(soon).is_some());
        let acked: Vec<_> = first.iter().chain(acked).collect();

        let pxed = start();
        for (number, machine) in &acked {
            let own = machine.remember(wanted(*number));
            assert_eq!((own.kind(), own.address()), (MessageType::Ack, wanted(*number)));
            let stolen = lan.machine(200).remember(wanted(*number));
            assert_eq!(stolen.kind(), MessageType::Nak, "{number} of {}", acked.len());
        }
        pxed.stop();
    });
}
