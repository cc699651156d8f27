//! What clients are given: each key in each of the sections that can say it.

use super::super::schema::{CLASS, GROUP, RESERVATION, SUBNET, Section, TOP};
use super::{Case, Client, Site, case, labelled, member, stranger};

/// The sections, and where their settings are written.
const LAYERS: [(&Section, &str); 5] = [
    (&TOP, "#top"),
    (&SUBNET, "#subnet"),
    (&CLASS, "#class"),
    (&GROUP, "#group"),
    (&RESERVATION, "#reservation"),
];

/// A key, what it is set to, and what is different then for the machine that all of the sections
/// are for; and for the one that only the top is for.
struct Setting {
    key: &'static str,
    written: &'static str,
    story: fn(&mut Site) -> Vec<String>,
    member: &'static [&'static str],
    stranger: &'static [&'static str],
}

const SETTINGS: &[Setting] = &[
    Setting {
        key: "router",
        written: "router = [\"192.168.77.254\"]",
        story: offers,
        member: &["+ router (3): 192.168.77.254"],
        stranger: &["+ router (3): 192.168.77.254"],
    },
    Setting {
        key: "dns",
        written: "dns = [\"192.168.77.53\", \"9.9.9.9\"]",
        story: offers,
        member: &["+ domain name server (6): 192.168.77.53, 9.9.9.9"],
        stranger: &["+ domain name server (6): 192.168.77.53, 9.9.9.9"],
    },
    Setting {
        key: "domain",
        written: "domain = \"lab.example\"",
        story: offers,
        member: &["+ domain name (15): \"lab.example\""],
        stranger: &["+ domain name (15): \"lab.example\""],
    },
    Setting {
        key: "options",
        written: "options = { ntp-servers = \"192.168.77.3\", 224 = \"hex:01 02\", \
                  225 = { value = \"hex:03\", always = true }, \
                  226 = { value = \"hex:04\", always = true, booting-only = true } }",
        story: offers,
        member: &["+ NTP servers (42): 192.168.77.3", "+ option (225): 03", "+ option (226): 04"],
        stranger: &["+ NTP servers (42): 192.168.77.3", "+ option (225): 03", "+ option (226): 04"],
    },
    Setting {
        key: "boot",
        written: "boot = \"menu\"",
        story: scripts,
        member: &[
            "- # pxed, for 02:07:00:00:00:09",
            "- echo pxed: nothing is configured for this machine to boot.",
            "- echo pxed: name a profile by boot = in its file, or give it --kernel and --initrd, or \
             --script.",
            "- goto failed",
            "+ echo menu for 02:07:00:00:00:09 at 127.0.0.1",
        ],
        stranger: &[
            "- # pxed, for 52:54:00:00:00:01",
            "- echo pxed: nothing is configured for this machine to boot.",
            "- echo pxed: name a profile by boot = in its file, or give it --kernel and --initrd, or \
             --script.",
            "- goto failed",
            "+ echo menu for 52:54:00:00:00:01 at 127.0.0.1",
        ],
    },
    Setting {
        key: "loader",
        written: "loader = { uefi-arm64 = \"own.efi\", 7 = \"hello.txt\" }",
        story: offers,
        member: &[
            "- OFFER 192.168.77.100 to 02:07:00:00:00:09, boot tftp://192.168.77.1/ipxe-arm64.efi",
            "- file: \"ipxe-arm64.efi\"",
            "- boot file name (67): \"ipxe-arm64.efi\\x00\"",
            "+ OFFER 192.168.77.100 to 02:07:00:00:00:09, boot tftp://192.168.77.1/own.efi",
            "+ file: \"own.efi\"",
            "+ boot file name (67): \"own.efi\\x00\"",
        ],
        stranger: &[
            "- OFFER 192.168.78.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
            "- file: \"ipxe.efi\"",
            "- boot file name (67): \"ipxe.efi\\x00\"",
            "+ OFFER 192.168.78.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/hello.txt",
            "+ file: \"hello.txt\"",
            "+ boot file name (67): \"hello.txt\\x00\"",
        ],
    },
    Setting {
        key: "tftp-server",
        written: "tftp-server = \"192.168.77.9\"",
        story: offers,
        member: &[
            "- OFFER 192.168.77.100 to 02:07:00:00:00:09, boot tftp://192.168.77.1/ipxe-arm64.efi",
            "- siaddr 192.168.77.1",
            "- TFTP server name (66): \"192.168.77.1\\x00\"",
            "+ OFFER 192.168.77.100 to 02:07:00:00:00:09, boot tftp://192.168.77.9/ipxe-arm64.efi",
            "+ siaddr 192.168.77.9",
            "+ TFTP server name (66): \"192.168.77.9\\x00\"",
        ],
        stranger: &[
            "- OFFER 192.168.78.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
            "- siaddr 192.168.77.1",
            "- TFTP server name (66): \"192.168.77.1\\x00\"",
            "+ OFFER 192.168.78.100 to 52:54:00:00:00:01, boot tftp://192.168.77.9/ipxe.efi",
            "+ siaddr 192.168.77.9",
            "+ TFTP server name (66): \"192.168.77.9\\x00\"",
        ],
    },
    Setting {
        key: "bootfile",
        written: "bootfile = \"own.efi\"",
        story: offers,
        member: &[
            "- OFFER 192.168.77.100 to 02:07:00:00:00:09, boot tftp://192.168.77.1/ipxe-arm64.efi",
            "- file: \"ipxe-arm64.efi\"",
            "- boot file name (67): \"ipxe-arm64.efi\\x00\"",
            "+ OFFER 192.168.77.100 to 02:07:00:00:00:09, boot tftp://192.168.77.1/own.efi",
            "+ file: \"own.efi\"",
            "+ boot file name (67): \"own.efi\\x00\"",
        ],
        stranger: &[
            "- OFFER 192.168.78.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
            "- file: \"ipxe.efi\"",
            "- boot file name (67): \"ipxe.efi\\x00\"",
            "+ OFFER 192.168.78.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/own.efi",
            "+ file: \"own.efi\"",
            "+ boot file name (67): \"own.efi\\x00\"",
        ],
    },
    Setting {
        key: "boot-scheme",
        written: "boot-scheme = \"https\"",
        story: urls,
        member: &[
            "- OFFER 192.168.77.100 to 02:07:00:00:00:09, boot \
             http://192.168.77.1:8067/machine/02-07-00-00-00-09/boot.ipxe",
            "+ OFFER 192.168.77.100 to 02:07:00:00:00:09, boot \
             https://192.168.77.1:8443/machine/02-07-00-00-00-09/boot.ipxe",
        ],
        stranger: &[
            "- OFFER 192.168.78.100 to 52:54:00:00:00:01, boot \
             http://192.168.77.1:8067/machine/52-54-00-00-00-01/boot.ipxe",
            "+ OFFER 192.168.78.100 to 52:54:00:00:00:01, boot \
             https://192.168.77.1:8443/machine/52-54-00-00-00-01/boot.ipxe",
        ],
    },
];

pub fn cases() -> Vec<Case> {
    let of = |(section, place)| SETTINGS.iter().map(move |setting| setting.case(section, place));
    let forms = LAYERS.into_iter().filter(|(section, _)| section.path != SUBNET.path).map(form);
    LAYERS.into_iter().flat_map(of).chain([for_firmware(), form_of_subnet()]).chain(forms).collect()
}

/// How a machine is made a proxy offer, said in one of the places.
fn form((section, place): (&'static Section, &'static str)) -> Case {
    let story = |site: &mut Site| {
        site.by_proxy();
        site.offer(&member())
    };
    let offer = |sign, form| {
        let file = "boot tftp://192.168.77.1/ipxe-arm64.efi";
        format!("{sign} OFFER by proxy ({form}) to 02:07:00:00:00:09, {file}")
    };
    let difference = [offer('-', "redirect"), offer('+', "menu")];
    let written = ["proxy-form = \"auto\"", "proxy-form = \"menu\""];
    let difference = difference.each_ref().map(String::as_str);
    case((section, "proxy-form"), place, written, story, &difference)
}

fn form_of_subnet() -> Case {
    let subnet = |form| {
        format!("[[subnet]]\ninterface = \"eth2\"\nmode = \"proxy\"\nproxy-form = \"{form}\"")
    };
    let offer = |sign, form| {
        format!(
            "{sign} OFFER by proxy ({form}) to 52:54:00:00:00:01, boot tftp://10.0.0.1/ipxe.efi"
        )
    };
    let (written, difference) =
        ([subnet("auto"), subnet("unicast")], [offer('-', "redirect"), offer('+', "unicast")]);
    case(
        (&SUBNET, "proxy-form"),
        "#more",
        written.each_ref().map(String::as_str),
        |site| site.offer(&stranger().on(1)),
        &difference.each_ref().map(String::as_str),
    )
}

/// What an operating system is not told.
fn for_firmware() -> Case {
    let options = "options = { 225 = { value = \"hex:03\", always = true }, \
                   226 = { value = \"hex:04\", always = true, booting-only = true } }";
    let system = |site: &mut Site| site.discover(&Client::new("52:54:00:00:00:01"));
    case((&TOP, "options"), "#top", ["", options], system, &["+ option (225): 03"])
}

impl Setting {
    fn case(&self, section: &'static Section, place: &'static str) -> Case {
        let said_to = |who: &'static str, lines: &[&str]| -> Vec<String> {
            lines.iter().map(|line| line.replacen(' ', &format!(" {who}: "), 1)).collect()
        };
        let mut lines = said_to("member", self.member);
        if section.path.is_empty() {
            lines.extend(said_to("stranger", self.stranger));
        }
        lines.sort_by_key(|line| line.starts_with('+'));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        case((section, self.key), place, ["", self.written], self.story, &lines)
    }
}

/// What firmware of both machines is offered.
fn offers(site: &mut Site) -> Vec<String> {
    let stranger = stranger().relayed(b"");
    both(site.discover(&member()), site.discover(&stranger))
}

/// What iPXE of both machines is offered, in a line.
fn urls(site: &mut Site) -> Vec<String> {
    let stranger = stranger().ipxe(7).relayed(b"");
    both(site.offer(&member().ipxe(11)), site.offer(&stranger))
}

/// What iPXE gets on both machines; its URL, which names what is not everybody's, is the way there.
fn scripts(site: &mut Site) -> Vec<String> {
    let stranger = stranger().ipxe(7).relayed(b"");
    both(site.script(&member().ipxe(11)).split_off(1), site.script(&stranger).split_off(1))
}

fn both(member: Vec<String>, stranger: Vec<String>) -> Vec<String> {
    [labelled("member", member), labelled("stranger", stranger)].concat()
}
