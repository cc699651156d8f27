//! A subnet whose addresses are another server's (ProxyDHCP, PXE 2.1 section 2.2.3): a client that
//! boots is offered what it boots beside the other's address. Nobody else notices this server.

use super::asking::{Asking, Verdict};
use super::boot_server;
use super::form::Form;
use super::plan::Change;
use super::quirks::{Asker, Choice, Evidence, ProxyForm, Signature, Why};
use super::reason::Ignored;
use super::reply;
use crate::boot::Boot;
use crate::event::Outcome;
use crate::machine::Firmware;
use crate::wire::dhcp::MessageType;
use crate::wire::options::code;

pub(super) fn plan(asking: &Asking<'_>, message_type: MessageType, boot: Boot) -> Verdict {
    let server = asking.message.ipv4(code::SERVER_IDENTIFIER);
    match message_type {
        MessageType::Discover => discover(asking, boot),
        _ if server.is_some_and(|server| !asking.is_ours(server)) => takes(asking),
        MessageType::Inform => boot_server::plan(asking, message_type, boot),
        // Boot servers may be looked for by broadcast (PXE 2.1 section 2.4.2).
        MessageType::Request if boot_server::item(asking).is_some() => {
            boot_server::plan(asking, message_type, boot)
        }
        // By the name that its relay agent gives every server (RFC 5107).
        MessageType::Request if server.is_some_and(|server| !asking.is_own(server)) => {
            takes(asking)
        }
        _ => Verdict::ignored(Ignored::Proxy),
    }
}

fn discover(asking: &Asking<'_>, boot: Boot) -> Verdict {
    if asking.message.secs < asking.subnet.min_secs {
        return Verdict::ignored(Ignored::StandingBy);
    }
    match boot {
        Boot::Nothing => Verdict::ignored(Ignored::NotBooting),
        Boot::NoLoader(arch) => Verdict::ignored(Ignored::NoLoader(arch)),
        Boot::File(_) | Boot::OwnFiles(_) => offer(asking, boot),
    }
}

/// The form to offer it. Other firmware than PXE ROMs has nothing to choose from: it loads the URL of
/// the offer.
pub(super) fn choice(asking: &Asking<'_>) -> Choice {
    if !matches!(asking.firmware, Firmware::Pxe(_)) {
        return Choice { form: &Form::DIRECT, why: Why::Only };
    }
    match asking.entitled.layers.find(|settings| settings.proxy_form) {
        Some((_, ProxyForm::Told(form))) => Choice { form, why: Why::Told },
        _ => asking.quirks.form_for(&asker(asking), asking.told, asking.now),
    }
}

fn asker(asking: &Asking<'_>) -> Asker {
    Asker {
        hardware: asking.machine.hardware,
        signature: Signature::of(asking.message, asking.firmware),
        xid: asking.message.xid,
        secs: asking.message.secs,
    }
}

fn offer(asking: &Asking<'_>, boot: Boot) -> Verdict {
    let Choice { form, .. } = choice(asking);
    let reply = reply::proxy::offer(asking, &boot, form);
    let change = match asking.firmware {
        Firmware::Pxe(_) if is_fetched_here(asking, &boot) => {
            Change::See(Evidence::Offered(Box::new(asker(asking)), form))
        }
        Firmware::HttpBoot(_) => Change::See(Evidence::BootsByHttp(asking.machine.hardware)),
        _ => Change::None,
    };
    let outcome = Outcome::ProxyOffered { form, boot };
    Verdict { outcome, change, reply: Some(reply) }
}

/// Will it be seen whether the machine has followed the offer? Where the file is another server's, no
/// offer can be said to have failed, and the machine gets the same form each time.
fn is_fetched_here(asking: &Asking<'_>, boot: &Boot) -> bool {
    match boot {
        Boot::File(file) => file.server == asking.subnet.services.tftp,
        Boot::OwnFiles(server) => *server == asking.subnet.services.tftp,
        Boot::Nothing | Boot::NoLoader(_) => false,
    }
}

/// It takes another server's offer, and will fetch its file from that address.
fn takes(asking: &Asking<'_>) -> Verdict {
    let address = asking.message.ipv4(code::REQUESTED_ADDRESS).unwrap_or(asking.message.ciaddr);
    let change = Change::See(Evidence::Takes(asking.machine.hardware, address));
    Verdict { change, ..Verdict::ignored(Ignored::OtherServer) }
}
