//! What a machine reads to know what to fetch next: URLs, and pxed's or anybody's iPXE script.

use std::net::{Ipv4Addr, SocketAddrV4};

/// An HTTP URL whose host is an address: names are not looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) host: SocketAddrV4,
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (address, port) = host.split_once(':').unwrap_or((host, "80"));
        let address: Ipv4Addr = address.parse().ok()?;
        let path = if path.is_empty() { "/" } else { path };
        Some(Self { host: SocketAddrV4::new(address, port.parse().ok()?), path: path.to_owned() })
    }

    /// The file's own name: what is behind the last slash.
    pub(crate) fn file(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

/// The kernel and the initrds that a script names, in its order: the first URL of each such line.
/// Nothing else of the language is understood, so a script that branches is not for this.
pub(crate) fn files(script: &[u8]) -> Vec<Url> {
    let text = String::from_utf8_lossy(script);
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| matches!(*word, "kernel" | "initrd"))?;
        words.find_map(Url::parse)
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, host, path, file) in [
            ("http://10.0.0.1/a/b.efi", "10.0.0.1:80", "/a/b.efi", "b.efi"),
            (
                "http://10.0.0.1:8067/m/x.ipxe?profile=a/b",
                "10.0.0.1:8067",
                "/m/x.ipxe?profile=a/b",
                "x.ipxe",
            ),
            ("http://10.0.0.1", "10.0.0.1:80", "/", ""),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.host.to_string().as_str(), url.path.as_str(), url.file()),
                (host, path, file)
            );
        }
        for text in ["tftp://10.0.0.1/x", "http://boot/x", "http://10.0.0.1:x/", "ipxe.efi"] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_script_s_files() {
        let script = b"#!ipxe\n# kernel http://10.0.0.9/no\n\
            kernel http://10.0.0.1:8067/vmlinuz initrd=initrd.gz quiet || goto failed\n\
            initrd --name initrd.gz http://10.0.0.1:8067/initrd.gz || goto failed\nboot\n";
        let files: Vec<_> = files(script).into_iter().map(|url| url.path).collect();
        assert_eq!(files, ["/vmlinuz", "/initrd.gz"]);
    }
}
