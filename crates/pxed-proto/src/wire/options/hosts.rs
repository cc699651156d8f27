//! The hosts that option values name.

use std::net::Ipv4Addr;

use super::form::Form;
use super::{definition, routes};

/// The addresses in the value of an option that is one address, or some.
pub fn hosts(number: u8, value: &[u8]) -> Vec<Ipv4Addr> {
    match definition(number).map(|definition| definition.form) {
        Some(Form::Address | Form::Addresses) => {
            value.as_chunks::<4>().0.iter().copied().map(Ipv4Addr::from_octets).collect()
        }
        _ => Vec::new(),
    }
}

/// The routers in the value of an option that is classless static routes. One that is 0.0.0.0 is
/// the link itself (RFC 3442), and is left out.
pub fn gateways(number: u8, value: &[u8]) -> Vec<Ipv4Addr> {
    let is_routes = definition(number).is_some_and(|known| matches!(known.form, Form::Routes));
    let routes = is_routes.then(|| routes::read(value)).flatten().unwrap_or_default();
    routes.iter().map(routes::Route::router).filter(|router| !router.is_unspecified()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_gateways_are_found_where_they_are() {
        let [a, b] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        assert_eq!(hosts(6, &[10, 0, 0, 1, 10, 0, 0, 2]), [a, b]);
        assert!(hosts(224, &[10, 0, 0, 1]).is_empty());
        assert_eq!(gateways(121, &[8, 10, 0, 0, 0, 0, 0, 10, 0, 0, 2]), [b]);
        assert!(gateways(121, &[99]).is_empty());
        assert!(gateways(6, &[0, 10, 0, 0, 1]).is_empty());
    }
}
