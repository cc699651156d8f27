//! Many HTTP clients at once, each with a connection that it keeps, on one thread. Each asks again as
//! soon as it has what it asked for; what comes is counted and thrown away without a copy.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::download::Failure;
use crate::drive::Clock;
use crate::pace::SECOND;
use crate::report::{Latency, ratio};
use crate::response::{Response, request};
use crate::socket::{Basin, Came, Stream};
use crate::tally::{histogram, record};
use crate::tftp::nth;
use crate::watch::Watch;

/// How long a server may be silent before the run.
const SILENCE: Duration = Duration::from_secs(30);

/// A longer sleep than any: something comes in before, or the time is over.
const TICK: u64 = 50_000_000;

/// What the clients do.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The server.
    pub server: SocketAddrV4,
    /// The file's path.
    pub path: String,
    /// How many connections there are.
    pub connections: u32,
    /// The first one's address; the next one has the next. All of them are this computer's.
    pub from: Option<Ipv4Addr>,
    /// Nanoseconds that are not measured, at the beginning.
    pub warm_up: u64,
    /// Nanoseconds that are.
    pub measured: u64,
    /// Each request is for so many octets at a random place, and not for the whole file.
    pub range: Option<u64>,
    /// What the file should be: it is fetched whole before the run, and compared.
    pub original: Option<Vec<u8>>,
}

/// A run's result.
#[derive(Clone, Debug, Serialize)]
pub struct FetchReport {
    /// Seconds that were measured.
    pub seconds: f64,
    /// The file's size in octets.
    pub size: u64,
    /// Octets of bodies that came in that time.
    pub octets: u64,
    /// The same in MB (10^6) a second.
    pub mb_per_second: f64,
    /// Answers that were whole in that time.
    pub answers: u64,
    /// The same, a second.
    pub answers_per_second: f64,
    /// From a request to the last octet of its answer, in microseconds.
    pub latency: Latency,
    /// Answers that were none, and connections that broke.
    pub failures: u64,
    /// The file was compared with its original before the run.
    pub compared: bool,
    /// Octets of bodies in all, with those of the warm-up and of the comparison.
    pub octets_in_all: u64,
    /// The share of the time in which there was nothing to do.
    pub free: f64,
}

struct Connection {
    stream: Stream,
    response: Response,
    asked: u64,
}

struct Run<'a> {
    plan: &'a Fetch,
    size: u64,
    seed: u64,
    watch: Watch,
    connections: Vec<Connection>,
    basin: Basin,
    octets: u64,
    octets_in_all: u64,
    answers: u64,
    failures: u64,
    latency: Histogram<u64>,
}

impl Fetch {
    /// Runs, and says what came of it.
    ///
    /// # Errors
    ///
    /// The server does not give the file, or another one, or there are no more sockets.
    pub fn run(&self) -> io::Result<FetchReport> {
        let size = self.whole()?;
        if self.range.is_some_and(|range| range == 0 || range > size) {
            return Err(io::Error::other(format!("the file has {size} octets: no such ranges")));
        }
        let mut run = Run {
            plan: self,
            size,
            seed: 0x9e37_79b9_7f4a_7c15,
            watch: Watch::new()?,
            connections: Vec::new(),
            basin: Basin::new(),
            octets: 0,
            octets_in_all: size,
            answers: 0,
            failures: 0,
            latency: histogram(),
        };
        let clock = Clock::start();
        for number in 0..self.connections {
            let connection = run.connect(u64::from(number), clock.now())?;
            run.connections.push(connection);
        }
        let (took, free) = run.go(&clock);
        Ok(run.report(took, free))
    }

    /// Fetches the file once, whole, and says how long it is.
    fn whole(&self) -> io::Result<u64> {
        let mut stream = TcpStream::connect(self.server)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.write_all(&request(&self.server.to_string(), &self.path, None))?;
        let (mut response, mut differs) = (Response::default(), false);
        let mut buffer = vec![0; 1 << 18];
        while response.remaining() != Some(0) {
            let count = stream.read(&mut buffer)?;
            let octets = buffer.get(..count).unwrap_or_default();
            if octets.is_empty() {
                return Err(io::Error::other(Failure::Broken.to_string()));
            }
            let read = response.read(octets, |at, octets| {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let part = |original: &Vec<u8>| {
                    original.get(at..at.saturating_add(octets.len())) == Some(octets)
                };
                differs |= !self.original.as_ref().is_none_or(part);
            });
            read.map_err(|failure| io::Error::other(failure.to_string()))?;
        }
        let length = self.original.as_ref().map(|original| original.len() as u64);
        if differs || length.is_some_and(|length| length != response.got()) {
            return Err(io::Error::other("the file is not the original"));
        }
        Ok(response.got())
    }
}

impl Run<'_> {
    /// Until the time is over; says how many nanoseconds it took, and how many of them were free.
    fn go(&mut self, clock: &Clock) -> (u64, u64) {
        let end = self.plan.warm_up + self.plan.measured;
        let (mut now, mut free) = (clock.now(), 0);
        while now < end {
            let ready = self.watch.ready();
            if ready.is_empty() {
                self.watch.sleep(TICK.min(end - now));
                free += clock.now() - now;
            }
            for number in ready {
                self.served(number, clock.now());
            }
            now = clock.now();
        }
        (now, free)
    }

    fn connect(&mut self, number: u64, now: u64) -> io::Result<Connection> {
        let from = nth(self.plan.from, u32::try_from(number).unwrap_or(0));
        let mut stream = Stream::connect(from, self.plan.server)?;
        let asked = self.request();
        stream.write(&asked);
        self.watch.add(&stream, number, stream.is_writing())?;
        Ok(Connection { stream, response: Response::default(), asked: now })
    }

    /// The next request.
    fn request(&mut self) -> Vec<u8> {
        let range = self.plan.range.map(|length| {
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            let from = self.seed % (self.size - length + 1);
            (from, from + length - 1)
        });
        request(&self.plan.server.to_string(), &self.plan.path, range)
    }

    fn served(&mut self, number: u64, now: u64) {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(Connection { stream, response, .. }) = self.connections.get_mut(place) else {
            return;
        };
        if stream.is_writing() && stream.flush() {
            let _ = self.watch.change(stream, number, false);
        }
        let (unseen, before) = (response.remaining().unwrap_or(0), response.got());
        let read = match stream.take(&mut self.basin, unseen) {
            Came::Octets(octets) if unseen > 0 => response.discard(octets as u64),
            Came::Octets(octets) => response.read(self.basin.octets(octets), |_, _| ()),
            Came::Nothing => return,
            Came::Over => Err(Failure::Broken),
        };
        let came = response.got() - before;
        self.octets_in_all += came;
        if now >= self.plan.warm_up {
            self.octets += came;
        }
        match read {
            Err(_) => {
                self.failures += 1;
                self.anew(number, now);
            }
            Ok(()) => self.look(number, now),
        }
    }

    /// Is the answer whole? Then the next one is asked for.
    fn look(&mut self, number: u64, now: u64) {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(connection) = self.connections.get(place) else { return };
        if connection.response.remaining() != Some(0) {
            return;
        }
        if now >= self.plan.warm_up {
            self.answers += 1;
            record(&mut self.latency, connection.asked, now);
        }
        if connection.response.last {
            return self.anew(number, now);
        }
        let asked = self.request();
        let Some(connection) = self.connections.get_mut(place) else { return };
        (connection.response, connection.asked) = (Response::default(), now);
        connection.stream.write(&asked);
        if connection.stream.is_writing() {
            let _ = self.watch.change(&connection.stream, number, true);
        }
    }

    /// Another connection in this one's place.
    fn anew(&mut self, number: u64, now: u64) {
        let Ok(connection) = self.connect(number, now) else { return };
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(old) = self.connections.get_mut(place) {
            *old = connection;
        }
    }

    fn report(self, took: u64, free: u64) -> FetchReport {
        let seconds = ratio(took.saturating_sub(self.plan.warm_up), SECOND);
        let per_second = |count: u64, unit| ratio(count, unit) / seconds.max(f64::MIN_POSITIVE);
        FetchReport {
            seconds,
            size: self.size,
            octets: self.octets,
            mb_per_second: per_second(self.octets, 1_000_000),
            answers: self.answers,
            answers_per_second: per_second(self.answers, 1),
            latency: Latency::of(&self.latency),
            failures: self.failures,
            compared: self.plan.original.is_some(),
            octets_in_all: self.octets_in_all,
            free: ratio(free, took),
        }
    }
}

impl fmt::Display for FetchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answers_per_second, mb_per_second, answers, failures, .. } = self;
        writeln!(
            f,
            "{mb_per_second:.1} MB/s, {answers_per_second:.0} answers a second ({answers}), failures \
            {failures}"
        )?;
        writeln!(
            f,
            "{:>10} {:>10} {:>10} {:>10} {:>10} {:>10} µs",
            "", "p50", "p99", "p99.9", "p99.99", "max"
        )?;
        writeln!(f, "{:>10} {}", "answer", self.latency)?;
        let compared = if self.compared { "compared" } else { "not compared" };
        write!(f, "generator: free {:.0} %, the file was {compared}", self.free * 100.0)
    }
}
