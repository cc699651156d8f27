//! UEFI HTTP Boot as EDK2 does it (`HttpBootDxe`).

use pxed_proto::Timestamp;

use super::dora::{Dora, Judgement, Progress};
use super::edk2_pxe::{client_options, habits};
use super::reply::Reply;
use super::{Act, Answer, Firmware, Image, Nic};
use crate::lan::Datagram;
use crate::server::http::{Body, Method};

/// The boot manager's entry "UEFI HTTPv4".
#[derive(Clone, Debug)]
pub struct Edk2Http {
    dora: Dora,
    url: String,
    method: Method,
}

impl Edk2Http {
    /// Firmware in the machine with this interface.
    pub fn new(nic: &Nic) -> Self {
        let options = client_options(nic, "HTTPClient:Arch:00016:UNDI:003001", 16);
        Self { dora: Dora::new(habits(options, judge)), url: String::new(), method: Method::Head }
    }

    fn after_dhcp(&mut self, progress: Progress, nic: &mut Nic) {
        match progress {
            Progress::Waiting => {}
            Progress::Failed(why) => nic.give_up(format!("HTTP Boot: {why}")),
            Progress::Bound(ack, held) => {
                nic.bind(held);
                self.url = ack.boot_file();
                nic.fetch(self.method, &self.url);
            }
        }
    }
}

impl Firmware for Edk2Http {
    fn name(&self) -> &'static str {
        "UEFI (EDK2), HTTP Boot"
    }

    fn begin(&mut self, now: Timestamp, nic: &mut Nic) {
        self.dora.begin(now, nic);
    }

    fn hear(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic) {
        let progress = self.dora.hear(now, datagram, nic);
        self.after_dhcp(progress, nic);
    }

    /// HEAD says the size, GET brings the program.
    fn answered(&mut self, _now: Timestamp, answer: Answer, nic: &mut Nic) {
        match (answer, self.method) {
            (Ok(response), _) if response.status != 200 => {
                nic.give_up(format!("HTTP Boot: status {}", response.status));
            }
            (Ok(_), Method::Head) => {
                self.method = Method::Get;
                nic.fetch(self.method, &self.url);
            }
            (Ok(response), Method::Get) => match response.body {
                Body::File(name) => nic.act(Act::Run(Image::File(name))),
                _ => nic.give_up("HTTP Boot: that is no program"),
            },
            (Err(why), _) => nic.give_up(format!("HTTP Boot: {why}")),
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.dora.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Timestamp, nic: &mut Nic) {
        let progress = self.dora.handle_timeout(now, nic);
        self.after_dhcp(progress, nic);
    }
}

/// `HttpBootParseDhcp4Packet`: without "HTTPClient" and a URL in it, an offer is nothing.
fn judge(offer: &Reply) -> Judgement {
    let file = offer.boot_file();
    match offer.is_of_class("HTTPClient") {
        false => Judgement::Refuse("no offer has option 60 HTTPClient"),
        true if !file.starts_with("http://") => Judgement::Refuse("no offer has a URL"),
        true => Judgement::Keep,
    }
}
