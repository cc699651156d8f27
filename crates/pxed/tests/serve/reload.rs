//! Another configuration while pxed runs: all of it, or none of it, and nobody is disturbed.

use std::net::Ipv4Addr;

use pxed_proto::wire::dhcp::MessageType;
use serde_json::Value;

use crate::config::{SITE, configured, one_link, script, write};
use crate::fetch::get;
use crate::lan::{self, Lan, wait_until};
use crate::process::{Pxed, ask};

const KERNEL: &str = "http://192.168.77.1:8067/machine/52-54-00-77-00-04/profile/linux/vmlinuz";

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// What pxed answers when it is told to read its file again.
fn reload(lan: &Lan, text: &str) -> String {
    write(lan, text);
    let asked = ask(lan, "reload");
    assert_eq!(asked.code, Some(0), "{asked:?}");
    asked.out
}

fn refused(lan: &Lan, text: &str) -> String {
    write(lan, text);
    let asked = ask(lan, "reload");
    assert_eq!(asked.code, Some(1), "{asked:?}");
    asked.err
}

#[test]
fn a_reload_adds_a_reservation_and_changes_a_profile() {
    story("a_reload_adds_a_reservation_and_changes_a_profile", |lan| {
        let pxed = configured(lan, &one_link(), "");
        assert!(script(lan.machine(4)).contains("mac=52:54:00:77:00:04 "));
        let more = "\n[[reservation]]\nmac = \"52:54:00:77:00:14\"\naddress = \"192.168.77.70\"\n";
        let new = one_link().replace("\n[profile.menu]", &format!("{more}\n[profile.menu]"));
        let new = new.replace("mac={{ mac }} ip", "new={{ uuid }}{{ mac }} ip");
        let done = reload(lan, &new);
        assert!(done.contains("reservation 52:54:00:77:00:14 added"), "{done}");
        pxed.says(&["INFO", "configuration reloaded: reservation 52:54:00:77:00:14 added"]);
        assert_eq!(lan.machine(20).discover().address(), Ipv4Addr::new(192, 168, 77, 70));
        let script =
            get("http://192.168.77.1:8067/machine/52-54-00-77-00-04/boot.ipxe?profile=linux");
        assert!(script.text().contains("new=52:54:00:77:00:04 "), "{}", script.text());

        // By signal, the other way.
        write(lan, &one_link());
        pxed.signal("HUP");
        pxed.says(&["configuration reloaded: reservation 52:54:00:77:00:14 removed"]);
        pxed.stop();
    });
}

#[test]
fn a_lease_outside_a_shrunken_pool_lives_on() {
    story("a_lease_outside_a_shrunken_pool_lives_on", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let (old, new) = (lan.machine(20), lan.machine(21));
        let lease = old.get_address();
        assert_eq!(lease.address(), Ipv4Addr::new(192, 168, 77, 100));
        let shrunken = one_link().replace("192.168.77.100-", "192.168.77.105-");
        let done = reload(lan, &shrunken);
        for change in ["range of 192.168.77.0/24 192.168.77.105-192.168.77.109 added", "removed"] {
            assert!(done.contains(change), "{done}");
        }
        old.configure(&lease);
        let renewed = old.renew(&lease);
        assert_eq!((renewed.kind(), renewed.address()), (MessageType::Ack, lease.address()));
        assert_eq!(new.get_address().address(), Ipv4Addr::new(192, 168, 77, 105));
        pxed.stop();
    });
}

#[test]
fn a_mistake_keeps_the_old_configuration() {
    story("a_mistake_keeps_the_old_configuration", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let why = refused(lan, &format!("rangee = 1\n{}", one_link()));
        for part in ["pxed.toml:1:1", "there is no key rangee at the top of the file", "^^^^^^"] {
            assert!(why.contains(part), "no {part} in {why}");
        }
        pxed.says(&["WARN", "configuration not reloaded, the old one stays"]);
        std::fs::remove_file(lan.path().join("pxed.toml")).unwrap();
        assert!(ask(lan, "reload").err.contains("pxed.toml: No such file"));
        assert_eq!(lan.machine(1).get_address().address(), Ipv4Addr::new(192, 168, 77, 50));
        pxed.stop();
    });
}

#[test]
fn what_needs_a_restart_is_named() {
    story("what_needs_a_restart_is_named", |lan| {
        lan.second_network();
        let pxed = configured(lan, &one_link(), "");
        let why = refused(lan, SITE);
        assert!(why.contains("the served interfaces changed from srv to srv, srv2"), "{why}");
        assert!(why.contains("needs a restart"), "{why}");
        let why = refused(lan, &format!("http-port = 8100\n{}", one_link()));
        assert!(why.contains("the address or port of HTTP changed"), "{why}");
        let done = reload(lan, &format!("verbose = true\n{}", one_link()));
        assert!(done.contains("only after a restart: verbose"), "{done}");
        pxed.stop();
    });
}

/// How many descriptors a process has open.
fn descriptors(pxed: &Pxed) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", pxed.pid())).unwrap().count()
}

/// Counters of pxed's: how often each message was heard or sent.
fn counters(lan: &Lan) -> Value {
    let status = ask(lan, "status --json");
    serde_json::from_str::<Value>(&status.out).unwrap()["counters"].clone()
}

#[test]
fn hundreds_of_reloads_lose_no_request_and_no_descriptor() {
    const ROUNDS: usize = 300;
    story("hundreds_of_reloads_lose_no_request_and_no_descriptor", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let machine = lan.machine(4).ipxe();
        let ack = machine.get_address();
        machine.configure(&ack);
        let url = ack.boot_file().unwrap();
        let before = descriptors(&pxed);
        std::thread::scope(|scope| {
            let reloads = scope.spawn(|| (0..ROUNDS).for_each(|round| reload_round(lan, round)));
            while !reloads.is_finished() {
                assert_eq!(machine.get_address().address(), ack.address());
                let (script, kernel) = (get(&url), get(KERNEL));
                assert_eq!((script.status, kernel.text().as_str()), (200, "a kernel"));
                assert!(script.text().contains("mac=52:54:00:77:00:04"), "{}", script.text());
            }
        });
        assert!(get(&url).text().contains("round=299 "), "the last one is not in force");
        wait_until("descriptors are lost", || descriptors(&pxed) <= before);
        let counters = counters(lan);
        for (heard, sent) in [("DISCOVER", "OFFER"), ("REQUEST", "ACK")] {
            assert_eq!(counters[heard], counters[sent], "{counters}");
        }
        assert_eq!(pxed.stop().matches("INFO configuration reloaded").count(), ROUNDS);
    });
}

/// A file that is another each time.
fn reload_round(lan: &Lan, round: usize) {
    let text = one_link().replace("append = \"mac", &format!("append = \"round={round} mac"));
    let text = text.replace("DIR", lan.path().to_str().unwrap());
    lan.file("pxed.toml", text);
    let asked = ask(lan, "reload");
    assert_eq!(asked.code, Some(0), "{asked:?}");
}
