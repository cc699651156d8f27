//! Addresses whose owners are told anew, pools or subnets: which of them change hands.

use std::net::Ipv4Addr;

use crate::net::AddressRange;

/// Addresses side by side that had one owner, and have one; each by its place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The addresses.
    pub range: AddressRange,
    /// Whose they were.
    pub before: Option<usize>,
    /// Whose they are.
    pub after: Option<usize>,
}

/// All addresses from the lowest border on, in ascending order. A border is the first address that an
/// owner has, or the first that it has no more.
pub fn parts(
    borders: impl IntoIterator<Item = Ipv4Addr>,
    before: impl Fn(Ipv4Addr) -> Option<usize>,
    after: impl Fn(Ipv4Addr) -> Option<usize>,
) -> Vec<Part> {
    let mut borders: Vec<Ipv4Addr> = borders.into_iter().collect();
    borders.sort_unstable();
    borders.dedup();
    let next = borders.iter().skip(1);
    let ends = next.map(|next| Ipv4Addr::from_bits(next.to_bits().saturating_sub(1)));
    let ranges = borders.iter().zip(ends.chain([Ipv4Addr::BROADCAST]));
    let ranges = ranges.filter_map(|(first, last)| AddressRange::new(*first, last));
    let part = |range: AddressRange| {
        let first = range.first();
        Part { range, before: before(first), after: after(first) }
    };
    ranges.map(part).collect()
}

/// The borders of a range.
pub fn borders(range: AddressRange) -> impl Iterator<Item = Ipv4Addr> {
    let behind = range.last().to_bits().checked_add(1).map(Ipv4Addr::from_bits);
    [range.first()].into_iter().chain(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u32, last: u32) -> AddressRange {
        AddressRange::new(Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last)).unwrap()
    }

    /// Every address is in one part, with the owners that it has.
    #[test]
    fn they_are_all_addresses_from_the_first_border_on() {
        let before = [range(10, 19), range(20, 29), range(u32::MAX, u32::MAX)];
        let after = [range(15, 24), range(0, 0), range(u32::MAX - 3, u32::MAX)];
        let owner = |ranges: &[AddressRange; 3], at| ranges.iter().position(|r| r.contains(at));
        let (was, is) = (|at| owner(&before, at), |at| owner(&after, at));
        let all = parts(before.into_iter().chain(after).flat_map(borders), was, is);
        let firsts: Vec<u32> = all.iter().map(|part| part.range.first().to_bits()).collect();
        assert_eq!(firsts, [0, 1, 10, 15, 20, 25, 30, u32::MAX - 3, u32::MAX]);
        for (part, next) in all.iter().zip(all.iter().skip(1)) {
            assert_eq!(part.range.last().to_bits() + 1, next.range.first().to_bits());
        }
        assert_eq!(all.last().map(|part| part.range.last()), Some(Ipv4Addr::BROADCAST));
        for part in all {
            for at in [part.range.first(), part.range.last()] {
                assert_eq!((part.before, part.after), (was(at), is(at)), "{at}");
            }
        }
    }
}
