//! URLs, as far as a boot file's needs it.

use pxed_proto::text::Printable;

/// An absolute URL with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// In small letters.
    pub scheme: String,
    /// A name or an address.
    pub host: String,
    /// The port, where one is written.
    pub port: Option<u16>,
    /// The path with its query, beginning with `/`.
    pub path: String,
}

impl Url {
    /// Takes it apart; the error says why it can not be tried.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{} is no URL", Printable(text.as_bytes()));
        if text.contains("${") {
            return Err("iPXE fills in its settings there".to_owned());
        }
        let plain = |c: char| c.is_ascii_graphic();
        let (scheme, rest) =
            text.split_once("://").filter(|_| text.chars().all(plain)).ok_or_else(wrong)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let host = authority.rsplit('@').next().unwrap_or_default();
        if host.starts_with('[') {
            return Err("IPv6 is not tried".to_owned());
        }
        let (host, port) = match host.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (host, None),
        };
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self { scheme: scheme.to_ascii_lowercase(), host: host.to_owned(), port, path })
    }

    /// The path as a file's name: RFC 3617 has no `/` in front.
    pub fn file(&self) -> &str {
        self.path.strip_prefix('/').unwrap_or(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, scheme, host, port, path) in [
            ("http://192.0.2.1/a/b.efi", "http", "192.0.2.1", None, "/a/b.efi"),
            ("HTTP://boot:8067", "http", "boot", Some(8067), "/"),
            ("https://u:p@boot:1/?a=b#c", "https", "boot", Some(1), "/?a=b"),
            ("tftp://boot?x", "tftp", "boot", None, "/?x"),
        ] {
            let url = Url::parse(text).unwrap();
            let found = (&*url.scheme, &*url.host, url.port, &*url.path);
            assert_eq!(found, (scheme, host, port, path), "{text}");
        }
        for text in ["http://", "x", "http://a:b/", "http://a b/", "http://a/\r\nX: y", "http:///x"]
        {
            assert!(Url::parse(text).unwrap_err().contains("is no URL"), "{text}");
        }
        assert!(Url::parse("http://a/${mac}").unwrap_err().contains("iPXE"));
        assert!(Url::parse("http://[::1]/").unwrap_err().contains("IPv6"));
    }
}
