//! Offers for tables.

use std::net::Ipv4Addr;

use super::offer::{Discovery, Offer};

pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const PROXY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// A DHCP server's that knows nothing of booting.
pub fn address() -> Offer {
    Offer {
        from: SERVER,
        mac: None,
        server: Some(SERVER),
        relay: None,
        address: Some(Ipv4Addr::new(192, 0, 2, 100)),
        mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        routers: vec![SERVER],
        has_dns: true,
        lease_time: Some(3600),
        next_server: None,
        server_name: None,
        file: None,
        class: None,
        pxe: None,
    }
}

/// A ProxyDHCP server's that names a file.
pub fn proxy(file: &str) -> Offer {
    Offer {
        from: PROXY,
        server: Some(PROXY),
        address: None,
        mask: None,
        routers: Vec::new(),
        has_dns: false,
        lease_time: None,
        next_server: Some(PROXY),
        file: Some(file.to_owned()),
        class: Some("PXEClient".to_owned()),
        pxe: Some(Discovery { use_boot_file: true, ..Discovery::default() }),
        ..address()
    }
}

/// A ProxyDHCP server's with a menu.
pub fn menu(item: Option<u16>) -> Offer {
    let pxe = Some(Discovery { use_boot_file: false, item, server: None });
    Offer { pxe, file: None, ..proxy("") }
}

/// A DHCP server's for UEFI HTTP Boot.
pub fn http(file: &str) -> Offer {
    Offer { file: Some(file.to_owned()), class: Some("HTTPClient".to_owned()), ..address() }
}
