//! Classless static routes (RFC 3442): `10.0.0.0/8 via 192.168.77.1`.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;

use super::error::ValueError;
use super::value::Value;
use crate::net::Ipv4Net;

/// What is to be written.
pub(super) const WANTED: &str =
    "a route such as \"10.0.0.0/8 via 192.168.77.1\" (0.0.0.0/0 is the default route)";

/// Appends one route: the length of its mask, the octets of its network that matter, its router.
pub(super) fn put(value: &Value, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let wanted = || ValueError::wanted(WANTED, value);
    let (network, router) = value.text().and_then(parse).ok_or_else(wanted)?;
    let (address, prefix_len) = network;
    let net = Ipv4Net::new(address, prefix_len).ok_or_else(wanted)?;
    if net.network() != address {
        let found = format!("{address}/{prefix_len}");
        return Err(ValueError::HostBits { found, network: net.to_string() });
    }
    out.push(prefix_len);
    out.extend(address.octets().into_iter().take(significant(prefix_len)));
    out.extend(router.octets());
    Ok(())
}

fn parse(text: &str) -> Option<((Ipv4Addr, u8), Ipv4Addr)> {
    let (network, router) = text.split_once(" via ")?;
    let (address, prefix_len) = network.trim().split_once('/')?;
    Some(((address.parse().ok()?, prefix_len.parse().ok()?), router.trim().parse().ok()?))
}

/// How many octets of the network are sent: those that the mask touches.
fn significant(prefix_len: u8) -> usize {
    usize::from(prefix_len.div_ceil(8))
}

/// A route as it came. A router of 0.0.0.0 is the link itself.
pub(super) struct Route(Ipv4Addr, u8, Ipv4Addr);

impl Route {
    /// Its router.
    pub(super) const fn router(&self) -> Ipv4Addr {
        self.2
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} via {}", self.0, self.1, self.2)
    }
}

/// The routes that fill `octets`; `None` if one is damaged.
pub(super) fn read(mut octets: &[u8]) -> Option<Vec<Route>> {
    let mut routes = Vec::new();
    while let [prefix_len @ 0..=32, rest @ ..] = octets {
        let (network, rest) = rest.split_at_checked(significant(*prefix_len))?;
        let (router, rest) = rest.split_first_chunk::<4>()?;
        let mut address = [0; 4];
        address.iter_mut().zip(network).for_each(|(to, from)| *to = *from);
        routes.push(Route(address.into(), *prefix_len, Ipv4Addr::from_octets(*router)));
        octets = rest;
    }
    octets.is_empty().then_some(routes)
}

/// The routes of an option, with the first of `routers` for everything else if they do not say:
/// clients that read them "MUST ignore the Router option" (RFC 3442).
pub fn with_default<'r>(routes: &'r [u8], routers: &[u8]) -> Cow<'r, [u8]> {
    let is_default = |route: &Route| route.1 == 0;
    let lacks_it = read(routes).is_some_and(|routes| !routes.iter().any(is_default));
    match routers.first_chunk::<4>() {
        Some(router) if lacks_it => Cow::Owned([routes, &[0], router].concat()),
        _ => Cow::Borrowed(routes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_125_all_widths_are_exact() {
        for (text, octets) in [
            ("0.0.0.0/0 via 192.168.77.1", &[0, 192, 168, 77, 1][..]),
            ("128.0.0.0/1 via 192.168.77.1", &[1, 128, 192, 168, 77, 1]),
            ("10.0.0.0/8 via 192.168.77.1", &[8, 10, 192, 168, 77, 1]),
            ("10.128.0.0/9 via 192.168.77.1", &[9, 10, 128, 192, 168, 77, 1]),
            ("10.17.0.0/16 via 192.168.77.1", &[16, 10, 17, 192, 168, 77, 1]),
            ("10.17.128.0/17 via 192.168.77.1", &[17, 10, 17, 128, 192, 168, 77, 1]),
            ("10.27.129.0/24 via 0.0.0.0", &[24, 10, 27, 129, 0, 0, 0, 0]),
            ("10.229.0.128/25 via 10.229.0.1", &[25, 10, 229, 0, 128, 10, 229, 0, 1]),
            ("10.198.122.47/32 via 10.198.122.1", &[32, 10, 198, 122, 47, 10, 198, 122, 1]),
        ] {
            let mut out = Vec::new();
            put(&text.into(), &mut out).unwrap();
            assert_eq!(out, octets, "{text}");
            assert_eq!(read(octets).unwrap()[0].to_string(), text);
        }
    }

    #[test]
    fn item_125_who_has_a_router_has_a_default_route() {
        let (router, one) = ([192, 0, 2, 254, 192, 0, 2, 253], [8, 10, 192, 0, 2, 1]);
        let whole = [&one[..], &[0, 192, 0, 2, 254]].concat();
        assert_eq!(*with_default(&one, &router), whole);
        assert_eq!(*with_default(&whole, &[192, 0, 2, 9]), whole, "it has one");
        assert_eq!(*with_default(&one, &[]), one);
        assert_eq!(with_default(&[8, 10], &router).len(), 2, "damage is left alone");
    }

    #[test]
    fn damaged_routes_are_none() {
        for octets in [&[33, 1, 2, 3, 4, 5, 1, 2, 3, 4][..], &[8], &[8, 10], &[0, 1, 2, 3], &[255]]
        {
            assert!(read(octets).is_none(), "{octets:?}");
        }
        assert!(read(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_route() {
        for text in ["", "10.0.0.0/8", "10.0.0.0 via 1.2.3.4", "10.0.0.0/33 via 1.2.3.4", "x via y"]
        {
            let error = put(&text.into(), &mut Vec::new()).unwrap_err();
            assert!(error.to_string().starts_with("a route such as"), "{error}");
        }
        let error = put(&"10.1.2.3/8 via 1.2.3.4".into(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "10.1.2.3/8 is no network: write 10.0.0.0/8");
    }
}
