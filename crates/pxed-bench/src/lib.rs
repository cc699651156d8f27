//! A load generator for DHCP servers: a rack, or a data centre, of machines that want an address.
//!
//! It is open loop: when a machine asks is decided by the schedule and not by the server's answers,
//! and every latency counts from when a message was to be sent. A server that stalls is therefore
//! charged for all that would have asked meanwhile.
//!
//! [`Engine`] is all machines' state, without a socket or a clock; [`drive()`] gives it both.
//! [`Null`] answers everything and remembers nothing: what the generator does against it is the
//! generator's own ceiling.

#![forbid(unsafe_code)]

mod drive;
mod engine;
mod machine;
mod message;
mod null;
mod pace;
mod report;
mod socket;
mod tally;
mod timers;

pub use drive::{Clock, drive, pin};
pub use engine::{Engine, Exchange, Plan};
pub use message::{Client, Firmware};
pub use null::Null;
pub use pace::Pace;
pub use report::{Latency, Report};
pub use socket::{Path, Port};
pub use tally::Tally;
