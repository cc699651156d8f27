//! What tells one firmware from another.

use std::fmt;

use crate::limits;
use crate::machine::{Architecture, Firmware};
use crate::wire::dhcp::Message;
use crate::wire::options::code;

/// A firmware as its messages show it. Machines of one model have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// Option 60 without the version of UNDI, which an update changes and no behaviour: what is
    /// printable of it.
    pub vendor_class: String,
    /// What it says in option 93, or is known to be.
    pub architecture: Option<Architecture>,
    /// Option 55, in the order of the message.
    pub parameters: Vec<u8>,
}

impl Signature {
    /// Of the firmware that sent the message.
    pub fn of(message: &Message<'_>, firmware: Firmware) -> Self {
        let class = message.option(code::VENDOR_CLASS).unwrap_or_default();
        let architecture = firmware.architecture();
        let parameters = message.option(code::PARAMETER_REQUEST_LIST).unwrap_or_default();
        let parameters = parameters.iter().copied().take(limits::QUIRK_PARAMETERS_MAX).collect();
        Self { vendor_class: vendor_class(&class), architecture, parameters }
    }
}

/// `PXEClient:Arch:00007:UNDI` of `PXEClient:Arch:00007:UNDI:003016`.
fn vendor_class(value: &[u8]) -> String {
    let legal = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let text = value.iter().copied().filter(legal).take(limits::QUIRK_VENDOR_CLASS_MAX);
    let mut text: String = text.map(char::from).collect();
    if let Some((before, after)) = text.split_once(":UNDI:")
        && after.bytes().all(|byte| byte.is_ascii_digit())
    {
        text.truncate(before.len() + ":UNDI".len());
    }
    text
}

impl fmt::Display for Signature {
    /// `PXEClient:Arch:00007:UNDI, UEFI x64, asks for 1-3 5 6 12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.vendor_class)?;
        if let Some(architecture) = self.architecture {
            write!(f, ", {architecture}")?;
        }
        let mut rest = self.parameters.as_slice();
        let mut separator = ", asks for ";
        while let Some(&first) = rest.first() {
            let run = (first..=u8::MAX).zip(rest).take_while(|(n, option)| n == *option).count();
            let last = rest.get(run.saturating_sub(1)).unwrap_or(&first);
            match run {
                0 | 1 => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first}-{last}")?,
            }
            separator = " ";
            rest = rest.get(run.max(1)..).unwrap_or_default();
        }
        Ok(())
    }
}
