//! DHCPREQUEST in its four states (RFC 2131 section 4.3.2).
//!
//! | state       | option 54 | option 50 | ciaddr | sent by   |
//! |-------------|-----------|-----------|--------|-----------|
//! | SELECTING   | yes       | yes       | 0      | broadcast |
//! | INIT-REBOOT | no        | yes       | 0      | broadcast |
//! | RENEWING    | no        | no        | yes    | unicast   |
//! | REBINDING   | no        | no        | yes    | broadcast |
//!
//! Clients that renew with an option 54 exist; `ciaddr` decides.

use std::net::Ipv4Addr;

use super::lease::{Lease, LeaseState, expiry};
use super::reason::{Ignored, NakReason, RequestState};
use super::reply;
use super::server::{Asking, Change, Verdict};
use super::table::Standing;
use crate::boot::Boot;
use crate::event::Outcome;
use crate::text;
use crate::wire::dhcp::MessageType;
use crate::wire::options::code;

pub(super) fn plan(asking: &Asking<'_>, boot: Boot) -> Verdict {
    let ciaddr = asking.message.ciaddr;
    let wish = asking.message.ipv4(code::REQUESTED_ADDRESS);
    match (asking.message.ipv4(code::SERVER_IDENTIFIER), wish) {
        _ if !ciaddr.is_unspecified() => {
            let rebinding = asking.arrival.destination.is_broadcast() || asking.is_relayed();
            let state = if rebinding { RequestState::Rebinding } else { RequestState::Renewing };
            remembered(asking, ciaddr, state, boot)
        }
        (Some(server), _) if !asking.is_ours(server) => Verdict {
            outcome: Outcome::Ignored(Ignored::OtherServer),
            change: Change::DropHold { subnet: asking.subnet_id, client: asking.client.clone() },
            reply: None,
        },
        (Some(_), Some(address)) => selecting(asking, address, boot),
        (None, Some(address)) => remembered(asking, address, RequestState::InitReboot, boot),
        (_, None) => refuse(asking, None, NakReason::NoAddress),
    }
}

/// The client takes this server's offer.
fn selecting(asking: &Asking<'_>, address: Ipv4Addr, boot: Boot) -> Verdict {
    if !asking.subnet.net.contains_host(address) {
        return refuse(asking, Some(address), NakReason::WrongNetwork);
    }
    let now = asking.now;
    let active = asking.table.of(&asking.client).filter(|lease| lease.is_active(now));
    let promised = active.map(|lease| lease.address).or(asking.table.held_for(&asking.client, now));
    if promised.is_some_and(|promised| promised != address) {
        return refuse(asking, Some(address), NakReason::NotYours);
    }
    grant(asking, address, RequestState::Selecting, boot)
}

/// The client remembers an address: it gets it if this server remembers too.
fn remembered(asking: &Asking<'_>, address: Ipv4Addr, state: RequestState, boot: Boot) -> Verdict {
    if !asking.subnet.net.contains_host(address) {
        return refuse(asking, Some(address), NakReason::WrongNetwork);
    }
    let record = asking.table.of(&asking.client);
    match record {
        Some(lease) if lease.address == address => grant(asking, address, state, boot),
        Some(lease) if lease.is_active(asking.now) => {
            refuse(asking, Some(address), NakReason::NotYours)
        }
        _ => match asking.table.standing(address, &asking.client, asking.now) {
            // Whoever told the client, the address is another's now.
            Standing::InUse => refuse(asking, Some(address), NakReason::InUse),
            Standing::Declined => refuse(asking, Some(address), NakReason::Declined),
            _ if record.is_some() => refuse(asking, Some(address), NakReason::NotYours),
            // "If the server has no record of this client, it MUST remain silent."
            _ => Verdict::ignored(Ignored::UnknownClient),
        },
    }
}

/// Leases the address if it can be had.
fn grant(asking: &Asking<'_>, address: Ipv4Addr, state: RequestState, boot: Boot) -> Verdict {
    match asking.table.standing(address, &asking.client, asking.now) {
        Standing::Available => {}
        Standing::InUse => return refuse(asking, Some(address), NakReason::InUse),
        Standing::Declined => return refuse(asking, Some(address), NakReason::Declined),
        Standing::NotInPool => return refuse(asking, Some(address), NakReason::NotInPool),
    }
    let lease_time = asking.subnet.lease_time.granted(asking.message.u32(code::LEASE_TIME));
    let lease = Lease {
        address,
        client: asking.client.clone(),
        hardware: asking.machine.hardware,
        host_name: asking.message.option(code::HOST_NAME).and_then(|name| text::host_name(&name)),
        state: LeaseState::Leased,
        granted: asking.now,
        expires: expiry(asking.now, lease_time),
        version: asking.table.get(address).map_or(0, |lease| lease.version) + 1,
    };
    let reply = reply::lease(asking, MessageType::Ack, address, lease_time, &boot);
    Verdict {
        outcome: Outcome::Acked { address, lease_time, state, boot },
        change: Change::Put { subnet: asking.subnet_id, lease },
        reply: Some(reply),
    }
}

fn refuse(asking: &Asking<'_>, address: Option<Ipv4Addr>, reason: NakReason) -> Verdict {
    Verdict {
        outcome: Outcome::Refused { address, reason },
        change: Change::None,
        reply: Some(reply::nak(asking, reason)),
    }
}
