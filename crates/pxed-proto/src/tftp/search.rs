//! Boot loaders that try many names for their configuration, from the most special to the one that
//! is everybody's: what is not there on the way is no news.

/// A name in such a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Others come after it, if it is not there.
    OneOfMany,
    /// None does.
    Last,
}

/// Where in a sequence `file` stands, if it is of one.
///
/// pxelinux asks in `pxelinux.cfg/` for the machine's UUID, its MAC (`01-52-54-00-…`), its address in
/// hexadecimal digits, of which it takes away one after another, and `default`. GRUB asks for
/// `grub.cfg-01-…`, the same digits behind `grub.cfg-`, and `grub.cfg`.
pub fn step(file: &[u8]) -> Option<Step> {
    let mut parts = file.rsplit(|octet| [b'/', b'\\'].contains(octet));
    let (name, directory) = (parts.next()?, parts.next());
    match (directory, name) {
        (Some(b"pxelinux.cfg"), b"default") | (_, b"grub.cfg") => Some(Step::Last),
        (Some(b"pxelinux.cfg"), _) => Some(Step::OneOfMany),
        (_, name) if name.starts_with(b"grub.cfg-") => Some(Step::OneOfMany),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences() {
        for (file, expected) in [
            ("pxelinux.cfg/b8945908-d6a6-41a9-611d-74a6ab80b83d", Some(Step::OneOfMany)),
            ("/boot/pxelinux.cfg/01-88-99-aa-bb-cc-dd", Some(Step::OneOfMany)),
            ("pxelinux.cfg\\C0A8025B", Some(Step::OneOfMany)),
            ("pxelinux.cfg/C", Some(Step::OneOfMany)),
            ("pxelinux.cfg/default", Some(Step::Last)),
            ("grub/grub.cfg-01-88-99-aa-bb-cc-dd", Some(Step::OneOfMany)),
            ("grub.cfg-C0A8", Some(Step::OneOfMany)),
            ("/grub/grub.cfg", Some(Step::Last)),
            ("default", None),
            ("pxelinux.0", None),
            ("pxelinux.cfg", None),
            ("", None),
        ] {
            assert_eq!(step(file.as_bytes()), expected, "{file}");
        }
    }
}
