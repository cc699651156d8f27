//! Interfaces that go and come back while pxed runs, and are served again without a restart.

use std::net::Ipv4Addr;

use pxed_proto::wire::dhcp::MessageType;
use pxed_proto::wire::options::code;
use serde_json::{Value, json};

use crate::control::objects;
use crate::fetch::{blksize, get, tftp};
use crate::lan::{self, Lan, wait_until};
use crate::process::{Pxed, ask};

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// pxed with one file to serve.
fn pxed(lan: &Lan, flags: &str) -> Pxed {
    lan.file("boot/loader", "a loader");
    lan.pxed(&format!("--boot-dir {}/boot {flags}", lan.path().display()))
}

/// A machine is given its address, and a file by TFTP and by HTTP.
fn boots(lan: &Lan, number: u8) {
    let machine = lan.machine(number);
    let ack = machine.get_address();
    machine.configure(&ack);
    assert_eq!(tftp(ack.address(), "loader").unwrap(), b"a loader");
    assert_eq!(get("http://192.168.77.1:8067/files/loader").text(), "a loader");
}

/// How `pxed status` says the interfaces stand.
fn standings(lan: &Lan) -> Value {
    objects(&ask(lan, "status --json")).remove(0)["interfaces"].take()
}

fn wait_for(lan: &Lan, wanted: &Value) {
    wait_until(&format!("{wanted} was awaited"), || standings(lan) == *wanted);
}

/// Ends pxed, which has said each of `lines` once, and no other warning.
fn said_once(pxed: Pxed, lines: &[&str]) {
    let log = pxed.stop();
    for line in lines {
        assert_eq!(log.matches(line).count(), 1, "{line} in\n{log}");
    }
    let warnings = log.lines().filter(|line| line.contains("WARN"));
    let others: Vec<_> =
        warnings.filter(|log| !lines.iter().any(|line| log.contains(line))).collect();
    assert!(others.iter().all(|line| line.contains("nothing to boot")), "{others:?}");
}

#[test]
fn item_130_an_interface_is_deleted_and_made_again() {
    story("item_130_an_interface_is_deleted_and_made_again", |lan| {
        let pxed = pxed(lan, "");
        boots(lan, 1);
        lan.over_there("ip link del srv");
        pxed.says(&["WARN", "srv is gone; waiting for it"]);
        lan.network();
        pxed.says(&["INFO", "srv is back: served again"]);
        boots(lan, 1);
        boots(lan, 2);
        said_once(pxed, &["srv is gone; waiting for it", "srv is back: served again"]);
    });
}

/// Too quick for anybody to see it gone; its leases are remembered all the same.
#[test]
fn an_interface_that_is_made_again_at_once_is_served() {
    story("an_interface_that_is_made_again_at_once_is_served", |lan| {
        let pxed = pxed(lan, "");
        let address = lan.machine(1).get_address().address();
        lan.over_there("ip link del srv");
        lan.network();
        pxed.says(&["INFO", "srv is back: served again"]);
        assert_eq!(lan.machine(1).get_address().address(), address);
        boots(lan, 2);
        pxed.stop();
    });
}

#[test]
fn item_130_an_interface_goes_down_and_up() {
    story("item_130_an_interface_goes_down_and_up", |lan| {
        let pxed = pxed(lan, "");
        lan.over_there("ip link set srv down");
        pxed.says(&["WARN", "srv is down; waiting for `ip link set srv up`"]);
        lan.over_there("ip link set srv up");
        pxed.says(&["INFO", "srv is back: served again"]);
        boots(lan, 1);
        said_once(pxed, &["srv is down; waiting for", "srv is back: served again"]);
    });
}

#[test]
fn item_130_an_address_goes_and_comes_back() {
    story("item_130_an_address_goes_and_comes_back", |lan| {
        let pxed = pxed(lan, "");
        lan.over_there("ip address add 192.168.77.2/24 dev srv");
        lan.over_there("ip address del 192.168.77.1/24 dev srv");
        pxed.says(&["WARN", "srv has no longer 192.168.77.1, where machines are told"]);
        lan.over_there("ip address add 192.168.77.1/24 dev srv");
        pxed.says(&["INFO", "srv is back: served again"]);
        boots(lan, 1);
        said_once(pxed, &["srv has no longer 192.168.77.1", "srv is back: served again"]);
    });
}

/// What happens to interfaces that are not served is not told.
#[test]
fn other_interfaces_are_served_meanwhile() {
    story("other_interfaces_are_served_meanwhile", |lan| {
        lan.second_network();
        let pxed = pxed(lan, "-i srv2 --range 192.168.88.100-192.168.88.109");
        lan.over_there("ip link add unserved type veth peer name unserved2");
        lan.over_there("ip link del srv2");
        pxed.says(&["WARN", "srv2 is gone; waiting for it"]);
        boots(lan, 1);
        lan.over_there("ip link del unserved");
        lan.second_network();
        pxed.says(&["INFO", "srv2 is back: served again"]);
        lan.machine_on_second_network(2).get_address();
        boots(lan, 3);
        said_once(pxed, &["srv2 is gone; waiting for it", "srv2 is back: served again"]);
    });
}

#[test]
fn item_130_an_interface_comes_up_after_pxed() {
    story("item_130_an_interface_comes_up_after_pxed", |lan| {
        lan.over_there("ip link del srv");
        lan.file("boot/loader", "a loader");
        let config = format!(
            "boot-dir = \"{}/boot\"\n[[subnet]]\ninterface = \"srv\"\nnetwork = \"192.168.77.0/24\"\n\
             server-ip = \"192.168.77.1\"\nrange = \"192.168.77.100-192.168.77.109\"\n",
            lan.path().display()
        );
        let config = lan.file("pxed.toml", config);
        let pxed = lan.start(&format!("--config {}", config.display()));
        pxed.says(&["INFO", "ready"]);
        lan.network();
        // "is there: served now", or "is back: served again" if it was seen before it was up.
        pxed.says(&["INFO", "srv is ", ": served "]);
        boots(lan, 1);
        pxed.stop();
    });
}

#[test]
fn the_status_says_what_an_interface_lacks() {
    story("the_status_says_what_an_interface_lacks", |lan| {
        let file = "[[subnet]]\ninterface = \"srv2\"\nnetwork = \"192.168.88.0/24\"\n\
                    server-ip = \"192.168.88.1\"\nrange = \"192.168.88.100-192.168.88.109\"\n\
                    [[subnet]]\ninterface = \"srv\"\nrange = \"192.168.77.100-192.168.77.109\"\n";
        let file = lan.file("pxed.toml", file);
        let pxed = lan.start(&format!("--config {}", file.display()));
        pxed.says(&["INFO", "ready"]);
        let srv = json!({"interface": "srv", "state": "served", "mtu": 1500});
        let awaited = json!({"interface": "srv2", "state": "awaited"});
        wait_for(lan, &json!([awaited, srv]));
        let table = ask(lan, "status").out;
        let text = "\nINTERFACE  STATE    MTU\nsrv2       awaited  -\nsrv        served   1500\n";
        assert!(table.contains(text), "{table}");

        lan.second_network();
        wait_for(lan, &json!([{"interface": "srv2", "state": "served", "mtu": 1500}, srv]));
        lan.over_there("ip link set srv2 down");
        wait_for(lan, &json!([{"interface": "srv2", "state": "down", "mtu": 1500}, srv]));
        lan.over_there("ip link set srv2 up");
        lan.over_there("ip address del 192.168.88.1/24 dev srv2");
        let without = json!({
            "interface": "srv2", "state": "without-address", "reason": "192.168.88.1", "mtu": 1500,
        });
        wait_for(lan, &json!([without, srv]));
        assert!(
            ask(lan, "status").out.contains("\nsrv2       without-address  1500  192.168.88.1\n")
        );
        lan.over_there("ip link del srv2");
        wait_for(lan, &json!([{"interface": "srv2", "state": "gone"}, srv]));
        the_other_is_served(lan);
        pxed.stop();
    });
}

/// The other network is served meanwhile.
fn the_other_is_served(lan: &Lan) {
    assert_eq!(lan.machine(1).get_address().address(), Ipv4Addr::new(192, 168, 77, 100));
}

#[test]
fn a_change_of_the_mtu_is_followed() {
    story("a_change_of_the_mtu_is_followed", |lan| {
        let long = vec!["01"; 250].join(" ");
        let option = |code| format!("{code} = {{ value = \"hex:{long}\", always = true }}");
        let config = format!(
            "boot-dir = \"{}/boot\"\noptions = {{ {}, {} }}\n[[subnet]]\ninterface = \"srv\"\n\
             range = \"192.168.77.100-192.168.77.109\"\n",
            lan.path().display(),
            option(224),
            option(225)
        );
        lan.file("boot/loader", "a loader");
        let config = lan.file("pxed.toml", config);
        let pxed = lan.start(&format!("--config {}", config.display()));
        pxed.says(&["INFO", "ready"]);
        let machine = lan.machine(1).with(code::MAX_MESSAGE_SIZE, &1472_u16.to_be_bytes());
        let ack = machine.get_address();
        machine.configure(&ack);
        let granted = || blksize(ack.address(), "loader", 1468);
        let options = || {
            let offer = machine.discover();
            assert_eq!(offer.kind(), MessageType::Offer);
            (offer.option(224).is_some(), offer.option(225).is_some())
        };
        assert_eq!((granted().as_str(), options()), ("blksize 1468 ", (true, true)));
        lan.over_there("ip link set srv mtu 600");
        wait_for(lan, &json!([{"interface": "srv", "state": "served", "mtu": 600}]));
        pxed.says(&["INFO", "srv has an MTU of 600 now"]);
        assert_eq!((granted().as_str(), options()), ("blksize 568 ", (true, false)));
        // A reload reads it anew, and so keeps it.
        assert_eq!(ask(lan, "reload").code, Some(0));
        assert_eq!(options(), (true, false));
        lan.over_there("ip link set srv mtu 1500");
        wait_for(lan, &json!([{"interface": "srv", "state": "served", "mtu": 1500}]));
        assert_eq!((granted().as_str(), options()), ("blksize 1468 ", (true, true)));
        pxed.stop();
    });
}

/// Each coming takes sockets, each going gives them back.
#[test]
fn coming_and_going_costs_no_descriptors() {
    story("coming_and_going_costs_no_descriptors", |lan| {
        let pxed = pxed(lan, "");
        let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", pxed.pid())).unwrap().count();
        let says_again = |words: &str, times: usize| {
            wait_until(words, || pxed.log().matches(words).count() == times);
        };
        let mut counts = Vec::new();
        for round in 1..=4 {
            lan.over_there("ip link del srv");
            says_again("srv is gone", round);
            lan.network();
            says_again("srv is back", round);
            boots(lan, 1);
            counts.push(descriptors());
        }
        // The first rounds may open what stays open anyway.
        wait_until(&format!("{counts:?}"), || descriptors() <= counts[1]);
        pxed.stop();
    });
}
