//! Profiles: what a machine's iPXE gets.

use super::super::schema::PROFILE;
use super::{Case, Site, case, stranger};

const KERNEL: &str = "kernel = \"DIR/vmlinuz\"\n";

/// Of a machine that boots it.
fn profile(lines: &str) -> String {
    let machine = "[[reservation]]\nmac = \"52:54:00:00:00:01\"\nboot = \"own\"\n";
    format!("{machine}[profile.own]\n{lines}")
}

pub fn cases() -> Vec<Case> {
    let kernel = KERNEL;
    let with = |more: &str| format!("{kernel}{more}");
    let tried = |key: &'static str, [without, with]: [&str; 2], difference: &[&str]| {
        let [without, with] = [profile(without), profile(with)];
        case((&PROFILE, key), "#more", [&without, &with], boots, difference)
    };
    let [menu, other] = ["script = \"DIR/menu.ipxe\"", "script = \"DIR/other.ipxe\""];
    let initrd = with("initrd = [\"DIR/initrd.gz\", \"DIR/boot/hello.txt\"]");
    let append = with(
        "append = \"a={{ mac }} b={{ server }} c={{ http }}/x \
                       d={{ ip }} e={{ uuid }}\"",
    );
    let program = "program = \"http://192.168.77.1/grubx64.efi\"";
    vec![
        tried(
            "kernel",
            [other, kernel],
            &[
                "- echo another menu",
                "+ # pxed, for 52:54:00:00:00:01",
                "+ kernel http://HERE/machine/52-54-00-00-00-01/profile/own/vmlinuz || goto failed",
                "+ boot || goto failed",
            ],
        ),
        tried(
            "initrd",
            [kernel, &initrd],
            &[
                "- kernel http://HERE/machine/52-54-00-00-00-01/profile/own/vmlinuz || goto failed",
                "+ kernel http://HERE/machine/52-54-00-00-00-01/profile/own/vmlinuz \
                 initrd=initrd.gz initrd=hello.txt || goto failed",
                "+ initrd --name initrd.gz \
                 http://HERE/machine/52-54-00-00-00-01/profile/own/initrd.gz || goto failed",
                "+ initrd --name hello.txt \
                 http://HERE/machine/52-54-00-00-00-01/profile/own/hello.txt || goto failed",
            ],
        ),
        tried(
            "append",
            [kernel, &append],
            &[
                "- kernel http://HERE/machine/52-54-00-00-00-01/profile/own/vmlinuz || goto failed",
                "+ kernel http://HERE/machine/52-54-00-00-00-01/profile/own/vmlinuz \
                 a=52:54:00:00:00:01 b=127.0.0.1 c=http://HERE/x \
                 d=127.0.0.1 e=00112233-4455-6677-8899-aabbccddeeff || goto failed",
            ],
        ),
        tried(
            "script",
            [other, menu],
            &["- echo another menu", "+ echo menu for 52:54:00:00:00:01 at 127.0.0.1"],
        ),
        tried(
            "program",
            [kernel, program],
            &[
                "- kernel http://HERE/machine/52-54-00-00-00-01/profile/own/vmlinuz || goto failed",
                "- boot || goto failed",
                "+ chain http://192.168.77.1/grubx64.efi || goto failed",
            ],
        ),
        image(),
    ]
}

/// For firmware that boots by HTTP, and what iPXE says of it.
fn image() -> Case {
    let [kernel, image] = [KERNEL, "image = \"DIR/live.iso\""].map(profile);
    case(
        (&PROFILE, "image"),
        "#more",
        [&kernel, &image],
        |site| {
            let http_boot = site.offer(&stranger().http_boot(16));
            http_boot.into_iter().chain(boots(site)).collect()
        },
        &[
            "- OFFER 192.168.77.100 to 52:54:00:00:00:01, boot \
             http://192.168.77.1:8067/machine/52-54-00-00-00-01/ipxe.efi",
            "- kernel http://HERE/machine/52-54-00-00-00-01/profile/own/vmlinuz || goto failed",
            "- boot || goto failed",
            "+ OFFER 192.168.77.100 to 52:54:00:00:00:01, boot \
             http://192.168.77.1:8067/machine/52-54-00-00-00-01/profile/own/live.iso",
            "+ echo pxed: this machine's profile is an image, which only the firmware's HTTP Boot \
             can boot.",
            "+ echo pxed: switch UEFI HTTP Boot on in its setup, or give it another profile by \
             boot =.",
            "+ goto failed",
        ],
    )
}

/// The script of a machine that has a UUID.
fn boots(site: &mut Site) -> Vec<String> {
    let uuid = b"\x00\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    site.script(&stranger().ipxe(7).says(97, uuid))
}
