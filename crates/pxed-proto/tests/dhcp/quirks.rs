//! Which form of a proxy offer a machine gets: what follows an offer counts, and what is told.

use std::net::SocketAddrV4;

use pxed_proto::dhcp::{
    BOOT_SERVER_PORT, Config, Form, Ignored, LinkId, Mode, ProxyForm, Signature, Told, Why,
};
use pxed_proto::event::{Event, Outcome};
use pxed_proto::machine::{Architecture, Firmware};
use pxed_proto::wire::dhcp::Message;

use crate::client::{Sent, client};
use crate::lan::*;

fn by_proxy(config: &mut Config) {
    for subnet in &mut config.subnets {
        subnet.mode = Mode::Proxy;
        subnet.pools.clear();
    }
}

fn form(name: &str) -> &'static Form {
    Form::by_name(name).unwrap()
}

/// A DISCOVER of a start of the machine, so many seconds after it.
fn discover(start: u32, secs: u16) -> Sent {
    let sent = client(1).discover().bios();
    Sent { xid: start, secs, ..sent }
}

fn offered(lan: &mut Lan, sent: &Sent) -> &'static str {
    match lan.hears(sent).event.outcome {
        Outcome::ProxyOffered { form, .. } => form.name,
        other => panic!("{other:?}"),
    }
}

/// It takes the other server's offer.
fn takes(lan: &mut Lan) {
    let takes = client(1).request().bios().address(54, OTHER_SERVER).address(50, local(77));
    assert_eq!(lan.hears(&takes).silence(), Ignored::OtherServer);
}

fn learned(lan: &Lan) -> Vec<(&'static str, u32)> {
    let machines = lan.server.quirks().machines();
    machines.map(|quirk| (quirk.works.form.name, quirk.works.times)).collect()
}

#[test]
fn another_discover_gets_another_form_and_what_works_is_kept() {
    let mut lan = Lan::configured(by_proxy);
    assert_eq!(offered(&mut lan, &discover(1, 0)), "direct");
    assert_eq!(offered(lan.at(4), &discover(1, 4)), "redirect");
    takes(lan.at(5));
    let mut asks = client(1).renewing(local(77)).bios();
    asks.arrival.destination = SocketAddrV4::new(SERVER, BOOT_SERVER_PORT);
    lan.hears(&asks).ack();
    let output = lan.server.fetched(None, local(77), second(6));
    assert!(matches!(output.event, Some(Event::Learned(_))), "{output:?}");
    assert_eq!((output.learned.len(), learned(&lan)), (1, vec![("redirect", 1)]));
    assert_eq!(offered(lan.at(600), &discover(2, 0)), "redirect");
    let known: Vec<_> = lan.server.quirks().machines().collect();
    let mut restarted = Lan::configured(by_proxy);
    known.into_iter().for_each(|quirk| restarted.server.recall(quirk));
    assert_eq!(offered(&mut restarted, &discover(3, 0)), "redirect");
}

/// iPXE names its machine in the URL of its script: no address is needed.
#[test]
fn a_script_that_is_fetched_shows_that_the_loader_runs() {
    let mut lan = Lan::configured(by_proxy);
    offered(&mut lan, &discover(1, 0));
    lan.server.fetched(Some(client(1).mac()), local(78), second(3));
    assert_eq!(learned(&lan), [("direct", 1)]);
}

/// A switch hides what is unicast; a broadcast ACK of the other server tells who has which address.
#[test]
fn the_other_servers_ack_tells_who_fetches() {
    let mut lan = Lan::configured(by_proxy);
    offered(&mut lan, &discover(1, 0));
    let ack = Sent { op: 2, ..client(1).says(5).address(54, OTHER_SERVER) };
    let mut datagram = ack.bytes();
    datagram[16..20].copy_from_slice(&local(77).octets());
    lan.server.overheard(LinkId(0), &ack.arrival, &datagram, second(1));
    lan.server.fetched(None, local(77), second(3));
    assert_eq!(learned(&lan), [("direct", 1)]);
}

/// UEFI tries PXE, and then HTTP Boot: the loader's URL names the machine too.
#[test]
fn what_uefi_http_boot_fetches_is_no_success_of_pxe() {
    let mut lan = Lan::configured(by_proxy);
    let pxe = |start, secs| Sent { xid: start, secs, ..client(1).discover().uefi() };
    assert_eq!(offered(&mut lan, &pxe(1, 0)), "redirect");
    takes(&mut lan);
    offered(lan.at(30), &client(1).discover().http_boot());
    lan.server.fetched(Some(client(1).mac()), local(77), second(32));
    assert_eq!(learned(&lan), []);
    assert_eq!(offered(lan.at(300), &pxe(2, 0)), "direct");
}

/// What was known is forgotten where HTTP Boot had to help twice.
#[test]
fn a_form_that_http_boot_stands_in_for_is_forgotten() {
    let mut lan = Lan::configured(by_proxy);
    let pxe = |start| Sent { xid: start, ..client(1).discover().uefi() };
    offered(&mut lan, &pxe(1));
    lan.server.fetched(Some(client(1).mac()), local(77), second(2));
    assert_eq!(learned(&lan), [("redirect", 1)]);
    for (start, seconds) in [(2, 300), (3, 600)] {
        assert_eq!(offered(lan.at(seconds), &pxe(start)), "redirect");
        offered(lan.at(seconds + 30), &client(1).discover().http_boot());
    }
    assert_eq!(learned(&lan), []);
}

/// A relay agent may have all servers called by one name (RFC 5107).
#[test]
fn who_takes_an_offer_by_the_relay_agents_name_has_an_address() {
    let mut lan = Lan::configured(by_proxy);
    let information = [&[11, 4][..], &remote(254).octets()].concat();
    let by_relay = |sent: Sent| sent.option(82, &information).by_relay(RELAY);
    offered(&mut lan, &by_relay(discover(1, 0)));
    let takes = client(1).request().bios().address(54, remote(254)).address(50, remote(77));
    assert_eq!(lan.hears(&by_relay(takes)).silence(), Ignored::OtherServer);
    lan.server.fetched(None, remote(77), second(3));
    assert_eq!(learned(&lan), [("direct", 1)]);
}

#[test]
fn what_is_told_is_offered_whatever_happens() {
    let mut lan = Lan::configured(|config| {
        by_proxy(config);
        config.policy.everywhere.proxy_form = Some(ProxyForm::Told(form("menu")));
        let told = Some(ProxyForm::Told(form("options")));
        config.subnets[0].settings.proxy_form = told;
    });
    for (seconds, secs) in [(0, 0), (4, 4), (12, 12)] {
        assert_eq!(offered(lan.at(seconds), &discover(1, secs)), "options");
    }
    takes(&mut lan);
    lan.server.fetched(None, local(77), second(13));
    assert_eq!(learned(&lan), [("options", 1)], "it is known all the same");
    lan.reload(|config| config.subnets[0].settings.proxy_form = Some(ProxyForm::Auto));
    assert_eq!(offered(lan.at(600), &discover(2, 0)), "options");
}

/// Where the file is another server's, nobody sees whether it is fetched.
#[test]
fn nothing_is_tried_where_nothing_can_be_seen() {
    let mut lan = Lan::configured(|config| {
        by_proxy(config);
        config.subnets[0].settings.tftp_server = Some(local(9));
    });
    for (seconds, secs) in [(0, 0), (4, 4), (12, 12)] {
        assert_eq!(offered(lan.at(seconds), &discover(1, secs)), "direct");
    }
    assert_eq!(lan.server.quirks().tracked(), 0);
}

/// iPXE and HTTP Boot load the URL of the offer.
#[test]
fn who_has_no_choice_is_not_tried() {
    let mut lan = Lan::configured(|config| {
        by_proxy(config);
        config.subnets[0].settings.proxy_form = Some(ProxyForm::Told(form("menu")));
    });
    for sent in [client(1).discover().ipxe(), client(1).discover().http_boot()] {
        for (seconds, secs) in [(0, 0), (4, 4)] {
            assert_eq!(offered(lan.at(seconds), &Sent { secs, ..sent.clone() }), "direct");
        }
    }
    assert_eq!(lan.server.quirks().tracked(), 0);
}

#[test]
fn the_quirks_file_says_what_is_tried_first() {
    let sent = discover(1, 0);
    let bytes = sent.bytes();
    let firmware = Firmware::Pxe(Some(Architecture::BIOS));
    let signature = Signature::of(&Message::parse(&bytes).unwrap(), firmware);
    assert!(signature.vendor_class.starts_with("PXEClient"), "{signature}");
    let told: Told = [(signature, form("unicast"))].into();
    let mut lan = Lan::configured(|config| {
        by_proxy(config);
        config.policy.quirks = told;
    });
    let explanation = lan.server.explain(second(0), LinkId(0), &sent.arrival, &bytes);
    let choice = explanation.found.unwrap().form.unwrap();
    assert_eq!((choice.form.name, choice.why), ("unicast", Why::File));
    assert_eq!(offered(&mut lan, &sent), "unicast");
    assert_eq!(offered(lan.at(4), &discover(1, 4)), "direct");
}

#[test]
fn an_explanation_changes_nothing() {
    let lan = Lan::configured(by_proxy);
    for secs in [0, 4, 12] {
        let sent = discover(1, secs);
        let now = second(secs.into());
        let explanation = lan.server.explain(now, LinkId(0), &sent.arrival, &sent.bytes());
        let choice = explanation.found.unwrap().form.unwrap();
        assert_eq!((choice.form.name, choice.why), ("direct", Why::Turn(0)));
    }
}
