//! How urgent a datagram is: what is answered first where many wait.

use super::transmit::{Arrival, BOOT_SERVER_PORT};
use crate::wire::dhcp::MessageType;
use crate::wire::glance::{Glance, Kind};

/// What is answered first, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// REQUEST with `ciaddr`: somebody works with this address, and loses it (RFC 2131 section 4.4.5).
    Renewal,
    /// RELEASE and DECLINE: nobody sends them again.
    Ending,
    /// What is asked at the boot server's port: the last step of a boot, for which nothing is stored.
    BootServer,
    /// REQUEST of a client that was made an offer, or remembers an address.
    Request,
    /// The rest: DISCOVER, INFORM, BOOTP, and what can not be read. Who is not answered asks again.
    Newcomer,
}

impl Urgency {
    /// All of them, in their order.
    pub const ALL: [Self; 5] =
        [Self::Renewal, Self::Ending, Self::BootServer, Self::Request, Self::Newcomer];

    /// Of a datagram that came so.
    pub fn of(glance: &Glance, arrival: &Arrival) -> Self {
        use MessageType::{Decline, Inform, Release, Request};
        match glance.kind {
            Kind::Message(Request | Inform) if arrival.destination.port() == BOOT_SERVER_PORT => {
                Self::BootServer
            }
            Kind::Message(Request) if glance.has_address => Self::Renewal,
            Kind::Message(Request) => Self::Request,
            Kind::Message(Release | Decline) => Self::Ending,
            Kind::Message(_) | Kind::Bootp | Kind::Unreadable => Self::Newcomer,
        }
    }

    /// Is the answer a change that the store has to write?
    pub const fn needs_store(self) -> bool {
        matches!(self, Self::Renewal | Self::Ending | Self::Request)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;
    use crate::wire::glance::tests::message;

    #[test]
    fn each_message_has_its_urgency() {
        use MessageType::{Decline, Discover, Inform, Offer, Release, Request};
        let (none, own) = ([0; 4], [10, 0, 0, 9]);
        for (port, ciaddr, message_type, expected) in [
            (67, none, Discover, Urgency::Newcomer),
            (67, own, Discover, Urgency::Newcomer),
            (67, none, Request, Urgency::Request),
            (67, own, Request, Urgency::Renewal),
            (67, own, Release, Urgency::Ending),
            (67, none, Decline, Urgency::Ending),
            (67, own, Inform, Urgency::Newcomer),
            (67, none, Offer, Urgency::Newcomer),
            (4011, own, Request, Urgency::BootServer),
            (4011, own, Inform, Urgency::BootServer),
            (4011, own, Discover, Urgency::Newcomer),
        ] {
            let glance = Glance::at(&message(7, ciaddr, &[53, 1, message_type as u8, 255]));
            let source = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
            let destination = SocketAddrV4::new(Ipv4Addr::BROADCAST, port);
            let arrival = Arrival { source, destination, source_mac: None };
            assert_eq!(Urgency::of(&glance, &arrival), expected, "{message_type} {port}");
        }
    }
}
