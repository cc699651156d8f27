//! Connections by HTTPS that came to nothing, and what is to be done about it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::of_machine;
use crate::net::Mac;
use crate::text::Printable;

/// A client that wanted HTTPS and got none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsEvent {
    /// Who.
    pub client: SocketAddr,
    /// The machine that has the client's address by a lease.
    pub machine: Option<Mac>,
    /// Why.
    pub trouble: TlsTrouble,
    /// What the client offered, where that matters and it said so: versions, cipher suites.
    pub offered: String,
    /// From the connection to the end.
    pub duration: Duration,
}

/// Why there is no HTTPS for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsTrouble {
    /// No version of TLS in common.
    Version,
    /// No cipher suite in common.
    CipherSuite,
    /// No curve, or other group, in common.
    Group,
    /// No signature algorithm in common that the server's key can make.
    Signature,
    /// The client does not know who made the server's certificate (alert `unknown_ca`).
    UnknownCa,
    /// The client refuses the server's certificate for another reason: the alert's name.
    Certificate(&'static str),
    /// The client ends the handshake for another reason: the alert's number (RFC 8446 section 6).
    Alert(u8),
    /// The client went away when it had seen the server's certificate, without a word.
    LeftAfterCertificate,
    /// What came is no TLS.
    NotTls,
    /// It took too long.
    TooSlow,
    /// Anything else, in the library's words.
    Other(String),
}

impl TlsTrouble {
    /// One word for it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Version => "no-shared-version",
            Self::CipherSuite => "no-shared-cipher-suite",
            Self::Group => "no-shared-group",
            Self::Signature => "no-shared-signature-algorithm",
            Self::UnknownCa => "unknown-ca",
            Self::Certificate(_) => "certificate-refused",
            Self::Alert(_) => "alert",
            Self::LeftAfterCertificate => "left-after-certificate",
            Self::NotTls => "not-tls",
            Self::TooSlow => "too-slow",
            Self::Other(_) => "other",
        }
    }

    /// What an alert from the client means.
    pub fn of_alert(number: u8) -> Self {
        match number {
            40 => Self::CipherSuite,
            42 => Self::Certificate("bad_certificate"),
            43 => Self::Certificate("unsupported_certificate"),
            44 => Self::Certificate("certificate_revoked"),
            45 => Self::Certificate("certificate_expired"),
            46 => Self::Certificate("certificate_unknown"),
            48 => Self::UnknownCa,
            70 => Self::Version,
            71 => Self::CipherSuite,
            number => Self::Alert(number),
        }
    }
}

impl fmt::Display for TlsTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => f.write_str(
                "its TLS is too old: pxed speaks 1.2 and 1.3; update the firmware, or boot it by \
                 plain HTTP",
            ),
            Self::CipherSuite => f.write_str(
                "its TLS is too old, or too strict, to have a cipher suite in common with pxed's \
                 (ECDHE or DHE with AES-GCM); update the firmware or its iPXE, or boot it by plain \
                 HTTP",
            ),
            Self::Group => f.write_str(
                "it has no curve in common with pxed (X25519, P-256, P-384, P-521); boot it by plain \
                 HTTP",
            ),
            Self::Signature => f.write_str(
                "it takes no signature that the key of pxed's certificate can make; a certificate \
                 with an RSA key of 3072 bits fits most",
            ),
            Self::UnknownCa => f.write_str(
                "it does not trust who made pxed's certificate: enrol /ca.der or /ca.pem of pxed's \
                 plain HTTP port in the firmware, or build it into iPXE (TRUST=ca.pem); with a \
                 certificate of your own, enrol its CA",
            ),
            Self::Certificate(alert) => write!(
                f,
                "it refuses pxed's certificate ({alert}): does it trust the CA, is its clock right, \
                 and is the URL's host among the certificate's names?"
            ),
            Self::Alert(number) => write!(f, "it ended the handshake with alert {number}"),
            Self::LeftAfterCertificate => f.write_str(
                "it left without a word when it had seen pxed's certificate: probably it does not \
                 trust the CA; enrol /ca.der or /ca.pem of pxed's plain HTTP port",
            ),
            Self::NotTls => f.write_str("what it sent is no TLS; plain HTTP has another port"),
            Self::TooSlow => f.write_str("the handshake took too long"),
            Self::Other(words) => write!(f, "the handshake failed: {}", Printable(words.as_bytes())),
        }
    }
}

impl fmt::Display for TlsEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no HTTPS for {}: {}", of_machine(self.client, self.machine), self.trouble)?;
        if self.offered.is_empty() {
            return Ok(());
        }
        write!(f, "; it offers {}", Printable(self.offered.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_and_what_to_do_is_one_line() {
        let event = TlsEvent {
            client: "10.0.0.7:4711".parse().unwrap(),
            machine: Some(Mac([2, 0, 0, 0, 0, 1])),
            trouble: TlsTrouble::of_alert(48),
            offered: "AES128-SHA\n".to_owned(),
            duration: Duration::ZERO,
        };
        let line = event.to_string();
        assert!(
            line.starts_with("no HTTPS for 10.0.0.7:4711 (02:00:00:00:00:01): it does not trust")
        );
        assert!(line.contains("/ca.der") && line.ends_with("it offers AES128-SHA\\x0a"), "{line}");
        assert_eq!(TlsTrouble::of_alert(80), TlsTrouble::Alert(80));
    }
}
