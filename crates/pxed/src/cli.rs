//! The command line, as it was typed. What it comes to is worked out in [`crate::config`].

mod control;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pxed_proto::net::AddressRange;

pub use control::{ControlArgs, ControlCommand};

use crate::config::values::{domain, duration, host, lease_time, mask, range};
use crate::decode::DecodeArgs;
use crate::explain::ExplainArgs;
use crate::log::LogFormat;
use crate::probe::ProbeArgs;

/// A PXE network-boot server: DHCP, TFTP, HTTP and the boot menu from one process.
#[derive(Debug, Parser)]
#[command(name = "pxed", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What pxed does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the network of an interface: give addresses, and boot the machines that ask.
    ///
    /// pxed serve -i eth1 --range 192.168.77.100-192.168.77.200 \
    ///     --kernel vmlinuz --initrd initrd.gz --append "console=ttyS0"
    #[command(verbatim_doc_comment)]
    Serve(Box<ServeArgs>),
    /// Say what is wrong with a configuration file, or what pxed will do with it.
    ///
    /// Exits with 2 if there is an error, and with 1 if there is a warning and --strict is given.
    Check(CheckArgs),
    /// Tell what a machine would get now from the running pxed, or by a configuration file, and which
    /// rule decided it. Nothing is sent and nothing changes.
    ///
    /// Exits with 0 whenever that could be told, also if the machine would get no answer.
    Explain(ExplainArgs),
    /// Tell what is in a capture: DHCP, PXE, TFTP and HTTP as the conversation it was, machine by
    /// machine.
    Decode(DecodeArgs),
    /// Ask the network of an interface as BIOS, UEFI, HTTP Boot, iPXE and plain clients would, and tell
    /// what each would get and what is wrong with it. Nothing is leased.
    ///
    /// Exits with 0 if nothing is wrong, with 1 if something is, and with 2 if it could not ask.
    Probe(ProbeArgs),
    /// What is asked of a pxed that runs.
    #[command(flatten)]
    Control(ControlCommand),
}

/// The flags of `pxed check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The file.
    #[arg(value_name = "FILE", default_value = "/etc/pxed/pxed.toml")]
    pub file: PathBuf,

    /// Take warnings for failures.
    #[arg(long)]
    pub strict: bool,

    /// Print a file with every key instead, its default and what it does.
    #[arg(long)]
    pub example: bool,

    /// Print the reference page instead.
    #[arg(long, hide = true)]
    pub reference: bool,
}

/// Where the leases and the control socket are.
const STATE_DIR: &str = "/var/lib/pxed";

/// The flags of `pxed serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Serve the network on this interface; may be given several times. pxed is silent on every
    /// other one.
    #[arg(short, long = "interface", value_name = "IFACE", required_unless_present = "config")]
    pub interfaces: Vec<String>,

    /// Read this configuration file. It is the place for more than a command line can say: see
    /// config.example.toml. Flags win, whatever the file says of a subnet, a class, a group or a
    /// machine: -i and --range replace the file's subnets, the others what it says of the same.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Take the configuration file whenever it has changed, as `pxed reload` would.
    #[arg(long, requires = "config")]
    pub watch_config: bool,

    /// Who gives the addresses [default: full with --range, after looking for other DHCP servers for 4 s;
    /// proxy without].
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        requires = "interfaces",
        help_heading = "Addresses"
    )]
    pub mode: Option<ServeMode>,

    /// Lease the addresses from A to B; may be given several times. Each must be in the subnet
    /// of a served interface.
    #[arg(long = "range", value_name = "A-B", value_parser = range, requires = "interfaces",
          help_heading = "Addresses")]
    pub ranges: Vec<AddressRange>,

    /// Answer from this address [default: the interface's address].
    #[arg(long, value_name = "IP", requires = "interfaces", help_heading = "Addresses")]
    pub server_ip: Option<Ipv4Addr>,

    /// The subnet's mask, like 255.255.255.0 [default: the interface's].
    #[arg(long, value_name = "MASK", value_parser = mask, requires = "interfaces",
          help_heading = "Addresses")]
    pub subnet_mask: Option<Ipv4Addr>,

    /// Routers that clients are told of (option 3), with commas between them; each in its subnet.
    #[arg(long = "router", value_name = "IP", value_parser = host, value_delimiter = ',',
          help_heading = "Addresses")]
    pub routers: Vec<Ipv4Addr>,

    /// Name servers that clients are told of (option 6), with commas between them.
    #[arg(long, value_name = "IP", value_parser = host, value_delimiter = ',',
          help_heading = "Addresses")]
    pub dns: Vec<Ipv4Addr>,

    /// The domain that clients are told of (option 15).
    #[arg(long, value_name = "NAME", value_parser = domain, help_heading = "Addresses")]
    pub domain: Option<String>,

    /// How long a lease lasts: 3600, 90s, 30m, 1h, 2d, or infinite [default: 1h].
    #[arg(long, value_name = "TIME", value_parser = lease_time, help_heading = "Addresses")]
    pub lease_time: Option<Duration>,

    /// Boot this Linux kernel on every machine (BIOS and UEFI).
    #[arg(long, value_name = "FILE", conflicts_with = "script", help_heading = "Booting")]
    pub kernel: Option<PathBuf>,

    /// The kernel's initial file system; may be given several times, they are unpacked in order.
    #[arg(long = "initrd", value_name = "FILE", requires = "kernel", num_args = 1..,
          help_heading = "Booting")]
    pub initrds: Vec<PathBuf>,

    /// The kernel's arguments. iPXE fills in its settings, such as ${net0/mac}.
    #[arg(
        long,
        value_name = "ARGS",
        requires = "kernel",
        allow_hyphen_values = true,
        help_heading = "Booting"
    )]
    pub append: Option<String>,

    /// Run this iPXE script on every machine, instead of a kernel.
    #[arg(long, value_name = "FILE.ipxe", help_heading = "Booting")]
    pub script: Option<PathBuf>,

    /// Serve the files of this directory by TFTP and HTTP. Boot loaders in it (undionly.kpxe,
    /// ipxe.efi, ...) are preferred to those of Debian's packages.
    #[arg(long, value_name = "DIR", help_heading = "Booting")]
    pub boot_dir: Option<PathBuf>,

    /// Send PXE firmware to this TFTP server instead of pxed's own.
    #[arg(long, value_name = "IP", value_parser = host, help_heading = "Booting")]
    pub tftp_server: Option<Ipv4Addr>,

    /// Have PXE firmware load this file instead of an iPXE loader that fits its architecture. A
    /// URL is for UEFI HTTP Boot; PXE ROMs, which can not load one, still get their loader. Without
    /// --kernel and --script, iPXE goes on to it as well.
    #[arg(long, value_name = "NAME", help_heading = "Booting")]
    pub bootfile: Option<String>,

    /// Serve scripts, kernels and files by HTTP on this port [default: 8067].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..),
          help_heading = "Service")]
    pub http_port: Option<u16>,

    /// Serve the same by HTTPS too, on port 8443, with a certificate of pxed's own CA that machines have
    /// to trust: the log says where they find it. A file can say more (https-port, certificate, key,
    /// boot-scheme).
    #[arg(long, help_heading = "Service")]
    pub https: bool,

    /// Leave port 67 to another DHCP server of this machine, and hear by packet sockets only what machines
    /// broadcast: enough to tell them what to boot (mode proxy) on the interfaces' own links. Relay agents
    /// are not heard.
    #[arg(long, help_heading = "Service")]
    pub dhcp_no_bind: bool,

    /// Send everything that is asked for by TFTP from port 69, and not from a port for each transfer: for
    /// clients behind address translation, containers and strict firewalls.
    #[arg(long, help_heading = "Service")]
    pub tftp_single_port: bool,

    /// Keep the leases in this directory [default: /var/lib/pxed].
    #[arg(long, value_name = "DIR", help_heading = "Service")]
    pub state_dir: Option<PathBuf>,

    /// After binding the ports become this user, keeping only CAP_NET_RAW and
    /// CAP_NET_BIND_SERVICE [default: pxed, if started as root and there is such a user].
    #[arg(long, value_name = "NAME", help_heading = "Service")]
    pub user: Option<String>,

    /// Write a status line to the log this often [default: 5m].
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Service")]
    pub status_interval: Option<Duration>,

    /// How log lines look [default: text].
    #[arg(long, value_name = "FORMAT", value_enum, help_heading = "Service")]
    pub log_format: Option<LogFormat>,

    /// Log each datagram with a hex dump and its options, each datagram that is not answered with
    /// the reason, and each lease that expires.
    #[arg(short, long, help_heading = "Service")]
    pub verbose: bool,
}

/// Who gives the addresses on the interfaces of `pxed serve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServeMode {
    /// pxed does, whoever else does.
    Full,
    /// Another DHCP server does; pxed tells machines what to boot.
    Proxy,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
