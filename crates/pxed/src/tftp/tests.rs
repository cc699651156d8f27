//! The server on loopback, with a client that says each packet itself.

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
use crate::net::{Interface, bind_udp};

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
        let server = Server::new(files, Arc::new(move |event| drop(tell.send(event))))
            .writing(Arc::new(|name, parties| {
                (name == b"written").then(|| format!("by {}", parties.local))
            }))
            .knowing(Arc::new(|client| (client == Ipv4Addr::LOCALHOST).then_some(MAC)));
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

#[tokio::test]
async fn a_file_arrives_as_it_is() {
    let mut lab = Lab::new().await;
    // Longer than what is read at once, and more than one window.
    let content = lab.file("ipxe.efi", limits::TFTP_CHUNK * 2 + 5);
    let mut client = Client::new(&lab).await;
    client
        .asks(&read_request(b"/ipxe.efi", "octet", &[("blksize", 1468), ("windowsize", 4)]))
        .await;
    assert_eq!(client.hears().await, b"\0\x06blksize\x001468\0windowsize\x004\0");
    assert_eq!(lab.server.running(), 1);
    client.says(&ack(0)).await;
    assert_ne!(client.transfer, client.listener, "a TID of its own");
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
    client.asks(b"\0\x01file\0OCTET\0").await;
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
    lab.file("file", limits::TFTP_CHUNK + 1);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    lab.file("file", 10);
    client.says(&ack(1)).await;
    let last = u16::try_from(limits::TFTP_CHUNK / 512).unwrap();
    for block in 2..=last {
        client.hears_block(block).await;
        client.says(&ack(block)).await;
    }
    client.hears_error(0, "the file can not be read").await;
    let event = lab.event().await;
    let reason = "the file changed while it was sent";
    assert_eq!(event.outcome, TftpOutcome::Failed(reason.to_owned()));
    assert_eq!(event.bytes, limits::TFTP_CHUNK as u64);
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

#[tokio::test]
async fn windows_of_every_size_arrive() {
    let mut lab = Lab::new().await;
    let content = lab.file("file", 700_001);
    for (blksize, windowsize) in
        [(16_u16, 64_u16), (511, 3), (512, 64), (1000, 7), (1468, 16), (1468, 64)]
    {
        let mut client = Client::new(&lab).await;
        let options = [("blksize", u64::from(blksize)), ("windowsize", u64::from(windowsize))];
        client.asks(&read_request(b"file", "octet", &options)).await;
        client.hears().await;
        client.says(&ack(0)).await;
        let file = client.takes_the_rest(usize::from(blksize), windowsize).await;
        assert!(file == content, "{blksize} {windowsize}");
        assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_is_sent_as_it_was() {
    let mut lab = Lab::new().await;
    let before = lab.file("file", limits::TFTP_CHUNK * 3);
    let mut early = Client::new(&lab).await;
    early.asks(b"\0\x01file\0octet\0").await;
    early.hears_block(1).await;
    lab.file("next", 700);
    fs::rename(lab.dir.path().join("next"), lab.dir.path().join("file")).unwrap();
    let mut late = Client::new(&lab).await;
    late.asks(b"\0\x01file\0octet\0").await;
    late.hears_block(1).await;
    late.says(&ack(1)).await;
    assert_eq!(late.takes_the_rest(512, 1).await.len(), 700 - 512);
    assert_eq!(lab.event().await.bytes, 700);
    early.says(&ack(1)).await;
    assert!(early.takes_the_rest(512, 1).await == before[512..]);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
}

#[tokio::test]
async fn a_machine_gets_its_own_file_and_a_raspberry_pi_the_common_one() {
    let lab = Lab::new().await;
    for (directory, text) in [("52-54-00-00-00-01", "its own"), (".", "common")] {
        fs::create_dir_all(lab.dir.path().join(directory)).unwrap();
        fs::write(lab.dir.path().join(directory).join("cmdline.txt"), text).unwrap();
    }
    fs::write(lab.dir.path().join("start4.elf"), "common").unwrap();
    for (name, text) in [
        ("cmdline.txt", "its own"),
        ("./cmdline.txt", "its own"),
        ("9ffefdef/start4.elf", "common"),
    ] {
        let mut client = Client::new(&lab).await;
        client.asks(&read_request(name.as_bytes(), "octet", &[])).await;
        assert_eq!(client.hears_data().await, text.as_bytes(), "{name}");
    }
}

#[tokio::test]
async fn from_one_port_files_arrive_side_by_side() {
    let mut lab = Lab::of_one_port().await;
    let contents = [lab.file("a", 100_000), lab.file("b", 90_001)];
    let mut clients = [Client::new(&lab).await, Client::new(&lab).await];
    for (client, name) in clients.iter_mut().zip([b"a", b"b"]) {
        let options = [("blksize", 1468), ("windowsize", 4)];
        let request = read_request(name, "octet", &options);
        for _ in 0..3 {
            client.asks(&request).await;
        }
        assert_eq!(client.hears().await, b"\0\x06blksize\x001468\0windowsize\x004\0");
    }
    let [a, b] = &mut clients;
    let fetch = async |client: &mut Client| {
        client.says(&ack(0)).await;
        let file = client.takes_the_rest(1468, 4).await;
        assert_eq!(client.transfer, client.listener);
        file
    };
    let files = tokio::join!(fetch(a), fetch(b));
    assert!([files.0, files.1] == contents);
    for _ in 0..2 {
        assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    }
    assert_eq!(lab.server.running(), 0);
}

#[tokio::test]
async fn from_one_port_what_is_of_no_transfer_is_told_so() {
    let mut lab = Lab::of_one_port().await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    // An ERROR is never answered.
    for datagram in [&b"\0\x05\0\0die\0"[..], &ack(1)] {
        client.asks(datagram).await;
        let reason = TftpOutcome::Ignored("it is of no transfer");
        assert_eq!(lab.event().await.outcome, reason);
    }
    client.hears_error(5, "unknown transfer ID").await;
    // One of a stranger does nothing to the transfer of somebody else.
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    let mut stranger = Client::new(&lab).await;
    stranger.asks(&ack(1)).await;
    stranger.hears_error(5, "unknown transfer ID").await;
    assert!(matches!(lab.event().await.outcome, TftpOutcome::Ignored(_)));
    client.says(b"\0\x05\0\0enough\0").await;
    let message = b"enough".to_vec();
    assert_eq!(lab.event().await.outcome, TftpOutcome::Aborted { code: 0, message });
}

#[tokio::test]
async fn from_one_port_a_client_has_one_transfer_at_each_of_its_own() {
    let mut lab = Lab::of_one_port().await;
    lab.file("old", 2000);
    let new = lab.file("new", 1000);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01old\0octet\0").await;
    client.hears_block(1).await;
    client.says(&ack(1)).await;
    client.hears_block(2).await;
    // It was switched off and on.
    client.asks(b"\0\x01new\0octet\0").await;
    let event = lab.event().await;
    assert_eq!((event.file.as_slice(), event.outcome), (&b"old"[..], TftpOutcome::TimedOut));
    assert!(client.takes_the_rest(512, 1).await == new);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
}

#[tokio::test]
async fn from_one_port_transfers_end_with_their_interface() {
    let mut lab = Lab::of_one_port().await;
    lab.file("file", 2000);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    lab.changes.send(Change::Gone("lo".into())).await.unwrap();
    assert_eq!(lab.event().await.outcome, TftpOutcome::Failed("lo is gone".to_owned()));
    let free = async {
        while UdpSocket::bind((Ipv4Addr::UNSPECIFIED, lab.port)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, free).await.unwrap();
}

#[tokio::test]
async fn from_one_port_a_stop_lets_transfers_end() {
    let patient = |server: Server| Server { grace: PATIENCE, ..server.single_port(true) };
    let lab = Lab::made(1500, patient).await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    lab.stop.send(true).unwrap();
    let mut late = Client::new(&lab).await;
    let refused = async {
        // Until the stop is known there.
        while !late.hears_of_the_stop().await {}
    };
    timeout(PATIENCE, refused).await.unwrap();
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 88);
    timeout(PATIENCE, lab.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn when_files_run_out_transfers_share_the_port_of_the_listener() {
    let mut lab = Lab::of_few_ports().await;
    let content = lab.file("file", 2000);
    let mut clients = Vec::new();
    for own in [true, true, false, false] {
        let mut client = Client::new(&lab).await;
        client.asks(b"\0\x01file\0octet\0").await;
        client.hears_block(1).await;
        assert_eq!(client.transfer != client.listener, own);
        client.says(&ack(1)).await;
        clients.push(client);
    }
    for mut client in clients {
        assert!(client.takes_the_rest(512, 1).await == content[512..]);
        assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    }
    // There is room again.
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    assert_ne!(client.transfer, client.listener);
}
