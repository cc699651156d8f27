//! PXE's vendor options: the encapsulated options of option 43 (PXE specification 2.1, table 2-1).

/// Sub-options of option 43, when option 60 says PXEClient.
pub mod code {
    /// PXE_DISCOVERY_CONTROL, one octet of bits.
    pub const DISCOVERY_CONTROL: u8 = 6;
    /// The end of the encapsulated options; some ROMs read on without it.
    pub const END: u8 = 255;
}

/// PXE_DISCOVERY_CONTROL bit 3: download the boot file that this message names, with no discovery
/// of boot servers and no menu.
pub const DISCOVERY_USE_BOOT_FILE: u8 = 0x08;

/// Option 43 of an offer that names its boot file: nothing else is to be discovered, so no
/// firmware asks at port 4011.
pub const USE_BOOT_FILE: [u8; 4] = [code::DISCOVERY_CONTROL, 1, DISCOVERY_USE_BOOT_FILE, code::END];
