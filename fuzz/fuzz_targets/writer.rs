//! Any options into any budget: what the writer took is there, whole and in order, what it refused
//! had no room, and the message is never longer than it may be.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pxed_fuzz::Input;
use pxed_proto::limits::{DHCP_MESSAGE_MAX, DHCP_REPLY_MIN, OPTION_JOINED_MAX};
use pxed_proto::wire::dhcp::{Header, Message, Writer, encoded_len};
use pxed_proto::wire::options::code;

/// The fixed fields and the magic cookie.
const FIXED: usize = 240;

fuzz_target!(|octets: &[u8]| {
    let mut input = Input(octets);
    let Some(budget) = input.word() else { return };
    let budget = usize::from(budget).clamp(FIXED + 1, DHCP_MESSAGE_MAX);
    let (sname, file) = (input.slice(80), input.slice(140));
    let request = discover();
    let request = Message::parse(&request).expect("a message");
    let mut writer = Writer::new(&Header { sname, file, ..Header::reply_to(&request) }, budget);
    let (mut len, mut reserved) = (FIXED, 0);
    let mut taken: Vec<(u8, Vec<u8>)> = Vec::new();
    while let Some(code) = input.byte() {
        if let code::PAD | code::OVERLOAD | code::END = code {
            // These are not options; the numbers stand for another act.
            let wanted = usize::from(input.byte().unwrap_or_default());
            let fits = len + wanted < budget;
            assert_eq!(writer.reserve(wanted), fits);
            reserved = if fits { wanted } else { 0 };
            continue;
        }
        let value = input.slice(400).repeat(1 + usize::from(code % 8));
        let fits = len + encoded_len(value.len()) + 1 + reserved <= budget;
        assert_eq!(writer.option(code, &value), fits, "option {code} of {}", value.len());
        if fits {
            len += encoded_len(value.len());
            taken.push((code, value));
        }
    }
    let bytes = writer.finish();
    assert_eq!(bytes.len(), (len + 1).max(DHCP_REPLY_MIN));
    assert!(len < budget && bytes.len() <= budget.max(DHCP_REPLY_MIN));
    let message = Message::parse(&bytes).expect("what the writer wrote");
    assert_eq!(message.sname(), name(sname, 63));
    assert_eq!(message.file(), name(file, 127));
    lies_as_written(&message, &taken);
});

/// A name up to its own NUL, or to the one that has to be there.
fn name(text: &[u8], most: usize) -> &[u8] {
    let text = &text[..text.len().min(most)];
    text.split(|octet| *octet == 0).next().unwrap_or_default()
}

fn lies_as_written(message: &Message<'_>, taken: &[(u8, Vec<u8>)]) {
    let mut instances = message.instances();
    for (code, value) in taken {
        let parts: Vec<&[u8]> =
            if value.is_empty() { vec![&[]] } else { value.chunks(255).collect() };
        for part in parts {
            assert_eq!(instances.next(), Some((*code, part)));
        }
    }
    assert_eq!(instances.next(), None);
    for (code, _) in taken {
        let all = taken.iter().filter(|(other, _)| other == code);
        let mut joined: Vec<u8> = all.flat_map(|(_, value)| value.clone()).collect();
        joined.truncate(OPTION_JOINED_MAX);
        assert_eq!(message.option(*code).as_deref(), Some(&joined[..]));
    }
}

/// The least that a reply can be written to.
fn discover() -> Vec<u8> {
    let mut bytes = vec![0; FIXED];
    bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
    bytes
}
