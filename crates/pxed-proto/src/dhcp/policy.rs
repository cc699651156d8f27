//! Who is given what: reservations, groups, classes, and the layers that they make.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::class::{Class, Facts, MacPattern};
use super::config::{Pool, Subnet};
use super::quirks::Told;
use super::relay::RelaySubOption;
use super::settings::{Layers, Origin, Settings};
use crate::boot::Wishes;
use crate::machine::{Firmware, Machine, Uuid};
use crate::net::{Ipv4Net, Mac};
use crate::text::host_name;
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
    pub fn host_name(&self) -> Option<String> {
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

/// All reservations, found by any of their keys and by address.
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    list: Vec<Reservation>,
    by_key: BTreeMap<HostKey, usize>,
    by_address: BTreeMap<Ipv4Addr, usize>,
}

impl Reservations {
    /// Of two that share a key or an address, the first one has it.
    pub fn new(list: Vec<Reservation>) -> Self {
        let (mut by_key, mut by_address) = (BTreeMap::new(), BTreeMap::new());
        for (index, reservation) in list.iter().enumerate() {
            for key in &reservation.keys {
                by_key.entry(key.clone()).or_insert(index);
            }
            if let Some(address) = reservation.address {
                by_address.entry(address).or_insert(index);
            }
        }
        Self { list, by_key, by_address }
    }

    /// The machine's own, by MAC, client identifier, UUID, circuit or remote ID, in this order.
    pub fn of(&self, facts: &Facts<'_>) -> Option<&Reservation> {
        let Facts { message, machine, relay, .. } = *facts;
        let id = || message.option(code::CLIENT_IDENTIFIER).map(|id| id.into_owned());
        let said = |wanted| {
            let agent = relay?;
            Some((agent.address, agent.sub_option(wanted)?.to_vec()))
        };
        let circuit = || said(RelaySubOption::CircuitId);
        let remote = || said(RelaySubOption::RemoteId);
        let find = |key: HostKey| self.by_key.get(&key).and_then(|index| self.list.get(*index));
        None.or_else(|| machine.mac().map(HostKey::Mac).and_then(find))
            .or_else(|| id().map(HostKey::ClientId).and_then(find))
            .or_else(|| machine.uuid.map(HostKey::Uuid).and_then(find))
            .or_else(|| circuit().map(|(agent, id)| HostKey::Circuit(agent, id)).and_then(find))
            .or_else(|| remote().map(|(agent, id)| HostKey::Remote(agent, id)).and_then(find))
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
    /// The classes that it belongs to.
    pub classes: Vec<&'a str>,
    /// What it is given.
    pub layers: Layers<'a>,
}

impl<'a> Entitled<'a> {
    /// What is wanted for the boot of a machine with this firmware.
    pub fn wishes(&self, firmware: Firmware) -> Wishes<'a> {
        let find =
            |say: fn(&'a Settings) -> Option<&'a str>| self.layers.find(say).map(|found| found.1);
        let arch = firmware.architecture();
        let loader = |settings: &'a Settings| settings.loaders.get(&arch?).map(String::as_str);
        Wishes {
            profile: find(|settings| settings.profile.as_deref()),
            loader: self.layers.find(loader).map(|found| found.1),
            boot_file: find(|settings| settings.boot_file.as_deref()),
            tftp_server: self.layers.find(|settings| settings.tftp_server).map(|found| found.1),
        }
    }

    /// May the client have addresses of `pool`?
    pub fn admits(&self, pool: &Pool) -> bool {
        pool.class.as_deref().is_none_or(|class| self.classes.contains(&class))
    }
}

impl Policy {
    /// What holds for a client on a subnet. Its groups are found here.
    pub fn of<'a>(&'a self, subnet: &'a Subnet, facts: &Facts<'_>) -> Entitled<'a> {
        let reservation = self.reservations.of(facts);
        let groups = self.groups_of(facts.machine, reservation);
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        let facts = Facts { groups: &names, ..*facts };
        let classes = self.classes.iter().filter(|class| class.test.passes(&facts));
        let classes: Vec<&Class> = classes.collect();
        let Subnet { settings, imposed, .. } = subnet;
        let mut layers = vec![(Origin::Everywhere, &self.everywhere), (Origin::Subnet, settings)];
        layers.extend(classes.iter().map(|class| (Origin::Class(&class.name), &class.settings)));
        layers.extend(groups.iter().map(|group| (Origin::Group(&group.name), &group.settings)));
        layers.extend(reservation.map(|own| (Origin::Reservation(&own.name), &own.settings)));
        layers.extend((*imposed != Settings::default()).then_some((Origin::CommandLine, imposed)));
        let classes = classes.into_iter().map(|class| class.name.as_str()).collect();
        Entitled { reservation, classes, layers: Layers::new(layers) }
    }

    fn groups_of(&self, machine: &Machine, reservation: Option<&Reservation>) -> Vec<&Group> {
        let named = reservation.and_then(|reservation| reservation.group.as_deref());
        let mac = machine.mac();
        let is_member = |group: &&Group| {
            named == Some(&*group.name)
                || mac.is_some_and(|mac| group.members.iter().any(|member| member.matches(mac)))
        };
        self.groups.iter().filter(is_member).collect()
    }
}
