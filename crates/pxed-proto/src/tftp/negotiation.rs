//! What a request is granted.

use std::time::Duration;

use crate::limits::{TFTP_BLKSIZE_MAX, TFTP_WINDOW_OCTETS_MAX, TFTP_WINDOWSIZE_MAX};
use crate::wire::tftp::{ErrorCode, Mode, Request, oack};

/// Octets a block where nothing else is agreed (RFC 1350 section 2).
const BLKSIZE_DEFAULT: u16 = 512;

/// The smallest block that may be asked for (RFC 2348).
const BLKSIZE_MIN: u16 = 8;

/// What no file can be sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A WRQ.
    Write,
    /// Neither octet nor netascii.
    Mode,
}

impl Refusal {
    /// The ERROR packet's code.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Write => ErrorCode::AccessViolation,
            Self::Mode => ErrorCode::IllegalOperation,
        }
    }

    /// The ERROR packet's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "read only",
            Self::Mode => "unknown mode: use octet",
        }
    }
}

/// Why the request can not be granted, whatever file it names.
pub fn refusal(request: &Request<'_>) -> Option<Refusal> {
    match request.mode {
        _ if request.write => Some(Refusal::Write),
        Mode::Octet | Mode::Netascii => None,
        Mode::Other => Some(Refusal::Mode),
    }
}

/// What client and server agree on for one transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Octets a block (RFC 2348).
    pub blksize: u16,
    /// Blocks a window (RFC 7440).
    pub windowsize: u16,
    /// How long an answer may take before the window is sent again, if the client asked for it
    /// (RFC 2349).
    pub timeout: Option<Duration>,
    /// The OACK packet, if any option was granted (RFC 2347).
    pub oack: Option<Vec<u8>>,
}

impl Default for Settings {
    /// Without options (RFC 1350).
    fn default() -> Self {
        Self { blksize: BLKSIZE_DEFAULT, windowsize: 1, timeout: None, oack: None }
    }
}

/// Settles the options: `len` is what will be sent, `max_blksize` what the path's MTU carries
/// without fragments, which ROMs do not reassemble (MTU less 20 octets of IP header, 8 of UDP,
/// 4 of TFTP).
///
/// An option with a value that its RFC does not allow is left out of the OACK, as an unknown one
/// is: then its default holds for both sides (RFC 2347).
pub fn negotiate(request: &Request<'_>, len: u64, max_blksize: u16) -> Settings {
    let mut settings = Settings::default();
    let mut granted = Vec::new();
    let asked = |name, range| in_range(request.options.number(name), range);
    if let Some(asked) = asked("blksize", (u64::from(BLKSIZE_MIN), u64::MAX)) {
        settings.blksize = asked.min(max_blksize.clamp(BLKSIZE_MIN, TFTP_BLKSIZE_MAX));
        granted.push(("blksize", u64::from(settings.blksize)));
    }
    if let Some(asked) = asked("windowsize", (1, u64::from(u16::MAX))) {
        settings.windowsize = asked.min(most_blocks(settings.blksize));
        granted.push(("windowsize", u64::from(settings.windowsize)));
    }
    if let Some(asked) = asked("timeout", (1, 255)) {
        settings.timeout = Some(Duration::from_secs(u64::from(asked)));
        granted.push(("timeout", u64::from(asked)));
    }
    if request.options.number("tsize").is_some() {
        granted.push(("tsize", len));
    }
    settings.oack = (!granted.is_empty()).then(|| oack(&granted));
    settings
}

/// The largest window of such blocks.
fn most_blocks(blksize: u16) -> u16 {
    let most = TFTP_WINDOW_OCTETS_MAX / u32::from(blksize.max(1));
    u16::try_from(most).unwrap_or(u16::MAX).clamp(1, TFTP_WINDOWSIZE_MAX)
}

/// The number if it lies in the range, or as much of it as fits: every limit is smaller.
fn in_range(number: Option<u64>, (first, last): (u64, u64)) -> Option<u16> {
    let number = number.filter(|number| (first..=last).contains(number))?;
    Some(u16::try_from(number).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tftp::{Packet, read_request};

    fn settings(max_blksize: u16, options: &[(&str, u64)]) -> Settings {
        let datagram = read_request(b"file", "octet", options);
        match Packet::parse(&datagram) {
            Ok(Packet::Request(request)) => negotiate(&request, 123_456, max_blksize),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_option_at_its_bounds() {
        for (option, asked, granted) in [
            ("blksize", 0, None),
            ("blksize", 7, None),
            ("blksize", 8, Some(8)),
            ("blksize", 1468, Some(1468)),
            ("blksize", 1469, Some(1468)),
            ("blksize", 65_464, Some(1468)),
            ("blksize", 1 << 40, Some(1468)),
            ("BLKSIZE", 1024, Some(1024)),
            ("windowsize", 0, None),
            ("windowsize", 1, Some(1)),
            ("windowsize", 64, Some(64)),
            ("windowsize", 65, Some(64)),
            ("windowsize", 65_535, Some(64)),
            ("windowsize", 65_536, None),
            ("timeout", 0, None),
            ("timeout", 1, Some(1)),
            ("timeout", 255, Some(255)),
            ("timeout", 256, None),
            ("tsize", 0, Some(123_456)),
            ("tsize", 99, Some(123_456)),
            ("multicast", 1, None),
        ] {
            let expected = granted.map(|value| oack(&[(&option.to_lowercase(), value)]));
            assert_eq!(settings(1468, &[(option, asked)]).oack, expected, "{option} {asked}");
        }
    }

    #[test]
    fn what_is_granted_holds() {
        assert_eq!(settings(1468, &[]), Settings::default());
        let all = [("tsize", 0), ("timeout", 3), ("windowsize", 4), ("blksize", 1432)];
        let granted = [("blksize", 1432), ("windowsize", 4), ("timeout", 3), ("tsize", 123_456)];
        let expected = Settings {
            blksize: 1432,
            windowsize: 4,
            timeout: Some(Duration::from_secs(3)),
            oack: Some(oack(&granted)),
        };
        assert_eq!(settings(1468, &all), expected);
    }

    #[test]
    fn blocks_fit_jumbo_frames_and_strange_ones() {
        for (max_blksize, granted) in [(8968, 8968), (u16::MAX, 65_464), (0, 8)] {
            let settings = settings(max_blksize, &[("blksize", 65_464)]);
            assert_eq!(settings.blksize, granted);
        }
    }

    #[test]
    fn a_window_has_so_many_octets_and_one_block_at_least() {
        for (blksize, windowsize) in [(512, 64), (1468, 64), (8968, 14), (65_464, 2)] {
            let asked = [("windowsize", 64), ("blksize", blksize)];
            assert_eq!(settings(u16::MAX, &asked).windowsize, windowsize, "{blksize}");
        }
    }

    #[test]
    fn refusals() {
        for (datagram, expected) in [
            (&b"\0\x02f\0octet\0"[..], Some(Refusal::Write)),
            (b"\0\x02f\0mail\0", Some(Refusal::Write)),
            (b"\0\x01f\0mail\0", Some(Refusal::Mode)),
            (b"\0\x01f\0octet\0", None),
            (b"\0\x01f\0netascii\0", None),
        ] {
            let Ok(Packet::Request(request)) = Packet::parse(datagram) else { panic!() };
            assert_eq!(refusal(&request), expected);
        }
        assert_eq!(Refusal::Write.code(), ErrorCode::AccessViolation);
        assert_eq!(Refusal::Mode.code(), ErrorCode::IllegalOperation);
    }
}
