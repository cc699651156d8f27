//! A request that deserves a look, and everything that is known about it.

use std::net::Ipv4Addr;

use super::config::{Identity, Link, LinkId, Pool, Subnet, SubnetId};
use super::lease::{ClientKey, Lease};
use super::outage::Outage;
use super::plan::Change;
use super::policy::Entitled;
use super::probe::Probes;
use super::quirks::{Quirks, Told};
use super::rate::Charge;
use super::reason::Ignored;
use super::relay::{Agent, Behind};
use super::reply::{Reply, Spare};
use super::table::{Applicant, LeaseTable, Standing};
use super::transmit::Arrival;
use super::under_way::UnderWay;
use crate::event::Outcome;
use crate::machine::{Firmware, HardwareAddress, Machine};
use crate::wire::dhcp::Message;
use crate::wire::options::code;
use crate::{Timestamp, limits};

/// A datagram that is a DHCP message, how it came and who sent it.
#[derive(Clone, Copy)]
pub struct Heard<'a> {
    pub now: Timestamp,
    pub link: LinkId,
    pub arrival: &'a Arrival,
    pub message: &'a Message<'a>,
    /// The octets of `message`.
    pub datagram: &'a [u8],
    pub machine: Machine,
    pub firmware: Firmware,
    /// Who says where the client is attached: the relay agent that brought it, or a switch on a link
    /// that is trusted to have one.
    pub agent: Option<Agent<'a>>,
}

/// Everything that the functions for each message type need.
pub struct Asking<'a> {
    pub now: Timestamp,
    pub link_id: LinkId,
    pub link: &'a Link,
    pub arrival: &'a Arrival,
    pub message: &'a Message<'a>,
    pub datagram: &'a [u8],
    pub machine: Machine,
    pub firmware: Firmware,
    pub client: ClientKey,
    /// The lease that it has, or had last, on this subnet.
    pub own: Option<&'a Lease>,
    /// The relay agent that brought the message.
    pub brought_by: Option<Agent<'a>>,
    /// The relay agent that it is behind, whoever brought the message.
    pub relay: Option<Behind<'a>>,
    pub subnet_id: SubnetId,
    pub subnet: &'a Subnet,
    pub table: &'a LeaseTable,
    pub probes: &'a Probes,
    /// The client's lease on another subnet of the same wire, if it runs.
    pub elsewhere: Option<&'a Lease>,
    /// As many addresses as may be are in use behind the client's circuit or remote ID, and none of
    /// them is its own.
    pub crowded: bool,
    /// The address to answer from, where the client does not name another one of the server's.
    pub server: Ipv4Addr,
    /// The client may select its subnet by option 118.
    pub selects: bool,
    /// It is attached to the link: no relay agent brought it, and the link is of the subnet's wire.
    pub attached: bool,
    /// The relay agent that brought it has a host's address on the subnet's wire that is nobody's to
    /// lease, or is said to serve it.
    pub by_relay_of_wire: bool,
    pub entitled: Entitled<'a>,
    /// The server's own name.
    pub host_name: Option<&'a str>,
    pub under_way: &'a UnderWay,
    /// Whether the store can write.
    pub outage: &'a Outage,
    /// What is learned of machines.
    pub quirks: &'a Quirks,
    /// What the quirks file says.
    pub told: &'a Told,
    /// What to write a reply into.
    pub spare: &'a Spare,
}

/// What one of those functions says.
pub struct Verdict {
    pub outcome: Outcome,
    pub change: Change,
    pub reply: Option<Reply>,
}

impl<'a> Asking<'a> {
    /// The client's lease here, if it runs.
    pub fn active(&self) -> Option<&'a Lease> {
        self.own.filter(|lease| lease.is_active(self.now))
    }

    /// Is an offer held for the client?
    pub fn has_offer(&self) -> bool {
        self.table.held_for(&self.client, self.now).is_some()
    }

    /// The address that is reserved for the client on this subnet, whoever has it now.
    pub fn reserved(&self) -> Option<Ipv4Addr> {
        let address = self.entitled.reservation.and_then(|reservation| reservation.address);
        address.filter(|address| self.subnet.net.contains_host(*address))
    }

    /// The same, if the client can have it now.
    pub fn reserved_and_free(&self) -> Option<Ipv4Addr> {
        self.reserved().filter(|address| self.can_have(*address))
    }

    /// Is the address one too many for where the client is attached? What is reserved for the client
    /// is taken from nobody.
    pub fn is_capped(&self, address: Ipv4Addr) -> bool {
        self.crowded && self.reserved() != Some(address)
    }

    /// Is the address the client's, or free for it?
    pub fn can_have(&self, address: Ipv4Addr) -> bool {
        self.standing(address) == Standing::Available
    }

    /// How the address stands to the client.
    pub fn standing(&self, address: Ipv4Addr) -> Standing {
        self.applies(|who| self.table.standing(address, who, self.now))
    }

    /// Has the store this lease, but for when it was granted?
    pub fn is_stored(&self, lease: &Lease) -> bool {
        self.stored(lease).is_some_and(|stored| stored.expires == lease.expires)
    }

    /// What the store has of this lease, granted earlier to the same client in the same place.
    pub fn stored(&self, lease: &Lease) -> Option<&'a Lease> {
        let stored = self.table.get(lease.address)?;
        let Lease { granted, expires, version, .. } = *stored;
        let same = *stored == Lease { granted, expires, version, ..lease.clone() };
        let durable = self.under_way.is_settled(lease.address);
        Some(stored).filter(|stored| same && durable && stored.is_active(self.now))
    }

    /// The address to offer it.
    pub fn choose(&self, wish: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        self.applies(|who| self.table.choose(who, wish, self.now))
    }

    /// Is there an address that it could have, if nobody else had it?
    pub fn may_have_some(&self) -> bool {
        let mut pools = self.subnet.pools.iter();
        self.reserved().is_some() || pools.any(|pool| self.entitled.admits(pool))
    }

    fn applies<T>(&self, ask: impl FnOnce(&Applicant<'_>) -> T) -> T {
        ask(&Applicant {
            client: &self.client,
            hardware: &self.machine.hardware,
            reserved: self.reserved(),
            admitted: &|pool: &Pool| self.entitled.admits(pool),
        })
    }
}

impl Verdict {
    /// No answer and no change.
    pub fn ignored(reason: Ignored) -> Self {
        Self { outcome: Outcome::Ignored(reason), change: Change::None, reply: None }
    }

    /// The same, and nobody is charged for it.
    pub fn ignored_free(reason: Ignored) -> (Charge, Self) {
        (Charge::default(), Self::ignored(reason))
    }
}

/// Who the client is: see [`ClientKey`].
pub fn client_key(heard: &Heard<'_>, identity: Identity) -> Result<ClientKey, Ignored> {
    let hardware = &heard.machine.hardware;
    if hardware.htype() == 0 {
        return Err(Ignored::Hardware);
    }
    // A type and at least one octet (RFC 2132 section 9.14): less tells nobody from anybody.
    let id = heard.message.option(code::CLIENT_IDENTIFIER).filter(|id| id.len() >= 2);
    match id {
        Some(id) if identity == Identity::ClientId || hardware.is_empty() => {
            let id = id.get(..limits::CLIENT_ID_MAX).unwrap_or(&id);
            Ok(ClientKey::Identifier(id.into()))
        }
        _ => by_hardware(hardware).ok_or(Ignored::NoIdentity),
    }
}

/// Who a client is by its hardware address alone.
pub fn by_hardware(hardware: &HardwareAddress) -> Option<ClientKey> {
    (!hardware.is_empty()).then_some(ClientKey::Hardware(*hardware))
}
