//! What TFTP and HTTP serve: one namespace of names.
//!
//! A name from the network is looked up beneath the open boot directory and never joined to a
//! path; what does not exist there may be one of the files that were named at start (boot loaders,
//! a profile's kernel and initrd), which can lie anywhere on disk. A file is open for one transfer
//! only, so its successor is served from the next request on.

mod at_hand;
mod letters;
mod names;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use pxed_proto::net::Mac;

use names::{OUTSIDE, PROFILE_PREFIX, normalized};

/// How often a lookup is tried that a rename elsewhere on the system has disturbed (openat2 fails
/// with EAGAIN if a `..` of a symbolic link could not be proved to stay beneath the directory).
const LOOKUPS_MAX: usize = 8;

/// All that is served. Shared by TFTP and HTTP; a reload replaces it under them.
#[derive(Debug)]
pub struct Files(RwLock<Arc<Roots>>);

/// Where names are looked up.
#[derive(Debug)]
struct Roots {
    boot_dir: Option<BootDir>,
    named: BTreeMap<Vec<u8>, PathBuf>,
    /// The case of letters makes no difference.
    case_insensitive: bool,
}

#[derive(Debug)]
struct BootDir {
    path: PathBuf,
    fd: File,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct OpenFile {
    /// The file; read it by offset.
    pub file: File,
    /// Its length when it was opened, in octets.
    pub len: u64,
    /// When its content last changed.
    pub modified: SystemTime,
    /// Its number in its file system: another one's if it was replaced.
    pub inode: u64,
}

/// Why a name is not served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no regular file of that name.
    #[error("no such file")]
    NotFound,
    /// There is no file of that name, and why none is written.
    #[error("{0}")]
    NotWritten(&'static str),
    /// No file can have that name, and why.
    #[error("{0}")]
    Illegal(&'static str),
    /// The file is there and can not be opened.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the operator has to mend before anything can be served.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The boot directory can not be opened or searched.
    #[error(
        "boot directory {}: {error}; name an existing directory that pxed's user may read and \
         search",
        .path.display()
    )]
    BootDir {
        /// The directory as it was named.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A named file can not be opened, or is none.
    #[error(
        "{} (served as {name}): {error}; name an existing file that pxed's user may read, \
         for example after chmod a+r",
        .path.display()
    )]
    Named {
        /// The name it would be served as.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong with it.
        error: OpenError,
    },
}

impl Files {
    /// Opens the boot directory, if there is one; `named` maps names to files anywhere on disk.
    pub fn new(boot_dir: Option<&Path>, named: Vec<(String, PathBuf)>) -> Result<Self, FilesError> {
        let named = named.into_iter().map(|(name, path)| (name.into_bytes(), path)).collect();
        let boot_dir = boot_dir.map(BootDir::open).transpose()?;
        let roots = Roots { boot_dir, named, case_insensitive: false };
        Ok(Self(RwLock::new(Arc::new(roots))))
    }

    /// The same, where the case of letters makes a difference or none. To be said before anybody
    /// looks.
    pub fn case_insensitive(mut self, case_insensitive: bool) -> Self {
        let roots = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(roots) = Arc::get_mut(roots) {
            roots.case_insensitive = case_insensitive;
        }
        self
    }

    /// Serves what `other` serves from now on.
    pub fn replace(&self, other: Self) {
        let roots = other.roots();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = roots;
    }

    fn roots(&self) -> Arc<Roots> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Can everything be served? To be asked after privileges were dropped: a kernel is often
    /// readable by root alone, and its owner should hear that now and not from a dark machine.
    pub fn check(&self) -> Result<(), FilesError> {
        let roots = self.roots();
        if let Some(dir) = &roots.boot_dir {
            dir.lookup(b".").map_err(|error| FilesError::BootDir {
                path: dir.path.clone(),
                error: error.into(),
            })?;
        }
        for (name, path) in &roots.named {
            open_path(path).map_err(|error| FilesError::Named {
                name: String::from_utf8_lossy(name).into_owned(),
                path: path.clone(),
                error,
            })?;
        }
        Ok(())
    }

    /// Opens what is served as `name`. A file of the boot directory takes precedence over a named
    /// one, so that the operator's own boot loader wins, except among the names of profiles.
    pub fn open(&self, name: &[u8]) -> Result<OpenFile, OpenError> {
        self.roots().open(&normalized(name)?)
    }

    /// Opens what a machine asks for as `name`, which may be in a directory of its own.
    pub fn open_for(&self, name: &[u8], machine: Option<Mac>) -> Result<OpenFile, OpenError> {
        let roots = self.roots();
        for name in names::of_machine(&normalized(name)?, machine) {
            match roots.open(&name) {
                Err(OpenError::NotFound) => {}
                result => return result,
            }
        }
        Err(OpenError::NotFound)
    }
}

impl Roots {
    fn open(&self, name: &[u8]) -> Result<OpenFile, OpenError> {
        let named = self.named(name);
        if let Some((_, path)) = named.filter(|(name, _)| name.starts_with(PROFILE_PREFIX)) {
            return open_path(path);
        }
        match (self.boot_dir.as_ref().map(|dir| self.open_in(dir, name)), named) {
            (None | Some(Err(OpenError::NotFound)), Some((_, path))) => open_path(path),
            (Some(result), _) => result,
            (None, None) => Err(OpenError::NotFound),
        }
    }

    fn open_in(&self, dir: &BootDir, name: &[u8]) -> Result<OpenFile, OpenError> {
        match dir.open_file(name) {
            Err(OpenError::NotFound) if self.case_insensitive => {
                let name = dir.whatever_case(name).ok_or(OpenError::NotFound)?;
                dir.open_file(&name)
            }
            result => result,
        }
    }

    /// The named file that `name` means, and how that is written.
    fn named(&self, name: &[u8]) -> Option<(&Vec<u8>, &PathBuf)> {
        let alike = |found: &Vec<u8>| self.case_insensitive && found.eq_ignore_ascii_case(name);
        let other_case = || self.named.iter().find(|(found, _)| alike(found));
        self.named.get_key_value(name).or_else(other_case)
    }
}

/// Of a name from the network.
const BENEATH: ResolveFlag = ResolveFlag::RESOLVE_BENEATH.union(ResolveFlag::RESOLVE_NO_MAGICLINKS);

fn how(resolve: ResolveFlag) -> OpenHow {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    OpenHow::new().flags(flags).resolve(resolve)
}

impl BootDir {
    fn open(path: &Path) -> Result<Self, FilesError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
            Ok(fd) => Ok(Self { path: path.to_owned(), fd }),
            Err(error) => Err(FilesError::BootDir { path: path.to_owned(), error }),
        }
    }

    fn open_file(&self, name: &[u8]) -> Result<OpenFile, OpenError> {
        regular(self.lookup(name).map_err(open_error)?)
    }

    fn lookup(&self, name: &[u8]) -> Result<File, Errno> {
        let once = || openat2(&self.fd, OsStr::from_bytes(name), how(BENEATH));
        let disturbed = |result: &_| matches!(result, Err(Errno::EAGAIN | Errno::EINTR));
        let settled = (1..LOOKUPS_MAX).map(|_| once()).find(|result| !disturbed(result));
        settled.unwrap_or_else(once).map(File::from)
    }
}

fn open_path(path: &Path) -> Result<OpenFile, OpenError> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    regular(file.map_err(|error| match error.raw_os_error() {
        Some(errno) => open_error(Errno::from_raw(errno)),
        None => OpenError::Io(error),
    })?)
}

fn open_error(errno: Errno) -> OpenError {
    match errno {
        // ENXIO is what a socket says, and a device without a driver.
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENXIO => OpenError::NotFound,
        Errno::EXDEV => OUTSIDE,
        Errno::ELOOP => OpenError::Illegal("too many symbolic links"),
        Errno::ENAMETOOLONG => OpenError::Illegal("the file name is too long"),
        errno => OpenError::Io(errno.into()),
    }
}

fn regular(file: File) -> Result<OpenFile, OpenError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(OpenError::NotFound);
    }
    let (len, modified, inode) = (metadata.len(), metadata.modified()?, metadata.ino());
    Ok(OpenFile { file, len, modified, inode })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pxed_proto::limits;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A boot directory `boot` with a few files, beside it a `secret` and a named `kernel`.
    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let boot = root.path().join("boot");
        fs::create_dir_all(boot.join("arm64/profile")).unwrap();
        fs::create_dir_all(boot.join("profile")).unwrap();
        fs::write(boot.join("undionly.kpxe"), "mine").unwrap();
        fs::write(boot.join("arm64/grub.efi"), "grub").unwrap();
        fs::write(boot.join("profile/vmlinuz"), "not the kernel").unwrap();
        fs::write(boot.join("profile/other"), "other").unwrap();
        fs::write(root.path().join("secret"), "secret").unwrap();
        fs::write(root.path().join("kernel"), "kernel").unwrap();
        root
    }

    fn files(root: &tempfile::TempDir) -> Files {
        let named = ["undionly.kpxe", "ipxe.efi", "profile/vmlinuz"]
            .map(|name| (name.to_owned(), root.path().join("kernel")));
        Files::new(Some(&root.path().join("boot")), named.to_vec()).unwrap()
    }

    fn read(files: &Files, name: &str) -> Result<String, String> {
        let mut open = files.open(name.as_bytes()).map_err(|error| error.to_string())?;
        let mut text = String::new();
        open.file.read_to_string(&mut text).unwrap();
        assert_eq!(open.len, text.len() as u64);
        Ok(text)
    }

    #[test]
    fn names_find_their_files() {
        let root = tree();
        let files = files(&root);
        files.check().unwrap();
        for (name, text) in [
            ("undionly.kpxe", "mine"),
            ("/undionly.kpxe", "mine"),
            ("\\arm64\\grub.efi", "grub"),
            ("//arm64//./grub.efi", "grub"),
            ("arm64/../undionly.kpxe", "mine"),
            ("ipxe.efi", "kernel"),
            ("profile/vmlinuz", "kernel"),
            ("arm64/../profile/vmlinuz", "kernel"),
            ("profile/other", "other"),
        ] {
            assert_eq!(read(&files, name).as_deref(), Ok(text), "{name}");
            // What was opened just now the kernel still knows, and it is the same.
            let at_hand = files.open_at_hand(name.as_bytes(), None).map(|mut open| {
                let mut text = String::new();
                open.file.read_to_string(&mut text).unwrap();
                text
            });
            assert!(at_hand.is_none_or(|at_hand| at_hand == text), "{name}");
        }
        assert!(
            files.open_at_hand(b"../secret", None).is_none()
                && files.open_at_hand(b"none", None).is_none()
        );
        assert!(files.open_at_hand(b"arm64/grub.efi", None).is_some(), "this kernel is too old");
    }

    #[test]
    fn letters_may_be_of_another_case_where_that_is_wanted() {
        let root = tree();
        let boot = root.path().join("boot");
        fs::create_dir_all(boot.join("Boot/Fonts")).unwrap();
        fs::write(boot.join("Boot/Fonts/wgl4_boot.ttf"), "font").unwrap();
        fs::write(boot.join("BCD"), "upper").unwrap();
        fs::write(boot.join("bcd"), "lower").unwrap();
        symlink("../secret", boot.join("leaves")).unwrap();
        for (name, exact, any) in [
            ("boot\\fonts\\WGL4_BOOT.TTF", None, Some("font")),
            ("Boot/Fonts/wgl4_boot.ttf", Some("font"), Some("font")),
            ("bcd", Some("lower"), Some("lower")),
            ("BCD", Some("upper"), Some("upper")),
            ("bCD", None, Some("upper")),
            ("IPXE.EFI", None, Some("kernel")),
            ("PROFILE/VMLINUZ", None, Some("kernel")),
            ("LEAVES", None, None),
            ("boot/none", None, None),
            ("none/WGL4_BOOT.TTF", None, None),
        ] {
            for (insensitive, text) in [(false, exact), (true, any)] {
                let files = files(&root).case_insensitive(insensitive);
                assert_eq!(read(&files, name).ok().as_deref(), text, "{name} {insensitive}");
            }
        }
    }

    #[test]
    fn a_machine_has_its_own_directory() {
        let root = tree();
        let boot = root.path().join("boot");
        for (directory, text) in [("52-54-00-00-00-01", "one"), ("01-52-54-00-00-00-02", "two")] {
            fs::create_dir(boot.join(directory)).unwrap();
            fs::write(boot.join(directory).join("undionly.kpxe"), text).unwrap();
        }
        fs::create_dir(boot.join("9ffefdef")).unwrap();
        fs::write(boot.join("9ffefdef/cmdline.txt"), "its own").unwrap();
        fs::write(boot.join("start4.elf"), "common").unwrap();
        let files = files(&root);
        let read = |name: &str, last| {
            let machine = Some(Mac([0x52, 0x54, 0, 0, 0, last]));
            let text = |mut open: OpenFile| {
                let mut text = String::new();
                open.file.read_to_string(&mut text).map(|_| text)
            };
            let found = text(files.open_for(name.as_bytes(), machine)?)?;
            // What was opened just now the kernel still knows, and it is the same.
            let at_hand = files.open_at_hand(name.as_bytes(), machine).map(text).transpose()?;
            assert!(at_hand.is_none_or(|at_hand| at_hand == found), "{name}");
            Ok::<_, OpenError>(found)
        };
        for (name, last, text) in [
            ("undionly.kpxe", 1, "one"),
            ("/undionly.kpxe", 2, "two"),
            ("undionly.kpxe", 3, "mine"),
            ("arm64/grub.efi", 1, "grub"),
            ("ipxe.efi", 1, "kernel"),
            ("9ffefdef/cmdline.txt", 3, "its own"),
            ("9ffefdef/start4.elf", 3, "common"),
        ] {
            assert_eq!(read(name, last).unwrap(), text, "{name} {last}");
        }
        assert!(matches!(read("9ffefdef/none", 1), Err(OpenError::NotFound)));
        assert!(matches!(read("../secret", 1), Err(OpenError::Illegal(_))));
    }

    #[test]
    fn without_a_boot_directory_the_named_files_are_all() {
        let root = tree();
        let named = vec![("a".to_owned(), root.path().join("kernel"))];
        let files = Files::new(None, named).unwrap();
        assert_eq!(read(&files, "/a").as_deref(), Ok("kernel"));
        assert_eq!(read(&files, "undionly.kpxe").unwrap_err(), "no such file");
    }

    #[test]
    fn nothing_outside_is_served() {
        let root = tree();
        let boot = root.path().join("boot");
        symlink("../secret", boot.join("leaves")).unwrap();
        symlink(root.path().join("secret"), boot.join("absolute")).unwrap();
        symlink("/proc/self/root/etc/passwd", boot.join("magic")).unwrap();
        symlink("arm64/../undionly.kpxe", boot.join("stays")).unwrap();
        let files = files(&root);
        assert_eq!(read(&files, "stays").as_deref(), Ok("mine"));
        for name in [
            "../secret",
            "/../secret",
            "..\\secret",
            "arm64/../../secret",
            "leaves",
            "absolute",
            "magic",
        ] {
            assert_eq!(read(&files, name).unwrap_err(), OUTSIDE.to_string(), "{name}");
        }
    }

    #[test]
    fn illegal_names_and_what_is_no_file() {
        let root = tree();
        let boot = root.path().join("boot");
        nix::unistd::mkfifo(&boot.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(boot.join("socket")).unwrap();
        symlink("loop", boot.join("loop")).unwrap();
        let files = files(&root);
        let long = "a".repeat(limits::FILE_NAME_MAX + 1);
        for name in ["", "/", ".", "a\0b", &long, &"a".repeat(300), "loop"] {
            assert!(matches!(files.open(name.as_bytes()), Err(OpenError::Illegal(_))), "{name}");
        }
        for name in ["none", "arm64", "arm64/", "fifo", "socket", "undionly.kpxe/x", "none/x"] {
            assert!(matches!(files.open(name.as_bytes()), Err(OpenError::NotFound)), "{name}");
        }
    }

    #[test]
    fn check_names_the_file_and_the_remedy() {
        let root = tree();
        let gone = vec![("profile/vmlinuz".to_owned(), root.path().join("gone"))];
        let error = Files::new(None, gone).unwrap().check().unwrap_err().to_string();
        assert!(error.contains("gone (served as profile/vmlinuz): no such file; name"), "{error}");
        let error = Files::new(Some(&root.path().join("secret")), Vec::new()).unwrap_err();
        assert!(error.to_string().contains("secret: Not a directory"), "{error}");
    }

    #[test]
    fn a_file_that_may_not_be_read_is_an_io_error() {
        if nix::unistd::geteuid().is_root() {
            return; // root may read everything
        }
        let root = tree();
        let kernel = root.path().join("kernel");
        fs::set_permissions(&kernel, fs::Permissions::from_mode(0o000)).unwrap();
        assert!(matches!(files(&root).open(b"ipxe.efi"), Err(OpenError::Io(_))));
    }
}
