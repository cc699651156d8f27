//! The server on loopback, and a client that writes its requests by hand.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::SystemTime;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::*;

/// No test waits this long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    http: Arc<Http>,
    events: mpsc::Receiver<HttpEvent>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    runtime: Runtime,
    boot: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let boot = tempfile::tempdir().unwrap();
        fs::write(boot.path().join("ten"), "0123456789").unwrap();
        let files = Arc::new(Files::new(Some(boot.path()), Vec::new()).unwrap());
        let script: Script = Arc::new(|request| format!("#!ipxe\n# {request:?}\n"));
        let (sender, events) = mpsc::channel();
        let events_to: Events = Arc::new(move |event| drop(sender.send(event)));
        let http = Arc::new(Http::new(files, script, events_to));
        let (stop, shutdown) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = runtime.spawn(serve(vec![listener], http.clone(), shutdown));
        Self { address, http, events, stop, serving, runtime, boot }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.boot.path().join(name)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// One request on a connection of its own, and its event.
    fn exchange(&self, request: &str) -> (Response, HttpEvent) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let response = Response::read(&mut stream, request.starts_with("HEAD"));
        (response, self.event())
    }

    fn get(&self, path: &str, headers: &str) -> Response {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        self.exchange(&request).0
    }

    fn event(&self) -> HttpEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Ends the server; no event was left over.
    fn end(self) {
        self.stop.send_replace(true);
        self.runtime.block_on(async { timeout(PATIENCE, self.serving).await }).unwrap().unwrap();
        assert_eq!(self.http.running(), 0);
        assert_eq!(self.events.try_iter().collect::<Vec<_>>(), []);
    }
}

#[derive(Debug)]
struct Response {
    /// Status line and headers, without the date.
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn read(stream: &mut TcpStream, to_head: bool) -> Self {
        let head = Self::read_head(stream);
        let len = if to_head { None } else { header(&head, "Content-Length") };
        let mut body = vec![0; len.map_or(0, |len| len.parse().unwrap())];
        stream.read_exact(&mut body).unwrap();
        Self { head, body }
    }

    fn read_head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            stream.read_exact(&mut octet).unwrap();
            head.push(octet[0]);
        }
        let head = String::from_utf8(head).unwrap();
        head.lines()
            .filter(|line| !line.starts_with("Date:"))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

const ID: &str = "/machine/52-54-00-ab-cd-ef";

#[test]
fn head_has_the_headers_of_get() {
    let server = Server::start();
    for path in ["/files/ten", "/", "/boot.ipxe", "/files/none", "/nowhere", "/files/%00"] {
        let get = server.exchange(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let head = server.exchange(&format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(get.0.head, head.0.head);
        assert!(get.1.complete && head.1.complete);
        assert_eq!((get.1.bytes, head.1.bytes), (get.0.body.len() as u64, 0));
    }
    server.end();
}

#[test]
fn a_file_and_its_event() {
    let server = Server::start();
    let request = format!("GET {ID}/ten?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
    let (response, event) = server.exchange(&request);
    assert_eq!((response.status(), response.text()), (200, "0123456789"));
    assert_eq!(response.header("Content-Type"), Some("application/octet-stream"));
    assert_eq!(response.header("Accept-Ranges"), Some("bytes"));
    assert_eq!(event.machine, Some(Mac([0x52, 0x54, 0, 0xab, 0xcd, 0xef])));
    assert_eq!((event.method.as_str(), event.target), ("GET", format!("{ID}/ten?a=b")));
    assert_eq!((event.status, event.bytes, event.complete), (200, 10, true));
    server.end();
}

#[test]
fn scripts_know_the_machine_and_the_address_it_reached() {
    let server = Server::start();
    let response = server.get(&format!("{ID}/boot.ipxe?uuid=4c-44"), "");
    assert_eq!(response.header("Content-Type"), Some("text/plain"));
    let SocketAddr::V4(host) = server.address else { panic!("not IPv4") };
    let machine = Some(Mac([0x52, 0x54, 0, 0xab, 0xcd, 0xef]));
    let script = response.text();
    let asked = format!("machine: {machine:?}, uuid: Some(\"4c-44\"), profile: None, client: 127");
    assert!(script.contains(&asked) && script.contains(&format!("host: {host:?}")), "{script}");
    server.end();
}

#[test]
fn ranges() {
    let server = Server::start();
    for (range, status, content_range, body) in [
        ("bytes=0-", 206, Some("bytes 0-9/10"), "0123456789"),
        ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
        ("bytes=-3", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=0-1,4-5", 200, None, "0123456789"),
        ("bytes=10-", 416, Some("bytes */10"), ""),
    ] {
        let response = server.get("/files/ten", &format!("Range: {range}\r\n"));
        assert_eq!((response.status(), response.text()), (status, body), "{range}");
        assert_eq!(response.header("Content-Range"), content_range, "{range}");
    }
    let head = "HEAD /files/ten HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n\r\n";
    assert_eq!(server.exchange(head).0.header("Content-Length"), Some("10"));
    server.end();
}

#[test]
fn files_beyond_four_gigabytes() {
    let server = Server::start();
    let file = File::create(server.path("large.iso")).unwrap();
    file.set_len(5 << 30).unwrap();
    file.write_all_at(b"beyond", (1 << 32) + 7).unwrap();
    let response = server.get("/files/large.iso", "Range: bytes=4294967303-4294967308\r\n");
    assert_eq!(response.text(), "beyond");
    assert_eq!(response.header("Content-Range"), Some("bytes 4294967303-4294967308/5368709120"));
    let (head, _) = server.exchange("HEAD /files/large.iso HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(head.header("Content-Length"), Some("5368709120"));
    server.end();
}

#[test]
fn conditional_requests() {
    let server = Server::start();
    let first = server.get("/files/ten", "");
    let etag = first.header("Etag").unwrap();
    let modified = first.header("Last-Modified").unwrap();
    for (headers, status) in [
        (format!("If-None-Match: {etag}\r\n"), 304),
        (format!("If-Modified-Since: {modified}\r\n"), 304),
        (format!("If-Range: {etag}\r\nRange: bytes=1-\r\n"), 206),
        (format!("If-Range: {modified}\r\nRange: bytes=1-\r\n"), 206),
        ("If-Range: \"other\"\r\nRange: bytes=1-\r\n".to_owned(), 200),
    ] {
        let response = server.get("/files/ten", &headers);
        assert_eq!(response.status(), status, "{headers}");
        assert_eq!(response.header("Etag"), Some(etag));
        assert_eq!(response.body.is_empty(), status == 304);
    }
    fs::write(server.path("new"), "9876543210").unwrap();
    File::open(server.path("new")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    fs::rename(server.path("new"), server.path("ten")).unwrap();
    let replaced = server.get("/files/ten", &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((replaced.status(), replaced.text()), (200, "9876543210"));
    server.end();
}

#[test]
fn old_and_odd_requests() {
    let server = Server::start();
    for request in [
        "GET /files/ten HTTP/1.0\r\n\r\n",
        "GET http://10.0.0.1:8080/files/ten HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /files/%74e%6E HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let (response, event) = server.exchange(request);
        assert_eq!((response.status(), response.text()), (200, "0123456789"), "{request}");
        assert!(event.complete);
    }
    let (response, event) =
        server.exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!((response.status(), response.header("Allow")), (405, Some("GET, HEAD")));
    assert_eq!((event.method.as_str(), event.status), ("POST", 405));
    server.end();
}

#[test]
fn nothing_outside_is_served() {
    let server = Server::start();
    for path in [
        "/files/../../etc/passwd",
        "/files/%2e%2e/%2e%2e/etc/passwd",
        "/files/%2e%2e%2f..%2fetc%2fpasswd",
        "/files/..\\..\\etc\\passwd",
        "/files/..%5c..%5cetc%5cpasswd",
        "/machine/52-54-00-ab-cd-ef/../../../etc/passwd",
    ] {
        let response = server.get(path, "");
        assert_eq!(response.text(), "outside of the boot directory\n", "{path}");
        assert_eq!(response.status(), 400);
    }
    server.end();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut stream = server.connect();
    let requests = "GET /files/ten HTTP/1.1\r\nHost: x\r\n\r\n\
         HEAD /files/ten HTTP/1.1\r\nHost: x\r\n\r\n\
         GET /files/none HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(requests.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(Response::read(&mut stream, false).text(), "0123456789");
    assert_eq!(Response::read(&mut stream, true).status(), 200);
    assert_eq!(Response::read(&mut stream, false).status(), 404);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let statuses = [server.event(), server.event(), server.event()].map(|event| event.status);
    assert_eq!(statuses, [200, 200, 404]);
    server.end();
}

#[test]
fn illegible_requests_are_events() {
    let server = Server::start();
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(limits::HTTP_HEAD_MAX));
    for (request, status) in [("\x16\x03\x01 hello\r\n\r\n", 400), (long.as_str(), 431)] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let event = server.event();
        assert_eq!((event.status, event.method.as_str()), (status, ""));
    }
    drop(server.connect());
    server.end();
}

/// Far more than the sockets of both sides can hold.
const LARGE: u64 = 64 << 20;

/// Asks for a large file and reads no more than the response's head.
fn begin_large(server: &Server) -> TcpStream {
    File::create(server.path("large")).unwrap().set_len(LARGE).unwrap();
    let mut stream = server.connect();
    stream.write_all(b"GET /files/large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let head = Response::read_head(&mut stream);
    assert_eq!(header(&head, "Content-Length").unwrap().parse(), Ok(LARGE));
    stream
}

fn read_to_end(mut stream: TcpStream) -> u64 {
    let mut body = Vec::new();
    stream.read_to_end(&mut body).unwrap();
    body.len() as u64
}

#[test]
fn a_large_file_is_sent_whole() {
    let server = Server::start();
    let file = File::create(server.path("data")).unwrap();
    let content: Vec<u8> = (0..3 * limits::HTTP_CHUNK + 5).map(|i| (i % 251) as u8).collect();
    file.write_all_at(&content, 0).unwrap();
    assert!(server.get("/files/data", "").body == content);
    let part = server.get("/files/data", "Range: bytes=262143-600000\r\n");
    assert!(part.body == content[262_143..=600_000]);
    server.end();
}

#[test]
fn a_file_that_changes_ends_the_connection() {
    let change: [fn(&File); 2] = [
        |file| file.set_len(1 << 20).unwrap(),
        |file| {
            file.write_all_at(b"successor", LARGE / 2).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        },
    ];
    for change in change {
        let server = Server::start();
        let stream = begin_large(&server);
        change(&File::options().write(true).open(server.path("large")).unwrap());
        assert!(read_to_end(stream) < LARGE);
        let event = server.event();
        assert!(!event.complete && event.bytes < LARGE, "{event:?}");
        server.end();
    }
}

#[test]
fn a_client_that_goes_away_ends_its_request() {
    let server = Server::start();
    let stream = begin_large(&server);
    assert_eq!(server.http.running(), 1);
    drop(stream);
    let event = server.event();
    assert!(!event.complete && event.bytes < LARGE, "{event:?}");
    server.end();
}

#[test]
fn a_stop_ends_idle_connections_and_lets_running_ones_finish() {
    let server = Server::start();
    let mut fresh = server.connect();
    let mut idle = server.connect();
    idle.write_all(b"GET /files/ten HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    Response::read(&mut idle, false);
    server.event();
    let running = begin_large(&server);
    server.stop.send(true).unwrap();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    assert_eq!(fresh.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(read_to_end(running), LARGE);
    assert!(server.event().complete);
    server.end();
}
