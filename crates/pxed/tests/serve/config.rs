//! A site in one file: two links, a network behind a relay agent, and rules for its machines.

use std::net::{Ipv4Addr, UdpSocket};

use pxed_proto::wire::dhcp::{Message, MessageType};
use pxed_proto::wire::options::code;

use crate::fetch::get;
use crate::lan::{self, Lan, PATIENCE, run};
use crate::machine::{Machine, Reply, SERVER};
use crate::process::{Pxed, ask};

/// Architectures as option 93 has them.
const BIOS: u16 = 0;
const UEFI_ARM64: u16 = 11;

const RELAY: Ipv4Addr = Ipv4Addr::new(192, 168, 78, 1);

/// Two links, a network behind a relay agent, a class, a group, three reservations, three
/// profiles. `DIR` is the test's directory.
pub const SITE: &str = r#"
domain = "site.example"
dns = "192.168.77.2"
boot-dir = "DIR/boot"
boot = "menu"

[[subnet]]
interface = "srv"
range = "192.168.77.100-192.168.77.109"

[[subnet]]
interface = "srv2"
range = "192.168.88.100-192.168.88.109"
domain = "two.example"

[[subnet]]
network = "192.168.78.0/24"
range = "192.168.78.100-192.168.78.109"
router = "192.168.78.1"

[[class]]
name = "arm64"
match = { arch = "uefi-arm64" }
bootfile = "grubaa64.efi"
dns = "192.168.77.3"

[[group]]
name = "rack"
machines = ["52:54:00:77:00:04", "52:54:00:77:00:05"]
boot = "linux"

[[reservation]]
mac = "52:54:00:77:00:01"
address = "192.168.77.50"

[[reservation]]
mac = "52:54:00:77:00:02"
host-name = "bench-2"

[[reservation]]
mac = "52:54:00:77:00:03"
address = "192.168.77.53"
host-name = "bench-3"
options = { ntp-servers = "192.168.77.4", 224 = { value = "hex:01 02", always = true } }

[profile.menu]
script = "DIR/menu.ipxe"

[profile.linux]
kernel = "DIR/vmlinuz"
append = "mac={{ mac }} ip={{ ip }} from={{ http }}"
"#;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// Writes a configuration, and the files that it names.
pub fn write(lan: &Lan, text: &str) -> String {
    lan.file("boot/undionly.kpxe", "a loader");
    lan.file("boot/grubaa64.efi", "GRUB");
    lan.file("vmlinuz", "a kernel");
    lan.file("menu.ipxe", "#!ipxe\necho {{ mac }} at {{ ip }} of {{ server }}\n");
    let text = text.replace("DIR", lan.path().to_str().unwrap());
    lan.file("pxed.toml", text).display().to_string()
}

/// pxed with this configuration; it is ready.
pub fn configured(lan: &Lan, text: &str, flags: &str) -> Pxed {
    let pxed = lan.start(&format!("--config {} {flags}", write(lan, text)));
    pxed.says(&["INFO", "ready"]);
    pxed
}

/// The site without its second link.
pub fn one_link() -> String {
    let second = "[[subnet]]\ninterface = \"srv2\"\nrange = \"192.168.88.100-192.168.88.109\"\n";
    SITE.replace(&format!("{second}domain = \"two.example\"\n"), "")
}

fn wants(machine: Machine) -> Machine {
    machine.with(code::PARAMETER_REQUEST_LIST, &[1, 3, 6, 12, 15, 42])
}

fn text(reply: &Reply, code: u8) -> String {
    String::from_utf8_lossy(&reply.option(code).unwrap_or_default()).into_owned()
}

pub fn script(machine: Machine) -> String {
    let machine = machine.ipxe();
    let ack = machine.get_address();
    machine.configure(&ack);
    get(&ack.boot_file().unwrap()).text()
}

#[test]
fn each_link_has_its_own_settings_and_those_of_the_top() {
    story("each_link_has_its_own_settings_and_those_of_the_top", |lan| {
        lan.second_network();
        let pxed = configured(lan, SITE, "");
        let one = wants(lan.machine(20)).discover();
        assert_eq!(one.address(), Ipv4Addr::new(192, 168, 77, 100));
        assert_eq!(text(&one, code::DOMAIN_NAME), "site.example");
        assert_eq!(one.option(code::DOMAIN_NAME_SERVER).unwrap(), [192, 168, 77, 2]);
        let two = wants(lan.machine_on_second_network(21)).discover();
        assert_eq!(two.address(), Ipv4Addr::new(192, 168, 88, 100));
        assert_eq!(two.server(), Ipv4Addr::new(192, 168, 88, 1));
        assert_eq!(text(&two, code::DOMAIN_NAME), "two.example");
        pxed.stop();
    });
}

#[test]
fn a_class_changes_the_boot_file_and_the_name_server() {
    story("a_class_changes_the_boot_file_and_the_name_server", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let arm = wants(lan.machine(20)).pxe(UEFI_ARM64).discover();
        assert_eq!(arm.boot_file().as_deref(), Some("grubaa64.efi"));
        assert_eq!(arm.option(code::DOMAIN_NAME_SERVER).unwrap(), [192, 168, 77, 3]);
        let bios = wants(lan.machine(21)).pxe(BIOS).discover();
        assert_eq!(bios.boot_file().as_deref(), Some("undionly.kpxe"));
        assert_eq!(bios.option(code::DOMAIN_NAME_SERVER).unwrap(), [192, 168, 77, 2]);
        pxed.stop();
    });
}

#[test]
fn reserved_machines_get_their_address_name_and_options() {
    story("reserved_machines_get_their_address_name_and_options", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let one = lan.machine(1).get_address();
        assert_eq!(one.address(), Ipv4Addr::new(192, 168, 77, 50));
        let two = wants(lan.machine(2)).get_address();
        assert_eq!(two.address(), Ipv4Addr::new(192, 168, 77, 100));
        assert_eq!(text(&two, code::HOST_NAME), "bench-2");
        let three = wants(lan.machine(3)).get_address();
        assert_eq!(three.address(), Ipv4Addr::new(192, 168, 77, 53));
        assert_eq!(text(&three, code::HOST_NAME), "bench-3");
        assert_eq!(three.option(42).unwrap(), [192, 168, 77, 4]);
        assert_eq!(three.option(224).unwrap(), [1, 2], "it is always sent");
        assert_eq!(two.option(224), None);
        pxed.stop();
    });
}

#[test]
fn scripts_are_filled_in_for_each_machine() {
    story("scripts_are_filled_in_for_each_machine", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let menu = script(lan.machine(20));
        assert_eq!(menu, "#!ipxe\necho 52:54:00:77:00:14 at 192.168.77.100 of 192.168.77.1\n");
        let linux = script(lan.machine(4));
        // Both are on one interface: which of its addresses asks is the kernel's choice.
        let line = "mac=52:54:00:77:00:04 ip=192.168.77.10";
        assert!(linux.contains(line) && linux.contains("from=http://192.168.77.1:8067"), "{linux}");
        pxed.stop();
    });
}

#[test]
fn flags_win_over_the_file() {
    story("flags_win_over_the_file", |lan| {
        lan.file("other/undionly.kpxe", "another loader");
        let dir = lan.path().display().to_string();
        let flags =
            "-i srv --mode full --range 192.168.77.60-192.168.77.61 --http-port 8123 --dns 9.9.9.9";
        let flags = format!("{flags} --state-dir {dir}/elsewhere --boot-dir {dir}/other");
        let site = format!("state-dir = \"/nowhere\"\nhttp-port = 8099\n{}", one_link());
        let pxed = configured(lan, &site, &flags);
        let machine = wants(lan.machine(20)).pxe(BIOS);
        let offer = machine.discover();
        assert_eq!(offer.address(), Ipv4Addr::new(192, 168, 77, 60));
        assert_eq!(offer.option(code::DOMAIN_NAME_SERVER).unwrap(), [9, 9, 9, 9]);
        assert!(lan.path().join("elsewhere/leases.db").exists());
        let url = lan.machine(20).ipxe().discover().boot_file().unwrap();
        assert!(url.starts_with("http://192.168.77.1:8123/"), "{url}");
        pxed.says(&["loader iPXE for BIOS", "other/undionly.kpxe"]);
        pxed.stop();
    });
}

/// A machine for which subnet, class, group and reservation each say something else.
#[test]
fn flags_win_over_what_the_file_says_of_some() {
    story("flags_win_over_what_the_file_says_of_some", |lan| {
        let says = |n: u8| {
            format!(
                "router = \"192.168.77.{n}\"\ndns = \"192.168.77.{n}\"\ndomain = \"n{n}.example\"\n\
                 bootfile = \"file{n}\"\ntftp-server = \"192.168.77.{n}\"\nboot = \"own\"\n"
            )
        };
        let relayed = "[[subnet]]\nnetwork = \"192.168.78.0/24\"\nrouter = \"192.168.78.1\"\n\
                       range = \"192.168.78.100-192.168.78.109\"\ndns = \"192.168.78.2\"\n";
        let subnet = "[[subnet]]\ninterface = \"srv\"\nrange = \"192.168.77.100-192.168.77.109\"\n";
        let file = [
            says(10),
            format!("{subnet}{}{relayed}", says(11)),
            format!("[[class]]\nname = \"c\"\nmatch = {{ arch = \"bios\" }}\n{}", says(12)),
            format!("[[group]]\nname = \"g\"\nmachines = [\"52:54:*\"]\n{}", says(13)),
            format!("[[reservation]]\nmac = \"52:54:00:77:00:01\"\n{}", says(14)),
            "[profile.own]\nscript = \"DIR/menu.ipxe\"\n".to_owned(),
        ];
        let script_file = lan.file("flag.ipxe", "#!ipxe\necho of the flag\n");
        let flags = "--router 192.168.77.20 --dns 9.9.9.9 --domain flag.example --bootfile flag.0";
        let flags =
            format!("{flags} --tftp-server 192.168.77.21 --script {}", script_file.display());
        run("ip address add 192.168.77.99/24 dev cli");
        for (flags, n) in [("", 14), (&flags[..], 0)] {
            let pxed = configured(lan, &file.concat(), flags);
            let machine = wants(lan.machine(1));
            let offer = machine.pxe(BIOS).discover();
            let (router, dns, tftp) = match n {
                0 => ([192, 168, 77, 20], [9, 9, 9, 9], 21),
                n => ([192, 168, 77, n], [192, 168, 77, n], n),
            };
            assert_eq!(offer.option(code::ROUTER).unwrap(), router);
            assert_eq!(offer.option(code::DOMAIN_NAME_SERVER).unwrap(), dns);
            let domain = if n == 0 { "flag.example".to_owned() } else { format!("n{n}.example") };
            assert_eq!(text(&offer, code::DOMAIN_NAME), domain);
            assert_eq!(offer.next_server(), Ipv4Addr::new(192, 168, 77, tftp));
            let boot_file = if n == 0 { "flag.0".to_owned() } else { format!("file{n}") };
            assert_eq!(offer.boot_file(), Some(boot_file));
            let url = lan.machine(1).ipxe().discover().boot_file().unwrap();
            assert_eq!(get(&url).text().contains("of the flag"), n == 0, "{url}");
            // A subnet that can not reach the router keeps its own; the name server is everybody's.
            let told =
                ask(lan, "explain --firmware os --mac 02:00:00:00:00:01 --relay 192.168.78.1");
            let (dns, router) = match n {
                0 => ("9.9.9.9 by the command line", "192.168.77.20 by the command line"),
                _ => ("192.168.78.2 by the subnet", "192.168.77.14 by reservation"),
            };
            for part in ["(3): 192.168.78.1 by the subnet", &format!("(6): {dns}")] {
                assert!(told.out.contains(part), "no {part} in {}", told.out);
            }
            // And so does a machine that has its own: the flag wins where it holds.
            let mine = "explain --firmware os --mac 52:54:00:77:00:01";
            let there = format!("{mine} --relay 192.168.78.1");
            for (inquiry, router) in [(mine, router), (&there, "192.168.77.14 by reservation")] {
                let (told, part) = (ask(lan, inquiry), format!("(3): {router}"));
                assert!(told.out.contains(&part), "no {part} in {}", told.out);
            }
            pxed.stop();
        }
        let file = lan.path().join("pxed.toml");
        let (code, log) =
            lan.start(&format!("--config {} --router 10.9.9.9", file.display())).end();
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains("--router 10.9.9.9: it is in no served subnet"), "{log}");
    });
}

/// A relay agent with an address of the network behind it, on the cable's end of the machines.
pub fn relay_agent(lan: &Lan) -> UdpSocket {
    run("ip address add 192.168.77.9/24 dev cli");
    run(&format!("ip address add {RELAY}/32 dev lo"));
    let [nsenter, net] = lan.way_there();
    run(&format!("{nsenter} {net} ip route add 192.168.78.0/24 via 192.168.77.9"));
    let socket = UdpSocket::bind((RELAY, 67)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The message with the relay agent's address in it.
pub fn relayed(mut message: Vec<u8>) -> Vec<u8> {
    message[3] = 1;
    message[24..28].copy_from_slice(&RELAY.octets());
    message
}

#[test]
fn a_network_behind_a_relay_agent_gets_its_own_addresses() {
    story("a_network_behind_a_relay_agent_gets_its_own_addresses", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let (agent, machine) = (relay_agent(lan), wants(lan.machine(20)));
        let discover = machine.message(MessageType::Discover, Ipv4Addr::UNSPECIFIED, &[]);
        agent.send_to(&relayed(discover), (SERVER, 67)).unwrap();
        let mut buffer = [0; 1500];
        let (length, from) = agent.recv_from(&mut buffer).unwrap();
        let offer = Message::parse(&buffer[..length]).unwrap();
        assert_eq!((offer.giaddr, from.ip().to_string()), (RELAY, SERVER.to_string()));
        assert_eq!(offer.yiaddr, Ipv4Addr::new(192, 168, 78, 100));
        assert_eq!(offer.ipv4(code::ROUTER), Some(RELAY));
        pxed.stop();
    });
}
