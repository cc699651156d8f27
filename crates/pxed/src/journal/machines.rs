//! Who has which address, by the events that say so: TFTP and HTTP know their clients by these.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use pxed_proto::event::{Event, Outcome};
use pxed_proto::limits::ADDRESSES_ELSEWHERE_MAX;
use pxed_proto::net::Mac;

use super::holders::Holders;

/// Machines by their addresses.
#[derive(Debug, Default)]
pub(super) struct Machines {
    by_address: Holders,
    /// Those of them that nobody leased here, the oldest first: they never expire.
    elsewhere: VecDeque<Ipv4Addr>,
}

impl Machines {
    /// Whose an address is.
    pub(super) fn at(&self, address: Ipv4Addr) -> Option<Mac> {
        self.by_address.get(address)
    }

    /// A machine has leased an address.
    pub(super) fn has_leased(&mut self, address: Ipv4Addr, mac: Mac) {
        self.by_address.insert(address, mac);
    }

    /// Keeps track of who has which address.
    pub(super) fn follow(&mut self, event: &Event) {
        if let Some((address, mac)) = holder(event) {
            return self.has_leased(address, mac);
        }
        match event {
            Event::Expired { address, .. } | Event::Freed { address, .. } => {
                self.by_address.remove(*address);
            }
            Event::Dhcp(event) => match (&event.outcome, event.request) {
                (Outcome::BootServed { address, .. }, Some(request)) => {
                    self.has_address(*address, request.machine.mac());
                }
                (Outcome::Released { address } | Outcome::Declined { address, .. }, _) => {
                    self.by_address.remove(*address);
                }
                _ => {}
            },
            Event::Conflict(_)
            | Event::OtherServer(_)
            | Event::NoDhcpServer { .. }
            | Event::Learned(_)
            | Event::Tftp(_)
            | Event::Http(_)
            | Event::Tls(_)
            | Event::Store(_) => {}
        }
    }

    /// A machine asks at port 4011, from an address that may be another server's.
    fn has_address(&mut self, address: Ipv4Addr, mac: Option<Mac>) {
        let Some(mac) = mac else { return };
        if self.by_address.insert(address, mac).is_some() {
            return;
        }
        self.elsewhere.push_back(address);
        if self.elsewhere.len() > ADDRESSES_ELSEWHERE_MAX
            && let Some(oldest) = self.elsewhere.pop_front()
        {
            self.by_address.remove(oldest);
        }
    }
}

/// Who has leased which address by this event.
pub(super) fn holder(event: &Event) -> Option<(Ipv4Addr, Mac)> {
    let Event::Dhcp(event) = event else { return None };
    let (Outcome::Acked { address, .. } | Outcome::BootReplied { address, .. }) = event.outcome
    else {
        return None;
    };
    Some((address, event.request?.machine.mac()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pxed_proto::boot::Boot;
    use pxed_proto::event::{DhcpEvent, Request};
    use pxed_proto::machine::{Firmware, Machine};
    use pxed_proto::wire::dhcp::MessageType;

    use super::*;

    /// What is answered at port 4011.
    fn served(address: Ipv4Addr, mac: Mac) -> Event {
        let request = Request {
            message_type: Some(MessageType::Request),
            xid: 1,
            machine: Machine::from(mac),
            firmware: Firmware::Pxe(None),
            relay: None,
        };
        let outcome = Outcome::BootServed { address, boot: Boot::Nothing };
        let (link, left_out) = (Arc::from("eth1"), Vec::new());
        Event::Dhcp(DhcpEvent { link, request: Some(request), outcome, left_out })
    }

    #[test]
    fn machines_with_addresses_of_elsewhere_are_forgotten_some_day() {
        let mut machines = Machines::default();
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let max = u32::try_from(ADDRESSES_ELSEWHERE_MAX).unwrap();
        machines.has_leased(Ipv4Addr::from_bits(max + 9), mac);
        for number in 1..=max + 1 {
            let event = served(Ipv4Addr::from_bits(number), mac);
            machines.follow(&event);
            machines.follow(&event);
        }
        assert_eq!(machines.by_address.len(), ADDRESSES_ELSEWHERE_MAX + 1);
        let known = |number| machines.at(Ipv4Addr::from_bits(number)).is_some();
        assert_eq!([1, 2, max + 1, max + 9].map(known), [false, true, true, true]);
    }
}
