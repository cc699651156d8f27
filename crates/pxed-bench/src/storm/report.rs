//! What came of a storm: JSON for machines, a few lines for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::engine::Engine;
use crate::pace::SECOND;
use crate::report::{Latency, ratio};
use crate::storm::{Effort, Marks, Phase, World};

/// A storm's result. Times are in seconds since the power came.
#[derive(Clone, Debug, Serialize)]
pub struct StormReport {
    /// Machines that were switched on.
    pub machines: u32,
    /// Those that have kernel and initrds.
    pub booted: usize,
    /// Until the last one that came so far had its script.
    pub last_script: f64,
    /// Until the last one that came so far had kernel and initrds.
    pub last_files: f64,
    /// Octets of files that came whole, in MiB.
    pub mebibytes: f64,
    /// Files that were compared with their originals.
    pub compared: u64,
    /// Files that were to be compared, and no original was there.
    pub without_original: u64,
    /// In the order of a boot.
    pub phases: Vec<PhaseReport>,
    /// What the generator itself did.
    pub generator: StormGenerator,
}

/// One phase of all machines.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseReport {
    /// Its name.
    pub name: &'static str,
    /// Machines that came so far.
    pub reached: usize,
    /// Machines that came no further, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Packets sent again: after silence, or for a gap.
    pub resent: u64,
    /// NAKs, after each of which a machine began anew.
    pub refused: u64,
    /// Half of the machines had come so far.
    pub p50: f64,
    /// 99 of 100 had.
    pub p99: f64,
    /// The last one had.
    pub last: f64,
}

/// What is the generator's fault and not the server's.
#[derive(Clone, Debug, Serialize)]
pub struct StormGenerator {
    /// How late the first message of an exchange was, in microseconds: the firmware's.
    pub late: Latency,
    /// The same of iPXE's.
    pub late_ipxe: Latency,
    /// The share of the time until the last script in which there was nothing to do.
    pub free_scripts: f64,
    /// The same of the time after it.
    pub free_files: f64,
    /// What the kernel did not send, or not open.
    pub errors: u64,
    /// Answers by DHCP that found the socket's buffer full.
    pub overflowed: u64,
}

impl StormReport {
    /// The result of a storm of so many machines.
    pub fn new(
        machines: u32,
        marks: &Marks,
        dhcp: [&Engine; 2],
        world: &World,
        effort: &Effort,
    ) -> Self {
        let [firmware, ipxe] = dhcp;
        let phases: Vec<_> = Phase::ALL.map(|phase| PhaseReport::new(marks, phase, dhcp)).into();
        let last = |phase| seconds(marks.times(phase).last().copied());
        Self {
            machines,
            booted: marks.times(Phase::Initrds).len(),
            last_script: last(Phase::Script),
            last_files: last(Phase::Initrds),
            mebibytes: ratio(marks.octets, 1 << 20),
            compared: marks.compared,
            without_original: marks.without_original,
            phases,
            generator: StormGenerator {
                late: Latency::of(&firmware.tally.late),
                late_ipxe: Latency::of(&ipxe.tally.late),
                free_scripts: ratio(effort.scripts_free, effort.scripts),
                free_files: ratio(effort.files_free, effort.files),
                errors: effort.errors + world.port().send_errors(),
                overflowed: world.port().overflowed(),
            },
        }
    }
}

impl PhaseReport {
    fn new(marks: &Marks, phase: Phase, [firmware, ipxe]: [&Engine; 2]) -> Self {
        let times = marks.times(phase);
        let at = |hundredths: usize| {
            let place = (times.len() * hundredths).div_ceil(100).saturating_sub(1);
            seconds(times.get(place).copied())
        };
        let (resent, refused) = match phase {
            Phase::Address => (firmware.tally.resent, firmware.tally.refused),
            Phase::Lease => (ipxe.tally.resent, ipxe.tally.refused),
            _ => (marks.resent(phase), 0),
        };
        let failures = marks.failures(phase);
        Self {
            name: phase.name(),
            reached: times.len(),
            failed: failures.into_iter().map(|(why, count)| (why.to_string(), count)).collect(),
            resent,
            refused,
            p50: at(50),
            p99: at(99),
            last: at(100),
        }
    }
}

fn seconds(nanoseconds: Option<u64>) -> f64 {
    ratio(nanoseconds.unwrap_or(0), SECOND)
}

impl fmt::Display for StormReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machines, booted, last_script, last_files, mebibytes, .. } = self;
        writeln!(
            f,
            "{booted} of {machines} booted; the last script after {last_script:.3} s, the last files \
            after {last_files:.3} s; {mebibytes:.0} MiB"
        )?;
        let Self { compared, without_original, .. } = self;
        writeln!(f, "  {compared} files compared, {without_original} had no original")?;
        writeln!(
            f,
            "{:>10} {:>8} {:>8} {:>8} {:>10} {:>10} {:>10} s",
            "", "reached", "resent", "refused", "p50", "p99", "last"
        )?;
        for phase in &self.phases {
            let PhaseReport { name, reached, resent, refused, p50, p99, last, failed } = phase;
            write!(f, "{name:>10} {reached:8} {resent:8} {refused:8} ")?;
            write!(f, "{p50:10.4} {p99:10.4} {last:10.4}")?;
            for (why, count) in failed {
                write!(f, "  {count} {why}")?;
            }
            writeln!(f)?;
        }
        let own = &self.generator;
        write!(
            f,
            "generator: late p99 {:.0} and {:.0} µs, free {:.0} % until the last script, {:.0} % after \
            it, errors {}, overflowed {}",
            own.late.p99,
            own.late_ipxe.p99,
            own.free_scripts * 100.0,
            own.free_files * 100.0,
            own.errors,
            own.overflowed
        )
    }
}
