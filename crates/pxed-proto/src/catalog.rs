//! What there is to boot: loaders and profiles.
//!
//! Loaded and checked by the program, looked up here. Names are names of served files, as they
//! stand in a TFTP request or behind `/machine/<mac>/` in a URL; where a file lies is the
//! program's business. Who boots which profile is the policy's: see `dhcp::Settings`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::machine::Architecture;

/// Everything that can be booted.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Loaders that are there, the preferred one first.
    pub loaders: Vec<Loader>,
    /// Profiles by name.
    pub profiles: BTreeMap<String, Profile>,
    /// The profile of machines that nothing else is said of.
    pub default_profile: Option<Arc<str>>,
}

impl Catalog {
    /// The loader for an architecture; `None` if there is none, which is never answered with
    /// another architecture's.
    pub fn loader(&self, arch: Architecture) -> Option<&Loader> {
        self.loaders.iter().find(|loader| loader.architectures.contains(&arch))
    }

    /// The profile of this name, else the default one, else nothing.
    pub fn profile(&self, name: Option<&str>) -> &Profile {
        let default = self.default_profile.as_deref();
        let known = |name: &str| self.profiles.get(name);
        name.and_then(known).or_else(|| default.and_then(known)).unwrap_or(&Profile::Nothing)
    }
}

/// A named set of files that brings a firmware to iPXE: one file, or a shim with what it loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loader {
    /// What people call it.
    pub name: String,
    /// What runs it.
    pub architectures: Vec<Architecture>,
    /// The file that firmware loads (its NBP).
    pub file: Arc<str>,
    /// Files that the first one asks for next.
    pub companions: Vec<String>,
}

/// A named way to boot, once iPXE runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Nothing was configured: the machine is told so, and goes on to its next boot device.
    #[default]
    Nothing,
    /// A Linux kernel.
    Linux {
        /// The kernel's served name.
        kernel: String,
        /// The initial file systems' served names, in the order in which they are unpacked.
        initrds: Vec<String>,
        /// The kernel's arguments.
        arguments: String,
    },
    /// An iPXE script of the user's own, by its served name.
    Script(String),
    /// A program that iPXE is to chainload, by its URL.
    Program(String),
    /// An ISO or disk image, by its served name: UEFI HTTP Boot loads it whole, and boots from there.
    Image(Arc<str>),
}
