//! Command lines that are wrong: exit code 2, and a text that names the flag and the remedy.
//! Nothing here gets as far as a socket, so the loopback of this machine is enough.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::{Command, Output};

const PXED: &str = env!("CARGO_BIN_EXE_pxed");

/// Part of a command line that is right.
const RIGHT: &str = "-i lo --range 127.0.0.10-127.0.0.20";

fn pxed(arguments: &str) -> Output {
    // An underscore stands for a space within an argument.
    let words = arguments.split_whitespace().map(|word| word.replace('_', " "));
    Command::new(PXED).args(words).output().unwrap()
}

fn said(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// Each must end with exit code 2, and say both texts on stderr.
fn all_wrong(cases: &[(&str, &str, &str)]) {
    for (flags, names, remedy) in cases {
        let output = pxed(&format!("serve {flags}"));
        let text = said(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags}: {text}");
        assert!(text.contains(names), "{flags}: not named: {names}\n{text}");
        assert!(text.contains(remedy), "{flags}: no remedy: {remedy}\n{text}");
        assert_eq!(said(&output.stdout), "", "{flags}");
    }
}

#[test]
fn interfaces_that_can_not_be_served() {
    all_wrong(&[
        ("--range 127.0.0.10-127.0.0.20", "--interface <IFACE>", "--help"),
        ("-i eth77 --range 10.0.0.1-10.0.0.2", "--interface eth77: no interface eth77", "has"),
        ("-i lo -i lo --range 127.0.0.10-127.0.0.20", "--interface lo: it is named twice", "once"),
    ]);
}

#[test]
fn modes_that_contradict_what_is_said() {
    all_wrong(&[
        ("-i lo --mode both", "'both' for '--mode <MODE>'", "full, proxy"),
        (
            "-i lo --mode proxy --range 127.0.0.10-127.0.0.20",
            "--range 127.0.0.10-127.0.0.20: with --mode proxy addresses are another server's",
            "Leave --range out",
        ),
        ("-i lo --dns 9.9.9.9", "--dns: without --range addresses are another", "Give --range"),
        ("-i lo --lease-time 1h", "--lease-time: without --range", "or leave it out"),
        ("-i lo --mode proxy --router 127.0.0.1", "--router: without --range", "Give --range"),
        ("-i lo --domain x --mode proxy", "--domain: without --range", "Give --range"),
    ]);
}

#[test]
fn ranges_that_can_not_be_leased() {
    all_wrong(&[
        (
            "-i lo --mode full",
            "--range: lo is to be served",
            "such as --range 127.128.0.0-127.255.255.254",
        ),
        (
            "-i lo --range 10.0.0.1-10.0.0.9",
            "--range 10.0.0.1-10.0.0.9: none of the ranges is in lo's subnet 127.0.0.0/8",
            "Give addresses of 127.0.0.0/8",
        ),
        (
            "-i lo --range 127.0.0.9-128.0.0.1",
            "--range 127.0.0.9-128.0.0.1: not all of it is for hosts of 127.0.0.0/8",
            "Stay within 127.0.0.1-127.255.255.254",
        ),
        (
            "-i lo --range 127.0.0.1-127.0.0.9",
            "it holds 127.0.0.1, this server's own address",
            "Leave 127.0.0.1 out",
        ),
        (
            "-i lo --range 127.0.0.2-127.0.0.9 --router 127.0.0.5",
            "it holds 127.0.0.5, the router's address",
            "Leave 127.0.0.5 out",
        ),
        (
            "-i lo --range 127.0.0.2-127.0.0.9 --range 127.0.0.9-127.0.0.12",
            "--range 127.0.0.9-127.0.0.12: it overlaps --range 127.0.0.2-127.0.0.9",
            "Separate them",
        ),
        (
            "-i lo --range 127.0.0.9-127.0.0.2",
            "'--range <A-B>': the first address comes after the last",
            "write 127.0.0.2-127.0.0.9",
        ),
        ("-i lo --range 127.0.0.9", "'--range <A-B>'", "192.168.77.100-192.168.77.200"),
        (
            "-i lo --range 127.0.0.2-127.200.0.0",
            "addresses are more than a pool can have",
            "The most is 8388608",
        ),
    ]);
}

#[test]
fn addresses_that_can_not_be_told() {
    let with = |flag: &str| format!("{RIGHT} {flag}");
    for (flag, names, remedy) in [
        ("--router 10.0.0.1", "--router 10.0.0.1: it is in no served subnet", "on the served"),
        ("--server-ip 127.0.0.2", "--server-ip 127.0.0.2: no served interface", "127.0.0.1"),
        ("--subnet-mask 255.0.255.0", "'--subnet-mask <MASK>'", "255.255.255.0"),
        ("--subnet-mask 0.0.0.0", "'--subnet-mask <MASK>'", "255.255.255.0"),
        ("--subnet-mask 255.255.255.255", "--range", "give lo a larger network"),
        ("--dns 0.0.0.0", "'--dns <IP>'", "no machine can have this address"),
        ("--dns 9.9.9", "'--dns <IP>'", "write an IPv4 address"),
        ("--tftp-server 255.255.255.255", "'--tftp-server <IP>'", "no machine can have"),
        ("--domain my_lab", "'--domain <NAME>'", "lab.example"),
    ] {
        all_wrong(&[(&with(flag), names, remedy)]);
    }
}

#[test]
fn durations_ports_and_words() {
    let with = |flag: &str| format!("{RIGHT} {flag}");
    let time = "write seconds, or a number with s, m, h or d: 90, 5m, 1h";
    for (flag, names, remedy) in [
        ("--lease-time 1w", "'--lease-time <TIME>'", time),
        ("--lease-time 0", "'--lease-time <TIME>'", "from 1 second"),
        ("--status-interval 1.5m", "'--status-interval <TIME>'", time),
        ("--status-interval infinite", "'--status-interval <TIME>'", time),
        ("--http-port 0", "'--http-port <PORT>'", "1..=65535"),
        ("--http-port 65536", "'--http-port <PORT>'", "1..=65535"),
        ("--log-format xml", "'--log-format <FORMAT>'", "text, json"),
        ("--user no-such-user", "--user no-such-user: there is no such user", "adduser --system"),
        ("--lease-tim 1h", "'--lease-tim'", "--lease-time"),
        ("serve", "unexpected argument 'serve'", "Usage: pxed serve"),
    ] {
        all_wrong(&[(&with(flag), names, remedy)]);
    }
}

#[test]
fn what_can_not_be_booted() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = dir.path().join("vmlinuz");
    std::fs::write(&kernel, "").unwrap();
    let (kernel, dir) = (kernel.to_str().unwrap(), dir.path().to_str().unwrap());
    let long = "a".repeat(128);
    let with = |flag: &str| format!("{RIGHT} {flag}");
    for (flag, names, remedy) in [
        ("--kernel /gone", "--kernel /gone: there is no such file", "Name a file that is there"),
        (&format!("--kernel {dir}"), "it is not a file", "Name a file"),
        (&format!("--kernel {kernel}/x"), "/x: Not a directory", "Name a file"),
        (&format!("--kernel {kernel} --initrd /gone"), "--initrd /gone", "Name a file"),
        ("--script /gone.ipxe", "--script /gone.ipxe: there is no such file", "Name a file"),
        (&format!("--initrd {kernel}"), "required arguments", "--kernel <FILE>"),
        ("--append quiet", "required arguments", "--kernel <FILE>"),
        (
            &format!("--kernel {kernel} --script {kernel}"),
            "'--kernel <FILE>' cannot be used with '--script",
            "--help",
        ),
        (
            &format!("--kernel {kernel} --append a_||_b"),
            "--append: iPXE would take the word || for itself",
            "a --script of your own",
        ),
        ("--bootfile pxelinux_0", "--bootfile pxelinux 0: firmware takes 1 to 127", "plainer name"),
        (&format!("--bootfile {long}"), "firmware takes 1 to 127", "shorter"),
        (&format!("--bootfile http://{long}{long}"), "of a URL up to 255", "shorter"),
        ("--boot-dir /gone", "--boot-dir /gone: there is no such directory", "Create it"),
        (&format!("--boot-dir {kernel}"), "there is no such directory", "name one"),
    ] {
        all_wrong(&[(&with(flag), names, remedy)]);
    }
}

#[test]
fn pxed_alone_shows_its_help() {
    let output = pxed("");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output.stderr).contains("Usage: pxed <COMMAND>"));
}

#[test]
fn help_mentions_every_flag() {
    let output = pxed("serve --help");
    assert!(output.status.success());
    let text = said(&output.stdout);
    for flag in [
        "-i, --interface <IFACE>",
        "--server-ip <IP>",
        "--range <A-B>",
        "--subnet-mask <MASK>",
        "--router <IP>",
        "--dns <IP>",
        "--domain <NAME>",
        "--lease-time <TIME>",
        "--tftp-server <IP>",
        "--bootfile <NAME>",
        "--boot-dir <DIR>",
        "--kernel <FILE>",
        "--initrd <FILE>...",
        "--append <ARGS>",
        "--script <FILE.ipxe>",
        "--http-port <PORT>",
        "--state-dir <DIR>",
        "--user <NAME>",
        "--status-interval <TIME>",
        "--log-format <FORMAT>",
        "--config <FILE>",
        "--watch-config",
        "-v, --verbose",
        "[default: 8067]",
        "[default: 5m]",
        "[default: 1h]",
        "[default: /var/lib/pxed]",
        "pxed serve -i eth1 --range 192.168.77.100-192.168.77.200",
    ] {
        assert!(text.contains(flag), "{flag} is not in the help:\n{text}");
    }
    let output = pxed("--help");
    assert!(output.status.success() && said(&output.stdout).contains("serve"));
}

#[test]
fn questions_that_can_not_be_asked() {
    let mac = "52:54:00:77:00:01";
    for (words, names, remedy) in [
        ("leases --mac 52:54", "'--mac <MAC>'", "write 52:54:00:12:34:56"),
        ("leases --ip 10.0.0", "'--ip <IP>'", "invalid IPv4 address"),
        ("leases --subnet 10.0.0.0", "'--subnet <NET>'", "write 192.168.77.0/24"),
        (
            "leases --state lost",
            "'--state <STATE>'",
            "leased, offered, declined, conflict, released, expired",
        ),
        ("leases release", "<IP>", "Usage: pxed leases release"),
        ("leases release bench1", "'<IP>'", "invalid IPv4 address"),
        (&format!("leases --mac {mac} release 10.0.0.1"), "'release'", "--help"),
        ("events --mac bench1", "'--mac <MAC>'", "write 52:54:00:12:34:56"),
        ("stop now", "unexpected argument 'now'", "Usage: pxed stop"),
        ("status --follow", "unexpected argument '--follow'", "Usage: pxed status"),
    ] {
        let output = pxed(words);
        let text = said(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {text}");
        assert!(text.contains(names) && text.contains(remedy), "{words}: {text}");
    }
}

#[test]
fn help_of_the_questions() {
    for (command, texts) in [
        ("status", &["--state-dir <DIR>", "[default: /var/lib/pxed]", "--json"][..]),
        ("leases", &["release", "--mac <MAC>", "--ip <IP>", "--subnet <NET>", "expired", "--json"]),
        ("leases release", &["<IP>", "it goes on using the address until it asks again", "--json"]),
        ("events", &["-f, --follow", "--mac <MAC>", "--state-dir <DIR>", "--json"]),
        (
            "explain",
            &["--mac <MAC>", "running pxed", "--config <FILE>", "--state-dir <DIR>", "--json"],
        ),
        ("stop", &["wait until it is gone", "--state-dir <DIR>", "--json"]),
    ] {
        let output = pxed(&format!("{command} --help"));
        // The width of the terminal breaks lines where it likes.
        let text = said(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in texts {
            assert!(text.contains(expected), "{command}: no {expected} in {text}");
        }
    }
}

#[test]
fn version_is_said() {
    let output = pxed("--version");
    assert!(output.status.success());
    assert_eq!(said(&output.stdout), format!("pxed {}\n", env!("CARGO_PKG_VERSION")));
}

/// Root becomes somebody in a user namespace that knows nobody.
#[test]
fn only_root_can_become_another_user() {
    let mut command = Command::new(PXED);
    if nix::unistd::geteuid().is_root() {
        command = Command::new("unshare");
        command.args(["--user", PXED]);
    }
    let flags = format!("serve {RIGHT} --user nobody");
    let output = command.args(flags.split(' ')).output().unwrap();
    let text = said(&output.stderr);
    if text.contains("unshare") {
        assert!(std::env::var_os("CI").is_none(), "NOT TESTED: no namespaces here: {text}");
        eprintln!("\nNOT TESTED: only_root_can_become_another_user: no namespaces here: {text}");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{text}");
    let expected = "--user nobody: only root can become another user";
    assert!(text.contains(expected) && text.contains("without --user"), "{text}");
}

#[test]
fn networks_that_can_not_be_asked() {
    for (flags, names, remedy) in [
        ("", "--interface <IFACE>", "--help"),
        ("-i eth77", "no interface eth77; this machine has", "name one of these"),
        ("-i lo", "--interface lo: it is no Ethernet interface", "name another"),
        ("-i lo --as pxe", "'pxe' for '--as <CLIENT>'", "bios, uefi, http, ipxe, plain"),
        ("-i lo --timeout 1w", "'--timeout <TIME>'", "write seconds"),
        ("-i lo --mac 1", "'--mac <MAC>'", "52:54:00:12:34:56"),
    ] {
        let output = pxed(&format!("probe {flags}"));
        let text = said(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags}: {text}");
        assert!(text.contains(names), "{flags}: not named: {names}\n{text}");
        assert!(text.contains(remedy), "{flags}: no remedy: {remedy}\n{text}");
    }
}
