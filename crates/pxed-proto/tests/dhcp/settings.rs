//! What clients are given, layer by layer; items 97, 124 and 126 for options of every kind.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{Class, Group, HostKey, OptionSetting, Reservation, Reservations};
use pxed_proto::dhcp::{Config, Settings, Test};
use pxed_proto::machine::Architecture;
use pxed_proto::wire::options;

use crate::client::{Client, Sent, client};
use crate::lan::*;

/// How strong each layer is, the weakest first: each one sets what it is told to.
const LAYERS: [fn(&mut Config) -> &mut Settings; 6] = [
    |config| &mut config.policy.everywhere,
    |config| &mut config.subnets[0].settings,
    |config| &mut config.policy.classes[0].settings,
    |config| &mut config.policy.classes[1].settings,
    |config| &mut config.policy.groups[0].settings,
    |config| &mut config.policy.groups[1].settings,
];

/// Everybody is a member of all classes and groups; client 1 has a reservation too.
fn layered(change: impl FnOnce(&mut Config), own: Settings) -> Lan {
    let all = || Test::All(vec![]);
    let class =
        |name: &str, test| Class { name: name.to_owned(), test, settings: Settings::default() };
    let group = |name: &str| Group {
        name: name.to_owned(),
        members: vec!["02:00".parse().unwrap()],
        ..Group::default()
    };
    let reservation = Reservation {
        name: "one".to_owned(),
        keys: vec![HostKey::Mac(Client(1).mac())],
        settings: own,
        ..Reservation::default()
    };
    Lan::configured(|config| {
        config.subnets[0].settings.options.clear();
        config.policy.classes = vec![class("a", all()), class("b", Test::Group("g".to_owned()))];
        config.policy.groups = vec![group("g"), group("h")];
        config.policy.reservations = Reservations::new(vec![reservation]);
        change(config);
    })
}

/// What a BIOS ROM with this number is offered where the layers up to `last` say their own number.
fn offer_with(last: usize, number: u32, say: impl Fn(&mut Settings, u8)) -> Reply {
    let mut own = Settings::default();
    say(&mut own, 99);
    let change = |config: &mut Config| {
        for (i, layer) in LAYERS.iter().enumerate().take(last + 1) {
            say(layer(config), i as u8);
        }
    };
    layered(change, own).hears(&client(number).discover().bios()).offer()
}

#[test]
fn the_strongest_layer_wins() {
    for last in 0..LAYERS.len() {
        let told = |number| {
            let options = |settings: &mut Settings, i: u8| settings.options = vec![option(15, [i])];
            let file =
                |settings: &mut Settings, i| settings.boot_file = Some(format!("{i}.0").into());
            let server = |settings: &mut Settings, i| settings.tftp_server = Some(local(i));
            let loader = |settings: &mut Settings, i: u8| {
                settings.loaders.insert(Architecture::BIOS, format!("{i}.kpxe").into());
            };
            (
                offer_with(last, number, options).option(15).unwrap()[0],
                offer_with(last, number, file).file().to_owned(),
                offer_with(last, number, server).siaddr(),
                offer_with(last, number, loader).file().to_owned(),
            )
        };
        let said = |i: u8| (i, format!("{i}.0"), local(i), format!("{i}.kpxe"));
        assert_eq!(told(2), said(last as u8), "without a reservation");
        assert_eq!(told(1), said(99), "with one");
    }
}

#[test]
fn a_profile_of_any_layer_reaches_the_script() {
    let profile = |name: &str| Settings { profile: Some(name.into()), ..Settings::default() };
    let change = |config: &mut Config| config.subnets[0].settings.profile = profile("all").profile;
    let mut lan = layered(change, profile("own"));
    let mut url = |number| lan.hears(&client(number).discover().ipxe()).offer().text(67);
    assert!(url(1).ends_with("&profile=own") && url(2).ends_with("&profile=all"), "{}", url(1));
}

#[test]
fn a_reservation_names_its_group() {
    let mut lan = layered(|config| config.policy.groups[0].members.clear(), Settings::default());
    let reservation = Reservation {
        keys: vec![HostKey::Mac(Client(1).mac())],
        group: Some("g".to_owned()),
        ..Reservation::default()
    };
    lan.reload(|config| {
        config.policy.groups[0].settings.options = vec![option(15, "group.example")];
        config.policy.classes[1].settings.options = vec![option(42, local(42).octets())];
        config.policy.reservations = Reservations::new(vec![reservation]);
    });
    let both = |sent: Sent| sent.without(55).option(55, &[15, 42]);
    let one = lan.hears(&both(client(1).discover())).offer();
    assert_eq!((one.text(15).as_str(), one.addresses(42)), ("group.example", vec![local(42)]));
    let two = lan.hears(&both(client(2).discover())).offer();
    assert_eq!((two.option(15), two.option(42)), (None, None));
}

/// What a client that asks for `wishes` is told where `settings` are everybody's.
fn told(settings: Vec<OptionSetting>, sent: Sent, wishes: &[u8]) -> Reply {
    let mut lan = Lan::with(|subnet| subnet.settings.options = settings);
    lan.hears(&sent.without(55).option(55, wishes)).offer()
}

#[test]
fn options_are_sent_when_asked_for_or_always() {
    let asked = option(42, local(42).octets());
    let always = OptionSetting { always: true, ..asked.clone() };
    for (setting, wishes, present) in [
        (&asked, &[42][..], true),
        (&asked, &[28], false),
        (&always, &[28], true),
        (&always, &[42], true),
    ] {
        let offer = told(vec![setting.clone()], client(1).discover(), wishes);
        assert_eq!(offer.option(42).is_some(), present, "{wishes:?}");
    }
}

#[test]
fn options_for_firmware_are_not_for_others_and_hide_nothing_from_them() {
    let everybody = option(3, local(254).octets());
    let firmware = OptionSetting { booting_only: true, ..option(3, local(253).octets()) };
    let settings = vec![everybody, firmware];
    for (sent, router) in [
        (client(1).discover(), local(254)),
        (client(1).discover().bios(), local(253)),
        (client(1).discover().ipxe(), local(253)),
    ] {
        assert_eq!(told(settings.clone(), sent, &[3]).addresses(3), [router]);
    }
}

#[test]
fn the_operators_43_and_60_replace_pxeds_own() {
    let settings = vec![option(43, [10, 4, 0, b'P', b'X', b'E', 255]), option(60, "PXEClient:own")];
    let offer = told(settings.clone(), client(1).discover().bios(), &[1]);
    assert_eq!(offer.option(43).unwrap(), [10, 4, 0, b'P', b'X', b'E', 255]);
    assert_eq!(offer.text(60), "PXEClient:own");
    let plain = told(settings, client(1).discover(), &[60]);
    assert_eq!((plain.text(60).as_str(), plain.option(43)), ("PXEClient:own", None), "as asked");
    let ipxe = told(vec![option(175, [8, 1, 1])], client(1).discover().ipxe(), &[1]);
    assert_eq!(ipxe.option(175).unwrap(), [8, 1, 1]);
}

#[test]
fn item_97_a_long_option_keeps_its_order_and_its_octets() {
    let value: Vec<u8> = (0..300u16).map(|i| i as u8).collect();
    let sent = client(1).discover().option(57, &1472u16.to_be_bytes());
    let offer = told(vec![option(224, &value)], sent, &[224]);
    let parts: Vec<usize> =
        offer.options().iter().filter(|(code, _)| *code == 224).map(|(_, v)| v.len()).collect();
    assert_eq!((parts, offer.option(224)), (vec![255, 45], Some(value)));
}

#[test]
fn options_come_in_the_clients_order_and_what_is_always_sent_last() {
    let codes = [42, 119, 15, 121, 33, 224];
    let always = |code| OptionSetting { always: true, ..option(code, [1, 2, 3, 4]) };
    let settings = codes.map(|code| option(code, [1, 2, 3, 4])).into_iter().chain([always(7)]);
    let wishes = [224, 15, 121, 15, 33, 42];
    let offer = told(settings.collect(), client(1).discover(), &wishes);
    assert_eq!(offer.codes(), [53, 54, 51, 1, 224, 15, 121, 33, 42, 7]);
}

/// A setting that is accepted and not sent is the mistake that nobody finds.
#[test]
fn every_option_that_may_be_set_is_sent() {
    for known in options::definitions().filter(|known| known.settable().is_ok()) {
        let value = options::encode(known.number, &known.example()).unwrap();
        let setting = OptionSetting { always: true, ..option(known.number, &value) };
        let without = told(vec![], client(1).discover(), &[known.number]);
        assert_ne!(without.option(known.number).as_ref(), Some(&value), "{}", known.name);
        let offer = told(vec![setting], client(1).discover(), &[known.number]);
        assert_eq!(offer.option(known.number).as_ref(), Some(&value), "{}", known.name);
    }
}

#[test]
fn item_124_option_108_is_only_for_those_who_ask() {
    let setting = OptionSetting { always: true, ..option(108, 300u32.to_be_bytes()) };
    for (wishes, seconds) in [(&[1][..], None), (&[1, 108], Some(300))] {
        let offer = told(vec![setting.clone()], client(1).discover(), wishes);
        assert_eq!(offer.seconds(108), seconds);
    }
}

#[test]
fn items_125_and_126_what_is_configured_is_sent_octet_by_octet() {
    let routes = [0, 192, 0, 2, 254, 17, 10, 1, 128, 192, 0, 2, 253];
    let portal = b"https://portal.example/api";
    let settings = vec![option(3, local(254).octets()), option(121, routes), option(114, portal)];
    let offer = told(settings, client(1).discover(), &[121, 3, 114]);
    assert_eq!(offer.option(121).as_deref(), Some(&routes[..]));
    assert_eq!(offer.option(114).as_deref(), Some(&portal[..]), "no NUL");
    assert_eq!(offer.addresses(3), [local(254)], "for clients that do not know 121");
}

#[test]
fn item_125_a_client_that_reads_routes_alone_has_a_default_route() {
    let routes = [8, 10, 192, 0, 2, 1];
    let settings = |router: &[Ipv4Addr]| vec![option(121, routes), addresses(3, router)];
    for wishes in [&[121, 3][..], &[121]] {
        let offer = told(settings(&[local(254), local(253)]), client(1).discover(), wishes);
        let whole = [&routes[..], &[0, 192, 0, 2, 254]].concat();
        assert_eq!(offer.option(121), Some(whole), "by the first router");
    }
    let offer = told(vec![option(121, routes)], client(1).discover(), &[121, 3]);
    assert_eq!(offer.option(121).as_deref(), Some(&routes[..]), "there is no router");
}

#[test]
fn item_124_option_108_reserves_no_address() {
    let setting = option(108, 300u32.to_be_bytes());
    let mut lan = Lan::with_pool(local(100), local(100));
    lan.reload(|config| config.subnets[0].settings.options = vec![setting]);
    let v6_mostly = |sent: Sent| sent.without(55).option(55, &[1, 108]);
    let offer = lan.hears(&v6_mostly(client(1).discover())).offer();
    assert_eq!((offer.seconds(108), offer.yiaddr()), (Some(300), local(100)));
    // It takes no IPv4 address and says no more; who wants one has it when the hold is over.
    assert_eq!(lan.at(31).leases(2), local(100));
    let ack = lan.hears(&v6_mostly(client(2).renewing(local(100)))).ack();
    assert_eq!(ack.seconds(108), Some(300));
}

#[test]
fn item_127_names_are_sent_without_a_nul() {
    let search = b"\x03lab\x07example\0";
    let own = vec![option(12, "bench"), option(15, "lab.example"), option(119, search)];
    let offer = told(own, client(1).discover(), &[12, 15, 119]);
    assert_eq!((offer.text(12).as_str(), offer.text(15).as_str()), ("bench", "lab.example"));
    assert_eq!(offer.option(119).as_deref(), Some(&search[..]), "its zero is the root");
}

#[test]
fn item_5_no_setting_puts_into_a_reply_what_is_not_a_servers() {
    let codes = [0, 50, 52, 53, 54, 55, 57, 61, 80, 82, 255];
    let settings = codes.map(|code| OptionSetting { always: true, ..option(code, [3, 3, 3, 3]) });
    let offer = told(settings.to_vec(), client(1).discover(), &codes);
    assert_eq!(offer.codes(), [53, 54, 51, 1]);
}
