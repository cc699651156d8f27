//! An answer by HTTP/1.1 as a client reads it: its head, and then so many octets. The octets
//! themselves need not be seen, only counted.

use crate::download::Failure;

/// A head that is longer is no answer.
const HEAD_MAX: usize = 16 << 10;

/// An answer that comes in.
#[derive(Debug, Default)]
pub struct Response {
    head: Vec<u8>,
    /// Once the head is here: octets of the body in all, and of these how many have come.
    body: Option<(u64, u64)>,
    /// The connection ends with this answer.
    pub last: bool,
}

impl Response {
    /// How many octets of the body are yet to come; `None` before the head is here.
    pub fn remaining(&self) -> Option<u64> {
        self.body.map(|(length, got)| length - got)
    }

    /// How many octets of the body have come.
    pub fn got(&self) -> u64 {
        self.body.map_or(0, |(_, got)| got)
    }

    /// Takes what has come; gives `keep` what is of the body, with its place.
    ///
    /// # Errors
    ///
    /// It is not an answer with the file.
    pub fn read(&mut self, octets: &[u8], mut keep: impl FnMut(u64, &[u8])) -> Result<(), Failure> {
        if self.body.is_some() {
            keep(self.got(), octets);
            return self.discard(octets.len() as u64);
        }
        self.head.extend_from_slice(octets);
        let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
            let too_long = self.head.len() > HEAD_MAX;
            return if too_long { Err(Failure::Status(0)) } else { Ok(()) };
        };
        let body = self.head.split_off(end + 4);
        self.body = Some((self.parse()?, 0));
        keep(0, &body);
        self.discard(body.len() as u64)
    }

    /// So many octets of the body have come and were not looked at.
    ///
    /// # Errors
    ///
    /// They are more than were announced.
    pub fn discard(&mut self, octets: u64) -> Result<(), Failure> {
        let (length, got) = self.body.as_mut().ok_or(Failure::Status(0))?;
        *got += octets;
        if got > length { Err(Failure::Different) } else { Ok(()) }
    }

    /// The length of the body.
    fn parse(&mut self) -> Result<u64, Failure> {
        let head = str::from_utf8(&self.head).map_err(|_| Failure::Status(0))?;
        let mut lines = head.split("\r\n");
        let status_line = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
        let (version, status) =
            status_line.and_then(|line| line.split_once(' ')).ok_or(Failure::Status(0))?;
        let status = status.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let field = |name: &str| {
            let named = |line: &&str| {
                line.split_once(':').is_some_and(|(n, _)| n.trim().eq_ignore_ascii_case(name))
            };
            lines
                .clone()
                .find(named)
                .and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim())
        };
        let connection = field("connection").unwrap_or_default();
        self.last = connection.eq_ignore_ascii_case("close")
            || (version == "0" && !connection.eq_ignore_ascii_case("keep-alive"));
        let length = field("content-length").and_then(|value| value.parse().ok());
        match length {
            Some(length) if matches!(status, 200 | 206) => Ok(length),
            _ => Err(Failure::Status(status)),
        }
    }
}

/// What is asked for at `host`.
pub fn request(host: &str, path: &str, range: Option<(u64, u64)>) -> Vec<u8> {
    let range =
        range.map_or_else(String::new, |(from, to)| format!("Range: bytes={from}-{to}\r\n"));
    format!(
        "GET {path} HTTP/1.1\r\nConnection: keep-alive\r\nUser-Agent: pxed-bench\r\n\
        Host: {host}\r\n{range}\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nServer: s\r\ncontent-length: 5\r\n\r\n";

    #[test]
    fn a_head_in_pieces_and_a_body() {
        let whole = [HEAD, b"hello"].concat();
        for cut in 0..whole.len() {
            let (mut response, mut body) = (Response::default(), Vec::new());
            for part in [&whole[..cut], &whole[cut..]] {
                response.read(part, |_, octets| body.extend_from_slice(octets)).unwrap();
            }
            assert_eq!((response.remaining(), response.got()), (Some(0), 5), "{cut}");
            assert_eq!((body.as_slice(), response.last), (&b"hello"[..], false));
        }
    }

    #[test]
    fn what_is_not_looked_at_counts() {
        let mut response = Response::default();
        response.read(HEAD, |_, _| ()).unwrap();
        response.discard(4).unwrap();
        assert_eq!(response.remaining(), Some(1));
        assert_eq!(response.discard(2), Err(Failure::Different));
    }

    #[test]
    fn no_file_in_it() {
        for (head, status) in [
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n", 404),
            ("HTTP/1.1 503 Busy\r\n\r\n", 503),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
            ("SSH-2.0-x\r\n\r\n", 0),
        ] {
            let got = Response::default().read(head.as_bytes(), |_, _| ());
            assert_eq!(got, Err(Failure::Status(status)), "{head}");
        }
        let endless = vec![b'x'; HEAD_MAX + 1];
        assert_eq!(Response::default().read(&endless, |_, _| ()), Err(Failure::Status(0)));
    }

    #[test]
    fn the_connection_s_end() {
        for (version, connection, last) in [
            ("1.1", "Connection: close\r\n", true),
            ("1.0", "", true),
            ("1.0", "Connection: keep-alive\r\n", false),
        ] {
            let head = format!("HTTP/{version} 200 OK\r\n{connection}Content-Length: 0\r\n\r\n");
            let mut response = Response::default();
            response.read(head.as_bytes(), |_, _| ()).unwrap();
            assert_eq!(response.last, last, "{version} {connection}");
        }
    }
}
