//! Whole boots in virtual time, against a model of the servers: every count and time is exact.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::cast_possible_truncation, reason = "sizes and numbers are small here")]

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_bench::{
    Client, Command, Engine, Exchange, Failure, Firmware, Null, Pace, Phase, Plan, Rack, Storm,
};
use pxed_proto::wire::tftp::{ErrorCode, Packet, data_header, error, oack};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLISECOND;
const MACHINES: u32 = 20;

/// Each datagram and each answer takes as long.
const DELAY: u64 = MILLISECOND;

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SCRIPT: &str = "#!ipxe\nkernel http://10.0.0.1:8067/vmlinuz quiet || goto failed\n\
    initrd --name initrd.gz http://10.0.0.1:8067/initrd.gz || goto failed\nboot\n";

fn engine(firmware: Firmware, salt: u32) -> Engine {
    let plan = Plan {
        exchange: Exchange::FourWay,
        pace: Pace::Called,
        warm_up: 0,
        measured: u64::MAX,
        count: u64::MAX,
        waits: [4, 8, 16, 32].map(|seconds| seconds * SECOND).to_vec(),
        salt,
        first: 0,
    };
    Engine::new(plan, &Client { firmware, relay: None, broadcast: false }, MACHINES)
}

/// What comes to a machine, and when.
enum Came {
    Answer(Vec<u8>),
    Datagram(u32, u16, Vec<u8>),
    Octets(u32, Vec<u8>),
    Broken(u32),
}

/// DHCP, TFTP and HTTP, and what is wrong with them.
struct Servers {
    null: Null,
    files: BTreeMap<&'static str, Vec<u8>>,
    /// Every n-th DATA packet is lost.
    lose_every: u64,
    data: u64,
    /// Connections break with the first answer.
    breaks: bool,
    /// The block size and window of each machine's transfer.
    granted: BTreeMap<u32, (u64, u64)>,
}

impl Servers {
    fn new() -> Self {
        let noise = |length: u32| (0..length).map(|n| n.to_le_bytes()[0] ^ 0x5a).collect();
        let files = [
            ("ipxe.efi", noise(100_000)),
            ("boot.ipxe", SCRIPT.as_bytes().to_vec()),
            ("vmlinuz", noise(300_000)),
            ("initrd.gz", noise(500_000)),
        ];
        Self {
            null: Null::new(HERE, 0),
            files: files.into(),
            lose_every: 0,
            data: 0,
            breaks: false,
            granted: BTreeMap::new(),
        }
    }

    fn dhcp(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let mut answer = self.null.answer(message)?.to_vec();
        if message.windows(4).any(|octets| octets == b"iPXE") {
            let url = b"http://10.0.0.1:8067/boot.ipxe";
            answer[108..][..url.len()].copy_from_slice(url);
        }
        Some(answer)
    }

    fn tftp(&mut self, machine: u32, datagram: &[u8]) -> Vec<Vec<u8>> {
        match Packet::parse(datagram).unwrap() {
            Packet::Request(request) => {
                let Some(file) = self.files.get(str::from_utf8(request.file).unwrap()) else {
                    return vec![error(ErrorCode::FileNotFound, "no")];
                };
                let number = |name| request.options.number(name);
                let granted = (number("blksize").unwrap(), number("windowsize").unwrap_or(1));
                self.granted.insert(machine, granted);
                let (block, window) = granted;
                let mut options = vec![("tsize", file.len() as u64), ("blksize", block)];
                options.extend(number("windowsize").map(|_| ("windowsize", window)));
                vec![oack(&options)]
            }
            Packet::Ack(acknowledged) => {
                let (block, window) = self.granted[&machine];
                let file = &self.files["ipxe.efi"];
                let blocks = file.len() as u64 / block + 1;
                let first = u64::from(acknowledged) + 1;
                let mut sent = Vec::new();
                for number in (first..first + window).take_while(|number| *number <= blocks) {
                    self.data += 1;
                    if self.lose_every > 0 && self.data.is_multiple_of(self.lose_every) {
                        continue;
                    }
                    let from = ((number - 1) * block) as usize;
                    let to = file.len().min(from + block as usize);
                    sent.push([&data_header(number as u16)[..], &file[from..to]].concat());
                }
                sent
            }
            _ => vec![],
        }
    }

    fn http(&self, request: &[u8]) -> Vec<u8> {
        let text = str::from_utf8(request).unwrap();
        let path = text.split(' ').nth(1).unwrap().trim_start_matches('/');
        match self.files.get(path) {
            Some(file) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
                [head.as_bytes(), file].concat()
            }
            None => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        }
    }
}

/// Boots all machines; says how long that took.
fn boot(storm: &mut Storm, servers: &mut Servers) -> u64 {
    let mut firmware = engine(Firmware::Pxe, 0x1234_0000);
    let mut ipxe = engine(Firmware::Ipxe, 0x1255_5555);
    let (mut now, mut message) = (0, Vec::new());
    let mut wire: VecDeque<(u64, Came)> = VecDeque::new();
    (0..MACHINES).for_each(|machine| firmware.call(machine, 0));
    while !storm.is_over() {
        for engine in [&mut firmware, &mut ipxe] {
            while engine.next(now, &mut message).is_some() {
                let answer = servers.dhcp(&message).map(Came::Answer);
                wire.extend(answer.map(|answer| (now + DELAY, answer)));
            }
            while let Some(ended) = engine.ended() {
                storm.leased(ended.machine, now, ended.ack.as_deref());
            }
        }
        storm.time(now);
        while let Some(command) = storm.command() {
            match command {
                Command::Lease(machine) => ipxe.call(machine, now),
                Command::Ask { machine, to, datagram, .. }
                | Command::Send { machine, to, datagram } => {
                    assert_eq!(*to.ip(), HERE);
                    for answer in servers.tftp(machine, &datagram) {
                        wire.push_back((now + DELAY, Came::Datagram(machine, 1069, answer)));
                    }
                }
                Command::Connect { to, .. } => assert_eq!(to, SocketAddrV4::new(HERE, 8067)),
                Command::Write(machine, _) if servers.breaks => {
                    wire.push_back((now + DELAY, Came::Broken(machine)));
                }
                Command::Write(machine, request) => {
                    let answer = servers.http(&request);
                    wire.push_back((now + DELAY, Came::Octets(machine, answer)));
                }
                Command::Close(_) => {}
            }
        }
        let arrives = wire.front().map(|(arrives, _)| *arrives);
        let wakes = [firmware.wakes(now), ipxe.wakes(now), storm.wakes(), arrives];
        now = wakes.into_iter().flatten().min().map_or(now, |wakes| wakes.max(now));
        while let Some((_, came)) = wire.pop_front_if(|(arrives, _)| *arrives <= now) {
            match came {
                Came::Answer(answer) => {
                    assert!(firmware.received(now, &answer) || ipxe.received(now, &answer));
                }
                Came::Datagram(machine, port, datagram) => {
                    storm.datagram(machine, now, SocketAddrV4::new(HERE, port), &datagram);
                }
                Came::Octets(machine, octets) => deliver(storm, machine, now, &octets),
                Came::Broken(machine) => storm.broken(machine),
            }
        }
    }
    now
}

/// In pieces, and thrown away where nobody looks.
fn deliver(storm: &mut Storm, machine: u32, now: u64, octets: &[u8]) {
    let mut rest = octets;
    while !rest.is_empty() {
        let unseen = storm.unseen(machine).min(rest.len() as u64) as usize;
        let (piece, after) = rest.split_at(if unseen > 0 { unseen } else { rest.len().min(1000) });
        match unseen {
            0 => storm.stream(machine, now, piece),
            _ => storm.discarded(machine, now, unseen as u64),
        }
        rest = after;
    }
}

fn rack(servers: &Servers) -> Rack {
    let originals = servers.files.iter();
    let originals = originals.map(|(name, file)| ((*name).to_owned(), file.clone())).collect();
    Rack { machines: MACHINES, window_size: Some(4), originals, compare_every: 5 }
}

fn failures(storm: &Storm, phase: Phase) -> Vec<(Failure, u64)> {
    storm.marks.failures(phase).into_iter().collect()
}

#[test]
fn every_machine_boots_and_the_times_are_those_of_its_round_trips() {
    let mut servers = Servers::new();
    let mut storm = Storm::new(rack(&servers));
    let took = boot(&mut storm, &mut servers);
    // 2 round trips for the address; size, OACK, and windows of 4 in 69 blocks of 1468.
    let loader = 2 + 1 + 1 + 18;
    let expected = [2, loader, loader + 2, loader + 3, loader + 4, loader + 5];
    for (phase, expected) in Phase::ALL.into_iter().zip(expected) {
        let times = storm.marks.times(phase);
        assert_eq!(times, vec![expected * DELAY; MACHINES as usize], "{phase:?}");
        assert!(failures(&storm, phase).is_empty());
        assert_eq!(storm.marks.resent(phase), 0);
        assert_eq!(storm.marks.passed(phase), MACHINES as usize);
    }
    assert_eq!(took, (loader + 5) * DELAY);
    // Four machines compare loader, kernel and initrd.
    assert_eq!((storm.marks.compared, storm.marks.without_original), (12, 0));
    let whole = 900_000 + SCRIPT.len() as u64;
    assert_eq!(storm.marks.octets, whole * u64::from(MACHINES));
}

#[test]
fn lost_blocks_are_asked_for_again() {
    for window_size in [None, Some(4)] {
        let mut servers = Servers::new();
        servers.lose_every = 31;
        let mut storm = Storm::new(Rack { window_size, ..rack(&servers) });
        let took = boot(&mut storm, &mut servers);
        assert_eq!(storm.marks.times(Phase::Initrds).len(), MACHINES as usize);
        assert!(storm.marks.resent(Phase::Loader) >= 20, "{window_size:?}");
        assert_eq!(storm.marks.compared, 12);
        // Without windows only EDK2's time-out of 4 s tells of a loss: this server has none.
        assert!(window_size.is_some() || took > 4 * SECOND);
    }
}

#[test]
fn a_file_that_is_another_is_noticed_by_those_that_compare() {
    for (name, phase) in
        [("ipxe.efi", Phase::Loader), ("vmlinuz", Phase::Kernel), ("initrd.gz", Phase::Initrds)]
    {
        for longer in [false, true] {
            let mut servers = Servers::new();
            let mut storm = Storm::new(rack(&servers));
            let file = servers.files.get_mut(name).unwrap();
            if longer {
                file.push(0)
            } else {
                file[1500] ^= 1
            }
            boot(&mut storm, &mut servers);
            assert_eq!(failures(&storm, phase), [(Failure::Different, 4)], "{name} {longer}");
            assert_eq!(storm.marks.times(Phase::Initrds).len(), 16);
        }
    }
}

#[test]
fn what_is_wrong_is_told_where_it_was() {
    type Fault = fn(&mut Servers);
    let faults: [(Fault, Phase, Failure); 6] = [
        (|s| s.null = Null::new(HERE, 1), Phase::Address, Failure::NoAddress),
        (|s| drop(s.files.remove("ipxe.efi")), Phase::Loader, Failure::Refused(1)),
        (|s| s.lose_every = 1, Phase::Loader, Failure::Silence),
        (|s| drop(s.files.remove("vmlinuz")), Phase::Kernel, Failure::Status(404)),
        (|s| s.breaks = true, Phase::Script, Failure::Broken),
        (
            |s| drop(s.files.insert("boot.ipxe", b"#!ipxe\nexit\n".to_vec())),
            Phase::Script,
            Failure::NothingToBoot,
        ),
    ];
    for (fault, phase, failure) in faults {
        let mut servers = Servers::new();
        fault(&mut servers);
        let mut storm = Storm::new(rack(&servers));
        boot(&mut storm, &mut servers);
        assert_eq!(failures(&storm, phase), [(failure, u64::from(MACHINES))]);
        assert!(storm.marks.times(phase).is_empty());
        assert_eq!(storm.marks.passed(Phase::Script), MACHINES as usize);
    }
}

#[test]
fn tftp_is_given_up_as_edk2_does() {
    let mut servers = Servers::new();
    servers.lose_every = 1;
    let mut storm = Storm::new(rack(&servers));
    let took = boot(&mut storm, &mut servers);
    // Six times four seconds, from the OACK on.
    assert!((24 * SECOND..25 * SECOND).contains(&took), "{took}");
    assert_eq!(storm.marks.resent(Phase::Loader), 5 * u64::from(MACHINES));
}

#[test]
fn who_is_not_ready_in_time_has_failed() {
    let mut storm = Storm::new(rack(&Servers::new()));
    storm.give_up();
    assert!(storm.is_over());
    assert_eq!(failures(&storm, Phase::Address), [(Failure::Silence, u64::from(MACHINES))]);
}
