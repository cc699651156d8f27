//! What is true about the protocols of network boot: DHCP (RFC 2131), PXE, TFTP (RFC 1350) and
//! iPXE scripts. No IO, no clock, no randomness, no unsafe: bytes and a [`Timestamp`] go in, bytes
//! and an [`event::Event`] come out, and the program `pxed` stands between this crate and the world.
//!
//! Read it in the order of a boot:
//!
//! 1. [`wire`] is the only place that touches bytes.
//! 2. [`machine`] says who is asking: a machine and the firmware that runs on it now.
//! 3. [`catalog`] holds what there is to boot, [`boot::decide`] chooses. There is one decision, and
//!    DHCP, TFTP and HTTP all ask it.
//! 4. [`dhcp::Server`] plans and applies one datagram; [`tftp::Transfer`] sends one file.
//! 5. [`ipxe`] writes the script that takes the machine to its kernel, [`grub`] the configuration.
//!
//! Everything that happens is an [`event::Event`], also every datagram that deserves no answer.
//! Everything that grows has a bound in [`limits`].

#![forbid(unsafe_code)]

pub mod boot;
pub mod catalog;
pub mod dhcp;
pub mod event;
mod few;
pub mod grub;
pub mod ipxe;
pub mod limits;
pub mod machine;
pub mod net;
pub mod text;
pub mod tftp;
pub mod time;
pub mod wire;

pub use few::Few;
pub use time::Timestamp;
