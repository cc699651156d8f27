//! One request, from its datagram to its event.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::event::{TftpEvent, TftpOutcome};
use pxed_proto::tftp::Settings;
use pxed_proto::wire::tftp::{ErrorCode, Packet, error};

use super::opening::Parties;
use super::sending::Sending;
use crate::net::{Destination, TftpSocket};

/// Where packets to a client leave.
#[derive(Clone, Debug)]
pub struct Outlet {
    /// By which socket.
    pub socket: Arc<TftpSocket>,
    /// From which address, to whom.
    pub at: Destination,
}

impl Outlet {
    /// By a listener, from the address that was asked.
    pub fn shared(socket: &Arc<TftpSocket>, parties: &Parties) -> Self {
        let at = Destination { from: Some(parties.local), to: parties.client };
        Self { socket: socket.clone(), at }
    }

    /// By a socket of the transfer's own, whose port is its TID.
    pub fn own(interface: &str, parties: &Parties) -> io::Result<Self> {
        let socket = Arc::new(TftpSocket::open(parties.local, interface)?);
        Ok(Self { socket, at: Destination { from: None, to: parties.client } })
    }

    /// Is it a listener's socket?
    pub fn is_shared(&self) -> bool {
        self.at.from.is_some()
    }

    /// Sends an ERROR packet, once: if that is lost the client asks again.
    pub fn tell(&self, code: ErrorCode, text: &str) -> io::Result<()> {
        self.socket.send(self.at, &[IoSlice::new(&error(code, text))])
    }
}

/// A request that is being served.
#[derive(Debug)]
pub struct Exchange {
    /// The listener that it came by.
    pub link: u64,
    /// Who asks whom.
    pub parties: Parties,
    /// What was asked, as it came.
    pub datagram: Box<[u8]>,
    /// When.
    pub began: Timestamp,
    /// What is sent, once it is found.
    pub sending: Option<Sending>,
    /// Where packets leave, once it is found.
    pub outlet: Option<Outlet>,
    /// The client's answer was taken into the count of its address.
    pub counted_as_answered: bool,
}

impl Exchange {
    /// Of a request that came now.
    pub fn new(link: u64, parties: Parties, datagram: &[u8], began: Timestamp) -> Self {
        let datagram = Box::from(datagram);
        let (sending, outlet) = (None, None);
        Self { link, parties, datagram, began, sending, outlet, counted_as_answered: false }
    }

    /// Has the client answered?
    pub fn is_answered(&self) -> bool {
        self.sending.as_ref().is_some_and(|sending| sending.transfer.is_answered())
    }

    /// Does it use the listener's socket?
    pub fn shares_port(&self) -> bool {
        self.outlet.as_ref().is_some_and(Outlet::is_shared)
    }

    /// Its event, when it ends now.
    pub fn event(&self, now: Timestamp, outcome: TftpOutcome) -> TftpEvent {
        let unsent = unsent(&self.parties, &self.datagram, outcome);
        let duration = now.since(self.began);
        let Some(sending) = &self.sending else { return TftpEvent { duration, ..unsent } };
        let transfer = &sending.transfer;
        TftpEvent {
            bytes: transfer.bytes(),
            retransmissions: transfer.retransmissions(),
            blksize: transfer.settings().blksize,
            windowsize: transfer.settings().windowsize,
            duration,
            ..unsent
        }
    }
}

/// The event of a request for which no block was sent.
pub fn unsent(parties: &Parties, datagram: &[u8], outcome: TftpOutcome) -> TftpEvent {
    let file = match Packet::parse(datagram) {
        Ok(Packet::Request(request)) => request.file.to_vec(),
        _ => Vec::new(),
    };
    let Settings { blksize, windowsize, .. } = Settings::default();
    TftpEvent {
        machine: None,
        client: parties.client.into(),
        file,
        outcome,
        bytes: 0,
        duration: Duration::ZERO,
        retransmissions: 0,
        blksize,
        windowsize,
        searched: 0,
    }
}
