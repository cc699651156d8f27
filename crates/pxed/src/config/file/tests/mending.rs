//! How mistakes are told: at their place, once, with what to write.

use super::*;

/// Exactly one problem, at this place, with these words.
fn said_once(more: &str, place: &str, parts: &[&str]) {
    let read = with(more);
    let text = read.report(false);
    assert_eq!(read.counts().0, 1, "{more}:\n{text}");
    assert_eq!(read.counts().1, 0, "{more}:\n{text}");
    assert!(text.contains(&format!("pxed.toml:{place}")), "{more}: no {place} in\n{text}");
    for part in parts {
        assert!(text.contains(part), "{more}: no {part:?} in\n{text}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of mistakes")]
fn a_mistake_is_told_with_what_to_write() {
    for (more, place, parts) in [
        ("[subnet.pool]\nrange = \"192.168.77.9\"", "", &["write [[subnet.pool]]"][..]),
        ("lease-time = 7200", "4:14", &["can not be an integer", "write lease-time = \"7200s\""]),
        ("router = [\"192.168.77.2\", \"x\"]", "4:27", &["router: write an IPv4 address"]),
        (
            "options = { ntp-servers = [\"192.168.77.2\", \"x\"] }",
            "4:44",
            &["ntp-servers: an IPv4 address"],
        ),
        (
            "options = { 43 = { value = { 200 = { type = \"u9\", value = 1 } } } }",
            "4:36",
            &["43: there is no type \"u9\"; did you mean \"u8\"?; there are address,"],
        ),
        (
            "options = { 51 = 60 }",
            "4:18",
            &["write lease-time at the top of the file or in [[subnet]]"],
        ),
        (
            "[[group]]\nname = \"g\"\nlease-time = \"1h\"",
            "6:1",
            &[
                "lease-time belongs at the top of the file, before its first table, or in [[subnet]]",
            ],
        ),
        (
            "[profile.p]\nprogram = \"http://a/b\"\ndns = \"192.168.77.2\"",
            "6:1",
            &["dns belongs at the top of the file, before its first table, or in [[subnet]], or"],
        ),
        (
            "[[group]]\nname = \"rack\"\n[[class]]\nname = \"c\"\nmatch = { group = \"rakc\" }",
            "8:19",
            &["there is no group rakc", "did you mean rack?"],
        ),
        (
            "[[class]]\nname = \"c\"\nmatch = { arch = \"arm64\" }",
            "6:18",
            &["no architecture arm64; did you mean uefi-arm64?"],
        ),
        (
            "[[class]]\nname = \"c\"\nmatch = { arch = 11 }\nloader = { uefi-amr64 = \"x.efi\" }\n\
             tftp-server = \"192.168.77.9\"",
            "7:12",
            &["did you mean uefi-arm64?"],
        ),
        (
            "[[class]]\nname = \"c\"\nmatch = { arch = \"uefi-x64\", not = { arch = \"uefi-x64\" } }",
            "6:9",
            &["class c: arch and not contradict each other"],
        ),
        (
            "[[class]]\nname = \"c\"\nmatch = { mac = \"zz\" }\n[[subnet.pool]]\n\
             range = \"192.168.77.9\"\nclass = \"c\"",
            "6:17",
            &["mac: write a MAC"],
        ),
        (
            "[[class]]\nname = \"carm\"\nmatch = { mac = \"02:*\" }\n[[subnet.pool]]\n\
             range = \"192.168.77.9\"\nclass = \"cram\"",
            "9:9",
            &["no class cram", "did you mean carm?"],
        ),
        ("[[reservation]]\nmac = \"zz\"", "5:7", &["mac: write a MAC"]),
        (
            "[[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"192.168.77.255\"",
            "6:11",
            &["is the broadcast address of 192.168.77.0/24"],
        ),
        (
            "[[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"192.168.77.0\"",
            "6:11",
            &["is the address of the network 192.168.77.0/24 itself"],
        ),
        (
            "[[subnet]]\ninterface = \"eth9\"\nnetwork = \"10.1.0.0/24\"\n\
             [[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"10.1.0.9\"",
            "5:13",
            &["no interface eth9"],
        ),
        (
            "[[subnet]]\ninterface = \"eth9\"\n\
             [[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"10.1.0.9\"",
            "5:13",
            &["no interface eth9"],
        ),
        (
            "[profile.p]\nkernel = \"/etc/hostname\"\nappend = \"{{ maac }}\"",
            "6:10",
            &["`maac` is undefined", "did you mean mac?", "mac, uuid, ip, server, http"],
        ),
    ] {
        said_once(more, place, parts);
    }
}

#[test]
fn a_mistake_at_the_top_is_said_there_alone() {
    let far = "[[subnet]]\nnetwork = \"10.9.0.0/24\"\nrange = \"10.9.0.9\"\n";
    let read = read(&format!("min-lease-time = \"2h\"\n{SUBNET}{far}"));
    assert_eq!(read.counts(), (1, 0), "{}", read.report(false));
}

#[test]
fn names_of_files_begin_in_the_boot_directory() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().display();
    let text = |file: &str| format!("boot-dir = \"{place}\"\nbootfile = \"{file}\"\n{SUBNET}");
    let said = read(&text("gone.0")).report(false);
    assert!(said.contains(&format!("there is no file {place}/gone.0")), "{said}");
    let said = read(&text(&format!("{place}/gone.0"))).report(false);
    assert!(said.contains("write \"gone.0\""), "{said}");
}

#[test]
fn one_interface_is_one_shared_network() {
    let subnet = |net: u8, name: &str| {
        format!(
            "[[subnet]]\ninterface = \"eth2\"\nnetwork = \"10.0.{net}.0/24\"\n\
             range = \"10.0.{net}.9\"\nshared-network = \"{name}\"\n"
        )
    };
    let said = read(&(subnet(0, "a") + &subnet(1, "b"))).report(false);
    assert!(said.contains("are on one interface, but two shared networks, a and b"), "{said}");
}
