//! The sub-options of relay agents (option 82) and of iPXE (option 175). PXE's (option 43) are in
//! [`crate::wire::pxe`].

use super::Definition;
use super::form::{Form, Space};
use Form::{Address, Bits, Bytes, Empty, Opaque, Text, U8, U32};

const fn option(number: u8, name: &'static str, form: Form) -> Definition {
    Definition::of(number, name, name, form)
}

pub(super) const RELAY_SPACE: Space = Space { definitions: RELAY_SUB_OPTIONS, ends: false };
pub(super) const IPXE_SPACE: Space = Space { definitions: IPXE_SUB_OPTIONS, ends: false };

/// Sub-options of option 82 (IANA registry "DHCP Relay Agent Sub-Option Codes").
pub const RELAY_SUB_OPTIONS: &[Definition] = &[
    option(1, "circuit-id", Opaque),
    option(2, "remote-id", Opaque),
    option(4, "docsis-device-class", U32),
    option(5, "link-selection", Address),
    option(6, "subscriber-id", Opaque),
    option(7, "radius-attributes", Bytes),
    option(8, "authentication", Bytes),
    option(9, "vendor-specific-information", Form::ByEnterprise(&Bytes)),
    option(10, "flags", Bits(&[(0x80, "unicast")])),
    option(11, "server-identifier-override", Address),
    option(12, "relay-agent-identifier", Bytes),
    option(13, "access-technology-type", Bytes),
    option(14, "access-network-name", Opaque),
    option(15, "access-point-name", Opaque),
    option(16, "access-point-bssid", Bytes),
    option(17, "operator-identifier", Bytes),
    option(18, "operator-realm", Opaque),
    option(19, "relay-source-port", Empty),
    option(151, "virtual-subnet-selection", Bytes),
    option(152, "virtual-subnet-selection-control", Empty),
];

/// Sub-options of option 175, as iPXE's sources number them: what a server may tell it, and the
/// features that it tells of itself.
pub const IPXE_SUB_OPTIONS: &[Definition] = &[
    option(1, "priority", U8),
    option(8, "keep-san", U8),
    option(9, "skip-san-boot", U8),
    option(16, "pxe-extensions", U8),
    option(17, "iscsi", U8),
    option(18, "aoe", U8),
    option(19, "http", U8),
    option(20, "https", U8),
    option(21, "tftp", U8),
    option(22, "ftp", U8),
    option(23, "dns", U8),
    option(24, "bzimage", U8),
    option(25, "multiboot", U8),
    option(26, "slam", U8),
    option(27, "srp", U8),
    option(32, "nbi", U8),
    option(33, "pxe", U8),
    option(34, "elf", U8),
    option(35, "comboot", U8),
    option(36, "efi", U8),
    option(37, "fcoe", U8),
    option(38, "vlan", U8),
    option(39, "menu", U8),
    option(40, "sdi", U8),
    option(41, "nfs", U8),
    option(81, "scriptlet", Text),
    option(90, "trust", Bytes),
    option(93, "cross-certificate", Text),
    option(176, "no-proxydhcp", U8),
    option(177, "bus-id", Bytes),
    option(189, "bios-drive", U8),
    option(190, "user-name", Text),
    option(191, "password", Text),
    option(192, "reverse-user-name", Text),
    option(193, "reverse-password", Text),
    option(235, "version", Bytes),
];
