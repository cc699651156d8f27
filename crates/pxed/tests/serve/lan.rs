//! A cable between two network namespaces: the machines' end is here, pxed's elsewhere.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use crate::machine::Machine;
use crate::process::Pxed;

/// What does not happen within this time does not happen: machines are busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What pxed is told where a test says nothing else.
pub const RANGE: &str = "192.168.77.100-192.168.77.109";

/// How a line begins that a story that has passed leaves behind.
pub const MEASURED: &str = "measured: ";

const INSIDE: &str = "PXED_TEST_STORY";

/// Both ends of a second cable are `srv2` and `cli2`.
const SECOND_NETWORK: [&str; 3] = ["srv2", "cli2", "192.168.88.1/24"];

/// Runs `body`, which is what test `module::test` does, in namespaces, or says why it can not.
pub fn story(module: &str, test: &str, body: impl FnOnce(&Lan)) {
    if std::env::var_os(INSIDE).is_some() {
        return body(&Lan::new());
    }
    let (_, module) = module.split_once("::").unwrap();
    let name = format!("{module}::{test}");
    let unshare = |command: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--net"]).args((!geteuid().is_root()).then_some("--map-root-user"));
        unshare.args(command).env(INSIDE, "1").output()
    };
    match unshare(&["ip", "link"]) {
        Ok(output) if output.status.success() => {}
        // Past the test harness, which keeps what passing tests print.
        failed => {
            let text = format!("\nNOT TESTED: {name}: no namespaces here: {failed:?}\n");
            assert!(std::env::var_os("CI").is_none(), "{text}");
            return std::io::stderr().write_all(text.as_bytes()).unwrap();
        }
    }
    let program = std::env::current_exe().unwrap();
    let child = [
        program.to_str().unwrap(),
        "--exact",
        &name,
        "--test-threads=1",
        "--nocapture",
        "--include-ignored",
    ];
    let output = unshare(&child).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(passed, "in its namespace, {name} failed:\n{said}{complained}");
    let out = &mut std::io::stdout();
    let measured = said.lines().filter(|line| line.starts_with(MEASURED));
    measured.for_each(|line| writeln!(out, "{line}").unwrap());
}

/// The network of one test, and a directory for its files.
pub struct Lan {
    /// Where pxed is.
    there: Namespace,
    dir: tempfile::TempDir,
}

/// A network namespace, as long as the standard input of its keeper is open.
pub struct Namespace {
    keeper: Child,
}

impl Lan {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lan = Self { there: Namespace::new(), dir };
        run("ip link set lo up");
        lan.network();
        lan
    }

    /// Lays the cable: `srv` has 192.168.77.1. A test that has cut it may do so again.
    pub fn network(&self) {
        self.cable("srv", "cli", "192.168.77.1/24");
    }

    /// Lays a second cable: `srv2` has 192.168.88.1.
    pub fn second_network(&self) {
        let [there, here, address] = SECOND_NETWORK;
        self.cable(there, here, address);
    }

    fn cable(&self, there: &str, here: &str, address: &str) {
        let keeper = self.there.keeper.id();
        run(&format!("ip link add {here} type veth peer name {there} netns {keeper}"));
        run(&format!("ip link set {here} up"));
        self.over_there(&format!("ip address add {address} dev {there}"));
        self.over_there(&format!("ip link set {there} up"));
        let up = || output(&format!("ip -br link show {here}")).contains(" UP ");
        wait_until("the cable is dead", up);
    }

    /// A machine in a namespace of its own that has an address of its own, on the same network.
    pub fn stranger(&self, address: &str) -> Namespace {
        let there = Namespace::new();
        let keeper = there.keeper.id();
        run("ip link add bridge type bridge");
        run(&format!("ip link add port type veth peer name eth0 netns {keeper}"));
        for port in ["cli", "port"] {
            run(&format!("ip link set {port} master bridge"));
            run(&format!("ip link set {port} up"));
        }
        // What is for machines that the bridge does not know is theirs all the same.
        run("ip link set bridge up promisc on");
        there.run(&format!("ip address add {address} dev eth0"));
        there.run("ip link set eth0 up");
        wait_until("the port is dead", || output("ip -br link show port").contains(" UP "));
        there
    }

    /// The words that come before a command that is to run at pxed's end.
    pub fn way_there(&self) -> [String; 2] {
        self.there.way_in()
    }

    /// Runs a command at pxed's end.
    pub fn over_there(&self, command: &str) {
        self.there.run(command);
    }

    /// A file of the test's own.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Where the test's files are.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// pxed on `srv`, with further flags; it is ready.
    pub fn pxed(&self, flags: &str) -> Pxed {
        let pxed = self.start(&format!("-i srv --mode full --range {RANGE} {flags}"));
        pxed.says(&["INFO", "ready"]);
        pxed
    }

    /// pxed with these flags and a state directory, whatever becomes of it.
    pub fn start(&self, flags: &str) -> Pxed {
        Pxed::start(self, &[], flags)
    }

    /// A machine with this number in its MAC address.
    pub fn machine(&self, number: u8) -> Machine {
        Machine::new("cli", number)
    }

    /// A machine on a network that has a stranger.
    pub fn machine_beside_stranger(&self, number: u8) -> Machine {
        Machine::new("bridge", number)
    }

    /// A machine on the second network.
    pub fn machine_on_second_network(&self, number: u8) -> Machine {
        Machine::new(SECOND_NETWORK[1], number)
    }
}

impl Namespace {
    fn new() -> Self {
        let mut keeper = Command::new("unshare");
        keeper.args(["--net", "sh", "-c", "echo; exec cat"]);
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        let namespace = Self { keeper };
        namespace.run("ip link set lo up");
        namespace
    }

    fn way_in(&self) -> [String; 2] {
        ["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.keeper.id())]
    }

    fn run(&self, command: &str) {
        run(&format!("{} {command}", self.way_in().join(" ")));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Runs a command that must succeed.
pub fn run(command: &str) {
    output(command);
}

fn output(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {complained}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Asks again and again.
pub fn wait_until(otherwise: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "{otherwise}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
