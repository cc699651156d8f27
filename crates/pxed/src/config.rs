//! What the operator asks for, checked against this machine: flags become a [`Config`].
//!
//! Everything that can be wrong is said here, before a socket is opened: which flag, what is wrong
//! with it, and what to write instead.

mod boot;
mod loaders;
mod network;
pub mod values;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::dhcp;

use crate::cli::ServeArgs;
use crate::net::Interface;
use crate::privileges;

pub use loaders::Loaders;

/// Everything that `pxed serve` needs to know.
#[derive(Debug)]
pub struct Config {
    /// The interfaces to serve; the index is the DHCP server's `LinkId`.
    pub interfaces: Vec<Interface>,
    /// What the DHCP server is to do on them.
    pub dhcp: Arc<dhcp::Config>,
    /// The boot loaders there are, and those there are not.
    pub loaders: Loaders,
    /// The directory that is served.
    pub boot_dir: Option<PathBuf>,
    /// Files that are served under a name of their own, wherever they lie.
    pub named_files: Vec<(String, PathBuf)>,
    /// Where leases are kept.
    pub state_dir: PathBuf,
    /// Whom to become; `None` is the default.
    pub user: Option<String>,
    /// How often the status is logged.
    pub status_interval: Duration,
}

/// A mistake in a flag: which, what is wrong with it, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    /// The flag with its value, `--range 10.0.0.1-10.0.0.9`.
    pub flag: String,
    /// What is wrong.
    pub problem: String,
    /// What to write, or to do, instead; empty where the problem's text says it.
    pub remedy: String,
}

impl UsageError {
    fn new(flag: impl fmt::Display, problem: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        let [flag, problem, remedy] = [flag.to_string(), problem.to_string(), remedy.to_string()];
        Self { flag, problem, remedy }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.flag, self.problem)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n  {}", self.remedy) }
    }
}

impl std::error::Error for UsageError {}

impl Config {
    /// Works out what the flags come to on this machine.
    ///
    /// # Errors
    ///
    /// The first mistake.
    pub fn from_args(args: ServeArgs) -> Result<Self, UsageError> {
        check_user(&args)?;
        let interfaces = network::interfaces(&args)?;
        let (links, subnets) = network::networks(&args, &interfaces)?;
        let loaders = Loaders::find(args.boot_dir.as_deref());
        let (catalog, profile_files) = boot::catalog(&args, &loaders, &subnets)?;
        let named_files = loaders.named_files().chain(profile_files).collect();
        let dhcp = dhcp::Config { links, subnets, catalog: Arc::new(catalog) };
        Ok(Self {
            interfaces,
            dhcp: Arc::new(dhcp),
            loaders,
            boot_dir: args.boot_dir,
            named_files,
            state_dir: args.state_dir,
            user: args.user,
            status_interval: args.status_interval,
        })
    }
}

/// Names a user that this machine has. (Where the system can not say, the start will.)
fn check_user(args: &ServeArgs) -> Result<(), UsageError> {
    match args.user.as_deref().map(|name| (name, privileges::find_user(name))) {
        Some((name, Ok(None))) => Err(UsageError::new(
            format!("--user {name}"),
            "there is no such user",
            format_args!("Create it (`adduser --system {name}`), or name another."),
        )),
        _ => Ok(()),
    }
}
