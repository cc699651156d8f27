//! Which clients a rule is for.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::policy::Group;
use super::relay::{Agent, RelaySubOption};
use super::settings::Settings;
use crate::machine::{Architecture, Firmware, Machine};
use crate::net::Mac;
use crate::wire::dhcp::Message;

/// A named rule: clients that pass its test have its settings.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Who belongs to it.
    pub test: Test,
    /// What members are given.
    pub settings: Settings,
}

/// What a client has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Each of these.
    All(Vec<Test>),
    /// One of these.
    Any(Vec<Test>),
    /// Anything but this.
    Not(Box<Test>),
    /// Its architecture (option 93) is one of these.
    Architecture(Vec<Architecture>),
    /// What runs on it now.
    Firmware(FirmwareKind),
    /// Its MAC.
    Mac(MacPattern),
    /// An option is there.
    OptionPresent(u8),
    /// An option has exactly this value.
    OptionIs(u8, Vec<u8>),
    /// An option's value, as text, has this form.
    OptionLike(u8, Pattern),
    /// The relay agent that brought it (`giaddr`).
    Relay(Ipv4Addr),
    /// The relay agent's circuit ID or remote ID (option 82) has this form.
    RelayAgent(RelaySubOption, Pattern),
    /// It is a member of this group.
    Group(String),
}

/// A kind of [`Firmware`], whatever its architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in Firmware")]
pub enum FirmwareKind {
    NotBooting,
    Bootp,
    Pxe,
    HttpBoot,
    Ipxe,
}

/// What a test looks at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The client's message.
    pub message: &'a Message<'a>,
    /// Who sent it.
    pub machine: &'a Machine,
    /// What runs there.
    pub firmware: Firmware,
    /// The relay agent that the client is behind.
    pub relay: Option<Agent<'a>>,
    /// The groups that the machine is a member of.
    pub groups: &'a [&'a Group],
}

impl Facts<'_> {
    fn option_is(&self, code: u8, wanted: impl FnOnce(&[u8]) -> bool) -> bool {
        match self.message.option(code) {
            None => false,
            Some(Cow::Borrowed(found)) => wanted(found),
            Some(Cow::Owned(joined)) => wanted(&joined),
        }
    }
}

impl Test {
    /// Is the client what the test says?
    pub fn passes(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|test| test.passes(facts)),
            Self::Any(tests) => tests.iter().any(|test| test.passes(facts)),
            Self::Not(test) => !test.passes(facts),
            Self::Architecture(known) => {
                facts.firmware.architecture().is_some_and(|arch| known.contains(&arch))
            }
            Self::Firmware(kind) => FirmwareKind::of(facts.firmware) == *kind,
            Self::Mac(pattern) => facts.machine.mac().is_some_and(|mac| pattern.matches(mac)),
            Self::OptionPresent(code) => facts.option_is(*code, |_| true),
            Self::OptionIs(code, value) => facts.option_is(*code, |found| *found == **value),
            Self::OptionLike(code, form) => facts.option_is(*code, |found| form.matches(found)),
            Self::Relay(giaddr) => facts.relay.is_some_and(|relay| relay.address == *giaddr),
            Self::RelayAgent(code, form) => {
                let said = facts.relay.and_then(|relay| relay.sub_option(*code));
                said.is_some_and(|value| form.matches(value))
            }
            Self::Group(name) => facts.groups.iter().any(|group| group.name == *name),
        }
    }
}

impl FirmwareKind {
    /// The kind of `firmware`.
    pub const fn of(firmware: Firmware) -> Self {
        match firmware {
            Firmware::NotBooting => Self::NotBooting,
            Firmware::Bootp => Self::Bootp,
            Firmware::Pxe(_) => Self::Pxe,
            Firmware::HttpBoot(_) => Self::HttpBoot,
            Firmware::Ipxe(_) => Self::Ipxe,
        }
    }
}

/// Octets with gaps, in which any octets may stand, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Vec<u8>>);

impl Pattern {
    /// A text in which `*` is a gap: `PXEClient*`, `*rack-7*`.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::of_parts(text.as_ref().split('*').map(|part| part.as_bytes().to_vec()).collect())
    }

    /// What stands between the gaps.
    pub const fn of_parts(parts: Vec<Vec<u8>>) -> Self {
        Self(parts)
    }

    /// What it begins with.
    pub fn prefix(&self) -> &[u8] {
        self.0.first().map_or(&[], Vec::as_slice)
    }

    /// Has `value` this form?
    pub fn matches(&self, value: &[u8]) -> bool {
        let mut parts = self.0.iter();
        let Some(first) = parts.next() else { return false };
        // Most differ in their first octet.
        if first.first().is_some_and(|octet| value.first() != Some(octet)) {
            return false;
        }
        let Some(mut rest) = value.strip_prefix(&**first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match after(rest, part) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        true
    }
}

/// What follows the first `part` in `text`.
fn after<'t>(text: &'t [u8], part: &[u8]) -> Option<&'t [u8]> {
    if part.is_empty() {
        return Some(text);
    }
    let at = text.windows(part.len()).position(|window| window == part)?;
    text.get(at + part.len()..)
}

/// MACs that begin alike: `52:54:00:12:34:56`, `52:54:00`, `52:54:00:*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacPattern {
    /// What they begin with, and zeros.
    begins: Mac,
    /// How many bits do not matter behind it.
    open: u32,
}

impl MacPattern {
    /// Does `mac` begin like this?
    pub fn matches(&self, mac: Mac) -> bool {
        (mac.to_bits() ^ self.begins.to_bits()) >> self.open == 0
    }

    /// Is there a MAC that begins like both?
    pub fn meets(&self, other: &Self) -> bool {
        self.matches(other.begins) || other.matches(self.begins)
    }

    /// What they begin with.
    pub fn octets(&self) -> &[u8] {
        let begins = (48_u32.saturating_sub(self.open) / 8) as usize;
        self.begins.0.get(..begins).unwrap_or_default()
    }

    /// The one MAC that it stands for, if it is whole.
    pub fn exact(&self) -> Option<Mac> {
        (self.open == 0).then_some(self.begins)
    }
}

/// Not one to six pairs of hexadecimal digits, or these and a `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMacPattern;

impl FromStr for MacPattern {
    type Err = InvalidMacPattern;

    fn from_str(text: &str) -> Result<Self, InvalidMacPattern> {
        let text = text.strip_suffix('*').map_or(text, |text| text.trim_end_matches([':', '-']));
        let octet = |part: &str| match part.len() {
            2 => u8::from_str_radix(part, 16).map_err(|_| InvalidMacPattern),
            _ => Err(InvalidMacPattern),
        };
        let (mut begins, mut rest) = (Mac([0; 6]), 48);
        for (i, part) in text.split([':', '-']).enumerate() {
            *begins.0.get_mut(i).ok_or(InvalidMacPattern)? = octet(part)?;
            rest -= 8;
        }
        Ok(Self { begins, open: rest })
    }
}

impl fmt::Display for MacPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, octet) in self.octets().iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02x}")?;
        }
        if self.open > 0 { f.write_str(":*") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::identify;
    use crate::wire::dhcp::testing::discover_with;

    const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn passes(test: &Test, options: &[(u8, &[u8])]) -> bool {
        let datagram = discover_with(options);
        let message = &Message::parse(&datagram).unwrap();
        let (machine, firmware) = &identify(message).unwrap();
        let information = vec![1, 4, b'p', b'o', b'r', b't', 2, 1, b'r'];
        let relay = Some(Agent { address: RELAY, information: &information });
        let group = Group { name: "rack-7".to_owned(), ..Group::default() };
        let firmware = *firmware;
        test.passes(&Facts { message, machine, firmware, relay, groups: &[&group] })
    }

    #[test]
    fn tests_look_at_what_they_say() {
        let uefi: &[(u8, &[u8])] = &[(60, b"PXEClient:Arch:00007"), (93, &[0, 7])];
        let like = |code, text: &str| Test::OptionLike(code, Pattern::new(text));
        let circuit = |text: &str| Test::RelayAgent(RelaySubOption::CircuitId, Pattern::new(text));
        let x64 = Test::Architecture(vec![Architecture::UEFI_X64]);
        for (test, options, expected) in [
            (x64.clone(), uefi, true),
            (x64.clone(), &[], false),
            (Test::Not(Box::new(x64.clone())), &[], true),
            (Test::All(vec![x64.clone(), like(60, "PXE*")]), uefi, true),
            (Test::Any(vec![x64, like(60, "HTTP*")]), &[], false),
            (Test::Firmware(FirmwareKind::Pxe), uefi, true),
            (Test::Firmware(FirmwareKind::NotBooting), &[], true),
            (Test::Mac("52:54:00".parse().unwrap()), &[], true),
            (Test::Mac("52:54:01:*".parse().unwrap()), &[], false),
            (Test::OptionPresent(93), uefi, true),
            (Test::OptionIs(93, vec![0, 7]), uefi, true),
            (circuit("po*"), &[], true),
            (circuit("r"), &[], false),
            (Test::RelayAgent(RelaySubOption::RemoteId, Pattern::new("r")), &[], true),
            (Test::Relay(RELAY), &[], true),
            (Test::Relay(Ipv4Addr::UNSPECIFIED), &[], false),
            (Test::Group("rack-7".to_owned()), &[], true),
            (Test::Group("rack-8".to_owned()), &[], false),
        ] {
            assert_eq!(passes(&test, options), expected, "{test:?}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, value, matches) in [
            ("", "", true),
            ("", "a", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*", "a", true),
            ("a*c", "abc", true),
            ("a*c", "abcb", false),
            ("*", "", true),
            ("*b*", "abc", true),
            ("*b*b*", "abc", false),
            ("a*b*c", "a-b-b-c", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(value.as_bytes()),
                matches,
                "{pattern} {value}"
            );
        }
        let octets = Pattern::of_parts(vec![vec![0, b'*'], vec![]]);
        assert!(octets.matches(&[0, b'*', 7]) && !octets.matches(&[0, 7]));
        assert_eq!(octets.prefix(), [0, b'*']);
    }

    #[test]
    fn mac_patterns() {
        for (text, shown) in [
            ("52:54:00", "52:54:00:*"),
            ("52-54-00:*", "52:54:00:*"),
            ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ] {
            assert_eq!(text.parse::<MacPattern>().unwrap().to_string(), shown);
        }
        for text in ["", "*", "5:4", "52:54:00:12:34:56:78", "xx"] {
            assert_eq!(text.parse::<MacPattern>(), Err(InvalidMacPattern), "{text}");
        }
        let meets = |a: &str, b: &str| {
            a.parse::<MacPattern>().unwrap().meets(&b.parse::<MacPattern>().unwrap())
        };
        assert!(meets("52:54:00", "52:54:00:12:34:56") && meets("52:54:00", "52:54"));
        assert!(!meets("52:54:00", "52:54:01:12:34:56"));
    }
}
