//! A database that is made anew from memory, after a disk has failed: nothing that was written before
//! is trusted, since Linux forgets what it could not write and calls it clean.
//!
//! `leases.db.new` is being made. When it is whole and synced it is called `leases.db.next`; then
//! `leases.db-wal` goes, which belongs to the old one, and it takes the name `leases.db`. A start that
//! finds `leases.db.next` does the rest.

use std::fs::{File, remove_file, rename};
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use pxed_proto::Timestamp;
use rusqlite::Connection;

use super::disk::Call;
use super::news::Page;
use super::row::Spoilt;
use super::{Place, StoreError, quirk, row, schema};

/// The database that is being made.
#[derive(Debug)]
pub(super) struct Rewrite {
    place: Place,
    connection: Connection,
    /// Behind what address the next page begins.
    pub after: Option<Ipv4Addr>,
}

impl Rewrite {
    pub fn begin(place: Place) -> Result<Self, StoreError> {
        let path = new(&place);
        place.disk.asked(Call::Page).map_err(|cause| StoreError::file("write", &path, cause))?;
        remove(path.clone()).map_err(|cause| StoreError::file("write", &path, cause))?;
        super::create_file(&path)?;
        let failed = |cause| StoreError::sqlite("write", &path, cause);
        let connection = schema::create(&path).map_err(failed)?;
        connection.execute_batch("BEGIN").map_err(failed)?;
        Ok(Self { place, connection, after: None })
    }

    pub fn take(&mut self, page: &Page) -> Result<(), StoreError> {
        let path = new(&self.place);
        let asked = self.place.disk.asked(Call::Page);
        asked.map_err(|cause| StoreError::file("write", &path, cause))?;
        let mut leases = page.leases.iter();
        let taken = leases.try_for_each(|lease| row::put(&self.connection, lease));
        let mut quirks = page.quirks.iter();
        let taken =
            taken.and_then(|()| quirks.try_for_each(|one| quirk::put(&self.connection, one)));
        taken.map_err(|cause| StoreError::sqlite("write", &path, cause))?;
        self.after = page.next;
        Ok(())
    }

    /// Puts it in the place of the old one, durably.
    pub fn finish(
        self,
        spoilt: &[Spoilt],
        followed: u64,
        seen: Timestamp,
    ) -> Result<(), StoreError> {
        let Self { place, connection, .. } = self;
        let path = new(&place);
        let failed = |cause| StoreError::sqlite("write", &path, cause);
        end(&connection, spoilt, followed, seen).map_err(failed)?;
        connection.close().map_err(|(_, cause)| failed(cause))?;
        replace(&place).map_err(|cause| StoreError::file("replace", &place.database(), cause))
    }
}

fn end(
    connection: &Connection,
    spoilt: &[Spoilt],
    followed: u64,
    seen: Timestamp,
) -> rusqlite::Result<()> {
    // They were there before, whatever the table says.
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    spoilt.iter().try_for_each(|spoilt| row::put_spoilt(connection, spoilt))?;
    let note = "UPDATE store SET followed = ?1, seen = ?2";
    connection.execute(note, [row::integer(followed), row::integer(seen.as_millis())])?;
    connection.execute_batch("COMMIT")
}

fn replace(place: &Place) -> io::Result<()> {
    place.disk.asked(Call::Replace)?;
    File::open(new(place))?.sync_all()?;
    rename(new(place), next(place))?;
    place.disk.sync_names(&place.directory)?;
    complete(place)
}

/// Goes on where a replacement was cut off; nothing where there was none.
pub(super) fn complete(place: &Place) -> io::Result<()> {
    remove(new(place))?;
    if !next(place).try_exists()? {
        return Ok(());
    }
    for name in ["leases.db-wal", "leases.db-shm"] {
        remove(place.directory.join(name))?;
    }
    place.disk.sync_names(&place.directory)?;
    rename(next(place), place.database())?;
    place.disk.sync_names(&place.directory)
}

fn remove(path: PathBuf) -> io::Result<()> {
    match remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn new(place: &Place) -> PathBuf {
    place.directory.join("leases.db.new")
}

fn next(place: &Place) -> PathBuf {
    place.directory.join("leases.db.next")
}
