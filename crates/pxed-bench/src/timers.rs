//! Timers: a queue for each delay. What is set with the same delay ends in the order in which it was
//! set, so nothing has to be sorted.

use std::collections::VecDeque;

/// A machine that has waited long enough, unless it has gone on since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    pub(crate) ends: u64,
    pub(crate) machine: u32,
    /// The machine's count of messages when the timer was set.
    pub(crate) sent: u16,
}

/// All timers of a run.
#[derive(Debug)]
pub(crate) struct Timers {
    /// A delay in nanoseconds, and who waits for it.
    queues: Vec<(u64, VecDeque<Timer>)>,
}

impl Timers {
    /// The n-th wait of a machine is the n-th delay.
    pub(crate) fn new(delays: &[u64]) -> Self {
        Self { queues: delays.iter().map(|&delay| (delay, VecDeque::new())).collect() }
    }

    /// Sets the timer of the wait number `attempt`.
    pub(crate) fn set(&mut self, attempt: usize, now: u64, machine: u32, sent: u16) {
        if let Some((delay, queue)) = self.queues.get_mut(attempt) {
            queue.push_back(Timer { ends: now.saturating_add(*delay), machine, sent });
        }
    }

    /// A timer that has ended by now.
    pub(crate) fn ended(&mut self, now: u64) -> Option<Timer> {
        self.queues.iter_mut().find_map(|(_, queue)| queue.pop_front_if(|timer| timer.ends <= now))
    }

    /// When the next one ends.
    pub(crate) fn next(&self) -> Option<u64> {
        self.queues.iter().filter_map(|(_, queue)| queue.front()).map(|timer| timer.ends).min()
    }

    /// How many waits there are before a machine gives up.
    pub(crate) fn attempts(&self) -> usize {
        self.queues.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_end_in_their_queue_s_order_and_not_before() {
        let mut timers = Timers::new(&[4, 8]);
        timers.set(1, 0, 10, 1);
        timers.set(0, 1, 11, 1);
        timers.set(0, 2, 12, 1);
        timers.set(2, 0, 13, 1);
        assert_eq!(timers.next(), Some(5));
        assert_eq!(timers.ended(4), None);
        let ended: Vec<u32> = std::iter::from_fn(|| timers.ended(8)).map(|t| t.machine).collect();
        assert_eq!(ended, [11, 12, 10]);
        assert_eq!((timers.next(), timers.attempts()), (None, 2));
    }
}
