//! The forms that option values have.

use super::value::Value;
use super::{Definition, nearest_of};

/// How a value lies on the wire, and so what an operator writes for it.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Unknown here: octets, or a value with its type.
    Untyped,
    /// No octets; being there is all.
    Empty,
    /// One octet, 0 or 1.
    Boolean,
    /// A number of one octet.
    U8,
    /// A number of two octets.
    U16,
    /// A number of four octets.
    U32,
    /// A number of four octets with a sign.
    I32,
    /// Seconds in four octets; all ones are for ever.
    Seconds,
    /// A number that has a least value.
    AtLeast(u32, &'static Form),
    /// An octet of bits, each with a name.
    Bits(&'static [(u8, &'static str)]),
    /// Numbers of one octet.
    U8List,
    /// Numbers of two octets.
    U16List,
    /// One IPv4 address.
    Address,
    /// A network mask: ones, then zeros.
    Mask,
    /// IPv4 addresses.
    Addresses,
    /// Pairs of IPv4 addresses, written with this text between them.
    AddressPairs(&'static str),
    /// One IPv6 address.
    Ipv6Address,
    /// A text without a NUL at its end (RFC 2132 section 2).
    Text,
    /// A host or domain name as text.
    Name,
    /// A URI as text (RFC 3986).
    Uri,
    /// Octets that are a text more often than not.
    Opaque,
    /// Octets.
    Bytes,
    /// A domain name as DNS writes it.
    DomainName,
    /// Domain names as DNS writes them, compressed or not.
    DomainList,
    /// Classless static routes (RFC 3442).
    Routes,
    /// SIP servers, all by name or all by address (RFC 3361).
    SipServers,
    /// User classes, with their lengths (RFC 3004) or one without, as iPXE sends it.
    UserClass,
    /// A client's name and who is to tell DNS (RFC 4702).
    Fqdn,
    /// What the message is for.
    MessageType,
    /// Processor architectures (RFC 4578).
    Architectures,
    /// A UUID behind its type, 0 (RFC 4578).
    MachineId,
    /// The same again and again, to the end.
    Repeat(&'static Form),
    /// Something behind its length.
    Counted(Count, &'static Form),
    /// Named fields one behind the other. All but the last know their own length; those behind the
    /// first `required` may be missing.
    Record {
        /// The fields in their order.
        fields: &'static [Field],
        /// How many must be there.
        required: usize,
    },
    /// Sub-options: number, length, value.
    SubOptions(&'static Space),
    /// Something behind its length, by enterprise number (RFC 3925).
    ByEnterprise(&'static Form),
}

/// How a length is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// One octet: octets.
    Octets8,
    /// Two octets: octets.
    Octets16,
    /// One octet: addresses.
    Addresses8,
}

/// A field of a [`Form::Record`].
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key in the table that an operator writes.
    pub name: &'static str,
    /// Its form.
    pub form: Form,
}

impl Field {
    pub(crate) const fn of(name: &'static str, form: Form) -> Self {
        Self { name, form }
    }
}

/// The sub-options of an option.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// Those that have a name, by number.
    pub definitions: &'static [Definition],
    /// May 0 pad them and 255 end them, as in option 43 (RFC 2132 section 8.4)?
    pub ends: bool,
}

impl Space {
    /// Sub-options that are known by number only.
    pub const NUMBERS: Self = Self { definitions: &[], ends: false };

    /// The sub-option of a number.
    pub fn definition(&self, number: u8) -> Option<&'static Definition> {
        self.definitions.iter().find(|definition| definition.number == number)
    }

    /// The sub-option of a name.
    pub fn find(&self, name: &str) -> Option<&'static Definition> {
        self.definitions.iter().find(|definition| definition.name == name)
    }

    pub(super) fn nearest(&self, name: &str) -> Option<&'static str> {
        nearest_of(name, self.definitions.iter().map(|definition| definition.name))
    }
}

/// The types that a value may have explicitly, by name: `{ type = "u16", value = 7 }`.
pub const TYPES: &[(&str, Form)] = &[
    ("address", Form::Address),
    ("address-pairs", Form::AddressPairs("/")),
    ("addresses", Form::Addresses),
    ("boolean", Form::Boolean),
    ("domain-list", Form::DomainList),
    ("domain-name", Form::DomainName),
    ("empty", Form::Empty),
    ("hex", Form::Bytes),
    ("i32", Form::I32),
    ("ipv6-address", Form::Ipv6Address),
    ("routes", Form::Routes),
    ("seconds", Form::Seconds),
    ("sip-servers", Form::SipServers),
    ("static-routes", Form::AddressPairs(VIA)),
    ("sub-options", Form::SubOptions(&Space::NUMBERS)),
    ("text", Form::Text),
    ("texts", Form::Repeat(&Form::Counted(Count::Octets8, &Form::Text))),
    ("u16", Form::U16),
    ("u16-list", Form::U16List),
    ("u32", Form::U32),
    ("u8", Form::U8),
    ("u8-list", Form::U8List),
    ("uri", Form::Uri),
];

/// Between a destination and its router.
pub(super) const VIA: &str = " via ";

impl Form {
    /// Several values in one line: it takes braces when it stands within another.
    pub(super) const fn is_composite(&self) -> bool {
        match self {
            Self::Repeat(form) | Self::Counted(_, form) => form.is_composite(),
            Self::Record { .. } | Self::SubOptions(_) | Self::ByEnterprise(_) => true,
            _ => false,
        }
    }

    /// What it is called: a name of [`TYPES`] where it is one of them.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Untyped | Self::Bytes | Self::Fqdn => "hex",
            Self::Empty => "empty",
            Self::Boolean => "boolean",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::Seconds => "seconds",
            Self::AtLeast(_, form) => form.name(),
            Self::Bits(_) => "bits",
            Self::U8List => "u8-list",
            Self::U16List => "u16-list",
            Self::Address => "address",
            Self::Mask => "mask",
            Self::Addresses => "addresses",
            Self::AddressPairs(VIA) => "static-routes",
            Self::AddressPairs(_) => "address-pairs",
            Self::Ipv6Address => "ipv6-address",
            Self::Text | Self::Name | Self::MessageType => "text",
            Self::Uri => "uri",
            Self::Opaque => "text or hex",
            Self::DomainName => "domain-name",
            Self::DomainList => "domain-list",
            Self::Routes => "routes",
            Self::SipServers => "sip-servers",
            Self::UserClass => "text",
            Self::Architectures => "u16-list",
            Self::MachineId => "UUID",
            Self::Repeat(_) => "list",
            Self::Counted(_, form) => form.name(),
            Self::Record { .. } => "table",
            Self::SubOptions(_) => "sub-options",
            Self::ByEnterprise(_) => "by enterprise",
        }
    }

    /// What an operator writes, with an example: the reference page's words and an error's.
    pub fn wanted(&self) -> &'static str {
        match self {
            Self::Untyped | Self::Bytes | Self::Fqdn => {
                "a string of octets such as \"hex:01 02 ff\""
            }
            Self::Empty => "true, since the option has no value,",
            Self::Boolean => "true or false",
            Self::U8 | Self::U16 | Self::U32 | Self::I32 => "a whole number",
            Self::Seconds => "a number of seconds such as 3600",
            Self::AtLeast(_, form) => form.wanted(),
            Self::Bits(_) => "a number that is the sum of the bits",
            Self::U8List | Self::U16List => "a list of numbers such as [1, 3]",
            Self::Address => "an IPv4 address such as \"192.168.77.1\"",
            Self::Mask => "a network mask such as \"255.255.255.0\"",
            Self::Addresses => "a list of IPv4 addresses such as [\"192.168.77.1\"]",
            Self::AddressPairs(VIA) => {
                "a list of hosts and routers such as [\"10.1.2.3 via 192.168.77.1\"]"
            }
            Self::AddressPairs(_) => {
                "a list of addresses and masks such as [\"10.0.0.0/255.0.0.0\"]"
            }
            Self::Ipv6Address => "an IPv6 address such as \"2001:db8::1\"",
            Self::Text => "a text in quotes, not empty and without control characters,",
            Self::Name => "a name of letters, digits, hyphens and dots such as \"lab.example\"",
            Self::Uri => "a URI such as \"https://portal.example/api\"",
            Self::Opaque => "a text such as \"port 7\", or octets such as \"hex:01 02 ff\",",
            Self::DomainName => {
                "a domain name such as \"lab.example\" (labels of at most 63 letters, digits and \
                 hyphens, 253 in all)"
            }
            Self::DomainList => {
                "a list of domain names such as [\"lab.example\"] (labels of at most 63 letters, \
                 digits and hyphens, 253 in all)"
            }
            Self::Routes => super::routes::WANTED,
            Self::SipServers => {
                "a list of IPv4 addresses or one of domain names, such as [\"192.168.77.5\"],"
            }
            Self::UserClass => "a text such as \"iPXE\", or a list of texts,",
            Self::MessageType => "a DHCP message type such as \"DISCOVER\"",
            Self::Architectures => "a list of architecture numbers such as [7]",
            Self::MachineId => "a UUID such as \"00112233-4455-6677-8899-aabbccddeeff\"",
            Self::Repeat(form) => form.wanted(),
            Self::Counted(_, form) => form.wanted(),
            Self::Record { .. } => "a table of its fields in braces",
            Self::SubOptions(_) => {
                "a table of sub-options such as { 1 = { type = \"u8\", value = 7 } }"
            }
            Self::ByEnterprise(_) => "a table by enterprise number such as { 3561 = … }",
        }
    }

    /// A value of this form that encodes.
    pub fn example(&self) -> Value {
        match self {
            Self::Untyped | Self::Bytes => "hex:01 02 ff".into(),
            Self::Empty | Self::Boolean => true.into(),
            Self::U8 | Self::U16 | Self::U32 => 1.into(),
            Self::I32 | Self::Seconds => 3600.into(),
            Self::AtLeast(least, _) => i64::from(*least).into(),
            Self::Bits(bits) => bits.first().map_or(0, |(bit, _)| i64::from(*bit)).into(),
            Self::U8List | Self::U16List => [1, 3].into(),
            Self::Address => "192.168.77.1".into(),
            Self::Mask => "255.255.255.0".into(),
            Self::Addresses => ["192.168.77.1", "192.168.77.2"].into(),
            Self::AddressPairs(VIA) => ["10.1.2.3 via 192.168.77.1"].into(),
            Self::AddressPairs(_) => ["10.0.0.0/255.0.0.0"].into(),
            Self::Ipv6Address => "2001:db8::1".into(),
            Self::Text => "text".into(),
            Self::Name | Self::DomainName => "lab.example".into(),
            Self::Uri => "https://portal.example/api".into(),
            Self::Opaque => "port 7".into(),
            Self::DomainList => ["lab.example", "example"].into(),
            Self::Routes => ["10.0.0.0/8 via 192.168.77.1", "0.0.0.0/0 via 192.168.77.1"].into(),
            Self::SipServers => ["192.168.77.5"].into(),
            Self::UserClass => "iPXE".into(),
            Self::Fqdn => "hex:00 00 00 62 65 6e 63 68".into(),
            Self::MessageType => "DISCOVER".into(),
            Self::Architectures => [7].into(),
            Self::MachineId => "00112233-4455-6677-8899-aabbccddeeff".into(),
            Self::Repeat(form) => Value::List(vec![form.example()]),
            Self::Counted(_, form) => form.example(),
            Self::Record { fields, .. } => Value::Table(
                fields.iter().map(|field| (field.name.to_owned(), field.form.example())).collect(),
            ),
            Self::SubOptions(space) => match space.definitions.first() {
                Some(first) => Value::table([(first.name, first.example())]),
                None => Value::table([(
                    "1",
                    Value::table([("type", "address".into()), ("value", "192.168.77.1".into())]),
                )]),
            },
            Self::ByEnterprise(form) => Value::table([("3561", form.example())]),
        }
    }
}
