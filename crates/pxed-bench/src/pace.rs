//! When exchanges begin.

/// Nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// What decides when an exchange begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many a second, evenly, whatever the server does: open loop.
    Rate(u32),
    /// As soon as one of so many that are under way has come to its end: closed loop.
    InFlight(u32),
    /// All at once.
    Avalanche,
    /// Each machine when [`crate::Engine::call`] says so; [`crate::Engine::ended`] says what came of it.
    Called,
}

impl Pace {
    /// When the exchange number `count` is to begin, if that is known while `under_way` are.
    pub(crate) fn due(self, count: u64, under_way: u64, now: u64) -> Option<u64> {
        match self {
            // In 128 bits: the product of a long run is more than 64 hold.
            Self::Rate(rate) => {
                let nanoseconds = u128::from(count) * u128::from(SECOND) / u128::from(rate.max(1));
                u64::try_from(nanoseconds).ok()
            }
            Self::InFlight(bound) => (under_way < u64::from(bound)).then_some(now),
            Self::Avalanche => Some(0),
            Self::Called => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_without_drift() {
        assert_eq!(Pace::Rate(3).due(0, 9, 7), Some(0));
        assert_eq!(Pace::Rate(3).due(30_000_000_000, 0, 0), Some(10_000_000_000 * SECOND));
    }

    #[test]
    fn as_fast_as_answered_is_bounded() {
        assert_eq!(Pace::InFlight(2).due(5, 1, 7), Some(7));
        assert_eq!(Pace::InFlight(2).due(5, 2, 7), None);
    }
}
