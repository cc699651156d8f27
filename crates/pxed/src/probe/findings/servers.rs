//! Who answers at all: nobody, too few, too many.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::super::client::Client;
use super::super::heard::{Asked, Heard};
use super::super::offer::Offer;
use super::Findings;

pub(super) fn judge(heard: &Heard, all: &mut Findings) {
    let nobody = heard.clients.iter().all(|asked| asked.offers.is_empty());
    let no_addresses = heard.clients.iter().all(|asked| asked.with_address().next().is_none());
    for asked in &heard.clients {
        if nobody {
            no_answer(heard, asked.client, all);
        } else if no_addresses || (has_offers(asked) && asked.with_address().next().is_none()) {
            no_address(heard, asked.client, all);
        } else if !has_offers(asked) {
            not_this_one(heard, asked.client, all);
        }
    }
    several(heard, all);
}

fn has_offers(asked: &Asked) -> bool {
    !asked.offers.is_empty()
}

/// Everybody who has answered any client.
fn everybody(heard: &Heard) -> String {
    let all = heard.clients.iter().flat_map(|asked| &asked.offers).map(Offer::who);
    listed(all.collect::<BTreeSet<_>>().iter().map(ToString::to_string))
}

fn no_answer(heard: &Heard, client: Client, all: &mut Findings) {
    let what = format!("nobody answers on {}: there is no OFFER", heard.interface);
    let remedy = "start a DHCP server on this network, or a relay agent; if there is one, look \
                  whether a firewall on its host drops UDP port 67, whether the switch port is in \
                  its VLAN and forwards yet (spanning tree takes 30 s), and whether DHCP snooping \
                  trusts the server's port";
    all.add("no-answer", client, what, remedy.to_owned());
}

fn not_this_one(heard: &Heard, client: Client, all: &mut Findings) {
    let what = format!("nobody answers it, though {} answers others", everybody(heard));
    let remedy =
        "look into that server's rules (classes, dhcp-ignore, deny) for this kind of client";
    all.add("not-answered", client, what, remedy.to_owned());
}

fn no_address(heard: &Heard, client: Client, all: &mut Findings) {
    let named = everybody(heard);
    let what = format!("no DHCP server gives it an address; only {named} answers");
    let remedy = "a ProxyDHCP server gives none and needs a DHCP server beside it: start one, or have \
                  this one give addresses";
    all.add("no-address", client, what, remedy.to_owned());
}

/// Two DHCP servers, and two ProxyDHCP servers, as any client heard them.
fn several(heard: &Heard, all: &mut Findings) {
    let servers = by_server(heard, |offer| offer.address.is_some());
    let proxies = by_server(heard, |offer| offer.address.is_none());
    for client in heard.clients.iter().map(|asked| asked.client) {
        if servers.len() > 1 {
            let named = listed(servers.values().map(|offer| leasing(offer)));
            let what = format!("{} DHCP servers give addresses: {named}", servers.len());
            let remedy = "which one a machine gets is chance, and both may give the same address to \
                          two: stop all but one, or make sure that they share their leases (failover)";
            all.add("two-dhcp-servers", client, what, remedy.to_owned());
        }
        if proxies.len() > 1 && client.is_pxe() {
            let named = listed(proxies.values().map(|offer| naming(offer)));
            let what = format!("{} ProxyDHCP servers answer: {named}", proxies.len());
            let remedy = "which one a machine follows is chance: stop all but one";
            all.add("two-proxies", client, what, remedy.to_owned());
        }
    }
}

fn by_server(heard: &Heard, which: impl Fn(&Offer) -> bool) -> BTreeMap<Ipv4Addr, &Offer> {
    let offers = heard.clients.iter().flat_map(|asked| &asked.offers);
    offers.filter(|offer| which(offer)).map(|offer| (offer.who(), offer)).collect()
}

fn leasing(offer: &Offer) -> String {
    let address = offer.address.map(|address| format!(" offers {address}")).unwrap_or_default();
    format!("{}{address}", called(offer))
}

fn naming(offer: &Offer) -> String {
    let source = offer.source().map(|source| format!(" ({source})")).unwrap_or_default();
    format!("{}{source}", called(offer))
}

/// A server with what finds it: its MAC, or the relay agent that it is behind.
pub fn called(offer: &Offer) -> String {
    match (offer.relay, offer.mac) {
        (Some(relay), _) => format!("{} by the relay agent {relay}", offer.who()),
        (None, Some(mac)) => format!("{} at {mac}", offer.who()),
        (None, None) => offer.who().to_string(),
    }
}

/// `a, b and c`.
pub fn listed(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    let last = items.pop().unwrap_or_default();
    if items.is_empty() { last } else { format!("{} and {last}", items.join(", ")) }
}
