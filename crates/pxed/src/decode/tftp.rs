//! TFTP transfers: each request and answer as a line, the blocks as one.
//!
//! A transfer begins with a request to port 69 and is then known by the client's address and port,
//! its TID: the server answers from a port that nobody can foretell.

mod blocks;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use pxed_proto::text::Printable;
use pxed_proto::wire::tftp::{Mode, Options, Packet, Request};

use blocks::Blocks;

use super::link;
use super::machines::{Id, Line, Machines};
use super::packet::{Udp, Unreachable};
use super::stage::Fetch;
use super::tally::Skipped;

const PORT: u16 = 69;

/// Transfers that are known at once; those that ended give way.
const TRANSFERS_MAX: usize = 4096;

/// What RFC 1350 has where nothing is negotiated.
const BLKSIZE: u64 = 512;

/// One transfer.
#[derive(Debug)]
struct Transfer {
    machine: Id,
    client: Ipv4Addr,
    /// The stage of the machine that asked.
    stage: usize,
    /// Its name, fit to be read.
    file: String,
    /// Times that it was asked for.
    requests: u32,
    answered: bool,
    blksize: u64,
    windowsize: u64,
    blocks: Option<Blocks>,
    ended: bool,
}

/// The transfers by the client's address and TID.
#[derive(Debug, Default)]
pub struct Transfers(BTreeMap<SocketAddrV4, Transfer>);

impl Transfers {
    /// Takes in a datagram, if it belongs to a transfer.
    pub fn hear(
        &mut self,
        machines: &mut Machines,
        link: &link::Packet<'_>,
        datagram: &Udp<'_>,
    ) -> Result<(), Skipped> {
        let (from, to) = (datagram.source, datagram.destination);
        if to.port() == PORT {
            return self.asked(machines, link, datagram);
        }
        let (client, from_client) =
            if self.0.contains_key(&from) { (from, true) } else { (to, false) };
        let transfer = self.0.get_mut(&client).ok_or(Skipped::OtherProtocol)?;
        let Ok(packet) = Packet::parse(datagram.payload) else { return Ok(()) };
        let between = (*from.ip(), *to.ip());
        match packet {
            Packet::Data { block, data } if !from_client => {
                let len = data.len() as u64 + datagram.lost;
                transfer.data(link.at, *from.ip(), block, len);
            }
            Packet::Ack(block) if from_client => transfer.acked(machines, block),
            Packet::OAck(options) if !from_client => {
                transfer.granted(machines, link.at, between, options);
            }
            Packet::Error { code, message } => {
                let error = format!("ERROR {code} \"{}\"", Printable(message));
                let line = Line::new(link.at, between.0, between.1, error);
                transfer.error(machines, line, from_client);
            }
            _ => {}
        }
        Ok(())
    }

    /// A datagram to port 69.
    fn asked(
        &mut self,
        machines: &mut Machines,
        link: &link::Packet<'_>,
        datagram: &Udp<'_>,
    ) -> Result<(), Skipped> {
        let (client, server) = (datagram.source, *datagram.destination.ip());
        let request = match Packet::parse(datagram.payload) {
            Ok(Packet::Request(request)) => request,
            Ok(_) => return Err(Skipped::OtherProtocol),
            Err(_) if datagram.lost > 0 => return Err(Skipped::Cut),
            Err(reason) => {
                let machine = machines.sender(link, *client.ip())?;
                let text = format!("no TFTP request: {}", reason.as_str());
                machines.say(machine, Line::new(link.at, client.ip(), server, text));
                return Ok(());
            }
        };
        let machine = machines.sender(link, *client.ip())?;
        let stage = machines.get(machine).map_or(0, |machine| machine.stages.number());
        let file = Printable(request.file).to_string();
        let transfer = Transfer::new(machine, stage, *client.ip(), file);
        let again = !request.write && self.begin(machines, client, transfer)?;
        let again = if again { ", again" } else { "" };
        let text = format!("{}{again}", question(&request, &link.vlans));
        machines.say(machine, Line::new(link.at, client.ip(), server, text));
        Ok(())
    }

    /// A transfer begins; `true` if it is one that is asked for again.
    fn begin(
        &mut self,
        machines: &mut Machines,
        client: SocketAddrV4,
        new: Transfer,
    ) -> Result<bool, Skipped> {
        if let Some(before) = self.0.get_mut(&client) {
            if before.file == new.file && before.blocks.is_none() && !before.ended {
                before.requests += 1;
                return Ok(true);
            }
            before.end(machines);
        } else if self.0.len() >= TRANSFERS_MAX {
            self.0.retain(|_, transfer| !transfer.ended);
            if self.0.len() >= TRANSFERS_MAX {
                return Err(Skipped::TooManyTransfers);
            }
        }
        self.0.insert(client, new);
        Ok(false)
    }

    /// Nobody listens on a port: of a transfer, or of a DHCP server.
    pub fn refused(
        &mut self,
        machines: &mut Machines,
        link: &link::Packet<'_>,
        refused: &Unreachable,
    ) -> Result<(), Skipped> {
        let Unreachable { from, source, destination } = *refused;
        let text = format!("ICMP port {} unreachable", destination.port());
        let between = (from, *source.ip());
        if let Some(transfer) = self.0.get_mut(&source) {
            return transfer.unreachable(machines, link.at, between, text);
        }
        // A client that has ended a transfer refuses what is still on its way. That is nothing.
        match machines.owner(*source.ip()) {
            Some(machine) if matches!(destination.port(), 67 | 4011) => {
                let machine = machine?;
                machines.say(machine, Line::new(link.at, between.0, between.1, text));
                Ok(())
            }
            _ => Err(Skipped::OtherProtocol),
        }
    }

    /// Says of every transfer that is still open how far it came.
    pub fn end(&mut self, machines: &mut Machines) {
        self.0.values_mut().for_each(|transfer| transfer.end(machines));
    }
}

/// `RRQ ipxe.efi, blksize 1468, tsize 0`.
fn question(request: &Request<'_>, vlans: &link::Vlans) -> String {
    let name = if request.write { "WRQ" } else { "RRQ" };
    let mode = match request.mode {
        Mode::Octet => "",
        Mode::Netascii => ", netascii",
        Mode::Other => ", in an unknown mode",
    };
    format!("{name} {}{vlans}{mode}{}", Printable(request.file), granted(request.options))
}

/// `, blksize 1468, tsize 0`.
fn granted(options: Options<'_>) -> String {
    let names = ["tsize", "blksize", "windowsize", "timeout", "multicast"];
    let values = names.into_iter().filter_map(|name| Some((name, options.get(name)?)));
    values.map(|(name, value)| format!(", {name} {}", Printable(value))).collect()
}

impl Transfer {
    fn new(machine: Id, stage: usize, client: Ipv4Addr, file: String) -> Self {
        Self {
            machine,
            client,
            stage,
            file,
            requests: 1,
            answered: false,
            blksize: BLKSIZE,
            windowsize: 1,
            blocks: None,
            ended: false,
        }
    }

    fn granted(
        &mut self,
        machines: &mut Machines,
        at: u64,
        between: (Ipv4Addr, Ipv4Addr),
        options: Options<'_>,
    ) {
        let again = if self.answered { ", again" } else { "" };
        self.answered = true;
        self.blksize = options.number("blksize").unwrap_or(BLKSIZE);
        self.windowsize = options.number("windowsize").unwrap_or(1);
        let text = format!("OACK{}{again}", granted(options));
        machines.say(self.machine, Line::new(at, between.0, between.1, text));
    }

    fn data(&mut self, at: u64, server: Ipv4Addr, block: u16, len: u64) {
        self.answered = true;
        // The capture may lack the OACK.
        self.blksize = self.blksize.max(len);
        let blocks = self.blocks.get_or_insert_with(|| Blocks::new(at, server));
        blocks.sent(at, block, len, len < self.blksize);
    }

    fn acked(&mut self, machines: &mut Machines, block: u16) {
        let Some(blocks) = &mut self.blocks else { return };
        blocks.acked(block);
        if blocks.is_whole() {
            self.end(machines);
        }
    }

    /// One side ended it with an ERROR, as `line` has it.
    fn error(&mut self, machines: &mut Machines, mut line: Line, by_client: bool) {
        let fetch = match (by_client, &self.blocks) {
            (true, None) => Fetch::Size,
            (true, Some(_)) => Fetch::Aborted(line.text.clone()),
            (false, _) => Fetch::Error(line.text.clone()),
        };
        if fetch == Fetch::Size {
            line.text.push_str(" (size asked for, not fetched)");
        }
        machines.say(self.machine, line);
        self.close(machines, fetch);
    }

    fn unreachable(
        &mut self,
        machines: &mut Machines,
        at: u64,
        between: (Ipv4Addr, Ipv4Addr),
        text: String,
    ) -> Result<(), Skipped> {
        if self.ended {
            return Err(Skipped::OtherProtocol);
        }
        machines.say(self.machine, Line::new(at, between.0, between.1, text));
        self.close(machines, Fetch::Refused);
        Ok(())
    }

    /// No more is to come: how far did it come?
    fn end(&mut self, machines: &mut Machines) {
        let fetch = match &self.blocks {
            Some(blocks) if blocks.is_whole() => Fetch::Whole(blocks.file_size(self.blksize)),
            Some(blocks) if blocks.is_sent() => Fetch::Unacknowledged,
            Some(blocks) => Fetch::BrokenOff(blocks.bytes()),
            None if self.answered => Fetch::BrokenOff(0),
            None => Fetch::NoAnswer,
        };
        self.close(machines, fetch);
    }

    /// Tells of the blocks, and what the transfer came to; once.
    fn close(&mut self, machines: &mut Machines, fetch: Fetch) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let Some(machine) = machines.get(self.machine) else { return };
        // Each request that nobody answered counts, also those that were sent again.
        let times = if fetch == Fetch::NoAnswer { self.requests } else { 1 };
        for _ in 0..times.min(1000) {
            machine.stages.fetched(self.stage, &self.file, fetch.clone());
        }
        if let Some(blocks) = &self.blocks {
            let sizes = (self.blksize, self.windowsize);
            let text = format!("DATA of {}: {}", self.file, blocks.told(sizes));
            machines
                .say(self.machine, Line::new(blocks.begin(), blocks.server(), self.client, text));
        }
    }
}
