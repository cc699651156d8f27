//! What the TFTP thread is told by others.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Change;
use super::opening::{Denial, Found};

/// A word for the TFTP thread.
#[derive(Debug)]
pub enum Word {
    /// An interface comes or goes.
    Change(Change),
    /// None will any more.
    NoMoreChanges,
    /// No more requests; what runs may end.
    Stop,
    /// Nobody waits for the end.
    End,
    /// A request's file was looked for.
    Opened {
        /// Whose.
        id: u64,
        /// What was found.
        found: Result<Found, Denial>,
    },
    /// A chunk was read.
    Read {
        /// Of which file.
        content: u64,
        /// Which.
        index: u32,
        /// Its octets.
        octets: io::Result<Vec<u8>>,
    },
}

/// Where words are left. Each request and each chunk has one on its way at most, and both are counted.
#[derive(Clone, Debug)]
pub struct Mailbox {
    sender: Sender<Word>,
    bell: Arc<EventFd>,
}

/// Where they are found.
#[derive(Debug)]
pub struct Letters {
    receiver: Receiver<Word>,
    bell: Arc<EventFd>,
}

/// Both ends.
pub fn mailbox() -> io::Result<(Mailbox, Letters)> {
    let (sender, receiver) = channel();
    let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
    let bell = Arc::new(EventFd::from_value_and_flags(0, flags)?);
    Ok((Mailbox { sender, bell: bell.clone() }, Letters { receiver, bell }))
}

impl Mailbox {
    /// Leaves a word; the thread may have ended.
    pub fn tell(&self, word: Word) {
        if self.sender.send(word).is_ok() {
            // It fails only if the bell has rung 2^64 times and was not heard.
            let _ = self.bell.write(1);
        }
    }
}

impl Letters {
    /// All words that there are.
    pub fn take(&self) -> impl Iterator<Item = Word> {
        // Nothing to read is nothing new.
        let _ = self.bell.read();
        self.receiver.try_iter()
    }
}

impl AsFd for Letters {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
