//! What a client would get, and by which rules: the way of a real datagram, stopped before
//! [`Server::apply`].

use std::net::Ipv4Addr;

use super::{Plan, Server, request_of};
use crate::Timestamp;
use crate::dhcp::asking::Heard;
use crate::dhcp::class::Facts;
use crate::dhcp::config::{LinkId, Mode, Subnet};
use crate::dhcp::policy::Entitled;
use crate::dhcp::proxy;
use crate::dhcp::quirks::Choice;
use crate::dhcp::relay::Behind;
use crate::dhcp::transmit::Arrival;
use crate::event::Request;
use crate::machine::Firmware;
use crate::wire::dhcp::Message;
use crate::wire::options::code;

/// What a datagram deserves, and why.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// What would be done.
    pub plan: Plan,
    /// The rules that hold for the client; `None` for one that is on no subnet.
    pub found: Option<Found<'a>>,
}

/// The rules that hold for a client.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Where it is.
    pub subnet: &'a Subnet,
    /// What runs on it.
    pub firmware: Firmware,
    /// What it is given, by whom.
    pub entitled: Entitled<'a>,
    /// The address that it has a lease of there.
    pub leased: Option<Ipv4Addr>,
    /// How it would be made a proxy offer, where addresses are another server's.
    pub form: Option<Choice>,
}

impl Server {
    /// The plan for a datagram, with the rules that made it. Changes nothing.
    pub fn explain(
        &self,
        now: Timestamp,
        link: LinkId,
        arrival: &Arrival,
        datagram: &[u8],
    ) -> Explanation<'_> {
        let plan = self.plan(now, link, arrival, datagram);
        Explanation { plan, found: self.found(now, link, arrival, datagram) }
    }

    fn found(
        &self,
        now: Timestamp,
        link: LinkId,
        arrival: &Arrival,
        datagram: &[u8],
    ) -> Option<Found<'_>> {
        let message = &Message::parse(datagram).ok()?;
        let Request { machine, firmware, .. } = request_of(message).ok()?;
        let information = message.option(code::RELAY_AGENT);
        let agent = self.agent(link, message, information.as_deref());
        let heard = Heard { now, link, arrival, message, datagram, machine, firmware, agent };
        let asking = self.locate(&heard).ok()?;
        // Said of the configuration alone, and not of the message, which ends here.
        let subnet = self.config.subnets.get(asking.subnet_id.0)?;
        let relay = asking.relay.as_ref().map(Behind::agent);
        let facts = Facts { message, machine: &machine, firmware, relay, groups: &[] };
        let entitled = self.config.policy.of(&self.rules, subnet, &facts);
        let leased = asking.active().map(|lease| lease.address);
        let plain = matches!(firmware, Firmware::NotBooting | Firmware::Bootp);
        let form = (subnet.mode == Mode::Proxy && !plain).then(|| proxy::choice(&asking));
        Some(Found { subnet, firmware, entitled, leased, form })
    }
}
