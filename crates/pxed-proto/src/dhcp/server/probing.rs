//! The driver's answer to an address probe.

use std::net::Ipv4Addr;

use super::Server;
use crate::dhcp::config::LinkId;
use crate::dhcp::lease::{ClientKey, Lease, LeaseState, Said};
use crate::dhcp::plan::{Change, Commit, Output, Plan};
use crate::dhcp::probe::{Probe, Question};
use crate::dhcp::rate::{Buckets, Charge};
use crate::dhcp::reason::Ignored;
use crate::dhcp::under_way::Told;
use crate::event::{Conflict, Event, Outcome};
use crate::machine::HardwareAddress;
use crate::net::Mac;
use crate::{Timestamp, limits};

impl Server {
    /// Who has the address that was asked for: `None` if nobody has answered in time. The client
    /// that waits is offered the address, or the next one. An answer that comes late, for an address
    /// that is offered already, takes it out of use: the REQUEST is refused.
    pub fn probed(&mut self, probe: &Probe, found: Option<Mac>, now: Timestamp) -> Output {
        let Some(ended) = self.probes.end(probe) else {
            let late = found.filter(|holder| self.probes.answered_late(probe, *holder, now));
            let mark = late.and_then(|holder| self.mark(probe, holder, now));
            return Output { commits: mark.into_iter().collect(), ..Output::default() };
        };
        let question = match ended {
            Ok(question) => question,
            Err(withdrawn) => return Output { event: Some(withdrawn), ..Output::default() },
        };
        let own = found.filter(|holder| Some(*holder) == question.mac);
        let stranger = found.filter(|_| own.is_none());
        if stranger.is_some() && self.is_busy() {
            return self.answer(question, Some(Ignored::Busy), now);
        }
        let Some(mark) = stranger.and_then(|holder| self.mark(probe, holder, now)) else {
            self.probes.remember_silent(probe, question.mac, own, now);
            return self.answer(question, None, now);
        };
        let again = Question { tried: question.tried + 1, ..question };
        let output = self.answer(again, None, now);
        let commits = std::iter::once(mark).chain(output.commits).collect();
        Output { commits, ..output }
    }

    /// The probe could not be sent: its client is offered the address all the same, and nobody takes
    /// it for free by that.
    pub fn not_probed(&mut self, probe: &Probe, now: Timestamp) -> Output {
        let Some(ended) = self.probes.end(probe) else { return Output::default() };
        self.probes.mute = true;
        let output = match ended {
            Ok(question) => self.answer(question, None, now),
            Err(withdrawn) => Output { event: Some(withdrawn), ..Output::default() },
        };
        self.probes.mute = false;
        output
    }

    /// The probe that an answer for this address on this link is too late for, if there was one
    /// within the last minute.
    pub fn silent_probe(&self, link: LinkId, address: Ipv4Addr, now: Timestamp) -> Option<Probe> {
        self.probes.silent(link, address, now)
    }

    /// How many DISCOVERs wait for a probe.
    pub fn probes_waiting(&self) -> usize {
        self.probes.running()
    }

    /// Answers what had to wait, as if it came now; or does not, for a reason.
    fn answer(&mut self, question: Question, why_not: Option<Ignored>, now: Timestamp) -> Output {
        let Question { link, arrival, datagram, tried, .. } = question;
        // It was paid for when it came in.
        let none = Buckets::new(self.secret);
        let buckets = std::mem::replace(&mut self.buckets, none);
        let plan = self.plan(now, link, &arrival, &datagram);
        self.buckets = buckets;
        let mut plan = Plan { charge: Charge::default(), ..plan };
        let mut why_not = why_not;
        if let Change::Probe { question, .. } = &mut plan.change {
            question.tried = tried;
            let many = tried >= limits::PROBES_PER_DISCOVER_MAX;
            why_not = why_not.or(many.then_some(Ignored::Conflicts));
        }
        if let Some(reason) = why_not {
            plan.event.outcome = Outcome::Ignored(reason);
            plan = Plan { change: Change::None, reply: None, ..plan };
        }
        self.apply(plan, now)
    }

    /// Takes an address out of use that `holder` has; durably, since it will have it after a restart
    /// too. Not if it is leased by now, and not by the word of a host that answers for everything.
    fn mark(&mut self, probe: &Probe, holder: Mac, now: Timestamp) -> Option<Commit> {
        let address: Ipv4Addr = probe.address;
        let id = self.subnet_of(address)?;
        let (subnet, table) = (self.config.subnets.get(id.0)?, self.tables.get(id.0)?);
        let hardware = HardwareAddress::from(holder);
        let client = ClientKey::Hardware(hardware);
        let leased = table.get(address).is_some_and(|lease| lease.is_running(now));
        let answers_for = table.declined_by(&client, now);
        if leased || answers_for >= limits::CONFLICTS_PER_HOST_MAX || self.is_busy() {
            return None;
        }
        let probation = subnet.decline_probation;
        let lease = Lease {
            address,
            hardware,
            said: Said::default(),
            state: LeaseState::Conflict,
            granted: now,
            expires: now + probation,
            version: table.get(address).map_or(0, |lease| lease.version) + 1,
        };
        let link = self.link_name(probe.link);
        let event = Event::Conflict(Conflict { link, address, holder, probation });
        Some(self.put(lease, now, Some(Told { event, reply: None })))
    }
}
