//! Migrations: numbered SQL files, each in one transaction; the number is `PRAGMA user_version`.

use super::StoreError;
use rusqlite::Connection;

/// Every migration; its place is its number, from 1. A file that was released is never changed.
const MIGRATIONS: [&str; 12] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
    include_str!("schema/0008.sql"),
    include_str!("schema/0009.sql"),
    include_str!("schema/0010.sql"),
    include_str!("schema/0011.sql"),
    include_str!("schema/0012.sql"),
];

/// The version that this program writes.
pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// Brings the database to [`KNOWN`].
///
/// # Errors
/// [`StoreError::Newer`] when it was written by a newer program; nothing was changed then.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found = version(connection)?;
    for number in found..KNOWN {
        let transaction = connection.transaction()?;
        transaction.execute_batch(MIGRATIONS[number as usize])?;
        transaction.pragma_update(None, "user_version", number + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The version of a database that this program can read.
///
/// # Errors
/// [`StoreError::Newer`].
pub(super) fn version(connection: &Connection) -> Result<u32, StoreError> {
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > KNOWN {
        return Err(StoreError::Newer { found, known: KNOWN });
    }
    Ok(found)
}
