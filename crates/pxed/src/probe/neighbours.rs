//! Which DHCP servers a network has: what `pxed serve` wants to know before it is one.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::dhcp::BOOT_SERVER_PORT;
use pxed_proto::limits::NETWORK_PROBE_WAIT;
use pxed_proto::net::Mac;

use super::ask::{Round, asking, discover};
use super::client::Client;
use super::findings::called;
use super::offer::Offer;
use crate::net::{ClientSocket, Interface};

/// When the second and the third DISCOVER go out before pxed gives addresses.
const REPEATS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// A DHCP server, or a ProxyDHCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address, and what finds it.
    pub name: String,
    /// The address that it offers; none if it is a ProxyDHCP server.
    pub offers: Option<Ipv4Addr>,
    /// What it has machines boot, if it does.
    pub boots: Option<String>,
}

/// Asks once who is there, as a plain client and as a PXE ROM, and listens for as long as servers take
/// that ping an address first.
///
/// # Errors
///
/// The interface can not be asked.
pub fn neighbours(interface: &Interface) -> io::Result<Vec<Neighbour>> {
    look(interface, &Round { repeats: &[], wait: NETWORK_PROBE_WAIT, ends_with: |_| false })
}

/// The DHCP server that gives addresses, as soon as it is heard, or nobody if three DISCOVERs stay
/// unanswered.
///
/// # Errors
///
/// The interface can not be asked.
pub fn rival(interface: &Interface) -> io::Result<Option<Neighbour>> {
    let ends_with = |offer: &Offer| offer.address.is_some();
    let round = Round { repeats: &REPEATS, wait: NETWORK_PROBE_WAIT, ends_with };
    Ok(look(interface, &round)?.into_iter().find(|neighbour| neighbour.offers.is_some()))
}

fn look(interface: &Interface, round: &Round) -> io::Result<Vec<Neighbour>> {
    if interface.mac == Mac([0; 6]) {
        return Ok(Vec::new()); // the loopback: nobody else is there
    }
    let mut socket = ClientSocket::bind(interface, BOOT_SERVER_PORT)?;
    let asking = asking(&[Client::Plain, Client::Bios], interface.mac);
    let heard = discover(&mut socket, &asking, round)?;
    Ok(merged(heard.iter().flatten()))
}

/// Each server once, with all that it does.
fn merged<'a>(offers: impl Iterator<Item = &'a Offer>) -> Vec<Neighbour> {
    let mut all: Vec<Neighbour> = Vec::new();
    for offer in offers {
        let boots = offer.source().map(|source| source.to_string());
        let name = called(offer);
        match all.iter_mut().find(|one| one.name == name) {
            Some(known) => {
                known.offers = known.offers.or(offer.address);
                known.boots = known.boots.take().or(boots);
            }
            None => all.push(Neighbour { name, offers: offer.address, boots }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::testing::{address, proxy};
    use super::*;

    #[test]
    fn a_server_is_one_neighbour_however_often_it_answers() {
        let named = Offer { file: Some("x".to_owned()), ..address() };
        let heard = [address(), named, proxy("y")];
        let found = merged(heard.iter());
        let neighbour = |name: &str, offers, boots: &str| Neighbour {
            name: name.to_owned(),
            offers,
            boots: Some(boots.to_owned()),
        };
        let expected = [
            neighbour("192.0.2.1", address().address, "x by TFTP from 192.0.2.1"),
            neighbour("192.0.2.2", None, "y by TFTP from 192.0.2.2"),
        ];
        assert_eq!(found, expected);
    }
}
