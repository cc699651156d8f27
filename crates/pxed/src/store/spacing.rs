//! How soon a group follows the one before.

use std::time::{Duration, Instant};

use pxed_proto::limits::{STORE_AT_ONCE as AT_ONCE, STORE_SPACING as EVERY};

/// Counts groups, by the time when the next would begin if all kept their distance (GCRA).
#[derive(Debug)]
pub struct Spacing {
    due: Instant,
}

impl Spacing {
    /// Nothing was written yet.
    pub fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// A group is there. How long it waits for others.
    pub fn wait(&mut self, now: Instant) -> Duration {
        let due = self.due.max(now);
        self.due = due + EVERY;
        (due - now).saturating_sub(EVERY * (AT_ONCE - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_written_at_once_and_many_keep_their_distance() {
        let began = Instant::now();
        let mut spacing = Spacing::new(began);
        let waits: Vec<_> = (0..AT_ONCE + 2).map(|_| spacing.wait(began)).collect();
        let (at_once, later) = waits.split_at(AT_ONCE as usize);
        assert!(at_once.iter().all(Duration::is_zero), "{waits:?}");
        assert_eq!(later, [EVERY, EVERY * 2]);
        // Who comes as seldom as that never waits.
        let mut now = began + EVERY * 10;
        for _ in 0..100 {
            assert_eq!(spacing.wait(now), Duration::ZERO);
            now += EVERY;
        }
        // Time in which nothing came is not saved up.
        let waited = |_| spacing.wait(now + EVERY * 1000) > Duration::ZERO;
        assert_eq!((0..100).map(waited).filter(|waited| *waited).count(), 100 - AT_ONCE as usize);
    }
}
