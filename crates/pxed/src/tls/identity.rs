//! The certificate that is served: the operator's own, or one of pxed's CA.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use pxed_proto::limits;

use super::Wanted;
use super::authority::{self, Keyed, Names, TlsError};
use crate::config::OwnCertificate;

/// What is served, and what is known of where it is from.
pub(super) struct Identity {
    pub(super) chain: Chain,
    /// pxed's own CA, if it made the certificate.
    pub(super) ca: Option<X509>,
    source: Source,
}

/// A certificate with its key and who vouches for it.
pub(super) struct Chain {
    pub(super) certificate: X509,
    pub(super) issuers: Vec<X509>,
    pub(super) key: PKey<Private>,
}

enum Source {
    Made { ca: Keyed, server: Keyed },
    Own { files: OwnCertificate, written: [Option<SystemTime>; 2] },
}

impl Identity {
    pub(super) fn new(directory: &Path, wanted: &Wanted) -> Result<Self, TlsError> {
        let Some(files) = &wanted.own else {
            let (ca, server) = authority::issued(directory, &wanted.names)?;
            // iPXE knows a root by its fingerprint alone, and has to be shown it.
            let issuers = vec![ca.certificate.clone()];
            let Keyed { certificate, key } = server.clone();
            let root = Some(ca.certificate.clone());
            let chain = Chain { certificate, issuers, key };
            return Ok(Self { chain, ca: root, source: Source::Made { ca, server } });
        };
        // Before they are read: what changes meanwhile is read again.
        let written = written(files);
        let chain = read(files)?;
        Ok(Self { chain, ca: None, source: Source::Own { files: files.clone(), written } })
    }

    /// Have its files changed, or is it time for another one?
    pub(super) fn is_stale(&self, names: &Names) -> bool {
        match &self.source {
            Source::Made { ca, server } => !authority::is_good(server, ca, names),
            Source::Own { files, written: known } => written(files) != *known,
        }
    }

    pub(super) fn fingerprint(&self) -> String {
        fingerprint(&self.chain.certificate)
    }

    pub(super) fn describe(&self) -> String {
        let until = self.chain.certificate.not_after();
        match (&self.source, &self.ca) {
            (Source::Own { files, .. }, _) => {
                format!("the certificate {}, until {until}", files.certificate.display())
            }
            (Source::Made { .. }, Some(ca)) => format!(
                "a certificate by pxed's own CA, whose SHA-256 fingerprint is {}; machines that have \
                 to trust it find it at /ca.der and /ca.pem",
                fingerprint(ca)
            ),
            (Source::Made { .. }, None) => "a certificate of pxed's own".to_owned(),
        }
    }
}

/// As firmware's menus and `openssl x509 -fingerprint -sha256` show it.
fn fingerprint(certificate: &X509) -> String {
    let digest = certificate.digest(MessageDigest::sha256());
    let octets = digest.iter().flat_map(|digest| digest.iter());
    octets.map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
}

fn written(files: &OwnCertificate) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key]
        .map(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

/// What is wrong with a certificate and its key, as they are now: an error, and what is only doubtful.
pub fn check(files: &OwnCertificate, names: &Names) -> (Option<TlsError>, Vec<String>) {
    let chain = match read(files) {
        Ok(chain) => chain,
        Err(error) => return (Some(error), Vec::new()),
    };
    let mut doubts = Vec::new();
    let (from, until) = (chain.certificate.not_before(), chain.certificate.not_after());
    if let Ok(now) = Asn1Time::days_from_now(0) {
        if until < now {
            doubts.push(format!("it has expired at {until}: firmware refuses it"));
        } else if from > now {
            doubts.push(format!("it is not good before {from}: firmware refuses it"));
        }
    }
    let named = authority::named(&chain.certificate);
    let missing: Vec<String> = names
        .addresses
        .iter()
        .filter(|address| !named.addresses.contains(address))
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        doubts.push(format!(
            "it does not name {}, which stands in the URLs that machines are told (a subject \
             alternative name)",
            missing.join(", ")
        ));
    }
    let is_weak = chain.key.rsa().is_ok_and(|_| chain.key.bits() < 3072);
    if is_weak {
        doubts.push(format!(
            "its RSA key has {} bits, which current UEFI firmware refuses: make one of 3072",
            chain.key.bits()
        ));
    }
    (None, doubts)
}

fn read(files: &OwnCertificate) -> Result<Chain, TlsError> {
    let wrong = |path: &Path, problem: &str| {
        Err(TlsError::Content { path: path.to_owned(), problem: problem.to_owned() })
    };
    let OwnCertificate { certificate: certificate_file, key: key_file } = files;
    let mut certificates = match X509::stack_from_pem(&content(certificate_file)?) {
        Ok(certificates) if !certificates.is_empty() => certificates,
        _ => return wrong(certificate_file, "there is no certificate in PEM in it"),
    };
    let Ok(key) = PKey::private_key_from_pem_callback(&content(key_file)?, |_| Ok(0)) else {
        return wrong(key_file, "there is no private key in PEM in it, without a passphrase");
    };
    let certificate = certificates.remove(0);
    if !certificate.public_key()?.public_eq(&key) {
        let problem =
            format!("it is not the key of the certificate in {}", certificate_file.display());
        return wrong(key_file, &problem);
    }
    Ok(Chain { certificate, issuers: certificates, key })
}

fn content(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::File { path: path.to_owned(), what: "read", error };
    let file = File::open(path).map_err(failed)?;
    let mut content = Vec::new();
    file.take(limits::TLS_FILE_MAX).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 == limits::TLS_FILE_MAX {
        return Err(failed(io::Error::other("it is too large")));
    }
    Ok(content)
}
