//! Groups, and reservations.

use super::super::schema::{GROUP, RESERVATION};
use super::{Case, Site, case, domain, member, stranger};

pub fn cases() -> Vec<Case> {
    [groups(), known_by(), reserved()].into_iter().flatten().collect()
}

fn groups() -> Vec<Case> {
    let group = |name: &str, domain: &str, more: &str| {
        format!("[[group]]\nname = \"{name}\"\ndomain = \"{domain}.example\"\n{more}\n")
    };
    let reservation = "[[reservation]]\nmac = \"52:54:00:00:00:01\"\ngroup = \"g\"";
    let named = |one: &str, other: &str| {
        [group(one, "one", ""), group(other, "other", ""), reservation.to_owned()].concat()
    };
    let domain = |site: &mut Site| domain(site, &stranger());
    let [nobody, all] = ["", "machines = [\"52:54:*\"]"].map(|more| group("g", "g", more));
    let nameless = "[[reservation]]\nmac = \"52:54:00:00:00:01\"";
    let [outside, inside] = [nameless, reservation].map(|own| group("g", "g", own));
    vec![
        case(
            (&GROUP, "name"),
            "#more",
            [&named("g", "h"), &named("h", "g")],
            domain,
            &["- domain name (15): \"one.example\"", "+ domain name (15): \"other.example\""],
        ),
        case(
            (&GROUP, "machines"),
            "#more",
            [&nobody, &all],
            domain,
            &["+ domain name (15): \"g.example\""],
        ),
        case(
            (&RESERVATION, "group"),
            "#more",
            [&outside, &inside],
            domain,
            &["+ domain name (15): \"g.example\""],
        ),
    ]
}

/// By each of the keys a machine behind a relay agent is known, and given its address.
fn known_by() -> Vec<Case> {
    let uuid = b"\x00\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    let client = stranger().says(97, uuid).says(61, b"bench");
    let client = client.relayed(b"\x01\x06port-7\x02\x06rack-3");
    let known_by = |key, without: &str, with: &str| {
        let reservation =
            |lines: &str| format!("[[reservation]]\naddress = \"192.168.78.7\"\n{lines}\n");
        let client = client.clone();
        case(
            (&RESERVATION, key),
            "#more",
            [&reservation(without), &reservation(with)],
            move |site| site.offer(&client),
            &[
                "- OFFER 192.168.78.100 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
                "+ OFFER 192.168.78.7 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
            ],
        )
    };
    let of_relay = |lines: &str| format!("relay = \"192.168.78.1\"\n{lines}");
    let circuit = "circuit-id = \"port-7\"\n";
    vec![
        known_by(
            "mac",
            "mac = \"52:54:00:00:00:02\"",
            "mac = [\"52:54:00:00:00:02\", \"52:54:00:00:00:01\"]",
        ),
        known_by("client-id", "client-id = \"hex:01 02\"", "client-id = \"bench\""),
        known_by(
            "uuid",
            "uuid = \"33221100-5544-7766-8899-aabbccddeeff\"",
            "uuid = \"00112233-4455-6677-8899-aabbccddeeff\"",
        ),
        known_by("circuit-id", &of_relay("circuit-id = \"port-8\""), &of_relay(circuit)),
        known_by(
            "remote-id",
            &of_relay("remote-id = \"port-7\""),
            &of_relay("remote-id = \"hex:72 61 63 6b 2d 33\""),
        ),
        known_by(
            "relay",
            &format!("{circuit}relay = \"192.168.78.2\""),
            &format!("{circuit}relay = \"192.168.78.1\""),
        ),
    ]
}

/// What is reserved.
fn reserved() -> Vec<Case> {
    let discover = |site: &mut Site| site.discover(&member());
    vec![
        case(
            (&RESERVATION, "address"),
            "#reservation",
            ["", "address = \"192.168.77.50\""],
            |site| site.offer(&member()),
            &[
                "- OFFER 192.168.77.100 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
                "+ OFFER 192.168.77.50 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
            ],
        ),
        case(
            (&RESERVATION, "host-name"),
            "#reservation",
            ["", "host-name = \"bench-1\""],
            discover,
            &["+ host name (12): \"bench-1\""],
        ),
    ]
}
