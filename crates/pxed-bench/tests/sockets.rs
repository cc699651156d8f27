//! The program against the null responder, by UDP on loopback and by frames on a cable.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "tests")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use pxed_bench::{Null, Port};
use serde_json::Value;

const SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A responder in a thread of its own.
struct Responder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Null>,
}

impl Responder {
    /// Says at which UDP port, if it is one.
    fn start(open: impl FnOnce() -> Port + Send + 'static) -> (Self, u16) {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (ready, is_ready) = channel();
        let thread = spawn(move || {
            let mut port = open();
            ready.send(port.local().map_or(0, |local| local.port())).unwrap();
            let mut null = Null::new(SERVER, 0);
            while !stopped.load(Ordering::Relaxed) {
                if null.serve(&mut port) == 0 {
                    sleep(Duration::from_micros(100));
                }
            }
            null
        });
        (Self { stop, thread }, is_ready.recv().unwrap())
    }

    fn stop(self) -> Null {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// What `pxed-bench dhcp` says with these flags. Machines wait long: the computer may be busy.
fn bench(flags: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pxed-bench"));
    command.args(["dhcp", "--json", "--timeout", "60", "--count", "300"]);
    let output = command.args(flags.split_whitespace()).output().unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{flags}: {complained}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_complete(report: &Value) {
    assert_eq!(report["started"], 300, "{report}");
    assert_eq!(report["completed"], 300, "{report}");
    assert_eq!(report["shared_addresses"], 0, "{report}");
    assert_eq!(report["generator"]["send_errors"], 0, "{report}");
    assert_eq!(report["generator"]["overflowed"], 0, "{report}");
    let latency = |name: &str| report["exchange"][name].as_f64().unwrap();
    assert!(latency("min") > 0.0 && latency("min") <= latency("p50"), "{report}");
    assert!(latency("p50") <= latency("p9999") && latency("p9999") <= latency("max"), "{report}");
}

#[test]
fn a_few_hundred_exchanges_by_udp() {
    let open = || Port::udp(SocketAddrV4::new(SERVER, 0)).unwrap();
    let (responder, port) = Responder::start(open);
    let to = format!("--server {SERVER} --port {port} --relay {SERVER} --relay-port 0");
    for (pace, leases) in [("--in-flight 8", 300), ("--rate 3000 --machines 200", 200)] {
        let report = bench(&format!("{to} {pace}"));
        assert_complete(&report);
        assert_eq!(report["leases"], leases, "{report}");
    }
    let null = responder.stop();
    assert_eq!((null.seen, null.dropped), (1200, 0));
}

#[test]
fn a_few_hundred_exchanges_by_frames() {
    const INSIDE: &str = "PXED_BENCH_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_none() {
        return in_a_namespace(INSIDE, "a_few_hundred_exchanges_by_frames");
    }
    for command in ["link add srv type veth peer name cli", "link set srv up", "link set cli up"] {
        assert!(Command::new("ip").args(command.split(' ')).status().unwrap().success());
    }
    let (responder, _) = Responder::start(|| Port::frames("srv", 67).unwrap());
    for flags in ["--in-flight 8", "--in-flight 8 --broadcast --firmware ipxe"] {
        assert_complete(&bench(&format!("--interface cli {flags}")));
    }
    assert_eq!(responder.stop().seen, 1200);
}

/// Runs a test of this program in a network namespace of its own, or says why it can not.
fn in_a_namespace(inside: &str, test: &str) {
    let unshare = |command: &[&str]| {
        let user = (!nix::unistd::geteuid().is_root()).then_some("--map-root-user");
        let mut unshare = Command::new("unshare");
        unshare.arg("--net").args(user).args(command).env(inside, "1").output()
    };
    match unshare(&["ip", "link"]) {
        Ok(output) if output.status.success() => {}
        failed => {
            assert!(std::env::var_os("CI").is_none(), "no namespaces here: {failed:?}");
            return eprintln!("NOT TESTED: {test}: no namespaces here: {failed:?}");
        }
    }
    let program = std::env::current_exe().unwrap();
    let output = unshare(&[program.to_str().unwrap(), "--exact", test, "--nocapture"]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(passed, "in its namespace, {test} failed:\n{said}{complained}");
}
