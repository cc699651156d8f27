//! What the operator asks for, checked against this machine: flags become a [`Config`].
//!
//! Everything that can be wrong is said here, before a socket is opened: which flag, what is wrong
//! with it, and what to write instead.

mod boot;
mod difference;
mod file;
mod flags;
mod loaders;
mod network;
mod sentences;
pub mod values;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{self, Policy};

use crate::cli::ServeArgs;
use crate::files::{Files, FilesError};
use crate::log::LogFormat;
use crate::net::{Interface, ServerPort};
use crate::privileges;
use crate::tls;

pub use file::settings::architectures;
pub use file::{Read, parse, read, reference};
pub use loaders::Loaders;
pub use network::{link, mode_name};
pub use sentences::counted;

/// Everything that `pxed serve` needs to know.
#[derive(Debug)]
pub struct Config {
    /// The interfaces to serve; the index is the DHCP server's `LinkId`.
    pub interfaces: Vec<Interface>,
    /// Nobody said who gives the addresses on them, so that the start has to look.
    pub mode_is_open: bool,
    /// What the DHCP server is to do on them.
    pub dhcp: Arc<dhcp::Config>,
    /// The boot loaders there are, and those there are not.
    pub loaders: Loaders,
    /// Files that are served under a name of their own, wherever they lie.
    pub named_files: Vec<(String, PathBuf)>,
    /// What the program itself needs.
    pub service: Service,
    /// The file that it is from, as it was read; nothing, if there was none.
    pub source: String,
}

/// How HTTPS is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    /// Its port.
    pub port: u16,
    /// The operator's own certificate; without one pxed makes one.
    pub own: Option<OwnCertificate>,
}

impl Default for Https {
    fn default() -> Self {
        Self { port: 8443, own: None }
    }
}

/// A certificate and its key, by the names of their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    /// PEM: the server's, and then who vouches for it.
    pub certificate: PathBuf,
    /// PEM, without a passphrase.
    pub key: PathBuf,
}

/// What the program itself needs.
#[derive(Clone, Debug)]
pub struct Service {
    /// Where leases are kept.
    pub state_dir: PathBuf,
    /// Whom to become; `None` is the default.
    pub user: Option<String>,
    /// The port of HTTP.
    pub http_port: u16,
    /// HTTPS beside it, if it is on.
    pub https: Option<Https>,
    /// The directory that is served.
    pub boot_dir: Option<PathBuf>,
    /// How often the status is logged.
    pub status_interval: Duration,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Log datagrams too.
    pub verbose: bool,
    /// Take the file whenever it has changed.
    pub watch_config: bool,
    /// Whose port 67 is.
    pub server_port: ServerPort,
    /// TFTP sends from port 69 alone.
    pub tftp_single_port: bool,
    /// File names are found whatever the case of their letters.
    pub case_insensitive: bool,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/pxed"),
            user: None,
            http_port: 8067,
            https: None,
            boot_dir: None,
            status_interval: Duration::from_secs(300),
            log_format: LogFormat::Text,
            verbose: false,
            watch_config: false,
            server_port: ServerPort::Own,
            tftp_single_port: false,
            case_insensitive: false,
        }
    }
}

impl Service {
    /// What flags say wins over what there was.
    fn overridden(self, args: &ServeArgs) -> Self {
        Self {
            state_dir: args.state_dir.clone().unwrap_or(self.state_dir),
            user: args.user.clone().or(self.user),
            http_port: args.http_port.unwrap_or(self.http_port),
            https: self.https.or_else(|| args.https.then(Https::default)),
            boot_dir: args.boot_dir.clone().or(self.boot_dir),
            status_interval: args.status_interval.unwrap_or(self.status_interval),
            log_format: args.log_format.unwrap_or(self.log_format),
            verbose: args.verbose || self.verbose,
            watch_config: args.watch_config || self.watch_config,
            server_port: if args.dhcp_no_bind {
                ServerPort::AnotherServers
            } else {
                self.server_port
            },
            tftp_single_port: args.tftp_single_port || self.tftp_single_port,
            case_insensitive: self.case_insensitive,
        }
    }
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
    pub fn from_args(args: &ServeArgs) -> Result<Self, UsageError> {
        let service = Service::default().overridden(args);
        let loaders = Loaders::find(service.boot_dir.as_deref());
        let catalog = Catalog { loaders: loaders.loaders(), ..Catalog::default() };
        let dhcp = dhcp::Config {
            links: Vec::new(),
            subnets: Vec::new(),
            policy: Policy::default(),
            catalog: Arc::new(catalog),
            host_name: network::host_name(),
        };
        let named_files = loaders.named_files().collect();
        let dhcp = Arc::new(dhcp);
        let (interfaces, source) = (Vec::new(), String::new());
        let mode_is_open = false;
        let nothing =
            Self { interfaces, mode_is_open, dhcp, loaders, named_files, service, source };
        nothing.overridden(args)
    }

    /// Flags win over what there was.
    ///
    /// # Errors
    ///
    /// The first mistake in a flag.
    pub fn overridden(mut self, args: &ServeArgs) -> Result<Self, UsageError> {
        check_user(args)?;
        self.service = self.service.overridden(args);
        if args.boot_dir.is_some() {
            self.find_loaders();
        }
        let port = self.service.http_port;
        let dhcp::Config { mut links, mut subnets, mut policy, catalog, host_name } =
            (*self.dhcp).clone();
        if !args.interfaces.is_empty() {
            self.interfaces = network::interfaces(args)?;
            self.mode_is_open = args.mode.is_none();
            (links, subnets) = network::networks(args, &self.interfaces, port)?;
        }
        for subnet in &mut subnets {
            subnet.services.http.set_port(port);
            subnet.services.https_port = self.service.https.as_ref().map(|https| https.port);
            subnet.lease_time = args.lease_time.map_or(subnet.lease_time, dhcp::LeaseTime::of);
        }
        flags::win(args, &mut subnets, &mut policy)?;
        if let Some(needs) = network::without_server_port(&self.service, subnets.iter()) {
            let by_file = args.interfaces.is_empty();
            let remedy = if by_file { needs.in_file } else { network::WITHOUT_RANGE };
            return Err(UsageError::new("--dhcp-no-bind", needs.problem, remedy));
        }
        let mut catalog = Catalog { loaders: self.loaders.loaders(), ..(*catalog).clone() };
        if let Some((profile, files)) = boot::profile(args, &subnets)? {
            catalog.profiles.insert(boot::DEFAULT_PROFILE.to_owned(), profile);
            catalog.default_profile = Some(boot::DEFAULT_PROFILE.into());
            policy.everywhere.profile = catalog.default_profile.clone();
            self.named_files.extend(files);
        }
        let catalog = Arc::new(catalog);
        self.dhcp = Arc::new(dhcp::Config { links, subnets, policy, catalog, host_name });
        Ok(self)
    }

    /// What HTTPS stands on, if it is on.
    pub fn tls(&self) -> Option<tls::Wanted> {
        let own = self.service.https.as_ref()?.own.clone();
        Some(tls::Wanted { own, names: network::names(&self.dhcp) })
    }

    /// What is served by it.
    ///
    /// # Errors
    ///
    /// The boot directory can not be opened.
    pub fn files(&self) -> Result<Files, FilesError> {
        let files = Files::new(self.service.boot_dir.as_deref(), self.named_files.clone())?;
        Ok(files.case_insensitive(self.service.case_insensitive))
    }

    /// Looks for boot loaders where the boot directory is now.
    fn find_loaders(&mut self) {
        let before: Vec<_> = self.loaders.named_files().collect();
        self.named_files.retain(|file| !before.contains(file));
        self.loaders = Loaders::find(self.service.boot_dir.as_deref());
        self.named_files.extend(self.loaders.named_files());
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
