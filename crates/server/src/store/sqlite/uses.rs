//! Verbs of uses of passwords, and of the reads that they are paired with.

use super::{
    StoreError, audit,
    column::{ticks, ticks_opt, time, time_opt},
    devices, tenant,
};
use crate::{
    audit::{AuditEntry, AuditRecord},
    store::{DeviceState, Page, PageOf, PasswordUse, USES_KEPT},
};
use laps::id::{DeviceId, SignInId, VersionId};
use rusqlite::{Connection, params};

/// Notes a use; again is `false` and nothing.
pub(super) fn note(tx: &Connection, used: &PasswordUse, entry: AuditEntry) -> Result<bool, StoreError> {
    let device = devices::device(tx, used.device)?.ok_or(StoreError::DeviceUnknown)?;
    if device.state == DeviceState::Purged {
        return Err(StoreError::DeviceUnknown);
    }
    let written =
        tx.prepare_cached("INSERT OR IGNORE INTO password_use VALUES (?,?,?,?,?,?,?,?,?,?)")?.execute(params![
            used.device.as_bytes(),
            used.id.as_bytes(),
            tenant::next_sequence(tx)? as i64,
            used.version.as_bytes(),
            used.account_name,
            used.service,
            used.from,
            ticks(used.at),
            ticks_opt(used.deadline),
            ticks(used.reported_at),
        ])?;
    if written == 0 {
        return Ok(false);
    }
    tx.prepare_cached(
        "DELETE FROM password_use WHERE device = ?1 AND sequence < (SELECT min(sequence) FROM \
         (SELECT sequence FROM password_use WHERE device = ?1 ORDER BY sequence DESC LIMIT ?2))",
    )?
    .execute(params![used.device.as_bytes(), USES_KEPT])?;
    audit::append(tx, entry, Vec::new())?;
    Ok(true)
}

/// Uses of a device's passwords, newest first.
pub(super) fn list(tx: &Connection, device: DeviceId, page: &Page) -> Result<PageOf<PasswordUse>, StoreError> {
    let before: i64 = match &page.after {
        None => i64::MAX,
        Some(text) => text.parse().map_err(|_| StoreError::BadCursor)?,
    };
    let size = page.size();
    let items = tx
        .prepare_cached(
            "SELECT sequence, id, version, account_name, service, origin, at, deadline, reported_at \
             FROM password_use WHERE device = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?",
        )?
        .query_map(params![device.as_bytes(), before, size as i64 + 1], |row| {
            let used = PasswordUse {
                device,
                id: SignInId::from_bytes(row.get(1)?),
                version: VersionId::from_bytes(row.get(2)?),
                account_name: row.get(3)?,
                service: row.get(4)?,
                from: row.get(5)?,
                at: time(row.get(6)?),
                deadline: time_opt(row.get(7)?),
                reported_at: time(row.get(8)?),
            };
            Ok((row.get::<_, i64>(0)?, used))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let page = PageOf::cut(items, size, |(sequence, _)| sequence.to_string());
    Ok(page.map(|(_, used)| used))
}

/// The newest record of a reveal that gave the version out to a reader of this device.
pub(super) fn last_read(
    tx: &Connection,
    device: DeviceId,
    version: VersionId,
) -> Result<Option<AuditRecord>, StoreError> {
    let reads = audit::reads(tx, device)?;
    Ok(reads.into_iter().find(|record| record.disclosed.iter().any(|disclosed| disclosed.version == version)))
}
