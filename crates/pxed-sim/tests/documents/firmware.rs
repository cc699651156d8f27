//! docs/firmware.md is what the lab wrote: every kind of boot is in it, and came through.

use std::collections::BTreeSet;

use crate::{read, root};

/// What pxed gave, where the machine was (`its own` link, or behind a relay agent), its firmware.
fn boots() -> BTreeSet<[String; 3]> {
    let page = read(&root().join("docs/firmware.md"));
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let boot = |row: &str| {
        let fields: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, gives, link, _, firmware, _, _, _, result] = fields[..] else { panic!("{row}") };
        assert_eq!(result, "ok", "{row}");
        let link = if link == "its own" { link } else { "relay" };
        [gives, link, firmware].map(str::to_owned)
    };
    rows.map(boot).collect()
}

#[test]
fn item_155_real_firmware_boots_in_full_and_by_proxy_also_behind_relay_agents() {
    let boots = boots();
    let has = |gives: &str, link: &str, firmware: &str| {
        boots.contains(&[gives, link, firmware].map(str::to_owned))
    };
    for gives in ["full", "proxy"] {
        for firmware in ["bios-ipxe-rom", "bios-tftp", "uefi-pxe", "uefi-http", "ipxe-usb"] {
            for link in ["its own", "relay"] {
                assert!(has(gives, link, firmware), "{gives}, {link}: {firmware}");
            }
        }
    }
    assert!(has("full", "its own", "arm64-grub") && has("proxy", "its own", "arm64-grub-own"));
}
