//! The TFTP server: sockets, files and tasks around [`pxed_proto::tftp`], which holds the rules.
//!
//! Each interface has a listener, and each request a task of its own, a socket of its own (its
//! TID) and one event when it ends. What comes from the network can only end its own request.

mod exchange;
mod running;
mod sending;
mod socket;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::event::TftpEvent;
use pxed_proto::limits;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::files::Files;
use exchange::Exchange;
use running::{Admission, Running};

/// How long a listener rests after an error of its socket: an interface that is down or a kernel
/// without memory does not get better by being asked again at once.
const REST_AFTER_ERROR: Duration = Duration::from_millis(100);

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
    /// It is gone: its listener ends, transfers may try on.
    Gone(Arc<str>),
    /// It is there again, with a listener in place of the one that it may have had.
    Back(Listener),
    /// Its MTU is another, for transfers that begin from now on.
    Mtu(Arc<str>, u32),
}

/// The text of a file that is none: by the name that was asked for, and the address.
pub type Written = Arc<dyn Fn(&[u8], Ipv4Addr) -> Option<String> + Send + Sync>;

/// The TFTP server.
#[derive(Clone)]
pub struct Server {
    files: Arc<Files>,
    written: Written,
    events: Arc<dyn Fn(TftpEvent) + Send + Sync>,
    running: Arc<Running>,
    grace: Duration,
}

impl Server {
    /// A server of these files, which tells of each request when it has ended.
    pub fn new(files: Arc<Files>, events: Arc<dyn Fn(TftpEvent) + Send + Sync>) -> Self {
        let written: Written = Arc::new(|_, _| None);
        Self { files, written, events, running: Arc::default(), grace: limits::SHUTDOWN_GRACE }
    }

    /// The same, which serves also what is written when it is asked for; a file of that name wins.
    pub fn writing(self, written: Written) -> Self {
        Self { written, ..self }
    }

    /// How many requests are being served.
    pub fn running(&self) -> usize {
        self.running.count()
    }

    /// Serves until `stop` turns true or its sender is gone. From then on no request is taken,
    /// running transfers have [`limits::SHUTDOWN_GRACE`] to end, and this returns when all have; or
    /// when there is no listener, and nobody who could bring one.
    ///
    /// # Errors
    ///
    /// If tokio can not take a listener, or one panics.
    pub async fn serve(
        &self,
        listeners: Vec<Listener>,
        mut changes: mpsc::Receiver<Change>,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let mut listening = Listening::default();
        for listener in listeners {
            listening.start(self, listener, &stop)?;
        }
        let stopped = stopped(stop.clone());
        tokio::pin!(stopped);
        let mut may_come = true;
        while may_come || !listening.tasks.is_empty() {
            tokio::select! {
                change = changes.recv(), if may_come => match change {
                    Some(Change::Gone(interface)) => drop(listening.mtus.remove(&interface)),
                    Some(Change::Back(listener)) => listening.start(self, listener, &stop)?,
                    Some(Change::Mtu(interface, mtu)) => listening.set_mtu(&interface, mtu),
                    None => may_come = false,
                },
                // Whoever was told to end has ended; a panic leaves an interface unserved.
                Some(ended) = listening.tasks.join_next() => ended.map_err(io::Error::other)?,
                () = &mut stopped => break,
            }
        }
        while listening.tasks.join_next().await.is_some() {}
        Ok(())
    }
}

/// The listeners that there are.
#[derive(Default)]
struct Listening {
    tasks: JoinSet<()>,
    /// An interface's MTU; its listener ends when the sender is dropped.
    mtus: BTreeMap<Arc<str>, watch::Sender<u32>>,
}

impl Listening {
    fn start(
        &mut self,
        server: &Server,
        Listener { socket, interface, mtu }: Listener,
        stop: &watch::Receiver<bool>,
    ) -> io::Result<()> {
        let socket = UdpSocket::from_std(socket)?;
        let (sender, mtu) = watch::channel(mtu);
        let link =
            Link { server: server.clone(), interface: interface.clone(), mtu, stop: stop.clone() };
        self.tasks.spawn(link.listen(socket));
        self.mtus.insert(interface, sender);
        Ok(())
    }

    fn set_mtu(&self, interface: &str, mtu: u32) {
        if let Some(sender) = self.mtus.get(interface) {
            sender.send_replace(mtu);
        }
    }
}

/// The server on one interface.
#[derive(Clone)]
struct Link {
    server: Server,
    interface: Arc<str>,
    mtu: watch::Receiver<u32>,
    stop: watch::Receiver<bool>,
}

impl Link {
    async fn listen(self, socket: UdpSocket) {
        let mut mtu = self.mtu.clone();
        let mut exchanges = JoinSet::new();
        let stopped = stopped(self.stop.clone());
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                arrival = socket::receive(&socket) => match arrival {
                    Ok(arrival) => self.take(Exchange::new(arrival), &mut exchanges),
                    Err(error) => {
                        tracing::warn!(interface = &*self.interface, %error, "TFTP can not receive");
                        sleep(REST_AFTER_ERROR).await;
                    }
                },
                Some(_) = exchanges.join_next() => {}
                () = &mut stopped => break,
                changed = mtu.changed() => if changed.is_err() { break },
            }
        }
        // The port is free for whoever comes next.
        drop(socket);
        while exchanges.join_next().await.is_some() {}
    }

    /// Starts what a datagram asks for. A request that comes again before the client answered
    /// anything is the same request: its transfer repeats the answer in its own time.
    fn take(&self, exchange: Exchange, exchanges: &mut JoinSet<()>) {
        match self.server.running.admit(exchange.client(), exchange.datagram()) {
            Admission::Repeated => {}
            Admission::Full => (self.server.events)(exchange.refuse(self, "busy")),
            Admission::Granted(mut place) => {
                let link = self.clone();
                exchanges.spawn(async move {
                    let event = exchange.run(&link, &mut place).await;
                    drop(place);
                    (link.server.events)(event);
                });
            }
        }
    }

    async fn stopped_for_good(&self) {
        stopped(self.stop.clone()).await;
        sleep(self.server.grace).await;
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody is left who could say stop, which is a stop too.
    drop(stop.wait_for(|stop| *stop).await);
}
