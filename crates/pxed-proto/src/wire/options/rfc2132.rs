//! The options of RFC 2132, and those that its numbers 0 to 76 were given to.

use super::form::{Form, Space, VIA};
use super::{Definition, code};
use Form::{
    Address, AddressPairs, Addresses, AtLeast, Bits, Boolean, Bytes, Empty, I32, Mask, MessageType,
    Name, Seconds, SubOptions, Text, U8, U8List, U16, U16List,
};

use crate::wire::pxe;

const fn option(number: u8, name: &'static str, title: &'static str, form: Form) -> Definition {
    Definition::of(number, name, title, form)
}

const LEASE: &str =
    "it follows the lease time; write lease-time at the top of the file or in [[subnet]]";
const FRAMING: &str = "it is the message's own framing; leave it out";

/// By number.
pub(super) static OPTIONS: &[Definition] = &[
    option(code::PAD, "pad", "pad", Empty).pxed(FRAMING),
    option(1, "subnet-mask", "subnet mask", Mask)
        .pxed("it is that of the subnet's network; leave it out"),
    option(2, "time-offset", "time offset", I32),
    option(3, "routers", "router", Addresses),
    option(4, "time-servers", "time server", Addresses),
    option(5, "name-servers", "name server (IEN 116)", Addresses),
    option(6, "domain-name-servers", "domain name server", Addresses),
    option(7, "log-servers", "log server", Addresses),
    option(8, "cookie-servers", "cookie server", Addresses),
    option(9, "lpr-servers", "LPR server", Addresses),
    option(10, "impress-servers", "Impress server", Addresses),
    option(11, "resource-location-servers", "resource location server", Addresses),
    option(12, "host-name", "host name", Name).such_as("bench-1"),
    option(13, "boot-file-size", "boot file size", U16),
    option(14, "merit-dump-file", "merit dump file", Text).such_as("/var/crash/core"),
    option(15, "domain-name", "domain name", Name),
    option(16, "swap-server", "swap server", Address),
    option(17, "root-path", "root path", Text).such_as("192.168.77.1:/srv/nfs/root"),
    option(18, "extensions-path", "extensions path", Text).such_as("/srv/tftp/extensions"),
    option(19, "ip-forwarding", "IP forwarding", Boolean),
    option(20, "non-local-source-routing", "non-local source routing", Boolean),
    option(21, "policy-filters", "policy filter", AddressPairs("/")),
    option(
        22,
        "maximum-datagram-reassembly-size",
        "maximum datagram reassembly size",
        AtLeast(576, &U16),
    ),
    option(23, "default-ip-ttl", "default IP TTL", AtLeast(1, &U8)),
    option(24, "path-mtu-aging-timeout", "path MTU aging timeout", Seconds),
    option(25, "path-mtu-plateau-table", "path MTU plateau table", U16List),
    option(26, "interface-mtu", "interface MTU", AtLeast(68, &U16)),
    option(27, "all-subnets-are-local", "all subnets are local", Boolean),
    option(28, "broadcast-address", "broadcast address", Address),
    option(29, "perform-mask-discovery", "perform mask discovery", Boolean),
    option(30, "mask-supplier", "mask supplier", Boolean),
    option(31, "perform-router-discovery", "perform router discovery", Boolean),
    option(32, "router-solicitation-address", "router solicitation address", Address),
    option(33, "static-routes", "static route", AddressPairs(VIA)),
    option(34, "trailer-encapsulation", "trailer encapsulation", Boolean),
    option(35, "arp-cache-timeout", "ARP cache timeout", Seconds),
    option(36, "ieee-802-3-encapsulation", "IEEE 802.3 encapsulation", Boolean),
    option(37, "tcp-default-ttl", "TCP default TTL", AtLeast(1, &U8)),
    option(38, "tcp-keepalive-interval", "TCP keepalive interval", Seconds),
    option(39, "tcp-keepalive-garbage", "TCP keepalive garbage", Boolean),
    option(40, "nis-domain", "NIS domain", Text).such_as("lab.example"),
    option(41, "nis-servers", "NIS servers", Addresses),
    option(42, "ntp-servers", "NTP servers", Addresses),
    option(
        code::VENDOR_SPECIFIC,
        "vendor-specific-information",
        "vendor specific information",
        SubOptions(&pxe::SPACE),
    ),
    option(44, "netbios-name-servers", "NetBIOS name servers", Addresses),
    option(
        45,
        "netbios-datagram-distribution-servers",
        "NetBIOS datagram distribution servers",
        Addresses,
    ),
    option(46, "netbios-node-type", "NetBIOS node type", Bits(NODE_TYPES)),
    option(47, "netbios-scope", "NetBIOS scope", Text).such_as("LAB"),
    option(48, "x-window-font-servers", "X Window font servers", Addresses),
    option(49, "x-window-display-managers", "X Window display managers", Addresses),
    option(50, "requested-ip-address", "requested IP address", Address).client(),
    option(51, "ip-address-lease-time", "IP address lease time", Seconds).pxed(LEASE),
    option(52, "option-overload", "option overload", Bits(&[(1, "file"), (2, "sname")]))
        .pxed(FRAMING),
    option(53, "dhcp-message-type", "DHCP message type", MessageType).pxed(FRAMING),
    option(54, "server-identifier", "server identifier", Address)
        .pxed("it is the address that the server answers from; set that of the interface"),
    option(55, "parameter-request-list", "parameter request list", U8List).client(),
    option(56, "message", "message", Text).pxed("it says why a request is refused; leave it out"),
    option(57, "maximum-dhcp-message-size", "maximum DHCP message size", U16).client(),
    option(58, "renewal-time", "renewal (T1) time", Seconds).pxed(LEASE),
    option(59, "rebinding-time", "rebinding (T2) time", Seconds).pxed(LEASE),
    option(code::VENDOR_CLASS, "vendor-class-identifier", "vendor class identifier", Text)
        .pxed("it tells PXE and HTTP Boot firmware that they are answered; leave it out"),
    option(61, "client-identifier", "client identifier", Bytes)
        .pxed("it is copied from the request (RFC 6842); leave it out"),
    option(62, "netware-ip-domain", "NetWare/IP domain", Text).such_as("LAB"),
    option(63, "netware-ip-information", "NetWare/IP information", SubOptions(&Space::NUMBERS)),
    option(64, "nis-plus-domain", "NIS+ domain", Text).such_as("lab.example"),
    option(65, "nis-plus-servers", "NIS+ servers", Addresses),
    option(66, "tftp-server-name", "TFTP server name", Text).such_as("192.168.77.1"),
    option(67, "boot-file-name", "boot file name", Text).such_as("phone/7960.cnf"),
    option(68, "mobile-ip-home-agents", "mobile IP home agent", Addresses),
    option(69, "smtp-servers", "SMTP server", Addresses),
    option(70, "pop3-servers", "POP3 server", Addresses),
    option(71, "nntp-servers", "NNTP server", Addresses),
    option(72, "www-servers", "WWW server", Addresses),
    option(73, "finger-servers", "finger server", Addresses),
    option(74, "irc-servers", "IRC server", Addresses),
    option(75, "streettalk-servers", "StreetTalk server", Addresses),
    option(
        76,
        "streettalk-directory-assistance-servers",
        "StreetTalk directory assistance server",
        Addresses,
    ),
];

/// RFC 2132 section 8.7.
const NODE_TYPES: &[(u8, &str)] = &[(1, "B-node"), (2, "P-node"), (4, "M-node"), (8, "H-node")];
