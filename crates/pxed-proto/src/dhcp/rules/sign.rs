//! What the members of a class have to show.

use std::cmp::Reverse;

use crate::dhcp::class::{Facts, FirmwareKind, Test};
use crate::dhcp::relay::RelaySubOption;
use crate::machine::Architecture;

/// What is looked at of a client. In this order: what fewer clients share comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// What its relay agent says of it.
    Agent(RelaySubOption),
    Mac,
    /// The name of a group.
    Group,
    Relay,
    Option(u8),
    Architecture,
    Firmware,
}

/// Octets with which what is looked at begins, if it is there.
#[derive(Clone, Debug)]
pub struct Sign {
    pub aspect: Aspect,
    pub begins: Vec<u8>,
}

impl Aspect {
    /// Has `see` look at what there is of it.
    pub fn show(self, facts: &Facts<'_>, mut see: impl FnMut(&[u8])) {
        match self {
            Self::Agent(code) => {
                facts.relay.and_then(|relay| relay.sub_option(code)).into_iter().for_each(see);
            }
            Self::Mac => facts.machine.mac().into_iter().for_each(|mac| see(&mac.0)),
            Self::Group => facts.groups.iter().for_each(|group| see(group.name.as_bytes())),
            Self::Relay => facts.relay.into_iter().for_each(|it| see(&it.address.octets())),
            Self::Option(code) => {
                facts.message.option(code).into_iter().for_each(|value| see(&value));
            }
            Self::Architecture => {
                let architecture = facts.firmware.architecture();
                architecture.into_iter().for_each(|it| see(&it.0.to_be_bytes()));
            }
            Self::Firmware => see(&[FirmwareKind::of(facts.firmware) as u8]),
        }
    }
}

impl Sign {
    /// The less, the fewer clients show it.
    fn commonness(&self) -> (bool, Aspect, Reverse<usize>) {
        (self.begins.is_empty(), self.aspect, Reverse(self.begins.len()))
    }
}

/// Who passes the test shows one of these; `None` if it may be anybody.
pub fn signs(test: &Test) -> Option<Vec<Sign>> {
    let one = |aspect, begins: &[u8]| Some(vec![Sign { aspect, begins: begins.to_vec() }]);
    match test {
        // Each of them has to be shown: what the fewest show is enough to look for.
        Test::All(tests) => tests
            .iter()
            .filter_map(signs)
            .min_by_key(|signs| signs.iter().map(Sign::commonness).max()),
        Test::Any(tests) => {
            tests.iter().map(signs).collect::<Option<Vec<_>>>().map(|all| all.concat())
        }
        Test::Not(_) => None,
        Test::Architecture(known) => {
            let begins = known.iter().map(|Architecture(number)| number.to_be_bytes().to_vec());
            Some(begins.map(|begins| Sign { aspect: Aspect::Architecture, begins }).collect())
        }
        Test::Firmware(kind) => one(Aspect::Firmware, &[*kind as u8]),
        Test::Mac(pattern) => one(Aspect::Mac, pattern.octets()),
        Test::OptionPresent(code) => one(Aspect::Option(*code), &[]),
        Test::OptionIs(code, value) => one(Aspect::Option(*code), value),
        Test::OptionLike(code, form) => one(Aspect::Option(*code), form.prefix()),
        Test::Relay(giaddr) => one(Aspect::Relay, &giaddr.octets()),
        Test::RelayAgent(code, form) => one(Aspect::Agent(*code), form.prefix()),
        Test::Group(name) => one(Aspect::Group, name.as_bytes()),
    }
}
