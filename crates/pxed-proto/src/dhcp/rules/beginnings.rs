//! Rules by the octets that something begins with.

use std::collections::BTreeMap;

/// Finds all of them that some octets begin with, in about as many steps as a tree of them is deep.
#[derive(Clone, Debug, Default)]
pub struct Beginnings(Vec<Beginning>);

#[derive(Clone, Debug)]
struct Beginning {
    octets: Vec<u8>,
    /// Those who ask for it.
    rules: Vec<u32>,
    /// The place of the longest other one that this one begins with.
    within: Option<usize>,
}

impl Beginnings {
    /// By the octets, rules by their places.
    pub fn new(all: BTreeMap<Vec<u8>, Vec<u32>>) -> Self {
        let mut ordered: Vec<Beginning> = Vec::with_capacity(all.len());
        for (octets, rules) in all {
            // In this order, what it begins with is the one before, or what that one begins with.
            let mut within = ordered.len().checked_sub(1);
            while let Some(other) = within.and_then(|place| ordered.get(place)) {
                if octets.starts_with(&other.octets) {
                    break;
                }
                within = other.within;
            }
            ordered.push(Beginning { octets, rules, within });
        }
        Self(ordered)
    }

    /// The rules that ask for what `octets` begin with.
    pub fn of(&self, octets: &[u8]) -> impl Iterator<Item = u32> {
        let behind = self.0.partition_point(|one| *one.octets <= *octets);
        let mut next = behind.checked_sub(1);
        let around = std::iter::from_fn(move || {
            let one = self.0.get(next?)?;
            next = one.within;
            Some(one)
        });
        let found = around.filter(|one| octets.starts_with(&one.octets));
        found.flat_map(|one| one.rules.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_it_begins_with_are_found() {
        let all = ["", "a", "ab", "abc", "abd", "b", "ba"];
        let rules = |text: &str| vec![u32::try_from(text.len()).unwrap(); text.len().min(2)];
        let beginnings =
            Beginnings::new(all.map(|text| (text.as_bytes().to_vec(), rules(text))).into());
        for (octets, found) in [
            ("", &[][..]),
            ("abce", &[3, 3, 2, 2, 1]),
            ("abe", &[2, 2, 1]),
            ("ac", &[1]),
            ("bb", &[1]),
            ("c", &[]),
        ] {
            assert_eq!(beginnings.of(octets.as_bytes()).collect::<Vec<_>>(), found, "{octets}");
        }
        assert_eq!(Beginnings::default().of(b"a").count(), 0);
    }
}
