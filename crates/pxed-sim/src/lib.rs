//! Model firmwares boot against the real state machines of [`pxed_proto`], over a bad LAN, in
//! virtual time. The conversation that they print is the test and the documentation: read
//! `tests/transcripts/`.
//!
//! - [`world`] is the loop: what happens next, and to whom.
//! - [`lan`] carries datagrams, loses them, doubles them, holds them up.
//! - [`server`] is pxed as its driver runs it, with a model store that can fail and crash.
//! - [`firmware`] has the models; a [`machine`] runs one, and what that one loads after it.
//! - [`other`] is a DHCP server of somebody else, where pxed serves beside one.
//! - [`checker`] holds the invariants; [`transcript`] writes the story down.
//!
//! Everything follows from a seed, so a failure is a number.

#![forbid(unsafe_code)]
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a model may be short: what is wrong in it stops a test, not a server"
)]

pub mod checker;
pub mod files;
pub mod firmware;
pub mod lan;
pub mod machine;
pub mod other;
pub mod queue;
pub mod random;
pub mod server;
pub mod site;
pub mod transcript;
pub mod world;
