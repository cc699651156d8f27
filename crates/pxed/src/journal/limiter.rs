//! The log has room for everybody: of what one peer can cause, and of what all of them can, so
//! many lines a minute are written. How many were not is one line.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use pxed_proto::limits::{LOG_LINES_OF_KIND, LOG_LINES_OF_SOURCE, LOG_SOURCES_MAX, LOG_WINDOW};
use pxed_proto::machine::HardwareAddress;

/// Who caused a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A DHCP client.
    Hardware(HardwareAddress),
    /// A TFTP or HTTP client.
    Host(IpAddr),
    /// Whoever it was.
    Anybody,
}

/// What a line says, and why, where there is a reason.
pub type What = (&'static str, &'static str);

type Key = (What, Source);

/// Counts lines, and says which may be written.
#[derive(Debug, Default)]
pub struct Limiter {
    sources: Windows,
    kinds: Windows,
    /// What is still to be told.
    over: Vec<Suppressed>,
}

/// Lines that were not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppressed {
    what: What,
    source: Source,
    lines: u64,
}

impl Limiter {
    /// May a line that says `what` about `source` be written?
    pub fn admits(&mut self, what: What, source: Source, now: Instant) -> bool {
        self.end_windows(now);
        let kind = (what, Source::Anybody);
        if self.kinds.count_beyond(&kind, LOG_LINES_OF_KIND) {
            return false;
        }
        if self.sources.ends.len() >= LOG_SOURCES_MAX {
            self.over.extend(self.sources.end_first());
        }
        self.sources.count((what, source), LOG_LINES_OF_SOURCE, now)
            && self.kinds.count(kind, LOG_LINES_OF_KIND, now)
    }

    /// The same for a warning, of which one is enough.
    pub fn admits_warning(&mut self, trouble: &'static str, now: Instant) -> bool {
        self.end_windows(now);
        self.kinds.count(((trouble, "warning"), Source::Anybody), 1, now)
    }

    /// What was not written in windows that are over; each is told once.
    pub fn over(&mut self, now: Instant) -> Vec<Suppressed> {
        self.end_windows(now);
        std::mem::take(&mut self.over)
    }

    /// The same of all windows, at the end.
    pub fn finish(&mut self) -> Vec<Suppressed> {
        for windows in [&mut self.sources, &mut self.kinds] {
            while !windows.ends.is_empty() {
                self.over.extend(windows.end_first());
            }
        }
        std::mem::take(&mut self.over)
    }

    fn end_windows(&mut self, now: Instant) {
        for windows in [&mut self.sources, &mut self.kinds] {
            while windows.ends.front().is_some_and(|(end, _)| *end <= now) {
                self.over.extend(windows.end_first());
            }
        }
    }
}

/// Lines counted by what they say. The keys are what peers send, so the map's hash has a key of its
/// own (`RandomState`).
#[derive(Debug, Default)]
struct Windows {
    lines: HashMap<Key, (u64, u64)>,
    /// When each ends, in this order: all are of one length.
    ends: VecDeque<(Instant, Key)>,
}

impl Windows {
    /// Counts a line that is none of the first `most`, if it is none.
    fn count_beyond(&mut self, key: &Key, most: u64) -> bool {
        match self.lines.get_mut(key) {
            Some((lines, _)) if *lines >= most => {
                *lines += 1;
                true
            }
            _ => false,
        }
    }

    /// Counts a line: is it one of the first `most`?
    fn count(&mut self, key: Key, most: u64, now: Instant) -> bool {
        let (lines, _) = self.lines.entry(key).or_insert_with(|| {
            self.ends.push_back((now + LOG_WINDOW, key));
            (0, most)
        });
        *lines += 1;
        *lines <= most
    }

    fn end_first(&mut self) -> Option<Suppressed> {
        let (_, key) = self.ends.pop_front()?;
        let (lines, most) = self.lines.remove(&key)?;
        let lines = lines.checked_sub(most).filter(|lines| *lines > 0)?;
        Some(Suppressed { what: key.0, source: key.1, lines })
    }
}

impl fmt::Display for Suppressed {
    /// `not logged, within a minute: 217 more lines of OFFER to 52:54:00:12:34:56`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what: (what, reason), source, lines } = self;
        write!(f, "not logged, within a minute: {lines} more lines of {what}")?;
        if !reason.is_empty() {
            write!(f, " ({reason})")?;
        }
        match source {
            Source::Hardware(hardware) => write!(f, " to {hardware}"),
            Source::Host(host) => write!(f, " to {host}"),
            Source::Anybody => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pxed_proto::net::Mac;

    use super::*;

    const OFFER: What = ("OFFER", "");

    fn machine(number: u32) -> Source {
        let [a, b, c, d] = number.to_be_bytes();
        Source::Hardware(Mac([2, 0, a, b, c, d]).into())
    }

    fn after(seconds: u64) -> Instant {
        static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *BEGIN.get_or_init(Instant::now) + Duration::from_secs(seconds)
    }

    fn admitted(limiter: &mut Limiter, count: u64, source: Source, now: Instant) -> usize {
        (0..count).filter(|_| limiter.admits(OFFER, source, now)).count()
    }

    fn text(suppressed: &[Suppressed]) -> Vec<String> {
        suppressed.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_source_has_a_hundred_lines_a_minute_and_the_rest_is_counted() {
        let mut limiter = Limiter::default();
        assert_eq!(admitted(&mut limiter, 1000, machine(1), after(0)), 100);
        assert_eq!(admitted(&mut limiter, 10, machine(2), after(1)), 10, "another source");
        assert!(limiter.admits(("NAK", "in-use"), machine(1), after(1)), "another kind");
        assert_eq!(limiter.over(after(59)), []);
        let told = limiter.over(after(60));
        let line = "not logged, within a minute: 900 more lines of OFFER to 02:00:00:00:00:01";
        assert_eq!(text(&told), [line]);
        assert_eq!(limiter.over(after(60)), [], "once");
        assert_eq!(admitted(&mut limiter, 1000, machine(1), after(60)), 100, "and again");
    }

    #[test]
    fn a_thousand_machines_that_boot_are_heard_and_a_flood_is_not() {
        let mut limiter = Limiter::default();
        for number in 0..1000 {
            assert_eq!(admitted(&mut limiter, 4, machine(number), after(0)), 4);
        }
        let flood = (0..600_000u32).filter(|number| {
            let now = after(u64::from(number / 10_000));
            limiter.admits(OFFER, machine(1_000_000 + number), now)
        });
        assert_eq!(flood.count() as u64, LOG_LINES_OF_KIND - 4000);
        assert!(limiter.sources.lines.len() <= LOG_SOURCES_MAX);
        assert_eq!(limiter.sources.lines.len(), limiter.sources.ends.len());
        let told: u64 = limiter.finish().iter().map(|suppressed| suppressed.lines).sum();
        assert_eq!(told, 600_000 + 4000 - LOG_LINES_OF_KIND, "every line is written or counted");
    }

    #[test]
    fn a_window_that_gives_way_is_told_of() {
        let mut limiter = Limiter::default();
        admitted(&mut limiter, 105, machine(0), after(0));
        for number in 1..=u32::try_from(LOG_SOURCES_MAX).unwrap() {
            limiter.admits(OFFER, machine(number), after(1));
        }
        let told = limiter.over(after(1));
        assert!(told.contains(&Suppressed { what: OFFER, source: machine(0), lines: 5 }));
    }

    #[test]
    fn a_warning_is_written_once_a_minute() {
        let mut limiter = Limiter::default();
        let warned = [0, 1, 59, 60].map(|at| limiter.admits_warning("the pool", after(at)));
        assert_eq!(warned, [true, false, false, true]);
        let told = text(&limiter.over(after(60)));
        assert!(limiter.admits(("the pool", ""), machine(1), after(60)), "a line is no warning");
        assert_eq!(told, ["not logged, within a minute: 2 more lines of the pool (warning)"]);
    }
}
