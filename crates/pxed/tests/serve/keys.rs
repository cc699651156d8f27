//! The keys of the configuration file that only a running pxed can show: each test is named as its
//! key is. Every other key has its case in `src/config/file/tests/keys.rs`, where the schema's keys
//! are counted.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;

use pxed_proto::wire::tftp::read_request;

use crate::config::{configured, one_link, write};
use crate::fetch;
use crate::lan::{self, Lan, wait_until};
use crate::machine::SERVER;
use crate::process::Pxed;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// pxed with a file that has this line at its top; it is ready.
fn with(lan: &Lan, line: &str) -> Pxed {
    configured(lan, &format!("{line}\n{}", one_link()), "")
}

#[test]
fn state_dir() {
    story("state_dir", |lan| {
        let text = format!("state-dir = \"DIR/kept\"\n{}", one_link());
        let pxed = Pxed::start_as_told(lan, &format!("--config {}", write(lan, &text)));
        pxed.says(&["INFO", "ready"]);
        lan.machine(1).get_address();
        for file in ["leases.db", "control.sock"] {
            assert!(lan.path().join("kept").join(file).exists(), "{file}");
        }
        assert!(pxed.stop().contains("/kept: 0, 0 of them active"));
        // What is kept there is there again.
        let pxed = Pxed::start_as_told(lan, &format!("--config {}", write(lan, &text)));
        pxed.says(&["INFO", "ready"]);
        assert!(pxed.stop().contains("/kept: 1, 1 of them active"));
    });
}

/// Where there is no root that could become somebody else, that is said, with the name.
#[test]
fn user() {
    story("user", |lan| {
        fs::set_permissions(lan.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let text = format!("user = \"nobody\"\n{}", one_link());
        let mut pxed = lan.start(&format!("--config {}", write(lan, &text)));
        wait_until("pxed says nothing", || !pxed.is_running() || pxed.log().contains("ready"));
        if pxed.is_running() {
            let status = fs::read_to_string(format!("/proc/{}/status", pxed.pid())).unwrap();
            let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap().uid;
            assert!(status.contains(&format!("Uid:\t{nobody}\t{nobody}")), "{status}");
            assert!(pxed.stop().contains("running as nobody"));
        } else {
            let (code, log) = pxed.end();
            assert_eq!(code, Some(1), "{log}");
            assert!(log.lines().last().unwrap().contains("nobody"), "{log}");
        }
    });
}

#[test]
fn http_port() {
    story("http_port", |lan| {
        let listens = || {
            let [nsenter, net] = lan.way_there();
            let listening = std::process::Command::new(nsenter)
                .args([&net, "cat", "/proc/net/tcp"])
                .output()
                .unwrap();
            let table = String::from_utf8(listening.stdout).unwrap();
            let ports = table.lines().filter_map(|line| line.split_whitespace().nth(1));
            let ports: Vec<String> =
                ports.filter_map(|local| Some(local.split_once(':')?.1.to_owned())).collect();
            ["1F83", "1FBB"].map(|port| ports.iter().any(|other| other == port))
        };
        let pxed = with(lan, "");
        assert_eq!(listens(), [true, false]);
        pxed.stop();
        let pxed = with(lan, "http-port = 8123");
        assert_eq!(listens(), [false, true]);
        let url = lan.machine(20).ipxe().discover().boot_file().unwrap();
        assert!(url.starts_with("http://192.168.77.1:8123/"), "{url}");
        pxed.stop();
    });
}

#[test]
fn status_interval() {
    story("status_interval", |lan| {
        let pxed = with(lan, "status-interval = \"1s\"");
        pxed.says(&["status: 0 leases active, 0 offers held"]);
        pxed.stop();
    });
}

#[test]
fn log_format() {
    story("log_format", |lan| {
        for (line, json) in
            [("", false), ("log-format = \"json\"", true), ("log-format = \"text\"", false)]
        {
            let pxed = with(lan, line);
            lan.machine(20).discover();
            let log = pxed.stop();
            let event = log.lines().find(|line| line.contains("OFFER 192.168.77.")).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(event).is_ok(), json, "{log}");
        }
    });
}

#[test]
fn verbose() {
    story("verbose", |lan| {
        for (line, verbose) in [("", false), ("verbose = true", true)] {
            let pxed = with(lan, line);
            lan.machine(20).shout(b"noise");
            lan.machine(20).discover();
            let log = pxed.stop();
            for text in ["received 5 octets", "shorter than a DHCP message"] {
                assert_eq!(log.contains(text), verbose, "{text} in\n{log}");
            }
        }
    });
}

/// A client whose firewall lets only the port answer that was asked.
#[test]
fn tftp_single_port() {
    story("tftp_single_port", |lan| {
        lan.file("boot/hello", "hello ".repeat(500));
        for (line, single) in [("", false), ("tftp-single-port = true", true)] {
            let pxed = with(lan, line);
            let ack = lan.machine(20).get_address();
            lan.machine(20).configure(&ack);
            let client = ack.address();
            let socket = UdpSocket::bind((client, 0)).unwrap();
            socket.set_read_timeout(Some(lan::PATIENCE)).unwrap();
            socket.send_to(&read_request(b"hello", "octet", &[]), (SERVER, 69)).unwrap();
            let (length, server) = socket.recv_from(&mut [0; 600]).unwrap();
            assert_eq!((length, server.port() == 69), (516, single));
            socket.send_to(b"\0\x05\0\0\0", server).unwrap();
            assert_eq!(fetch::tftp(client, "hello").unwrap().len(), 3000);
            pxed.stop();
        }
    });
}

#[test]
fn watch_config() {
    story("watch_config", |lan| {
        let text = format!("watch-config = true\n{}", one_link());
        let pxed = configured(lan, &text, "");
        pxed.says(&["watching", "pxed.toml"]);
        write(lan, &text.replace("192.168.77.100-", "192.168.77.105-"));
        pxed.says(&["INFO", "configuration reloaded"]);
        assert_eq!(lan.machine(20).discover().address().octets(), [192, 168, 77, 105]);
        pxed.stop();
    });
}

/// The port is another server's to bind, and what machines broadcast is heard all the same.
#[test]
fn dhcp_no_bind() {
    story("dhcp_no_bind", |lan| {
        let is_bound = || {
            let [nsenter, net] = lan.way_there();
            let mut command = std::process::Command::new(nsenter);
            let bound = command.args([&net, "cat", "/proc/net/udp"]).output().unwrap();
            let table = String::from_utf8(bound.stdout).unwrap();
            table.lines().any(|line| line.contains(":0043 "))
        };
        lan.file("boot/ipxe.efi", "iPXE");
        let proxy = format!(
            "boot-dir = \"{}/boot\"\n[[subnet]]\ninterface = \"srv\"\nmode = \"proxy\"\n",
            lan.path().display()
        );
        for (line, bound) in [("", true), ("dhcp-no-bind = true\n", false)] {
            let pxed = configured(lan, &format!("{line}{proxy}"), "");
            assert_eq!(is_bound(), bound, "{line}");
            lan.machine(7).pxe(7).discover();
            pxed.stop();
        }
        let text = format!("dhcp-no-bind = true\n{}", one_link());
        let (code, log) = lan.start(&format!("--config {}", write(lan, &text))).end();
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains("is to be given addresses from port 67"), "{log}");
        assert!(log.contains("write mode = \"proxy\""), "{log}");
        let relayed = "[[subnet]]\nnetwork = \"192.168.78.0/24\"\nmode = \"proxy\"\n";
        let text = format!("dhcp-no-bind = true\n{proxy}{relayed}");
        let (_, log) = lan.start(&format!("--config {}", write(lan, &text))).end();
        assert!(log.contains("leave that subnet out"), "{log}");
        let range = "192.168.77.100-192.168.77.109";
        let (code, log) = lan.start(&format!("-i srv --dhcp-no-bind --range {range}")).end();
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains("Leave --range and --mode full out"), "{log}");
    });
}
