//! One request, from its datagram to its event.

use std::net::{SocketAddrV4, UdpSocket};
use std::sync::Arc;

use pxed_proto::event::{TftpEvent, TftpOutcome};
use pxed_proto::limits::TFTP_NETASCII_MAX;
use pxed_proto::tftp::{Settings, negotiate, refusal};
use pxed_proto::wire::tftp::{ErrorCode, Mode, Packet, Request, error};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::Link;
use super::running::Place;
use super::sending::Sending;
use super::socket::{self, Arrival};
use super::source::Source;
use crate::files::{Files, OpenError};

/// What IP (20 octets), UDP (8) and TFTP (4) take of an MTU.
const HEADERS: u32 = 32;

/// A datagram on the listening port, and when it came.
#[derive(Debug)]
pub struct Exchange {
    arrival: Arrival,
    began: Instant,
}

impl Exchange {
    /// It came now.
    pub fn new(arrival: Arrival) -> Self {
        Self { arrival, began: Instant::now() }
    }

    /// Who asks.
    pub fn client(&self) -> SocketAddrV4 {
        self.arrival.client
    }

    /// What was asked, as it came.
    pub fn datagram(&self) -> &[u8] {
        &self.arrival.datagram
    }

    /// Serves it, or says why not.
    pub async fn run(&self, link: &Link, place: &mut Place) -> TftpEvent {
        match self.serve(link, place).await {
            Ok(event) => event,
            Err(outcome) => self.event(outcome),
        }
    }

    /// Refuses it, whatever it asks for.
    pub fn refuse(&self, link: &Link, reason: &'static str) -> TftpEvent {
        let denial = Denial::refused(ErrorCode::NotDefined, reason);
        let outcome = match self.request().and_then(|_| self.socket(link)) {
            Ok(socket) => self.deny(&socket, denial),
            Err(outcome) => outcome,
        };
        self.event(outcome)
    }

    async fn serve(&self, link: &Link, place: &mut Place) -> Result<TftpEvent, TftpOutcome> {
        let request = self.request()?;
        let socket = self.socket(link)?;
        let written = || (link.server.written)(request.file, self.arrival.local);
        let source = match source(&request, link.server.files.clone()).await {
            Err(Denial { outcome: TftpOutcome::NotFound, .. }) if let Some(text) = written() => {
                Ok(Source::text(text))
            }
            opened => opened,
        };
        let source = source.map_err(|denial| self.deny(&socket, denial))?;
        let max_blksize =
            u16::try_from(link.mtu.borrow().saturating_sub(HEADERS)).unwrap_or(u16::MAX);
        let settings = negotiate(&request, source.len(), max_blksize);
        let sending = Sending::new(socket, self.client(), source, settings);
        let mut sending = sending.map_err(|error| TftpOutcome::Failed(error.to_string()))?;
        let outcome = sending.run(place, link.stopped_for_good()).await;
        let transfer = sending.transfer();
        Ok(TftpEvent {
            bytes: transfer.bytes(),
            retransmissions: transfer.retransmissions(),
            blksize: transfer.settings().blksize,
            windowsize: transfer.settings().windowsize,
            ..self.event(outcome)
        })
    }

    fn request(&self) -> Result<Request<'_>, TftpOutcome> {
        match Packet::parse(self.datagram()) {
            Ok(Packet::Request(request)) if self.arrival.unicast => Ok(request),
            Ok(Packet::Request(_)) => Err(TftpOutcome::Ignored("it was sent to everybody")),
            Ok(_) => Err(TftpOutcome::Ignored("it is no request")),
            Err(malformed) => Err(TftpOutcome::Ignored(malformed.as_str())),
        }
    }

    fn socket(&self, link: &Link) -> Result<UdpSocket, TftpOutcome> {
        let (local, interface) = (self.arrival.local, &link.interface);
        socket::open(local, interface).map_err(|error| {
            TftpOutcome::Failed(format!("no socket at {local} on {interface}: {error}"))
        })
    }

    /// Tells the client, once: if that is lost the client asks again.
    fn deny(&self, socket: &UdpSocket, denial: Denial) -> TftpOutcome {
        match socket.send_to(&error(denial.code, denial.text), self.client()) {
            Ok(_) => denial.outcome,
            Err(error) => TftpOutcome::Failed(format!("not told \"{}\": {error}", denial.text)),
        }
    }

    /// The event of a request for which no block was sent.
    fn event(&self, outcome: TftpOutcome) -> TftpEvent {
        let file = match Packet::parse(self.datagram()) {
            Ok(Packet::Request(request)) => request.file.to_vec(),
            _ => Vec::new(),
        };
        let Settings { blksize, windowsize, .. } = Settings::default();
        TftpEvent {
            machine: None,
            client: self.client().into(),
            file,
            outcome,
            bytes: 0,
            duration: self.began.elapsed(),
            retransmissions: 0,
            blksize,
            windowsize,
        }
    }
}

/// What the client is told in place of a file, and what it means.
struct Denial {
    code: ErrorCode,
    text: &'static str,
    outcome: TftpOutcome,
}

impl Denial {
    fn refused(code: ErrorCode, text: &'static str) -> Self {
        Self { code, text, outcome: TftpOutcome::Refused(text) }
    }

    fn failed(error: impl ToString) -> Self {
        let outcome = TftpOutcome::Failed(error.to_string());
        Self { code: ErrorCode::NotDefined, text: "the file can not be read", outcome }
    }
}

impl From<OpenError> for Denial {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => {
                let (text, outcome) = ("no such file", TftpOutcome::NotFound);
                Self { code: ErrorCode::FileNotFound, text, outcome }
            }
            OpenError::Illegal(reason) => Self::refused(ErrorCode::AccessViolation, reason),
            OpenError::Io(error) => Self::failed(error),
        }
    }
}

/// What to send, if anything can be sent.
async fn source(request: &Request<'_>, files: Arc<Files>) -> Result<Source, Denial> {
    if let Some(refusal) = refusal(request) {
        return Err(Denial::refused(refusal.code(), refusal.as_str()));
    }
    let (name, mode) = (request.file.to_vec(), request.mode);
    let opened = spawn_blocking(move || open(&files, &name, mode)).await;
    opened.unwrap_or_else(|error| Err(Denial::failed(error)))
}

fn open(files: &Files, name: &[u8], mode: Mode) -> Result<Source, Denial> {
    let file = files.open(name)?;
    match mode {
        Mode::Netascii if file.len > TFTP_NETASCII_MAX => {
            let text = "too large for netascii: use octet (binary) mode";
            Err(Denial::refused(ErrorCode::NotDefined, text))
        }
        Mode::Netascii => Source::netascii(file).map_err(Denial::failed),
        Mode::Octet | Mode::Other => Ok(Source::octet(file)),
    }
}
