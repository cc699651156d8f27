//! What DHCP messages say of PXE boot servers and their menu, in option 43 (PXE specification 2.1,
//! table 2-1), as much as a line has room for.

use std::iter;
use std::net::Ipv4Addr;

use pxed_proto::text::Printable;
use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::code;
use pxed_proto::wire::pxe::code as pxe_code;

/// What a reply offers: `, PXE menu "Disk" (type 0), "Install" (type 5)`.
pub fn menu(message: &Message<'_>) -> String {
    let value = vendor_options(message).unwrap_or_default();
    let mut text = String::new();
    for (number, value) in sub_options(&value) {
        match number {
            pxe_code::BOOT_SERVERS => text += &format!(", PXE boot servers {}", servers(value)),
            pxe_code::BOOT_MENU => text += &format!(", PXE menu {}", items(value)),
            _ => {}
        }
    }
    text
}

/// What a client wants of a boot server, and what the server gives: `, boot server type 5`.
pub fn boot_item(message: &Message<'_>) -> String {
    let value = vendor_options(message).unwrap_or_default();
    let item = sub_options(&value).find(|(number, _)| *number == pxe_code::BOOT_ITEM);
    match item {
        Some((_, &[a, b, ..])) => format!(", boot server type {}", u16::from_be_bytes([a, b])),
        _ => String::new(),
    }
}

/// Option 43, where it is PXE's.
fn vendor_options(message: &Message<'_>) -> Option<Vec<u8>> {
    let class = message.option(code::VENDOR_CLASS)?;
    let value = message.option(code::VENDOR_SPECIFIC)?;
    class.starts_with(b"PXEClient").then(|| value.into_owned())
}

/// The options in an option, up to its end or to where it is damaged.
fn sub_options(octets: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = octets;
    iter::from_fn(move || {
        while let [0, behind @ ..] = rest {
            rest = behind;
        }
        let [number, len, behind @ ..] = rest else { return None };
        let (value, behind) = behind.split_at_checked(usize::from(*len))?;
        rest = behind;
        (*number != pxe_code::END).then_some((*number, value))
    })
}

/// Boot servers: types, each with addresses.
fn servers(mut value: &[u8]) -> String {
    let mut servers = Vec::new();
    while let [a, b, count, rest @ ..] = value {
        let len = usize::from(*count) * 4;
        let (addresses, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        let addresses = addresses.as_chunks::<4>().0.iter();
        let addresses = addresses.map(|octets| Ipv4Addr::from_octets(*octets).to_string());
        let addresses = match addresses.collect::<Vec<_>>() {
            none if none.is_empty() => "any".to_owned(),
            some => some.join(" "),
        };
        let kind = u16::from_be_bytes([*a, *b]);
        servers.push(format!("{addresses} (type {kind})"));
        value = behind;
    }
    servers.join(", ")
}

/// A boot menu: types, each with a description.
fn items(mut value: &[u8]) -> String {
    let mut items = Vec::new();
    while let [a, b, len, rest @ ..] = value {
        let (text, behind) = rest.split_at_checked(usize::from(*len)).unwrap_or((rest, &[]));
        let kind = u16::from_be_bytes([*a, *b]);
        items.push(format!("\"{}\" (type {kind})", Printable(text)));
        value = behind;
    }
    items.join(", ")
}
