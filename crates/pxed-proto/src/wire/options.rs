//! DHCP options (RFC 2132 and the IANA registry): their numbers, names, forms and who may set them.
//!
//! A [`Definition`] says what an option is; its [`Form`] turns an operator's [`Value`] into octets
//! ([`encode()`]) and octets into text for people ([`Described`], [`Decoded`]).
//!
//! # What an operator writes
//!
//! The value in the option's own form: `ntp-servers = ["192.168.77.1"]`, `interface-mtu = 9000`,
//! `classless-static-routes = ["10.0.0.0/8 via 192.168.77.1"]`; one item may stand for a list of
//! one. Two escapes work for every option and sub-option, and are the only way for one that has no
//! definition here:
//!
//! - `"hex:01 02 ff"` are the octets themselves;
//! - `{ type = "addresses", value = ["192.168.77.1"] }` is a value of that type ([`TYPES`]).
//!
//! Sub-options are a table by name or number: `{ menu-prompt = { timeout = 5, text = "F8" } }` or
//! `{ 1 = { type = "address", value = "192.168.77.1" } }`; a number always needs one of the escapes,
//! since its meaning is the vendor's.

mod codes;
mod describe;
mod domain;
mod encode;
mod error;
mod form;
mod hosts;
mod later;
mod nearest;
mod rfc2132;
mod routes;
mod scalar;
mod show;
mod sub_options;
mod value;

pub use codes::Codes;
pub use describe::{Decoded, Described};
pub use encode::{encode, encode_to_compare};
pub use error::ValueError;
pub use form::{Count, Field, Form, Space, TYPES};
pub use hosts::{gateways, hosts};
pub use nearest::{nearest, nearest_of};
pub use routes::with_default;
pub use sub_options::{IPXE_SUB_OPTIONS, RELAY_SUB_OPTIONS};
pub use value::Value;

/// Option numbers.
#[allow(missing_docs, reason = "the names are the registry's; the tables below have the RFCs")]
pub mod code {
    pub const PAD: u8 = 0;
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DOMAIN_NAME_SERVER: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const BROADCAST_ADDRESS: u8 = 28;
    pub const STATIC_ROUTES: u8 = 33;
    pub const VENDOR_SPECIFIC: u8 = 43;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_IDENTIFIER: u8 = 54;
    pub const PARAMETER_REQUEST_LIST: u8 = 55;
    pub const MESSAGE: u8 = 56;
    pub const MAX_MESSAGE_SIZE: u8 = 57;
    pub const RENEWAL_TIME: u8 = 58;
    pub const REBINDING_TIME: u8 = 59;
    pub const VENDOR_CLASS: u8 = 60;
    pub const CLIENT_IDENTIFIER: u8 = 61;
    pub const TFTP_SERVER_NAME: u8 = 66;
    pub const BOOT_FILE_NAME: u8 = 67;
    pub const USER_CLASS: u8 = 77;
    pub const RAPID_COMMIT: u8 = 80;
    pub const RELAY_AGENT: u8 = 82;
    pub const CLIENT_ARCHITECTURE: u8 = 93;
    pub const CLIENT_INTERFACE: u8 = 94;
    pub const CLIENT_MACHINE_ID: u8 = 97;
    pub const IPV6_ONLY_PREFERRED: u8 = 108;
    pub const CAPTIVE_PORTAL: u8 = 114;
    pub const SUBNET_SELECTION: u8 = 118;
    pub const DOMAIN_SEARCH: u8 = 119;
    pub const CLASSLESS_STATIC_ROUTES: u8 = 121;
    pub const IPXE: u8 = 175;
    pub const END: u8 = 255;
}

/// What an option, or a sub-option, is.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its number in the IANA registry, or in its vendor's.
    pub number: u8,
    /// Its name in the configuration: `domain-name-servers`.
    pub name: &'static str,
    /// Its name for people, in the registry's words: `domain name server`.
    pub title: &'static str,
    /// The form of its value.
    pub form: Form,
    /// Who may set it.
    pub setter: Setter,
    example: Option<&'static str>,
}

/// Who writes an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setter {
    /// The operator, in the configuration.
    Operator,
    /// pxed itself; the sentence says why, and what to write instead.
    Pxed(&'static str),
    /// Clients and relay agents, never a server.
    Client,
}

impl Definition {
    /// An option that the operator may set.
    pub(crate) const fn of(
        number: u8,
        name: &'static str,
        title: &'static str,
        form: Form,
    ) -> Self {
        Self { number, name, title, form, setter: Setter::Operator, example: None }
    }

    /// The same, written by pxed itself.
    const fn pxed(mut self, instead: &'static str) -> Self {
        self.setter = Setter::Pxed(instead);
        self
    }

    /// The same, sent by clients and relay agents.
    const fn client(mut self) -> Self {
        self.setter = Setter::Client;
        self
    }

    /// The same with a text that shows what it is for.
    const fn such_as(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    /// A value that an operator could write.
    pub fn example(&self) -> Value {
        self.example.map_or_else(|| self.form.example(), Value::from)
    }

    /// May it be sent only to a client that asked for it (option 55)? The IPv6-only preference
    /// takes a client's IPv4 address away (RFC 8925 section 3.3).
    pub const fn only_when_asked(&self) -> bool {
        self.number == code::IPV6_ONLY_PREFERRED
    }

    /// May the operator set it?
    ///
    /// # Errors
    ///
    /// Who does instead, and what the operator is to write.
    pub fn settable(&self) -> Result<(), ValueError> {
        match self.setter {
            Setter::Operator => Ok(()),
            Setter::Pxed(instead) => Err(ValueError::Pxeds { name: self.name, instead }),
            Setter::Client => Err(ValueError::Clients { name: self.name }),
        }
    }
}

/// Every option that has a definition, by number.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    rfc2132::OPTIONS.iter().chain(later::OPTIONS)
}

/// The definition of an option's number.
pub fn definition(number: u8) -> Option<&'static Definition> {
    definitions().find(|definition| definition.number == number)
}

/// The definition of what an operator wrote: a name, or a number in decimal.
pub fn find(name_or_number: &str) -> Option<&'static Definition> {
    match number_in(name_or_number) {
        Some(number) => definition(number),
        None => definitions().find(|definition| definition.name == name_or_number),
    }
}

/// The option's number from its name or its number in decimal, with a definition or without.
pub fn number(name_or_number: &str) -> Option<u8> {
    number_in(name_or_number).or_else(|| find(name_or_number).map(|definition| definition.number))
}

/// A number in decimal and nothing else.
fn number_in(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The option's name in the IANA registry's words, if it is one of those known here.
pub fn name(code: u8) -> Option<&'static str> {
    definition(code).map(|definition| definition.title)
}

#[cfg(test)]
mod tests;
