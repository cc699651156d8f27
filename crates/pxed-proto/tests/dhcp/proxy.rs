//! Items 133 to 154 on a subnet whose addresses are another server's.

use std::sync::Arc;
use std::time::Duration;

use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{Config, Destination, Ignored, Mode, Subnet};
use pxed_proto::event::Outcome;
use pxed_proto::machine::Architecture;

use crate::client::{Sent, client, machine_id};
use crate::lan::*;

const SCRIPT: &str = "http://192.0.2.1:8067/machine/02-00-00-00-00-01/boot.ipxe\
                      ?uuid=4c4c4c4c-4c4c-4c4c-4c4c-4c4c4c4c4c4c";

fn by_proxy(subnet: &mut Subnet) {
    subnet.mode = Mode::Proxy;
    subnet.pools.clear();
}

fn lan() -> Lan {
    Lan::configured(both_by_proxy)
}

fn both_by_proxy(config: &mut Config) {
    config.subnets.iter_mut().for_each(by_proxy);
}

fn offer_to(sent: &Sent) -> Reply {
    lan().hears(sent).offer()
}

fn silence_for(sent: &Sent) -> Ignored {
    lan().hears(sent).silence()
}

#[test]
fn item_133_a_bios_is_offered_its_boot_file_and_no_address() {
    for sent in [client(1).discover().bios(), client(1).discover().bios().broadcast_flag()] {
        let offer = offer_to(&sent);
        assert_eq!((offer.yiaddr().is_unspecified(), offer.siaddr()), (true, SERVER));
        assert_eq!((offer.file(), offer.text(67).as_str()), ("undionly.kpxe", "undionly.kpxe\0"));
        assert_eq!(
            (offer.text(60).as_str(), offer.text(66).as_str()),
            ("PXEClient", "192.0.2.1\0")
        );
        assert_eq!(offer.option(43).unwrap(), [6, 1, 8, 255], "no menu");
        assert_eq!(offer.option(97).unwrap(), machine_id());
        assert_eq!((offer.destination, offer.flags()), (Destination::Broadcast, 0x8000));
        assert_eq!((offer.source, offer.source_port), (SERVER, 67));
        assert_eq!(offer.codes(), [53, 54, 60, 43, 67, 66, 97, 6, 15], "nothing of a lease");
    }
}

#[test]
fn item_134_who_does_not_boot_never_hears_of_this_server() {
    let plain = client(1).discover();
    assert_eq!(silence_for(&plain), Ignored::NotBooting);
    for vendor_class in [&b"MSFT 5.0"[..], b"udhcp", b"pxeclient", b"PXE"] {
        assert_eq!(silence_for(&plain.clone().option(60, vendor_class)), Ignored::NotBooting);
    }
    assert_eq!(silence_for(&client(1).inform(local(77))), Ignored::NotBooting);
    assert_eq!(silence_for(&client(1).bootp()), Ignored::Bootp);
    let remembers = [client(1).renewing(local(77)), client(1).init_reboot(local(77))];
    for sent in remembers.into_iter().chain([client(1).decline(local(77))]) {
        assert_eq!(silence_for(&sent), Ignored::NotBooting);
    }
}

#[test]
fn item_134_a_thousand_plain_clients_use_up_nothing() {
    let mut lan = Lan::configured(|config| {
        both_by_proxy(config);
        config.subnets[0].rates.newcomers = 1;
    });
    for number in 0..1000 {
        lan.hears(&client(number).discover()).silence();
    }
    lan.hears(&client(1001).discover().bios()).offer();
    assert_eq!(lan.server.counted_sources(), 2, "the machine, and the newcomers of the subnet");
}

#[test]
fn item_135_without_an_architecture_only_a_bios_is_believed() {
    let rom = |vendor_class: &[u8]| client(1).discover().option(60, vendor_class);
    assert_eq!(offer_to(&rom(b"PXEClient:Arch:00000:UNDI:002001")).file(), "undionly.kpxe");
    let unknown = silence_for(&rom(b"PXEClient:Arch:00007:UNDI:003016"));
    assert_eq!(unknown, Ignored::NoLoader(None));
}

#[test]
fn item_136_and_137_an_architecture_without_a_loader_is_an_event() {
    let rom = |list: &[u8]| client(1).discover().uefi().without(93).option(93, list);
    assert_eq!(offer_to(&rom(&[0, 7, 0, 9])).siaddr(), SERVER);
    assert_eq!(silence_for(&rom(&[0, 0xff])), Ignored::NoLoader(Some(Architecture(255))));
    assert_eq!(silence_for(&rom(&[0, 11])).label(), "no-loader");
    assert_eq!(silence_for(&rom(&[7])), Ignored::NoLoader(None), "an odd length");
}

#[test]
fn item_144_who_takes_the_other_servers_offer_is_let_be() {
    for sent in [client(1).request(), client(1).request().bios(), client(1).request().uefi()] {
        let sent = sent.address(54, OTHER_SERVER).address(50, local(77));
        let reason = silence_for(&sent);
        assert!(matches!(reason, Ignored::OtherServer | Ignored::NotBooting), "{reason}");
    }
    let remembers = client(1).init_reboot(local(77)).bios();
    assert_eq!(silence_for(&remembers), Ignored::Proxy);
    assert_eq!(silence_for(&client(1).selecting(local(77)).bios()), Ignored::Proxy);
    assert_eq!(silence_for(&client(1).renewing(local(77)).bios()), Ignored::Proxy);
    assert_eq!(silence_for(&client(1).release(local(77)).bios()), Ignored::Proxy);
}

#[test]
fn item_144_one_server_gives_addresses_here_and_none_there() {
    let mut lan = Lan::configured(|config| by_proxy(&mut config.subnets[1]));
    let here = lan.hears(&client(1).discover().bios()).offer();
    let there = lan.hears(&client(2).discover().bios().by_relay(RELAY)).offer();
    assert_eq!((here.yiaddr(), there.yiaddr().is_unspecified()), (local(100), true));
}

#[test]
fn item_145_a_relay_agent_brings_the_offer_to_everybody_there() {
    let information = [1, 4, b'p', b'o', b'r', b't'];
    let sent = client(1).discover().bios().option(82, &information).by_relay(RELAY);
    let offer = offer_to(&sent);
    assert_eq!((offer.destination, offer.giaddr()), (routed(RELAY, 67), RELAY));
    assert_eq!((offer.flags(), offer.file()), (0x8000, "undionly.kpxe"));
    assert_eq!(offer.option(82).unwrap(), information);
}

#[test]
fn item_147_ipxe_is_offered_its_script() {
    let offer = offer_to(&client(1).discover().ipxe());
    assert_eq!((offer.file(), offer.text(67).as_str()), (SCRIPT, SCRIPT));
    assert_eq!((offer.text(60).as_str(), offer.siaddr()), ("PXEClient", SERVER));
    let first = Some(vec![1, 1, 1]);
    assert_eq!(offer.option(175), first, "before the other server's file; nothing of not waiting");
    let rom = client(2).discover().bios().option(175, &[1, 1, 1]).option(77, b"plain");
    assert_eq!(offer_to(&rom).option(175), first, "an iPXE by another name");
    assert_eq!(offer_to(&client(3).discover().bios()).option(175), None);
}

#[test]
fn item_148_http_boot_is_offered_a_url() {
    let offer = offer_to(&client(1).discover().http_boot());
    assert_eq!((offer.text(60).as_str(), offer.option(43)), ("HTTPClient", None));
    assert!(offer.yiaddr().is_unspecified());
    assert_eq!(offer.file(), "http://192.0.2.1:8067/machine/02-00-00-00-00-01/ipxe.efi");
    assert_eq!(offer.text(67), offer.file());
    assert_eq!(offer.addresses(6), [local(53), local(54)], "a URL may have a name");
}

#[test]
fn item_149_no_url_over_tftp() {
    let mut lan = Lan::configured(|config| {
        both_by_proxy(config);
        config.catalog = Arc::new(Catalog::default());
        config.policy.everywhere.boot_file = Some("http://192.0.2.1/grub.efi".into());
    });
    lan.hears(&client(1).discover().uefi()).silence();
    assert_eq!(
        lan.hears(&client(1).discover().http_boot()).offer().text(67),
        "http://192.0.2.1/grub.efi"
    );
}

#[test]
fn item_151_a_raspberry_pi_finds_its_menu_in_the_offer() {
    let mut sent = client(1).discover().bios();
    sent.chaddr[..6].copy_from_slice(&[0xb8, 0x27, 0xeb, 1, 2, 3]);
    let answer = lan().hears(&sent);
    let Outcome::ProxyOffered { form, .. } = &answer.event.outcome else { panic!("{answer:?}") };
    assert_eq!(form.name, "menu");
    let offer = answer.offer();
    let menu = offer.option(43).unwrap();
    assert!(menu.windows(17).any(|text| text == b"Raspberry Pi Boot"), "{menu:?}");
    assert_eq!((offer.siaddr(), offer.file(), offer.text(60).as_str()), (SERVER, "", "PXEClient"));
}

#[test]
fn item_152_a_proxy_that_stands_by_comes_later() {
    let mut lan = Lan::configured(|config| {
        both_by_proxy(config);
        config.subnets[0].min_secs = 4;
        config.subnets[0].offer_delay = Duration::from_millis(300);
    });
    assert_eq!(lan.hears(&client(1).discover().bios()).silence(), Ignored::StandingBy);
    let mut patient = client(1).discover().bios();
    patient.secs = 4;
    assert_eq!(lan.hears(&patient).offer().delay, Duration::from_millis(300));
}

#[test]
fn item_154_what_is_configured_for_a_machine_holds_beside_another_server() {
    let mut lan = Lan::configured(|config| {
        both_by_proxy(config);
        let settings = &mut config.subnets[0].settings;
        settings.boot_file = Some("grub.efi".into());
        settings.tftp_server = Some(local(9));
        settings.options.push(option(209, "pxelinux.cfg/lab"));
    });
    let asks = client(1).discover().bios().without(55).option(55, &[1, 3, 6, 28, 58, 209]);
    let offer = lan.hears(&asks).offer();
    assert_eq!((offer.file(), offer.siaddr()), ("grub.efi", local(9)));
    assert_eq!(offer.codes(), [53, 54, 60, 43, 67, 66, 97, 6, 209]);
}
