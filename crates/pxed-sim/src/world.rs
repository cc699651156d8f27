//! The whole: machines, LAN and server in virtual time.

mod acts;
mod tcp;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{BOOT_SERVER_PORT, LeaseState, Probe, SERVER_PORT};
use pxed_proto::event::{DhcpEvent, Event, Outcome};
use pxed_proto::net::Mac;

use self::tcp::Asked;
use crate::checker::Checker;
use crate::files::Files;
use crate::firmware::{Answer, Ending};
use crate::lan::{Datagram, Lan, Weather};
use crate::machine::{Kind, Machine};
use crate::other::OtherServer;
use crate::queue::Queue;
use crate::random::Random;
use crate::server::store::Health;
use crate::server::{Deed, Pxed};
use crate::site::{BEGINNING, SERVER_MAC, Site};
use crate::transcript::Transcript;

/// How many things may happen within one millisecond before time is said to stand still.
const HAPPENINGS_MAX: usize = 100_000;

/// The world of one story.
#[derive(Debug)]
pub struct World {
    now: Timestamp,
    random: Random,
    /// What carries datagrams.
    pub lan: Lan,
    /// The server.
    pub pxed: Pxed,
    /// The server that gives addresses, where pxed gives none.
    other: Option<OtherServer>,
    files: Files,
    machines: Vec<Machine>,
    /// Who has which address without having asked for it.
    squatters: BTreeMap<Ipv4Addr, Mac>,
    queue: Queue<Happening>,
    /// The invariants.
    pub checker: Checker,
    /// What happened.
    pub transcript: Transcript,
    /// How often the server's power went: connections from before are broken.
    crashes: u32,
    at_this_time: usize,
}

/// What is going to happen.
#[derive(Clone, Debug)]
enum Happening {
    Arrives(Datagram),
    Asked(Asked),
    Answered {
        machine: usize,
        fetch: u64,
        crashes: u32,
        what: String,
        answer: Answer,
    },
    PowerOn(usize),
    Reset(usize),
    Crash(Duration),
    Start,
    Health(Health),
    /// The wire's answer to a probe of the server that has crashed so often.
    Probed(Probe, u32, Option<Mac>),
}

impl World {
    /// A world from a seed, with a server and without machines.
    pub fn new(site: &Site, weather: Weather, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            now: BEGINNING,
            lan: Lan::new(weather, random.fork()),
            pxed: Pxed::new(site, random.fork()),
            other: site.proxy.then(OtherServer::default),
            files: site.files.clone(),
            machines: Vec::new(),
            squatters: BTreeMap::new(),
            queue: Queue::default(),
            checker: Checker::of(site),
            transcript: Transcript::default(),
            crashes: 0,
            at_this_time: 0,
            random,
        }
    }

    /// The same, written down.
    #[must_use]
    pub fn recording(self) -> Self {
        Self { transcript: Transcript::recording(), ..self }
    }

    /// Adds a machine that is switched on `after` the beginning, and again as long as it fails:
    /// `boots` times altogether. Returns its MAC.
    pub fn add(&mut self, kind: Kind, after: Duration, boots: u32) -> Mac {
        let mac = Mac([0x52, 0x54, 0, 0, 0, self.machines.len() as u8 + 1]);
        self.add_known(mac, kind, after, boots);
        mac
    }

    /// Adds a machine with this MAC, whose maker's its kind may depend on.
    pub fn add_known(&mut self, mac: Mac, kind: Kind, after: Duration, boots: u32) {
        let index = self.machines.len();
        self.machines.push(Machine::new(mac, kind, boots, self.random.fork()));
        self.queue.push(BEGINNING + after, Happening::PowerOn(index));
    }

    /// A machine whose story is over is switched on a minute later, as often as it fails: `boots`
    /// times altogether.
    pub fn start_again(&mut self, mac: Mac, boots: u32) {
        if let Some(index) = self.machines.iter().position(|machine| machine.mac() == mac) {
            self.machines[index].begin_anew(boots);
            self.queue.push(self.now + Duration::from_secs(60), Happening::PowerOn(index));
        }
    }

    /// Somebody presses the machine's reset button, if it is still on its way.
    pub fn reset(&mut self, mac: Mac, after: Duration) {
        if let Some(index) = self.machines.iter().position(|machine| machine.mac() == mac) {
            self.queue.push(BEGINNING + after, Happening::Reset(index));
        }
    }

    /// The server's power goes `after` the beginning, and comes back after `down`.
    pub fn crash(&mut self, after: Duration, down: Duration) {
        self.queue.push(BEGINNING + after, Happening::Crash(down));
    }

    /// The store does so from then on.
    pub fn health(&mut self, after: Duration, health: Health) {
        self.queue.push(BEGINNING + after, Happening::Health(health));
    }

    /// Somebody has this address without having asked for it.
    pub fn squat(&mut self, address: Ipv4Addr, mac: Mac) {
        self.squatters.insert(address, mac);
        self.checker.squats(address, mac);
    }

    /// The machines.
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// How the story of a machine ended, if it has.
    pub fn ending(&self, mac: Mac) -> Option<&Ending> {
        self.machines.iter().find(|machine| machine.mac() == mac)?.ending()
    }

    /// Time since the beginning.
    pub fn time(&self) -> Duration {
        self.now.since(BEGINNING)
    }

    /// Runs until every story has ended and nothing is under way, or time is up, or `packets_max`
    /// is exceeded; then asks the checker.
    pub fn run(&mut self, time_max: Duration, packets_max: usize) -> &Checker {
        let in_bounds = |world: &Self| {
            world.time() <= time_max
                && world.checker.packets() <= packets_max
                && world.at_this_time < HAPPENINGS_MAX
        };
        while in_bounds(self) && !self.is_over() && self.step() {}
        if self.at_this_time >= HAPPENINGS_MAX {
            self.checker.wrong(self.now, "time stands still");
        }
        self.checker.end(self.now, packets_max, time_max);
        &self.checker
    }

    fn is_over(&self) -> bool {
        let ended = self.machines.iter().all(|machine| machine.ending().is_some());
        ended && self.queue.next().is_none() && self.pxed.is_idle()
    }

    /// The next thing happens. `false` if there is none.
    fn step(&mut self) -> bool {
        let thing = self.queue.next();
        let server = self.pxed.poll_timeout();
        let machines = self.machines.iter().enumerate();
        let machine = machines.filter_map(|(index, it)| Some((it.poll_timeout()?, index))).min();
        let times = [thing, server, machine.map(|(at, _)| at)];
        let Some(next) = times.into_iter().flatten().min() else { return false };
        self.at_this_time = if next > self.now { 0 } else { self.at_this_time + 1 };
        self.now = self.now.max(next);
        if thing == Some(next) {
            let thing = self.queue.pop();
            thing.into_iter().for_each(|thing| self.happen(thing));
        } else if server == Some(next) {
            self.pxed.handle_timeout(self.now);
            self.take_deeds();
        } else if let Some((_, index)) = machine {
            self.machines[index].handle_timeout(self.now);
            self.take_acts(index);
        }
        true
    }

    fn happen(&mut self, thing: Happening) {
        match thing {
            Happening::Arrives(datagram) => self.arrive(&datagram),
            Happening::Asked(asked) => self.ask(asked),
            Happening::Answered { machine, fetch, crashes, what, answer } => {
                let same = crashes == self.crashes;
                let answer = if same { answer } else { Err("connection reset") };
                self.answer(machine, fetch, &what, answer);
            }
            Happening::Reset(index) if !self.machines[index].is_on() => {}
            Happening::PowerOn(index) | Happening::Reset(index) => {
                self.machines[index].power_on(self.now);
                let machine = &self.machines[index];
                self.transcript.line(self.now, machine.mac(), machine.runs());
                self.take_acts(index);
            }
            Happening::Crash(_) if !self.pxed.is_up() => {}
            Happening::Crash(down) => {
                self.crashes += 1;
                let lost = self.pxed.crash();
                self.checker.lost(lost);
                self.transcript.line(self.now, "pxed", "its power goes");
                self.queue.push(self.now + down, Happening::Start);
            }
            Happening::Start => {
                self.pxed.start(self.now);
                self.transcript.line(self.now, "pxed", "starts again");
                self.take_deeds();
            }
            Happening::Health(health) => self.pxed.store.health = health,
            Happening::Probed(probe, crashes, found) if crashes == self.crashes => {
                self.pxed.probed(self.now, &probe, found);
                self.take_deeds();
            }
            Happening::Probed(..) => {}
        }
    }

    fn arrive(&mut self, datagram: &Datagram) {
        if datagram.from != SERVER_MAC && self.pxed.is_up() && self.pxed.listens(datagram) {
            if [SERVER_PORT, BOOT_SERVER_PORT].contains(&datagram.destination.port()) {
                self.checker.heard();
            }
            self.pxed.hear(self.now, datagram);
            self.take_deeds();
        }
        let reply = self.other.as_mut().and_then(|other| other.hear(datagram));
        reply.into_iter().for_each(|reply| self.send(reply));
        for index in 0..self.machines.len() {
            if self.machines[index].hears(datagram) {
                self.machines[index].hear(self.now, datagram);
                self.take_acts(index);
            }
        }
    }

    fn send(&mut self, mut datagram: Datagram) {
        self.lan.tamper(&mut datagram);
        self.checker.sent(self.now, &datagram, &self.pxed.store);
        let arrivals = self.lan.fate(self.now, &datagram);
        self.transcript.packet(self.now, &datagram, &arrivals);
        for at in arrivals {
            self.queue.push(at, Happening::Arrives(datagram.clone()));
        }
    }

    fn take_deeds(&mut self) {
        for deed in self.pxed.take_deeds() {
            match deed {
                Deed::Send(datagram) => self.send(datagram),
                Deed::Probe(probe) => self.ask_who_has(probe),
                Deed::Wrong(what) => self.checker.wrong(self.now, what),
                Deed::Submitted(lease) => self.checker.submitted(self.now, &lease),
                Deed::Failed(lost, row) => self.checker.failed(self.now, &lost, row.as_ref()),
                Deed::Stored(lease) => {
                    let what = match lease.state {
                        LeaseState::Leased => "lease",
                        LeaseState::Released => "release",
                        LeaseState::Declined => "decline",
                        LeaseState::Conflict => "conflict",
                    };
                    let text = format!("the {what} of {} is durable", lease.address);
                    self.transcript.line(self.now, "pxed", text);
                }
                Deed::Event(event) => self.tell(&event),
            }
        }
    }

    /// ARP is quick, if anybody has the address.
    fn ask_who_has(&mut self, probe: Probe) {
        let has = |machine: &&Machine| machine.is_on() && machine.nic.owns(probe.address);
        let machine = self.machines.iter().filter(has).map(Machine::mac);
        let found = self.squatters.get(&probe.address).copied().or_else(|| machine.min());
        let text = format!("asks who has {}", probe.address);
        self.transcript.line(self.now, "pxed", text);
        let after = if found.is_some() { self.lan.latency() } else { probe.wait };
        self.queue.push(self.now + after, Happening::Probed(probe, self.crashes, found));
    }

    /// Events that packets do not show are written down.
    fn tell(&mut self, event: &Event) {
        match event {
            Event::Dhcp(event) => {
                self.checker.told(self.now);
                if let DhcpEvent {
                    outcome:
                        Outcome::Ignored(_) | Outcome::NotDurable { .. } | Outcome::ProxyOffered { .. },
                    ..
                } = event
                {
                    self.transcript.line(self.now, "pxed", event.done());
                }
            }
            Event::Expired { address, machine } => {
                let text = format!("the lease of {address} by {} is over", machine.hardware);
                self.transcript.line(self.now, "pxed", text);
            }
            Event::Learned(quirk) => self.transcript.line(self.now, "pxed", quirk),
            Event::Conflict(conflict) => self.transcript.line(self.now, "pxed", conflict),
            Event::OtherServer(other) => self.transcript.line(self.now, "pxed", other),
            Event::NoDhcpServer { waited, .. } => {
                let text = format!("no DHCP server was heard for {waited:?}");
                self.transcript.line(self.now, "pxed", text);
            }
            // The simulated site has no operator.
            Event::Freed { .. } => {}
            Event::Tftp(event) => self.transcript.line(self.now, "pxed", event),
            Event::Http(event) => self.transcript.line(self.now, "pxed", event),
            Event::Tls(event) => self.transcript.line(self.now, "pxed", event),
            Event::Store(event) => self.transcript.line(self.now, "pxed", event),
        }
    }
}
