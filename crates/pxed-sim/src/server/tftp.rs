//! TFTP as the driver runs it: the listener, and a port for each transfer.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::event::{TftpEvent, TftpOutcome};
use pxed_proto::tftp::{Settings, Transfer, Transmit, negotiate, refusal};
use pxed_proto::wire::tftp::{ErrorCode, Packet, Request, data_header, error};

use crate::files::{Files, read};

/// Ethernet's 1500 octets, less 20 of IP, 8 of UDP and 4 of TFTP.
const BLKSIZE_MAX: u16 = 1468;

/// Where the ephemeral ports begin.
const FIRST_PORT: u16 = 49152;

/// What the TFTP server does in the world.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Sends from this port.
    Send(u16, SocketAddrV4, Vec<u8>),
    /// Tells.
    Event(TftpEvent),
}

/// The TFTP server.
#[derive(Clone, Debug)]
pub struct Tftp {
    files: Files,
    address: Ipv4Addr,
    /// `--no-options`, so to speak: an old server that knows nothing of RFC 2347.
    pub plain: bool,
    running: BTreeMap<u16, Running>,
    next_port: u16,
}

#[derive(Clone, Debug)]
struct Running {
    client: SocketAddrV4,
    file: String,
    began: Timestamp,
    transfer: Transfer,
}

impl Tftp {
    /// A server of these files.
    pub fn new(files: Files, address: Ipv4Addr) -> Self {
        Self { files, address, plain: false, running: BTreeMap::new(), next_port: FIRST_PORT }
    }

    /// Forgets every transfer, as a crash does.
    pub fn crash(&mut self) {
        self.running.clear();
    }

    /// Takes a datagram to port `port`.
    pub fn hear(
        &mut self,
        now: Timestamp,
        port: u16,
        client: SocketAddrV4,
        datagram: &[u8],
    ) -> Vec<Deed> {
        let packet = Packet::parse(datagram);
        match (self.running.get_mut(&port), packet) {
            (Some(running), Ok(packet)) if running.client == client => {
                running.transfer.handle_packet(now, &packet);
                self.go_on(now, port)
            }
            (Some(_), Ok(packet)) if !matches!(packet, Packet::Error { .. }) => {
                let text = error(ErrorCode::UnknownTransferId, "unknown transfer ID");
                vec![Deed::Send(port, client, text)]
            }
            (None, Ok(Packet::Request(request))) if port == 69 => self.serve(now, client, &request),
            _ => Vec::new(),
        }
    }

    /// When the next transfer loses its patience.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.running.values().filter_map(|running| running.transfer.poll_timeout()).min()
    }

    /// Sends again what was not acknowledged in time.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Vec<Deed> {
        let due = |running: &Running| running.transfer.poll_timeout().is_some_and(|at| at <= now);
        let due: Vec<u16> = self
            .running
            .iter()
            .filter(|(_, running)| due(running))
            .map(|(port, _)| *port)
            .collect();
        let mut deeds = Vec::new();
        for port in due {
            if let Some(running) = self.running.get_mut(&port) {
                running.transfer.handle_timeout(now);
            }
            deeds.extend(self.go_on(now, port));
        }
        deeds
    }

    fn serve(&mut self, now: Timestamp, client: SocketAddrV4, request: &Request<'_>) -> Vec<Deed> {
        let port = self.new_port();
        let name = String::from_utf8_lossy(request.file).into_owned();
        let len = self.files.get(name.trim_start_matches('/')).map(|file| file.len);
        let deny = |code, text: &'static str, outcome| {
            let told = Deed::Event(event(client, &name, outcome));
            vec![Deed::Send(port, client, error(code, text)), told]
        };
        match (refusal(request), len) {
            (Some(refusal), _) => {
                let text = refusal.as_str();
                deny(refusal.code(), text, TftpOutcome::Refused(text))
            }
            (None, None) => deny(ErrorCode::FileNotFound, "no such file", TftpOutcome::NotFound),
            (None, Some(len)) => {
                let settings = if self.plain {
                    Settings::default()
                } else {
                    negotiate(request, len, BLKSIZE_MAX)
                };
                let transfer = Transfer::new(now, len, settings);
                let file = name.trim_start_matches('/').to_owned();
                self.running.insert(port, Running { client, file, began: now, transfer });
                self.go_on(now, port)
            }
        }
    }

    /// Sends what the transfer has to send; a transfer that has ended is told and forgotten.
    fn go_on(&mut self, now: Timestamp, port: u16) -> Vec<Deed> {
        let Some(running) = self.running.get_mut(&port) else { return Vec::new() };
        let mut deeds = Vec::new();
        while let Some(transmit) = running.transfer.poll_transmit() {
            let packet = match transmit {
                Transmit::OAck(packet) => packet,
                Transmit::Data { block, range } => {
                    [&data_header(block)[..], &read(&running.file, range)].concat()
                }
            };
            deeds.push(Deed::Send(port, running.client, packet));
        }
        if running.transfer.outcome().is_some() {
            deeds.extend(self.running.remove(&port).map(|done| Deed::Event(done.event(now))));
        }
        deeds
    }

    fn new_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }

    /// The address that is listened on.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }
}

impl Running {
    fn event(self, now: Timestamp) -> TftpEvent {
        let Settings { blksize, windowsize, .. } = *self.transfer.settings();
        let outcome = self.transfer.outcome().cloned().unwrap_or(TftpOutcome::Stopped);
        TftpEvent {
            bytes: self.transfer.bytes(),
            duration: now.since(self.began),
            retransmissions: self.transfer.retransmissions(),
            blksize,
            windowsize,
            ..event(self.client, &self.file, outcome)
        }
    }
}

/// The event of a request for which no block was sent.
fn event(client: SocketAddrV4, file: &str, outcome: TftpOutcome) -> TftpEvent {
    let Settings { blksize, windowsize, .. } = Settings::default();
    TftpEvent {
        client: client.into(),
        machine: None,
        file: file.as_bytes().to_vec(),
        outcome,
        bytes: 0,
        duration: Duration::ZERO,
        retransmissions: 0,
        blksize,
        windowsize,
        searched: 0,
    }
}
