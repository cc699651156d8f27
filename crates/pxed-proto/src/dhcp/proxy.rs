//! A subnet whose addresses are another server's (ProxyDHCP, PXE 2.1 section 2.2.3): a client that
//! boots is offered what it boots beside the other's address. Nobody else notices this server.

use super::asking::{Asking, Verdict};
use super::boot_server;
use super::form::Form;
use super::plan::Change;
use super::reason::Ignored;
use super::reply;
use crate::boot::Boot;
use crate::event::Outcome;
use crate::machine::{Architecture, Firmware};
use crate::wire::dhcp::MessageType;
use crate::wire::options::code;

pub(super) fn plan(asking: &Asking<'_>, message_type: MessageType, boot: Boot) -> Verdict {
    let server = asking.message.ipv4(code::SERVER_IDENTIFIER);
    match message_type {
        MessageType::Discover => discover(asking, boot),
        _ if server.is_some_and(|server| !asking.is_ours(server)) => {
            Verdict::ignored(Ignored::OtherServer)
        }
        MessageType::Inform => boot_server::plan(asking, message_type, boot),
        // Boot servers may be looked for by broadcast (PXE 2.1 section 2.4.2).
        MessageType::Request if boot_server::item(asking).is_some() => {
            boot_server::plan(asking, message_type, boot)
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
        Boot::File(_) | Boot::OwnFiles(_) => offer(asking, boot, form(asking)),
    }
}

/// The form that the machine is offered first. EDK2 forgot proxy offers with discovery options for
/// years, and asks the boot server after any other.
fn form(asking: &Asking<'_>) -> &'static Form {
    match asking.firmware {
        Firmware::Pxe(Some(Architecture::RASPBERRY_PI)) => &Form::MENU,
        Firmware::Pxe(Some(arch)) if arch != Architecture::BIOS => &Form::REDIRECT,
        _ => &Form::DIRECT,
    }
}

/// Offers it in this form.
fn offer(asking: &Asking<'_>, boot: Boot, form: &'static Form) -> Verdict {
    let reply = reply::proxy::offer(asking, &boot, form);
    let outcome = Outcome::ProxyOffered { form, boot };
    Verdict { outcome, change: Change::None, reply: Some(reply) }
}
