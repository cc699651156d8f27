//! PXE's vendor options: the encapsulated options of option 43 (PXE specification 2.1, table 2-1).

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
pub fn sub_options(mut value: &[u8]) -> Option<Vec<u8>> {
    let mut numbers = Vec::new();
    loop {
        value = match value {
            [] | [code::END, ..] => return Some(numbers),
            [0, rest @ ..] => rest,
            [number, len, rest @ ..] => {
                numbers.push(*number);
                rest.get(usize::from(*len)..)?
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
