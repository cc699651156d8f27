//! A handshake, and why it came to nothing.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{self, ErrorCode, Ssl, SslContext, SslRef};
use pxed_proto::event::TlsTrouble;
use pxed_proto::limits;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// Where a connection remembers what its client offered.
static OFFER: OnceLock<Index<Ssl, Vec<u8>>> = OnceLock::new();

/// The client's cipher suites; nothing else of a handshake that failed says why.
pub(super) fn remember_offer(ssl: &mut SslRef) {
    let suites = ssl.client_hello_ciphers().unwrap_or_default().to_owned();
    if let Some(index) = offer() {
        ssl.set_ex_data(index, suites);
    }
}

fn offer() -> Option<Index<Ssl, Vec<u8>>> {
    if OFFER.get().is_none() {
        let _ = OFFER.set(Ssl::new_ex_index().ok()?);
    }
    OFFER.get().copied()
}

/// Shakes hands, and says why not and what the client offered; nothing, if it just went away before
/// it said anything.
pub async fn accept(
    context: &SslContext,
    tcp: TcpStream,
) -> Result<SslStream<TcpStream>, Option<(TlsTrouble, String)>> {
    let failed = |error: ErrorStack| Some((TlsTrouble::Other(error.to_string()), String::new()));
    let ssl = Ssl::new(context).map_err(failed)?;
    let mut stream = SslStream::new(ssl, tcp).map_err(failed)?;
    let Err(error) = Pin::new(&mut stream).accept().await else { return Ok(stream) };
    let trouble = match of_error(&error) {
        Some(trouble) => trouble,
        // The certificate is the first thing that is sent that anybody could dislike.
        None if offered(stream.ssl()).is_some() => TlsTrouble::LeftAfterCertificate,
        None => return Err(None),
    };
    let matters = matches!(trouble, TlsTrouble::Version | TlsTrouble::CipherSuite);
    let told = offered(stream.ssl()).filter(|_| matters).unwrap_or_default();
    Err(Some((trouble, told)))
}

/// What a connection's error says of the client, if it is of TLS: in 1.3 a client that refuses the
/// certificate says so when the server's part of the handshake is over.
pub fn trouble(error: &io::Error) -> Option<TlsTrouble> {
    of_error(error.get_ref()?.downcast_ref::<ssl::Error>()?)
}

/// `None` where the client has just gone.
fn of_error(error: &ssl::Error) -> Option<TlsTrouble> {
    if error.code() == ErrorCode::SYSCALL || error.code() == ErrorCode::ZERO_RETURN {
        return None;
    }
    let stack = error.ssl_error()?;
    let reasons = stack.errors().iter().map(openssl::error::Error::reason_code);
    match reasons.clone().find_map(of_reason) {
        Some(trouble) => Some(trouble),
        None if reasons.clone().any(|reason| reason == UNEXPECTED_EOF) => None,
        None => Some(TlsTrouble::Other(words(stack))),
    }
}

/// SSL_R_UNEXPECTED_EOF_WHILE_READING.
const UNEXPECTED_EOF: i32 = 294;

/// OpenSSL's reasons, by number (openssl/sslerr.h); alerts from the client are 1000 and their number.
fn of_reason(reason: i32) -> Option<TlsTrouble> {
    match reason {
        // UNSUPPORTED_PROTOCOL, VERSION_TOO_LOW, NO_PROTOCOLS_AVAILABLE
        258 | 396 | 191 => Some(TlsTrouble::Version),
        // NO_SHARED_CIPHER
        193 => Some(TlsTrouble::CipherSuite),
        // NO_SUITABLE_KEY_SHARE, NO_SUITABLE_GROUPS, NO_SHARED_GROUPS
        101 | 295 | 410 => Some(TlsTrouble::Group),
        // NO_SUITABLE_SIGNATURE_ALGORITHM
        118 => Some(TlsTrouble::Signature),
        // HTTP_REQUEST, HTTPS_PROXY_REQUEST, WRONG_VERSION_NUMBER, BAD_RECORD_TYPE, PACKET_LENGTH_TOO_LONG
        156 | 155 | 267 | 443 | 198 => Some(TlsTrouble::NotTls),
        alert @ 1000..=1255 => u8::try_from(alert - 1000).ok().map(TlsTrouble::of_alert),
        _ => None,
    }
}

fn words(stack: &ErrorStack) -> String {
    let reasons = stack.errors().iter().filter_map(openssl::error::Error::reason);
    reasons.collect::<Vec<_>>().join(", ")
}

/// The cipher suites that the client offered, by name where OpenSSL knows one; `None` if it never got
/// so far.
fn offered(ssl: &SslRef) -> Option<String> {
    let octets = ssl.ex_data(offer()?)?;
    let all = octets.chunks_exact(2);
    let rest = all.len().saturating_sub(limits::TLS_SUITES_TOLD);
    let mut names: Vec<String> =
        all.take(limits::TLS_SUITES_TOLD).map(|suite| suite_name(ssl, suite)).collect();
    if rest > 0 {
        names.push(format!("and {rest} more"));
    }
    Some(names.join(", "))
}

fn suite_name(ssl: &SslRef, suite: &[u8]) -> String {
    let known = ssl.bytes_to_cipher_list(suite, false).ok().and_then(|lists| {
        let name = lists.suites.get(0)?.standard_name()?;
        Some(name.to_owned())
    });
    known.unwrap_or_else(|| {
        let octets: Vec<String> = suite.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("0x{}", octets.concat())
    })
}
