//! Options as people read them.

use std::collections::BTreeMap;
use std::fmt;

use super::form::{Form, Space};
use super::show::text;
use super::{code, definition};
use crate::text::Printable;
use crate::wire::dhcp::Message;

/// One option, decoded for people: `domain name server (6): 192.168.77.1`. A value that has not
/// the form of its option is shown in hex.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a>(pub u8, pub &'a [u8]);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = definition(self.0).map_or(Form::Untyped, |definition| definition.form);
        described(f, self.0, &form, self.1)
    }
}

fn described(f: &mut fmt::Formatter<'_>, number: u8, form: &Form, value: &[u8]) -> fmt::Result {
    let title = definition(number).map_or("option", |definition| definition.title);
    write!(f, "{title} ({number}): {}", text(form, value))
}

/// A whole message decoded for people, one line for the fixed fields and one an option. The parts
/// of an option are joined, as the server joins them.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'m, 'a>(pub &'m Message<'a>);

impl fmt::Display for Decoded<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(m) = *self;
        write!(f, "op {} htype {} hlen {} hops {} ", m.op, m.htype, m.hlen, m.hops)?;
        write!(f, "xid {:08x} secs {} flags {:04x} ", m.xid, m.secs, m.flags)?;
        write!(f, "ciaddr {} yiaddr {} ", m.ciaddr, m.yiaddr)?;
        write!(f, "siaddr {} giaddr {}", m.siaddr, m.giaddr)?;
        for (field, text) in [("sname", m.sname()), ("file", m.file())] {
            if !text.is_empty() {
                write!(f, "\n  {field}: \"{}\"", Printable(text))?;
            }
        }
        options(f, m)
    }
}

fn options(f: &mut fmt::Formatter<'_>, message: &Message<'_>) -> fmt::Result {
    let mut parts: BTreeMap<u8, usize> = BTreeMap::new();
    message.instances().for_each(|(number, _)| *parts.entry(number).or_default() += 1);
    for (number, value) in message.instances() {
        // Shown with its first part, the others are passed over.
        let Some(count) = parts.remove(&number) else { continue };
        let form = form_in(message, number);
        f.write_str("\n  ")?;
        if count == 1 {
            described(f, number, &form, value)?;
        } else {
            described(f, number, &form, &message.option(number).unwrap_or_default())?;
            write!(f, " (in {count} parts)")?;
        }
    }
    Ok(())
}

/// Option 43 is PXE's only where option 60 says so; elsewhere its numbers are another vendor's.
fn form_in(message: &Message<'_>, number: u8) -> Form {
    const VENDORS: Space = Space { definitions: &[], ends: true };
    let class = message.option(code::VENDOR_CLASS).unwrap_or_default();
    match definition(number) {
        Some(_) if number == code::VENDOR_SPECIFIC && !class.starts_with(b"PXEClient") => {
            Form::SubOptions(&VENDORS)
        }
        Some(definition) => definition.form,
        None => Form::Untyped,
    }
}
