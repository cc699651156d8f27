//! What `pxed explain` says of a machine, and what it is sent when it asks: the same.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;

use pxed_proto::wire::dhcp::{Message, MessageType};
use pxed_proto::wire::options::{Decoded, code};

use crate::config::{configured, relay_agent, relayed};
use crate::lan::{self, Lan};
use crate::machine::{Machine, SERVER};

/// A link, a network behind a relay agent, and machines known in every way.
const SITE: &str = r#"
domain = "site.example"
dns = "192.168.77.2"
boot-dir = "DIR/boot"
boot = "menu"

[[subnet]]
interface = "srv"
range = "192.168.77.100-192.168.77.129"
options = { 224 = { value = "hex:01", always = true, booting-only = true } }

[[subnet]]
network = "192.168.78.0/24"
range = "192.168.78.100-192.168.78.129"
router = "192.168.78.1"
options = { ntp-servers = ["192.168.78.3", "192.168.78.4"] }

[[class]]
name = "arm64"
match = { arch = "uefi-arm64" }
bootfile = "grubaa64.efi"
dns = "192.168.77.3"

[[class]]
name = "kiosk"
match = { option = { 230 = "hex:07 07" } }
domain = "kiosk.example"
options = { 231 = { type = "text", value = "of a class", always = true } }

[[class]]
name = "far"
match = { relay = "192.168.78.1", circuit-id = "port-*", not = { mac = "52:54:00:77:00:40" } }
tftp-server = "192.168.78.9"

[[group]]
name = "rack"
machines = ["52:54:00:77:00:04", "52:54:00:77:00:05", "52:54:00:77:00:08"]
boot = "linux"
loader = { uefi-x64 = "own.efi" }

[[reservation]]
mac = "52:54:00:77:00:01"
address = "192.168.77.50"
host-name = "bench-1"
group = "rack"

[[reservation]]
uuid = "4c4c4544-0042-3510-8054-b4c04f335931"
address = "192.168.77.51"
options = { ntp-servers = "192.168.77.4" }

[[reservation]]
client-id = "hex:00 62 65 6e 63 68"
address = "192.168.77.52"
router = "192.168.77.254"

[[reservation]]
circuit-id = "port-7"
relay = "192.168.78.1"
address = "192.168.78.7"
host-name = "port-seven"

[[reservation]]
remote-id = "rack-3"
relay = "192.168.78.1"
address = "192.168.78.8"
boot = "linux"

[profile.menu]
script = "DIR/menu.ipxe"

[profile.linux]
kernel = "DIR/vmlinuz"
"#;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// What firmware asks for, as `pxed explain` has it.
const WISHES: [u8; 14] = [1, 3, 6, 12, 15, 28, 42, 43, 51, 54, 60, 66, 67, 97];

/// What a Raspberry Pi 4's boot ROM asks for (raspberrypi/rpi-eeprom issue 69).
const PI_WISHES: [u8; 14] = [1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135];

/// `4c4c4544-0042-3510-8054-b4c04f335931` as firmware sends it.
const UUID: [u8; 17] = *b"\x00DELL\x42\x00\x10\x35\x80\x54\xb4\xc0\x4f\x33\x59\x31";

/// Firmware of a kind and an architecture.
fn boots(machine: Machine, class: &str, arch: u16) -> Machine {
    let class = format!("{class}:Arch:{arch:05}:UNDI:003016");
    let machine = wants(machine).with(code::VENDOR_CLASS, class.as_bytes());
    machine.with(code::CLIENT_ARCHITECTURE, &arch.to_be_bytes())
}

/// What asks for options, and takes long messages.
fn wants(machine: Machine) -> Machine {
    let machine = machine.with(code::PARAMETER_REQUEST_LIST, &WISHES);
    machine.with(code::MAX_MESSAGE_SIZE, &1472_u16.to_be_bytes())
}

fn pxe(machine: Machine, arch: u16) -> Machine {
    boots(machine, "PXEClient", arch)
}

fn ipxe(machine: Machine, arch: u16) -> Machine {
    pxe(machine, arch).with(code::USER_CLASS, b"iPXE")
}

/// Of the latest ones: its MAC is a test machine's, by which nobody would know it.
fn pi(machine: Machine) -> Machine {
    machine
        .with(code::PARAMETER_REQUEST_LIST, &PI_WISHES)
        .with(code::CLIENT_ARCHITECTURE, &[0, 41])
        .with(94, &[1, 2, 1])
        .with(code::CLIENT_MACHINE_ID, &UUID)
        .with(code::VENDOR_CLASS, b"PXEClient:Arch:00000:UNDI:002001")
}

/// A decoded message without what depends on the request's number and age, or on who else has
/// asked, as an address of a pool does; in an order that two of them share.
fn substance(decoded: &str) -> Vec<String> {
    let (fields, options) = decoded.split_once('\n').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let lasting = |[name, value]: &[&str; 2]| {
        let pool = value.parse().is_ok_and(|address: Ipv4Addr| address.octets()[3] >= 100);
        match *name {
            "xid" | "secs" | "flags" => None,
            "yiaddr" if pool => Some("yiaddr of the pool".to_owned()),
            _ => Some(format!("{name} {value}")),
        }
    };
    let mut substance: Vec<String> = fields.as_chunks::<2>().0.iter().filter_map(lasting).collect();
    let options = options.lines().map(|line| line.trim().to_owned());
    substance.extend(options);
    substance.sort();
    substance
}

/// The reply that `pxed explain` shows, at pxed's end of the cable.
fn explained(lan: &Lan, flags: &str) -> Vec<String> {
    let [nsenter, net] = lan.way_there();
    let file = lan.path().join("pxed.toml");
    let mut command = Command::new(nsenter);
    command.args([&net, env!("CARGO_BIN_EXE_pxed"), "explain", "--config"]).arg(file);
    let output = command.args(flags.split_whitespace()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, reply) = text.split_once("the reply, from ").unwrap_or_else(|| panic!("{text}"));
    let lines: Vec<&str> =
        reply.lines().skip(1).take_while(|line| line.starts_with("  ")).collect();
    substance(&lines.join("\n"))
}

/// What both say is the same, and has this in it.
fn agree(lan: &Lan, flags: &str, sent: &[u8], expected: &str) {
    let sent = substance(&Decoded(&Message::parse(sent).unwrap()).to_string());
    assert!(sent.len() > 12, "{sent:?}");
    assert!(sent.iter().any(|line| line.contains(expected)), "{flags}: no {expected} in {sent:#?}");
    assert_eq!(explained(lan, flags), sent, "{flags}");
}

#[test]
fn what_is_explained_is_what_is_sent() {
    story("what_is_explained_is_what_is_sent", |lan| {
        lan.file("boot/ipxe.efi", "a loader");
        lan.file("boot/own.efi", "a loader");
        let pxed = configured(lan, SITE, "");
        let machine = |number| lan.machine(number);
        let url = "http://192.168.77.1:8067/machine/52-54-00-77-00";
        let uuid = "--uuid 4c4c4544-0042-3510-8054-b4c04f335931";
        for (machine, flags, expected) in [
            (pxe(machine(1), 0), "bios", "yiaddr 192.168.77.50"),
            (pxe(machine(2), 7), "uefi", "file: \"ipxe.efi\""),
            (wants(machine(3)), "os", "domain name (15): \"site.example\""),
            (pxe(machine(9), 11), "uefi --arch 11", "file: \"grubaa64.efi\""),
            (ipxe(machine(4), 0), "ipxe", &format!("{url}-04/boot.ipxe?profile=linux\"")),
            (pxe(machine(5), 7), "uefi", "file: \"own.efi\""),
            (boots(machine(8), "HTTPClient", 16), "uefi-http", &format!("{url}-08/own.efi\"")),
            (boots(machine(6), "HTTPClient", 16), "uefi-http", &format!("{url}-06/ipxe.efi\"")),
            (
                boots(machine(7), "HTTPClient", 19),
                "uefi-http --arch 19",
                &format!("{url}-07/grubaa64.efi\""),
            ),
            (ipxe(machine(20), 11), "ipxe --arch 11", &format!("{url}-14/boot.ipxe\"")),
            (pi(machine(21)), &format!("rpi {uuid}"), "yiaddr 192.168.77.51"),
            (
                pxe(machine(22), 7).with(code::CLIENT_MACHINE_ID, &UUID),
                &format!("uefi {uuid}"),
                "NTP servers (42): 192.168.77.4",
            ),
            (
                wants(machine(23)).with(code::CLIENT_IDENTIFIER, b"\x00bench"),
                "os --option 61=hex:0062656e6368",
                "router (3): 192.168.77.254",
            ),
            (
                pxe(machine(24), 7).with(230, &[7, 7]),
                "uefi --option 230=hex:0707",
                "domain name (15): \"kiosk.example\"",
            ),
            (pxe(machine(25), 40), "uefi --arch 40", "option (224): 01"),
        ] {
            let flags = format!("--mac {} --firmware {flags}", machine.mac);
            agree(lan, &flags, machine.discover().octets(), expected);
        }
        pxed.stop();
    });
}

/// The OFFER to a machine of which the relay agent says this.
fn offer_by(agent: &UdpSocket, machine: &Machine, information: &[(u8, &str)]) -> Vec<u8> {
    let sub =
        |(code, text): &(u8, &str)| [&[*code, text.len() as u8][..], text.as_bytes()].concat();
    let said: Vec<u8> = information.iter().flat_map(sub).collect();
    let more = [(code::RELAY_AGENT, &said[..])];
    let more = if said.is_empty() { &[][..] } else { &more };
    let discover = machine.message(MessageType::Discover, Ipv4Addr::UNSPECIFIED, more);
    agent.send_to(&relayed(discover), (SERVER, 67)).unwrap();
    let mut buffer = [0; 1500];
    let (length, _) = agent.recv_from(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn what_is_explained_is_what_relay_agents_are_sent() {
    story("what_is_explained_is_what_relay_agents_are_sent", |lan| {
        lan.file("boot/ipxe.efi", "a loader");
        lan.file("boot/own.efi", "a loader");
        let pxed = configured(lan, SITE, "");
        let agent = relay_agent(lan);
        let machine = |number| lan.machine(number);
        let (circuit, remote) = ("--circuit-id port", "--remote-id rack");
        for (machine, information, flags, expected) in [
            (wants(machine(30)), &[][..], "os".to_owned(), "NTP servers (42): 192.168.78.3"),
            (pxe(machine(31), 0), &[], "bios".to_owned(), "router (3): 192.168.78.1"),
            (
                pxe(machine(32), 7),
                &[(1, "port-9")],
                format!("uefi {circuit}-9"),
                "siaddr 192.168.78.9",
            ),
            (
                pxe(machine(33), 11),
                &[(1, "port-7"), (2, "rack-1")],
                format!("uefi --arch 11 {circuit}-7 {remote}-1"),
                "yiaddr 192.168.78.7",
            ),
            (
                ipxe(machine(34), 7),
                &[(2, "rack-3")],
                format!("ipxe --arch 7 {remote}-3"),
                "boot.ipxe?profile=linux\"",
            ),
            (
                pi(machine(35)),
                &[(1, "port-9"), (2, "rack-9")],
                format!("rpi --uuid 4c4c4544-0042-3510-8054-b4c04f335931 {circuit}-9 {remote}-9"),
                "TFTP server name (66): \"192.168.78.9",
            ),
            (
                pxe(machine(0x40), 7),
                &[(1, "port-9")],
                format!("uefi {circuit}-9"),
                "siaddr 192.168.77.1",
            ),
        ] {
            let flags = format!("--mac {} --relay 192.168.78.1 --firmware {flags}", machine.mac);
            agree(lan, &flags, &offer_by(&agent, &machine, information), expected);
        }
        pxed.stop();
    });
}
