//! Buffers of messages that have left.

use std::cell::RefCell;

use crate::limits;

/// Buffers to write the next messages into. Which one a message stands in changes nothing that is to
/// be seen, so that a plan may take one.
#[derive(Clone, Debug, Default)]
pub struct Spare(RefCell<Vec<Vec<u8>>>);

impl Spare {
    /// One of them, or a new one.
    pub fn take(&self) -> Vec<u8> {
        let spare = self.0.try_borrow_mut().ok();
        spare.and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    /// A message has left.
    pub fn give(&mut self, message: Vec<u8>) {
        let spare = self.0.get_mut();
        if spare.len() < limits::SPARE_BUFFERS_MAX {
            spare.push(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_left_is_used_again_up_to_a_number() {
        let mut spare = Spare::default();
        (0..=limits::SPARE_BUFFERS_MAX).for_each(|_| spare.give(Vec::with_capacity(576)));
        let taken = (0..=limits::SPARE_BUFFERS_MAX).map(|_| spare.take().capacity());
        assert_eq!(taken.filter(|capacity| *capacity >= 576).count(), limits::SPARE_BUFFERS_MAX);
    }
}
