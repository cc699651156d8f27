//! What would this machine get, and which rule decided it?

use crate::{SITE, directory, has_all, pxed};

/// What a machine would get: its explanation.
fn explain(flags: &str) -> String {
    let said = pxed(directory(SITE).path(), &format!("explain --config f.toml {flags}"));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{flags}");
    said.out
}

#[test]
fn firmware_of_each_kind_is_told_its_boot_file() {
    let url = "http://127.0.0.1:8067/machine/02-07-00-00-00-01";
    for (firmware, parts) in [
        ("bios", &["(PXE, BIOS)", "boot tftp://127.0.0.1/undionly.kpxe"][..]),
        ("uefi", &["(PXE, UEFI x64)", "boot file name (67): \"ipxe.efi"]),
        ("uefi-http", &["(HTTP Boot, UEFI x64", &format!("boot {url}/ipxe.efi")]),
        ("ipxe", &["(iPXE, BIOS)", &format!("boot {url}/boot.ipxe?profile=linux")]),
    ] {
        let text = explain(&format!("--mac 02:07:00:00:00:01 --firmware {firmware}"));
        has_all(&text, parts);
        has_all(
            &text,
            &[
                "subnet 127.0.0.0/8\n",
                "the top of the configuration, the subnet, group rack\n",
                "profile linux by group rack\n",
                "the script, once iPXE runs:",
                "/profile/linux/vmlinuz",
                "mac=02:07:00:00:00:01 ip=127.0.0.100 uuid= from=http://127.0.0.1:8067 ",
            ],
        );
    }
}

#[test]
fn a_raspberry_pi_is_shown_its_menu_and_no_script() {
    let text = explain("--mac 02:07:00:00:00:01 --firmware rpi");
    has_all(&text, &["boot its own files of tftp://127.0.0.1/\n", "Raspberry Pi Boot"]);
    assert!(!text.contains("the script"), "{text}");
}

#[test]
fn beside_another_server_it_says_which_offer_and_where_the_file_is_told() {
    let site = SITE.replace("range = \"127.0.0.100-127.0.0.200\"", "mode = \"proxy\"");
    let dir = directory(&site);
    let words = |firmware: &str| {
        format!("explain --config f.toml --mac 02:07:00:00:00:01 --firmware {firmware}")
    };
    let said = pxed(dir.path(), &words("uefi"));
    let told = "OFFER by proxy (redirect) to 02:07:00:00:00:01, boot tftp://127.0.0.1/ipxe.efi\n";
    has_all(
        &said.out,
        &[told, "form redirect: it asks this server at port 4011 what it is to boot\n"],
    );
    has_all(&said.out, &["the script, once iPXE runs:", "everybody on the link"]);
    let said = pxed(dir.path(), &words("bios"));
    has_all(&said.out, &["OFFER by proxy (direct)", "boot file name (67): \"undionly.kpxe"]);
    assert!(!said.out.contains("4011"), "{}", said.out);
    let said = pxed(dir.path(), &words("os"));
    has_all(&said.out, &["it is not booting, and another server's client"]);
}

#[test]
fn an_operating_system_gets_an_address_and_no_script() {
    let text = explain("--mac 02:07:00:00:00:01 --firmware os");
    has_all(&text, &["OFFER 127.0.0.100 to 02:07:00:00:00:01\n"]);
    for other in ["script", "(67)", "(43)"] {
        assert!(!text.contains(other), "{other} in\n{text}");
    }
}

#[test]
fn every_option_has_its_origin() {
    let text = explain("--mac 52:54:00:12:34:56 --arch 11");
    has_all(
        &text,
        &[
            "reservation bench-1\n",
            "classes arm\n",
            "the top of the configuration, the subnet, class arm, reservation bench-1\n",
            "domain name (15): \"lab.example\" by the top of the configuration\n",
            "NTP servers (42): 127.0.0.3 by the subnet\n",
            "domain name server (6): 9.9.9.9 by class arm\n",
            "option (224): 01 02 by reservation bench-1\n",
            "boot file grubaa64.efi by class arm\n",
            "profile grub by class arm\n",
            "yiaddr 127.0.0.50 ",
            "host name (12): \"bench-1\"\n",
            "chain http://127.0.0.1/grubaa64.efi",
        ],
    );
}

#[test]
fn a_relay_agent_brings_a_machine_to_its_subnet() {
    let other = "--mac 52:54:00:99:99:99 --firmware ipxe --relay 192.168.78.1";
    let text = explain(other);
    has_all(&text, &["subnet 192.168.78.0/24\n", "profile menu by the subnet\n"]);
    has_all(&text, &["giaddr 192.168.78.1\n", "echo 52:54:00:99:99:99 at 192.168.78.100\n"]);
    let text = explain(&format!("{other} --circuit-id port-7"));
    has_all(&text, &["yiaddr 192.168.78.7 ", "profile linux by group rack\n"]);
    let selected = explain(&format!("{other} --link-selection 127.0.0.0"));
    has_all(&selected, &["subnet 127.0.0.0/8\n", "giaddr 192.168.78.1\n"]);
    let nowhere = explain(&format!("{other} --link-selection 10.9.0.0"));
    has_all(&nowhere, &["no answer to", "the subnet that is selected is not configured"]);
}

#[test]
fn who_is_nowhere_is_told_so() {
    let text = explain("--mac 52:54:00:99:99:99 --relay 10.1.1.1");
    has_all(&text, &["no answer to 52:54:00:99:99:99: no subnet is configured for where it came"]);
    assert!(!text.contains("script"), "{text}");
    let flags = "explain --config f.toml --mac 52:54:00:99:99:99";
    let said = pxed(directory(SITE).path(), &format!("{flags} -i eth77"));
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    has_all(&said.err, &["--interface eth77: the configuration serves no such one, but lo"]);
    let said = pxed(directory("foo = 1").path(), flags);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    has_all(&said.err, &["there is no key foo", "f.toml:1:1"]);
}

#[test]
fn the_verdict_comes_first_and_says_where_the_lease_is_from() {
    let text = explain("--mac 52:54:00:12:34:56");
    assert!(text.starts_with("DISCOVER 52:54:00:12:34:56 on lo"), "{text}");
    has_all(
        &text,
        &[
            "  address 127.0.0.50 by reservation bench-1\n",
            "  IP address lease time (51): 3600",
            "  host name (12): \"bench-1\" by reservation bench-1\n",
        ],
    );
    let text = explain("--mac 52:54:00:12:34:56 --option 55=hex:0106 --firmware os");
    has_all(&text, &["NTP servers (42): 127.0.0.3 by the subnet; not sent: not asked for\n"]);
    let text = explain("--mac 52:54:00:12:34:56 --relay 192.168.78.1");
    has_all(
        &text,
        &[
            "reservation bench-1: its address 127.0.0.50 is not on this subnet\n",
            "  address 192.168.78.100 by the range 192.168.78.100-192.168.78.110\n",
            " to the relay agent 192.168.78.1:\n",
        ],
    );
}

#[test]
fn a_standby_is_explained_as_it_behaves() {
    let standby = SITE.replace("[[class]]", "min-secs = 4\noffer-delay = \"1s\"\n[[class]]");
    let explain = |flags: &str| {
        let flags = format!("explain --config f.toml --relay 192.168.78.1 {flags}");
        pxed(directory(&standby).path(), &flags).out
    };
    let mac = "--mac 52:54:00:99:99:99";
    has_all(&explain(mac), &["no answer to 52:54:00:99:99:99: standing by"]);
    has_all(&explain(&format!("{mac} --secs 4")), &["OFFER 192.168.78.100", "the reply waits 1s"]);
}

#[test]
fn where_nothing_boots_no_script_is_shown() {
    for flags in ["--arch uefi-riscv64", "--firmware os"] {
        let text = explain(&format!("--mac 02:07:00:00:00:01 {flags}"));
        assert!(!text.contains("script"), "{flags}: {text}");
    }
    let flags = "explain --config f.toml --mac 02:07:00:00:00:01 --firmware bios --arch 7";
    let said = pxed(directory(SITE).path(), flags);
    assert_eq!(said.code, Some(2));
    has_all(&said.err, &["--firmware bios does not go with --arch"]);
}

#[test]
fn a_profile_that_is_an_image_is_for_http_boot_and_others_are_told_so() {
    let site = SITE.replace("kernel = \"DIR/vmlinuz\"", "image = \"DIR/live.iso\"");
    let append = site.lines().find(|line| line.starts_with("append")).unwrap().to_owned();
    let dir = directory(&site.replace(&append, ""));
    let explain = |firmware: &str| {
        let words = "explain --config f.toml --mac 02:07:00:00:00:01 --firmware";
        pxed(dir.path(), &format!("{words} {firmware}")).out
    };
    let text = explain("uefi-http");
    let url = "boot http://127.0.0.1:8067/machine/02-07-00-00-00-01/profile/linux/live.iso\n";
    has_all(&text, &[url, "profile linux by group rack\n"]);
    assert!(!text.contains("script") && !text.contains("can not"), "{text}");
    for firmware in ["uefi", "bios", "ipxe"] {
        let note = "its profile is an image, which only UEFI HTTP Boot boots: iPXE can not\n";
        has_all(&explain(firmware), &[note, "profile linux by group rack\n", "echo pxed: this"]);
    }
}
