//! What a machine follows beside another DHCP server: learned, shown, kept, and taken along.

use std::net::{Ipv4Addr, UdpSocket};

use pxed_proto::wire::dhcp::{Message, MessageType};
use pxed_proto::wire::options::code;
use serde_json::Value;

use crate::fetch::tftp;
use crate::lan::{self, Lan, PATIENCE, run};
use crate::machine::{Machine, SERVER};
use crate::process::{Pxed, ask};

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// By the server that gives addresses.
const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 150);

fn serve(lan: &Lan, more: &str, form: &str) -> Pxed {
    lan.file("boot/undionly.kpxe", "a loader");
    lan.file("pxed.toml", site(lan, more, form));
    let pxed = lan.start(&format!("--config {}", lan.path().join("pxed.toml").display()));
    pxed.says(&["INFO", "ready"]);
    pxed
}

fn site(lan: &Lan, more: &str, form: &str) -> String {
    let boot = lan.path().join("boot");
    format!(
        "boot-dir = \"{}\"\n{more}\n[[subnet]]\ninterface = \"srv\"\nmode = \"proxy\"\n\
         proxy-form = \"{form}\"\n",
        boot.display()
    )
}

fn rom(lan: &Lan, number: u8) -> Machine {
    lan.machine(number).pxe(0).with(code::PARAMETER_REQUEST_LIST, &[1, 3, 43, 60, 66, 67])
}

/// Has the offer a menu in option 43?
fn is_menu(machine: &Machine) -> bool {
    machine.discover().option(code::VENDOR_SPECIFIC).unwrap() != [6, 1, 8, 255]
}

/// Asks at port 4011, and fetches the file that it is told of.
fn boots(machine: &Machine) {
    run(&format!("ip address add {OWN}/24 dev cli"));
    let socket = UdpSocket::bind((OWN, 68)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = machine.message(MessageType::Request, OWN, &[]);
    socket.send_to(&request, (SERVER, 4011)).unwrap();
    let mut buffer = [0; 1500];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(from.port(), 4011);
    let ack = Message::parse(&buffer[..length]).unwrap();
    let file = ack.option(code::BOOT_FILE_NAME).unwrap();
    let file = String::from_utf8(file.into_owned()).unwrap();
    assert_eq!(tftp(OWN, file.trim_end_matches('\0')).unwrap(), b"a loader");
}

fn explained(lan: &Lan, number: u8) -> String {
    let words = format!("explain --mac 52:54:00:77:00:{number:02x} --firmware bios");
    let asked = ask(lan, &words);
    let line = asked.out.lines().find(|line| line.contains("proxy form"));
    line.unwrap_or_else(|| panic!("{asked:?}")).trim().to_owned()
}

#[test]
fn what_a_machine_follows_is_learned_and_kept_and_taken_along() {
    story("what_a_machine_follows_is_learned_and_kept_and_taken_along", |lan| {
        let pxed = serve(lan, "", "menu");
        assert!(ask(lan, "quirks").out.starts_with("nothing was learned yet"));
        assert_eq!(explained(lan, 1), "proxy form menu by the subnet");
        let machine = rom(lan, 1);
        assert!(is_menu(&machine));
        boots(&machine);
        pxed.says(&["52:54:00:77:00:01 follows proxy offers of the form menu"]);
        let known: Value = serde_json::from_str(&ask(lan, "quirks --json").out).unwrap();
        assert_eq!(known["machines"][0]["form"], "menu", "{known}");
        assert_eq!(known["firmwares"][0]["machines"]["menu"], 1, "{known}");
        pxed.stop();

        let pxed = serve(lan, "", "auto");
        assert!(is_menu(&rom(lan, 1)) && !is_menu(&rom(lan, 2)));
        let why = "proxy form menu by what it followed before";
        assert_eq!(explained(lan, 1), why);
        assert_eq!(explained(lan, 2), "proxy form direct by its turn: nothing is known");
        let table = ask(lan, "quirks").out;
        assert!(
            table.contains("\nmenu  1         PXEClient:Arch:00000:UNDI, BIOS, asks"),
            "{table}"
        );
        let exported = ask(lan, "quirks --export");
        assert_eq!(exported.code, Some(0), "{exported:?}");
        lan.file("quirks.toml", &exported.out);
        let forgotten = ask(lan, "quirks forget 52:54:00:77:00:01").out;
        assert!(forgotten.starts_with("1 machine is forgotten"), "{forgotten}");
        assert!(!is_menu(&rom(lan, 1)));
        pxed.stop();

        let told = format!("quirks-file = \"{}\"", lan.path().join("quirks.toml").display());
        let pxed = serve(lan, &told, "auto");
        assert!(is_menu(&rom(lan, 3)), "{}", ask(lan, "quirks").out);
        pxed.stop();
    });
}
