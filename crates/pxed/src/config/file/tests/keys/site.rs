//! A site from the text of its file, and the machines that ask it: everything between the file and
//! the wire is what `pxed serve` runs.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Arrival, LinkId, Mode, Secret, Server, Transmit};
use pxed_proto::event::Event;
use pxed_proto::net::{Ipv4Net, Mac};
use pxed_proto::wire::dhcp::{BOOTREQUEST, Header, Message, MessageType, Writer};
use pxed_proto::wire::options::{Decoded, code};
use tokio::sync::watch;

use super::super::*;
use crate::http::{self, Http};
use crate::journal::Journal;
use crate::reload::Live;
use crate::script;
use crate::served::Served;
use crate::tls;

/// The files that sites name; `DIR` is where they are.
const FILES: [(&str, &str); 11] = [
    ("boot/undionly.kpxe", "iPXE"),
    ("boot/ipxe.efi", "iPXE"),
    ("boot/ipxe-arm64.efi", "iPXE"),
    ("boot/own.efi", "the user's own"),
    ("boot/hello.txt", "hello"),
    ("vmlinuz", "a kernel"),
    ("live.iso", "an image"),
    ("initrd.gz", "an initrd"),
    ("menu.ipxe", "#!ipxe\necho menu for {{ mac }} at {{ ip }}\n"),
    (
        "quirks.toml",
        "[[firmware]]\nvendor-class = \"PXEClient:Arch:00007:UNDI\"\narchitecture = 7\n\
         parameters = [1, 3, 6, 12, 15, 42, 51, 54]\nform = \"menu\"\nmachines = 3\n",
    ),
    ("other.ipxe", "#!ipxe\necho another menu\n"),
];

/// The address behind the relay agent, which is its `giaddr`.
pub const RELAY: Ipv4Addr = Ipv4Addr::new(192, 168, 78, 1);

/// A server with the configuration of a file.
pub struct Site {
    config: Config,
    server: Server,
    now: Timestamp,
    /// An address that somebody has.
    pub taken: Option<Ipv4Addr>,
}

/// Both interfaces have two addresses.
fn find(name: &str) -> Result<Interface, InterfaceError> {
    let addresses: &[[u8; 4]] = match name {
        "eth1" => &[[192, 168, 77, 1], [192, 168, 77, 2]],
        "eth2" => &[[10, 0, 0, 1], [10, 0, 1, 1]],
        _ => {
            let (name, present) = (name.to_owned(), "eth1, eth2".to_owned());
            return Err(InterfaceError::NotFound { name, present });
        }
    };
    let address = |octets: &[u8; 4]| {
        let address = Ipv4Addr::from_octets(*octets);
        (address, Ipv4Net::new(address, 24).unwrap())
    };
    let addresses = addresses.iter().map(address).collect();
    Ok(Interface { name: name.into(), index: 1, mac: Mac([2; 6]), up: true, addresses, mtu: 1500 })
}

/// What a site of this text says of it, and then what `story` hears: line by line.
pub fn told(text: &str, story: &dyn Fn(&mut Site) -> Vec<String>) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in FILES {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let own = tls::tests::state();
    for (name, own_name) in [("server.pem", "own.pem"), ("server.key", "own.key")] {
        std::fs::copy(own.path().join("tls").join(name), dir.path().join(own_name)).unwrap();
    }
    let place = dir.path().to_str().unwrap().to_owned();
    let read = read_text(Path::new("pxed.toml"), text.replace("DIR", &place), &find);
    let kind = |problem: &Problem| if problem.is_error { "error" } else { "warning" };
    let said = read.problems.iter().map(|problem| format!("{}: {}", kind(problem), problem.text));
    let mut lines: Vec<String> = said.collect();
    if let Some(config) = read.config {
        let server = Server::new(config.dhcp.clone(), Secret::default());
        let now = Timestamp::from_millis(1_750_000_000_000);
        lines.extend(story(&mut Site { config, server, now, taken: None }));
    }
    lines.into_iter().map(|line| line.replace(&place, "DIR")).collect()
}

impl Site {
    /// Time passes.
    pub fn later(&mut self, seconds: u64) {
        self.now = self.now + std::time::Duration::from_secs(seconds);
        self.server.handle_timeout(self.now);
    }

    /// Addresses are another server's from now on.
    pub fn by_proxy(&mut self) {
        let mut config = (*self.config.dhcp).clone();
        for subnet in &mut config.subnets {
            subnet.mode = Mode::Proxy;
            subnet.pools.clear();
        }
        self.server.reconfigure(Arc::new(config), self.now);
    }

    /// What becomes of a DISCOVER: the event, and the reply.
    pub fn discover(&mut self, client: &Client) -> Vec<String> {
        let (event, reply) = self.hears(client, MessageType::Discover, &[]);
        lines(event, reply)
    }

    /// The same in one line: the event.
    pub fn offer(&mut self, client: &Client) -> Vec<String> {
        vec![self.hears(client, MessageType::Discover, &[]).0]
    }

    /// What becomes of a BOOTP request, in one line.
    pub fn bootp(&mut self, client: &Client) -> Vec<String> {
        vec![self.hears(client, None, &[]).0]
    }

    /// DISCOVER and REQUEST: what becomes of the latter, in one line.
    pub fn lease(&mut self, client: &Client) -> Vec<String> {
        let (event, reply) = self.hears(client, MessageType::Discover, &[]);
        let Some(Transmit { message, .. }) = reply else { return vec![event] };
        let offer = Message::parse(&message).unwrap();
        let server = offer.ipv4(code::SERVER_IDENTIFIER).unwrap();
        self.request(client, offer.yiaddr, Some(server))
    }

    /// What becomes of a REQUEST for an address: that `server` offered, or that it remembers.
    pub fn request(
        &mut self,
        client: &Client,
        address: Ipv4Addr,
        server: Option<Ipv4Addr>,
    ) -> Vec<String> {
        let mut more = vec![(code::REQUESTED_ADDRESS, address.octets())];
        more.extend(server.map(|server| (code::SERVER_IDENTIFIER, server.octets())));
        vec![self.hears(client, MessageType::Request, &more).0]
    }

    /// The client takes another server's offer: what is told of that one.
    pub fn rival(&mut self, client: &Client, server: Ipv4Addr) -> Vec<String> {
        let more = [
            (code::REQUESTED_ADDRESS, [192, 168, 77, 9]),
            (code::SERVER_IDENTIFIER, server.octets()),
        ];
        let message = client.message(Some(MessageType::Request), &more);
        let plan = self.server.plan(self.now, client.link, &client.arrival(), &message);
        let output = self.server.apply(plan, self.now);
        let Some(Event::OtherServer(other)) = output.other else { panic!("{output:?}") };
        vec![other.to_string()]
    }

    /// The client has 192.168.77.7 and asks for the rest.
    pub fn inform(&mut self, client: &Client) -> Vec<String> {
        let own = Client { ciaddr: [192, 168, 77, 7].into(), ..client.clone() };
        vec![self.hears(&own, MessageType::Inform, &[]).0]
    }

    /// The client finds its address in use.
    pub fn decline(&mut self, client: &Client, address: Ipv4Addr) -> Vec<String> {
        let server = [192, 168, 77, 1];
        let more = [(code::REQUESTED_ADDRESS, address.octets()), (code::SERVER_IDENTIFIER, server)];
        vec![self.hears(client, MessageType::Decline, &more).0]
    }

    /// What iPXE on this machine is told, and the script that is there, as far as nothing fails.
    pub fn script(&mut self, client: &Client) -> Vec<String> {
        let (event, reply) = self.hears(client, MessageType::Discover, &[]);
        let Some(Transmit { message, .. }) = reply else { return vec![event] };
        let url = Message::parse(&message).unwrap().option(code::BOOT_FILE_NAME).unwrap();
        let url = String::from_utf8(url.into_owned()).unwrap();
        let path = url.splitn(4, '/').nth(3).unwrap();
        let script = self.get(path).into_iter().take_while(|line| !line.is_empty());
        std::iter::once(event).chain(script).collect()
    }

    /// Who made the certificate of HTTPS.
    pub fn certificate(&self) -> Vec<String> {
        let wanted =
            self.config.tls().map(|wanted| tls::Wanted { names: tls::tests::names(1), ..wanted });
        let tls = wanted.map(|wanted| tls::Tls::open(tls::tests::state().path(), wanted).unwrap());
        let maker =
            tls.map(|tls| tls.ca().map_or("certificate by others", |_| "certificate by pxed"));
        maker.into_iter().map(str::to_owned).collect()
    }

    /// What HTTP serves by this path, by the server that the program runs.
    pub fn get(&self, path: &str) -> Vec<String> {
        let files = Arc::new(self.config.files().unwrap());
        let live = Arc::new(Live::new(&self.config.dhcp, files.clone()));
        let journal = Arc::new(Journal::new(LogFormat::Text));
        let http =
            Arc::new(Http::new(Served::new(files), script::writer(live, journal), Arc::new(drop)));
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopped) = watch::channel(false);
        runtime.spawn(http::serve(http::Listeners::Plain(vec![listener]), http, stopped));
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let lines = head.lines().take(1).chain(body.lines());
        lines.map(|line| line.replace(&address.to_string(), "HERE")).collect()
    }

    /// The event, and the reply once every probe is answered and the store has said yes.
    fn hears(
        &mut self,
        client: &Client,
        kind: impl Into<Option<MessageType>>,
        more: &[(u8, [u8; 4])],
    ) -> (String, Option<Transmit>) {
        let arrival = client.arrival();
        let message = client.message(kind.into(), more);
        let plan = self.server.plan(self.now, client.link, &arrival, &message);
        let mut output = self.server.apply(plan, self.now);
        while let Some(probe) = output.probe {
            let holder = self.taken.filter(|taken| *taken == probe.address);
            let holder = holder.map(|_| Mac([2, 0xbd, 0, 0, 0, 1]));
            output = self.server.probed(&probe, holder, self.now);
        }
        for commit in std::mem::take(&mut output.commits) {
            let done = self.server.committed(commit.id, Ok(()), self.now);
            output = if done.event.is_some() { done } else { output };
        }
        let Some(Event::Dhcp(event)) = output.event else { panic!("{output:?}") };
        (event.done().to_string(), output.transmit)
    }
}

/// The event, and every field and option of the reply.
fn lines(event: String, reply: Option<Transmit>) -> Vec<String> {
    let mut lines = vec![event];
    let Some(Transmit { link, source, delay, message, .. }) = reply else { return lines };
    lines.push(format!("from {} by link {} after {delay:?}", source.ip(), link.0));
    let decoded = Decoded(&Message::parse(&message).unwrap()).to_string();
    let mut decoded = decoded.lines();
    let fields: Vec<&str> = decoded.next().unwrap().split(' ').collect();
    lines.extend(fields.as_chunks::<2>().0.iter().map(|[name, value]| format!("{name} {value}")));
    lines.extend(decoded.map(|option| option.trim().to_owned()));
    lines
}

/// A machine.
#[derive(Clone)]
pub struct Client {
    mac: Mac,
    link: LinkId,
    secs: u16,
    relay: Ipv4Addr,
    ciaddr: Ipv4Addr,
    options: BTreeMap<u8, Vec<u8>>,
}

impl Client {
    /// A plain DHCP client on the first link.
    pub fn new(mac: &str) -> Self {
        let wishes = vec![1, 3, 6, 12, 15, 42, 51, 54];
        Self {
            mac: mac.parse().unwrap(),
            link: LinkId(0),
            secs: 0,
            relay: Ipv4Addr::UNSPECIFIED,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            options: BTreeMap::from([(code::PARAMETER_REQUEST_LIST, wishes)]),
        }
    }

    /// It says this option.
    pub fn says(mut self, code: u8, value: &[u8]) -> Self {
        self.options.insert(code, value.to_vec());
        self
    }

    /// It runs PXE firmware of an architecture.
    pub fn pxe(self, arch: u16) -> Self {
        let class = format!("PXEClient:Arch:{arch:05}:UNDI:003016");
        let said = self.says(code::VENDOR_CLASS, class.as_bytes());
        said.says(code::CLIENT_ARCHITECTURE, &arch.to_be_bytes())
    }

    /// It runs HTTP Boot of an architecture.
    pub fn http_boot(self, arch: u16) -> Self {
        let class = format!("HTTPClient:Arch:{arch:05}:UNDI:003016");
        let said = self.says(code::VENDOR_CLASS, class.as_bytes());
        said.says(code::CLIENT_ARCHITECTURE, &arch.to_be_bytes())
    }

    /// It runs iPXE.
    pub fn ipxe(self, arch: u16) -> Self {
        self.pxe(arch).says(code::USER_CLASS, b"iPXE")
    }

    /// It is behind the relay agent, which says this of it.
    pub fn relayed(self, information: &[u8]) -> Self {
        let relayed = self.behind(RELAY);
        if information.is_empty() { relayed } else { relayed.says(code::RELAY_AGENT, information) }
    }

    /// It is behind a relay agent.
    pub fn behind(mut self, relay: Ipv4Addr) -> Self {
        self.relay = relay;
        self
    }

    /// It is on another link.
    pub fn on(mut self, link: usize) -> Self {
        self.link = LinkId(link);
        self
    }

    /// It has asked for some time.
    pub fn since(mut self, secs: u16) -> Self {
        self.secs = secs;
        self
    }

    fn arrival(&self) -> Arrival {
        match self.relay {
            Ipv4Addr::UNSPECIFIED => Arrival {
                source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
                destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
                source_mac: Some(self.mac),
            },
            relay => Arrival {
                source: SocketAddrV4::new(relay, 67),
                destination: SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 1), 67),
                source_mac: None,
            },
        }
    }

    fn message(&self, kind: Option<MessageType>, more: &[(u8, [u8; 4])]) -> Vec<u8> {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&self.mac.0);
        let none = Ipv4Addr::UNSPECIFIED;
        let header = Header {
            op: BOOTREQUEST,
            htype: 1,
            hlen: 6,
            xid: 7,
            secs: self.secs,
            flags: 0,
            ciaddr: self.ciaddr,
            yiaddr: none,
            siaddr: none,
            giaddr: self.relay,
            chaddr,
            sname: &[],
            file: &[],
        };
        let mut writer = Writer::new(&header, 1472);
        assert!(kind.is_none_or(|kind| writer.option(code::MESSAGE_TYPE, &[kind as u8])));
        let own = self.options.iter().map(|(code, value)| (*code, &value[..]));
        for (code, value) in own.chain(more.iter().map(|(code, value)| (*code, &value[..]))) {
            assert!(writer.option(code, value));
        }
        writer.finish()
    }
}
