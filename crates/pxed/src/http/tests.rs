//! The server on loopback, and a client that writes its requests by hand.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::SystemTime;

use pxed_proto::event::BrokenOff;
use socket2::{Domain, Socket, Type};
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
    paused: bool,
}

impl Server {
    fn start() -> Self {
        Self::new(limits::HTTP_CONNECTIONS_MAX, false)
    }

    /// One thread, so that whoever was answered waits before anybody else is looked at.
    fn with_places(places: usize) -> Self {
        Self::new(places, false)
    }

    /// It does nothing until an event is waited for, and its clock runs on by itself whenever it has
    /// nothing to do but wait.
    fn paused() -> Self {
        Self::new(limits::HTTP_CONNECTIONS_MAX, true)
    }

    fn new(places: usize, paused: bool) -> Self {
        let boot = tempfile::tempdir().unwrap();
        fs::write(boot.path().join("ten"), "0123456789").unwrap();
        let files = Arc::new(Files::new(Some(boot.path()), Vec::new()).unwrap());
        let script: Script = Arc::new(|request| format!("#!ipxe\n# {request:?}\n"));
        let (sender, events) = mpsc::channel();
        let events_to: Events = Arc::new(move |event| match event {
            Event::Http(event) => drop(sender.send(event)),
            other => panic!("{other:?}"),
        });
        let http = Arc::new(Http { places, ..Http::new(files, script, events_to) });
        let (stop, shutdown) = watch::channel(false);
        let threads = if places == limits::HTTP_CONNECTIONS_MAX { 2 } else { 1 };
        let mut runtime = match paused {
            true => tokio::runtime::Builder::new_current_thread(),
            false => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime =
            runtime.worker_threads(threads).enable_all().start_paused(paused).build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving =
            runtime.spawn(serve(Listeners::Plain(vec![listener]), http.clone(), shutdown));
        Self { address, http, events, stop, serving, runtime, boot, paused }
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
        if !self.paused {
            return self.events.recv_timeout(PATIENCE).unwrap();
        }
        self.runtime.block_on(async {
            for _ in 0..1000 {
                if let Ok(event) = self.events.try_recv() {
                    return event;
                }
                sleep(Duration::from_secs(1)).await;
            }
            panic!("no event in a thousand seconds")
        })
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
        assert_eq!((get.1.broken_off, head.1.broken_off), (None, None));
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
    assert_eq!((event.status, event.bytes, event.broken_off), (200, 10, None));
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
    let web = Web { scheme: Scheme::Http, address: host };
    assert!(script.contains(&asked) && script.contains(&format!("web: {web:?}")), "{script}");
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
    let etag = first.header("ETag").unwrap();
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
        assert_eq!(response.header("ETag"), Some(etag));
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
    for (request, connection) in [
        ("GET /files/ten HTTP/1.0\r\n\r\n", Some("close")),
        (
            "GET /files/ten HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
            Some("keep-alive"),
        ),
        ("GET http://10.0.0.1:8080/files/ten HTTP/1.1\r\nHost: x\r\n\r\n", None),
        ("GET /files/%74e%6E HTTP/1.1\r\nHost: x\r\n\r\n", None),
        (
            "GET /files/./none/../ten HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            Some("close"),
        ),
    ] {
        let (response, event) = server.exchange(request);
        assert_eq!((response.status(), response.text()), (200, "0123456789"), "{request}");
        assert_eq!(response.header("Connection"), connection, "{request}");
        assert_eq!(event.broken_off, None);
    }
    server.end();
}

#[test]
fn bodies_are_not_read_as_requests() {
    let server = Server::start();
    for (request, status) in [
        ("GET /files/ten HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n", 200),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n", 405),
        ("PUT /files/ten HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 405),
        ("DELETE /files/ten HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", 400),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(b"GET /files/none HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let response = Response::read(&mut stream, false);
        assert_eq!((response.status(), response.header("Connection")), (status, Some("close")));
        assert_eq!(response.header("Allow").is_some(), status == 405);
        assert_eq!(read_until_broken(stream), (0, true), "{request}");
        assert_eq!(server.event().status, status);
    }
    assert_eq!(fs::read(server.path("ten")).unwrap(), b"0123456789");
    server.end();
}

#[test]
fn a_connection_stays_for_the_next_request() {
    let server = Server::start();
    let mut stream = server.connect();
    for version in ["1.1\r\nHost: x", "1.1\r\nHost: x", "1.0\r\nConnection: keep-alive"] {
        let request = format!("GET /files/ten HTTP/{version}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(Response::read(&mut stream, false).text(), "0123456789");
        assert_eq!(server.event().status, 200);
    }
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
fn illegible_requests_are_answered_and_are_events() {
    let server = Server::start();
    let long = "x".repeat(limits::HTTP_HEAD_MAX);
    for (request, status, method) in [
        ("\x16\x03\x01 hello\r\n\r\n".to_owned(), 400, ""),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "GET"),
        ("GET / HTTP/3.0\r\n\r\n".to_owned(), 505, "GET"),
        (format!("GET /{long}"), 414, "GET"),
        (format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"), 431, "GET"),
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let response = Response::read(&mut stream, false);
        assert_eq!((response.status(), response.header("Connection")), (status, Some("close")));
        let event = server.event();
        assert_eq!((event.status, event.method.as_str()), (status, method));
        assert_eq!(read_until_broken(stream), (0, true));
    }
    let mut stream = server.connect();
    stream.write_all(b"GET /files/t").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(Response::read(&mut stream, false).status(), 400);
    assert_eq!(server.event().status, 400);
    drop(server.connect());
    server.end();
}

#[test]
fn one_address_gets_so_many_connections_and_is_told() {
    let server = Server::start();
    let most = limits::HTTP_CONNECTIONS_PER_CLIENT_MAX;
    let mut idle: Vec<TcpStream> = (0..most).map(|_| server.connect()).collect();
    let mut one_more = server.connect();
    assert_eq!(Response::read(&mut one_more, false).status(), 503);
    assert_eq!((server.event().status, read_until_broken(one_more)), (503, (0, true)));
    // Another address is none of its business.
    let other = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    other.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    other.connect(&server.address.into()).unwrap();
    let mut other = TcpStream::from(other);
    for stream in [&mut other, &mut idle[0]] {
        stream.write_all(b"GET /files/ten HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(Response::read(stream, false).text(), "0123456789");
        assert_eq!(server.event().status, 200);
    }
    drop(idle);
    server.end();
}

#[test]
fn whoever_waits_gives_way_when_all_places_are_taken() {
    let server = Server::with_places(2);
    let served = || {
        let mut stream = server.connect();
        stream.write_all(b"GET /files/ten HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(Response::read(&mut stream, false).text(), "0123456789");
        assert_eq!(server.event().status, 200);
        stream
    };
    let mut first = served();
    let mut slow = served();
    slow.write_all(b"GET /files/ten HTTP/1.1\r\nHost").unwrap();
    let _third = served();
    assert_eq!(first.read(&mut [0]).unwrap(), 0, "it was idle");
    let mut fourth = server.connect();
    fourth.write_all(b"GET /files/ten HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(Response::read(&mut fourth, false).text(), "0123456789");
    assert_eq!(Response::read(&mut slow, false).status(), 503);
    let mut statuses = [server.event().status, server.event().status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
    server.end();
}

#[test]
fn a_request_that_never_ends_is_given_up() {
    let server = Server::paused();
    let mut idle = server.connect();
    let mut slow = server.connect();
    slow.write_all(b"GET /files/ten HTTP/1.1\r\nHost").unwrap();
    assert_eq!(server.event().status, 408);
    assert_eq!(Response::read(&mut slow, false).status(), 408);
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    server.end();
}

#[test]
fn a_reader_that_takes_nothing_is_given_up() {
    let server = Server::paused();
    File::create(server.path("large")).unwrap().set_len(LARGE).unwrap();
    let mut stream = server.connect();
    stream.write_all(b"GET /files/large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let event = server.event();
    assert_eq!(event.broken_off, Some(BrokenOff::TooSlow));
    let (read, orderly) = read_until_broken(stream);
    assert!(read < LARGE && !orderly, "{read}");
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
    let content: Vec<u8> = (0..3 * limits::HTTP_PART + 5).map(|i| (i % 251) as u8).collect();
    file.write_all_at(&content, 0).unwrap();
    assert!(server.get("/files/data", "").body == content);
    let part = server.get("/files/data", "Range: bytes=262143-600000\r\n");
    assert!(part.body == content[262_143..=600_000]);
    server.end();
}

/// All that comes, and whether its end was an orderly one.
fn read_until_broken(mut stream: TcpStream) -> (u64, bool) {
    let mut octets = vec![0; 1 << 20];
    let mut len = 0;
    loop {
        match stream.read(&mut octets) {
            Ok(0) => return (len, true),
            Ok(read) => len += read as u64,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return (len, false),
            Err(error) => panic!("{error}"),
        }
    }
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
        let (read, orderly) = read_until_broken(stream);
        assert!(read < LARGE && !orderly, "{read}");
        let event = server.event();
        assert_eq!(event.broken_off, Some(BrokenOff::FileChanged));
        assert!(event.bytes < LARGE, "{event:?}");
        server.end();
    }
}

#[test]
fn a_file_that_is_replaced_is_sent_as_it_was() {
    let server = Server::start();
    let mut stream = begin_large(&server);
    fs::write(server.path("new"), "successor").unwrap();
    fs::rename(server.path("new"), server.path("large")).unwrap();
    let mut body = vec![1; usize::try_from(LARGE).unwrap()];
    stream.read_exact(&mut body).unwrap();
    assert!(body.iter().all(|octet| *octet == 0));
    assert_eq!(server.event().broken_off, None);
    assert_eq!(server.get("/files/large", "").text(), "successor");
    server.end();
}

#[test]
fn a_client_that_goes_away_ends_its_request() {
    let server = Server::start();
    let stream = begin_large(&server);
    assert_eq!(server.http.running(), 1);
    drop(stream);
    let event = server.event();
    assert!(event.broken_off.is_some() && event.bytes < LARGE, "{event:?}");
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
    assert_eq!(server.event().broken_off, None);
    server.end();
}
