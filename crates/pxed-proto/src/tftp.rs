//! Sending files by TFTP: what is granted to a request, and the state machine of one transfer.
//!
//! pxed only sends. A driver parses the request ([`crate::wire::tftp`]), asks [`refusal`] whether
//! it can be granted at all, opens the file, lets [`negotiate`] settle the options and then moves
//! packets between a socket and a [`Transfer`].

mod negotiation;
mod search;
mod transfer;

pub use negotiation::{Refusal, Settings, negotiate, refusal};
pub use search::{Step, step};
pub use transfer::{Transfer, Transmit, on_wire};

/// The text as netascii (RFC 764: LF becomes CR LF, a CR of its own CR NUL).
///
/// A transfer names octets of what it sends, and in netascii these are not the file's, so the
/// driver converts the whole text first. No firmware asks for netascii, only people who try the
/// server with tftp(1), whose default it is.
pub fn netascii(text: &[u8]) -> Vec<u8> {
    let mut converted = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'\n' => converted.extend_from_slice(b"\r\n"),
            b'\r' => converted.extend_from_slice(b"\r\0"),
            _ => converted.push(byte),
        }
    }
    converted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_converted() {
        for (text, converted) in [
            (&b""[..], &b""[..]),
            (b"#!ipxe\nboot\n", b"#!ipxe\r\nboot\r\n"),
            (b"dos\r\n", b"dos\r\0\r\n"),
            (b"\r", b"\r\0"),
        ] {
            assert_eq!(netascii(text), converted);
        }
    }
}
