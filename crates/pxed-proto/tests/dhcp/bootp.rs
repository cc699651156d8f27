//! Items 106, 107 and 119 to 121: clients that speak BOOTP alone (RFC 951, RFC 1534, RFC 1542).

use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{
    Bootp, Class, CommitError, Config, Destination, FirmwareKind, HostKey, Ignored, LeaseState,
    Reservation, Reservations, Settings, Test,
};
use pxed_proto::event::{Event, Outcome};

use crate::client::{Client, Sent, client};
use crate::lan::*;

const RESERVED: Ipv4Addr = local(50);

/// Client 1 has a reservation, and the subnet a boot file.
fn reserving(config: &mut Config) {
    config.subnets[0].settings.boot_file = Some("vmunix".into());
    config.policy.reservations = Reservations::new(vec![Reservation {
        keys: vec![HostKey::Mac(Client(1).mac())],
        address: Some(RESERVED),
        settings: Settings { options: vec![option(12, "bench-1")], ..Settings::default() },
        ..Reservation::default()
    }]);
}

fn lan() -> Lan {
    Lan::configured(reserving)
}

fn lan_with(bootp: Bootp) -> Lan {
    Lan::configured(|config| {
        reserving(config);
        config.subnets[0].bootp = bootp;
    })
}

#[test]
fn item_119_a_reserved_machine_gets_its_address_for_ever() {
    let mut lan = lan();
    let answer = lan.hears(&client(1).bootp());
    let lease = answer.stored.clone().unwrap();
    assert_eq!((lease.address, lease.state), (RESERVED, LeaseState::Leased));
    assert_eq!(lease.expires, Timestamp::FOREVER);
    let told = answer.event.done().to_string();
    assert_eq!(told, "BOOTREPLY 192.0.2.50 to 02:00:00:00:00:01, boot tftp://192.0.2.1/vmunix");
    let reply = answer.bootreply();
    assert_eq!((reply.bytes[0], reply.bytes.len()), (2, 300));
    assert_eq!((reply.yiaddr(), reply.siaddr(), reply.file()), (RESERVED, SERVER, "vmunix"));
    assert_eq!(reply.codes(), [1, 3, 6, 12, 15], "and nothing that is only DHCP's");
    assert_eq!(reply.text(12), "bench-1");
    assert_eq!(reply.destination, unicast(1, RESERVED));
    assert_eq!(lan.at(1 << 32).wakes(), []);
    assert!(lan.active(RESERVED).is_some());
}

#[test]
fn item_119_the_lease_is_durable_before_the_reply_and_written_once() {
    let mut lan = lan();
    let [commit] = &lan.takes(&client(1).bootp()).commits[..] else { panic!() };
    let again = lan.takes(&client(1).bootp()).commits;
    assert_eq!(again.len(), 1, "the first one is not durable yet");
    assert!(lan.store_says(commit.id, Ok(())).transmit.is_some());
    assert!(lan.store_says(again[0].id, Ok(())).transmit.is_some());
    let answer = lan.at(1000).hears(&client(1).bootp());
    assert_eq!(answer.stored, None, "its next start");
    assert_eq!(answer.bootreply().yiaddr(), RESERVED);

    let mut lan = self::lan();
    let [commit] = &lan.takes(&client(1).bootp()).commits[..] else { panic!() };
    let failed = lan.store_says(commit.id, Err(CommitError::Failed));
    assert_eq!(failed.transmit, None);
    let Some(Event::Dhcp(event)) = failed.event else { panic!() };
    assert_eq!(event.outcome, Outcome::NotDurable { address: RESERVED });
}

#[test]
fn item_119_the_destination_is_dhcps() {
    let mut lan = lan();
    let broadcast = lan.hears(&client(1).bootp().broadcast_flag()).bootreply();
    assert_eq!(broadcast.destination, Destination::Broadcast);
    let at_home = Sent { ciaddr: RESERVED, ..client(1).bootp() };
    let reply = lan.hears(&at_home).bootreply();
    assert_eq!((reply.destination, reply.ciaddr()), (routed(RESERVED, 68), RESERVED));
    for elsewhere in [local(77), Ipv4Addr::new(10, 9, 9, 9)] {
        let reply = lan.hears(&Sent { ciaddr: elsewhere, ..client(1).bootp() }).bootreply();
        assert_eq!(
            (reply.destination, reply.ciaddr()),
            (unicast(1, RESERVED), Ipv4Addr::UNSPECIFIED)
        );
    }
    lan.reload(|config| {
        let list = vec![Reservation {
            keys: vec![HostKey::Mac(Client(2).mac())],
            address: Some(remote(50)),
            ..Reservation::default()
        }];
        config.policy.reservations = Reservations::new(list);
    });
    let relayed = client(2).bootp().option(82, &[1, 1, 7]).by_relay(RELAY);
    let reply = lan.hears(&relayed).bootreply();
    assert_eq!((reply.destination, reply.yiaddr()), (routed(RELAY, 67), remote(50)));
    assert_eq!(reply.codes().last(), Some(&82));
}

#[test]
fn item_119_the_reply_is_as_long_as_the_request_at_most() {
    let long = (1..=30).map(|host| Ipv4Addr::new(203, 0, 113, host)).collect::<Vec<_>>();
    let mut lan = lan();
    lan.reload(|config| set(&mut config.subnets[0].settings.options, [addresses(6, &long)]));
    let answer = lan.hears(&client(1).bootp());
    assert_eq!(answer.event.left_out, [6]);
    answer.bootreply();
    let mut roomy = client(1).bootp();
    roomy.tail.resize(300, 0);
    assert_eq!(lan.hears(&roomy).bootreply().addresses(6), long);
}

#[test]
fn item_119_what_speaks_dhcp_later_is_the_same_machine() {
    let mut lan = lan();
    lan.hears(&client(1).bootp()).bootreply();
    let own = lan.at(60).leases(1);
    assert_eq!(own, RESERVED);
    assert_eq!(lan.active(own).unwrap().expires, second(660), "an operating system renews");
    lan.at(120).hears(&client(1).bootp()).bootreply();
    assert_eq!(lan.active(own).unwrap().expires, Timestamp::FOREVER);
}

#[test]
fn item_120_unknown_machines_are_answered_where_that_is_configured() {
    for (bootp, known, unknown) in [
        (Bootp::Off, Err(Ignored::Bootp), Err(Ignored::Bootp)),
        (Bootp::Reserved, Ok(RESERVED), Err(Ignored::Bootp)),
        (Bootp::Dynamic, Ok(RESERVED), Ok(local(100))),
    ] {
        for (number, expected) in [(1, known), (2, unknown)] {
            let mut lan = lan_with(bootp);
            let answer = lan.hears(&client(number).bootp());
            match expected {
                Ok(address) => assert_eq!(answer.bootreply().yiaddr(), address, "{bootp:?}"),
                Err(reason) => assert_eq!(answer.silence(), reason, "{bootp:?}"),
            }
        }
    }
}

#[test]
fn item_120_a_pool_ends_for_bootp_too() {
    let mut lan = lan_with(Bootp::Dynamic);
    lan.reload(|config| config.subnets[0].pools = pool(local(100), local(100)));
    assert_eq!(lan.hears(&client(2).bootp()).bootreply().yiaddr(), local(100));
    let late = lan.at(1 << 32).hears(&client(3).bootp());
    assert_eq!(late.silence(), Ignored::PoolExhausted);
    assert_eq!(lan.hears(&client(2).bootp()).bootreply().yiaddr(), local(100));
}

#[test]
fn item_120_a_reserved_address_that_another_has_is_not_given_twice() {
    let mut lan = Lan::new();
    let taken = lan.leases(2);
    lan.reload(|config| {
        let keys = vec![HostKey::Mac(Client(1).mac())];
        let own = Reservation { keys, address: Some(taken), ..Reservation::default() };
        config.policy.reservations = Reservations::new(vec![own]);
    });
    assert_eq!(lan.hears(&client(1).bootp()).silence(), Ignored::Bootp);
    lan.hears(&client(2).release(taken)).change();
    assert_eq!(lan.hears(&client(1).bootp()).bootreply().yiaddr(), taken);
}

#[test]
fn item_121_the_generic_file_name_is_the_clients_unless_another_is_configured() {
    let asking = |file: &[u8]| Sent { file: file.to_vec(), ..client(1).bootp() };
    assert_eq!(lan().hears(&asking(b"unix")).bootreply().file(), "vmunix");
    let mut lan = lan();
    lan.reload(|config| config.subnets[0].settings.boot_file = None);
    let reply = lan.hears(&asking(b"unix")).bootreply();
    assert_eq!((reply.file(), reply.siaddr()), ("unix", SERVER));
    for odd in [&b""[..], b"a b", b"\x1b[2J", b"http://192.0.2.66/x", &[0xff; 128]] {
        let reply = lan.hears(&asking(odd)).bootreply();
        assert_eq!((reply.file(), reply.siaddr()), ("", Ipv4Addr::UNSPECIFIED), "{odd:?}");
    }
    lan.reload(|config| {
        config.subnets[0].settings.boot_file = Some("http://192.0.2.1/x".into());
    });
    assert_eq!(lan.hears(&asking(b"")).bootreply().file(), "", "a URL is not for TFTP");
    let dhcp = Sent { file: b"unix".to_vec(), ..client(1).discover() };
    assert_eq!(lan.hears(&dhcp).offer().file(), "", "RFC 2131 has no such thing");
}

#[test]
fn item_121_a_client_of_another_server_is_not_answered() {
    let asking = |sname: &str| Sent { sname: sname.as_bytes().to_vec(), ..client(1).bootp() };
    for name in ["boot", "BOOT", "boot.lab.example", "Boot.Lab.Example", "192.0.2.1", "192.0.2.3"] {
        assert_eq!(lan().hears(&asking(name)).bootreply().yiaddr(), RESERVED, "{name}");
    }
    for name in ["other", "boot.other.example", "bo", "192.0.2.99", "\u{fc}"] {
        assert_eq!(lan().hears(&asking(name)).silence(), Ignored::OtherServerName, "{name}");
    }
    let raw = Sent { sname: vec![0xff; 64], ..client(1).bootp() };
    assert_eq!(lan().hears(&raw).silence(), Ignored::OtherServerName);
    let mut nameless = lan();
    nameless.reload(|config| config.host_name = None);
    assert_eq!(nameless.hears(&asking("boot")).silence(), Ignored::OtherServerName);
}

#[test]
fn item_106_a_message_without_the_magic_cookie_is_answered_as_bootp() {
    let mut lan = lan();
    let sent = client(1).bootp();
    for cookie in [[0; 4], *b"CMU\0"] {
        let mut bytes = sent.bytes();
        bytes[236..240].copy_from_slice(&cookie);
        let link = pxed_proto::dhcp::LinkId(0);
        let plan = lan.server.plan(second(0), link, &sent.arrival, &bytes);
        let mut output = lan.server.apply(plan, second(0));
        if let Some(commit) = output.commits.first() {
            output = lan.server.committed(commit.id, Ok(()), second(0));
        }
        assert_eq!(output.transmit.unwrap().message[16..20], RESERVED.octets());
    }
}

#[test]
fn item_107_a_message_type_that_can_not_be_read_is_not_bootp() {
    for bad in [&[][..], &[0], &[1, 1], &[200]] {
        let sent = client(1).bootp().option(53, bad);
        assert_eq!(lan().hears(&sent).silence(), Ignored::MessageType, "{bad:?}");
    }
}

#[test]
fn a_standby_server_lets_the_other_answer_bootp_first() {
    let mut lan = lan();
    lan.reload(|config| {
        config.subnets[0].min_secs = 4;
        config.subnets[0].offer_delay = Duration::from_secs(1);
    });
    assert_eq!(lan.hears(&client(1).bootp()).silence(), Ignored::StandingBy);
    let patient = lan.hears(&Sent { secs: 4, ..client(1).bootp() });
    assert_eq!(patient.bootreply().delay, Duration::from_secs(1));
}

#[test]
fn a_class_knows_bootp_clients() {
    let mut lan = lan();
    lan.reload(|config| {
        let settings = Settings { boot_file: Some("old.rom".into()), ..Settings::default() };
        let test = Test::Firmware(FirmwareKind::Bootp);
        config.policy.classes = vec![Class { name: "old".to_owned(), test, settings }];
    });
    assert_eq!(lan.hears(&client(1).bootp()).bootreply().file(), "old.rom");
    assert_eq!(lan.hears(&client(1).discover().bios()).offer().file(), "vmunix");
}
