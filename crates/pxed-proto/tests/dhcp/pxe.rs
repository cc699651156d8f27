//! Items 136 to 154: what firmware is told, in full mode.

use std::sync::Arc;

use pxed_proto::boot::Boot;
use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::Config;
use pxed_proto::event::Outcome;
use pxed_proto::machine::{Architecture, Firmware};

use crate::client::{Client, Sent, client, machine_id};
use crate::lan::*;

const SCRIPT: &str = "http://192.0.2.1:8067/machine/02-00-00-00-00-01/boot.ipxe\
                      ?uuid=4c4c4c4c-4c4c-4c4c-4c4c-4c4c4c4c4c4c";
const HTTP_LOADER: &str = "http://192.0.2.1:8067/machine/02-00-00-00-00-01/ipxe.efi";

fn offer_to(sent: &Sent) -> Reply {
    Lan::new().hears(sent).offer()
}

/// An address, and nothing about booting.
fn boots_nothing(offer: &Reply) -> bool {
    let silent = [43, 60, 66, 67, 175].iter().all(|code| offer.option(*code).is_none());
    silent && offer.file().is_empty() && offer.siaddr().is_unspecified()
}

#[test]
fn item_134_who_does_not_boot_is_told_nothing_about_it() {
    for vendor_class in [&b"MSFT 5.0"[..], b"udhcp", b"pxeclient", b"PXE"] {
        let offer = offer_to(&client(1).discover().option(60, vendor_class));
        assert!(boots_nothing(&offer), "{vendor_class:?}");
    }
}

#[test]
fn item_135_without_an_architecture_only_a_bios_is_believed() {
    let rom = |vendor_class: &[u8]| client(1).discover().option(60, vendor_class);
    assert_eq!(offer_to(&rom(b"PXEClient:Arch:00000:UNDI:002001")).file(), "undionly.kpxe");
    let answer = Lan::new().hears(&rom(b"PXEClient:Arch:00007:UNDI:003016"));
    assert!(answer.event.done().to_string().ends_with("it does not say its architecture"));
    assert!(boots_nothing(&answer.offer()));
}

#[test]
fn item_136_the_first_known_architecture_counts() {
    let rom = |list: &[u8]| client(1).discover().uefi().without(93).option(93, list);
    assert_eq!(offer_to(&rom(&[0, 7, 0, 9])).file(), "ipxe.efi");
    assert_eq!(offer_to(&rom(&[0, 0xff, 0, 0])).file(), "undionly.kpxe");
    for odd in [&[0, 7, 0][..], &[7], &[]] {
        assert!(boots_nothing(&offer_to(&rom(odd))), "{odd:?}");
    }
}

#[test]
fn item_137_an_architecture_without_a_loader_gets_an_address_and_an_event() {
    for (number, file) in [(0, "undionly.kpxe"), (7, "ipxe.efi"), (9, "ipxe.efi")] {
        assert_eq!(offer_to(&client(1).discover().firmware(b"PXEClient", number)).file(), file);
    }
    for number in [6, 10, 11, 21, 22, 27, 39, 0xff, 0xffff] {
        let answer = Lan::new().hears(&client(1).discover().firmware(b"PXEClient", number));
        let architecture = Some(Architecture(number));
        let Outcome::Offered { boot, .. } = &answer.event.outcome else { panic!("{answer:?}") };
        assert_eq!(*boot, Boot::NoLoader(architecture));
        assert_eq!(answer.event.request.unwrap().firmware, Firmware::Pxe(architecture));
        assert!(boots_nothing(&answer.offer()), "never somebody else's loader");
    }
}

#[test]
fn item_138_the_machine_identifier_comes_back_unchanged() {
    let mut lan = Lan::new();
    let offer = lan.hears(&client(1).discover().bios()).offer();
    let ack = lan.hears(&client(1).selecting(offer.yiaddr()).bios()).ack();
    let no_loader = offer_to(&client(1).discover().firmware(b"PXEClient", 11));
    for reply in [offer, ack, no_loader] {
        assert_eq!(reply.option(97), Some(machine_id()));
        assert_eq!((reply.option(93), reply.option(94)), (None, None));
    }
    for other in [&[][..], &[0], &[0; 16], &[0; 18]] {
        let sent = client(1).discover().bios().without(97).option(97, other);
        assert_eq!(offer_to(&sent).option(97), None, "{other:?}");
    }
    let plain = client(1).discover().option(97, &machine_id());
    assert_eq!(offer_to(&plain).option(97), None, "it does not boot");
}

#[test]
fn item_138_a_uuid_that_is_none_identifies_nobody() {
    for filler in [0, 0xff] {
        let id = [&[0][..], &[filler; 16]].concat();
        let answer = Lan::new().hears(&client(1).discover().ipxe().without(97).option(97, &id));
        assert_eq!(answer.event.request.unwrap().machine.uuid, None);
        assert!(!answer.offer().text(67).contains("uuid"));
    }
}

#[test]
fn item_139_and_143_the_offer_names_the_file_and_ends_discovery() {
    for (sent, file) in
        [(client(1).discover().uefi(), "ipxe.efi"), (client(1).discover().bios(), "undionly.kpxe")]
    {
        let offer = offer_to(&sent);
        assert_eq!((offer.siaddr(), offer.file()), (SERVER, file));
        assert_eq!(offer.text(60), "PXEClient", "nine octets");
        assert_eq!(offer.option(43).unwrap(), [6, 1, 8, 255], "use the boot file, no menu");
    }
}

#[test]
fn item_147_each_stage_of_one_machine_gets_its_own_file() {
    let mut lan = Lan::new();
    let rom = lan.hears(&client(1).discover().bios()).offer();
    lan.hears(&client(1).selecting(rom.yiaddr()).bios()).ack();
    let ipxe = lan.at(20).hears(&client(1).discover().ipxe()).offer();
    assert_eq!((rom.file(), ipxe.file()), ("undionly.kpxe", SCRIPT));
    assert_eq!((rom.yiaddr(), ipxe.text(67).as_str()), (ipxe.yiaddr(), SCRIPT));
    assert_eq!(ipxe.siaddr(), SERVER, "iPXE wants one even beside a URL");
    assert_eq!(ipxe.option(175).unwrap(), [176, 1, 1], "do not wait for a ProxyDHCP server");
    assert_eq!((ipxe.option(43), ipxe.option(60)), (None, None));
}

#[test]
fn item_147_what_passes_for_ipxe() {
    let rom = client(1).discover().bios();
    for (sent, is_ipxe) in [
        (rom.clone().option(77, b"iPXE"), true),
        (rom.clone().option(77, b"\x04iPXE"), true),
        (rom.clone().option(175, &[177, 5, 1, 2, 3, 4, 5]), true),
        (rom.clone().option(77, b"FreeBSD").option(175, &[1, 1, 1]), false),
        (rom.clone().option(77, b"gPXE"), false),
        (rom, false),
    ] {
        let offer = offer_to(&sent);
        assert_eq!(offer.file() == SCRIPT, is_ipxe);
        assert_eq!(offer.option(175).is_some(), is_ipxe);
    }
}

#[test]
fn item_148_http_boot_gets_a_url_in_the_offer() {
    let offer = offer_to(&client(1).discover().http_boot());
    assert_eq!(offer.text(60), "HTTPClient");
    assert_eq!((offer.text(67).as_str(), offer.file()), (HTTP_LOADER, HTTP_LOADER));
    assert_eq!(offer.addresses(6), [local(53), local(54)]);
    assert_eq!(offer.option(43), None);
}

#[test]
fn item_149_no_file_name_over_http_and_no_url_over_tftp() {
    let named = |file: &str| {
        let mut config = Config { catalog: Arc::new(Catalog::default()), ..config() };
        config.policy.everywhere.boot_file = Some(file.into());
        Lan::of(config)
    };
    let http = named("grub.efi").hears(&client(1).discover().http_boot()).offer();
    assert_eq!(http.file(), "http://192.0.2.1:8067/machine/02-00-00-00-00-01/grub.efi");
    let pxe = named("http://192.0.2.1/grub.efi").hears(&client(1).discover().uefi()).offer();
    assert!(boots_nothing(&pxe));
    let by_tftp = named("grub.efi").hears(&client(1).discover().uefi()).offer();
    assert_eq!(by_tftp.file(), "grub.efi");
}

#[test]
fn item_150_what_firmware_asks_for_and_nobody_configured_is_absent() {
    let edk2: Vec<u8> = [1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51]
        .into_iter()
        .chain([54, 58, 59, 60, 66, 67, 97])
        .chain(128..=135)
        .collect();
    let offer = offer_to(&client(1).discover().without(55).option(55, &edk2).uefi());
    let codes = offer.codes();
    assert_eq!(codes, [53, 54, 51, 1, 3, 6, 60, 43, 67, 66, 97, 15, 28, 58, 59]);
    let ipxe = [1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 175, 203];
    let offer = offer_to(&client(1).discover().without(55).option(55, &ipxe).ipxe());
    assert_eq!(offer.codes(), [53, 54, 51, 1, 3, 6, 175, 67, 66, 97, 15]);
}

#[test]
fn item_153_the_ack_says_again_what_to_boot() {
    let stages: [fn(Sent) -> Sent; 4] = [Sent::bios, Sent::uefi, Sent::http_boot, Sent::ipxe];
    for stage in stages {
        let Client(number) = client(1);
        let mut lan = Lan::new();
        let offer = lan.hears(&stage(client(number).discover())).offer();
        let ack = lan.hears(&stage(client(number).selecting(offer.yiaddr()))).ack();
        assert_eq!((ack.file(), ack.siaddr()), (offer.file(), offer.siaddr()));
        for code in [43, 60, 66, 67, 97, 175] {
            assert_eq!(ack.option(code), offer.option(code), "{code}");
        }
    }
}

#[test]
fn item_154_a_plain_client_that_asks_for_boot_options_gets_none() {
    let offer = offer_to(&client(1).discover().without(55).option(55, &[43, 60, 66, 67, 150, 175]));
    assert!(boots_nothing(&offer));
}

#[test]
fn item_151_a_raspberry_pi_is_offered_its_menu_and_no_file() {
    for sent in [raspberry_pi(), client(1).discover().firmware(b"PXEClient:Arch:00041", 41)] {
        let offer = offer_to(&sent);
        let menu = b"\x06\x01\x03\x0a\x12\x00Raspberry Pi Boot\x08\x07\x80\x00\x01\xc0\x00\x02\x01\
                     \x09\x14\x80\x00\x11Raspberry Pi Boot\xff";
        assert_eq!(offer.option(43).unwrap(), menu);
        assert_eq!(
            (offer.text(60).as_str(), offer.text(66).as_str()),
            ("PXEClient", "192.0.2.1\0")
        );
        assert_eq!((offer.siaddr(), offer.file(), offer.option(67)), (SERVER, "", None));
    }
}

#[test]
fn item_151_neither_a_boot_file_nor_a_missing_loader_keeps_a_raspberry_pi_from_booting() {
    let mut lan = Lan::configured(|config| {
        config.catalog = Arc::new(Catalog::default());
        config.policy.everywhere.boot_file = Some("pxelinux.0".into());
        config.policy.everywhere.tftp_server = Some(local(9));
    });
    let answer = lan.hears(&raspberry_pi());
    let said = answer.event.done().to_string();
    assert!(said.ends_with("boot its own files of tftp://192.0.2.9/"), "{said}");
    assert_eq!(answer.offer().siaddr(), local(9));
}

/// A Raspberry Pi 4, which says that it has a BIOS.
fn raspberry_pi() -> Sent {
    let mut sent = client(1).discover().bios();
    sent.chaddr[..6].copy_from_slice(&[0xdc, 0xa6, 0x32, 1, 2, 3]);
    sent
}
