//! What is answered: a status, header fields, and what follows them.

use std::fmt::Write;
use std::ops::Range;
use std::time::SystemTime;

use httpdate::HttpDate;

use crate::files::OpenFile;

/// An answer, but for what its connection adds.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    /// Header fields, each with its end of line.
    fields: String,
    pub(super) content: Content,
}

/// What follows the head.
#[derive(Debug)]
pub(super) enum Content {
    Text(Vec<u8>),
    File(OpenFile, Range<u64>),
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(_, range) => range.end - range.start,
        }
    }
}

/// What a file's header fields take, in octets, and the rest of a head.
const FIELDS: usize = 256;

/// What becomes of the connection when the answer has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another request may come.
    Request,
    /// The same, which HTTP/1.0 has to be told.
    RequestOfOld,
    /// It ends.
    Close,
}

impl Response {
    pub(super) fn new(status: u16, content_type: &str, content: Content) -> Self {
        let mut response = Self { status, fields: String::with_capacity(FIELDS), content };
        response.field("Content-Type", content_type);
        response
    }

    /// A text for people.
    pub(super) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain", Content::Text(text.into().into_bytes()))
    }

    /// One header field more. U-Boot looks for `Content-Length` in this spelling alone, so names are
    /// written as the RFCs write them.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        self.fields.extend([name, ": ", value, "\r\n"]);
    }

    /// The head, as it stands before GET's content, and for HEAD alone.
    pub(super) fn head(&self, next: Next, now: SystemTime) -> Vec<u8> {
        let Self { status, fields, content } = self;
        let (reason, date) = (reason(*status), HttpDate::from(now));
        let mut head = String::with_capacity(fields.len() + FIELDS);
        // Writing to a String can not fail.
        let _ = write!(head, "HTTP/1.1 {status} {reason}\r\n{fields}");
        if *status != 304 {
            let _ = write!(head, "Content-Length: {}\r\n", content.len());
        }
        head.push_str(match next {
            Next::Request => "",
            Next::RequestOfOld => "Connection: keep-alive\r\n",
            Next::Close => "Connection: close\r\n",
        });
        let _ = write!(head, "Date: {date}\r\n\r\n");
        head.into_bytes()
    }
}

/// RFC 9110 section 15.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        // A status without a phrase is legal too.
        _ => "",
    }
}
