//! Loading the beginning of a boot file, as a machine would, with this host's address and routes.

mod http;
mod tftp;
mod url;

use std::io;
use std::net::{Ipv4Addr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pxed_proto::limits::NETWORK_PROBE_REDIRECTIONS_MAX;

use super::heard::Loaded;
use super::offer::Source;
use crate::net::Interface;
use http::Answer;
use url::Url;

/// What loading `source` comes to, within `patience`.
pub fn load(interface: &Interface, source: &Source, patience: Duration) -> Loaded {
    let end = Instant::now() + patience;
    match source {
        Source::Tftp { server, file } => tftp::load(interface, *server, file.as_bytes(), end),
        Source::Url(text) => load_url(interface, text, end),
    }
}

fn load_url(interface: &Interface, text: &str, end: Instant) -> Loaded {
    let mut text = text.to_owned();
    for _ in 0..=NETWORK_PROBE_REDIRECTIONS_MAX {
        let url = match Url::parse(&text) {
            Ok(url) => url,
            Err(why) => return Loaded::NotTried(why),
        };
        let server = match resolve(&url.host, end) {
            Ok(server) => server,
            Err(why) => return Loaded::Failed(why),
        };
        let answer = match url.scheme.as_str() {
            "tftp" => Answer::Loaded(tftp::load(interface, server, url.file().as_bytes(), end)),
            "http" => http::load(interface, server, &url, end),
            "https" => Answer::Loaded(http::connect_only(interface, server, &url, end)),
            other => Answer::Loaded(Loaded::NotTried(format!("{other} is not spoken here"))),
        };
        match answer {
            Answer::Loaded(loaded) => return loaded,
            Answer::Elsewhere(location) => text = location,
        }
    }
    Loaded::Failed("it is redirected from place to place".to_owned())
}

/// The address behind a name, as this host's resolver has it; that one may not end in time.
fn resolve(host: &str, end: Instant) -> Result<Ipv4Addr, String> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let (to, from) = mpsc::channel();
    let name = host.to_owned();
    thread::spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs().ok().into_iter().flatten();
        let mut found = found.filter_map(|address| match address.ip() {
            std::net::IpAddr::V4(address) => Some(address),
            std::net::IpAddr::V6(_) => None,
        });
        let _ = to.send(found.next());
    });
    let found = from.recv_timeout(end.saturating_duration_since(Instant::now()));
    found.ok().flatten().ok_or_else(|| format!("this host finds no IPv4 address of {host}"))
}

/// Trouble of a kind that nobody foresaw. A route that this host does not have is not the network's
/// fault: machines have the routers that they are offered.
fn failed(server: Ipv4Addr, error: &io::Error) -> Loaded {
    match error.kind() {
        io::ErrorKind::NetworkUnreachable => {
            Loaded::NotTried(format!("this host has no route to {server}"))
        }
        _ => Loaded::Failed(error.to_string()),
    }
}
