//! Any text as a table of options in TOML: what the operator writes becomes octets that fit an
//! option and that people can read, or a mistake that is told in one line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pxed_fuzz::is_legible;
use pxed_proto::limits::OPTION_JOINED_MAX;
use pxed_proto::wire::options::{
    Described, Value, definition, encode, encode_to_compare, find, nearest, number,
};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

fuzz_target!(|octets: &[u8]| {
    let Ok(text) = str::from_utf8(octets) else { return };
    let (document, _) = DeTable::parse_recoverable(text);
    for (key, value) in document.get_ref() {
        let value = convert(value);
        match number(key.get_ref()) {
            Some(number) => takes(number, &value),
            None => {
                assert!(find(key.get_ref()).is_none());
                let _ = nearest(key.get_ref());
            }
        }
    }
});

fn takes(number: u8, value: &Value) {
    let (set, compared) = (encode(number, value), encode_to_compare(number, value));
    let settable = definition(number).is_none_or(|known| known.settable().is_ok());
    if settable {
        assert_eq!(set, compared);
    } else {
        assert!(set.is_err());
    }
    match compared {
        Ok(octets) => {
            assert!(octets.len() <= OPTION_JOINED_MAX);
            let text = Described(number, &octets).to_string();
            assert!(is_legible(&text), "{text:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// As crates/pxed does it.
fn convert(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| Value::Text(integer.as_str().to_owned()), Value::Integer),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Array(items) => Value::List(items.iter().map(convert).collect()),
        DeValue::Table(entries) => Value::Table(
            entries
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), convert(value)))
                .collect(),
        ),
        DeValue::Float(float) => Value::Text(float.as_str().to_owned()),
        DeValue::Datetime(datetime) => Value::Text(datetime.to_string()),
    }
}
