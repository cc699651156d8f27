//! `pxed explain` asks the pxed that runs: what it says is what it then does, and asking changes
//! nothing.

use std::net::Ipv4Addr;

use pxed_proto::wire::dhcp::MessageType;
use pxed_proto::wire::options::code;
use serde_json::Value;

use crate::config::{configured, one_link};
use crate::control::{Line, objects};
use crate::lan::{self, Lan};
use crate::machine::Machine;
use crate::process::ask;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" ")
}

/// What would become of these very octets.
fn explained(lan: &Lan, message: &[u8]) -> Value {
    let mut line = Line::open(lan);
    let datagram = hex(message);
    line.say(format!(r#"{{"version":1,"command":"explain","datagram":"{datagram}"}}"#) + "\n");
    line.hear().unwrap()["ok"].take()
}

/// Status and leases, without what time changes.
fn standing(lan: &Lan) -> (Value, String) {
    let mut status = objects(&ask(lan, "status --json")).remove(0);
    for name in ["uptime_seconds", "rates"] {
        status.as_object_mut().unwrap().remove(name).unwrap();
    }
    let leases = objects(&ask(lan, "leases --json"));
    let lease = |lease: &Value| format!("{} {} {}", lease["ip"], lease["state"], lease["until"]);
    (status, leases.iter().map(lease).collect())
}

fn discover(machine: &Machine) -> Vec<u8> {
    machine.message(MessageType::Discover, Ipv4Addr::UNSPECIFIED, &[])
}

#[test]
fn what_is_explained_is_what_is_sent_octet_by_octet() {
    story("what_is_explained_is_what_is_sent_octet_by_octet", |lan| {
        let pxed = configured(lan, &one_link(), "");
        // Three have a lease, of which one gives its up; the pool's first address is taken.
        let machines: Vec<Machine> = (20..=22).map(|number| lan.machine(number).pxe(0)).collect();
        let leases: Vec<_> = machines.iter().map(Machine::get_address).collect();
        machines[1].configure(&leases[1]);
        machines[1].release(&leases[1]);
        pxed.says(&["released", &leases[1].address().to_string()]);
        let wishes = [1, 3, 6, 12, 15, 42, 51, 66, 67];
        let wants = |machine: Machine| machine.with(code::PARAMETER_REQUEST_LIST, &wishes);
        for (machine, address) in [
            (wants(lan.machine(20)).pxe(0), Some(leases[0].address())),
            (wants(lan.machine(21)).pxe(7), Some(leases[1].address())),
            (wants(lan.machine(22)).ipxe(), Some(leases[2].address())),
            // A stranger, by arm64's class; reservations; a group.
            (wants(lan.machine(30)).pxe(11), None),
            (wants(lan.machine(1)), Some(Ipv4Addr::new(192, 168, 77, 50))),
            (wants(lan.machine(3)).pxe(0), Some(Ipv4Addr::new(192, 168, 77, 53))),
            (wants(lan.machine(4)).ipxe(), None),
        ] {
            let message = discover(&machine);
            let told = explained(lan, &message);
            let offer = machine.say(&message);
            assert_eq!(told["reply"]["octets"], hex(offer.octets()), "{told:#}");
            assert_eq!(told["event"]["ip"], offer.address().to_string(), "{told:#}");
            assert!(address.is_none_or(|address| offer.address() == address), "{told:#}");
            // The same of what follows, which would be written.
            let chosen = [
                (code::SERVER_IDENTIFIER, &offer.server().octets()[..]),
                (code::REQUESTED_ADDRESS, &offer.address().octets()),
            ];
            let request = machine.message(MessageType::Request, Ipv4Addr::UNSPECIFIED, &chosen);
            let told = explained(lan, &request);
            let ack = machine.say(&request);
            assert_eq!(ack.kind(), MessageType::Ack);
            assert_eq!(told["reply"]["octets"], hex(ack.octets()), "{told:#}");
        }
        pxed.stop();
    });
}

#[test]
fn explaining_changes_nothing() {
    story("explaining_changes_nothing", |lan| {
        let pxed = configured(lan, &one_link(), "");
        lan.machine(20).get_address();
        lan.machine(21).discover();
        pxed.says(&["OFFER 192.168.77.101"]);
        let before = standing(lan);
        for flags in [
            "--mac 52:54:00:77:00:14",
            "--mac 52:54:00:77:00:15 --firmware ipxe",
            "--mac 52:54:00:77:00:16 --firmware bios",
            "--mac 52:54:00:77:00:17 --relay 192.168.78.1",
            "--mac 52:54:00:77:00:18 --relay 10.1.1.1",
        ] {
            let once = objects(&ask(lan, &format!("explain --json {flags}")));
            let mut again = objects(&ask(lan, &format!("explain --json {flags}")));
            again[0]["event"]["timestamp"] = once[0]["event"]["timestamp"].clone();
            assert_eq!(once, again, "{flags}");
        }
        let chosen = [(code::REQUESTED_ADDRESS, &[192, 168, 77, 100][..])];
        let none = Ipv4Addr::UNSPECIFIED;
        let init_reboot = lan.machine(20).message(MessageType::Request, none, &chosen);
        assert_eq!(explained(lan, &init_reboot)["event"]["outcome"], "ACK");
        assert_eq!(explained(lan, b"noise")["event"]["reason"], "too-short");
        assert_eq!(standing(lan), before);
        let log = pxed.stop();
        assert!(!log.contains("52:54:00:77:00:16"), "{log}");
    });
}

#[test]
fn the_running_pxed_tells_rule_reply_and_script() {
    story("the_running_pxed_tells_rule_reply_and_script", |lan| {
        let pxed = configured(lan, &one_link(), "");
        for number in [20, 21] {
            lan.machine(number).get_address();
        }
        // No file knows that it has this address.
        let asked = ask(lan, "explain --mac 52:54:00:77:00:15 --firmware bios");
        assert_eq!((asked.code, &asked.err[..]), (Some(0), ""), "{asked:?}");
        for part in [
            "subnet 192.168.77.0/24\n",
            "  domain name server (6): 192.168.77.2 by the top of the configuration\n",
            "(PXE, BIOS): OFFER 192.168.77.101 to 52:54:00:77:00:15, boot tftp://192.168.77.1/und",
            "the reply, from 192.168.77.1 to everybody on the link:\n",
            "the script, once iPXE runs:\n  #!ipxe\n  echo 52:54:00:77:00:15 at 192.168.77.101 of",
        ] {
            assert!(asked.out.contains(part), "no {part:?} in\n{}", asked.out);
        }
        // What it has is its own; what a stranger would be offered is probed first.
        assert!(!asked.out.contains("ARP probe"), "{}", asked.out);
        let stranger = ask(lan, "explain --mac 52:54:00:77:00:16").out;
        assert!(stranger.contains("OFFER 192.168.77.102") && stranger.contains("of 30 ms, else"));
        // What runs is asked, and not the file as it is by now.
        std::fs::remove_file(lan.path().join("pxed.toml")).unwrap();
        let asked = ask(lan, "explain --mac 52:54:00:77:00:04 --firmware ipxe");
        assert!(asked.out.contains("  profile linux by group rack\n"), "{}", asked.out);
        // A script that is gone is told.
        std::fs::remove_file(lan.path().join("menu.ipxe")).unwrap();
        let told = objects(&ask(lan, "explain --json --mac 52:54:00:77:00:15")).remove(0);
        assert_eq!(told["script_error"], "profile/menu/menu.ipxe: no such file", "{told:#}");
        let asked = ask(lan, "explain --mac 52:54:00:77:00:15 -i eth77");
        assert_eq!((asked.code, &asked.out[..]), (Some(1), ""));
        assert!(asked.err.contains("eth77: the configuration serves no such one, but srv"));
        pxed.stop();
    });
}
