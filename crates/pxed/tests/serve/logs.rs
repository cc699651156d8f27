//! What the log says, how, and when it says nothing.

use std::fs::File;
use std::net::Ipv4Addr;

use pxed_proto::wire::dhcp::MessageType;
use pxed_proto::wire::options::code;
use serde_json::Value;

use crate::fetch::get;
use crate::lan::{self, Lan, RANGE};
use crate::machine::Machine;
use crate::process::Pxed;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// A request that another server is meant to answer.
fn ask_another_server(machine: &Machine) {
    let options = [
        (code::SERVER_IDENTIFIER, &[192, 168, 77, 9][..]),
        (code::REQUESTED_ADDRESS, &[192, 168, 77, 50]),
    ];
    machine.shout(&machine.message(MessageType::Request, Ipv4Addr::UNSPECIFIED, &options));
}

#[test]
fn the_status_is_told_now_and_then() {
    story("the_status_is_told_now_and_then", |lan| {
        let pxed = lan.pxed("--status-interval 1s");
        lan.machine(1).get_address();
        lan.machine(2).discover();
        pxed.says(&["status: 1 leases active, 1 offers held, 0 TFTP transfers", "DISCOVER 2"]);
        pxed.stop();
    });
}

#[test]
fn verbose_shows_every_message_and_why_it_was_not_answered() {
    story("verbose_shows_every_message_and_why_it_was_not_answered", |lan| {
        let pxed = lan.pxed("-v");
        let machine = lan.machine(1).pxe(0);
        ask_another_server(&machine);
        machine.shout(b"\x1b[31m\nINFO ACK forged");
        machine.get_address();
        pxed.says(&["REQUEST 52:54:00:77:00:01", "the client takes another server's offer"]);
        pxed.says(&["datagram on srv: no answer to unknown: shorter than a DHCP message"]);
        pxed.says(&["ACK 192.168.77.100"]);
        let log = pxed.stop();
        for text in [
            "received 300 octets from 0.0.0.0:68 to 255.255.255.255:67",
            "0000  01 01 06 00 ",
            "  DHCP message type (53): DISCOVER",
            "  client system architecture (93): BIOS",
            "octets from 192.168.77.1:67 to Unicast",
            "  server identifier (54): 192.168.77.1",
        ] {
            assert!(log.contains(text), "no {text} in\n{log}");
        }
        assert!(!log.lines().any(|line| line.starts_with("INFO ACK forged")), "{log}");
        assert!(!log.contains('\x1b'), "{log}");
    });
}

#[test]
fn one_machine_can_not_fill_the_log() {
    story("one_machine_can_not_fill_the_log", |lan| {
        let pxed = lan.pxed("");
        let noisy = lan.machine(1);
        // Its address is probed once; from then on each DISCOVER has its OFFER.
        noisy.discover();
        let discover = noisy.message(MessageType::Discover, Ipv4Addr::UNSPECIFIED, &[]);
        (1..300).for_each(|_| noisy.shout(&discover));
        lan.machine(2).get_address();
        pxed.says(&["ACK 192.168.77.101 to 52:54:00:77:00:02"]);
        let log = pxed.stop();
        let written = log.matches("OFFER 192.168.77.100 to 52:54:00:77:00:01").count();
        let counted = log.lines().filter_map(|line| {
            let (_, rest) = line.split_once("not logged, within a minute: ")?;
            let count = rest.strip_suffix(" more lines of OFFER to 52:54:00:77:00:01")?;
            Some(count.parse::<usize>().unwrap())
        });
        assert!((100..300).contains(&written), "{written}");
        assert_eq!(counted.sum::<usize>(), 300 - written, "{log}");
    });
}

#[test]
fn without_verbose_there_are_only_milestones() {
    story("without_verbose_there_are_only_milestones", |lan| {
        let pxed = lan.pxed("");
        let machine = lan.machine(1).pxe(0);
        ask_another_server(&machine);
        machine.get_address();
        pxed.says(&["ACK 192.168.77.100"]);
        let log = pxed.stop();
        for text in ["0000  ", "(53)", "another server", "octets"] {
            assert!(!log.contains(text), "{text} in\n{log}");
        }
        assert!(
            log.lines().all(|line| line.contains(" INFO ") || line.contains(" WARN ")),
            "{log}"
        );
    });
}

#[test]
fn json_is_one_object_a_line() {
    story("json_is_one_object_a_line", |lan| {
        let pxed = lan.pxed("--log-format json -v");
        let machine = lan.machine(1).ipxe();
        let ack = machine.get_address();
        machine.shout(b"noise");
        machine.configure(&ack);
        get(&ack.boot_file().unwrap());
        pxed.says(&["HTTP GET"]);
        pxed.says(&["shorter than"]);
        let log = pxed.stop();
        let objects: Vec<Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for object in &objects {
            for name in ["timestamp", "level", "message"] {
                assert!(object[name].is_string(), "no {name} in {object}");
            }
        }
        let one = |words: &str| {
            let has = |object: &&Value| object["message"].as_str().unwrap().contains(words);
            objects.iter().find(has).unwrap_or_else(|| panic!("no {words} in {log}"))
        };
        let ack = one("ACK 192.168.77.100 to 52:54:00:77:00:01");
        assert_eq!(
            [&ack["kind"], &ack["mac"], &ack["ip"], &ack["interface"], &ack["level"]],
            ["dhcp", "52:54:00:77:00:01", "192.168.77.100", "srv", "INFO"]
        );
        let noise = one("shorter than a DHCP message");
        assert_eq!([&noise["level"], &noise["reason"]], ["DEBUG", "too-short"]);
        let script = one("HTTP GET");
        assert_eq!(script["status"], 200);
        assert_eq!(script["mac"], "52:54:00:77:00:01");
        let received = one("received")["message"].as_str().unwrap();
        assert!(received.lines().count() > 20, "{received}");
    });
}

#[test]
fn an_error_is_json_as_well() {
    story("an_error_is_json_as_well", |lan| {
        let first = lan.pxed("");
        let second = lan.start(&format!("-i srv --mode full --range {RANGE} --log-format json"));
        let (code, log) = second.end();
        assert_eq!(code, Some(1));
        let error: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert_eq!(error["level"], "ERROR");
        assert!(error["message"].as_str().unwrap().contains("is already served by"), "{log}");
        first.stop();
    });
}

/// A full disk behind the log, or a reader that has gone, must not stop the boots.
#[test]
fn a_log_that_can_not_be_written_stops_nothing() {
    story("a_log_that_can_not_be_written_stops_nothing", |lan| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let flags = format!("-v -i srv --mode full --range {RANGE}");
        let mut pxed = Pxed::start_unheard(lan, &flags, full.into());
        let machine = lan.machine(1).ipxe();
        let ack = machine.get_address();
        machine.configure(&ack);
        assert_eq!(get(&ack.boot_file().unwrap()).status, 200);
        lan.machine(2).get_address();
        assert!(pxed.is_running());
        pxed.signal("TERM");
        assert_eq!(pxed.end().0, Some(0));
    });
}

/// Whoever reads the log may have stopped to (a console with scroll lock, a log daemon that hangs).
#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    story("a_log_that_nobody_reads_holds_up_nobody", |lan| {
        let (_unread, full) = std::io::pipe().unwrap();
        let flags = format!("-v -i srv --range {RANGE}");
        let mut pxed = Pxed::start_unheard(lan, &flags, full.into());
        let noisy = lan.machine(1).pxe(0);
        noisy.discover();
        // A pipe holds 64 KiB, and each of these is some 3 kB of log.
        let discover = noisy.message(MessageType::Discover, Ipv4Addr::UNSPECIFIED, &[]);
        (0..100).for_each(|_| noisy.shout(&discover));
        let machine = lan.machine(2).ipxe();
        let ack = machine.get_address();
        machine.configure(&ack);
        assert_eq!(get(&ack.boot_file().unwrap()).status, 200);
        assert!(pxed.is_running());
        pxed.signal("TERM");
        assert_eq!(pxed.end().0, Some(0));
    });
}
