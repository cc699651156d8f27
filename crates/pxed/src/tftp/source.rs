//! The octets of one transfer, read ahead of it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use pxed_proto::limits::TFTP_READ_AHEAD;
use pxed_proto::tftp::netascii;
use tokio::task::spawn_blocking;

use crate::files::OpenFile;

/// A file, part of which is in memory. Blocks are far smaller than a read, so that few of them
/// wait for the disk or for another thread.
#[derive(Debug)]
pub struct Source {
    /// `None` where all of it is in memory.
    file: Option<Arc<File>>,
    len: u64,
    /// Where `buffer` begins in the file.
    start: u64,
    buffer: Vec<u8>,
}

impl Source {
    /// The file as it is.
    pub fn octet(open: OpenFile) -> Self {
        Self { file: Some(Arc::new(open.file)), len: open.len, start: 0, buffer: Vec::new() }
    }

    /// The file as netascii: all of it is converted now, and blocks.
    pub fn netascii(open: OpenFile) -> io::Result<Self> {
        let size = usize::try_from(open.len).map_err(io::Error::other)?;
        Ok(Self::whole(netascii(&read(&open.file, 0, vec![0; size])?)))
    }

    /// A text that is in no file.
    pub fn text(text: String) -> Self {
        Self::whole(text.into_bytes())
    }

    fn whole(buffer: Vec<u8>) -> Self {
        Self { file: None, len: buffer.len() as u64, start: 0, buffer }
    }

    /// How many octets there are to send.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The octets of the range, which must not reach beyond [`Source::len`].
    pub async fn get(&mut self, range: Range<u64>) -> io::Result<&[u8]> {
        if self.held(&range).is_none() {
            self.fill(range.start).await?;
        }
        self.held(&range).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn held(&self, range: &Range<u64>) -> Option<&[u8]> {
        let offset = |position: u64| usize::try_from(position.checked_sub(self.start)?).ok();
        self.buffer.get(offset(range.start)?..offset(range.end)?)
    }

    async fn fill(&mut self, start: u64) -> io::Result<()> {
        let rest = usize::try_from(self.len.saturating_sub(start)).unwrap_or(usize::MAX);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(rest.min(TFTP_READ_AHEAD), 0);
        let file = self.file.clone().ok_or(io::ErrorKind::UnexpectedEof)?;
        self.buffer = spawn_blocking(move || read(&file, start, buffer)).await??;
        self.start = start;
        Ok(())
    }
}

fn read(file: &File, start: u64, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    match file.read_exact_at(&mut buffer, start) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(io::Error::other("the file became shorter while it was sent"))
        }
        result => result.map(|()| buffer),
    }
}
