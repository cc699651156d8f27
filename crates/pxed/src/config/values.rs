//! How single values are written: durations and address ranges.

use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::boot::is_url;
use pxed_proto::dhcp::LeaseTime;
use pxed_proto::limits;
use pxed_proto::machine::Uuid;
use pxed_proto::net::{AddressRange, Ipv4Net};

use super::network::hosts;
use pxed_proto::wire::dhcp::FILE_MAX;

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

/// `on`, `off`, or how long an address probe waits: `30ms`.
pub fn conflict_probe(text: &str) -> Result<Option<Duration>, String> {
    let millis = text.strip_suffix("ms").and_then(|number| number.parse().ok());
    match (text, millis.map(Duration::from_millis)) {
        ("on", _) => Ok(Some(limits::CONFLICT_PROBE)),
        ("off", _) => Ok(None),
        (_, Some(wait)) if !wait.is_zero() && wait <= limits::CONFLICT_PROBE_MAX => Ok(Some(wait)),
        _ => {
            let most = limits::CONFLICT_PROBE_MAX.as_millis();
            Err(format!("write on, off, or how long to wait, from 1ms to {most}ms"))
        }
    }
}

/// A duration, or `infinite`.
pub fn lease_time(text: &str) -> Result<Duration, String> {
    if text == "infinite" { Ok(LeaseTime::INFINITE) } else { duration(text) }
}

/// An address that one machine can have.
pub fn host(text: &str) -> Result<Ipv4Addr, String> {
    let address: Ipv4Addr =
        text.trim().parse().map_err(|_| "write an IPv4 address: 192.168.77.1".to_owned())?;
    let nobodys = address.is_unspecified() || address.is_broadcast() || address.is_multicast();
    if nobodys { Err("no machine can have this address".to_owned()) } else { Ok(address) }
}

/// `192.168.77.0/24`.
pub fn network(text: &str) -> Result<Ipv4Net, String> {
    let form = || "write a network with the length of its mask: 192.168.77.0/24".to_owned();
    let (address, len) = text.split_once('/').unwrap_or((text, ""));
    let address: Ipv4Addr = address.parse().map_err(|_| form())?;
    if let Ok(mask) = len.parse()
        && let Some(net) = Ipv4Net::with_mask(address, mask)
    {
        return Err(format!("write the length of the mask: {net}"));
    }
    let net = len.parse().ok().and_then(|len| Ipv4Net::new(address, len)).ok_or_else(|| {
        let usual = Ipv4Net::new(address, 24).filter(|_| len.is_empty());
        usual.map_or_else(form, |net| format!("write the length of its mask too, such as {net}"))
    })?;
    match address.octets() {
        _ if net.network() != address => Err(format!("{text} is a host of {net}: write {net}")),
        [0 | 224.., ..] => Err(format!("no machine can have an address of {net}")),
        _ => Ok(net),
    }
}

/// A range, or one address.
pub fn range_or_host(text: &str) -> Result<AddressRange, String> {
    if text.contains('-') {
        return range(text);
    }
    if let Some(hosts) = text.contains('/').then(|| network(text).ok().and_then(hosts)).flatten() {
        return Err(format!("write the first and the last address: {hosts}"));
    }
    let address = host(text)?;
    AddressRange::new(address, address).ok_or_else(String::new)
}

/// `255.255.255.0`.
pub fn mask(text: &str) -> Result<Ipv4Addr, String> {
    let form = || "write it like 255.255.255.0, with its ones on the left".to_owned();
    let mask: Ipv4Addr = text.parse().map_err(|_| form())?;
    match Ipv4Net::with_mask(Ipv4Addr::UNSPECIFIED, mask) {
        Some(_) if !mask.is_unspecified() => Ok(mask),
        _ => Err(form()),
    }
}

/// `lab.example`: letters, digits, hyphens and dots, as in RFC 952.
pub fn domain(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !text.is_empty() && text.len() <= limits::HOST_NAME_MAX && text.bytes().all(legal) {
        Ok(text.to_owned())
    } else {
        Err("write letters, digits, hyphens and dots: lab.example".to_owned())
    }
}

/// `192.168.77.100-192.168.77.200`.
pub fn range(text: &str) -> Result<AddressRange, String> {
    let form = || "write the first and the last address: 192.168.77.100-192.168.77.200".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(form)?;
    let address = |part: &str| part.trim().parse::<Ipv4Addr>().map_err(|_| form());
    let first = address(first)?;
    if let Ok(host) = last.trim().parse::<u8>() {
        let [a, b, c, _] = first.octets();
        return Err(format!("write both addresses whole: {first}-{a}.{b}.{c}.{host}"));
    }
    let last = address(last)?;
    AddressRange::new(first, last)
        .ok_or_else(|| format!("the first address comes after the last: write {last}-{first}"))
}

/// A UUID as people see it; on the wire its first three fields are little-endian.
pub fn uuid(text: &str) -> Result<Uuid, String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32);
    let number = number.ok_or("write a UUID: 4c4c4544-0042-3510-8054-b4c04f335931")?;
    let [a, b, c, d, e, f, g, h, rest @ ..] = number.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = rest;
    Ok(Uuid([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]))
}

/// What firmware can be told to load: the name of a file as long as the `file` field, which some
/// read alone; a URL, which HTTP Boot reads in option 67, as long as an option that is not split.
pub fn boot_file(text: &str) -> Result<String, String> {
    let most = if is_url(text) { usize::from(u8::MAX) } else { FILE_MAX };
    if text.bytes().all(|byte| byte.is_ascii_graphic()) && (1..=most).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "firmware takes 1 to {FILE_MAX} printable ASCII characters without spaces, of a URL up to {}",
        u8::MAX
    ))
}

/// Text as its octets, or `hex:01 02`.
pub fn octets(text: &str) -> Result<Vec<u8>, String> {
    let Some(digits) = text.strip_prefix("hex:") else { return Ok(text.as_bytes().to_vec()) };
    let digits: Vec<u8> = digits.bytes().filter(|byte| !matches!(byte, b' ' | b':')).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let octet = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    let octets: Option<Vec<u8>> = pairs.iter().map(octet).collect();
    let wanted = || "write text, or octets as hex:01 02 ff".to_owned();
    octets.filter(|octets| rest.is_empty() && !octets.is_empty()).ok_or_else(wanted)
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
    fn addresses_masks_and_domains() {
        assert_eq!(host("10.0.0.1"), Ok(Ipv4Addr::new(10, 0, 0, 1)));
        for text in ["", "10.0.0", "10.0.0.1/24", "0.0.0.0", "255.255.255.255", "224.0.0.1"] {
            assert!(host(text).is_err(), "{text}");
        }
        assert_eq!(mask("255.255.254.0"), Ok(Ipv4Addr::new(255, 255, 254, 0)));
        for text in ["", "24", "255.0.255.0", "0.0.0.255", "0.0.0.0"] {
            assert!(mask(text).is_err(), "{text}");
        }
        assert_eq!(domain("lab-1.example."), Ok("lab-1.example.".to_owned()));
        for text in ["", "a b", "l\u{e4}b.example", &"a".repeat(254)] {
            assert!(domain(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks() {
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        for (text, problem) in [
            ("10.0.0.1/8", "write 10.0.0.0/8"),
            ("224.0.0.0/24", "no machine can have"),
            ("240.0.0.0/8", "no machine can have"),
            ("0.0.0.0/0", "no machine can have"),
            ("10.20.30.0/255.255.255.0", "write the length of the mask: 10.20.30.0/24"),
            ("10.20.30.0", "such as 10.20.30.0/24"),
            ("10.20.30.0/33", "write a network with"),
        ] {
            let said = network(text).unwrap_err();
            assert!(said.contains(problem), "{text}: {said}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(range("10.0.0.1-10.0.0.9").unwrap().to_string(), "10.0.0.1-10.0.0.9");
        assert_eq!(range("10.0.0.9").unwrap_err(), range("a-b").unwrap_err());
        assert!(range("10.0.0.9-10.0.0.1").unwrap_err().contains("write 10.0.0.1-10.0.0.9"));
        assert!(range("10.0.0.1-9").unwrap_err().contains("whole: 10.0.0.1-10.0.0.9"));
        let cidr = range_or_host("10.0.0.0/24").unwrap_err();
        assert!(cidr.contains("10.0.0.1-10.0.0.254"), "{cidr}");
    }

    #[test]
    fn boot_files() {
        let url = |len: usize| format!("http://a/{}", "x".repeat(len - 9));
        for name in ["a", &"f".repeat(127), &url(128), &url(255)] {
            assert_eq!(boot_file(name).as_deref(), Ok(name));
        }
        for name in ["", "a b", "\u{fc}", &"f".repeat(128), &url(256)] {
            assert!(boot_file(name).unwrap_err().contains("of a URL up to 255"), "{name}");
        }
    }
}
