//! Asks a running pxed, and shows what it answers.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Uid, User};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::answers::{Count, Lease, Released, Reloaded, Status, Stopping};
use super::protocol::{Events, Received, Request, VERSION};
use super::{quirks, socket, table};
use crate::explain::Explained;

/// How long an answer may take: pxed gives a question up after 5 s and says so.
const PATIENCE: Duration = Duration::from_secs(15);

/// A question, whom it is put to, and how the answer is shown.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub request: Request,
    /// Of the pxed that serves from here.
    pub state_dir: PathBuf,
    /// As it was answered, not as a table.
    pub json: bool,
    /// As a quirks file.
    pub export: bool,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody is there.
    #[error("no pxed is running with state directory {}; --state-dir names another", .0.display())]
    NotRunning(PathBuf),
    /// Somebody may be there.
    #[error("the control socket in {} is for {owner} alone: permission denied; ask as that user, \
             or as root", state_dir.display())]
    Denied {
        /// Where.
        state_dir: PathBuf,
        /// Who may.
        owner: String,
    },
    /// The socket is there, and no good.
    #[error("the control socket in {}", .0.display())]
    Socket(PathBuf, #[source] io::Error),
    /// What pxed says.
    #[error("{0}")]
    Refused(String),
    /// It ended meanwhile.
    #[error(
        "pxed closed the connection before its answer was complete: it has stopped, or was \
             stopped"
    )]
    Closed,
    /// It is there, and says nothing.
    #[error("pxed does not answer")]
    Silent(#[source] io::Error),
    /// It is another pxed than this one.
    #[error(
        "the running pxed is of another version, and answers what this one does not know; \
             restart it, or use its own program"
    )]
    NotUnderstood(#[source] serde_json::Error),
    /// The same.
    #[error("the running pxed speaks version {0} of the control protocol, this one {VERSION}")]
    Version(u64),
    /// The answer has nowhere to go.
    #[error("can not write the answer")]
    Output(#[source] io::Error),
}

/// Asks, and shows the answer on the standard output.
///
/// # Errors
///
/// Nobody answered, or the answer was no.
pub fn ask(question: &Question) -> Result<(), ControlError> {
    let stream = connect(&question.state_dir)?;
    let answer = Answer { question, reader: BufReader::new(stream), shown: 0 };
    match answer.show(&mut io::stdout().lock()) {
        // Whoever reads has seen enough.
        Err(ControlError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn connect(state_dir: &Path) -> Result<UnixStream, ControlError> {
    socket::connect(state_dir).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NotRunning(state_dir.to_owned())
        }
        io::ErrorKind::PermissionDenied => {
            ControlError::Denied { state_dir: state_dir.to_owned(), owner: owner(state_dir) }
        }
        _ => ControlError::Socket(state_dir.to_owned(), error),
    })
}

/// Whose directory it is.
fn owner(state_dir: &Path) -> String {
    let Ok(metadata) = fs::metadata(state_dir) else { return "its owner".to_owned() };
    match User::from_uid(Uid::from_raw(metadata.uid())) {
        Ok(Some(user)) => format!("the user {}", user.name),
        _ => format!("user {}", metadata.uid()),
    }
}

/// The lines that come back.
struct Answer<'a> {
    question: &'a Question,
    reader: BufReader<UnixStream>,
    /// Leases and events so far.
    shown: u64,
}

impl Answer<'_> {
    fn show(mut self, out: &mut impl Write) -> Result<(), ControlError> {
        let request = &self.question.request;
        let endless = matches!(request, Request::Events(Events { follow: true, .. }));
        let stream = self.reader.get_mut();
        let patience = (!endless).then_some(PATIENCE);
        stream.set_read_timeout(patience).map_err(ControlError::Silent)?;
        // What pxed refuses at once, such as one connection too many, is to be read.
        let _ = stream.write_all(request.line().as_bytes());
        loop {
            let line = self.next_line()?;
            if let Some(error) = line.error {
                return Err(ControlError::Refused(error));
            }
            if let Some(ok) = &line.ok {
                return self.show_end(ok, out);
            }
            self.show_part(&line, out)?;
        }
    }

    fn next_line(&mut self) -> Result<Received, ControlError> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).map_err(ControlError::Silent)? == 0 {
            return Err(ControlError::Closed);
        }
        let received: Received =
            serde_json::from_str(&line).map_err(ControlError::NotUnderstood)?;
        if received.version == VERSION {
            Ok(received)
        } else {
            Err(ControlError::Version(received.version))
        }
    }

    /// One of many.
    fn show_part(&mut self, line: &Received, out: &mut impl Write) -> Result<(), ControlError> {
        let text = match (&line.lease, &line.event, line.lagged) {
            (Some(lease), ..) if !self.question.json => {
                let heading = if self.shown == 0 { table::LEASES_HEADING } else { "" };
                format!("{heading}{}", table::lease(&read::<Lease>(lease)?))
            }
            (_, Some(event), _) if !self.question.json => table::event(&read(event)?),
            (.., Some(lost)) if !self.question.json => table::lagged(lost),
            (Some(one), ..) | (_, Some(one), _) => format!("{one}\n"),
            (.., Some(lost)) => format!("{{\"lagged\":{lost}}}\n"),
            // A newer pxed may say more.
            (None, None, None) => return Ok(()),
        };
        self.shown += 1;
        out.write_all(text.as_bytes()).map_err(ControlError::Output)
    }

    fn show_end(mut self, ok: &RawValue, out: &mut impl Write) -> Result<(), ControlError> {
        if self.question.request == Request::Stop {
            self.wait_for_the_end()?;
        }
        let text = match (&self.question.request, self.question.json) {
            (Request::Leases(_) | Request::Events(_), true) => String::new(),
            (Request::Quirks, false) if self.question.export => quirks::exported(&read(ok)?),
            (_, true) => format!("{ok}\n"),
            (Request::Status, false) => table::status(&read::<Status>(ok)?),
            (Request::Release(_), false) => table::released(&read::<Released>(ok)?),
            (Request::Explain(_), false) => read::<Explained>(ok)?.to_string(),
            (Request::Quirks, false) => quirks::shown(&read(ok)?),
            (Request::Forget(_), false) => table::forgotten(&read(ok)?),
            (Request::Reload, false) => table::reloaded(&read::<Reloaded>(ok)?),
            (Request::Stop, false) => table::stopped(&read::<Stopping>(ok)?),
            (Request::Leases(_), false) => table::nothing(&read::<Count>(ok)?, "leases"),
            (Request::Events(_), false) => table::nothing(&read::<Count>(ok)?, "events"),
        };
        out.write_all(text.as_bytes()).map_err(ControlError::Output)
    }

    /// The kernel closes the connection when the process is gone.
    fn wait_for_the_end(&mut self) -> Result<(), ControlError> {
        let endless = self.reader.get_ref().set_read_timeout(None);
        endless.map_err(ControlError::Silent)?;
        io::copy(&mut self.reader.by_ref(), &mut io::sink()).map_err(ControlError::Silent)?;
        Ok(())
    }
}

fn read<T: DeserializeOwned>(value: &RawValue) -> Result<T, ControlError> {
    serde_json::from_str(value.get()).map_err(ControlError::NotUnderstood)
}
