//! Who is connected, how many may be, and who gives way.
//!
//! A connection that waits for its client holds a place and does nothing with it. When all places
//! are taken, a newcomer gets one of the address that has the most of them: its connection that has
//! waited longest ends. So whoever only holds connections open, or opens them again and again, keeps
//! nobody out who has fewer; nor does it take the place of one, where all of its own are being answered.
//! A request that is being answered gives way only when its client has taken nothing of the answer for a
//! while.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pxed_proto::limits;
use tokio::sync::Notify;

/// All connections of one kind.
pub(super) struct Crowd {
    places: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    of: HashMap<IpAddr, Held>,
    /// Addresses that have a connection which waits, by how many places they have and since when;
    /// the last one gives way.
    waiting: BTreeMap<(usize, Reverse<u64>), IpAddr>,
    /// The number of the next one that waits.
    next: u64,
}

/// What one address has.
#[derive(Default)]
struct Held {
    places: usize,
    /// Those that wait, by when they began to.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl Held {
    fn rank(&self) -> Option<(usize, Reverse<u64>)> {
        self.waiting.keys().next().map(|oldest| (self.places, Reverse(*oldest)))
    }
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its address has as many as one may have.
    OfAddress,
    /// All places are taken, by requests that are being answered.
    Full,
}

impl Refused {
    /// The same for people.
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::OfAddress => "too many connections of one address",
            Self::Full => "too many connections",
        }
    }
}

impl Crowd {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a connection from `address`.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refused> {
        let mut state = self.state();
        let of_address = state.of.get(&address).map_or(0, |held| held.places);
        if of_address >= limits::HTTP_CONNECTIONS_PER_CLIENT_MAX {
            return Err(Refused::OfAddress);
        }
        let may = |other, places| other == address || places > of_address;
        if state.taken >= self.places && !state.displace(may) {
            return Err(Refused::Full);
        }
        state.taken += 1;
        state.change(address, |held| held.places += 1);
        drop(state);
        let (crowd, notify) = (self.clone(), Arc::new(Notify::new()));
        let mut place = Place { crowd, address, notify, waits_since: None, is_lost: false };
        // Also before anybody has looked at it.
        place.waits();
        Ok(place)
    }

    /// Has some of those end who have waited longest: what they hold is needed.
    pub(super) fn make_room(&self, connections: usize) {
        let mut state = self.state();
        (0..connections).all(|_| state.displace(|_, _| true));
    }
}

impl State {
    /// Has one end that waits, if any does and its address, with so many places, `may` lose one. It
    /// leaves by itself, soon, and its place is free at once.
    fn displace(&mut self, may: impl Fn(IpAddr, usize) -> bool) -> bool {
        let most = self.waiting.last_key_value();
        let Some(address) = most.filter(|(rank, of)| may(**of, rank.0)).map(|(_, of)| *of) else {
            return false;
        };
        self.change(address, |held| {
            if let Some((_, notify)) = held.waiting.pop_first() {
                notify.notify_one();
                held.places = held.places.saturating_sub(1);
            }
        });
        self.taken = self.taken.saturating_sub(1);
        true
    }

    fn change(&mut self, address: IpAddr, act: impl FnOnce(&mut Held)) {
        let held = self.of.entry(address).or_default();
        if let Some(rank) = held.rank() {
            self.waiting.remove(&rank);
        }
        act(held);
        if let Some(rank) = held.rank() {
            self.waiting.insert(rank, address);
        } else if held.places == 0 {
            self.of.remove(&address);
        }
    }
}

/// One connection's place, which it leaves when this is dropped.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
    notify: Arc<Notify>,
    waits_since: Option<u64>,
    /// It is somebody else's already.
    is_lost: bool,
}

impl Place {
    /// It waits for its client from now on.
    pub(super) fn waits(&mut self) {
        self.works();
        if self.is_lost {
            return;
        }
        let mut state = self.crowd.state();
        let number = state.next;
        state.next += 1;
        state.change(self.address, |held| {
            held.waiting.insert(number, self.notify.clone());
        });
        self.waits_since = Some(number);
    }

    /// It has something to do.
    pub(super) fn works(&mut self) {
        if let Some(number) = self.waits_since.take() {
            let lost = &mut self.is_lost;
            self.crowd.state().change(self.address, |held| {
                *lost |= held.waiting.remove(&number).is_none();
            });
        }
    }

    /// Is it somebody else's? As of when it last began to wait, or to work.
    pub(super) fn gave_way(&self) -> bool {
        self.is_lost
    }

    /// Ends when the place is somebody else's.
    pub(super) async fn is_lost(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.works();
        if self.is_lost {
            return;
        }
        let mut state = self.crowd.state();
        state.taken = state.taken.saturating_sub(1);
        state.change(self.address, |held| held.places = held.places.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[tokio::test]
    async fn who_waits_longest_gives_way_and_who_works_does_not() {
        let crowd = Crowd::new(3);
        let mut places: Vec<Place> = (1..4).map(|n| crowd.admit(address(n)).unwrap()).collect();
        places.iter_mut().for_each(Place::works);
        assert_eq!(crowd.admit(address(9)).err(), Some(Refused::Full));
        [2, 0, 1].into_iter().for_each(|index: usize| places[index].waits());
        places[2].works();
        let newcomer = crowd.admit(address(9)).unwrap();
        places[0].is_lost().await;
        assert_eq!(crowd.state().taken, 3, "a place that is lost is free at once, and counts once");
        drop((newcomer, places.remove(0)));
        assert_eq!(crowd.state().taken, 2);
        places[1].waits();
        crowd.make_room(9);
        places[0].is_lost().await;
        places[1].is_lost().await;
        assert!(crowd.state().waiting.is_empty());
        drop(places);
        let state = crowd.state();
        assert_eq!((state.taken, state.of.len()), (0, 0));
    }

    #[tokio::test]
    async fn whoever_has_most_gives_way_however_often_it_comes_again() {
        let crowd = Crowd::new(4);
        let mut few = crowd.admit(address(1)).unwrap();
        few.waits();
        let mut many: Vec<Place> = (0..3).map(|_| crowd.admit(address(2)).unwrap()).collect();
        for _ in 0..20 {
            many.iter_mut().for_each(Place::waits);
            let newcomer = crowd.admit(address(2)).unwrap();
            many[0].is_lost().await;
            many[0] = newcomer;
        }
        assert_eq!(crowd.state().of[&address(1)].waiting.len(), 1);
    }

    #[test]
    fn who_has_more_takes_no_place_of_who_has_fewer() {
        let crowd = Crowd::new(4);
        let mut many: Vec<Place> = (0..3).map(|_| crowd.admit(address(2)).unwrap()).collect();
        many.iter_mut().for_each(Place::works);
        let mut few = crowd.admit(address(1)).unwrap();
        assert_eq!(crowd.admit(address(2)).err(), Some(Refused::Full));
        few.works();
        assert!(!few.gave_way());
    }

    #[test]
    fn one_address_has_not_all_places() {
        let crowd = Crowd::new(usize::MAX);
        let most = limits::HTTP_CONNECTIONS_PER_CLIENT_MAX;
        let mut places: Vec<Place> = (0..most).map(|_| crowd.admit(address(1)).unwrap()).collect();
        assert_eq!(crowd.admit(address(1)).err(), Some(Refused::OfAddress));
        assert!(crowd.admit(address(2)).is_ok());
        places.pop();
        assert!(crowd.admit(address(1)).is_ok());
    }
}
