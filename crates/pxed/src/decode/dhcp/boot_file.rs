//! The boot file that a reply names: two fields and two options say it, and need not agree.

use std::net::Ipv4Addr;

use pxed_proto::boot::{BootFile, is_url};
use pxed_proto::text::Printable;
use pxed_proto::wire::dhcp::Message;
use pxed_proto::wire::options::code;

/// The boot file that a reply names, as the URL that it comes to: option 67 before `file`, `siaddr`
/// before option 66. Where they disagree that is said.
pub fn told(message: &Message<'_>) -> Option<String> {
    let option = message.option(code::BOOT_FILE_NAME);
    let option = option.as_deref().map(<[u8]>::trim_ascii_end).map(without_nul);
    let option = option.filter(|name| !name.is_empty());
    let field = Some(message.file()).filter(|name| !name.is_empty());
    let name = Printable(option.or(field)?).to_string();
    let mut text = at_server(message, name);
    if let (Some(option), Some(field)) = (option, field)
        && option != field
    {
        text += &format!(" (the file field says {})", Printable(field));
    }
    Some(text)
}

fn at_server(message: &Message<'_>, name: String) -> String {
    let option = message.option(code::TFTP_SERVER_NAME);
    let option = option.as_deref().map(without_nul).filter(|server| !server.is_empty());
    let option = option.map(|server| Printable(server).to_string());
    match (message.siaddr, option) {
        _ if is_url(&name) => name,
        (Ipv4Addr::UNSPECIFIED, Some(server)) => format!("tftp://{server}/{name}"),
        (Ipv4Addr::UNSPECIFIED, None) => format!("{name} (no server named)"),
        (server, Some(option)) if option != server.to_string() => {
            format!("{} (option 66 says {option})", BootFile { server, name: name.into() })
        }
        (server, _) => BootFile { server, name: name.into() }.to_string(),
    }
}

/// Some servers send the NUL that C puts behind a text.
fn without_nul(text: &[u8]) -> &[u8] {
    text.split(|octet| *octet == 0).next().unwrap_or_default()
}
