//! DHCPDISCOVER (RFC 2131 section 4.3.1): an offer, held for a short while in memory. On the
//! server's own link it is made once nobody answers for the address.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::asking::{Asking, Verdict};
use super::lease::LeaseState;
use super::plan::Change;
use super::probe::Question;
use super::reason::{Ignored, RequestState};
use super::relay::Behind;
use super::table::Hold;
use super::{reply, request};
use crate::boot::Boot;
use crate::event::Outcome;
use crate::limits;
use crate::wire::dhcp::MessageType;
use crate::wire::options::code;

pub(super) fn plan(asking: &Asking<'_>, boot: Boot) -> Verdict {
    let wish = asking.message.ipv4(code::REQUESTED_ADDRESS);
    if asking.message.secs < asking.subnet.min_secs {
        return Verdict::ignored(Ignored::StandingBy);
    }
    let Some(address) = asking.choose(wish) else {
        let open = asking.may_have_some();
        return Verdict::ignored(if open { Ignored::PoolExhausted } else { Ignored::NoPool });
    };
    if asking.is_capped(address) {
        return Verdict::ignored(Ignored::RelayCap);
    }
    let left = asking.left_in_outage(address);
    if asking.outage.lasts() && left.is_none() {
        return Verdict::ignored(Ignored::StoreFails);
    }
    let (probe, unprobed) = probe_first(asking, address);
    if probe.is_none() && asking.subnet.rapid_commit && asks_for_rapid_commit(asking) {
        return request::grant(asking, address, RequestState::RapidCommit, boot);
    }
    let lease_time = asking.subnet.lease_time.granted(asking.message.u32(code::LEASE_TIME));
    let lease_time = left.map_or(lease_time, |left| left.min(lease_time));
    let reply = reply::lease(asking, MessageType::Offer, address, lease_time, &boot);
    // The client's own lease keeps the address for it, unless it ends before the offer does; what
    // was offered before is not on offer any more.
    let hold = hold(asking);
    let kept = asking.table.get(address).is_some_and(|lease| lease.is_active(hold.until));
    let change = match probe {
        Some(probe) => probe,
        None if kept => drop_hold(asking),
        None => Change::Hold { subnet: asking.subnet_id, address, hold },
    };
    Verdict { outcome: Outcome::Offered { address, boot, unprobed }, change, reply: Some(reply) }
}

/// What is to be done before the client hears of an address that a stranger may have; or nothing,
/// since that is not due, or (`true`) since there is no room for it.
pub(super) fn probe_first(asking: &Asking<'_>, address: Ipv4Addr) -> (Option<Change>, bool) {
    let wait = probe_due(asking, address);
    let unprobed = wait.is_some() && !asking.probes.has_room_for(address);
    let probe = wait.filter(|_| !unprobed).map(|wait| probe(asking, address, wait));
    (probe, unprobed)
}

/// Option 80, which is empty (RFC 4039 section 4): any other is none.
fn asks_for_rapid_commit(asking: &Asking<'_>) -> bool {
    asking.message.option(code::RAPID_COMMIT).is_some_and(|value| value.is_empty())
}

/// Nothing changes but that what was offered before is not on offer any more.
pub(super) fn drop_hold(asking: &Asking<'_>) -> Change {
    Change::DropHold { subnet: asking.subnet_id, client: asking.client.clone() }
}

/// How long somebody is to be asked first whether the address is free. Only on the client's own
/// link; never the operator's choice, what the client has or had just now, or what was found free.
fn probe_due(asking: &Asking<'_>, address: Ipv4Addr) -> Option<Duration> {
    let wait = asking.subnet.conflict_probe?;
    let reserved = asking.reserved() == Some(address);
    let its_own = asking.table.get(address).is_some_and(|lease| {
        let lately = asking.now.since(lease.expires) < limits::PROBE_VALID;
        lease.is_of(&asking.client) && lease.state != LeaseState::Declined && lately
    });
    let known = asking.probes.knows_free(address, asking.machine.mac(), asking.now);
    (asking.attached && !reserved && !its_own && !known).then_some(wait)
}

fn hold(asking: &Asking<'_>) -> Hold {
    let (rates, relay) = (asking.subnet.rates, asking.relay.as_ref().map(Behind::keep));
    let most = if relay.is_some() { rates.port_offers } else { rates.offers };
    let until = asking.now + asking.subnet.offer_hold;
    Hold { client: asking.client.clone(), relay, until, most }
}

fn probe(asking: &Asking<'_>, address: Ipv4Addr, wait: Duration) -> Change {
    let question = Question {
        link: asking.link_id,
        arrival: *asking.arrival,
        datagram: asking.datagram.to_vec(),
        client: asking.client.clone(),
        mac: asking.machine.mac(),
        tried: 0,
    };
    let (subnet, question, hold) = (asking.subnet_id, Box::new(question), hold(asking));
    Change::Probe { subnet, address, hold, wait, question }
}
