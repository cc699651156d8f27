//! DHCPDISCOVER (RFC 2131 section 4.3.1): an offer, held for a short while in memory.

use std::net::Ipv4Addr;

use super::asking::{Asking, Verdict};
use super::reason::Ignored;
use super::reply;
use super::server::Change;
use crate::Timestamp;
use crate::boot::Boot;
use crate::event::Outcome;
use crate::wire::dhcp::MessageType;
use crate::wire::options::code;

pub(super) fn plan(asking: &Asking<'_>, boot: Boot) -> Verdict {
    let wish = asking.message.ipv4(code::REQUESTED_ADDRESS);
    if asking.message.secs < asking.subnet.min_secs {
        return Verdict::ignored(Ignored::StandingBy);
    }
    let Some(address) = asking.choose(wish) else {
        return Verdict::ignored(Ignored::PoolExhausted);
    };
    let lease_time = asking.subnet.lease_time.granted(asking.message.u32(code::LEASE_TIME));
    let reply = reply::lease(asking, MessageType::Offer, address, lease_time, &boot);
    // The client's own lease keeps the address for it, unless it ends before the offer does.
    let until = asking.now + asking.subnet.offer_hold;
    let kept = asking.table.get(address).is_some_and(|lease| lease.is_active(until));
    let change = if kept { Change::None } else { hold(asking, address, until) };
    Verdict { outcome: Outcome::Offered { address, boot }, change, reply: Some(reply) }
}

fn hold(asking: &Asking<'_>, address: Ipv4Addr, until: Timestamp) -> Change {
    Change::Hold { subnet: asking.subnet_id, address, client: asking.client.clone(), until }
}
