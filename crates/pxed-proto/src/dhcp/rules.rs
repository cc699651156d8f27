//! Which classes and groups a client belongs to, found by what their members have to show. Made once
//! for each configuration, so that a datagram costs about the same among hundreds as among three.
//!
//! A test that asks for an architecture, for octets that something begins with, or for a group can
//! only be passed by who shows that. So its class is kept under the sign that the fewest clients show,
//! and looked at for those alone; only what says no more than what a client is not is looked at always.

mod beginnings;
mod sign;

use std::collections::BTreeMap;

use self::beginnings::Beginnings;
use self::sign::{Aspect, signs};
use super::class::{Class, Facts};
use super::policy::{Group, Policy, Reservation};
use crate::Few;
use crate::machine::Machine;

/// The classes and groups of a policy, by their places in it.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Classes whose members show one of these.
    by_sign: Vec<(Aspect, Beginnings)>,
    /// Classes that anybody may belong to.
    others: Vec<u32>,
    /// Groups by their members' MACs.
    members: Beginnings,
    /// Groups by their names.
    groups: BTreeMap<String, Vec<u32>>,
}

impl Rules {
    /// Those of `policy`; they are asked with no other.
    pub fn of(policy: &Policy) -> Self {
        let mut by_sign = BTreeMap::<Aspect, BTreeMap<Vec<u8>, Vec<u32>>>::new();
        let mut others = Vec::new();
        for (place, class) in (0..).zip(&policy.classes) {
            let Some(signs) = signs(&class.test) else {
                others.push(place);
                continue;
            };
            for sign in signs {
                let of_aspect = by_sign.entry(sign.aspect).or_default();
                of_aspect.entry(sign.begins).or_default().push(place);
            }
        }
        let mut members = BTreeMap::<Vec<u8>, Vec<u32>>::new();
        let mut groups = BTreeMap::<String, Vec<u32>>::new();
        for (place, group) in (0..).zip(&policy.groups) {
            groups.entry(group.name.clone()).or_default().push(place);
            for member in &group.members {
                members.entry(member.octets().to_vec()).or_default().push(place);
            }
        }
        let by_sign = by_sign.into_iter().map(|(aspect, all)| (aspect, Beginnings::new(all)));
        Self { by_sign: by_sign.collect(), others, members: Beginnings::new(members), groups }
    }

    /// The classes whose test the client passes, in the order of the file.
    pub fn classes<'a>(&self, policy: &'a Policy, facts: &Facts<'_>) -> Few<&'a Class> {
        let mut places = Few::None;
        let mut look_at = |place: u32| {
            let class = policy.classes.get(place as usize);
            if class.is_some_and(|class| class.test.passes(facts)) {
                places.push(place);
            }
        };
        self.others.iter().copied().for_each(&mut look_at);
        for (aspect, beginnings) in &self.by_sign {
            aspect.show(facts, |octets| beginnings.of(octets).for_each(&mut look_at));
        }
        in_order(places, &policy.classes)
    }

    /// The groups that a machine is a member of, by its MAC or its reservation, in the order of the
    /// file.
    pub fn groups<'a>(
        &self,
        policy: &'a Policy,
        machine: &Machine,
        reservation: Option<&Reservation>,
    ) -> Few<&'a Group> {
        let named = reservation.and_then(|reservation| reservation.group.as_deref());
        let mut places: Few<u32> =
            named.and_then(|name| self.groups.get(name)).into_iter().flatten().copied().collect();
        if let Some(mac) = machine.mac() {
            places.extend(self.members.of(&mac.0));
        }
        in_order(places, &policy.groups)
    }
}

/// What stands at these places, each once.
fn in_order<T>(mut places: Few<u32>, all: &[T]) -> Few<&T> {
    if places.is_empty() {
        return Few::None;
    }
    places.sort_and_dedup();
    places.into_iter().filter_map(|place| all.get(place as usize)).collect()
}

#[cfg(test)]
mod tests;
