//! Every key of the configuration file: its name, an example, its default and what it does.
//!
//! The parser's complaints, config.example.toml and docs/configuration.md all come from here. A key
//! enters together with its behaviour.

/// A table of the file.
#[derive(Debug)]
pub struct Section {
    /// `""` for the top of the file, `[[subnet]]`, `[profile.NAME]`.
    pub path: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What may stand in it, in groups that sections share.
    pub groups: &'static [&'static [Key]],
}

impl Section {
    /// Where its keys stand, in words.
    pub fn place(&self) -> String {
        match self.path {
            "" => "at the top of the file, before its first table".to_owned(),
            path => format!("in {path}"),
        }
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.groups.iter().copied().flatten()
    }
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// A value as it is written in TOML; empty for tables.
    pub example: &'static str,
    /// What holds where it is not written.
    pub default: &'static str,
    /// What it does, in one or two sentences.
    pub doc: &'static str,
}

const fn key(
    name: &'static str,
    example: &'static str,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, example, default, doc }
}

/// What the program itself needs.
const SERVICE: &[Key] = &[
    key("state-dir", "\"/var/lib/pxed\"", "/var/lib/pxed", "The directory that keeps the leases."),
    key(
        "user",
        "\"pxed\"",
        "pxed, if root starts it and there is such a user",
        "Whom pxed becomes after it bound its ports.",
    ),
    key("http-port", "8067", "8067", "The TCP port of scripts, kernels and files."),
    key(
        "https",
        "true",
        "false",
        "Serves the same by HTTPS too. Without certificate and key, pxed makes a CA and a certificate of \
         its own, once, in state-dir; machines find the CA at /ca.pem and /ca.der of http-port, and the \
         log has its fingerprint.",
    ),
    key("https-port", "8443", "8443", "The TCP port of HTTPS."),
    key(
        "certificate",
        "\"/etc/pxed/server.pem\"",
        "made by pxed",
        "A certificate of your own for HTTPS, in PEM, with who vouches for it behind it. It is read anew \
         when it changes.",
    ),
    key("key", "\"/etc/pxed/server.key\"", "made by pxed", "Its private key, in PEM."),
    key("status-interval", "\"5m\"", "5m", "How often a status line is logged."),
    key("log-format", "\"text\"", "text", "How log lines look: text or json."),
    key("verbose", "false", "false", "Log every datagram, decoded, and why it was not answered."),
    key(
        "dhcp-no-bind",
        "false",
        "false",
        "Leaves port 67 to another DHCP server of this machine, and hears by packet sockets only what \
         machines broadcast: enough for mode = \"proxy\" on the interfaces' own links. Relay agents are \
         not heard.",
    ),
    key(
        "tftp-single-port",
        "false",
        "false",
        "Sends everything that is asked for by TFTP from port 69, and not from a port for each transfer: \
         for clients behind address translation, containers and firewalls that know no TFTP.",
    ),
    key(
        "watch-config",
        "false",
        "false",
        "Take this file whenever it has changed, as pxed reload would: all of it or, if it has a \
         mistake, none of it.",
    ),
];

/// What is served as files.
const FILES: &[Key] = &[
    key(
        "boot-dir",
        "\"/srv/boot\"",
        "none",
        "A directory that is served by TFTP and HTTP. Boot loaders in it are preferred to those of \
         Debian's packages.",
    ),
    key(
        "case-insensitive",
        "false",
        "false",
        "Finds a file of the boot directory also where a client writes its name in other letters, BOOT/BCD \
         for Boot/bcd, as Windows does. The name as it is written wins.",
    ),
];

/// What is known of firmware.
const KNOWLEDGE: &[Key] = &[key(
    "quirks-file",
    "\"/etc/pxed/quirks.toml\"",
    "none",
    "What pxed quirks --export wrote, here or at another site: the forms of proxy offers that \
     firmware follows. What is learned here counts more.",
)];

/// For how long clients are given an address.
const TIMES: &[Key] = &[
    key("lease-time", "\"1h\"", "1h", "How long a lease lasts: 90s, 30m, 1h, 2d or infinite."),
    key("min-lease-time", "\"1m\"", "1m", "The least that a client can ask for (option 51)."),
    key(
        "max-lease-time",
        "\"1h\"",
        "lease-time",
        "The most that a client can ask for (option 51).",
    ),
];

/// What protects the network from strangers and the server from its clients.
const GUARD: &[Key] = &[
    key(
        "conflict-probe",
        "\"30ms\"",
        "on, which is 30ms",
        "Asks by ARP who has an address before it is offered on the interface's own link, and waits \
         so long for an answer: on, off, or a time up to 900ms. Not behind relay agents.",
    ),
    key(
        "machine-rate",
        "100",
        "100",
        "Datagrams a second that one machine may send; five seconds' worth may come at once. 0 is \
         without a limit, here and below.",
    ),
    key(
        "newcomer-rate",
        "1000",
        "1000",
        "Offers a second to all machines of the network that are not known, by a lease or a \
         reservation, and do not take them. Known machines are always served.",
    ),
    key("port-rate", "200", "200", "The same behind one port of a relay agent (option 82)."),
    key("inform-rate", "100", "100", "INFORMs a second of machines that are not known."),
    key(
        "max-offers",
        "4096",
        "4096",
        "How many offers are held at once on an interface's own link; the oldest gives way.",
    ),
    key("max-port-offers", "1024", "1024", "The same behind one port of a relay agent."),
];

/// What clients are given. Of the top, the subnet, its classes, its groups and its reservation, the
/// last that says something wins.
const SETTINGS: &[Key] = &[
    key("router", "[\"192.168.77.1\"]", "none", "Routers (option 3)."),
    key("dns", "[\"192.168.77.1\"]", "none", "Name servers (option 6)."),
    key("domain", "\"lab.example\"", "none", "The domain name (option 15)."),
    key(
        "options",
        "{ ntp-servers = [\"192.168.77.1\"], 224 = \"hex:01 02\" }",
        "none",
        "DHCP options by IANA name or number. { value = ..., always = true } sends one also to \
         clients that do not ask for it, booting-only = true sends it only to firmware.",
    ),
    key("boot", "\"debian\"", "none", "What machines boot: the name of a [profile.NAME]."),
    key(
        "loader",
        "{ uefi-x64 = \"snponly.efi\" }",
        "an iPXE loader",
        "The boot loader's served file by architecture: bios, uefi-ia32, uefi-x64, uefi-arm32, \
         uefi-arm64, uefi-riscv64, uefi-loongarch64, or a number of option 93.",
    ),
    key(
        "tftp-server",
        "\"192.168.77.9\"",
        "pxed itself",
        "Where PXE firmware finds its boot file.",
    ),
    key(
        "bootfile",
        "\"pxelinux.0\"",
        "the loader",
        "What PXE firmware loads instead of a loader; a URL is for UEFI HTTP Boot.",
    ),
    key(
        "boot-scheme",
        "\"http\"",
        "http",
        "How the URLs begin that machines are told: https for firmware and iPXE that trust the \
         certificate. A script that came by HTTPS goes on by it.",
    ),
    key(
        "proxy-form",
        "\"auto\"",
        "auto",
        "Where mode is proxy: how PXE firmware is made an offer. auto tries the forms in turn and \
         learns which one a machine follows; direct, redirect, menu, binl, fields, options, unicast \
         or delayed is offered whatever was learned. See docs/quirks.md.",
    ),
];

/// The top of the file.
pub const TOP: Section = Section {
    path: "",
    doc: "What holds for all of pxed, and for every subnet that does not say otherwise.",
    groups: &[
        SERVICE,
        FILES,
        KNOWLEDGE,
        TIMES,
        GUARD,
        SETTINGS,
        &[
            key("subnet", "", "", "The networks: [[subnet]]."),
            key("class", "", "", "Rules for kinds of clients: [[class]]."),
            key("group", "", "", "Machines that share settings: [[group]]."),
            key("reservation", "", "", "Machines that are known one by one: [[reservation]]."),
            key("profile", "", "", "Ways to boot: [profile.NAME]."),
        ],
    ],
};

/// A quirks file, which is none of the configuration's own tables.
pub const QUIRKS: Section = Section {
    path: "",
    doc: "Which form of a proxy offer firmware follows.",
    groups: &[&[key("firmware", "", "", "Firmwares: [[firmware]].")]],
};

/// `[[firmware]]` of a quirks file.
pub const FIRMWARE: Section = Section {
    path: "[[firmware]]",
    doc: "What the machines of one firmware follow.",
    groups: &[&[
        key(
            "vendor-class",
            "\"PXEClient:Arch:00007:UNDI\"",
            "must be given",
            "Option 60, without the version of UNDI.",
        ),
        key("architecture", "7", "none", "Option 93."),
        key("parameters", "[1, 3, 60]", "must be given", "Option 55."),
        key("form", "\"redirect\"", "must be given", "What they follow."),
        key("machines", "3", "none", "How many machines that was seen of; for people."),
    ]],
};

/// `[[subnet]]`.
pub const SUBNET: Section = Section {
    path: "[[subnet]]",
    doc: "A network whose machines get addresses: on an interface, or behind relay agents only.",
    groups: &[
        &[
            key(
                "interface",
                "\"eth1\"",
                "none",
                "The interface that it is attached to. Without one it is reached through relay \
                 agents only.",
            ),
            key(
                "network",
                "\"192.168.77.0/24\"",
                "the interface's",
                "The network. It must be given behind relay agents. Where network and server-ip are both \
                 given, pxed waits for an interface that is not there yet.",
            ),
            key("server-ip", "\"192.168.77.1\"", "the interface's", "The address to answer from."),
            key(
                "shared-network",
                "\"office\"",
                "none",
                "Subnets of one name lie on one wire: a client may get an address of any of them.",
            ),
            key(
                "relay",
                "[\"192.168.77.2\", \"10.255.0.1\"]",
                "any relay agent",
                "The relay agents (giaddr) whose clients get addresses of this subnet, and no others. \
                 One whose own address is in no subnet must be named here.",
            ),
            key(
                "known-servers",
                "[\"192.168.77.2\"]",
                "none",
                "Other DHCP servers of the interface that are meant to be there: pxed warns of every \
                 other one that gives addresses where it does, or boots machines where it does.",
            ),
            key(
                "trust-option-82",
                "false",
                "false",
                "Believes option 82 also without a relay agent: for an interface behind a switch that \
                 adds it and lets no client say it (DHCP snooping).",
            ),
            key(
                "max-per-remote-id",
                "4",
                "none",
                "How many addresses may be in use, leased or offered, behind one remote ID (option \
                 82.2). Who has one, or a reserved address, always gets it; others hear nothing. \
                 On a shared network the addresses of all subnets with this key count together.",
            ),
            key(
                "max-per-circuit-id",
                "2",
                "none",
                "The same for one circuit ID (option 82.1) of one remote ID and relay agent: a port of \
                 a switch.",
            ),
            key(
                "subnet-selection",
                "\"arm64\"",
                "nobody",
                "The class whose members, on this subnet, may ask for an address of another subnet \
                 (option 118, RFC 3011).",
            ),
            key(
                "mode",
                "\"full\"",
                "full",
                "full gives addresses. proxy leaves them to another DHCP server and tells machines \
                 that boot what to boot, beside its offer (ProxyDHCP): such a subnet has no range. \
                 off keeps silent.",
            ),
            key(
                "range",
                "[\"192.168.77.100-192.168.77.200\"]",
                "none",
                "The addresses that are leased.",
            ),
            key(
                "exclude",
                "[\"192.168.77.150\", \"192.168.77.160-192.168.77.169\"]",
                "none",
                "Addresses of the ranges that are not leased.",
            ),
            key("pool", "", "", "Addresses for members of a class: [[subnet.pool]]."),
            key(
                "identity",
                "\"mac\"",
                "mac",
                "How clients are told from each other: mac (ROM, installer and operating system \
                 are one machine) or client-id (RFC 4361).",
            ),
            key(
                "authoritative",
                "true",
                "true",
                "Refuses at once what a client remembers of another network.",
            ),
            key(
                "adopt",
                "false",
                "false",
                "Grants a free address to a client that remembers it, though there is no record \
                 of it: for the time after the leases were lost.",
            ),
            key("offer-hold", "\"30s\"", "30s", "How long an offer keeps its address."),
            key(
                "decline-probation",
                "\"10m\"",
                "10m",
                "How long an address is out of use that was declined, or found in use by a probe.",
            ),
            key("offer-delay", "\"1s\"", "none", "How long an offer waits, for a standby server."),
            key(
                "min-secs",
                "4",
                "0",
                "Answers only clients that have asked for this many seconds, for a standby server.",
            ),
            key(
                "rapid-commit",
                "false",
                "false",
                "Leases at once to a client that asks for it in its first message (RFC 4039). Only \
                 where no other server answers: every one would lease it an address.",
            ),
            key(
                "lease-cache",
                "25",
                "0",
                "The percentage of a lease in which a renewal is early: it is answered with the time \
                 that is left, and without the disk.",
            ),
            key(
                "bootp",
                "\"reserved\"",
                "reserved",
                "Which BOOTP clients get an address, which is theirs for ever: reserved (those whose \
                 reservation has one), dynamic (all, from the ranges) or off.",
            ),
        ],
        TIMES,
        GUARD,
        SETTINGS,
    ],
};

/// `[[subnet.pool]]`.
pub const POOL: Section = Section {
    path: "[[subnet.pool]]",
    doc: "Addresses that only members of a class get. They get these first, and then those of the \
          subnet's range.",
    groups: &[&[
        key("range", "[\"192.168.77.50-192.168.77.59\"]", "must be given", "The addresses."),
        key("class", "\"arm64\"", "must be given", "The class whose members get them."),
    ]],
};

/// `[[class]]`.
pub const CLASS: Section = Section {
    path: "[[class]]",
    doc: "A rule for clients of a kind. Of two classes of a client, the later one in the file wins.",
    groups: &[
        &[
            key("name", "\"arm64\"", "must be given", "Its name."),
            key(
                "match",
                "{ arch = \"uefi-arm64\" }",
                "must be given",
                "Who belongs to it; several keys must all hold. See the keys of match.",
            ),
        ],
        SETTINGS,
    ],
};

/// `match` of a class.
pub const MATCH: Section = Section {
    path: "match",
    doc: "What a client has to be. In text, * stands for anything.",
    groups: &[&[
        key("arch", "[\"uefi-arm64\", 11]", "", "Its architecture (option 93), one of these."),
        key(
            "firmware",
            "\"pxe\"",
            "",
            "What runs on it: pxe, http-boot, ipxe, bootp or not-booting.",
        ),
        key("mac", "[\"52:54:00:*\"]", "", "Its MAC, one of these."),
        key("vendor-class", "\"PXEClient*\"", "", "Option 60."),
        key("user-class", "\"*lab*\"", "", "Option 77."),
        key(
            "option",
            "{ host-name = \"rack-*\", 224 = true }",
            "",
            "Options by name or number: a \
             value, a text with *, or true if it only has to be there.",
        ),
        key("relay", "\"192.168.78.1\"", "", "The relay agent that brought it (giaddr)."),
        key("circuit-id", "\"*port-7*\"", "", "The relay agent's circuit ID (option 82.1)."),
        key("remote-id", "\"*rack-3*\"", "", "The relay agent's remote ID (option 82.2)."),
        key("group", "\"rack-7\"", "", "The group that the machine is in."),
        key("all", "[{ arch = 11 }, { mac = \"02:*\" }]", "", "Each of these."),
        key("any", "[{ arch = 11 }, { arch = 10 }]", "", "One of these."),
        key("not", "{ firmware = \"ipxe\" }", "", "Anything but this."),
    ]],
};

/// `[[group]]`.
pub const GROUP: Section = Section {
    path: "[[group]]",
    doc: "Machines that share settings. Of two groups of a machine, the later one in the file wins.",
    groups: &[
        &[
            key("name", "\"rack-7\"", "must be given", "Its name."),
            key(
                "machines",
                "[\"52:54:00:12:34:56\", \"02:07:00:*\"]",
                "none",
                "Its members by MAC, or by how their MAC begins.",
            ),
        ],
        SETTINGS,
    ],
};

/// `[[reservation]]`.
pub const RESERVATION: Section = Section {
    path: "[[reservation]]",
    doc: "A machine that is known, by any of the first six keys.",
    groups: &[
        &[
            key("mac", "[\"52:54:00:12:34:56\"]", "none", "Its MAC, or several."),
            key("client-id", "\"hex:01 52 54 00 12 34 56\"", "none", "Option 61, as text or hex."),
            key(
                "uuid",
                "\"4c4c4544-0042-3510-8054-b4c04f335931\"",
                "none",
                "Option 97, as the firmware's setup and dmidecode show it.",
            ),
            key("circuit-id", "\"port-7\"", "none", "Option 82.1, as text or hex, with relay."),
            key("remote-id", "\"rack-3\"", "none", "Option 82.2, as text or hex, with relay."),
            key(
                "relay",
                "\"192.168.77.2\"",
                "a switch, where trust-option-82 is true",
                "The relay agent (giaddr) whose IDs these are.",
            ),
            key("address", "\"192.168.77.50\"", "none", "Its address; nobody else gets it."),
            key("host-name", "\"bench-1\"", "none", "The name that it is told (option 12)."),
            key("group", "\"rack-7\"", "none", "The group that it is in."),
        ],
        SETTINGS,
    ],
};

/// `[profile.NAME]`.
pub const PROFILE: Section = Section {
    path: "[profile.NAME]",
    doc: "A way to boot: a kernel, a script, a program or an image. Text between {{ and }} is filled in for \
          each machine: mac, uuid, ip, server, http.",
    groups: &[&[
        key("kernel", "\"/srv/boot/vmlinuz\"", "none", "A Linux kernel."),
        key(
            "initrd",
            "[\"/srv/boot/initrd.gz\"]",
            "none",
            "The kernel's initial file systems, in the order in which they are unpacked.",
        ),
        key(
            "append",
            "\"console=ttyS0 inst.ks={{ http }}/files/{{ mac }}.ks\"",
            "none",
            "The kernel's arguments.",
        ),
        key("script", "\"/srv/boot/menu.ipxe\"", "none", "An iPXE script, instead of a kernel."),
        key(
            "program",
            "\"http://192.168.77.1/grubx64.efi\"",
            "none",
            "A program that iPXE chainloads, by its URL, instead of a kernel.",
        ),
        key(
            "image",
            "\"/srv/boot/live.iso\"",
            "none",
            "An ISO or disk image (.iso, .img) that UEFI HTTP Boot loads into a RAM disk, instead of \
             a kernel. Other firmware can not boot it, and iPXE says so.",
        ),
    ]],
};

/// All sections, in the order of the documents.
pub const SECTIONS: &[&Section] =
    &[&TOP, &SUBNET, &POOL, &CLASS, &MATCH, &GROUP, &RESERVATION, &PROFILE];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once_in_its_section() {
        for section in SECTIONS {
            let mut names: Vec<&str> = section.keys().map(|key| key.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", section.path);
        }
    }
}
