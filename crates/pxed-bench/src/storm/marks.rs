//! What machines reached and when, for the report.

use std::collections::BTreeMap;

use crate::download::Failure;

/// What a machine is after, in the order of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The firmware's four-way exchange.
    Address,
    /// iPXE by TFTP.
    Loader,
    /// iPXE's four-way exchange.
    Lease,
    /// The script by HTTP.
    Script,
    /// The kernel by HTTP.
    Kernel,
    /// All initrds by HTTP.
    Initrds,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Address, Self::Loader, Self::Lease, Self::Script, Self::Kernel, Self::Initrds];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Loader => "loader",
            Self::Lease => "lease",
            Self::Script => "script",
            Self::Kernel => "kernel",
            Self::Initrds => "initrds",
        }
    }

    pub(super) fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| *phase > self)
    }
}

/// Times in nanoseconds since the power came, and counts.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    reached: BTreeMap<Phase, Vec<u64>>,
    failed: BTreeMap<Phase, BTreeMap<Failure, u64>>,
    again: BTreeMap<Phase, u64>,
    /// Octets of files that came whole.
    pub octets: u64,
    /// Files that were compared with their originals, and the same.
    pub compared: u64,
    /// Files that were to be compared, and no original was there.
    pub without_original: u64,
}

impl Marks {
    /// When machines had what this phase is about, in order.
    pub fn times(&self, phase: Phase) -> Vec<u64> {
        let mut times = self.reached.get(&phase).cloned().unwrap_or_default();
        times.sort_unstable();
        times
    }

    /// How many machines have what this phase is about, or will not have it.
    pub fn passed(&self, phase: Phase) -> usize {
        let failed = self.failed.range(..=phase).flat_map(|(_, reasons)| reasons.values());
        let failed: u64 = failed.sum();
        let reached = self.reached.get(&phase).map_or(0, Vec::len);
        reached + usize::try_from(failed).unwrap_or(usize::MAX)
    }

    /// Why machines got no further, and how many.
    pub fn failures(&self, phase: Phase) -> BTreeMap<Failure, u64> {
        self.failed.get(&phase).cloned().unwrap_or_default()
    }

    /// Packets of this phase that were sent again.
    pub fn resent(&self, phase: Phase) -> u64 {
        self.again.get(&phase).copied().unwrap_or(0)
    }

    pub(super) fn reached(&mut self, phase: Phase, now: u64) {
        self.reached.entry(phase).or_default().push(now);
    }

    pub(super) fn failed(&mut self, phase: Phase, failure: Failure) {
        *self.failed.entry(phase).or_default().entry(failure).or_default() += 1;
    }

    /// So many packets were sent again.
    pub fn again(&mut self, phase: Phase, packets: u64) {
        *self.again.entry(phase).or_default() += packets;
    }
}
