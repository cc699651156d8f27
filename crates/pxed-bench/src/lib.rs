//! A load generator for boot servers: a rack, or a data centre, of machines that want an address and
//! files.
//!
//! It is open loop: when a machine asks is decided by the schedule and not by the server's answers,
//! and every latency counts from when a message was to be sent. A server that stalls is therefore
//! charged for all that would have asked meanwhile.
//!
//! [`Engine`] is all machines' state, without a socket or a clock; [`drive()`] gives it both. So are
//! [`Storm`] (whole boots) and [`Download`] (one file by TFTP), to which [`World`] and [`Clients`] do.
//! [`Null`] answers everything and remembers nothing: what the generator does against it is the
//! generator's own ceiling.

#![forbid(unsafe_code)]

mod bad_network;
mod download;
mod drive;
mod engine;
mod fetch;
mod machine;
mod message;
mod null;
mod pace;
mod report;
mod response;
mod socket;
mod storm;
mod tally;
mod tftp;
mod timers;
mod watch;

pub use bad_network::BadNetwork;
pub use download::{Download, Failure, Wanted};
pub use drive::{Clock, drive, pin};
pub use engine::{Ended, Engine, Exchange, Plan};
pub use fetch::{Fetch, FetchReport};
pub use message::{Client, Firmware};
pub use null::Null;
pub use pace::Pace;
pub use report::{Latency, Report};
pub use response::{Response, request};
pub use socket::{Path, Port};
pub use storm::{Command, Effort, Marks, Phase, Rack, Storm, StormReport, World};
pub use tally::Tally;
pub use tftp::{Clients, TftpReport};
