//! Connections: requests in turn, and who may have how many.

use super::*;

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
