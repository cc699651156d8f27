//! What machines boot, from the first DISCOVER to the kernel.

use std::io::Read;
use std::net::Ipv4Addr;

use pxed_proto::wire::options::code;

use crate::fetch::{ask, get, http, tftp};
use crate::lan::{self, Lan};
use crate::machine::SERVER;

/// Architectures as option 93 has them.
const BIOS: u16 = 0;
const UEFI_X64: u16 = 7;
const UEFI_ARM64: u16 = 11;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

#[test]
fn a_bios_machine_boots_linux() {
    story("a_bios_machine_boots_linux", |lan| {
        let loader: Vec<u8> = (0..=250).cycle().take(5000).collect();
        lan.file("boot/undionly.kpxe", &loader);
        let (kernel, initrd) = (lan.file("vmlinuz", "a kernel"), lan.file("initrd.gz", "files"));
        let (dir, kernel, initrd) = (lan.path().display(), kernel.display(), initrd.display());
        let flags = format!("--boot-dir {dir}/boot --kernel {kernel} --initrd {initrd}");
        let pxed = lan.pxed(&format!("{flags} --append console=ttyS0"));
        pxed.says(&["loader iPXE for BIOS", "boot/undionly.kpxe"]);
        pxed.says(&["machines boot Linux", "console=ttyS0"]);

        // Its ROM asks for a loader.
        let rom = lan.machine(1).pxe(BIOS);
        let ack = rom.get_address();
        assert_eq!(ack.boot_file().as_deref(), Some("undionly.kpxe"));
        assert_eq!(ack.next_server(), SERVER);
        assert_eq!(ack.option(code::VENDOR_CLASS).unwrap(), b"PXEClient");
        assert_eq!(ack.option(code::VENDOR_SPECIFIC).unwrap(), [6, 1, 8, 255]);
        pxed.says(&["ACK 192.168.77.100", "boot tftp://192.168.77.1/undionly.kpxe"]);
        rom.configure(&ack);
        assert_eq!(tftp(ack.address(), "undionly.kpxe").unwrap(), loader);
        pxed.says(&["TFTP undionly.kpxe to 192.168.77.100", "(52:54:00:77:00:01)", "5000 bytes"]);
        assert_eq!(tftp(ack.address(), "gone").unwrap_err(), "no such file");
        pxed.says(&["TFTP gone to 192.168.77.100", "no such file"]);

        // The loader is iPXE, and asks for a script.
        let ack = lan.machine(1).ipxe().get_address();
        let url = ack.boot_file().unwrap();
        assert_eq!(url, "http://192.168.77.1:8067/machine/52-54-00-77-00-01/boot.ipxe");
        let script = get(&url);
        assert_eq!(script.status, 200);
        let base = "http://192.168.77.1:8067/machine/52-54-00-77-00-01/profile";
        let line = format!("kernel {base}/vmlinuz initrd=initrd.gz console=ttyS0 ");
        assert!(script.text().starts_with("#!ipxe\n"), "{}", script.text());
        assert!(script.text().contains(&line), "{}", script.text());
        assert_eq!(get(&format!("{base}/vmlinuz")).text(), "a kernel");
        assert_eq!(get(&format!("{base}/initrd.gz")).text(), "files");
        pxed.says(&["HTTP GET /machine/52-54-00-77-00-01/profile/vmlinuz", "200, 8 bytes"]);
        pxed.stop();
    });
}

#[test]
fn files_are_served_whole_by_head_and_by_range() {
    story("files_are_served_whole_by_head_and_by_range", |lan| {
        lan.file("boot/some.iso", "0123456789");
        let pxed = lan.pxed(&format!("--boot-dir {}/boot", lan.path().display()));
        let machine = lan.machine(1);
        machine.configure(&machine.get_address());
        let url = "http://192.168.77.1:8067/files/some.iso";
        let head = http("HEAD", url, "");
        assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
        assert_eq!(head.text(), "");
        let part = http("GET", url, "Range: bytes=3-5");
        assert_eq!((part.status, part.header("content-range")), (206, Some("bytes 3-5/10")));
        assert_eq!(part.text(), "345");
        assert_eq!(get("http://192.168.77.1:8067/files/gone").status, 404);
        assert_eq!(get("http://192.168.77.1:8067/files/%2e%2e/state/leases.db").status, 400);
        pxed.says(&["HTTP GET /files/gone to 192.168.77.100", "(52:54:00:77:00:01): 404"]);
        pxed.stop();
    });
}

#[test]
fn a_script_that_is_edited_is_served_anew() {
    story("a_script_that_is_edited_is_served_anew", |lan| {
        let file = lan.file("mine.ipxe", "#!ipxe\necho first\n");
        let pxed = lan.pxed(&format!("--script {}", file.display()));
        let machine = lan.machine(1).ipxe();
        let ack = machine.get_address();
        machine.configure(&ack);
        let url = ack.boot_file().unwrap();
        assert_eq!(get(&url).text(), "#!ipxe\necho first\n");
        lan.file("mine.ipxe", "#!ipxe\necho second\n");
        assert_eq!(get(&url).text(), "#!ipxe\necho second\n");

        // A machine sees on its screen what is wrong; the log is not filled by asking again.
        std::fs::remove_file(&file).unwrap();
        for _ in 0..3 {
            assert!(get(&url).text().contains("profile/mine.ipxe: no such file"));
        }
        pxed.says(&["WARN", "no script for machines: profile/mine.ipxe: no such file"]);
        assert_eq!(pxed.stop().matches("WARN").count(), 1);
    });
}

#[test]
fn bootfile_and_tftp_server_replace_what_pxed_would_choose() {
    story("bootfile_and_tftp_server_replace_what_pxed_would_choose", |lan| {
        lan.file("boot/undionly.kpxe", "a loader");
        let flags = format!("--boot-dir {}/boot --bootfile pxelinux.0", lan.path().display());
        let pxed = lan.pxed(&flags);
        let rom = lan.machine(1).pxe(BIOS);
        let offer = rom.discover();
        assert_eq!(offer.boot_file().as_deref(), Some("pxelinux.0"));
        assert_eq!(offer.next_server(), SERVER);
        pxed.says(&["OFFER", "boot tftp://192.168.77.1/pxelinux.0"]);
        pxed.says(&["WARN", "boot file pxelinux.0: no such file; put it into the boot directory"]);
        pxed.stop();

        let pxed = lan.pxed(&format!("{flags} --tftp-server 192.168.77.9"));
        let offer = rom.discover();
        assert_eq!(offer.boot_file().as_deref(), Some("pxelinux.0"));
        assert_eq!(offer.next_server(), Ipv4Addr::new(192, 168, 77, 9));
        assert_eq!(offer.option(code::TFTP_SERVER_NAME).unwrap(), b"192.168.77.9\0");
        pxed.says(&["OFFER", "boot tftp://192.168.77.9/pxelinux.0"]);
        assert!(!pxed.stop().contains("WARN"));
    });
}

#[test]
fn an_architecture_without_a_loader_gets_an_address_and_no_boot_file() {
    story("an_architecture_without_a_loader_gets_an_address_and_no_boot_file", |lan| {
        lan.file("boot/undionly.kpxe", "a loader");
        lan.file("boot/ipxe.efi", "a loader");
        let script = lan.file("mine.ipxe", "#!ipxe\n");
        let (dir, script) = (lan.path().display(), script.display());
        let pxed = lan.pxed(&format!("--boot-dir {dir}/boot --script {script}"));
        pxed.says(&["no loader iPXE for UEFI arm64", "ipxe-arm64.efi", "--boot-dir"]);
        let x64 = lan.machine(1).pxe(UEFI_X64).get_address();
        assert_eq!(x64.boot_file().as_deref(), Some("ipxe.efi"));
        let arm = lan.machine(2).pxe(UEFI_ARM64).get_address();
        assert_eq!((arm.boot_file(), arm.next_server()), (None, Ipv4Addr::UNSPECIFIED));
        pxed.says(&["ACK 192.168.77.101", "nothing to boot: no loader for UEFI arm64"]);
        pxed.stop();
    });
}

#[test]
fn a_running_download_ends_before_pxed_does() {
    story("a_running_download_ends_before_pxed_does", |lan| {
        const LEN: u64 = 32 << 20;
        let disk = std::fs::File::create(lan.file("boot/disk.img", "")).unwrap();
        disk.set_len(LEN).unwrap();
        let pxed = lan.pxed(&format!("--boot-dir {}/boot", lan.path().display()));
        let machine = lan.machine(1);
        machine.configure(&machine.get_address());
        let mut download = ask("GET", "http://192.168.77.1:8067/files/disk.img", "");
        download.read_exact(&mut [0; 12]).unwrap();
        pxed.signal("TERM");
        pxed.says(&["stopping; 0 TFTP transfers and 1 HTTP requests may end"]);
        let rest = std::io::copy(&mut download, &mut std::io::sink()).unwrap();
        assert!(rest > LEN, "{rest} octets");
        let (code, log) = pxed.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("200, 33554432 bytes") && !log.contains("broken off"), "{log}");
    });
}
