//! What the offers say, and lack.

use std::net::Ipv4Addr;

use pxed_proto::boot::is_url;
use pxed_proto::dhcp::BOOT_SERVER_PORT;
use pxed_proto::net::Ipv4Net;
use pxed_proto::text::Printable;

use super::super::client::Client;
use super::super::heard::{Asked, BootAnswer, BootServer, Heard, Trail};
use super::super::offer::{Offer, Source};
use super::Findings;
use super::servers::called;

pub(super) fn judge(heard: &Heard, all: &mut Findings) {
    for asked in &heard.clients {
        for offer in &asked.offers {
            judge_offer(asked.client, offer, all);
        }
        for trail in &asked.trails {
            judge_boot_server(asked, trail, all);
            judge_path(asked, trail, all);
        }
        two_boot_files(asked, all);
        no_boot_file(asked, all);
    }
}

fn judge_offer(client: Client, offer: &Offer, all: &mut Findings) {
    let who = called(offer);
    if offer.server.is_none() {
        let what = format!("the OFFER of {who} has no server identifier (option 54)");
        let remedy =
            "clients must ignore it (RFC 2131 section 4.3.1): have the server say who it is";
        all.add("no-server-identifier", client, what, remedy.to_owned());
    }
    if offer.address.is_some() && offer.lease_time.is_none() {
        let what = format!("the OFFER of {who} has no lease time (option 51)");
        let remedy = "clients may ignore it (RFC 2131 table 3): have the server say for how long";
        all.add("no-lease-time", client, what, remedy.to_owned());
    }
    if client == Client::Plain && offer.address.is_none() {
        let what =
            format!("{who} sends an OFFER without an address to a client that is not booting");
        let remedy = "a ProxyDHCP server must answer PXE and HTTP Boot clients alone: restrict it";
        all.add("proxy-for-all", client, what, remedy.to_owned());
    }
    if client.is_pxe() && offer.address.is_none() && !offer.is_pxe() {
        let what = format!("the ProxyDHCP OFFER of {who} does not say PXEClient (option 60)");
        let remedy = "firmware ignores it then: have the server send option 60 PXEClient";
        all.add("proxy-without-pxeclient", client, what, remedy.to_owned());
    }
    if client.is_pxe() {
        judge_next_server(client, offer, all);
    }
    if client == Client::Http {
        judge_http(offer, all);
    }
}

/// A file that is to come by TFTP, and a server that is not told.
fn judge_next_server(client: Client, offer: &Offer, all: &mut Findings) {
    let Some(file) = offer.file.as_deref().filter(|file| !is_url(file)) else { return };
    let file = Printable(file.as_bytes());
    if offer.next_server.is_none() {
        let hint = match &offer.server_name {
            Some(name) => format!(", only option 66 or sname says {}", Printable(name.as_bytes())),
            None => String::new(),
        };
        let what = format!(
            "{} names the boot file {file} and no server for it (siaddr is 0.0.0.0{hint})",
            called(offer)
        );
        let remedy = "much firmware then asks nobody, or the DHCP server itself: set next-server \
                      (siaddr) to the TFTP server's address";
        all.add("no-next-server", client, what, remedy.to_owned());
    }
}

fn judge_http(offer: &Offer, all: &mut Findings) {
    let Some(file) = &offer.file else { return };
    let (who, file) = (called(offer), Printable(file.as_bytes()));
    if is_url(&file.to_string()) && !offer.is_http() {
        let what = format!("{who} names the URL {file} without option 60 HTTPClient");
        let remedy = "UEFI HTTP Boot ignores an OFFER that does not say so (UEFI specification, \
                      section 24.7): have the server send option 60 HTTPClient to these clients";
        all.add("no-httpclient", Client::Http, what, remedy.to_owned());
    } else if offer.is_http() && !is_url(&file.to_string()) {
        let what = format!("{who} names {file}, which is no absolute URL");
        let remedy = "UEFI HTTP Boot takes nothing else: write http://SERVER/PATH";
        all.add("no-url", Client::Http, what, remedy.to_owned());
    }
}

fn judge_boot_server(asked: &Asked, trail: &Trail, all: &mut Findings) {
    let Some(BootServer { server, kind, answer }) = &trail.boot_server else { return };
    let Some(offer) = asked.offers.get(trail.offer) else { return };
    let asks = format!("{server} port {BOOT_SERVER_PORT}");
    match answer {
        BootAnswer::Silence => {
            let why = match kind {
                Some(_) => "has a menu of boot servers (option 43)",
                None => "says PXEClient (option 60) without option 43 and a boot file",
            };
            let what =
                format!("{} {why}, so machines ask {asks}, and nobody answers", called(offer));
            let remedy = "let UDP port 4011 through to that server and start what should answer \
                          there; or, without a boot server, drop option 60, or send a boot file \
                          and option 43 with 06:01:08";
            all.add("boot-server-silent", asked.client, what, remedy.to_owned());
        }
        BootAnswer::From(source) => {
            let what = format!("the boot server {asks} answers from {source}");
            let remedy = "firmware hears no answer from elsewhere: look for address translation \
                          (a container's network) in front of the server, or another address of it";
            all.add("boot-server-elsewhere", asked.client, what, remedy.to_owned());
        }
        BootAnswer::Ack(ack) if ack.file.is_none() => {
            let what = format!("the boot server {asks} answers without a boot file");
            let remedy = "configure a boot file for this kind of client there";
            all.add("boot-server-no-file", asked.client, what, remedy.to_owned());
        }
        BootAnswer::Ack(ack) => judge_next_server(asked.client, ack, all),
        BootAnswer::NotAsked(_) => {}
    }
}

/// Can a machine with the offered address get there?
fn judge_path(asked: &Asked, trail: &Trail, all: &mut Findings) {
    let Some(source) = &trail.source else { return };
    let Some(offer) = asked.with_address().next() else { return };
    match source {
        Source::Tftp { server, .. } if !reaches(offer, *server) => {
            let what = format!(
                "the boot file is on {server}, on another network than the address, and {} names no \
                 router (option 3)",
                called(offer)
            );
            let remedy = "machines do not get there: add the router to the DHCP server's options";
            all.add("no-router", asked.client, what, remedy.to_owned());
        }
        Source::Url(url) if !offer.has_dns && has_name(url) => {
            let url = Printable(url.as_bytes());
            let what = format!("{url} has a host name, and {} names no DNS server", called(offer));
            let remedy = "write the address into the URL, or add a name server (option 6)";
            all.add("no-dns", asked.client, what, remedy.to_owned());
        }
        _ => {}
    }
}

fn reaches(offer: &Offer, server: Ipv4Addr) -> bool {
    let (Some(address), Some(mask)) = (offer.address, offer.mask) else { return true };
    let net = Ipv4Net::with_mask(address, mask);
    !offer.routers.is_empty() || net.is_none_or(|net| net.contains(server))
}

fn has_name(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default();
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    !host.contains('$') && !host.is_empty() && host.parse::<Ipv4Addr>().is_err()
}

/// The DHCP server names a file of its own, beside a ProxyDHCP server.
fn two_boot_files(asked: &Asked, all: &mut Findings) {
    if !asked.client.is_pxe() {
        return;
    }
    let named = |offer: &&Offer| offer.file.is_some() || offer.is_pxe();
    let Some(server) = asked.with_address().find(named) else { return };
    let Some(proxy) = asked.without_address().find(|offer| offer.is_pxe()) else { return };
    let says = match server.source() {
        Some(source) => format!("names the boot file {source}"),
        None => "says PXEClient (option 60)".to_owned(),
    };
    let what =
        format!("{} {says}, and so does the ProxyDHCP server {}", called(server), called(proxy));
    let remedy = "some firmware follows the one and some the other: take boot file and option 60 out \
                  of the DHCP server's configuration, or stop the ProxyDHCP server";
    all.add("two-boot-files", asked.client, what, remedy.to_owned());
}

/// An address, and nothing to boot.
fn no_boot_file(asked: &Asked, all: &mut Findings) {
    let of_http =
        |offer: &Offer| offer.file.as_deref().is_some_and(|f| is_url(f) || offer.is_http());
    let is_http = asked.client == Client::Http;
    let told = !asked.trails.is_empty() || (is_http && asked.offers.iter().any(of_http));
    if asked.client == Client::Plain || asked.offers.is_empty() || told {
        return;
    }
    let item = |offer: &Offer| offer.pxe.as_ref().and_then(|pxe| pxe.item);
    let (what, remedy) = match asked.client {
        Client::Http => (
            "it gets an address and no URL",
            "have a server answer HTTPClient with option 60 HTTPClient and an absolute URL, or \
             set such machines to PXE",
        ),
        _ if asked.offers.iter().any(|offer| item(offer) == Some(0)) => {
            ("the first item of the PXE menu is the local disk", "put another item first")
        }
        _ => (
            "it gets an address and no boot file",
            "set next-server and a boot file in the DHCP server, or start a ProxyDHCP server beside \
             it; if there is one, it does not hear this network or ignores this kind of client",
        ),
    };
    all.add("no-boot-file", asked.client, what.to_owned(), remedy.to_owned());
}
