//! pxed as its user drives it: the binary on one end of a cable, and on the other machines that
//! boot. Each test runs once more, alone, in network namespaces of its own; without root in a user
//! namespace as well.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod boots;
mod config;
mod conflicts;
mod control;
mod crashes;
mod explain;
mod explained;
mod fetch;
mod flood;
mod interfaces;
mod keys;
mod lan;
mod leases;
mod logs;
mod machine;
mod others;
mod process;
mod proxy;
mod quirks;
mod refusals;
mod reload;
mod written;
