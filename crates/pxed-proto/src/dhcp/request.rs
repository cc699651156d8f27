//! DHCPREQUEST in its four states (RFC 2131 section 4.3.2).
//!
//! | state       | option 54 | option 50 | ciaddr | sent by   |
//! |-------------|-----------|-----------|--------|-----------|
//! | SELECTING   | yes       | yes       | 0      | broadcast |
//! | INIT-REBOOT | no        | yes       | 0      | broadcast |
//! | RENEWING    | no        | no        | yes    | unicast   |
//! | REBINDING   | no        | no        | yes    | broadcast |
//!
//! What a relay agent brings was sent by broadcast, unless it says otherwise (RFC 5010).
//!
//! Clients that renew with an option 54 exist; `ciaddr` decides.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::asking::{Asking, Verdict};
use super::config::LeaseTime;
use super::lease::{Lease, LeaseState, Said, expiry};
use super::plan::Change;
use super::policy::Reservation;
use super::reason::{Ignored, NakReason, RequestState};
use super::relay::Behind;
use super::table::Standing;
use super::{discover, reply};
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
            let rebinding = asking.arrival.destination.ip().is_broadcast()
                || asking.is_relayed() && !asking.is_relayed_unicast();
            let state = if rebinding { RequestState::Rebinding } else { RequestState::Renewing };
            let named = asking.server_identifier();
            unless_others(asking, named, remembered(asking, ciaddr, state, boot))
        }
        (Some(server), _) if !asking.is_ours(server) => other_server(asking),
        (Some(server), Some(address)) => {
            unless_others(asking, server, selecting(asking, address, boot))
        }
        (None, Some(address)) => remembered(asking, address, RequestState::InitReboot, boot),
        (_, None) => refuse(asking, None, NakReason::NoAddress),
    }
}

/// What a relay agent has the server called is the name of all servers behind it (RFC 5107): an
/// address that this one did not promise the client may be what another one did. It is refused only
/// where it is wrong whoever promised it.
fn unless_others(asking: &Asking<'_>, named: Ipv4Addr, verdict: Verdict) -> Verdict {
    let Outcome::Refused { address, reason } = verdict.outcome else { return verdict };
    let had = address.and_then(|address| asking.table.get(address));
    let unpromised = matches!(reason, NakReason::NotYours | NakReason::NotInPool)
        && had.is_none_or(|lease| !lease.is_of(&asking.client));
    match !asking.is_own(named) && (unpromised || !asking.subnet.authoritative) {
        true => other_server(asking),
        false => verdict,
    }
}

/// The client takes another server's offer.
fn other_server(asking: &Asking<'_>) -> Verdict {
    Verdict {
        outcome: Outcome::Ignored(Ignored::OtherServer),
        change: Change::DropHold { subnet: asking.subnet_id, client: asking.client.clone() },
        reply: None,
    }
}

/// The client takes this server's offer.
fn selecting(asking: &Asking<'_>, address: Ipv4Addr, boot: Boot) -> Verdict {
    if !asking.subnet.net.contains_host(address) {
        return refuse(asking, Some(address), NakReason::WrongNetwork);
    }
    let held = || asking.table.held_for(&asking.client, asking.now);
    let active = || asking.active().map(|lease| lease.address);
    let promised = asking.reserved_and_free().or_else(active).or_else(held);
    if promised.is_some_and(|promised| promised != address) && !was_offered(asking, address) {
        return refuse(asking, Some(address), NakReason::NotYours);
    }
    grant(asking, address, RequestState::Selecting, boot)
}

/// Is it this address that is held for the client now? So it is for a client whose reserved
/// address was taken when it asked.
fn was_offered(asking: &Asking<'_>, address: Ipv4Addr) -> bool {
    asking.table.held_for(&asking.client, asking.now) == Some(address)
}

/// The client remembers an address: it gets it if this server remembers too.
fn remembered(asking: &Asking<'_>, address: Ipv4Addr, state: RequestState, boot: Boot) -> Verdict {
    if !asking.subnet.net.contains_host(address) {
        // Whoever is not authoritative can not know what other servers have promised.
        return match asking.subnet.authoritative {
            true => refuse(asking, Some(address), NakReason::WrongNetwork),
            false => Verdict::ignored(Ignored::UnknownClient),
        };
    }
    let reserved = asking.reserved_and_free();
    let not_yours = || refuse(asking, Some(address), NakReason::NotYours);
    if reserved.is_some_and(|reserved| reserved != address) {
        return not_yours();
    }
    if reserved == Some(address) || asking.own.is_some_and(|lease| lease.address == address) {
        return grant(asking, address, state, boot);
    }
    match (asking.own, asking.standing(address)) {
        _ if asking.active().is_some() || asking.elsewhere.is_some() => not_yours(),
        // Whoever told the client, the address is another's now.
        (_, Standing::InUse) => refuse(asking, Some(address), NakReason::InUse),
        (_, Standing::Reserved) => refuse(asking, Some(address), NakReason::Reserved),
        (_, Standing::Declined) => refuse(asking, Some(address), NakReason::Declined),
        (Some(_), _) => not_yours(),
        (None, Standing::Available) if asking.subnet.adopt => grant(asking, address, state, boot),
        // "If the server has no record of this client, it MUST remain silent."
        (None, _) => Verdict::ignored(Ignored::UnknownClient),
    }
}

/// Leases the address if it can be had.
pub(super) fn grant(
    asking: &Asking<'_>,
    address: Ipv4Addr,
    state: RequestState,
    boot: Boot,
) -> Verdict {
    let wish = asking.subnet.lease_time.granted(asking.message.u32(code::LEASE_TIME));
    let lease_time = match (asking.standing(address), time_left(asking, address)) {
        (Standing::Available, _) => wish,
        // The pools were changed: what was promised is kept, and not prolonged.
        (Standing::NotInPool, Some(left)) => wish.min(left),
        (Standing::InUse, _) => return refuse(asking, Some(address), NakReason::InUse),
        (Standing::Declined, _) => return refuse(asking, Some(address), NakReason::Declined),
        (Standing::Reserved, _) => return refuse(asking, Some(address), NakReason::Reserved),
        (Standing::NotInPool, None) => return refuse(asking, Some(address), NakReason::NotInPool),
    };
    if asking.is_capped(address) {
        return Verdict::ignored(Ignored::RelayCap);
    }
    let lease = granted(asking, address, lease_time);
    let left = asking.left_in_outage(address).or_else(|| still_fresh(asking, &lease, state));
    let (lease_time, change) = match left {
        Some(left) => (lease_time.min(left), discover::drop_hold(asking)),
        None => (lease_time, put(asking, lease)),
    };
    let reply = reply::lease(asking, MessageType::Ack, address, lease_time, &boot);
    let outcome = Outcome::Acked { address, lease_time, state, boot };
    Verdict { outcome, change, reply: Some(reply) }
}

/// How long the lease that the client has still runs, if so little of it is over that it is not
/// worth a write: never longer than the store knows. An offer was of a whole one.
fn still_fresh(asking: &Asking<'_>, lease: &Lease, state: RequestState) -> Option<Duration> {
    let anew = matches!(state, RequestState::Selecting | RequestState::RapidCommit);
    if anew || asking.elsewhere.is_some() || asking.subnet.lease_cache == 0 {
        return None;
    }
    let stored = asking.stored(lease)?;
    let [over, whole] = [asking.now, stored.expires].map(|end| end.since(stored.granted));
    let fresh = over.as_millis() * 100 < whole.as_millis() * u128::from(asking.subnet.lease_cache);
    let left = time_left(asking, lease.address).filter(|_| fresh)?;
    Some(Duration::from_secs(left.as_secs()).min(LeaseTime::INFINITE))
}

/// Leases it to the client, which gives up what else it has on this wire.
pub(super) fn put(asking: &Asking<'_>, lease: Lease) -> Change {
    let freed = asking.active().filter(|other| other.address != lease.address);
    let freed = freed.or(asking.elsewhere).map(|other| other.clone().released(asking.now));
    Change::Put { lease, freed }
}

/// How long the client's lease of the address still runs, if a client can make use of that.
fn time_left(asking: &Asking<'_>, address: Ipv4Addr) -> Option<Duration> {
    let lease = asking.active().filter(|lease| lease.address == address)?;
    Some(lease.expires.since(asking.now)).filter(|left| left.as_secs() > 0)
}

pub(super) fn granted(asking: &Asking<'_>, address: Ipv4Addr, lease_time: Duration) -> Lease {
    let said = asking.message.option(code::HOST_NAME);
    let given = asking.entitled.reservation.and_then(Reservation::host_name);
    let host_name = given.or_else(|| said.and_then(|name| text::host_name(&name)));
    Lease {
        address,
        hardware: asking.machine.hardware,
        said: kept(asking, host_name.as_deref()),
        state: LeaseState::Leased,
        granted: asking.now,
        expires: expiry(asking.now, lease_time),
        version: asking.table.get(address).map_or(0, |lease| lease.version) + 1,
    }
}

/// What is kept of what was said: what its lease has, if nothing is new.
fn kept(asking: &Asking<'_>, host_name: Option<&str>) -> Said {
    let relay = asking.relay.as_ref().map(Behind::keep);
    let same = |own: &&Lease| {
        own.is_of(&asking.client) && own.host_name() == host_name && own.relay() == relay
    };
    let kept = asking.own.filter(same).map(|own| own.said.clone());
    kept.unwrap_or_else(|| Said::new(&asking.client, host_name, relay.as_ref()))
}

fn refuse(asking: &Asking<'_>, address: Option<Ipv4Addr>, reason: NakReason) -> Verdict {
    Verdict {
        outcome: Outcome::Refused { address, reason },
        change: Change::None,
        reply: Some(reply::nak(asking, reason)),
    }
}
