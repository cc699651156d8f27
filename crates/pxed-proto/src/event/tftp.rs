//! TFTP requests, and what became of them.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::of_machine;
use crate::net::Mac;
use crate::text::Printable;
use crate::tftp::{Step, step};

/// What became of one TFTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpEvent {
    /// Who asked: address and TID.
    pub client: SocketAddr,
    /// The machine that has the client's address by a lease.
    pub machine: Option<Mac>,
    /// The file's name as it was asked for; empty where the request was illegible.
    pub file: Vec<u8>,
    /// How it ended.
    pub outcome: TftpOutcome,
    /// The file's octets that the client acknowledged.
    pub bytes: u64,
    /// From request to end.
    pub duration: Duration,
    /// Packets sent again.
    pub retransmissions: u32,
    /// Octets a block (RFC 2348).
    pub blksize: u16,
    /// Blocks a window (RFC 7440).
    pub windowsize: u16,
    /// How many names of the same search ([`crate::tftp::step`]) were asked for before, and are not
    /// there.
    pub searched: u16,
}

impl TftpEvent {
    /// Is it not there, and no news: the client tries other names, and the last one tells of all?
    pub fn goes_on(&self) -> bool {
        self.outcome == TftpOutcome::NotFound && step(&self.file) == Some(Step::OneOfMany)
    }

    /// Was it for a file that there is? A client that asks only for its size is one that has found it.
    pub fn is_fetch(&self) -> bool {
        use TftpOutcome::{
            Aborted, Completed, Failed, Ignored, NotFound, Refused, Stopped, TimedOut,
        };
        match self.outcome {
            Completed | Aborted { .. } | TimedOut | Failed(_) | Stopped => true,
            NotFound | Refused(_) | Ignored(_) => false,
        }
    }
}

/// How a TFTP request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TftpOutcome {
    /// The client has the whole file.
    Completed,
    /// The client ended it with an ERROR packet. Before the first block this is how PXE ROMs ask
    /// for a file's size, and nothing is wrong.
    Aborted {
        /// The ERROR packet's code.
        code: u16,
        /// Its text.
        message: Vec<u8>,
    },
    /// The client fell silent.
    TimedOut,
    /// There is no such file.
    NotFound,
    /// The request can not be granted; the text is what the client was told.
    Refused(&'static str),
    /// The file could not be read to its end, or the socket failed.
    Failed(String),
    /// pxed was stopped meanwhile.
    Stopped,
    /// Not a request at all: no answer.
    Ignored(&'static str),
}

impl fmt::Display for TftpEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, client) = (Printable(&self.file), of_machine(self.client, self.machine));
        write!(f, "TFTP {file} to {client}: ")?;
        let rate = fmt::from_fn(|f| {
            write!(f, "{} bytes in {} ms", self.bytes, self.duration.as_millis())?;
            write!(f, ", {} retransmissions", self.retransmissions)?;
            write!(f, ", blksize {}, windowsize {}", self.blksize, self.windowsize)
        });
        self.became(f, &rate)?;
        match self.searched {
            0 => Ok(()),
            1 => f.write_str(", after another name that is not there"),
            others => write!(f, ", after {others} other names that are not there"),
        }
    }
}

impl TftpEvent {
    fn became(&self, f: &mut fmt::Formatter<'_>, rate: &dyn fmt::Display) -> fmt::Result {
        match &self.outcome {
            TftpOutcome::Completed => write!(f, "sent, {rate}"),
            TftpOutcome::Aborted { .. } if self.bytes == 0 => {
                f.write_str("size asked for, not fetched")
            }
            TftpOutcome::Aborted { code, message } => {
                let message = Printable(message);
                write!(f, "ended by the client, error {code} \"{message}\", after {rate}")
            }
            TftpOutcome::TimedOut => write!(f, "the client fell silent after {rate}"),
            TftpOutcome::NotFound => f.write_str("no such file"),
            TftpOutcome::Refused(reason) => write!(f, "refused: {reason}"),
            TftpOutcome::Failed(error) => write!(f, "failed: {error}, after {rate}"),
            TftpOutcome::Stopped => write!(f, "stopped with the server after {rate}"),
            TftpOutcome::Ignored(reason) => write!(f, "no answer: {reason}"),
        }
    }
}
