//! From a request's head to a response.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
    LAST_MODIFIED, RANGE,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::task::spawn_blocking;

use super::body::{Body, Content};
use super::exchange::Exchange;
use super::range::Part;
use super::target::{Resource, Target};
use super::validators::{Validators, text};
use super::{Http, ScriptRequest};
use crate::files::{OpenError, OpenFile};

const INDEX: &str = "\
This is pxed, a network-boot server.

/machine/<mac>/boot.ipxe   the iPXE script of a machine, its MAC written aa-bb-cc-dd-ee-ff
/boot.ipxe?mac=<mac>       the same
/machine/<mac>/<name>      a file, fetched by a machine
/files/<name>              a file
";

/// Answers one request.
pub(super) async fn answer(
    http: Arc<Http>,
    client: SocketAddr,
    host: SocketAddrV4,
    request: Request<Incoming>,
) -> Response<Body> {
    let (head, _) = request.into_parts();
    let target = Target::of(&head.uri);
    let exchange = Exchange::begin(http.clone(), client, target.machine, &head);
    let response = respond(&http, (client, host), target, &head).await;
    finished(response, &head.method, exchange)
}

async fn respond(
    http: &Http,
    (client, host): (SocketAddr, SocketAddrV4),
    target: Target,
    head: &Parts,
) -> Response<Content> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match target.resource {
        Resource::Index => plain(StatusCode::OK, INDEX),
        Resource::Script { uuid, profile } => {
            let machine = target.machine;
            let request = ScriptRequest { machine, uuid, profile, client, host };
            plain(StatusCode::OK, (http.script)(&request))
        }
        Resource::File(name) => {
            let content_type = content_type(&name);
            match open(http, name).await {
                Ok((open, validators)) => file(open, validators, content_type, head),
                Err(error) => failure(&error),
            }
        }
        Resource::Unknown => failure(&OpenError::NotFound),
    }
}

/// HEAD has the headers of GET and no body.
fn finished(response: Response<Content>, method: &Method, exchange: Exchange) -> Response<Body> {
    let (mut head, mut content) = response.into_parts();
    if head.status != StatusCode::NOT_MODIFIED {
        head.headers.insert(CONTENT_LENGTH, content.len().into());
    }
    if method == Method::HEAD {
        content = Content::Text(Bytes::new());
    }
    let exchange = exchange.answered(head.status, content.len());
    Response::from_parts(head, Body::new(content, exchange))
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Content> {
    let mut response = Response::new(Content::Text(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn failure(error: &OpenError) -> Response<Content> {
    let status = match error {
        OpenError::NotFound => StatusCode::NOT_FOUND,
        OpenError::Illegal(_) => StatusCode::BAD_REQUEST,
        OpenError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            StatusCode::FORBIDDEN
        }
        OpenError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    plain(status, format!("{error}\n"))
}

/// Opens on a blocking thread: the boot directory may be on a disk that sleeps, or on a network.
async fn open(http: &Http, name: Vec<u8>) -> Result<(OpenFile, Validators), OpenError> {
    let files = http.files.clone();
    let opening = spawn_blocking(move || {
        let open = files.open(&name)?;
        let validators = Validators::of(&open)?;
        Ok((open, validators))
    });
    opening.await.map_err(|error| OpenError::Io(io::Error::other(error)))?
}

fn file(
    open: OpenFile,
    validators: Validators,
    content_type: &'static str,
    head: &Parts,
) -> Response<Content> {
    let len = open.len;
    let nothing = Content::Text(Bytes::new());
    let (status, content, range) = if validators.not_modified(&head.headers) {
        (StatusCode::NOT_MODIFIED, nothing, None)
    } else {
        match part(head, &validators, len) {
            Part::Whole => (StatusCode::OK, Content::File(open, 0..len), None),
            Part::Octets(range) => {
                let said = format!("bytes {}-{}/{len}", range.start, range.end - 1);
                (StatusCode::PARTIAL_CONTENT, Content::File(open, range), Some(said))
            }
            Part::Unsatisfiable => {
                (StatusCode::RANGE_NOT_SATISFIABLE, nothing, Some(format!("bytes */{len}")))
            }
        }
    };
    let mut response = Response::new(content);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    describe(response.headers_mut(), validators, range);
    response
}

fn describe(headers: &mut HeaderMap, validators: Validators, range: Option<String>) {
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let date = validators.modified.map(|date| date.to_string());
    for (name, text) in
        [(CONTENT_RANGE, range), (ETAG, Some(validators.etag)), (LAST_MODIFIED, date)]
    {
        if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
}

/// Only GET has ranges (RFC 9110 section 14.2).
fn part(head: &Parts, validators: &Validators, len: u64) -> Part {
    match text(&head.headers, RANGE) {
        Some(range) if head.method == Method::GET && validators.range_applies(&head.headers) => {
            Part::of(range, len)
        }
        _ => Part::Whole,
    }
}

/// What firmware goes by: UEFI HTTP Boot takes a program, an ISO image or a disk image for what it
/// is by its type alone.
fn content_type(name: &[u8]) -> &'static str {
    let ending = name.rsplit(|byte| matches!(byte, b'.' | b'/')).next().unwrap_or_default();
    match ending.to_ascii_lowercase().as_slice() {
        b"efi" => "application/efi",
        b"iso" => "application/vnd.efi-iso",
        b"img" => "application/vnd.efi-img",
        b"ipxe" | b"txt" | b"cfg" => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (name, expected) in [
            ("ipxe.efi", "application/efi"),
            ("EFI/BOOT/BOOTX64.EFI", "application/efi"),
            ("debian.iso", "application/vnd.efi-iso"),
            ("disk.img", "application/vnd.efi-img"),
            ("menu.ipxe", "text/plain"),
            ("grub/grub.cfg", "text/plain"),
            ("vmlinuz", "application/octet-stream"),
            ("a.efi/initrd", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name.as_bytes()), expected, "{name}");
        }
    }
}
