//! What came of loading the boot files.

use pxed_proto::text::Printable;

use super::super::client::Client;
use super::super::heard::{Asked, Heard, Loaded, Trail};
use super::super::loader::{EFI_BYTE_CODE, EFI_X64, Loader};
use super::super::offer::{Offer, Source};
use super::Findings;
use super::servers::called;

pub(super) fn judge(heard: &Heard, all: &mut Findings) {
    for asked in &heard.clients {
        for trail in &asked.trails {
            let (Some(source), Some(loaded)) = (&trail.source, &trail.loaded) else { continue };
            let Some(offer) = asked.offers.get(trail.offer) else { continue };
            if matches!(asked.client, Client::Bios | Client::Uefi) && is_web(source) {
                url_for_pxe(asked.client, source, offer, all);
                continue;
            }
            let case = Case { client: asked.client, source, whose: whose(source, trail, offer) };
            judge_load(&case, loaded, all);
        }
    }
    chain_loops(heard, all);
}

/// A file for a client.
struct Case<'a> {
    client: Client,
    source: &'a Source,
    /// Who points at it, where that is somebody else.
    whose: String,
}

fn is_web(source: &Source) -> bool {
    matches!(source, Source::Url(url) if !url.starts_with("tftp://"))
}

/// A next-server that is not the one who says so.
fn whose(source: &Source, trail: &Trail, offer: &Offer) -> String {
    match source {
        Source::Tftp { server, .. } if trail.boot_server.is_none() && *server != offer.who() => {
            format!(", the next-server that {} names,", offer.who())
        }
        _ => String::new(),
    }
}

fn url_for_pxe(client: Client, source: &Source, offer: &Offer, all: &mut Findings) {
    let what = format!("{} names the URL {source} to a PXE ROM", called(offer));
    let remedy = "a PXE ROM loads by TFTP alone and takes this for a file's name: give it a loader \
                  by TFTP, and URLs to iPXE and HTTPClient only";
    all.add("url-for-pxe", client, what, remedy.to_owned());
}

fn judge_load(case: &Case<'_>, loaded: &Loaded, all: &mut Findings) {
    let Case { client, source, whose } = case;
    let file = match source {
        Source::Tftp { file, .. } => Printable(file.as_bytes()),
        Source::Url(_) => Printable(b""),
    };
    let (code, what, remedy) = match (source, loaded) {
        (_, Loaded::NotTried(_)) => return,
        (_, Loaded::Head { octets, size }) => return judge_kind(case, octets, *size, all),
        (Source::Tftp { server, .. }, Loaded::Refused(why)) => (
            "tftp-refused",
            format!("the TFTP server {server}{whose} does not serve {file}: {why}"),
            "put the file below that server's directory, readable for it, or correct the name: \
             letters' case and the path count",
        ),
        (Source::Tftp { server, .. }, Loaded::Silence) => (
            "tftp-silent",
            format!("{server}{whose} does not answer by TFTP, where {file} should come from"),
            "start a TFTP server there; if one runs, a firewall between drops UDP port 69, or its \
             answers, which come from other ports",
        ),
        (Source::Tftp { server, .. }, Loaded::NoPort) => (
            "tftp-no-server",
            format!("nobody has the TFTP port on {server}{whose}, where {file} should come from"),
            "start the TFTP server, or correct next-server (siaddr)",
        ),
        (Source::Tftp { server, .. }, Loaded::From(other)) => (
            "tftp-elsewhere",
            format!("the TFTP server {server} sends {file} from another address, {other}"),
            "firmware ignores that: have it answer from the address that was asked (host network \
             for a container, --listen-address or the like for a host with several)",
        ),
        (_, Loaded::Refused(why)) => (
            "http-refused",
            format!("{source} can not be had: {why}"),
            "put the file where the URL says, or correct the URL",
        ),
        (_, Loaded::NoPort) => (
            "http-no-server",
            format!("{source} can not be had: nobody has that port"),
            "start the web server, or correct host and port of the URL",
        ),
        (_, Loaded::Silence | Loaded::From(_)) => (
            "http-silent",
            format!("{source} can not be had: its server does not answer"),
            "start the web server, or let its TCP port through the firewall between",
        ),
        (_, Loaded::Failed(why)) => (
            "load-failed",
            format!("{source} can not be had: {why}"),
            "try it from a machine on this network with curl",
        ),
    };
    all.add(code, *client, what, remedy.to_owned());
}

/// Is it something that such a machine can run?
fn judge_kind(case: &Case<'_>, octets: &[u8], size: Option<u64>, all: &mut Findings) {
    let Case { client, source, .. } = case;
    let loader = if size == Some(0) { Loader::Empty } else { Loader::of(octets) };
    let code = match (client, loader) {
        (_, Loader::Empty) => "empty-file",
        (Client::Bios, Loader::Efi(_)) => "wrong-architecture",
        (Client::Bios | Client::Uefi, Loader::Script | Loader::Page | Loader::Elf) => "no-loader",
        (Client::Uefi | Client::Http, Loader::Efi(EFI_X64 | EFI_BYTE_CODE)) => return,
        (Client::Uefi | Client::Http, Loader::Efi(_)) => "wrong-architecture",
        (Client::Http, _) if is_disk_image(source) => return,
        (Client::Uefi | Client::Http, _) => "no-loader",
        (Client::Ipxe, Loader::Page) => "no-loader",
        _ => return,
    };
    let (what, remedy) = match (code, client) {
        ("empty-file", _) => (format!("{source} is empty"), "put the loader there again"),
        ("no-loader", Client::Ipxe) => (
            format!("{source} is {loader}, and neither a script nor a program"),
            "look at the web server: a login page or an error page has the status of a file",
        ),
        (_, Client::Bios) => (
            format!("{source} is {loader}, which a BIOS machine can not run"),
            "tell clients apart by option 93: a BIOS boot program (undionly.kpxe, pxelinux.0) for \
             architecture 0",
        ),
        _ => (
            format!("{source} is {loader}, which x64 UEFI can not run"),
            "tell clients apart by option 93: an x64 UEFI program (ipxe.efi, grubx64.efi, \
             shimx64.efi) for architectures 7, 9 and 16",
        ),
    };
    all.add(code, *client, what, remedy.to_owned());
}

/// UEFI HTTP Boot also takes disk images (UEFI specification, section 24.7.6).
fn is_disk_image(source: &Source) -> bool {
    let name = source.base_name().to_ascii_lowercase();
    name.ends_with(".iso") || name.ends_with(".img")
}

/// iPXE that is given iPXE would be for ever.
fn chain_loops(heard: &Heard, all: &mut Findings) {
    let ipxe = heard.clients.iter().find(|asked| asked.client == Client::Ipxe);
    let Some(Asked { trails, offers, .. }) = ipxe else { return };
    for trail in trails {
        let (Some(source), Some(offer)) = (&trail.source, offers.get(trail.offer)) else {
            continue;
        };
        let is_script = matches!(&trail.loaded,
            Some(Loaded::Head { octets, .. }) if Loader::of(octets) == Loader::Script);
        if is_script || !is_ipxe(source.base_name()) {
            continue;
        }
        let what = format!("{} gives iPXE {source}, which is iPXE again", called(offer));
        let remedy = "it would load itself for ever: give clients that say iPXE in option 77, or \
                      have option 175, a script instead";
        all.add("chain-loop", Client::Ipxe, what, remedy.to_owned());
    }
}

/// By the names that iPXE's own builds and Debian's package have.
fn is_ipxe(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_program =
        [".kpxe", ".kkpxe", ".pxe", ".efi", ".0"].iter().any(|end| name.ends_with(end));
    let is_named = ["ipxe", "undionly", "snponly", "snp.", "gpxe"].iter().any(|n| name.contains(n));
    is_program && is_named
}
