//! iPXE scripts as text.
//!
//! iPXE splits a line at white space, takes the words `||`, `&&`, `;` and `#…` for itself, and then
//! replaces each `${…}`. It knows no quotes, so what can not be said is refused by
//! [`check_arguments`], and `${…}` in the operator's arguments is iPXE's to fill in.

use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::boot::Web;
use crate::catalog::Profile;
use crate::machine::Machine;

/// Kernel arguments that no iPXE script can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadArguments<'a> {
    /// A control character, which would end the line or vanish.
    ControlCharacter,
    /// A word that iPXE takes for itself.
    Word(&'a str),
}

/// Can these kernel arguments be written into a script?
///
/// # Errors
///
/// What can not.
pub fn check_arguments(arguments: &str) -> Result<(), BadArguments<'_>> {
    if arguments.chars().any(char::is_control) {
        return Err(BadArguments::ControlCharacter);
    }
    let taken = |word: &&str| matches!(*word, "||" | "&&" | ";") || word.starts_with('#');
    match arguments.split_whitespace().find(taken) {
        Some(word) => Err(BadArguments::Word(word)),
        None => Ok(()),
    }
}

/// The script for `machine`: whole, for every profile but a script of the user's own, which is
/// served as it is (`None`).
pub fn script(machine: &Machine, profile: &Profile, at: &Web) -> Option<String> {
    let mut script = format!("#!ipxe\n# pxed, for {}\n", machine.hardware);
    match profile {
        Profile::Script(_) => return None,
        Profile::Nothing => script.push_str(NOTHING),
        Profile::Image(_) => script.push_str(IMAGE),
        Profile::Program(url) => {
            line(&mut script, format_args!("chain {url} || goto failed"));
        }
        Profile::Linux { kernel, initrds, arguments } => {
            let url = at.url(machine, &**kernel);
            line(
                &mut script,
                format_args!("kernel {url}{} || goto failed", words(initrds, arguments)),
            );
            for initrd in initrds {
                let (name, url) = (base_name(initrd), at.url(machine, &**initrd));
                line(&mut script, format_args!("initrd --name {name} {url} || goto failed"));
            }
            script.push_str("boot || goto failed\n");
        }
    }
    script.push_str(FAILED);
    Some(script)
}

/// The kernel's arguments. An EFI stub finds its initial file systems by the names that iPXE keeps
/// them under; a BIOS kernel gets them from iPXE and ignores the words.
fn words(initrds: &[String], arguments: &str) -> String {
    let mut words: String =
        initrds.iter().map(|initrd| format!(" initrd={}", base_name(initrd))).collect();
    for word in arguments.split_whitespace() {
        words.push(' ');
        words.push_str(word);
    }
    words
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn line(script: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String can not fail.
    let _ = writeln!(script, "{text}");
}

/// The script that iPXE looks for where it was loaded from, and runs in place of a boot file that DHCP
/// names.
pub const AUTOEXEC: &str = "autoexec.ipxe";

/// That script, for machines that get their address from another server. iPXE takes an address as
/// soon as it is offered one and has waited for long enough, and a proxy offer that comes later is
/// lost: so it asks again until it has heard of `server`, and never takes another one's boot file.
/// It has no other way to its script: only DHCP knows which one a machine is to run.
pub fn autoexec(server: Ipv4Addr) -> String {
    let mut script = "#!ipxe\n# pxed, beside a server that gives addresses\n".to_owned();
    script.push_str("set tries:int32 0\n:ask\ndhcp || goto again\n");
    let offered = "${proxydhcp/dhcp-server}";
    line(&mut script, format_args!("iseq {offered} {server} && goto offered ||"));
    script.push_str(":again\ninc tries\n");
    line(&mut script, format_args!("echo pxed: no word from {server} yet"));
    line(&mut script, format_args!("iseq ${{tries}} {AUTOEXEC_TRIES} && goto failed ||"));
    script.push_str("sleep 1\ngoto ask\n:offered\nchain ${proxydhcp/filename} || goto failed\n");
    script.push_str(FAILED);
    script
}

/// How often a machine asks: within a minute, a proxy offer gets lost so often only if none comes.
const AUTOEXEC_TRIES: u32 = 10;

const NOTHING: &str = "\
echo pxed: nothing is configured for this machine to boot.
echo pxed: name a profile by boot = in its file, or give it --kernel and --initrd, or --script.
goto failed
";

/// iPXE could attach an image by the BIOS's or UEFI's disk interface, which an operating system in it
/// does not find again once it runs drivers of its own.
const IMAGE: &str = "\
echo pxed: this machine's profile is an image, which only the firmware's HTTP Boot can boot.
echo pxed: switch UEFI HTTP Boot on in its setup, or give it another profile by boot =.
goto failed
";

/// A non-zero exit lets the firmware go on to its next boot device; zero would stop UEFI there.
const FAILED: &str = "
:failed
echo pxed: this did not boot; trying the next boot device in 10 seconds
sleep 10
exit 1
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Scheme;
    use crate::net::Mac;
    use std::net::SocketAddrV4;

    fn rendered(profile: &Profile) -> Option<String> {
        let server = Ipv4Addr::new(10, 0, 0, 1);
        let at = Web { scheme: Scheme::Http, address: SocketAddrV4::new(server, 8067) };
        script(&Machine::from(Mac([2, 0, 0, 0, 0, 1])), profile, &at)
    }

    #[test]
    fn linux_with_two_initrds() {
        let script = rendered(&Profile::Linux {
            kernel: "profile/vmlinuz".to_owned(),
            initrds: vec!["profile/initrd.gz".to_owned(), "profile/extra.cpio".to_owned()],
            arguments: "console=ttyS0  quiet".to_owned(),
        })
        .unwrap();
        let base = "http://10.0.0.1:8067/machine/02-00-00-00-00-01/profile";
        let expected = [
            "#!ipxe".to_owned(),
            "# pxed, for 02:00:00:00:00:01".to_owned(),
            format!(
                "kernel {base}/vmlinuz initrd=initrd.gz initrd=extra.cpio console=ttyS0 quiet \
                 || goto failed"
            ),
            format!("initrd --name initrd.gz {base}/initrd.gz || goto failed"),
            format!("initrd --name extra.cpio {base}/extra.cpio || goto failed"),
            "boot || goto failed".to_owned(),
        ];
        assert!(script.starts_with(&expected.join("\n")), "{script}");
        assert!(script.ends_with("exit 1\n"), "zero would end UEFI's boot order");
    }

    #[test]
    fn every_profile_but_the_users_script_is_written_here() {
        assert!(rendered(&Profile::Nothing).unwrap().contains("nothing is configured"));
        let image = Profile::Image("profile/live.iso".into());
        assert!(rendered(&image).unwrap().contains("only the firmware's HTTP Boot can boot.\n"));
        let program = Profile::Program("tftp://10.0.0.9/pxelinux.0".to_owned());
        assert!(rendered(&program).unwrap().contains("chain tftp://10.0.0.9/pxelinux.0 ||"));
        assert_eq!(rendered(&Profile::Script("profile/mine.ipxe".to_owned())), None);
    }

    #[test]
    fn arguments_that_ipxe_would_take_for_itself() {
        assert_eq!(check_arguments("console=ttyS0 a=b;c d=#e x=${mac}"), Ok(()));
        assert_eq!(check_arguments("a || b"), Err(BadArguments::Word("||")));
        assert_eq!(check_arguments("a #b"), Err(BadArguments::Word("#b")));
        assert_eq!(check_arguments("a\nexit"), Err(BadArguments::ControlCharacter));
    }

    #[test]
    fn item_147_ipxe_asks_again_until_it_has_heard_the_proxy() {
        let script = autoexec(Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(
            script,
            "#!ipxe\n# pxed, beside a server that gives addresses\nset tries:int32 0\n:ask\n\
             dhcp || goto again\niseq ${proxydhcp/dhcp-server} 10.0.0.1 && goto offered ||\n\
             :again\ninc tries\necho pxed: no word from 10.0.0.1 yet\n\
             iseq ${tries} 10 && goto failed ||\nsleep 1\ngoto ask\n:offered\n\
             chain ${proxydhcp/filename} || goto failed\n\n:failed\n\
             echo pxed: this did not boot; trying the next boot device in 10 seconds\n\
             sleep 10\nexit 1\n"
        );
    }
}
