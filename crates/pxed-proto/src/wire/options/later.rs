//! The options that came after RFC 2132, and the private ones that are met on many networks.

use super::form::{Count, Field, Form, Space};
use super::sub_options::{IPXE_SPACE, RELAY_SPACE};
use super::{Definition, code};
use Form::{
    Address, Addresses, Architectures, AtLeast, Boolean, Bytes, Counted, DomainList, DomainName,
    Empty, Fqdn, Ipv6Address, MachineId, Opaque, Repeat, Routes, Seconds, SipServers, SubOptions,
    Text, U8, U8List, U16, U16List, U32, Uri, UserClass,
};

const fn option(number: u8, name: &'static str, title: &'static str, form: Form) -> Definition {
    Definition::of(number, name, title, form)
}

const fn record(fields: &'static [Field], required: usize) -> Form {
    Form::Record { fields, required }
}

const UNBUILT: &str = "it is part of a protocol that pxed does not speak; leave it out";
const LEASEQUERY: &str = "it is part of a leasequery (RFC 6926), which pxed does not answer";

/// By number.
pub(super) static OPTIONS: &[Definition] = &[
    option(77, "user-class", "user class", UserClass).client(),
    option(78, "slp-directory-agents", "SLP directory agent", SLP_AGENTS),
    option(79, "slp-service-scope", "SLP service scope", SLP_SCOPE),
    option(code::RAPID_COMMIT, "rapid-commit", "rapid commit", Empty)
        .pxed("it says so itself where a subnet has rapid-commit = true; leave it out"),
    option(81, "client-fqdn", "client FQDN", Fqdn)
        .pxed("it answers a client that sent its name; leave it out"),
    option(82, "relay-agent-information", "relay agent information", SubOptions(&RELAY_SPACE))
        .pxed("it is copied from the request (RFC 3046); leave it out"),
    option(83, "isns", "internet storage name service", Bytes),
    option(85, "nds-servers", "NDS servers", Addresses),
    option(86, "nds-tree-name", "NDS tree name", Text).such_as("LAB"),
    option(87, "nds-context", "NDS context", Text).such_as("bench.lab"),
    option(88, "bcmcs-controller-domains", "BCMCS controller domain name list", DomainList),
    option(89, "bcmcs-controller-addresses", "BCMCS controller IPv4 address", Addresses),
    option(90, "authentication", "authentication", Bytes).pxed(UNBUILT),
    option(91, "client-last-transaction-time", "client last transaction time", Seconds)
        .pxed(LEASEQUERY),
    option(92, "associated-ip", "associated IP", Addresses).pxed(LEASEQUERY),
    option(93, "client-system-architecture", "client system architecture", Architectures).client(),
    option(94, "client-network-interface", "client network interface", INTERFACE).client(),
    option(95, "ldap", "LDAP", Text).such_as("ldap://192.168.77.1/dc=lab,dc=example"),
    option(97, "client-machine-identifier", "client machine identifier", MachineId)
        .pxed("it is copied from the request (RFC 4578); leave it out"),
    option(98, "user-authentication-protocol", "user authentication protocol", Text)
        .such_as("https://login.example/"),
    option(99, "civic-location", "civic location", Bytes),
    option(100, "posix-timezone", "POSIX timezone", Text).such_as("CET-1CEST,M3.5.0,M10.5.0/3"),
    option(101, "tzdb-timezone", "TZ database timezone", Text).such_as("Europe/Berlin"),
    option(
        code::IPV6_ONLY_PREFERRED,
        "ipv6-only-preferred",
        "IPv6-only preferred",
        AtLeast(300, &Seconds),
    ),
    option(109, "dhcp4o6-source-address", "DHCPv4-over-DHCPv6 source address", Ipv6Address)
        .pxed(UNBUILT),
    option(112, "netinfo-servers", "NetInfo server address", Addresses),
    option(113, "netinfo-tag", "NetInfo server tag", Text).such_as("network"),
    option(code::CAPTIVE_PORTAL, "captive-portal", "captive portal", Uri),
    option(116, "auto-configure", "auto-configure", Boolean),
    option(117, "name-service-search", "name service search", U16List),
    option(code::SUBNET_SELECTION, "subnet-selection", "subnet selection", Address).client(),
    option(code::DOMAIN_SEARCH, "domain-search", "domain search", DomainList),
    option(120, "sip-servers", "SIP servers", SipServers),
    option(
        code::CLASSLESS_STATIC_ROUTES,
        "classless-static-routes",
        "classless static route",
        Routes,
    ),
    option(
        122,
        "cablelabs-client-configuration",
        "CableLabs client configuration",
        SubOptions(&Space::NUMBERS),
    ),
    option(123, "geoconf", "geographic location (GeoConf)", Bytes),
    option(
        124,
        "vendor-identifying-vendor-class",
        "vendor-identifying vendor class",
        Form::ByEnterprise(&Opaque),
    ),
    option(
        125,
        "vendor-identifying-vendor-options",
        "vendor-identifying vendor options",
        Form::ByEnterprise(&SubOptions(&Space::NUMBERS)),
    ),
    option(136, "pana-agents", "PANA agents", Addresses),
    option(137, "lost-server", "LoST server", DomainName),
    option(138, "capwap-access-controllers", "CAPWAP access controllers", Addresses),
    option(139, "mos-addresses", "mobility server addresses", SubOptions(&Space::NUMBERS)),
    option(140, "mos-domains", "mobility server domain names", SubOptions(&Space::NUMBERS)),
    option(141, "sip-configuration-domains", "SIP user agent configuration domains", DomainList),
    option(142, "andsf-addresses", "ANDSF addresses", Addresses),
    option(143, "sztp-redirect", "SZTP redirect", Repeat(&Counted(Count::Octets16, &Uri))),
    option(144, "geoloc", "geographic location (GeoLoc)", Bytes),
    option(145, "forcerenew-nonce-capable", "FORCERENEW nonce capable", U8List).client(),
    option(146, "rdnss-selection", "recursive DNS server selection", DNS_SELECTION),
    option(147, "dots-server-name", "DOTS server name", DomainName),
    option(148, "dots-server-addresses", "DOTS server addresses", Addresses),
    option(150, "tftp-server-addresses", "TFTP server address", Addresses),
    option(151, "status-code", "status code", STATUS).pxed(LEASEQUERY),
    option(152, "base-time", "base time", U32).pxed(LEASEQUERY),
    option(153, "start-time-of-state", "start time of state", Seconds).pxed(LEASEQUERY),
    option(154, "query-start-time", "query start time", U32).pxed(LEASEQUERY),
    option(155, "query-end-time", "query end time", U32).pxed(LEASEQUERY),
    option(156, "dhcp-state", "DHCP state", U8).pxed(LEASEQUERY),
    option(157, "data-source", "data source", U8).pxed(LEASEQUERY),
    option(158, "pcp-servers", "PCP servers", Repeat(&Counted(Count::Octets8, &Addresses))),
    option(159, "port-parameters", "port parameters", PORTS),
    option(161, "mud-url", "manufacturer usage description", Uri).client(),
    option(162, "encrypted-dns", "encrypted DNS servers", ENCRYPTED_DNS),
    option(code::IPXE, "ipxe", "iPXE", SubOptions(&IPXE_SPACE)),
    option(208, "pxelinux-magic", "PXELINUX magic", Bytes),
    option(209, "configuration-file", "configuration file", Text).such_as("pxelinux.cfg/bench"),
    option(210, "path-prefix", "path prefix", Text).such_as("/bench/"),
    option(211, "reboot-time", "reboot time", Seconds),
    option(212, "6rd", "6rd", SIX_RD),
    option(213, "access-network-domain", "access network domain name", DomainName),
    option(220, "subnet-allocation", "subnet allocation", Bytes).pxed(UNBUILT),
    option(221, "virtual-subnet-selection", "virtual subnet selection", Bytes).pxed(UNBUILT),
    option(
        249,
        "microsoft-classless-static-routes",
        "classless static route (Microsoft's)",
        Routes,
    ),
    option(252, "web-proxy-auto-discovery", "web proxy auto-discovery", Text)
        .such_as("http://wpad.lab.example/wpad.dat"),
    option(code::END, "end", "end", Empty).pxed("it is the message's own framing; leave it out"),
];

/// RFC 2610 section 3.
const SLP_AGENTS: Form =
    record(&[Field::of("mandatory", Boolean), Field::of("addresses", Addresses)], 2);

/// RFC 2610 section 4.
const SLP_SCOPE: Form = record(&[Field::of("mandatory", Boolean), Field::of("scopes", Text)], 1);

/// RFC 4578 section 2.2.
const INTERFACE: Form =
    record(&[Field::of("type", U8), Field::of("major", U8), Field::of("minor", U8)], 3);

/// RFC 6731 section 4.3.
const DNS_SELECTION: Form = record(
    &[
        Field::of("preference", U8),
        Field::of("primary", Address),
        Field::of("secondary", Address),
        Field::of("domains", DomainList),
    ],
    3,
);

/// RFC 6926 section 6.2.2.
const STATUS: Form = record(&[Field::of("code", U8), Field::of("message", Text)], 1);

/// RFC 7618 section 9.
const PORTS: Form =
    record(&[Field::of("offset", U8), Field::of("psid-length", U8), Field::of("psid", U16)], 3);

/// RFC 9463 section 5.1: a resolver by name alone ends behind its name.
const ENCRYPTED_DNS: Form = Repeat(&Counted(
    Count::Octets16,
    &record(
        &[
            Field::of("priority", U16),
            Field::of("name", Counted(Count::Octets8, &DomainName)),
            Field::of("addresses", Counted(Count::Octets8, &Addresses)),
            Field::of("parameters", Bytes),
        ],
        2,
    ),
));

/// RFC 5969 section 7.1.1.
const SIX_RD: Form = record(
    &[
        Field::of("ipv4-mask-length", U8),
        Field::of("prefix-length", U8),
        Field::of("prefix", Ipv6Address),
        Field::of("relays", Addresses),
    ],
    4,
);
