//! The server on loopback, with a client that says each packet itself.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use nix::sys::socket::{setsockopt, sockopt};
use pxed_proto::event::TftpOutcome;
use pxed_proto::wire::tftp::{Packet, ack, read_request};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Loopback answers at once; this is for machines that are busy with something else.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server under test.
struct Lab {
    server: Server,
    port: u16,
    dir: TempDir,
    events: mpsc::UnboundedReceiver<TftpEvent>,
    stop: watch::Sender<bool>,
    changes: mpsc::Sender<Change>,
    serving: JoinHandle<io::Result<()>>,
}

impl Lab {
    async fn new() -> Self {
        Self::with(Duration::ZERO, 1500).await
    }

    async fn with(grace: Duration, mtu: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(Files::new(Some(dir.path()), Vec::new()).unwrap());
        let (tell, events) = mpsc::unbounded_channel();
        let mut server = Server::new(files, Arc::new(move |event| tell.send(event).unwrap()));
        server = server
            .writing(Arc::new(|name, server| (name == b"written").then(|| format!("by {server}"))));
        server.grace = grace;
        let (port, listener) = listener(mtu);
        let (stop, stopped) = watch::channel(false);
        let (changes, coming) = mpsc::channel(1);
        let serving = tokio::spawn({
            let server = server.clone();
            async move { server.serve(vec![listener], coming, stopped).await }
        });
        Self { server, port, dir, events, stop, changes, serving }
    }

    fn file(&self, name: &str, len: usize) -> Vec<u8> {
        let content: Vec<u8> = (0..=250).cycle().take(len).collect();
        fs::write(self.dir.path().join(name), &content).unwrap();
        content
    }

    async fn event(&mut self) -> TftpEvent {
        timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap()
    }

    /// Returns when all that was sent to the listener before has been taken in.
    async fn settle(&mut self) {
        Client::new(self).await.asks(b"no request").await;
        assert_eq!(self.event().await.outcome, TftpOutcome::Ignored("the opcode is unknown"));
    }
}

/// On a free port.
fn listener(mtu: u32) -> (u16, Listener) {
    let socket = socket::open(Ipv4Addr::UNSPECIFIED, "lo").unwrap();
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true).unwrap();
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
        assert!(from.ip() == ASKED && from != self.listener, "answer from {from}");
        self.transfer = from;
        buffer[..len].to_vec()
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

#[tokio::test]
async fn a_file_arrives_as_it_is() {
    let mut lab = Lab::new().await;
    // Longer than what is read at once, and more than one window.
    let content = lab.file("ipxe.efi", limits::TFTP_READ_AHEAD * 2 + 5);
    let mut client = Client::new(&lab).await;
    client
        .asks(&read_request(b"/ipxe.efi", "octet", &[("blksize", 1468), ("windowsize", 4)]))
        .await;
    assert_eq!(client.hears().await, b"\0\x06blksize\x001468\0windowsize\x004\0");
    assert_eq!(lab.server.running(), 1);
    client.says(&ack(0)).await;
    assert!(client.takes_the_rest(1468, 4).await == content);
    let event = lab.event().await;
    assert_eq!(event.outcome, TftpOutcome::Completed);
    assert_eq!((event.bytes, event.file.as_slice()), (content.len() as u64, &b"/ipxe.efi"[..]));
    assert_eq!((event.blksize, event.windowsize), (1468, 4));
    assert_eq!(event.client, client.socket.local_addr().unwrap());
    assert_eq!(lab.server.running(), 0);
}

/// What is granted already stays.
#[tokio::test]
async fn the_mtu_changes_while_pxed_runs() {
    let lab = Lab::with(Duration::ZERO, 576).await;
    lab.file("ipxe.efi", 5000);
    let request = read_request(b"ipxe.efi", "octet", &[("blksize", 1468)]);
    let mut before = Client::new(&lab).await;
    before.asks(&request).await;
    assert_eq!(before.hears().await, b"\0\x06blksize\x00544\0");
    lab.changes.send(Change::Mtu("none".into(), 9000)).await.unwrap();
    lab.changes.send(Change::Mtu("lo".into(), 1400)).await.unwrap();
    let granted = async || {
        let mut later = Client::new(&lab).await;
        later.asks(&request).await;
        later.hears().await
    };
    let followed = async { while granted().await != b"\0\x06blksize\x001368\0" {} };
    timeout(PATIENCE, followed).await.unwrap();
    before.says(&ack(0)).await;
    assert_eq!(before.hears().await.len(), 4 + 544);
}

#[tokio::test]
async fn a_size_is_asked_for_and_no_file() {
    let mut lab = Lab::with(Duration::ZERO, 576).await;
    lab.file("ipxe.efi", 5000);
    let mut client = Client::new(&lab).await;
    client.asks(&read_request(b"ipxe.efi", "octet", &[("tsize", 0), ("blksize", 1468)])).await;
    assert_eq!(client.hears().await, b"\0\x06blksize\x00544\0tsize\x005000\0");
    client.says(b"\0\x05\0\x08no\0").await;
    let event = lab.event().await;
    assert_eq!(event.outcome, TftpOutcome::Aborted { code: 8, message: b"no".to_vec() });
    assert_eq!(event.bytes, 0);
}

#[tokio::test]
async fn what_can_not_be_granted_is_said() {
    let mut lab = Lab::new().await;
    lab.file("large", 300_000);
    let too_large = "too large for netascii: use octet (binary) mode";
    for (datagram, code, message) in [
        (&b"\0\x01none\0octet\0"[..], 1, "no such file"),
        (b"\0\x01../large\0octet\0", 2, "outside of the boot directory"),
        (b"\0\x02large\0octet\0", 2, "read only"),
        (b"\0\x01large\0mail\0", 4, "unknown mode: use octet"),
        (b"\0\x01large\0netascii\0", 0, too_large),
    ] {
        let mut client = Client::new(&lab).await;
        client.asks(datagram).await;
        client.hears_error(code, message).await;
        match lab.event().await.outcome {
            TftpOutcome::NotFound => assert_eq!(code, 1),
            TftpOutcome::Refused(reason) => assert_eq!(reason, message),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_request_to_us_is_not_answered() {
    let mut lab = Lab::new().await;
    lab.file("file", 1);
    let mut client = Client::new(&lab).await;
    for (datagram, to, reason) in [
        (&b"\0\x04\0\0"[..], ASKED, "it is no request"),
        (b"\0\x01file", ASKED, "the file name or the mode has no end"),
        (b"", ASKED, "the packet is too short"),
        (b"\0\x01file\0octet\0", [127, 255, 255, 255].into(), "it was sent to everybody"),
    ] {
        client.listener = (to, lab.port).into();
        client.asks(datagram).await;
        assert_eq!(lab.event().await.outcome, TftpOutcome::Ignored(reason));
    }
    // The first thing the client hears is the answer to what it asks now.
    client.listener = (ASKED, lab.port).into();
    client.asks(b"\0\x01none\0octet\0").await;
    client.hears_error(1, "no such file").await;
}

#[tokio::test]
async fn text_is_converted_to_netascii() {
    let mut lab = Lab::new().await;
    fs::write(lab.dir.path().join("boot.ipxe"), "#!ipxe\nboot\n").unwrap();
    let mut client = Client::new(&lab).await;
    client.asks(&read_request(b"boot.ipxe", "netascii", &[("tsize", 0)])).await;
    assert_eq!(client.hears().await, b"\0\x06tsize\x0014\0");
    client.says(&ack(0)).await;
    assert_eq!(client.takes_the_rest(512, 1).await, b"#!ipxe\r\nboot\r\n");
    assert_eq!(lab.event().await.bytes, 14);
}

#[tokio::test]
async fn a_wrong_tid_does_not_disturb_the_transfer() {
    let mut lab = Lab::new().await;
    lab.file("file", 600);
    let (mut client, mut stranger) = (Client::new(&lab).await, Client::new(&lab).await);
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    stranger.transfer = client.transfer;
    // An ERROR is not answered, so the ACK's answer is the first that is heard.
    stranger.says(b"\0\x05\0\0die\0").await;
    stranger.says(&ack(1)).await;
    stranger.hears_error(5, "unknown transfer ID").await;
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 88);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
}

#[tokio::test]
async fn a_repeated_request_is_one_request() {
    let mut lab = Lab::new().await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    for _ in 0..3 {
        client.asks(b"\0\x01file\0octet\0").await;
    }
    lab.settle().await;
    assert_eq!(lab.server.running(), 1);
    client.hears_block(1).await;
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 88);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    assert_eq!(lab.server.running(), 0);
}

#[tokio::test]
async fn a_machine_that_was_switched_off_and_on_starts_anew() {
    let mut lab = Lab::new().await;
    lab.file("file", 2000);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    let before = client.transfer;
    client.says(&ack(1)).await;
    client.hears_block(2).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    assert_ne!(client.transfer, before);
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 2000 - 512);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    assert_eq!(lab.server.running(), 1);
}

#[tokio::test]
async fn an_unanswered_packet_is_sent_again() {
    let mut lab = Lab::new().await;
    lab.file("file", 3);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    let first = client.hears().await;
    assert_eq!(client.hears().await, first);
    client.says(&ack(1)).await;
    let event = lab.event().await;
    assert_eq!(event.outcome, TftpOutcome::Completed);
    assert!(event.retransmissions >= 1);
}

#[tokio::test]
async fn a_file_that_becomes_shorter_ends_the_transfer() {
    let mut lab = Lab::new().await;
    lab.file("file", limits::TFTP_READ_AHEAD + 1);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    lab.file("file", 10);
    client.says(&ack(1)).await;
    let last = u16::try_from(limits::TFTP_READ_AHEAD / 512).unwrap();
    for block in 2..=last {
        client.hears_block(block).await;
        client.says(&ack(block)).await;
    }
    client.hears_error(0, "the file can not be read").await;
    let event = lab.event().await;
    let reason = "the file became shorter while it was sent";
    assert_eq!(event.outcome, TftpOutcome::Failed(reason.to_owned()));
    assert_eq!(event.bytes, limits::TFTP_READ_AHEAD as u64);
}

#[tokio::test]
async fn one_client_has_so_many_transfers_and_no_more() {
    let mut lab = Lab::new().await;
    lab.file("file", 600);
    let mut clients = Vec::new();
    for _ in 0..limits::TFTP_TRANSFERS_PER_CLIENT_MAX {
        let mut client = Client::new(&lab).await;
        client.asks(b"\0\x01file\0octet\0").await;
        client.hears_block(1).await;
        clients.push(client);
    }
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_error(0, "busy").await;
    assert_eq!(lab.event().await.outcome, TftpOutcome::Refused("busy"));
    clients[0].says(b"\0\x05\0\0\0").await;
    assert!(matches!(lab.event().await.outcome, TftpOutcome::Aborted { .. }));
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
}

#[tokio::test]
async fn a_stop_lets_transfers_end() {
    let mut lab = Lab::with(PATIENCE, 1500).await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    lab.stop.send(true).unwrap();
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 88);
    timeout(PATIENCE, lab.serving).await.unwrap().unwrap().unwrap();
    assert_eq!(lab.events.recv().await.unwrap().outcome, TftpOutcome::Completed);
    // Nobody is left who could take a request.
    assert!(lab.events.try_recv().is_err());
}

#[tokio::test]
async fn a_stop_ends_what_takes_too_long() {
    let mut lab = Lab::new().await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    drop(lab.stop);
    client.hears_error(0, "the server is stopped").await;
    timeout(PATIENCE, lab.serving).await.unwrap().unwrap().unwrap();
    assert_eq!(lab.events.recv().await.unwrap().outcome, TftpOutcome::Stopped);
}

#[tokio::test]
async fn a_listener_that_is_replaced_frees_its_port_and_lets_transfers_end() {
    let mut lab = Lab::new().await;
    let content = lab.file("long", 600);
    let (mut early, mut late) = (Client::new(&lab).await, Client::new(&lab).await);
    early.asks(&read_request(b"long", "octet", &[])).await;
    early.hears_block(1).await;

    let (port, next) = listener(1500);
    lab.changes.send(Change::Back(next)).await.unwrap();
    let old_port = (Ipv4Addr::UNSPECIFIED, lab.port);
    let free = async {
        while UdpSocket::bind(old_port).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, free).await.unwrap();
    early.says(&ack(1)).await;
    assert_eq!(early.hears_data().await, content[512..]);
    early.says(&ack(2)).await;
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);

    late.listener = (ASKED, port).into();
    late.asks(&read_request(b"long", "octet", &[])).await;
    late.hears_block(1).await;
    lab.changes.send(Change::Gone("lo".into())).await.unwrap();
    late.says(&ack(1)).await;
    assert_eq!(late.hears_data().await, content[512..]);
    assert!(!lab.serving.is_finished());
}

#[tokio::test]
async fn what_is_no_file_may_be_written_and_a_file_of_that_name_wins() {
    let mut lab = Lab::new().await;
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01written\0octet\0").await;
    assert_eq!(client.hears_data().await, b"by 127.0.0.2");
    client.says(&ack(1)).await;
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    let content = lab.file("written", 10);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01written\0octet\0").await;
    assert_eq!(client.hears_data().await, content);
}
