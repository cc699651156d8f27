//! Many TFTP clients at once, each with its socket, on one thread.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde::Serialize;

use crate::bad_network::BadNetwork;
use crate::download::{Download, Failure, Wanted};
use crate::drive::Clock;
use crate::pace::SECOND;
use crate::report::ratio;
use crate::socket::{Datagrams, Room};
use crate::watch::Watch;

/// What is due within so many nanoseconds is waited for awake.
const AWAKE: u64 = 100_000;

/// What the clients do.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The server's address and port.
    pub server: SocketAddrV4,
    /// How many clients there are. All begin at once.
    pub clients: u32,
    /// The first one's address; the next one has the next. All of them are this computer's.
    pub from: Option<Ipv4Addr>,
    /// What each asks for.
    pub wanted: Wanted,
    /// How long a datagram is held on its way to the server, and one on its way back, in
    /// nanoseconds.
    pub delay: u64,
    /// How many of a million DATA packets are lost.
    pub lost_ppm: u32,
    /// What differs from run to run in what is lost.
    pub seed: u64,
    /// What the file should be: the first client compares it.
    pub original: Option<Vec<u8>>,
    /// Nanoseconds until those who are not ready give up.
    pub patience: u64,
}

/// A run's result. Times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct TftpReport {
    /// How many clients there were.
    pub clients: u32,
    /// Those that have the file.
    pub complete: usize,
    /// Why the others do not.
    pub failed: BTreeMap<String, u64>,
    /// Until the last one was ready.
    pub seconds: f64,
    /// Octets of the file that came, all clients together.
    pub octets: u64,
    /// The same in MB (10^6) a second.
    pub mb_per_second: f64,
    /// The quickest client.
    pub fastest: f64,
    /// The median client.
    pub median: f64,
    /// The slowest client.
    pub slowest: f64,
    /// Packets that a client sent again after silence.
    pub resent: u64,
    /// ACKs that told of a gap.
    pub gaps: u64,
    /// DATA packets that were lost on purpose.
    pub lost: u64,
    /// Octets that clients compared with the original.
    pub compared: u64,
    /// The share of the time in which there was nothing to do.
    pub free: f64,
}

/// A client, with its socket and when it was ready.
struct Client {
    socket: Datagrams,
    download: Download,
    ended: Option<u64>,
}

/// A datagram on its way back: whose, from which port.
struct Inbound(u32, u16, Vec<u8>);
/// A datagram on its way to the server.
struct Outbound(u32, SocketAddrV4, Vec<u8>);

struct Run<'a> {
    plan: &'a Clients,
    clients: Vec<Client>,
    watch: Watch,
    room: Room,
    inbound: BadNetwork<Inbound>,
    outbound: BadNetwork<Outbound>,
    alarms: BinaryHeap<Reverse<(u64, u32)>>,
    running: u32,
    octets: u64,
    compared: u64,
    free: u64,
}

impl Clients {
    /// Runs all clients to their end.
    ///
    /// # Errors
    ///
    /// There are not enough sockets.
    pub fn run(&self) -> io::Result<TftpReport> {
        let clock = Clock::start();
        let mut run = Run::begin(self, &clock)?;
        let begun = clock.now();
        let mut now = begun;
        while run.running > 0 && now - begun < self.patience {
            run.step(&clock);
            now = clock.now();
        }
        Ok(run.report(begun, now))
    }
}

/// The address of the client with this number, if each has its own.
pub(crate) fn nth(first: Option<Ipv4Addr>, number: u32) -> Ipv4Addr {
    let nth = |first: Ipv4Addr| Ipv4Addr::from_bits(first.to_bits().wrapping_add(number));
    first.map_or(Ipv4Addr::UNSPECIFIED, nth)
}

impl<'a> Run<'a> {
    fn begin(plan: &'a Clients, clock: &Clock) -> io::Result<Self> {
        let mut run = Self {
            plan,
            clients: Vec::new(),
            watch: Watch::new()?,
            room: Room::new(),
            inbound: BadNetwork::new(plan.delay, plan.lost_ppm, plan.seed),
            outbound: BadNetwork::new(plan.delay, 0, 0),
            alarms: BinaryHeap::new(),
            running: plan.clients,
            octets: 0,
            compared: 0,
            free: 0,
        };
        let sockets = (0..plan.clients)
            .map(|number| Datagrams::open(SocketAddrV4::new(nth(plan.from, number), 0)))
            .collect::<io::Result<Vec<_>>>()?;
        for (number, socket) in (0..).zip(sockets) {
            let now = clock.now();
            let (download, request) = Download::begin(plan.wanted.clone(), now);
            run.watch.add(&socket, u64::from(number), false)?;
            run.alarms.push(Reverse((download.deadline().unwrap_or(now), number)));
            run.clients.push(Client { socket, download, ended: None });
            run.send(number, now, plan.server, request);
        }
        Ok(run)
    }

    /// Does what there is to do, or sleeps until there is.
    fn step(&mut self, clock: &Clock) {
        let mut busy = false;
        for number in self.watch.ready() {
            busy = true;
            self.socket_has(u32::try_from(number).unwrap_or(u32::MAX), clock);
        }
        let now = clock.now();
        while let Some(Inbound(number, port, datagram)) = self.inbound.take(now) {
            self.arrived(number, now, port, &datagram);
        }
        while let Some(Outbound(number, to, datagram)) = self.outbound.take(now) {
            self.transmit(number, to, &datagram);
        }
        self.time(now);
        let alarm = self.alarms.peek().map(|Reverse((at, _))| *at);
        let wakes = [self.inbound.next(), self.outbound.next(), alarm];
        let next = wakes.into_iter().flatten().min().unwrap_or(u64::MAX).saturating_sub(now);
        if !busy {
            if next > AWAKE {
                self.watch.sleep(next - AWAKE / 2);
            }
            self.free += clock.now() - now;
        }
    }

    /// Reads what a client's socket has: a window at most, so that others have their turn.
    fn socket_has(&mut self, number: u32, clock: &Clock) {
        let window = self.clients.get(number as usize).map_or(0, |client| client.download.window());
        let mut room = std::mem::take(&mut self.room);
        let mut came = Vec::new();
        for _ in 0..window {
            let Some(client) = self.clients.get(number as usize) else { break };
            let now = clock.now();
            let good = self.inbound.is_good();
            came.clear();
            let any = client.socket.receive(&mut room, |from, datagram| {
                if good {
                    came.push((from, datagram.len()));
                } else if from.ip() == self.plan.server.ip() {
                    self.inbound.put(now, || Inbound(number, from.port(), datagram.to_vec()));
                }
            });
            let mut at = 0;
            for &(from, length) in &came {
                let datagram = room.octets().get(at..at + length).unwrap_or_default();
                at += length;
                if from.ip() == self.plan.server.ip() {
                    self.arrived(number, now, from.port(), datagram);
                }
            }
            if !any {
                break;
            }
        }
        self.room = room;
    }

    /// A datagram has come to a client.
    fn arrived(&mut self, number: u32, now: u64, port: u16, datagram: &[u8]) {
        let Some(client) = self.clients.get_mut(number as usize) else { return };
        let original = if number == 0 { self.plan.original.as_ref() } else { None };
        let (octets, compared) = (&mut self.octets, &mut self.compared);
        let mut differs = false;
        let answer = client.download.received(now, port, datagram, |at, data| {
            *octets += data.len() as u64;
            if let Some(original) = original {
                *compared += data.len() as u64;
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                differs |= original.get(at..at.saturating_add(data.len())) != Some(data);
            }
        });
        if differs {
            client.download.give_up(Failure::Different);
        }
        if let Some(answer) = answer {
            self.send(number, now, SocketAddrV4::new(*self.plan.server.ip(), port), answer);
        }
        self.look(number, now);
    }

    fn send(&mut self, number: u32, now: u64, to: SocketAddrV4, datagram: Vec<u8>) {
        if self.outbound.is_good() {
            self.transmit(number, to, &datagram);
        } else {
            self.outbound.put(now, || Outbound(number, to, datagram));
        }
    }

    fn transmit(&self, number: u32, to: SocketAddrV4, datagram: &[u8]) {
        if let Some(client) = self.clients.get(number as usize) {
            client.socket.send(to, datagram);
        }
    }

    /// What is due is sent again.
    fn time(&mut self, now: u64) {
        while let Some(Reverse((at, number))) = self.alarms.peek().copied() {
            if at > now {
                return;
            }
            self.alarms.pop();
            let Some(client) = self.clients.get_mut(number as usize) else { continue };
            let again = client.download.time(now);
            let port = client.download.peer().unwrap_or(self.plan.server.port());
            if let Some(deadline) = client.download.deadline() {
                self.alarms.push(Reverse((deadline, number)));
            }
            if let Some(datagram) = again {
                self.send(number, now, SocketAddrV4::new(*self.plan.server.ip(), port), datagram);
            }
            self.look(number, now);
        }
    }

    /// Is this client ready?
    fn look(&mut self, number: u32, now: u64) {
        let Some(client) = self.clients.get_mut(number as usize) else { return };
        if client.ended.is_none() && client.download.outcome().is_some() {
            client.ended = Some(now);
            self.running -= 1;
        }
    }

    fn report(self, begun: u64, now: u64) -> TftpReport {
        let mut times = Vec::new();
        let mut failed: BTreeMap<String, u64> = BTreeMap::new();
        for client in &self.clients {
            match (client.download.outcome(), client.ended) {
                (Some(Ok(_)), Some(ended)) => times.push(ended - begun.min(ended)),
                (Some(Err(failure)), _) => *failed.entry(failure.to_string()).or_default() += 1,
                _ => *failed.entry("not ready in time".to_owned()).or_default() += 1,
            }
        }
        times.sort_unstable();
        let at = |place: usize| ratio(times.get(place).copied().unwrap_or(0), SECOND);
        let ended = self.clients.iter().filter_map(|client| client.ended).max().unwrap_or(now);
        let seconds = ratio(ended - begun.min(ended), SECOND);
        let sum = |of: fn(&Download) -> u64| self.clients.iter().map(|c| of(&c.download)).sum();
        TftpReport {
            clients: self.plan.clients,
            complete: times.len(),
            failed,
            seconds,
            octets: self.octets,
            mb_per_second: ratio(self.octets, 1_000_000) / seconds.max(f64::MIN_POSITIVE),
            fastest: at(0),
            median: at(times.len() / 2),
            slowest: at(times.len().saturating_sub(1)),
            resent: sum(|download| download.resent),
            gaps: sum(|download| download.gaps),
            lost: self.inbound.lost,
            compared: self.compared,
            free: ratio(self.free, now - begun.min(now)),
        }
    }
}

impl fmt::Display for TftpReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, complete, seconds, mb_per_second, failed, .. } = self;
        writeln!(f, "{complete} of {clients} complete in {seconds:.3} s, {mb_per_second:.1} MB/s")?;
        let Self { fastest, median, slowest, .. } = self;
        writeln!(f, "  fastest {fastest:.3} s, median {median:.3} s, slowest {slowest:.3} s")?;
        for (why, count) in failed {
            writeln!(f, "  {count} failed: {why}")?;
        }
        let Self { resent, gaps, lost, compared, .. } = self;
        writeln!(f, "  lost on purpose {lost}, gaps {gaps}, sent again {resent}")?;
        write!(f, "generator: free {:.0} %, {compared} octets compared", self.free * 100.0)
    }
}
