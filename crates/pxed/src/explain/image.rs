//! A profile that is an image: which firmware boots it, and what the others get.

use pxed_proto::boot::{Decision, decide};
use pxed_proto::catalog::{Catalog, Profile};
use pxed_proto::dhcp::Found;
use pxed_proto::machine::Firmware;

/// Is the image booted by the machine's firmware, without iPXE? Nothing where no image is its profile,
/// or it boots none of its profiles.
pub(super) fn is_booted(found: &Found<'_>, catalog: &Catalog) -> Option<bool> {
    let wishes = found.entitled.wishes(found.firmware);
    let Profile::Image(image) = catalog.profile(wishes.profile.map(|name| &**name)) else {
        return None;
    };
    match decide(found.firmware, &wishes, catalog) {
        Decision::BootFile(file) => Some(file == image),
        Decision::Loader(_) | Decision::Script(_) => Some(false),
        Decision::NotBooting | Decision::OwnFiles | Decision::NoLoader(_) => None,
    }
}

/// Why the image is not what the machine gets.
pub(super) fn note(found: &Found<'_>, catalog: &Catalog) -> Option<String> {
    let note = match (is_booted(found, catalog)?, found.firmware) {
        (true, _) => return None,
        (false, Firmware::HttpBoot(_)) => {
            "its profile is an image, and its bootfile goes before it"
        }
        (false, _) => "its profile is an image, which only UEFI HTTP Boot boots: iPXE can not",
    };
    Some(note.to_owned())
}
