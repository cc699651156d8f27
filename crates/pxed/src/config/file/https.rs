//! HTTPS: whether it is on, and by which certificate.

use std::path::PathBuf;

use pxed_proto::boot::Scheme;

use super::document::{At, Table};
use super::report::Problem;
use super::settings::Said;
use crate::config::{Https, OwnCertificate, Service};
use crate::tls::{self, Names, TlsError};

/// How HTTPS is served, if it is.
pub fn https(top: &Table<'_>, http_port: u16) -> Option<Https> {
    let default = Https::default();
    let on = top.boolean("https").is_some_and(|at| at.value);
    let port = top.integer("https-port", 1..0x1_0000);
    let certificate = top.text("certificate");
    let key = top.text("key");
    for name in ["https-port", "certificate", "key"] {
        if top.has(name) && !on {
            let problem =
                Problem::error(top.place().of(name), format!("{name} is for HTTPS, which is off"));
            top.problem(problem.help("write https = true, or leave it out"));
        }
    }
    let port_of = |at: &At<i64>| u16::try_from(at.value).ok();
    let number = port.as_ref().and_then(port_of).unwrap_or(default.port);
    if on && number == http_port {
        let place = if top.has("https-port") { "https-port" } else { "http-port" };
        let text = format!("HTTP and HTTPS can not both have port {number}");
        top.problem(Problem::error(top.place().of(place), text).help("give one of them another"));
    }
    let path = |at: &At<String>| -> PathBuf { top.path(&at.value) };
    let own = match (&certificate, &key) {
        (Some(certificate), Some(key)) => {
            Some(OwnCertificate { certificate: path(certificate), key: path(key) })
        }
        (None, None) => None,
        (Some(at), None) => return alone(top, at, "certificate", "key"),
        (None, Some(at)) => return alone(top, at, "key", "certificate"),
    };
    on.then_some(Https { port: number, own })
}

fn alone(top: &Table<'_>, at: &At<String>, there: &str, missing: &str) -> Option<Https> {
    let problem = Problem::error(at.span.clone(), format!("{there} goes with {missing}"));
    top.problem(problem.help(format!("write {missing} = \"...\" too, or leave both out")));
    None
}

/// Can the operator's own certificate be served, and will machines take it?
pub fn check_certificate(top: &Table<'_>, service: &Service, names: &Names) {
    let Some(own) = service.https.as_ref().and_then(|https| https.own.as_ref()) else { return };
    for (key, path) in [("certificate", &own.certificate), ("key", &own.key)] {
        if !path.exists() {
            let text = format!("{}: there is no such file", path.display());
            top.problem(Problem::error(top.place().of(key), text));
            return;
        }
    }
    let (error, doubts) = tls::check(own, names);
    if let Some(error) = error {
        let path = match &error {
            TlsError::File { path, .. } | TlsError::Content { path, .. } => path.clone(),
            TlsError::Library(_) => own.certificate.clone(),
        };
        let key = if path == own.key { "key" } else { "certificate" };
        top.problem(Problem::error(top.place().of(key), error.to_string()));
    }
    for doubt in doubts {
        let text = format!("{}: {doubt}", own.certificate.display());
        top.problem(Problem::warning(top.place().of("certificate"), text));
    }
}

/// URLs of HTTPS are for where that is on.
pub fn check_schemes(top: &Table<'_>, layers: &[&Said], service: &Service) {
    if service.https.is_some() {
        return;
    }
    for At { value, span } in layers.iter().filter_map(|said| said.scheme.as_ref()) {
        if *value == Scheme::Https {
            let problem = Problem::error(span.clone(), "HTTPS is off");
            top.problem(problem.help("write https = true at the top of the file"));
        }
    }
}
