//! The commit log after a crash: what was answered is there, a torn end is dropped, damage before the end is
//! told, and whatever stands in a file, no lease comes of it that was not written.

#![no_main]

#[path = "../../crates/pxed/src/store"]
#[allow(dead_code)]
mod store {
    //! The log, with what it needs of the store around it.

    use std::io;
    use std::path::{Path, PathBuf};

    pub mod disk;

    pub mod log {
        use std::path::Path;

        use pxed_proto::dhcp::{Commit, Lease};

        mod frame;
        mod newest;
        mod record;
        mod replay;
        mod segment;

        /// A group as it stands in a file.
        pub fn group(sequence: u64, mask: u64, commits: &[Commit]) -> Vec<u8> {
            let mut octets = Vec::new();
            frame::write(sequence, mask, commits, &mut octets);
            octets
        }

        /// The leases that a log has, by address, and its last group.
        pub fn leases(at: &Path, followed: u64) -> Result<(Vec<Lease>, u64), super::StoreError> {
            let mut replay = replay::read(at, followed)?;
            Ok((replay.newest.leases().collect(), replay.sequence))
        }
    }

    #[derive(Debug)]
    pub enum StoreError {
        File { action: &'static str, path: PathBuf, cause: io::Error },
        Gap { directory: PathBuf, sequence: u64, path: PathBuf },
    }

    impl StoreError {
        fn file(action: &'static str, path: &Path, cause: io::Error) -> Self {
            Self::File { action, path: path.to_owned(), cause }
        }
    }
}

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pxed_fuzz::{Input, shape::mac};
use pxed_proto::Timestamp;
use pxed_proto::dhcp::{ClientKey, Commit, CommitId, Lease, LeaseState, RelayAgent, Said};
use pxed_proto::limits::{CLIENT_ID_MAX, LOG_SPARE};
use store::StoreError;
use store::log::{group, leases};

/// More files than that are not interesting.
const FILES: usize = 5;

/// What no client knows.
const MASK: u64 = 0x5eed_c0de_9e37_79b9;

/// One address for each, which is leased again and again.
const MACHINES: u8 = 4;

fuzz_target!(|octets: &[u8]| {
    let mut input = Input(octets);
    match input.byte() {
        Some(0) => any_records(input.0),
        Some(_) => story(&mut input),
        None => {}
    }
});

/// Records that nobody wrote, in a group that is whole: what comes of them is a lease that can be written.
fn any_records(records: &[u8]) {
    let mut octets = group(1, 0, &[]);
    octets.truncate(28);
    octets[4..8].copy_from_slice(&u32::try_from(records.len()).unwrap().to_le_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&octets);
    sum.update(records);
    octets.extend(sum.finalize().to_le_bytes());
    octets.extend(records);
    octets.resize(octets.len().next_multiple_of(8), 0);
    let read = |octets: &[u8]| leases(on_disk(&[(0, octets)]), 0).expect("no gap in one group").0;
    for lease in read(&octets) {
        let commit = Commit { id: CommitId(1), lease: lease.clone() };
        assert_eq!(read(&group(1, MASK, &[commit])), [lease]);
    }
}

fn story(input: &mut Input<'_>) {
    let mut log = Log::default();
    log.make_room();
    while let Some(act) = input.byte() {
        match act % 8 {
            0..=4 => log.append(usize::from(act / 8 % 4) + 1, input),
            5 => log.make_room(),
            6 => log.is_followed(),
            _ => break,
        }
    }
    log.crashes(input);
}

/// Which file, and its octets.
type File = (u32, Vec<u8>);

/// What is on disk, and what of it is so.
#[derive(Default)]
struct Log {
    /// The last is being written; the others are before it, or were.
    files: Vec<File>,
    spare: Vec<File>,
    at: usize,
    groups: Vec<Group>,
    /// The last group that the database has.
    followed: u64,
    /// What was there before the last group.
    before: Vec<u8>,
}

struct Group {
    leases: Vec<Lease>,
    place: Place,
}

/// Octets of the file with this number.
type Place = (u32, Range<usize>);

impl Log {
    fn sequence(&self) -> u64 {
        self.groups.len() as u64
    }

    /// A file that is used again, or a new one.
    fn make_room(&mut self) {
        let count = self.files.len() + self.spare.len();
        if self.at == 0 && count > 0 || self.spare.is_empty() && count == FILES {
            return;
        }
        let file = self.spare.pop().unwrap_or_else(|| {
            let taken = |number| self.files.iter().any(|file| file.0 == number);
            ((0..).find(|number| !taken(*number)).unwrap_or_default(), Vec::new())
        });
        self.files.push(file);
        self.at = 0;
    }

    /// The database has all there is.
    fn is_followed(&mut self) {
        self.followed = self.sequence();
        let current = self.files.pop();
        self.spare.append(&mut self.files);
        self.spare.truncate(LOG_SPARE);
        self.files.extend(current);
    }

    fn append(&mut self, count: usize, input: &mut Input<'_>) {
        let leases: Vec<Lease> = (0..count).map(|_| self.lease(input)).collect();
        let commit = |lease: &Lease| Commit { id: CommitId(1), lease: lease.clone() };
        let octets =
            group(self.sequence() + 1, MASK, &leases.iter().map(commit).collect::<Vec<_>>());
        let (number, file) = self.files.last_mut().expect("one is being written");
        let range = self.at..self.at + octets.len();
        file.resize(file.len().max(range.end), 0);
        self.before = file[range.clone()].to_vec();
        file[range.clone()].copy_from_slice(&octets);
        self.at = range.end;
        self.groups.push(Group { leases, place: (*number, range) });
    }

    /// What some machine is given next, with what it says of itself.
    fn lease(&self, input: &mut Input<'_>) -> Lease {
        let number = input.byte().unwrap_or_default();
        let version = self.sequence() + 1;
        let mut lease = plain(number % MACHINES, version);
        let mut client = lease.client();
        if number & 0x10 != 0 {
            client = ClientKey::Identifier(self.identifier(input).into());
        }
        let name = (number & 0x20 != 0).then_some("machine");
        let relay = RelayAgent { address: lease.address, information: input.slice(16).into() };
        lease.said = Said::new(&client, name, (number & 0x40 != 0).then_some(&relay));
        if number & 0x80 != 0 {
            lease.state = LeaseState::Released;
        }
        lease
    }

    /// What a client says that it is: anything, also what stands in a log.
    fn identifier(&self, input: &mut Input<'_>) -> Vec<u8> {
        let kind = input.byte().unwrap_or_default();
        if kind & 1 == 0 {
            return input.slice(CLIENT_ID_MAX).to_vec();
        }
        let forged = Commit { id: CommitId(1), lease: plain(MACHINES, 1) };
        let mut octets = vec![0; usize::from(kind >> 1 & 7)];
        octets.extend(group(self.sequence() + u64::from(kind >> 4), 0, &[forged]));
        octets
    }

    /// pxed is killed, or the power goes, or a disk loses what it had.
    fn crashes(mut self, input: &mut Input<'_>) {
        let how = input.byte().unwrap_or_default() % 4;
        let lost = match how {
            0 => None,
            1 => self.is_torn(input),
            _ => self.is_damaged(how == 2, input),
        };
        let may_miss = self.at_the_end(lost);
        let all: Vec<_> = self.files.iter().chain(&self.spare).collect();
        let all: Vec<_> = all.iter().map(|(number, octets)| (*number, &**octets)).collect();
        match leases(on_disk(&all), self.followed) {
            Ok((leases, last)) => {
                let missing = self.sequence() - last;
                assert!(missing <= may_miss, "{missing} groups are lost, {may_miss} are damaged");
                assert_eq!(leases, self.until(last), "what groups {}.. say", self.followed);
            }
            Err(StoreError::Gap { .. }) => assert!(how > 1, "damage, where nothing is damaged"),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Any part of the last group is on disk.
    fn is_torn(&mut self, input: &mut Input<'_>) -> Option<Place> {
        let place = self.groups.last()?.place.clone();
        if self.followed == self.sequence() {
            // It was synced.
            return None;
        }
        let (_, file) = self.files.iter_mut().find(|file| file.0 == place.0)?;
        let places = file[place.1.clone()].chunks_mut(8);
        for (octets, before) in places.zip(self.before.chunks(8)) {
            if input.byte().is_none_or(|byte| byte % 2 == 0) {
                octets.copy_from_slice(before);
            }
        }
        Some(place)
    }

    /// One octet is another, or the rest of a sector is lost.
    fn is_damaged(&mut self, one: bool, input: &mut Input<'_>) -> Option<Place> {
        let count = self.files.len() + self.spare.len();
        let which = usize::from(input.byte().unwrap_or_default()) % count;
        let (number, file) = self.files.iter_mut().chain(&mut self.spare).nth(which)?;
        let at = usize::from(input.word().unwrap_or_default()) % file.len().max(1);
        let end = if one { at + 1 } else { (at + 1).next_multiple_of(512) }.min(file.len());
        for octet in file.get_mut(at..end)? {
            *octet = if one { *octet ^ 1 << (at % 8) } else { 0 };
        }
        Some((*number, at..end))
    }

    /// How many groups at the end have lost something, which looks as if they had not been written yet.
    fn at_the_end(&self, lost: Option<Place>) -> u64 {
        let Some((number, lost)) = lost else { return 0 };
        let behind = self.groups.iter().skip(self.followed as usize).rev();
        let touched = |Group { place: (file, range), .. }: &&Group| {
            *file == number && lost.start < range.end && range.start < lost.end
        };
        behind.take_while(touched).count() as u64
    }

    /// The newest lease of each address that the database does not have, up to a group.
    fn until(&self, last: u64) -> Vec<Lease> {
        let groups = &self.groups[self.followed as usize..last as usize];
        let leases = groups.iter().flat_map(|group| &group.leases);
        let leases = leases.map(|lease| (lease.address, lease.clone()));
        leases.collect::<BTreeMap<_, _>>().into_values().collect()
    }
}

fn plain(machine: u8, version: u64) -> Lease {
    Lease {
        address: Ipv4Addr::new(10, 0, 0, machine),
        hardware: mac(machine).into(),
        said: Said::default(),
        state: LeaseState::Leased,
        granted: Timestamp::from_millis(version),
        expires: Timestamp::from_millis(version + 600_000),
        version,
    }
}

/// A directory with these files of the log, and no others.
fn on_disk(files: &[(u32, &[u8])]) -> &'static Path {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
        std::env::temp_dir().join(format!("pxed-fuzz-log-{}", std::process::id()))
    });
    fs::create_dir_all(&*DIRECTORY).expect("a directory");
    for number in 0..=FILES as u32 {
        let path = DIRECTORY.join(format!("commits.{number}"));
        match files.iter().find(|file| file.0 == number) {
            Some((_, octets)) => fs::write(path, octets).expect("room"),
            None => drop(fs::remove_file(path)),
        }
    }
    &DIRECTORY
}
