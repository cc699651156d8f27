//! Subnets and their pools.

use std::net::Ipv4Addr;

use super::super::schema::{POOL, SUBNET};
use super::{Case, Client, Site, case, domain, member, stranger};

pub fn cases() -> Vec<Case> {
    let network = [places(), relays(), attachment(), addresses(), pools()];
    let service = [ways(), standby(), shortcuts()];
    network.into_iter().chain(service).flatten().collect()
}

/// Where it is.
fn places() -> Vec<Case> {
    let second = "[[subnet]]\nnetwork = \"10.0.0.0/24\"\nrange = \"10.0.0.100-10.0.0.109\"\n";
    let on_eth2 = format!("{second}interface = \"eth2\"");
    let beside = "[[subnet]]\nnetwork = \"192.168.79.0/24\"\nrange = \"192.168.79.100\"\n\
                  [[subnet]]\nnetwork = \"192.168.80.0/24\"\nrange = \"192.168.80.100\"\n\
                  shared-network = \"floor\"\n";
    let shared =
        beside.replacen("192.168.79.100\"\n", "192.168.79.100\"\nshared-network = \"floor\"\n", 1);
    let offer_there = |site: &mut Site| site.offer(&stranger().on(1));
    let two_there = |site: &mut Site| {
        let there = |mac: &str| Client::new(mac).behind(Ipv4Addr::new(192, 168, 79, 1));
        let first = site.offer(&there("52:54:00:00:00:01"));
        [first, site.offer(&there("52:54:00:00:00:02"))].concat()
    };
    vec![
        case(
            (&SUBNET, "interface"),
            "#more",
            [second, &on_eth2],
            offer_there,
            &[
                "- no answer to 52:54:00:00:00:01: no subnet is configured for where it came from",
                "+ OFFER 10.0.0.100 to 52:54:00:00:00:01, boot tftp://10.0.0.1/ipxe.efi",
            ],
        ),
        case(
            (&SUBNET, "network"),
            "#subnet",
            ["", "network = \"192.168.77.0/25\""],
            |site| site.discover(&stranger()),
            &["- subnet mask (1): 255.255.255.0", "+ subnet mask (1): 255.255.255.128"],
        ),
        case(
            (&SUBNET, "server-ip"),
            "#subnet",
            ["", "server-ip = \"192.168.77.2\""],
            |site| site.discover(&stranger()),
            &[
                "- OFFER 192.168.77.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
                "- from 192.168.77.1 by link 0 after 0ns",
                "- siaddr 192.168.77.1",
                "- server identifier (54): 192.168.77.1",
                "- TFTP server name (66): \"192.168.77.1\\x00\"",
                "+ OFFER 192.168.77.100 to 52:54:00:00:00:01, boot tftp://192.168.77.2/ipxe.efi",
                "+ from 192.168.77.2 by link 0 after 0ns",
                "+ siaddr 192.168.77.2",
                "+ server identifier (54): 192.168.77.2",
                "+ TFTP server name (66): \"192.168.77.2\\x00\"",
            ],
        ),
        case(
            (&SUBNET, "shared-network"),
            "#more",
            [beside, &shared],
            two_there,
            &[
                "- warning: no other subnet is in the shared network floor",
                "- no answer to 52:54:00:00:00:02: every address of the pool is in use",
                "+ OFFER 192.168.80.100 to 52:54:00:00:00:02",
            ],
        ),
    ]
}

/// Who says where a client is.
fn relays() -> Vec<Case> {
    let subnet = "[[subnet]]\nnetwork = \"192.168.99.0/24\"\nrange = \"192.168.99.100\"\n";
    let of_one = format!("{subnet}relay = [\"10.255.0.1\"]");
    // By a relay agent elsewhere, and by one of the subnet itself.
    let by_two = |site: &mut Site| {
        let elsewhere = site.offer(&stranger().behind(Ipv4Addr::new(10, 255, 0, 1)));
        [elsewhere, site.offer(&member().behind(Ipv4Addr::new(192, 168, 99, 1)))].concat()
    };
    let class = "[[class]]\nname = \"c\"\nmatch = { circuit-id = \"port-7\" }\n\
                 domain = \"c.example\"\n";
    let trusted = format!("trust-option-82 = true\n{class}");
    let switched = |site: &mut Site| domain(site, &stranger().says(82, b"\x01\x06port-7"));
    vec![
        case(
            (&SUBNET, "relay"),
            "#more",
            [subnet, &of_one],
            by_two,
            &[
                "- no answer to 52:54:00:00:00:01: no subnet is configured for where it came from",
                "- OFFER 192.168.99.100 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
                "+ OFFER 192.168.99.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
                "+ no answer to 02:07:00:00:00:09: the relay agent is none of the subnet's",
            ],
        ),
        case(
            (&SUBNET, "known-servers"),
            "#subnet",
            ["", "known-servers = [\"192.168.77.250\"]"],
            |site| site.rival(&stranger(), Ipv4Addr::new(192, 168, 77, 250)),
            &[
                "- another DHCP server, 192.168.77.250, on eth1: 52:54:00:00:00:01 takes 192.168.77.9 from it; pxed gives \
                 addresses there too, and machines take either's: stop one of the two, or have pxed \
                 only tell machines what to boot (mode = \"proxy\"), or name the other in \
                 known-servers if both are meant to give addresses",
                "+ another DHCP server, 192.168.77.250, on eth1: 52:54:00:00:00:01 takes 192.168.77.9 \
                 from it",
            ],
        ),
        case(
            (&SUBNET, "trust-option-82"),
            "#subnet",
            [class, &trusted],
            switched,
            &["+ domain name (15): \"c.example\""],
        ),
    ]
}

/// What it matters behind which port a client is, and where it wants to be.
fn attachment() -> Vec<Case> {
    let subnet = "[[subnet]]\nnetwork = \"192.168.99.0/24\"\n\
                  range = \"192.168.99.100-192.168.99.109\"\n";
    let [of_remote, of_circuit] =
        ["remote", "circuit"].map(|id| format!("{subnet}max-per-{id}-id = 1"));
    let two = |site: &mut Site| {
        let port = |mac: &str| Client::new(mac).says(82, &[1, 1, 7, 2, 1, 9]);
        let behind = |mac: &str| port(mac).behind(Ipv4Addr::new(192, 168, 99, 1));
        let first = site.offer(&behind("52:54:00:00:00:01"));
        [first, site.offer(&behind("52:54:00:00:00:02"))].concat()
    };
    let one_too_many = [
        "- OFFER 192.168.99.101 to 52:54:00:00:00:02",
        "+ no answer to 52:54:00:00:00:02: its circuit or remote ID has as many addresses as it \
         may have",
    ];
    vec![
        case((&SUBNET, "max-per-remote-id"), "#more", [subnet, &of_remote], two, &one_too_many),
        case((&SUBNET, "max-per-circuit-id"), "#more", [subnet, &of_circuit], two, &one_too_many),
        case(
            (&SUBNET, "subnet-selection"),
            "#subnet",
            ["", "subnet-selection = \"arm64\""],
            |site| site.offer(&member().says(118, &[192, 168, 78, 0])),
            &[
                "- OFFER 192.168.77.100 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
                "+ OFFER 192.168.78.100 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
            ],
        ),
    ]
}

/// What is leased.
fn addresses() -> Vec<Case> {
    let offer = |site: &mut Site| site.offer(&stranger());
    let range = "range = \"192.168.77.100-192.168.77.109\"";
    let excluded = "exclude = [\"192.168.77.100\", \"192.168.77.102-192.168.77.109\"]";
    let two = |site: &mut Site| {
        let first = site.offer(&Client::new("52:54:00:00:00:01"));
        [first, site.offer(&Client::new("52:54:00:00:00:02"))].concat()
    };
    vec![
        case(
            (&SUBNET, "range"),
            range,
            [range, "range = \"192.168.77.30\""],
            offer,
            &[
                "- OFFER 192.168.77.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
                "+ OFFER 192.168.77.30 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
            ],
        ),
        case(
            (&SUBNET, "exclude"),
            "#subnet",
            ["", excluded],
            two,
            &[
                "- OFFER 192.168.77.100 to 52:54:00:00:00:01",
                "- OFFER 192.168.77.101 to 52:54:00:00:00:02",
                "+ OFFER 192.168.77.101 to 52:54:00:00:00:01",
                "+ no answer to 52:54:00:00:00:02: every address of the pool is in use",
            ],
        ),
    ]
}

/// Addresses of a class: one that is a member, and one that is not, where nothing else is free.
fn pools() -> Vec<Case> {
    let range = "range = \"192.168.77.100-192.168.77.109\"";
    let pool = |range: &str, class: &str| {
        format!("[[subnet.pool]]\nrange = \"{range}\"\nclass = \"{class}\"")
    };
    let both = |site: &mut Site| {
        let first = site.offer(&member());
        [first, site.offer(&stranger())].concat()
    };
    let arm64 = pool("192.168.77.50-192.168.77.59", "arm64");
    let x64 = "\n[[class]]\nname = \"x64\"\nmatch = { arch = 7 }";
    let [of_arm64, of_x64] =
        ["arm64", "x64"].map(|class| pool("192.168.77.50-192.168.77.59", class) + x64);
    vec![
        case(
            (&SUBNET, "pool"),
            range,
            ["", &arm64],
            both,
            &[
                "- warning: 192.168.77.0/24 has no range: only reserved machines get addresses",
                "- no answer to 02:07:00:00:00:09: no pool is open to this client",
                "+ warning: all pools of 192.168.77.0/24 are for classes: other machines get no \
                 address",
                "+ OFFER 192.168.77.50 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
            ],
        ),
        case(
            (&POOL, "range"),
            range,
            [&arm64, &pool("192.168.77.60", "arm64")],
            both,
            &[
                "- OFFER 192.168.77.50 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
                "+ OFFER 192.168.77.60 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
            ],
        ),
        case(
            (&POOL, "class"),
            range,
            [&of_arm64, &of_x64],
            both,
            &[
                "- OFFER 192.168.77.50 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
                "- no answer to 52:54:00:00:00:01: no pool is open to this client",
                "+ no answer to 02:07:00:00:00:09: no pool is open to this client",
                "+ OFFER 192.168.77.50 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
            ],
        ),
    ]
}

/// How it is served.
fn ways() -> Vec<Case> {
    let remembered = Ipv4Addr::new(192, 168, 77, 105);
    let of_elsewhere = Ipv4Addr::new(10, 9, 9, 9);
    let of_eth2 = |mode: &str| {
        format!("[[subnet]]\ninterface = \"eth2\"\nnetwork = \"10.0.0.0/24\"\nmode = \"{mode}\"")
    };
    // Firmware and operating system of one machine, with identifiers of their own.
    let systems = |site: &mut Site| {
        let rom = Client::new("52:54:00:00:00:01").says(61, b"\x00rom");
        let system = Client::new("52:54:00:00:00:01").says(61, b"\x00system");
        [site.lease(&rom), site.lease(&system)].concat()
    };
    vec![
        case(
            (&SUBNET, "mode"),
            "#subnet",
            ["mode = \"full\"", "mode = \"off\""],
            |site| site.offer(&stranger()),
            &[
                "- OFFER 192.168.77.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
                "+ no answer to 52:54:00:00:00:01: the subnet is switched off",
            ],
        ),
        case(
            (&SUBNET, "mode"),
            "#more",
            [of_eth2("off"), of_eth2("proxy")].each_ref().map(String::as_str),
            |site| site.offer(&stranger().on(1)),
            &[
                "- no answer to 52:54:00:00:00:01: the subnet is switched off",
                "+ OFFER by proxy (redirect) to 52:54:00:00:00:01, boot tftp://10.0.0.1/ipxe.efi",
            ],
        ),
        case(
            (&SUBNET, "identity"),
            "#subnet",
            ["identity = \"mac\"", "identity = \"client-id\""],
            systems,
            &[
                "- ACK 192.168.77.100 to 52:54:00:00:00:01 for 1h (selecting)",
                "+ ACK 192.168.77.101 to 52:54:00:00:00:01 for 1h (selecting)",
            ],
        ),
        case(
            (&SUBNET, "authoritative"),
            "#subnet",
            ["", "authoritative = false"],
            move |site| site.request(&stranger(), of_elsewhere, None),
            &[
                "- NAK 10.9.9.9 to 52:54:00:00:00:01: the address is not on this network",
                "+ no answer to 52:54:00:00:00:01: no record of this client, another server may \
                 have one",
            ],
        ),
        case(
            (&SUBNET, "adopt"),
            "#subnet",
            ["", "adopt = true"],
            move |site| site.request(&stranger(), remembered, None),
            &[
                "- no answer to 52:54:00:00:00:01: no record of this client, another server may \
                 have one",
                "+ ACK 192.168.77.105 to 52:54:00:00:00:01 for 1h (init-reboot), boot \
                 tftp://192.168.77.1/ipxe.efi",
            ],
        ),
    ]
}

/// Times, and what a standby server waits for.
fn standby() -> Vec<Case> {
    // The only address is offered to one machine, and some time later another one asks.
    let held = |site: &mut Site| {
        let first = site.offer(&stranger().behind(Ipv4Addr::new(192, 168, 99, 1)));
        site.later(20);
        [first, site.offer(&member().behind(Ipv4Addr::new(192, 168, 99, 1)))].concat()
    };
    let subnet = "[[subnet]]\nnetwork = \"192.168.99.0/24\"\nrange = \"192.168.99.100\"\n";
    let short = format!("{subnet}offer-hold = \"10s\"");
    let declined = |site: &mut Site| {
        let leased = site.lease(&stranger().behind(Ipv4Addr::new(192, 168, 99, 1)));
        let address = Ipv4Addr::new(192, 168, 99, 100);
        let said = site.decline(&stranger().behind(Ipv4Addr::new(192, 168, 99, 1)), address);
        site.later(120);
        [leased, said, site.offer(&member().behind(Ipv4Addr::new(192, 168, 99, 1)))].concat()
    };
    let soon = format!("{subnet}decline-probation = \"1m\"");
    let patient = |site: &mut Site| {
        let first = site.offer(&stranger().since(3));
        [first, site.offer(&stranger().since(4))].concat()
    };
    vec![
        case(
            (&SUBNET, "offer-hold"),
            "#more",
            [subnet, &short],
            held,
            &[
                "- no answer to 02:07:00:00:00:09: every address of the pool is in use",
                "+ OFFER 192.168.99.100 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
            ],
        ),
        case(
            (&SUBNET, "decline-probation"),
            "#more",
            [subnet, &soon],
            declined,
            &[
                "- declined 192.168.99.100 by 52:54:00:00:00:01: out of use for 10m",
                "- no answer to 02:07:00:00:00:09: every address of the pool is in use",
                "+ declined 192.168.99.100 by 52:54:00:00:00:01: out of use for 1m",
                "+ OFFER 192.168.99.100 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
            ],
        ),
        case(
            (&SUBNET, "offer-delay"),
            "#subnet",
            ["", "offer-delay = \"2s\""],
            |site| site.discover(&stranger()),
            &["- from 192.168.77.1 by link 0 after 0ns", "+ from 192.168.77.1 by link 0 after 2s"],
        ),
        case(
            (&SUBNET, "min-secs"),
            "#subnet",
            ["", "min-secs = 4"],
            patient,
            &[
                "- OFFER 192.168.77.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
                "+ no answer to 52:54:00:00:00:01: standing by: the client has not asked for long \
                 enough",
            ],
        ),
    ]
}

/// Fewer messages, fewer writes, and those who speak BOOTP.
fn shortcuts() -> Vec<Case> {
    let own = Ipv4Addr::new(192, 168, 77, 100);
    let again = move |site: &mut Site| {
        site.lease(&stranger());
        site.later(60);
        site.request(&stranger(), own, None)
    };
    vec![
        case(
            (&SUBNET, "rapid-commit"),
            "#subnet",
            ["", "rapid-commit = true"],
            |site| site.offer(&stranger().says(80, &[])),
            &[
                "- OFFER 192.168.77.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
                "+ ACK 192.168.77.100 to 52:54:00:00:00:01 for 1h (rapid commit), boot \
                 tftp://192.168.77.1/ipxe.efi",
            ],
        ),
        case(
            (&SUBNET, "lease-cache"),
            "#subnet",
            ["", "lease-cache = 10"],
            again,
            &[
                "- ACK 192.168.77.100 to 52:54:00:00:00:01 for 1h (init-reboot), boot \
                 tftp://192.168.77.1/ipxe.efi",
                "+ ACK 192.168.77.100 to 52:54:00:00:00:01 for 59m (init-reboot), boot \
                 tftp://192.168.77.1/ipxe.efi",
            ],
        ),
        case(
            (&SUBNET, "bootp"),
            "#subnet",
            ["", "bootp = \"dynamic\""],
            |site| site.bootp(&Client::new("52:54:00:00:00:01")),
            &[
                "- no answer to 52:54:00:00:00:01: a BOOTP client, for which there is no address \
                 here",
                "+ BOOTREPLY 192.168.77.100 to 52:54:00:00:00:01",
            ],
        ),
    ]
}
