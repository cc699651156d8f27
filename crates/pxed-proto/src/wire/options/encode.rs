//! An operator's value as octets.

use std::net::Ipv4Addr;

use super::error::ValueError;
use super::form::{Count, Field, Form, Space, TYPES};
use super::scalar::{hex, number, scalar};
use super::value::Value;
use super::{definition, nearest_of, number_in, routes};
use crate::limits;

/// The octets of an option that a server is to send. They may be more than 255: the message
/// writer splits them (RFC 3396).
///
/// # Errors
///
/// What is wrong with the value, or that the option is not the operator's to set.
pub fn encode(number: u8, value: &Value) -> Result<Vec<u8>, ValueError> {
    definition(number).map_or(Ok(()), |definition| definition.settable())?;
    encode_to_compare(number, value)
}

/// The same for any option, also one that only clients send: to compare with what came.
///
/// # Errors
///
/// What is wrong with the value.
pub fn encode_to_compare(number: u8, value: &Value) -> Result<Vec<u8>, ValueError> {
    let form = definition(number).map_or(Form::Untyped, |definition| definition.form);
    let mut out = Vec::new();
    put(&form, value, &mut out)?;
    within(limits::OPTION_JOINED_MAX, out.len())?;
    Ok(out)
}

fn within(most: usize, octets: usize) -> Result<(), ValueError> {
    if octets > most { Err(ValueError::TooLong { octets, most }) } else { Ok(()) }
}

type Put = Result<(), ValueError>;

/// Appends a value, or what it says explicitly that it is.
fn put(form: &Form, value: &Value, out: &mut Vec<u8>) -> Put {
    if let Some(digits) = value.text().and_then(|text| text.strip_prefix("hex:")) {
        let wanted = || ValueError::wanted(Form::Bytes.wanted(), value);
        out.extend(hex(digits).ok_or_else(wanted)?);
        return Ok(());
    }
    match (value, value.get("type"), value.get("value")) {
        (Value::Table(entries), Some(Value::Text(name)), Some(value)) => {
            only(entries, &["type", "value"])?;
            put_as(&form_of_type(name)?, value, out)
        }
        (Value::Table(entries), Some(Value::Text(_)), None) if entries.len() == 1 => {
            Err(ValueError::Missing("value"))
        }
        _ => put_as(form, value, out),
    }
}

/// No other keys than these.
fn only(entries: &[(String, Value)], keys: &[&'static str]) -> Put {
    match entries.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
        Some((key, _)) => Err(ValueError::UnknownKey {
            found: key.clone(),
            nearest: nearest_of(key, keys.iter().copied()),
        }),
        None => Ok(()),
    }
}

fn form_of_type(name: &str) -> Result<Form, ValueError> {
    let known = TYPES.iter().find(|(known, _)| *known == name).map(|(_, form)| *form);
    known.ok_or_else(|| ValueError::UnknownType {
        found: name.to_owned(),
        nearest: nearest_of(name, TYPES.iter().map(|(known, _)| *known)),
    })
}

fn put_as(form: &Form, value: &Value, out: &mut Vec<u8>) -> Put {
    let wanted = || ValueError::wanted(form.wanted(), value);
    match *form {
        Form::Untyped => Err(ValueError::untyped(value)),
        Form::U8 | Form::U16 | Form::U32 | Form::I32 | Form::Seconds | Form::Bits(_) => {
            number(form, value, 0, out)
        }
        Form::AtLeast(least, form) => number(form, value, least, out),
        Form::U8List => each(value, out, |item, out| number(&Form::U8, item, 0, out)),
        Form::U16List | Form::Architectures => {
            each(value, out, |item, out| number(&Form::U16, item, 0, out))
        }
        Form::Addresses => each(value, out, |item, out| put_as(&Form::Address, item, out)),
        Form::AddressPairs(between) => each(value, out, |item, out| {
            let pair = item.text().and_then(|text| address_pair(text, between));
            out.extend(pair.ok_or_else(wanted)?);
            Ok(())
        }),
        Form::Routes => each(value, out, routes::put),
        Form::DomainList => each(value, out, |item, out| put_as(&Form::DomainName, item, out)),
        Form::Repeat(form) => each(value, out, |item, out| put(form, item, out)),
        Form::SipServers => sip_servers(value, out),
        Form::UserClass => user_class(value, out),
        Form::Counted(count, form) => counted(count, form, value, out),
        Form::Record { fields, required } => record(fields, required, value, out),
        Form::SubOptions(space) => sub_options(space, value, out),
        Form::ByEnterprise(form) => by_enterprise(form, value, out),
        _ => {
            out.extend(scalar(form, value).ok_or_else(wanted)?);
            Ok(())
        }
    }
}

/// Every item of a list that has one; an error says which.
fn each(value: &Value, out: &mut Vec<u8>, mut put: impl FnMut(&Value, &mut Vec<u8>) -> Put) -> Put {
    match value {
        Value::List(items) if items.is_empty() => Err(ValueError::Empty),
        Value::List(items) => items.iter().enumerate().try_for_each(|(i, item)| {
            put(item, out).map_err(|error| error.inside(format_args!("item {}", i + 1)))
        }),
        one => put(one, out),
    }
}

fn address_pair(text: &str, between: &str) -> Option<[u8; 8]> {
    let (one, other) = text.split_once(between)?;
    let [one, other] = [one, other].map(|address| address.trim().parse::<Ipv4Addr>().ok());
    let ([a, b, c, d], [e, f, g, h]) = (one?.octets(), other?.octets());
    Some([a, b, c, d, e, f, g, h])
}

/// Names behind a 0, or addresses behind a 1 (RFC 3361 section 3).
fn sip_servers(value: &Value, out: &mut Vec<u8>) -> Put {
    let addresses = value.items().iter().all(|item| scalar(&Form::Address, item).is_some());
    out.push(u8::from(addresses));
    let form = if addresses { Form::Addresses } else { Form::DomainList };
    let wanted = |_| ValueError::wanted(Form::SipServers.wanted(), value);
    let mixed = value.items().iter().any(|item| scalar(&Form::Address, item).is_some());
    if mixed && !addresses { Err(wanted(())) } else { put_as(&form, value, out) }
}

/// One text as it is, as iPXE sends it; a list with lengths.
fn user_class(value: &Value, out: &mut Vec<u8>) -> Put {
    match value {
        Value::List(_) => {
            each(value, out, |item, out| counted(Count::Octets8, &Form::Text, item, out))
        }
        one => put_as(&Form::Text, one, out),
    }
}

fn counted(count: Count, form: &Form, value: &Value, out: &mut Vec<u8>) -> Put {
    let mut octets = Vec::new();
    // A boot server without addresses is any server of its type (PXE 2.1, table 2-1).
    if !(count == Count::Addresses8 && value.items().is_empty()) {
        put(form, value, &mut octets)?;
    }
    let (unit, most) = match count {
        Count::Octets8 => (1, usize::from(u8::MAX)),
        Count::Octets16 => (1, usize::from(u16::MAX)),
        Count::Addresses8 => (4, usize::from(u8::MAX) * 4),
    };
    within(most, octets.len())?;
    let length = u16::try_from(octets.len() / unit).unwrap_or(u16::MAX).to_be_bytes();
    let width = if count == Count::Octets16 { 2 } else { 1 };
    out.extend(length.into_iter().skip(2 - width));
    out.append(&mut octets);
    Ok(())
}

fn table<'a>(form: &Form, value: &'a Value) -> Result<&'a [(String, Value)], ValueError> {
    match value {
        Value::Table(entries) if entries.is_empty() => Err(ValueError::Empty),
        Value::Table(entries) => Ok(entries),
        other => Err(ValueError::wanted(form.wanted(), other)),
    }
}

fn record(fields: &'static [Field], required: usize, value: &Value, out: &mut Vec<u8>) -> Put {
    let entries = table(&Form::Record { fields, required }, value)?;
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    only(entries, &names)?;
    let last = fields.iter().rposition(|field| value.get(field.name).is_some()).unwrap_or(0);
    for field in fields.iter().take(required.max(last + 1)) {
        let value = value.get(field.name).ok_or(ValueError::Missing(field.name))?;
        put(&field.form, value, out).map_err(|error| error.inside(field.name))?;
    }
    Ok(())
}

fn sub_options(space: &'static Space, value: &Value, out: &mut Vec<u8>) -> Put {
    let mut named = false;
    for (key, value) in table(&Form::SubOptions(space), value)? {
        let (number, form) = sub_option(space, key)?;
        named |= !matches!(form, Form::Untyped);
        out.push(number);
        counted(Count::Octets8, &form, value, out).map_err(|error| error.inside(key))?;
    }
    // PXE's end with one; what another vendor's number means is the operator's business.
    if named && space.ends {
        out.push(super::code::END);
    }
    Ok(())
}

/// A sub-option by name has the form of its definition; by number it has none.
fn sub_option(space: &Space, key: &str) -> Result<(u8, Form), ValueError> {
    if let Some(number) = number_in(key) {
        let framing = space.ends && matches!(number, 0 | u8::MAX);
        let error = ValueError::OutOfRange { value: i64::from(number), least: 1, most: 254 };
        return if framing { Err(error) } else { Ok((number, Form::Untyped)) };
    }
    let unknown = || ValueError::UnknownKey { found: key.to_owned(), nearest: space.nearest(key) };
    space.find(key).map(|known| (known.number, known.form)).ok_or_else(unknown)
}

fn by_enterprise(form: &'static Form, value: &Value, out: &mut Vec<u8>) -> Put {
    for (key, value) in table(&Form::ByEnterprise(form), value)? {
        let unknown = || ValueError::UnknownKey { found: key.clone(), nearest: None };
        let enterprise: u32 = key.parse().map_err(|_| unknown())?;
        out.extend(enterprise.to_be_bytes());
        counted(Count::Octets8, form, value, out).map_err(|error| error.inside(key))?;
    }
    Ok(())
}
