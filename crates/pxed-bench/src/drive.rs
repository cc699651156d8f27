//! One thread between the engine, a socket and the clock.

use std::net::SocketAddrV4;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::time::TimeSpec;
use nix::unistd::Pid;
use pxed_proto::net::Mac;

use crate::engine::Engine;
use crate::socket::{Path, Port};

/// Sleeping is not exact: what is due sooner is waited for awake.
const AWAKE: u64 = 100_000;

/// The longest sleep.
const SLEEP_MAX: u64 = 100_000_000;

/// Nanoseconds since its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// It is zero now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time.
    pub fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Runs `engine` to its end; says how many nanoseconds it took, and how many of these there was
/// nothing to do. `server` is where datagrams go; frames go to everybody.
pub fn drive(engine: &mut Engine, port: &mut Port, server: Option<SocketAddrV4>) -> (u64, u64) {
    let clock = Clock::start();
    let mut message = Vec::new();
    let (mut now, mut free) = (0, 0);
    while !engine.is_over(now) {
        while port.has_room() {
            let Some(mac) = engine.next(now, &mut message) else { break };
            port.queue(&server.map_or_else(|| broadcast_of(mac), Path::Udp), &message);
        }
        let sent = port.flush();
        let arrived = clock.now();
        let received = port.receive(|_, datagram| {
            engine.received(arrived, datagram);
        });
        if sent + received == 0 {
            sleep(port, engine.wakes(now).unwrap_or(u64::MAX).saturating_sub(now));
        }
        let before = std::mem::replace(&mut now, clock.now());
        if sent + received == 0 {
            free += now - before;
        }
    }
    (now, free)
}

/// A frame of a machine that has no address.
pub(crate) fn broadcast_of(mac: Mac) -> Path {
    Path::Frame {
        source_mac: mac,
        destination_mac: Mac::BROADCAST,
        source: SocketAddrV4::new([0, 0, 0, 0].into(), 68),
        destination: SocketAddrV4::new([255; 4].into(), 67),
    }
}

/// Sleeps until something comes in or the time is near.
fn sleep(port: &Port, nanoseconds: u64) {
    if nanoseconds < AWAKE {
        return;
    }
    let nanoseconds = i64::try_from((nanoseconds - AWAKE / 2).min(SLEEP_MAX)).unwrap_or(0);
    let mut wait = [PollFd::new(port.as_fd(), PollFlags::POLLIN)];
    let _ = ppoll(&mut wait, Some(TimeSpec::new(0, nanoseconds)), None);
}

/// Keeps this thread on one core.
///
/// # Errors
///
/// There is no such core.
pub fn pin(core: usize) -> nix::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores)
}
