//! A response's body: a text, or a range of a file.
//!
//! Files are read in chunks by the runtime's blocking threads, one chunk ahead of the socket.
//! Nothing is mapped: a file that shrinks under a map kills the process.

use std::io;
use std::mem;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use pxed_proto::limits;
use tokio::task::{JoinHandle, spawn_blocking};

use super::exchange::Exchange;
use crate::files::OpenFile;

/// What a response says.
pub(super) enum Content {
    Text(Bytes),
    File(OpenFile, Range<u64>),
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(_, range) => range.end - range.start,
        }
    }
}

/// What hyper sends.
pub(super) struct Body {
    source: Source,
    /// Octets that hyper has yet to fetch.
    left: u64,
    exchange: Arc<Exchange>,
}

enum Source {
    Text(Bytes),
    File(Reader),
}

impl Body {
    pub(super) fn new(content: Content, exchange: Exchange) -> Self {
        let left = content.len();
        let source = match content {
            Content::Text(text) => Source::Text(text),
            Content::File(file, range) => Source::File(Reader::new(file, range)),
        };
        Self { source, left, exchange: Arc::new(exchange) }
    }
}

impl http_body::Body for Body {
    type Data = Chunk;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Chunk>>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let bytes = match &mut this.source {
            Source::Text(text) => Ok(mem::take(text)),
            Source::File(reader) => ready!(reader.poll_chunk(cx)),
        };
        Poll::Ready(Some(bytes.map(|bytes| {
            this.left = this.left.saturating_sub(bytes.len() as u64);
            Frame::data(Chunk { bytes, exchange: this.exchange.clone() })
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Octets on their way to the socket: hyper advances over what was written, and drops the rest
/// with the connection. So the exchange knows what left, and ends with its last chunk.
pub(super) struct Chunk {
    bytes: Bytes,
    exchange: Arc<Exchange>,
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, octets: usize) {
        self.bytes.advance(octets);
        self.exchange.sent(octets);
    }
}

struct Reader {
    file: Arc<OpenFile>,
    /// What nobody has been asked to read yet.
    rest: Range<u64>,
    next: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Reader {
    fn new(file: OpenFile, range: Range<u64>) -> Self {
        let mut reader = Self { file: Arc::new(file), rest: range, next: None };
        reader.read_ahead();
        reader
    }

    fn read_ahead(&mut self) {
        let (file, at) = (self.file.clone(), self.rest.start);
        self.rest.start = self.rest.end.min(at + limits::HTTP_CHUNK);
        let len = self.rest.start - at;
        self.next = (len > 0).then(|| spawn_blocking(move || read_chunk(&file, at, len)));
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        };
        let chunk = ready!(Pin::new(next).poll(cx)).map_err(io::Error::other).flatten();
        self.read_ahead();
        Poll::Ready(chunk)
    }
}

/// Reads, and makes sure that the file is still the one whose length and ETag the client has: half
/// a kernel and half its successor is worse than none.
fn read_chunk(open: &OpenFile, at: u64, len: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    open.file.read_exact_at(&mut buffer, at)?;
    let now = open.file.metadata()?;
    if now.len() != open.len || now.modified()? != open.modified {
        return Err(io::Error::other("the file changed while it was sent"));
    }
    Ok(buffer.into())
}
