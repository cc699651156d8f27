//! The server's side of TLS, with OpenSSL's client on loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use openssl::ssl::{HandshakeError, Ssl, SslContextBuilder, SslStream, SslVerifyMode};
use openssl::x509::X509;
use pxed_proto::event::{Event, TlsEvent, TlsTrouble};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::*;
use crate::files::Files;
use crate::http::{self, Http};
use crate::served::Served;

/// No test waits this long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn names(last: u8) -> Names {
    let addresses = [[127, 0, 0, last], [192, 168, 77, 1]].map(Ipv4Addr::from_octets);
    Names { addresses: addresses.to_vec(), hosts: vec!["boot.lab".to_owned()] }
}

fn wanted() -> Wanted {
    Wanted { own: None, names: names(1) }
}

/// A state directory with a CA and a server certificate, which take a while to make.
pub(crate) fn state() -> TempDir {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let made = tempfile::tempdir().unwrap();
        Tls::open(made.path(), wanted()).unwrap();
        made
    });
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("tls")).unwrap();
    for name in ["ca.pem", "ca.key", "server.pem", "server.key"] {
        let name = format!("tls/{name}");
        fs::copy(made.path().join(&name), copy.path().join(&name)).unwrap();
    }
    copy
}

struct Server {
    address: SocketAddr,
    events: mpsc::Receiver<Event>,
    tls: Arc<Tls>,
    _stop: watch::Sender<bool>,
    _runtime: Runtime,
    boot: TempDir,
}

impl Server {
    fn start() -> Self {
        let tls = Arc::new(Tls::open(state().path(), wanted()).unwrap());
        let boot = tempfile::tempdir().unwrap();
        let files = Arc::new(Files::new(Some(boot.path()), Vec::new()).unwrap());
        let (sender, events) = mpsc::channel();
        let script = Arc::new(|request: &http::ScriptRequest| request.web.to_string());
        let events_to = Arc::new(move |event| drop(sender.send(event)));
        let http = Http::new(Served::new(files), script, events_to);
        let http = Arc::new(http.trusting(Some(tls.clone())));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let listeners = http::Listeners::Secure(vec![listener], tls.clone());
        runtime.spawn(http::serve(listeners, http, shutdown));
        Self { address, events, tls, _stop: stop, _runtime: runtime, boot }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A client that trusts pxed's CA, but for what `change` changes.
    fn handshake(
        &self,
        change: impl Fn(&mut SslContextBuilder),
    ) -> Result<SslStream<TcpStream>, HandshakeError<TcpStream>> {
        let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
        builder.set_security_level(0);
        builder.set_verify(SslVerifyMode::PEER);
        let (pem, _) = self.tls.ca().unwrap();
        builder.cert_store_mut().add_cert(X509::from_pem(&pem).unwrap()).unwrap();
        change(&mut builder);
        let mut ssl = Ssl::new(&builder.build()).unwrap();
        ssl.param_mut().set_ip([127, 0, 0, 1].into()).unwrap();
        ssl.connect(self.connect())
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    fn trouble(&self) -> TlsEvent {
        match self.event() {
            Event::Tls(event) => event,
            other => panic!("{other:?}"),
        }
    }
}

fn get(stream: &mut impl ReadWrite, path: &str) -> Vec<u8> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap();
    answer.split_off(head + 4)
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

#[test]
fn the_ca_is_made_once_and_the_servers_certificate_follows_the_names() {
    let state = state();
    let read = |name: &str| fs::read(state.path().join("tls").join(name)).unwrap();
    let (ca, server) = (read("ca.pem"), read("server.pem"));
    for name in ["ca.key", "server.key", "ca.pem"] {
        let mode = fs::metadata(state.path().join("tls").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let tls = Tls::open(state.path(), wanted()).unwrap();
    assert_eq!((read("ca.pem"), read("server.pem")), (ca.clone(), server.clone()));
    assert_eq!(tls.ca().unwrap().0, ca);
    let described = tls.describe();
    assert!(described.contains("SHA-256 fingerprint is ") && described.contains("/ca.der"));

    tls.take(tls.prepare(Wanted { own: None, names: names(2) }).unwrap());
    assert_eq!(read("ca.pem"), ca);
    let renewed = X509::from_pem(&read("server.pem")).unwrap();
    assert!(read("server.pem") != server);
    assert_eq!(authority::named(&renewed), names(2));
    let ca = X509::from_pem(&ca).unwrap();
    assert!(renewed.verify(&ca.public_key().unwrap()).unwrap());
    assert_eq!(renewed.public_key().unwrap().bits(), 3072);
}

#[test]
fn half_a_pair_is_none_and_a_damaged_one_is_told() {
    let state = state();
    let path = |name: &str| state.path().join("tls").join(name);
    let before = fs::read(path("server.pem")).unwrap();
    fs::remove_file(path("server.key")).unwrap();
    Tls::open(state.path(), wanted()).unwrap();
    assert!(fs::read(path("server.pem")).unwrap() != before);
    fs::write(path("ca.key"), "damaged").unwrap();
    let error = Tls::open(state.path(), wanted()).err().unwrap().to_string();
    assert!(error.contains("ca.key: ") && error.contains("remove it"), "{error}");
}

#[test]
fn an_own_certificate_is_read_anew_when_it_changes() {
    let state = state();
    let path = |name: &str| state.path().join("tls").join(name);
    let [certificate, key] = ["own.pem", "own.key"].map(|name| state.path().join(name));
    fs::copy(path("server.pem"), &certificate).unwrap();
    fs::copy(path("server.key"), &key).unwrap();
    let own = OwnCertificate { certificate: certificate.clone(), key: key.clone() };
    let (error, doubts) = check(&own, &names(1));
    assert!(error.is_none() && doubts.is_empty(), "{doubts:?}");
    let (_, doubts) = check(&own, &names(9));
    assert!(doubts[0].contains("does not name 127.0.0.9"), "{doubts:?}");

    let tls = Tls::open(state.path(), Wanted { own: Some(own.clone()), names: names(1) }).unwrap();
    assert!(tls.ca().is_none() && tls.describe().contains("own.pem"));
    assert!(tls.look().is_ok());
    let fingerprint = tls.state().identity.fingerprint();
    fs::copy(path("ca.key"), &key).unwrap();
    let error = tls.look().unwrap_err().to_string();
    assert!(error.contains("own.key: it is not the key of the certificate"), "{error}");
    assert_eq!(check(&own, &names(1)).0.unwrap().to_string(), error);
    assert_eq!(tls.state().identity.fingerprint(), fingerprint, "it goes on");
    fs::copy(path("ca.pem"), &certificate).unwrap();
    tls.look().unwrap();
    assert!(tls.state().identity.fingerprint() != fingerprint);
}

#[test]
fn firmwares_of_each_age_are_served() {
    let server = Server::start();
    let content: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    fs::write(server.boot.path().join("kernel"), &content).unwrap();
    for (version, suites) in [
        (SslVersion::TLS1_2, "DHE-RSA-AES256-GCM-SHA384"),
        (SslVersion::TLS1_2, "ECDHE-RSA-AES128-GCM-SHA256"),
        (SslVersion::TLS1_3, "DEFAULT"),
    ] {
        let mut stream = server
            .handshake(|builder| {
                builder.set_max_proto_version(Some(version)).unwrap();
                builder.set_cipher_list(suites).unwrap();
            })
            .unwrap();
        assert_eq!(stream.ssl().version2(), Some(version));
        assert!(get(&mut stream, "/files/kernel") == content, "{suites}");
        let Event::Http(event) = server.event() else { panic!() };
        assert_eq!((event.secure, event.bytes, event.broken_off), (true, 100_000, None));
    }
    let mut stream = server.handshake(|_| {}).unwrap();
    let web = format!("https://{}", server.address);
    assert_eq!(get(&mut stream, "/boot.ipxe"), web.as_bytes(), "a script goes on by HTTPS");
    let mut stream = server.handshake(|_| {}).unwrap();
    assert_eq!(get(&mut stream, "/ca.der"), server.tls.ca().unwrap().1);
}

#[test]
fn who_gets_no_https_is_told_apart() {
    let server = Server::start();
    let only = |suites: &'static str| {
        move |builder: &mut SslContextBuilder| {
            builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
            builder.set_cipher_list(suites).unwrap();
        }
    };
    let failed = |change: &dyn Fn(&mut SslContextBuilder)| {
        assert!(server.handshake(change).is_err());
        server.trouble()
    };
    let event = failed(&only("AES128-SHA:AES256-SHA"));
    assert_eq!(event.trouble, TlsTrouble::CipherSuite);
    assert!(event.offered.starts_with("TLS_RSA_WITH_AES_128_CBC_SHA, "), "{}", event.offered);
    let event = failed(&|builder| {
        builder.set_min_proto_version(Some(SslVersion::TLS1)).unwrap();
        builder.set_max_proto_version(Some(SslVersion::TLS1_1)).unwrap();
    });
    assert_eq!(event.trouble, TlsTrouble::Version);
    let event = failed(&|builder| {
        builder.set_groups_list("ffdhe2048").unwrap();
        builder.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
    });
    assert_eq!(event.trouble, TlsTrouble::Group);
    // Without pxed's CA; in TLS 1.3 the client says so when the server has finished.
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let event = failed(&|builder| {
            builder.set_max_proto_version(Some(version)).unwrap();
            let nobody = openssl::x509::store::X509StoreBuilder::new().unwrap().build();
            builder.set_cert_store(nobody);
        });
        assert_eq!(event.trouble, TlsTrouble::UnknownCa, "{version:?}");
    }
    // No TLS at all; whoever only looks whether the port is open is no event.
    drop(server.connect());
    let mut plain = server.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(server.trouble().trouble, TlsTrouble::NotTls);
    assert!(server.handshake(|_| {}).is_ok(), "others are served");
}
