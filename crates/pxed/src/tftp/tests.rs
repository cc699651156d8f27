//! The server on loopback, with a client that says each packet itself.

mod ends;
mod names;
mod ports;
mod segments;
mod transfers;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use pxed_proto::event::TftpOutcome;
use pxed_proto::net::Mac;
use pxed_proto::wire::tftp::{Packet, ack, read_request};
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::files::{Files, OpenError};
use crate::net::{Interface, bind_udp};
use crate::served::Written;

/// Loopback answers at once; this is for machines that are busy with something else.
const PATIENCE: Duration = Duration::from_secs(20);

/// The machine at 127.0.0.1.
const MAC: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);

/// A server under test.
struct Lab {
    server: Server,
    port: u16,
    dir: TempDir,
    events: mpsc::UnboundedReceiver<TftpEvent>,
    stop: watch::Sender<bool>,
    changes: mpsc::Sender<Change>,
    serving: JoinHandle<io::Result<()>>,
    /// Its clients' ports.
    clients: std::sync::Mutex<Vec<u16>>,
}

impl Lab {
    async fn new() -> Self {
        Self::with(Duration::ZERO, 1500).await
    }

    async fn with(grace: Duration, mtu: u32) -> Self {
        Self::made(mtu, |server| Server { grace, ..server }).await
    }

    /// All from one port.
    async fn of_one_port() -> Self {
        Self::made(1500, |server| server.single_port(true)).await
    }

    /// Where two transfers may have ports of their own.
    async fn of_few_ports() -> Self {
        Self::made(1500, |server| Server { own_ports: 2, ..server }).await
    }

    async fn made(mtu: u32, adapted: impl FnOnce(Server) -> Server) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(Files::new(Some(dir.path()), Vec::new()).unwrap());
        let (tell, events) = mpsc::unbounded_channel();
        let written: Written = Arc::new(|name, asker| match name {
            b"written" => Ok(format!("by {:?} for {:?}", asker.at, asker.machine)),
            b"not written" => Err(OpenError::NotWritten("there is nothing to write")),
            _ => Err(OpenError::NotFound),
        });
        let served = Served::new(files)
            .writing(written)
            .knowing(Arc::new(|client| (client == Ipv4Addr::LOCALHOST).then_some(MAC)));
        let server = Server::new(served, Arc::new(move |event| drop(tell.send(event))));
        let server = adapted(Server { grace: Duration::ZERO, ..server });
        let (port, listener) = listener(mtu);
        let (stop, stopped) = watch::channel(false);
        let (changes, coming) = mpsc::channel(1);
        let serving = tokio::spawn({
            let server = server.clone();
            async move { server.serve(vec![listener], coming, stopped).await }
        });
        let clients = std::sync::Mutex::default();
        Self { server, port, dir, events, stop, changes, serving, clients }
    }

    fn file(&self, name: &str, len: usize) -> Vec<u8> {
        let content: Vec<u8> = (0..=250).cycle().take(len).collect();
        fs::write(self.dir.path().join(name), &content).unwrap();
        content
    }

    /// The next one. What a client of another test still had to say to whose port this was is none.
    async fn event(&mut self) -> TftpEvent {
        loop {
            let event = timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap();
            let is_own = self.clients.lock().unwrap().contains(&event.client.port());
            if is_own || event.outcome != TftpOutcome::Ignored("it is no request") {
                return event;
            }
        }
    }

    /// Returns when all that was sent to the listener before has been taken in.
    async fn settle(&mut self) {
        Client::new(self).await.asks(b"no request").await;
        assert_eq!(self.event().await.outcome, TftpOutcome::Ignored("the opcode is unknown"));
    }
}

/// On a free port.
fn listener(mtu: u32) -> (u16, Listener) {
    let socket = bind_udp(&Interface::find("lo").unwrap(), 0).unwrap();
    let port = socket.local_addr().unwrap().port();
    (port, Listener { socket, interface: "lo".into(), mtu })
}

/// The address that clients ask: not the one that the kernel would answer from by itself.
const ASKED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A client with one port, the TID that answered it last, and the block it wants next.
struct Client {
    socket: UdpSocket,
    listener: SocketAddr,
    transfer: SocketAddr,
    next: u16,
}

impl Client {
    async fn new(lab: &Lab) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.set_broadcast(true).unwrap();
        lab.clients.lock().unwrap().push(socket.local_addr().unwrap().port());
        let listener = (ASKED, lab.port).into();
        Self { socket, listener, transfer: listener, next: 1 }
    }

    async fn asks(&mut self, datagram: &[u8]) {
        self.next = 1;
        self.socket.send_to(datagram, self.listener).await.unwrap();
    }

    async fn says(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.transfer).await.unwrap();
    }

    async fn hears(&mut self) -> Vec<u8> {
        let mut buffer = [0; 2000];
        let heard = timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await;
        let (len, from) = heard.unwrap().unwrap();
        assert_eq!(from.ip(), ASKED);
        self.transfer = from;
        buffer[..len].to_vec()
    }

    /// Asks for a file that is not there.
    async fn hears_of_the_stop(&mut self) -> bool {
        self.asks(b"\0\x01none\0octet\0").await;
        let heard = self.hears().await;
        matches!(Packet::parse(&heard), Ok(Packet::Error { code: 0, .. }))
    }

    async fn hears_error(&mut self, code: u16, message: &str) {
        let (heard, message) = (self.hears().await, message.as_bytes());
        assert_eq!(Packet::parse(&heard), Ok(Packet::Error { code, message }));
    }

    /// Hears the next block. On a busy machine the one before may come twice.
    async fn hears_data(&mut self) -> Vec<u8> {
        loop {
            let heard = self.hears().await;
            let Ok(Packet::Data { block, data }) = Packet::parse(&heard) else { panic!() };
            assert!(block <= self.next, "block {} is missing", self.next);
            if block == self.next {
                self.next += 1;
                return data.to_vec();
            }
        }
    }

    async fn hears_block(&mut self, block: u16) {
        assert_eq!((self.next, self.hears_data().await.len()), (block, 512));
    }

    /// Takes blocks to the end of the file, and acknowledges each window.
    async fn takes_the_rest(&mut self, blksize: usize, windowsize: u16) -> Vec<u8> {
        let mut file = Vec::new();
        loop {
            let block = self.next;
            let data = self.hears_data().await;
            let last = data.len() < blksize;
            file.extend(data);
            if last || block.is_multiple_of(windowsize) {
                self.says(&ack(block)).await;
            }
            if last {
                return file;
            }
        }
    }
}
