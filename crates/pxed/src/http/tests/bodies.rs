//! Large bodies, and what happens to them on their way.

use super::*;

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

/// Also one that a socket often takes whole, when it does not.
#[test]
fn a_shorter_file_that_changes_ends_the_connection() {
    let server = Server::start();
    let file = File::create(server.path("shorter")).unwrap();
    file.set_len(limits::HTTP_AT_ONCE).unwrap();
    let mut stream = server.connect();
    let request = "GET /files/shorter HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.repeat(300).as_bytes()).unwrap();
    // Until the sockets are full.
    while server.events.recv_timeout(Duration::from_millis(500)).is_ok() {}
    assert_eq!(server.http.running(), 1);
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let (_, orderly) = read_until_broken(stream);
    assert_eq!((server.event().broken_off, orderly), (Some(BrokenOff::FileChanged), false));
    server.end();
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
