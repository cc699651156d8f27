//! What is wrong with what was heard, in sentences that say what to do. Pure: nothing is asked here.

mod files;
mod offers;
mod servers;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::client::Client;
use super::heard::Heard;
pub use servers::{called, listed};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A name for programs.
    pub code: &'static str,
    /// Which clients it keeps from booting, or from an address.
    pub clients: Vec<Client>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// All that is wrong with `heard`: first who answers, then what they say, then the files.
pub fn findings(heard: &Heard) -> Vec<Finding> {
    let mut all = Findings::default();
    servers::judge(heard, &mut all);
    offers::judge(heard, &mut all);
    files::judge(heard, &mut all);
    all.found
}

/// The findings so far. What several clients suffer from is one finding.
#[derive(Default)]
struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, code: &'static str, client: Client, what: String, remedy: String) {
        match self.found.iter_mut().find(|one| (one.code, &one.what) == (code, &what)) {
            Some(same) if same.clients.contains(&client) => {}
            Some(same) => same.clients.push(client),
            None => self.found.push(Finding { code, clients: vec![client], what, remedy }),
        }
    }
}
