//! A network that is worse than the one there is: datagrams of which some are lost, and all of which
//! take their time. It is between a client and its socket, so it needs nothing of the kernel.

use std::collections::VecDeque;

/// What comes out of it, in order.
#[derive(Debug)]
pub struct BadNetwork<T> {
    /// How many nanoseconds it takes.
    delay: u64,
    /// How many of a million are lost.
    lost_ppm: u32,
    /// xorshift64: the same seed, the same losses.
    seed: u64,
    under_way: VecDeque<(u64, T)>,
    /// How many were lost.
    pub lost: u64,
}

impl<T> BadNetwork<T> {
    /// Loses so many of a million, and holds the others for so many nanoseconds.
    pub fn new(delay: u64, lost_ppm: u32, seed: u64) -> Self {
        // A state of zero stays zero.
        Self { delay, lost_ppm, seed: seed | 1 << 63, under_way: VecDeque::new(), lost: 0 }
    }

    /// It neither loses nor holds anything.
    pub fn is_good(&self) -> bool {
        self.delay == 0 && self.lost_ppm == 0
    }

    /// Something goes in. It is made only if it is not lost.
    pub fn put(&mut self, now: u64, what: impl FnOnce() -> T) {
        if self.loses() {
            self.lost += 1;
        } else {
            self.under_way.push_back((now.saturating_add(self.delay), what()));
        }
    }

    /// What comes out by now.
    pub fn take(&mut self, now: u64) -> Option<T> {
        self.under_way.pop_front_if(|(at, _)| *at <= now).map(|(_, what)| what)
    }

    /// When something comes out.
    pub fn next(&self) -> Option<u64> {
        self.under_way.front().map(|(at, _)| *at)
    }

    fn loses(&mut self) -> bool {
        if self.lost_ppm == 0 {
            return false;
        }
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % 1_000_000 < u64::from(self.lost_ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_later_and_in_order() {
        let mut network = BadNetwork::new(5, 0, 1);
        network.put(0, || 'a');
        network.put(2, || 'b');
        assert_eq!((network.take(4), network.next()), (None, Some(5)));
        assert_eq!(
            (network.take(7), network.take(7), network.take(7)),
            (Some('a'), Some('b'), None)
        );
    }

    #[test]
    fn it_loses_its_share_and_the_same_again() {
        let losses = |seed| {
            let mut network = BadNetwork::new(0, 20_000, seed);
            (0..100_000).for_each(|number| network.put(0, || number));
            (network.lost, std::iter::from_fn(|| network.take(0)).collect::<Vec<_>>())
        };
        let (lost, kept) = losses(7);
        assert!((1_700..2_300).contains(&lost), "{lost}");
        assert_eq!(kept.len() as u64 + lost, 100_000);
        assert_eq!(losses(7).1, kept);
        assert_ne!(losses(8).1, kept);
        assert!(BadNetwork::<()>::new(0, 0, 0).is_good());
    }
}
