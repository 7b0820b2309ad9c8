//! The embedded store: SQLite, write-ahead log, `synchronous=FULL`.
//!
//! One writer thread with group commit (`writer`), a few read connections (`readers`). Every verb is
//! a function over a connection in the module of its noun; this file only says which verb reads and which
//! writes. Everything is read from the database inside the transaction that needs it, so that a second
//! process (a command of `lapwingd`) may write meanwhile.

mod audit;
mod campaigns;
mod channels;
mod column;
mod copy;
mod devices;
mod exports;
mod failure;
mod groups;
mod people;
mod policies;
mod readers;
mod reading;
mod reports;
mod roles;
mod schema;
mod sessions;
mod survey;
mod tenant;
mod uses;
mod verbs;
mod versions;
mod work;
mod writer;

use super::{Answer, StoreError};
use laps::{id::DeviceId, time::Timestamp};
use readers::Readers;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use writer::{Lane, Undo, Writer};

/// How long a connection waits for another process to end its transaction.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Most memory that the writer keeps of the database, in KiB; it is taken as pages are used.
const WRITER_CACHE_KIB: i64 = 65_536;
/// Pages of 4 KiB in the log before they are written to the database.
const CHECKPOINT_PAGES: i64 = 4_000;
/// Prepared statements that a connection keeps.
const STATEMENTS_KEPT: usize = 256;
/// Free space below which the store says that the disk is full, bytes: a batch and its log fit in it.
const FREE_BYTES_MIN: u64 = 16 << 20;

/// The store in one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    work: watch::Receiver<u64>,
    /// Contacts that are not written yet.
    seen: Mutex<HashMap<DeviceId, Timestamp>>,
}

impl SqliteStore {
    /// Makes a new database file, readable by its owner only.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one, [`StoreError::ReadOnly`], [`StoreError::DiskFull`].
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match file {
            Ok(_) => Self::open(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(StoreError::Exists("database")),
            Err(error) => Err(failure::from_io(&error)),
        }
    }

    /// Opens a database and brings it to the version of this program.
    ///
    /// # Errors
    /// [`StoreError::NotInitialised`] when there is no file, [`StoreError::Newer`] when a newer program
    /// wrote it; nothing was changed then.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::NotInitialised);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        schema::version(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Deleted rows are overwritten: a purged password leaves no cipher text in free pages.
        connection.pragma_update(None, "secure_delete", true)?;
        // Keys are random: with the default of 2 MiB nearly every store would read its pages from the kernel again.
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        keep_statements(&connection)?;
        schema::migrate(&mut connection)?;
        let newest: i64 = connection.query_row("SELECT coalesce(max(sequence), 0) FROM work", [], |row| row.get(0))?;
        let (sender, work) = watch::channel(newest as u64);
        let readers = Readers::open(path)?;
        let writer = Writer::start(connection, sender)?;
        Ok(Self { path: path.to_owned(), writer, readers, work, seen: Mutex::default() })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits since it was opened: for metrics, and for tests of what costs a durable write.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Bounds the database to `pages` (at least those it has): further growth is refused with
    /// [`StoreError::DiskFull`], as a full disk does. For operators who share a disk, and for tests.
    pub fn limit_pages(&self, pages: u32) -> Answer<'_, ()> {
        self.write(move |tx| {
            tx.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get::<_, i64>(0))?;
            Ok(())
        })
    }

    fn write<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        self.submit(Lane::Normal, Undo::Writes, verb)
    }

    /// A verb that refuses before its first write.
    fn write_if_not_refused<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        self.submit(Lane::Normal, Undo::Nothing, verb)
    }

    fn submit<T: Send + 'static>(
        &self,
        lane: Lane,
        undo: Undo,
        verb: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        // Queued at once, so that verbs keep the order in which they were called.
        let queued = self.writer.submit(lane, undo, verb);
        Box::pin(async move {
            queued?.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the writer has stopped".into())))
        })
    }

    fn read<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        self.readers.read(verb)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<DeviceId, Timestamp>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A device's row with what is only in memory.
    fn with_seen(&self, mut device: super::Device) -> super::Device {
        device.last_seen = device.last_seen.max(self.seen().get(&device.id).copied());
        device
    }

    /// Refuses when the disk has no room for a batch.
    fn refuse_without_room(&self) -> Result<(), StoreError> {
        let stat = rustix::fs::statvfs(&self.path).map_err(|error| failure::from_io(&error.into()))?;
        if stat.f_bavail.saturating_mul(stat.f_frsize) < FREE_BYTES_MIN {
            return Err(StoreError::DiskFull);
        }
        Ok(())
    }
}

/// A connection that only reads.
fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    keep_statements(&connection)?;
    Ok(connection)
}

/// Statements are prepared once and their plans do not hang on what is bound: otherwise SQLite prepares a statement
/// again at every binding that a partial index might be chosen by.
fn keep_statements(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}
