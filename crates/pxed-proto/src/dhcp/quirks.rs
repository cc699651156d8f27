//! Which form of a proxy offer a machine follows: tried, learned from what came after, remembered.
//!
//! Of a machine that nobody knows the forms are tried in turn, one for each DISCOVER. What comes
//! after an offer decides: the machine asks at port 4011, and fetches a file by TFTP or HTTP; or it
//! asks by another DISCOVER, and the form has failed. What worked is the machine's from then on, and
//! where several machines of one firmware agree, it is the first that is tried with others of it.
//!
//! [`known`] has the rules for one machine; here is the table of all of them, and its bounds.

mod known;
mod order;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::form::Form;
use crate::machine::HardwareAddress;
use crate::net::Mac;
use crate::{Timestamp, limits};
use known::Known;
pub use known::Works;
use order::Candidates;
pub use signature::Signature;

/// A machine that is to be offered something, by a firmware that it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who.
    pub hardware: HardwareAddress,
    /// What runs there.
    pub signature: Signature,
    /// `xid` of its DISCOVER.
    pub xid: u32,
    /// `secs` of its DISCOVER.
    pub secs: u16,
}

/// The form to offer, and why that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What to offer.
    pub form: &'static Form,
    /// Why.
    pub why: Why,
}

/// What an operator says of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyForm {
    /// The one that the machine follows, as far as that is known.
    Auto,
    /// This one, whatever is known.
    Told(&'static Form),
}

/// Why a form is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The configuration says so.
    Told,
    /// The machine has followed it before.
    Machine,
    /// So many machines of its firmware follow it.
    Firmware(u32),
    /// The quirks file says so of its firmware.
    File,
    /// There is no other for this firmware.
    Only,
    /// It is the next in turn; so many others were tried before.
    Turn(u32),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told => f.write_str("proxy-form"),
            Self::Machine => f.write_str("what it followed before"),
            Self::Firmware(machines) => {
                write!(f, "what {machines} machines of its firmware follow")
            }
            Self::File => f.write_str("the quirks file"),
            Self::Only => f.write_str("its firmware, which has no choice"),
            Self::Turn(0) => f.write_str("its turn: nothing is known"),
            Self::Turn(1) => f.write_str("its turn, after one that was not followed"),
            Self::Turn(n) => write!(f, "its turn, after {n} that were not followed"),
        }
    }
}

/// What was seen of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It was offered this form. What follows will be seen: it is to fetch its file here.
    Offered(Box<Asker>, &'static Form),
    /// It takes the address that another server offers it (options 50 and 54 of a REQUEST).
    Takes(HardwareAddress, Ipv4Addr),
    /// It asks at port 4011, from this address.
    AskedBootServer(HardwareAddress, Ipv4Addr),
    /// It has gone on to UEFI HTTP Boot: its PXE firmware has found nothing.
    BootsByHttp(HardwareAddress),
    /// It fetches a file: by a URL with its MAC in it.
    Fetched(Mac),
    /// Whoever has this address fetches a file.
    FetchedFrom(Ipv4Addr),
}

/// A form that a machine follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirk {
    /// Who.
    pub hardware: HardwareAddress,
    /// With which firmware.
    pub signature: Arc<Signature>,
    /// Which form, how often, since when.
    pub works: Works,
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hardware, signature, works } = self;
        write!(f, "{hardware} follows proxy offers of the form {} ({signature})", works.form)
    }
}

/// What is new, for the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The machine follows this form.
    Works(Quirk),
    /// What it followed is not known any more.
    Forgotten(HardwareAddress, Arc<Signature>),
}

/// Forms that machines of one firmware follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Votes(BTreeMap<&'static str, u32>);

impl Votes {
    /// The form that most follow, and how many do; of two that as many follow, the earlier by name.
    pub fn most(&self) -> Option<(&'static Form, u32)> {
        let most = self.0.iter().max_by_key(|(name, count)| (**count, std::cmp::Reverse(**name)));
        most.and_then(|(name, count)| Some((Form::by_name(name)?, *count)))
    }

    /// Each form, and how many machines follow it.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.0.iter().map(|(name, count)| (*name, *count))
    }
}

type Key = (HardwareAddress, Arc<Signature>);

/// What is known of machines and firmwares.
#[derive(Clone, Debug, Default)]
pub struct Quirks {
    machines: BTreeMap<Key, Known>,
    /// Who gives way first: those of whom nothing is learned, and of these the one that was silent
    /// for the longest time.
    by_age: BTreeSet<(bool, Timestamp, Key)>,
    /// Who has which address, of those whose attempts are under way.
    addresses: BTreeMap<Ipv4Addr, Key>,
    /// What the machines of a firmware follow; only what is learned counts.
    firmwares: BTreeMap<Arc<Signature>, Votes>,
}

/// What the quirks file says: a form for each firmware.
pub type Told = BTreeMap<Signature, &'static Form>;

impl Quirks {
    /// The form to offer; changes nothing.
    pub fn form_for(&self, asker: &Asker, told: &Told, now: Timestamp) -> Choice {
        let candidates = self.candidates(asker, told);
        let key = (asker.hardware, Arc::new(asker.signature.clone()));
        let known = self.machines.get(&key).cloned().unwrap_or_default();
        known.asked(asker, now).choose(&candidates)
    }

    /// Takes in what was seen, and says what is new by it.
    pub fn see(&mut self, evidence: Evidence, now: Timestamp) -> Vec<Learned> {
        match evidence {
            Evidence::Offered(asker, form) => self.offered(&asker, form, now),
            Evidence::Takes(hardware, address) => {
                self.has_address(&hardware, address, now);
                Vec::new()
            }
            Evidence::AskedBootServer(hardware, address) => {
                self.has_address(&hardware, address, now);
                if let Some(key) = self.under_way(&hardware, now) {
                    self.machines.entry(key).and_modify(Known::asked_boot_server);
                }
                Vec::new()
            }
            Evidence::BootsByHttp(hardware) => self.gave_up(&hardware, now),
            Evidence::Fetched(mac) => match self.under_way(&mac.into(), now) {
                Some(key) => self.fetched(&key, now),
                None => Vec::new(),
            },
            Evidence::FetchedFrom(address) => match self.addresses.get(&address).cloned() {
                Some(key) => self.fetched(&key, now),
                None => Vec::new(),
            },
        }
    }

    /// Takes over what the store has.
    pub fn recall(&mut self, quirk: Quirk) {
        let Quirk { hardware, signature, works } = quirk;
        if !hardware.is_empty() {
            self.change((hardware, signature), works.last, |known| *known = Known::of(works));
        }
    }

    /// What is learned of machines.
    pub fn machines(&self) -> impl Iterator<Item = Quirk> {
        self.machines.iter().filter_map(|((hardware, signature), known)| {
            let works = *known.works()?;
            Some(Quirk { hardware: *hardware, signature: signature.clone(), works })
        })
    }

    /// What is learned of firmwares.
    pub fn firmwares(&self) -> impl Iterator<Item = (&Signature, &Votes)> {
        self.firmwares.iter().map(|(signature, votes)| (&**signature, votes))
    }

    /// How many machines there are, also those of which nothing is learned yet.
    pub fn tracked(&self) -> usize {
        self.machines.len()
    }

    /// Forgets a machine, or all of them; what is to be deleted.
    pub fn forget(&mut self, hardware: Option<&HardwareAddress>) -> Vec<Learned> {
        let wanted = |key: &&Key| hardware.is_none_or(|hardware| key.0 == *hardware);
        let keys: Vec<Key> = self.machines.keys().filter(wanted).cloned().collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    /// What is known of the machine with another firmware of this architecture, such as the one before
    /// an update; what its firmware follows elsewhere here; what the file says.
    fn candidates(&self, asker: &Asker, told: &Told) -> Candidates {
        let Asker { hardware, signature, .. } = asker;
        let alike = |of: &Signature| of.architecture == signature.architecture && of != signature;
        let mut own = self.of(hardware).filter(|(key, _)| alike(&key.1));
        let own = own.find_map(|(_, known)| Some((known.works()?.form, Why::Machine)));
        let agreed = self.firmwares.get(signature).and_then(Votes::most);
        let agreed = agreed.filter(|(_, machines)| *machines >= limits::QUIRK_MACHINES_AGREE);
        let agreed = agreed.map(|(form, machines)| (form, Why::Firmware(machines)));
        let told = told.get(signature).map(|form| (*form, Why::File));
        Candidates::new(asker, own.into_iter().chain(agreed).chain(told))
    }

    /// What is known of a machine, with each of its firmwares.
    fn of(&self, hardware: &HardwareAddress) -> impl Iterator<Item = (&Key, &Known)> {
        let (hardware, first) = (*hardware, (*hardware, Arc::new(Signature::default())));
        self.machines.range(first..).take_while(move |(key, _)| key.0 == hardware)
    }

    fn offered(&mut self, asker: &Asker, form: &'static Form, now: Timestamp) -> Vec<Learned> {
        if asker.hardware.is_empty() {
            return Vec::new();
        }
        let key = (asker.hardware, Arc::new(asker.signature.clone()));
        let mut learned = self.make_room(&key);
        let (mut had, mut has, mut address) = (false, false, None);
        self.change(key.clone(), now, |known| {
            had = known.works().is_some();
            let mut judged = std::mem::take(known).asked(asker, now);
            // Another attempt may have another address.
            address = if judged.is_idle() { judged.address.take() } else { None };
            has = judged.works().is_some();
            *known = judged.offered(asker, form, now);
        });
        address.map(|address| self.addresses.remove(&address));
        if had && !has {
            learned.push(Learned::Forgotten(key.0, key.1));
        }
        learned
    }

    /// What the machine was offered has failed: the file that it fetches next is no sign of success.
    fn gave_up(&mut self, hardware: &HardwareAddress, now: Timestamp) -> Vec<Learned> {
        let Some(key) = self.under_way(hardware, now) else { return Vec::new() };
        let (mut forgotten, mut address) = (false, None);
        self.change(key.clone(), now, |known| {
            let had = known.works().is_some();
            known.gave_up();
            forgotten = had && known.works().is_none();
            address = known.address.take();
        });
        address.map(|address| self.addresses.remove(&address));
        forgotten.then_some(Learned::Forgotten(key.0, key.1)).into_iter().collect()
    }

    /// The attempt of the machine that is under way: the latest, if it has several firmwares.
    fn under_way(&self, hardware: &HardwareAddress, now: Timestamp) -> Option<Key> {
        let under_way =
            self.of(hardware).filter_map(|(key, known)| Some((known.under_way(now)?, key)));
        under_way.max_by_key(|(since, _)| *since).map(|(_, key)| key.clone())
    }

    /// Somebody who is to fetch a file will do it from this address.
    fn has_address(&mut self, hardware: &HardwareAddress, address: Ipv4Addr, now: Timestamp) {
        let Some(key) = self.under_way(hardware, now).filter(|_| !address.is_unspecified()) else {
            return;
        };
        let Some(known) = self.machines.get_mut(&key) else { return };
        if let Some(before) = known.address.replace(address) {
            self.addresses.remove(&before);
        }
        if let Some(other) = self.addresses.insert(address, key.clone())
            && other != key
            && let Some(other) = self.machines.get_mut(&other)
        {
            other.address = None;
        }
    }

    fn fetched(&mut self, key: &Key, now: Timestamp) -> Vec<Learned> {
        let mut learned = None;
        self.change(key.clone(), now, |known| learned = known.fetched(now));
        let quirk = |works| Quirk { hardware: key.0, signature: key.1.clone(), works };
        learned.map(quirk).map(Learned::Works).into_iter().collect()
    }

    /// Changes what is known of a machine, and what depends on that.
    fn change(&mut self, key: Key, now: Timestamp, change: impl FnOnce(&mut Known)) {
        let known = self.machines.entry(key.clone()).or_default();
        let before = known.works().map(|works| works.form);
        self.by_age.remove(&(before.is_some(), known.seen, key.clone()));
        change(known);
        known.seen = now;
        let after = known.works().map(|works| works.form);
        self.by_age.insert((after.is_some(), now, key.clone()));
        self.vote(&key.1, before, after);
    }

    fn vote(
        &mut self,
        firmware: &Arc<Signature>,
        before: Option<&'static Form>,
        after: Option<&'static Form>,
    ) {
        if before == after {
            return;
        }
        let votes = self.firmwares.entry(firmware.clone()).or_default();
        if let Some(before) = before {
            votes.0.entry(before.name).and_modify(|count| *count = count.saturating_sub(1));
            votes.0.retain(|_, count| *count > 0);
        }
        if let Some(after) = after {
            *votes.0.entry(after.name).or_default() += 1;
        }
        if votes.0.is_empty() {
            self.firmwares.remove(firmware);
        }
    }

    /// A machine more must have room: somebody else is forgotten.
    fn make_room(&mut self, key: &Key) -> Vec<Learned> {
        let full = self.machines.len() >= limits::QUIRK_MACHINES_MAX;
        let oldest = self.by_age.first().filter(|_| full && !self.machines.contains_key(key));
        let oldest = oldest.map(|(_, _, key)| key.clone());
        oldest.and_then(|key| self.remove(key)).into_iter().collect()
    }

    /// What the store has to delete, if there is something.
    fn remove(&mut self, key: Key) -> Option<Learned> {
        let known = self.machines.remove(&key)?;
        let works = known.works().map(|works| works.form);
        self.by_age.remove(&(works.is_some(), known.seen, key.clone()));
        if let Some(address) = known.address {
            self.addresses.remove(&address);
        }
        self.vote(&key.1, works, None);
        works.map(|_| Learned::Forgotten(key.0, key.1))
    }
}
