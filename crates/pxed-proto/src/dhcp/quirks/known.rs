//! One machine with one firmware: what it was offered, what followed, what is to be offered next.

use std::net::Ipv4Addr;

use super::order::Candidates;
use super::{Asker, Choice, Why};
use crate::dhcp::form::{Form, Naming};
use crate::{Timestamp, limits};

/// How often a form that worked is offered in one attempt before others have their turn, and in how
/// many attempts in a row it fails until it is forgotten: a lost datagram is no reason.
const PATIENCE: u32 = 2;

/// A form that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Works {
    /// Which one.
    pub form: &'static Form,
    /// In how many attempts.
    pub times: u32,
    /// Since when.
    pub since: Timestamp,
    /// The last time.
    pub last: Timestamp,
}

/// What is known of a machine.
#[derive(Clone, Debug, Default)]
pub struct Known {
    works: Option<Works>,
    /// The store has what works as it was then.
    written: Timestamp,
    /// In how many attempts in a row that has failed.
    strikes: u32,
    /// What else has failed since something worked.
    failed: Vec<&'static Form>,
    /// What failed last.
    failed_last: Option<&'static Form>,
    attempt: Option<Attempt>,
    /// Where it will fetch from.
    pub address: Option<Ipv4Addr>,
    /// When something was learned of it, or it was offered something.
    pub seen: Timestamp,
}

/// One start of the machine: its DISCOVERs, and what followed.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    xid: u32,
    secs: u16,
    /// The last offer that was another than the one before.
    at: Timestamp,
    /// Which form it had; `None` where that has failed, and nothing else was offered yet.
    form: Option<&'static Form>,
    /// The last form that has the machine ask at port 4011.
    asking: Option<&'static Form>,
    /// The last form that names a file.
    naming: Option<&'static Form>,
    /// How often it was offered what worked before.
    old: u32,
    asked_boot_server: bool,
    fetched: bool,
}

/// What a DISCOVER says of the offer before it.
enum Sequel {
    /// Nothing: it is a copy, or came so soon that no answer can have been judged.
    Copy,
    /// The machine goes on asking.
    GoesOn,
    /// The machine was started anew.
    Anew,
}

impl Known {
    /// Of what the store has.
    pub fn of(works: Works) -> Self {
        Self { works: Some(works), written: works.last, ..Self::default() }
    }

    /// What works.
    pub fn works(&self) -> Option<&Works> {
        self.works.as_ref()
    }

    /// Since when it is trying to boot, if something may follow still.
    pub fn under_way(&self, now: Timestamp) -> Option<Timestamp> {
        let attempt = self.attempt.filter(|attempt| !attempt.fetched)?;
        (now.since(attempt.at) < limits::QUIRK_ATTEMPT_MAX).then_some(attempt.at)
    }

    /// Has it begun no attempt yet that goes on?
    pub fn is_idle(&self) -> bool {
        self.attempt.is_none()
    }

    /// It asks by a DISCOVER: what was offered before is judged by what has followed.
    pub fn asked(mut self, asker: &Asker, now: Timestamp) -> Self {
        let Some(attempt) = self.attempt else { return self };
        let sequel = attempt.sequel(asker, now);
        if matches!(sequel, Sequel::Copy) {
            return self;
        }
        let anew = attempt.fetched || matches!(sequel, Sequel::Anew);
        if !attempt.fetched {
            self.has_failed(&attempt, anew);
        }
        self.attempt =
            (!anew).then_some(Attempt { form: None, asked_boot_server: false, ..attempt });
        self
    }

    /// What to offer now.
    pub fn choose(&self, candidates: &Candidates) -> Choice {
        let turn = Why::Turn(u32::try_from(self.failed.len()).unwrap_or(u32::MAX));
        let old = self.works.map(|works| works.form);
        if let Some(form) = self.attempt.and_then(|attempt| attempt.form) {
            let why = candidates.find(|candidate| candidate == form).and_then(|(_, why)| why);
            let why = if Some(form) == old { Why::Machine } else { why.unwrap_or(turn) };
            return Choice { form, why };
        }
        let tried = self.attempt.map_or(0, |attempt| attempt.old);
        if let Some(form) = old.filter(|_| tried < PATIENCE) {
            return Choice { form, why: Why::Machine };
        }
        let just_now = |form| Some(form) == self.failed_last || Some(form) == old;
        let next = candidates.find(|form| !self.failed.contains(&form) && !just_now(form));
        let next = next.or_else(|| candidates.find(|form| !just_now(form)));
        let (form, why) = next.unwrap_or((&Form::DIRECT, None));
        Choice { form, why: why.unwrap_or(turn) }
    }

    /// It was offered this.
    pub fn offered(mut self, asker: &Asker, form: &'static Form, now: Timestamp) -> Self {
        if self.attempt.is_some_and(|attempt| attempt.form == Some(form)) {
            return self;
        }
        let Asker { xid, secs, .. } = *asker;
        let asking = Some(form).filter(|form| form.sends_to_boot_server());
        let naming = Some(form).filter(|form| form.naming != Naming::Nowhere);
        let before = self.attempt;
        let old = u32::from(self.works.is_some_and(|works| works.form == form));
        self.attempt = Some(Attempt {
            xid,
            secs,
            at: now,
            form: Some(form),
            asking: asking.or(before.and_then(|before| before.asking)),
            naming: naming.or(before.and_then(|before| before.naming)),
            old: old + before.map_or(0, |before| before.old),
            asked_boot_server: false,
            fetched: false,
        });
        self
    }

    /// Its attempt has ended, and nothing came of it.
    pub fn gave_up(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.has_failed(&attempt, true);
        }
    }

    /// It asks at port 4011.
    pub fn asked_boot_server(&mut self) {
        if let Some(attempt) = &mut self.attempt {
            attempt.asked_boot_server = true;
        }
    }

    /// It fetches a file: what it was offered works. Of several offers it was the last that fits what
    /// it did. Returns what the store should know.
    pub fn fetched(&mut self, now: Timestamp) -> Option<Works> {
        self.under_way(now)?;
        let attempt = self.attempt.as_mut()?;
        attempt.fetched = true;
        let fits = if attempt.asked_boot_server { attempt.asking } else { attempt.naming };
        let form = fits.or(attempt.form)?;
        let before = self.works.filter(|works| works.form == form);
        let (times, since) = before.map_or((0, now), |works| (works.times, works.since));
        let works = Works { form, times: times.saturating_add(1), since, last: now };
        self.works = Some(works);
        (self.strikes, self.failed_last) = (0, None);
        self.failed.clear();
        let news = before.is_none() || now.since(self.written) >= limits::QUIRK_WRITTEN_AGAIN;
        if news {
            self.written = now;
        }
        news.then_some(works)
    }

    /// Nothing has followed the attempt's last offer. What worked before is forgotten only where
    /// whole attempts have failed.
    fn has_failed(&mut self, attempt: &Attempt, ended: bool) {
        let old = self.works.map(|works| works.form);
        self.failed_last = attempt.form;
        let form = attempt.form.filter(|form| Some(*form) != old && !self.failed.contains(form));
        self.failed.extend(form);
        if ended && attempt.old > 0 {
            self.strikes += 1;
            if self.strikes >= PATIENCE {
                (self.works, self.strikes) = (None, 0);
            }
        }
        if self.failed.len() >= Form::all().len() {
            self.failed.clear();
        }
    }
}

impl Attempt {
    /// PXE ROMs ask again after 4, 8, 16 and 32 s, with the same `xid` and greater `secs`; some
    /// have one `xid` for ever, made of their MAC.
    fn sequel(&self, asker: &Asker, now: Timestamp) -> Sequel {
        let passed = now.since(self.at);
        let same = asker.xid == self.xid;
        let later = asker.secs > self.secs;
        if passed < limits::QUIRK_COPY || (same && !later && passed < limits::QUIRK_LATE_COPY) {
            Sequel::Copy
        } else if same && later && passed < limits::QUIRK_RETRY_MAX {
            Sequel::GoesOn
        } else {
            Sequel::Anew
        }
    }
}
