//! What a server says in an OFFER, or a boot server in its ACK.

use std::fmt;
use std::net::Ipv4Addr;

use pxed_proto::boot::is_url;
use pxed_proto::net::Mac;
use pxed_proto::text::Printable;
use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::{code, hosts};
use pxed_proto::wire::pxe::{DISCOVERY_USE_BOOT_FILE, code as pxe_code};

/// An offer, as far as a machine that boots looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The IP source, and who sent the frame: the server or a relay agent.
    pub from: Ipv4Addr,
    /// The frame's source.
    pub mac: Option<Mac>,
    /// Option 54.
    pub server: Option<Ipv4Addr>,
    /// The relay agent that it came through (giaddr).
    pub relay: Option<Ipv4Addr>,
    /// `yiaddr`; none in the offer of a ProxyDHCP server.
    pub address: Option<Ipv4Addr>,
    /// Option 1.
    pub mask: Option<Ipv4Addr>,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6 is there.
    pub has_dns: bool,
    /// Option 51.
    pub lease_time: Option<u32>,
    /// `siaddr`, if it is not 0.0.0.0.
    pub next_server: Option<Ipv4Addr>,
    /// Option 66, or `sname`.
    pub server_name: Option<String>,
    /// Option 67, or `file`.
    pub file: Option<String>,
    /// Option 60.
    pub class: Option<String>,
    /// Option 43, where it is PXE's.
    pub pxe: Option<Discovery>,
}

/// What option 43 says of boot servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// PXE_DISCOVERY_CONTROL bit 3: take the boot file.
    pub use_boot_file: bool,
    /// The first item of the menu, or the first boot server's type.
    pub item: Option<u16>,
    /// The address of a boot server of that type.
    pub server: Option<Ipv4Addr>,
}

impl Offer {
    /// Reads what `from` sent.
    pub fn read(from: Ipv4Addr, mac: Option<Mac>, message: &Message<'_>) -> Self {
        let some = |address: Ipv4Addr| (!address.is_unspecified()).then_some(address);
        let option = |number| message.option(number).and_then(|value| text(&value));
        let class = option(code::VENDOR_CLASS);
        let is_pxe = class.as_deref().is_some_and(|class| class.starts_with("PXEClient"));
        let vendor = message.option(code::VENDOR_SPECIFIC).filter(|_| is_pxe);
        let routers = message.option(code::ROUTER).unwrap_or_default();
        Self {
            from,
            mac,
            server: message.ipv4(code::SERVER_IDENTIFIER).and_then(some),
            relay: some(message.giaddr),
            address: some(message.yiaddr),
            mask: message.ipv4(code::SUBNET_MASK),
            routers: hosts(code::ROUTER, &routers),
            has_dns: message.option(code::DOMAIN_NAME_SERVER).is_some(),
            lease_time: message.u32(code::LEASE_TIME),
            next_server: some(message.siaddr),
            server_name: option(code::TFTP_SERVER_NAME).or_else(|| text(message.sname())),
            file: option(code::BOOT_FILE_NAME).or_else(|| text(message.file())),
            class,
            pxe: vendor.map(|value| Discovery::read(&value)),
        }
    }

    /// Who says so.
    pub fn who(&self) -> Ipv4Addr {
        self.server.unwrap_or(self.from)
    }

    /// Is it for PXE ROMs?
    pub fn is_pxe(&self) -> bool {
        self.class.as_deref().is_some_and(|class| class.starts_with("PXEClient"))
    }

    /// Is it for UEFI HTTP Boot?
    pub fn is_http(&self) -> bool {
        self.class.as_deref().is_some_and(|class| class.starts_with("HTTPClient"))
    }

    /// Where the boot file is, if one is named.
    pub fn source(&self) -> Option<Source> {
        let file = self.file.clone()?;
        if is_url(&file) {
            return Some(Source::Url(file));
        }
        let named = self.server_name.as_deref().and_then(|name| name.parse().ok());
        let server = self.next_server.or(named).unwrap_or(self.who());
        Some(Source::Tftp { server, file })
    }
}

/// Where a boot file is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// By TFTP.
    Tftp {
        /// From whom.
        server: Ipv4Addr,
        /// Its name.
        file: String,
    },
    /// An absolute URL.
    Url(String),
}

impl Source {
    /// The name without the path.
    pub fn base_name(&self) -> &str {
        let (Self::Tftp { file: name, .. } | Self::Url(name)) = self;
        let path = name.split(['?', '#']).next().unwrap_or_default();
        path.rsplit(['/', '\\']).next().unwrap_or_default()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tftp { server, file } => {
                write!(f, "{} by TFTP from {server}", Printable(file.as_bytes()))
            }
            Self::Url(url) => Printable(url.as_bytes()).fmt(f),
        }
    }
}

impl Discovery {
    fn read(mut value: &[u8]) -> Self {
        let mut found = Self::default();
        while let [number, rest @ ..] = value {
            match (*number, rest) {
                (0, _) => value = rest,
                (pxe_code::END, _) => break,
                (number, [len, rest @ ..]) => {
                    let Some((body, behind)) = rest.split_at_checked(usize::from(*len)) else {
                        break;
                    };
                    found.take(number, body);
                    value = behind;
                }
                _ => break,
            }
        }
        found
    }

    fn take(&mut self, number: u8, value: &[u8]) {
        match (number, value) {
            (pxe_code::DISCOVERY_CONTROL, [bits]) => {
                self.use_boot_file = bits & DISCOVERY_USE_BOOT_FILE != 0;
            }
            (pxe_code::BOOT_SERVERS, [high, low, count, addresses @ ..]) => {
                self.item = self.item.or(Some(u16::from_be_bytes([*high, *low])));
                let address = addresses.first_chunk().copied().filter(|_| *count > 0);
                self.server = address.map(Ipv4Addr::from_octets);
            }
            (pxe_code::BOOT_MENU, [high, low, ..]) => {
                self.item = Some(u16::from_be_bytes([*high, *low]));
            }
            _ => {}
        }
    }
}

/// What a field says, up to a NUL; `None` if it says nothing.
fn text(octets: &[u8]) -> Option<String> {
    let octets = octets.split(|octet| *octet == 0).next().unwrap_or_default();
    (!octets.is_empty()).then(|| String::from_utf8_lossy(octets).into_owned())
}
