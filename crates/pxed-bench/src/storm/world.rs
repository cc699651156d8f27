//! One thread between a storm's machines, their sockets and the clock.

use std::io;
use std::net::SocketAddrV4;

use crate::drive::{Clock, broadcast_of};
use crate::engine::Engine;
use crate::socket::{Basin, Came, Datagrams, Port, Room, Stream};
use crate::storm::{Command, Phase, Storm};
use crate::watch::Watch;

/// The number of DHCP's socket; a machine's UDP socket has twice its number, its connection one more.
const DHCP: u64 = u64::MAX;

/// What is due within so many nanoseconds is waited for awake.
const AWAKE: u64 = 100_000;

/// What the generator did besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort {
    /// Nanoseconds until every machine had its script, or the storm was over without that.
    pub scripts: u64,
    /// Of these, without anything to do.
    pub scripts_free: u64,
    /// Nanoseconds after that.
    pub files: u64,
    /// Of these, without anything to do.
    pub files_free: u64,
    /// Datagrams that the kernel did not send, and sockets that it did not give.
    pub errors: u64,
}

/// The sockets of one machine.
#[derive(Default)]
struct Sockets {
    udp: Option<Datagrams>,
    tcp: Option<Stream>,
}

/// All sockets.
pub struct World {
    port: Port,
    watch: Watch,
    sockets: Vec<Sockets>,
    room: Room,
    basin: Basin,
    errors: u64,
}

impl World {
    /// Sockets of so many machines; `port` is where they do DHCP.
    ///
    /// # Errors
    ///
    /// There are no more descriptors.
    pub fn new(port: Port, machines: u32) -> io::Result<Self> {
        let watch = Watch::new()?;
        watch.add(&port, DHCP, false)?;
        let sockets = (0..machines).map(|_| Sockets::default()).collect();
        Ok(Self { port, watch, sockets, room: Room::new(), basin: Basin::new(), errors: 0 })
    }

    /// What was lost at DHCP's socket, in and out.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// Switches all machines on, and ends when each has booted or failed, at the latest after so many
    /// nanoseconds.
    pub fn run(&mut self, storm: &mut Storm, dhcp: [&mut Engine; 2], patience: u64) -> Effort {
        let [firmware, ipxe] = dhcp;
        let clock = Clock::start();
        (0..).take(self.sockets.len()).for_each(|number| firmware.call(number, 0));
        let (mut now, mut effort) = (0, Effort::default());
        while !storm.is_over() {
            if now > patience {
                storm.give_up();
            }
            while let Some(command) = storm.command() {
                if let Command::Lease(number) = command {
                    ipxe.call(number, now);
                } else {
                    self.perform(command, storm);
                }
            }
            let mut busy = self.dhcp(now, firmware, ipxe) > 0;
            for engine in [&mut *firmware, &mut *ipxe] {
                while let Some(ended) = engine.ended() {
                    storm.leased(ended.machine, clock.now(), ended.ack.as_deref());
                }
            }
            storm.time(now);
            for number in self.watch.ready() {
                busy |= number != DHCP;
                self.served(number, &clock, storm);
            }
            let wakes = [firmware.wakes(now), ipxe.wakes(now), storm.wakes()];
            let next = wakes.into_iter().flatten().min().unwrap_or(u64::MAX).saturating_sub(now);
            let before = clock.now();
            if !busy && next > AWAKE {
                self.watch.sleep(next - AWAKE / 2);
            }
            let begun = std::mem::replace(&mut now, clock.now());
            let has_scripts = storm.marks.passed(Phase::Script) >= self.sockets.len();
            effort.add(has_scripts, now - begun, now - before);
        }
        while let Some(command) = storm.command() {
            self.perform(command, storm);
        }
        Effort { errors: self.errors, ..effort }
    }

    /// Sends and receives what there is; says how much that was.
    fn dhcp(&mut self, now: u64, firmware: &mut Engine, ipxe: &mut Engine) -> usize {
        let mut message = Vec::new();
        for engine in [&mut *firmware, &mut *ipxe] {
            while self.port.has_room() {
                let Some(mac) = engine.next(now, &mut message) else { break };
                self.port.queue(&broadcast_of(mac), &message);
            }
        }
        let sent = self.port.flush();
        let received = self.port.receive(|_, datagram| {
            let _ = firmware.received(now, datagram) || ipxe.received(now, datagram);
        });
        sent + received
    }

    /// Does what a machine wants done.
    fn perform(&mut self, command: Command, storm: &mut Storm) {
        let done = match command {
            Command::Ask { machine, from, to, datagram } => {
                self.ask(machine, SocketAddrV4::new(from, 0), to, &datagram)
            }
            Command::Send { machine, to, datagram } => {
                let sockets = self.sockets.get(machine as usize);
                sockets.and_then(|s| s.udp.as_ref()).is_some_and(|udp| udp.send(to, &datagram))
            }
            Command::Connect { machine, from, to } => {
                let stream = Stream::connect(from, to).ok().filter(|stream| {
                    self.watch.add(stream, u64::from(machine) * 2 + 1, false).is_ok()
                });
                let connects = stream.is_some();
                if let Some(sockets) = self.sockets.get_mut(machine as usize) {
                    sockets.tcp = stream;
                }
                connects
            }
            Command::Write(machine, octets) => self.write(machine, &octets, storm),
            Command::Close(machine) => {
                if let Some(sockets) = self.sockets.get_mut(machine as usize) {
                    *sockets = Sockets::default();
                }
                true
            }
            Command::Lease(_) => true,
        };
        self.errors += u64::from(!done);
    }

    fn ask(&mut self, machine: u32, from: SocketAddrV4, to: SocketAddrV4, datagram: &[u8]) -> bool {
        let Ok(udp) = Datagrams::open(from) else { return false };
        let watched = self.watch.add(&udp, u64::from(machine) * 2, false).is_ok();
        let sent = udp.send(to, datagram);
        if let Some(sockets) = self.sockets.get_mut(machine as usize) {
            sockets.udp = Some(udp);
        }
        watched && sent
    }

    fn write(&mut self, machine: u32, octets: &[u8], storm: &mut Storm) -> bool {
        let stream = self.sockets.get_mut(machine as usize).and_then(|s| s.tcp.as_mut());
        let Some(stream) = stream else {
            storm.broken(machine);
            return false;
        };
        stream.write(octets);
        !stream.is_writing() || self.watch.change(stream, u64::from(machine) * 2 + 1, true).is_ok()
    }

    /// A socket has something.
    fn served(&mut self, number: u64, clock: &Clock, storm: &mut Storm) {
        let Some(machine) = u32::try_from(number / 2).ok() else { return };
        let Some(sockets) = self.sockets.get_mut(machine as usize) else { return };
        if number.is_multiple_of(2) {
            let Some(udp) = &sockets.udp else { return };
            udp.receive(&mut self.room, |from, datagram| {
                storm.datagram(machine, clock.now(), from, datagram);
            });
            return;
        }
        let Some(tcp) = &mut sockets.tcp else { return };
        if tcp.is_writing() && tcp.flush() {
            let _ = self.watch.change(tcp, number, false);
        }
        let unseen = storm.unseen(machine);
        match tcp.take(&mut self.basin, unseen) {
            Came::Octets(octets) if unseen > 0 => {
                storm.discarded(machine, clock.now(), octets as u64)
            }
            Came::Octets(octets) => storm.stream(machine, clock.now(), self.basin.octets(octets)),
            Came::Nothing => {}
            Came::Over => {
                sockets.tcp = None;
                storm.broken(machine);
            }
        }
    }
}

impl Effort {
    fn add(&mut self, has_scripts: bool, took: u64, free: u64) {
        let (all, idle) = match has_scripts {
            false => (&mut self.scripts, &mut self.scripts_free),
            true => (&mut self.files, &mut self.files_free),
        };
        *all += took;
        *idle += free;
    }
}
