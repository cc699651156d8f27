//! PXE's vendor options: the encapsulated options of option 43 (PXE specification 2.1, table 2-1).

use std::net::Ipv4Addr;

use super::options::{Count, Definition, Field, Form, Space};
use Form::{Address, Bits, Bytes, Counted, Repeat, Text, U8, U16};

/// Sub-options of option 43, when option 60 says PXEClient.
pub mod code {
    /// PXE_DISCOVERY_CONTROL, one octet of bits.
    pub const DISCOVERY_CONTROL: u8 = 6;
    /// PXE_BOOT_SERVERS, addresses by type of boot server.
    pub const BOOT_SERVERS: u8 = 8;
    /// PXE_BOOT_MENU, a text by type of boot server.
    pub const BOOT_MENU: u8 = 9;
    /// PXE_MENU_PROMPT, a timeout and a text.
    pub const MENU_PROMPT: u8 = 10;
    /// PXE_BOOT_ITEM, the type and layer that a machine asks for.
    pub const BOOT_ITEM: u8 = 71;
    /// The end of the encapsulated options; some ROMs read on without it.
    pub const END: u8 = 255;
}

/// PXE_DISCOVERY_CONTROL bit 3: download the boot file that this message names, with no discovery
/// of boot servers and no menu.
pub const DISCOVERY_USE_BOOT_FILE: u8 = 0x08;

/// Option 43 of an offer that names its boot file: nothing else is to be discovered, so no
/// firmware asks at port 4011.
pub const USE_BOOT_FILE: [u8; 4] = [code::DISCOVERY_CONTROL, 1, DISCOVERY_USE_BOOT_FILE, code::END];

/// PXE_DISCOVERY_CONTROL bits 0 and 1: boot servers are not looked for by broadcast or multicast,
/// but asked where the list has them.
const DISCOVERY_BY_LIST: u8 = 0x03;

/// The type of boot server that pxed is in its menus: the first one that is free for all (PXE 2.1,
/// table 2-1, PXE_BOOT_SERVERS).
pub const BOOT_SERVER_TYPE: u16 = 0x8000;

/// What a machine asks a boot server for (PXE_BOOT_ITEM).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootItem {
    /// The type of boot server.
    pub server_type: u16,
    /// Which of its files, the first one is 0.
    pub layer: u16,
}

impl BootItem {
    /// The one of an option 43, if there is one.
    pub fn of(vendor_specific: &[u8]) -> Option<Self> {
        let (server_type, layer) =
            sub_option(vendor_specific, code::BOOT_ITEM)?.split_at_checked(2)?;
        let number = |octets: &[u8]| octets.try_into().ok().map(u16::from_be_bytes);
        Some(Self { server_type: number(server_type)?, layer: number(layer)? })
    }

    /// Is it the boot file of pxed's menus? The upper bit of a layer would ask for credentials.
    pub fn is_ours(self) -> bool {
        self == Self { server_type: BOOT_SERVER_TYPE, layer: 0 }
    }

    /// Option 43 of the answer.
    pub fn answer(self) -> Vec<u8> {
        let ([a, b], [c, d]) = (self.server_type.to_be_bytes(), self.layer.to_be_bytes());
        vec![code::BOOT_ITEM, 4, a, b, c, d, code::END]
    }
}

/// Option 43 with a menu of one item, which is taken at once: firmware asks `server` for it.
pub fn menu(item: &'static str, server: Ipv4Addr) -> Vec<u8> {
    let server_type = &BOOT_SERVER_TYPE.to_be_bytes()[..];
    let text = item.as_bytes();
    let mut menu = Vec::new();
    push(&mut menu, code::DISCOVERY_CONTROL, &[&[DISCOVERY_BY_LIST]]);
    // No timeout: the first item, and no question.
    push(&mut menu, code::MENU_PROMPT, &[&[0], text]);
    push(&mut menu, code::BOOT_SERVERS, &[server_type, &[1], &server.octets()]);
    push(&mut menu, code::BOOT_MENU, &[server_type, &[length(text.len())], text]);
    menu.push(code::END);
    menu
}

fn push(to: &mut Vec<u8>, number: u8, parts: &[&[u8]]) {
    let value = parts.concat();
    to.extend([number, length(value.len())]);
    to.extend(value);
}

/// Of texts of pxed's own, which are short.
fn length(octets: usize) -> u8 {
    u8::try_from(octets).unwrap_or(u8::MAX)
}

/// Option 43 as PXE has it.
pub const SPACE: Space = Space { definitions: SUB_OPTIONS, ends: true };

const fn option(number: u8, name: &'static str, form: Form) -> Definition {
    Definition::of(number, name, name, form)
}

const fn record(fields: &'static [Field]) -> Form {
    Form::Record { fields, required: fields.len() }
}

/// The encapsulated options by number.
pub const SUB_OPTIONS: &[Definition] = &[
    option(1, "mtftp-address", Address),
    option(2, "mtftp-client-port", U16),
    option(3, "mtftp-server-port", U16),
    option(4, "mtftp-timeout", U8),
    option(5, "mtftp-delay", U8),
    option(code::DISCOVERY_CONTROL, "discovery-control", Bits(DISCOVERY_CONTROL_BITS)),
    option(7, "discovery-multicast-address", Address),
    option(code::BOOT_SERVERS, "boot-servers", BOOT_SERVERS),
    option(code::BOOT_MENU, "boot-menu", BOOT_MENU),
    option(code::MENU_PROMPT, "menu-prompt", MENU_PROMPT),
    option(12, "credential-types", Bytes),
    option(code::BOOT_ITEM, "boot-item", BOOT_ITEM),
];

/// The numbers of the sub-options that option 43 is made of; `None` if it is not.
pub fn sub_options(value: &[u8]) -> Option<Vec<u8>> {
    let parts = parts(value)?;
    Some(parts.into_iter().map(|(number, _)| number).collect())
}

/// The value of the first sub-option of this number.
fn sub_option(value: &[u8], wanted: u8) -> Option<&[u8]> {
    parts(value)?.into_iter().find(|(number, _)| *number == wanted).map(|(_, value)| value)
}

fn parts(mut value: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut parts = Vec::new();
    loop {
        value = match value {
            [] | [code::END, ..] => return Some(parts),
            [0, rest @ ..] => rest,
            [number, len, rest @ ..] => {
                let (part, rest) = rest.split_at_checked(usize::from(*len))?;
                parts.push((*number, part));
                rest
            }
            [_] => return None,
        };
    }
}

const DISCOVERY_CONTROL_BITS: &[(u8, &str)] = &[
    (0x01, "no broadcast"),
    (0x02, "no multicast"),
    (0x04, "listed servers only"),
    (DISCOVERY_USE_BOOT_FILE, "use the boot file"),
];

/// No addresses: any server of that type.
const BOOT_SERVERS: Form = Repeat(&record(&[
    Field::of("type", U16),
    Field::of("addresses", Counted(Count::Addresses8, &Form::Addresses)),
]));

const BOOT_MENU: Form =
    Repeat(&record(&[Field::of("type", U16), Field::of("text", Counted(Count::Octets8, &Text))]));

const MENU_PROMPT: Form = record(&[Field::of("timeout", U8), Field::of("text", Text)]);

const BOOT_ITEM: Form = record(&[Field::of("type", U16), Field::of("layer", U16)]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_options_are_numbers_lengths_and_values() {
        for (value, numbers) in [
            (&[][..], Some(&[][..])),
            (&USE_BOOT_FILE, Some(&[6])),
            (&[0, 0, 1, 0, 200, 2, 1, 2], Some(&[1, 200])),
            (&[255, 9, 9], Some(&[])),
            (&[1], None),
            (&[1, 2, 3], None),
        ] {
            assert_eq!(sub_options(value).as_deref(), numbers, "{value:?}");
        }
    }
}
