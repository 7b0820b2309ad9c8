//! Copies of the database, and whether a database is whole.

use super::{Answer, BUSY_WAIT, SqliteStore, StoreError, column, open_reader, schema};
use laps::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, backup::Backup, params};
use std::{path::Path, time::Duration};

/// Pages that are copied before the writer gets its turn.
const PAGES_PER_STEP: i32 = 1000;
/// How an SQLite file begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

impl SqliteStore {
    /// Whether a file looks like a database at all.
    pub fn is_database(path: &Path) -> bool {
        use std::io::Read as _;
        let mut magic = [0; 16];
        std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == MAGIC
    }

    /// Copies the database, as it is at one moment, into an empty file; the writer goes on meanwhile. The
    /// copy is one file without a log, and holds the time of its making and the configuration.
    ///
    /// # Errors
    /// What reading and writing give; the file is of no use then.
    pub fn copy_to(&self, to: &Path, now: Timestamp, configuration: Option<&str>) -> Result<(), StoreError> {
        let from = open_reader(self.path())?;
        let mut copy = Connection::open(to)?;
        copy.busy_timeout(BUSY_WAIT)?;
        Backup::new(&from, &mut copy)?.run_to_completion(PAGES_PER_STEP, Duration::ZERO, None)?;
        copy.pragma_update(None, "journal_mode", "DELETE")?;
        copy.pragma_update(None, "synchronous", "FULL")?;
        copy.execute_batch("CREATE TABLE backup (taken_at INTEGER NOT NULL, configuration TEXT) STRICT")?;
        copy.execute("INSERT INTO backup VALUES (?, ?)", params![column::ticks(now), configuration])?;
        integrity(&copy)?;
        copy.close().map_err(|(_, error)| error.into())
    }

    /// When the backup was taken that this database is a copy of, and the configuration of that time; takes
    /// the note away. `None` when it is no backup.
    pub fn take_backup_note(&self) -> Answer<'_, Option<(Timestamp, Option<String>)>> {
        self.write(|tx| {
            let is_backup: bool = tx.query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'backup')",
                [],
                |row| row.get(0),
            )?;
            if !is_backup {
                return Ok(None);
            }
            let note = tx
                .query_row("SELECT taken_at, configuration FROM backup", [], |row| {
                    Ok((column::time(row.get(0)?), row.get(1)?))
                })
                .optional()?;
            tx.execute("DROP TABLE backup", [])?;
            Ok(note)
        })
    }

    /// Checks every page, index and reference.
    pub fn integrity(&self) -> Answer<'_, ()> {
        self.read(integrity)
    }

    /// The version of the database's tables.
    pub fn schema_version(&self) -> Answer<'_, u32> {
        self.read(schema::version)
    }
}

fn integrity(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::Corrupt(verdict));
    }
    let dangling: Option<String> = connection.query_row("PRAGMA foreign_key_check", [], |row| row.get(0)).optional()?;
    match dangling {
        None => Ok(()),
        Some(table) => Err(StoreError::Corrupt(format!("a row of {table} refers to nothing"))),
    }
}
