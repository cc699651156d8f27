//! A running pxed, and what it logs.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use crate::lan::{Lan, PATIENCE, wait_until};

/// A running pxed. Dropped, it is killed.
pub struct Pxed {
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Log {
    fn follow(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines() {
            self.lines.lock().unwrap().push(line.unwrap());
            self.more.notify_all();
        }
    }
}

impl Pxed {
    /// Starts it with `wrapper`'s words before it; a `--state-dir` among the flags takes the place
    /// of the usual one.
    pub fn start(lan: &Lan, wrapper: &[&str], flags: &str) -> Self {
        Self::heard(Self::command(lan, wrapper, flags))
    }

    /// Starts it with these flags, and none else.
    pub fn start_as_told(lan: &Lan, flags: &str) -> Self {
        Self::heard(Self::bare_command(lan, &[], flags))
    }

    fn heard(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let reader = thread::spawn({
            let (log, stderr) = (log.clone(), child.stderr.take().unwrap());
            move || log.follow(stderr)
        });
        Self { child, log, reader: Some(reader) }
    }

    /// Starts it with a log that nobody reads.
    pub fn start_unheard(lan: &Lan, flags: &str, stderr: Stdio) -> Self {
        let child = Self::command(lan, &[], flags).stderr(stderr).spawn().unwrap();
        Self { child, log: Arc::default(), reader: None }
    }

    fn command(lan: &Lan, wrapper: &[&str], flags: &str) -> Command {
        let mut command = Self::bare_command(lan, wrapper, flags);
        if !flags.contains("--state-dir") {
            command.arg("--state-dir").arg(lan.path().join("state"));
        }
        command
    }

    /// Each of the words becomes the next by exec, so the process is pxed's in the end. It ends
    /// with the test.
    fn bare_command(lan: &Lan, wrapper: &[&str], flags: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).args(lan.way_there()).args(wrapper);
        command.arg(env!("CARGO_BIN_EXE_pxed")).arg("serve").args(flags.split_whitespace());
        command
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of the log that has all of `words`, and returns it.
    pub fn says(&self, words: &[&str]) -> String {
        let has_all = |line: &&String| words.iter().all(|word| line.contains(word));
        let lines = self.log.lines.lock().unwrap();
        let silent = |lines: &mut Vec<String>| !lines.iter().any(|line| has_all(&line));
        let (lines, _) = self.log.more.wait_timeout_while(lines, PATIENCE, silent).unwrap();
        let found = lines.iter().find(has_all).cloned();
        found.unwrap_or_else(|| panic!("no {words:?} in the log:\n{}", lines.join("\n")))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lines.lock().unwrap().join("\n")
    }

    pub fn signal(&self, signal: &str) {
        // The shell has a kill of its own; a small system may have no other.
        let kill = format!("kill -{signal} {}", self.pid());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end: the exit code (none if a signal ended it) and all that it logged.
    pub fn end(mut self) -> (Option<i32>, String) {
        wait_until("pxed does not end", || !self.is_running());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (self.child.wait().unwrap().code(), self.log())
    }

    /// SIGTERM, and a clean end: what it logged.
    pub fn stop(self) -> String {
        self.signal("TERM");
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.lines().last().unwrap().contains("stopped"), "{log}");
        log
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.signal("KILL");
        assert_eq!(self.end().0, None);
    }
}

impl Drop for Pxed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command that asks a running pxed says.
#[derive(Debug)]
pub struct Asked {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Asks the pxed with the usual state directory: `leases --json`.
pub fn ask(lan: &Lan, words: &str) -> Asked {
    let output = asking(lan, words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Asked { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The command that asks so.
pub fn asking(lan: &Lan, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pxed"));
    command.args(words.split_whitespace()).arg("--state-dir").arg(lan.path().join("state"));
    command
}
