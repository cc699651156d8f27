//! TFTP as clients do it: RRQ, then ACKs (RFC 1350, RFC 7440).

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::wire::tftp::{ErrorCode, Packet, ack, error, read_request};

use super::Nic;
use crate::lan::Datagram;

/// How often a packet is sent before the client gives up.
const TRIES: u32 = 6;

/// What to fetch, and how.
#[derive(Clone, Debug)]
pub struct Wish {
    /// From whom.
    pub server: Ipv4Addr,
    /// What.
    pub file: String,
    /// With which options.
    pub options: &'static [(&'static str, u64)],
    /// Asks for the size only: an ERROR ends it after the first answer.
    pub probe: bool,
    /// How long it waits for an answer.
    pub patience: Duration,
}

/// What has come of it.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Nothing yet.
    Waiting,
    /// The answer to a probe: the size, if the server says sizes.
    Sized(Option<u64>),
    /// The whole file.
    Got(Vec<u8>),
    /// An ERROR.
    Refused(u16),
    /// Silence.
    Silent,
}

/// One transfer.
#[derive(Clone, Debug)]
pub struct Download {
    wish: Wish,
    port: u16,
    /// The server's TID, once it has answered.
    peer: Option<SocketAddrV4>,
    blksize: usize,
    windowsize: u64,
    /// The next block.
    expected: u64,
    /// Blocks since the last ACK.
    unacknowledged: u64,
    octets: Vec<u8>,
    last: Vec<u8>,
    tries: u32,
    deadline: Option<Timestamp>,
}

impl Download {
    /// Sends the RRQ, from a port of its own.
    pub fn begin(wish: Wish, now: Timestamp, nic: &mut Nic) -> Self {
        let request = read_request(wish.file.as_bytes(), "octet", wish.options);
        let mut download = Self {
            wish,
            port: nic.new_port(),
            peer: None,
            blksize: 512,
            windowsize: 1,
            expected: 1,
            unacknowledged: 0,
            octets: Vec::new(),
            last: Vec::new(),
            tries: 0,
            deadline: None,
        };
        download.say(request, now, nic);
        download
    }

    /// When to call [`Download::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// What is being fetched.
    pub fn wish(&self) -> &Wish {
        &self.wish
    }

    /// Sends its last packet again, or gives up.
    pub fn handle_timeout(&mut self, now: Timestamp, nic: &mut Nic) -> Progress {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Progress::Waiting;
        }
        self.tries += 1;
        if self.tries == TRIES {
            self.deadline = None;
            return Progress::Silent;
        }
        let again = self.last.clone();
        self.say(again, now, nic);
        Progress::Waiting
    }

    /// Takes a datagram; most do not concern it.
    pub fn hear(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic) -> Progress {
        let here = datagram.destination.port() == self.port;
        if !here || *datagram.source.ip() != self.wish.server {
            return Progress::Waiting;
        }
        let Ok(packet) = Packet::parse(&datagram.payload) else { return Progress::Waiting };
        if *self.peer.get_or_insert(datagram.source) != datagram.source {
            if !matches!(packet, Packet::Error { .. }) {
                let stranger = error(ErrorCode::UnknownTransferId, "unknown transfer ID");
                nic.send(self.port, datagram.source, stranger);
            }
            return Progress::Waiting;
        }
        match packet {
            Packet::Error { code, .. } => self.end(Progress::Refused(code)),
            Packet::OAck(options) if self.wish.probe => {
                self.abort(options.number("tsize"), datagram.source, nic)
            }
            Packet::Data { .. } if self.wish.probe => self.abort(None, datagram.source, nic),
            Packet::OAck(options) if self.octets.is_empty() => {
                let number = |name| options.number(name);
                self.blksize = number("blksize").map_or(512, |blksize| blksize as usize);
                self.windowsize = number("windowsize").unwrap_or(1);
                self.acknowledge(now, nic)
            }
            Packet::Data { block, data } => self.take(now, block, data, nic),
            _ => Progress::Waiting,
        }
    }

    fn take(&mut self, now: Timestamp, block: u16, data: &[u8], nic: &mut Nic) -> Progress {
        if block != self.expected as u16 {
            // A block is missing, or one came twice: the server hears what was the last in order.
            return self.acknowledge(now, nic);
        }
        self.octets.extend_from_slice(data);
        self.expected += 1;
        self.unacknowledged += 1;
        self.tries = 0;
        self.deadline = Some(now + self.wish.patience);
        if data.len() < self.blksize {
            self.acknowledge(now, nic);
            let octets = std::mem::take(&mut self.octets);
            return self.end(Progress::Got(octets));
        }
        if self.unacknowledged == self.windowsize {
            return self.acknowledge(now, nic);
        }
        Progress::Waiting
    }

    fn acknowledge(&mut self, now: Timestamp, nic: &mut Nic) -> Progress {
        self.unacknowledged = 0;
        self.say(ack((self.expected - 1) as u16).to_vec(), now, nic);
        Progress::Waiting
    }

    fn abort(&mut self, size: Option<u64>, to: SocketAddrV4, nic: &mut Nic) -> Progress {
        nic.send(self.port, to, error(ErrorCode::NotDefined, "TFTP Aborted"));
        self.end(Progress::Sized(size))
    }

    fn say(&mut self, packet: Vec<u8>, now: Timestamp, nic: &mut Nic) {
        let to = self.peer.unwrap_or(SocketAddrV4::new(self.wish.server, 69));
        nic.send(self.port, to, packet.clone());
        self.last = packet;
        self.deadline = Some(now + self.wish.patience);
    }

    fn end(&mut self, progress: Progress) -> Progress {
        self.deadline = None;
        progress
    }
}
