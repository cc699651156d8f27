//! What runs on the runtime: TFTP and HTTP, the status line, and the wait for the end.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::event::{Event, TftpEvent};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::RunError;
use super::interfaces::Supervisor;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, InterfaceStatus};
use crate::dhcp::{Driver, Mailbox, Status};
use crate::http::{self, Http};
use crate::journal::Journal;
use crate::reload::{Live, Reload};
use crate::script;
use crate::served::Served;
use crate::tftp;
use crate::tls::Tls;
use crate::written;

/// What is listened on.
pub(super) struct Listeners {
    pub(super) tftp: Vec<tftp::Listener>,
    /// TFTP's listeners that come and go later.
    pub(super) changes: mpsc::Receiver<tftp::Change>,
    pub(super) http: Vec<TcpListener>,
    /// HTTPS's, and the runtime of their own: handshakes are long sums, which keep nobody else waiting
    /// there.
    pub(super) https: Option<(Handle, Vec<TcpListener>)>,
    pub(super) control: UnixListener,
}

/// What runs on the runtime. The DHCP driver runs beside it.
pub(super) struct Services {
    tftp: tftp::Server,
    http: Arc<Http>,
    tls: Option<Arc<Tls>>,
    journal: Arc<Journal>,
    clock: Clock,
    status_interval: Duration,
}

impl Services {
    pub(super) fn new(
        config: &Config,
        live: &Arc<Live>,
        dhcp: &Mailbox,
        journal: Arc<Journal>,
        clock: Clock,
    ) -> Self {
        let (tftp_journal, http_journal) = (journal.clone(), journal.clone());
        let (tftp_dhcp, http_dhcp) = (dhcp.clone(), dhcp.clone());
        let tftp_event = move |event: TftpEvent| {
            if event.is_fetch() {
                tftp_dhcp.fetched(None, event.client);
            }
            tftp_journal.record(Event::Tftp(event));
        };
        let http_event = move |event: Event| {
            if let Event::Http(event) = &event
                && event.is_fetch()
            {
                http_dhcp.fetched(event.machine, event.client);
            }
            http_journal.record(event);
        };
        let script = script::writer(live.clone(), journal.clone());
        let served = Served::new(live.files.clone())
            .writing(written::writer(live.clone(), dhcp.clone(), script.clone()))
            .knowing({
                let journal = journal.clone();
                Arc::new(move |address| journal.machine_at(address))
            });
        let http = Http::new(served.clone(), script, Arc::new(http_event));
        Self {
            tftp: tftp::Server::new(served, Arc::new(tftp_event))
                .single_port(config.service.tftp_single_port),
            http: Arc::new(http.trusting(live.tls.clone())),
            tls: live.tls.clone(),
            journal,
            clock,
            status_interval: config.service.status_interval,
        }
    }

    /// Serves until a signal or a word on the control socket, then stops `driver` and lets running
    /// transfers end. If something ends before, pxed would go on deaf: all of it stops then, and
    /// that is an error.
    pub(super) async fn run(
        &self,
        driver: &Driver,
        reload: &Arc<Reload>,
        listeners: Listeners,
        supervisor: Supervisor,
    ) -> Result<(), RunError> {
        let mut signals = Signals::new()?;
        let (stop, stopped) = watch::channel(false);
        let Listeners { tftp, changes, http, https, control } = listeners;
        let mut serving = self.start((tftp, changes), http, &stopped)?;
        serving.spawn(self.start_secure(https, &stopped)?);
        let stop_asked = self.open_desk(driver, reload, control, supervisor.standings())?;
        info!("ready");
        let mut hangup = signal(SignalKind::hangup())?;
        let reloads = async {
            // What went wrong is in the log; who sends a signal hears nothing.
            while hangup.recv().await.is_some() {
                let _ = reload.run(driver.mailbox()).await;
            }
            std::future::pending().await
        };
        let result = tokio::select! {
            () = signals.next() => Ok(()),
            () = stop_asked.notified() => Ok(()),
            never = reloads => match never {},
            never = reload.watch(driver.mailbox()) => match never {},
            () = driver.ended() => Err(RunError::DhcpDied),
            result = serving.join_next() => Err(ended(result)),
            never = self.report(driver) => match never {},
            never = supervisor.run() => match never {},
            never = self.keep_fresh() => match never {},
        };
        let (transfers, requests) = (self.tftp.running(), self.http.running());
        info!("stopping; {transfers} TFTP transfers and {requests} HTTP requests may end");
        driver.stop();
        let _ = stop.send(true);
        tokio::select! {
            () = async { while serving.join_next().await.is_some() {} } => {}
            () = signals.next() => {
                let left = self.tftp.running() + self.http.running();
                info!("second signal: {left} transfers are broken off");
            }
        }
        result
    }

    fn start(
        &self,
        (tftp, changes): (Vec<tftp::Listener>, mpsc::Receiver<tftp::Change>),
        http: Vec<TcpListener>,
        stopped: &watch::Receiver<bool>,
    ) -> io::Result<JoinSet<io::Result<()>>> {
        let http = http.into_iter().map(tokio::net::TcpListener::from_std);
        let http = http.collect::<io::Result<Vec<_>>>()?;
        let mut serving = JoinSet::new();
        let (server, stop) = (self.tftp.clone(), stopped.clone());
        serving.spawn(async move { server.serve(tftp, changes, stop).await });
        let (server, stop) = (self.http.clone(), stopped.clone());
        serving.spawn(async move {
            http::serve(http::Listeners::Plain(http), server, stop).await;
            Ok(())
        });
        Ok(serving)
    }

    /// Serves by HTTPS, and ends when that does; where there is none, with the server.
    fn start_secure(
        &self,
        https: Option<(Handle, Vec<TcpListener>)>,
        stopped: &watch::Receiver<bool>,
    ) -> io::Result<impl Future<Output = io::Result<()>> + Send + use<>> {
        let mut stop = stopped.clone();
        let serving = match https.zip(self.tls.clone()) {
            None => None,
            Some(((runtime, listeners), tls)) => {
                let _inside = runtime.enter();
                let listeners = listeners.into_iter().map(tokio::net::TcpListener::from_std);
                let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
                let listeners = http::Listeners::Secure(listeners, tls);
                Some(runtime.spawn(http::serve(listeners, self.http.clone(), stop.clone())))
            }
        };
        Ok(async move {
            match serving {
                Some(serving) => serving.await.map_err(io::Error::other),
                None => {
                    let _ = stop.wait_for(|stop| *stop).await;
                    Ok(())
                }
            }
        })
    }

    async fn keep_fresh(&self) -> Infallible {
        match &self.tls {
            Some(tls) => tls.keep_fresh().await,
            None => std::future::pending().await,
        }
    }

    /// Answers on the control socket, until the runtime ends; the result is told when somebody asks
    /// pxed to stop.
    fn open_desk(
        &self,
        driver: &Driver,
        reload: &Arc<Reload>,
        control: UnixListener,
        interfaces: watch::Receiver<Vec<InterfaceStatus>>,
    ) -> io::Result<Arc<Notify>> {
        let stop = Arc::new(Notify::new());
        let desk = control::Desk {
            dhcp: driver.mailbox().clone(),
            journal: self.journal.clone(),
            tftp: self.tftp.clone(),
            http: self.http.clone(),
            clock: self.clock,
            interfaces,
            reload: reload.clone(),
            stop: stop.clone(),
        };
        let control = tokio::net::UnixListener::from_std(control)?;
        tokio::spawn(control::serve(control, Arc::new(desk)));
        Ok(stop)
    }

    /// Writes the status line, again and again.
    async fn report(&self, driver: &Driver) -> Infallible {
        let mut interval = interval(self.status_interval);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval.tick().await;
        loop {
            interval.tick().await;
            match driver.mailbox().status().await {
                Some(status) => self.log(&status),
                None => warn!("status: the DHCP thread does not answer"),
            }
        }
    }

    fn log(&self, status: &Status) {
        let Status { active_leases, offers, overflowed, dropped, .. } = status;
        let (tftp, http) = (self.tftp.running(), self.http.running());
        self.journal.tell_what_was_not_logged();
        let since_start = self.journal.tally();
        info!(
            "status: {active_leases} leases active, {offers} offers held, {tftp} TFTP transfers, \
             {http} HTTP requests, {overflowed} datagrams lost to full buffers, \
             {dropped} dropped by the kernel under overload; \
             since the start: {since_start}"
        );
    }
}

/// TFTP or HTTP has ended without having been told to.
fn ended(result: Option<Result<io::Result<()>, tokio::task::JoinError>>) -> RunError {
    RunError::Ended(match result {
        Some(Ok(Err(error))) => error,
        Some(Err(panic)) => io::Error::other(panic),
        Some(Ok(Ok(()))) | None => io::Error::other("it gives no reason"),
    })
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

#[cfg(test)]
mod tests {

    use clap::Parser;
    use pxed_proto::dhcp::Policy;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::config::{Loaders, Service};
    use crate::dhcp::tests::driver;
    use crate::files::Files;
    use crate::log::LogFormat;
    use crate::net::ServerPort;

    fn services(mailbox: &Mailbox) -> (Services, Arc<Reload>) {
        let dhcp = pxed_proto::dhcp::Config {
            links: Vec::new(),
            subnets: Vec::new(),
            policy: Policy::default(),
            catalog: Arc::default(),
            host_name: None,
        };
        let config = Config {
            mode_is_open: false,
            interfaces: Vec::new(),
            dhcp: Arc::new(dhcp),
            loaders: Loaders::find(None),
            named_files: Vec::new(),
            service: Service { status_interval: Duration::from_secs(3600), ..Service::default() },
            source: String::new(),
        };
        let files = Arc::new(Files::new(None, Vec::new()).unwrap());
        let live = Arc::new(Live::new(&config.dhcp, files));
        let journal = Arc::new(Journal::new(LogFormat::Text));
        let services = Services::new(&config, &live, mailbox, journal, Clock::start());
        let Command::Serve(args) = Cli::parse_from(["pxed", "serve", "-i", "lo"]).command else {
            panic!()
        };
        (services, Arc::new(Reload::new(*args, config, live)))
    }

    /// Whoever has no listeners has nothing to serve, and its end is noticed as well; so there is
    /// one of each.
    fn listeners() -> (Vec<tftp::Listener>, Vec<TcpListener>) {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let http = TcpListener::bind("127.0.0.1:0").unwrap();
        http.set_nonblocking(true).unwrap();
        (vec![tftp::Listener { socket, interface: "lo".into(), mtu: 1500 }], vec![http])
    }

    #[tokio::test]
    async fn pxed_does_not_go_on_without_its_dhcp_thread() {
        let dir = tempfile::tempdir().unwrap();
        let driver = driver(dir.path());
        driver.panic();
        let (control, _bound) = control::bind(dir.path()).unwrap();
        let (tftp, http) = listeners();
        let (services, reload) = services(driver.mailbox());
        let (supervisor, changes) = Supervisor::new(&[], ServerPort::Own, driver.mailbox().clone());
        let listeners = Listeners { tftp, changes, http, https: None, control };
        let error = services.run(&driver, &reload, listeners, supervisor).await.unwrap_err();
        assert!(matches!(error, RunError::DhcpDied), "{error}");
    }

    #[tokio::test]
    async fn pxed_does_not_go_on_without_a_service() {
        let dir = tempfile::tempdir().unwrap();
        let driver = driver(dir.path());
        let (control, _bound) = control::bind(dir.path()).unwrap();
        let (_, http) = listeners();
        let (services, reload) = services(driver.mailbox());
        let (supervisor, changes) = Supervisor::new(&[], ServerPort::Own, driver.mailbox().clone());
        let listeners = Listeners { tftp: Vec::new(), changes, http, https: None, control };
        let error = services.run(&driver, &reload, listeners, supervisor).await.unwrap_err();
        assert!(matches!(error, RunError::Ended(_)), "{error}");
        assert!(driver.join().is_some());
    }
}
