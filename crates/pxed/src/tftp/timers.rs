//! When to look at what again: one time for each, which is only moved when it comes too late.

use std::collections::BTreeSet;

use pxed_proto::Timestamp;

use super::ids::IdMap;

/// The times.
#[derive(Debug, Default)]
pub struct Timers {
    in_order: BTreeSet<(Timestamp, u64)>,
    of: IdMap<u64, Timestamp>,
}

impl Timers {
    /// `id` comes up at `time`, or before. Most deadlines are moved away by an answer, again and
    /// again: that costs nothing but another look at the old time.
    pub fn no_later_than(&mut self, id: u64, time: Timestamp) {
        match self.of.get(&id) {
            Some(set) if *set <= time => return,
            _ => self.forget(id),
        }
        self.in_order.insert((time, id));
        self.of.insert(id, time);
    }

    /// `id` does not come up.
    pub fn forget(&mut self, id: u64) {
        if let Some(time) = self.of.remove(&id) {
            self.in_order.remove(&(time, id));
        }
    }

    /// The next that comes up by now, which has no time afterwards.
    pub fn take_due(&mut self, now: Timestamp) -> Option<u64> {
        let (_, id) = *self.in_order.first().filter(|(time, _)| *time <= now)?;
        self.forget(id);
        Some(id)
    }

    /// When the next comes up.
    pub fn next(&self) -> Option<Timestamp> {
        self.in_order.first().map(|(time, _)| *time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_up_in_order_and_only_move_forward() {
        let at = Timestamp::from_millis;
        let mut timers = Timers::default();
        for (id, time) in [(1, 50), (2, 30), (3, 40), (1, 60), (2, 20), (4, 10)] {
            timers.no_later_than(id, at(time));
        }
        timers.forget(4);
        assert_eq!((timers.next(), timers.take_due(at(19))), (Some(at(20)), None));
        let due: Vec<u64> = std::iter::from_fn(|| timers.take_due(at(45))).collect();
        assert_eq!((due, timers.next()), (vec![2, 3], Some(at(50))));
        assert_eq!((timers.take_due(at(50)), timers.next()), (Some(1), None));
        assert!(timers.of.is_empty());
    }
}
