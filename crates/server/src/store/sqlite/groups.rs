//! Verbs of groups.

use super::{
    StoreError, audit,
    column::{folded, ticks, ticks_opt, time, time_opt},
    devices, reading, work,
};
use crate::{
    audit::AuditEntry,
    store::{ALL_DEVICES, Group, GroupFilter, Page, PageOf, WorkKind, WorkTarget},
};
use laps::{
    id::{DeviceId, GroupId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const GROUP: &str = "id, name, created_at, filter_name, filter_os, filter_agent_version, filter_joined_from, \
     filter_joined_until";
/// Devices that are woken one by one when a filter changes; beyond that all are.
const WOKEN_SINGLY_MAX: usize = 1_000;

fn all_devices() -> Group {
    Group { id: ALL_DEVICES, name: "All devices".into(), filter: None, created_at: Timestamp::MIN }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Group> {
    let filter = GroupFilter {
        name: row.get(3)?,
        os: row.get(4)?,
        agent_version: row.get(5)?,
        joined_from: time_opt(row.get(6)?),
        joined_until: time_opt(row.get(7)?),
    };
    Ok(Group {
        id: GroupId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        created_at: time(row.get(2)?),
        filter: (!filter.is_empty()).then_some(filter),
    })
}

/// A group.
pub(super) fn group(tx: &Connection, id: GroupId) -> Result<Option<Group>, StoreError> {
    if id == ALL_DEVICES {
        return Ok(Some(all_devices()));
    }
    let found = tx
        .prepare_cached(&format!("SELECT {GROUP} FROM grp WHERE id = ?"))?
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
    filter: Option<&GroupFilter>,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Group, StoreError> {
    if group(tx, id)?.is_some() || name_taken(tx, name, id)? {
        return Err(StoreError::Exists("group"));
    }
    tx.execute(
        "INSERT INTO grp (id, name, name_folded, created_at) VALUES (?, ?, ?, ?)",
        params![id.as_bytes(), name, folded(name), ticks(now)],
    )?;
    if let Some(filter) = filter {
        set_filter(tx, id, filter, now)?;
    }
    audit::append(tx, entry, Vec::new())?;
    expect(tx, id)
}

/// Gives a filtered group another filter.
pub(super) fn change_filter(
    tx: &Connection,
    id: GroupId,
    filter: &GroupFilter,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Group, StoreError> {
    if expect(tx, id)?.filter.is_none() || filter.is_empty() {
        return Err(StoreError::Unfiltered);
    }
    set_filter(tx, id, filter, now)?;
    audit::append(tx, entry, Vec::new())?;
    expect(tx, id)
}

/// Writes a filter and brings the group's members to it.
fn set_filter(tx: &Connection, id: GroupId, filter: &GroupFilter, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE grp SET filter_name = ?2, filter_os = ?3, filter_agent_version = ?4, filter_joined_from = ?5, \
         filter_joined_until = ?6 WHERE id = ?1",
        params![
            id.as_bytes(),
            filter.name,
            filter.os,
            filter.agent_version,
            ticks_opt(filter.joined_from),
            ticks_opt(filter.joined_until)
        ],
    )?;
    let changed = tx
        .prepare_cached(
            "SELECT id, name, os, agent_version, registered_at, \
             EXISTS (SELECT 1 FROM member WHERE device = d.id AND grp = ?) FROM device AS d WHERE state <> 'purged'",
        )?
        .query_map([id.as_bytes()], |row| {
            let text = |at| -> rusqlite::Result<&str> { Ok(row.get_ref(at)?.as_str()?) };
            let fits = filter.fits_properties(text(1)?, text(2)?, text(3)?, time(row.get(4)?));
            let is: bool = row.get(5)?;
            Ok((fits != is).then_some((DeviceId::from_bytes(row.get(0)?), fits)))
        })?
        .filter_map(Result::transpose)
        .collect::<Result<Vec<_>, _>>()?;
    for (device, fits) in &changed {
        set_member(tx, id, *device, *fits)?;
        if changed.len() <= WOKEN_SINGLY_MAX {
            work::push(tx, WorkTarget::Device(*device), WorkKind::Policy, now)?;
        }
    }
    if changed.len() > WOKEN_SINGLY_MAX {
        work::push(tx, WorkTarget::Group(ALL_DEVICES), WorkKind::Policy, now)?;
    }
    Ok(())
}

fn set_member(tx: &Connection, group: GroupId, device: DeviceId, member: bool) -> Result<(), StoreError> {
    let sql = if member {
        "INSERT OR IGNORE INTO member (grp, device) VALUES (?, ?)"
    } else {
        "DELETE FROM member WHERE grp = ? AND device = ?"
    };
    tx.prepare_cached(sql)?.execute(params![group.as_bytes(), device.as_bytes()])?;
    devices::touch(tx, device)
}

/// A device is new or a property of it changed: it enters and leaves filtered groups.
pub(super) fn follow(tx: &Connection, id: DeviceId, now: Timestamp) -> Result<(), StoreError> {
    let filtered = tx
        .prepare_cached(&format!(
            "SELECT {GROUP} FROM grp WHERE filter_name IS NOT NULL OR filter_os IS NOT NULL OR \
             filter_agent_version IS NOT NULL OR filter_joined_from IS NOT NULL OR filter_joined_until IS NOT NULL"
        ))?
        .query_map([], from_row)?
        .collect::<Result<Vec<_>, _>>()?;
    if filtered.is_empty() {
        return Ok(());
    }
    let device = devices::device(tx, id)?.ok_or(StoreError::DeviceUnknown)?;
    let mut changed = false;
    for group in filtered {
        let fits = group.filter.is_some_and(|filter| filter.fits(&device));
        if fits != device.groups.contains(&group.id) {
            set_member(tx, group.id, id, fits)?;
            changed = true;
        }
    }
    if changed {
        work::push(tx, WorkTarget::Device(id), WorkKind::Policy, now)?;
    }
    Ok(())
}

/// A group whose members people keep.
pub(super) fn expect_kept(tx: &Connection, id: GroupId) -> Result<Group, StoreError> {
    let found = expect(tx, id)?;
    if found.filter.is_some() { Err(StoreError::Filtered) } else { Ok(found) }
}

/// Groups, all devices last: its id is the highest.
pub(super) fn groups(tx: &Connection, page: &Page) -> Result<PageOf<Group>, StoreError> {
    let after: [u8; 16] = match &page.after {
        None => [0; 16],
        Some(text) => *text.parse::<GroupId>().map_err(|_| StoreError::BadCursor)?.as_bytes(),
    };
    let size = page.size();
    let mut items = tx
        .prepare_cached(&format!("SELECT {GROUP} FROM grp WHERE id > ? ORDER BY id LIMIT ?"))?
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
    if reading::has_rule(tx, id)? {
        return Err(StoreError::InUse("a reading rule"));
    }
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
    expect_kept(tx, id)?;
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
    expect_kept(tx, id)?;
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
