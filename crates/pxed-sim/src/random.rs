//! Randomness from a seed: what went wrong once goes wrong again.

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough for weather.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Two seeds give two different sequences.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.bits() % (last - first + 1)
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.bits() % 1000 < u64::from(per_mille)
    }

    /// A generator of its own for somebody: what he does with it changes nothing for the others.
    pub fn fork(&mut self) -> Self {
        Self(self.bits())
    }
}

/// Spreads what is in `value` over all bits.
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
