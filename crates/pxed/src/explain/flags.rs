//! The flags of `pxed explain`, and the DISCOVER that such a machine sends.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use pxed_proto::machine::{Architecture, Uuid};
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{BOOTREQUEST, FLAG_BROADCAST, Header, Writer};
use pxed_proto::wire::options::{self, Value, code};

use super::Inquiry;
use crate::cli::ControlArgs;
use crate::config::architectures;
use crate::config::values::octets;
use crate::control::{Explain, Question, Request};

/// The flags of `pxed explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The machine's MAC.
    #[arg(long, value_name = "MAC", value_parser = mac)]
    pub mac: Mac,

    /// What runs on it.
    #[arg(long, value_enum, default_value_t = Kind::Uefi)]
    pub firmware: Kind,

    /// Its architecture as the configuration names it, uefi-arm64, or a number of option 93
    /// [default: the firmware's usual one].
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub arch: Option<Arch>,

    /// For how many seconds it has been asking (secs): a standby waits for that.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub secs: u16,

    /// Its UUID (option 97), as the firmware's setup shows it.
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    pub uuid: Option<Uuid>,

    /// The interface that it is attached to [default: the first one].
    #[arg(short, long, value_name = "IFACE", conflicts_with = "relay")]
    pub interface: Option<String>,

    /// The relay agent that it is behind (giaddr).
    #[arg(long, value_name = "IP")]
    pub relay: Option<Ipv4Addr>,

    /// What the relay agent, or a switch that is trusted, says of its circuit (option 82.1), as text
    /// or hex:00 04.
    #[arg(long, value_name = "ID", value_parser = id)]
    pub circuit_id: Option<Id>,

    /// What the relay agent, or a switch that is trusted, calls it (option 82.2), as text or
    /// hex:00 04.
    #[arg(long, value_name = "ID", value_parser = id)]
    pub remote_id: Option<Id>,

    /// The subnet that the relay agent says it is on (option 82.5).
    #[arg(long, value_name = "IP", requires = "relay")]
    pub link_selection: Option<Ipv4Addr>,

    /// A further option of its DISCOVER, by name or number: host-name=bench-1, 224=hex:0102.
    #[arg(long = "option", value_name = "N=VALUE", value_parser = option)]
    pub options: Vec<(u8, Vec<u8>)>,

    /// Ask this configuration file instead of a running pxed: for a machine without a lease.
    #[arg(long, value_name = "FILE", conflicts_with = "state_dir")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub whom: ControlArgs,
}

/// The numbers of an architecture.
#[derive(Clone, Debug)]
pub struct Arch(Vec<Architecture>);

/// What a relay agent says of a client.
#[derive(Clone, Debug)]
pub struct Id(Vec<u8>);

fn arch(text: &str) -> Result<Arch, String> {
    architectures(text).map(Arch)
}

fn id(text: &str) -> Result<Id, String> {
    octets(text).map(Id)
}

/// Kinds of firmware that can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A BIOS PXE ROM.
    Bios,
    /// UEFI PXE.
    Uefi,
    /// UEFI HTTP Boot.
    UefiHttp,
    /// iPXE.
    Ipxe,
    /// A Raspberry Pi's boot ROM.
    Rpi,
    /// An operating system: a plain DHCP client.
    Os,
}

fn mac(text: &str) -> Result<Mac, String> {
    text.parse().map_err(|_| "write a MAC: 52:54:00:12:34:56".to_owned())
}

fn uuid(text: &str) -> Result<Uuid, String> {
    crate::config::values::uuid(text)
}

fn option(text: &str) -> Result<(u8, Vec<u8>), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let number = options::number(name).ok_or_else(|| match options::nearest(name) {
        Some(nearest) => format!("there is no DHCP option {name}; did you mean {nearest}?"),
        None => format!("there is no DHCP option {name}"),
    })?;
    let plain = value.parse().map_or_else(|_| Value::Text(value.to_owned()), Value::Integer);
    let value = options::encode_to_compare(number, &plain).map_err(|error| error.to_string())?;
    Ok((number, value))
}

impl ExplainArgs {
    /// A machine of which nothing is said but its MAC and what runs on it.
    pub fn of(mac: Mac, firmware: Kind) -> Self {
        Self {
            mac,
            firmware,
            arch: None,
            secs: 0,
            uuid: None,
            interface: None,
            relay: None,
            circuit_id: None,
            remote_id: None,
            link_selection: None,
            options: Vec::new(),
            config: None,
            whom: ControlArgs { state_dir: PathBuf::new(), json: false },
        }
    }

    /// What is asked of the running pxed.
    pub fn question(&self) -> Question {
        let Inquiry { interface, datagram } = self.inquiry();
        let datagram = datagram.iter().map(|octet| format!("{octet:02x}")).collect();
        let ControlArgs { state_dir, json } = self.whom.clone();
        let request = Request::Explain(Explain { datagram, interface });
        Question { request, state_dir, json, export: false }
    }

    /// Why there is no such machine, if there is none.
    ///
    /// # Errors
    ///
    /// The architecture and the firmware contradict each other.
    pub fn check(&self) -> Result<(), String> {
        let Some(Arch(numbers)) = &self.arch else { return Ok(()) };
        let fits = |arch: &Architecture| {
            let name = arch.name().unwrap_or_default();
            let bios = name.starts_with("BIOS");
            match self.firmware {
                Kind::Bios => bios,
                Kind::Rpi => bios || arch.0 == 41,
                Kind::Uefi => !bios,
                Kind::UefiHttp => !bios && (name.is_empty() || name.ends_with("HTTP")),
                Kind::Ipxe => true,
                Kind::Os => false,
            }
        };
        if numbers.iter().any(fits) {
            return Ok(());
        }
        let firmware = self.firmware.to_possible_value();
        let firmware = firmware.as_ref().map(PossibleValue::get_name).unwrap_or_default();
        let first = numbers.first().map(ToString::to_string).unwrap_or_default();
        Err(format!("--firmware {firmware} does not go with --arch: it is never {first}"))
    }

    /// What is asked, of whomever.
    pub fn inquiry(&self) -> Inquiry {
        Inquiry { interface: self.interface.clone(), datagram: self.discover() }
    }

    fn architecture(&self) -> u16 {
        let numbers = self.arch.as_ref().map(|Arch(numbers)| numbers);
        let by_http = |arch: &&Architecture| {
            let is_http = arch.name().is_some_and(|name| name.ends_with("HTTP"));
            is_http == (self.firmware == Kind::UefiHttp)
        };
        let number =
            |numbers: &Vec<Architecture>| numbers.iter().find(by_http).or(numbers.first()).copied();
        numbers.and_then(number).map_or_else(|| self.usual(), |arch| arch.0)
    }

    const fn usual(&self) -> u16 {
        match self.firmware {
            Kind::Uefi => 7,
            Kind::UefiHttp => 16,
            Kind::Rpi => 41,
            Kind::Bios | Kind::Ipxe | Kind::Os => 0,
        }
    }

    /// The DISCOVER that such a machine sends.
    pub fn discover(&self) -> Vec<u8> {
        let mut chaddr = [0; 16];
        chaddr.iter_mut().zip(self.mac.0).for_each(|(to, from)| *to = from);
        let none = Ipv4Addr::UNSPECIFIED;
        let header = Header {
            op: BOOTREQUEST,
            htype: 1,
            hlen: 6,
            xid: 0,
            secs: self.secs,
            flags: FLAG_BROADCAST,
            ciaddr: none,
            yiaddr: none,
            siaddr: none,
            giaddr: self.relay.unwrap_or(none),
            chaddr,
            sname: &[],
            file: &[],
        };
        let mut writer = Writer::new(&header, 1472);
        for (code, value) in self.says() {
            // What has no room would have none on the wire either.
            let _ = writer.option(code, &value);
        }
        writer.finish()
    }

    fn says(&self) -> Vec<(u8, Vec<u8>)> {
        let arch = self.architecture();
        let undi = if self.firmware == Kind::Rpi { "002001" } else { "003016" };
        // Its vendor class speaks of a BIOS whatever option 93 says.
        let said = if self.firmware == Kind::Rpi { 0 } else { arch };
        let class = |name: &str| format!("{name}:Arch:{said:05}:UNDI:{undi}").into_bytes();
        let mut says = vec![
            (code::MESSAGE_TYPE, vec![1]),
            (code::PARAMETER_REQUEST_LIST, self.wishes().to_vec()),
        ];
        if self.firmware != Kind::Rpi {
            says.push((code::MAX_MESSAGE_SIZE, 1472u16.to_be_bytes().to_vec()));
        }
        if self.firmware != Kind::Os {
            let name = if self.firmware == Kind::UefiHttp { "HTTPClient" } else { "PXEClient" };
            says.push((code::VENDOR_CLASS, class(name)));
            says.push((code::CLIENT_ARCHITECTURE, arch.to_be_bytes().to_vec()));
        }
        if self.firmware == Kind::Ipxe {
            says.push((code::USER_CLASS, b"iPXE".to_vec()));
        }
        if let Some(uuid) = self.uuid {
            says.push((code::CLIENT_MACHINE_ID, [&[0], &uuid.0[..]].concat()));
        }
        // What was said by flag replaces what such a firmware says.
        says.retain(|(code, _)| self.options.iter().all(|(other, _)| other != code));
        says.extend(self.options.iter().cloned());
        says.extend(self.relay_information());
        says
    }

    fn wishes(&self) -> &'static [u8] {
        if self.firmware == Kind::Rpi { &RPI_WISHES } else { &WISHES }
    }

    fn relay_information(&self) -> Option<(u8, Vec<u8>)> {
        let mut information = Vec::new();
        let id = |id: &Option<Id>| id.as_ref().map(|Id(octets)| octets.clone());
        let link = self.link_selection.map(|link| link.octets().to_vec());
        for (sub, octets) in [(1u8, id(&self.circuit_id)), (2, id(&self.remote_id)), (5, link)] {
            if let Some(octets) = octets {
                information.extend([sub, u8::try_from(octets.len()).unwrap_or(u8::MAX)]);
                information.extend(octets.iter().take(255));
            }
        }
        (!information.is_empty()).then_some((code::RELAY_AGENT, information))
    }
}

/// What firmware asks for.
const WISHES: [u8; 14] = [1, 3, 6, 12, 15, 28, 42, 43, 51, 54, 60, 66, 67, 97];

/// What a Raspberry Pi 4's boot ROM asks for, as captures in raspberrypi/rpi-eeprom issues 58 and
/// 69 show it; a Pi 3's does without 1 and 3 (raspberrypi/firmware issue 859). Neither sends
/// option 57.
const RPI_WISHES: [u8; 14] = [1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135];

#[cfg(test)]
mod tests {
    use super::*;
    use pxed_proto::machine::{Firmware, identify};
    use pxed_proto::wire::dhcp::Message;

    fn args(flags: &str) -> ExplainArgs {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            args: ExplainArgs,
        }
        let words = ["explain", "--mac", "52:54:00:12:34:56", "--config", "f"].into_iter();
        <Cli as clap::Parser>::parse_from(words.chain(flags.split_whitespace())).args
    }

    #[test]
    fn the_discover_is_what_such_a_firmware_sends() {
        for (flags, expected) in [
            ("--firmware bios", Firmware::Pxe(Some(Architecture::BIOS))),
            ("", Firmware::Pxe(Some(Architecture::UEFI_X64))),
            ("--arch 11", Firmware::Pxe(Some(Architecture::UEFI_ARM64))),
            ("--arch uefi-arm64", Firmware::Pxe(Some(Architecture::UEFI_ARM64))),
            (
                "--arch uefi-arm64 --firmware uefi-http",
                Firmware::HttpBoot(Some(Architecture::HTTP_ARM64)),
            ),
            ("--firmware uefi-http", Firmware::HttpBoot(Some(Architecture::HTTP_X64))),
            ("--firmware ipxe", Firmware::Ipxe(Some(Architecture::BIOS))),
            ("--firmware rpi", Firmware::Pxe(Some(Architecture::RASPBERRY_PI))),
            ("--firmware os", Firmware::NotBooting),
            ("--option 60=PXEClient --option 93=hex:0009", Firmware::Pxe(Some(Architecture(9)))),
        ] {
            let datagram = args(flags).discover();
            let message = Message::parse(&datagram).unwrap();
            assert_eq!(identify(&message).unwrap().1, expected, "{flags}");
        }
        let rpi = args("--firmware rpi").discover();
        let class = Message::parse(&rpi).unwrap().option(code::VENDOR_CLASS).unwrap().into_owned();
        assert_eq!(class, b"PXEClient:Arch:00000:UNDI:002001");
        assert_eq!(Message::parse(&rpi).unwrap().option(code::MAX_MESSAGE_SIZE), None);
        let link = "--link-selection 10.7.0.0";
        let relayed = args(&format!("--relay 10.0.0.1 --circuit-id p7 --remote-id r {link}"));
        let relayed = relayed.discover();
        let message = Message::parse(&relayed).unwrap();
        assert_eq!(message.giaddr, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(
            message.option(82).as_deref(),
            Some(&[1, 2, b'p', b'7', 2, 1, b'r', 5, 4, 10, 7, 0, 0][..])
        );
    }
    #[test]
    fn an_architecture_is_one_that_the_firmware_has() {
        for (flags, fits) in [
            ("--firmware bios", true),
            ("--firmware bios --arch bios", true),
            ("--firmware bios --arch 7", false),
            ("--firmware uefi --arch bios", false),
            ("--firmware uefi --arch 40", true),
            ("--firmware uefi-http --arch 16", true),
            ("--firmware uefi-http --arch 7", false),
            ("--firmware rpi --arch 11", false),
            ("--firmware ipxe --arch uefi-x64", true),
            ("--firmware os --arch 7", false),
        ] {
            assert_eq!(args(flags).check().is_ok(), fits, "{flags}");
        }
        let said = args("--firmware bios --arch uefi-x64").check().unwrap_err();
        assert_eq!(said, "--firmware bios does not go with --arch: it is never UEFI x64");
    }

    #[test]
    fn ids_are_octets_or_text() {
        let relayed = args("--relay 10.0.0.1 --circuit-id hex:0004 --secs 9").discover();
        let message = Message::parse(&relayed).unwrap();
        assert_eq!(message.option(82).as_deref(), Some(&[1, 2, 0, 4][..]));
        assert_eq!(message.secs, 9);
    }
}
