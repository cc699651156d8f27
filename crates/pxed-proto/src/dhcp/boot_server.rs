//! The boot server (PXE 2.1 section 2.4): a machine that has its address asks what it is to boot, at
//! port 4011. On every subnet, since there is firmware that asks whatever it was offered.

use super::asking::{Asking, Verdict};
use super::plan::Change;
use super::quirks::Evidence;
use super::reason::Ignored;
use super::reply;
use crate::boot::Boot;
use crate::event::Outcome;
use crate::wire::dhcp::MessageType;
use crate::wire::options::code;
use crate::wire::pxe::BootItem;

pub(super) fn plan(asking: &Asking<'_>, message_type: MessageType, boot: Boot) -> Verdict {
    if !matches!(message_type, MessageType::Request | MessageType::Inform) {
        return Verdict::ignored(Ignored::BootServerMessage);
    }
    let item = item(asking);
    let address = *asking.arrival.source.ip();
    match boot {
        Boot::Nothing => Verdict::ignored(Ignored::NotBooting),
        Boot::NoLoader(arch) => Verdict::ignored(Ignored::NoLoader(arch)),
        // It is answered there, so that it has to be one of the subnet's.
        _ if !asking.subnet.net.contains_host(address) => Verdict::ignored(Ignored::OffSubnet),
        _ if item.is_some_and(|item| !item.is_ours()) => Verdict::ignored(Ignored::BootItem),
        Boot::File(_) | Boot::OwnFiles(_) => {
            let reply = reply::proxy::ack(asking, &boot, item);
            let outcome = Outcome::BootServed { address, boot };
            let asks = Evidence::AskedBootServer(asking.machine.hardware, address);
            Verdict { outcome, change: Change::See(asks), reply: Some(reply) }
        }
    }
}

/// The item of a menu that it asks for.
pub(super) fn item(asking: &Asking<'_>) -> Option<BootItem> {
    BootItem::of(&asking.message.option(code::VENDOR_SPECIFIC)?)
}
