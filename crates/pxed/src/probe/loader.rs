//! What a boot file is, by its first octets.

use std::fmt;

/// Kinds of files that machines are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// A UEFI program (PE/COFF), for the processors with this number (PE format, "machine types").
    Efi(u16),
    /// An iPXE script.
    Script,
    /// A page or another text: what proxies and web servers say instead of the file.
    Page,
    /// An ELF program or kernel, which no firmware loads.
    Elf,
    /// It has no octets.
    Empty,
    /// None of these: what BIOS boot programs look like.
    Other,
}

/// The machine type of x64.
pub const EFI_X64: u16 = 0x8664;

/// The machine type of EFI byte code, which every processor runs.
pub const EFI_BYTE_CODE: u16 = 0x0ebc;

impl Loader {
    /// Looks at the beginning of a file. What ends before its PE header is told by its first letters.
    pub fn of(head: &[u8]) -> Self {
        let text = head.trim_ascii_start();
        match head {
            [] => Self::Empty,
            [b'M', b'Z', ..] => machine_type(head).map_or(Self::Other, Self::Efi),
            [0x7f, b'E', b'L', b'F', ..] => Self::Elf,
            _ if text.starts_with(b"#!ipxe") => Self::Script,
            [b'<', ..] | [b'{', b'"', ..] => Self::Page,
            _ if text.starts_with(b"<!") || text.starts_with(b"<html") => Self::Page,
            _ => Self::Other,
        }
    }
}

/// Of a PE file: at the offset that stands at 0x3c, "PE\0\0" and the machine type.
fn machine_type(head: &[u8]) -> Option<u16> {
    let at = head.get(0x3c..)?.first_chunk().map(|octets| u32::from_le_bytes(*octets))?;
    let header = head.get(usize::try_from(at).ok()?..)?;
    let [b'P', b'E', 0, 0, low, high] = *header.first_chunk()? else { return None };
    Some(u16::from_le_bytes([low, high]))
}

impl fmt::Display for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processor = match self {
            Self::Efi(machine) => machine,
            Self::Script => return f.write_str("an iPXE script"),
            Self::Page => return f.write_str("a web page or other text"),
            Self::Elf => return f.write_str("an ELF program"),
            Self::Empty => return f.write_str("empty"),
            Self::Other => return f.write_str("no UEFI program (a BIOS one?)"),
        };
        let processor = match *processor {
            EFI_X64 => "x64",
            0x014c => "IA32",
            0xaa64 => "arm64",
            0x01c0 | 0x01c2 | 0x01c4 => "arm32",
            0x5032 => "RISC-V 32",
            0x5064 => "RISC-V 64",
            0x6232 => "LoongArch 32",
            0x6264 => "LoongArch 64",
            EFI_BYTE_CODE => "every processor (EFI byte code)",
            other => return write!(f, "a UEFI program for machine type {other:#06x}"),
        };
        write!(f, "a UEFI program for {processor}")
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The beginning of a UEFI program.
    pub fn efi(machine: u16) -> Vec<u8> {
        let mut head = vec![0; 512];
        head[..2].copy_from_slice(b"MZ");
        head[0x3c] = 0x80;
        head[0x80..0x84].copy_from_slice(b"PE\0\0");
        head[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
        head
    }

    #[test]
    fn files_are_known_by_their_first_octets() {
        let far = {
            let mut head = efi(EFI_X64);
            head[0x3d] = 9; // beyond what was read
            head
        };
        for (head, loader, text) in [
            (efi(EFI_X64), Loader::Efi(EFI_X64), "a UEFI program for x64"),
            (efi(0xaa64), Loader::Efi(0xaa64), "a UEFI program for arm64"),
            (efi(7), Loader::Efi(7), "a UEFI program for machine type 0x0007"),
            (far, Loader::Other, "no UEFI program (a BIOS one?)"),
            (b"MZ".to_vec(), Loader::Other, "no UEFI program (a BIOS one?)"),
            (b"\x7fELF\x02".to_vec(), Loader::Elf, "an ELF program"),
            (b"#!ipxe\n".to_vec(), Loader::Script, "an iPXE script"),
            (b"\n<!DOCTYPE html>".to_vec(), Loader::Page, "a web page or other text"),
            (b"".to_vec(), Loader::Empty, "empty"),
            (b"\xea\x05\0\xc0\x07".to_vec(), Loader::Other, "no UEFI program (a BIOS one?)"),
        ] {
            assert_eq!(
                (Loader::of(&head), Loader::of(&head).to_string()),
                (loader, text.to_owned())
            );
        }
    }
}
