//! What is going to happen, in the order of virtual time.

use std::collections::BTreeMap;

use pxed_proto::Timestamp;

/// Things to come. What is due at the same time comes in the order in which it was put in.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    things: BTreeMap<(Timestamp, u64), T>,
    count: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { things: BTreeMap::new(), count: 0 }
    }
}

impl<T> Queue<T> {
    /// Puts a thing in.
    pub fn push(&mut self, at: Timestamp, thing: T) {
        self.count += 1;
        self.things.insert((at, self.count), thing);
    }

    /// When the next thing is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.things.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next thing out.
    pub fn pop(&mut self) -> Option<T> {
        self.things.pop_first().map(|(_, thing)| thing)
    }
}
