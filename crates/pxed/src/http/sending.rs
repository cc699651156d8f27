//! An answer on its way to the client, at a pace that is worth a connection.

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

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
    let mut sending = Sending { pace: Pace::default(), stream, exchange, place };
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
    /// A file's range behind `head`. What one call does not hand over whole has its last octets leave when
    /// the file is found to be the one that it was, so that a client whose file has changed meanwhile gets
    /// no whole.
    async fn file(
        &mut self,
        head: Vec<u8>,
        file: Arc<OpenFile>,
        Range { start, end }: Range<u64>,
    ) -> Result<(), BrokenOff> {
        let (len, is_secure) = (end - start, self.stream.is_secure());
        let (short, held_back) = match is_secure {
            true => (limits::TLS_PART, limits::TLS_PART),
            false => (limits::HTTP_SHORT, limits::HTTP_LAST),
        };
        if len <= short {
            return self.end(head, &file, start..end).await;
        }
        let is_long = len >= limits::HTTP_LONG;
        if is_long {
            self.stream.gather(true);
        }
        self.write(&head, true).await?;
        let mut at = start;
        if !is_secure && len <= limits::HTTP_AT_ONCE {
            at += self.part(&file, start..end).await?;
            if at == end {
                return check(&file);
            }
        }
        let last = at.max(end - held_back);
        self.most(&file, at..last).await?;
        self.end(Vec::new(), &file, last..end).await?;
        if is_long {
            self.stream.gather(false);
        }
        Ok(())
    }

    /// The last octets of a file, behind what stands before them.
    async fn end(
        &mut self,
        mut before: Vec<u8>,
        file: &Arc<OpenFile>,
        last: Range<u64>,
    ) -> Result<(), BrokenOff> {
        before.extend(octets(file, last).await?);
        check(file)?;
        self.write(&before, false).await
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
                if at < range.end {
                    // Others who can take something have their turn: a socket is never full whose client
                    // empties it meanwhile.
                    yield_now().await;
                }
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

/// Measures what a client takes, once it has us wait. What counts is what it acknowledges: a socket holds
/// megabytes, and takes nothing for minutes while a slow client empties it.
#[derive(Default)]
struct Pace {
    /// Octets that the socket was given.
    given: u64,
    watch: Option<Watch>,
}

/// How far a client was, and when it is looked at next.
struct Watch {
    /// Octets that it had of those given; less than none, if it has not had an earlier answer yet.
    taken: i64,
    until: Instant,
}

impl Pace {
    /// Takes a step, for as long as the client takes what it was sent, and, if it has taken nothing for
    /// a while, nobody else needs its place. What is not done when that is looked at is begun anew.
    async fn keep(
        &mut self,
        stream: &mut Stream,
        place: &mut Place,
        step: Step<'_>,
    ) -> Result<usize, BrokenOff> {
        let done = match at_once(step.take(stream)).await {
            Poll::Ready(done) => done,
            Poll::Pending => self.wait(stream, place, step).await?,
        };
        done.map_err(|_| BrokenOff::ClientGone)
    }

    async fn wait(
        &mut self,
        stream: &mut Stream,
        place: &mut Place,
        step: Step<'_>,
    ) -> Result<io::Result<usize>, BrokenOff> {
        let (given, stalled) = (self.given, Instant::now() + limits::HTTP_STALL);
        let watch = self.watch.get_or_insert_with(|| Watch::new(taken(given, stream)));
        if let Ok(done) = timeout_at(stalled.min(watch.until), step.take(stream)).await {
            return Ok(done);
        }
        place.waits();
        let done = loop {
            tokio::select! {
                done = timeout_at(watch.until, step.take(stream)) => if let Ok(done) = done {
                    break done;
                },
                () = place.is_lost() => return Err(BrokenOff::GaveWay),
            }
            watch.look(taken(given, stream))?;
        };
        place.works();
        Ok(done)
    }
}

/// How many octets of those given a client has.
fn taken(given: u64, stream: &Stream) -> i64 {
    let waiting = unacknowledged(stream.tcp()).unwrap_or(given);
    given.cast_signed().saturating_sub(waiting.cast_signed())
}

impl Watch {
    fn new(taken: i64) -> Self {
        Self { taken, until: Instant::now() + limits::HTTP_SEND_TIMEOUT }
    }

    /// So much has the client now.
    fn look(&mut self, taken: i64) -> Result<(), BrokenOff> {
        if taken.saturating_sub(self.taken) < limits::HTTP_SLOWEST.cast_signed() {
            return Err(BrokenOff::TooSlow);
        }
        *self = Self::new(taken);
        Ok(())
    }
}

/// What comes of `future` without waiting.
async fn at_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut future = pin!(future);
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
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
        let slowest = limits::HTTP_SLOWEST.cast_signed();
        let mut watch = Watch::new(-5);
        for times in 1..5 {
            assert_eq!(watch.look(times * slowest - 5), Ok(()));
            assert_eq!(watch.until - Instant::now(), limits::HTTP_SEND_TIMEOUT);
        }
        assert_eq!(watch.look(5 * slowest - 6), Err(BrokenOff::TooSlow));
    }
}
