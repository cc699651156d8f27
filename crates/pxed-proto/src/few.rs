//! A list that nearly always has one entry at the most, and needs no allocation then.

use std::ops::Deref;

/// None, one, or, rarely, more. As a slice it reads like a `Vec`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Few<T> {
    /// Nothing.
    #[default]
    None,
    /// One entry.
    One(T),
    /// More than one.
    More(Vec<T>),
}

impl<T> Few<T> {
    /// Puts one more at the end.
    pub fn push(&mut self, last: T) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(last),
            Self::One(first) => Self::More(vec![first, last]),
            Self::More(mut all) => {
                all.push(last);
                Self::More(all)
            }
        };
    }
}

impl<T: Ord> Few<T> {
    /// In ascending order, each once.
    pub fn sort_and_dedup(&mut self) {
        if let Self::More(all) = self {
            all.sort_unstable();
            all.dedup();
        }
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::More(all) => all,
        }
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        more.into_iter().for_each(|one| self.push(one));
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut few = Self::None;
        few.extend(all);
        few
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, more) = match self {
            Self::None => (None, Vec::new()),
            Self::One(one) => (Some(one), Vec::new()),
            Self::More(all) => (None, all),
        };
        one.into_iter().chain(more)
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_a_list() {
        for count in 0..4 {
            let all: Vec<i32> = (0..count).collect();
            let few: Few<i32> = all.iter().copied().collect();
            assert_eq!(&few[..], &all[..]);
            let mut doubled: Few<i32> = all.iter().rev().chain(&all).copied().collect();
            doubled.sort_and_dedup();
            assert_eq!(&doubled[..], &all[..]);
            assert_eq!(few.into_iter().collect::<Vec<i32>>(), all);
        }
    }
}
