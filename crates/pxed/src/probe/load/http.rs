//! The beginning of a file by HTTP/1.1 (RFC 9110, RFC 9112).

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use pxed_proto::limits::{NETWORK_PROBE_HEAD, NETWORK_PROBE_HTTP_HEAD_MAX};
use pxed_proto::text::Printable;
use socket2::{Domain, Protocol, Socket, Type};

use super::super::heard::Loaded;
use super::url::Url;
use crate::net::Interface;

/// What a web server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The file, or why not.
    Loaded(Loaded),
    /// Look there.
    Elsewhere(String),
}

/// What a GET of the beginning of `url` comes to.
pub fn load(interface: &Interface, server: Ipv4Addr, url: &Url, end: Instant) -> Answer {
    let to = SocketAddrV4::new(server, url.port.unwrap_or(80));
    match connect(interface, to, end).and_then(|stream| get(stream, url, end)) {
        Ok(answer) => answer,
        Err(error) => Answer::Loaded(trouble(server, &error)),
    }
}

/// Whether anybody is there; certificates are between the machine and the server.
pub fn connect_only(interface: &Interface, server: Ipv4Addr, url: &Url, end: Instant) -> Loaded {
    let to = SocketAddrV4::new(server, url.port.unwrap_or(443));
    match connect(interface, to, end) {
        Ok(_) => Loaded::NotTried(format!("{to} accepts connections; TLS is not spoken here")),
        Err(error) => trouble(server, &error),
    }
}

fn trouble(server: Ipv4Addr, error: &io::Error) -> Loaded {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, TimedOut, WouldBlock};
    match error.kind() {
        ConnectionRefused => Loaded::NoPort,
        TimedOut | WouldBlock | HostUnreachable => Loaded::Silence,
        _ => super::failed(server, error),
    }
}

fn connect(interface: &Interface, to: SocketAddrV4, end: Instant) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    if interface.is_neighbour(*to.ip()) {
        socket.bind_device(Some(interface.name.as_bytes()))?;
    }
    socket.connect_timeout(&to.into(), left(end))?;
    Ok(socket.into())
}

fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn get(mut stream: TcpStream, url: &Url, end: Instant) -> io::Result<Answer> {
    let Url { host, path, .. } = url;
    let port = url.port.map(|port| format!(":{port}")).unwrap_or_default();
    let last = NETWORK_PROBE_HEAD - 1;
    stream.set_write_timeout(Some(left(end)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: pxed-probe\r\n\
         Range: bytes=0-{last}\r\nConnection: close\r\n\r\n"
    )?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !is_enough(&answer) && Instant::now() < end {
        stream.set_read_timeout(Some(left(end)))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            // What there is, is enough if it is a head.
            Err(_) if head_end(&answer).is_some() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(read(&answer))
}

fn is_enough(answer: &[u8]) -> bool {
    let wanted = usize::from(NETWORK_PROBE_HEAD);
    head_end(answer).map_or(NETWORK_PROBE_HTTP_HEAD_MAX, |end| end + 4 + wanted) <= answer.len()
}

fn head_end(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|four| four == b"\r\n\r\n")
}

/// Reads an answer as far as it came.
fn read(answer: &[u8]) -> Answer {
    let failed = |text: &str| Answer::Loaded(Loaded::Failed(text.to_owned()));
    let Some(end) = head_end(answer) else { return failed("the answer is no HTTP") };
    let (head, body) = answer.split_at(end);
    let body = body.get(4..).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..));
    let Some(status) = status else { return failed("the answer is no HTTP/1") };
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let field = |name: &str| {
        let found = fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    match status.get(..3).unwrap_or_default() {
        "200" | "206" => {
            let whole = field("Content-Range").and_then(|range| range.rsplit('/').next());
            let size = whole.or(field("Content-Length")).and_then(|size| size.parse().ok());
            let chunked = field("Transfer-Encoding").is_some();
            let octets = if chunked { first_chunk(body) } else { body };
            let octets = octets.iter().take(usize::from(NETWORK_PROBE_HEAD)).copied().collect();
            Answer::Loaded(Loaded::Head { octets, size })
        }
        "301" | "302" | "303" | "307" | "308" => match field("Location") {
            Some(location) => Answer::Elsewhere(location.to_owned()),
            None => failed("it redirects, and does not say where to"),
        },
        _ => Answer::Loaded(Loaded::Refused(Printable(status.as_bytes()).to_string())),
    }
}

/// What stands behind the first chunk's length (RFC 9112 section 7.1).
fn first_chunk(body: &[u8]) -> &[u8] {
    let end = body.windows(2).position(|two| two == b"\r\n").unwrap_or(body.len());
    body.get(end + 2..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let head =
            |octets: &[u8], size| Answer::Loaded(Loaded::Head { octets: octets.to_vec(), size });
        let failed = |text: &str| Answer::Loaded(Loaded::Failed(text.to_owned()));
        let range = "Content-Range: bytes 0-1/77\r\nContent-Length: 2\r\n\r\nMZ";
        for (answer, expected) in [
            (format!("HTTP/1.1 206 Partial Content\r\n{range}"), head(b"MZ", Some(77))),
            ("HTTP/1.0 200 OK\r\ncontent-length:2\r\n\r\nMZ".to_owned(), head(b"MZ", Some(2))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nMZ".to_owned(),
                head(b"MZ", None),
            ),
            ("HTTP/1.1 302 F\r\nLocation: http://a/\r\n\r\n".to_owned(), {
                Answer::Elsewhere("http://a/".to_owned())
            }),
            (
                "HTTP/1.1 404 Not Found\r\n\r\n".to_owned(),
                Answer::Loaded(Loaded::Refused("404 Not Found".to_owned())),
            ),
            ("HTTP/1.1 302 F\r\n\r\n".to_owned(), {
                failed("it redirects, and does not say where to")
            }),
            ("SSH-2.0\r\n\r\n".to_owned(), failed("the answer is no HTTP/1")),
            ("HTTP/1.1 200 OK\r\n".to_owned(), failed("the answer is no HTTP")),
            (String::new(), failed("the answer is no HTTP")),
        ] {
            assert_eq!(read(answer.as_bytes()), expected, "{answer}");
        }
    }
}
