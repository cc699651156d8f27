//! A rack that is switched on: every machine is a UEFI computer that gets an address, loads iPXE by
//! TFTP, gets its address again as iPXE, and fetches its script, kernel and initrds by HTTP.
//!
//! [`Storm`] is what the machines know and do next, without a socket and without a clock. DHCP is
//! played by two [`crate::Engine`]s beside it, the firmware's and iPXE's.

mod marks;
mod report;
mod script;
mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::code;

use crate::download::{Download, Failure, Wanted};
use crate::response::{Response, request};
use script::Url;

pub use marks::{Marks, Phase};
pub use report::StormReport;
pub use world::{Effort, World};

/// A script that is longer is none.
const SCRIPT_MAX: u64 = 64 << 10;

/// TFTP's port (RFC 1350 section 4).
const TFTP: u16 = 69;

/// What is to be done in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// iPXE asks for the machine's address.
    Lease(u32),
    /// A new UDP socket with this address, and its first datagram.
    Ask {
        /// Whose.
        machine: u32,
        /// The machine's address.
        from: Ipv4Addr,
        /// The server's.
        to: SocketAddrV4,
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// Another datagram from the socket that the machine has.
    Send {
        /// Whose.
        machine: u32,
        /// The server's address.
        to: SocketAddrV4,
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// A new TCP connection from this address.
    Connect {
        /// Whose.
        machine: u32,
        /// The machine's address.
        from: Ipv4Addr,
        /// The server's.
        to: SocketAddrV4,
    },
    /// A request on the machine's connection.
    Write(u32, Vec<u8>),
    /// The machine needs no socket any more.
    Close(u32),
}

/// What the rack is like.
#[derive(Clone, Debug, Default)]
pub struct Rack {
    /// How many machines there are.
    pub machines: u32,
    /// The option windowsize of their firmware.
    pub window_size: Option<u16>,
    /// Files as they should be, by their own names.
    pub originals: BTreeMap<String, Vec<u8>>,
    /// Every n-th machine compares what it gets with the originals.
    pub compare_every: u32,
}

/// One machine.
#[derive(Debug)]
struct Machine {
    phase: Phase,
    address: Ipv4Addr,
    server: Ipv4Addr,
    /// The loader's name.
    loader: String,
    download: Option<Download>,
    response: Option<Response>,
    connected: Option<SocketAddrV4>,
    script: Vec<u8>,
    /// What is fetched by HTTP, and what comes after it.
    url: Option<Url>,
    ahead: VecDeque<Url>,
    compares: bool,
    differs: bool,
    over: bool,
}

/// All machines.
pub struct Storm {
    rack: Rack,
    machines: Vec<Machine>,
    commands: VecDeque<Command>,
    /// When a machine may want to send again; one entry for each that loads by TFTP.
    alarms: BinaryHeap<Reverse<(u64, u32)>>,
    over: u32,
    /// What was reached, when, and what was not.
    pub marks: Marks,
}

impl Storm {
    /// Machines that are off.
    pub fn new(rack: Rack) -> Self {
        let machine = |number: u32| Machine {
            phase: Phase::Address,
            address: Ipv4Addr::UNSPECIFIED,
            server: Ipv4Addr::UNSPECIFIED,
            loader: String::new(),
            download: None,
            response: None,
            connected: None,
            script: Vec::new(),
            url: None,
            ahead: VecDeque::new(),
            compares: number.is_multiple_of(rack.compare_every.max(1))
                && !rack.originals.is_empty(),
            differs: false,
            over: false,
        };
        Self {
            machines: (0..rack.machines).map(machine).collect(),
            commands: VecDeque::new(),
            alarms: BinaryHeap::new(),
            over: 0,
            marks: Marks::default(),
            rack,
        }
    }

    /// What is to be done next.
    pub fn command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Every machine has booted or failed.
    pub fn is_over(&self) -> bool {
        self.over >= self.rack.machines
    }

    /// When [`Self::time`] has something to do.
    pub fn wakes(&self) -> Option<u64> {
        self.alarms.peek().map(|Reverse((at, _))| *at)
    }

    /// What is due by now is sent again, or given up.
    pub fn time(&mut self, now: u64) {
        while self.wakes().is_some_and(|at| at <= now) {
            let Some(Reverse((_, number))) = self.alarms.pop() else { return };
            let Some(machine) = self.machines.get_mut(number as usize) else { continue };
            let Some(download) = &mut machine.download else { continue };
            if let Some(datagram) = download.time(now) {
                let to = SocketAddrV4::new(machine.server, download.peer().unwrap_or(TFTP));
                self.commands.push_back(Command::Send { machine: number, to, datagram });
            }
            match download.deadline() {
                Some(at) => self.alarms.push(Reverse((at, number))),
                None => self.downloaded(number, now),
            }
        }
    }

    /// A machine has its address, as the datagram with the ACK says, or got none.
    pub fn leased(&mut self, number: u32, now: u64, ack: Option<&[u8]>) {
        let Some(machine) = self.machines.get_mut(number as usize).filter(|m| !m.over) else {
            return;
        };
        let Some(message) = ack.and_then(|ack| Message::parse(ack).ok()) else {
            return self.fail(number, Failure::NoAddress);
        };
        machine.address = message.yiaddr;
        machine.server = message.siaddr;
        let option = message.option(code::BOOT_FILE_NAME);
        let name = option.as_deref().unwrap_or(message.file());
        let name = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        let is_firmware = machine.phase == Phase::Address;
        if is_firmware {
            machine.loader.clone_from(&name);
        }
        self.reached(number, now);
        if is_firmware { self.load(number, now, true) } else { self.get(number, Url::parse(&name)) }
    }

    /// A datagram has come to the machine's UDP socket.
    pub fn datagram(&mut self, number: u32, now: u64, from: SocketAddrV4, datagram: &[u8]) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        let Some(download) = &mut machine.download else { return };
        if *from.ip() != machine.server {
            return;
        }
        let original =
            machine.compares.then(|| self.rack.originals.get(base_name(&machine.loader)));
        let differs = &mut machine.differs;
        let compare = |at, octets: &[u8]| {
            if let Some(Some(original)) = original {
                *differs |= !is_part(original, at, octets);
            }
        };
        if let Some(datagram) = download.received(now, from.port(), datagram, compare) {
            self.commands.push_back(Command::Send { machine: number, to: from, datagram });
        }
        if download.outcome().is_some() {
            self.downloaded(number, now);
        }
    }

    /// How many octets may be thrown away that are next on the machine's connection: nobody looks at
    /// them. Without any, [`Self::stream`] wants to see them.
    pub fn unseen(&self, number: u32) -> u64 {
        let Some(machine) = self.machines.get(number as usize) else { return 0 };
        if machine.compares || machine.phase == Phase::Script {
            return 0;
        }
        machine.response.as_ref().and_then(Response::remaining).unwrap_or(0)
    }

    /// So many of these have been thrown away.
    pub fn discarded(&mut self, number: u32, now: u64, octets: u64) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        let Some(response) = &mut machine.response else { return };
        match response.discard(octets) {
            Ok(()) => self.responded(number, now),
            Err(failure) => self.fail(number, failure),
        }
    }

    /// Octets have come on the machine's connection.
    pub fn stream(&mut self, number: u32, now: u64, octets: &[u8]) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        let Some(response) = &mut machine.response else { return };
        let name = machine.url.as_ref().map(Url::file).unwrap_or_default();
        let original = if machine.compares { self.rack.originals.get(name) } else { None };
        let is_script = machine.phase == Phase::Script;
        let (script, differs) = (&mut machine.script, &mut machine.differs);
        let read = response.read(octets, |at, octets| {
            if is_script && at < SCRIPT_MAX {
                script.extend_from_slice(octets);
            } else if let Some(original) = original {
                *differs |= !is_part(original, at, octets);
            }
        });
        match read {
            Ok(()) => self.responded(number, now),
            Err(failure) => self.fail(number, failure),
        }
    }

    /// The machine's connection has ended or could not be made.
    pub fn broken(&mut self, number: u32) {
        let Some(machine) = self.machines.get_mut(number as usize).filter(|m| !m.over) else {
            return;
        };
        machine.connected = None;
        if machine.response.is_some() {
            self.fail(number, Failure::Broken);
        }
    }

    /// What is not over by now will not be.
    pub fn give_up(&mut self) {
        for number in 0..self.rack.machines {
            self.fail(number, Failure::Silence);
        }
    }

    /// Asks for the loader, or first for its size.
    fn load(&mut self, number: u32, now: u64, size_only: bool) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        if machine.loader.is_empty() || machine.loader.contains("://") {
            return self.fail(number, Failure::NothingToBoot);
        }
        let wanted = Wanted::as_edk2(machine.loader.clone(), self.rack.window_size);
        let (download, datagram) = Download::begin(Wanted { size_only, ..wanted }, now);
        let at = download.deadline().unwrap_or(now);
        machine.download = Some(download);
        let (from, to) = (machine.address, SocketAddrV4::new(machine.server, TFTP));
        self.alarms.retain(|Reverse((_, other))| *other != number);
        self.alarms.push(Reverse((at, number)));
        self.commands.push_back(Command::Ask { machine: number, from, to, datagram });
    }

    /// A download has come to its end.
    fn downloaded(&mut self, number: u32, now: u64) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        let Some(download) = machine.download.take() else { return };
        self.marks.again(Phase::Loader, download.resent + download.gaps);
        match download.outcome() {
            Some(Ok(_)) if download.told_the_size() => self.load(number, now, false),
            Some(Ok(octets)) if self.is_whole(number, octets) => {
                self.reached(number, now);
                self.commands.extend([Command::Close(number), Command::Lease(number)]);
            }
            Some(Ok(_)) => self.fail(number, Failure::Different),
            Some(Err(failure)) => self.fail(number, failure),
            None => {}
        }
    }

    /// A file of so many octets is here; says whether it may be what it should be.
    fn is_whole(&mut self, number: u32, octets: u64) -> bool {
        let Some(machine) = self.machines.get(number as usize) else { return false };
        self.marks.octets += octets;
        if !machine.compares || machine.phase == Phase::Script {
            return true;
        }
        let url = machine.url.as_ref().map(Url::file);
        let original = self.rack.originals.get(url.unwrap_or(base_name(&machine.loader)));
        let same = original.is_none_or(|original| original.len() as u64 == octets);
        match original {
            Some(_) => self.marks.compared += u64::from(same && !machine.differs),
            None => self.marks.without_original += 1,
        }
        same && !machine.differs
    }

    fn reached(&mut self, number: u32, now: u64) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        self.marks.reached(machine.phase, now);
        machine.phase = machine.phase.next().unwrap_or(machine.phase);
    }

    /// Something of an answer has come, perhaps its end.
    fn responded(&mut self, number: u32, now: u64) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        let Some(response) = machine.response.take_if(|r| r.remaining() == Some(0)) else { return };
        if response.last {
            machine.connected = None;
        }
        if machine.phase == Phase::Script {
            machine.ahead = script::files(&machine.script).into();
            if machine.ahead.is_empty() {
                return self.fail(number, Failure::NothingToBoot);
            }
        }
        let (phase, next) = (machine.phase, machine.ahead.pop_front());
        if !self.is_whole(number, response.got()) {
            return self.fail(number, Failure::Different);
        }
        // Initrds are one phase, however many there are.
        if phase != Phase::Initrds || next.is_none() {
            self.reached(number, now);
        }
        match next {
            Some(url) => self.get(number, Some(url)),
            None => self.finish(number),
        }
    }

    /// Asks for a file by HTTP, on the connection that there is, if it is one to the right server.
    fn get(&mut self, number: u32, url: Option<Url>) {
        let Some(machine) = self.machines.get_mut(number as usize).filter(|m| !m.over) else {
            return;
        };
        let Some(url) = url else { return self.fail(number, Failure::NothingToBoot) };
        if machine.connected != Some(url.host) {
            let (from, to) = (machine.address, url.host);
            self.commands.push_back(Command::Connect { machine: number, from, to });
            machine.connected = Some(to);
        }
        let asked = request(&url.host.to_string(), &url.path, None);
        self.commands.push_back(Command::Write(number, asked));
        machine.response = Some(Response::default());
        machine.url = Some(url);
    }

    fn fail(&mut self, number: u32, failure: Failure) {
        let Some(machine) = self.machines.get(number as usize).filter(|m| !m.over) else { return };
        self.marks.failed(machine.phase, failure);
        self.finish(number);
    }

    fn finish(&mut self, number: u32) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        if !std::mem::replace(&mut machine.over, true) {
            (machine.download, machine.response) = (None, None);
            self.over += 1;
            self.commands.push_back(Command::Close(number));
        }
    }
}

/// Are these octets the original's at this place?
fn is_part(original: &[u8], at: u64, octets: &[u8]) -> bool {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    original.get(at..at.saturating_add(octets.len())) == Some(octets)
}

/// A TFTP file's own name.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
