//! DHCPRELEASE and DHCPDECLINE (RFC 2131 sections 4.3.3 and 4.3.4): neither is ever answered, and
//! neither is believed from anybody but the holder.

use super::asking::{Asking, Verdict};
use super::lease::{Lease, LeaseState};
use super::plan::Change;
use super::reason::Ignored;
use crate::event::Outcome;
use crate::limits;
use crate::wire::options::code;

/// The client gives its address back. It is remembered, so that the client gets it again.
pub(super) fn plan_release(asking: &Asking<'_>) -> Verdict {
    let address = asking.message.ciaddr;
    let lease = match held_lease(asking, address) {
        Ok(lease) => lease,
        Err(reason) => return Verdict::ignored(reason),
    };
    // RELEASE is sent by unicast from the address itself; from elsewhere it may be anybody's.
    let from_holder = match asking.is_relayed() {
        true => by_its_relay(asking, lease),
        false => *asking.arrival.source.ip() == address,
    };
    if !from_holder {
        return Verdict::ignored(Ignored::SpoofedSource);
    }
    put(lease.clone().released(asking.now), Outcome::Released { address })
}

/// There are relay agents that pass on what clients send by unicast too: the one by which the client
/// got its lease, or another one of the same wire, since routers stand in for each other.
fn by_its_relay(asking: &Asking<'_>, lease: &Lease) -> bool {
    let Some(agent) = lease.relay() else { return false };
    agent.address == asking.message.giaddr
        || !agent.address.is_unspecified() && asking.by_relay_of_wire
}

/// The client found its new address in use by a stranger.
pub(super) fn plan_decline(asking: &Asking<'_>) -> Verdict {
    let Some(address) = asking.message.ipv4(code::REQUESTED_ADDRESS) else {
        return Verdict::ignored(Ignored::NotHolder);
    };
    let lease = match held_lease(asking, address) {
        Ok(lease) => lease,
        Err(reason) => return Verdict::ignored(reason),
    };
    if asking.now.since(lease.granted) > limits::DECLINE_WINDOW {
        return Verdict::ignored(Ignored::LateDecline);
    }
    if asking.table.declined_by(&asking.client, asking.now) >= limits::DECLINES_PER_CLIENT_MAX {
        return Verdict::ignored(Ignored::TooManyDeclines);
    }
    let half = usize::try_from(asking.table.pool_size() / 2).unwrap_or(usize::MAX).max(1);
    if asking.table.has_declines(half, asking.now) {
        return Verdict::ignored(Ignored::PoolDeclines);
    }
    let most = limits::DECLINES_PER_SOURCE_MAX;
    if asking.table.has_declines_beside(lease, most, asking.now) {
        return Verdict::ignored(Ignored::SourceDeclines);
    }
    let probation = asking.subnet.decline_probation;
    let lease = Lease {
        state: LeaseState::Declined,
        expires: asking.now + probation,
        version: lease.version + 1,
        ..lease.clone()
    };
    put(lease, Outcome::Declined { address, probation })
}

/// The client's running lease of `address`, if the message is for this server at all.
fn held_lease<'a>(asking: &Asking<'a>, address: std::net::Ipv4Addr) -> Result<&'a Lease, Ignored> {
    let server = asking.message.ipv4(code::SERVER_IDENTIFIER).ok_or(Ignored::NotForUs)?;
    if !asking.is_ours(server) {
        return Err(Ignored::NotForUs);
    }
    let lease = asking.table.get(address).ok_or(Ignored::NotHolder)?;
    if !lease.is_of(&asking.client) || !lease.is_active(asking.now) {
        return Err(Ignored::NotHolder);
    }
    Ok(lease)
}

fn put(lease: Lease, outcome: Outcome) -> Verdict {
    Verdict { outcome, change: Change::Put { lease, freed: None }, reply: None }
}
