//! Who gives the addresses, where flags do not say it: asked of the network at start, and only then.
//!
//! Only a server that offers addresses is a rival. A ProxyDHCP server is none, a standby or a known
//! second server is what `--mode full` is for, and a server behind a relay agent is one: its OFFERs
//! reach the same machines.

use std::thread;

use pxed_proto::dhcp::Mode;
use tracing::{info, warn};

use super::RunError;
use crate::config::Config;
use crate::net::{Interface, ServerPort};
use crate::probe::{Neighbour, neighbours, rival};

/// Looks for rivals on all interfaces at once, where addresses are to be given and nobody insists.
///
/// # Errors
///
/// There is one.
pub(super) fn check(config: &Config) -> Result<(), RunError> {
    if !config.mode_is_open || !gives_addresses(config) {
        return Ok(());
    }
    info!("looking for other DHCP servers, for 4 s (--mode full does not)");
    let found: Vec<Option<Option<Neighbour>>> = thread::scope(|scope| {
        let ask = |interface| scope.spawn(move || asked(interface, rival(interface)));
        let all: Vec<_> = config.interfaces.iter().map(ask).collect();
        all.into_iter().map(|one| one.join().ok().flatten()).collect()
    });
    for (interface, found) in config.interfaces.iter().zip(found) {
        // Where nobody could be asked, that was said, and nothing is known.
        let Some(rival) = found else { continue };
        if let Some(Neighbour { name, offers, .. }) = rival {
            let offers =
                offers.map(|address| format!(", and offers {address}")).unwrap_or_default();
            let interface = interface.name.to_string();
            return Err(RunError::Rival { interface, server: format!("{name}{offers}") });
        }
        info!("{}: no other DHCP server answers; pxed gives the addresses (full)", interface.name);
    }
    Ok(())
}

/// Tells who gives the addresses that pxed does not give. Nothing waits for that. A server of this machine
/// does not hear what is sent from here.
pub(super) fn tell(config: &Config) {
    let on_this_machine = config.service.server_port == ServerPort::AnotherServers;
    if !config.mode_is_open || gives_addresses(config) || on_this_machine {
        return;
    }
    for interface in config.interfaces.clone() {
        thread::spawn(move || {
            if let Some(found) = asked(&interface, neighbours(&interface)) {
                tell_of(&interface.name, &found);
            }
        });
    }
}

fn gives_addresses(config: &Config) -> bool {
    config.dhcp.subnets.iter().any(|subnet| subnet.mode == Mode::Full)
}

/// What was heard; a network that can not be asked keeps nobody from serving it.
fn asked<T>(interface: &Interface, heard: std::io::Result<T>) -> Option<T> {
    heard.inspect_err(|error| warn!("{}: can not look for others: {error}", interface.name)).ok()
}

fn tell_of(interface: &str, found: &[Neighbour]) {
    for Neighbour { name, offers, boots } in found {
        let boots = boots.as_ref().map(|file| format!(", with the boot file {file}"));
        let boots = boots.unwrap_or_default();
        match offers {
            Some(_) => info!("{interface}: the DHCP server {name} gives the addresses{boots}"),
            None => warn!(
                "{interface}: {name} is a ProxyDHCP server too{boots}; which one a machine follows is \
                 chance: stop one"
            ),
        }
    }
    if !found.iter().any(|neighbour| neighbour.offers.is_some()) {
        warn!(
            "{interface}: no DHCP server answers, and pxed gives no addresses without --range: machines \
             will get none; start a DHCP server there, or give --range"
        );
    }
}
