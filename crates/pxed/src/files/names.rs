//! What a name from the network may mean.

use std::borrow::Cow;

use pxed_proto::limits;
use pxed_proto::net::Mac;

use super::OpenError;

/// Names beneath this belong to the profiles: a file of that name in the boot directory must not
/// take a kernel's place.
pub const PROFILE_PREFIX: &[u8] = b"profile/";

pub const OUTSIDE: OpenError = OpenError::Illegal("outside of the boot directory");

/// The name without what firmware and people put around it: leading and doubled slashes,
/// backslashes for slashes, `.` and `..`.
pub fn normalized(name: &[u8]) -> Result<Vec<u8>, OpenError> {
    if name.len() > limits::FILE_NAME_MAX {
        return Err(OpenError::Illegal("the file name is too long"));
    }
    if name.contains(&0) {
        return Err(OpenError::Illegal("the file name has a NUL in it"));
    }
    let mut parts = Vec::new();
    for part in name.split(|byte| matches!(byte, b'/' | b'\\')) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop().ok_or(OUTSIDE)?),
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { Err(OpenError::Illegal("no file name")) } else { Ok(parts.join(&b'/')) }
}

/// Where what a machine asks for as `name`, which is [`normalized`], is looked for, in order: in a
/// directory of its own, where it says, and without the directory that a Raspberry Pi asks for
/// first, so that such a directory need only have what is different there.
pub fn of_machine(name: &[u8], machine: Option<Mac>) -> Vec<Cow<'_, [u8]>> {
    let mut names = Vec::new();
    if let Some(mac) = machine.filter(|_| !name.starts_with(PROFILE_PREFIX)) {
        let own = mac.to_string().replace(':', "-");
        // pxelinux writes the hardware type, Ethernet's, in front.
        for directory in [own.clone(), format!("01-{own}")] {
            names.push([directory.as_bytes(), name].join(&b'/').into());
        }
    }
    names.push(name.into());
    let mut parts = name.splitn(2, |byte| *byte == b'/');
    if let (Some(directory), Some(rest)) = (parts.next(), parts.next())
        && is_of_one_machine(directory)
    {
        names.push(rest.into());
    }
    names
}

/// The last eight digits of a Raspberry Pi's serial number, or a MAC: what its boot loader puts in
/// front of every name (TFTP_PREFIX 0 and 2).
fn is_of_one_machine(directory: &[u8]) -> bool {
    let hexadecimal = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    let is_mac = || {
        let mut parts = directory.split(|byte| *byte == b'-');
        directory.len() == 17 && parts.all(|part| part.len() == 2 && hexadecimal(part))
    };
    directory.len() == 8 && hexadecimal(directory) || is_mac()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_have_directories_of_their_own() {
        let mac = Some(Mac([0x52, 0x54, 0, 0xab, 0, 1]));
        for (name, machine, names) in [
            ("a", None, &["a"][..]),
            ("a/b", mac, &["52-54-00-ab-00-01/a/b", "01-52-54-00-ab-00-01/a/b", "a/b"]),
            ("profile/vmlinuz", mac, &["profile/vmlinuz"]),
            ("9FFEfdef/start4.elf", None, &["9FFEfdef/start4.elf", "start4.elf"]),
            ("dc-a6-32-00-00-01/a/b", None, &["dc-a6-32-00-00-01/a/b", "a/b"]),
            ("deadbeef", None, &["deadbeef"]),
            ("deadbee/a", None, &["deadbee/a"]),
            ("deadbeeg/a", None, &["deadbeeg/a"]),
            ("dc-a6-32-00-00-0g/a", None, &["dc-a6-32-00-00-0g/a"]),
            ("dc-a6-32-00-00001/a", None, &["dc-a6-32-00-00001/a"]),
        ] {
            let expected: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(of_machine(name.as_bytes(), machine), expected, "{name}");
        }
    }
}
