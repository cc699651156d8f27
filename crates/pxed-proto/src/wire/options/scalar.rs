//! Values that are one thing: numbers, addresses, texts, names.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::domain;
use super::error::ValueError;
use super::form::Form;
use super::value::Value;
use crate::net::Ipv4Net;
use crate::wire::dhcp::MessageType;

/// The forms that are one thing, which is right or wrong.
pub(super) fn scalar(form: &Form, value: &Value) -> Option<Vec<u8>> {
    if let Value::Boolean(flag) = value {
        return match form {
            Form::Boolean => Some(vec![u8::from(*flag)]),
            Form::Empty => flag.then(Vec::new),
            _ => None,
        };
    }
    if let (Form::MessageType, Value::Integer(number)) = (form, value) {
        return u8::try_from(*number).ok().map(|number| vec![number]);
    }
    let text = value.text().filter(|text| !text.is_empty())?;
    match form {
        Form::Address => text.parse::<Ipv4Addr>().ok().map(|address| address.octets().into()),
        Form::Mask => mask(text.parse().ok()?),
        Form::Ipv6Address => text.parse::<Ipv6Addr>().ok().map(|address| address.octets().into()),
        Form::Text | Form::Opaque => {
            (!text.contains(char::is_control)).then(|| text.as_bytes().into())
        }
        Form::Name => domain::is_name(text).then(|| text.as_bytes().into()),
        Form::Uri => is_uri(text).then(|| text.as_bytes().into()),
        Form::Bytes => hex(text.strip_prefix("hex:").unwrap_or(text)),
        Form::DomainName => {
            let mut out = Vec::new();
            domain::put(text, &mut out).map(|()| out)
        }
        Form::MessageType => message_type(text),
        Form::MachineId => machine_id(text),
        _ => None,
    }
}

/// A number in as many octets as its form has.
pub(super) fn number(
    form: &Form,
    value: &Value,
    least: u32,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let Value::Integer(number) = *value else {
        return Err(ValueError::wanted(form.wanted(), value));
    };
    let (lowest, most, width) = match form {
        Form::U8 | Form::Bits(_) => (0, i64::from(u8::MAX), 1),
        Form::U16 => (0, i64::from(u16::MAX), 2),
        Form::I32 => (i64::from(i32::MIN), i64::from(i32::MAX), 4),
        _ => (0, i64::from(u32::MAX), 4),
    };
    let least = if least == 0 { lowest } else { i64::from(least) };
    if !(least..=most).contains(&number) {
        return Err(ValueError::OutOfRange { value: number, least, most });
    }
    out.extend(number.to_be_bytes().into_iter().skip(8 - width));
    Ok(())
}

fn mask(mask: Ipv4Addr) -> Option<Vec<u8>> {
    Ipv4Net::with_mask(Ipv4Addr::UNSPECIFIED, mask).map(|_| mask.octets().into())
}

/// Pairs of hexadecimal digits, with blanks, colons or hyphens between them or nothing.
pub(super) fn hex(digits: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    for group in digits.trim().split([' ', ':', '-']).filter(|group| !group.is_empty()) {
        let (pairs, rest) = group.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        for [high, low] in pairs {
            let [high, low] = [high, low].map(|digit| char::from(*digit).to_digit(16));
            octets.push(u8::try_from(high? << 4 | low?).ok()?);
        }
    }
    Some(octets)
}

/// RFC 3986, as far as a mistake would show: a scheme, and nothing that has to be escaped.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(legal)
        && !rest.is_empty()
        && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
}

fn message_type(name: &str) -> Option<Vec<u8>> {
    let of_name = |number: &u8| {
        MessageType::from_u8(*number).is_some_and(|known| known.name().eq_ignore_ascii_case(name))
    };
    (1..=8).find(of_name).map(|number| vec![number])
}

/// A UUID as people write it, behind its type; its first three fields are little-endian.
fn machine_id(text: &str) -> Option<Vec<u8>> {
    let octets: [u8; 16] = hex(text)?.try_into().ok()?;
    let [a, b, c, d, e, f, g, h, rest @ ..] = octets;
    let mut out = vec![0, d, c, b, a, f, e, h, g];
    out.extend(rest);
    (text.len() == 36).then_some(out)
}
