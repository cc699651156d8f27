//! TFTP and HTTP as the smallest clients speak them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};

use pxed_proto::wire::tftp::{Packet, ack, read_request};

use crate::lan::PATIENCE;
use crate::machine::SERVER;

const HTTP_PORT: u16 = 8067;

/// Fetches a file in blocks of 512 octets; the error is what the server says.
pub fn tftp(client: Ipv4Addr, name: &str) -> Result<Vec<u8>, String> {
    let socket = UdpSocket::bind((client, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&read_request(name.as_bytes(), "octet", &[]), (SERVER, 69)).unwrap();
    let (mut content, mut expected) = (Vec::new(), 1_u16);
    let mut buffer = [0; 600];
    loop {
        let (length, server) = socket.recv_from(&mut buffer).unwrap();
        match Packet::parse(&buffer[..length]).unwrap() {
            Packet::Data { block, data } if block == expected => {
                content.extend_from_slice(data);
                socket.send_to(&ack(block), server).unwrap();
                expected += 1;
                if data.len() < 512 {
                    return Ok(content);
                }
            }
            Packet::Data { .. } => {}
            Packet::Error { message, .. } => {
                return Err(String::from_utf8_lossy(message).into_owned());
            }
            packet => panic!("{packet:?}"),
        }
    }
}

/// What is granted to a client that wants blocks of this many octets.
pub fn blksize(client: Ipv4Addr, name: &str, wanted: u64) -> String {
    let socket = UdpSocket::bind((client, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = read_request(name.as_bytes(), "octet", &[("blksize", wanted)]);
    socket.send_to(&request, (SERVER, 69)).unwrap();
    let mut buffer = [0; 600];
    let (length, server) = socket.recv_from(&mut buffer).unwrap();
    socket.send_to(b"\0\x05\0\x08enough\0", server).unwrap();
    String::from_utf8_lossy(&buffer[2..length]).replace('\0', " ")
}

/// An HTTP response.
pub struct Response {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What an absolute URL of pxed's names.
pub fn get(url: &str) -> Response {
    http("GET", url, "")
}

/// One request with one more header line (or none), and its response.
pub fn http(method: &str, url: &str, header: &str) -> Response {
    read(ask(method, url, header))
}

/// Asks, and leaves the answer to be read.
pub fn ask(method: &str, url: &str, header: &str) -> TcpStream {
    let host = format!("http://{SERVER}:{HTTP_PORT}");
    let target = url.strip_prefix(&host).unwrap_or_else(|| panic!("{url} is not at {host}"));
    let server = SocketAddr::from((SERVER, HTTP_PORT));
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let end = if header.is_empty() { "\r\n" } else { "\r\n\r\n" };
    let request = format!("{method} {target} HTTP/1.1\r\nHost: {SERVER}\r\nConnection: close\r\n");
    stream.write_all(format!("{request}{header}{end}").as_bytes()).unwrap();
    stream
}

/// Reads the answer to its end.
pub fn read(mut stream: TcpStream) -> Response {
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(response[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head, body: response[end + 4..].to_vec() }
}
