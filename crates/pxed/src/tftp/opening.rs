//! What a request names, looked for where waiting for a disk holds up nobody.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::event::TftpOutcome;
use pxed_proto::limits::TFTP_NETASCII_MAX;
use pxed_proto::tftp::{netascii, refusal};
use pxed_proto::wire::tftp::{ErrorCode, Mode, Request};

use super::cache::Opened;
use crate::files::{OpenError, OpenFile};
use crate::served::{self, Asker, At, Served};

/// Who asks, and whom.
#[derive(Clone, Copy, Debug)]
pub struct Parties {
    /// Who asks.
    pub client: SocketAddrV4,
    /// The address that was asked.
    pub local: Ipv4Addr,
}

/// What is to be sent.
#[derive(Debug)]
pub enum Found {
    /// A file, as it is.
    File(Opened),
    /// A text that was written or converted now.
    Text(Vec<u8>),
}

/// What the client is told in place of a file, and what it means.
#[derive(Debug)]
pub struct Denial {
    /// The ERROR packet's code.
    pub code: ErrorCode,
    /// Its text.
    pub text: &'static str,
    /// What became of the request.
    pub outcome: TftpOutcome,
}

impl Denial {
    /// Tells the client why.
    pub fn refused(code: ErrorCode, text: &'static str) -> Self {
        Self { code, text, outcome: TftpOutcome::Refused(text) }
    }

    /// Tells the log why.
    pub fn failed(error: impl ToString) -> Self {
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
            OpenError::NotWritten(reason) => Self::refused(ErrorCode::FileNotFound, reason),
            OpenError::Illegal(reason) => Self::refused(ErrorCode::AccessViolation, reason),
            OpenError::Io(error) => Self::failed(error),
        }
    }
}

/// Looks for it, as whoever has the client's address.
pub fn open(served: &Served, request: &Request<'_>, parties: &Parties) -> Result<Found, Denial> {
    if let Some(refusal) = refusal(request) {
        return Err(Denial::refused(refusal.code(), refusal.as_str()));
    }
    let is_text = request.mode == Mode::Netascii;
    let client = parties.client.into();
    let machine = served.machine_at(client);
    let asker = Asker { machine, client, at: At::Tftp(parties.local) };
    match served.open(request.file, &asker)? {
        served::Found::File(file) if is_text => converted(file),
        served::Found::File(file) => Opened::new(file).map(Found::File).map_err(Denial::failed),
        served::Found::Text(text) if is_text => Ok(Found::Text(netascii(text.as_bytes()))),
        served::Found::Text(text) => Ok(Found::Text(text.into_bytes())),
    }
}

fn converted(file: OpenFile) -> Result<Found, Denial> {
    if file.len > TFTP_NETASCII_MAX {
        let text = "too large for netascii: use octet (binary) mode";
        return Err(Denial::refused(ErrorCode::NotDefined, text));
    }
    let text = Opened::new(file).and_then(|opened| opened.read_whole());
    Ok(Found::Text(netascii(&text.map_err(Denial::failed)?)))
}
