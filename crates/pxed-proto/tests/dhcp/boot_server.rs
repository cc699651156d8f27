//! Items 139 to 146: what is asked at port 4011.

use std::net::SocketAddrV4;

use pxed_proto::dhcp::{BOOT_SERVER_PORT, Form, Ignored, Mode};
use pxed_proto::event::Outcome;

use crate::client::{Sent, client, machine_id};
use crate::lan::*;

/// As it is sent to a boot server, from a port of the machine's own choice.
fn to_boot_server(mut sent: Sent, port: u16) -> Sent {
    sent.arrival.source = SocketAddrV4::new(local(77), port);
    sent.arrival.destination = SocketAddrV4::new(SERVER, BOOT_SERVER_PORT);
    sent.ciaddr = local(77);
    sent
}

fn asks(sent: Sent) -> Sent {
    to_boot_server(sent, 68)
}

/// The same site with addresses given here, and by another server.
fn sites() -> [Lan; 2] {
    [Lan::new(), by_proxy()]
}

fn by_proxy() -> Lan {
    Lan::with(|subnet| {
        subnet.mode = Mode::Proxy;
        subnet.pools.clear();
    })
}

/// Option 43 that asks for an item of a menu.
fn item(server_type: u16, layer: u16) -> Vec<u8> {
    [&[71, 4][..], &server_type.to_be_bytes(), &layer.to_be_bytes(), &[255]].concat()
}

#[test]
fn item_139_and_140_who_asks_is_answered_from_4011_whatever_it_was_offered() {
    for mut lan in sites() {
        lan.hears(&client(1).discover().uefi()).offer();
        for (port, sent) in [(4011, client(1).request().uefi()), (68, client(1).request().uefi())] {
            let ack = lan.hears(&to_boot_server(sent, port)).ack();
            assert_eq!((ack.source, ack.source_port), (SERVER, 4011));
            assert_eq!(ack.destination, routed(local(77), port), "to where it asked from");
            assert_eq!((ack.ciaddr(), ack.yiaddr().is_unspecified()), (local(77), true));
            assert_eq!((ack.siaddr(), ack.file()), (SERVER, "ipxe.efi"));
            assert_eq!((ack.text(60).as_str(), ack.text(67).as_str()), ("PXEClient", "ipxe.efi\0"));
            assert_eq!((ack.option(97).unwrap(), ack.addresses(54)), (machine_id(), vec![SERVER]));
            assert_eq!(ack.option(43).unwrap(), [6, 1, 8, 255]);
        }
    }
}

#[test]
fn item_139_each_firmware_is_told_its_own_file_there() {
    for mut lan in sites() {
        let script = lan.hears(&asks(client(1).request().ipxe())).ack();
        assert!(script.file().ends_with("/boot.ipxe?uuid=4c4c4c4c-4c4c-4c4c-4c4c-4c4c4c4c4c4c"));
        let http = lan.hears(&asks(client(1).request().http_boot())).ack();
        assert_eq!((http.text(60).as_str(), http.option(43)), ("HTTPClient", None));
        assert!(http.file().ends_with("/ipxe.efi"), "{}", http.file());
    }
}

#[test]
fn item_139_a_form_says_what_the_boot_server_is_asked() {
    let mut lan = by_proxy();
    let answer = lan.hears(&client(1).discover().uefi());
    let Outcome::ProxyOffered { form, .. } = &answer.event.outcome else { panic!("{answer:?}") };
    assert_eq!(**form, Form::REDIRECT);
    let offer = answer.offer();
    assert_eq!((offer.option(43), offer.option(67), offer.file()), (None, None, ""));
    assert_eq!((offer.siaddr(), offer.text(60).as_str()), (SERVER, "PXEClient"));
}

#[test]
fn item_139_the_boot_server_is_this_one_where_files_come_from_another() {
    let mut lan = Lan::with(|subnet| {
        subnet.mode = Mode::Proxy;
        subnet.pools.clear();
        subnet.settings.tftp_server = Some(local(9));
    });
    assert_eq!(lan.hears(&client(1).discover().uefi()).offer().siaddr(), SERVER);
    let ack = lan.hears(&asks(client(1).request().uefi())).ack();
    assert_eq!((ack.siaddr(), ack.text(66).as_str()), (local(9), "192.0.2.9\0"));
}

#[test]
fn item_141_and_146_a_menu_item_comes_back_with_its_file() {
    for mut lan in sites() {
        let asked = client(1).request().bios().option(43, &item(0x8000, 0));
        let ack = lan.hears(&asks(asked)).ack();
        assert_eq!(ack.option(43).unwrap(), item(0x8000, 0));
        assert_eq!((ack.file(), ack.siaddr()), ("undionly.kpxe", SERVER));
    }
}

#[test]
fn item_141_no_other_item_is_answered() {
    for mut lan in sites() {
        for (server_type, layer) in [(1, 0), (0, 0), (0x8000, 0x8000), (0x8000, 1), (0xffff, 0)] {
            let asked = client(1).request().bios().option(43, &item(server_type, layer));
            assert_eq!(lan.hears(&asks(asked)).silence(), Ignored::BootItem);
        }
        for damaged in [&[71, 4, 0x80][..], &[71, 2, 0x80, 0], &[71]] {
            let asked = client(1).request().bios().option(43, damaged);
            lan.hears(&asks(asked)).ack();
        }
    }
}

#[test]
fn item_142_who_is_no_firmware_or_elsewhere_hears_nothing() {
    for mut lan in sites() {
        let plain = asks(client(1).request());
        assert_eq!(lan.hears(&plain).silence(), Ignored::NotBooting);
        assert_eq!(lan.hears(&asks(client(1).bootp())).silence(), Ignored::Bootp);
        let mut elsewhere = asks(client(1).request().bios());
        elsewhere.arrival.source.set_ip(std::net::Ipv4Addr::new(203, 0, 113, 7));
        elsewhere.ciaddr = *elsewhere.arrival.source.ip();
        assert_eq!(lan.hears(&elsewhere).silence(), Ignored::OffSubnet);
        let mut nowhere = asks(client(1).request().bios());
        nowhere.arrival.source.set_ip(std::net::Ipv4Addr::UNSPECIFIED);
        assert_eq!(lan.hears(&nowhere).silence(), Ignored::OffSubnet);
    }
}

/// Its address tells where it is, also in the IP header alone.
#[test]
fn who_asks_without_ciaddr_is_answered_wherever_it_is() {
    let mut lan = Lan::configured(|config| config.subnets[1].mode = Mode::Proxy);
    let mut asked = asks(client(1).request().bios());
    asked.arrival.source.set_ip(remote(77));
    asked.ciaddr = std::net::Ipv4Addr::UNSPECIFIED;
    let ack = lan.hears(&asked).ack();
    assert_eq!((ack.destination, ack.file()), (routed(remote(77), 68), "undionly.kpxe"));
}

#[test]
fn item_142_only_request_and_inform_are_for_a_boot_server() {
    for mut lan in sites() {
        let discover = asks(client(1).discover().bios());
        assert_eq!(lan.hears(&discover).silence(), Ignored::BootServerMessage);
        let release = asks(client(1).release(local(77)).bios());
        assert_eq!(lan.hears(&release).silence(), Ignored::BootServerMessage);
        let inform = client(1).inform(local(77)).bios().option(43, &item(0x8000, 0));
        assert_eq!(lan.hears(&asks(inform)).ack().option(43).unwrap(), item(0x8000, 0));
    }
}

#[test]
fn item_142_a_boot_server_tells_no_machine_what_another_architecture_loads() {
    for mut lan in sites() {
        let arm = asks(client(1).request().firmware(b"PXEClient:Arch:00011", 11));
        assert_eq!(lan.hears(&arm).silence().label(), "no-loader");
    }
}

#[test]
fn item_143_a_full_server_that_ends_discovery_answers_the_boot_servers_port_too() {
    let mut lan = Lan::new();
    let offer = lan.hears(&client(1).discover().uefi()).offer();
    assert_eq!(offer.option(43).unwrap(), [6, 1, 8, 255]);
    lan.hears(&client(1).selecting(offer.yiaddr()).uefi()).ack();
    let mut asked = to_boot_server(client(1).request().uefi(), 4011);
    asked.ciaddr = offer.yiaddr();
    asked.arrival.source.set_ip(offer.yiaddr());
    assert_eq!(lan.hears(&asked).ack().file(), "ipxe.efi");
    assert!(lan.active(offer.yiaddr()).is_some(), "and the lease is as it was");
}

#[test]
fn item_141_a_boot_server_is_found_by_broadcast_on_a_subnet_of_another_server() {
    let mut asked = client(1).request().bios().option(43, &item(0x8000, 0));
    asked.ciaddr = local(77);
    asked.arrival.source = SocketAddrV4::new(local(77), 68);
    let ack = by_proxy().hears(&asked).ack();
    assert_eq!((ack.source_port, ack.destination), (67, routed(local(77), 68)));
    assert_eq!(ack.option(43).unwrap(), item(0x8000, 0));
}

#[test]
fn item_142_an_inform_of_firmware_is_answered_with_what_to_boot_and_no_more() {
    let ack = by_proxy().hears(&client(1).inform(local(77)).bios()).ack();
    assert_eq!((ack.file(), ack.destination), ("undionly.kpxe", routed(local(77), 68)));
    assert!(ack.addresses(3).is_empty());
}
