//! Items 94 to 104: options in odd places, long options, and what fits into a reply.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{Ignored, LinkId, OptionSetting};

use crate::client::{Sent, client};
use crate::lan::*;

fn name_servers(count: u8) -> Vec<Ipv4Addr> {
    (0..count).map(|host| Ipv4Addr::new(203, 0, 113, host)).collect()
}

/// A LAN whose options are these beside the usual ones.
fn lan_with<const N: usize>(options: [OptionSetting; N]) -> Lan {
    Lan::with(|subnet| set(&mut subnet.settings.options, options))
}

fn lan_with_boot_file(name: &str) -> Lan {
    Lan::with(|subnet| subnet.settings.boot_file = Some(name.into()))
}

#[test]
fn item_94_options_in_the_file_field_are_read() {
    let mut sent = client(1).discover().without(53).option(52, &[1]);
    sent.file = vec![53, 1, 1, 61, 3, 1, 2, 3, 255];
    let offer = Lan::new().hears(&sent).offer();
    assert_eq!(offer.option(61).as_deref(), Some(&[1, 2, 3][..]));
    assert_eq!(offer.file(), "", "the client's octets are not copied");
}

#[test]
fn item_95_options_in_both_fields_are_read() {
    let mut lan = Lan::new();
    let offered = lan.offers(1);
    let mut sent = client(1).selecting(offered).option(52, &[3]);
    sent.file = vec![61, 2, 1, 2, 255];
    sent.sname = vec![61, 1, 3, 12, 5, b'b', b'e', b'n', b'c', b'h'];
    let answer = lan.hears(&sent);
    let name = answer.stored.as_ref().unwrap().host_name().map(str::to_owned);
    assert_eq!(name.as_deref(), Some("bench"));
    assert_eq!(answer.ack().option(61).as_deref(), Some(&[1, 2, 3][..]), "file, then sname");
}

#[test]
fn item_95_a_malformed_overload_is_ignored() {
    for overload in [&[][..], &[0], &[4], &[1, 1]] {
        let mut sent = client(1).discover().option(52, overload);
        sent.file = vec![53, 1, 7, 61, 3, 1, 2, 3, 255];
        assert_eq!(Lan::new().hears(&sent).offer().option(61), None, "{overload:?}");
    }
    let mut recursive = client(1).discover().without(53).option(52, &[1]);
    recursive.file = vec![52, 1, 2, 255];
    recursive.sname = vec![53, 1, 1, 255];
    assert_eq!(Lan::new().hears(&recursive).silence(), Ignored::OtherServerName);
}

#[test]
fn item_96_a_client_identifier_in_two_parts_is_one() {
    let sent = client(1).discover().option(61, &[1; 100]).option(12, b"x").option(61, &[2; 100]);
    let offer = Lan::new().hears(&sent).offer();
    assert_eq!(offer.option(61), Some([[1; 100], [2; 100]].concat()));
}

/// The link's MTU is an upper bound, also once it is another (item 8).
#[test]
fn item_8_a_reply_fits_the_link_as_it_is_now() {
    let mut lan = lan_with([addresses(6, &name_servers(50)), addresses(42, &name_servers(50))]);
    let sent = client(1).discover().option(57, &1472_u16.to_be_bytes());
    let sent = sent.option(55, &[6, 42]);
    let whole = lan.hears(&sent).offer();
    assert!(whole.option(6).is_some() && whole.option(42).is_some());
    lan.server.set_mtu(LinkId(0), 600);
    let answer = lan.hears(&sent);
    assert_eq!(answer.offer().option(42), None);
    lan.server.set_mtu(LinkId(0), 1500);
    assert_eq!(lan.hears(&sent).offer().option(42), whole.option(42));
    // There is no such link, and nothing happens.
    lan.server.set_mtu(LinkId(7), 600);
}

#[test]
fn item_97_a_long_option_is_split() {
    let servers = name_servers(70);
    let mut lan = lan_with([addresses(6, &servers)]);
    let offer = lan.hears(&client(1).discover().option(57, &1472u16.to_be_bytes())).offer();
    let parts: Vec<usize> =
        offer.options().iter().filter(|(code, _)| *code == 6).map(|(_, v)| v.len()).collect();
    assert_eq!(parts, [255, 25]);
    assert_eq!(offer.addresses(6), servers);
}

#[test]
fn item_98_what_does_not_fit_is_left_out_from_the_end_of_the_clients_list() {
    let mut lan = lan_with([addresses(6, &name_servers(60)), option(15, "twenty-octets.example")]);
    for (wishes, left_out) in [
        (&[6, 15, 28, 58, 59][..], &[59][..]),
        (&[6, 59, 58, 28, 15], &[15]),
        (&[15, 28, 6, 58, 59], &[59]),
    ] {
        let answer = lan.hears(&client(1).discover().without(55).option(55, wishes));
        assert_eq!(answer.event.left_out, left_out, "{wishes:?}");
        let offer = answer.offer();
        for code in [53, 54, 51, 1, 3, 6] {
            assert!(offer.option(code).is_some(), "{code}");
        }
        assert!(left_out.iter().all(|code| offer.option(*code).is_none()));
    }
}

#[test]
fn item_98_identity_and_boot_come_before_comfort() {
    let mut lan = lan_with([option(15, "d".repeat(200))]);
    let port = [1, 4, b'p', b'o', b'r', b't'];
    let sent = client(1).discover().bios().without(57).option(61, &[5; 100]).option(82, &port);
    let answer = lan.hears(&sent);
    assert_eq!(answer.event.left_out, [15]);
    let offer = answer.offer();
    for code in [53, 54, 51, 1, 3, 6, 43, 60, 61, 66, 67, 82, 97] {
        assert!(offer.option(code).is_some(), "{code}");
    }
    assert_eq!(offer.file(), "undionly.kpxe");
}

#[test]
fn item_98_a_client_identifier_and_relay_information_that_fill_the_reply() {
    let information = [&[1, 248][..], &[9; 248]].concat();
    let sent = client(1).discover().option(61, &[5; 255]).option(82, &information);
    let offer = Lan::new().hears(&sent.by_relay(RELAY)).offer();
    assert_eq!(offer.codes()[..6], [53, 54, 51, 1, 61, 3], "never without these");
}

#[test]
fn item_99_a_reply_grows_with_what_the_client_and_the_link_can_take() {
    let mut lan = lan_with([addresses(6, &name_servers(245)), option(15, "d".repeat(200))]);
    for (most, codes) in [
        (None, &[15][..]),
        (Some(0), &[15]),
        (Some(200), &[15]),
        (Some(1000), &[15]),
        (Some(1472), &[6]),
        (Some(1500), &[6, 15]),
        (Some(65535), &[6, 15]),
    ] {
        let sent = match most {
            None => client(1).discover(),
            Some(most) => client(1).discover().option(57, &u16::to_be_bytes(most)),
        };
        let offer = lan.hears(&sent).offer();
        let long = |code: &u8| [6, 15].contains(code);
        let mut present: Vec<u8> = offer.codes().into_iter().filter(long).collect();
        present.dedup();
        assert_eq!(present, codes, "{most:?}");
    }
}

#[test]
fn item_100_the_file_field_holds_the_boot_file_even_where_room_is_short() {
    let mut lan = lan_with([addresses(6, &name_servers(74))]);
    let offer = lan.hears(&client(1).discover().bios().without(57)).offer();
    assert_eq!((offer.file(), offer.siaddr(), offer.option(52)), ("undionly.kpxe", SERVER, None));
}

#[test]
fn item_101_the_boot_file_is_in_both_places() {
    for wishes in [&[1, 3][..], &[66, 67]] {
        let sent = client(1).discover().without(55).option(55, wishes).uefi();
        let offer = Lan::new().hears(&sent).offer();
        assert_eq!((offer.file(), offer.text(67).as_str()), ("ipxe.efi", "ipxe.efi\0"));
        assert_eq!(offer.text(66), "192.0.2.1\0");
    }
}

#[test]
fn item_102_only_pxe_roms_get_a_nul_behind_the_name() {
    let rom = Lan::new().hears(&client(1).discover().bios()).offer();
    assert_eq!((rom.text(66).as_str(), rom.text(67).as_str()), ("192.0.2.1\0", "undionly.kpxe\0"));
    for sent in [client(1).discover().http_boot(), client(1).discover().ipxe()] {
        let offer = Lan::new().hears(&sent).offer();
        assert!(!offer.text(66).contains('\0') && !offer.text(67).contains('\0'));
    }
}

#[test]
fn item_103_a_name_that_is_too_long_for_the_field_is_in_the_option_alone() {
    let name = format!("http://192.0.2.1/{}", "x".repeat(238));
    assert_eq!(name.len(), 255);
    let offer = lan_with_boot_file(&name).hears(&client(1).discover().http_boot()).offer();
    assert_eq!((offer.file(), offer.text(67)), ("", name));
    assert_eq!(offer.codes().iter().filter(|code| **code == 67).count(), 1, "not split");
}

#[test]
fn item_103_the_longest_name_fits_one_option_as_a_url_too() {
    let name = "n".repeat(pxed_proto::wire::dhcp::FILE_MAX);
    let mut lan = lan_with_boot_file(&name);
    lan.reload(|config| {
        config.subnets[0].services.http = "255.255.255.255:65535".parse().unwrap();
    });
    for (sent, in_field) in
        [(client(1).discover().http_boot(), false), (client(1).discover().bios(), true)]
    {
        let offer = lan.hears(&sent).offer();
        assert_eq!(offer.codes().iter().filter(|code| **code == 67).count(), 1);
        assert_eq!(offer.file() == name, in_field);
        assert!(offer.text(67).trim_end_matches('\0').ends_with(&name));
    }
}

#[test]
fn item_98_eight_long_options_are_left_out_from_the_end() {
    let codes: Vec<u8> = (224..232).collect();
    let mut lan = Lan::with(|subnet| {
        set(&mut subnet.settings.options, codes.iter().map(|code| option(*code, [*code; 200])));
    });
    let wishes = [&codes[..], &[1, 3, 6]].concat();
    let port = [1, 4, b'p', b'o', b'r', b't'];
    let sent = client(1).discover().bios().without(57).without(55).option(55, &wishes);
    let sent = sent.option(61, &[7; 19]).option(82, &port);
    let answer = lan.hears(&sent);
    assert_eq!(answer.event.left_out, codes, "the boot and its identity leave no room for one");
    let offer = answer.offer();
    for code in [53, 54, 51, 1, 3, 6, 61, 66, 67, 82] {
        assert!(offer.option(code).is_some(), "{code}");
    }
    let plain = client(1).discover().without(55).option(55, &wishes);
    let answer = lan.hears(&plain);
    assert_eq!(answer.event.left_out, codes[1..], "the first one has room");
    let offer = answer.offer();
    assert_eq!((offer.option(224), offer.option(52)), (Some(vec![224; 200]), None));
}

#[test]
fn item_104_a_name_of_127_octets_is_the_longest_in_the_field() {
    for (len, in_field) in [(126, 126), (127, 127), (128, 0)] {
        let name = "n".repeat(len);
        let offer = lan_with_boot_file(&name).hears(&client(1).discover().bios()).offer();
        assert_eq!((offer.file().len(), offer.text(67)), (in_field, format!("{name}\0")));
    }
}

#[test]
fn no_reply_without_its_essentials_however_long_the_identity() {
    for parts in 1..=8 {
        let mut sent = client(1).discover().bios().without(57).by_relay(RELAY);
        for _ in 0..parts {
            sent = sent.option(61, &[5; 255]).option(82, &[1, 0].repeat(100));
        }
        let offer = Lan::new().hears(&sent).offer();
        assert_eq!(offer.codes()[..4], [53, 54, 51, 1], "{parts}");
    }
    let flooded = Sent { tail: [61, 0, 255].to_vec(), ..client(1).discover() };
    assert_eq!(Lan::new().hears(&flooded).offer().option(61), None);
}
