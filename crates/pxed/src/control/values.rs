//! What operators write: machines, networks, states. Each error says what to write instead.

use pxed_proto::dhcp::AddressState;
use pxed_proto::net::{Ipv4Net, Mac};

/// A MAC address.
pub fn mac(text: &str) -> Result<Mac, String> {
    text.parse().map_err(|_| format!("{text} is no MAC address; write 52:54:00:12:34:56"))
}

/// A network with the length of its mask.
pub fn subnet(text: &str) -> Result<Ipv4Net, String> {
    let parts = text.split_once('/').and_then(|(address, prefix_len)| {
        Ipv4Net::new(address.parse().ok()?, prefix_len.parse().ok()?)
    });
    parts.ok_or_else(|| format!("{text} is no network; write 192.168.77.0/24"))
}

/// Octets in hexadecimal, with or without blanks between them.
pub fn octets(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    let octet = |pair: &[char]| match *pair {
        [high, low] => u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).ok(),
        _ => None,
    };
    let octets: Option<Vec<u8>> = digits.chunks(2).map(octet).collect();
    octets.ok_or_else(|| "the datagram is not hexadecimal; write 010106…".to_owned())
}

/// How an address stands.
pub fn state(text: &str) -> Result<AddressState, String> {
    let found = AddressState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| format!("{text} is no state; write {}", states()))
}

/// The states there are.
pub fn states() -> String {
    AddressState::ALL.map(AddressState::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(subnet("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/x", "/8", "10.0.0/8"] {
            assert!(subnet(text).unwrap_err().contains("write 192.168.77.0/24"), "{text}");
        }
        assert_eq!(state("declined"), Ok(AddressState::Declined));
        assert!(state("lost").unwrap_err().contains("leased, offered, declined, conflict, rel"));
        assert_eq!(octets("01 02fF"), Ok(vec![1, 2, 255]));
        for text in ["0", "012", "0x01", "gg", "0\u{e4}"] {
            assert!(octets(text).unwrap_err().contains("write 010106"), "{text}");
        }
        assert!(mac("52:54").unwrap_err().starts_with("52:54 is no MAC address"));
    }
}
