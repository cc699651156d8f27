//! The known name that somebody may have meant.

use super::definitions;

/// What other servers call an option, where its name here is not near to it.
const ELSEWHERE: &[(&str, &str)] = &[
    ("all-subnets-local", "all-subnets-are-local"),
    ("bootfile", "boot-file-name"),
    ("bootfile-name", "boot-file-name"),
    ("default-gateway", "routers"),
    ("dhcp-agent-options", "relay-agent-information"),
    ("dhcp-client-identifier", "client-identifier"),
    ("dhcp-lease-time", "ip-address-lease-time"),
    ("dhcp-max-message-size", "maximum-dhcp-message-size"),
    ("dhcp-message", "message"),
    ("dhcp-server-identifier", "server-identifier"),
    ("dns", "domain-name-servers"),
    ("dns-server", "domain-name-servers"),
    ("dns-servers", "domain-name-servers"),
    ("domain", "domain-name"),
    ("fqdn", "client-fqdn"),
    ("gateway", "routers"),
    ("hostname", "host-name"),
    ("lease-time", "ip-address-lease-time"),
    ("max-dgram-reassembly", "maximum-datagram-reassembly-size"),
    ("mtu", "interface-mtu"),
    ("nameserver", "domain-name-servers"),
    ("netbios-dd-server", "netbios-datagram-distribution-servers"),
    ("netbios-ns", "netbios-name-servers"),
    ("netmask", "subnet-mask"),
    ("ntp", "ntp-servers"),
    ("option-6rd", "6rd"),
    ("pcode", "posix-timezone"),
    ("rfc3442-classless-static-routes", "classless-static-routes"),
    ("search", "domain-search"),
    ("search-domains", "domain-search"),
    ("tcode", "tzdb-timezone"),
    ("tftp-server", "tftp-server-name"),
    ("timezone", "posix-timezone"),
    ("uuid-guid", "client-machine-identifier"),
    ("v4-captive-portal", "captive-portal"),
    ("vendor-class", "vendor-class-identifier"),
    ("vendor-encapsulated-options", "vendor-specific-information"),
    ("vivco-suboptions", "vendor-identifying-vendor-class"),
    ("vivso-suboptions", "vendor-identifying-vendor-options"),
    ("wpad", "web-proxy-auto-discovery"),
];

/// The option that a name which is none may have meant: misspelt, or another server's name for it.
pub fn nearest(name: &str) -> Option<&'static str> {
    let own = definitions().map(|definition| (definition.name, definition.name));
    nearest_in(name, own.chain(ELSEWHERE.iter().copied()))
}

/// The candidate that a misspelt word may have meant.
pub fn nearest_of<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    nearest_in(word, candidates.into_iter().map(|candidate| (candidate, candidate)))
}

/// What stands behind the nearest spelling, the first one if several are as near: one edit is
/// always forgiven, and one more in five letters, up to three.
fn nearest_in<'a>(
    word: &str,
    spellings: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace(['_', ' '], "-");
    let forgiven = (1 + word.chars().count() / 5).min(3);
    spellings
        .map(|(spelling, meaning)| (distance(&word, spelling), meaning))
        .filter(|(distance, _)| *distance <= forgiven)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, meaning)| meaning)
}

/// How many letters have to be put in, left out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, (diagonal, above)) in b.iter().zip(row.iter().zip(row.iter().skip(1))) {
            left = (diagonal + usize::from(x != *y)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::options::find;

    #[test]
    fn distances() {
        for (a, b, edits) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ab", 0)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn misspelt_names_find_their_option() {
        for (word, name) in [
            ("router", Some("routers")),
            ("Domain_Name_Servers", Some("domain-name-servers")),
            ("ntp-server", Some("ntp-servers")),
            ("subnetmask", Some("subnet-mask")),
            ("dns-servers", Some("domain-name-servers")),
            ("vendor-encapsulated-options", Some("vendor-specific-information")),
            ("classless-static-route", Some("classless-static-routes")),
            ("fish", None),
            ("", None),
        ] {
            assert_eq!(nearest(word), name, "{word}");
        }
    }

    #[test]
    fn names_from_elsewhere_lead_to_an_option() {
        for (elsewhere, here) in ELSEWHERE {
            assert!(find(here).is_some() && find(elsewhere).is_none(), "{elsewhere}");
        }
        assert!(ELSEWHERE.is_sorted());
    }
}
