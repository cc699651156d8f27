//! Files that pxed writes for who asks: `boot.ipxe` and `grub.cfg`, by TFTP as by HTTP.

use crate::config::{configured, one_link};
use crate::fetch::{get, tftp};
use crate::lan::{self, Lan};
use crate::machine::{Machine, Reply};

/// Architectures as option 93 has them.
const UEFI_X64: u16 = 7;
const UEFI_ARM64: u16 = 11;

const HTTP: &str = "http://192.168.77.1:8067";

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// The machine gets an address, takes it, and asks from there.
fn started(machine: &Machine) -> Reply {
    let lease = machine.get_address();
    machine.configure(&lease);
    lease
}

#[test]
fn grub_and_ipxe_get_what_their_machine_boots() {
    story("grub_and_ipxe_get_what_their_machine_boots", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let machine = lan.machine(4).pxe(UEFI_X64);
        let address = started(&machine).address();
        let said = |file: &str| {
            let arguments = format!("mac={} ip={address} from={HTTP}", machine.mac);
            format!("if linux {file}/profile/linux/vmlinuz {arguments}; then\n")
        };
        for name in ["grub.cfg", "/grub/grub.cfg", "EFI\\debian\\grub.cfg"] {
            let text = String::from_utf8(tftp(address, name).unwrap()).unwrap();
            assert!(text.contains(&said("(tftp,192.168.77.1)")), "{name}: {text}");
        }
        assert_eq!(tftp(address, "/profile/linux/vmlinuz").unwrap(), b"a kernel");
        // What GRUB asks for besides is not there.
        for name in ["grub/grub.cfg-01-52-54-00-77-00-04", "grub/x86_64-efi/command.lst"] {
            assert_eq!(tftp(address, name).unwrap_err(), "no such file", "{name}");
        }
        let own = "machine/52-54-00-77-00-04";
        for path in ["files", own] {
            let text = get(&format!("{HTTP}/{path}/grub/grub.cfg")).text();
            let kernel = format!("(http,192.168.77.1:8067)/{own}");
            assert!(text.contains(&said(&kernel)), "{path}: {text}");
        }
        let script = get(&format!("{HTTP}/{own}/boot.ipxe?profile=linux")).body;
        assert!(script.starts_with(b"#!ipxe\n# pxed, for 52:54:00:77:00:04\nkernel http://"));
        assert_eq!(tftp(address, "boot.ipxe").unwrap(), script);
        assert_eq!(get(&format!("{HTTP}/files/boot.ipxe")).body, script);
        pxed.stop();
    });
}

/// No name says what DHCP knows of a machine: here, its architecture.
#[test]
fn the_profile_is_decided_by_all_that_the_machine_said() {
    story("the_profile_is_decided_by_all_that_the_machine_said", |lan| {
        let class = "match = { arch = \"uefi-arm64\" }\nboot = \"linux\"";
        let site = one_link().replace("match = { arch = \"uefi-arm64\" }", class);
        let pxed = configured(lan, &site, "");
        let (arm, other) = (lan.machine(21).pxe(UEFI_ARM64), lan.machine(22).pxe(UEFI_X64));
        let [arm, other] = [&arm, &other].map(|machine| started(machine).address());
        let text = String::from_utf8(tftp(arm, "grub.cfg").unwrap()).unwrap();
        assert!(text.contains("/profile/linux/vmlinuz mac=52:54:00:77:00:15 "), "{text}");
        let cannot = "the machine's profile is an iPXE script, not for GRUB";
        assert_eq!(tftp(other, "grub.cfg").unwrap_err(), cannot);
        let menu = String::from_utf8(tftp(other, "boot.ipxe").unwrap()).unwrap();
        assert_eq!(menu, format!("#!ipxe\necho 52:54:00:77:00:16 at {other} of 192.168.77.1\n"));
        pxed.says(&["TFTP grub.cfg to", "52:54:00:77:00:16", cannot]);
        // Nobody knows who has this address: what is everybody's.
        lan::run("ip address add 192.168.77.9/24 dev cli");
        let menu = tftp([192, 168, 77, 9].into(), "boot.ipxe").unwrap();
        assert_eq!(menu, b"#!ipxe\necho  at 192.168.77.9 of 192.168.77.1\n");
        pxed.stop();
    });
}

#[test]
fn a_file_of_that_name_wins() {
    story("a_file_of_that_name_wins", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let address = started(&lan.machine(4).pxe(UEFI_X64)).address();
        for directory in ["grub", "52-54-00-77-00-04/own"] {
            lan.file(&format!("boot/{directory}/grub.cfg"), directory);
        }
        assert_eq!(tftp(address, "grub/grub.cfg").unwrap(), b"grub");
        assert_eq!(get(&format!("{HTTP}/files/grub/grub.cfg")).text(), "grub");
        assert_eq!(tftp(address, "own/grub.cfg").unwrap(), b"52-54-00-77-00-04/own");
        let own = format!("{HTTP}/machine/52-54-00-77-00-04/own/grub.cfg");
        assert_eq!(get(&own).text(), "52-54-00-77-00-04/own");
        assert!(tftp(address, "grub.cfg").unwrap().starts_with(b"# pxed, for"));
        pxed.stop();
    });
}
