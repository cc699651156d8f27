//! The server on loopback, and a client that writes its requests by hand.

mod answers;
mod bodies;
mod connections;

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
use crate::files::Files;

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
        let http = Arc::new(Http { places, ..Http::new(Served::new(files), script, events_to) });
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
