//! BOOTP (RFC 951, RFC 1542), as far as RFC 1534 has a DHCP server speak it: one question, one
//! answer, and an address that is the client's for ever.

use super::asking::{Asking, Heard, Verdict};
use super::config::{Bootp, LeaseTime};
use super::reason::Ignored;
use super::request::{granted, put};
use super::{discover, reply};
use crate::boot::{Boot, is_url};
use crate::event::Outcome;
use crate::machine::Firmware;

pub(super) fn plan(asking: &Asking<'_>, boot: Boot) -> Verdict {
    if !wants_us(asking) {
        return Verdict::ignored(Ignored::OtherServerName);
    }
    if asking.message.secs < asking.subnet.min_secs {
        return Verdict::ignored(Ignored::StandingBy);
    }
    let (address, otherwise) = match asking.subnet.bootp {
        Bootp::Off => (None, Ignored::Bootp),
        Bootp::Reserved => (asking.reserved_and_free(), Ignored::Bootp),
        Bootp::Dynamic => (asking.choose(None), Ignored::PoolExhausted),
    };
    let Some(address) = address else { return Verdict::ignored(otherwise) };
    let lease = granted(asking, address, LeaseTime::INFINITE);
    let change = match discover::probe_first(asking, address) {
        (Some(probe), _) => probe,
        // A client that asks at each of its starts is answered without the disk.
        (None, _) if asking.is_stored(&lease) => discover::drop_hold(asking),
        (None, _) => put(asking, lease),
    };
    let reply = reply::bootp(asking, address, &boot);
    Verdict { outcome: Outcome::BootReplied { address, boot }, change, reply: Some(reply) }
}

/// `sname` is empty, or names this server: by its host name, with or without the domain, or by an
/// address.
fn wants_us(asking: &Asking<'_>) -> bool {
    let wanted = asking.message.sname();
    if wanted.is_empty() {
        return true;
    }
    let Ok(wanted) = str::from_utf8(wanted) else { return false };
    let first = |name: &str| name.split('.').next().map(str::to_ascii_lowercase);
    let own = |own: &str| match own.contains('.') && wanted.contains('.') {
        true => own.eq_ignore_ascii_case(wanted),
        false => first(own) == first(wanted),
    };
    match wanted.parse() {
        Ok(address) => asking.is_ours(address),
        Err(_) => asking.host_name.is_some_and(own),
    }
}

/// The file that a BOOTP client asks for. Its "generic name" (RFC 951 section 7.3) is one that this
/// server serves, unless its owner says another.
pub(super) fn wanted_file<'a>(heard: &Heard<'a>) -> Option<&'a str> {
    let wanted = str::from_utf8(heard.message.file()).ok()?;
    let printable = wanted.bytes().all(|byte| byte.is_ascii_graphic());
    let is_name = heard.firmware == Firmware::Bootp && printable && !wanted.is_empty();
    Some(wanted).filter(|wanted| is_name && !is_url(wanted))
}
