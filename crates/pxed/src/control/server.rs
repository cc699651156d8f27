//! Answers on the control socket. Nobody here can hold pxed up: the DHCP thread answers a question
//! in a moment, and whoever reads slowly makes only its own task wait.

use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::net::Mac;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::answers::{
    Count, InterfaceStatus, Lease, Rates, Released, Reloaded, Status, Stopping, other_servers,
    store, subnets,
};
use super::protocol::{Answer, Events, Explain, Forget, Leases, REQUEST_MAX, Release, Request};
use super::quirks::{Forgotten, Quirks};
use super::values;
use crate::clock::{Clock, Rfc3339};
use crate::dhcp::{Mailbox, ReleaseError, Wanted};
use crate::explain::Inquiry;
use crate::http::Http;
use crate::journal::{Journal, RATE_SECONDS, Record};
use crate::reload::Reload;
use crate::script;
use crate::tftp;

/// Connections at once: a few people, and a few programs of theirs.
const CONNECTIONS_MAX: usize = 32;

/// Of these, how many may follow the events: such a connection may stay for weeks, and there must be
/// room left for `pxed stop`.
const FOLLOWERS_MAX: usize = 16;

/// How long a connection may be idle between requests.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How long an answer may stay unread: somebody may be reading it in a pager.
const UNREAD_MAX: Duration = Duration::from_secs(3600);

/// How long accepting rests after an error: what fails is a shortage that only others can mend.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whom answers come from.
pub struct Desk {
    pub dhcp: Mailbox,
    pub journal: Arc<Journal>,
    pub tftp: tftp::Server,
    pub http: Arc<Http>,
    pub clock: Clock,
    pub interfaces: watch::Receiver<Vec<InterfaceStatus>>,
    pub reload: Arc<Reload>,
    /// Told when somebody asks pxed to stop.
    pub stop: Arc<Notify>,
}

/// Answers for ever; a connection ends with the runtime, if not before.
pub async fn serve(listener: UnixListener, desk: Arc<Desk>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let followers = Arc::new(Semaphore::new(FOLLOWERS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = connections.clone().try_acquire_owned() else {
            let text = format!("there are {CONNECTIONS_MAX} connections already");
            // There is room in the socket for one line.
            let _ = stream.try_write(Answer::<()>::Error(text).line().as_bytes());
            continue;
        };
        let (desk, followers) = (desk.clone(), followers.clone());
        tokio::spawn(async move {
            // Whoever goes away ends only this.
            let _ = Connection { stream: BufReader::new(stream), desk, followers }.run().await;
            drop(place);
        });
    }
}

struct Connection {
    stream: BufReader<UnixStream>,
    desk: Arc<Desk>,
    followers: Arc<Semaphore>,
}

impl Connection {
    async fn run(mut self) -> io::Result<()> {
        while let Some(line) = timeout(IDLE_MAX, self.next_line()).await?? {
            match Request::parse(&line) {
                Ok(Request::Stop) => return self.stop().await,
                Ok(request) => self.answer(request).await?,
                Err(problem) => self.refuse(problem).await?,
            }
        }
        Ok(())
    }

    /// The next request; `None` at the end, and where there is no telling where it ends.
    async fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(REQUEST_MAX as u64);
        limited.read_until(b'\n', &mut line).await?;
        if line.len() >= REQUEST_MAX && !line.ends_with(b"\n") {
            self.refuse(format!("the request is longer than {REQUEST_MAX} octets")).await?;
            return Ok(None);
        }
        Ok(Some(line).filter(|line| !line.is_empty()))
    }

    async fn answer(&mut self, request: Request) -> io::Result<()> {
        match request {
            Request::Status => self.status().await,
            Request::Leases(wanted) => match wanted_of(&wanted) {
                Ok(wanted) => self.leases(wanted).await,
                Err(problem) => self.refuse(problem).await,
            },
            Request::Release(Release { ip }) => self.release(ip).await,
            Request::Events(Events { follow, mac }) => {
                match mac.as_deref().map(values::mac).transpose() {
                    Ok(mac) => self.events(follow, mac).await,
                    Err(problem) => self.refuse(problem).await,
                }
            }
            Request::Explain(wanted) => self.explain(wanted).await,
            Request::Quirks => match self.desk.dhcp.quirks().await {
                Some(quirks) => self.send(&Answer::Ok(Quirks::of(&quirks))).await,
                None => self.no_answer().await,
            },
            Request::Forget(Forget { mac }) => match mac.as_deref().map(values::mac).transpose() {
                Ok(mac) => self.forget(mac).await,
                Err(problem) => self.refuse(problem).await,
            },
            Request::Reload => match self.desk.reload.run(&self.desk.dhcp).await {
                Ok(difference) => self.send(&Answer::Ok(Reloaded { difference })).await,
                Err(why) => self.refuse(why).await,
            },
            Request::Stop => Ok(()),
        }
    }

    async fn status(&mut self) -> io::Result<()> {
        let Some(dhcp) = self.desk.dhcp.status().await else { return self.no_answer().await };
        let desk = &self.desk;
        let (tally, clock) = (desk.journal.tally(), desk.clock);
        let rates = Rates {
            of_seconds: RATE_SECONDS,
            datagrams_per_second: tally.rates.datagrams,
            acks_per_second: tally.rates.acks,
        };
        let named = |(name, count): (&str, u64)| (name.to_owned(), count);
        let status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: process::id(),
            started: Rfc3339(clock.started_at()).to_string(),
            uptime_seconds: clock.uptime().as_secs(),
            configuration: desk.reload.source(),
            interfaces: desk.interfaces.borrow().clone(),
            subnets: subnets(&dhcp),
            other_servers: other_servers(&dhcp),
            active_leases: dhcp.active_leases as u64,
            offers: dhcp.offers as u64,
            rates,
            counters: tally.done.into_iter().map(named).collect(),
            ignored: tally.ignored.into_iter().map(named).collect(),
            lost_to_full_buffers: dhcp.overflowed,
            waiting: dhcp.waiting as u64,
            dropped_by_kernel: dhcp.dropped,
            store: store(&dhcp),
            tftp_transfers: desk.tftp.running() as u64,
            http_requests: desk.http.running() as u64,
        };
        self.send(&Answer::Ok(status)).await
    }

    /// In parts, each asked for when the one before was read.
    async fn leases(&mut self, wanted: Wanted) -> io::Result<()> {
        let (mut count, mut after) = (0, None);
        loop {
            let Some(page) = self.desk.dhcp.addresses(wanted, after).await else {
                return self.no_answer().await;
            };
            let now = self.desk.clock.now();
            let lines = page.addresses.iter().map(|known| Answer::Lease(Lease::of(known, now)));
            let lines: String = lines.map(|line| line.line()).collect();
            self.write(&lines).await?;
            count += page.addresses.len() as u64;
            after = page.next;
            if after.is_none() {
                return self.send(&Answer::Ok(Count { count })).await;
            }
        }
    }

    async fn release(&mut self, ip: Ipv4Addr) -> io::Result<()> {
        match self.desk.dhcp.release(ip).await {
            Some(Ok(lease)) => {
                let (mac, host_name) =
                    (lease.hardware.to_string(), lease.host_name().map(str::to_owned));
                self.send(&Answer::Ok(Released { ip, mac, host_name })).await
            }
            Some(Err(ReleaseError::Nothing(reason))) => {
                self.refuse(format!("{ip}: {reason}")).await
            }
            Some(Err(ReleaseError::NotDurable)) => {
                let text = format!("{ip}: its end could not be stored, so the client still has it");
                self.refuse(text).await
            }
            None => self.no_answer().await,
        }
    }

    async fn events(&mut self, follow: bool, mac: Option<Mac>) -> io::Result<()> {
        let place = follow.then(|| self.followers.clone().try_acquire_owned());
        if let Some(Err(_)) = place {
            return self.refuse(format!("{FOLLOWERS_MAX} follow the events already")).await;
        }
        let (history, listener) = self.desk.journal.listen();
        let mut count = 0;
        for record in history.iter().filter(|record| concerns(record, mac)) {
            self.send(&Answer::Event(&**record)).await?;
            count += 1;
        }
        drop(history);
        if follow {
            return self.follow(listener, mac).await;
        }
        self.send(&Answer::Ok(Count { count })).await
    }

    /// Tells of events until the other end closes. It may rest as long as it likes: what it misses
    /// is counted, not kept.
    async fn follow(
        &mut self,
        mut listener: Receiver<Arc<Record>>,
        mac: Option<Mac>,
    ) -> io::Result<()> {
        loop {
            let next = tokio::select! {
                next = listener.recv() => next,
                () = gone(&mut self.stream) => return Err(io::ErrorKind::BrokenPipe.into()),
            };
            let line = match next {
                Ok(record) if concerns(&record, mac) => Answer::Event(&*record).line(),
                Ok(_) => continue,
                Err(RecvError::Lagged(lost)) => Answer::<()>::Lagged(lost).line(),
                Err(RecvError::Closed) => return Ok(()),
            };
            self.stream.write_all(line.as_bytes()).await?;
        }
    }

    async fn forget(&mut self, mac: Option<Mac>) -> io::Result<()> {
        match self.desk.dhcp.forget(mac).await {
            Some(machines) => {
                let machines = machines as u64;
                self.send(&Answer::Ok(Forgotten { machines })).await
            }
            None => self.no_answer().await,
        }
    }

    async fn explain(&mut self, wanted: Explain) -> io::Result<()> {
        let datagram = match values::octets(&wanted.datagram) {
            Ok(datagram) => datagram,
            Err(problem) => return self.refuse(problem).await,
        };
        let inquiry = Inquiry { interface: wanted.interface, datagram };
        match self.desk.dhcp.explain(inquiry).await {
            Some(Ok(unscripted)) => {
                let files = self.desk.reload.files();
                let file = |name: &str| block_in_place(|| script::read(name, files));
                let explained = unscripted.with_script(&file);
                self.send(&Answer::Ok(explained)).await
            }
            Some(Err(problem)) => self.refuse(problem).await,
            None => self.no_answer().await,
        }
    }

    /// The connection stays open until the process is gone and the kernel closes it: so the other
    /// end knows when that is.
    async fn stop(mut self) -> io::Result<()> {
        info!("stop was asked for on the control socket");
        let told = self.send(&Answer::Ok(Stopping { pid: process::id() })).await;
        mem::forget(self.stream.into_inner().into_std());
        self.desk.stop.notify_one();
        told
    }

    async fn no_answer(&mut self) -> io::Result<()> {
        self.refuse("pxed is stopping, or very busy: its DHCP thread does not answer".into()).await
    }

    async fn refuse(&mut self, problem: String) -> io::Result<()> {
        self.send(&Answer::<()>::Error(problem)).await
    }

    async fn send(&mut self, answer: &Answer<impl Serialize>) -> io::Result<()> {
        self.write(&answer.line()).await
    }

    async fn write(&mut self, lines: &str) -> io::Result<()> {
        timeout(UNREAD_MAX, self.stream.write_all(lines.as_bytes())).await?
    }
}

fn concerns(record: &Record, mac: Option<Mac>) -> bool {
    mac.is_none() || record.mac() == mac
}

/// Returns when the other end has closed; what it says is not heard.
async fn gone(stream: &mut BufReader<UnixStream>) {
    while let Ok(heard) = stream.fill_buf().await.map(<[u8]>::len)
        && heard > 0
    {
        stream.consume(heard);
    }
}

fn wanted_of(leases: &Leases) -> Result<Wanted, String> {
    Ok(Wanted {
        mac: leases.mac.as_deref().map(values::mac).transpose()?,
        ip: leases.ip,
        subnet: leases.subnet.as_deref().map(values::subnet).transpose()?,
        state: leases.state.as_deref().map(values::state).transpose()?,
    })
}
