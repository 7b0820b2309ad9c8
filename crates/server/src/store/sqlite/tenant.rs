//! Verbs of the tenant and of the key-encryption keys.

use super::{
    StoreError, audit,
    column::{known, ticks, time, time_opt},
};
use crate::{
    audit::AuditEntry,
    seal::{EnvelopeKind, KeyId},
    store::{ClockReading, Counts, EscrowSettings, Key, NewTenant, SealedVersion, Settings, Tenant, WrappedKey},
};
use laps::{
    id::{DeviceId, Incarnation, TenantId, VersionId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, params};

/// How far the clock may move from what it should be, seconds.
const CLOCK_SLACK_S: u64 = 24 * 3600;
/// How often the clock is stored at most, seconds.
const CLOCK_STORE_S: u64 = 3600;
/// A restore moves the order on by so much, so that no number is given twice.
const RESTORE_SEQUENCE_GAP: i64 = 1_000_000;

/// Writes the tenant, the first key and the first audit record.
pub(super) fn initialise(
    tx: &Connection,
    tenant: &NewTenant,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    if tx.query_row("SELECT count(*) FROM tenant", [], |row| row.get::<_, i64>(0))? != 0 {
        return Err(StoreError::Exists("tenant"));
    }
    let settings = &tenant.settings;
    tx.execute(
        "INSERT INTO tenant (one, id, incarnation, initialised_at, laps_enabled, tombstone_days, versions_per_day, \
         unresolved_max, registration_policy, revision, clock_seen_at, repairs_per_day, audit_days, \
         escrow_recipients, escrow_interval_days, escrow_folder, escrow_kept) \
         VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
        params![
            tenant.id.as_bytes(),
            tenant.incarnation.as_bytes(),
            ticks(now),
            settings.laps_enabled,
            settings.tombstone_days,
            settings.versions_per_day,
            settings.unresolved_max,
            settings.registration_policy,
            ticks(now),
            settings.repairs_per_day,
            settings.audit_days,
            settings.escrow.recipients.join(" "),
            settings.escrow.interval_days,
            settings.escrow.folder,
            settings.escrow.kept,
        ],
    )?;
    tx.execute("INSERT INTO key (id, created_at, active) VALUES (?, ?, 1)", params![tenant.key.0, ticks(now)])?;
    audit::append(tx, entry, Vec::new())
}

/// The tenant.
pub(super) fn tenant(tx: &Connection) -> Result<Tenant, StoreError> {
    tx.prepare_cached(
        "SELECT id, incarnation, initialised_at, restored_from, restored_at, laps_enabled, tombstone_days, \
         versions_per_day, unresolved_max, registration_policy, revision, clock_held_at, repairs_per_day, \
         escrow_recipients, escrow_interval_days, escrow_folder, escrow_kept, \
         audit_days FROM tenant",
    )?
    .query_row([], |row| {
        Ok(Tenant {
            id: TenantId::from_bytes(row.get(0)?),
            incarnation: Incarnation::from_bytes(row.get(1)?),
            initialised_at: time(row.get(2)?),
            restored_from: time_opt(row.get(3)?),
            restored_at: time_opt(row.get(4)?),
            settings: Settings {
                laps_enabled: row.get(5)?,
                tombstone_days: row.get(6)?,
                versions_per_day: row.get(7)?,
                unresolved_max: row.get(8)?,
                repairs_per_day: row.get(12)?,
                audit_days: row.get(17)?,
                registration_policy: row.get(9)?,
                escrow: EscrowSettings {
                    recipients: row.get_ref(13)?.as_str()?.split_ascii_whitespace().map(str::to_owned).collect(),
                    interval_days: row.get(14)?,
                    folder: row.get(15)?,
                    kept: row.get(16)?,
                },
            },
            revision: row.get::<_, i64>(10)? as u64,
            clock_held_at: time_opt(row.get(11)?),
        })
    })
    .optional()?
    .ok_or(StoreError::NotInitialised)
}

/// Replaces the settings.
pub(super) fn update_settings(
    tx: &Connection,
    settings: &Settings,
    revision: u64,
    entry: AuditEntry,
) -> Result<Tenant, StoreError> {
    let changed = tx.execute(
        "UPDATE tenant SET laps_enabled = ?, tombstone_days = ?, versions_per_day = ?, unresolved_max = ?, \
         registration_policy = ?, repairs_per_day = ?, audit_days = ?, escrow_recipients = ?, \
         escrow_interval_days = ?, escrow_folder = ?, escrow_kept = ?, revision = revision + 1 WHERE revision = ?",
        params![
            settings.laps_enabled,
            settings.tombstone_days,
            settings.versions_per_day,
            settings.unresolved_max,
            settings.registration_policy,
            settings.repairs_per_day,
            settings.audit_days,
            settings.escrow.recipients.join(" "),
            settings.escrow.interval_days,
            settings.escrow.folder,
            settings.escrow.kept,
            revision as i64
        ],
    )?;
    if changed == 0 {
        tenant(tx)?;
        return Err(StoreError::Changed);
    }
    audit::append(tx, entry, Vec::new())?;
    tenant(tx)
}

/// The next number of the one order.
pub(super) fn next_sequence(tx: &Connection) -> Result<u64, StoreError> {
    // Two statements: RETURNING makes a temporary table each time, which cost more than the rest of a store. The key is
    // named, or SQLite prepares to undo a change of several rows.
    tx.prepare_cached("UPDATE sequence SET last = last + 1 WHERE one = 1")?.execute([])?;
    let next: i64 = tx.prepare_cached("SELECT last FROM sequence")?.query_row([], |row| row.get(0))?;
    Ok(next as u64)
}

/// What observing the clock comes to.
pub(super) enum Clock {
    /// Nothing to store.
    Fine,
    /// Store the time.
    Store,
    /// Store the time, and hold jobs that destroy.
    Hold,
}

/// Judges a reading; answers also whether jobs are held already.
pub(super) fn judge_clock(tx: &Connection, reading: ClockReading) -> Result<(Clock, bool), StoreError> {
    let (seen_at, held): (i64, bool) = tx
        .prepare_cached("SELECT clock_seen_at, clock_held_at IS NOT NULL FROM tenant")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or(StoreError::NotInitialised)?;
    let seen_at = time(seen_at);
    let expected = seen_at.plus_seconds(reading.elapsed_s.unwrap_or(0));
    let moved_s = reading.now.seconds_since(expected).max(expected.seconds_since(reading.now));
    let verdict = if moved_s > CLOCK_SLACK_S {
        Clock::Hold
    } else if reading.now.seconds_since(seen_at).max(seen_at.seconds_since(reading.now)) >= CLOCK_STORE_S {
        Clock::Store
    } else {
        Clock::Fine
    };
    Ok((verdict, held))
}

/// Stores what the clock did; answers whether jobs that destroy are held.
pub(super) fn observe_clock(tx: &Connection, reading: ClockReading) -> Result<bool, StoreError> {
    let (verdict, held) = judge_clock(tx, reading)?;
    match verdict {
        Clock::Fine => Ok(held),
        Clock::Store => {
            tx.execute("UPDATE tenant SET clock_seen_at = ?", [ticks(reading.now)])?;
            Ok(held)
        }
        Clock::Hold => {
            tx.execute(
                "UPDATE tenant SET clock_seen_at = ?1, clock_held_at = coalesce(clock_held_at, ?1)",
                [ticks(reading.now)],
            )?;
            Ok(true)
        }
    }
}

/// A person says that the clock is right.
pub(super) fn confirm_clock(tx: &Connection, now: Timestamp, entry: AuditEntry) -> Result<(), StoreError> {
    tx.execute("UPDATE tenant SET clock_seen_at = ?, clock_held_at = NULL", [ticks(now)])?;
    audit::append(tx, entry, Vec::new())
}

/// Refuses to destroy anything while the clock is in doubt (rotation.md 3).
pub(super) fn refuse_while_clock_held(tx: &Connection) -> Result<(), StoreError> {
    match tenant(tx)?.clock_held_at {
        Some(_) => Err(StoreError::ClockHeld),
        None => Ok(()),
    }
}

/// Numbers for metrics.
pub(super) fn counts(tx: &Connection) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    let mut devices = tx.prepare_cached("SELECT state, count(*) FROM device GROUP BY state")?;
    let mut rows = devices.query([])?;
    while let Some(row) = rows.next()? {
        let number = row.get::<_, i64>(1)? as u64;
        match row.get_ref(0)?.as_str().unwrap_or_default() {
            "enabled" => counts.devices_enabled = number,
            "disabled" => counts.devices_disabled = number,
            "deleted" => counts.devices_deleted = number,
            _ => {}
        }
    }
    let mut versions = tx.prepare_cached("SELECT state, count(*) FROM version GROUP BY state")?;
    let mut rows = versions.query([])?;
    while let Some(row) = rows.next()? {
        let number = row.get::<_, i64>(1)? as u64;
        match row.get_ref(0)?.as_str().unwrap_or_default() {
            "pending" => counts.versions_pending = number,
            "current" => counts.versions_current = number,
            _ => counts.versions_history += number,
        }
    }
    let number = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|number| number as u64);
    counts.rotations_open = number("SELECT count(*) FROM request WHERE met_at IS NULL AND closed_at IS NULL")?;
    counts.audit_records = number("SELECT count(*) FROM audit")?;
    Ok(counts)
}

/// Makes the data a new incarnation.
pub(super) fn begin_incarnation(
    tx: &Connection,
    incarnation: Incarnation,
    backup_at: Timestamp,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let changed = tx.execute(
        "UPDATE tenant SET incarnation = ?, restored_from = ?, restored_at = ?",
        params![incarnation.as_bytes(), ticks(backup_at), ticks(now)],
    )?;
    if changed == 0 {
        return Err(StoreError::NotInitialised);
    }
    tx.execute("UPDATE sequence SET last = last + ?", [RESTORE_SEQUENCE_GAP])?;
    tx.execute("UPDATE join_token SET revoked_at = ? WHERE used_at IS NULL AND revoked_at IS NULL", [ticks(now)])?;
    tx.execute("DELETE FROM session", [])?;
    tx.execute("DELETE FROM device_code", [])?;
    tx.execute("DELETE FROM ticket", [])?;
    // One that was revoked since the backup would be good again.
    tx.execute("DELETE FROM api_token", [])?;
    tx.execute("UPDATE principal SET epoch = epoch + 1", [])?;
    tx.execute("UPDATE version SET from_backup_at = ?", [ticks(backup_at)])?;
    tx.execute("UPDATE device SET from_backup_at = ?", [ticks(backup_at)])?;
    audit::append(tx, entry, Vec::new())
}

/// Every key-encryption key.
pub(super) fn keys(tx: &Connection) -> Result<Vec<Key>, StoreError> {
    let keys = tx
        .prepare_cached("SELECT id, created_at, active, retired_at FROM key ORDER BY no")?
        .query_map([], |row| {
            Ok(Key {
                id: KeyId(row.get(0)?),
                created_at: time(row.get(1)?),
                active: row.get(2)?,
                retired_at: time_opt(row.get(3)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(keys)
}

/// The number of a key that may wrap; refuses a retired or unknown one.
pub(super) fn usable_key(tx: &Connection, id: KeyId) -> Result<i64, StoreError> {
    let number = tx
        .prepare_cached("SELECT no FROM key WHERE id = ? AND retired_at IS NULL")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    match number {
        Some(number) => Ok(number),
        None => {
            let active = tx
                .prepare_cached("SELECT id FROM key WHERE active = 1")?
                .query_row([], |row| row.get(0))
                .optional()?
                .ok_or(StoreError::NotInitialised)?;
            Err(StoreError::KeyRetired { active: KeyId(active) })
        }
    }
}

/// Makes a new key the active one.
pub(super) fn begin_rekey(tx: &Connection, key: KeyId, now: Timestamp, entry: AuditEntry) -> Result<(), StoreError> {
    if keys(tx)?.iter().any(|known| known.id == key) {
        return Err(StoreError::Exists("key"));
    }
    tx.execute("UPDATE key SET active = 0 WHERE active = 1", [])?;
    tx.execute("INSERT INTO key (id, created_at, active) VALUES (?, ?, 1)", params![key.0, ticks(now)])?;
    audit::append(tx, entry, Vec::new())
}

/// Envelopes under a key.
pub(super) fn wrapped_under(tx: &Connection, key: KeyId, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
    let keys = tx
        .prepare_cached(
            "SELECT device, version, wrapped_key FROM version WHERE key = (SELECT no FROM key WHERE id = ?) LIMIT ?",
        )?
        .query_map(params![key.0, limit], |row| {
            Ok(WrappedKey {
                device: DeviceId::from_bytes(row.get(0)?),
                version: VersionId::from_bytes(row.get(1)?),
                wrapped_key: row.get(2)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(keys)
}

/// Puts data keys, wrapped anew, in their places.
pub(super) fn rewrap(tx: &Connection, from: KeyId, to: KeyId, keys: &[WrappedKey]) -> Result<u64, StoreError> {
    let to = usable_key(tx, to)?;
    let mut update = tx.prepare_cached(
        "UPDATE version SET key = ?, wrapped_key = ? WHERE device = ? AND version = ? \
         AND key = (SELECT no FROM key WHERE id = ?)",
    )?;
    let mut replaced = 0;
    for key in keys {
        replaced +=
            update.execute(params![to, key.wrapped_key, key.device.as_bytes(), key.version.as_bytes(), from.0])?;
    }
    Ok(replaced as u64)
}

/// Retires a key that wraps nothing any more; answers how many envelopes are still under it.
pub(super) fn retire_key(tx: &Connection, key: KeyId, now: Timestamp, entry: AuditEntry) -> Result<u64, StoreError> {
    let known = keys(tx)?.into_iter().find(|known| known.id == key).ok_or(StoreError::NotFound("key"))?;
    if known.active {
        return Err(StoreError::InUse("new passwords: it is the active key"));
    }
    if known.retired_at.is_some() {
        return Ok(0);
    }
    let left: i64 =
        tx.query_row("SELECT count(*) FROM version WHERE key = (SELECT no FROM key WHERE id = ?)", [key.0], |row| {
            row.get(0)
        })?;
    let left = left + super::secrets::number_under(tx, key)?;
    if left == 0 {
        tx.execute("UPDATE key SET retired_at = ? WHERE id = ?", params![ticks(now), key.0])?;
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(left as u64)
}

/// One sealed version for each key that wraps any.
pub(super) fn sealed_samples(tx: &Connection) -> Result<Vec<SealedVersion>, StoreError> {
    let mut samples = Vec::new();
    for key in keys(tx)? {
        if let Some(place) = wrapped_under(tx, key.id, 1)?.pop() {
            samples.extend(super::versions::sealed(tx, place.device, place.version)?);
        }
    }
    Ok(samples)
}

/// The kind of an envelope from its column.
pub(super) fn envelope_kind(number: u8) -> rusqlite::Result<EnvelopeKind> {
    known(EnvelopeKind::from_number(number), "kind of envelope")
}
