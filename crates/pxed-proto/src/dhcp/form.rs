//! The forms of a proxy offer: where the boot file is named, what option 43 says of discovery, and
//! how the offer travels. No firmware follows all of them.

use std::fmt;
use std::time::Duration;

/// One way to make a proxy offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its name in configuration, events and files.
    pub name: &'static str,
    /// Who needs it.
    pub who: &'static str,
    /// What option 43 says.
    pub discovery: Discovery,
    /// Where the boot file and its server are named.
    pub naming: Naming,
    /// In a frame to the machine's own MAC, though the IP destination is 255.255.255.255.
    pub unicast: bool,
    /// How much later than others the offer leaves.
    pub delay: Duration,
}

/// What option 43 of an offer says of how the boot server is found (PXE 2.1 section 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// 43.6, bit 3: the boot file of this offer is to be used, and nobody asked.
    UseBootFile,
    /// No option 43: the firmware asks at port 4011 what it is to load.
    Unsaid,
    /// 43.6, 8, 9 and 10: a menu; the item that is chosen is asked for at port 4011 (43.71).
    Menu,
}

/// Where an offer names the boot file and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Nowhere: it is the boot server's to say.
    Nowhere,
    /// In `file`, `siaddr`, `sname` and options 66 and 67.
    Everywhere,
    /// In `file` and `siaddr` alone.
    Fields,
    /// In options 66 and 67 and in `siaddr`; `file` is empty.
    Options,
}

/// All of them, in the order in which they are tried.
const FORMS: [Form; 8] = [
    Form::DIRECT,
    Form::REDIRECT,
    Form::MENU,
    Form {
        name: "binl",
        who: "firmware made for Windows Deployment Services, which has no option 43",
        discovery: Discovery::Unsaid,
        ..Form::DIRECT
    },
    Form {
        name: "fields",
        who: "ROMs that read `file` only, or stumble over options 66 and 67",
        naming: Naming::Fields,
        ..Form::DIRECT
    },
    Form {
        name: "options",
        who: "ROMs that take an offer with `file` for a BOOTP reply",
        naming: Naming::Options,
        ..Form::DIRECT
    },
    Form {
        name: "unicast",
        who: "machines behind switches and access points that hold broadcasts back",
        unicast: true,
        ..Form::DIRECT
    },
    Form {
        name: "delayed",
        who: "ROMs that take a proxy offer only after an offer of an address",
        delay: Duration::from_secs(1),
        ..Form::DIRECT
    },
];

impl Form {
    /// What most firmware follows.
    pub const DIRECT: Self = Self {
        name: "direct",
        who: "most firmware: it loads the file of the offer, and asks nothing more",
        discovery: Discovery::UseBootFile,
        naming: Naming::Everywhere,
        unicast: false,
        delay: Duration::ZERO,
    };

    /// A question to port 4011.
    pub const REDIRECT: Self = Self {
        name: "redirect",
        who: "UEFI firmware: EDK2 forgot offers with discovery options for years, and asks after this one",
        discovery: Discovery::Unsaid,
        naming: Naming::Nowhere,
        ..Self::DIRECT
    };

    /// What a Raspberry Pi looks for.
    pub const MENU: Self = Self {
        name: "menu",
        who: "Raspberry Pis, and ROMs that know boot servers by their menu items only",
        discovery: Discovery::Menu,
        ..Self::REDIRECT
    };

    /// All of them, in the order in which they are tried.
    pub fn all() -> &'static [Self] {
        &FORMS
    }

    /// The one of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        FORMS.iter().find(|form| form.name == name)
    }

    /// Does a machine that follows this form ask at port 4011 before it loads anything?
    pub fn sends_to_boot_server(&self) -> bool {
        self.discovery != Discovery::UseBootFile
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_differ_and_are_found_by_their_names() {
        for (n, form) in Form::all().iter().enumerate() {
            assert_eq!(Form::by_name(&form.to_string()), Some(form));
            let same = |other: &Form| Form { name: form.name, who: form.who, ..*other } == *form;
            assert_eq!(Form::all().iter().position(same), Some(n), "{form} does the same twice");
        }
        assert_eq!(Form::by_name("auto"), None);
    }

    #[test]
    fn a_form_without_a_boot_file_has_the_machine_ask() {
        for form in Form::all().iter().filter(|form| form.naming == Naming::Nowhere) {
            assert!(form.sends_to_boot_server(), "{form}");
        }
    }
}
