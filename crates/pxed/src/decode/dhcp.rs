//! DHCP and PXE messages: each as a line, in the words of pxed's own log.

mod boot_file;

use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::dhcp::RequestState;
use pxed_proto::machine::{Firmware, Machine, identify};
use pxed_proto::text::Printable;
use pxed_proto::time::Human;
use pxed_proto::wire::dhcp::{BOOTREPLY, BOOTREQUEST, Message, MessageType};
use pxed_proto::wire::options::{Decoded, code};

use super::link::Packet;
use super::machines::{Conversation, Fingerprint, Heard, Key, Line, Machines, Purpose};
use super::packet::Udp;
use super::pxe;
use super::stage::Stage;
use super::tally::Skipped;

/// The ports of DHCP servers and clients, and of PXE boot servers.
const SERVER: u16 = 67;
const CLIENT: u16 = 68;
const BOOT_SERVER: u16 = 4011;

/// Is it to or from a port of DHCP or PXE?
pub fn is_dhcp(datagram: &Udp<'_>) -> bool {
    let ports = [datagram.source.port(), datagram.destination.port()];
    ports.iter().any(|port| matches!(*port, SERVER | CLIENT | BOOT_SERVER))
}

/// A message with its surroundings.
struct Letter<'a> {
    message: &'a Message<'a>,
    message_type: Option<MessageType>,
    /// Unknown where the capture may have cut the options that say it.
    firmware: Option<Firmware>,
    /// Not all of it was captured.
    cut: bool,
    from: Ipv4Addr,
    to: Ipv4Addr,
    /// To or from port 4011.
    boot_server: bool,
    is_request: bool,
    /// Who answers: option 54, else who sent it.
    server: Ipv4Addr,
}

/// Files a message under its machine.
pub fn hear(machines: &mut Machines, link: &Packet<'_>, datagram: &Udp<'_>) -> Result<(), Skipped> {
    let message = Message::parse(datagram.payload).map_err(|_| match datagram.lost {
        0 => Skipped::NotDhcp,
        _ => Skipped::Cut,
    })?;
    if !message.has_cookie && !matches!(message.op, BOOTREQUEST | BOOTREPLY) {
        return Err(Skipped::NotDhcp);
    }
    let (machine, firmware) = identify(&message).ok_or(Skipped::NotDhcp)?;
    let cut = datagram.lost > 0;
    let firmware = Some(firmware).filter(|firmware| !cut || *firmware != Firmware::NotBooting);
    let letter = Letter::new(&message, firmware, datagram);
    let key = Key::Hardware(machine.hardware);
    letter.learn_address(machines, key);
    let full = machines.full;
    let id = machines.of(key)?;
    let Some(conversation) = machines.get(id) else { return Ok(()) };
    let fingerprint = letter.fingerprint(datagram);
    let heard = conversation.heard(fingerprint);
    if heard == Heard::New {
        letter.forget(conversation, &fingerprint);
    }
    letter.learn(conversation, &machine, heard);
    let mut text = letter.text(conversation.stages.current(), link);
    if heard == Heard::Again {
        text.push_str(", again");
    }
    if cut {
        text.push_str(", its end not captured");
    }
    let mut line = letter.line(link.at, &machine, text);
    if full {
        line.detail = Decoded(&message).to_string();
    }
    machines.say(id, line);
    Ok(())
}

impl<'a> Letter<'a> {
    fn new(message: &'a Message<'a>, firmware: Option<Firmware>, datagram: &Udp<'_>) -> Self {
        let from = *datagram.source.ip();
        let ports = [datagram.source.port(), datagram.destination.port()];
        Self {
            message,
            message_type: message.message_type(),
            firmware,
            cut: datagram.lost > 0,
            from,
            to: *datagram.destination.ip(),
            boot_server: ports.contains(&BOOT_SERVER),
            is_request: message.op == BOOTREQUEST,
            server: message.ipv4(code::SERVER_IDENTIFIER).unwrap_or(from),
        }
    }

    /// Whose address is it from now on?
    fn learn_address(&self, machines: &mut Machines, key: Key) {
        match (self.is_request, self.message_type) {
            (true, Some(MessageType::Request | MessageType::Inform)) => {
                machines.give(self.message.ciaddr, key);
            }
            (false, Some(MessageType::Ack) | None) => machines.give(self.message.yiaddr, key),
            _ => {}
        }
    }

    fn fingerprint(&self, datagram: &Udp<'_>) -> Fingerprint {
        let message = self.message;
        let option_53 = message.u8(code::MESSAGE_TYPE);
        let named = message.ipv4(code::SERVER_IDENTIFIER);
        Fingerprint {
            xid: message.xid,
            kind: (message.op, option_53),
            purpose: self.purpose(),
            server: if self.is_request { named } else { Some(self.server) },
            way: (self.from, self.to, datagram.destination.port()),
        }
    }

    /// Some clients keep one `xid` for all renewals: the answer to a new one is new, and so is the
    /// question of a client that was answered.
    fn forget(&self, conversation: &mut Conversation, heard: &Fingerprint) {
        let of_this = |before: &Fingerprint| before.xid == heard.xid;
        match (self.is_request, self.message_type) {
            (true, _) if heard.purpose == Purpose::Prolong => {
                conversation.forget(|before| of_this(before) && before.kind.0 != BOOTREQUEST);
            }
            (false, Some(MessageType::Ack | MessageType::Nak)) => {
                conversation.forget(|before| of_this(before) && before.purpose == Purpose::Prolong);
            }
            _ => {}
        }
    }

    fn line(&self, at: u64, machine: &Machine, text: String) -> Line {
        let machine = Key::Hardware(machine.hardware);
        let relay = self.message.giaddr;
        let relayed = !relay.is_unspecified();
        match (self.is_request, self.to) {
            (true, to) if relayed => Line::new(at, self.from, to, text),
            (true, Ipv4Addr::BROADCAST) => Line::new(at, machine, "broadcast", text),
            (true, to) => Line::new(at, machine, to, text),
            (false, to) if relayed && to == relay => Line::new(at, self.from, to, text),
            (false, _) => Line::new(at, self.from, machine, text),
        }
    }

    /// Notes what it comes to. What a relay agent passed on was noted before.
    fn learn(&self, conversation: &mut Conversation, machine: &Machine, heard: Heard) {
        if self.is_request {
            conversation.uuid = conversation.uuid.or(machine.uuid);
        }
        match (self.is_request, heard) {
            (_, Heard::PassedOn) => {}
            (true, _) => self.learn_request(conversation),
            (false, _) => self.learn_reply(conversation.stages.current()),
        }
    }

    fn learn_request(&self, conversation: &mut Conversation) {
        let (stages, message) = (&mut conversation.stages, self.message);
        if self.boot_server {
            stages.current().boot_server_questions += 1;
            return;
        }
        match (self.message_type, self.state()) {
            (Some(MessageType::Request), Some(RequestState::Selecting) | None) => {
                stages.current().requests += 1;
            }
            (
                Some(MessageType::Request),
                Some(RequestState::Renewing | RequestState::Rebinding),
            ) => {
                stages.current().prolongs += 1;
            }
            (Some(MessageType::Decline), _) => {
                stages.current().declined = message.ipv4(code::REQUESTED_ADDRESS);
            }
            (Some(MessageType::Release), _) => stages.current().released = Some(message.ciaddr),
            (
                Some(MessageType::Discover | MessageType::Inform | MessageType::Request) | None,
                _,
            ) => {
                stages.asks(self.firmware, message.xid);
            }
            _ => {}
        }
    }

    fn learn_reply(&self, stage: &mut Stage) {
        let address = self.message.yiaddr;
        match self.message_type {
            _ if self.boot_server => stage.boot_server_answered(self.server),
            Some(MessageType::Offer) => stage.offered(self.server, !address.is_unspecified()),
            Some(MessageType::Ack) | None => stage.acked(self.server, address),
            Some(MessageType::Nak) => stage.refused(self.server),
            _ => {}
        }
    }

    fn purpose(&self) -> Purpose {
        let request = self.is_request && self.message_type == Some(MessageType::Request);
        match self.state() {
            _ if self.boot_server => Purpose::BootServer,
            Some(RequestState::Renewing | RequestState::Rebinding) if request => Purpose::Prolong,
            _ => Purpose::Plain,
        }
    }

    /// In which state a REQUEST is sent (RFC 2131 section 4.3.2), unless what says so was cut.
    fn state(&self) -> Option<RequestState> {
        let message = self.message;
        if message.ipv4(code::SERVER_IDENTIFIER).is_some() {
            Some(RequestState::Selecting)
        } else if message.ciaddr.is_unspecified() {
            (!self.cut).then_some(RequestState::InitReboot)
        } else if self.to.is_broadcast() || !message.giaddr.is_unspecified() {
            Some(RequestState::Rebinding)
        } else {
            Some(RequestState::Renewing)
        }
    }

    /// The message as one line.
    fn text(&self, stage: &Stage, link: &Packet<'_>) -> String {
        let mut text = match self.message_type {
            Some(message_type) => message_type.to_string(),
            None => match (self.message.u8(code::MESSAGE_TYPE), self.is_request) {
                (Some(other), _) => format!("message of type {other}"),
                (None, true) => "BOOTP request".to_owned(),
                (None, false) => "BOOTP reply".to_owned(),
            },
        };
        let add = if self.is_request { Self::add_question } else { Self::add_answer };
        add(self, &mut text);
        text += &link.vlans.to_string();
        if !self.message.giaddr.is_unspecified() {
            text += &format!(" by relay {}", self.message.giaddr);
        }
        if self.is_request {
            self.add_firmware(&mut text);
        } else {
            self.add_boot(&mut text, stage);
        }
        text
    }

    fn add_question(&self, text: &mut String) {
        let message = self.message;
        let wanted = message.ipv4(code::REQUESTED_ADDRESS);
        let address = wanted.or((!message.ciaddr.is_unspecified()).then_some(message.ciaddr));
        match (self.message_type, address) {
            _ if self.boot_server => {
                *text += &format!(" at port 4011{}", pxe::boot_item(message));
            }
            (Some(MessageType::Discover), Some(address)) => *text += &format!(", wants {address}"),
            (_, Some(address)) => *text += &format!(" {address}"),
            (_, None) => {}
        }
        let request = self.message_type == Some(MessageType::Request);
        match (message.ipv4(code::SERVER_IDENTIFIER), self.state()) {
            (Some(server), _) if request => *text += &format!(", selecting {server}"),
            (Some(server), _) => *text += &format!(", server {server}"),
            (None, Some(state)) if request && !self.boot_server => *text += &format!(", {state}"),
            (None, _) => {}
        }
        if self.message_type == Some(MessageType::Decline) {
            text.push_str(&said(message));
        }
    }

    fn add_firmware(&self, text: &mut String) {
        if let Some(firmware) = self.firmware.filter(|it| *it != Firmware::NotBooting) {
            *text += &format!(" ({firmware})");
        }
    }

    fn add_answer(&self, text: &mut String) {
        let message = self.message;
        match (self.message_type, message.yiaddr) {
            (Some(MessageType::Nak), _) => text.push_str(&said(message)),
            (_, Ipv4Addr::UNSPECIFIED) => text.push_str(" without an address"),
            (_, address) => *text += &format!(" {address}"),
        }
        if let (Some(MessageType::Ack), Some(seconds)) =
            (self.message_type, message.u32(code::LEASE_TIME))
        {
            *text += &format!(" for {}", Human(Duration::from_secs(seconds.into())));
        }
        if self.boot_server {
            text.push_str(" from port 4011");
        }
    }

    fn add_boot(&self, text: &mut String, stage: &Stage) {
        let message = self.message;
        let boots = stage.firmware.is_some_and(|firmware| firmware != Firmware::NotBooting);
        match boot_file::told(message) {
            Some(boot) => *text += &format!(", boot {boot}"),
            None if boots && self.message_type == Some(MessageType::Offer) => {
                text.push_str(", no boot file");
            }
            None => {}
        }
        text.push_str(&pxe::menu(message));
        text.push_str(&pxe::boot_item(message));
        if self.server != self.from {
            *text += &format!(", server {}", self.server);
        }
    }
}

/// `: "why"`, from option 56.
fn said(message: &Message<'_>) -> String {
    match message.option(code::MESSAGE) {
        Some(why) => format!(": \"{}\"", Printable(&why)),
        None => String::new(),
    }
}
