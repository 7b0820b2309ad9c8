//! Verbs of groups.

use super::{
    StoreError, audit,
    column::{folded, ticks, time},
    devices, work,
};
use crate::{
    audit::AuditEntry,
    store::{ALL_DEVICES, Group, Page, PageOf, WorkKind, WorkTarget},
};
use laps::{
    id::{DeviceId, GroupId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

fn all_devices() -> Group {
    Group { id: ALL_DEVICES, name: "All devices".into(), created_at: Timestamp::MIN }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group { id: GroupId::from_bytes(row.get(0)?), name: row.get(1)?, created_at: time(row.get(2)?) })
}

/// A group.
pub(super) fn group(tx: &Connection, id: GroupId) -> Result<Option<Group>, StoreError> {
    if id == ALL_DEVICES {
        return Ok(Some(all_devices()));
    }
    let found = tx
        .prepare_cached("SELECT id, name, created_at FROM grp WHERE id = ?")?
        .query_row([id.as_bytes()], from_row)
        .optional()?;
    Ok(found)
}

/// A group that must exist.
pub(super) fn expect(tx: &Connection, id: GroupId) -> Result<Group, StoreError> {
    group(tx, id)?.ok_or(StoreError::NotFound("group"))
}

fn name_taken(tx: &Connection, name: &str, except: GroupId) -> Result<bool, StoreError> {
    let name = folded(name);
    let taken: bool = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM grp WHERE name_folded = ? AND id <> ?)",
        params![name, except.as_bytes()],
        |row| row.get(0),
    )?;
    Ok(taken || name == folded(&all_devices().name))
}

/// Makes a group.
pub(super) fn create(
    tx: &Connection,
    id: GroupId,
    name: &str,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Group, StoreError> {
    if group(tx, id)?.is_some() || name_taken(tx, name, id)? {
        return Err(StoreError::Exists("group"));
    }
    tx.execute("INSERT INTO grp VALUES (?, ?, ?, ?)", params![id.as_bytes(), name, folded(name), ticks(now)])?;
    audit::append(tx, entry, Vec::new())?;
    expect(tx, id)
}

/// Groups, all devices last: its id is the highest.
pub(super) fn groups(tx: &Connection, page: &Page) -> Result<PageOf<Group>, StoreError> {
    let after: [u8; 16] = match &page.after {
        None => [0; 16],
        Some(text) => *text.parse::<GroupId>().map_err(|_| StoreError::BadCursor)?.as_bytes(),
    };
    let size = page.size();
    let mut items = tx
        .prepare_cached("SELECT id, name, created_at FROM grp WHERE id > ? ORDER BY id LIMIT ?")?
        .query_map(params![after, size as i64 + 1], from_row)?
        .collect::<Result<Vec<_>, _>>()?;
    if items.len() <= size && after != *ALL_DEVICES.as_bytes() {
        items.push(all_devices());
    }
    Ok(PageOf::cut(items, size, |group| group.id.to_string()))
}

/// Gives a group another name.
pub(super) fn rename(tx: &Connection, id: GroupId, name: &str, entry: AuditEntry) -> Result<Group, StoreError> {
    expect(tx, id)?;
    if id == ALL_DEVICES {
        return Err(StoreError::InUse("the server: this group cannot be changed"));
    }
    if name_taken(tx, name, id)? {
        return Err(StoreError::Exists("group"));
    }
    tx.execute("UPDATE grp SET name = ?, name_folded = ? WHERE id = ?", params![name, folded(name), id.as_bytes()])?;
    audit::append(tx, entry, Vec::new())?;
    expect(tx, id)
}

/// Removes a group.
pub(super) fn delete(tx: &Connection, id: GroupId, entry: AuditEntry) -> Result<(), StoreError> {
    expect(tx, id)?;
    if id == ALL_DEVICES {
        return Err(StoreError::InUse("the server: this group cannot be changed"));
    }
    let uses = [
        ("a policy", "SELECT EXISTS (SELECT 1 FROM assignment WHERE grp = ?)"),
        ("the exclusion of a policy", "SELECT EXISTS (SELECT 1 FROM exclusion WHERE grp = ?)"),
        ("a role", "SELECT EXISTS (SELECT 1 FROM role WHERE scope = ?)"),
        (
            "a join token",
            "SELECT EXISTS (SELECT 1 FROM join_token WHERE grp = ? AND used_at IS NULL AND revoked_at IS NULL)",
        ),
    ];
    for (by, sql) in uses {
        if tx.query_row(sql, [id.as_bytes()], |row| row.get::<_, bool>(0))? {
            return Err(StoreError::InUse(by));
        }
    }
    tx.execute(
        "UPDATE device SET revision = revision + 1 WHERE id IN (SELECT device FROM member WHERE grp = ?)",
        [id.as_bytes()],
    )?;
    tx.execute("DELETE FROM member WHERE grp = ?", [id.as_bytes()])?;
    tx.execute("UPDATE join_token SET grp = NULL WHERE grp = ?", [id.as_bytes()])?;
    tx.execute("DELETE FROM grp WHERE id = ?", [id.as_bytes()])?;
    audit::append(tx, entry, Vec::new())
}

/// Puts a device into a group.
pub(super) fn add_member(tx: &Connection, id: GroupId, device: DeviceId, entry: AuditEntry) -> Result<(), StoreError> {
    expect(tx, id)?;
    devices::reachable(tx, device)?;
    if id == ALL_DEVICES {
        return Ok(());
    }
    let added = tx.execute("INSERT OR IGNORE INTO member VALUES (?, ?)", params![id.as_bytes(), device.as_bytes()])?;
    changed(tx, added, device, entry)
}

/// Takes a device out of a group.
pub(super) fn remove_member(
    tx: &Connection,
    id: GroupId,
    device: DeviceId,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    expect(tx, id)?;
    devices::reachable(tx, device)?;
    if id == ALL_DEVICES {
        return Err(StoreError::InUse("the server: this group cannot be changed"));
    }
    let removed =
        tx.execute("DELETE FROM member WHERE grp = ? AND device = ?", params![id.as_bytes(), device.as_bytes()])?;
    changed(tx, removed, device, entry)
}

fn changed(tx: &Connection, rows: usize, device: DeviceId, entry: AuditEntry) -> Result<(), StoreError> {
    if rows == 0 {
        return Ok(());
    }
    devices::touch(tx, device)?;
    work::push(tx, WorkTarget::Device(device), WorkKind::Policy, entry.at)?;
    audit::append(tx, entry, Vec::new())
}
