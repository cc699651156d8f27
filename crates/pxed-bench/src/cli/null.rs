//! `pxed-bench null`.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pxed_bench::{Clock, Null, Port};

use super::{nanoseconds, start};

#[derive(Debug, Args)]
pub(super) struct NullArgs {
    /// UDP at this address.
    #[arg(long, default_value = "0.0.0.0:67")]
    listen: SocketAddrV4,
    /// Frames of this interface instead.
    #[arg(long)]
    interface: Option<String>,
    /// Who it says that it is.
    #[arg(long, default_value = "10.0.0.1")]
    server_id: Ipv4Addr,
    /// Leaves every n-th request without an answer.
    #[arg(long, default_value_t = 0)]
    drop_every: u64,
    /// How many seconds it runs.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// The core to run on.
    #[arg(long)]
    cpu: Option<usize>,
}

pub(super) fn null(args: &NullArgs) -> io::Result<String> {
    start(args.cpu)?;
    let mut port = match &args.interface {
        Some(interface) => Port::frames(interface, 67)?,
        None => Port::udp(args.listen)?,
    };
    let mut null = Null::new(args.server_id, args.drop_every);
    let clock = Clock::start();
    let end = nanoseconds(args.seconds);
    while clock.now() < end {
        if null.serve(&mut port) == 0 {
            let mut wait = [PollFd::new(port.as_fd(), PollFlags::POLLIN)];
            poll(&mut wait, PollTimeout::from(100u8))?;
        }
    }
    Ok(format!("{} requests, {} left without an answer", null.seen, null.dropped))
}
