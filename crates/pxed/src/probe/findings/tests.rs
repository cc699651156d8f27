//! What was heard, and what is found in it.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::net::Mac;

use super::super::client::Client;
use super::super::course::{Lead, Step, leads};
use super::super::heard::{Asked, BootAnswer, BootServer, Heard, Loaded, Trail};
use super::super::loader::tests::efi;
use super::super::offer::{Discovery, Offer};
use super::super::testing::{PROXY, SERVER, address, http, menu, proxy};
use super::*;

const PAGE: &str = include_str!("../../../../../docs/probe.md");

/// What one client heard, with every file there as `loaded` and every boot server as `answer`.
struct Story {
    client: Client,
    offers: Vec<Offer>,
    loaded: Loaded,
    answer: BootAnswer,
}

fn story(client: Client, offers: Vec<Offer>) -> Story {
    let loaded = match client {
        Client::Uefi | Client::Http => head(&efi(0x8664)),
        _ => head(b"\xea\x05\0\xc0\x07"),
    };
    Story { client, offers, loaded, answer: BootAnswer::Silence }
}

fn head(octets: &[u8]) -> Loaded {
    Loaded::Head { octets: octets.to_vec(), size: None }
}

impl Story {
    fn loaded(self, loaded: Loaded) -> Self {
        Self { loaded, ..self }
    }

    fn answer(self, answer: BootAnswer) -> Self {
        Self { answer, ..self }
    }

    fn asked(self) -> Asked {
        let trail = |Lead { offer, step }| match step {
            Step::Load(source) => {
                let loaded = Some(self.loaded.clone());
                Trail { offer, boot_server: None, source: Some(source), loaded }
            }
            Step::Ask { server, kind } => {
                let source = match &self.answer {
                    BootAnswer::Ack(ack) => ack.source(),
                    _ => None,
                };
                let loaded = source.as_ref().map(|_| self.loaded.clone());
                let boot_server = BootServer { server, kind, answer: self.answer.clone() };
                Trail { offer, boot_server: Some(boot_server), source, loaded }
            }
        };
        let trails = leads(self.client, &self.offers).into_iter().map(trail).collect();
        Asked { client: self.client, offers: self.offers, trails }
    }
}

fn found(stories: impl IntoIterator<Item = Story>) -> Vec<Finding> {
    findings(&Heard {
        interface: "eth1".into(),
        mac: Mac([2, 0, 0, 0, 0, 1]),
        addresses: Vec::new(),
        own_server: None,
        clients: stories.into_iter().map(Story::asked).collect(),
    })
}

/// Each story has exactly these findings; the first one says this.
fn each(cases: Vec<(Story, &[&str], &str)>) {
    for (story, codes, text) in cases {
        let name = format!("{:?} {:?}", story.client, story.offers);
        let found = found([story]);
        let said: Vec<&str> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(said, codes, "{name}");
        let documented = |code: &&&str| PAGE.contains(&format!("`{code}`"));
        assert_eq!(codes.iter().find(|code| !documented(code)), None, "not in docs/probe.md");
        let what = found.first().map(|finding| finding.what.clone()).unwrap_or_default();
        assert!(what.contains(text), "{text} is not in: {what}");
        assert!(found.iter().all(|finding| !finding.remedy.is_empty()));
    }
}

fn bios(file: &str) -> Offer {
    Offer { file: Some(file.to_owned()), next_server: Some(SERVER), ..address() }
}

#[test]
fn a_network_that_boots_everybody_has_no_faults() {
    let script = Offer { file: Some("http://192.0.2.1/boot.ipxe".to_owned()), ..address() };
    let found = found([
        story(Client::Bios, vec![address(), proxy("undionly.kpxe")]),
        story(Client::Uefi, vec![bios("ipxe.efi")]),
        story(Client::Http, vec![http("http://192.0.2.1/ipxe.efi")]),
        story(Client::Ipxe, vec![script]).loaded(head(b"#!ipxe\n")),
        story(Client::Plain, vec![address()]),
    ]);
    assert_eq!(found, []);
}

#[test]
fn nobody_answers() {
    let silent = || Client::ALL.map(|client| story(client, Vec::new()));
    let all = found(silent());
    let [finding] = &all[..] else { panic!("{all:?}") };
    assert_eq!((finding.code, &finding.clients[..]), ("no-answer", &Client::ALL[..]));
    assert_eq!(finding.what, "nobody answers on eth1: there is no OFFER");
    let found = found([
        story(Client::Bios, vec![bios("x")]),
        story(Client::Uefi, Vec::new()),
        story(Client::Http, Vec::new()),
    ]);
    let [finding] = &found[..] else { panic!("{found:?}") };
    assert_eq!(finding.clients, [Client::Uefi, Client::Http]);
    assert_eq!(finding.what, "nobody answers it, though 192.0.2.1 answers others");
}

#[test]
fn a_proxy_alone_gives_no_address() {
    let stories = [story(Client::Bios, vec![proxy("x")]), story(Client::Plain, Vec::new())];
    let found = found(stories);
    let [finding] = &found[..] else { panic!("{found:?}") };
    assert_eq!((finding.code, finding.clients.len()), ("no-address", 2));
    assert_eq!(finding.what, "no DHCP server gives it an address; only 192.0.2.2 answers");
}

#[test]
fn too_many_answer() {
    let other = Offer { server: Some(PROXY), from: PROXY, ..address() };
    let third = Ipv4Addr::new(192, 0, 2, 3);
    let mac = Some(Mac([2, 0, 0, 0, 0, 3]));
    let second = Offer { server: Some(third), mac, next_server: Some(third), ..proxy("y") };
    let relayed = Offer { relay: Some(third), ..other.clone() };
    let both = "2 DHCP servers give addresses: 192.0.2.1 offers 192.0.2.100 and 192.0.2.2 ";
    each(vec![
        (story(Client::Plain, vec![address(), other]), &["two-dhcp-servers"], both),
        (
            story(Client::Plain, vec![address(), relayed]),
            &["two-dhcp-servers"],
            "192.0.2.2 by the relay agent 192.0.2.3 offers 192.0.2.100",
        ),
        (
            story(Client::Bios, vec![address(), proxy("x"), second]),
            &["two-proxies"],
            "2 ProxyDHCP servers answer: 192.0.2.2 (x by TFTP from 192.0.2.2) and 192.0.2.3 at \
             02:00:00:00:00:03 (y by TFTP from 192.0.2.3)",
        ),
        (
            story(Client::Uefi, vec![bios("a"), proxy("b")]),
            &["two-boot-files"],
            "192.0.2.1 names the boot file a by TFTP from 192.0.2.1, and so does the ProxyDHCP \
             server 192.0.2.2",
        ),
    ]);
}

#[test]
fn offers_that_lack_something() {
    let unnamed = Offer { server: None, ..bios("x") };
    let endless = Offer { lease_time: None, ..address() };
    let nobodys = Offer { next_server: None, ..bios("x") };
    let named = Offer { server_name: Some("tftp.example\x1b".to_owned()), ..nobodys.clone() };
    let unclassed = Offer { class: None, pxe: None, ..proxy("x") };
    let far = Offer { next_server: Some(Ipv4Addr::new(10, 0, 0, 1)), ..bios("x") };
    let routerless = Offer { routers: Vec::new(), ..far.clone() };
    let url = "http://boot.example/x.ipxe".to_owned();
    let nameless = Offer { file: Some(url), has_dns: false, ..address() };
    each(vec![
        (story(Client::Bios, vec![unnamed]), &["no-server-identifier"], "192.0.2.1 has no"),
        (story(Client::Plain, vec![endless]), &["no-lease-time"], "option 51"),
        (story(Client::Bios, vec![nobodys]), &["no-next-server"], "(siaddr is 0.0.0.0)"),
        (story(Client::Uefi, vec![named]), &["no-next-server"], "sname says tftp.example\\x1b)"),
        (story(Client::Plain, vec![address(), proxy("x")]), &["proxy-for-all"], "not booting"),
        (
            story(Client::Bios, vec![bios("x"), unclassed]),
            &["proxy-without-pxeclient"],
            "does not say PXEClient",
        ),
        (story(Client::Bios, vec![far]), &[], ""),
        (story(Client::Bios, vec![routerless]), &["no-router"], "is on 10.0.0.1, on another"),
        (
            story(Client::Ipxe, vec![nameless]).loaded(head(b"#!ipxe")),
            &["no-dns"],
            "http://boot.example/x.ipxe has a host name",
        ),
    ]);
}

#[test]
fn nothing_to_boot() {
    let uri = Offer { file: Some("http://192.0.2.1/x.efi".to_owned()), ..address() };
    each(vec![
        (story(Client::Bios, vec![address()]), &["no-boot-file"], "no boot file"),
        (story(Client::Http, vec![bios("x")]), &["no-boot-file"], "no URL"),
        (story(Client::Plain, vec![address()]), &[], ""),
        (story(Client::Bios, vec![address(), menu(Some(0))]), &["no-boot-file"], "local disk"),
        (story(Client::Http, vec![uri]), &["no-httpclient"], "without option 60 HTTPClient"),
        (
            story(Client::Http, vec![http("x.efi")]),
            &["no-url"],
            "names x.efi, which is no absolute",
        ),
    ]);
}

#[test]
fn boot_servers() {
    let ask = |answer| story(Client::Bios, vec![address(), menu(None)]).answer(answer);
    let bare = Offer { pxe: None, file: None, ..proxy("") };
    let listed = Discovery { item: Some(7), server: Some(SERVER), use_boot_file: false };
    let listed = Offer { pxe: Some(listed), ..menu(None) };
    let ack = |file: Option<&str>| {
        BootAnswer::Ack(Box::new(Offer { file: file.map(str::to_owned), ..proxy("") }))
    };
    let silent = "nobody answers";
    each(vec![
        (ask(BootAnswer::Silence), &["boot-server-silent"], "192.0.2.2 port 4011, and nobody"),
        (
            story(Client::Uefi, vec![address(), bare]),
            &["boot-server-silent"],
            "says PXEClient (option 60) without option 43 and a boot file",
        ),
        (story(Client::Bios, vec![address(), listed]), &["boot-server-silent"], silent),
        (
            ask(BootAnswer::From(SocketAddrV4::new(SERVER, 67))),
            &["boot-server-elsewhere"],
            "192.0.2.2 port 4011 answers from 192.0.2.1:67",
        ),
        (ask(ack(None)), &["boot-server-no-file"], "answers without a boot file"),
        (ask(ack(Some("x.0"))), &[], ""),
        (ask(ack(Some("x.0"))).loaded(Loaded::NoPort), &["tftp-no-server"], "on 192.0.2.2, where"),
        (ask(BootAnswer::NotAsked("no address".to_owned())), &[], ""),
    ]);
}

#[test]
fn files_that_can_not_be_had() {
    let refused = || Loaded::Refused("error 1, \"File not found\"".to_owned());
    let elsewhere = Offer { next_server: Some(PROXY), ..bios("x") };
    let by_tftp = |loaded| story(Client::Bios, vec![bios("x")]).loaded(loaded);
    let by_http = |loaded| story(Client::Http, vec![http("http://192.0.2.1/x")]).loaded(loaded);
    let url = Offer { file: Some("http://192.0.2.1/x".to_owned()), ..bios("") };
    each(vec![
        (by_tftp(refused()), &["tftp-refused"], "192.0.2.1 does not serve x: error 1, \"File"),
        (by_tftp(Loaded::Silence), &["tftp-silent"], "192.0.2.1 does not answer by TFTP, where x"),
        (by_tftp(Loaded::NoPort), &["tftp-no-server"], "the TFTP port on 192.0.2.1, where x"),
        (by_tftp(Loaded::From(PROXY)), &["tftp-elsewhere"], "from another address, 192.0.2.2"),
        (by_tftp(Loaded::NotTried("so".to_owned())), &[], ""),
        (by_tftp(Loaded::Failed("odd".to_owned())), &["load-failed"], "can not be had: odd"),
        (
            story(Client::Bios, vec![elsewhere]).loaded(Loaded::Silence),
            &["tftp-silent"],
            "192.0.2.2, the next-server that 192.0.2.1 names, does not answer",
        ),
        (by_http(Loaded::Refused("404 Not Found".to_owned())), &["http-refused"], "had: 404 Not"),
        (by_http(Loaded::NoPort), &["http-no-server"], "nobody has that port"),
        (by_http(Loaded::Silence), &["http-silent"], "http://192.0.2.1/x can not be had"),
        (story(Client::Uefi, vec![url]), &["url-for-pxe"], "the URL http://192.0.2.1/x to a PXE"),
    ]);
}

#[test]
fn files_that_such_a_machine_can_not_run() {
    let x64 = || head(&efi(0x8664));
    let tftp = |client, loaded| story(client, vec![bios("x")]).loaded(loaded);
    let web = |url: &str, loaded| story(Client::Http, vec![http(url)]).loaded(loaded);
    let nbp = || head(b"\xea\x05");
    let empty = || Loaded::Head { octets: Vec::new(), size: Some(0) };
    let wrong: &[&str] = &["wrong-architecture"];
    let none: &[&str] = &["no-loader"];
    each(vec![
        (tftp(Client::Bios, x64()), wrong, "is a UEFI program for x64, which a BIOS machine can"),
        (tftp(Client::Uefi, head(&efi(0xaa64))), wrong, "is a UEFI program for arm64, which x64"),
        (tftp(Client::Uefi, head(&efi(0x0ebc))), &[], ""),
        (tftp(Client::Uefi, nbp()), none, "which x64 UEFI can not run"),
        (tftp(Client::Bios, head(b"#!ipxe")), none, "is an iPXE script, which a BIOS"),
        (tftp(Client::Bios, head(b"\x7fELF")), none, "is an ELF program"),
        (tftp(Client::Bios, empty()), &["empty-file"], "is empty"),
        (web("http://192.0.2.1/x", nbp()), none, "which x64 UEFI can not run"),
        (web("http://192.0.2.1/x.ISO?a", nbp()), &[], ""),
        (web("http://192.0.2.1/x", head(b"<!DOCTYPE html>")), none, "a web page"),
        (tftp(Client::Ipxe, head(b"<html>")), none, "neither a script nor a program"),
        (tftp(Client::Ipxe, head(b"#!ipxe")), &[], ""),
    ]);
}

#[test]
fn ipxe_that_loads_itself() {
    let ipxe = |file: &str| story(Client::Ipxe, vec![bios(file)]);
    let looped: &[&str] = &["chain-loop"];
    each(vec![
        (
            ipxe("undionly.kpxe"),
            looped,
            "gives iPXE undionly.kpxe by TFTP from 192.0.2.1, which is",
        ),
        (ipxe("boot\\IPXE.efi"), looped, "iPXE again"),
        (ipxe("boot/snponly.efi"), looped, "iPXE again"),
        (ipxe("boot.ipxe"), &[], ""),
        (ipxe("grubx64.efi"), &[], ""),
        (ipxe("pxelinux.0"), &[], ""),
        (ipxe("ipxe.efi").loaded(head(b"#!ipxe")), &[], ""),
    ]);
}

/// A file's name is a peer's word: no octet of it moves a cursor.
#[test]
fn what_servers_say_is_fit_to_be_read() {
    let evil = "a\x1b[2J\nb";
    let refused = Loaded::Refused("x".to_owned());
    let cases = [Loaded::Silence, Loaded::NoPort, refused, Loaded::From(PROXY), head(b"MZ")];
    for loaded in cases {
        for client in [Client::Bios, Client::Uefi] {
            let plain = Offer { next_server: None, ..bios(evil) };
            for offer in [bios(evil), plain, http(&format!("http://h/{evil}"))] {
                for finding in found([story(client, vec![offer]).loaded(loaded.clone())]) {
                    assert!(!finding.what.contains(['\x1b', '\n']), "{finding:?}");
                }
            }
        }
    }
}
