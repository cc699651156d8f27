//! PXE ROMs that follow one form of a proxy offer, and no other: each as stubborn as the worst that
//! people met.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{BOOT_SERVER_PORT, CLIENT_PORT, Discovery, Form, Naming};
use pxed_proto::wire::dhcp::{FLAG_BROADCAST, Header, Message, MessageType};
use pxed_proto::wire::options::code;

use super::dora::{client_header, client_message, pxe_options};
use super::download::{self, Download, Wish};
use super::reply::Reply;
use super::{Act, Firmware, Held, Image, Nic};
use crate::lan::{Datagram, To};

/// PXE specification 2.1: when it loses its patience with each DISCOVER.
const DISCOVER_WAITS: [u64; 4] = [4000, 8000, 16000, 32000];

/// And with each REQUEST, to the other server or to port 4011.
const REQUEST_WAITS: [u64; 4] = [1000, 2000, 3000, 4000];

/// How it differs from others.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// What it follows.
    pub follows: &'static Form,
    /// What it says in options 60 and 93.
    pub architecture: u16,
    /// It takes an address without anything to boot, and stops: one DISCOVER a start.
    pub hasty: bool,
}

/// The ROM: collects offers as long as a DISCOVER lasts, and then takes those that it can use.
#[derive(Clone, Debug)]
pub struct Rom {
    habits: Habits,
    xid: u32,
    began: Timestamp,
    stage: Stage,
    tries: usize,
    sent_at: Timestamp,
    deadline: Option<Timestamp>,
    /// An address, by a server.
    address: Option<(Ipv4Addr, Ipv4Addr)>,
    /// An offer that it follows.
    boot: Option<Reply>,
    download: Option<Download>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Off,
    Discovering,
    Requesting,
    AskingBootServer,
    Loading,
}

impl Rom {
    /// A ROM with these habits.
    pub fn new(habits: Habits) -> Self {
        Self {
            habits,
            xid: 0,
            began: Timestamp::EPOCH,
            stage: Stage::Off,
            tries: 0,
            sent_at: Timestamp::EPOCH,
            deadline: None,
            address: None,
            boot: None,
            download: None,
        }
    }

    fn enter(&mut self, stage: Stage, now: Timestamp, nic: &mut Nic) {
        (self.stage, self.tries) = (stage, 0);
        self.send(now, nic);
    }

    fn send(&mut self, now: Timestamp, nic: &mut Nic) {
        let waits = if self.stage == Stage::Discovering { DISCOVER_WAITS } else { REQUEST_WAITS };
        let Some(wait) = waits.get(self.tries) else {
            return nic.give_up(match self.stage {
                Stage::Discovering => "PXE-E51: no offer that it follows",
                Stage::AskingBootServer => "PXE-E55: no reply to request on port 4011",
                _ => "PXE-E51: no ACK",
            });
        };
        self.tries += 1;
        (self.sent_at, self.deadline) = (now, Some(now + Duration::from_millis(*wait)));
        match self.stage {
            Stage::Discovering => nic.broadcast(self.says(MessageType::Discover, now, &[], nic)),
            Stage::Requesting => {
                let Some((address, server)) = self.address else { return };
                let options = [
                    (code::REQUESTED_ADDRESS, address.octets().to_vec()),
                    (code::SERVER_IDENTIFIER, server.octets().to_vec()),
                ];
                nic.broadcast(self.says(MessageType::Request, now, &options, nic));
            }
            Stage::AskingBootServer => {
                let Some(offer) = &self.boot else { return };
                let server = SocketAddrV4::new(offer.server, BOOT_SERVER_PORT);
                let item = menu_item(offer).map(|item| (code::VENDOR_SPECIFIC, item));
                let options: Vec<_> = item.into_iter().collect();
                let message = self.says(MessageType::Request, now, &options, nic);
                nic.send(CLIENT_PORT, server, message);
            }
            Stage::Off | Stage::Loading => {}
        }
    }

    fn says(
        &self,
        message_type: MessageType,
        now: Timestamp,
        more: &[(u8, Vec<u8>)],
        nic: &Nic,
    ) -> Vec<u8> {
        let arch = self.habits.architecture;
        let class = format!("PXEClient:Arch:{arch:05}:UNDI:002001");
        // Each model asks for other options, as models do.
        let mut list = vec![1, 3, 6, 12, 15, 43, 54, 60, 66, 67, 97];
        list.extend(self.habits.follows.name.bytes().map(|byte| byte | 128));
        let mut options = more.to_vec();
        options.extend(pxe_options(nic.mac, arch));
        options.push((code::VENDOR_CLASS, class.into_bytes()));
        options.push((code::PARAMETER_REQUEST_LIST, list));
        let secs = u16::try_from(now.since(self.began).as_secs()).unwrap_or(u16::MAX);
        let ciaddr = nic.held.map_or(Ipv4Addr::UNSPECIFIED, |held| held.address);
        let flags = if ciaddr.is_unspecified() { FLAG_BROADCAST } else { 0 };
        let header = Header { secs, flags, ciaddr, ..client_header(nic.mac, self.xid) };
        client_message(&header, message_type, &options)
    }

    fn hear_dhcp(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic) {
        let Some(reply) = Reply::of(datagram, nic.mac, self.xid) else { return };
        match (self.stage, reply.message_type) {
            (Stage::Discovering, MessageType::Offer) if !reply.address.is_unspecified() => {
                self.address = Some((reply.address, reply.server));
            }
            (Stage::Discovering, MessageType::Offer) if self.follows(&reply, datagram, now) => {
                self.boot = Some(reply);
            }
            (Stage::Requesting, MessageType::Ack) if !reply.address.is_unspecified() => {
                nic.bind(Held { address: reply.address, expires: now + reply.lease_time() });
                match &self.boot {
                    None => nic.give_up("PXE-E53: no boot filename received"),
                    Some(_) if self.habits.follows.sends_to_boot_server() => {
                        self.enter(Stage::AskingBootServer, now, nic);
                    }
                    Some(_) => self.load(now, nic),
                }
            }
            (Stage::AskingBootServer, MessageType::Ack) if reply.address.is_unspecified() => {
                self.boot = Some(reply);
                self.load(now, nic);
            }
            _ => {}
        }
    }

    fn load(&mut self, now: Timestamp, nic: &mut Nic) {
        (self.stage, self.deadline) = (Stage::Loading, None);
        let Some(boot) = &self.boot else { return };
        let (server, file) = (boot.next_server, boot.boot_file());
        let patience = Duration::from_secs(4);
        let wish = Wish { server, file, options: &[("blksize", 1456)], probe: false, patience };
        self.download = Some(Download::begin(wish, now, nic));
    }

    fn loaded(&mut self, progress: download::Progress, nic: &mut Nic) {
        match progress {
            download::Progress::Got(octets) => nic.act(Act::Run(Image::Octets(octets))),
            download::Progress::Silent => nic.give_up("PXE-E32: TFTP open timeout"),
            download::Progress::Refused(_) => nic.give_up("PXE-E23: TFTP error"),
            download::Progress::Waiting | download::Progress::Sized(_) => {}
        }
    }

    /// Is the offer of the one form that it follows?
    fn follows(&self, offer: &Reply, datagram: &Datagram, now: Timestamp) -> bool {
        let form = self.habits.follows;
        let late = now.since(self.sent_at) >= Duration::from_millis(900);
        discovery(offer) == Some(form.discovery)
            && naming(datagram) == Some(form.naming)
            && (datagram.to != To::Everybody) == form.unicast
            && late != form.delay.is_zero()
    }
}

/// What it is told of boot servers.
fn discovery(offer: &Reply) -> Option<Discovery> {
    let sub = |code| offer.encapsulated(code::VENDOR_SPECIFIC, code);
    let control = sub(6).and_then(|bits| bits.first().copied());
    let menu = [8, 9, 10].map(|code| sub(code).is_some());
    match (offer.option(code::VENDOR_SPECIFIC).is_some(), control, menu) {
        _ if !offer.is_of_class("PXEClient") => None,
        (false, ..) => Some(Discovery::Unsaid),
        (true, Some(bits), [false, false, false]) if bits & 8 != 0 => Some(Discovery::UseBootFile),
        (true, _, [true, true, true]) => Some(Discovery::Menu),
        _ => None,
    }
}

/// Where it is told what to load.
fn naming(datagram: &Datagram) -> Option<Naming> {
    let message = Message::parse(&datagram.payload).ok()?;
    let option = message.option(code::BOOT_FILE_NAME).is_some();
    let server = message.option(code::TFTP_SERVER_NAME).is_some();
    match (!message.file().is_empty(), option, server) {
        (true, true, true) => Some(Naming::Everywhere),
        (true, false, false) => Some(Naming::Fields),
        (false, true, true) => Some(Naming::Options),
        (false, false, _) => Some(Naming::Nowhere),
        _ => None,
    }
}

/// What it says of the item that the menu has (43.71): its type, layer 0.
fn menu_item(offer: &Reply) -> Option<Vec<u8>> {
    let menu = offer.encapsulated(code::VENDOR_SPECIFIC, 9)?;
    let kind = menu.first_chunk::<2>()?;
    Some(vec![71, 4, kind[0], kind[1], 0, 0, 255])
}

impl Firmware for Rom {
    fn name(&self) -> &'static str {
        "a stubborn PXE ROM"
    }

    fn begin(&mut self, now: Timestamp, nic: &mut Nic) {
        self.xid = nic.random.bits() as u32;
        self.began = now;
        self.enter(Stage::Discovering, now, nic);
    }

    fn hear(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic) {
        self.hear_dhcp(now, datagram, nic);
        let heard = self.download.as_mut().map(|download| download.hear(now, datagram, nic));
        heard.into_iter().for_each(|progress| self.loaded(progress, nic));
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let tftp = self.download.as_ref().and_then(Download::poll_timeout);
        self.deadline.into_iter().chain(tftp).min()
    }

    fn handle_timeout(&mut self, now: Timestamp, nic: &mut Nic) {
        if self.deadline.take_if(|deadline| *deadline <= now).is_some() {
            let enough = self.boot.is_some() || self.habits.hasty;
            if self.stage == Stage::Discovering && self.address.is_some() && enough {
                self.enter(Stage::Requesting, now, nic);
            } else {
                self.send(now, nic);
            }
        }
        let waited = self.download.as_mut().map(|download| download.handle_timeout(now, nic));
        waited.into_iter().for_each(|progress| self.loaded(progress, nic));
    }
}
