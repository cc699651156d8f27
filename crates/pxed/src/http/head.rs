//! A request's head: from octets to what the server goes by (RFC 9112 sections 2 to 6).
//!
//! Nothing here waits or allocates more than the head is long. What two readers of one connection
//! could understand differently is refused: that is what request smuggling is made of.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Status};
use pxed_proto::limits::{
    HTTP_FIELDS_MAX as FIELDS_MAX, HTTP_HEAD_MAX as HEAD_MAX, HTTP_TARGET_MAX as TARGET_MAX,
};

/// What came of the octets so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The head has not ended.
    Partial,
    /// A head of so many octets; what follows is another request's.
    Head(Head, usize),
    /// No head that is answered; the connection can not go on.
    Refused(Refusal),
}

/// A request's head, as far as anything depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `GET`, `HEAD`, or another one.
    pub method: String,
    /// The request target as it came.
    pub target: String,
    /// HTTP/1.0, which has to be told that its connection stays.
    pub is_old: bool,
    /// Whether the client goes on with this connection, if it may.
    pub keep_alive: bool,
    /// Octets follow that belong to this request. They are never looked at.
    pub has_body: bool,
    /// `Range`; several lines are one list (RFC 9110 section 5.3), here and below.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
    /// `If-Match`.
    pub if_match: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<String>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<String>,
}

/// Why octets are no head that is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status that says it.
    pub status: u16,
    /// The same for people.
    pub why: &'static str,
    /// The method and the target, as far as they came.
    pub method: String,
    /// See `method`.
    pub target: String,
}

/// Reads what came of a connection.
pub fn parse(octets: &[u8]) -> Parsed {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    // One octet more than a head may have tells an overlong one from one that is whole.
    let within = octets.get(..=HEAD_MAX).unwrap_or(octets);
    let parsed = request.parse_with_uninit_headers(within, &mut fields);
    let method = request.method.unwrap_or_default();
    let target = request.path.unwrap_or_default();
    let refused = |(status, why)| {
        let (method, target) = (method.to_owned(), target.to_owned());
        Parsed::Refused(Refusal { status, why, method, target })
    };
    if target.len() > TARGET_MAX {
        return refused(TARGET_TOO_LONG);
    }
    match parsed {
        Ok(Status::Complete(len)) if len <= HEAD_MAX => {
            let is_old = request.version == Some(0);
            match understood(method, target, is_old, request.headers) {
                Ok(head) => Parsed::Head(head, len),
                Err(why) => refused((400, why)),
            }
        }
        // A request line without an end.
        Ok(Status::Partial)
            if within.len() > TARGET_MAX + LINE_REST && !within.contains(&b'\n') =>
        {
            refused(TARGET_TOO_LONG)
        }
        Ok(Status::Partial) if within.len() <= HEAD_MAX => Parsed::Partial,
        Ok(_) => refused((431, "the request's head is too long")),
        Err(Error::TooManyHeaders) => refused((431, "the request has too many header fields")),
        Err(Error::Version) => refused((505, "only HTTP/1.0 and HTTP/1.1 are spoken here")),
        Err(_) => refused((400, "this is no HTTP request")),
    }
}

const TARGET_TOO_LONG: (u16, &str) = (414, "the request's target is too long");

/// What a request line has beside its target: a method, a version, and what stands between.
const LINE_REST: usize = 64;

fn understood(
    method: &str,
    target: &str,
    is_old: bool,
    fields: &[Header<'_>],
) -> Result<Head, &'static str> {
    check_host(is_old, fields)?;
    check_target(target)?;
    let value = |name| list(fields, name);
    let (wishes, close) = (value("Connection").unwrap_or_default(), "close");
    let wishes = wishes.split(',').map(str::trim);
    let says = |wish: &str| wishes.clone().any(|said| said.eq_ignore_ascii_case(wish));
    Ok(Head {
        method: method.to_owned(),
        target: target.to_owned(),
        is_old,
        keep_alive: if is_old { says("keep-alive") } else { true } && !says(close),
        has_body: has_body(is_old, fields)?,
        range: value("Range"),
        if_range: value("If-Range"),
        if_match: value("If-Match"),
        if_none_match: value("If-None-Match"),
        if_modified_since: value("If-Modified-Since"),
        if_unmodified_since: value("If-Unmodified-Since"),
    })
}

/// Of several lines of a field, all of them (RFC 9110 section 5.3).
fn list(fields: &[Header<'_>], name: &str) -> Option<String> {
    let values: Vec<_> = named(fields, name).map(String::from_utf8_lossy).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn named<'a>(fields: &'a [Header<'_>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    let named = fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
    named.map(|field| field.value)
}

/// One `Host`, which HTTP/1.0 can leave out (RFC 9112 section 3.2). Nothing here depends on it, but
/// a proxy on the way would.
fn check_host(is_old: bool, fields: &[Header<'_>]) -> Result<(), &'static str> {
    let mut hosts = named(fields, "Host");
    match (hosts.next(), hosts.next()) {
        (None, _) if !is_old => Err("HTTP/1.1 wants a Host"),
        (_, Some(_)) => Err("there is more than one Host"),
        (Some(host), None) if !host.iter().all(is_of_host) => Err("Host names no host"),
        _ => Ok(()),
    }
}

/// What a name, an address in brackets and a port are written with.
fn is_of_host(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~%:[]!$&'()*+,;=".contains(octet)
}

/// A path, or all of a URL (RFC 9112 section 3.2); `*` belongs to OPTIONS and `host:port` to
/// CONNECT, which are not done here and are told so.
fn check_target(target: &str) -> Result<(), &'static str> {
    let is_absolute = target.get(..8).is_some_and(|start| {
        let start = start.to_ascii_lowercase();
        start.starts_with("http://") || start == "https://"
    });
    let is_bare = target == "*" || (!target.contains('/') && target.contains(':'));
    let is_target = target.starts_with('/') || is_absolute || is_bare;
    if is_target { Ok(()) } else { Err("the target is neither a path nor a URL") }
}

/// Does a body follow (RFC 9112 section 6.3)? One whose length could be read in two ways is refused.
fn has_body(is_old: bool, fields: &[Header<'_>]) -> Result<bool, &'static str> {
    let coded = named(fields, "Transfer-Encoding").next().is_some();
    let Some(lengths) = list(fields, "Content-Length") else {
        return if coded && is_old { Err("HTTP/1.0 has no Transfer-Encoding") } else { Ok(coded) };
    };
    if coded {
        return Err("there are both Transfer-Encoding and Content-Length");
    }
    let mut lengths = lengths.split(',').map(str::trim);
    let first = lengths.next().unwrap_or_default();
    let is_number = !first.is_empty() && first.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number || lengths.any(|other| other != first) {
        return Err("Content-Length is not a number");
    }
    Ok(first.bytes().any(|digit| digit != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        match parse(text.as_bytes()) {
            Parsed::Head(head, len) if len == text.len() => head,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn status(text: &str) -> u16 {
        match parse(text.as_bytes()) {
            Parsed::Refused(refusal) => refusal.status,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_head_ends_with_its_empty_line() {
        let text = "GET /a HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Parsed::Partial, "{end}");
        }
        let head = head(text);
        assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/a"));
        assert_eq!(head.range.as_deref(), Some("bytes=0-1"));
        let Parsed::Head(_, len) = parse(format!("{text}GET /b").as_bytes()) else { panic!() };
        assert_eq!(len, text.len(), "the next request is left alone");
    }

    #[test]
    fn connections_stay_as_the_version_and_the_client_say() {
        for (text, stays) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive, Close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nHost: x\r\nconnection: te\r\nConnection: Keep-Alive\r\n\r\n", true),
            ("\r\n\r\nGET / HTTP/1.0\n\n", false),
        ] {
            assert_eq!(head(text).keep_alive, stays, "{text:?}");
        }
    }

    #[test]
    fn bodies_are_seen_and_two_lengths_refused() {
        let with = |fields: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        for (fields, has_body) in [
            ("", false),
            ("Content-Length: 0\r\n", false),
            ("Content-Length: 5\r\n", true),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", true),
            ("Content-Length: 99999999999999999999999999\r\n", true),
            ("Transfer-Encoding: chunked\r\n", true),
        ] {
            assert_eq!(head(&with(fields)).has_body, has_body, "{fields:?}");
        }
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: \r\n",
            "Content-Length : 5\r\n",
            "Transfer-Encoding : chunked\r\n",
            "X: y\r\n folded\r\n",
            "Host: y\r\n",
        ] {
            assert_eq!(status(&with(fields)), 400, "{fields:?}");
        }
        assert_eq!(status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    }

    #[test]
    fn what_is_no_request_has_its_status() {
        let long = "x".repeat(HEAD_MAX);
        let target = &long[..=TARGET_MAX];
        let fields = "X: y\r\n".repeat(FIELDS_MAX + 1);
        for (text, expected) in [
            ("\x16\x03\x01\x02\r\n\r\n".to_owned(), 400),
            ("GET /\r\n\r\n".to_owned(), 400),
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), 400),
            ("GET / HTTP/1.1\r\nHost: x/y\r\n\r\n".to_owned(), 400),
            ("GET x HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
            ("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
            ("GET / HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(), 505),
            (format!("GET /{target} HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
            (format!("GET /{long}"), 414),
            (format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n"), 431),
            (format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"), 431),
            (format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}"), 431),
        ] {
            assert_eq!(status(&text), expected, "{:?}", &text[..text.len().min(60)]);
        }
    }

    #[test]
    fn several_lines_of_a_field_are_one_list() {
        let lines = "If-None-Match: \"a\"\r\nif-none-match: \"b\"\r\n";
        let head = head(&format!("GET http://x/ HTTP/1.1\r\nHost:\r\n{lines}\r\n"));
        assert_eq!(head.if_none_match.as_deref(), Some("\"a\",\"b\""));
        assert_eq!(head.if_match, None);
    }
}
