//! pxed's own CA, and the server certificates that it makes.
//!
//! The CA is made once and stays, since people enrol it in firmware; the server's certificate is made
//! anew whenever pxed's addresses change. Both keys are files of mode 0600 in a directory of the state
//! directory.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name, X509NameRef};
use pxed_proto::limits;

/// EDK2 refuses less since 2025; more costs firmware seconds.
const KEY_BITS: u32 = 3072;

/// Certificates are good from 2000 on: a machine whose clock's battery is dead boots too.
const NOT_BEFORE: i64 = 946_684_800;

/// Why there is no HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can not be read or written.
    #[error("{}: {error}; pxed's user has to be able to {what} it", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read` or `write`.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The library.
    #[error("OpenSSL: {0}")]
    Library(#[from] ErrorStack),
}

/// What machines call the server: its addresses, and its names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// In the order of the subnets.
    pub addresses: Vec<Ipv4Addr>,
    /// The host's, without and with the domain.
    pub hosts: Vec<String>,
}

/// A certificate with its key.
#[derive(Clone)]
pub(super) struct Keyed {
    pub(super) certificate: X509,
    pub(super) key: PKey<Private>,
}

/// The CA and the server's certificate as they are in `directory`, or made there.
pub(super) fn issued(directory: &Path, names: &Names) -> Result<(Keyed, Keyed), TlsError> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(TlsError::File { path: directory.to_owned(), what: "write", error });
        }
        _ => {}
    }
    let ca = match kept(directory, "ca")? {
        Some(ca) => ca,
        None => keep(directory, "ca", authority(names)?)?,
    };
    let server = kept(directory, "server")?.filter(|server| is_good(server, &ca, names));
    let server = match server {
        Some(server) => server,
        None => keep(directory, "server", server_of(&ca, names)?)?,
    };
    Ok((ca, server))
}

/// Does the certificate name the server, for a while yet?
pub(super) fn is_good(server: &Keyed, ca: &Keyed, names: &Names) -> bool {
    let soon = Asn1Time::days_from_now(limits::TLS_RENEWAL_DAYS);
    let lasts = soon.is_ok_and(|soon| server.certificate.not_after() > soon);
    let by_ca = server.certificate.verify(&ca.key).unwrap_or(false);
    lasts && by_ca && named(&server.certificate) == *names
}

/// The names that a certificate is for.
pub(super) fn named(certificate: &X509) -> Names {
    let mut names = Names::default();
    for name in certificate.subject_alt_names().into_iter().flatten() {
        if let Some(Ok(octets)) = name.ipaddress().map(<[u8; 4]>::try_from) {
            names.addresses.push(octets.into());
        }
        names.hosts.extend(name.dnsname().map(str::to_owned));
    }
    names
}

fn authority(names: &Names) -> Result<Keyed, ErrorStack> {
    let key = new_key()?;
    let host = names.hosts.first().map_or("pxed", String::as_str);
    let subject = name(&format!("pxed CA of {host}"))?;
    let mut builder = builder(&subject, &subject, &key, limits::TLS_CA_DAYS)?;
    builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(identifier)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok(Keyed { certificate: builder.build(), key })
}

fn server_of(ca: &Keyed, names: &Names) -> Result<Keyed, ErrorStack> {
    let key = new_key()?;
    // Old clients look here alone.
    let common = names.addresses.first().map_or_else(|| "pxed".to_owned(), Ipv4Addr::to_string);
    let (subject, issuer) = (name(&common)?, ca.certificate.subject_name());
    let mut builder = builder(&subject, issuer, &key, limits::TLS_CERTIFICATE_DAYS)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    let usage = KeyUsage::new().critical().digital_signature().key_encipherment().build()?;
    builder.append_extension(usage)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let mut alternatives = SubjectAlternativeName::new();
    for address in &names.addresses {
        alternatives.ip(&address.to_string());
    }
    for host in &names.hosts {
        alternatives.dns(host);
    }
    let context = builder.x509v3_context(Some(&ca.certificate), None);
    let alternatives = alternatives.build(&context)?;
    let issuer = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
    builder.append_extension(alternatives)?;
    builder.append_extension(issuer)?;
    builder.sign(&ca.key, MessageDigest::sha256())?;
    Ok(Keyed { certificate: builder.build(), key })
}

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_rsa(Rsa::generate(KEY_BITS)?)
}

fn name(common: &str) -> Result<X509Name, ErrorStack> {
    let mut builder = X509Name::builder()?;
    // A common name has 64 characters at most (RFC 5280, ub-common-name).
    let common: String = common.chars().take(64).collect();
    builder.append_entry_by_text("CN", &common)?;
    Ok(builder.build())
}

fn builder(
    subject: &X509NameRef,
    issuer: &X509NameRef,
    key: &PKey<Private>,
    days: u32,
) -> Result<X509Builder, ErrorStack> {
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::ONE, false)?;
    let serial = Asn1Integer::from_bn(&serial)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    let (from, to) = (Asn1Time::from_unix(NOT_BEFORE)?, Asn1Time::days_from_now(days)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&to)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}

/// What is kept under this name; nothing, where nothing is, or only half of it.
fn kept(directory: &Path, name: &str) -> Result<Option<Keyed>, TlsError> {
    let [certificate, key] = paths(directory, name);
    let (Some(certificate_pem), Some(key_pem)) = (content(&certificate)?, content(&key)?) else {
        return Ok(None);
    };
    let broken = |path: &Path, error: ErrorStack| TlsError::Content {
        path: path.to_owned(),
        problem: format!(
            "{error}; remove it to have it made anew (a new CA has to be enrolled anew)"
        ),
    };
    let parsed = X509::from_pem(&certificate_pem).map_err(|error| broken(&certificate, error))?;
    let key = PKey::private_key_from_pem(&key_pem).map_err(|error| broken(&key, error))?;
    let fits = parsed.public_key()?.public_eq(&key);
    Ok(fits.then_some(Keyed { certificate: parsed, key }))
}

fn content(path: &Path) -> Result<Option<Vec<u8>>, TlsError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TlsError::File { path: path.to_owned(), what: "read", error }),
    }
}

fn paths(directory: &Path, name: &str) -> [PathBuf; 2] {
    ["pem", "key"].map(|ending| directory.join(format!("{name}.{ending}")))
}

/// Writes both files, each whole or not at all; half of a pair is none.
fn keep(directory: &Path, name: &str, keyed: Keyed) -> Result<Keyed, TlsError> {
    let [certificate, key] = paths(directory, name);
    let contents =
        [(key, keyed.key.private_key_to_pem_pkcs8()?), (certificate, keyed.certificate.to_pem()?)];
    for (path, content) in contents {
        write(&path, &content).map_err(|error| TlsError::File {
            path: path.clone(),
            what: "write",
            error,
        })?;
    }
    Ok(keyed)
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
