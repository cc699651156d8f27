//! The leases of a subnet: the last that was written of each address, found by address and by
//! client.

use std::net::Ipv4Addr;

use super::by_address::ByAddress;
use super::by_client::{ByClient, Secret};
use super::slots::Slots;
use crate::dhcp::lease::{ClientKey, Lease, LeaseState};
use crate::net::AddressRange;

/// The leases.
#[derive(Clone, Debug)]
pub struct Leases {
    /// By their numbers.
    pub slots: Slots,
    by_address: ByAddress,
    by_client: ByClient,
}

impl Leases {
    /// None.
    pub fn new(secret: Secret) -> Self {
        let by_client = ByClient::new(secret);
        Self { slots: Slots::default(), by_address: ByAddress::default(), by_client }
    }

    /// Makes room for so many.
    pub fn expect(&mut self, leases: u32) {
        self.by_client.expect(leases);
    }

    /// The number of an address's lease.
    pub fn number(&self, address: Ipv4Addr) -> Option<u32> {
        self.by_address.get(address)
    }

    /// The last that was written of an address.
    pub fn get(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.slots.get(self.number(address)?)
    }

    /// The lease that the client has, or had last.
    pub fn of(&self, client: &ClientKey) -> Option<&Lease> {
        self.slots.get(self.by_client.get(client, &self.slots)?)
    }

    /// What was last written of each address behind `after`, in ascending order.
    pub fn after(&self, after: Option<Ipv4Addr>) -> impl Iterator<Item = &Lease> {
        self.by_address.after(after).filter_map(|number| self.slots.get(number))
    }

    /// The numbers of the leases of these addresses, in ascending order of them.
    pub fn within(&self, range: AddressRange) -> impl Iterator<Item = u32> {
        let before = range.first().to_bits().checked_sub(1).map(Ipv4Addr::from_bits);
        let within = move |number: &u32| {
            self.slots.get(*number).is_some_and(|lease| lease.address <= range.last())
        };
        self.by_address.after(before).take_while(within)
    }

    /// Writes a lease over what stood there. Returns its number, and what it replaced.
    pub fn put(&mut self, lease: Lease) -> (u32, Option<Lease>) {
        let address = lease.address;
        let Some(number) = self.number(address) else {
            let number = self.slots.add(lease);
            self.by_address.insert(address, number);
            self.link(number);
            return (number, None);
        };
        let client = lease.client();
        let same = !lease.is_mark() && self.slots.get(number).is_some_and(|l| l.is_of(&client));
        if same && self.by_client.get(&client, &self.slots) == Some(number) {
            return (number, self.slots.replace(number, lease));
        }
        self.unlink(number);
        let replaced = self.slots.replace(number, lease);
        self.link(number);
        (number, replaced)
    }

    /// Forgets the lease of an address.
    pub fn remove(&mut self, address: Ipv4Addr) {
        if let Some(number) = self.number(address) {
            self.unlink(number);
            self.by_address.remove(address);
            self.slots.remove(number);
        }
    }

    /// All of them, in ascending order of addresses.
    pub fn into_leases(self) -> impl Iterator<Item = Lease> {
        let Self { mut slots, by_address, .. } = self;
        let numbers: Vec<u32> = by_address.after(None).collect();
        numbers.into_iter().filter_map(move |number| slots.remove(number))
    }

    #[cfg(test)]
    pub fn octets(&self) -> usize {
        self.slots.octets() + self.by_address.octets() + self.by_client.octets()
    }

    /// A client's newest lease is the one that it is found by. What it declined is not its own.
    fn link(&mut self, number: u32) {
        if self.slots.get(number).is_none_or(Lease::is_mark) {
            return;
        }
        // Of two of one moment one is the other's successor, and the first one was given up.
        let age = |lease: &Lease| (lease.granted, lease.state == LeaseState::Leased);
        let is_newer = |other: &Lease, lease: &Lease| age(other) > age(lease);
        self.by_client.insert(number, &mut self.slots, is_newer);
    }

    /// Its client is not found by it any more.
    fn unlink(&mut self, number: u32) {
        self.by_client.remove(number, &mut self.slots);
    }
}
