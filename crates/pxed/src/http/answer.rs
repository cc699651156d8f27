//! From a request's head to a response.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use pxed_proto::boot::Web;
use tokio::task::spawn_blocking;

use super::head::Head;
use super::range::Part;
use super::response::{Content, Response};
use super::target::{CaForm, Resource, Target};
use super::validators::{Standing, Validators};
use super::{Http, ScriptRequest};
use crate::files::{OpenError, OpenFile};
use crate::served::{Asker, At, Found};

const INDEX: &str = "\
This is pxed, a network-boot server.

/machine/<mac>/boot.ipxe   the iPXE script of a machine, its MAC written aa-bb-cc-dd-ee-ff
/boot.ipxe?mac=<mac>       the same
/machine/<mac>/<name>      a file, as that machine gets it: of a directory of its own, if it has one
/files/<name>              a file, as everybody gets it
/ca.pem, /ca.der           whom to trust by HTTPS, where that is on with a certificate of pxed's own
";

/// Who asks, and of which of pxed's addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) client: SocketAddr,
    /// What the client reached.
    pub(super) web: Web,
}

/// Answers one request.
pub(super) async fn answer(http: &Arc<Http>, peer: Peer, target: Target, head: &Head) -> Response {
    if !matches!(head.method.as_str(), "GET" | "HEAD") {
        let mut response = Response::text(405, "only GET and HEAD\n");
        response.field("Allow", "GET, HEAD");
        return response;
    }
    match target.resource {
        Resource::Index => Response::text(200, INDEX),
        Resource::Script { uuid, profile } => {
            let Peer { client, web } = peer;
            let machine = target.machine;
            let request = ScriptRequest { machine, uuid, profile, client, web };
            Response::text(200, (http.script)(&request))
        }
        Resource::File(name) => {
            let content_type = content_type(&name);
            let Peer { client, web } = peer;
            let asker = Asker { machine: target.machine, client, at: At::Web(web) };
            match open(http, name, asker).await {
                Ok(Found::File(open)) => file(open, content_type, head),
                Ok(Found::Text(text)) => Response::text(200, text),
                Err(error) => failure(&error),
            }
        }
        Resource::Ca(form) => authority(http, form),
        Resource::Unknown => failure(&OpenError::NotFound),
    }
}

/// The certificate of the CA that made the server's.
fn authority(http: &Http, form: CaForm) -> Response {
    let Some((pem, der)) = http.tls.as_ref().and_then(|tls| tls.ca()) else {
        return failure(&OpenError::NotFound);
    };
    match form {
        CaForm::Pem => Response::new(200, "application/x-pem-file", Content::Text(pem)),
        CaForm::Der => Response::new(200, "application/x-x509-ca-cert", Content::Text(der)),
    }
}

fn failure(error: &OpenError) -> Response {
    let status = match error {
        OpenError::NotFound | OpenError::NotWritten(_) => 404,
        OpenError::Illegal(_) => 400,
        OpenError::Io(error) => match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => 403,
            // It ends with other connections.
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => 503,
            _ => 500,
        },
    };
    Response::text(status, format!("{error}\n"))
}

/// Opens on a blocking thread, unless the kernel knows the file: the boot directory may be on a disk that
/// sleeps, or on a network.
async fn open(http: &Http, name: Vec<u8>, asker: Asker) -> Result<Found, OpenError> {
    if let Some(open) = http.served.open_at_hand(&name, asker.machine) {
        return Ok(Found::File(open));
    }
    let served = http.served.clone();
    let opening = spawn_blocking(move || served.open(&name, &asker));
    opening.await.map_err(|error| OpenError::Io(io::Error::other(error)))?
}

fn file(open: OpenFile, content_type: &str, head: &Head) -> Response {
    let (len, validators) = (open.len, Validators::of(&open));
    let nothing = Content::Text(Vec::new());
    let (status, content, range) = match validators.stands(head) {
        Standing::Failed => (412, nothing, None),
        Standing::NotModified => (304, nothing, None),
        Standing::Wanted => match part(head, &validators, len) {
            Part::Whole => (200, Content::File(open, 0..len), None),
            Part::Octets(range) => {
                let said = format!("bytes {}-{}/{len}", range.start, range.end - 1);
                (206, Content::File(open, range), Some(said))
            }
            Part::Unsatisfiable => (416, nothing, Some(format!("bytes */{len}"))),
        },
    };
    let mut response = Response::new(status, content_type, content);
    response.field("Accept-Ranges", "bytes");
    if let Some(range) = range {
        response.field("Content-Range", &range);
    }
    response.field("ETag", &validators.etag);
    if let Some(date) = validators.modified {
        response.field("Last-Modified", &date.to_string());
    }
    response
}

/// Only GET has ranges (RFC 9110 section 14.2).
fn part(head: &Head, validators: &Validators, len: u64) -> Part {
    match &head.range {
        Some(range) if head.method == "GET" && validators.range_applies(head) => {
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
