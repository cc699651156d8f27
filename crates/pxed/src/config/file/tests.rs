//! Whole files: what they come to, and what is said of their mistakes.

mod keys;
mod mutated;

use std::net::Ipv4Addr;
use std::path::Path;

use pxed_proto::dhcp::{Bootp, HostKey, Mode};
use pxed_proto::net::{Ipv4Net, Mac};

use super::*;

mod mending;
mod plausible;

/// Two interfaces: eth1 with 192.168.77.1/24, eth2 with two networks.
fn find(name: &str) -> Result<Interface, InterfaceError> {
    let addresses: &[[u8; 4]] = match name {
        "eth1" => &[[192, 168, 77, 1]],
        "eth2" => &[[10, 0, 0, 1], [10, 0, 1, 1]],
        _ => {
            let (name, present) = (name.to_owned(), "eth1, eth2".to_owned());
            return Err(InterfaceError::NotFound { name, present });
        }
    };
    let address = |octets: &[u8; 4]| {
        let address = Ipv4Addr::from_octets(*octets);
        (address, Ipv4Net::new(address, 24).unwrap())
    };
    let addresses = addresses.iter().map(address).collect();
    Ok(Interface { name: name.into(), index: 1, mac: Mac([2; 6]), up: true, addresses, mtu: 1500 })
}

fn read(text: &str) -> Read {
    read_text(Path::new("pxed.toml"), text.to_owned(), &find)
}

/// A file that works, with more.
const SUBNET: &str =
    "[[subnet]]\ninterface = \"eth1\"\nrange = \"192.168.77.100-192.168.77.200\"\n";

fn with(more: &str) -> Read {
    read(&format!("{SUBNET}{more}"))
}

#[test]
fn the_smallest_file() {
    let config = read(SUBNET).config.unwrap();
    let subnet = &config.dhcp.subnets[0];
    assert_eq!(subnet.net.to_string(), "192.168.77.0/24");
    assert_eq!((subnet.server, subnet.mode), (Ipv4Addr::new(192, 168, 77, 1), Mode::Full));
    assert_eq!(config.dhcp.links[0].name.as_ref(), "eth1");
}

#[test]
fn what_is_written_is_what_holds() {
    let read = with(
        r#"
exclude = ["192.168.77.150"]
lease-time = "10m"
identity = "client-id"
authoritative = false
adopt = true
offer-hold = "5s"
min-secs = 4
lease-cache = 25
bootp = "dynamic"
router = "192.168.77.254"
options = { ntp-servers = { value = ["192.168.77.3"], always = true }, 224 = "hex:01 02" }

[[subnet.pool]]
range = "192.168.77.50-192.168.77.59"
class = "arm"

[[subnet]]
network = "192.168.78.0/24"
range = "192.168.78.100-192.168.78.200"
mode = "off"
rapid-commit = true

[[class]]
name = "arm"
match = { arch = "uefi-arm64", not = { mac = "52:54:00:*" } }
bootfile = "grubaa64.efi"

[[group]]
name = "rack"
machines = ["02:07:00:*"]
domain = "rack.example"

[[reservation]]
mac = "52:54:00:12:34:56"
uuid = "00112233-4455-6677-8899-aabbccddeeff"
address = "192.168.77.50"
host-name = "bench-1"
group = "rack"
"#,
    );
    let text = read.report(false);
    let config = read.config.unwrap_or_else(|| panic!("{text}"));
    let [one, two] = config.dhcp.subnets.as_slice() else { panic!("{config:?}") };
    let pools: Vec<String> = one.pools.iter().map(|pool| pool.range.to_string()).collect();
    assert_eq!(pools[..2], ["192.168.77.100-192.168.77.149", "192.168.77.151-192.168.77.200"]);
    assert_eq!(one.pools[2].class.as_deref(), Some("arm"));
    assert!(!one.authoritative && one.adopt && one.min_secs == 4 && one.lease_cache == 25);
    assert_eq!((one.bootp, two.bootp), (Bootp::Dynamic, Bootp::Reserved));
    assert_eq!((one.rapid_commit, two.rapid_commit, two.lease_cache), (false, true, 0));
    assert_eq!(one.offer_hold, std::time::Duration::from_secs(5));
    let codes: Vec<u8> = one.settings.options.iter().map(|option| option.code).collect();
    assert_eq!(codes, [3, 224, 42]);
    assert!(one.settings.options.iter().any(|option| option.code == 42 && option.always));
    assert_eq!((two.link, two.mode), (None, Mode::Off));
    let reservation = config.dhcp.policy.reservations.iter().next().unwrap();
    assert_eq!(reservation.keys[0], HostKey::Mac("52:54:00:12:34:56".parse().unwrap()));
    let HostKey::Uuid(uuid) = &reservation.keys[1] else { panic!("{reservation:?}") };
    assert_eq!(uuid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    assert_eq!(reservation.group.as_deref(), Some("rack"));
}

#[test]
fn who_says_where_clients_are() {
    let circuit = "[[reservation]]\ncircuit-id = \"port-7\"\naddress = \"192.168.77.50\"\n";
    let config = with(&format!(
        "relay = [\"192.168.77.2\", \"10.255.0.1\"]\ntrust-option-82 = true\n\
         max-per-remote-id = 4\nmax-per-circuit-id = 2\nsubnet-selection = \"ras\"\n\
         [[class]]\nname = \"ras\"\nmatch.mac = \"02:00:00:00:00:01\"\n{circuit}"
    ));
    let text = config.report(false);
    let config = config.config.unwrap_or_else(|| panic!("{text}"));
    let subnet = &config.dhcp.subnets[0];
    let relays = [Ipv4Addr::new(192, 168, 77, 2), Ipv4Addr::new(10, 255, 0, 1)];
    assert_eq!((&*subnet.relays, subnet.trusts_option_82), (&relays[..], true));
    assert_eq!((subnet.relay_caps.remote_id, subnet.relay_caps.circuit_id), (Some(4), Some(2)));
    assert_eq!(subnet.subnet_selection.as_deref(), Some("ras"));
    let reservation = config.dhcp.policy.reservations.iter().next().unwrap();
    let switch = HostKey::Circuit(Ipv4Addr::UNSPECIFIED, b"port-7".to_vec());
    assert_eq!((reservation.keys.as_slice(), &*reservation.name), (&[switch][..], "port-7"));
    let said = config.sentences().join("\n");
    for part in [
        "relay agents 192.168.77.2, 10.255.0.1 only",
        "believes option 82",
        "at most 4 addresses behind one remote ID",
        "at most 2 addresses behind one circuit ID",
        "class ras may select another subnet",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

/// Each mistake is found, at its line, with what to write.
#[test]
#[allow(clippy::too_many_lines, reason = "a table of mistakes")]
fn mistakes_are_answered_with_what_to_write() {
    for (more, place, parts) in [
        ("rangee = \"x\"", "4:1", &["no key rangee in [[subnet]]", "did you mean range?"][..]),
        ("exclude = 7", "4:11", &["exclude can not be an integer", "write exclude ="]),
        ("adopt = \"yes\"", "4:9", &["adopt can not be a string", "write adopt = false"]),
        ("min-secs = 99999", "4:12", &["min-secs is from 0 to 65535"]),
        ("lease-cache = 50", "4:15", &["lease-cache is from 0 to 49"]),
        ("bootp = \"all\"", "4:9", &["bootp: write reserved, dynamic or off"]),
        (
            "offer-delay = \"1s\"\nrapid-commit = true",
            "5:16",
            &["not for a standby server, which offer-delay", "the other server may lease"],
        ),
        ("lease-time = \"1x\"", "4:14", &["lease-time:", "90, 5m, 1h"]),
        ("lease-time = \"5s\"", "4:14", &["warning", "less than a minute"]),
        ("mode = \"both\"", "4:8", &["mode: write full, proxy or off"]),
        (
            "mode = \"proxy\"",
            "3:9",
            &["range with mode = \"proxy\"", "leave range out, or write mode = \"full\""],
        ),
        (
            "router = \"192.168.77.150\"",
            "4:10",
            &["a router's address", "exclude = [\"192.168.77.150\"]"],
        ),
        (
            "options = { ntp-server = \"1.2.3.4\" }",
            "4:13",
            &["no DHCP option ntp-server", "ntp-servers"],
        ),
        ("options = { ntp-servers = \"here\" }", "4:27", &["ntp-servers:", "IPv4 address"]),
        ("options = { dhcp-message-type = 1 }", "4:", &["dhcp-message-type"]),
        ("boot = \"debian\"", "4:8", &["no profile debian", "add [profile.debian]"]),
        (
            "[[subnet.pool]]\nrange = \"192.168.77.9\"\nclass = \"c\"",
            "6:9",
            &["there is no class c"],
        ),
        (
            "[[subnet.pool]]\nrange = \"192.168.77.150\"\nclass = \"c\"\n[[class]]\nname = \"c\"\n\
             match.arch = 7",
            "5:9",
            &["the ranges 192.168.77.150-192.168.77.150 and", "overlap"],
        ),
        (
            "exclude = \"192.168.77.180\"\n\
             [[subnet.pool]]\nrange = \"192.168.77.150\"\nclass = \"c\"",
            "6:9",
            &["the ranges 192.168.77.150-192.168.77.150 and", "overlap"],
        ),
        (
            "[[subnet.pool]]\nrange = \"192.168.78.9\"\nclass = \"c\"",
            "5:9",
            &["is not all for hosts of the subnet 192.168.77.0/24", "192.168.77.1-192.168.77.254"],
        ),
        (
            "[[subnet]]\nnetwork = \"10.9.0.0/24\"\nrange = [\"10.9.0.9\", \"10.9.0.99-10.9.1.9\"]",
            "6:22",
            &["10.9.0.99-10.9.1.9 is not all for hosts", "stay within 10.9.0.1-10.9.0.254"],
        ),
        (
            "[[subnet]]\nnetwork = \"10.9.0.0/24\"\nrange = \"10.9.0.5-10.9.0.6\"\n\
             [[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"10.9.0.5\"\n\
             [[reservation]]\nmac = \"52:54:00:00:00:02\"\naddress = \"10.9.0.6\"",
            "6:9",
            &["warning", "every address of 10.9.0.5-10.9.0.6 is reserved"],
        ),
        (
            "[[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"192.168.77.9\"\n\
             [[reservation]]\nmac = \"52:54:00:00:00:02\"\naddress = \"192.168.77.9\"",
            "9:11",
            &["this address is reserved twice", "the first time"],
        ),
        (
            "[[subnet]]\ninterface = \"eth9\"\nrange = \"1.2.3.4\"",
            "5:13",
            &["no interface eth9", "eth1, eth2"],
        ),
        (
            "[[subnet]]\nnetwork = \"192.168.77.128/25\"\nrange = \"192.168.77.201\"",
            "5:11",
            &["overlap", "the other one"],
        ),
        ("[[subnet]]\nrange = \"10.9.0.9\"", "4:1", &["reached through relay agents", "network ="]),
        ("[[subnet]]\nnetwork = \"10.9.0.9/24\"", "5:11", &["is a host of 10.9.0.0/24"]),
        (
            "[[subnet]]\ninterface = \"eth2\"\nmode = \"proxy\"\noffer-hold = \"1m\"",
            "7:14",
            &["warning", "offer-hold does nothing with mode = \"proxy\""],
        ),
        (
            "[[subnet]]\ninterface = \"eth2\"\nmode = \"proxy\"\nrouter = \"10.0.0.9\"",
            "7:10",
            &["warning", "routers is for the server to say that gives the address"],
        ),
        (
            "[[subnet]]\ninterface = \"eth2\"\nmode = \"proxy\"\nshared-network = \"floor\"\n\
             [[subnet]]\nnetwork = \"10.9.0.0/24\"\nrange = \"10.9.0.9\"\nshared-network = \"floor\"",
            "6:8",
            &["floor is one wire", "the other one", "mode = \"off\""],
        ),
        (
            "[[subnet]]\ninterface = \"eth2\"\nmode = \"proxy\"\n\
             [[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"10.0.0.9\"",
            "9:11",
            &["warning", "10.0.0.9 is not pxed's to give"],
        ),
        ("[[class]]\nname = \"c\"", "4:1", &["class c has no match"]),
        (
            "[[class]]\nname = \"c\"\nmatch = { arch = 7, firmware = \"not-booting\" }",
            "6:9",
            &["no client can belong to class c"],
        ),
        ("[[class]]\nname = \"c\"\nmatch = { group = \"g\" }", "6:19", &["there is no group g"]),
        (
            "[[class]]\nname = \"c\"\nmatch.arch = 11",
            "6:1",
            &["warning", "no loader for the architecture of class c"],
        ),
        ("[[reservation]]\naddress = \"192.168.77.5\"", "4:1", &["nothing says which machine"]),
        ("[[reservation]]\nmac = \"52:54\"", "5:7", &["mac: write a MAC"]),
        (
            "[[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"192.168.77.1\"",
            "6:11",
            &["this server's own address"],
        ),
        (
            "[[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"10.5.5.5\"",
            "6:11",
            &["10.5.5.5 is in no subnet"],
        ),
        (
            "[[reservation]]\nmac = \"52:54:00:00:00:01\"\n[[reservation]]\n\
             mac = \"52:54:00:00:00:01\"",
            "6:1",
            &["reserved twice", "the first time"],
        ),
        ("[[reservation]]\ncircuit-id = \"p\"", "5:14", &["needs the relay agent", "relay ="]),
        ("relay = \"192.168.77.1\"", "4:9", &["own address, and no relay agent's"]),
        ("max-per-remote-id = 0", "4:21", &["max-per-remote-id is from 1"]),
        ("max-per-circuit-id = \"2\"", "4:22", &["max-per-circuit-id can not be a string"]),
        ("subnet-selection = \"ras\"", "4:20", &["there is no class ras"]),
        (
            "[[subnet]]\nnetwork = \"10.9.0.0/24\"\ntrust-option-82 = true",
            "6:19",
            &["no interface whose messages", "leave it out"],
        ),
        ("[profile.d]\nkernel = \"/nowhere\"", "5:10", &["/nowhere: there is no such file"]),
        (
            "[profile.d]\nprogram = \"tftp://a/b\"\nscript = \"/x\"",
            "4:1",
            &["one of kernel, script, program and image"],
        ),
        ("[profile.d]\nimage = \"/etc/hostname\"", "5:9", &["ends with .iso or .img"]),
        ("[profile.d]\nimage = \"/nowhere.iso\"", "5:9", &["/nowhere.iso: there is no such"]),
        (
            "[profile.d]\nkernel = \"/etc/hostname\"\nappend = \"x={{ maac }}\"",
            "6:10",
            &["append:", "undefined"],
        ),
    ] {
        let text = with(more).report(false);
        assert!(text.contains(&format!("pxed.toml:{place}")), "{more}: no {place} in\n{text}");
        for part in parts {
            assert!(text.contains(part), "{more}: no {part:?} in\n{text}");
        }
    }
}

#[test]
fn a_class_that_nobody_can_belong_to_is_a_mistake() {
    let text = |matching: &str| {
        with(&format!("[[class]]\nname = \"c\"\nmatch = {{ {matching} }}\n")).report(false)
    };
    for impossible in [
        "all = [{ arch = 7 }, { arch = [11, \"bios\"] }]",
        "all = [{ firmware = \"pxe\" }, { firmware = \"ipxe\" }]",
        "arch = 7, firmware = \"not-booting\"",
        "all = [{ relay = \"192.168.78.1\" }, { relay = \"192.168.78.2\" }]",
        "all = [{ option = { 12 = \"a\" } }, { option = { 12 = \"b\" } }]",
        "all = [{ option = { 12 = true } }, { option = { 12 = false } }]",
        "mac = \"52:54:00:00:00:01\", all = [{ mac = \"02:*\" }]",
        "arch = 7, all = [{ all = [{ arch = 11 }] }]",
        "arch = 7, not = { arch = 7 }",
        "any = [{ arch = 7, not = { arch = 7 } }]",
        "any = []",
    ] {
        let text = text(impossible);
        let place = "pxed.toml:6:9";
        assert!(text.contains("no client can belong to class c"), "{impossible}: {text}");
        assert!(text.contains(place), "{impossible}: no {place} in\n{text}");
    }
    for possible in [
        "all = [{ arch = 7 }, { arch = [11, 7] }]",
        "all = [{ option = { 12 = \"a*\" } }, { option = { 12 = \"*b\" } }]",
        "mac = \"52:54:00:00:00:01\", all = [{ mac = \"52:*\" }]",
        "any = [{ arch = 7, not = { arch = 7 } }, { arch = 7 }]",
    ] {
        let text = text(possible);
        assert!(!text.contains("no client can belong"), "{possible}: {text}");
    }
}

#[test]
fn item_103_boot_files_that_no_firmware_could_be_told_are_refused() {
    let url = |len: usize| format!("http://192.168.77.9/{}", "x".repeat(len - 20));
    let name = |len: usize| "n".repeat(len);
    for value in [name(127), url(128), url(255)] {
        let text = with(&format!("bootfile = \"{value}\"")).report(false);
        assert!(!text.contains("firmware takes"), "{text}");
    }
    for value in [name(128), url(256), String::new(), "a b".to_owned()] {
        for key in ["bootfile = VALUE", "loader = { bios = VALUE }"] {
            let text = with(&key.replace("VALUE", &format!("\"{value}\""))).report(false);
            assert!(text.contains("error") && text.contains("firmware takes 1 to 127"), "{text}");
        }
    }
}

#[test]
fn mistakes_of_https_say_what_to_write() {
    for (top, said, help) in [
        ("https-port = 9443", "https-port is for HTTPS, which is off", "write https = true"),
        (
            "https = true\nhttps-port = 8067",
            "can not both have port 8067",
            "give one of them another",
        ),
        ("https = true\ncertificate = \"x\"", "certificate goes with key", "write key = "),
        ("https = true\nkey = \"x\"", "key goes with certificate", "write certificate = "),
        ("boot-scheme = \"https\"", "HTTPS is off", "write https = true"),
        ("boot-scheme = \"ftp\"", "write http or https", ""),
        (
            "https = true\ncertificate = \"/none\"\nkey = \"/none\"",
            "/none: there is no such file",
            "",
        ),
    ] {
        let text = read(&format!("{top}\n{SUBNET}")).report(false);
        assert!(text.contains("error") && text.contains(said) && text.contains(help), "{text}");
    }
}

#[test]
fn a_name_in_a_url_wants_a_name_server() {
    let said = |more: &str| with(&format!("bootfile = \"http://{more}")).report(false);
    assert!(said("boot.lab:80/x.efi\"").contains("has to look boot.lab up"));
    for more in ["192.168.77.9:80/x.efi\"", "boot.lab/x.efi\"\ndns = \"192.168.77.1\""] {
        assert!(!said(more).contains("look"), "{more}");
    }
}

#[test]
fn all_mistakes_are_found_in_one_run() {
    let read = read("boot = 1\nlease-time = \"x\"\n[[subnet]]\ninterface = \"eth9\"\nfoo = 1\n");
    assert_eq!(read.counts(), (4, 0), "{}", read.report(false));
    assert!(read.config.is_none());
    let syntax = read_text(Path::new("f"), "a = \nb = \n".to_owned(), &find);
    assert!(syntax.counts().0 >= 2, "{}", syntax.report(false));
}

#[test]
fn two_subnets_on_one_interface_are_a_shared_network_or_a_mistake() {
    let subnet = |network: &str, range: &str, more: &str| {
        format!(
            "[[subnet]]\ninterface = \"eth2\"\nnetwork = \"{network}\"\nrange = \"{range}\"\n{more}\n"
        )
    };
    let two = |more: &str| {
        subnet("10.0.0.0/24", "10.0.0.5", more) + &subnet("10.0.1.0/24", "10.0.1.5", more)
    };
    let text = read(&two("")).report(false);
    for part in ["are on one interface, but no shared network", "pxed.toml:6:1", "the other one"] {
        assert!(text.contains(part), "{text}");
    }
    let config = read(&two("shared-network = \"office\"")).config.unwrap();
    assert_eq!((config.interfaces.len(), config.dhcp.subnets.len()), (1, 2));
}

#[test]
fn a_conflict_probe_is_on_off_or_a_time_and_a_subnet_s_own_word_counts() {
    let probe = |text: &str| read(text).config.unwrap().dhcp.subnets[0].conflict_probe;
    let ms = |wait| Some(std::time::Duration::from_millis(wait));
    let top = |value: &str, more: &str| format!("conflict-probe = \"{value}\"\n{SUBNET}{more}");
    assert_eq!(probe(SUBNET), ms(30));
    assert_eq!(probe(&top("off", "")), None);
    assert_eq!(probe(&top("off", "conflict-probe = \"on\"")), ms(30));
    assert_eq!(probe(&top("on", "conflict-probe = \"500ms\"")), ms(500));
    for wrong in ["0ms", "901ms", "1s", "yes"] {
        let read = read(&top(wrong, ""));
        assert!(read.config.is_none());
        let text = read.report(false);
        assert!(text.contains("pxed.toml:1:18") && text.contains("from 1ms to 900ms"), "{text}");
    }
}

/// config.example.toml and docs/configuration.md say what the parser knows.
#[test]
fn the_documents_are_generated_from_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (file, text) in [
        ("config.example.toml", reference::example()),
        ("docs/configuration.md", reference::page()),
    ] {
        let path = root.join(file);
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "{file} is old: UPDATE_REFERENCE=1 cargo test -p pxed");
    }
}

/// The reference's own example is a file that pxed reads.
#[test]
fn the_worked_example_is_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("boot")).unwrap();
    let files = ["boot/snponly-arm64.efi", "menu.ipxe", "vmlinuz", "initrd.gz"];
    for file in files {
        std::fs::write(dir.path().join(file), "#!ipxe\n").unwrap();
    }
    let text = reference::page();
    let (_, rest) = text.split_once("```toml\n").unwrap();
    let (worked, rest) = rest.split_once("```").unwrap();
    let read = |text: String| read_text(&dir.path().join("pxed.toml"), text, &find);
    let worked = read(worked.to_owned());
    assert_eq!(worked.counts(), (0, 0), "{}", worked.report(false));
    let (_, options) = rest.split_once("```toml\n").unwrap();
    let (options, _) = options.split_once("```").unwrap();
    let options = read(format!("{SUBNET}{options}"));
    assert_eq!(options.counts(), (0, 0), "{}", options.report(false));
}

/// What is wrong with the example here: this machine lacks it, or another subnet would be there.
const LACKS: [&str; 5] =
    ["no such file", "no file", "no such directory", "no such user", "no other subnet is in the"];

/// The example is a file that pxed reads, with every key but for what this machine lacks.
#[test]
fn the_example_is_read() {
    let text = reference::example();
    let live: String = text
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let read = read(&live);
    let problems = read
        .problems
        .iter()
        .filter(|problem| !LACKS.iter().any(|lack| problem.text.contains(lack)));
    let problems: Vec<&str> = problems.map(|problem| problem.text.as_str()).collect();
    assert_eq!(problems, [""; 0], "{}", read.report(false));
}

#[test]
fn an_interface_that_is_not_there_is_waited_for_if_it_is_described() {
    let subnet = |net: u8| {
        format!(
            "[[subnet]]\ninterface = \"eth7\"\nnetwork = \"10.7.{net}.0/24\"\n\
             server-ip = \"10.7.{net}.1\"\nrange = \"10.7.{net}.50-10.7.{net}.60\"\n\
             shared-network = \"seven\"\n"
        )
    };
    let two = read(&(subnet(1) + &subnet(2)));
    let text = two.report(false);
    assert!(text.contains("eth7 is not there yet, or has no address; pxed waits for it"), "{text}");
    let config = two.config.unwrap();
    assert!(config.interfaces[0].is_awaited());
    let addresses = [Ipv4Addr::new(10, 7, 1, 1), Ipv4Addr::new(10, 7, 2, 1)];
    assert_eq!(config.dhcp.links[0].addresses, addresses);
    let servers: Vec<_> = config.dhcp.subnets.iter().map(|subnet| subnet.server).collect();
    assert_eq!(servers, addresses);

    for missing in ["network", "server-ip"] {
        let text = subnet(1)
            .lines()
            .filter(|line| !line.starts_with(missing))
            .fold(String::new(), |text, line| text + line + "\n");
        let read = read(&text);
        assert!(read.config.is_none());
        assert!(read.report(false).contains("no interface eth7"), "{}", read.report(false));
    }
}
