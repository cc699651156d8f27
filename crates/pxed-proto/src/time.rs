//! Time as an argument.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A point in time: milliseconds since the Unix epoch, as the driver's steady clock counts them.
///
/// The driver reads the wall clock once at start and adds what a monotonic clock says has passed,
/// so within one run time never jumps, whatever happens to the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch: the value of a field that was never set.
    pub const EPOCH: Self = Self(0);
    /// Later than everything: the end of an infinite lease (RFC 2131 section 3.3).
    pub const FOREVER: Self = Self(u64::MAX);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long it is from `earlier` to `self`; zero if `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at [`Timestamp::FOREVER`].
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A duration as people write it: `1h`, `90s`, `2d 3h`, `infinite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Human(pub Duration);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds >= u64::from(u32::MAX) {
            return f.write_str("infinite");
        }
        if seconds == 0 {
            return write!(f, "{}ms", self.0.as_millis());
        }
        let parts = [(seconds / 86400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m")];
        let mut separator = "";
        for (count, unit) in parts.into_iter().chain([(seconds % 60, "s")]) {
            if count > 0 {
                write!(f, "{separator}{count}{unit}")?;
                separator = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (seconds, text) in [
            (1, "1s"),
            (60, "1m"),
            (3600, "1h"),
            (93784, "1d 2h 3m 4s"),
            (u64::from(u32::MAX), "infinite"),
        ] {
            assert_eq!(Human(Duration::from_secs(seconds)).to_string(), text);
        }
        assert_eq!(Human(Duration::from_millis(250)).to_string(), "250ms");
    }

    #[test]
    fn time_saturates() {
        assert_eq!(Timestamp::FOREVER + Duration::from_secs(1), Timestamp::FOREVER);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::FOREVER), Duration::ZERO);
    }
}
