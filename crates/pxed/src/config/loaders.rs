//! Boot loaders: named sets of files, found in the boot directory, else where Debian's packages
//! put them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pxed_proto::catalog::Loader;
use pxed_proto::machine::Architecture;

/// Where Debian's package `ipxe` puts its loaders.
const DEBIAN_IPXE: &str = "/usr/lib/ipxe";

/// A loader that pxed knows, whether it is here or not.
struct Known {
    name: &'static str,
    architectures: &'static [Architecture],
    /// The NBP, then what it loads next.
    files: &'static [&'static str],
    /// The Debian package that has it.
    package: Option<&'static str>,
    /// Worth a word when it is missing; the others are alternatives, or for those who have them.
    expected: bool,
}

/// The preferred one for an architecture comes first.
const KNOWN: &[Known] = &[
    Known {
        name: "iPXE for BIOS",
        architectures: &[Architecture::BIOS],
        files: &["undionly.kpxe"],
        package: Some("ipxe"),
        expected: true,
    },
    // A shim strips "-shimx64" from its own name and loads what is left: both or neither.
    Known {
        name: "shim and signed iPXE for UEFI x64",
        architectures: X64,
        files: &["ipxe-shimx64.efi", "ipxe.efi"],
        package: None,
        expected: false,
    },
    Known {
        name: "iPXE for UEFI x64",
        architectures: X64,
        files: &["ipxe.efi"],
        package: Some("ipxe"),
        expected: true,
    },
    Known {
        name: "iPXE for UEFI x64, with the firmware's network driver",
        architectures: X64,
        files: &["snponly.efi"],
        package: Some("ipxe"),
        expected: false,
    },
    Known {
        name: "iPXE for UEFI IA32",
        architectures: &[Architecture::UEFI_IA32, Architecture::HTTP_IA32],
        files: &["ipxe-i386.efi"],
        package: None,
        expected: true,
    },
    Known {
        name: "iPXE for UEFI arm64",
        architectures: &[Architecture::UEFI_ARM64, Architecture::HTTP_ARM64],
        files: &["ipxe-arm64.efi"],
        package: None,
        expected: true,
    },
    Known {
        name: "iPXE for UEFI arm32",
        architectures: &[Architecture::UEFI_ARM32, Architecture::HTTP_ARM32],
        files: &["ipxe-arm32.efi"],
        package: None,
        expected: true,
    },
];

const X64: &[Architecture] =
    &[Architecture::UEFI_X64, Architecture::UEFI_EBC, Architecture::HTTP_X64];

/// Which loaders there are.
#[derive(Debug)]
pub struct Loaders {
    found: Vec<Found>,
    missing: Vec<Missing>,
}

/// A loader, and where its files lie.
#[derive(Debug)]
struct Found {
    loader: Loader,
    directory: PathBuf,
}

/// A loader that one would expect and that is not here.
#[derive(Debug)]
struct Missing {
    name: &'static str,
    file: &'static str,
    package: Option<&'static str>,
}

impl Loaders {
    /// Looks for every known loader.
    pub fn find(boot_dir: Option<&Path>) -> Self {
        let directories: Vec<&Path> =
            boot_dir.into_iter().chain([Path::new(DEBIAN_IPXE)]).collect();
        Self::find_in(&directories)
    }

    fn find_in(directories: &[&Path]) -> Self {
        let mut loaders = Self { found: Vec::new(), missing: Vec::new() };
        for known in KNOWN {
            let has_all = |dir: &&&Path| known.files.iter().all(|file| dir.join(file).is_file());
            match (directories.iter().find(has_all), known.files) {
                (Some(dir), [file, companions @ ..]) => {
                    let loader = Loader {
                        name: known.name.to_owned(),
                        architectures: known.architectures.to_vec(),
                        file: Arc::from(*file),
                        companions: companions.iter().map(|file| (*file).to_owned()).collect(),
                    };
                    loaders.found.push(Found { loader, directory: dir.to_path_buf() });
                }
                (None, [file, ..]) if known.expected => {
                    let (name, package) = (known.name, known.package);
                    loaders.missing.push(Missing { name, file, package });
                }
                _ => {}
            }
        }
        loaders
    }

    /// What the catalog is to know.
    pub fn loaders(&self) -> Vec<Loader> {
        self.found.iter().map(|found| found.loader.clone()).collect()
    }

    /// The names that the loaders' files are served under, and where they lie.
    pub fn named_files(&self) -> impl Iterator<Item = (String, PathBuf)> {
        self.found.iter().flat_map(|found| {
            let companions = found.loader.companions.iter().map(String::as_str);
            let files = std::iter::once(&*found.loader.file).chain(companions);
            files.map(|file| (file.to_owned(), found.directory.join(file)))
        })
    }

    /// One line for each loader that is here, for the log.
    pub fn describe_found(&self) -> impl Iterator<Item = String> {
        self.found.iter().map(|Found { loader, directory }| {
            format!("{}: {}", loader.name, directory.join(&*loader.file).display())
        })
    }

    /// One line for each loader that is missing, with what to do.
    pub fn describe_missing(&self) -> impl Iterator<Item = String> {
        self.missing.iter().map(|Missing { name, file, package }| match package {
            Some(package) => {
                format!("{name}: {file} is not here; apt-get install {package}, or put it into --boot-dir")
            }
            None => format!("{name}: {file} is not here; if such machines boot here, put it into --boot-dir"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(loaders: &Loaders) -> Vec<String> {
        loaders.named_files().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_boot_directory_comes_first_and_a_shim_needs_its_second_stage() {
        let (own, debian) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let directories = [own.path(), debian.path()];
        std::fs::write(debian.path().join("undionly.kpxe"), "").unwrap();
        std::fs::write(own.path().join("ipxe-shimx64.efi"), "").unwrap();
        let loaders = Loaders::find_in(&directories);
        assert_eq!(names(&loaders), ["undionly.kpxe"]);
        assert!(loaders.describe_missing().any(|line| line.contains("apt-get install ipxe")));

        std::fs::write(own.path().join("undionly.kpxe"), "").unwrap();
        std::fs::write(own.path().join("ipxe.efi"), "").unwrap();
        let loaders = Loaders::find_in(&directories);
        let (_, path) = loaders.named_files().next().unwrap();
        assert_eq!(path, own.path().join("undionly.kpxe"));
        let x64 = loaders.loaders().into_iter().find(|l| l.architectures == X64).unwrap();
        assert_eq!(
            (&*x64.file, &x64.companions[..]),
            ("ipxe-shimx64.efi", &["ipxe.efi".to_owned()][..])
        );
    }
}
