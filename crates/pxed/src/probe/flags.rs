//! The flags of `pxed probe`.

use std::time::Duration;

use clap::Args;
use pxed_proto::limits::NETWORK_PROBE_WAIT;
use pxed_proto::net::Mac;

use super::client::Client;
use crate::config::values::duration;
use crate::control::mac;

/// The flags of `pxed probe`.
#[derive(Args, Clone, Debug)]
pub struct ProbeArgs {
    /// Ask the network of this interface.
    #[arg(short, long, value_name = "IFACE")]
    pub interface: String,

    /// Ask as these clients.
    #[arg(long = "as", value_name = "CLIENT", value_enum, value_delimiter = ',',
          default_values_t = Client::ALL)]
    pub clients: Vec<Client>,

    /// Listen for OFFERs for this long; a DHCP server that pings an address first answers late
    /// [default: 4s].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// Ask as the machine with this MAC: servers may have a rule for it. Frames still come from the
    /// interface's own [default: the interface's].
    #[arg(long, value_name = "MAC", value_parser = mac)]
    pub mac: Option<Mac>,

    /// Print JSON: one object, which docs/probe.md describes.
    #[arg(long)]
    pub json: bool,
}

impl ProbeArgs {
    /// How long to listen.
    pub fn wait(&self) -> Duration {
        self.timeout.unwrap_or(NETWORK_PROBE_WAIT)
    }

    /// The clients, each once, in their order.
    pub fn clients(&self) -> Vec<Client> {
        Client::ALL.into_iter().filter(|client| self.clients.contains(client)).collect()
    }
}
