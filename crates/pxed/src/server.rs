//! The life of `pxed serve`: bind, drop privileges, open, start, wait, stop.

use std::io::{self, IsTerminal};
use std::net::{SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;
use pxed_proto::Timestamp;
use pxed_proto::catalog::Profile;
use pxed_proto::dhcp;
use pxed_proto::event::Event;
use pxed_proto::time::Human;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{Level, info, warn};
use tracing_subscriber::fmt;

use crate::cli::LogFormat;
use crate::clock::Clock;
use crate::config::Config;
use crate::dhcp::{Driver, StartError, Status};
use crate::files::{Files, FilesError};
use crate::http::{self, Http};
use crate::journal::Journal;
use crate::net::{BindError, DhcpSockets, bind_udp};
use crate::privileges::{self, PrivilegeError};
use crate::script;
use crate::store::{Store, StoreError, Writer};
use crate::tftp;

/// The port of TFTP requests (RFC 1350 section 4).
const TFTP_PORT: u16 = 69;

/// Whom pxed becomes if it is not told and there is such a user.
const DEFAULT_USER: &str = "pxed";

/// How to log.
#[derive(Clone, Copy, Debug)]
pub struct Logging {
    /// Text or JSON.
    pub format: LogFormat,
    /// DEBUG too.
    pub verbose: bool,
}

/// Why pxed did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A socket could not be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The HTTP port could not be had.
    #[error(
        "HTTP on {address}: {error}; stop what has the port, or give --http-port another number"
    )]
    Http {
        /// Where.
        address: SocketAddrV4,
        /// What the system says.
        error: io::Error,
    },
    /// Privileges could not be dropped.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// `--user` names nobody.
    #[error(
        "--user {0}: there is no such user; create it (`adduser --system {0}`) or name another"
    )]
    NoUser(String),
    /// Only root can become somebody else.
    #[error("--user {0}: only root can become another user; start pxed as root, or without --user")]
    NotRoot(String),
    /// The state directory could not be given to the user.
    #[error("--state-dir {}: it can not be given to the user {user}: {error}", path.display())]
    StateDir {
        /// The directory.
        path: std::path::PathBuf,
        /// Whom pxed becomes.
        user: String,
        /// What the system says.
        error: io::Error,
    },
    /// What is to be served can not be.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The lease store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The DHCP thread.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system has no threads or signals for pxed.
    #[error("can not start")]
    System(#[from] io::Error),
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
///
/// What kept it from starting, or from closing the store.
pub fn run(config: Config, logging: Logging) -> Result<(), RunError> {
    log_to_stderr(logging);
    let clock = Clock::start();
    let sockets = Sockets::bind(&config)?;
    drop_privileges(&config)?;
    // From here on there may be threads.
    let files = Files::new(config.boot_dir.as_deref(), config.named_files.clone())?;
    files.check()?;
    let store = Store::open(&config.state_dir)?;
    let server = load(&store, &config, clock.now())?;
    describe(&config);
    let journal = Arc::new(Journal::new(logging.format));
    server.active_leases(clock.now()).for_each(|lease| journal.remember(lease));
    let driver = Driver::start(server, sockets.dhcp, store, journal.clone(), clock)?;
    let services = Services::new(&config, files, journal, driver);
    let (services, result) = Runtime::new()?.block_on(services.run(sockets.tftp, sockets.http));
    let stopped = services.driver.stop();
    result?;
    finish(stopped, clock.now())
}

/// Everything that is listened on, bound while pxed may.
struct Sockets {
    dhcp: Vec<DhcpSockets>,
    tftp: Vec<tftp::Listener>,
    http: Vec<TcpListener>,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, RunError> {
        let mut sockets = Self { dhcp: Vec::new(), tftp: Vec::new(), http: Vec::new() };
        for interface in &config.interfaces {
            sockets.dhcp.push(DhcpSockets::bind(interface, dhcp::SERVER_PORT)?);
            sockets.tftp.push(tftp::Listener {
                socket: bind_udp(interface, TFTP_PORT)?,
                interface: interface.name.clone(),
                mtu: interface.mtu,
            });
        }
        for subnet in &config.dhcp.subnets {
            let address = subnet.services.http;
            let bound = TcpListener::bind(address).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            sockets.http.push(bound.map_err(|error| RunError::Http { address, error })?);
        }
        Ok(sockets)
    }
}

/// Becomes `--user`, or `pxed` if root started it and there is such a user; the state directory
/// becomes that user's.
fn drop_privileges(config: &Config) -> Result<(), RunError> {
    let is_root = Uid::effective().is_root();
    let user = match &config.user {
        Some(name) if !is_root => return Err(RunError::NotRoot(name.clone())),
        Some(name) => {
            Some(privileges::find_user(name)?.ok_or_else(|| RunError::NoUser(name.clone()))?)
        }
        None if is_root => privileges::find_user(DEFAULT_USER)?,
        None => None,
    };
    let Some(user) = user.filter(|user| !user.uid.is_root()) else {
        return Ok(privileges::harden()?);
    };
    let state_dir = &config.state_dir;
    Store::create_for(state_dir, &user).map_err(|error| RunError::StateDir {
        path: state_dir.clone(),
        user: user.name.clone(),
        error,
    })?;
    privileges::drop_to(&user)?;
    info!("running as {}", user.name);
    Ok(())
}

/// The DHCP server with the leases of the store.
fn load(store: &Store, config: &Config, now: Timestamp) -> Result<dhcp::Server, RunError> {
    let loaded = store.load()?;
    let mut server = dhcp::Server::new(config.dhcp.clone());
    let count = loaded.leases.len();
    let elsewhere =
        loaded.leases.into_iter().filter(|lease| !server.load(lease.clone(), now)).count();
    let active = server.active_leases(now).count();
    let state_dir = config.state_dir.display();
    info!("leases in {state_dir}: {count}, {active} of them active");
    if elsewhere > 0 {
        warn!("{elsewhere} leases are of no served subnet; they are kept and not used");
    }
    for row in loaded.unreadable {
        warn!("{row}");
    }
    Ok(server)
}

/// What a person wants to see when pxed starts.
fn describe(config: &Config) {
    for (link, subnet) in config.dhcp.links.iter().zip(&config.dhcp.subnets) {
        let pools: Vec<String> = subnet.pools.iter().map(ToString::to_string).collect();
        let addresses: u64 = subnet.pools.iter().map(|pool| pool.count()).sum();
        let (name, server, net) = (&link.name, subnet.server, subnet.net);
        let (pools, time) = (pools.join(", "), Human(subnet.lease_time.default));
        info!("{name}: {server} serves {net}, leasing {pools} ({addresses} addresses) for {time}");
        let tftp = config.dhcp.catalog.tftp_server.unwrap_or(subnet.services.tftp);
        info!("{name}: TFTP server {tftp}, HTTP http://{}/", subnet.services.http);
    }
    if let Some(dir) = &config.boot_dir {
        info!("boot directory {}", dir.display());
    }
    config.loaders.describe_found().for_each(|line| info!("loader {line}"));
    config.loaders.describe_missing().for_each(|line| info!("no loader {line}"));
    if let Some(file) = &config.dhcp.catalog.boot_file {
        info!("PXE firmware loads {file}");
    }
    match &config.dhcp.catalog.profile {
        Profile::Nothing => warn!("nothing to boot: give --kernel and --initrd, or --script"),
        Profile::Script(_) => info!("machines run the iPXE script"),
        Profile::Program(url) => info!("iPXE chainloads {url}"),
        Profile::Linux { arguments, .. } => info!("machines boot Linux, arguments \"{arguments}\""),
    }
    let profile = config.named_files.iter().filter(|(name, _)| name.starts_with("profile/"));
    profile.for_each(|(name, path)| info!("{name}: {}", path.display()));
}

/// What runs on the runtime, and the DHCP driver that runs beside it.
struct Services {
    tftp: tftp::Server,
    http: Arc<Http>,
    driver: Driver,
    journal: Arc<Journal>,
    status_interval: Duration,
}

impl Services {
    fn new(config: &Config, files: Files, journal: Arc<Journal>, driver: Driver) -> Self {
        let files = Arc::new(files);
        let (tftp_journal, http_journal) = (journal.clone(), journal.clone());
        let tftp_event = move |event| tftp_journal.record(Event::Tftp(event));
        let http_event = move |event| http_journal.record(Event::Http(event));
        let script = script::writer(config.dhcp.catalog.clone(), files.clone());
        Self {
            tftp: tftp::Server::new(files.clone(), Arc::new(tftp_event)),
            http: Arc::new(Http::new(files, script, Arc::new(http_event))),
            driver,
            journal,
            status_interval: config.status_interval,
        }
    }

    /// Serves until a signal, then lets running transfers end.
    async fn run(
        self,
        tftp: Vec<tftp::Listener>,
        http: Vec<TcpListener>,
    ) -> (Self, Result<(), RunError>) {
        let result = self.serve(tftp, http).await;
        (self, result.map_err(RunError::System))
    }

    async fn serve(&self, tftp: Vec<tftp::Listener>, http: Vec<TcpListener>) -> io::Result<()> {
        let mut signals = Signals::new()?;
        let http = http.into_iter().map(tokio::net::TcpListener::from_std);
        let http = http.collect::<io::Result<Vec<_>>>()?;
        let (stop, stopped) = watch::channel(false);
        let tftp = tokio::spawn({
            let (server, stopped) = (self.tftp.clone(), stopped.clone());
            async move { server.serve(tftp, stopped).await }
        });
        let http = tokio::spawn(http::serve(http, self.http.clone(), stopped));
        info!("ready");
        self.wait(&mut signals).await;
        let _ = stop.send(true);
        let ended = async { (tftp.await, http.await) };
        tokio::select! {
            (tftp, _) = ended => tftp.unwrap_or_else(|error| Err(io::Error::other(error))),
            () = signals.next() => {
                warn!("second signal: running transfers are broken off");
                Ok(())
            }
        }
    }

    /// Waits for a signal, writing the status line meanwhile.
    async fn wait(&self, signals: &mut Signals) {
        let mut interval = tokio::time::interval(self.status_interval);
        interval.tick().await;
        loop {
            tokio::select! {
                () = signals.next() => break,
                _ = interval.tick() => self.log_status(),
            }
        }
        let (tftp, http) = (self.tftp.running(), self.http.running());
        info!("stopping; {tftp} TFTP transfers and {http} HTTP requests may end");
    }

    fn log_status(&self) {
        let Some(status) = self.driver.status() else {
            warn!("status: the DHCP thread does not answer");
            return;
        };
        let Status { active_leases, offers, overflowed } = status;
        let (tftp, http) = (self.tftp.running(), self.http.running());
        let since_start = self.journal.summary();
        info!(
            "status: {active_leases} leases active, {offers} offers held, {tftp} TFTP transfers, \
             {http} HTTP requests, {overflowed} datagrams lost to full buffers; \
             since the start: {since_start}"
        );
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Lists who has what, and closes the store.
fn finish(stopped: Option<(dhcp::Server, Writer)>, now: Timestamp) -> Result<(), RunError> {
    let Some((server, store)) = stopped else {
        return Err(RunError::System(io::Error::other("the DHCP thread has died")));
    };
    info!("active leases: {}", server.active_leases(now).count());
    for lease in server.active_leases(now) {
        let left = Human(lease.expires.since(now));
        let name = lease.host_name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        info!("lease: {} has {} for another {left}{name}", lease.hardware, lease.address);
    }
    store.stop()?;
    info!("stopped");
    Ok(())
}

fn log_to_stderr(logging: Logging) {
    let level = if logging.verbose { Level::DEBUG } else { Level::INFO };
    let builder = fmt().with_writer(io::stderr).with_max_level(level).with_target(false);
    match logging.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
