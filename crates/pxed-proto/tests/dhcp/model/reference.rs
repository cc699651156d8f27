//! What every address is, by what was said and what the store has; written without a look at the
//! lease table.
//!
//! Where a change failed, it is for a while not known what the server makes of the address: then
//! only that is judged which must hold in any case.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{ClientKey, Commit, CommitError, CommitId, Lease, LeaseState, Said};
use pxed_proto::limits::OFFER_HOLD;

use super::acts::{CLIENTS, Place, Rules, Says, Store};
use crate::client::client;

/// Whoever has an address by another server's word.
pub const STRANGER: u8 = 200;

/// What is right, or in words what is not.
pub type Verdict = Result<(), String>;

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Free,
    Offered { to: u8, until: Timestamp },
    Leased { to: u8, until: Timestamp },
    Declined { until: Timestamp },
}

/// What it is to one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Own,
    Free,
    Taken,
    /// In no pool, or reserved for another.
    Forbidden,
    Unsure,
}

/// What was asked, and on which network.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub who: u8,
    pub place: Place,
    pub says: Says,
    pub address: Option<Ipv4Addr>,
}

/// What the server decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    Silent,
    Offers(Ipv4Addr),
    Refuses,
    Informs,
    Grants { address: Ipv4Addr, until: Timestamp },
    Releases(Ipv4Addr),
    Declines(Ipv4Addr),
}

/// The model.
pub struct Reference {
    pub now: Timestamp,
    pub rules: Rules,
    /// What is durable.
    pub store: BTreeMap<Ipv4Addr, Lease>,
    /// Changes that the store has not answered.
    pub under_way: VecDeque<Commit>,
    holds: BTreeMap<Ipv4Addr, (u8, Timestamp)>,
    /// The address that each client was granted last.
    last: BTreeMap<(Place, u8), Ipv4Addr>,
    /// Until when it is not known what the server makes of an address.
    unsure: BTreeMap<Ipv4Addr, Timestamp>,
    /// The addresses of which the store has another row than the server was told.
    misled: BTreeSet<Ipv4Addr>,
    /// Changes on top of one that failed.
    doomed: BTreeSet<CommitId>,
    /// Who may use which address until when, as far as clients have heard.
    users: BTreeMap<Ipv4Addr, (u8, Timestamp)>,
}

/// Who has a lease, or had it.
pub fn who(lease: &Lease) -> u8 {
    match lease.client() {
        ClientKey::Hardware(hardware) => hardware.octets()[5],
        ClientKey::Identifier(id) => id[1],
    }
}

pub fn must(is: bool, what: &str) -> Verdict {
    if is { Ok(()) } else { Err(what.to_owned()) }
}

impl Reference {
    pub fn new(rules: Rules, now: Timestamp) -> Self {
        Self {
            now,
            rules,
            store: BTreeMap::new(),
            under_way: VecDeque::new(),
            holds: BTreeMap::new(),
            last: BTreeMap::new(),
            unsure: BTreeMap::new(),
            misled: BTreeSet::new(),
            doomed: BTreeSet::new(),
            users: BTreeMap::new(),
        }
    }

    /// What an address is, once all changes that are under way are durable.
    pub fn state(&self, address: Ipv4Addr) -> State {
        let now = self.now;
        if let Some(row) = self.row(address).filter(|row| row.expires > now) {
            match row.state {
                LeaseState::Leased => return State::Leased { to: who(row), until: row.expires },
                LeaseState::Declined | LeaseState::Conflict => {
                    return State::Declined { until: row.expires };
                }
                LeaseState::Released => {}
            }
        }
        match self.holds.get(&address) {
            Some((to, until)) if *until > now => State::Offered { to: *to, until: *until },
            _ => State::Free,
        }
    }

    /// Is it known what the server makes of the address?
    pub fn is_sure(&self, address: Ipv4Addr) -> bool {
        self.unsure.get(&address).is_none_or(|until| *until <= self.now)
    }

    /// The addresses that are offered.
    pub fn offered(&self) -> impl Iterator<Item = Ipv4Addr> {
        let offered = |address: &Ipv4Addr| matches!(self.state(*address), State::Offered { .. });
        self.holds.keys().copied().filter(offered)
    }

    /// The addresses that are leased.
    pub fn leased(&self) -> impl Iterator<Item = Ipv4Addr> {
        let leased = |address: &Ipv4Addr| matches!(self.state(*address), State::Leased { .. });
        self.store.keys().copied().filter(leased)
    }

    /// The row of an address, once all changes that are under way are durable.
    pub fn row(&self, address: Ipv4Addr) -> Option<&Lease> {
        let mut under_way = self.under_way.iter().map(|commit| &commit.lease);
        let last = under_way.rfind(|lease| lease.address == address);
        last.or_else(|| self.store.get(&address))
    }

    pub fn rows_of(&self, client: u8, place: Place) -> impl Iterator<Item = &Lease> {
        let hosts = (0..=u8::MAX).map(move |host| place.address(host));
        let rows = hosts.filter_map(|address| self.row(address));
        rows.filter(move |row| who(row) == client && row.state != LeaseState::Declined)
    }

    pub fn reserved_to(&self, address: Ipv4Addr) -> Option<u8> {
        let mut reserved = self.rules.reserved.iter();
        reserved.find(|(_, other)| **other == address).map(|(who, _)| *who)
    }

    /// What is reserved for a client on a network.
    pub fn reserved(&self, who: u8, place: Place) -> Option<Ipv4Addr> {
        let address = self.rules.reserved.get(&who).copied();
        address.filter(|address| Place::of(*address) == Some(place))
    }

    pub fn in_pool(&self, address: Ipv4Addr) -> bool {
        let host = address.octets()[3];
        Place::of(address).is_some_and(|place| self.rules.hosts(place).contains(&host))
    }

    pub fn standing(&self, address: Ipv4Addr, who: u8, place: Place) -> Standing {
        let here = Place::of(address) == Some(place);
        let allowed = match self.reserved_to(address) {
            Some(to) => to == who,
            None => self.in_pool(address),
        };
        match self.state(address) {
            _ if !here || !allowed => Standing::Forbidden,
            _ if !self.is_sure(address) => Standing::Unsure,
            State::Leased { to, .. } if to == who => Standing::Own,
            State::Offered { to, .. } if to == who => Standing::Free,
            State::Free => Standing::Free,
            _ => Standing::Taken,
        }
    }

    pub fn can_have(&self, address: Ipv4Addr, who: u8, place: Place) -> bool {
        matches!(self.standing(address, who, place), Standing::Own | Standing::Free)
    }

    pub fn all_sure(&self, place: Place) -> bool {
        let mut unsure = self.unsure.keys().filter(|address| !self.is_sure(**address));
        !unsure.any(|address| Place::of(*address) == Some(place))
    }

    /// The address of a client's newest row; of two of one moment neither.
    fn newest(&self, who: u8, place: Place) -> Option<Ipv4Addr> {
        let newest = self.rows_of(who, place).map(|row| row.granted).max()?;
        let mut rows = self.rows_of(who, place).filter(|row| row.granted == newest);
        let address = rows.next().map(|row| row.address);
        address.filter(|_| rows.next().is_none())
    }

    /// The address that the server surely knows to be the client's, now or once.
    pub fn memory(&self, who: u8, place: Place) -> Option<Ipv4Addr> {
        let last = self.last.get(&(place, who)).copied();
        self.newest(who, place).filter(|newest| Some(*newest) == last && self.all_sure(place))
    }

    pub fn remembers_nothing(&self, who: u8, place: Place) -> bool {
        self.all_sure(place) && self.rows_of(who, place).next().is_none()
    }

    pub fn is_running(&self, address: Ipv4Addr, who: u8) -> bool {
        matches!(self.state(address), State::Leased { to, .. } if to == who)
    }

    pub fn held(&self, who: u8, place: Place) -> Option<Ipv4Addr> {
        let mut held = self.holds.iter().filter(|(address, _)| Place::of(**address) == Some(place));
        held.find(|(_, (to, until))| *to == who && *until > self.now).map(|(address, _)| *address)
    }
}

/// What happens.
impl Reference {
    /// A client that gives its address back has no more use for it, whatever the server says, and
    /// whoever asks for one has no other.
    pub fn speaks(&mut self, asked: &Asked) {
        let own = |address: Ipv4Addr| asked.address == Some(address);
        self.users.retain(|address, (who, _)| {
            *who != asked.who
                || match asked.says {
                    Says::Discover(_) | Says::Inform(_) => true,
                    Says::Release(_) | Says::Decline(_) => !own(*address),
                    _ => own(*address),
                }
        });
    }

    /// The server has decided.
    pub fn decides(&mut self, asked: &Asked, response: Response, commits: &[Commit]) -> Verdict {
        match (asked.says, response) {
            (_, Response::Offers(address)) => {
                self.drop_hold(asked.who, asked.place);
                self.holds.insert(address, (asked.who, self.now + OFFER_HOLD));
            }
            (Says::OtherServer(_), _) => self.drop_hold(asked.who, asked.place),
            _ => {}
        }
        for (i, commit) in commits.iter().enumerate() {
            let lease = &commit.lease;
            let version = self.row(lease.address).map_or(0, |row| row.version);
            must(lease.version == version + 1 || !self.is_sure(lease.address), "a version")?;
            let freed = lease.state == LeaseState::Released && who(lease) == asked.who;
            must(i == 0 || freed, "the second change frees the client's other address")?;
            self.holds.remove(&lease.address);
            let place = Place::of(lease.address).ok_or("a lease of no network")?;
            self.drop_hold(asked.who, place);
            if lease.state == LeaseState::Leased {
                self.last.insert((place, asked.who), lease.address);
            }
            self.under_way.push_back(commit.clone());
        }
        Ok(())
    }

    fn drop_hold(&mut self, who: u8, place: Place) {
        self.holds.retain(|address, (to, _)| *to != who || Place::of(*address) != Some(place));
    }

    /// The store answers for the change that waits longest, as a store does: a row replaces the
    /// version before it, or none.
    pub fn stores(&mut self, how: Store) -> Option<(Commit, Result<(), CommitError>)> {
        let commit = self.under_way.pop_front()?;
        let (lease, address) = (&commit.lease, commit.lease.address);
        let used = self.users.get(&address).is_some_and(|(_, until)| *until > self.now);
        match how {
            Store::FindsNothing if !used => drop(self.store.remove(&address)),
            Store::FindsAnother if !used => {
                let hardware = client(u32::from(STRANGER)).mac().into();
                let said = Said::default();
                let other = Lease { said, hardware, version: lease.version + 5, ..lease.clone() };
                self.store.insert(address, other);
            }
            _ => {}
        }
        let stored = self.store.get(&address);
        let fits = stored.map_or(0, |row| row.version) + 1 == lease.version;
        let result = match how {
            Store::Fails => Err(CommitError::Failed),
            _ if !fits => Err(CommitError::Conflict(stored.cloned())),
            _ => {
                self.store.insert(address, lease.clone());
                let error = how == Store::FailsAndWrites;
                if error { Err(CommitError::Failed) } else { Ok(()) }
            }
        };
        self.learns(&commit, how, &result);
        Some((commit, result))
    }

    /// What the server knows of an address after a failure: for as long as more is under way, or
    /// the store has what it said it has not, nothing is sure; then it holds the address for a
    /// while for whoever asks again.
    fn learns(&mut self, commit: &Commit, how: Store, result: &Result<(), CommitError>) {
        let address = commit.lease.address;
        if result.is_ok() && self.is_sure(address) {
            return;
        }
        let on_top = self.under_way.iter().filter(|later| later.lease.address == address);
        let on_top: Vec<_> = on_top.map(|later| later.id).collect();
        // What is said of a change that can not succeed any more is not listened to.
        let heard = !self.doomed.remove(&commit.id);
        match (how, result) {
            (Store::FailsAndWrites, Err(CommitError::Failed)) => self.misled.insert(address),
            (Store::FindsNothing | Store::FindsAnother, Err(_)) if !heard => {
                self.misled.insert(address)
            }
            (_, Ok(())) => self.misled.remove(&address),
            (_, Err(CommitError::Conflict(_))) if heard => self.misled.remove(&address),
            _ => false,
        };
        if result.is_err() {
            self.doomed.extend(&on_top);
        }
        let settled = on_top.is_empty() && !self.misled.contains(&address);
        let soon = self.now + OFFER_HOLD + Duration::from_secs(1);
        self.unsure.insert(address, if settled { soon } else { Timestamp::FOREVER });
    }

    /// An ACK has left: its lease is durable, and nobody else uses the address.
    pub fn hears(&mut self, lease: &Lease, until: Timestamp) -> Verdict {
        let address = lease.address;
        let row = self.store.get(&address);
        must(row.is_some_and(|row| row.version >= lease.version), "an ACK that is not durable")?;
        must(lease.expires >= until, "an ACK of more than is durable")?;
        let mut later = self.under_way.iter().map(|commit| &commit.lease);
        if later.any(|later| later.address == address && later.state != LeaseState::Leased) {
            return Ok(());
        }
        match self.users.insert(address, (who(lease), until)) {
            Some((other, end)) if other != who(lease) && end > self.now => {
                Err(format!("{address} is used by {other} until {end:?}, and by {}", who(lease)))
            }
            _ => Ok(()),
        }
    }

    /// Offers stay as far as their address is still leased.
    pub fn reloads(&mut self, rules: Rules) {
        self.rules = rules;
        let holds = std::mem::take(&mut self.holds);
        let stays =
            |address: &Ipv4Addr| self.in_pool(*address) && self.reserved_to(*address).is_none();
        self.holds = holds.into_iter().filter(|(address, _)| stays(address)).collect();
        self.remembers_rows();
    }

    /// Offers and what was under way are forgotten.
    pub fn restarts(&mut self) {
        self.holds.clear();
        self.under_way.clear();
        self.unsure.clear();
        self.misled.clear();
        self.doomed.clear();
        self.remembers_rows();
    }

    /// Of several rows the newest is the client's.
    fn remembers_rows(&mut self) {
        let all = (0..CLIENTS).flat_map(|who| [(Place::Lan, who), (Place::Remote, who)]);
        let newest = all.filter_map(|key| Some((key, self.newest(key.1, key.0)?)));
        self.last = newest.collect();
    }
}
