//! Octets as text, form by form. A function that says `None` met octets that have not its form.

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::form::{Count, Field, Form, Space, VIA};
use super::{Definition, code, domain, routes};
use crate::machine::{Architecture, Uuid};
use crate::text::{Hex, Printable};
use crate::wire::dhcp::MessageType;

/// The value in its form, or in hex if it has not that form.
pub(super) fn text(form: &Form, value: &[u8]) -> String {
    whole(form, value).unwrap_or_else(|| Hex(value).to_string())
}

/// The value in its form, which must take all of it.
fn whole(form: &Form, value: &[u8]) -> Option<String> {
    let mut rest = value;
    let mut out = String::new();
    show(form, &mut rest, &mut out)?;
    rest.is_empty().then_some(out)
}

/// Takes one value of the form from the front: as many octets as it has, or all that are left.
fn show(form: &Form, rest: &mut &[u8], out: &mut String) -> Option<()> {
    match *form {
        Form::Empty => Some(()),
        Form::Boolean => match take(rest)? {
            [0] => write!(out, "false").ok(),
            [1] => write!(out, "true").ok(),
            _ => None,
        },
        Form::U8 => write!(out, "{}", u8::from_be_bytes(take(rest)?)).ok(),
        Form::U16 => write!(out, "{}", u16::from_be_bytes(take(rest)?)).ok(),
        Form::U32 => write!(out, "{}", u32::from_be_bytes(take(rest)?)).ok(),
        Form::I32 => write!(out, "{}", i32::from_be_bytes(take(rest)?)).ok(),
        Form::Seconds => seconds(u32::from_be_bytes(take(rest)?), out),
        Form::AtLeast(_, form) => show(form, rest, out),
        Form::Bits(names) => bits(names, u8::from_be_bytes(take(rest)?), out),
        Form::Address | Form::Mask => write!(out, "{}", Ipv4Addr::from_octets(take(rest)?)).ok(),
        Form::Ipv6Address => write!(out, "{}", Ipv6Addr::from_octets(take(rest)?)).ok(),
        Form::Record { fields, required } => record(fields, required, rest, out),
        Form::Counted(count, form) => counted(count, form, rest, out),
        Form::Repeat(form) => repeat(form, rest, out),
        Form::ByEnterprise(form) => by_enterprise(form, rest, out),
        _ => show_all(form, std::mem::take(rest), out),
    }
}

/// The forms that take all that is left.
fn show_all(form: &Form, value: &[u8], out: &mut String) -> Option<()> {
    match *form {
        Form::U8List => list(out, value.iter()),
        Form::U16List => list(out, chunks(value)?.map(|octets| u16::from_be_bytes(*octets))),
        Form::Architectures => {
            list(out, chunks(value)?.map(|octets| Architecture(u16::from_be_bytes(*octets))))
        }
        Form::Addresses => list(out, chunks(value)?.map(|octets| Ipv4Addr::from_octets(*octets))),
        Form::AddressPairs(between) => address_pairs(between, value, out),
        Form::Text | Form::Name | Form::Uri => write!(out, "\"{}\"", Printable(value)).ok(),
        Form::Opaque => opaque(value, out),
        Form::DomainName => match domain::list(value)?.as_slice() {
            [name] => write!(out, "{name}").ok(),
            _ => None,
        },
        Form::DomainList => list(out, domain::list(value)?),
        Form::Routes => list(out, routes::read(value)?),
        Form::SipServers => match value.split_first()? {
            (0, names) => list(out, domain::list(names)?),
            (1, addresses) => show_all(&Form::Addresses, addresses, out),
            _ => None,
        },
        Form::UserClass => user_class(value, out),
        Form::Fqdn => fqdn(value, out),
        Form::SubOptions(space) => sub_options(space, value, out),
        Form::MessageType => match value {
            [number] => write!(out, "{}", MessageType::from_u8(*number)?).ok(),
            _ => None,
        },
        Form::MachineId => write!(out, "{}", Uuid::from_option(value)?).ok(),
        _ => write!(out, "{}", Hex(value)).ok(),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (octets, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*octets)
}

fn take_counted<'a>(rest: &mut &'a [u8], octets: usize) -> Option<&'a [u8]> {
    let (octets, behind) = rest.split_at_checked(octets)?;
    *rest = behind;
    Some(octets)
}

fn chunks<const N: usize>(value: &[u8]) -> Option<std::slice::Iter<'_, [u8; N]>> {
    let (chunks, rest) = value.as_chunks::<N>();
    rest.is_empty().then(|| chunks.iter())
}

fn list(out: &mut String, items: impl IntoIterator<Item: fmt::Display>) -> Option<()> {
    items.into_iter().enumerate().try_for_each(|(i, item)| {
        let separator = if i == 0 { "" } else { ", " };
        write!(out, "{separator}{item}").ok()
    })
}

fn seconds(seconds: u32, out: &mut String) -> Option<()> {
    match seconds {
        u32::MAX => write!(out, "for ever").ok(),
        seconds => write!(out, "{seconds} s").ok(),
    }
}

/// `8 (use the boot file)`; bits without a name are in the number.
fn bits(names: &[(u8, &str)], value: u8, out: &mut String) -> Option<()> {
    write!(out, "{value}").ok()?;
    let set: Vec<&str> =
        names.iter().filter(|(bit, _)| value & bit != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { Some(()) } else { write!(out, " ({})", set.join(", ")).ok() }
}

fn address_pairs(between: &str, value: &[u8], out: &mut String) -> Option<()> {
    let between = if between == VIA { VIA } else { "/" };
    list(
        out,
        chunks::<8>(value)?.map(|&[a, b, c, d, e, f, g, h]| {
            let [one, other] = [[a, b, c, d], [e, f, g, h]].map(Ipv4Addr::from_octets);
            format!("{one}{between}{other}")
        }),
    )
}

/// As text if it is one, with nothing in it that would have to be escaped.
fn opaque(value: &[u8], out: &mut String) -> Option<()> {
    let legible = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if !value.is_empty() && value.iter().all(legible) {
        write!(out, "\"{}\"", Printable(value)).ok()
    } else {
        write!(out, "{}", Hex(value)).ok()
    }
}

/// With lengths if they come out even, else one text.
fn user_class(value: &[u8], out: &mut String) -> Option<()> {
    const CLASSES: Form = Form::Repeat(&Form::Counted(Count::Octets8, &Form::Text));
    match whole(&CLASSES, value) {
        Some(classes) => write!(out, "{classes}").ok(),
        None => show_all(&Form::Text, value, out),
    }
}

/// RFC 4702 section 2: flags, two octets that mean nothing, and a name in DNS's form or as text.
fn fqdn(value: &[u8], out: &mut String) -> Option<()> {
    const FLAGS: &[(u8, &str)] =
        &[(1, "server updates A"), (2, "server overrides"), (4, "in DNS form"), (8, "no updates")];
    let (&[flags, _, _], name) = value.split_first_chunk::<3>()?;
    match flags & 4 {
        0 => write!(out, "\"{}\"", Printable(name)).ok()?,
        _ => write!(out, "\"{}\"", domain::partial(name)?).ok()?,
    }
    out.push_str(", flags ");
    bits(FLAGS, flags, out)
}

fn record(fields: &[Field], required: usize, rest: &mut &[u8], out: &mut String) -> Option<()> {
    for (i, field) in fields.iter().enumerate() {
        if i >= required && rest.is_empty() {
            break;
        }
        let separator = if i == 0 { "" } else { ", " };
        write!(out, "{separator}{} ", field.name).ok()?;
        show(&field.form, rest, out)?;
    }
    Some(())
}

fn counted(count: Count, form: &Form, rest: &mut &[u8], out: &mut String) -> Option<()> {
    let octets = match count {
        Count::Octets8 => usize::from(u8::from_be_bytes(take(rest)?)),
        Count::Octets16 => usize::from(u16::from_be_bytes(take(rest)?)),
        Count::Addresses8 => usize::from(u8::from_be_bytes(take(rest)?)) * 4,
    };
    out.push_str(&whole(form, take_counted(rest, octets)?)?);
    Some(())
}

fn repeat(form: &Form, rest: &mut &[u8], out: &mut String) -> Option<()> {
    let separator = if form.is_composite() { "; " } else { ", " };
    let all = rest.len();
    while !rest.is_empty() {
        let before = rest.len();
        out.push_str(if before == all { "" } else { separator });
        show(form, rest, out)?;
        if rest.len() == before {
            return None;
        }
    }
    Some(())
}

fn by_enterprise(form: &Form, rest: &mut &[u8], out: &mut String) -> Option<()> {
    let all = rest.len();
    while !rest.is_empty() {
        out.push_str(if rest.len() == all { "" } else { "; " });
        write!(out, "enterprise {} ", u32::from_be_bytes(take(rest)?)).ok()?;
        let octets = usize::from(u8::from_be_bytes(take(rest)?));
        nested(form, take_counted(rest, octets)?, out)?;
    }
    Some(())
}

/// A value within another: in braces if it has parts.
fn nested(form: &Form, value: &[u8], out: &mut String) -> Option<()> {
    match whole(form, value) {
        Some(text) if form.is_composite() => write!(out, "{{{text}}}").ok(),
        Some(text) => write!(out, "{text}").ok(),
        None => write!(out, "{}", Hex(value)).ok(),
    }
}

/// `circuit-id "port 7"; sub-option 200 ab`.
fn sub_options(space: &Space, value: &[u8], out: &mut String) -> Option<()> {
    let mut rest = value;
    let mut separator = "";
    while let Some((number, behind)) = rest.split_first() {
        rest = behind;
        match number {
            0 if space.ends => continue,
            &code::END if space.ends => return rest.iter().all(|octet| *octet == 0).then_some(()),
            _ => {}
        }
        let octets = usize::from(u8::from_be_bytes(take(&mut rest)?));
        let value = take_counted(&mut rest, octets)?;
        out.push_str(separator);
        sub_option(space.definition(*number), *number, value, out)?;
        separator = "; ";
    }
    Some(())
}

fn sub_option(
    definition: Option<&Definition>,
    number: u8,
    value: &[u8],
    out: &mut String,
) -> Option<()> {
    match definition {
        Some(definition) => {
            write!(out, "{} ", definition.name).ok()?;
            nested(&definition.form, value, out)
        }
        None => write!(out, "sub-option {number} {}", Hex(value)).ok(),
    }
}
