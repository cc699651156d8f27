//! In which order forms are tried.

use super::{Asker, Why};
use crate::dhcp::form::Form;
use crate::machine::Architecture;

/// The forms for one machine, the likeliest first, each with why it is there.
#[derive(Clone, Debug)]
pub struct Candidates(Vec<(&'static Form, Option<Why>)>);

impl Candidates {
    /// What is known, and then all in turn. Firmware that takes the address of another server, and
    /// stops where it can do nothing with the proxy offer, asks once a power-on: so what is first in
    /// turn is what most such firmware follows.
    pub fn new(asker: &Asker, known: impl Iterator<Item = (&'static Form, Why)>) -> Self {
        let first = match asker.signature.architecture {
            Some(Architecture::RASPBERRY_PI) => &Form::MENU,
            // EDK2 forgot proxy offers with discovery options for years, and asks the boot server
            // after any other.
            Some(arch) if arch != Architecture::BIOS => &Form::REDIRECT,
            _ => &Form::DIRECT,
        };
        let turn = [first].into_iter().chain(Form::all()).map(|form| (form, None));
        let mut all: Vec<(&'static Form, Option<Why>)> = Vec::new();
        for candidate in known.map(|(form, why)| (form, Some(why))).chain(turn) {
            if all.iter().all(|(form, _)| *form != candidate.0) {
                all.push(candidate);
            }
        }
        Self(all)
    }

    /// The first that fits.
    pub fn find(
        &self,
        fits: impl Fn(&'static Form) -> bool,
    ) -> Option<(&'static Form, Option<Why>)> {
        self.0.iter().copied().find(|(form, _)| fits(form))
    }
}
