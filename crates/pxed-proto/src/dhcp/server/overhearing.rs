//! What is heard of other DHCP servers.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::Server;
use crate::Timestamp;
use crate::dhcp::config::LinkId;
use crate::dhcp::others::{self, KnownServer, Seen};
use crate::dhcp::plan::Output;
use crate::dhcp::quirks::Evidence;
use crate::dhcp::reason::Ignored;
use crate::dhcp::transmit::Arrival;
use crate::event::{Deed, DhcpEvent, Event, OtherServer, Outcome};
use crate::machine::Machine;
use crate::net::Mac;
use crate::wire::dhcp::{Message, MessageType};

impl Server {
    /// A datagram that was broadcast on the link to the port of clients: what another server says.
    pub fn overheard(
        &mut self,
        link: LinkId,
        arrival: &Arrival,
        datagram: &[u8],
        now: Timestamp,
    ) -> Output {
        let link = self.link_name(link);
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            Err(reason) => return not_understood(link, Ignored::Malformed(reason)),
        };
        let read = others::read(&message, *arrival.source.ip());
        match read.filter(|(server, _)| !self.topology.answers_as(*server)) {
            Some(seen) => {
                let other = self.note_other(&link, arrival.source_mac, seen, now);
                Output { other: Some(Event::OtherServer(other)), ..Output::default() }
            }
            None => Output::default(),
        }
    }

    /// The other DHCP servers that were heard, by link and server identifier.
    pub fn other_servers(&self) -> impl Iterator<Item = (&Arc<str>, Ipv4Addr, &KnownServer)> {
        self.others.known()
    }

    /// The other server whose offer a client takes. It may have this server's address, where that
    /// gives none: another program of this machine does.
    pub(super) fn chosen(
        &self,
        link: LinkId,
        arrival: &Arrival,
        message: &Message<'_>,
        machine: Machine,
    ) -> Option<(Ipv4Addr, Deed)> {
        let chosen = others::chosen(message, machine)?;
        let own_are_others = || {
            let gives_none = !self.topology.on_link(link).gives_addresses;
            gives_none && arrival.destination.ip().is_broadcast()
        };
        let is_other = !self.topology.answers_as(chosen.0) || own_are_others();
        is_other.then_some(chosen)
    }

    fn note_other(
        &mut self,
        link: &Arc<str>,
        mac: Option<Mac>,
        (server, deed): (Ipv4Addr, Deed),
        now: Timestamp,
    ) -> OtherServer {
        self.quirks_hear(&deed, now);
        self.others.note(&self.config, Seen { link, server, mac, deed }, now)
    }

    /// What else a datagram's event tells: the server that a client names, or that there is none
    /// where a machine asks and asks.
    pub(super) fn heard_besides(
        &mut self,
        event: &DhcpEvent,
        chosen: Option<(Ipv4Addr, Deed)>,
        now: Timestamp,
    ) -> Option<Event> {
        if let Some(chosen) = chosen {
            let other = self.note_other(&event.link, None, chosen, now);
            return Some(Event::OtherServer(other));
        }
        let request = event.request.filter(|request| request.relay.is_none())?;
        let offered = matches!(event.outcome, Outcome::ProxyOffered { .. });
        let machine = Some(request.machine).filter(|_| offered)?;
        let waited = self.others.asks_in_vain(&event.link, machine.hardware, now)?;
        Some(Event::NoDhcpServer { link: event.link.clone(), machine, waited })
    }

    /// The machine that takes an address, or is given it, will fetch its file from there.
    fn quirks_hear(&mut self, deed: &Deed, now: Timestamp) {
        let ack = Some(MessageType::Ack);
        let (machine, address) = match deed {
            Deed::Chosen { machine, address } => (machine, address),
            Deed::Replied { machine, address, message_type, .. } if *message_type == ack => {
                (machine, address)
            }
            Deed::Replied { .. } => return,
        };
        if let Some(address) = *address {
            self.quirks.see(Evidence::Takes(machine.hardware, address), now);
        }
    }
}

fn not_understood(link: Arc<str>, reason: Ignored) -> Output {
    let outcome = Outcome::Ignored(reason);
    let event = DhcpEvent { link, request: None, outcome, left_out: Vec::new() };
    Output { event: Some(Event::Dhcp(event)), ..Output::default() }
}
