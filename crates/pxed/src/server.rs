//! The life of `pxed serve`: bind, drop privileges, open, start, wait, stop.

mod choice;
mod describe;
mod interfaces;
mod services;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddrV4, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Uid, User};
use pxed_proto::Timestamp;
use pxed_proto::dhcp;
use pxed_proto::time::Human;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Runtime;
use tracing::{info, warn};

use crate::cli::ServeArgs;
use crate::clock::{Clock, Rfc3339, wall_clock};
use crate::config::Config;
use crate::control;
use crate::dhcp::{Driver, StartError};
use crate::files::FilesError;
use crate::journal::{Journal, Telling};
use crate::log;
use crate::net::{
    BindError, DhcpSockets, Interface, ServerPort, bind_udp, go_first, go_with_others,
};
use crate::privileges::{self, PrivilegeError};
use crate::reload::{Live, Reload};
use crate::store::{Store, StoreError, Writer};
use crate::tftp;
use crate::tls::{Tls, TlsError};
use describe::describe;
use interfaces::Supervisor;
use services::{Listeners, Services};

/// The port of TFTP requests (RFC 1350 section 4).
const TFTP_PORT: u16 = 69;

/// Whom pxed becomes if it is not told and there is such a user.
const DEFAULT_USER: &str = "pxed";

/// Why pxed did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A socket could not be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The HTTP port could not be had.
    #[error(
        "{name} on {address}: {error}; stop what has the port, or give {name} another one \
         (http-port, https-port)"
    )]
    Http {
        /// `HTTP` or `HTTPS`.
        name: &'static str,
        /// Where.
        address: SocketAddrV4,
        /// What the system says.
        error: io::Error,
    },
    /// Somebody else gives the addresses already, and nobody said which of the two is to.
    #[error(
        "{interface}: another DHCP server gives addresses there: {server}; with two of them the same \
         address may go to two machines. Say who is to: leave out --range, and that server gives the \
         addresses while pxed tells machines what to boot; or stop that server; or insist with \
         --mode full"
    )]
    Rival {
        /// Where.
        interface: String,
        /// Who, and what it offers.
        server: String,
    },
    /// Privileges could not be dropped.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// `--user` named somebody who has gone since the flags were checked: never stay root then.
    #[error("--user {0}: there is no such user")]
    NoUser(String),
    /// Only root can become somebody else.
    #[error("--user {0}: only root can become another user; start pxed as root, or without --user")]
    NotRoot(String),
    /// The state directory could not be given to the user.
    #[error("--state-dir {}: it can not be given to the user {user}: {error}", path.display())]
    StateDir {
        /// The directory.
        path: PathBuf,
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
    /// There is no certificate for HTTPS.
    #[error("HTTPS: {0}")]
    Tls(#[from] TlsError),
    /// The control socket could not be had.
    #[error("the control socket in {}: {error}", state_dir.display())]
    Control {
        /// Where.
        state_dir: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The DHCP thread.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The DHCP thread has ended before its time: without it pxed would be there, and deaf.
    #[error(
        "the DHCP thread has died, which is a bug of pxed: please report the lines above; every \
         lease that was acknowledged is stored, start pxed again"
    )]
    DhcpDied,
    /// TFTP or HTTP has ended before its time.
    #[error("TFTP or HTTP has ended, which is a bug of pxed: {0}; start pxed again")]
    Ended(io::Error),
    /// The system has no threads or signals for pxed.
    #[error("can not start")]
    System(#[from] io::Error),
}

/// Serves until SIGINT, SIGTERM or `pxed stop`.
///
/// # Errors
///
/// What kept it from starting, from going on, or from closing the store.
pub fn run(config: Config, args: ServeArgs) -> Result<(), RunError> {
    let service = &config.service;
    log::init(service.log_format, service.verbose);
    let clock = Clock::start();
    let user = whom_to_become(service.user.as_deref())?;
    let sockets = Sockets::bind(&config)?;
    privileges::open_as_many_files_as_may_be();
    go_first();
    drop_privileges(user, &service.state_dir)?;
    // From here on there may be threads.
    let _writing = log::Writing::start()?;
    let files = config.files()?;
    files.check()?;
    let mut store = Store::open(&service.state_dir)?;
    let clock = go_on_from(clock, store.seen());
    let server = load(&mut store, &config, clock.now())?;
    let tls = config.tls().map(|wanted| Tls::open(&service.state_dir, wanted)).transpose()?;
    let tls = tls.map(Arc::new);
    let (control, bound) = control_socket(&service.state_dir)?;
    choice::check(&config)?;
    describe(&config, &files);
    choice::tell(&config);
    if let Some(tls) = &tls {
        info!("HTTPS: {}", tls.describe());
    }
    let journal = Arc::new(Journal::new(service.log_format));
    server.active_leases(clock.now()).for_each(|lease| journal.remember(lease));
    let driver = Driver::start(server, sockets.dhcp, store, journal.clone(), clock)?;
    go_with_others();
    let telling = Telling::start(journal.clone())?;
    let runtime = Runtime::new()?;
    let live = Arc::new(Live::new(&config.dhcp, Arc::new(files)).secured(tls));
    let services = Services::new(&config, &live, driver.mailbox(), journal.clone(), clock);
    let (supervisor, changes) =
        Supervisor::new(&config.interfaces, config.service.server_port, driver.mailbox().clone());
    let reload = Arc::new(Reload::new(args, config, live));
    let secure = (!sockets.https.is_empty()).then(Runtime::new).transpose()?;
    let https = secure.as_ref().map(|runtime| (runtime.handle().clone(), sockets.https));
    let listeners = Listeners { tftp: sockets.tftp, changes, http: sockets.http, https, control };
    let served = runtime.block_on(services.run(&driver, &reload, listeners, supervisor));
    // Does not wait for a file system that does not answer.
    runtime.shutdown_background();
    secure.into_iter().for_each(Runtime::shutdown_background);
    // Before the store: whoever can lock it makes a socket of its own.
    drop(bound);
    let stopped = driver.join();
    drop(telling);
    finish(stopped, clock.now())?;
    served
}

/// Everything that is listened on, bound while pxed may.
struct Sockets {
    dhcp: Vec<Option<DhcpSockets>>,
    tftp: Vec<tftp::Listener>,
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, RunError> {
        let mut sockets =
            Self { dhcp: Vec::new(), tftp: Vec::new(), http: Vec::new(), https: Vec::new() };
        for interface in &config.interfaces {
            let there = (!interface.is_awaited())
                .then(|| of_interface(interface, config.service.server_port))
                .transpose()?;
            let (dhcp, tftp) = there.unzip();
            sockets.dhcp.push(dhcp);
            sockets.tftp.extend(tftp);
        }
        let services = || config.dhcp.subnets.iter().map(|subnet| &subnet.services);
        let secure = |services: &pxed_proto::boot::Services| {
            Some(SocketAddrV4::new(*services.http.ip(), services.https_port?))
        };
        sockets.http = http_listeners("HTTP", services().map(|services| services.http))?;
        sockets.https = http_listeners("HTTPS", services().filter_map(secure))?;
        Ok(sockets)
    }
}

fn http_listeners(
    name: &'static str,
    addresses: impl Iterator<Item = SocketAddrV4>,
) -> Result<Vec<TcpListener>, RunError> {
    let listen =
        |address| http_listener(address).map_err(|error| RunError::Http { name, address, error });
    addresses.collect::<BTreeSet<_>>().into_iter().map(listen).collect()
}

/// Also where no interface has the address yet.
fn http_listener(address: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_freebind_v4(true)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(libc::SOMAXCONN)?;
    Ok(socket.into())
}

/// The sockets of one interface. Also without root: both ports are bound with capabilities that
/// pxed keeps.
fn of_interface(
    interface: &Interface,
    whose: ServerPort,
) -> Result<(DhcpSockets, tftp::Listener), BindError> {
    let dhcp = DhcpSockets::bind(interface, dhcp::SERVER_PORT, whose)?;
    let socket = bind_udp(interface, TFTP_PORT)?;
    let name = interface.name.clone();
    Ok((dhcp, tftp::Listener { socket, interface: name, mtu: interface.mtu }))
}

/// The user of `--user`, or `pxed` if root started it and there is such a user. `None` is: stay
/// who you are.
fn whom_to_become(named: Option<&str>) -> Result<Option<User>, RunError> {
    let user = match (named, Uid::effective().is_root()) {
        (Some(name), false) => return Err(RunError::NotRoot(name.to_owned())),
        (None, false) => None,
        (None, true) => privileges::find_user(DEFAULT_USER)?,
        (Some(name), true) => {
            Some(privileges::find_user(name)?.ok_or_else(|| RunError::NoUser(name.to_owned()))?)
        }
    };
    Ok(user.filter(|user| !user.uid.is_root()))
}

/// Becomes `user`, whose the state directory becomes; otherwise drops what nobody needs.
fn drop_privileges(user: Option<User>, state_dir: &Path) -> Result<(), RunError> {
    let Some(user) = user else { return Ok(privileges::harden()?) };
    Store::create_for(state_dir, &user).map_err(|error| RunError::StateDir {
        path: state_dir.to_owned(),
        user: user.name.clone(),
        error,
    })?;
    privileges::drop_to(&user)?;
    info!("running as {}", user.name);
    Ok(())
}

/// The control socket, where the store has locked the directory.
fn control_socket(state_dir: &Path) -> Result<(UnixListener, control::Bound), RunError> {
    let failed = |error| RunError::Control { state_dir: state_dir.to_owned(), error };
    control::bind(state_dir).map_err(failed)
}

/// Time does not go back behind what the store has seen: leases that are over would run again, and
/// those that run for longer than their clients believe.
fn go_on_from(clock: Clock, seen: Timestamp) -> Clock {
    let (clock, behind) = clock.not_before(seen);
    if let Some(behind) = behind {
        warn!(
            "the clock says {}, and was {} ahead of that in the last run: leases go on from there. Set \
             the clock and start pxed again; if it is right, and was wrong before, the README says under \
             Leases what to do",
            Rfc3339(wall_clock()),
            Human(behind)
        );
    }
    clock
}

/// The DHCP server with the leases of the store.
fn load(store: &mut Store, config: &Config, now: Timestamp) -> Result<dhcp::Server, RunError> {
    let mut server = dhcp::Server::new(config.dhcp.clone(), secret());
    server.expect(store.count()?);
    let (mut count, mut elsewhere) = (0, 0);
    let loaded = store.load(|lease| {
        count += 1;
        elsewhere += usize::from(!server.load(lease, now));
    })?;
    let active = server.active_count(now);
    let state_dir = config.service.state_dir.display();
    info!("leases in {state_dir}: {count}, {active} of them active");
    if elsewhere > 0 {
        warn!("{elsewhere} leases are of no served subnet; they are kept and not used");
    }
    for row in loaded.unreadable {
        warn!("{row}");
    }
    loaded.quirks.into_iter().for_each(|quirk| server.recall(quirk));
    if loaded.unreadable_quirks > 0 {
        let count = loaded.unreadable_quirks;
        warn!("{count} rows of the table quirks can not be read; they are left alone");
    }
    Ok(server)
}

/// What nobody outside can know: the standard library seeds its hash maps from the system.
fn secret() -> dhcp::Secret {
    let draw = RandomState::new();
    let [high, low] = [0, 1].map(|half| u128::from(draw.hash_one(half)));
    dhcp::Secret((high << 64 | low).to_be_bytes())
}

/// Lists who has what, and closes the store.
fn finish(stopped: Option<(dhcp::Server, Writer)>, now: Timestamp) -> Result<(), RunError> {
    let (server, store) = stopped.ok_or(RunError::DhcpDied)?;
    info!("active leases: {}", server.active_count(now));
    for lease in server.active_leases(now) {
        let left = Human(lease.expires.since(now));
        let name = lease.host_name().map(|name| format!(" ({name})")).unwrap_or_default();
        info!("lease: {} has {} for another {left}{name}", lease.hardware, lease.address);
    }
    store.stop()?;
    info!("stopped");
    Ok(())
}
