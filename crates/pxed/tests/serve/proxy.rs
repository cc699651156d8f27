//! Beside another server that gives the addresses.

use std::net::{Ipv4Addr, UdpSocket};

use pxed_proto::wire::dhcp::{FLAG_BROADCAST, Message, MessageType};
use pxed_proto::wire::options::code;

use crate::fetch::tftp;
use crate::lan::{self, Lan, PATIENCE, run};
use crate::machine::SERVER;
use crate::process::{Pxed, ask};

const UEFI_X64: u16 = 7;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// Another server's addresses on `srv`, pxed's own on `srv2`.
fn pxed(lan: &Lan) -> Pxed {
    lan.second_network();
    lan.file("boot/ipxe.efi", "iPXE");
    let text = format!(
        "boot-dir = \"{}/boot\"\n\
         [[subnet]]\ninterface = \"srv\"\nmode = \"proxy\"\n\
         [[subnet]]\ninterface = \"srv2\"\nrange = \"192.168.88.10-192.168.88.20\"\n",
        lan.path().display()
    );
    let file = lan.file("pxed.toml", text);
    let pxed = lan.start(&format!("-v --config {}", file.display()));
    pxed.says(&["INFO", "ready"]);
    pxed
}

#[test]
fn item_144_one_pxed_gives_addresses_on_one_link_and_none_on_the_other() {
    story("item_144_one_pxed_gives_addresses_on_one_link_and_none_on_the_other", |lan| {
        let pxed = pxed(lan);
        let said = ask(lan, "status").out;
        assert!(said.contains("proxy") && said.contains("full"), "{said}");

        let plain = lan.machine(1);
        plain.begin();
        let offer = lan.machine(2).pxe(UEFI_X64).discover();
        assert_eq!((offer.address(), offer.server()), (Ipv4Addr::UNSPECIFIED, SERVER));
        assert!(offer.to.is_multicast(), "to everybody");
        assert_eq!(offer.flags() & FLAG_BROADCAST, FLAG_BROADCAST);
        pxed.says(&[
            "OFFER by proxy (redirect) to 52:54:00:77:00:02",
            "tftp://192.168.77.1/ipxe.efi",
        ]);
        pxed.says(&["no answer to 52:54:00:77:00:01", "it is not booting"]);

        let there = lan.machine_on_second_network(3).pxe(UEFI_X64).get_address();
        assert_eq!(there.address(), Ipv4Addr::new(192, 168, 88, 10));
        assert_eq!(there.boot_file().as_deref(), Some("ipxe.efi"));
        pxed.stop();
    });
}

#[test]
fn item_140_the_boot_server_answers_who_has_its_address_from_elsewhere() {
    story("item_140_the_boot_server_answers_who_has_its_address_from_elsewhere", |lan| {
        let pxed = pxed(lan);
        run("ip address add 192.168.77.50/24 dev cli");
        let own = Ipv4Addr::new(192, 168, 77, 50);
        let machine = lan.machine(2).pxe(UEFI_X64);
        for port in [4011, 68] {
            let socket = UdpSocket::bind((own, port)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let request = machine.message(MessageType::Request, own, &[]);
            socket.send_to(&request, (SERVER, 4011)).unwrap();
            let mut buffer = [0; 1500];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!(from, (SERVER, 4011).into());
            let ack = Message::parse(&buffer[..length]).unwrap();
            assert_eq!(ack.message_type(), Some(MessageType::Ack));
            assert_eq!((ack.ciaddr, ack.siaddr, ack.file()), (own, SERVER, &b"ipxe.efi"[..]));
            assert_eq!(&*ack.option(code::VENDOR_CLASS).unwrap(), b"PXEClient");
        }
        pxed.says(&["ACK of the boot server to 52:54:00:77:00:02 at 192.168.77.50", "ipxe.efi"]);
        pxed.stop();
    });
}

#[test]
fn item_147_ipxe_that_was_loaded_from_here_fetches_a_script_that_asks_again() {
    story("item_147_ipxe_that_was_loaded_from_here_fetches_a_script_that_asks_again", |lan| {
        let pxed = pxed(lan);
        run("ip address add 192.168.77.50/24 dev cli");
        let own = Ipv4Addr::new(192, 168, 77, 50);
        let script = String::from_utf8(tftp(own, "autoexec.ipxe").unwrap()).unwrap();
        assert!(script.starts_with("#!ipxe\n"), "{script}");
        assert!(script.contains("iseq ${proxydhcp/dhcp-server} 192.168.77.1 "), "{script}");
        lan.file("boot/autoexec.ipxe", "#!ipxe\necho the operator's own\n");
        let own = tftp(own, "/autoexec.ipxe").unwrap();
        assert!(own.ends_with(b"the operator's own\n"));
        pxed.stop();

        let full = lan.pxed("");
        let ack = lan.machine(1).get_address();
        lan.machine(1).configure(&ack);
        assert_eq!(tftp(ack.address(), "autoexec.ipxe").unwrap_err(), "no such file");
        full.stop();
    });
}
