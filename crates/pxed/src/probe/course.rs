//! What firmware makes of the offers that it hears: whose boot file it loads, and whom it asks for one.

use std::net::Ipv4Addr;

use super::client::Client;
use super::offer::{Offer, Source};

/// What a machine does next because of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It loads the file.
    Load(Source),
    /// It asks a boot server, for this type if there is a menu.
    Ask {
        /// Whom.
        server: Ipv4Addr,
        /// PXE_BOOT_ITEM.
        kind: Option<u16>,
    },
}

/// What an offer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// Which of the offers.
    pub offer: usize,
    /// What it makes a machine do.
    pub step: Step,
}

/// What `offers` lead to, the one that most firmware prefers first: a DHCP server that knows of PXE,
/// then a ProxyDHCP server, then a DHCP server that names a file (EDK2's `PxeBcSelectDhcp4Offer`).
pub fn leads(client: Client, offers: &[Offer]) -> Vec<Lead> {
    let step = |(offer, said): (usize, &Offer)| {
        Some((rank(said), Lead { offer, step: step(client, said)? }))
    };
    let mut leads: Vec<_> = offers.iter().enumerate().filter_map(step).collect();
    leads.sort_by_key(|(rank, lead)| (*rank, lead.offer));
    leads.into_iter().map(|(_, lead)| lead).collect()
}

const fn rank_of(has_address: bool, is_pxe: bool, has_vendor_options: bool) -> u8 {
    match (has_address, is_pxe) {
        (true, true) if has_vendor_options => 0,
        (false, _) => 1,
        (true, true) => 2,
        (true, false) => 3,
    }
}

fn rank(offer: &Offer) -> u8 {
    let is_boot = offer.is_pxe() || offer.is_http();
    rank_of(offer.address.is_some(), is_boot, offer.pxe.is_some() || offer.is_http())
}

fn step(client: Client, offer: &Offer) -> Option<Step> {
    match client {
        Client::Plain => None,
        // UEFI specification 2.10, section 24.7.3: the offer of a boot server says HTTPClient.
        Client::Http => {
            let source = offer.source().filter(|source| matches!(source, Source::Url(_)));
            source.filter(|_| offer.is_http()).map(Step::Load)
        }
        Client::Bios | Client::Uefi | Client::Ipxe => pxe_step(offer),
    }
}

/// A PXE ROM looks at the offer of a ProxyDHCP server only if it says PXEClient.
fn pxe_step(offer: &Offer) -> Option<Step> {
    if offer.address.is_none() && !offer.is_pxe() {
        return None;
    }
    let discovery = offer.pxe.clone().unwrap_or_default();
    let has_menu = discovery.item.is_some() && !discovery.use_boot_file;
    match offer.source().filter(|_| !has_menu) {
        Some(source) => Some(Step::Load(source)),
        // The menu's first item is the local disk.
        None if discovery.item == Some(0) => None,
        None if offer.is_pxe() => {
            let server = discovery.server.unwrap_or(offer.who());
            Some(Step::Ask { server, kind: discovery.item })
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{PROXY, SERVER, address, http, menu, proxy};
    use super::*;

    fn load(server: Ipv4Addr, file: &str) -> Step {
        Step::Load(Source::Tftp { server, file: file.to_owned() })
    }

    #[test]
    fn firmware_follows_offers() {
        let ask = |kind| Step::Ask { server: PROXY, kind };
        let bare = Offer { file: None, pxe: None, ..proxy("") };
        let uri = Offer { file: Some("http://h/x.efi".to_owned()), ..address() };
        let named = Offer { file: Some("x.0".to_owned()), next_server: Some(SERVER), ..address() };
        let nobodys = Offer { next_server: None, ..named.clone() };
        let by_name = Offer { server_name: Some(PROXY.to_string()), ..nobodys.clone() };
        for (client, offer, expected) in [
            (Client::Bios, address(), None),
            (Client::Bios, proxy("x.0"), Some(load(PROXY, "x.0"))),
            (Client::Plain, named.clone(), None),
            (Client::Uefi, named, Some(load(SERVER, "x.0"))),
            (Client::Uefi, nobodys, Some(load(SERVER, "x.0"))),
            (Client::Uefi, by_name, Some(load(PROXY, "x.0"))),
            (Client::Uefi, bare.clone(), Some(ask(None))),
            (Client::Http, bare, None),
            (Client::Bios, menu(Some(0x8000)), Some(ask(Some(0x8000)))),
            (Client::Bios, menu(Some(0)), None),
            // Without option 60 nobody looks at it.
            (Client::Bios, Offer { class: None, pxe: None, ..proxy("x.0") }, None),
            (Client::Http, uri, None),
            (Client::Http, http("x.efi"), None),
            (
                Client::Http,
                http("http://h/x.efi"),
                Some(Step::Load(Source::Url("http://h/x.efi".to_owned()))),
            ),
        ] {
            let found = leads(client, std::slice::from_ref(&offer));
            let found = found.into_iter().next().map(|lead| lead.step);
            assert_eq!(found, expected, "{client:?} {offer:?}");
        }
    }

    #[test]
    fn a_proxy_is_preferred_to_a_dhcp_server_that_knows_nothing_of_pxe() {
        let named = Offer { file: Some("other".to_owned()), ..address() };
        let told =
            Offer { class: Some("PXEClient".to_owned()), pxe: proxy("").pxe, ..named.clone() };
        let order = |offers: &[Offer]| -> Vec<usize> {
            leads(Client::Uefi, offers).iter().map(|lead| lead.offer).collect()
        };
        assert_eq!(order(&[named, proxy("x.efi")]), [1, 0]);
        assert_eq!(order(&[proxy("x.efi"), told]), [1, 0]);
    }
}
