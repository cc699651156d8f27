//! Address probes on the wire: what was asked, and until when an answer is waited for.

use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{LinkId, Probe};

/// The probes that nobody has answered yet; as many as the server has waiting at once.
#[derive(Debug, Default)]
pub(super) struct Probes(Vec<(Timestamp, Probe)>);

impl Probes {
    /// One was sent.
    pub fn sent(&mut self, probe: Probe, now: Timestamp) {
        self.0.push((now + probe.wait, probe));
    }

    /// Somebody says to have an address: the probe that waits for this answer.
    pub fn answered(&mut self, link: LinkId, address: Ipv4Addr) -> Option<Probe> {
        self.take(|_, probe| probe.link == link && probe.address == address)
    }

    /// One that has waited long enough.
    pub fn next_silent(&mut self, now: Timestamp) -> Option<Probe> {
        self.take(|due, _| due <= now)
    }

    /// When the first has waited long enough.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.0.iter().map(|(due, _)| *due).min()
    }

    fn take(&mut self, is_it: impl Fn(Timestamp, &Probe) -> bool) -> Option<Probe> {
        let at = self.0.iter().position(|(due, probe)| is_it(*due, probe))?;
        Some(self.0.remove(at).1)
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
    fn a_probe_is_answered_or_silent_once() {
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
        assert_eq!(probes.answered(LinkId(0), two.address), None, "late");
        assert_eq!(probes.next_silent(at(500)), Some(one));
        assert_eq!(probes.next_due(), None);
    }
}
