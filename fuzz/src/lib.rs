//! What the fuzz targets share.

pub mod shape;
pub mod world;

/// Octets from which a target reads what is to happen. Whatever they are, they mean something, and
/// what stands early means the same whatever stands behind it: small changes of the octets are small
/// changes of what happens.
#[derive(Clone, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next octet.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// The next two octets.
    pub fn word(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// As many octets as the next two say, but not more than there are, and not more than `most`.
    pub fn slice(&mut self, most: usize) -> &'a [u8] {
        let wanted = usize::from(self.word().unwrap_or_default()).min(most);
        let (slice, rest) = self.0.split_at(wanted.min(self.0.len()));
        self.0 = rest;
        slice
    }
}

/// Is it fit for a log line and a terminal: printable ASCII, or the sign that something was cut?
pub fn is_legible(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ' '..='~' | '…'))
}
