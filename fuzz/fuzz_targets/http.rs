//! What comes of an HTTP connection: heads are read the same however they come, and what they name is
//! a machine, a file's name, a range within the file.

#![no_main]

#[path = "../../crates/pxed/src/http/head.rs"]
mod head;
#[path = "../../crates/pxed/src/http/range.rs"]
mod range;
#[path = "../../crates/pxed/src/http/target.rs"]
mod target;

use head::{Head, Parsed, parse};
use libfuzzer_sys::fuzz_target;
use pxed_proto::limits::{HTTP_HEAD_MAX, HTTP_TARGET_MAX};
use range::Part;
use target::Target;

fuzz_target!(|octets: &[u8]| {
    let mut rest = octets;
    // Pipelined, as a connection reads them.
    while let Parsed::Head(head, len) = parse(rest) {
        comes_in_pieces(rest, &head, len);
        understood(&head);
        rest = &rest[len..];
    }
    if let Parsed::Refused(refusal) = parse(rest) {
        assert!(matches!(refusal.status, 400 | 414 | 431 | 505) && !refusal.why.is_empty());
        let _ = Target::of(&refusal.target);
    }
});

/// Nothing behind a head changes it, and nothing before its end is one.
fn comes_in_pieces(octets: &[u8], head: &Head, len: usize) {
    assert!((1..=HTTP_HEAD_MAX.min(octets.len())).contains(&len));
    assert_eq!(parse(&octets[..len]), Parsed::Head(head.clone(), len));
    assert_eq!(parse(&octets[..len - 1]), Parsed::Partial);
}

fn understood(head: &Head) {
    assert!(!head.method.is_empty() && head.target.len() <= HTTP_TARGET_MAX);
    let _ = Target::of(&head.target);
    // No two readers disagree about where a request ends.
    let fields = [&head.range, &head.if_range, &head.if_match, &head.if_none_match];
    assert!(fields.into_iter().flatten().all(|value| !value.contains(['\r', '\n', '\0'])));
    let Some(range) = &head.range else { return };
    for len in [0, 1, 1000, u64::MAX] {
        if let Part::Octets(part) = Part::of(range, len) {
            assert!(part.start < part.end && part.end <= len);
        }
    }
}
