//! Verbs of devices, their certificates and join tokens.

use super::{
    StoreError, audit,
    column::{blob_list, folded, known, ticks, time, time_opt},
    tenant, work,
};
use crate::{
    audit::AuditEntry,
    store::{
        ALL_DEVICES, Certificate, Device, DeviceChange, DeviceEventKind, DeviceFilter, DeviceState, JoinToken, Joined,
        NewCertificate, NewDevice, NewJoinToken, Page, PageOf, PurgeBy, PurgeRefusal, SecretHash, WorkKind, WorkTarget,
    },
};
use laps::{
    id::{DeviceId, GroupId, PrincipalId, VersionId},
    time::{TICKS_PER_DAY, Timestamp},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What stands in a device's own row.
const OWN: &str = "d.id, d.name, d.os, d.agent_version, d.state, d.revision, d.registered_at, d.deleted_at, \
     d.purged_at, d.reported_since_deletion, d.predecessor, d.public_key, d.forked_at, d.clone_suspected, \
     d.from_backup_at, d.hardware, d.disabled_at";
/// What other tables say of it, behind [`OWN`].
const ELSEWHERE: &str = "(SELECT at FROM seen WHERE device = d.id), \
     (SELECT group_concat(hex(grp)) FROM member WHERE device = d.id)";
const TOKEN: &str = "id, note, grp, created_by, created_at, expires_at, used_at, used_by, revoked_at";

/// A device, purged ones included.
pub(super) fn device(tx: &Connection, id: DeviceId) -> Result<Option<Device>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {OWN}, {ELSEWHERE} FROM device AS d WHERE d.id = ?"))?
        .query_row([id.as_bytes()], from_row)
        .optional()?;
    Ok(found)
}

fn expect(tx: &Connection, id: DeviceId) -> Result<Device, StoreError> {
    device(tx, id)?.filter(|device| device.state != DeviceState::Purged).ok_or(StoreError::DeviceUnknown)
}

/// The state of a device.
pub(super) fn state(tx: &Connection, id: DeviceId) -> Result<Option<DeviceState>, StoreError> {
    let found = tx
        .prepare_cached("SELECT state FROM device WHERE id = ?")?
        .query_row([id.as_bytes()], |row| known(DeviceState::from_word(row.get_ref(0)?.as_str()?), "device state"))
        .optional()?;
    Ok(found)
}

/// Refuses an unknown or purged device; answers its revision.
pub(super) fn reachable(tx: &Connection, id: DeviceId) -> Result<u64, StoreError> {
    let revision: Option<i64> = tx
        .prepare_cached("SELECT revision FROM device WHERE id = ? AND state <> 'purged'")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    revision.map(|revision| revision as u64).ok_or(StoreError::DeviceUnknown)
}

/// The version that was last reported installed.
pub(super) fn installed(tx: &Connection, id: DeviceId) -> Result<Option<VersionId>, StoreError> {
    let found: Option<Option<[u8; 16]>> = tx
        .prepare_cached("SELECT installed FROM device WHERE id = ?")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(found.flatten().map(VersionId::from_bytes))
}

/// The machine's former object.
pub(super) fn predecessor(tx: &Connection, id: DeviceId) -> Result<Option<DeviceId>, StoreError> {
    let found: Option<Option<[u8; 16]>> = tx
        .prepare_cached("SELECT predecessor FROM device WHERE id = ?")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(found.flatten().map(DeviceId::from_bytes))
}

/// Since when the device counts as forked.
pub(super) fn forked_at(tx: &Connection, id: DeviceId) -> Result<Option<Timestamp>, StoreError> {
    let found: Option<i64> = tx
        .prepare_cached("SELECT forked_at FROM device WHERE id = ?")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(time_opt(found))
}

/// Ids and names of the devices that a filter lets through and for which `also` (SQL about `d`) holds.
pub(super) fn ids(
    tx: &Connection,
    filter: &DeviceFilter,
    page: &Page,
    also: &str,
) -> Result<PageOf<(DeviceId, String)>, StoreError> {
    list(
        tx,
        "d.id, d.name",
        filter,
        page,
        also,
        |row| Ok((DeviceId::from_bytes(row.get(0)?), row.get(1)?)),
        |item| item.0,
    )
}

/// Devices that a filter lets through.
pub(super) fn devices(tx: &Connection, filter: &DeviceFilter, page: &Page) -> Result<PageOf<Device>, StoreError> {
    list(tx, &format!("{OWN}, {ELSEWHERE}"), filter, page, "", from_row, |device| device.id)
}

/// Devices that a filter lets through, up to an id: only their own rows, each with the version that was last reported
/// installed. Neither groups nor the last contact are filled in.
pub(super) fn own_rows(
    tx: &Connection,
    filter: &DeviceFilter,
    page: &Page,
    until: Option<DeviceId>,
) -> Result<PageOf<(Device, Option<VersionId>)>, StoreError> {
    let also = until.map(|id| format!("AND d.id <= {}", blob_list([id.as_bytes()].into_iter()))).unwrap_or_default();
    let from_row = |row: &Row<'_>| {
        let installed: Option<[u8; 16]> = row.get(17)?;
        Ok((own_from_row(row)?, installed.map(VersionId::from_bytes)))
    };
    list(tx, &format!("{OWN}, d.installed"), filter, page, &also, from_row, |item| item.0.id)
}

fn list<T>(
    tx: &Connection,
    columns: &str,
    filter: &DeviceFilter,
    page: &Page,
    also: &str,
    from_row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    id: impl Fn(&T) -> DeviceId,
) -> Result<PageOf<T>, StoreError> {
    let after: [u8; 16] = match &page.after {
        None => [0; 16],
        Some(text) => *text.parse::<DeviceId>().map_err(|_| StoreError::BadCursor)?.as_bytes(),
    };
    let states: Vec<&str> = if filter.states.is_empty() {
        vec!["'enabled'", "'disabled'", "'deleted'"]
    } else {
        filter
            .states
            .iter()
            .map(|state| match state {
                DeviceState::Enabled => "'enabled'",
                DeviceState::Disabled => "'disabled'",
                DeviceState::Deleted => "'deleted'",
                DeviceState::Purged => "'purged'",
            })
            .collect()
    };
    let groups = match &filter.groups {
        Some(groups) if !groups.contains(&ALL_DEVICES) => format!(
            "AND EXISTS (SELECT 1 FROM member WHERE device = d.id AND grp IN ({}))",
            blob_list(groups.iter().map(GroupId::as_bytes))
        ),
        _ => String::new(),
    };
    let name = filter.name.as_deref().map(folded);
    let prefix = filter.name_prefix.as_deref().map(folded);
    // Named only when asked for, so that the index on names is used then and the key otherwise.
    let named = if name.is_some() { "AND d.name_folded = ?2" } else { "AND ?2 IS NULL" };
    let prefixed = if prefix.is_some() {
        "AND d.name_folded >= ?3 AND substr(d.name_folded, 1, length(?3)) = ?3"
    } else {
        "AND ?3 IS NULL"
    };
    let of_machine = if filter.hardware.is_some() { "AND d.hardware = ?5" } else { "AND ?5 IS NULL" };
    let size = page.size();
    let items = tx
        .prepare_cached(&format!(
            "SELECT {columns} FROM device AS d WHERE d.id > ?1 AND d.state IN ({}) {named} {prefixed} {of_machine} {groups} \
             {also} \
             ORDER BY d.id LIMIT ?4",
            states.join(",")
        ))?
        .query_map(params![after, name, prefix, size as i64 + 1, filter.hardware], from_row)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PageOf::cut(items, size, |item| id(item).to_string()))
}

/// Changes a device's state.
pub(super) fn change(
    tx: &Connection,
    id: DeviceId,
    change: DeviceChange,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Device, StoreError> {
    let found = expect(tx, id)?;
    let to = match (change, found.state) {
        (DeviceChange::Enable, DeviceState::Enabled)
        | (DeviceChange::Disable, DeviceState::Disabled)
        | (DeviceChange::Delete, DeviceState::Deleted) => return Ok(found),
        (DeviceChange::Enable, DeviceState::Disabled) => DeviceState::Enabled,
        (DeviceChange::Disable, DeviceState::Enabled) => DeviceState::Disabled,
        (DeviceChange::Delete, DeviceState::Enabled | DeviceState::Disabled) => DeviceState::Deleted,
        (DeviceChange::Restore, DeviceState::Deleted) => DeviceState::Enabled,
        (_, state) => return Err(StoreError::DeviceState(state.word())),
    };
    tx.execute(
        "UPDATE device SET state = ?2, revision = revision + 1, reported_since_deletion = 0, \
         deleted_at = CASE WHEN ?2 = 'deleted' THEN ?3 END, disabled_at = CASE WHEN ?2 = 'disabled' THEN ?3 END \
         WHERE id = ?1",
        params![id.as_bytes(), to.word(), ticks(now)],
    )?;
    work::push(tx, WorkTarget::Device(id), WorkKind::State, now)?;
    audit::append(tx, entry, Vec::new())?;
    expect(tx, id)
}

/// Counts a device's revision on: something changed that bears on who may read it.
pub(super) fn touch(tx: &Connection, id: DeviceId) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE device SET revision = revision + 1 WHERE id = ?")?.execute([id.as_bytes()])?;
    Ok(())
}

/// Removes a tombstone's passwords for good.
pub(super) fn purge(
    tx: &Connection,
    id: DeviceId,
    by: PurgeBy,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let found = expect(tx, id)?;
    if found.state != DeviceState::Deleted {
        return Err(StoreError::DeviceState(found.state.word()));
    }
    let successor_needs_it: bool = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM device AS d WHERE d.predecessor = ? AND d.state <> 'purged' AND NOT EXISTS \
         (SELECT 1 FROM version WHERE device = d.id AND proven_at IS NOT NULL))",
        [id.as_bytes()],
        |row| row.get(0),
    )?;
    if successor_needs_it {
        return Err(StoreError::PurgeRefused(PurgeRefusal::SuccessorUnproven));
    }
    if by == PurgeBy::Job {
        tenant::refuse_while_clock_held(tx)?;
        if found.reported_since_deletion {
            return Err(StoreError::PurgeRefused(PurgeRefusal::Reported));
        }
        let days = tenant::tenant(tx)?.settings.tombstone_days;
        if found.deleted_at.is_none_or(|deleted| now < deleted.plus_days(days)) {
            return Err(StoreError::PurgeRefused(PurgeRefusal::NotDue));
        }
    }
    for table in ["version", "report", "delivery", "hold", "member", "request", "rotation_due", "seen", "device_error"]
    {
        tx.execute(&format!("DELETE FROM {table} WHERE device = ?"), [id.as_bytes()])?;
    }
    tx.execute(
        "UPDATE device SET state = 'purged', purged_at = ?, installed = NULL, revision = revision + 1 WHERE id = ?",
        params![ticks(now), id.as_bytes()],
    )?;
    audit::append(tx, entry, Vec::new())
}

/// Tombstones whose time is over.
pub(super) fn purgeable(tx: &Connection, now: Timestamp, limit: u32) -> Result<Vec<DeviceId>, StoreError> {
    let tenant = tenant::tenant(tx)?;
    if tenant.clock_held_at.is_some() {
        return Ok(Vec::new());
    }
    let cutoff = now.minus_ticks(u64::from(tenant.settings.tombstone_days) * TICKS_PER_DAY);
    let found = tx
        .prepare_cached(
            "SELECT id FROM device AS p WHERE state = 'deleted' AND deleted_at <= ? AND NOT reported_since_deletion \
             AND NOT EXISTS (SELECT 1 FROM device AS d WHERE d.predecessor = p.id AND d.state <> 'purged' \
             AND NOT EXISTS (SELECT 1 FROM version WHERE device = d.id AND proven_at IS NOT NULL)) \
             ORDER BY deleted_at LIMIT ?",
        )?
        .query_map(params![ticks(cutoff), limit], |row| row.get(0).map(DeviceId::from_bytes))?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// A person says which object the machine had before.
pub(super) fn link_predecessor(
    tx: &Connection,
    id: DeviceId,
    predecessor_id: DeviceId,
    entry: AuditEntry,
) -> Result<Device, StoreError> {
    let found = expect(tx, id)?;
    expect(tx, predecessor_id)?;
    if found.predecessor == Some(predecessor_id) {
        return Ok(found);
    }
    let mut at = Some(predecessor_id);
    while let Some(former) = at {
        if former == id {
            return Err(StoreError::InUse("itself: the chain of predecessors would be a circle"));
        }
        at = predecessor(tx, former)?;
    }
    tx.execute(
        "UPDATE device SET predecessor = ?, revision = revision + 1 WHERE id = ?",
        params![predecessor_id.as_bytes(), id.as_bytes()],
    )?;
    audit::append(tx, entry, Vec::new())?;
    expect(tx, id)
}

/// A person ends a fork.
pub(super) fn clear_fork(
    tx: &Connection,
    id: DeviceId,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Device, StoreError> {
    let found = expect(tx, id)?;
    if found.forked_at.is_some() || found.clone_suspected {
        tx.execute("UPDATE device SET forked_at = NULL, clone_suspected = 0 WHERE id = ?", [id.as_bytes()])?;
        work::event(tx, id, DeviceEventKind::ForkCleared, now, "{}")?;
        audit::append(tx, entry, Vec::new())?;
    }
    expect(tx, id)
}

/// Writes contacts; unknown devices are passed over, earlier times than the stored one too.
pub(super) fn flush_seen(tx: &Connection, seen: &[(DeviceId, Timestamp)]) -> Result<u64, StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO seen SELECT id, ?2 FROM device WHERE id = ?1 \
         ON CONFLICT (device) DO UPDATE SET at = max(at, excluded.at)",
    )?;
    let mut written = 0;
    for (device, at) in seen {
        written += insert.execute(params![device.as_bytes(), ticks(*at)])?;
    }
    Ok(written as u64)
}

/// Stores a join token.
pub(super) fn create_token(
    tx: &Connection,
    token: &NewJoinToken,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let group = token.group.filter(|group| *group != ALL_DEVICES);
    if let Some(group) = group {
        super::groups::expect_kept(tx, group)?;
    }
    let inserted = tx.execute(
        "INSERT OR IGNORE INTO join_token VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
        params![
            token.id,
            token.hash,
            token.note,
            group.map(|group| *group.as_bytes()),
            token.created_by.as_bytes(),
            ticks(now),
            ticks(token.expires_at)
        ],
    )?;
    if inserted == 0 {
        return Err(StoreError::Exists("join token"));
    }
    audit::append(tx, entry, Vec::new())
}

/// Join tokens.
pub(super) fn tokens(tx: &Connection, page: &Page) -> Result<PageOf<JoinToken>, StoreError> {
    let after: [u8; 16] = match &page.after {
        None => [0; 16],
        Some(text) => *text.parse::<GroupId>().map_err(|_| StoreError::BadCursor)?.as_bytes(),
    };
    let size = page.size();
    let items = tx
        .prepare_cached(&format!("SELECT {TOKEN} FROM join_token WHERE id > ? ORDER BY id LIMIT ?"))?
        .query_map(params![after, size as i64 + 1], token)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PageOf::cut(items, size, |token| GroupId::from_bytes(token.id).to_string()))
}

/// Revokes a join token.
pub(super) fn revoke_token(tx: &Connection, id: [u8; 16], now: Timestamp, entry: AuditEntry) -> Result<(), StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {TOKEN} FROM join_token WHERE id = ?"))?
        .query_row([id], token)
        .optional()?
        .ok_or(StoreError::TokenUnknown)?;
    if found.used_at.is_some() {
        return Err(StoreError::TokenUsed);
    }
    if found.revoked_at.is_none() {
        tx.execute("UPDATE join_token SET revoked_at = ? WHERE id = ?", params![ticks(now), id])?;
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(())
}

/// A token that can be used now.
pub(super) fn usable_token(tx: &Connection, hash: &SecretHash, now: Timestamp) -> Result<JoinToken, StoreError> {
    let found = find_token(tx, hash, now)?;
    if found.used_at.is_some() {
        return Err(StoreError::TokenUsed);
    }
    Ok(found)
}

fn find_token(tx: &Connection, hash: &SecretHash, now: Timestamp) -> Result<JoinToken, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {TOKEN} FROM join_token WHERE hash = ?"))?
        .query_row([hash], token)
        .optional()?
        .ok_or(StoreError::TokenUnknown)?;
    if found.revoked_at.is_some() {
        return Err(StoreError::TokenRevoked);
    }
    if now >= found.expires_at {
        // Whoever brings a used one is told that first.
        return Err(if found.used_at.is_some() { StoreError::TokenUsed } else { StoreError::TokenExpired });
    }
    Ok(found)
}

/// Uses a join token and makes the device object.
pub(super) fn join(
    tx: &Connection,
    hash: &SecretHash,
    new: &NewDevice,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Joined, StoreError> {
    let token = find_token(tx, hash, now)?;
    if let Some(user) = token.used_by {
        // The answer was lost, and the device asks again.
        let same_key = device(tx, user)?.filter(|device| device.public_key == new.public_key);
        let device = same_key.filter(|device| device.state == DeviceState::Enabled).ok_or(StoreError::TokenUsed)?;
        insert_certificate(tx, device.id, &new.certificate)?;
        return Ok(Joined { device, again: true });
    }
    let predecessor = match new.predecessor {
        Some(former) => {
            device(tx, former)?.filter(|former| former.state != DeviceState::Purged).map(|former| former.id)
        }
        None => None,
    };
    let inserted = tx.execute(
        "INSERT OR IGNORE INTO device (id, name, name_folded, os, agent_version, state, revision, registered_at, \
         predecessor, public_key, hardware) VALUES (?, ?, ?, ?, '', 'enabled', 1, ?, ?, ?, ?)",
        params![
            new.id.as_bytes(),
            new.name,
            folded(&new.name),
            new.os,
            ticks(now),
            predecessor.map(|id| *id.as_bytes()),
            new.public_key,
            new.hardware
        ],
    )?;
    if inserted == 0 {
        return Err(StoreError::Exists("device"));
    }
    if let Some(group) = token.group {
        tx.execute("INSERT INTO member VALUES (?, ?)", params![group.as_bytes(), new.id.as_bytes()])?;
    }
    super::groups::follow(tx, new.id, now)?;
    insert_certificate(tx, new.id, &new.certificate)?;
    tx.execute(
        "UPDATE join_token SET used_at = ?, used_by = ? WHERE id = ?",
        params![ticks(now), new.id.as_bytes(), token.id],
    )?;
    audit::append(tx, entry, Vec::new())?;
    Ok(Joined { device: expect(tx, new.id)?, again: false })
}

fn insert_certificate(tx: &Connection, device: DeviceId, new: &NewCertificate) -> Result<(), StoreError> {
    let inserted = tx.execute(
        "INSERT OR IGNORE INTO certificate VALUES (?, ?, ?, ?, ?, NULL)",
        params![new.fingerprint, device.as_bytes(), new.serial, ticks(new.not_before), ticks(new.not_after)],
    )?;
    if inserted == 0 { Err(StoreError::Exists("certificate")) } else { Ok(()) }
}

/// Adds a renewed certificate.
pub(super) fn add_certificate(
    tx: &Connection,
    id: DeviceId,
    new: &NewCertificate,
    public_key: &[u8],
    entry: AuditEntry,
) -> Result<(), StoreError> {
    expect(tx, id)?;
    insert_certificate(tx, id, new)?;
    tx.execute("UPDATE device SET public_key = ? WHERE id = ?", params![public_key, id.as_bytes()])?;
    audit::append(tx, entry, Vec::new())
}

/// Revokes a certificate.
pub(super) fn revoke_certificate(
    tx: &Connection,
    fingerprint: &[u8; 32],
    now: Timestamp,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let found = certificate(tx, fingerprint)?.ok_or(StoreError::NotFound("certificate"))?;
    if found.revoked_at.is_none() {
        tx.execute("UPDATE certificate SET revoked_at = ? WHERE fingerprint = ?", params![ticks(now), fingerprint])?;
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(())
}

fn certificate(tx: &Connection, fingerprint: &[u8; 32]) -> Result<Option<Certificate>, StoreError> {
    let found = tx
        .prepare_cached("SELECT device, fingerprint, serial, not_before, not_after, revoked_at FROM certificate WHERE fingerprint = ?")?
        .query_row([fingerprint], certificate_row)
        .optional()?;
    Ok(found)
}

/// The device and certificate with this digest.
pub(super) fn by_certificate(
    tx: &Connection,
    fingerprint: &[u8; 32],
) -> Result<Option<(Device, Certificate)>, StoreError> {
    let Some(certificate) = certificate(tx, fingerprint)? else {
        return Ok(None);
    };
    Ok(device(tx, certificate.device)?.map(|device| (device, certificate)))
}

/// Certificates of a device, newest first.
pub(super) fn certificates(tx: &Connection, id: DeviceId) -> Result<Vec<Certificate>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT device, fingerprint, serial, not_before, not_after, revoked_at FROM certificate \
             WHERE device = ? ORDER BY not_before DESC, fingerprint",
        )?
        .query_map([id.as_bytes()], certificate_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

fn certificate_row(row: &Row<'_>) -> rusqlite::Result<Certificate> {
    Ok(Certificate {
        device: DeviceId::from_bytes(row.get(0)?),
        fingerprint: row.get(1)?,
        serial: row.get(2)?,
        not_before: time(row.get(3)?),
        not_after: time(row.get(4)?),
        revoked_at: time_opt(row.get(5)?),
    })
}

fn token(row: &Row<'_>) -> rusqlite::Result<JoinToken> {
    Ok(JoinToken {
        id: row.get(0)?,
        note: row.get(1)?,
        group: row.get::<_, Option<[u8; 16]>>(2)?.map(GroupId::from_bytes),
        created_by: PrincipalId::from_bytes(row.get(3)?),
        created_at: time(row.get(4)?),
        expires_at: time(row.get(5)?),
        used_at: time_opt(row.get(6)?),
        used_by: row.get::<_, Option<[u8; 16]>>(7)?.map(DeviceId::from_bytes),
        revoked_at: time_opt(row.get(8)?),
    })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Device> {
    let groups: Option<String> = row.get(18)?;
    let mut groups = groups
        .iter()
        .flat_map(|list| list.split(','))
        .map(|digits| known(digits.parse::<GroupId>().ok(), "group"))
        .collect::<Result<Vec<_>, _>>()?;
    groups.sort_unstable();
    Ok(Device { last_seen: time_opt(row.get(17)?), groups, ..own_from_row(row)? })
}

/// A row of [`OWN`].
fn own_from_row(row: &Row<'_>) -> rusqlite::Result<Device> {
    Ok(Device {
        id: DeviceId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        os: row.get(2)?,
        agent_version: row.get(3)?,
        state: known(DeviceState::from_word(row.get_ref(4)?.as_str()?), "device state")?,
        revision: row.get::<_, i64>(5)? as u64,
        registered_at: time(row.get(6)?),
        deleted_at: time_opt(row.get(7)?),
        purged_at: time_opt(row.get(8)?),
        reported_since_deletion: row.get(9)?,
        predecessor: row.get::<_, Option<[u8; 16]>>(10)?.map(DeviceId::from_bytes),
        public_key: row.get(11)?,
        forked_at: time_opt(row.get(12)?),
        clone_suspected: row.get(13)?,
        from_backup_at: time_opt(row.get(14)?),
        hardware: row.get(15)?,
        disabled_at: time_opt(row.get(16)?),
        last_seen: None,
        groups: Vec::new(),
    })
}
