//! What a request names, looked for where waiting for a disk holds up nobody.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::event::TftpOutcome;
use pxed_proto::limits::TFTP_NETASCII_MAX;
use pxed_proto::net::Mac;
use pxed_proto::tftp::{netascii, refusal};
use pxed_proto::wire::tftp::{ErrorCode, Mode, Request};

use super::Server;
use super::cache::Opened;
use crate::files::{OpenError, OpenFile};

/// Who asks, and whom.
#[derive(Clone, Copy, Debug)]
pub struct Parties {
    /// Who asks.
    pub client: SocketAddrV4,
    /// The machine that has this address, if that is known.
    pub machine: Option<Mac>,
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
            OpenError::Illegal(reason) => Self::refused(ErrorCode::AccessViolation, reason),
            OpenError::Io(error) => Self::failed(error),
        }
    }
}

/// Looks for it; a file wins over what would be written under its name.
pub fn open(server: &Server, request: &Request<'_>, parties: Parties) -> Result<Found, Denial> {
    if let Some(refusal) = refusal(request) {
        return Err(Denial::refused(refusal.code(), refusal.as_str()));
    }
    let is_text = request.mode == Mode::Netascii;
    match server.files.open_for(request.file, parties.machine) {
        Ok(file) if is_text => converted(file),
        Ok(file) => Opened::new(file).map(Found::File).map_err(Denial::failed),
        Err(OpenError::NotFound) => {
            let text = (server.written)(request.file, parties).ok_or(OpenError::NotFound)?;
            let text = text.into_bytes();
            Ok(Found::Text(if is_text { netascii(&text) } else { text }))
        }
        Err(error) => Err(error.into()),
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
