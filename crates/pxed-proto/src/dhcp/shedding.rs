//! Which share of DISCOVERs the kernel is told to drop: to read a datagram only to drop it costs most of
//! answering it, so where far more come than can be answered, they must not be read.

use std::time::Duration;

use super::backlog::Shed;
use crate::Timestamp;
use crate::wire::dhcp::MessageType;
use crate::wire::glance::Kind;

/// What the kernel drops.
const DISCOVER: Kind = Kind::Message(MessageType::Discover);

/// How often the share is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// More is dropped after reading than one in so many: that is too much.
const TOO_MANY: u64 = 4;

/// Less is dropped than one in so many: that is calm. Between the two the share stays as it is.
const CALM: u64 = 16;

/// How many intervals in a row have to be calm before more is let through.
const CALM_INTERVALS: u32 = 4;

/// So much of what can be answered is let through and a little more, that there is always one to choose.
const SPARE_PERCENT: u64 = 115;

/// The least that is let through, of [`Share::ALL`]: one in 64. Nobody is kept out for ever.
const LEAST: u32 = Share::ALL.0 / 64;

/// Which share of DISCOVERs is let through, of 65536.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// All of them.
    pub const ALL: Self = Self(1 << 16);

    /// A number below which a random one of 16 bits lets a DISCOVER through; `None`: all pass.
    pub fn threshold(self) -> Option<u16> {
        u16::try_from(self.0).ok()
    }
}

/// Sets the share by what comes in and what of it is dropped, with hysteresis.
#[derive(Debug)]
pub struct Shedding {
    share: Share,
    /// Of this interval: what came in.
    heard: u64,
    /// What of that was dropped.
    shed: u64,
    ends: Timestamp,
    calm: u32,
    was_too_much: bool,
    dropped: u64,
}

impl Default for Shedding {
    fn default() -> Self {
        Self {
            share: Share::ALL,
            heard: 0,
            shed: 0,
            ends: Timestamp::EPOCH,
            calm: 0,
            was_too_much: false,
            dropped: 0,
        }
    }
}

impl Shedding {
    /// A datagram was read.
    pub fn heard(&mut self, kind: Kind) {
        self.heard += u64::from(kind == DISCOVER);
    }

    /// One was dropped after it was read.
    pub fn shed(&mut self, shed: &Shed) {
        self.shed += u64::from(shed.kind == DISCOVER);
    }

    /// The share that is in force.
    pub fn share(&self) -> Share {
        self.share
    }

    /// About how many the kernel has dropped: it does not count them, so this is by the share and by what
    /// came through.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When [`Self::adjust`] has something to do: only while the kernel drops some.
    pub fn next_due(&self) -> Option<Timestamp> {
        (self.share != Share::ALL).then_some(self.ends)
    }

    /// Another share, where it is to be another one from now on.
    pub fn adjust(&mut self, now: Timestamp) -> Option<Share> {
        if now < self.ends {
            return None;
        }
        let (heard, shed) = (std::mem::take(&mut self.heard), std::mem::take(&mut self.shed));
        self.ends = now + INTERVAL;
        let Share(share) = self.share;
        self.dropped += heard * u64::from(Share::ALL.0 - share) / u64::from(share);
        let is_too_much = shed * TOO_MANY > heard;
        self.calm = if shed * CALM > heard { 0 } else { self.calm + 1 };
        let next = if is_too_much && self.was_too_much {
            let answered = heard.saturating_sub(shed);
            scaled(share, answered * SPARE_PERCENT, heard * 100)
        } else if self.calm >= CALM_INTERVALS {
            scaled(share, 5, 4)
        } else {
            share
        };
        self.was_too_much = is_too_much;
        let next = Share(next.clamp(LEAST, Share::ALL.0));
        let changed = next != self.share;
        self.share = next;
        changed.then_some(next)
    }
}

fn scaled(share: u32, by: u64, of: u64) -> u32 {
    let scaled = (u64::from(share) * by).div_ceil(of.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::Ignored;

    const SHED: Shed = Shed { kind: DISCOVER, reason: Ignored::Overload };

    /// A server that answers so many in an interval, of so many that come.
    struct Bench {
        shedding: Shedding,
        share: Share,
        now: Timestamp,
        carry: u64,
    }

    impl Bench {
        fn new() -> Self {
            let (shedding, share) = (Shedding::default(), Share::ALL);
            Self { shedding, share, now: Timestamp::from_millis(1000), carry: 0 }
        }

        /// What was read in it.
        fn interval(&mut self, come: u64, can: u64) -> u64 {
            let parts = come * u64::from(self.share.0) + self.carry;
            let (read, carry) = (parts >> 16, parts & 0xffff);
            self.carry = carry;
            (0..read).for_each(|_| self.shedding.heard(DISCOVER));
            (can..read).for_each(|_| self.shedding.shed(&SHED));
            self.now = self.now + INTERVAL;
            self.share = self.shedding.adjust(self.now).unwrap_or(self.share);
            read
        }
    }

    #[test]
    fn item_132_nothing_is_dropped_in_the_kernel_while_most_is_answered() {
        let mut bench = Bench::new();
        for (come, can) in [(0, 1000), (10, 1000), (1000, 1000), (1250, 1000), (1250, 1000)] {
            bench.interval(come, can);
            assert_eq!(bench.share, Share::ALL);
        }
        assert_eq!((bench.shedding.next_due(), bench.shedding.dropped()), (None, 0));
        bench.interval(9000, 1000);
        assert_eq!(bench.share, Share::ALL, "a gust is none");
        bench.interval(500, 1000);
        bench.interval(9000, 1000);
        assert_eq!(bench.share, Share::ALL);
    }

    #[test]
    fn item_132_of_four_times_too_many_a_little_more_is_read_than_can_be_answered() {
        let mut bench = Bench::new();
        let read: Vec<u64> = (0..200).map(|_| bench.interval(4000, 1000)).collect();
        assert_eq!(read[..2], [4000, 4000]);
        assert!(read[4..].iter().all(|read| (1000..=1400).contains(read)), "{read:?}");
        let (come, read) = (200 * 4000, read.iter().sum::<u64>());
        let told = bench.shedding.dropped();
        assert!(told.abs_diff(come - read) < come / 100, "{told} of {}", come - read);
    }

    #[test]
    fn item_132_it_ends_when_it_is_calm() {
        let mut bench = Bench::new();
        (0..100).for_each(|_| _ = bench.interval(20_000, 1000));
        assert!(bench.share < Share(Share::ALL.0 / 16));
        assert!(bench.shedding.next_due().is_some());
        let until_calm = (0..1000).position(|_| {
            bench.interval(500, 1000);
            bench.share == Share::ALL
        });
        assert!((10..25).contains(&until_calm.unwrap()), "{until_calm:?}");
        assert_eq!((bench.shedding.next_due(), bench.share.threshold()), (None, None));
    }

    #[test]
    fn only_discovers_count() {
        let mut bench = Bench::new();
        for _ in 0..2 {
            let kind = Kind::Message(MessageType::Request);
            (0..1000).for_each(|_| bench.shedding.heard(kind));
            (0..1000).for_each(|_| bench.shedding.shed(&Shed { kind, ..SHED }));
            bench.interval(0, 0);
        }
        assert_eq!(bench.share, Share::ALL);
    }

    #[test]
    fn somebody_always_passes() {
        let mut bench = Bench::new();
        (0..1000).for_each(|_| _ = bench.interval(1_000_000, 0));
        assert_eq!((bench.share, bench.share.threshold()), (Share(LEAST), Some(1024)));
    }

    #[test]
    fn an_interval_is_not_looked_at_before_its_end() {
        let mut bench = Bench::new();
        bench.interval(4000, 1000);
        (0..4000).for_each(|_| bench.shedding.heard(DISCOVER));
        (0..3000).for_each(|_| bench.shedding.shed(&SHED));
        assert_eq!(bench.shedding.adjust(bench.now + Duration::from_millis(49)), None);
        let share = bench.shedding.adjust(bench.now + INTERVAL).unwrap();
        assert_eq!(share, Share(18_842), "65536 * 1000 * 1.15 / 4000");
    }
}
