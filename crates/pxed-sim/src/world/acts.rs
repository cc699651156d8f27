//! What machines do, carried out.

use std::fmt;
use std::time::Duration;

use super::tcp::Asked;
use super::{Happening, World};
use crate::files::Program;
use crate::firmware::ipxe::{Ipxe, Platform};
use crate::firmware::{Act, Ending, Image};
use crate::machine::Kind;

impl World {
    pub(super) fn take_acts(&mut self, index: usize) {
        for act in self.machines[index].nic.take_acts() {
            let mac = self.machines[index].mac();
            match act {
                Act::Send(datagram) => self.send(datagram),
                Act::Fetch(fetch, method, url) => {
                    let text = format!("{} {url}", method.as_str());
                    self.transcript.exchange(self.now, &format!("{mac} → pxed"), text);
                    let asked = Asked { machine: index, fetch, method, url, tries: 0 };
                    let at = self.now + self.lan.latency();
                    self.queue.push(at, Happening::Asked(asked));
                }
                Act::Bind(held) => {
                    self.checker.bound(self.now, mac, held, &self.pxed.store);
                    self.transcript.line(self.now, mac, format_args!("has {}", held.address));
                }
                Act::Unbind(told) => self.checker.unbound(mac, told),
                Act::Run(image) => self.run_image(index, &image),
                Act::End(ending) => self.end(index, ending),
                Act::Note(text) => self.transcript.line(self.now, mac, text),
                Act::Wrong(what) => self.checker.wrong(self.now, format!("{mac}: {what}")),
            }
        }
    }

    /// What was loaded takes over the machine.
    fn run_image(&mut self, index: usize, image: &Image) {
        let name = match image {
            Image::File(name) => Some(name.clone()),
            Image::Octets(octets) => self.files.identify(octets).map(str::to_owned),
        };
        let machine = &mut self.machines[index];
        let program = name.as_ref().and_then(|name| self.files.get(name)).map(|it| it.program);
        let platform = match program {
            Some(Program::IpxeBios) => Platform::Bios,
            Some(Program::IpxeEfi) => Platform::Efi,
            _ => {
                self.checker.wrong(self.now, format!("{}: a damaged image", machine.mac()));
                return self.end(index, Ending::GaveUp("a damaged image".to_owned()));
            }
        };
        let name = name.unwrap_or_default();
        self.transcript.line(self.now, machine.mac(), format_args!("runs {name}"));
        // What follows is iPXE's own story.
        if let Kind::Rom(_) = machine.kind() {
            return self.end(index, Ending::Loaded(name));
        }
        let ipxe = Ipxe::new(&machine.nic, platform);
        machine.become_firmware(self.now, Box::new(ipxe));
        self.take_acts(index);
    }

    fn end(&mut self, index: usize, ending: Ending) {
        let mac = self.machines[index].mac();
        self.transcript.line(self.now, mac, &ending);
        let again = self.machines[index].end(ending);
        self.take_acts(index);
        if again {
            let pause = Duration::from_millis(self.random.between(6000, 15_000));
            self.queue.push(self.now + pause, Happening::PowerOn(index));
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Booted { kernel, arguments, initrds } => {
                write!(f, "boots {kernel} with {}: {arguments}", initrds.join(", "))
            }
            Self::Loaded(name) => write!(f, "is done: {name} has it"),
            Self::Bound(address) => write!(f, "is done with {address}"),
            Self::GaveUp(why) => write!(f, "gives up: {why}"),
        }
    }
}
