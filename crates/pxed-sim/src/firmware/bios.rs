//! A PXE ROM of a BIOS machine, in the manner of Intel's Boot Agent.

use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::wire::dhcp::FLAG_BROADCAST;
use pxed_proto::wire::options::code;

use super::dora::{self, Dora, Habits, Judgement};
use super::download::{self, Download, Wish};
use super::reply::Reply;
use super::{Act, Firmware, Image, Nic};
use crate::lan::Datagram;

/// PXE specification 2.1: the four DISCOVERs.
const DISCOVER_WAITS: &[u64] = &[4000, 8000, 16000, 32000];

/// PXE specification 2.1: the four REQUESTs.
const REQUEST_WAITS: &[u64] = &[1000, 2000, 3000, 4000];

/// What TFTP is asked for, in turn: the size, the file in large blocks, the file as of 1981.
const STAGES: [(bool, &[(&str, u64)]); 3] =
    [(true, &[("tsize", 0)]), (false, &[("blksize", 1456)]), (false, &[])];

/// The ROM: DHCP first, then TFTP.
#[derive(Clone, Debug)]
pub struct Bios {
    dora: Dora,
    download: Option<Download>,
    stage: usize,
}

impl Bios {
    /// A ROM in the machine with this interface.
    pub fn new(nic: &Nic) -> Self {
        let class = b"PXEClient:Arch:00000:UNDI:002001".to_vec();
        let list = [1, 2, 3, 4, 5, 6, 11, 12, 13, 15, 16, 17, 18, 22, 23, 28, 43, 54, 60, 67, 97];
        let mut options = dora::pxe_options(nic.mac, 0);
        options.push((code::VENDOR_CLASS, class));
        options.push((code::PARAMETER_REQUEST_LIST, list.to_vec()));
        options.push((code::MAX_MESSAGE_SIZE, 1260_u16.to_be_bytes().to_vec()));
        let dora = Dora::new(Habits {
            options,
            flags: FLAG_BROADCAST,
            discover_waits: DISCOVER_WAITS,
            request_waits: REQUEST_WAITS,
            jitter: 0,
            judge,
        });
        Self { dora, download: None, stage: 0 }
    }

    fn after_dhcp(&mut self, now: Timestamp, progress: dora::Progress, nic: &mut Nic) {
        match progress {
            dora::Progress::Waiting => {}
            dora::Progress::Failed(why) => nic.give_up(format!("PXE-E51: {why}")),
            dora::Progress::Bound(ack, held) => {
                nic.bind(held);
                let (probe, options) = STAGES[0];
                self.fetch(now, wish(&ack, probe, options), nic);
            }
        }
    }

    fn after_tftp(&mut self, now: Timestamp, progress: download::Progress, nic: &mut Nic) {
        match progress {
            download::Progress::Waiting => {}
            download::Progress::Got(octets) => nic.act(Act::Run(Image::Octets(octets))),
            download::Progress::Silent => nic.give_up("PXE-E32: TFTP open timeout"),
            download::Progress::Refused(1) => nic.give_up("PXE-T01: file not found"),
            download::Progress::Sized(_) | download::Progress::Refused(_) => self.next(now, nic),
        }
    }

    fn next(&mut self, now: Timestamp, nic: &mut Nic) {
        self.stage += 1;
        match (self.download.take(), STAGES.get(self.stage)) {
            (Some(download), Some(&(probe, options))) => {
                let wish = download.wish().clone();
                self.fetch(now, Wish { probe, options, ..wish }, nic);
            }
            _ => nic.give_up("PXE-E3B: TFTP error"),
        }
    }

    fn fetch(&mut self, now: Timestamp, wish: Wish, nic: &mut Nic) {
        self.download = Some(Download::begin(wish, now, nic));
    }
}

impl Firmware for Bios {
    fn name(&self) -> &'static str {
        "a BIOS with a PXE ROM"
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

fn wish(ack: &Reply, probe: bool, options: &'static [(&'static str, u64)]) -> Wish {
    let patience = Duration::from_secs(4);
    Wish { server: ack.next_server, file: ack.boot_file(), options, probe, patience }
}

/// It takes the first offer that it can boot from.
fn judge(offer: &Reply) -> Judgement {
    if offer.boot_file().is_empty() || offer.next_server.is_unspecified() {
        return Judgement::Refuse("no offer names a boot file (PXE-E53)");
    }
    let control = offer.encapsulated(code::VENDOR_SPECIFIC, 6);
    let direct = control.is_some_and(|bits| bits.first().is_some_and(|bits| bits & 8 != 0));
    if offer.is_of_class("PXEClient") && !direct {
        return Judgement::Wrong("a PXE ROM was made to look for boot servers".to_owned());
    }
    Judgement::Take
}
