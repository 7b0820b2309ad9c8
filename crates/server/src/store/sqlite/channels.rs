//! Verbs of channels.

use super::{
    StoreError, audit,
    column::{folded, ticks, ticks_opt, time, time_opt},
};
use crate::{
    audit::AuditEntry,
    store::{CHANNELS_MAX, Channel, ChannelProgress, NewChannel},
};
use laps::time::Timestamp;
use rusqlite::{Connection, Row, params};

const COLUMNS: &str = "id, name, settings, everything, created_at, position, delivered_at, dropped, failures, retry_at, last_error, \
     paused";

/// Channels in the order of their names.
pub(super) fn all(tx: &Connection) -> Result<Vec<Channel>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {COLUMNS} FROM channel ORDER BY name_folded"))?
        .query_map([], from_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Makes a channel; it is told of what comes after its own record.
pub(super) fn create(tx: &Connection, new: &NewChannel, now: Timestamp, entry: AuditEntry) -> Result<(), StoreError> {
    let channels = all(tx)?;
    let taken = |one: &Channel| one.channel.id == new.id || folded(&one.channel.name) == folded(&new.name);
    if channels.iter().any(taken) {
        return Err(StoreError::Exists("channel"));
    }
    if channels.len() >= CHANNELS_MAX as usize {
        return Err(StoreError::InUse("as many channels as there may be"));
    }
    audit::append(tx, entry, Vec::new())?;
    tx.execute(
        "INSERT INTO channel (id, name, name_folded, settings, everything, created_at, position) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![
            new.id,
            new.name,
            folded(&new.name),
            new.settings,
            new.everything,
            ticks(now),
            audit::head(tx)?.sequence as i64
        ],
    )?;
    Ok(())
}

/// Removes a channel.
pub(super) fn delete(tx: &Connection, id: [u8; 16], entry: AuditEntry) -> Result<(), StoreError> {
    if tx.execute("DELETE FROM channel WHERE id = ?", [id])? == 0 {
        return Err(StoreError::NotFound("channel"));
    }
    audit::append(tx, entry, Vec::new())
}

/// Pauses or resumes a channel; resumed, it is tried at once. `false` when it was so already: nothing is written.
pub(super) fn pause(tx: &Connection, id: [u8; 16], paused: bool, entry: AuditEntry) -> Result<bool, StoreError> {
    if !all(tx)?.iter().any(|one| one.channel.id == id) {
        return Err(StoreError::NotFound("channel"));
    }
    let sql = "UPDATE channel SET paused = ?2, retry_at = NULL WHERE id = ?1 AND paused <> ?2";
    if tx.execute(sql, params![id, paused])? == 0 {
        return Ok(false);
    }
    audit::append(tx, entry, Vec::new())?;
    Ok(true)
}

/// Notes how a channel went on from `from`; `false` when somebody else did meanwhile.
pub(super) fn advance(
    tx: &Connection,
    id: [u8; 16],
    from: u64,
    to: u64,
    progress: &ChannelProgress,
) -> Result<bool, StoreError> {
    let (id, from, to) = (&id[..], from as i64, to as i64);
    let changed = match progress {
        ChannelProgress::Told { at } => tx
            .prepare_cached(
                "UPDATE channel SET position = ?3, delivered_at = coalesce(?4, delivered_at), failures = 0, \
                 retry_at = NULL, last_error = NULL WHERE id = ?1 AND position = ?2",
            )?
            .execute(params![id, from, to, ticks_opt(*at)])?,
        ChannelProgress::Dropped(records) => tx
            .prepare_cached("UPDATE channel SET position = ?3, dropped = dropped + ?4 WHERE id = ?1 AND position = ?2")?
            .execute(params![id, from, to, *records as i64])?,
        ChannelProgress::Failed { error, retry_at } => tx
            .prepare_cached(
                "UPDATE channel SET position = ?3, failures = failures + 1, last_error = ?4, retry_at = ?5 \
                 WHERE id = ?1 AND position = ?2",
            )?
            .execute(params![id, from, to, error, ticks(*retry_at)])?,
    };
    Ok(changed > 0)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Channel> {
    Ok(Channel {
        channel: NewChannel { id: row.get(0)?, name: row.get(1)?, settings: row.get(2)?, everything: row.get(3)? },
        created_at: time(row.get(4)?),
        position: row.get::<_, i64>(5)? as u64,
        delivered_at: time_opt(row.get(6)?),
        dropped: row.get::<_, i64>(7)? as u64,
        failures: row.get(8)?,
        retry_at: time_opt(row.get(9)?),
        last_error: row.get(10)?,
        paused: row.get(11)?,
    })
}
