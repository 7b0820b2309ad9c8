//! Verbs of users, service principals and their roles.

use super::{
    StoreError, audit,
    column::{folded, ticks, time, time_opt},
    factors, groups, roles as custom_roles,
};
use crate::{
    audit::AuditEntry,
    store::{
        ALL_DEVICES, Authorization, ClientSecret, GLOBAL_ADMINISTRATOR, NewServicePrincipal, NewUser, Page, PageOf,
        RoleAssignment, SecretHash, ServicePrincipal, ServicePrincipalChange, User, UserChange,
    },
};
use laps::{
    id::{GroupId, PrincipalId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const USER: &str =
    "SELECT id, user_name, display_name, enabled, password_hash, one_time_until, epoch, created_at FROM principal";
const APPLICATION: &str = "SELECT id, display_name, enabled, permissions, epoch, created_at FROM principal";

fn user_row(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: PrincipalId::from_bytes(row.get(0)?),
        user_name: row.get(1)?,
        display_name: row.get(2)?,
        enabled: row.get(3)?,
        password_hash: row.get(4)?,
        one_time_until: time_opt(row.get(5)?),
        epoch: row.get::<_, i64>(6)? as u64,
        created_at: time(row.get(7)?),
    })
}

fn cursor(page: &Page) -> Result<[u8; 16], StoreError> {
    match &page.after {
        None => Ok([0; 16]),
        Some(text) => Ok(*text.parse::<PrincipalId>().map_err(|_| StoreError::BadCursor)?.as_bytes()),
    }
}

fn permissions_text(permissions: &[String]) -> String {
    permissions.join(" ")
}

fn permissions_list(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// A user.
pub(super) fn user(tx: &Connection, id: PrincipalId) -> Result<Option<User>, StoreError> {
    let found = tx
        .prepare_cached(&format!("{USER} WHERE id = ? AND is_user"))?
        .query_row([id.as_bytes()], user_row)
        .optional()?;
    Ok(found)
}

fn expect_user(tx: &Connection, id: PrincipalId) -> Result<User, StoreError> {
    user(tx, id)?.ok_or(StoreError::NotFound("user"))
}

/// A user by sign-in name.
pub(super) fn user_by_name(tx: &Connection, name: &str) -> Result<Option<User>, StoreError> {
    let found = tx
        .prepare_cached(&format!("{USER} WHERE user_name_folded = ?"))?
        .query_row([folded(name)], user_row)
        .optional()?;
    Ok(found)
}

/// Users.
pub(super) fn users(tx: &Connection, page: &Page) -> Result<PageOf<User>, StoreError> {
    let size = page.size();
    let items = tx
        .prepare_cached(&format!("{USER} WHERE is_user AND id > ? ORDER BY id LIMIT ?"))?
        .query_map(params![cursor(page)?, size as i64 + 1], user_row)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PageOf::cut(items, size, |user| user.id.to_string()))
}

fn known(tx: &Connection, id: PrincipalId) -> Result<bool, StoreError> {
    let known = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM principal WHERE id = ?)")?
        .query_row([id.as_bytes()], |row| row.get(0))?;
    Ok(known)
}

/// Makes a user.
pub(super) fn create_user(
    tx: &Connection,
    new: &NewUser,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<User, StoreError> {
    if known(tx, new.id)? || user_by_name(tx, &new.user_name)?.is_some() {
        return Err(StoreError::Exists("user"));
    }
    tx.execute(
        "INSERT INTO principal VALUES (?, 1, ?, ?, ?, 1, ?, ?, ?, '', 1, ?)",
        params![
            new.id.as_bytes(),
            new.user_name,
            folded(&new.user_name),
            new.display_name,
            new.password_hash,
            new.one_time.map(|(hash, _)| hash),
            new.one_time.map(|(_, until)| ticks(until)),
            ticks(now)
        ],
    )?;
    audit::append(tx, entry, Vec::new())?;
    expect_user(tx, new.id)
}

/// Changes a user.
pub(super) fn update_user(
    tx: &Connection,
    id: PrincipalId,
    change: &UserChange,
    entry: AuditEntry,
) -> Result<User, StoreError> {
    expect_user(tx, id)?;
    let before = administrators(tx)?;
    if let Some(name) = &change.display_name {
        tx.execute("UPDATE principal SET display_name = ? WHERE id = ?", params![name, id.as_bytes()])?;
    }
    if let Some(enabled) = change.enabled {
        tx.execute("UPDATE principal SET enabled = ? WHERE id = ?", params![enabled, id.as_bytes()])?;
    }
    if let Some(hash) = &change.password_hash {
        tx.execute(
            "UPDATE principal SET password_hash = ?, one_time_hash = NULL, one_time_until = NULL WHERE id = ?",
            params![hash, id.as_bytes()],
        )?;
    }
    if let Some((hash, until)) = &change.one_time {
        tx.execute(
            "UPDATE principal SET password_hash = NULL, one_time_hash = ?, one_time_until = ? WHERE id = ?",
            params![hash, ticks(*until), id.as_bytes()],
        )?;
        tx.execute("DELETE FROM api_token WHERE principal = ?", [id.as_bytes()])?;
    }
    if change.enabled.is_some() || change.password_hash.is_some() || change.one_time.is_some() {
        rights_changed(tx, id)?;
    }
    keeps_an_administrator(tx, before)?;
    audit::append(tx, entry, Vec::new())?;
    expect_user(tx, id)
}

/// Voids what was given out on the ground of a principal's former rights.
pub(super) fn rights_changed(tx: &Connection, id: PrincipalId) -> Result<(), StoreError> {
    tx.execute("UPDATE principal SET epoch = epoch + 1 WHERE id = ?", [id.as_bytes()])?;
    tx.execute("DELETE FROM session WHERE principal = ?", [id.as_bytes()])?;
    // A code that was agreed to and not fetched yet is a sign-in of before, too.
    tx.execute("DELETE FROM device_code WHERE principal = ?", [id.as_bytes()])?;
    Ok(())
}

/// How many enabled principals may do everything.
fn administrators(tx: &Connection) -> Result<u64, StoreError> {
    let number: i64 = tx
        .prepare_cached(
            "SELECT count(*) FROM role AS r JOIN principal AS p ON p.id = r.principal \
             WHERE r.role = ? AND r.scope IS NULL AND p.enabled",
        )?
        .query_row([GLOBAL_ADMINISTRATOR], |row| row.get(0))?;
    Ok(number as u64)
}

/// Refuses a change that takes away the last one who may do everything. A directory that has none yet
/// (`init`) loses none.
fn keeps_an_administrator(tx: &Connection, before: u64) -> Result<(), StoreError> {
    if before > 0 && administrators(tx)? == 0 { Err(StoreError::LastAdministrator) } else { Ok(()) }
}

/// Removes a user or a service principal.
pub(super) fn delete(tx: &Connection, id: PrincipalId, is_user: bool, entry: AuditEntry) -> Result<(), StoreError> {
    let before = administrators(tx)?;
    let deleted = tx.execute("DELETE FROM principal WHERE id = ? AND is_user = ?", params![id.as_bytes(), is_user])?;
    if deleted == 0 {
        return Err(StoreError::NotFound(if is_user { "user" } else { "service principal" }));
    }
    keeps_an_administrator(tx, before)?;
    factors::forget(tx, id)?;
    audit::append(tx, entry, Vec::new())
}

/// Redeems a one-time secret.
pub(super) fn redeem_one_time(
    tx: &Connection,
    id: PrincipalId,
    secret: &SecretHash,
    password_hash: &str,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<User, StoreError> {
    let until: i64 = tx
        .query_row(
            "SELECT one_time_until FROM principal WHERE id = ? AND is_user AND enabled AND one_time_hash = ?",
            params![id.as_bytes(), secret],
            |row| row.get(0),
        )
        .optional()?
        .ok_or(StoreError::TokenUnknown)?;
    if now >= time(until) {
        return Err(StoreError::TokenExpired);
    }
    tx.execute(
        "UPDATE principal SET password_hash = ?, one_time_hash = NULL, one_time_until = NULL WHERE id = ?",
        params![password_hash, id.as_bytes()],
    )?;
    rights_changed(tx, id)?;
    audit::append(tx, entry, Vec::new())?;
    expect_user(tx, id)
}

fn application_row(row: &Row<'_>) -> rusqlite::Result<ServicePrincipal> {
    Ok(ServicePrincipal {
        id: PrincipalId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        enabled: row.get(2)?,
        permissions: permissions_list(row.get_ref(3)?.as_str()?),
        secrets: Vec::new(),
        epoch: row.get::<_, i64>(4)? as u64,
        created_at: time(row.get(5)?),
    })
}

fn secrets(tx: &Connection, id: PrincipalId) -> Result<Vec<ClientSecret>, StoreError> {
    let found = tx
        .prepare_cached("SELECT id, hash, hint, expires_at FROM client_secret WHERE principal = ? ORDER BY id")?
        .query_map([id.as_bytes()], |row| {
            Ok(ClientSecret { id: row.get(0)?, hash: row.get(1)?, hint: row.get(2)?, expires_at: time(row.get(3)?) })
        })?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// A service principal.
pub(super) fn application(tx: &Connection, id: PrincipalId) -> Result<Option<ServicePrincipal>, StoreError> {
    let found = tx
        .prepare_cached(&format!("{APPLICATION} WHERE id = ? AND NOT is_user"))?
        .query_row([id.as_bytes()], application_row)
        .optional()?;
    match found {
        Some(found) => Ok(Some(ServicePrincipal { secrets: secrets(tx, id)?, ..found })),
        None => Ok(None),
    }
}

fn expect_application(tx: &Connection, id: PrincipalId) -> Result<ServicePrincipal, StoreError> {
    application(tx, id)?.ok_or(StoreError::NotFound("service principal"))
}

/// Service principals.
pub(super) fn applications(tx: &Connection, page: &Page) -> Result<PageOf<ServicePrincipal>, StoreError> {
    let size = page.size();
    let mut items = tx
        .prepare_cached(&format!("{APPLICATION} WHERE NOT is_user AND id > ? ORDER BY id LIMIT ?"))?
        .query_map(params![cursor(page)?, size as i64 + 1], application_row)?
        .collect::<Result<Vec<_>, _>>()?;
    for item in &mut items {
        item.secrets = secrets(tx, item.id)?;
    }
    Ok(PageOf::cut(items, size, |application| application.id.to_string()))
}

/// Makes a service principal.
pub(super) fn create_application(
    tx: &Connection,
    new: &NewServicePrincipal,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<ServicePrincipal, StoreError> {
    if known(tx, new.id)? {
        return Err(StoreError::Exists("service principal"));
    }
    tx.execute(
        "INSERT INTO principal VALUES (?, 0, NULL, NULL, ?, 1, NULL, NULL, NULL, ?, 1, ?)",
        params![new.id.as_bytes(), new.name, permissions_text(&new.permissions), ticks(now)],
    )?;
    audit::append(tx, entry, Vec::new())?;
    expect_application(tx, new.id)
}

/// Changes a service principal.
pub(super) fn update_application(
    tx: &Connection,
    id: PrincipalId,
    change: &ServicePrincipalChange,
    entry: AuditEntry,
) -> Result<ServicePrincipal, StoreError> {
    expect_application(tx, id)?;
    let before = administrators(tx)?;
    if let Some(name) = &change.name {
        tx.execute("UPDATE principal SET display_name = ? WHERE id = ?", params![name, id.as_bytes()])?;
    }
    if let Some(enabled) = change.enabled {
        tx.execute("UPDATE principal SET enabled = ? WHERE id = ?", params![enabled, id.as_bytes()])?;
    }
    if let Some(permissions) = &change.permissions {
        tx.execute(
            "UPDATE principal SET permissions = ? WHERE id = ?",
            params![permissions_text(permissions), id.as_bytes()],
        )?;
    }
    if let Some(secret) = &change.add_secret {
        let added = tx.execute(
            "INSERT OR IGNORE INTO client_secret VALUES (?, ?, ?, ?, ?)",
            params![secret.id, id.as_bytes(), secret.hash, secret.hint, ticks(secret.expires_at)],
        )?;
        if added == 0 {
            return Err(StoreError::Exists("client secret"));
        }
    }
    if let Some(secret) = &change.remove_secret {
        tx.execute("DELETE FROM client_secret WHERE id = ? AND principal = ?", params![secret, id.as_bytes()])?;
    }
    if change.enabled.is_some() || change.permissions.is_some() || change.remove_secret.is_some() {
        rights_changed(tx, id)?;
    }
    keeps_an_administrator(tx, before)?;
    audit::append(tx, entry, Vec::new())?;
    expect_application(tx, id)
}

/// Gives a role.
pub(super) fn assign_role(tx: &Connection, new: &RoleAssignment, entry: AuditEntry) -> Result<(), StoreError> {
    if !known(tx, new.principal)? {
        return Err(StoreError::NotFound("user or service principal"));
    }
    let scope = new.scope.filter(|group| *group != ALL_DEVICES);
    if let Some(group) = scope {
        groups::expect(tx, group)?;
    }
    if let Ok(custom) = new.role.parse() {
        custom_roles::expect(tx, custom)?;
    }
    let exists: bool = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM role WHERE id = ?1 OR (principal = ?2 AND role = ?3 AND scope IS ?4))",
        params![new.id, new.principal.as_bytes(), new.role, scope.map(|group| *group.as_bytes())],
        |row| row.get(0),
    )?;
    if exists {
        return Err(StoreError::Exists("role assignment"));
    }
    tx.execute(
        "INSERT INTO role VALUES (?, ?, ?, ?)",
        params![new.id, new.principal.as_bytes(), new.role, scope.map(|group| *group.as_bytes())],
    )?;
    rights_changed(tx, new.principal)?;
    audit::append(tx, entry, Vec::new())
}

/// Takes a role.
pub(super) fn unassign_role(tx: &Connection, id: [u8; 16], entry: AuditEntry) -> Result<(), StoreError> {
    let before = administrators(tx)?;
    let principal: [u8; 16] = tx
        .query_row("DELETE FROM role WHERE id = ? RETURNING principal", [id], |row| row.get(0))
        .optional()?
        .ok_or(StoreError::NotFound("role assignment"))?;
    rights_changed(tx, PrincipalId::from_bytes(principal))?;
    keeps_an_administrator(tx, before)?;
    audit::append(tx, entry, Vec::new())
}

/// Role assignments of one principal, or all.
pub(super) fn roles(tx: &Connection, principal: Option<PrincipalId>) -> Result<Vec<RoleAssignment>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT id, principal, role, scope FROM role WHERE ?1 IS NULL OR principal = ?1 ORDER BY principal, id",
        )?
        .query_map(params![principal.map(|id| *id.as_bytes())], |row| {
            Ok(RoleAssignment {
                id: row.get(0)?,
                principal: PrincipalId::from_bytes(row.get(1)?),
                role: row.get(2)?,
                scope: row.get::<_, Option<[u8; 16]>>(3)?.map(GroupId::from_bytes),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// What a principal may do.
pub(super) fn authorization(tx: &Connection, id: PrincipalId) -> Result<Option<Authorization>, StoreError> {
    let found = tx
        .prepare_cached("SELECT display_name, is_user, enabled, epoch, permissions FROM principal WHERE id = ?")?
        .query_row([id.as_bytes()], |row| {
            Ok(Authorization {
                principal: id,
                display_name: row.get(0)?,
                is_user: row.get(1)?,
                enabled: row.get(2)?,
                epoch: row.get::<_, i64>(3)? as u64,
                roles: Vec::new(),
                custom: Vec::new(),
                permissions: permissions_list(row.get_ref(4)?.as_str()?),
            })
        })
        .optional()?;
    match found {
        Some(found) => {
            Ok(Some(Authorization { roles: roles(tx, Some(id))?, custom: custom_roles::of(tx, id)?, ..found }))
        }
        None => Ok(None),
    }
}
