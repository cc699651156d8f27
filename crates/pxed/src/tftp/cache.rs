//! Parts of files in memory, which all transfers of the same file share.
//!
//! A file is known by what the file system says of it when it is opened: who opens it anew after it
//! was changed has another one. A part that is read later is used only if that still holds, so no
//! client gets the head of one version and the tail of another.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use pxed_proto::limits::{TFTP_CACHE, TFTP_CHUNK};

use super::ids::IdMap;
use crate::files::OpenFile;
use crate::net::read_at_hand;

/// How many chunks there may be.
const CHUNKS_MAX: usize = TFTP_CACHE / TFTP_CHUNK;

/// How far ahead of a chunk that the disk had to be asked for the kernel is to read, in octets.
const AHEAD: i64 = 1 << 20;

/// A file as it was when it was opened: another content has another of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Version {
    device: u64,
    inode: u64,
    content: Content,
    /// Changes also when the content does not: with the file's names, or who may read it.
    changed: (i64, i64),
}

/// What changes with the content. (Before Linux 6.13, times are counted in ticks of some milliseconds:
/// what is overwritten in the same tick in which it was opened goes unnoticed if it stays as long.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Content {
    len: u64,
    modified: (i64, i64),
}

impl Content {
    fn of(metadata: &Metadata) -> Self {
        Self { len: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            content: Content::of(metadata),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// An open file, and which version of it is being sent.
#[derive(Clone, Debug)]
pub struct Opened {
    file: Arc<File>,
    version: Version,
}

impl Opened {
    /// Asks the file system, so it may wait for it.
    pub fn new(open: OpenFile) -> io::Result<Self> {
        let version = Version::of(&open.file.metadata()?);
        Ok(Self { file: Arc::new(open.file), version })
    }

    /// How many octets it has.
    pub fn len(&self) -> u64 {
        self.version.content.len
    }

    /// All of it, whatever that takes.
    pub fn read_whole(&self) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.len()).map_err(io::Error::other)?;
        let mut octets = vec![0; len];
        self.file.read_exact_at(&mut octets, 0)?;
        self.unchanged().map(|()| octets)
    }

    /// One chunk, whatever that takes; and the kernel reads on.
    pub fn read(&self, index: u32) -> io::Result<Vec<u8>> {
        let (start, len) = self.chunk(index);
        let end = i64::try_from(start + len as u64).unwrap_or(i64::MAX);
        // Advice: what comes of it makes no difference here.
        let _ = posix_fadvise(&*self.file, end, AHEAD, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
        let mut octets = vec![0; len];
        match self.file.read_exact_at(&mut octets, start) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(replaced()),
            Err(error) => Err(error),
            Ok(()) => self.unchanged().map(|()| octets),
        }
    }

    /// The same, if it is in the kernel's memory.
    fn read_now(&self, index: u32) -> io::Result<Option<Vec<u8>>> {
        let (start, len) = self.chunk(index);
        let mut octets = vec![0; len];
        match read_at_hand(&self.file, &mut octets, start) {
            Ok(read) if read == len => self.unchanged().map(|()| Some(octets)),
            // A part is not in memory, or the file is shorter now: whoever reads it elsewhere sees.
            Ok(_) => Ok(None),
            Err(error) if is_for_elsewhere(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where a chunk begins, and how long it is.
    fn chunk(&self, index: u32) -> (u64, usize) {
        let start = u64::from(index) * TFTP_CHUNK as u64;
        let rest = usize::try_from(self.len().saturating_sub(start)).unwrap_or(usize::MAX);
        (start, rest.min(TFTP_CHUNK))
    }

    fn unchanged(&self) -> io::Result<()> {
        // Whoever replaces a file takes its name away, and leaves its content to who has it open.
        let now = Content::of(&self.file.metadata()?);
        if now == self.version.content { Ok(()) } else { Err(replaced()) }
    }
}

/// Would it have to wait, or can it not be said?
fn is_for_elsewhere(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, Unsupported, WouldBlock};
    matches!(error.kind(), WouldBlock | Unsupported | Interrupted)
}

fn replaced() -> io::Error {
    io::Error::other("the file changed while it was sent")
}

/// The files that are being sent, and the chunks that were read of them and of others, up to
/// [`TFTP_CACHE`]; what was not used for the longest time gives way.
#[derive(Debug, Default)]
pub struct Cache {
    kept: IdMap<u64, Kept>,
    by_version: HashMap<Version, u64>,
    chunks: IdMap<(u64, u32), Chunk>,
    last_id: u64,
    /// Counts uses, so that the oldest is known.
    uses: u64,
}

#[derive(Debug)]
struct Kept {
    opened: Opened,
    transfers: usize,
    chunks: usize,
}

#[derive(Debug)]
struct Chunk {
    octets: Vec<u8>,
    used: u64,
}

/// Why octets are not there.
#[derive(Debug)]
pub enum Miss {
    /// This chunk has to be read where waiting holds up nobody.
    Chunk(u32),
    /// They will not come.
    Failed(io::Error),
}

impl Cache {
    /// A transfer of this file begins. What it is called by; the file is closed if the same version
    /// is open already.
    pub fn begin(&mut self, opened: Opened) -> u64 {
        let id = *self.by_version.entry(opened.version).or_insert_with(|| {
            self.last_id += 1;
            self.last_id
        });
        let content = self.kept.entry(id).or_insert(Kept { opened, transfers: 0, chunks: 0 });
        content.transfers += 1;
        id
    }

    /// A transfer has ended. Where nothing is kept of its file, that is closed.
    pub fn end(&mut self, id: u64) {
        if let Some(content) = self.kept.get_mut(&id) {
            content.transfers -= 1;
        }
        self.forget_if_unused(id);
    }

    /// Sees to it that these octets are in memory.
    pub fn hold(&mut self, id: u64, range: &Range<u64>) -> Result<(), Miss> {
        for index in indices(range) {
            self.uses += 1;
            match self.chunks.get_mut(&(id, index)) {
                Some(chunk) => chunk.used = self.uses,
                None => self.fetch(id, index)?,
            }
        }
        Ok(())
    }

    fn fetch(&mut self, id: u64, index: u32) -> Result<(), Miss> {
        let opened = self.opened(id).ok_or_else(|| Miss::Failed(replaced()))?;
        match opened.read_now(index).map_err(Miss::Failed)? {
            Some(octets) => self.keep(id, index, octets),
            None => return Err(Miss::Chunk(index)),
        }
        Ok(())
    }

    /// The file of that name, for who reads it elsewhere.
    pub fn opened(&self, id: u64) -> Option<&Opened> {
        self.kept.get(&id).map(|content| &content.opened)
    }

    /// Takes what was read.
    pub fn keep(&mut self, id: u64, index: u32, octets: Vec<u8>) {
        let Some(content) = self.kept.get_mut(&id) else { return };
        self.uses += 1;
        let chunk = Chunk { octets, used: self.uses };
        if self.chunks.insert((id, index), chunk).is_none() {
            content.chunks += 1;
        }
        if self.chunks.len() > CHUNKS_MAX {
            self.drop_the_oldest();
        }
    }

    /// These octets, in the parts that they lie in: what [`Cache::hold`] did not see to is missing.
    pub fn parts(&self, id: u64, range: Range<u64>) -> impl Iterator<Item = &[u8]> {
        indices(&range).filter_map(move |index| {
            let chunk = self.chunks.get(&(id, index))?;
            let start = u64::from(index) * TFTP_CHUNK as u64;
            let within = |at: u64| usize::try_from(at.saturating_sub(start)).ok();
            let end = within(range.end)?.min(chunk.octets.len());
            chunk.octets.get(within(range.start)?..end)
        })
    }

    /// A look at all of them: it is nothing beside the reading that it follows.
    fn drop_the_oldest(&mut self) {
        let oldest = self.chunks.iter().min_by_key(|(_, chunk)| chunk.used);
        let Some(key) = oldest.map(|(key, _)| *key) else { return };
        self.chunks.remove(&key);
        if let Some(content) = self.kept.get_mut(&key.0) {
            content.chunks -= 1;
        }
        self.forget_if_unused(key.0);
    }

    fn forget_if_unused(&mut self, id: u64) {
        let unused = |content: &Kept| content.transfers == 0 && content.chunks == 0;
        if self.kept.get(&id).is_some_and(unused)
            && let Some(content) = self.kept.remove(&id)
        {
            self.by_version.remove(&content.opened.version);
        }
    }
}

/// The chunks that the range lies in.
fn indices(range: &Range<u64>) -> Range<u32> {
    let chunk = TFTP_CHUNK as u64;
    let index = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
    match range.is_empty() {
        true => 0..0,
        false => index(range.start / chunk)..index(range.end.div_ceil(chunk)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use tempfile::TempDir;

    use super::*;

    const CHUNK: u64 = TFTP_CHUNK as u64;

    fn open(path: &Path) -> Opened {
        let file = File::open(path).unwrap();
        let metadata = file.metadata().unwrap();
        let (len, modified, inode) = (metadata.len(), metadata.modified().unwrap(), metadata.ino());
        Opened::new(OpenFile { file, len, modified, inode }).unwrap()
    }

    fn file(dir: &TempDir, name: &str, len: usize, first: u8) -> Opened {
        let path = dir.path().join(name);
        let octets: Vec<u8> = (first..=250).chain(0..first).cycle().take(len).collect();
        fs::write(&path, octets).unwrap();
        open(&path)
    }

    /// The octets, read elsewhere where that is asked for.
    fn get(cache: &mut Cache, id: u64, range: Range<u64>) -> Result<Vec<u8>, String> {
        loop {
            match cache.hold(id, &range) {
                Ok(()) => return Ok(cache.parts(id, range).flatten().copied().collect()),
                Err(Miss::Failed(error)) => return Err(error.to_string()),
                Err(Miss::Chunk(index)) => {
                    let octets = cache.opened(id).unwrap().read(index);
                    cache.keep(id, index, octets.map_err(|error| error.to_string())?);
                }
            }
        }
    }

    #[test]
    fn ranges_are_found_wherever_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        let len = TFTP_CHUNK * 2 + 5;
        let mut cache = Cache::default();
        let id = cache.begin(file(&dir, "file", len, 0));
        let all = fs::read(dir.path().join("file")).unwrap();
        let end = len as u64;
        for range in
            [0..0, 0..1, 0..CHUNK, CHUNK - 1..CHUNK + 1, CHUNK..CHUNK + 9, 0..end, end..end]
        {
            let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
            assert_eq!(get(&mut cache, id, range).unwrap(), all[start..end]);
        }
    }

    #[test]
    fn transfers_share_a_version_and_not_two() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = Cache::default();
        let first = cache.begin(file(&dir, "file", 9, 0));
        assert_eq!(cache.begin(open(&dir.path().join("file"))), first);
        assert_eq!(get(&mut cache, first, 0..9).unwrap(), (0..9).collect::<Vec<u8>>());
        // Another file of that name.
        fs::rename(dir.path().join("file"), dir.path().join("old")).unwrap();
        let second = cache.begin(file(&dir, "file", 9, 1));
        assert_ne!(second, first);
        assert_eq!(get(&mut cache, second, 0..9).unwrap(), (1..10).collect::<Vec<u8>>());
        assert_eq!(get(&mut cache, first, 0..9).unwrap(), (0..9).collect::<Vec<u8>>());
        for id in [first, first, second] {
            cache.end(id);
        }
        // What was read is kept for the next client, up to a limit.
        assert_eq!(cache.begin(open(&dir.path().join("file"))), second);
    }

    #[test]
    fn a_file_that_is_replaced_can_be_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = Cache::default();
        let id = cache.begin(file(&dir, "file", TFTP_CHUNK * 2, 0));
        let all = fs::read(dir.path().join("file")).unwrap();
        get(&mut cache, id, 0..1).unwrap();
        file(&dir, "next", 9, 0);
        fs::rename(dir.path().join("next"), dir.path().join("file")).unwrap();
        assert!(get(&mut cache, id, 0..2 * CHUNK).unwrap() == all);
    }

    #[test]
    fn a_file_that_changes_is_not_mixed() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = Cache::default();
        let id = cache.begin(file(&dir, "file", TFTP_CHUNK + 9, 0));
        get(&mut cache, id, 0..CHUNK).unwrap();
        for (len, first) in [(TFTP_CHUNK + 9, 1), (10, 0)] {
            // Linux before 6.13 counts in ticks of some milliseconds.
            let later = SystemTime::now() + Duration::from_secs(u64::from(first) + 1);
            file(&dir, "file", len, first);
            let changed = File::options().write(true).open(dir.path().join("file")).unwrap();
            changed.set_modified(later).unwrap();
            let error = get(&mut cache, id, CHUNK - 1..CHUNK + 1).unwrap_err();
            assert_eq!(error, "the file changed while it was sent");
        }
        // What is in memory already can be sent again.
        get(&mut cache, id, 0..CHUNK).unwrap();
    }

    #[test]
    fn memory_has_a_bound_and_files_are_closed() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = Cache::default();
        for name in 0..CHUNKS_MAX + 9 {
            let id = cache.begin(file(&dir, &name.to_string(), 1, 0));
            get(&mut cache, id, 0..1).unwrap();
            cache.end(id);
            assert!(cache.chunks.len() <= CHUNKS_MAX);
        }
        assert_eq!((cache.kept.len(), cache.by_version.len()), (CHUNKS_MAX, CHUNKS_MAX));
        let id = cache.begin(file(&dir, "never read", 1, 0));
        cache.end(id);
        assert_eq!(cache.kept.len(), CHUNKS_MAX);
    }
}
