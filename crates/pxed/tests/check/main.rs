//! `pxed check` and `pxed explain`, as an operator at a desk uses them: neither needs root, a
//! network or a server. Every machine has a loopback, so that is the network of these files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::Command;

mod explain;

const SUBNET: &str = "[[subnet]]\ninterface = \"lo\"\nrange = \"127.0.0.100-127.0.0.200\"\n";

/// A network here and one behind a relay agent, a class, a group, reservations and profiles.
const SITE: &str = r#"
domain = "lab.example"
dns = "127.0.0.53"
boot-dir = "DIR"

[[subnet]]
interface = "lo"
range = "127.0.0.100-127.0.0.200"
options = { ntp-servers = "127.0.0.3" }

[[subnet]]
network = "192.168.78.0/24"
range = "192.168.78.100-192.168.78.110"
boot = "menu"

[[class]]
name = "arm"
match = { arch = "uefi-arm64" }
dns = "9.9.9.9"
bootfile = "grubaa64.efi"
boot = "grub"

[[group]]
name = "rack"
machines = ["02:07:00:*"]
boot = "linux"

[[reservation]]
mac = "52:54:00:12:34:56"
address = "127.0.0.50"
host-name = "bench-1"
options = { 224 = { value = "hex:01 02", always = true } }

[[reservation]]
circuit-id = "port-7"
relay = "192.168.78.1"
address = "192.168.78.7"
group = "rack"

[profile.linux]
kernel = "DIR/vmlinuz"
append = "mac={{ mac }} ip={{ ip }} uuid={{ uuid }} from={{ http }}"

[profile.menu]
script = "DIR/menu.ipxe"

[profile.grub]
program = "http://127.0.0.1/grubaa64.efi"
"#;

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn pxed(dir: &Path, words: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pxed"));
    let output = command.args(words.split_whitespace()).current_dir(dir).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A directory with a configuration, and the files that the site names.
fn directory(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("undionly.kpxe", "a loader"),
        ("ipxe.efi", "a loader"),
        ("grubaa64.efi", "GRUB"),
        ("vmlinuz", "a kernel"),
        ("live.iso", "an image"),
        ("menu.ipxe", "#!ipxe\necho {{ mac }} at {{ ip }}\n"),
        ("f.toml", &text.replace("DIR", dir.path().to_str().unwrap())),
    ] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

fn check(text: &str, flags: &str) -> Said {
    pxed(directory(text).path(), &format!("check f.toml {flags}"))
}

fn has_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_file_that_is_right_is_told_in_plain_sentences() {
    let said = check(SITE, "--strict");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{}", said.out);
    has_all(
        &said.out,
        &[
            "lo: 127.0.0.1 serves 127.0.0.0/8, leasing 127.0.0.100-127.0.0.200 (101 addresses)",
            "192.168.78.0/24 (by relay agents): 127.0.0.1 serves 192.168.78.0/24",
            "NTP servers (42): 127.0.0.3",
            "2 reservations, 2 of them with an address",
            "machines of profile menu run the iPXE script",
            "f.toml: 0 errors, 0 warnings",
        ],
    );
}

#[test]
fn a_warning_fails_only_where_that_is_asked_for() {
    let text = format!("lease-time = \"5s\"\n{SUBNET}");
    for (flags, code) in [("", 0), ("--strict", 1)] {
        let said = check(&text, flags);
        assert_eq!(said.code, Some(code), "{}", said.out);
        has_all(&said.out, &["warning: leases of less", "f.toml:1:14", "0 errors, 1 warning\n"]);
    }
}

#[test]
fn errors_are_all_shown_with_their_place() {
    let said = check(&format!("{SUBNET}rangee = 1\nboot = \"nowhere\"\n"), "");
    assert_eq!(said.code, Some(2));
    has_all(
        &said.out,
        &[
            "error: there is no key rangee in [[subnet]]",
            "f.toml:4:1",
            "4 | rangee = 1\n  | ^^^^^^",
            "help: did you mean range?",
            "f.toml:5:8",
            "add [profile.nowhere]",
            "f.toml: 2 errors, 0 warnings",
        ],
    );
    let missing = pxed(directory("").path(), "check gone.toml");
    assert_eq!(missing.code, Some(2));
    has_all(&missing.err, &["pxed: gone.toml: No such file"]);
}

/// What is accepted and not honoured is the mistake that nobody finds.
#[test]
fn what_would_have_no_effect_is_said() {
    let reservation = "[[reservation]]\nmac = \"52:54:00:00:00:01\"\n";
    let profile = "[profile.x]\nkernel = \"/dev/null\"\n";
    for (more, parts) in [
        ("[[group]]\nname = \"g\"\n[[group]]\nname = \"g\"", &["two groups g", "7:8"][..]),
        ("[[group]]\nname = \"\"", &["name: write a name", "5:8"]),
        ("[[subnet.pool]]\nclass = \"c\"", &["range is missing", "no class c"]),
        (
            "options = { ntp-servers = { value = \"1.2.3.4\", always = \"yes\" } }",
            &["always is true or false"],
        ),
        ("dns = \"9.9.9.9\"\noptions = { 6 = \"8.8.8.8\" }", &["option 6 is said twice", "5:13"]),
        (&format!("{reservation}relay = \"1.2.3.4\""), &["circuit-id or remote-id", "6:9"]),
        ("shared-network = \"alone\"", &["no other subnet is in the shared network alone"]),
        (&format!("{profile}foo = 1"), &["no key foo in [profile.NAME]"]),
        ("[profile.x]\nprogram = \"\"", &["program: write its URL"]),
        ("[[class]]\nname = \"c\"\nmatch.all = []\nboot = \"gone\"", &["no profile gone"]),
        ("options = { 67 = \"x.efi\" }", &["firmware is not told this 67", "write bootfile ="]),
        ("exclude = \"127.0.0.9\"", &["127.0.0.9 is in no range", "4:11"]),
        ("router = \"10.9.9.9\"", &["can not reach the router 10.9.9.9", "4:10"]),
        ("bootfile = \"gone.0\"", &["no file gone.0", "boot-dir"]),
        ("loader = { uefi-x64 = \"gone.efi\" }", &["no file gone.efi", "4:23"]),
        ("min-lease-time = \"2h\"", &["grow in this order, and are 2h, 1h and 1h", "4:18"]),
        (SUBNET, &["overlap", "a subnet may have several ranges"]),
        ("server-ip = \"127.0.0.1\"\nnetwork = \"10.0.0.0/8\"", &["is not of the network"]),
    ] {
        let said = check(&format!("{SUBNET}{more}\n"), "--strict");
        assert_ne!(said.code, Some(0), "{more}: {}", said.out);
        has_all(&said.out, parts);
    }
}

#[test]
fn a_mistake_is_said_once() {
    let class = "[[class]]\nname = \"c\"\nmatch";
    for more in [
        "router = \"here\"",
        &format!("{class}.mac = \"52:*x\""),
        &format!("{class}.arch = [\"arm\"]"),
        &format!("{class}.option = {{ vendor-clas = true }}"),
    ] {
        let said = check(&format!("{SUBNET}{more}\n"), "");
        has_all(&said.out, &["f.toml: 1 error,"]);
    }
}

#[test]
fn templates_are_tried_at_the_desk() {
    for (append, problem) in [
        ("a={{ mac", "unexpected end of input"),
        ("a={{ maac }}", "`maac` is undefined"),
        ("a={% if mac", "unexpected end of input"),
    ] {
        let profile = format!("[profile.x]\nkernel = \"DIR/vmlinuz\"\nappend = \"{append}\"\n");
        let said = check(&format!("{SUBNET}{profile}"), "");
        assert_eq!(said.code, Some(2), "{append}: {}", said.out);
        has_all(&said.out, &["append: ", problem, "f.toml:6:10"]);
        assert!(!said.out.contains("<string>"), "{}", said.out);
    }
    // A script is read anew for every machine, and can be mended until then.
    let text = format!("{SUBNET}[profile.x]\nscript = \"DIR/bad.ipxe\"\n");
    let dir = directory(&text);
    std::fs::write(dir.path().join("bad.ipxe"), "#!ipxe\necho {{ nobody }}\n").unwrap();
    let said = pxed(dir.path(), "check f.toml --strict");
    assert_eq!(said.code, Some(1), "{}", said.out);
    has_all(&said.out, &["warning", "bad.ipxe", "`nobody` is undefined", "line 2"]);
}

#[test]
fn what_pxed_says_itself_can_not_be_set() {
    for code in [50, 51, 52, 53, 54, 55, 57, 58, 59, 60, 61, 82, 93, 97] {
        let said = check(&format!("{SUBNET}options = {{ {code} = \"hex:01 02\" }}\n"), "");
        assert_eq!(said.code, Some(2), "{code}: {}", said.out);
        has_all(&said.out, &["f.toml:4:"]);
    }
}

#[test]
fn the_example_lacks_only_its_subnets() {
    let example = pxed(Path::new("."), "check --example");
    assert_eq!(example.code, Some(0));
    let said = check(&example.out, "");
    assert_eq!(said.code, Some(2));
    has_all(&said.out, &["error: there is no [[subnet]]", "write [[subnet]]", "1 error, 0 warn"]);
    let said = check(&format!("{}\n{SUBNET}", example.out), "--strict");
    assert_eq!(said.code, Some(0), "{}", said.out);
}
