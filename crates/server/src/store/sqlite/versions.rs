//! Verbs of versions: store, prove, abandon, read, reveal, release, trim (rotation.md 3).

use super::{
    StoreError, audit, campaigns,
    column::{fingerprint, known, proof_from_word, proof_word, ticks, ticks_opt, time, time_opt},
    devices, tenant,
    work::{self, open_requests},
};
use crate::{
    audit::{AuditEntry, Disclosed},
    seal::{KeyId, Sealed},
    store::{
        CredentialSummary, DeviceEventKind, DeviceFilter, DeviceState, FORK_DAYS, NewVersion, Page, PageOf, Proof,
        Proven, Reveal, SealedVersion, Stored, Trimmed, Version, VersionState, order_best_first, removable,
    },
};
use laps::{
    id::{DeviceId, PrincipalId, VersionId},
    time::{TICKS_PER_DAY, Timestamp},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "version, account_id, account_name, state, sequence, fingerprint, proof, stored_at, set_at, \
     proven_at, ended_at, expires_at, released_at, from_backup_at";
/// How many former objects of a machine are followed.
const PREDECESSORS_MAX: usize = 8;

/// `store`. Everything that can be refused is refused before the first write.
pub(super) fn store_pending(
    tx: &Connection,
    new: &NewVersion,
    now: Timestamp,
    mut entry: AuditEntry,
) -> Result<Stored, StoreError> {
    let facts = StoreFacts::read(tx, new)?.ok_or(StoreError::NotInitialised)?;
    match (facts.certificate_of, facts.state) {
        (Some(device), _) if device != new.device => return Err(StoreError::DeviceUnknown),
        (_, None | Some(DeviceState::Purged)) => return Err(StoreError::DeviceUnknown),
        _ if facts.revoked => return Err(StoreError::CertificateRevoked),
        _ => {}
    }
    if let Some(stored) = stored_before(tx, new)? {
        return Ok(stored);
    }
    match facts.state {
        Some(DeviceState::Deleted) => return Err(StoreError::DeviceDeleted),
        Some(DeviceState::Disabled) => return Err(StoreError::DeviceDisabled),
        _ => {}
    }
    if !facts.laps_enabled {
        return Err(StoreError::SwitchOff);
    }
    refuse_too_many(tx, new.device, &facts, now)?;
    let key = match facts.key {
        Some(key) => key,
        None => tenant::usable_key(tx, new.sealed.key)?,
    };
    let sequence = tenant::next_sequence(tx)?;
    tx.prepare_cached(
        "INSERT INTO version VALUES (?, ?, ?, ?, 'pending', ?, ?, NULL, ?, ?, NULL, NULL, NULL, ?, NULL, NULL, \
         ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        new.device.as_bytes(),
        new.version.as_bytes(),
        new.account_id,
        new.account_name,
        sequence as i64,
        new.fingerprint.as_bytes(),
        ticks(now),
        ticks_opt(new.device_time),
        ticks_opt(new.expires_at),
        new.sealed.kind as u8,
        key,
        new.sealed.wrapped_key,
        new.sealed.nonce,
        new.sealed.ciphertext,
    ])?;
    entry.target.name = facts.name.unwrap_or_default();
    audit::append(tx, entry, Vec::new())?;
    Ok(Stored { sequence, state: VersionState::Pending, stored_at: now, again: false })
}

/// What a `store` is decided on beside the device's versions, read by one statement.
struct StoreFacts {
    state: Option<DeviceState>,
    name: Option<String>,
    certificate_of: Option<DeviceId>,
    revoked: bool,
    laps_enabled: bool,
    versions_per_day: u32,
    unresolved_max: u32,
    /// The row of the key-encryption key, when it may be used.
    key: Option<i64>,
}

impl StoreFacts {
    /// `None` when the directory is not initialised.
    fn read(tx: &Connection, new: &NewVersion) -> Result<Option<Self>, StoreError> {
        let facts = tx
            .prepare_cached(
                "SELECT d.state, d.name, c.device, c.revoked_at IS NOT NULL, t.laps_enabled, t.versions_per_day, \
                 t.unresolved_max, k.no FROM tenant AS t LEFT JOIN device AS d ON d.id = ?1 \
                 LEFT JOIN certificate AS c ON c.fingerprint = ?2 \
                 LEFT JOIN key AS k ON k.id = ?3 AND k.retired_at IS NULL",
            )?
            .query_row(params![new.device.as_bytes(), new.certificate, new.sealed.key.0], |row| {
                let state = match row.get_ref(0)?.as_str_or_null()? {
                    None => None,
                    Some(word) => Some(known(DeviceState::from_word(word), "device state")?),
                };
                Ok(Self {
                    state,
                    name: row.get(1)?,
                    certificate_of: row.get::<_, Option<[u8; 16]>>(2)?.map(DeviceId::from_bytes),
                    revoked: row.get(3)?,
                    laps_enabled: row.get(4)?,
                    versions_per_day: row.get(5)?,
                    unresolved_max: row.get(6)?,
                    key: row.get(7)?,
                })
            })
            .optional()?;
        Ok(facts)
    }
}

/// The bounds on growth (rotation.md 3).
fn refuse_too_many(tx: &Connection, device: DeviceId, facts: &StoreFacts, now: Timestamp) -> Result<(), StoreError> {
    // What was stored while the clock was ahead, before it was set back, is not of these 24 hours.
    let (day_ago, until) = (ticks(now.minus_ticks(TICKS_PER_DAY)), ticks(now));
    // Released ones are not unresolved: no rotation resolves them any more.
    let (stored, oldest, unresolved): (u32, Option<i64>, u32) = tx
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE stored_at > ?2 AND stored_at <= ?3), \
             min(stored_at) FILTER (WHERE stored_at > ?2 AND stored_at <= ?3), \
             count(*) FILTER (WHERE state = 'pending' AND released_at IS NULL) FROM version WHERE device = ?1",
        )?
        .query_row(params![device.as_bytes(), day_ago, until], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if stored >= facts.versions_per_day {
        let requested: u32 = tx
            .prepare_cached("SELECT count(*) FROM request WHERE device = ? AND requested_at > ? AND requested_at <= ?")?
            .query_row(params![device.as_bytes(), day_ago, until], |row| row.get(0))?;
        if stored >= facts.versions_per_day.saturating_add(requested) {
            let retry_at = time(oldest.unwrap_or(day_ago)).plus_days(1);
            return Err(StoreError::TooManyVersions { retry_at });
        }
    }
    if unresolved >= facts.unresolved_max {
        return Err(StoreError::TooManyUnresolved);
    }
    Ok(())
}

/// The answer to a repeated `store`; a conflict when it is another one under the same key.
fn stored_before(tx: &Connection, new: &NewVersion) -> Result<Option<Stored>, StoreError> {
    let Some(version) = one(tx, new.device, new.version)? else {
        return Ok(None);
    };
    if version.account_id != new.account_id
        || version.account_name != new.account_name
        || version.fingerprint != new.fingerprint
    {
        return Err(StoreError::VersionConflict);
    }
    Ok(Some(Stored { sequence: version.sequence, state: version.state, stored_at: version.stored_at, again: true }))
}

/// `prove`.
pub(super) fn mark_proven(
    tx: &Connection,
    proof: &Proof,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Proven, StoreError> {
    devices::reachable(tx, proof.device)?;
    let version = one(tx, proof.device, proof.version)?.ok_or(StoreError::VersionUnknown)?;
    match version.state {
        VersionState::Abandoned => return Err(StoreError::VersionAbandoned),
        VersionState::Current | VersionState::Superseded => {
            return Ok(Proven { state: version.state, again: true, requests_met: Vec::new() });
        }
        VersionState::Pending => {}
    }
    let (device, sequence) = (proof.device.as_bytes(), version.sequence as i64);
    // A later version of another account was proven before: this proof tells of what policy has left.
    let late: bool = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM version WHERE device = ? AND state = 'current' AND sequence > ?)",
        )?
        .query_row(params![device, sequence], |row| row.get(0))?;
    // The account's former current, and what this proof overtakes, released ones too: the account is
    // rotated again.
    tx.prepare_cached(
        "UPDATE version SET state = 'superseded', ended_at = ?3, released_at = NULL WHERE device = ?1 \
         AND account_id = ?4 AND (state = 'current' OR (state = 'pending' AND sequence < ?2))",
    )?
    .execute(params![device, sequence, ticks(now), version.account_id])?;
    tx.prepare_cached(
        "UPDATE version SET released_at = NULL WHERE device = ? AND account_id = ? AND released_at IS NOT NULL",
    )?
    .execute(params![device, version.account_id])?;
    tx.prepare_cached(
        "UPDATE version SET state = 'current', proof = ?, set_at = ?, proven_at = ?, \
         expires_at = coalesce(?, expires_at) WHERE device = ? AND version = ?",
    )?
    .execute(params![
        proof_word(proof.kind),
        ticks_opt(proof.set_at),
        ticks(now),
        ticks_opt(proof.expires_at),
        device,
        proof.version.as_bytes()
    ])?;
    if late {
        tx.prepare_cached("UPDATE version SET released_at = ? WHERE device = ? AND version = ?")?.execute(params![
            ticks(now),
            device,
            proof.version.as_bytes()
        ])?;
    } else {
        // Policy left the device's other accounts.
        if release_rows(tx, proof.device, Some(&version.account_id), now)? > 0 {
            work::event(tx, proof.device, DeviceEventKind::Released, now, "{}")?;
        }
        tx.prepare_cached("UPDATE device SET installed = ? WHERE id = ?")?
            .execute(params![proof.version.as_bytes(), device])?;
    }
    let requests_met = open_requests(tx, proof.device, version.sequence)?;
    if !requests_met.is_empty() {
        tx.prepare_cached(
            "UPDATE request SET met_at = ?, met_by = ? WHERE device = ? AND met_at IS NULL AND closed_at IS NULL \
             AND sequence < ?",
        )?
        .execute(params![ticks(now), proof.version.as_bytes(), device, sequence])?;
        campaigns::met(tx, proof.device, proof.version, version.sequence, now)?;
    }
    audit::append(tx, entry, Vec::new())?;
    Ok(Proven { state: VersionState::Current, again: false, requests_met })
}

/// `abandon`.
pub(super) fn abandon(
    tx: &Connection,
    device: DeviceId,
    version: VersionId,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Option<VersionState>, StoreError> {
    devices::reachable(tx, device)?;
    let Some(found) = one(tx, device, version)? else {
        return Ok(None);
    };
    if found.state != VersionState::Pending {
        return Ok(Some(found.state));
    }
    tx.prepare_cached("UPDATE version SET state = 'abandoned', ended_at = ? WHERE device = ? AND version = ?")?
        .execute(params![ticks(now), device.as_bytes(), version.as_bytes()])?;
    audit::append(tx, entry, Vec::new())?;
    Ok(Some(VersionState::Abandoned))
}

/// Marks live sets as released; with `except`, those of every other account.
fn release_rows(tx: &Connection, device: DeviceId, except: Option<&str>, now: Timestamp) -> Result<u64, StoreError> {
    let released = tx
        .prepare_cached(
            "UPDATE version SET released_at = ?2 WHERE device = ?1 AND released_at IS NULL \
             AND (?3 IS NULL OR account_id <> ?3) \
             AND (state IN ('pending', 'current') OR version = (SELECT installed FROM device WHERE id = ?1))",
        )?
        .execute(params![device.as_bytes(), ticks(now), except])?;
    Ok(released as u64)
}

/// Policy left the device's accounts.
pub(super) fn release(tx: &Connection, device: DeviceId, now: Timestamp, entry: AuditEntry) -> Result<u64, StoreError> {
    devices::reachable(tx, device)?;
    let released = release_rows(tx, device, None, now)?;
    if released > 0 {
        work::event(tx, device, DeviceEventKind::Released, now, "{}")?;
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(released)
}

/// Every version of one device object, best first, without what its predecessor had.
pub(super) fn own(tx: &Connection, device: DeviceId) -> Result<Vec<Version>, StoreError> {
    let installed = devices::installed(tx, device)?;
    let sql = format!("SELECT {COLUMNS} FROM version WHERE device = ?");
    let mut versions = tx
        .prepare_cached(&sql)?
        .query_map([device.as_bytes()], |row| from_row(row, device, installed))?
        .collect::<Result<Vec<_>, _>>()?;
    order_best_first(&mut versions);
    Ok(versions)
}

/// What a reader is shown: the live set, the history if asked for, the predecessor's live set if the
/// device has nothing proven of its own.
pub(super) fn shown(tx: &Connection, device: DeviceId, history: bool) -> Result<Vec<Version>, StoreError> {
    devices::state(tx, device)?.ok_or(StoreError::DeviceUnknown)?;
    let all = own(tx, device)?;
    let mut proven = all.iter().any(|version| version.proven_at.is_some());
    let (mut shown, past): (Vec<_>, Vec<_>) = all.into_iter().partition(|version| version.live);
    let mut machine = device;
    for _ in 0..PREDECESSORS_MAX {
        if proven {
            break;
        }
        let Some(former) = devices::predecessor(tx, machine)? else {
            break;
        };
        let versions = own(tx, former)?;
        proven = versions.iter().any(|version| version.proven_at.is_some());
        shown.extend(
            versions
                .into_iter()
                .filter(|version| version.live)
                .map(|version| Version { of_predecessor: true, ..version }),
        );
        machine = former;
    }
    if history {
        shown.extend(past);
    }
    Ok(shown)
}

/// Refuses when somebody's rights are not those that a decision was made on.
pub(super) fn refuse_other_epoch(tx: &Connection, principal: PrincipalId, epoch: u64) -> Result<(), StoreError> {
    let now: Option<i64> = tx
        .prepare_cached("SELECT epoch FROM principal WHERE id = ? AND enabled")?
        .query_row([principal.as_bytes()], |row| row.get(0))
        .optional()?;
    if now == Some(epoch as i64) { Ok(()) } else { Err(StoreError::AuthorizationChanged) }
}

/// A device's own versions with their envelopes, best first.
pub(super) fn own_sealed(tx: &Connection, device: DeviceId, history: bool) -> Result<Vec<SealedVersion>, StoreError> {
    own(tx, device)?
        .into_iter()
        .filter(|version| history || version.live)
        .map(|version| Ok(SealedVersion { sealed: envelope(tx, device, version.version)?, version }))
        .collect()
}

/// Gives out sealed passwords and appends the record that names them.
pub(super) fn reveal(tx: &Connection, reveal: &Reveal, entry: AuditEntry) -> Result<Vec<SealedVersion>, StoreError> {
    refuse_other_epoch(tx, reveal.principal, reveal.epoch)?;
    if devices::reachable(tx, reveal.device)? != reveal.device_revision {
        return Err(StoreError::Changed);
    }
    let mut given = Vec::new();
    for version in shown(tx, reveal.device, reveal.history)? {
        given.push(SealedVersion { sealed: envelope(tx, version.device, version.version)?, version });
    }
    if given.is_empty() {
        return Err(StoreError::NoPassword);
    }
    let disclosed =
        given.iter().map(|one| Disclosed { device: one.version.device, version: one.version.version }).collect();
    audit::append(tx, entry, disclosed)?;
    Ok(given)
}

/// Devices with a password.
pub(super) fn credentials(
    tx: &Connection,
    filter: &DeviceFilter,
    page: &Page,
) -> Result<PageOf<CredentialSummary>, StoreError> {
    let also = "AND d.state IN ('enabled', 'disabled') AND (d.predecessor IS NOT NULL OR EXISTS \
                (SELECT 1 FROM version WHERE device = d.id AND \
                (state IN ('pending', 'current') OR version = d.installed)))";
    let found = devices::ids(tx, filter, page, also)?;
    let mut items = Vec::with_capacity(found.items.len());
    for (device, device_name) in found.items {
        let versions = shown(tx, device, true)?;
        // A predecessor need not have a password.
        let Some(best) = versions.first().filter(|best| best.live) else {
            continue;
        };
        items.push(CredentialSummary {
            device,
            device_name,
            last_backup_at: versions.iter().map(|version| version.stored_at).fold(best.stored_at, Timestamp::max),
            refresh_at: best.expires_at,
        });
    }
    Ok(PageOf { items, next: found.next })
}

/// The retention job over some devices.
pub(super) fn trim(
    tx: &Connection,
    after: Option<&str>,
    limit: u32,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Trimmed, StoreError> {
    tenant::refuse_while_clock_held(tx)?;
    let page = Page::behind(after.map(str::to_owned), limit);
    let filter = DeviceFilter {
        states: vec![DeviceState::Enabled, DeviceState::Disabled, DeviceState::Deleted],
        ..DeviceFilter::default()
    };
    let found = devices::ids(tx, &filter, &page, "")?;
    let mut trimmed = Trimmed { next: found.next, ..Trimmed::default() };
    for (device, _) in found.items {
        if let Some(forked_at) = devices::forked_at(tx, device)? {
            if now < forked_at.plus_days(FORK_DAYS) {
                continue;
            }
            tx.prepare_cached("UPDATE device SET forked_at = NULL WHERE id = ?")?.execute([device.as_bytes()])?;
            trimmed.forks_ended += 1;
        }
        for version in removable(&own(tx, device)?, now) {
            tx.prepare_cached("DELETE FROM version WHERE device = ? AND version = ?")?
                .execute(params![device.as_bytes(), version.as_bytes()])?;
            trimmed.versions += 1;
        }
    }
    if trimmed.versions + trimmed.forks_ended > 0 {
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(trimmed)
}

/// One version.
pub(super) fn one(tx: &Connection, device: DeviceId, version: VersionId) -> Result<Option<Version>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM version WHERE device = ? AND version = ?");
    let found = tx
        .prepare_cached(&sql)?
        .query_row(params![device.as_bytes(), version.as_bytes()], |row| from_row(row, device, None))
        .optional()?;
    Ok(found)
}

/// One version with its envelope.
pub(super) fn sealed(
    tx: &Connection,
    device: DeviceId,
    version: VersionId,
) -> Result<Option<SealedVersion>, StoreError> {
    match one(tx, device, version)? {
        Some(found) => Ok(Some(SealedVersion { sealed: envelope(tx, device, version)?, version: found })),
        None => Ok(None),
    }
}

fn envelope(tx: &Connection, device: DeviceId, version: VersionId) -> Result<Sealed, StoreError> {
    let sealed = tx
        .prepare_cached(
            "SELECT v.kind, k.id, v.wrapped_key, v.nonce, v.ciphertext FROM version AS v JOIN key AS k \
             ON k.no = v.key WHERE v.device = ? AND v.version = ?",
        )?
        .query_row(params![device.as_bytes(), version.as_bytes()], |row| {
            Ok(Sealed {
                kind: tenant::envelope_kind(row.get(0)?)?,
                key: KeyId(row.get(1)?),
                wrapped_key: row.get(2)?,
                nonce: row.get(3)?,
                ciphertext: row.get(4)?,
            })
        })?;
    Ok(sealed)
}

fn from_row(row: &Row<'_>, device: DeviceId, installed: Option<VersionId>) -> rusqlite::Result<Version> {
    let version = VersionId::from_bytes(row.get(0)?);
    let state = known(VersionState::from_word(row.get_ref(3)?.as_str()?), "version state")?;
    let proof = match row.get_ref(6)?.as_str_or_null()? {
        None => None,
        Some(word) => Some(known(proof_from_word(word), "kind of proof")?),
    };
    Ok(Version {
        device,
        version,
        account_id: row.get(1)?,
        account_name: row.get(2)?,
        state,
        sequence: row.get::<_, i64>(4)? as u64,
        fingerprint: fingerprint(row.get(5)?),
        proof,
        stored_at: time(row.get(7)?),
        set_at: time_opt(row.get(8)?),
        proven_at: time_opt(row.get(9)?),
        ended_at: time_opt(row.get(10)?),
        expires_at: time_opt(row.get(11)?),
        released_at: time_opt(row.get(12)?),
        from_backup_at: time_opt(row.get(13)?),
        installed: installed == Some(version),
        live: matches!(state, VersionState::Pending | VersionState::Current),
        of_predecessor: false,
    })
}
