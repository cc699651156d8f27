//! The time of day, steadied.

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
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { started_at: Timestamp::EPOCH + since_epoch, started: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.started_at + self.started.elapsed()
    }
}
