//! HTTP requests, and what became of them.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::of_machine;
use crate::net::Mac;
use crate::text::Printable;

/// What became of one HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpEvent {
    /// Who asked.
    pub client: SocketAddr,
    /// The machine that the URL names, or that has the client's address by a lease.
    pub machine: Option<Mac>,
    /// It came by HTTPS.
    pub secure: bool,
    /// `GET`, `HEAD`; empty where the request was illegible.
    pub method: String,
    /// The request target as it came.
    pub target: String,
    /// The status that was answered.
    pub status: u16,
    /// Octets of the body that were handed to the network.
    pub bytes: u64,
    /// From the request's head to the last octet.
    pub duration: Duration,
    /// Why the answer was not sent to its end, if it was not.
    pub broken_off: Option<BrokenOff>,
}

/// Why an answer by HTTP has no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokenOff {
    /// The client ended its connection, or was not there any more.
    ClientGone,
    /// The client took less than [`crate::limits::HTTP_SLOWEST`] in a while.
    TooSlow,
    /// The client took nothing for a while, and its connection was needed by another one.
    GaveWay,
    /// The file was changed meanwhile: what was sent is of no version of it.
    FileChanged,
    /// The file could not be read to its end.
    Unreadable(String),
    /// pxed was stopped meanwhile.
    Stopped,
}

impl BrokenOff {
    /// One word for it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::ClientGone => "client-gone",
            Self::TooSlow => "too-slow",
            Self::GaveWay => "gave-way",
            Self::FileChanged => "file-changed",
            Self::Unreadable(_) => "unreadable",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientGone => f.write_str("the client has gone"),
            Self::TooSlow => f.write_str("the client is too slow"),
            Self::GaveWay => f.write_str("the client took nothing, and gave way to another"),
            Self::FileChanged => f.write_str("the file changed meanwhile"),
            Self::Unreadable(error) => write!(f, "the file can not be read: {error}"),
            Self::Stopped => f.write_str("stopped with the server"),
        }
    }
}

impl HttpEvent {
    /// Was it for a file or script that there is?
    pub fn is_fetch(&self) -> bool {
        matches!(self.status, 200..=299 | 304)
    }
}

impl fmt::Display for HttpEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, target) =
            (Printable(self.method.as_bytes()), Printable(self.target.as_bytes()));
        let protocol = if self.secure { "HTTPS" } else { "HTTP" };
        write!(f, "{protocol} {method} {target} to {}", of_machine(self.client, self.machine))?;
        let (bytes, ms) = (self.bytes, self.duration.as_millis());
        write!(f, ": {}, {bytes} bytes in {ms} ms", self.status)?;
        match &self.broken_off {
            None => Ok(()),
            Some(reason) => write!(f, ", broken off: {reason}"),
        }
    }
}
