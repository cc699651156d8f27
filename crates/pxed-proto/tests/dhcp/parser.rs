//! Items 105 to 115: what is no request, and damage that costs only itself.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{Destination, Ignored};
use pxed_proto::wire::dhcp::{Malformed, MessageType};

use crate::client::{Sent, client};
use crate::lan::*;

/// Why it is ignored; the next DISCOVER is answered.
fn ignored(sent: &Sent) -> Ignored {
    let mut lan = Lan::new();
    let reason = lan.ignores(&sent.bytes());
    assert_eq!(lan.offers(99), local(100), "no address was taken");
    reason
}

#[test]
fn item_105_only_requests_are_answered() {
    for op in [0, 2, 7, 255] {
        assert_eq!(ignored(&Sent { op, ..client(1).discover() }), Ignored::NotARequest);
    }
}

#[test]
fn item_106_without_the_magic_cookie_it_is_bootp() {
    let mut bytes = client(1).discover().bytes();
    bytes[236] = 0;
    assert_eq!(Lan::new().ignores(&bytes), Ignored::Bootp);
    assert_eq!(Lan::new().ignores(&[0; 300]), Ignored::NotARequest);
}

#[test]
fn item_107_message_types_that_no_client_sends() {
    let typeless = client(1).discover().without(53);
    assert_eq!(ignored(&typeless), Ignored::Bootp);
    assert_eq!(ignored(&typeless.clone().option(53, &[])), Ignored::MessageType);
    for value in [2, 5, 6] {
        let message_type = MessageType::from_u8(value).unwrap();
        assert_eq!(ignored(&client(1).says(value)), Ignored::FromServer(message_type));
    }
    for value in [0, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 200] {
        assert_eq!(ignored(&client(1).says(value)), Ignored::MessageType, "{value}");
    }
    assert_eq!(ignored(&typeless.option(53, &[1, 1])), Ignored::MessageType);
    assert_eq!(ignored(&client(1).discover().option(53, &[1])), Ignored::MessageType, "twice");
}

#[test]
fn item_108_what_was_read_before_the_damage_counts() {
    let bare = client(1).says(1);
    let pads_first = [&[0; 30][..], &[53, 1, 1, 255]].concat();
    for sent in [
        Sent { tail: vec![], ..bare.clone() },
        Sent { tail: pads_first, ..bare.clone().without(53) },
        Sent { tail: vec![12, 200, b'x'], ..bare.clone() },
        Sent { tail: vec![12], ..bare.clone() },
        Sent { tail: vec![255, 53, 1, 7, 61, 1, 1], ..bare },
    ] {
        let offer = Lan::new().hears(&sent).offer();
        assert_eq!(offer.option(61), None, "nothing counts behind the end");
    }
}

#[test]
fn item_109_messages_that_are_cut() {
    let whole = client(1).discover().bytes();
    for len in 0..240 {
        let reason = Ignored::Malformed(Malformed::TooShort);
        assert_eq!(Lan::new().ignores(&whole[..len]), reason, "{len}");
    }
    for len in [240, 241, 242] {
        assert_eq!(Lan::new().ignores(&whole[..len]), Ignored::Bootp, "{len}");
    }
}

#[test]
fn item_110_a_client_without_a_hardware_address_is_known_by_its_identifier() {
    let infiniband = |number| Sent { hlen: 0, chaddr: [0; 16], ..client(number).discover() };
    assert_eq!(ignored(&infiniband(1)), Ignored::NoIdentity);
    let mut lan = Lan::new();
    let one = lan.hears(&infiniband(1).option(61, b"one")).offer();
    let two = lan.hears(&infiniband(2).option(61, b"two")).offer();
    assert_eq!([one.destination, two.destination], [Destination::Broadcast; 2]);
    assert_ne!(one.yiaddr(), two.yiaddr());
    assert_eq!(lan.hears(&infiniband(3).option(61, b"one")).offer().yiaddr(), one.yiaddr());
}

#[test]
fn item_110_a_uuid_for_a_hardware_address_is_answered_by_broadcast() {
    let guid = Sent { hlen: 16, chaddr: [0x4c; 16], ..client(1).discover().uefi() };
    let offer = Lan::new().hears(&guid).offer();
    assert_eq!(offer.destination, Destination::Broadcast);
}

#[test]
fn item_110_a_hardware_address_longer_than_its_field_is_none() {
    for hlen in [17, 255] {
        let sent = Sent { hlen, ..client(1).discover().option(61, b"id") };
        assert_eq!(ignored(&sent), Ignored::Hardware);
    }
}

#[test]
fn item_111_other_hardware_is_answered_by_broadcast() {
    let infiniband = Sent { htype: 32, hlen: 0, chaddr: [0; 16], ..client(1).discover() };
    let offer = Lan::new().hears(&infiniband.option(61, &[1; 20]).broadcast_flag()).offer();
    assert_eq!(offer.destination, Destination::Broadcast);
    assert_eq!(offer.bytes[28..44], [0; 16]);
    let arcnet = Sent { htype: 7, hlen: 1, ..client(1).discover() };
    assert_eq!(Lan::new().hears(&arcnet).offer().destination, Destination::Broadcast);
    assert_eq!(ignored(&Sent { htype: 0, ..client(1).discover() }), Ignored::Hardware);
}

#[test]
fn item_112_nobody_has_a_group_address_or_none() {
    let with_mac = |mac: [u8; 6]| {
        let mut sent = client(1).discover();
        sent.chaddr[..6].copy_from_slice(&mac);
        sent
    };
    for mac in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]] {
        assert_eq!(ignored(&with_mac(mac)), Ignored::GroupAddress);
    }
    assert_eq!(ignored(&with_mac([0; 6])), Ignored::NoIdentity);
    let identified = with_mac([0; 6]).option(61, b"id");
    let offer = Lan::new().hears(&identified).offer();
    assert_eq!(offer.destination, Destination::Broadcast, "not to 00:00:00:00:00:00");
}

#[test]
fn item_113_a_malformed_option_costs_only_itself() {
    for (code, value) in [
        (50, &[192, 0, 2][..]),
        (50, &[192, 0, 2, 130, 0]),
        (51, &[0, 9]),
        (57, &[1]),
        (12, &[]),
        (55, &[]),
        (60, &[]),
        (61, &[]),
        (61, &[1]),
        (77, &[200]),
        (81, &[0, 0]),
        (81, &[4, 0, 0, 200, b'x']),
        (82, &[1, 200]),
        (93, &[7]),
        (94, &[1, 2]),
        (97, &[0, 1, 2]),
        (124, &[0, 0]),
        (125, &[0, 0, 0, 9, 200]),
        (43, &[6, 200]),
        (43, &[]),
    ] {
        let sent = client(1).discover().bios().without(code).option(code, value);
        let offer = Lan::new().hears(&sent).offer();
        assert_eq!(offer.yiaddr(), local(100), "{code}");
        let boots = code != 60;
        assert_eq!(!offer.file().is_empty(), boots, "{code}: {value:?}");
    }
}

/// Every option that the server looks at, in every length that is wrong for it.
#[test]
fn item_113_every_wrong_length_of_every_option_that_counts() {
    let wrong = |code: u8, len: usize| match code {
        50 | 51 | 54 => len != 4,
        57 => len != 2,
        94 => len != 3,
        97 => len != 17,
        93 => !len.is_multiple_of(2) || len == 0,
        12 | 43 | 55 | 60 | 61 | 77 | 81 | 82 | 124 | 125 | 175 => len < 2,
        _ => false,
    };
    for code in [12, 43, 50, 51, 54, 55, 57, 60, 61, 77, 81, 82, 93, 94, 97, 124, 125, 175] {
        for len in (0..40).filter(|len| wrong(code, *len)) {
            let sent = client(1).discover().uefi().without(code).option(code, &vec![1; len]);
            let mut lan = Lan::new();
            let offer = lan.hears(&sent).offer();
            assert_eq!(offer.yiaddr(), local(100), "{code}: {len}");
            let boots = ![60, 93, 175].contains(&code);
            assert!(!boots || offer.file() == "ipxe.efi", "{code}: {len}");
            assert_eq!(offer.seconds(51), Some(600), "{code}: {len}");
            let choice = client(1).selecting(local(100)).uefi();
            let odd = match code {
                50 | 54 => choice,
                _ => choice.without(code).option(code, &vec![1; len]),
            };
            lan.hears(&odd).ack();
            lan.hears(&client(1).renewing(local(100)).option(code, &vec![1; len])).ack();
        }
    }
}

#[test]
fn item_113_a_choice_with_a_malformed_address_is_refused() {
    let sent = client(1).request().address(54, SERVER).option(50, &[192, 0, 2]);
    assert_eq!(Lan::new().hears(&sent).nak().0.yiaddr(), Ipv4Addr::UNSPECIFIED);
}

#[test]
fn item_114_host_names_are_kept_as_far_as_they_are_names() {
    for (name, kept) in [
        (&b"bench-1"[..], Some("bench-1".to_owned())),
        (b"a;$(id)", Some("aid".to_owned())),
        (b"../../etc/passwd", Some("....etcpasswd".to_owned())),
        (b"b\0c", Some("bc".to_owned())),
        (b"\x1b[2J\n", Some("2J".to_owned())),
        ("\u{fc}".as_bytes(), None),
        (b"<script>", Some("script".to_owned())),
        (&[b'A'; 255], Some("A".repeat(253))),
        (b"$(); \x07", None),
        (b"`reboot`", Some("reboot".to_owned())),
        (b"%n%s%x", Some("nsx".to_owned())),
        (b"a\r\nHost: b", Some("aHostb".to_owned())),
        (&[0x1b; 255], None),
        (&[0; 64], None),
        (b"", None),
    ] {
        let mut lan = Lan::new();
        let offered = lan.offers(1);
        let answer = lan.hears(&client(1).selecting(offered).option(12, name));
        assert_eq!(answer.stored.unwrap().host_name(), kept.as_deref(), "{name:?}");
    }
}

#[test]
fn item_115_option_bombs_are_answered_like_anything_else() {
    let many = (100..=239)
        .fold(client(1).says(1), |sent, code| sent.option(code, b"abc").option(code, b"def"));
    let one = (0..255).fold(client(1).says(1), |sent, _| sent.option(43, &[7; 250]));
    let wishes = (0..250).fold(client(1).says(1), |sent, _| sent.option(55, &[6; 255]));
    let pads = Sent { tail: vec![0; 65_000], ..client(1).says(1) };
    let nested = Sent { file: [52, 1, 3].repeat(42), ..client(1).says(1).option(52, &[3]) };
    let everywhere = Sent { sname: [52, 1, 3].repeat(21), ..nested.clone() };
    for sent in [many, one, wishes, pads, nested, everywhere] {
        assert!(sent.bytes().len() <= 65_507, "one UDP datagram");
        Lan::new().hears(&sent).offer();
    }
}

#[test]
fn item_115_two_hundred_and_eighty_options_in_1400_octets() {
    let small = (0..277u32)
        .fold(client(1).says(1), |sent, i| sent.option(100 + (i % 100) as u8, &[i as u8; 2]));
    let small = small.option(12, b"x");
    let bytes = small.bytes();
    assert_eq!(
        (small.options.len(), (1350..=1400).contains(&bytes.len())),
        (279, true),
        "{}",
        bytes.len()
    );
    Lan::new().hears(&small).offer();
}

#[test]
fn item_115_a_datagram_of_64_kb_of_option_43_costs_what_is_kept_of_it() {
    let bomb = (0..255u8).fold(client(1).discover(), |sent, i| sent.option(43, &[i; 253]));
    assert!((60_000..=65_507).contains(&bomb.bytes().len()));
    let bytes = bomb.bytes();
    let message = pxed_proto::wire::dhcp::Message::parse(&bytes).unwrap();
    assert_eq!(message.option(43).unwrap().len(), pxed_proto::limits::OPTION_JOINED_MAX);
    let offer = Lan::new().hears(&bomb.option(61, &[7; 9])).offer();
    assert_eq!(
        (offer.option(43), offer.option(61)),
        (None, Some(vec![7; 9])),
        "what is behind counts"
    );
}
