//! How single values are written: durations and address ranges.

use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::dhcp::LeaseTime;
use pxed_proto::net::AddressRange;

/// `90`, `90s`, `5m`, `1h`, `2d`: more than nothing.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err("write seconds, or a number with s, m, h or d: 90, 5m, 1h".to_owned()),
    };
    match number.parse::<u32>().ok().and_then(|number| number.checked_mul(scale)) {
        Some(seconds @ 1..) => Ok(Duration::from_secs(u64::from(seconds))),
        _ => Err("it must be from 1 second to 136 years".to_owned()),
    }
}

/// A duration, or `infinite`.
pub fn lease_time(text: &str) -> Result<Duration, String> {
    if text == "infinite" { Ok(LeaseTime::INFINITE) } else { duration(text) }
}

/// `192.168.77.100-192.168.77.200`.
pub fn range(text: &str) -> Result<AddressRange, String> {
    let form = || "write the first and the last address: 192.168.77.100-192.168.77.200".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(form)?;
    let address = |part: &str| part.trim().parse::<Ipv4Addr>().map_err(|_| form());
    let (first, last) = (address(first)?, address(last)?);
    AddressRange::new(first, last)
        .ok_or_else(|| format!("the first address comes after the last: write {last}-{first}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let seconds = |n| Ok(Duration::from_secs(n));
        for (text, expected) in
            [("90", seconds(90)), ("90s", seconds(90)), ("5m", seconds(300)), ("1h", seconds(3600))]
        {
            assert_eq!(duration(text), expected, "{text}");
        }
        for text in ["", "h", "0", "0s", "1w", "-1", "1.5h", "4294967296", "99999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(lease_time("infinite"), Ok(LeaseTime::INFINITE));
        assert_eq!(lease_time("2d"), seconds(172_800));
    }

    #[test]
    fn ranges() {
        assert_eq!(range("10.0.0.1-10.0.0.9").unwrap().to_string(), "10.0.0.1-10.0.0.9");
        assert_eq!(range("10.0.0.9").unwrap_err(), range("a-b").unwrap_err());
        assert!(range("10.0.0.9-10.0.0.1").unwrap_err().contains("write 10.0.0.1-10.0.0.9"));
    }
}
