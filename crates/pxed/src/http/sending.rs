//! An answer on its way to the client, at a pace that is worth a connection.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use pxed_proto::event::BrokenOff;
use pxed_proto::limits;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::crowd::Place;
use super::exchange::Exchange;
use super::response::Content;
use super::stream::{Stream, read};
use crate::files::OpenFile;
use crate::net::unacknowledged;

/// Sends `head` and the content behind it.
pub(super) async fn send(
    stream: &mut Stream,
    mut head: Vec<u8>,
    content: Content,
    exchange: &mut Exchange,
    place: &mut Place,
) -> Result<(), BrokenOff> {
    let mut sending = Sending { pace: Pace::new(stream), stream, exchange, place };
    match content {
        Content::Text(text) => {
            head.extend(text);
            sending.write(&head, false).await
        }
        Content::File(file, range) => sending.file(head, Arc::new(file), range).await,
    }
}

struct Sending<'a> {
    stream: &'a mut Stream,
    pace: Pace,
    exchange: &'a mut Exchange,
    place: &'a mut Place,
}

impl Sending<'_> {
    /// A file's range behind `head`. Its last octets leave when the file is found to be the one that it
    /// was, so that a client whose file has changed meanwhile gets no whole.
    async fn file(
        &mut self,
        mut head: Vec<u8>,
        file: Arc<OpenFile>,
        Range { start, end }: Range<u64>,
    ) -> Result<(), BrokenOff> {
        let (mut last, is_long) = (start, end - start >= limits::HTTP_LONG);
        let (short, held_back) = match self.stream.is_secure() {
            true => (limits::TLS_PART, limits::TLS_PART),
            false => (limits::HTTP_SHORT, limits::HTTP_LAST),
        };
        if end - start > short {
            last = end - held_back;
            if is_long {
                self.stream.gather(true);
            }
            self.write(&head, true).await?;
            head.clear();
            self.most(&file, start..last).await?;
        }
        head.extend(octets(&file, last..end).await?);
        check(&file)?;
        self.write(&head, false).await?;
        if is_long {
            self.stream.gather(false);
        }
        Ok(())
    }

    async fn most(&mut self, file: &Arc<OpenFile>, range: Range<u64>) -> Result<(), BrokenOff> {
        let mut at = range.start;
        while at < range.end {
            if self.stream.is_secure() {
                let part = octets(file, at..range.end.min(at + limits::TLS_PART)).await?;
                self.write(&part, true).await?;
                at += part.len() as u64;
            } else {
                at += self.part(file, at..range.end.min(at + limits::HTTP_PART)).await?;
                // Others who can take something have their turn: a socket is never full whose client
                // empties it meanwhile.
                yield_now().await;
            }
        }
        Ok(())
    }

    /// As much of a part of a file as fits.
    async fn part(&mut self, file: &Arc<OpenFile>, part: Range<u64>) -> Result<u64, BrokenOff> {
        let len = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
        loop {
            self.pace.keep(self.stream, self.place, Step::AwaitRoom).await?;
            match self.stream.send(file, part.start, len).await {
                Ok(0) => return Err(BrokenOff::FileChanged),
                Ok(sent) => return Ok(self.given(sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(broken_off(&error)),
            }
        }
    }

    /// All of `octets`; where more is to follow, they may wait for it.
    async fn write(&mut self, mut octets: &[u8], more: bool) -> Result<(), BrokenOff> {
        while !octets.is_empty() {
            let sent = self.pace.keep(self.stream, self.place, Step::Write(octets, more)).await?;
            self.given(sent);
            octets = octets.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    fn given(&mut self, octets: usize) -> u64 {
        self.pace.given += octets as u64;
        self.exchange.sent(octets);
        octets as u64
    }
}

/// Octets of a file, in memory.
async fn octets(file: &Arc<OpenFile>, range: Range<u64>) -> Result<Vec<u8>, BrokenOff> {
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    read(file, range.start, len).await.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => BrokenOff::FileChanged,
        _ => BrokenOff::Unreadable(error.to_string()),
    })
}

/// Is it still the file whose length and ETag the client has? Half a kernel and half its successor is
/// worse than none.
fn check(open: &OpenFile) -> Result<(), BrokenOff> {
    let unreadable = |error: io::Error| BrokenOff::Unreadable(error.to_string());
    let now = open.file.metadata().map_err(unreadable)?;
    let modified = now.modified().map_err(unreadable)?;
    let same = now.len() == open.len && modified == open.modified;
    if same { Ok(()) } else { Err(BrokenOff::FileChanged) }
}

/// sendfile(2) fails by the file or by the socket; what a file fails by is not of the network.
fn broken_off(error: &io::Error) -> BrokenOff {
    match error.kind() {
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => BrokenOff::ClientGone,
        _ => BrokenOff::Unreadable(error.to_string()),
    }
}

/// Measures what a client takes. What counts is what it acknowledges: a socket holds megabytes, and
/// takes nothing for minutes while a slow client empties it.
struct Pace {
    /// Octets that the socket was given, with what it had before.
    given: u64,
    /// Octets that the client had when it was looked at last.
    taken: u64,
    /// When it is looked at next.
    until: Instant,
}

impl Pace {
    fn new(stream: &Stream) -> Self {
        let given = unacknowledged(stream.tcp()).unwrap_or(0);
        Self { given, taken: 0, until: Instant::now() + limits::HTTP_SEND_TIMEOUT }
    }

    /// Takes a step, for as long as the client takes what it was sent, and, if it has taken nothing for
    /// a while, nobody else needs its place. What is not done when that is looked at is begun anew.
    async fn keep(
        &mut self,
        stream: &mut Stream,
        place: &mut Place,
        step: Step<'_>,
    ) -> Result<usize, BrokenOff> {
        let stalled = Instant::now() + limits::HTTP_STALL;
        if let Ok(done) = timeout_at(stalled.min(self.until), step.take(stream)).await {
            return done.map_err(|_| BrokenOff::ClientGone);
        }
        place.waits();
        let done = loop {
            tokio::select! {
                done = timeout_at(self.until, step.take(stream)) => if let Ok(done) = done {
                    break done;
                },
                () = place.is_lost() => return Err(BrokenOff::GaveWay),
            }
            let waiting = unacknowledged(stream.tcp()).unwrap_or(self.given);
            self.look(self.given.saturating_sub(waiting))?;
        };
        place.works();
        done.map_err(|_| BrokenOff::ClientGone)
    }

    /// So much has the client now.
    fn look(&mut self, taken: u64) -> Result<(), BrokenOff> {
        if taken - self.taken.min(taken) < limits::HTTP_SLOWEST {
            return Err(BrokenOff::TooSlow);
        }
        self.taken = taken;
        self.until = Instant::now() + limits::HTTP_SEND_TIMEOUT;
        Ok(())
    }
}

/// What depends on the client's taking what it was sent.
#[derive(Clone, Copy)]
enum Step<'a> {
    AwaitRoom,
    /// Some of these octets; where more is to follow, they may wait for it.
    Write(&'a [u8], bool),
}

impl Step<'_> {
    async fn take(self, stream: &mut Stream) -> io::Result<usize> {
        match self {
            Self::AwaitRoom => stream.tcp().writable().await.map(|()| 0),
            Self::Write(octets, more) => stream.write(octets, more).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_slow_but_not_slower() {
        let mut pace = Pace { given: 0, taken: 0, until: Instant::now() };
        for times in 1..5 {
            assert_eq!(pace.look(times * limits::HTTP_SLOWEST), Ok(()));
            assert_eq!(pace.until - Instant::now(), limits::HTTP_SEND_TIMEOUT);
        }
        assert_eq!(pace.look(5 * limits::HTTP_SLOWEST - 1), Err(BrokenOff::TooSlow));
    }
}
