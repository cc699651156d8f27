//! HTTPS: whose certificate pxed has, and what comes of a handshake.
//!
//! OpenSSL, since firmware decides: EDK2 of 2022 to 2025 offers DHE-RSA and RSA suites alone, iPXE
//! before 2024 no ECDHE, and current EDK2 refuses RSA keys of less than 3072 bits. [`authority`] makes
//! a private CA and a server certificate; [`identity`] is what is served, made or the operator's own;
//! [`handshake`] says why a client gets none.

mod authority;
mod handshake;
mod identity;
#[cfg(test)]
pub(crate) mod tests;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use openssl::bn::BigNum;
use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::ssl::{ClientHelloResponse, SslContext, SslMethod, SslOptions, SslVersion};
use pxed_proto::limits;
use tokio::task::block_in_place;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::config::OwnCertificate;
pub use authority::{Names, TlsError};
pub use handshake::{accept, trouble};
use identity::Identity;
pub use identity::check;

/// What of the configuration HTTPS stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The operator's own certificate; without one pxed makes one.
    pub own: Option<OwnCertificate>,
    /// What machines call pxed.
    pub names: Names,
}

/// The server's side of TLS. A reload, or a certificate's age, replaces what it stands on.
pub struct Tls {
    directory: PathBuf,
    state: Mutex<State>,
}

struct State {
    wanted: Wanted,
    identity: Identity,
    context: SslContext,
}

/// An identity that is ready to be taken.
pub struct Prepared(State);

impl Tls {
    /// With what is in `state_dir`, made where there is nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with the files.
    pub fn open(state_dir: &Path, wanted: Wanted) -> Result<Self, TlsError> {
        let directory = state_dir.join("tls");
        let state = State::new(&directory, wanted)?;
        Ok(Self { directory, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What handshakes begin with.
    pub fn context(&self) -> SslContext {
        self.state().context.clone()
    }

    /// The certificate of pxed's own CA, if pxed made the server's: as PEM and as DER.
    pub fn ca(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let state = self.state();
        let ca = state.identity.ca.as_ref()?;
        Some((ca.to_pem().ok()?, ca.to_der().ok()?))
    }

    /// Whose certificate is served, in words.
    pub fn describe(&self) -> String {
        self.state().identity.describe()
    }

    /// The same for another configuration; nothing changes yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the files.
    pub fn prepare(&self, wanted: Wanted) -> Result<Prepared, TlsError> {
        // A new key takes a second or two.
        block_in_place(|| State::new(&self.directory, wanted)).map(Prepared)
    }

    /// Serves by this from now on; connections stay what they are.
    pub fn take(&self, Prepared(new): Prepared) {
        let mut state = self.state();
        let is_another = state.identity.fingerprint() != new.identity.fingerprint();
        *state = new;
        if is_another {
            info!("HTTPS: {}", state.identity.describe());
        }
    }

    /// Follows the certificate's files, and makes pxed's own anew before it ends.
    pub async fn keep_fresh(&self) -> Infallible {
        let mut last_problem = None;
        loop {
            sleep(limits::TLS_LOOK).await;
            let problem = self.look().err().map(|error| error.to_string());
            if let Some(problem) = problem.as_ref().filter(|_| problem != last_problem) {
                warn!("HTTPS goes on with the certificate that it has: {problem}");
            }
            last_problem = problem;
        }
    }

    fn look(&self) -> Result<(), TlsError> {
        let (wanted, is_stale) = {
            let state = self.state();
            (state.wanted.clone(), state.identity.is_stale(&state.wanted.names))
        };
        if is_stale {
            self.take(self.prepare(wanted)?);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl State {
    fn new(directory: &Path, wanted: Wanted) -> Result<Self, TlsError> {
        let identity = Identity::new(directory, &wanted)?;
        let context = context(&identity)?;
        Ok(Self { wanted, identity, context })
    }
}

/// TLS 1.2 for firmware: AES-GCM alone, with ECDHE or, for EDK2 and iPXE, DHE.
const SUITES: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
    ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
    DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384";

fn context(identity: &Identity) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_cipher_list(SUITES)?;
    builder.set_groups_list("X25519:P-256:P-384:P-521")?;
    builder.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_COMPRESSION);
    builder.set_session_id_context(b"pxed")?;
    // The group of 3072 bits of RFC 3526, which is as strong as the certificate's key.
    builder.set_tmp_dh(&*Dh::from_pqg(
        BigNum::get_rfc3526_prime_3072()?,
        None,
        BigNum::from_u32(2)?,
    )?)?;
    builder.set_certificate(&identity.chain.certificate)?;
    for issuer in &identity.chain.issuers {
        builder.add_extra_chain_cert(issuer.clone())?;
    }
    builder.set_private_key(&identity.chain.key)?;
    builder.check_private_key()?;
    builder.set_client_hello_callback(|ssl, _| {
        handshake::remember_offer(ssl);
        Ok(ClientHelloResponse::SUCCESS)
    });
    Ok(builder.build())
}
