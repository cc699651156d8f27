//! ARP probes that are under way, and what they found: nobody is offered an address that a stranger
//! has.
//!
//! A probe is a value like a commit. The driver asks on the wire and says what it heard; meanwhile
//! nobody else waits. The DISCOVER is kept, and answered as if it came then: that is one way for an
//! address that is free and for one that is not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::config::{Link, LinkId};
use super::lease::ClientKey;
use super::plan::Output;
use super::reason::Ignored;
use super::transmit::Arrival;
use crate::event::{DhcpEvent, Event, Outcome};
use crate::net::Mac;
use crate::{Timestamp, limits};

/// Names a probe; later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbeId(pub u64);

/// Ask on a link who has an address (RFC 5227 section 2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Which one.
    pub id: ProbeId,
    /// Where.
    pub link: LinkId,
    /// Who has this?
    pub address: Ipv4Addr,
    /// How long to wait for an answer. One that comes later, for up to
    /// [`limits::PROBE_VALID`], is worth telling too.
    pub wait: Duration,
}

/// A DISCOVER that is answered when it is known whether an address is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where it came in.
    pub link: LinkId,
    /// How.
    pub arrival: Arrival,
    /// What it is.
    pub datagram: Vec<u8>,
    /// Who waits.
    pub client: ClientKey,
    /// The client's own hardware: an answer from there is no conflict.
    pub mac: Option<Mac>,
    /// How many addresses were found in use for it.
    pub tried: usize,
}

/// A probe that is not answered yet.
#[derive(Clone, Debug)]
struct Running {
    id: ProbeId,
    event: DhcpEvent,
    question: Question,
    /// The client does not wait any more: it was answered otherwise, or has taken another server's
    /// offer.
    withdrawn: bool,
}

/// An address that nobody answered for in time.
#[derive(Clone, Copy, Debug)]
struct Silent {
    probe: Probe,
    /// Whose answer is no conflict.
    mac: Option<Mac>,
    /// Who answered, and is no conflict.
    holder: Option<Mac>,
    until: Timestamp,
}

/// The probes that are under way, and the addresses that are known to be free by one.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    running: BTreeMap<Ipv4Addr, Running>,
    silent: BTreeMap<Ipv4Addr, Silent>,
    silent_ends: BTreeSet<(Timestamp, Ipv4Addr)>,
    last: ProbeId,
    /// Nobody can be asked now.
    pub mute: bool,
}

impl Probes {
    /// May the address be probed now? Not under load, unless it is already.
    pub fn has_room_for(&self, address: Ipv4Addr) -> bool {
        let room = self.running.len() < limits::PROBES_MAX || self.running.contains_key(&address);
        room && !self.mute
    }

    /// Was the address found free lately, for this client? Who answered for it itself has it, and
    /// others do not.
    pub fn knows_free(&self, address: Ipv4Addr, mac: Option<Mac>, now: Timestamp) -> bool {
        let free = |silent: &Silent| silent.holder.is_none_or(|holder| Some(holder) == mac);
        self.silent.get(&address).is_some_and(|silent| silent.until > now && free(silent))
    }

    /// How many wait.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Begins a probe. A client that asks again meanwhile is answered once, and by its latest
    /// transaction, also where that is about another address.
    pub fn start(
        &mut self,
        address: Ipv4Addr,
        wait: Duration,
        event: DhcpEvent,
        question: Question,
    ) -> Output {
        let before = |other: &Running| {
            let Question { client, link, .. } = &other.question;
            (client, link) == (&question.client, &question.link)
        };
        let before = self.running.iter_mut().filter(|(at, other)| **at != address && before(other));
        before.for_each(|(_, other)| other.withdrawn = true);
        if let Some(running) = self.running.get_mut(&address) {
            let tried = running.question.tried.max(question.tried);
            running.question = Question { tried, ..question };
            running.withdrawn = false;
            let before = std::mem::replace(&mut running.event, event);
            let outcome = Outcome::Ignored(Ignored::Superseded);
            let before = DhcpEvent { outcome, left_out: Vec::new(), ..before };
            return Output { event: Some(Event::Dhcp(before)), ..Output::default() };
        }
        self.last = ProbeId(self.last.0 + 1);
        let (id, link) = (self.last, question.link);
        self.running.insert(address, Running { id, event, question, withdrawn: false });
        Output { probe: Some(Probe { id, link, address, wait }), ..Output::default() }
    }

    /// The client does not wait for an answer any more.
    pub fn withdraw(&mut self, client: &ClientKey) {
        let its_own = |running: &&mut Running| running.question.client == *client;
        self.running.values_mut().filter(its_own).for_each(|running| running.withdrawn = true);
    }

    /// Ends a probe: what was asked, or what is to be told since nobody waits for it.
    pub fn end(&mut self, probe: &Probe) -> Option<Result<Question, Event>> {
        self.running.get(&probe.address).filter(|running| running.id == probe.id)?;
        let running = self.running.remove(&probe.address)?;
        if !running.withdrawn {
            return Some(Ok(running.question));
        }
        let outcome = Outcome::Ignored(Ignored::Superseded);
        Some(Err(Event::Dhcp(DhcpEvent { outcome, left_out: Vec::new(), ..running.event })))
    }

    /// Nobody has answered but perhaps the client itself, `holder`; the oldest that is known gives
    /// way to the newest.
    pub fn remember_silent(
        &mut self,
        probe: &Probe,
        mac: Option<Mac>,
        holder: Option<Mac>,
        now: Timestamp,
    ) {
        let (address, until) = (probe.address, now + limits::PROBE_VALID);
        self.forget_silent(address);
        if self.silent.len() >= limits::PROBES_REMEMBERED_MAX
            && let Some((_, oldest)) = self.silent_ends.first().copied()
        {
            self.forget_silent(oldest);
        }
        self.silent.insert(address, Silent { probe: *probe, mac, holder, until });
        self.silent_ends.insert((until, address));
    }

    /// The probe that nobody answered for this address on this link, not long ago.
    pub fn silent(&self, link: LinkId, address: Ipv4Addr, now: Timestamp) -> Option<Probe> {
        let silent = self.silent.get(&address).filter(|silent| silent.until > now)?;
        Some(silent.probe).filter(|probe| probe.link == link)
    }

    /// Somebody answers for an address that was found free by this probe: `true` if that is a
    /// stranger. Of the client itself it is known now that it has the address.
    pub fn answered_late(&mut self, probe: &Probe, from: Mac, now: Timestamp) -> bool {
        let silent = self.silent.get_mut(&probe.address).filter(|it| it.probe.id == probe.id);
        let Some(silent) = silent.filter(|silent| silent.until > now) else { return false };
        if silent.mac == Some(from) {
            silent.holder = Some(from);
        }
        silent.mac != Some(from)
    }

    /// It is not known any more that nobody has the address.
    pub fn forget_silent(&mut self, address: Ipv4Addr) {
        if let Some(silent) = self.silent.remove(&address) {
            self.silent_ends.remove(&(silent.until, address));
        }
    }

    /// Questions name their link by its place in the configuration: it has moved, or is gone.
    pub fn move_links(&mut self, before: &[Link], after: &[Link]) {
        let asked = self.running.values_mut().map(|running| &mut running.question.link);
        let silent = self.silent.values_mut().map(|silent| &mut silent.probe.link);
        for link in asked.chain(silent) {
            *link = link.moved(before, after).unwrap_or(LinkId(usize::MAX));
        }
    }
}
