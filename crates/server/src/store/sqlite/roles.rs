//! Verbs of roles that people made.

use super::{
    StoreError, audit,
    column::{folded, ticks, time},
    people,
};
use crate::{
    audit::AuditEntry,
    store::{CUSTOM_ROLES_MAX, CustomRole, CustomRoleChange},
};
use laps::id::{PrincipalId, RoleId};
use rusqlite::{Connection, OptionalExtension, Row, params};

const ROLE: &str = "c.id, c.name, c.actions, c.created_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<CustomRole> {
    Ok(CustomRole {
        id: RoleId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        actions: row.get_ref(2)?.as_str()?.split_ascii_whitespace().map(str::to_owned).collect(),
        created_at: time(row.get(3)?),
    })
}

fn role(tx: &Connection, id: RoleId) -> Result<Option<CustomRole>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {ROLE} FROM custom_role AS c WHERE c.id = ?"))?
        .query_row([id.as_bytes()], from_row)
        .optional()?;
    Ok(found)
}

/// A role that must exist.
pub(super) fn expect(tx: &Connection, id: RoleId) -> Result<CustomRole, StoreError> {
    role(tx, id)?.ok_or(StoreError::NotFound("role"))
}

/// Every custom role.
pub(super) fn roles(tx: &Connection) -> Result<Vec<CustomRole>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {ROLE} FROM custom_role AS c ORDER BY c.name_folded"))?
        .query_map([], from_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// The custom roles that a principal has.
pub(super) fn of(tx: &Connection, principal: PrincipalId) -> Result<Vec<CustomRole>, StoreError> {
    let held = people::roles(tx, Some(principal))?;
    let mut ids: Vec<RoleId> = held.iter().filter_map(|held| held.role.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().filter_map(|id| role(tx, id).transpose()).collect()
}

fn name_taken(tx: &Connection, name: &str, except: RoleId) -> Result<bool, StoreError> {
    let taken = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM custom_role WHERE name_folded = ? AND id <> ?)",
        params![folded(name), except.as_bytes()],
        |row| row.get(0),
    )?;
    Ok(taken)
}

/// Makes a role.
pub(super) fn create(tx: &Connection, new: &CustomRole, entry: AuditEntry) -> Result<CustomRole, StoreError> {
    if role(tx, new.id)?.is_some() || name_taken(tx, &new.name, new.id)? {
        return Err(StoreError::Exists("role"));
    }
    let number: i64 = tx.query_row("SELECT count(*) FROM custom_role", [], |row| row.get(0))?;
    if number as usize >= CUSTOM_ROLES_MAX {
        return Err(StoreError::TooMany("custom roles"));
    }
    tx.execute(
        "INSERT INTO custom_role VALUES (?, ?, ?, ?, ?)",
        params![new.id.as_bytes(), new.name, folded(&new.name), new.actions.join(" "), ticks(new.created_at)],
    )?;
    audit::append(tx, entry, Vec::new())?;
    expect(tx, new.id)
}

/// Changes a role.
pub(super) fn update(
    tx: &Connection,
    id: RoleId,
    change: &CustomRoleChange,
    entry: AuditEntry,
) -> Result<CustomRole, StoreError> {
    let before = expect(tx, id)?;
    if let Some(name) = &change.name {
        if name_taken(tx, name, id)? {
            return Err(StoreError::Exists("role"));
        }
        tx.execute(
            "UPDATE custom_role SET name = ?, name_folded = ? WHERE id = ?",
            params![name, folded(name), id.as_bytes()],
        )?;
    }
    if let Some(actions) = change.actions.as_ref().filter(|actions| **actions != before.actions) {
        tx.execute("UPDATE custom_role SET actions = ? WHERE id = ?", params![actions.join(" "), id.as_bytes()])?;
        let holders = tx
            .prepare_cached("SELECT DISTINCT principal FROM role WHERE role = ?")?
            .query_map([id.to_string()], |row| row.get(0).map(PrincipalId::from_bytes))?
            .collect::<Result<Vec<_>, _>>()?;
        for holder in holders {
            people::rights_changed(tx, holder)?;
        }
    }
    audit::append(tx, entry, Vec::new())?;
    expect(tx, id)
}

/// Removes a role that nobody has.
pub(super) fn delete(tx: &Connection, id: RoleId, entry: AuditEntry) -> Result<(), StoreError> {
    expect(tx, id)?;
    let held: bool =
        tx.query_row("SELECT EXISTS (SELECT 1 FROM role WHERE role = ?)", [id.to_string()], |row| row.get(0))?;
    if held {
        return Err(StoreError::InUse("a role assignment"));
    }
    tx.execute("DELETE FROM custom_role WHERE id = ?", [id.as_bytes()])?;
    audit::append(tx, entry, Vec::new())
}
