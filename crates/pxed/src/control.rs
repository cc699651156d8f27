//! The control socket: how an operator asks a running pxed, and what it is told.
//!
//! A unix socket in the state directory takes one JSON object a line and answers with lines of the
//! same kind; docs/control.md is its description. [`protocol`] says what can be asked and what the
//! answers look like, [`server`] answers, [`client`] asks for the commands of the command line, and
//! [`table`] and [`quirks`] make their answers readable.

mod answers;
mod client;
mod protocol;
mod quirks;
mod server;
mod socket;
mod table;
mod values;

pub use answers::InterfaceStatus;
pub use client::{ControlError, Question, ask};
pub use protocol::{Events, Explain, Forget, Leases, Release, Request};
pub use server::{Desk, serve};
pub use socket::{Bound, bind};
pub use values::{mac, subnet};
