//! The commands that ask a running pxed.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use pxed_proto::dhcp::AddressState;
use pxed_proto::net::{Ipv4Net, Mac};

use super::STATE_DIR;
use crate::control::{Events, Forget, Leases, Question, Release, Request, mac, subnet};

/// What is asked of a running pxed, by its control socket.
#[derive(Debug, Subcommand)]
pub enum ControlCommand {
    /// Say how the running pxed stands: what it serves where, how full its pools are, how fast it
    /// goes, and what it did not answer.
    Status(ControlArgs),
    /// List the addresses that clients have, had, or are offered; or free one.
    Leases(LeasesArgs),
    /// Show what happened lately: each request, and what became of it.
    Events(EventsArgs),
    /// List which forms of a proxy offer machines and firmware follow, as pxed has learned it; write
    /// that as a file for another site, or forget it.
    Quirks(QuirksArgs),
    /// Have the running pxed read its configuration file anew, as SIGHUP does: all of it is taken,
    /// or none of it. Says what changed.
    Reload(ControlArgs),
    /// Stop the running pxed as SIGTERM does, and wait until it is gone: running transfers may end
    /// for up to ten seconds.
    Stop(ControlArgs),
}

/// Whom to ask, and how to show the answer.
#[derive(Args, Clone, Debug)]
pub struct ControlArgs {
    /// The state directory of the pxed to ask.
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    pub state_dir: PathBuf,

    /// Print JSON, an object a line; docs/control.md lists the fields.
    #[arg(long)]
    pub json: bool,
}

/// The flags of `pxed leases`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LeasesArgs {
    #[command(subcommand)]
    command: Option<LeasesCommand>,

    /// Only those of this machine.
    #[arg(long, value_name = "MAC", value_parser = mac)]
    mac: Option<Mac>,

    /// Only this address.
    #[arg(long, value_name = "IP")]
    ip: Option<Ipv4Addr>,

    /// Only those in this network, such as 192.168.77.0/24.
    #[arg(long, value_name = "NET", value_parser = subnet)]
    subnet: Option<Ipv4Net>,

    /// Only those that stand so.
    #[arg(long, value_name = "STATE",
          value_parser = PossibleValuesParser::new(AddressState::ALL.map(AddressState::as_str)))]
    state: Option<String>,

    #[command(flatten)]
    whom: ControlArgs,
}

/// What is done to a lease.
#[derive(Debug, Subcommand)]
enum LeasesCommand {
    /// Free the lease of an address, or an address that was declined.
    ///
    /// The client is not told: it goes on using the address until it asks again, which is when half
    /// of its lease time is over, or when it boots. Another client may be given the address before;
    /// so free what you know to be switched off.
    Release(ReleaseArgs),
}

/// The flags of `pxed leases release`.
#[derive(Args, Debug)]
struct ReleaseArgs {
    /// The address to free.
    #[arg(value_name = "IP")]
    ip: Ipv4Addr,

    #[command(flatten)]
    whom: ControlArgs,
}

/// The flags of `pxed events`.
#[derive(Args, Debug)]
pub struct EventsArgs {
    /// Go on with what happens from now on.
    #[arg(short, long)]
    follow: bool,

    /// Only what concerns this machine.
    #[arg(long, value_name = "MAC", value_parser = mac)]
    mac: Option<Mac>,

    #[command(flatten)]
    whom: ControlArgs,
}

/// The flags of `pxed quirks`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct QuirksArgs {
    #[command(subcommand)]
    command: Option<QuirksCommand>,

    /// Write what is known of firmware as a file that quirks-file takes.
    #[arg(long, conflicts_with = "json")]
    export: bool,

    #[command(flatten)]
    whom: ControlArgs,
}

/// What is done to what was learned.
#[derive(Debug, Subcommand)]
enum QuirksCommand {
    /// Forget what was learned of a machine, which is offered the forms in turn again: for one that
    /// was learned wrongly, or has another firmware now.
    Forget(ForgetArgs),
}

/// The flags of `pxed quirks forget`.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("who").required(true).args(["mac", "all"])))]
struct ForgetArgs {
    /// The machine to forget.
    #[arg(value_name = "MAC", value_parser = mac)]
    mac: Option<Mac>,

    /// All machines.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    whom: ControlArgs,
}

impl ControlCommand {
    /// What it asks, and whom.
    pub fn question(self) -> Question {
        let export = matches!(&self, Self::Quirks(args) if args.export);
        let (request, ControlArgs { state_dir, json }) = match self {
            Self::Quirks(args) => args.request(),
            Self::Status(whom) => (Request::Status, whom),
            Self::Leases(args) => args.request(),
            Self::Events(EventsArgs { follow, mac, whom }) => {
                (Request::Events(Events { follow, mac: mac.map(|mac| mac.to_string()) }), whom)
            }
            Self::Reload(whom) => (Request::Reload, whom),
            Self::Stop(whom) => (Request::Stop, whom),
        };
        Question { request, state_dir, json, export }
    }
}

impl QuirksArgs {
    fn request(self) -> (Request, ControlArgs) {
        match self.command {
            Some(QuirksCommand::Forget(ForgetArgs { mac, whom, all: _ })) => {
                (Request::Forget(Forget { mac: mac.map(|mac| mac.to_string()) }), whom)
            }
            None => (Request::Quirks, self.whom),
        }
    }
}

impl LeasesArgs {
    fn request(self) -> (Request, ControlArgs) {
        match self.command {
            Some(LeasesCommand::Release(ReleaseArgs { ip, whom })) => {
                (Request::Release(Release { ip }), whom)
            }
            None => {
                let (mac, subnet) = (self.mac.map(|mac| mac.to_string()), self.subnet);
                let subnet = subnet.map(|subnet| subnet.to_string());
                let wanted = Leases { mac, ip: self.ip, subnet, state: self.state };
                (Request::Leases(wanted), self.whom)
            }
        }
    }
}
