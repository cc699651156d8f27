//! Address probes on the wire: what was asked, until when an answer is waited for, and for how long
//! one that comes late is listened for.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{LinkId, Probe};
use pxed_proto::limits;

/// The probes that were sent, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Probes {
    waiting: VecDeque<(Timestamp, Probe)>,
    /// Those that nobody answered in time, and when that is long enough ago.
    silent: VecDeque<(Timestamp, Probe)>,
}

impl Probes {
    /// One was sent, or was to be.
    pub fn sent(&mut self, probe: Probe, now: Timestamp) {
        self.waiting.push_back((now + probe.wait, probe));
    }

    /// Somebody says to have an address: the probe that this is an answer to.
    pub fn answered(&mut self, link: LinkId, address: Ipv4Addr) -> Option<Probe> {
        for sent in [&mut self.waiting, &mut self.silent] {
            let asked =
                |(_, probe): &(Timestamp, Probe)| probe.link == link && probe.address == address;
            if let Some(at) = sent.iter().position(asked) {
                return sent.remove(at).map(|(_, probe)| probe);
            }
        }
        None
    }

    /// The next one that has waited long enough.
    pub fn next_silent(&mut self, now: Timestamp) -> Option<Probe> {
        while self.silent.front().is_some_and(|(until, _)| *until <= now) {
            self.silent.pop_front();
        }
        // Subnets wait for different times.
        let at = self.waiting.iter().position(|(due, _)| *due <= now)?;
        let (_, probe) = self.waiting.remove(at)?;
        if self.silent.len() >= limits::PROBES_REMEMBERED_MAX {
            self.silent.pop_front();
        }
        self.silent.push_back((now + limits::PROBE_VALID, probe));
        Some(probe)
    }

    /// When the first has waited long enough.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|(due, _)| *due).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pxed_proto::dhcp::ProbeId;

    use super::*;

    fn probe(number: u8, wait: u64) -> Probe {
        let address = Ipv4Addr::new(10, 0, 0, number);
        let wait = Duration::from_millis(wait);
        Probe { id: ProbeId(number.into()), link: LinkId(0), address, wait }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_probe_is_answered_or_silent_and_then_answered_late() {
        let mut probes = Probes::default();
        let [one, two, three] = [probe(1, 500), probe(2, 30), probe(3, 30)];
        for sent in [one, two, three] {
            probes.sent(sent, at(0));
        }
        assert_eq!(probes.next_due(), Some(at(30)));
        assert_eq!(probes.next_silent(at(29)), None);
        assert_eq!(probes.answered(LinkId(0), three.address), Some(three));
        assert_eq!(probes.answered(LinkId(0), three.address), None, "once");
        assert_eq!(probes.answered(LinkId(1), one.address), None, "elsewhere");
        assert_eq!(probes.next_silent(at(30)), Some(two));
        assert_eq!((probes.next_silent(at(30)), probes.next_due()), (None, Some(at(500))));
        assert_eq!(probes.answered(LinkId(0), two.address), Some(two), "late");
        assert_eq!(probes.next_silent(at(500)), Some(one));
        assert_eq!(probes.next_silent(at(60_500)), None);
        assert_eq!(probes.answered(LinkId(0), one.address), None, "too late");
    }
}
