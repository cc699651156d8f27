//! The TFTP server: sockets, files and a thread around [`pxed_proto::tftp`], which holds the rules.
//!
//! One thread, `pxed-tftp`, owns all sockets and transfers ([`engine`]). Each request has one event
//! when it ends, and what comes from the network can only end its own request.

mod cache;
mod engine;
mod exchange;
mod ids;
mod mailbox;
mod opening;
mod searches;
mod sending;
mod table;
#[cfg(test)]
mod tests;
mod timers;
mod vigil;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use pxed_proto::event::TftpEvent;
use pxed_proto::limits;
use tokio::sync::{mpsc, oneshot, watch};

use crate::served::Served;
use engine::Engine;
use mailbox::{Mailbox, Word, mailbox};

/// The socket of one interface, on which requests come in.
#[derive(Debug)]
pub struct Listener {
    /// Bound to 0.0.0.0:69 and to the interface, non-blocking, with `IP_PKTINFO`.
    pub socket: std::net::UdpSocket,
    /// The interface's name; each transfer's socket is bound to it as well.
    pub interface: Arc<str>,
    /// Its MTU: no larger blocks are granted than it carries in one frame.
    pub mtu: u32,
}

/// What becomes of an interface while the server runs.
#[derive(Debug)]
pub enum Change {
    /// It is gone: its listener ends, transfers with sockets of their own may try on.
    Gone(Arc<str>),
    /// It is there again, with a listener in place of the one that it may have had.
    Back(Listener),
    /// Its MTU is another, for transfers that begin from now on.
    Mtu(Arc<str>, u32),
}

/// The TFTP server.
#[derive(Clone)]
pub struct Server {
    served: Served,
    events: Arc<dyn Fn(TftpEvent) + Send + Sync>,
    running: Arc<AtomicUsize>,
    single_port: bool,
    own_ports: usize,
    grace: Duration,
}

impl Server {
    /// A server of this, which tells of each request when it has ended.
    pub fn new(served: Served, events: Arc<dyn Fn(TftpEvent) + Send + Sync>) -> Self {
        Self {
            served,
            events,
            running: Arc::default(),
            single_port: false,
            own_ports: Self::own_ports(),
            grace: limits::SHUTDOWN_GRACE,
        }
    }

    /// The same, which sends everything from the port that requests come to, or from a port for each
    /// transfer.
    pub fn single_port(self, single_port: bool) -> Self {
        Self { single_port, ..self }
    }

    /// How many transfers may have sockets of their own: half of the files that may be open, so that
    /// some are left for all else. Further ones share the listener's.
    fn own_ports() -> usize {
        let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft / 2);
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// How many requests are being served.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Serves until `stop` turns true or its sender is gone. From then on no request is taken,
    /// running transfers have [`limits::SHUTDOWN_GRACE`] to end, and this returns when all have; or
    /// when there is no listener, and nobody who could bring one.
    ///
    /// # Errors
    ///
    /// If the system has no thread or no memory for it, or the thread dies.
    pub async fn serve(
        &self,
        listeners: Vec<Listener>,
        mut changes: mpsc::Receiver<Change>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let (mailbox, letters) = mailbox()?;
        let mut engine = Engine::new(self.clone(), mailbox.clone(), letters)?;
        listeners.into_iter().try_for_each(|listener| engine.listen(listener))?;
        let (tell, mut ended) = oneshot::channel();
        let run = move || drop(tell.send(engine.run()));
        thread::Builder::new().name("pxed-tftp".to_owned()).spawn(run)?;
        let waiting = Waiting(mailbox);
        let (mut may_change, mut stopped) = (true, false);
        loop {
            tokio::select! {
                change = changes.recv(), if may_change => {
                    may_change = change.is_some();
                    waiting.0.tell(change.map_or(Word::NoMoreChanges, Word::Change));
                }
                // An error means that nobody is left who could say stop, which is a stop too.
                _ = stop.wait_for(|stop| *stop), if !stopped => {
                    stopped = true;
                    waiting.0.tell(Word::Stop);
                }
                result = &mut ended => {
                    return result.unwrap_or_else(|_| Err(io::Error::other("the TFTP thread died")));
                }
            }
        }
    }
}

/// Somebody waits for the thread's end; if that is over, the thread ends.
struct Waiting(Mailbox);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.tell(Word::End);
    }
}
