//! What a name means to who asks for it, by TFTP or by HTTP: a file, their own before everybody's, or
//! else a text that is written for them now.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use pxed_proto::boot::Web;
use pxed_proto::net::Mac;

use crate::files::{Files, OpenError, OpenFile};

/// Who asks, and whom.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The machine, if that is known.
    pub machine: Option<Mac>,
    /// Where the request came from.
    pub client: SocketAddr,
    /// What it reached: it can go on there.
    pub at: At,
}

/// One of pxed's servers of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// TFTP, at this address.
    Tftp(Ipv4Addr),
    /// HTTP or HTTPS.
    Web(Web),
}

/// What is sent.
#[derive(Debug)]
pub enum Found {
    /// A file, as it is.
    File(OpenFile),
    /// A text that was written now.
    Text(String),
}

/// The text of a file that is none, by its name and who asks: [`OpenError::NotFound`] for all other
/// names. It may wait, for a disk and for the DHCP thread, on a thread that belongs to a runtime.
pub type Written = Arc<dyn Fn(&[u8], &Asker) -> Result<String, OpenError> + Send + Sync>;

/// Which machine has an address.
pub type MachineOf = Arc<dyn Fn(Ipv4Addr) -> Option<Mac> + Send + Sync>;

/// All that is served by name.
#[derive(Clone)]
pub struct Served {
    files: Arc<Files>,
    written: Written,
    machine_of: MachineOf,
}

impl Served {
    /// These files, and nothing that is written.
    pub fn new(files: Arc<Files>) -> Self {
        let written: Written = Arc::new(|_, _| Err(OpenError::NotFound));
        Self { files, written, machine_of: Arc::new(|_| None) }
    }

    /// The same, and what is written when it is asked for; a file of that name wins.
    pub fn writing(self, written: Written) -> Self {
        Self { written, ..self }
    }

    /// The same, which knows machines by their addresses.
    pub fn knowing(self, machine_of: MachineOf) -> Self {
        Self { machine_of, ..self }
    }

    /// Which machine has this address, if that is known. It may wait.
    pub fn machine_at(&self, client: SocketAddr) -> Option<Mac> {
        match client.ip().to_canonical() {
            IpAddr::V4(address) => (self.machine_of)(address),
            IpAddr::V6(_) => None,
        }
    }

    /// Looks for it: in the machine's own directories, in everybody's, and at last for a text. It may
    /// wait.
    pub fn open(&self, name: &[u8], asker: &Asker) -> Result<Found, OpenError> {
        match self.files.open_for(name, asker.machine) {
            Err(OpenError::NotFound) => {
                let machine = asker.machine.or_else(|| self.machine_at(asker.client));
                (self.written)(name, &Asker { machine, ..*asker }).map(Found::Text)
            }
            result => result.map(Found::File),
        }
    }

    /// The file that [`Served::open`] would find, if the kernel can open it from memory alone.
    pub fn open_at_hand(&self, name: &[u8], machine: Option<Mac>) -> Option<OpenFile> {
        self.files.open_at_hand(name, machine)
    }
}
