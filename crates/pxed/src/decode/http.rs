//! HTTP: a line for each request, with the status of its answer. Bodies are not followed.
//!
//! Ports say nothing: a segment whose payload begins with a request line is a request.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use pxed_proto::text::Printable;

use super::link::Packet;
use super::machines::{Id, Line, Machines};
use super::packet::Segment;
use super::stage::Fetch;
use super::tally::Skipped;

/// Connections whose last request is remembered; those that were answered give way.
const EXCHANGES_MAX: usize = 4096;

/// Lines of a request's head that are shown in full.
const HEAD_LINES_MAX: usize = 32;

/// The last request of a connection.
#[derive(Debug)]
struct Exchange {
    machine: Id,
    stage: usize,
    /// Its line in the machine's conversation.
    line: Option<usize>,
    /// The last part of the target's path, fit to be read.
    file: String,
    sequence: u32,
    answered: bool,
}

/// The connections by client and server.
#[derive(Debug, Default)]
pub struct Exchanges(BTreeMap<(SocketAddrV4, SocketAddrV4), Exchange>);

impl Exchanges {
    /// Takes in a segment, if it begins a request or an answer.
    pub fn hear(
        &mut self,
        machines: &mut Machines,
        link: &Packet<'_>,
        segment: &Segment<'_>,
    ) -> Result<(), Skipped> {
        if let Some(request) = Request::parse(segment.payload) {
            return self.asked(machines, link, segment, &request);
        }
        let answered = self.0.get_mut(&(segment.destination, segment.source));
        let (Some(exchange), Some(answer)) = (answered, Answer::parse(segment.payload)) else {
            return Err(Skipped::OtherProtocol);
        };
        exchange.answer(machines, &answer);
        Ok(())
    }

    fn asked(
        &mut self,
        machines: &mut Machines,
        link: &Packet<'_>,
        segment: &Segment<'_>,
        request: &Request<'_>,
    ) -> Result<(), Skipped> {
        let (client, server) = (segment.source, segment.destination);
        match self.0.get_mut(&(client, server)) {
            Some(before) if before.sequence == segment.sequence => return Ok(()),
            Some(before) => before.end(machines),
            None => self.make_room()?,
        }
        let machine = machines.sender(link, *client.ip())?;
        let stage = machines.get(machine).map_or(0, |machine| machine.stages.number());
        let text = format!(
            "HTTP {} {}{}",
            Printable(request.method),
            Printable(request.target),
            link.vlans
        );
        let mut line = Line::new(link.at, client.ip(), server, text);
        if machines.full {
            line.detail = head(segment.payload);
        }
        let line = machines.say(machine, line);
        let (file, sequence) = (request.file(), segment.sequence);
        let exchange = Exchange { machine, stage, line, file, sequence, answered: false };
        self.0.insert((client, server), exchange);
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), Skipped> {
        if self.0.len() >= EXCHANGES_MAX {
            self.0.retain(|_, exchange| !exchange.answered);
        }
        if self.0.len() >= EXCHANGES_MAX { Err(Skipped::TooManyTransfers) } else { Ok(()) }
    }

    /// Says of every request that is still open that nobody answered.
    pub fn end(&mut self, machines: &mut Machines) {
        self.0.values_mut().for_each(|exchange| exchange.end(machines));
    }
}

impl Exchange {
    fn answer(&mut self, machines: &mut Machines, answer: &Answer<'_>) {
        // "100 Continue" and its like are not the answer yet.
        if self.answered || answer.status < 200 {
            return;
        }
        self.answered = true;
        let mut text = format!(": {} {}", answer.status, Printable(answer.reason));
        if let Some(length) = answer.length {
            text += &format!(", {} bytes", Printable(length));
        }
        machines.add(self.machine, self.line, &text);
        self.close(machines, Fetch::Http(Some(answer.status)));
    }

    fn end(&mut self, machines: &mut Machines) {
        if !self.answered {
            self.answered = true;
            machines.add(self.machine, self.line, ": no answer");
            self.close(machines, Fetch::Http(None));
        }
    }

    fn close(&self, machines: &mut Machines, fetch: Fetch) {
        if let Some(machine) = machines.get(self.machine) {
            machine.stages.fetched(self.stage, &self.file, fetch);
        }
    }
}

/// The first line of a request.
struct Request<'a> {
    method: &'a [u8],
    target: &'a [u8],
}

impl<'a> Request<'a> {
    fn parse(payload: &'a [u8]) -> Option<Self> {
        const METHODS: [&[u8]; 6] = [b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS", b"DELETE"];
        let mut words = first_line(payload)?.split(|octet| *octet == b' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        (METHODS.contains(&method) && version.starts_with(b"HTTP/"))
            .then_some(Self { method, target })
    }

    /// The last part of the path, without the query; the whole path if that is empty.
    fn file(&self) -> String {
        let path = self.target.split(|octet| *octet == b'?').next().unwrap_or_default();
        let last = path.rsplit(|octet| *octet == b'/').next().filter(|last| !last.is_empty());
        Printable(last.unwrap_or(path)).to_string()
    }
}

/// The first line of an answer, and its Content-Length.
struct Answer<'a> {
    status: u16,
    reason: &'a [u8],
    length: Option<&'a [u8]>,
}

impl<'a> Answer<'a> {
    fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut words = first_line(payload)?.splitn(3, |octet| *octet == b' ');
        let (version, status, reason) = (words.next()?, words.next()?, words.next());
        if !version.starts_with(b"HTTP/") {
            return None;
        }
        Some(Self {
            status: str::from_utf8(status).ok()?.parse().ok()?,
            reason: reason.unwrap_or_default(),
            length: lines(payload).skip(1).find_map(content_length),
        })
    }
}

fn content_length(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at_checked(b"content-length:".len())?;
    name.eq_ignore_ascii_case(b"content-length:").then(|| value.trim_ascii())
}

/// The first line, if it has an end.
fn first_line(payload: &[u8]) -> Option<&[u8]> {
    let (line, _) = payload.split_at_checked(payload.iter().position(|octet| *octet == b'\n')?)?;
    Some(line.trim_ascii_end())
}

/// The lines of a head, up to the empty one.
fn lines(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = payload.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
    lines.take_while(|line| !line.is_empty()).take(HEAD_LINES_MAX)
}

/// A head, fit to be read.
fn head(payload: &[u8]) -> String {
    let lines = lines(payload).map(|line| Printable(line).to_string());
    lines.collect::<Vec<_>>().join("\n")
}
