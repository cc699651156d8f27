//! The log on its way to stderr.
//!
//! Whoever reads it may be slow, or may not read at all, and DHCP must not wait for that. So a thread
//! writes the lines, those that have gathered at once; where too many have, they are lost, and
//! counted. Before that thread is there, and after it has ended, a line is written by who has it to
//! say.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use pxed_proto::limits;
use tracing::{Level, warn};
use tracing_subscriber::fmt;

use crate::net::go_with_others;

/// How much is handed to the kernel at once, in octets.
const BATCH: usize = 64 * 1024;

/// How long the end waits for the last lines to be read.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where lines go while the thread runs.
static QUEUE: RwLock<Option<SyncSender<Vec<u8>>>> = RwLock::new(None);

/// Lines that had no room there, and are not told of yet.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line to read.
    #[default]
    Text,
    /// A JSON object a line, with the same message and its facts as fields.
    Json,
}

/// Sends what tracing has to say to stderr; with `verbose` also what is for those who look for a fault.
pub fn init(format: LogFormat, verbose: bool) {
    let level = if verbose { Level::DEBUG } else { Level::INFO };
    // A log that can not be written (its disk is full, its reader has gone) must not stop pxed;
    // tracing would complain on stderr, and panic where that fails as well.
    let builder = fmt().log_internal_errors(false).with_writer(|| Line);
    let builder = builder.with_max_level(level).with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

/// A line of the log, whole with its end.
pub fn line(text: Vec<u8>) {
    let queue = QUEUE.read().unwrap_or_else(PoisonError::into_inner);
    let refused = match &*queue {
        None => return drop(io::stderr().lock().write_all(&text)),
        Some(queue) => queue.try_send(text),
    };
    if let Err(TrySendError::Full(_)) = refused {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where tracing writes: each line in one piece.
struct Line;

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        line(text.to_vec());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread that writes; while this lives.
pub struct Writing {
    ended: Receiver<()>,
}

impl Writing {
    /// Starts the thread. Not before privileges are dropped: it would keep them.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start() -> io::Result<Self> {
        let (queue, lines) = sync_channel(limits::LOG_QUEUE);
        let (life, ended) = sync_channel(0);
        thread::Builder::new().name("pxed-log".to_owned()).spawn(move || {
            go_with_others();
            write_all(&lines);
            drop(life);
        })?;
        *QUEUE.write().unwrap_or_else(PoisonError::into_inner) = Some(queue);
        Ok(Self { ended })
    }
}

impl Drop for Writing {
    /// What is said from now on comes after what was said before, if that is read at all.
    fn drop(&mut self) {
        *QUEUE.write().unwrap_or_else(PoisonError::into_inner) = None;
        // It ends by dropping the other end: that is an error, and no timeout.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// Until nobody is left who could say something.
fn write_all(lines: &Receiver<Vec<u8>>) {
    while let Ok(mut batch) = lines.recv() {
        while batch.len() < BATCH
            && let Ok(line) = lines.try_recv()
        {
            batch.extend(line);
        }
        let _ = io::stderr().lock().write_all(&batch);
        let lost = LOST.swap(0, Ordering::Relaxed);
        if lost > 0 {
            warn!("{lost} lines of the log were lost: they came faster than they were read");
        }
    }
}
