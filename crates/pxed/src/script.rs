//! What a machine that asks by HTTP for its script is given.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use pxed_proto::boot::{Decision, Services, decide};
use pxed_proto::catalog::{Catalog, Profile};
use pxed_proto::ipxe;
use pxed_proto::limits;
use pxed_proto::machine::{Firmware, HardwareAddress, Machine};
use tokio::task::block_in_place;

use crate::files::Files;
use crate::http::{Script, ScriptRequest};
use crate::journal::Journal;

/// Writes scripts from `catalog`; a profile that is the user's own script is read anew for every
/// machine, so that an edit needs no restart.
pub fn writer(catalog: Arc<Catalog>, files: Arc<Files>, journal: Arc<Journal>) -> Script {
    Arc::new(move |request| {
        let machine = machine(request);
        // Whoever asks for a script runs iPXE.
        match decide(&machine, Firmware::Ipxe(None), &catalog) {
            Decision::Script(Profile::Script(name)) => own_script(name, &files, &journal),
            Decision::Script(profile) => {
                let at = Services { tftp: *request.host.ip(), http: request.host };
                ipxe::script(&machine, profile, &at).unwrap_or_default()
            }
            _ => String::new(),
        }
    })
}

fn machine(request: &ScriptRequest) -> Machine {
    let nobody = HardwareAddress::from(pxed_proto::net::Mac([0; 6]));
    request.machine.map_or(Machine { hardware: nobody, uuid: None }, Machine::from)
}

/// Machines may ask as often as they like, so the log hears of trouble by the journal.
fn own_script(name: &str, files: &Files, journal: &Journal) -> String {
    // The file may be on a disk that sleeps, or on a network: others must not wait for it.
    block_in_place(|| read(name, files)).unwrap_or_else(|error| {
        journal.script_failed(&format!("{name}: {error}"));
        format!("#!ipxe\necho pxed: {name}: {error}\nsleep 10\nexit 1\n")
    })
}

fn read(name: &str, files: &Files) -> Result<String, String> {
    let open = files.open(name.as_bytes()).map_err(|error| error.to_string())?;
    let len = usize::try_from(open.len).unwrap_or(usize::MAX);
    if len > limits::SCRIPT_MAX {
        return Err(format!("longer than {} octets", limits::SCRIPT_MAX));
    }
    let mut bytes = vec![0; len];
    open.file.read_exact_at(&mut bytes, 0).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
}
