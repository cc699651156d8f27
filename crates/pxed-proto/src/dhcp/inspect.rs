//! What operators ask of a running server: who has which address and how full the pools are; and
//! the one change that they make by hand.

use std::fmt;
use std::iter;
use std::net::Ipv4Addr;

use super::config::Subnet;
use super::lease::{ClientKey, Lease, LeaseState};
use super::plan::Output;
use super::server::Server;
use super::table::LeaseTable;
use super::under_way::Told;
use crate::event::Event;
use crate::machine::HardwareAddress;
use crate::net::Ipv4Net;
use crate::{Few, Timestamp};

/// How an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressState {
    /// A client has it.
    Leased,
    /// It is held for a client that was offered it.
    Offered,
    /// It is out of use, since a client found it in use.
    Declined,
    /// It is out of use, since a probe found it in use; the client is who has it.
    Conflict,
    /// Free; its last client gave it back, or an operator did.
    Released,
    /// Free; the time of its last client is over.
    Expired,
}

impl AddressState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Leased,
        Self::Offered,
        Self::Declined,
        Self::Conflict,
        Self::Released,
        Self::Expired,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::Offered => "offered",
            Self::Declined => "declined",
            Self::Conflict => "conflict",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for AddressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An address that a client has, had, or is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// Where it is.
    pub subnet: Ipv4Net,
    /// How it stands.
    pub state: AddressState,
    /// Whose it is, or was.
    pub client: ClientKey,
    /// The client's hardware, where it is known.
    pub hardware: Option<HardwareAddress>,
    /// What the client calls itself.
    pub host_name: Option<String>,
    /// When its last ACK was decided; an offer has none.
    pub granted: Option<Timestamp>,
    /// Until when it is so, or since when it is free.
    pub until: Timestamp,
}

/// Why a lease can not be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReleased {
    /// No client ever had the address from this server.
    Unknown,
    /// It is only offered: nothing is stored, and the offer ends by itself.
    Offered,
    /// It is free already.
    Free(AddressState),
}

impl fmt::Display for NotReleased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no lease of it"),
            Self::Offered => f.write_str("it is only offered, which ends by itself in seconds"),
            Self::Free(state) => write!(f, "it is free already ({state})"),
        }
    }
}

impl Server {
    /// Every address that a client has, had, or is offered, from the next one after `after` on, in
    /// ascending order: so that a long list can be read in parts.
    pub fn known_addresses(
        &self,
        after: Option<Ipv4Addr>,
        now: Timestamp,
    ) -> impl Iterator<Item = KnownAddress> {
        let mut subnets: Vec<_> = self.config().subnets.iter().zip(&self.tables).collect();
        subnets.sort_by_key(|(subnet, _)| subnet.net);
        subnets.into_iter().flat_map(move |(subnet, table)| known_of(subnet, table, after, now))
    }

    /// Frees the lease of an address, or an address that was declined, as its operator: to be made
    /// durable like any other change. The client is not told; it uses the address until it asks
    /// again.
    ///
    /// # Errors
    ///
    /// There is nothing to free.
    pub fn release(&mut self, address: Ipv4Addr, now: Timestamp) -> Result<Output, NotReleased> {
        let id = self.subnet_of(address).ok_or(NotReleased::Unknown)?;
        let table = self.tables.get(id.0).ok_or(NotReleased::Unknown)?;
        let lease = releasable(table, address, now)?.clone();
        let event = Event::Freed { address, machine: lease.machine() };
        let commit = self.put(lease.released(now), now, Some(Told { event, reply: None }));
        Ok(Output { commits: Few::One(commit), ..Output::default() })
    }
}

/// The lease of an address that is in use, or out of use.
fn releasable(
    table: &LeaseTable,
    address: Ipv4Addr,
    now: Timestamp,
) -> Result<&Lease, NotReleased> {
    match table.get(address) {
        Some(lease) if lease.is_running(now) => Ok(lease),
        _ if table.offers_after(None, now).any(|(offered, ..)| offered == address) => {
            Err(NotReleased::Offered)
        }
        Some(lease) => Err(NotReleased::Free(state_of(lease, now))),
        None => Err(NotReleased::Unknown),
    }
}

/// Two orders become one; an address that is offered is not listed as free as well.
fn known_of<'a>(
    subnet: &'a Subnet,
    table: &'a LeaseTable,
    after: Option<Ipv4Addr>,
    now: Timestamp,
) -> impl Iterator<Item = KnownAddress> + 'a {
    let mut leases = table.leases_after(after).peekable();
    let mut offers = table.offers_after(after, now).peekable();
    iter::from_fn(move || {
        let leased = leases.peek().map(|lease| lease.address);
        let offered = offers.peek().map(|(address, ..)| *address);
        if offered.is_some_and(|offered| leased.is_none_or(|leased| offered <= leased)) {
            leases.next_if(|lease| Some(lease.address) == offered);
            return offers.next().map(|offer| offer_known(subnet.net, offer));
        }
        leases.next().map(|lease| lease_known(subnet.net, lease, now))
    })
}

fn offer_known(subnet: Ipv4Net, offer: (Ipv4Addr, &ClientKey, Timestamp)) -> KnownAddress {
    let (address, client, until) = offer;
    let hardware = match client {
        ClientKey::Hardware(hardware) => Some(*hardware),
        ClientKey::Identifier(_) => None,
    };
    KnownAddress {
        address,
        subnet,
        state: AddressState::Offered,
        client: client.clone(),
        hardware,
        host_name: None,
        granted: None,
        until,
    }
}

fn lease_known(subnet: Ipv4Net, lease: &Lease, now: Timestamp) -> KnownAddress {
    KnownAddress {
        address: lease.address,
        subnet,
        state: state_of(lease, now),
        client: lease.client(),
        hardware: Some(lease.hardware),
        host_name: lease.host_name().map(str::to_owned),
        granted: Some(lease.granted),
        until: lease.expires,
    }
}

pub(super) fn state_of(lease: &Lease, now: Timestamp) -> AddressState {
    match lease.state {
        LeaseState::Released => AddressState::Released,
        _ if !lease.is_running(now) => AddressState::Expired,
        LeaseState::Leased => AddressState::Leased,
        LeaseState::Declined => AddressState::Declined,
        LeaseState::Conflict => AddressState::Conflict,
    }
}
