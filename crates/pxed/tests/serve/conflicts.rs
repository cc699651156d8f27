//! Addresses that somebody has already.

use std::net::Ipv4Addr;

use pxed_proto::wire::dhcp::MessageType;
use serde_json::Value;

use crate::lan::{self, Lan};
use crate::process::ask;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// The state and the MAC of an address as `pxed leases` tells it.
fn leases(lan: &Lan, address: &str) -> Vec<(String, String)> {
    let out = ask(lan, &format!("leases --json --ip {address}")).out;
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let leases = lines.map(|line| line.get("lease").cloned().unwrap_or(line));
    let leases = leases.filter(|lease| lease.get("ip").is_some());
    leases.map(|lease| (text(&lease["state"]), text(&lease["mac"]))).collect()
}

#[test]
fn item_32_an_address_that_a_stranger_has_is_given_to_nobody() {
    story("item_32_an_address_that_a_stranger_has_is_given_to_nobody", |lan| {
        let _stranger = lan.stranger("192.168.77.100/24");
        let pxed = lan.pxed("");
        let [one, two] = [1, 2].map(|number| lan.machine_beside_stranger(number));
        let ack = one.get_address();
        assert_eq!(ack.address(), Ipv4Addr::new(192, 168, 77, 101));
        let said = pxed.says(&["WARN", "192.168.77.100 on srv is in use by "]);
        let (_, holder) = said.split_once("in use by ").unwrap();
        let holder = holder.split(": ").next().unwrap().to_owned();
        assert_eq!(leases(lan, "192.168.77.100"), [("conflict".to_owned(), holder.clone())]);
        assert_eq!(two.get_address().address(), Ipv4Addr::new(192, 168, 77, 102));
        let log = pxed.stop();
        assert_eq!(log.matches("192.168.77.100 on srv is in use by ").count(), 1, "{log}");

        // Not by the next run either, which asks nobody.
        let pxed = lan.pxed("");
        assert_eq!(leases(lan, "192.168.77.100"), [("conflict".to_owned(), holder)]);
        let three = lan.machine_beside_stranger(3).get_address().address();
        assert_eq!(three, Ipv4Addr::new(192, 168, 77, 103));
        let log = pxed.stop();
        assert!(!log.contains("in use by"), "{log}");
    });
}

/// M's probe of the stranger's address and the next one takes a while: M2, which has its lease, is
/// answered before.
#[test]
fn item_32_others_are_answered_while_a_probe_waits() {
    story("item_32_others_are_answered_while_a_probe_waits", |lan| {
        let file = lan.file(
            "pxed.toml",
            "[[subnet]]\ninterface = \"srv\"\nrange = \"192.168.77.100-192.168.77.109\"\n\
             conflict-probe = \"900ms\"\n",
        );
        let pxed = lan.start(&format!("--config {}", file.display()));
        pxed.says(&["INFO", "ready"]);
        let [slow, quick] = [1, 2].map(|number| lan.machine(number));
        quick.get_address();
        slow.begin();
        std::thread::sleep(std::time::Duration::from_millis(10));
        quick.begin();
        assert_eq!(quick.answer().kind(), MessageType::Offer);
        assert_eq!(slow.answer().kind(), MessageType::Offer);
        let log = pxed.stop();
        let offer = |mac: &str| log.rfind(&format!("to 52:54:00:77:00:{mac}")).unwrap();
        assert!(offer("02") < offer("01"), "{log}");
    });
}

/// Whoever answers a probe answers the address that asked: an old one would hear nothing.
#[test]
fn item_32_an_interface_with_another_mac_is_probed_from_that() {
    story("item_32_an_interface_with_another_mac_is_probed_from_that", |lan| {
        let _stranger = lan.stranger("192.168.77.100/24");
        let pxed = lan.pxed("");
        lan.over_there("ip link set srv address 02:00:00:77:00:99");
        pxed.says(&["srv is back"]);
        let ack = lan.machine_beside_stranger(1).get_address();
        assert_eq!(ack.address(), Ipv4Addr::new(192, 168, 77, 101));
    });
}
