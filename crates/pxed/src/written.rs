//! Files that are none: texts that are written for who asks for them by TFTP or HTTP, under names that
//! loaders ask for wherever they came from.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use pxed_proto::boot::{Scheme, Web};
use pxed_proto::grub::{self, Device};
use pxed_proto::ipxe;
use tokio::runtime::Handle;

use crate::dhcp::{Asks, Mailbox};
use crate::files::OpenError;
use crate::http::{Script, ScriptRequest};
use crate::reload::Live;
use crate::script;
use crate::served::{Asker, At, Written};

/// The machine's iPXE script, which has a URL of its own too.
const SCRIPT: &[u8] = b"boot.ipxe";

/// What GRUB looks for in the directory that it came from, or that it was built with.
const GRUB: &[u8] = b"grub.cfg";

/// Writes what the configuration that is in force comes to; scripts as `script` does.
pub fn writer(live: Arc<Live>, dhcp: Mailbox, script: Script) -> Written {
    Arc::new(move |name, asker| {
        let base_name = name.rsplit(|octet| matches!(octet, b'/' | b'\\')).next();
        match (base_name.unwrap_or_default(), asker.at) {
            (SCRIPT, _) => Ok(script(&request(&dhcp, asker)?)),
            (GRUB, at) => grub_cfg(&request(&dhcp, asker)?, at, &live),
            (name, At::Tftp(server)) if name == ipxe::AUTOEXEC.as_bytes() => {
                live.autoexec(server).ok_or(OpenError::NotFound)
            }
            _ => Err(OpenError::NotFound),
        }
    })
}

/// What is to be written for whom: the DHCP thread is asked, which knows more of a machine than its
/// address.
fn request(dhcp: &Mailbox, asker: &Asker) -> Result<ScriptRequest, OpenError> {
    let Asker { machine, client, at } = *asker;
    let asks = Asks { machine, local: at.address() };
    let silent = || io::Error::other("the DHCP thread does not answer");
    let boots = Handle::current().block_on(dhcp.boots(asks)).ok_or_else(silent)?;
    let reached = match at {
        At::Web(web) => Some(web),
        At::Tftp(_) => boots.web,
    };
    let web = reached.ok_or(OpenError::NotFound)?;
    let uuid = boots.uuid.map(|uuid| uuid.to_string());
    let profile = boots.profile.map(|name| name.to_string());
    Ok(ScriptRequest { machine, uuid, profile, client, web })
}

fn grub_cfg(request: &ScriptRequest, at: At, live: &Live) -> Result<String, OpenError> {
    let profile = script::filled(request, &live.catalog()).map_err(io::Error::other)?;
    let device = match at {
        At::Web(Web { scheme: Scheme::Http, address }) => Device::Http(address),
        // GRUB has no HTTPS.
        at => Device::Tftp(at.address()),
    };
    grub::config(&script::machine(request), &profile, device).map_err(OpenError::NotWritten)
}

impl At {
    fn address(self) -> Ipv4Addr {
        match self {
            Self::Tftp(address) => address,
            Self::Web(web) => *web.address.ip(),
        }
    }
}
