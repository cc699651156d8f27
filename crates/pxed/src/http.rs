//! The HTTP server: machines' iPXE scripts, and files in whole or by range.
//!
//! [`crowd`] says who may be connected, [`connection`] reads requests in turn: [`head`] is how they
//! are written and [`target`] what they name, [`answer`] makes the response ([`validators`] and
//! [`range`] are its parts), [`sending`] sends it by a [`stream`], and [`exchange`] tells of it when
//! it ended: one event per request, whatever becomes of it.

mod answer;
mod connection;
mod crowd;
mod exchange;
mod head;
mod range;
mod response;
mod sending;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod validators;

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use nix::sys::resource::{Resource, getrlimit};
use pxed_proto::boot::{Scheme, Web};
use pxed_proto::event::{Event, HttpEvent, TlsEvent, TlsTrouble};
use pxed_proto::limits;
use pxed_proto::net::Mac;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_openssl::SslStream;

use crate::served::Served;
use crate::tls::{self, Tls};
use answer::Peer;
use connection::Connection;
use crowd::{Crowd, Place, Refused};
use response::{Next, Response};
use stream::Stream;

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
    /// What the client reached: it can go on there.
    pub web: Web,
}

/// Writes a machine's iPXE script.
pub type Script = Arc<dyn Fn(&ScriptRequest) -> String + Send + Sync>;

/// Takes events; called on the threads of the runtime, so it must not block.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// What is served, and who hears of it.
pub struct Http {
    served: Served,
    script: Script,
    events: Events,
    running: AtomicUsize,
    /// How many connections there may be at once.
    places: usize,
    /// What HTTPS is served by, if it is.
    tls: Option<Arc<Tls>>,
}

/// Sockets that are listened on.
pub enum Listeners {
    /// For HTTP.
    Plain(Vec<TcpListener>),
    /// For HTTPS.
    Secure(Vec<TcpListener>, Arc<Tls>),
}

impl Http {
    /// A server of this, and of what `script` writes.
    pub fn new(served: Served, script: Script, events: Events) -> Self {
        Self { served, script, events, running: AtomicUsize::new(0), places: places(), tls: None }
    }

    /// The same, with the certificate of whoever made that of `tls`.
    pub fn trusting(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// How many requests are being answered now.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

/// As many as the limit says, and as what pxed may open has room for: each has a socket, and a file
/// while it is answered.
fn places() -> usize {
    let open = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let room = (open.saturating_sub(limits::OTHER_FILES) / 2).max(open / 4);
    usize::try_from(room).unwrap_or(usize::MAX).clamp(1, limits::HTTP_CONNECTIONS_MAX)
}

/// Serves until `shutdown` is true or its sender is gone. Idle connections end at once then,
/// running responses have [`limits::SHUTDOWN_GRACE`] to end; what still runs afterwards is broken
/// off.
pub async fn serve(listeners: Listeners, http: Arc<Http>, shutdown: watch::Receiver<bool>) {
    let (listeners, door) = match listeners {
        Listeners::Plain(listeners) => (listeners, Door::Plain),
        Listeners::Secure(listeners, tls) => (listeners, Door::Secure(tls)),
    };
    let places = match door {
        Door::Plain => http.places,
        Door::Secure(_) => http.places.min(limits::HTTPS_CONNECTIONS_MAX),
    };
    let crowd = Crowd::new(places);
    let mut serving = JoinSet::new();
    for listener in listeners {
        let (crowd, http, door) = (crowd.clone(), http.clone(), door.clone());
        serving.spawn(listen(listener, crowd, http, door, shutdown.clone()));
    }
    serving.join_all().await;
}

/// What a client passes before its first request.
#[derive(Clone)]
enum Door {
    Plain,
    /// A handshake.
    Secure(Arc<Tls>),
}

async fn listen(
    listener: TcpListener,
    crowd: Arc<Crowd>,
    http: Arc<Http>,
    door: Door,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, client, host) = accept(&listener, &crowd) => {
                match crowd.admit(client.ip()) {
                    Ok(place) => {
                        let arrival = Arrival { stream, client, host, place };
                        let (http, shutdown) = (http.clone(), shutdown.clone());
                        connections.spawn(serve_one(arrival, door.clone(), http, shutdown));
                    }
                    Err(refused) => turn_away(&stream, client, refused, (&http, &door)),
                }
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

/// A client that has a place.
struct Arrival {
    stream: TcpStream,
    client: SocketAddr,
    host: SocketAddrV4,
    place: Place,
}

async fn serve_one(
    arrival: Arrival,
    door: Door,
    http: Arc<Http>,
    mut shutdown: watch::Receiver<bool>,
) {
    let Arrival { stream, client, host, mut place } = arrival;
    let begun = Instant::now();
    let (stream, scheme) = match door {
        Door::Plain => (Stream::Plain(stream), Scheme::Http),
        Door::Secure(tls) => {
            place.waits();
            let shaken = tokio::select! {
                shaken = shake_hands(stream, client, &tls, &http) => shaken,
                () = place.is_lost() => None,
                () = stopped(&mut shutdown) => None,
            };
            let Some(stream) = shaken else { return };
            place.works();
            (Stream::Secure(Box::new(stream)), Scheme::Https)
        }
    };
    let peer = Peer { client, web: Web { scheme, address: host } };
    let unread = Vec::new();
    Connection { stream, peer, place, http, shutdown, unread, begun }.serve().await;
}

/// A handshake in time; one that came to nothing is an event.
async fn shake_hands(
    stream: TcpStream,
    client: SocketAddr,
    tls: &Tls,
    http: &Http,
) -> Option<SslStream<TcpStream>> {
    let begun = Instant::now();
    let context = tls.context();
    let shaking = tls::accept(&context, stream);
    let (trouble, offered) = match timeout(limits::HTTP_HEAD_TIMEOUT, shaking).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(trouble)) => trouble?,
        Err(_) => (TlsTrouble::TooSlow, String::new()),
    };
    let duration = begun.elapsed();
    (http.events)(Event::Tls(TlsEvent { client, machine: None, trouble, offered, duration }));
    None
}

/// How long accepting rests after an error. What fails here is a shortage (of file descriptors, of
/// memory) that only other connections' ends can mend.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How many connections that wait for a request give way then.
const ROOM: usize = 16;

async fn accept(listener: &TcpListener, crowd: &Crowd) -> (TcpStream, SocketAddr, SocketAddrV4) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                if let Ok(host) = prepared(&stream) {
                    return (stream, client, host);
                }
            }
            // The client's word, and no shortage.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => {
                crowd.make_room(ROOM);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// The address that the client connected to; an error if the connection is gone already.
fn prepared(stream: &TcpStream) -> io::Result<SocketAddrV4> {
    stream.set_nodelay(true)?;
    // The kernel knows best what a slow reader has taken, also of a response's last octets.
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limits::HTTP_SEND_TIMEOUT))?;
    match stream.local_addr()? {
        SocketAddr::V4(host) => Ok(host),
        SocketAddr::V6(host) => {
            let ip = host.ip().to_ipv4_mapped().ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok(SocketAddrV4::new(ip, host.port()))
        }
    }
}

/// Says no, if the socket takes it at once, and nothing else: whoever is turned away costs no more.
fn turn_away(
    stream: &TcpStream,
    client: SocketAddr,
    refused: Refused,
    (http, door): (&Http, &Door),
) {
    let secure = matches!(door, Door::Secure(_));
    if !secure {
        let why = format!("{}\n", refused.why());
        let mut text = Response::text(503, why.clone()).head(Next::Close, SystemTime::now());
        text.extend(why.bytes());
        let _ = socket2::SockRef::from(stream).send_with_flags(&text, libc::MSG_NOSIGNAL);
    }
    (http.events)(Event::Http(HttpEvent {
        client,
        machine: None,
        secure,
        method: String::new(),
        target: String::new(),
        status: 503,
        bytes: 0,
        duration: Duration::ZERO,
        broken_off: None,
    }));
}
