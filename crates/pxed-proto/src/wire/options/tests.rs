use std::collections::BTreeSet;

use super::*;
use crate::limits;
use crate::wire::dhcp::Message;
use crate::wire::dhcp::testing::discover_with;
use crate::wire::pxe;

/// A value's octets, read again: what stands behind the option's name and number.
fn shown(number: u8, value: impl Into<Value>) -> String {
    let octets = encode_to_compare(number, &value.into()).unwrap();
    behind(&Described(number, &octets).to_string())
}

fn behind(described: &str) -> String {
    described.split_once("): ").unwrap().1.to_owned()
}

fn refused(number: u8, value: impl Into<Value>) -> String {
    encode(number, &value.into()).unwrap_err().to_string()
}

fn typed(name: &str, value: impl Into<Value>) -> Value {
    Value::table([("type", name.into()), ("value", value.into())])
}

#[test]
fn tables_are_in_order_and_names_are_unique() {
    let spaces = [pxe::SUB_OPTIONS, RELAY_SUB_OPTIONS, IPXE_SUB_OPTIONS];
    let all: Vec<&Definition> = definitions().collect();
    for table in [&all[..]]
        .into_iter()
        .chain(spaces.map(|space| space.iter().collect()).iter().map(|v: &Vec<_>| &v[..]))
    {
        assert!(table.is_sorted_by(|a, b| a.number < b.number));
        let names: BTreeSet<&str> = table.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), table.len());
        for name in names {
            assert!(name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{name}");
            assert!(number_in(name).is_none(), "{name} would be read as a number");
        }
    }
    assert!(TYPES.is_sorted_by(|a, b| a.0 < b.0));
}

#[test]
fn every_example_encodes_and_is_read_again() {
    for definition in definitions() {
        let example = definition.example();
        let octets = encode_to_compare(definition.number, &example)
            .unwrap_or_else(|error| panic!("{}: {error}", definition.name));
        let described = Described(definition.number, &octets).to_string();
        let hex = format!("): {}", crate::text::Hex(&octets));
        let opaque = matches!(definition.form, Form::Bytes | Form::Empty);
        assert!(opaque || !described.ends_with(&hex), "{described}");
        assert!(!definition.form.wanted().is_empty());
    }
    for sub_option in pxe::SUB_OPTIONS {
        let value = Value::table([(sub_option.name, sub_option.example())]);
        assert!(shown(43, value).starts_with(sub_option.name));
    }
}

#[test]
fn every_type_takes_its_example_for_an_unknown_option() {
    for (name, form) in TYPES {
        encode(224, &typed(name, form.example())).unwrap();
    }
}

#[test]
fn options_are_found_by_name_and_number() {
    for (text, number) in
        [("domain-name-servers", 6), ("6", 6), ("6rd", 212), ("captive-portal", 114)]
    {
        assert_eq!(find(text).unwrap().number, number);
    }
    for text in ["", "224", "256", "+6", "domain name server"] {
        assert!(find(text).is_none(), "{text}");
    }
    assert_eq!((number("224"), number("routers"), number("256")), (Some(224), Some(3), None));
    assert_eq!((name(6), name(224)), (Some("domain name server"), None));
}

#[test]
fn values_make_the_round_trip() {
    for (number, value, text) in [
        (1, "255.255.255.0".into(), "255.255.255.0"),
        (2, (-3600).into(), "-3600"),
        (3, "192.168.77.1".into(), "192.168.77.1"),
        (6, ["1.2.3.4", "5.6.7.8"].into(), "1.2.3.4, 5.6.7.8"),
        (19, true.into(), "true"),
        (21, ["10.0.0.0/255.0.0.0"].into(), "10.0.0.0/255.0.0.0"),
        (23, 64.into(), "64"),
        (25, [68, 1500].into(), "68, 1500"),
        (26, 9000.into(), "9000"),
        (33, ["10.1.2.3 via 192.168.77.1"].into(), "10.1.2.3 via 192.168.77.1"),
        (46, 8.into(), "8 (H-node)"),
        (53, "discover".into(), "DISCOVER"),
        (77, "iPXE".into(), "\"iPXE\""),
        (77, ["one", "two"].into(), "\"one\", \"two\""),
        (93, [7, 16].into(), "UEFI x64, UEFI x64 HTTP"),
        (100, "CET-1CEST".into(), "\"CET-1CEST\""),
        (108, 1800.into(), "1800 s"),
        (119, ["lab.example", "example"].into(), "lab.example, example"),
        (120, ["192.168.77.5"].into(), "192.168.77.5"),
        (120, ["sip.example"].into(), "sip.example"),
        (137, "lost.example".into(), "lost.example"),
        (158, vec![Value::from(["1.2.3.4"])].into(), "1.2.3.4"),
        (211, i64::from(u32::MAX).into(), "for ever"),
        (224, "hex:01:02-ff 0a0B".into(), "01 02 ff 0a 0b"),
        (12, "hex:61 0a".into(), "\"a\\x0a\""),
    ] as [(u8, Value, &str); 25]
    {
        assert_eq!(shown(number, value), text, "{number}");
    }
}

#[test]
fn tables_make_the_round_trip() {
    let agents = Value::table([("addresses", ["1.2.3.4"].into()), ("mandatory", true.into())]);
    assert_eq!(shown(78, agents), "mandatory true, addresses 1.2.3.4");
    assert_eq!(shown(79, Value::table([("mandatory", false.into())])), "mandatory false");
    let dns = Value::table([("priority", 1.into()), ("name", "dns.example".into())]);
    assert_eq!(shown(162, [dns]), "priority 1, name dns.example");
    let class = Value::table([("3561", "dslforum.org".into())]);
    assert_eq!(shown(124, class), "enterprise 3561 \"dslforum.org\"");
    let vendor = Value::table([("3561", Value::table([("11", typed("text", "acs"))]))]);
    assert_eq!(shown(125, vendor), "enterprise 3561 {sub-option 11 61 63 73}");
    let relay = Value::table([("link-selection", "10.0.0.0".into()), ("200", "hex:ab".into())]);
    assert_eq!(shown(82, relay), "link-selection 10.0.0.0; sub-option 200 ab");
}

#[test]
fn pxe_options_make_the_round_trip() {
    let server = Value::table([("type", 0.into()), ("addresses", ["1.2.3.4"].into())]);
    let any = Value::table([("type", 1.into()), ("addresses", Value::List(vec![]))]);
    let item = Value::table([("type", 0.into()), ("text", "Local".into())]);
    let prompt = Value::table([("timeout", 5.into()), ("text", "F8".into())]);
    let value = Value::table([
        ("discovery-control", 7.into()),
        ("boot-servers", [server, any].into()),
        ("boot-menu", [item].into()),
        ("menu-prompt", prompt),
    ]);
    let octets = encode(43, &value).unwrap();
    assert!(octets.starts_with(&[6, 1, 7, 8, 10, 0, 0, 1, 1, 2, 3, 4, 0, 1, 0, 9, 8]));
    assert!(octets.ends_with(&[10, 3, 5, b'F', b'8', 255]));
    assert_eq!(
        behind(&Described(43, &octets).to_string()),
        "discovery-control 7 (no broadcast, no multicast, listed servers only); \
         boot-servers {type 0, addresses 1.2.3.4; type 1, addresses }; \
         boot-menu {type 0, text \"Local\"}; menu-prompt {timeout 5, text \"F8\"}"
    );
    assert_eq!(
        behind(&Described(43, &pxe::USE_BOOT_FILE).to_string()),
        "discovery-control 8 (use the boot file)"
    );
    assert_eq!(encode(43, &Value::table([("1", typed("u8", 7))])).unwrap(), [1, 1, 7]);
}

#[test]
fn errors_say_what_to_write() {
    for (number, value, text) in [
        (6, "foo".into(), "an IPv4 address such as \"192.168.77.1\" is wanted, not \"foo\""),
        (6, Value::List(vec![]), "there is nothing in it; leave the option out instead"),
        (26, 67.into(), "67 is not between 68 and 65535"),
        (23, 256.into(), "256 is not between 1 and 255"),
        (108, 0.into(), "0 is not between 300 and 4294967295"),
        (26, "1500".into(), "a whole number is wanted, not \"1500\""),
        (19, 1.into(), "true or false is wanted, not 1"),
        (
            1,
            "255.255.0.0".into(),
            "pxed sets subnet-mask itself: it is that of the subnet's network; leave it out",
        ),
        (
            114,
            "portal".into(),
            "a URI such as \"https://portal.example/api\" is wanted, not \"portal\"",
        ),
        (
            121,
            ["10.0.0.0/8 via 1.2.3.4", "10.1.2.3/8 via 1.2.3.4"].into(),
            "item 2: 10.1.2.3/8 is no network: write 10.0.0.0/8",
        ),
        (
            53,
            1.into(),
            "pxed sets dhcp-message-type itself: it is the message's own framing; leave it out",
        ),
        (
            55,
            [1].into(),
            "parameter-request-list is what a client or a relay agent sends, never a server",
        ),
        (
            224,
            7.into(),
            "its type is not known: write \"hex:01 02 ff\" for octets, or \
             { type = \"text\", value = 7 } with its type",
        ),
        (
            224,
            "hex:123".into(),
            "a string of octets such as \"hex:01 02 ff\" is wanted, not \"hex:123\"",
        ),
        (
            224,
            typed("adress", 7),
            "there is no type \"adress\"; did you mean \"address\"?; there are address, \
             address-pairs, addresses, boolean, domain-list, domain-name, empty, hex, i32, \
             ipv6-address, routes, seconds, sip-servers, static-routes, sub-options, text, texts, \
             u16, u16-list, u32, u8, u8-list, uri",
        ),
        (224, typed("u8", 256), "256 is not between 0 and 255"),
        (224, Value::table([("type", "u8".into())]), "\"value\" is missing"),
        (
            224,
            Value::table([("type", "u8".into()), ("value", 7.into()), ("valeu", 7.into())]),
            "there is no key \"valeu\"; did you mean \"value\"?",
        ),
    ] as [(u8, Value, &str); 18]
    {
        assert_eq!(refused(number, value), text);
    }
}

#[test]
fn errors_in_tables_say_where() {
    for (number, value, text) in [
        (
            43,
            Value::table([("discovery-contol", 7.into())]),
            "there is no key \"discovery-contol\"; did you mean \"discovery-control\"?",
        ),
        (43, Value::table([("255", "hex:00".into())]), "255 is not between 1 and 254"),
        (
            43,
            Value::table([("menu-prompt", Value::table([("timeout", 5.into())]))]),
            "menu-prompt: \"text\" is missing",
        ),
        (
            78,
            Value::table([("adresses", 1.into())]),
            "there is no key \"adresses\"; did you mean \"addresses\"?",
        ),
        (124, Value::table([("x", "y".into())]), "there is no key \"x\""),
    ] as [(u8, Value, &str); 5]
    {
        assert_eq!(refused(number, value), text);
    }
}

#[test]
fn lengths_are_bounded() {
    assert_eq!(encode(224, &typed("text", "a".repeat(300))).unwrap().len(), 300, "item 97");
    let most = limits::OPTION_JOINED_MAX;
    assert_eq!(encode(224, &typed("text", "a".repeat(most))).unwrap().len(), most);
    assert_eq!(
        refused(17, "a".repeat(most + 1)),
        format!("it takes {} octets, and at most {most} fit", most + 1)
    );
    let long = Value::table([("1", typed("text", "a".repeat(256)))]);
    assert_eq!(refused(43, long), "1: it takes 256 octets, and at most 255 fit");
    assert!(refused(6, "a".repeat(900)).chars().count() < 130);
}

#[test]
fn items_126_and_127_texts_end_without_a_nul() {
    for (number, text) in
        [(12, "bench-1"), (15, "lab.example"), (114, "https://portal.example/a?b")]
    {
        assert_eq!(encode(number, &text.into()).unwrap(), text.as_bytes());
    }
    for (number, text) in [(15, "lab\0"), (17, "a\nb"), (114, "https://a b/"), (12, "")] {
        assert!(encode(number, &text.into()).is_err(), "{text:?}");
    }
}

#[test]
fn item_124_option_108_is_at_least_300_seconds() {
    for (seconds, fits) in [(0, false), (299, false), (300, true), (1800, true)] {
        assert_eq!(encode(108, &seconds.into()).is_ok(), fits, "{seconds}");
    }
}

#[test]
fn machine_ids_are_written_as_they_are_shown() {
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    assert_eq!(shown(97, uuid), uuid);
    assert!(encode_to_compare(97, &"0011".into()).is_err());
}

#[test]
fn options_are_described_by_their_form() {
    for (code, value, text) in [
        (53, &[1][..], "DHCP message type (53): DISCOVER"),
        (53, &[99], "DHCP message type (53): 63"),
        (6, &[1, 2, 3, 4, 5, 6, 7, 8], "domain name server (6): 1.2.3.4, 5.6.7.8"),
        (6, &[1, 2, 3], "domain name server (6): 01 02 03"),
        (1, &[255, 255, 255, 0, 0], "subnet mask (1): ff ff ff 00 00"),
        (51, &[0, 0, 14, 16], "IP address lease time (51): 3600 s"),
        (12, b"a\nb", "host name (12): \"a\\x0ab\""),
        (55, &[1, 3, 6], "parameter request list (55): 1, 3, 6"),
        (60, b"PXEClient", "vendor class identifier (60): \"PXEClient\""),
        (77, b"iPXE", "user class (77): \"iPXE\""),
        (77, b"\x04iPXE", "user class (77): \"iPXE\""),
        (81, b"\x00\x00\x00bench", "client FQDN (81): \"bench\", flags 0"),
        (
            81,
            b"\x05\x00\x00\x05bench",
            "client FQDN (81): \"bench\", flags 5 (server updates A, in DNS form)",
        ),
        (81, b"\x04\x00\x00\x09bench", "client FQDN (81): 04 00 00 09 62 65 6e 63 68"),
        (
            82,
            b"\x01\x04ge-0\x02\x02\x00\x07",
            "relay agent information (82): circuit-id \"ge-0\"; remote-id 00 07",
        ),
        (82, b"\x01\x04ge", "relay agent information (82): 01 04 67 65"),
        (82, b"\x05\x01\x07", "relay agent information (82): link-selection 07"),
        (93, &[0, 7], "client system architecture (93): UEFI x64"),
        (94, &[1, 3, 16], "client network interface (94): type 1, major 3, minor 16"),
        (175, &[19, 1, 1, 176, 1, 1], "iPXE (175): http 1; no-proxydhcp 1"),
        (200, &[0xab], "option (200): ab"),
        (119, b"\x03lab\xc0\x00", "domain search (119): 03 6c 61 62 c0 00"),
        (
            43,
            &[71, 4, 0, 0, 0, 0, 255, 0],
            "vendor specific information (43): boot-item {type 0, layer 0}",
        ),
        (43, &[6, 1], "vendor specific information (43): 06 01"),
        (80, &[], "rapid commit (80): "),
    ] {
        assert_eq!(Described(code, value).to_string(), text);
    }
}

#[test]
fn any_octets_are_described_within_bounds() {
    for number in 0..=255 {
        for seed in 0..64_u8 {
            let octets: Vec<u8> =
                (0..=255).cycle().map(|i: u8| i.wrapping_mul(seed) % 13).take(300).collect();
            for len in [0, 1, 2, 3, 4, 5, 8, 16, 17, 300] {
                let text = Described(number, &octets[..len]).to_string();
                assert!(text.len() < 8192 && text.chars().all(|c| c == '…' || !c.is_control()));
            }
        }
    }
}

#[test]
fn a_message_is_decoded_line_by_line() {
    let datagram = discover_with(&[(12, b"bench")]);
    let text = Decoded(&Message::parse(&datagram).unwrap()).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("xid 12345678"), "{text}");
    assert_eq!(lines[1..], ["  DHCP message type (53): DISCOVER", "  host name (12): \"bench\""]);
}

#[test]
fn parts_are_decoded_as_one_option() {
    let datagram = discover_with(&[(119, b"\x03lab\x07exa"), (12, b"a"), (119, b"mple\x00")]);
    let text = Decoded(&Message::parse(&datagram).unwrap()).to_string();
    assert!(
        text.ends_with("  domain search (119): lab.example (in 2 parts)\n  host name (12): \"a\""),
        "{text}"
    );
}

#[test]
fn vendor_options_are_pxes_only_where_the_class_says_so() {
    for (class, text) in [
        (&b"PXEClient:Arch:00000"[..], "discovery-control 8 (use the boot file)"),
        (b"MSFT 5.0", "sub-option 6 08"),
    ] {
        let datagram = discover_with(&[(60, class), (43, &pxe::USE_BOOT_FILE)]);
        let decoded = Decoded(&Message::parse(&datagram).unwrap()).to_string();
        assert!(
            decoded.ends_with(&format!("vendor specific information (43): {text}")),
            "{decoded}"
        );
    }
}
