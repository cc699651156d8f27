//! GRUB's configuration as text, for machines whose loader is GRUB and not iPXE.
//!
//! GRUB reads a line as a shell does (its manual, "Writing full configuration files directly"): words
//! are split at white space, `$` is a variable, and between single quotes everything is itself. It
//! finds a file by its device, here the protocol and the server, whatever `$root` says: beside another
//! DHCP server that would be the other one.

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::catalog::Profile;
use crate::machine::Machine;

/// By which of pxed's servers GRUB is to fetch what its configuration names: the one that it has the
/// configuration of, since an image that has one protocol may lack the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// TFTP, which knows the machine by its address.
    Tftp(Ipv4Addr),
    /// HTTP, where the machine stands in the path.
    Http(SocketAddrV4),
}

/// The configuration that boots this profile.
///
/// # Errors
///
/// Why GRUB can not.
pub fn config(
    machine: &Machine,
    profile: &Profile,
    device: Device,
) -> Result<String, &'static str> {
    let (kernel, initrds, arguments) = match profile {
        Profile::Linux { kernel, initrds, arguments } => (kernel, initrds, arguments),
        Profile::Script(_) => return Err("the machine's profile is an iPXE script, not for GRUB"),
        Profile::Program(_) => return Err("the machine's profile is a program that iPXE loads"),
        Profile::Image(_) => return Err("the machine's profile is an image, for HTTP Boot alone"),
        Profile::Nothing => return Err("the machine has no profile to boot"),
    };
    let file = |name: &str| Place { device, machine, name }.to_string();
    let mut linux = format!("linux {}", file(kernel));
    arguments.split_whitespace().for_each(|word| linux.extend([" ", &quoted(word)]));
    let mut text = format!("# pxed, for {}\nif {linux}; then\n", machine.hardware);
    if initrds.is_empty() {
        text.push_str("    boot\n");
    } else {
        let files: Vec<String> = initrds.iter().map(|initrd| file(initrd)).collect();
        let initrd = files.join(" ");
        // Writing to a String can not fail.
        let _ = write!(text, "    if initrd {initrd}; then\n        boot\n    fi\n");
    }
    text.push_str(FAILED);
    Ok(text)
}

const FAILED: &str = "\
fi
echo 'pxed: this did not boot; GRUB ends in 10 seconds'
sleep 10
exit
";

/// A file as GRUB names it.
struct Place<'a> {
    device: Device,
    machine: &'a Machine,
    name: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, machine, name } = self;
        match (device, machine.mac()) {
            (Device::Tftp(server), _) => write!(f, "(tftp,{server})/{name}"),
            (Device::Http(server), Some(mac)) => {
                write!(f, "(http,{server})/machine/{}/{name}", &*mac.hyphens())
            }
            (Device::Http(server), None) => write!(f, "(http,{server})/files/{name}"),
        }
    }
}

/// A word that GRUB takes for what it is.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=.,:/_+@%-".contains(&byte);
    match word.bytes().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Mac;

    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn linux(initrds: &[&str], arguments: &str) -> Profile {
        Profile::Linux {
            kernel: "profile/vmlinuz".to_owned(),
            initrds: initrds.iter().map(|name| (*name).to_owned()).collect(),
            arguments: arguments.to_owned(),
        }
    }

    fn of(profile: &Profile, device: Device) -> Result<String, &'static str> {
        config(&Machine::from(Mac([2, 0, 0, 0, 0, 0xa])), profile, device)
    }

    #[test]
    fn a_kernel_and_its_initrds_by_tftp() {
        let profile = linux(&["profile/initrd.gz", "profile/extra.cpio"], "console=ttyS0  quiet");
        assert_eq!(
            of(&profile, Device::Tftp(SERVER)).unwrap(),
            "# pxed, for 02:00:00:00:00:0a\n\
             if linux (tftp,10.0.0.1)/profile/vmlinuz console=ttyS0 quiet; then\n    \
                 if initrd (tftp,10.0.0.1)/profile/initrd.gz (tftp,10.0.0.1)/profile/extra.cpio; \
             then\n        boot\n    fi\nfi\n\
             echo 'pxed: this did not boot; GRUB ends in 10 seconds'\nsleep 10\nexit\n"
        );
    }

    #[test]
    fn a_kernel_alone_by_http() {
        let http = Device::Http(SocketAddrV4::new(SERVER, 8067));
        let text = of(&linux(&[], ""), http).unwrap();
        let kernel = "(http,10.0.0.1:8067)/machine/02-00-00-00-00-0a/profile/vmlinuz";
        assert!(text.contains(&format!("\nif linux {kernel}; then\n    boot\nfi\n")), "{text}");
        let nobody = config(&Machine::from(Mac([0; 6])), &linux(&[], ""), http).unwrap();
        assert!(nobody.contains("linux (http,10.0.0.1:8067)/files/profile/vmlinuz;"), "{nobody}");
    }

    #[test]
    fn arguments_are_nothing_else_to_grub() {
        for (word, expected) in [
            ("root=/dev/nfs", "root=/dev/nfs"),
            ("ds=nocloud;s=http://a/", "'ds=nocloud;s=http://a/'"),
            ("x=${mac}", "'x=${mac}'"),
            ("it's", r"'it'\''s'"),
            ("ä", "'ä'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn what_grub_can_not_boot_is_said() {
        let url = "http://10.0.0.9/x.efi".to_owned();
        let others = [Profile::Script("a".to_owned()), Profile::Program(url)];
        for profile in [Profile::Nothing, Profile::Image("a".into())].into_iter().chain(others) {
            assert!(of(&profile, Device::Tftp(SERVER)).is_err(), "{profile:?}");
        }
    }
}
