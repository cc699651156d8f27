//! Sets of option numbers.

/// A set of option numbers: a bit for each, so that to ask, to join and to take away is one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codes([u64; 4]);

#[allow(clippy::indexing_slicing, reason = "the upper two bits of an octet are an index into four")]
impl Codes {
    /// None.
    pub const NONE: Self = Self([0; 4]);

    /// These.
    pub const fn of(codes: &[u8]) -> Self {
        let (mut set, mut rest) = (Self::NONE, codes);
        while let [first, behind @ ..] = rest {
            set.insert(*first);
            rest = behind;
        }
        set
    }

    /// Is it one of them?
    pub const fn contains(&self, code: u8) -> bool {
        self.0[(code >> 6) as usize] >> (code & 63) & 1 == 1
    }

    /// One more; `false` if it was there.
    pub const fn insert(&mut self, code: u8) -> bool {
        let is_new = !self.contains(code);
        self.0[(code >> 6) as usize] |= 1 << (code & 63);
        is_new
    }

    /// Is it to be one of them?
    pub const fn set(&mut self, code: u8, is_one: bool) {
        let word = &mut self.0[(code >> 6) as usize];
        *word = *word & !(1 << (code & 63)) | (is_one as u64) << (code & 63);
    }

    /// These and `others`.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, others.0);
        Self([a | e, b | f, c | g, d | h])
    }

    /// These, but for `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, others.0);
        Self([a & !e, b & !f, c & !g, d & !h])
    }

    /// In the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        let all = (!self.is_empty()).then_some(0..=u8::MAX);
        all.into_iter().flatten().filter(move |code| self.contains(*code))
    }

    /// None at all?
    pub const fn is_empty(&self) -> bool {
        matches!(self.0, [0, 0, 0, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_there_until_it_is_taken_out() {
        let mut codes = Codes::of(&[0, 63, 64, 255]);
        assert!(!codes.insert(255) && codes.insert(254));
        codes.set(63, false);
        codes.set(64, true);
        assert_eq!(codes.iter().collect::<Vec<u8>>(), [0, 64, 254, 255]);
        let rest = codes.without(Codes::of(&[64, 1]));
        assert_eq!(rest.iter().collect::<Vec<u8>>(), [0, 254, 255]);
        assert!(Codes::NONE.is_empty() && !rest.is_empty());
    }
}
