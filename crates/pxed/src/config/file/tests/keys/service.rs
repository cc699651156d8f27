//! The top of the file: what the program needs, files, lease times, and the tables.

use std::net::Ipv4Addr;

use super::super::schema::{SUBNET, TOP};
use super::{Case, Client, Site, case, stranger};

/// What only a program that runs can show: a log, a process, a port, a directory. The test there
/// has a case for each.
const PROGRAM: &str = include_str!("../../../../../tests/serve/keys.rs");

/// Does the test of running programs show what the key does?
pub fn is_of_a_running_program(key: &str) -> bool {
    PROGRAM.contains(&format!("fn {}()", key.replace('-', "_")))
}

pub fn cases() -> Vec<Case> {
    let mut cases = times();
    cases.extend(guard());
    cases.extend(tables());
    cases.extend(https());
    cases.extend([
        case(
            (&TOP, "boot-dir"),
            "boot-dir = \"DIR/boot\"",
            ["", "boot-dir = \"DIR/boot\""],
            |site| site.get("files/hello.txt"),
            &[
                "- warning: there is no loader for the architecture of class arm64",
                "- HTTP/1.1 404 Not Found",
                "- no such file",
                "+ HTTP/1.1 200 OK",
                "+ hello",
            ],
        ),
        case(
            (&TOP, "case-insensitive"),
            "boot-dir = \"DIR/boot\"",
            ["boot-dir = \"DIR/boot\"", "boot-dir = \"DIR/boot\"\ncase-insensitive = true"],
            |site| site.get("files/Hello.TXT"),
            &["- HTTP/1.1 404 Not Found", "- no such file", "+ HTTP/1.1 200 OK", "+ hello"],
        ),
        case(
            (&TOP, "http-port"),
            "#top",
            ["", "http-port = 8123"],
            |site| site.offer(&stranger().ipxe(7)),
            &[
                "- OFFER 192.168.77.100 to 52:54:00:00:00:01, boot \
                 http://192.168.77.1:8067/machine/52-54-00-00-00-01/boot.ipxe",
                "+ OFFER 192.168.77.100 to 52:54:00:00:00:01, boot \
                 http://192.168.77.1:8123/machine/52-54-00-00-00-01/boot.ipxe",
            ],
        ),
        case(
            (&TOP, "quirks-file"),
            "#top",
            ["", "quirks-file = \"DIR/quirks.toml\""],
            |site| {
                site.by_proxy();
                site.offer(&stranger())
            },
            &[
                "- OFFER by proxy (redirect) to 52:54:00:00:00:01, boot \
                 tftp://192.168.77.1/ipxe.efi",
                "+ OFFER by proxy (menu) to 52:54:00:00:00:01, boot \
                 tftp://192.168.77.1/ipxe.efi",
            ],
        ),
        case(
            (&TOP, "user"),
            "#top",
            ["", "user = \"no-such-user\""],
            |_| Vec::new(),
            &["+ warning: there is no such user no-such-user here"],
        ),
    ]);
    cases
}

fn https() -> Vec<Case> {
    vec![
        case(
            (&TOP, "https"),
            "https = true",
            ["boot-scheme = \"https\"", "https = true\nboot-scheme = \"https\""],
            |site| site.offer(&stranger().ipxe(7)),
            &[
                "- error: HTTPS is off",
                "+ OFFER 192.168.77.100 to 52:54:00:00:00:01, boot \
                 https://192.168.77.1:8443/machine/52-54-00-00-00-01/boot.ipxe",
            ],
        ),
        case(
            (&TOP, "https-port"),
            "#top",
            ["boot-scheme = \"https\"", "boot-scheme = \"https\"\nhttps-port = 9443"],
            |site| site.offer(&stranger().ipxe(7)),
            &[
                "- OFFER 192.168.77.100 to 52:54:00:00:00:01, boot \
                 https://192.168.77.1:8443/machine/52-54-00-00-00-01/boot.ipxe",
                "+ OFFER 192.168.77.100 to 52:54:00:00:00:01, boot \
                 https://192.168.77.1:9443/machine/52-54-00-00-00-01/boot.ipxe",
            ],
        ),
        case(
            (&TOP, "certificate"),
            "#top",
            ["", "certificate = \"DIR/own.pem\"\nkey = \"DIR/own.key\""],
            |site| site.certificate(),
            &["- certificate by pxed", "+ certificate by others"],
        ),
        case(
            (&TOP, "key"),
            "#top",
            [
                "certificate = \"DIR/own.pem\"\nkey = \"DIR/menu.ipxe\"",
                "certificate = \"DIR/own.pem\"\nkey = \"DIR/own.key\"",
            ],
            |site| site.certificate(),
            &[
                "- error: DIR/menu.ipxe: there is no private key in PEM in it, without a passphrase",
                "+ certificate by others",
            ],
        ),
    ]
}

/// What guards a network: of the top, and of one subnet.
fn guard() -> Vec<Case> {
    let offer = |site: &mut Site| {
        site.taken = Some([192, 168, 77, 100].into());
        site.offer(&Client::new("52:54:00:00:00:01"))
    };
    let mut cases = ports();
    for (section, place) in [(&TOP, "#top"), (&SUBNET, "#subnet")] {
        cases.extend([
            case(
                (section, "conflict-probe"),
                place,
                ["", "conflict-probe = \"off\""],
                offer,
                &[
                    "- OFFER 192.168.77.101 to 52:54:00:00:00:01",
                    "+ OFFER 192.168.77.100 to 52:54:00:00:00:01",
                ],
            ),
            case(
                (section, "machine-rate"),
                place,
                ["", "machine-rate = 1"],
                |site| repeated(site, 6, |_| newcomer(1)),
                &[
                    "- OFFER 192.168.77.100 to 52:54:00:00:00:01",
                    "+ no answer to 52:54:00:00:00:01: the machine sends more than machine-rate allows",
                ],
            ),
            case(
                (section, "newcomer-rate"),
                place,
                ["", "newcomer-rate = 1"],
                |site| repeated(site, 6, newcomer),
                &[
                    "- OFFER 192.168.77.105 to 52:54:00:00:00:06",
                    "+ no answer to 52:54:00:00:00:06: unknown machines ask more often than \
                     newcomer-rate allows",
                ],
            ),
            case(
                (section, "inform-rate"),
                place,
                ["", "inform-rate = 1"],
                |site| (1..=6).flat_map(|number| site.inform(&newcomer(number))).collect(),
                &[
                    "- ACK 192.168.77.7 of 52:54:00:00:00:06 (INFORM)",
                    "+ no answer to 52:54:00:00:00:06: more INFORMs than inform-rate allows",
                ],
            ),
            case(
                (section, "max-offers"),
                place,
                ["", "max-offers = 1"],
                |site| repeated(site, 3, newcomer),
                &[
                    "- OFFER 192.168.77.102 to 52:54:00:00:00:03",
                    "+ OFFER 192.168.77.100 to 52:54:00:00:00:03",
                ],
            ),
        ]);
    }
    cases
}

/// The same behind relay agents: of the top, and of a subnet.
fn ports() -> Vec<Case> {
    let behind = |number| newcomer(number).behind([192, 168, 78, 1].into());
    let offers = move |times| move |site: &mut Site| repeated(site, times, behind);
    let shed = [
        "- OFFER 192.168.78.105 to 52:54:00:00:00:06",
        "+ no answer to 52:54:00:00:00:06: unknown machines ask more often than port-rate allows on \
         one port",
    ];
    let again = [
        "- OFFER 192.168.78.102 to 52:54:00:00:00:03",
        "+ OFFER 192.168.78.100 to 52:54:00:00:00:03",
    ];
    let network = "network = \"192.168.78.0/24\"";
    [(&TOP, "#top", ""), (&SUBNET, network, network)]
        .into_iter()
        .flat_map(|(section, place, before)| {
            let with = |line: &str| format!("{before}\n{line}");
            let (rate, most) = (with("port-rate = 1"), with("max-port-offers = 1"));
            [
                case((section, "port-rate"), place, [before, &rate], offers(6), &shed),
                case((section, "max-port-offers"), place, [before, &most], offers(3), &again),
            ]
        })
        .collect()
}

/// The machine with this number, which nobody knows.
fn newcomer(number: u8) -> Client {
    Client::new(&format!("52:54:00:00:00:{number:02x}"))
}

/// So many DISCOVERs at one moment.
fn repeated(site: &mut Site, times: u8, client: impl Fn(u8) -> Client) -> Vec<String> {
    (1..=times).flat_map(|number| site.offer(&client(number))).collect()
}

/// Lease times: of the top, and of one subnet.
fn times() -> Vec<Case> {
    let wishes = |seconds: u32| {
        let client = Client::new("52:54:00:00:00:01").says(51, &seconds.to_be_bytes());
        move |site: &mut Site| site.lease(&client)
    };
    let plain = |site: &mut Site| site.lease(&Client::new("52:54:00:00:00:01"));
    [(&TOP, "#top"), (&SUBNET, "#subnet")]
        .into_iter()
        .flat_map(|(section, place)| {
            [
                case(
                    (section, "lease-time"),
                    place,
                    ["", "lease-time = \"10m\""],
                    plain,
                    &[
                        "- ACK 192.168.77.100 to 52:54:00:00:00:01 for 1h (selecting)",
                        "+ ACK 192.168.77.100 to 52:54:00:00:00:01 for 10m (selecting)",
                    ],
                ),
                case(
                    (section, "min-lease-time"),
                    place,
                    ["", "min-lease-time = \"20m\""],
                    wishes(90),
                    &[
                        "- ACK 192.168.77.100 to 52:54:00:00:00:01 for 1m 30s (selecting)",
                        "+ ACK 192.168.77.100 to 52:54:00:00:00:01 for 20m (selecting)",
                    ],
                ),
                case(
                    (section, "max-lease-time"),
                    place,
                    ["", "max-lease-time = \"2h\""],
                    wishes(86400),
                    &[
                        "- ACK 192.168.77.100 to 52:54:00:00:00:01 for 1h (selecting)",
                        "+ ACK 192.168.77.100 to 52:54:00:00:00:01 for 2h (selecting)",
                    ],
                ),
            ]
        })
        .collect()
}

/// The tables themselves.
fn tables() -> Vec<Case> {
    let elsewhere = "[[subnet]]\nnetwork = \"192.168.99.0/24\"\nrange = \"192.168.99.100\"";
    let class = "[[class]]\nname = \"x64\"\nmatch = { arch = 7 }\ndomain = \"x64.example\"";
    let group = "[[group]]\nname = \"g\"\nmachines = \"52:*\"\ndomain = \"g.example\"";
    let reservation = "[[reservation]]\nmac = \"52:54:00:00:00:01\"\naddress = \"192.168.77.9\"";
    let profile = "[profile.own]\nkernel = \"DIR/vmlinuz\"";
    let boots = format!("{reservation}\nboot = \"own\"");
    let discovers = |site: &mut Site| site.discover(&stranger());
    let relayed = |site: &mut Site| site.offer(&stranger().behind(Ipv4Addr::new(192, 168, 99, 1)));
    vec![
        case(
            (&TOP, "subnet"),
            "#more",
            ["", elsewhere],
            relayed,
            &[
                "- no answer to 52:54:00:00:00:01: no subnet is configured for where it came from",
                "+ OFFER 192.168.99.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
            ],
        ),
        case(
            (&TOP, "class"),
            "#more",
            ["", class],
            discovers,
            &["+ domain name (15): \"x64.example\""],
        ),
        case(
            (&TOP, "group"),
            "#more",
            ["", group],
            discovers,
            &["+ domain name (15): \"g.example\""],
        ),
        case(
            (&TOP, "reservation"),
            "#more",
            ["", reservation],
            |site| site.offer(&stranger()),
            &[
                "- OFFER 192.168.77.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
                "+ OFFER 192.168.77.9 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
            ],
        ),
        case(
            (&TOP, "profile"),
            "#more",
            [&boots, &format!("{boots}\n{profile}")],
            |site| site.script(&stranger().ipxe(7)),
            &[
                "- error: there is no profile own",
                "+ OFFER 192.168.77.9 to 52:54:00:00:00:01, boot \
                 http://192.168.77.1:8067/machine/52-54-00-00-00-01/boot.ipxe?profile=own",
                "+ HTTP/1.1 200 OK",
                "+ #!ipxe",
                "+ # pxed, for 52:54:00:00:00:01",
                "+ kernel http://HERE/machine/52-54-00-00-00-01/profile/own/vmlinuz || goto failed",
                "+ boot || goto failed",
            ],
        ),
    ]
}
