//! DHCPINFORM (RFC 2131 section 4.3.5): a client with an address of its own asks for the rest.

use std::net::Ipv4Addr;

use super::asking::{Asking, Verdict};
use super::plan::Change;
use super::reason::Ignored;
use super::reply;
use crate::boot::Boot;
use crate::event::Outcome;
use crate::wire::options::code;

pub(super) fn plan(asking: &Asking<'_>, boot: Boot) -> Verdict {
    let server = asking.message.ipv4(code::SERVER_IDENTIFIER);
    if server.is_some_and(|server| !asking.is_ours(server)) {
        return Verdict::ignored(Ignored::OtherServer);
    }
    let address = own_address(asking);
    if !asking.subnet.net.contains_host(address) {
        return Verdict::ignored(Ignored::InformAddress);
    }
    let reply = reply::inform(asking, address, &boot);
    let outcome = Outcome::Informed { address, boot };
    Verdict { outcome, change: Change::None, reply: Some(reply) }
}

/// `ciaddr`; some clients leave it empty and are known by their IP source, unless that is a relay
/// agent's.
fn own_address(asking: &Asking<'_>) -> Ipv4Addr {
    match asking.message.ciaddr {
        Ipv4Addr::UNSPECIFIED if !asking.is_relayed() => *asking.arrival.source.ip(),
        ciaddr => ciaddr,
    }
}
