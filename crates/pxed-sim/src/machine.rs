//! A machine: an interface, and what runs on it now.

use std::fmt;

use pxed_proto::Timestamp;
use pxed_proto::net::Mac;

use crate::firmware::bios::Bios;
use crate::firmware::edk2_http::Edk2Http;
use crate::firmware::edk2_pxe::Edk2Pxe;
use crate::firmware::ipxe::{Ipxe, Platform};
use crate::firmware::plain::{Plain, Stay};
use crate::firmware::rom::{self, Rom};
use crate::firmware::{Answer, Ending, Firmware, Nic};
use crate::lan::Datagram;
use crate::random::Random;

/// What runs on a machine when it is switched on.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A PXE ROM.
    Bios,
    /// UEFI, PXE.
    Edk2Pxe,
    /// UEFI, HTTP Boot.
    Edk2Http,
    /// iPXE in the ROM.
    Ipxe(Platform),
    /// A PXE ROM that follows one form of a proxy offer.
    Rom(rom::Habits),
    /// An operating system.
    Plain(Stay),
}

impl Kind {
    fn firmware(self, nic: &Nic) -> Box<dyn Firmware> {
        match self {
            Self::Bios => Box::new(Bios::new(nic)),
            Self::Edk2Pxe => Box::new(Edk2Pxe::new(nic)),
            Self::Edk2Http => Box::new(Edk2Http::new(nic)),
            Self::Ipxe(platform) => Box::new(Ipxe::new(nic, platform)),
            Self::Rom(habits) => Box::new(Rom::new(habits)),
            Self::Plain(stay) => {
                let remembers = stay.remembers.or(nic.last);
                Box::new(Plain::new(nic, Stay { remembers, ..stay }))
            }
        }
    }
}

/// A machine.
pub struct Machine {
    /// Its interface.
    pub nic: Nic,
    kind: Kind,
    /// `None` while it is off.
    firmware: Option<Box<dyn Firmware>>,
    ending: Option<Ending>,
    boots_left: u32,
    starts: u32,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mac, kind, ending) = (self.mac(), self.kind, &self.ending);
        write!(f, "{mac}: {kind:?}, {ending:?}")
    }
}

impl Machine {
    /// A machine that is switched off.
    pub fn new(mac: Mac, kind: Kind, boots: u32, random: Random) -> Self {
        let nic = Nic::new(mac, random);
        Self { nic, kind, firmware: None, ending: None, boots_left: boots, starts: 0 }
    }

    /// Its Ethernet address.
    pub fn mac(&self) -> Mac {
        self.nic.mac
    }

    /// What was on it when it was switched on.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What people call what runs on it.
    pub fn runs(&self) -> String {
        let name = self.firmware.as_ref().map_or("nothing", |firmware| firmware.name());
        format!("starts {name}")
    }

    /// How its story ended, if it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// How often it was switched on since its story was begun.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Its story is told anew, with so many boots.
    pub fn begin_anew(&mut self, boots: u32) {
        (self.boots_left, self.starts, self.ending, self.firmware) = (boots, 0, None, None);
    }

    /// Is it on, and its story not over?
    pub fn is_on(&self) -> bool {
        self.firmware.is_some()
    }

    /// It is switched on, or reset.
    pub fn power_on(&mut self, now: Timestamp) {
        if !self.is_on() {
            self.boots_left = self.boots_left.saturating_sub(1);
        }
        self.starts += 1;
        self.nic.unbind(false);
        let firmware = self.kind.firmware(&self.nic);
        self.become_firmware(now, firmware);
    }

    /// Something else runs on it from now on.
    pub fn become_firmware(&mut self, now: Timestamp, mut firmware: Box<dyn Firmware>) {
        self.nic.forget_fetches();
        firmware.begin(now, &mut self.nic);
        self.firmware = Some(firmware);
    }

    /// Its story ends, unless it did not work and it may be switched on again: `true`.
    pub fn end(&mut self, ending: Ending) -> bool {
        self.firmware = None;
        self.nic.forget_fetches();
        let failed = matches!(ending, Ending::GaveUp(_));
        if failed {
            self.nic.unbind(false);
        }
        let again = failed && self.boots_left > 0;
        self.ending = (!again).then_some(ending);
        again
    }

    /// Does it hear this datagram?
    pub fn hears(&self, datagram: &Datagram) -> bool {
        self.firmware.is_some() && datagram.from != self.mac() && self.nic.hears(datagram)
    }

    /// A datagram comes.
    pub fn hear(&mut self, now: Timestamp, datagram: &Datagram) {
        if let Some(firmware) = &mut self.firmware {
            firmware.hear(now, datagram, &mut self.nic);
        }
    }

    /// An HTTP request has ended.
    pub fn answered(&mut self, now: Timestamp, answer: Answer) {
        if let Some(firmware) = &mut self.firmware {
            firmware.answered(now, answer, &mut self.nic);
        }
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.firmware.as_ref().and_then(|firmware| firmware.poll_timeout())
    }

    /// It is woken.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(firmware) = &mut self.firmware {
            firmware.handle_timeout(now, &mut self.nic);
        }
    }
}
