//! HTTP as a reliable question and answer: the script of the machine that the URL names, or a file.

use pxed_proto::boot::{Decision, Scheme, Services, Wishes, decide};
use pxed_proto::catalog::Catalog;
use pxed_proto::ipxe;
use pxed_proto::machine::{Firmware, Machine};
use pxed_proto::net::Mac;

use crate::files::Files;

/// GET or HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are HTTP's")]
pub enum Method {
    Get,
    Head,
}

impl Method {
    /// As it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Content-Length.
    pub len: u64,
    /// The body; a HEAD's is empty.
    pub body: Body,
}

/// A response's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    Empty,
    /// A script.
    Text(String),
    /// The file of this name, whole: TCP loses nothing.
    File(String),
}

/// The HTTP server: it keeps nothing between requests.
#[derive(Clone, Copy, Debug)]
pub struct Http<'a> {
    /// What is to be booted.
    pub catalog: &'a Catalog,
    /// How machines reach it.
    pub services: &'a Services,
    /// What is served.
    pub files: &'a Files,
}

impl Http<'_> {
    /// Answers a request for an absolute URL.
    pub fn answer(&self, method: Method, url: &str) -> Response {
        let found = self.find(url).unwrap_or(Response { status: 404, len: 0, body: Body::Empty });
        match method {
            Method::Get => found,
            Method::Head => Response { body: Body::Empty, ..found },
        }
    }

    fn find(&self, url: &str) -> Option<Response> {
        let target = url.strip_prefix(&format!("http://{}/", self.services.http))?;
        let (path, _) = target.split_once('?').unwrap_or((target, ""));
        let (mac, name) = path.strip_prefix("machine/")?.split_once('/')?;
        let mac: Mac = mac.parse().ok()?;
        if name == "boot.ipxe" { self.script(mac) } else { self.file(name) }
    }

    fn script(&self, mac: Mac) -> Option<Response> {
        let machine = Machine::from(mac);
        let everybody = Wishes::default();
        let decision = decide(Firmware::Ipxe(None), &everybody, self.catalog);
        let Decision::Script(profile) = decision else { return None };
        let text = ipxe::script(&machine, profile, &self.services.web(Scheme::Http))?;
        Some(Response { status: 200, len: text.len() as u64, body: Body::Text(text) })
    }

    fn file(&self, name: &str) -> Option<Response> {
        let file = self.files.get(name)?;
        Some(Response { status: 200, len: file.len, body: Body::File(name.to_owned()) })
    }
}
