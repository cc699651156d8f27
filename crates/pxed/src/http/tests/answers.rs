//! What requests are answered with.

use super::*;

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
fn a_machine_gets_its_own_file_and_everybody_else_the_common_one() {
    let server = Server::start();
    for (directory, text) in [("52-54-00-ab-cd-ef", "its own"), ("01-52-54-00-ab-cd-e0", "other")] {
        fs::create_dir(server.path(directory)).unwrap();
        fs::write(server.path(directory).join("preseed.cfg"), text).unwrap();
    }
    fs::write(server.path("preseed.cfg"), "common").unwrap();
    for (path, text) in [
        ("/machine/52-54-00-ab-cd-ef/preseed.cfg", "its own"),
        ("/machine/52:54:00:AB:CD:E0/preseed.cfg", "other"),
        ("/machine/52-54-00-ab-cd-e1/preseed.cfg", "common"),
        ("/machine/52-54-00-ab-cd-ef/ten", "0123456789"),
        ("/files/preseed.cfg", "common"),
        ("/files/52-54-00-ab-cd-ef/preseed.cfg", "its own"),
        ("/files/9ffefdef/preseed.cfg", "common"),
    ] {
        // By the slow way first, and then by the fast one.
        for _ in 0..2 {
            assert_eq!(server.get(path, "").text(), text, "{path}");
        }
    }
    assert_eq!(server.get("/machine/52-54-00-ab-cd-ef/../secret", "").status(), 400);
    server.end();
}
