//! `pxed explain`: what would this machine get, and which rule decided it?
//!
//! Makes the DISCOVER that such a firmware sends, and asks the same function that answers real
//! ones. Nothing is sent and nothing changes.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pxed_proto::Timestamp;
use pxed_proto::dhcp::{Arrival, Explanation, Link, LinkId, Server};
use pxed_proto::machine::{Architecture, Firmware, Uuid};
use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{BOOTREQUEST, FLAG_BROADCAST, Header, Message, Writer};
use pxed_proto::wire::options::{self, Decoded, Described, Value, code};

use crate::http::ScriptRequest;
use crate::script;

/// The flags of `pxed explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The machine's MAC.
    #[arg(long, value_name = "MAC", value_parser = mac)]
    pub mac: Mac,

    /// What runs on it.
    #[arg(long, value_enum, default_value_t = Kind::Uefi)]
    pub firmware: Kind,

    /// Its architecture, a number of option 93 [default: the firmware's usual one].
    #[arg(long, value_name = "N")]
    pub arch: Option<u16>,

    /// Its UUID (option 97), as the firmware's setup shows it.
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    pub uuid: Option<Uuid>,

    /// The interface that it is attached to [default: the first one].
    #[arg(short, long, value_name = "IFACE", conflicts_with = "relay")]
    pub interface: Option<String>,

    /// The relay agent that it is behind (giaddr).
    #[arg(long, value_name = "IP")]
    pub relay: Option<Ipv4Addr>,

    /// What the relay agent says of its circuit (option 82.1).
    #[arg(long, value_name = "TEXT", requires = "relay")]
    pub circuit_id: Option<String>,

    /// What the relay agent calls it (option 82.2).
    #[arg(long, value_name = "TEXT", requires = "relay")]
    pub remote_id: Option<String>,

    /// A further option of its DISCOVER, by name or number: host-name=bench-1, 224=hex:0102.
    #[arg(long = "option", value_name = "N=VALUE", value_parser = option)]
    pub options: Vec<(u8, Vec<u8>)>,

    /// Ask this configuration file. No server has to run.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
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
    fn architecture(&self) -> u16 {
        self.arch.unwrap_or(match self.firmware {
            Kind::Uefi => 7,
            Kind::UefiHttp => 16,
            Kind::Bios | Kind::Ipxe | Kind::Rpi | Kind::Os => 0,
        })
    }

    /// The DISCOVER that such a machine sends.
    fn discover(&self) -> Vec<u8> {
        let mut chaddr = [0; 16];
        chaddr.iter_mut().zip(self.mac.0).for_each(|(to, from)| *to = from);
        let none = Ipv4Addr::UNSPECIFIED;
        let header = Header {
            op: BOOTREQUEST,
            htype: 1,
            hlen: 6,
            xid: 0,
            secs: 0xffff,
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
        let class = |name: &str| format!("{name}:Arch:{arch:05}:UNDI:{undi}").into_bytes();
        let mut says = vec![
            (code::MESSAGE_TYPE, vec![1]),
            (code::PARAMETER_REQUEST_LIST, self.wishes().to_vec()),
            (code::MAX_MESSAGE_SIZE, 1472u16.to_be_bytes().to_vec()),
        ];
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
        for (sub, text) in [(1u8, &self.circuit_id), (2, &self.remote_id)] {
            if let Some(text) = text {
                let octets = text.as_bytes();
                information.extend([sub, u8::try_from(octets.len()).unwrap_or(u8::MAX)]);
                information.extend(octets.iter().take(255));
            }
        }
        (!information.is_empty()).then_some((code::RELAY_AGENT, information))
    }
}

/// What firmware asks for.
const WISHES: [u8; 14] = [1, 3, 6, 12, 15, 28, 42, 43, 51, 54, 60, 66, 67, 97];

/// What a Raspberry Pi's boot ROM asks for: it wants no more than its boot file.
const RPI_WISHES: [u8; 14] = [1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135];

/// Explains, line by line; `files` are those that are served under a name of their own.
///
/// # Errors
///
/// The interface is none of the configuration's.
pub fn explain(
    args: &ExplainArgs,
    server: &Server,
    files: &[(String, PathBuf)],
    now: Timestamp,
) -> Result<Vec<String>, String> {
    let links = &server.config().links;
    let link = link(args, links)?;
    let datagram = args.discover();
    let here = links.get(link.0).and_then(|link| link.addresses.first()).copied();
    let arrival = match args.relay {
        None => Arrival {
            source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            destination: Ipv4Addr::BROADCAST,
            source_mac: Some(args.mac),
        },
        Some(relay) => Arrival {
            source: SocketAddrV4::new(relay, 67),
            destination: here.unwrap_or(Ipv4Addr::UNSPECIFIED),
            source_mac: None,
        },
    };
    let explanation = server.explain(now, link, &arrival, &datagram);
    let mut lines = rules(&explanation);
    lines.push(explanation.plan.event.heard().to_string());
    lines.push(explanation.plan.event.done().to_string());
    if let Some(reply) = &explanation.plan.reply
        && let Ok(message) = Message::parse(&reply.message)
    {
        lines.push(format!("the reply, from {} to {:?}:", reply.source, reply.destination));
        lines.extend(Decoded(&message).to_string().lines().map(|line| format!("  {line}")));
    }
    lines.extend(script(args, server, files, &explanation));
    Ok(lines)
}

fn link(args: &ExplainArgs, links: &[Link]) -> Result<LinkId, String> {
    let Some(name) = &args.interface else { return Ok(LinkId(0)) };
    let served = || links.iter().map(|link| &*link.name).collect::<Vec<_>>().join(", ");
    let index = links.iter().position(|link| *link.name == **name);
    index.map(LinkId).ok_or_else(|| {
        format!("--interface {name}: the configuration serves no such one, but {}", served())
    })
}

/// Which rules hold for the machine, and what each decided.
fn rules(explanation: &Explanation<'_>) -> Vec<String> {
    let Some(found) = &explanation.found else { return Vec::new() };
    let mut lines = vec![format!("subnet {}", found.subnet.net)];
    if let Some(reservation) = found.entitled.reservation {
        lines.push(format!("reservation {}", reservation.name));
    }
    if !found.entitled.classes.is_empty() {
        lines.push(format!("classes {}", found.entitled.classes.join(", ")));
    }
    let origins: Vec<String> = found.entitled.layers.origins().map(|o| o.to_string()).collect();
    lines.push(format!("what is said, the last one wins: {}", origins.join(", ")));
    let booting = found.firmware != Firmware::NotBooting;
    for (number, (origin, option)) in found.entitled.layers.options(booting) {
        lines.push(format!("  {} by {origin}", Described(number, &option.value)));
    }
    let layers = &found.entitled.layers;
    if let Some((origin, name)) = layers.find(|settings| settings.profile.as_deref()) {
        lines.push(format!("  profile {name} by {origin}"));
    }
    if let Some((origin, file)) = layers.find(|settings| settings.boot_file.as_deref()) {
        lines.push(format!("  boot file {file} by {origin}"));
    }
    let loader = |arch: Architecture| {
        layers.find(|settings| settings.loaders.get(&arch).map(String::as_str))
    };
    if let Some((origin, file)) = found.firmware.architecture().and_then(loader) {
        lines.push(format!("  loader {file} by {origin}"));
    }
    if let Some((origin, tftp)) = layers.find(|settings| settings.tftp_server) {
        lines.push(format!("  TFTP server {tftp} by {origin}"));
    }
    lines
}

/// The script that iPXE would be given, in the end, filled in for the address that it got.
fn script(
    args: &ExplainArgs,
    server: &Server,
    files: &[(String, PathBuf)],
    explanation: &Explanation<'_>,
) -> Vec<String> {
    let (Some(found), Some(reply)) = (&explanation.found, &explanation.plan.reply) else {
        return Vec::new();
    };
    if args.firmware == Kind::Os {
        return Vec::new();
    }
    let wishes = found.entitled.wishes(Firmware::Ipxe(Some(Architecture(args.architecture()))));
    let address = Message::parse(&reply.message).map(|message| message.yiaddr);
    let client = SocketAddrV4::new(address.unwrap_or(Ipv4Addr::UNSPECIFIED), 0);
    let request = ScriptRequest {
        machine: Some(args.mac),
        uuid: args.uuid.map(|uuid| uuid.to_string()),
        profile: wishes.profile.map(ToOwned::to_owned),
        client: client.into(),
        host: found.subnet.services.http,
    };
    let file = |name: &str| {
        let path = files.iter().find(|(served, _)| served == name).map(|(_, path)| path);
        std::fs::read_to_string(path.ok_or("no such file")?).map_err(|error| error.to_string())
    };
    let (title, text) = match script::write(&request, &server.config().catalog, &file) {
        Ok(text) => ("the script, once iPXE runs:", text),
        Err(error) => ("there is no script, once iPXE runs:", error),
    };
    let lines = text.lines().map(|line| format!("  {line}"));
    std::iter::once(title.to_owned()).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pxed_proto::machine::identify;

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
            ("--firmware uefi-http", Firmware::HttpBoot(Some(Architecture::HTTP_X64))),
            ("--firmware ipxe", Firmware::Ipxe(Some(Architecture::BIOS))),
            ("--firmware rpi", Firmware::Pxe(Some(Architecture::BIOS))),
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
        let relayed = args("--relay 10.0.0.1 --circuit-id p7 --remote-id r").discover();
        let message = Message::parse(&relayed).unwrap();
        assert_eq!(message.giaddr, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(message.option(82).as_deref(), Some(&[1, 2, b'p', b'7', 2, 1, b'r'][..]));
    }
}
