//! What may happen, in any order.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use proptest::prelude::*;

use crate::lan::{local, remote};

/// How many clients there are.
pub const CLIENTS: u8 = 8;

/// One step.
#[derive(Clone, Debug)]
pub enum Act {
    /// A client asks for an address and takes what it is offered.
    Boots(u8, Place),
    /// A client says something. `late`: what waits for the store goes on waiting.
    Says { who: u8, place: Place, says: Says, late: bool },
    /// So many seconds pass.
    Waits(u64),
    /// The server looks at the clock.
    Wakes,
    /// The store answers for the change that waits longest.
    Stores(Store),
    /// Another configuration.
    Reloads(Rules),
    /// The server is killed when so many of the changes that wait were written, and started again.
    Restarts(usize),
}

/// Where a client is: on the server's own wire, or behind the relay agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Lan,
    Remote,
}

/// What a client says, and of which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Discover(Option<Pick>),
    Selecting(Pick),
    /// It takes another server's offer.
    OtherServer(Pick),
    InitReboot(Pick),
    Renewing(Pick),
    Rebinding(Pick),
    Release(Pick),
    Decline(Pick),
    Inform(Pick),
}

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The one that the client was told last.
    Told,
    /// One of a network.
    Host(Place, u8),
}

/// What the store makes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Writes,
    Fails,
    /// Its sync reported an error, and the row is there all the same.
    FailsAndWrites,
    /// Somebody else has taken the row away.
    FindsNothing,
    /// Somebody else has leased the address to a stranger.
    FindsAnother,
}

/// The part of the configuration that the model knows.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The pools' first and last hosts.
    pub lan: (u8, u8),
    pub remote: (u8, u8),
    /// Who has which address reserved; no address twice.
    pub reserved: BTreeMap<u8, Ipv4Addr>,
    pub adopt: bool,
}

impl Place {
    pub fn address(self, host: u8) -> Ipv4Addr {
        match self {
            Self::Lan => local(host),
            Self::Remote => remote(host),
        }
    }

    /// The network that an address is of.
    pub fn of(address: Ipv4Addr) -> Option<Self> {
        let host = address.octets()[3];
        [Self::Lan, Self::Remote].into_iter().find(|place| place.address(host) == address)
    }
}

impl Rules {
    pub fn hosts(&self, place: Place) -> RangeInclusive<u8> {
        match place {
            Place::Lan => self.lan.0..=self.lan.1,
            Place::Remote => self.remote.0..=self.remote.1,
        }
    }
}

/// Whole stories.
pub fn stories() -> impl Strategy<Value = (Rules, Vec<Act>)> {
    (rules(), prop::collection::vec(act(), 1..80))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..CLIENTS, place()).prop_map(|(who, place)| Act::Boots(who, place)),
        9 => (0..CLIENTS, place(), says(), prop::bool::weighted(0.4))
            .prop_map(|(who, place, says, late)| Act::Says { who, place, says, late }),
        3 => prop::sample::select(vec![1, 5, 25, 30, 60, 299, 300, 541, 599, 600, 3600])
            .prop_map(Act::Waits),
        1 => Just(Act::Wakes),
        3 => store().prop_map(Act::Stores),
        1 => rules().prop_map(Act::Reloads),
        1 => (0_usize..4).prop_map(Act::Restarts),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![3 => Just(Place::Lan), 1 => Just(Place::Remote)]
}

fn says() -> impl Strategy<Value = Says> {
    prop_oneof![
        4 => prop::option::of(pick()).prop_map(Says::Discover),
        4 => pick().prop_map(Says::Selecting),
        1 => pick().prop_map(Says::OtherServer),
        2 => pick().prop_map(Says::InitReboot),
        2 => pick().prop_map(Says::Renewing),
        2 => pick().prop_map(Says::Rebinding),
        2 => pick().prop_map(Says::Release),
        2 => pick().prop_map(Says::Decline),
        1 => pick().prop_map(Says::Inform),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    let host = (place(), 100_u8..108).prop_map(|(place, host)| Pick::Host(place, host));
    prop_oneof![3 => Just(Pick::Told), 1 => host]
}

fn store() -> impl Strategy<Value = Store> {
    prop_oneof![
        8 => Just(Store::Writes),
        2 => Just(Store::Fails),
        1 => Just(Store::FailsAndWrites),
        1 => Just(Store::FindsNothing),
        1 => Just(Store::FindsAnother),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let pool = || (100_u8..104, 0_u8..5).prop_map(|(first, more)| (first, first + more));
    // Half of them in a pool. Clients that share their hardware have none: theirs would be both's.
    let reserved = prop::collection::btree_map((place(), 98_u8..106), 0..CLIENTS - 2, 0..3);
    (pool(), pool(), reserved, prop::bool::weighted(0.2)).prop_map(
        |(lan, remote, reserved, adopt)| {
            let reserved = reserved.into_iter();
            let reserved =
                reserved.map(|((place, host), who)| (who, place.address(host))).collect();
            Rules { lan, remote, reserved, adopt }
        },
    )
}
