//! The HTTP server: machines' iPXE scripts, and files in whole or by range.
//!
//! hyper speaks HTTP/1; the rest is here. [`target`] says what a URL names, [`answer`] makes the
//! response ([`validators`] and [`range`] are its parts), [`body`] sends it, and [`exchange`] tells
//! of it when it ended: one event per request, whatever becomes of it.

mod answer;
mod body;
mod exchange;
mod range;
mod target;
#[cfg(test)]
mod tests;
mod validators;

use std::convert::Infallible;
use std::net::{SocketAddr, SocketAddrV4};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pxed_proto::event::HttpEvent;
use pxed_proto::limits;
use pxed_proto::net::Mac;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::files::Files;

/// Who asks for an iPXE script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptRequest {
    /// The machine that the URL names.
    pub machine: Option<Mac>,
    /// The URL's `uuid`, as it came.
    pub uuid: Option<String>,
    /// The URL's `profile`: what was decided when the machine got its address.
    pub profile: Option<String>,
    /// Where the request came from.
    pub client: SocketAddr,
    /// The address that the client connected to: it can reach pxed there.
    pub host: SocketAddrV4,
}

/// Writes a machine's iPXE script.
pub type Script = Arc<dyn Fn(&ScriptRequest) -> String + Send + Sync>;

/// Takes events; called on the threads of the runtime, so it must not block.
pub type Events = Arc<dyn Fn(HttpEvent) + Send + Sync>;

/// What is served, and who hears of it.
pub struct Http {
    files: Arc<Files>,
    script: Script,
    events: Events,
    running: AtomicUsize,
}

impl Http {
    /// A server of `files` and of what `script` writes.
    pub fn new(files: Arc<Files>, script: Script, events: Events) -> Self {
        Self { files, script, events, running: AtomicUsize::new(0) }
    }

    /// How many requests are being answered now.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

/// Serves until `shutdown` is true or its sender is gone. Idle connections end at once then,
/// running responses have [`limits::SHUTDOWN_GRACE`] to end; what still runs afterwards is broken
/// off.
pub async fn serve(listeners: Vec<TcpListener>, http: Arc<Http>, shutdown: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(limits::HTTP_CONNECTIONS_MAX));
    let mut serving = JoinSet::new();
    for listener in listeners {
        serving.spawn(listen(listener, slots.clone(), http.clone(), shutdown.clone()));
    }
    serving.join_all().await;
}

async fn listen(
    listener: TcpListener,
    slots: Arc<Semaphore>,
    http: Arc<Http>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, client, slot) = accept(&listener, &slots) => {
                let (http, shutdown) = (http.clone(), shutdown.clone());
                connections.spawn(async move {
                    connection(stream, client, http, shutdown).await;
                    drop(slot);
                });
            }
            Some(_) = connections.join_next() => {}
            () = stopped(&mut shutdown) => break,
        }
    }
    drop(listener);
    let _ =
        timeout(limits::SHUTDOWN_GRACE, async { while connections.join_next().await.is_some() {} })
            .await;
    connections.shutdown().await;
}

/// How long accepting rests after an error. What fails here is a shortage (of file descriptors, of
/// memory) that only other connections' ends can mend.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        if let Ok(slot) = slots.clone().acquire_owned().await
            && let Ok((stream, client)) = listener.accept().await
        {
            return (stream, client, slot);
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

async fn connection(
    stream: TcpStream,
    client: SocketAddr,
    http: Arc<Http>,
    mut shutdown: watch::Receiver<bool>,
) {
    let Some(host) = prepared(&stream) else { return };
    let service = service_fn(|request| {
        let answer = answer::answer(http.clone(), client, host, request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HTTP_HEAD_TIMEOUT)
            .max_buf_size(limits::HTTP_HEAD_MAX)
            // U-Boot looks for "Content-Length" in this spelling alone.
            .title_case_headers(true)
            // A client may close its sending half after the request, as `nc -N` does.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service)
    );
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopped(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result
        && error.is_parse()
    {
        (http.events)(illegible(client, &error));
    }
}

/// The address that the client connected to; `None` if the connection is gone already.
fn prepared(stream: &TcpStream) -> Option<SocketAddrV4> {
    stream.set_nodelay(true).ok()?;
    // The kernel knows best what a slow reader has taken, also of a response's last octets.
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limits::HTTP_SEND_TIMEOUT)).ok()?;
    match stream.local_addr().ok()? {
        SocketAddr::V4(host) => Some(host),
        SocketAddr::V6(host) => {
            host.ip().to_ipv4_mapped().map(|ip| SocketAddrV4::new(ip, host.port()))
        }
    }
}

/// hyper has answered this by itself.
fn illegible(client: SocketAddr, error: &hyper::Error) -> HttpEvent {
    HttpEvent {
        client,
        machine: None,
        method: String::new(),
        target: String::new(),
        status: if error.is_parse_too_large() { 431 } else { 400 },
        bytes: 0,
        duration: Duration::ZERO,
        complete: true,
    }
}
