//! Who is given what: reservations, groups, classes, and the layers that they make.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::class::{Class, Facts, MacPattern};
use super::config::{Pool, Subnet};
use super::quirks::Told;
use super::relay::RelaySubOption;
use super::rules::Rules;
use super::settings::{Layers, Settings};
use crate::boot::Wishes;
use crate::machine::{Firmware, Uuid};
use crate::net::{Ipv4Net, Mac};
use crate::text::{HostName, host_name};
use crate::wire::options::code;

/// The rules that are not a subnet's own.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// What holds everywhere.
    pub everywhere: Settings,
    /// In the order of the file: of two that a client belongs to, the later one is stronger.
    pub classes: Vec<Class>,
    /// In the order of the file.
    pub groups: Vec<Group>,
    /// Machines that are known one by one.
    pub reservations: Reservations,
    /// What the quirks file says of firmwares.
    pub quirks: Told,
}

/// Machines that share settings.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its members, beside those whose reservation names it.
    pub members: Vec<MacPattern>,
    /// What members are given.
    pub settings: Settings,
}

/// A machine that is known, and what is kept for it.
#[derive(Clone, Debug, Default)]
pub struct Reservation {
    /// What people call it: its host name, or what it is known by.
    pub name: String,
    /// How it is recognised: any of these.
    pub keys: Vec<HostKey>,
    /// The address that it gets, and nobody else.
    pub address: Option<Ipv4Addr>,
    /// The group that it is a member of.
    pub group: Option<String>,
    /// What it is given.
    pub settings: Settings,
}

impl Reservation {
    /// What the machine is told its name is (option 12).
    pub fn host_name(&self) -> Option<HostName> {
        let mut options = self.settings.options.iter();
        let name = options.find(|option| option.code == code::HOST_NAME)?;
        host_name(&name.value)
    }
}

/// What a machine is recognised by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostKey {
    /// Its hardware address.
    Mac(Mac),
    /// Option 61.
    ClientId(Vec<u8>),
    /// Option 97.
    Uuid(Uuid),
    /// The circuit of one relay agent that it is attached to (RFC 3046 section 2.1): the same
    /// circuit ID of another relay agent is another circuit.
    Circuit(Ipv4Addr, Vec<u8>),
    /// What one relay agent calls it (RFC 3046 section 2.2).
    Remote(Ipv4Addr, Vec<u8>),
}

/// Reservations by what names them.
type ById = BTreeMap<Vec<u8>, usize>;

/// All reservations, found by any of their keys and by address.
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    list: Vec<Reservation>,
    by_mac: BTreeMap<Mac, usize>,
    by_client_id: ById,
    by_uuid: BTreeMap<Uuid, usize>,
    by_circuit: BTreeMap<Ipv4Addr, ById>,
    by_remote: BTreeMap<Ipv4Addr, ById>,
    by_address: BTreeMap<Ipv4Addr, usize>,
}

impl Reservations {
    /// Of two that share a key or an address, the first one has it.
    pub fn new(list: Vec<Reservation>) -> Self {
        let mut all = Self::default();
        for (index, reservation) in list.iter().enumerate() {
            for key in &reservation.keys {
                all.add(key, index);
            }
            if let Some(address) = reservation.address {
                all.by_address.entry(address).or_insert(index);
            }
        }
        Self { list, ..all }
    }

    fn add(&mut self, key: &HostKey, index: usize) {
        let first = match key.clone() {
            HostKey::Mac(mac) => self.by_mac.entry(mac).or_insert(index),
            HostKey::ClientId(id) => self.by_client_id.entry(id).or_insert(index),
            HostKey::Uuid(uuid) => self.by_uuid.entry(uuid).or_insert(index),
            HostKey::Circuit(agent, id) => {
                self.by_circuit.entry(agent).or_default().entry(id).or_insert(index)
            }
            HostKey::Remote(agent, id) => {
                self.by_remote.entry(agent).or_default().entry(id).or_insert(index)
            }
        };
        debug_assert!(*first <= index, "of two the first one has it");
    }

    /// The machine's own, by MAC, client identifier, UUID, circuit or remote ID, in this order.
    pub fn of(&self, facts: &Facts<'_>) -> Option<&Reservation> {
        if self.list.is_empty() {
            return None;
        }
        let Facts { message, machine, relay, .. } = *facts;
        let by_id = || {
            let id = message.option(code::CLIENT_IDENTIFIER)?;
            self.by_client_id.get(&*id).copied()
        };
        let said = |by: &BTreeMap<Ipv4Addr, ById>, wanted| {
            let agent = relay?;
            by.get(&agent.address)?.get(agent.sub_option(wanted)?).copied()
        };
        let index = None
            .or_else(|| self.by_mac.get(&machine.mac()?).copied())
            .or_else(by_id)
            .or_else(|| self.by_uuid.get(&machine.uuid?).copied())
            .or_else(|| said(&self.by_circuit, RelaySubOption::CircuitId))
            .or_else(|| said(&self.by_remote, RelaySubOption::RemoteId));
        self.list.get(index?)
    }

    /// Whose an address is, whether or not it is in use.
    pub fn at(&self, address: Ipv4Addr) -> Option<&Reservation> {
        self.by_address.get(&address).and_then(|index| self.list.get(*index))
    }

    /// The reserved addresses of a network.
    pub fn addresses(&self, net: Ipv4Net) -> impl Iterator<Item = Ipv4Addr> {
        let all = self.by_address.range(net.network()..=net.broadcast());
        all.map(|(address, _)| *address)
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.list.iter()
    }
}

/// What the policy says of one client.
#[derive(Clone, Debug)]
pub struct Entitled<'a> {
    /// Its reservation.
    pub reservation: Option<&'a Reservation>,
    /// What it is given.
    pub layers: Layers<'a>,
}

impl<'a> Entitled<'a> {
    /// The classes that it belongs to.
    pub fn classes(&self) -> impl Iterator<Item = &'a str> {
        self.layers.classes.iter().map(|class| class.name.as_str())
    }

    /// Does it belong to the class?
    pub fn is_in(&self, class: &str) -> bool {
        self.classes().any(|name| name == class)
    }

    /// What is wanted for the boot of a machine with this firmware.
    pub fn wishes(&self, firmware: Firmware) -> Wishes<'a> {
        let arch = firmware.architecture();
        let loader = |settings: &'a Settings| settings.loaders.get(&arch?);
        Wishes {
            profile: self.layers.say(|settings| settings.profile.as_ref()),
            loader: self.layers.say(loader),
            boot_file: self.layers.say(|settings| settings.boot_file.as_ref()),
            scheme: self.layers.say(|settings| settings.scheme).unwrap_or_default(),
            tftp_server: self.layers.say(|settings| settings.tftp_server),
        }
    }

    /// May the client have addresses of `pool`?
    pub fn admits(&self, pool: &Pool) -> bool {
        pool.class.as_deref().is_none_or(|class| self.is_in(class))
    }
}

impl Policy {
    /// What holds for a client on a subnet, by the rules that were made of this policy. Its groups
    /// are found here.
    pub(super) fn of<'a>(
        &'a self,
        rules: &Rules,
        subnet: &'a Subnet,
        facts: &Facts<'_>,
    ) -> Entitled<'a> {
        let reservation = self.reservations.of(facts);
        let groups = rules.groups(self, facts.machine, reservation);
        let classes = rules.classes(self, &Facts { groups: &groups, ..*facts });
        let Subnet { settings, imposed, .. } = subnet;
        let everywhere = &self.everywhere;
        let layers = Layers { everywhere, subnet: settings, classes, groups, reservation, imposed };
        Entitled { reservation, layers }
    }
}
