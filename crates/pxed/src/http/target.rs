//! What a URL names.

use pxed_proto::net::Mac;

/// A URL, understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The machine that it names: who asks, if it says the truth.
    pub machine: Option<Mac>,
    pub resource: Resource,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Resource {
    /// The page that says what this is.
    Index,
    /// An iPXE script.
    Script { uuid: Option<String>, profile: Option<String> },
    /// What [`crate::files::Files`] serves by this name.
    File(Vec<u8>),
    /// The certificate of pxed's own CA.
    Ca(CaForm),
    /// Nothing that is served.
    Unknown,
}

/// How a certificate is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaForm {
    /// For curl and iPXE.
    Pem,
    /// For firmware's menus.
    Der,
}

const SCRIPT: &[u8] = b"boot.ipxe";

impl Target {
    /// Of a path with its query, or of all of a URL.
    pub fn of(target: &str) -> Self {
        let uri = Uri::of(target);
        let path = decoded(uri.path);
        let path = without_slashes(&path);
        if path.is_empty() {
            Self { machine: None, resource: Resource::Index }
        } else if path == SCRIPT {
            let machine = parameter(&uri, "mac").and_then(|mac| mac.parse().ok());
            Self { machine, resource: script(&uri) }
        } else if let Some(form) = ca_form(path) {
            Self { machine: None, resource: Resource::Ca(form) }
        } else if let Some(name) = path.strip_prefix(b"files/") {
            Self { machine: None, resource: Resource::File(name.to_owned()) }
        } else {
            path.strip_prefix(b"machine/")
                .and_then(|path| Self::of_machine(path, &uri))
                .unwrap_or(Self { machine: None, resource: Resource::Unknown })
        }
    }

    fn of_machine(path: &[u8], uri: &Uri<'_>) -> Option<Self> {
        let (mac, name) = path.split_at(path.iter().position(|byte| *byte == b'/')?);
        let machine = Some(str::from_utf8(mac).ok()?.parse().ok()?);
        let name = without_slashes(name);
        let resource = if name == SCRIPT { script(uri) } else { Resource::File(name.to_owned()) };
        Some(Self { machine, resource })
    }
}

fn ca_form(path: &[u8]) -> Option<CaForm> {
    match path {
        b"ca.pem" => Some(CaForm::Pem),
        b"ca.der" => Some(CaForm::Der),
        _ => None,
    }
}

/// The parts of a request target that matter here.
struct Uri<'a> {
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Uri<'a> {
    fn of(target: &'a str) -> Self {
        // A fragment is no part of a request, but some clients send theirs.
        let target = target.split('#').next().unwrap_or_default();
        let (before, query) = match target.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (target, None),
        };
        let path = match before.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => {
                rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
            }
            _ => before,
        };
        Self { path, query }
    }
}

fn script(uri: &Uri<'_>) -> Resource {
    Resource::Script { uuid: parameter(uri, "uuid"), profile: parameter(uri, "profile") }
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let slashes = path.iter().take_while(|byte| **byte == b'/').count();
    path.get(slashes..).unwrap_or_default()
}

/// The value of a query's parameter; iPXE writes an empty one for a setting that it does not have.
fn parameter(uri: &Uri<'_>, name: &str) -> Option<String> {
    let mut pairs = uri.query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, value)| *key == name && !value.is_empty())?;
    String::from_utf8(decoded(value)).ok()
}

/// Without its percent-encoding; a `%` that encodes nothing means itself.
fn decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut octets = Vec::with_capacity(rest.len());
    while let Some((&first, after)) = rest.split_first() {
        let encoded = if first == b'%' { hex_octet(after) } else { None };
        let (octet, after) = encoded.unwrap_or((first, after));
        octets.push(octet);
        rest = after;
    }
    octets
}

fn hex_octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = text.split_first_chunk()?;
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? << 4 | digit(low)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0xab, 0xcd, 0xef]);

    fn target(uri: &str) -> (Option<Mac>, Resource) {
        let target = Target::of(uri);
        (target.machine, target.resource)
    }

    fn file(name: &str) -> Resource {
        Resource::File(name.into())
    }

    #[test]
    fn files_are_named_with_and_without_a_machine() {
        for (uri, machine, name) in [
            ("/files/ipxe.efi", None, "ipxe.efi"),
            ("//files/a/b%20c?x=y", None, "a/b c"),
            ("/files/%2e%2E/etc%2fpasswd", None, "../etc/passwd"),
            ("/files/100%", None, "100%"),
            ("/files/%zz%4", None, "%zz%4"),
            ("/files/%C3%A4", None, "ä"),
            ("/files/", None, ""),
            ("/machine/52-54-00-ab-cd-ef/profile/vmlinuz", Some(MAC), "profile/vmlinuz"),
            ("/machine/52%3A54:00:AB:CD:EF//x", Some(MAC), "x"),
            ("http://10.0.0.1:8080/files/a", None, "a"),
            ("HTTPS://boot.example/files/a?b://c#d", None, "a"),
            ("/files/a://b", None, "a://b"),
        ] {
            assert_eq!(target(uri), (machine, file(name)), "{uri}");
        }
    }

    #[test]
    fn scripts_are_named_by_path_and_by_query() {
        let script = |uuid: Option<&str>, profile: Option<&str>| Resource::Script {
            uuid: uuid.map(str::to_owned),
            profile: profile.map(str::to_owned),
        };
        let uuid = || script(Some("4c4c-44"), None);
        let none = || script(None, None);
        for (uri, machine, resource) in [
            ("/boot.ipxe", None, none()),
            ("/boot.ipxe?mac=52:54:00:ab:cd:ef&uuid=4c4c-44", Some(MAC), uuid()),
            ("/boot.ipxe?mac=52%3a54%3A00%3aab%3acd%3aef&uuid=", Some(MAC), none()),
            ("/boot.ipxe?mac=nonsense&uuid", None, none()),
            ("/machine/52-54-00-ab-cd-ef/boot.ipxe?uuid=4c4c-44", Some(MAC), uuid()),
            ("/boot.ipxe?profile=debian", None, script(None, Some("debian"))),
        ] {
            assert_eq!(target(uri), (machine, resource), "{uri}");
        }
    }

    #[test]
    fn the_ca_has_two_forms() {
        assert_eq!(target("/ca.pem"), (None, Resource::Ca(CaForm::Pem)));
        assert_eq!(target("//ca.der?x"), (None, Resource::Ca(CaForm::Der)));
    }

    #[test]
    fn the_rest_is_unknown() {
        for uri in ["/", "//", "/?x", "http://10.0.0.1"] {
            assert_eq!(target(uri), (None, Resource::Index), "{uri}");
        }
        for uri in [
            "*",
            "10.0.0.1:80",
            "/files",
            "/etc/passwd",
            "/machine",
            "/machine/x/y",
            "/machine/52-54-00-ab-cd-ef",
        ] {
            assert_eq!(target(uri), (None, Resource::Unknown), "{uri}");
        }
    }
}
