//! The one decision: what does this machine, with this firmware, boot?
//!
//! DHCP, TFTP and HTTP all ask here; none of them has boot rules of its own.

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use crate::catalog::{Catalog, Profile};
use crate::machine::{Architecture, Firmware, Machine};
use crate::net::dotted;
use crate::text::Ascii;

/// What a machine boots next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'c> {
    /// It is not booting: no boot option concerns it.
    NotBooting,
    /// A loader's file, which brings it to iPXE.
    Loader(&'c Arc<str>),
    /// The boot file that the operator named, for the machine or as its profile's image.
    BootFile(&'c Arc<str>),
    /// A script: iPXE is there.
    Script(&'c Profile),
    /// Files whose names it knows itself: a Raspberry Pi.
    OwnFiles,
    /// There is no loader for it, and somebody else's would only crash.
    NoLoader(Option<Architecture>),
}

/// What the operator wants for one machine; empty where pxed is to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes<'c> {
    /// The profile, by name.
    pub profile: Option<&'c Arc<str>>,
    /// The loader's file for the machine's architecture.
    pub loader: Option<&'c Arc<str>>,
    /// What PXE and HTTP Boot firmware loads instead of a loader.
    pub boot_file: Option<&'c Arc<str>>,
    /// Where PXE firmware finds its boot file instead of here.
    pub tftp_server: Option<Ipv4Addr>,
    /// How scripts and files are fetched by URL.
    pub scheme: Scheme,
}

/// Decides what a machine boots next. iPXE is never given a loader again: that is what chain loops
/// are made of.
pub fn decide<'c>(firmware: Firmware, wishes: &Wishes<'c>, catalog: &'c Catalog) -> Decision<'c> {
    let (arch, named) = match firmware {
        Firmware::NotBooting => return Decision::NotBooting,
        Firmware::Ipxe(_) => {
            return Decision::Script(catalog.profile(wishes.profile.map(|name| &**name)));
        }
        // There is no telling what runs on it.
        Firmware::Bootp => {
            let file = wishes.boot_file.filter(|file| !is_url(file));
            return file.map_or(Decision::NotBooting, Decision::BootFile);
        }
        Firmware::Pxe(Some(Architecture::RASPBERRY_PI)) => return Decision::OwnFiles,
        // A PXE ROM can not load a URL.
        Firmware::Pxe(arch) => (arch, wishes.boot_file.filter(|file| !is_url(file))),
        Firmware::HttpBoot(arch) => (arch, wishes.boot_file.or_else(|| image(wishes, catalog))),
    };
    let known = || arch.and_then(|arch| catalog.loader(arch)).map(|loader| &loader.file);
    match (named, wishes.loader.or_else(known)) {
        (Some(file), _) => Decision::BootFile(file),
        (None, Some(file)) => Decision::Loader(file),
        (None, None) => Decision::NoLoader(arch),
    }
}

/// The image that is the machine's profile: it needs no iPXE, but firmware that makes a RAM disk of what
/// it fetches (UEFI 2.10 section 24.7), which is HTTP Boot's.
fn image<'c>(wishes: &Wishes<'c>, catalog: &'c Catalog) -> Option<&'c Arc<str>> {
    match catalog.profile(wishes.profile.map(|name| &**name)) {
        Profile::Image(image) => Some(image),
        _ => None,
    }
}

/// How a URL of pxed's is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP, which all firmware can that fetches URLs.
    #[default]
    Http,
    /// HTTPS, for firmware that trusts the server's certificate.
    Https,
}

impl Scheme {
    /// How its URLs begin.
    fn start(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }
}

/// Where a machine reaches the services, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Services {
    /// The TFTP server.
    pub tftp: Ipv4Addr,
    /// The HTTP server.
    pub http: SocketAddrV4,
    /// The port of HTTPS, at the same address.
    pub https_port: Option<u16>,
}

impl Services {
    /// The web server to tell a machine of; the plain one where there is no other.
    pub fn web(&self, scheme: Scheme) -> Web {
        match (scheme, self.https_port) {
            (Scheme::Https, Some(port)) => {
                Web { scheme, address: SocketAddrV4::new(*self.http.ip(), port) }
            }
            _ => Web { scheme: Scheme::Http, address: self.http },
        }
    }
}

/// One of the two web servers. It reads as the beginning of its URLs: `http://192.168.77.1:8067`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Web {
    /// What it speaks.
    pub scheme: Scheme,
    /// Where it is.
    pub address: SocketAddrV4,
}

impl fmt::Display for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scheme.start(), self.address)
    }
}

impl Web {
    /// The absolute URL of a served file, with the machine's identity in it, so that no later
    /// stage has to guess who asks.
    pub fn url(&self, machine: &Machine, name: impl Into<Arc<str>>) -> Url {
        Url { web: *self, machine: *machine, of: UrlOf::File(name.into()) }
    }

    /// The absolute URL of the machine's iPXE script. It names the profile that was decided on, if
    /// that is not everybody's, so that the HTTP server does not decide another time with less
    /// knowledge.
    pub fn script_url(&self, machine: &Machine, profile: Option<&Arc<str>>) -> Url {
        Url { web: *self, machine: *machine, of: UrlOf::Script(profile.cloned()) }
    }
}

/// An absolute URL of pxed's own HTTP server. What it consists of is all that is kept of it: it is
/// written straight into a message, and becomes text for who reads the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    web: Web,
    machine: Machine,
    of: UrlOf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum UrlOf {
    File(Arc<str>),
    /// With the profile that it names.
    Script(Option<Arc<str>>),
}

impl Url {
    fn write(&self, out: &mut impl Write) -> fmt::Result {
        let mut port = Ascii::<5>::EMPTY;
        port.push_decimal(self.web.address.port());
        for part in [self.web.scheme.start(), &*dotted(*self.web.address.ip()), ":", &*port, "/"] {
            out.write_str(part)?;
        }
        let mac = self.machine.mac();
        if let Some(mac) = mac {
            for part in ["machine/", &*mac.hyphens(), "/"] {
                out.write_str(part)?;
            }
        }
        match &self.of {
            UrlOf::File(name) => {
                out.write_str(if mac.is_some() { "" } else { "files/" })?;
                out.write_str(name)
            }
            UrlOf::Script(profile) => self.write_script(profile.as_deref(), out),
        }
    }

    fn write_script(&self, profile: Option<&str>, out: &mut impl Write) -> fmt::Result {
        out.write_str("boot.ipxe")?;
        let mut separator = "?";
        if let Some(uuid) = self.machine.uuid {
            for part in [separator, "uuid=", &*uuid.text()] {
                out.write_str(part)?;
            }
            separator = "&";
        }
        if let Some(profile) = profile {
            for part in [separator, "profile=", profile] {
                out.write_str(part)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// What a machine is told to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootName {
    /// A TFTP file name, or an absolute URL, as somebody wrote it.
    Written(Arc<str>),
    /// An absolute URL of pxed's own.
    Url(Url),
}

impl BootName {
    /// Is it an absolute URL, and not the name of a file?
    pub fn is_url(&self) -> bool {
        match self {
            Self::Written(name) => is_url(name),
            Self::Url(_) => true,
        }
    }

    /// Appends it to a message.
    pub fn append(&self, message: &mut Vec<u8>) {
        match self {
            Self::Written(name) => message.extend_from_slice(name.as_bytes()),
            // A `Vec` takes everything.
            Self::Url(url) => drop(url.write(&mut Octets(message))),
        }
    }
}

impl<T: Into<Arc<str>>> From<T> for BootName {
    fn from(name: T) -> Self {
        Self::Written(name.into())
    }
}

impl fmt::Display for BootName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(name) => f.write_str(name),
            Self::Url(url) => url.write(f),
        }
    }
}

/// Octets that take text.
struct Octets<'a>(&'a mut Vec<u8>);

impl Write for Octets<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// What a DHCP reply says about booting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boot {
    /// Nothing: the client is not booting.
    Nothing,
    /// A file to load.
    File(BootFile),
    /// Files that it knows by name, from this TFTP server: a Raspberry Pi asks for
    /// `SERIAL/start4.elf` and others.
    OwnFiles(Ipv4Addr),
    /// Nothing, since there is no loader for this architecture.
    NoLoader(Option<Architecture>),
}

/// A file to load, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootFile {
    /// The next server (`siaddr`, option 66). Never zero: iPXE takes an offer without it for half
    /// an offer, even when the file is an absolute URL.
    pub server: Ipv4Addr,
    /// A TFTP file name, or an absolute URL (`file`, option 67).
    pub name: BootName,
}

impl Boot {
    /// What to tell `machine`.
    pub fn of(
        machine: &Machine,
        firmware: Firmware,
        wishes: &Wishes<'_>,
        catalog: &Catalog,
        at: &Services,
    ) -> Self {
        let default = catalog.default_profile.as_deref();
        let profile = wishes.profile.filter(|name| Some(&***name) != default);
        let web = at.web(wishes.scheme);
        let name = match (decide(firmware, wishes, catalog), firmware) {
            (Decision::NotBooting, _) => return Self::Nothing,
            (Decision::NoLoader(arch), _) => return Self::NoLoader(arch),
            (Decision::OwnFiles, _) => {
                return Self::OwnFiles(wishes.tftp_server.unwrap_or(at.tftp));
            }
            (Decision::Script(_), _) => BootName::Url(web.script_url(machine, profile)),
            (Decision::Loader(file) | Decision::BootFile(file), Firmware::HttpBoot(_))
                if !is_url(file) =>
            {
                BootName::Url(web.url(machine, file.clone()))
            }
            (Decision::Loader(file) | Decision::BootFile(file), _) => {
                BootName::Written(file.clone())
            }
        };
        let elsewhere = wishes.tftp_server.filter(|_| !name.is_url());
        Self::File(BootFile { server: elsewhere.unwrap_or(at.tftp), name })
    }
}

impl fmt::Display for BootFile {
    /// The URL that it comes to: `tftp://192.168.77.1/undionly.kpxe`, `http://…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            BootName::Written(name) if !is_url(name) => {
                write!(f, "tftp://{}/{}", self.server, name.trim_start_matches('/'))
            }
            url => url.fmt(f),
        }
    }
}

/// Is it an absolute URL, and not the name of a file?
pub fn is_url(name: &str) -> bool {
    name.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Loader;
    use crate::machine::Uuid;
    use crate::net::Mac;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    fn services() -> Services {
        let server = Ipv4Addr::new(192, 168, 77, 1);
        Services { tftp: server, http: SocketAddrV4::new(server, 8067), https_port: Some(8443) }
    }

    fn catalog() -> Catalog {
        let loader = |file: &str, architectures: &[u16]| Loader {
            name: file.to_owned(),
            architectures: architectures.iter().map(|arch| Architecture(*arch)).collect(),
            file: Arc::from(file),
            companions: vec![],
        };
        let loaders = vec![loader("undionly.kpxe", &[0]), loader("ipxe.efi", &[7, 9, 16])];
        Catalog { loaders, ..Catalog::default() }
    }

    fn told(firmware: Firmware, wishes: &Wishes<'_>) -> String {
        match Boot::of(&Machine::from(MAC), firmware, wishes, &catalog(), &services()) {
            Boot::Nothing => "nothing".to_owned(),
            Boot::NoLoader(arch) => format!("no loader for {arch:?}"),
            Boot::OwnFiles(server) => format!("own files of {server}"),
            Boot::File(file) => file.to_string(),
        }
    }

    #[test]
    fn each_firmware_gets_what_it_can_load() {
        let x64 = Some(Architecture::UEFI_X64);
        let script = "http://192.168.77.1:8067/machine/52-54-00-12-34-56/boot.ipxe";
        for (firmware, url) in [
            (Firmware::NotBooting, "nothing"),
            (Firmware::Bootp, "nothing"),
            (Firmware::Pxe(Some(Architecture::BIOS)), "tftp://192.168.77.1/undionly.kpxe"),
            (Firmware::Pxe(x64), "tftp://192.168.77.1/ipxe.efi"),
            (Firmware::Pxe(Some(Architecture::UEFI_EBC)), "tftp://192.168.77.1/ipxe.efi"),
            (Firmware::Pxe(Some(Architecture::UEFI_ARM64)), "no loader for Some(Architecture(11))"),
            (Firmware::Pxe(None), "no loader for None"),
            (Firmware::Pxe(Some(Architecture::RASPBERRY_PI)), "own files of 192.168.77.1"),
            (
                Firmware::HttpBoot(Some(Architecture::HTTP_X64)),
                "http://192.168.77.1:8067/machine/52-54-00-12-34-56/ipxe.efi",
            ),
            (Firmware::Ipxe(x64), script),
            (Firmware::Ipxe(None), script),
        ] {
            assert_eq!(told(firmware, &Wishes::default()), url, "{firmware}");
        }
    }

    #[test]
    fn the_operators_boot_file_replaces_the_loader_but_not_the_script() {
        let (pxe, http) = (Firmware::Pxe(None), Firmware::HttpBoot(None));
        let [file, url] = ["/pxelinux.0", "https://boot.example/grub.efi"].map(Arc::from);
        let mut wishes = Wishes { boot_file: Some(&file), ..Wishes::default() };
        assert_eq!(told(pxe, &wishes), "tftp://192.168.77.1/pxelinux.0");
        assert_eq!(told(Firmware::Bootp, &wishes), "tftp://192.168.77.1/pxelinux.0");
        wishes.tftp_server = Some(Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!(told(pxe, &wishes), "tftp://10.0.0.9/pxelinux.0");
        assert!(told(Firmware::Ipxe(None), &wishes).ends_with("boot.ipxe"));
        wishes.boot_file = Some(&url);
        assert_eq!(told(http, &wishes), "https://boot.example/grub.efi");
        let bios = Firmware::Pxe(Some(Architecture::BIOS));
        assert_eq!(told(bios, &wishes), "tftp://10.0.0.9/undionly.kpxe", "a ROM loads no URL");
        assert_eq!(told(Firmware::Bootp, &wishes), "nothing");
    }

    #[test]
    fn a_machine_has_its_own_loader_and_profile() {
        let [loader, profile] = ["snponly.efi", "debian"].map(Arc::from);
        let wishes = Wishes { loader: Some(&loader), profile: Some(&profile), ..Wishes::default() };
        let x64 = Some(Architecture::UEFI_X64);
        assert_eq!(told(Firmware::Pxe(x64), &wishes), "tftp://192.168.77.1/snponly.efi");
        let url = told(Firmware::Ipxe(x64), &wishes);
        assert!(url.ends_with("/boot.ipxe?profile=debian"), "{url}");
    }

    #[test]
    fn a_profile_that_is_an_image_is_for_http_boot_alone() {
        let image = Profile::Image("profile/live/live.iso".into());
        let mut catalog = Catalog { profiles: [("live".to_owned(), image)].into(), ..catalog() };
        let [live, own] = ["live", "own.efi"].map(Arc::from);
        let told = |firmware, wishes: &Wishes<'_>, catalog: &Catalog| match Boot::of(
            &Machine::from(MAC),
            firmware,
            wishes,
            catalog,
            &services(),
        ) {
            Boot::File(file) => file.to_string(),
            other => format!("{other:?}"),
        };
        let x64 = Some(Architecture::HTTP_X64);
        let base = "http://192.168.77.1:8067/machine/52-54-00-12-34-56";
        let mut wishes = Wishes { profile: Some(&live), ..Wishes::default() };
        let iso = format!("{base}/profile/live/live.iso");
        assert_eq!(told(Firmware::HttpBoot(x64), &wishes, &catalog), iso);
        let arm64 = Firmware::HttpBoot(Some(Architecture::HTTP_ARM64));
        assert_eq!(told(arm64, &wishes, &catalog), iso, "it needs no loader");
        let pxe = Firmware::Pxe(Some(Architecture::UEFI_X64));
        assert_eq!(told(pxe, &wishes, &catalog), "tftp://192.168.77.1/ipxe.efi");
        let script = format!("{base}/boot.ipxe?profile=live");
        assert_eq!(told(Firmware::Ipxe(x64), &wishes, &catalog), script);
        wishes.boot_file = Some(&own);
        let named = format!("{base}/own.efi");
        assert_eq!(told(Firmware::HttpBoot(x64), &wishes, &catalog), named);
        // As everybody's profile.
        catalog.default_profile = Some(live.clone());
        assert_eq!(told(Firmware::HttpBoot(x64), &Wishes::default(), &catalog), iso);
    }

    #[test]
    fn urls_are_of_https_where_that_is_wished_and_there() {
        let wishes = Wishes { scheme: Scheme::Https, ..Wishes::default() };
        let x64 = Some(Architecture::HTTP_X64);
        let base = "https://192.168.77.1:8443/machine/52-54-00-12-34-56";
        assert_eq!(told(Firmware::HttpBoot(x64), &wishes), format!("{base}/ipxe.efi"));
        assert_eq!(told(Firmware::Ipxe(None), &wishes), format!("{base}/boot.ipxe"));
        let pxe = Firmware::Pxe(Some(Architecture::BIOS));
        assert_eq!(told(pxe, &wishes), "tftp://192.168.77.1/undionly.kpxe");
        let without = Services { https_port: None, ..services() };
        assert_eq!(without.web(Scheme::Https), services().web(Scheme::Http));
    }

    #[test]
    fn the_script_url_carries_the_uuid_and_fits_the_file_field() {
        let machine = Machine { uuid: Some(Uuid([7; 16])), ..Machine::from(MAC) };
        let longest = SocketAddrV4::new(Ipv4Addr::new(192, 168, 177, 101), 65535);
        let url = Web { scheme: Scheme::Https, address: longest }.script_url(&machine, None);
        let url = url.to_string();
        assert!(url.ends_with("?uuid=07070707-0707-0707-0707-070707070707"), "{url}");
        assert!(url.len() <= crate::wire::dhcp::FILE_MAX, "{}", url.len());
    }
}
