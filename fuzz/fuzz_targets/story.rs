//! A story: machines that boot, renew and leave, by relay agents and without, in any order, with
//! octets changed here and there; a store that fails; reloads and restarts; and time.

#![no_main]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pxed_fuzz::Input;
use pxed_fuzz::shape::{POOL, RELAY, SERVER, Shape, address, mac};
use pxed_fuzz::world::{Store, World};
use pxed_proto::dhcp::{Arrival, Transmit};
use pxed_proto::wire::dhcp::Message;

fuzz_target!(|octets: &[u8]| {
    let mut input = Input(octets);
    let Some(shape) = input.word() else { return };
    let mut story = Story { world: World::new(Shape(shape)), told: BTreeMap::new() };
    while let Some(act) = input.byte() {
        story.goes_on(act, &mut input);
    }
    story.world.ends();
});

struct Story {
    world: World,
    /// What each machine was told last: an address, or that it has none.
    told: BTreeMap<[u8; 16], Ipv4Addr>,
}

impl Story {
    /// The lower half of `act` is what happens, the upper one to whom.
    fn goes_on(&mut self, act: u8, input: &mut Input<'_>) {
        let (act, who) = (act & 0xf, act >> 4);
        let mut next = || input.byte().unwrap_or_default();
        match act {
            0..=8 => self.speaks(act, who, input),
            9 => self.world.waits(Duration::from_millis(1 << (2 * who))),
            10 => self.world.waits(Duration::from_secs(u64::from(who) * 60)),
            11 => self.answers(who),
            12 => self.world.wakes(),
            13 => self.world.reloads(Shape(u16::from_be_bytes([next(), next()]))),
            14 => self.world.restarts(),
            _ => self.world.frees(address(usize::from(who), next())),
        }
    }

    fn answers(&mut self, how: u8) {
        let how = match how {
            0..=9 => Store::Writes,
            10 | 11 => Store::Fails,
            12 => Store::FailsAndWrites,
            13 => Store::FindsNothing,
            14 => Store::FindsAnother,
            _ => return self.world.stores_all(),
        };
        let sent = self.world.stores(how);
        self.hears(sent);
    }

    fn speaks(&mut self, says: u8, who: u8, input: &mut Input<'_>) {
        let mut next = || input.byte().unwrap_or_default();
        let said = Said { says, who, how: next(), net: next(), host: next() };
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&mac(who).0);
        let told = self.told.get(&chaddr).copied().unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut datagram = said.datagram(chaddr, told);
        if said.has(7) {
            damage(&mut datagram, input);
        }
        let sent = self.world.hears(said.link(), &said.arrival(told), &datagram);
        self.hears(sent);
    }

    /// A machine is told its address.
    fn hears(&mut self, sent: Option<Transmit>) {
        let Some(sent) = sent else { return };
        let message = Message::parse(&sent.message).expect("a DHCP message");
        self.told.insert(message.chaddr, message.yiaddr);
    }
}

/// Octets that are changed on their way: where, and to what.
fn damage(datagram: &mut Vec<u8>, input: &mut Input<'_>) {
    let Some(count) = input.byte() else { return };
    for _ in 0..count & 7 {
        let (Some(at), Some(octet)) = (input.word(), input.byte()) else { return };
        match datagram.get_mut(usize::from(at)) {
            Some(there) => *there = octet,
            None if at & 1 == 0 => datagram.push(octet),
            None => datagram.truncate(usize::from(at & 0x1ff).max(236)),
        }
    }
}

/// What a machine says.
#[derive(Clone, Copy, Debug)]
struct Said {
    says: u8,
    who: u8,
    /// A bit for each thing that it says more, or otherwise.
    how: u8,
    /// Where it is.
    net: u8,
    /// Which address it speaks of; 0 is the one that it was told.
    host: u8,
}

impl Said {
    fn has(self, bit: u8) -> bool {
        self.how >> bit & 1 == 1
    }

    fn is_relayed(self) -> bool {
        self.net & 3 >= 2
    }

    fn link(self) -> usize {
        usize::from(self.net & 1)
    }

    fn address(self, told: Ipv4Addr) -> Ipv4Addr {
        match self.host {
            0 => told,
            host => address(usize::from(self.net >> 2), POOL.wrapping_add(host)),
        }
    }

    /// RFC 2131 table 5: what is said how.
    fn datagram(self, chaddr: [u8; 16], told: Ipv4Addr) -> Vec<u8> {
        let own = self.address(told);
        let message_type = [1, 3, 3, 3, 3, 7, 4, 8, 0][usize::from(self.says)];
        let by_ciaddr = matches!(self.says, 3 | 4 | 5 | 7);
        let ciaddr = if by_ciaddr { own } else { Ipv4Addr::UNSPECIFIED };
        let relay = address(usize::from(self.net & 3), RELAY);
        let giaddr = if self.is_relayed() { relay } else { Ipv4Addr::UNSPECIFIED };
        let mut bytes = vec![1, 1, 6, u8::from(self.is_relayed()), 7, 7, 7, self.who];
        bytes.extend([0, self.host & 3, self.how & 0x80, 0]);
        bytes.extend([ciaddr.octets(), [0; 4], [0; 4], giaddr.octets()].concat());
        bytes.extend(chaddr);
        bytes.resize(236, 0);
        bytes.extend([99, 130, 83, 99, 53, 1, message_type, 55, 8, 1, 3, 6, 15, 43, 51, 108, 119]);
        for (code, value) in self.options(own) {
            bytes.extend([code, value.len() as u8]);
            bytes.extend(value);
        }
        bytes.push(255);
        bytes
    }

    fn options(self, own: Ipv4Addr) -> Vec<(u8, Vec<u8>)> {
        let server = address(usize::from(self.net & 3), SERVER);
        let mut options = Vec::new();
        if matches!(self.says, 1 | 2 | 6) || self.says == 0 && self.host != 0 {
            options.push((50, own.octets().to_vec()));
        }
        if matches!(self.says, 1 | 5 | 6) {
            options.push((54, server.octets().to_vec()));
        }
        match self.how & 3 {
            1 => options.extend([(60, b"PXEClient:Arch:00000".to_vec()), (93, vec![0, 0])]),
            2 => options.extend([(60, b"HTTPClient:Arch:00016".to_vec()), (93, vec![0, 16])]),
            3 => options.extend([(60, b"PXEClient".to_vec()), (77, b"iPXE".to_vec())]),
            _ => {}
        }
        if self.has(2) {
            options.push((61, vec![0, self.who & 7]));
        }
        if self.has(3) {
            options.extend([(57, vec![5, 0xc0]), (97, [&[0][..], &[self.who; 16]].concat())]);
        }
        if self.has(4) {
            options.push((51, vec![0, 0, self.host, 9]));
        }
        if self.has(5) {
            options.push((12, vec![b'a' + self.who, 0x1b]));
        }
        if self.is_relayed() != self.has(6) {
            options.push((82, vec![1, 1, self.who & 7, 2, 2, b'r', self.who]));
        }
        options
    }

    fn arrival(self, told: Ipv4Addr) -> Arrival {
        let own = self.address(told);
        let source = match self.says {
            _ if self.is_relayed() => {
                SocketAddrV4::new(address(usize::from(self.net & 3), RELAY), 67)
            }
            3..=5 | 7 => SocketAddrV4::new(own, 68),
            _ => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
        };
        let by_unicast = self.is_relayed() || matches!(self.says, 3 | 5);
        let server = address(self.link(), SERVER);
        let destination = if by_unicast { server } else { Ipv4Addr::BROADCAST };
        let destination = SocketAddrV4::new(destination, 67);
        let source_mac = (!by_unicast).then_some(mac(self.who));
        Arrival { source, destination, source_mac }
    }
}
