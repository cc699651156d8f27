//! UEFI PXE as EDK2 does it (`UefiPxeBcDxe`, `Dhcp4Dxe`, `Mtftp4Dxe`).

use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::wire::options::code;

use super::dora::{self, Dora, Habits, Judgement};
use super::download::{self, Download, Wish};
use super::reply::Reply;
use super::{Act, Firmware, Image, Nic};
use crate::lan::Datagram;

/// `Dhcp4Dxe`: 4, 8, 16, 32 seconds. It collects offers until the first of them is over.
pub const WAITS: &[u64] = &[4000, 8000, 16000, 32000];

/// What TFTP is asked for, in turn: the size, then the file.
const STAGES: [(bool, &[(&str, u64)]); 2] = [
    (true, &[("tsize", 0), ("blksize", 1468), ("windowsize", 4)]),
    (false, &[("blksize", 1468), ("windowsize", 4)]),
];

/// The boot manager's entry "UEFI PXEv4".
#[derive(Clone, Debug)]
pub struct Edk2Pxe {
    dora: Dora,
    download: Option<Download>,
}

impl Edk2Pxe {
    /// Firmware in the machine with this interface.
    pub fn new(nic: &Nic) -> Self {
        let options = client_options(nic, "PXEClient:Arch:00007:UNDI:003016", 7);
        Self { dora: Dora::new(habits(options, judge)), download: None }
    }

    fn after_dhcp(&mut self, now: Timestamp, progress: dora::Progress, nic: &mut Nic) {
        match progress {
            dora::Progress::Waiting => {}
            dora::Progress::Failed(why) => nic.give_up(format!("PXE-E16: {why}")),
            dora::Progress::Bound(ack, held) => {
                nic.bind(held);
                let (probe, options) = STAGES[0];
                let (server, file) = (ack.next_server, ack.boot_file());
                let patience = Duration::from_secs(4);
                let wish = Wish { server, file, options, probe, patience };
                self.download = Some(Download::begin(wish, now, nic));
            }
        }
    }

    fn after_tftp(&mut self, now: Timestamp, progress: download::Progress, nic: &mut Nic) {
        match progress {
            download::Progress::Waiting => {}
            download::Progress::Got(octets) => nic.act(Act::Run(Image::Octets(octets))),
            download::Progress::Silent => nic.give_up("PXE-E18: server response timeout"),
            download::Progress::Refused(_) => nic.give_up("PXE-E23: TFTP error"),
            download::Progress::Sized(_) => {
                let Some(probe) = self.download.take() else { return };
                let (probe, wish) = (STAGES[1].0, probe.wish().clone());
                let wish = Wish { probe, options: STAGES[1].1, ..wish };
                self.download = Some(Download::begin(wish, now, nic));
            }
        }
    }
}

impl Firmware for Edk2Pxe {
    fn name(&self) -> &'static str {
        "UEFI (EDK2), PXE"
    }

    fn begin(&mut self, now: Timestamp, nic: &mut Nic) {
        self.dora.begin(now, nic);
    }

    fn hear(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic) {
        let progress = self.dora.hear(now, datagram, nic);
        self.after_dhcp(now, progress, nic);
        let heard = self.download.as_mut().map(|download| download.hear(now, datagram, nic));
        heard.into_iter().for_each(|progress| self.after_tftp(now, progress, nic));
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let tftp = self.download.as_ref().and_then(Download::poll_timeout);
        self.dora.poll_timeout().into_iter().chain(tftp).min()
    }

    fn handle_timeout(&mut self, now: Timestamp, nic: &mut Nic) {
        let progress = self.dora.handle_timeout(now, nic);
        self.after_dhcp(now, progress, nic);
        let waited = self.download.as_mut().map(|download| download.handle_timeout(now, nic));
        waited.into_iter().for_each(|progress| self.after_tftp(now, progress, nic));
    }
}

/// What EDK2 says of itself in DISCOVER and REQUEST, for PXE and for HTTP Boot.
pub fn client_options(nic: &Nic, class: &str, arch: u16) -> Vec<(u8, Vec<u8>)> {
    let list = [
        1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60,
        66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135,
    ];
    let mut options = vec![
        (code::MAX_MESSAGE_SIZE, 1472_u16.to_be_bytes().to_vec()),
        (code::PARAMETER_REQUEST_LIST, list.to_vec()),
    ];
    options.extend(dora::pxe_options(nic.mac, arch));
    options.push((code::VENDOR_CLASS, class.as_bytes().to_vec()));
    options
}

/// EDK2's way with DHCP.
pub fn habits(options: Vec<(u8, Vec<u8>)>, judge: fn(&Reply) -> Judgement) -> Habits {
    let (discover_waits, request_waits) = (WAITS, WAITS);
    Habits { options, flags: 0, discover_waits, request_waits, jitter: 0, judge }
}

/// `PxeBcParseCachedDhcp4Packet`: with "PXEClient" and none of PXE's sub-options an offer is one
/// of a BINL server, which is asked for the rest at port 4011.
fn judge(offer: &Reply) -> Judgement {
    let sub = |code| offer.encapsulated(code::VENDOR_SPECIFIC, code);
    let control = sub(6).and_then(|bits| bits.first().copied());
    let pxe10 = [6, 8, 9, 10].into_iter().any(|code| sub(code).is_some());
    match offer.is_of_class("PXEClient") {
        true if !pxe10 => {
            Judgement::Wrong("EDK2 was made to ask at port 4011 (option 60 without 43)".to_owned())
        }
        true if control.is_none_or(|bits| bits & 8 == 0) => {
            Judgement::Wrong("EDK2 was made to discover boot servers".to_owned())
        }
        _ if offer.boot_file().is_empty() => Judgement::Refuse("no offer names a boot file"),
        _ if offer.boot_file().contains("://") => Judgement::Refuse("PXE can not load a URL"),
        _ => Judgement::Keep,
    }
}
