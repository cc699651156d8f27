//! What machines follow: what comes in from elsewhere, and what an operator sees of it.

use std::net::Ipv4Addr;

use super::Server;
use crate::Timestamp;
use crate::dhcp::config::Mode;
use crate::dhcp::plan::Output;
use crate::dhcp::quirks::{Evidence, Learned, Quirk, Quirks};
use crate::event::Event;
use crate::net::Mac;

impl Server {
    /// Does it make a difference to this server whether a machine fetches a file?
    pub fn learns(&self) -> bool {
        self.config.subnets.iter().any(|subnet| subnet.mode == Mode::Proxy)
    }

    /// A machine fetches a file: the one that the URL names, or whoever has the address.
    pub fn fetched(&mut self, machine: Option<Mac>, from: Ipv4Addr, now: Timestamp) -> Output {
        let mut learned = Vec::new();
        if let Some(machine) = machine {
            learned = self.quirks.see(Evidence::Fetched(machine), now);
        }
        if learned.is_empty() {
            learned = self.quirks.see(Evidence::FetchedFrom(from), now);
        }
        let event = learned.iter().find_map(|learned| match learned {
            Learned::Works(quirk) => Some(Event::Learned(quirk.clone())),
            Learned::Forgotten(..) => None,
        });
        Output { event, learned, ..Output::default() }
    }

    /// Takes over what an earlier run has learned.
    pub fn recall(&mut self, quirk: Quirk) {
        self.quirks.recall(quirk);
    }

    /// Forgets what was learned of a machine, or of all of them.
    pub fn forget(&mut self, machine: Option<Mac>) -> Output {
        let hardware = machine.map(Into::into);
        Output { learned: self.quirks.forget(hardware.as_ref()), ..Output::default() }
    }

    /// What is learned.
    pub fn quirks(&self) -> &Quirks {
        &self.quirks
    }
}
