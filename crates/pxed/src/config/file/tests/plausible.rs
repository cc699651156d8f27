//! What is legal and will probably not do what was meant, and what can not be.

use pxed_proto::dhcp::Test;

use super::*;

/// A mistake: what is written, where it is shown, what is said of it.
type Mistake<'a> = (&'a str, &'a str, &'a [&'a str]);

fn are_said(mistakes: &[Mistake<'_>], is_error: bool) {
    for (more, place, parts) in mistakes {
        let read = with(more);
        let text = read.report(false);
        assert_eq!(read.counts().0 > 0, is_error, "{more}:\n{text}");
        assert!(text.contains(&format!("pxed.toml:{place}")), "{more}: no {place} in\n{text}");
        for part in *parts {
            assert!(text.contains(part), "{more}: no {part:?} in\n{text}");
        }
    }
}

fn is_silent(more: &str) {
    let read = with(more);
    assert_eq!(read.counts(), (0, 0), "{more}:\n{}", read.report(false));
}

const MAC: &str = "[[reservation]]\nmac = \"52:54:00:00:00:01\"\n";
const CIRCUIT: &str = "[[reservation]]\ncircuit-id = \"p\"\n";
const FAR: &str = "[[subnet]]\nnetwork = \"10.9.0.0/24\"\nrange = \"10.9.0.9\"\n";

#[test]
fn what_would_have_no_effect_is_an_error() {
    are_said(
        &[
            (
                &format!("{MAC}host-name = \"a\"\noptions = {{ host-name = \"b\" }}"),
                "7:13",
                &["option 12 is said twice in this table", "the first time"],
            ),
            (
                "options = { subnet-mask = \"255.255.0.0\" }",
                "4:27",
                &["pxed sets subnet-mask itself"],
            ),
            ("offer-hold = \"5s\"\noffer-delay = \"5s\"", "5:15", &["shorter than offer-hold"]),
            (
                "[[class]]\nname = \"c\"\nmatch = { circuit-id = \"hex:0\" }",
                "6:24",
                &["circuit-id: write text, or octets"],
            ),
            (
                "[[class]]\nname = \"c\"\nmatch = { option = { 60 = \"hex:zz*\" } }",
                "6:27",
                &["60: write text, or octets"],
            ),
            (
                "[[class]]\nname = \"c\"\nmatch = { firmware = \"pxe\", vendor-class = \"HTTPClient*\" }",
                "6:9",
                &["no client can belong to class c"],
            ),
            ("[profile.p]\nprogram = \"grubx64.efi\"", "5:11", &["write its URL: http://"]),
            (
                "[[subnet]]\nnetwork = \"224.0.0.0/24\"",
                "5:11",
                &["no machine can have an address of 224.0.0.0/24"],
            ),
            ("[[subnet]]\nnetwork = \"127.9.0.0/24\"", "5:11", &["never leaves a machine"]),
            (
                "shared-network = \"a\"\n[[subnet]]\ninterface = \"eth2\"\nshared-network = \"a\"\n\
                 range = \"10.0.0.9\"",
                "6:13",
                &["one wire, and can not be on two interfaces", "bridge"],
            ),
        ],
        true,
    );
}

#[test]
fn what_probably_has_no_effect_is_a_warning() {
    are_said(
        &[
            (
                &format!("{CIRCUIT}relay = \"10.9.9.9\""),
                "6:9",
                &["relay agent 10.9.9.9 is in no subnet", "on its clients' network"],
            ),
            (
                &format!("{FAR}{CIRCUIT}relay = \"10.9.0.1\"\naddress = \"192.168.77.9\""),
                "10:11",
                &["are on 10.9.0.0/24, and get no address of 192.168.77.0/24"],
            ),
            (
                "[[class]]\nname = \"c\"\nmatch = { relay = \"10.9.9.9\" }",
                "6:9",
                &["relay agent 10.9.9.9 is in no subnet"],
            ),
            ("options = { 43 = \"hex:01 02\" }", "4:18", &["no sub-options"]),
            (
                "options = { 43 = { 1 = \"hex:0a\" } }",
                "4:18",
                &["reads sub-option 1 as its own mtftp-address", "firmware = \"not-booting\""],
            ),
            ("exclude = \"192.168.77.0-192.168.77.255\"", "3:9", &["exclude leaves nothing"]),
            (
                "router = \"192.168.77.9\"\n[[reservation]]\nmac = \"52:54:00:00:00:01\"\n\
                 address = \"192.168.77.9\"",
                "7:11",
                &["192.168.77.9 is a router's address"],
            ),
            (
                &format!("{FAR}{CIRCUIT}relay = \"10.9.0.1\"\naddress = \"10.9.0.1\""),
                "10:11",
                &["10.9.0.1 is a relay agent's address"],
            ),
            (
                "dns = \"192.168.77.150\"",
                "4:7",
                &["192.168.77.150, which clients are told of (domain name server)", "exclude ="],
            ),
            (
                "options = { 121 = \"10.0.0.0/8 via 10.1.1.1\" }",
                "4:13",
                &["can not reach the router 10.1.1.1 of this route"],
            ),
            (
                &format!("{MAC}options = {{ 121 = \"10.0.0.0/8 via 10.1.1.1\" }}"),
                "6:13",
                &["the router 10.1.1.1 of this route is in no subnet"],
            ),
            (
                &format!("{TWO_GROUPS}machines = [\"52:54:00:00:00:01\"]"),
                "14:8",
                &["in the groups a and b: it boots what b says", "this is not heard"],
            ),
            (
                &format!("{TWO_GROUPS}{MAC}group = \"b\""),
                "14:8",
                &["in the groups a and b: it boots what b says"],
            ),
            (
                "[[subnet]]\nnetwork = \"10.9.0.0/24\"\npool = [{ range = \"10.9.0.9\", class = \"c\" }]\n\
                 [[class]]\nname = \"c\"\nmatch = { mac = \"02:*\" }",
                "4:1",
                &["all pools of 10.9.0.0/24 are for classes"],
            ),
        ],
        false,
    );
}

/// Two groups that boot different things: the first has a machine, the second may get one.
const TWO_GROUPS: &str = "[profile.x]\nprogram = \"http://a/b\"\n\
    [[group]]\nname = \"a\"\nmachines = [\"52:54:00:*\"]\nboot = \"x\"\n\
    [profile.y]\nprogram = \"http://a/c\"\n[[group]]\nname = \"b\"\nboot = \"y\"\n";

#[test]
fn what_is_meant_is_not_complained_of() {
    for more in [
        "options = { 43 = { mtftp-address = \"10.0.0.1\" } }",
        "options = { 43 = { 200 = \"hex:0a\" } }",
        "options = { 43 = { value = { 1 = \"hex:0a\" }, booting-only = true } }",
        "[[class]]\nname = \"os\"\nmatch = { firmware = \"not-booting\" }\n\
         options = { 43 = { 1 = \"hex:0a\" } }",
        "dns = \"192.168.77.150\"\nexclude = \"192.168.77.150\"",
        "options = { 121 = \"10.0.0.0/8 via 192.168.77.9\" }",
        TWO_GROUPS,
        "[[subnet]]\nnetwork = \"10.9.0.0/24\"\npool = [{ range = \"10.9.0.9\", class = \"c\" }, \
         { range = \"10.9.0.10\", class = \"d\" }]\n\
         [[class]]\nname = \"c\"\nmatch = { mac = \"02:*\" }\n\
         [[class]]\nname = \"d\"\nmatch = { not = { mac = \"02:*\" } }",
    ] {
        is_silent(more);
    }
}

#[test]
fn the_ids_of_relay_agents_are_octets() {
    let class = "[[class]]\nname = \"c\"\nmatch = { circuit-id = \"hex:00 04 *\" }";
    let config = with(class).config.unwrap();
    let Test::RelayAgent(_, pattern) = &config.dhcp.policy.classes[0].test else { panic!() };
    assert!(pattern.matches(&[0, 4, 9]) && !pattern.matches(b"hex:00 04 9"));
}

#[test]
fn a_reservations_name_is_said_by_it() {
    let name = |text: &str| {
        let config = with(&format!("{MAC}{text}")).config.unwrap();
        let own = config.dhcp.policy.reservations.iter().next().unwrap().clone();
        (own.name.clone(), own.host_name().map(|it| it.to_string()), own.settings.options.len())
    };
    let bench = ("bench-1".to_owned(), Some("bench-1".to_owned()), 1);
    assert_eq!(name("host-name = \"bench-1\""), bench);
    assert_eq!(name("options = { host-name = \"bench-1\" }"), bench);
    assert_eq!(name(""), ("52:54:00:00:00:01".to_owned(), None, 0));
}

/// Whatever directory pxed is started in.
#[test]
fn relative_paths_begin_where_the_file_lies() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["vmlinuz", "menu.ipxe"] {
        std::fs::write(dir.path().join(name), "no script").unwrap();
    }
    let text = format!(
        "boot-dir = \".\"\nstate-dir = \"state\"\n{SUBNET}[profile.a]\nkernel = \"vmlinuz\"\n\
         [profile.b]\nscript = \"menu.ipxe\"\n[profile.c]\nkernel = \"gone\"\n"
    );
    let read = |text: &str| read_text(&dir.path().join("f.toml"), text.to_owned(), &find);
    let said = read(&text).report(false);
    for part in [
        &format!("{}: there is no such file", dir.path().join("gone").display()),
        "warning: menu.ipxe does not begin with #!ipxe",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let config = read(&text.replace("\"gone\"", "\"vmlinuz\"")).config.unwrap();
    assert_eq!(config.service.state_dir, dir.path().join("state"));
    assert_eq!(config.service.boot_dir, Some(dir.path().join(".")));
    assert!(config.named_files.iter().any(|(_, file)| *file == dir.path().join("vmlinuz")));
}

#[test]
fn what_is_left_of_a_damaged_document_is_not_judged() {
    let read = with("router = \n[[class]]\nname = \"c\"\n");
    assert_eq!(read.counts(), (1, 0), "{}", read.report(false));
    assert!(read.report(false).contains("pxed.toml:4:"));
}
