//! The time of day, steadied, and how it is written.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pxed_proto::Timestamp;

/// Reads the wall clock once and counts on from there, so that a wall clock that is set forwards
/// or back while pxed runs neither expires leases nor revives them.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started_at: Timestamp,
    started: Instant,
}

impl Clock {
    /// Starts counting.
    pub fn start() -> Self {
        Self { started_at: wall_clock(), started: Instant::now() }
    }

    /// Time goes on from `seen`, if it has been that late already; and how far the wall clock is
    /// behind then: it was set back, or starts anew whenever the machine does.
    pub fn not_before(self, seen: Timestamp) -> (Self, Option<Duration>) {
        let behind = seen.since(self.now());
        let started_at = self.started_at + behind;
        (Self { started_at, ..self }, (!behind.is_zero()).then_some(behind))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.started_at + self.uptime()
    }

    /// When it started.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// How long ago it started.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// What the wall clock says: for log lines, which stand beside those of other programs.
pub fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::EPOCH + since_epoch
}

/// A time as RFC 3339 has it, in UTC: `2026-11-22T22:15:18.042Z`.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339(pub Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let (days, seconds) = (millis / 86_400_000, millis / 1000 % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        write!(f, ".{:03}Z", millis % 1000)
    }
}

/// Year, month and day of a number of days since 1970 (Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms", `civil_from_days`): years begin in March, so that the leap day is the last.
fn civil(days: u64) -> (u64, u64, u64) {
    let since_0000_03_01 = days + 719_468;
    let (era, day_of_era) = (since_0000_03_01 / 146_097, since_0000_03_01 % 146_097);
    let leap_days = day_of_era / 1460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the wall clock says while pxed runs is asked for no lease: this clock is decades off it.
    #[test]
    fn item_128_the_clock_of_leases_counts_on_from_its_start() {
        let started_at = Timestamp::from_millis(86_400_000);
        let clock = Clock { started_at, started: Instant::now() };
        for _ in 0..100 {
            let (now, uptime) = (clock.now(), clock.uptime());
            assert!(now >= started_at && now <= started_at + uptime, "{now:?}");
        }
    }

    /// A machine whose clock begins in 1970, and one whose clock was set back.
    #[test]
    fn item_128_time_does_not_go_back_behind_what_was_seen() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let clock = Clock { started_at: at(100), started: Instant::now() };
        let (later, behind) = clock.not_before(at(86_500));
        assert!(later.now() >= at(86_500) && later.started_at() <= at(86_500));
        assert!(behind.is_some_and(|behind| behind <= Duration::from_secs(86_400)));
        let (same, behind) = clock.not_before(at(99));
        assert_eq!((same.started_at(), behind), (at(100), None));
    }

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (951_868_800, "2000-03-01T00:00:00.007Z"),
            (1_735_689_599, "2024-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            assert_eq!(Rfc3339(Timestamp::from_millis(seconds * 1000 + 7)).to_string(), text);
        }
    }
}
