//! Verbs of API tokens, of keys of service principals, and of sessions as people see them.

use super::{
    StoreError, audit,
    column::{ticks, time, time_opt},
    people, sessions,
};
use crate::{
    audit::AuditEntry,
    store::{API_TOKENS_MAX, ApiToken, CLIENT_KEYS_MAX, ClientKey, Page, SecretHash, Session, USE_NOTED_S},
};
use laps::{id::PrincipalId, time::Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

const TOKEN: &str = "id, hash, principal, name, scope, created_at, expires_at, used_at";

fn token_row(row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    Ok(ApiToken {
        id: row.get(0)?,
        hash: row.get(1)?,
        principal: PrincipalId::from_bytes(row.get(2)?),
        name: row.get(3)?,
        scope: row.get(4)?,
        created_at: time(row.get(5)?),
        expires_at: time(row.get(6)?),
        used_at: time_opt(row.get(7)?),
    })
}

/// Stores an API token.
pub(super) fn create(tx: &Connection, new: &ApiToken, entry: AuditEntry) -> Result<(), StoreError> {
    people::user(tx, new.principal)?.ok_or(StoreError::NotFound("user"))?;
    if tokens(tx, Some(new.principal))?.len() >= API_TOKENS_MAX {
        return Err(StoreError::TooMany("API tokens"));
    }
    let stored = tx.execute(
        "INSERT OR IGNORE INTO api_token VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        params![
            new.id,
            new.hash,
            new.principal.as_bytes(),
            new.name,
            new.scope,
            ticks(new.created_at),
            ticks(new.expires_at)
        ],
    )?;
    if stored == 0 {
        return Err(StoreError::Exists("API token"));
    }
    audit::append(tx, entry, Vec::new())
}

/// A token that is good now.
pub(super) fn token(tx: &Connection, hash: &SecretHash, now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {TOKEN} FROM api_token WHERE hash = ? AND expires_at > ?"))?
        .query_row(params![hash, ticks(now)], token_row)
        .optional()?;
    Ok(found)
}

/// Whether a use at `now` is to be noted.
pub(super) fn is_news(token: &ApiToken, now: Timestamp) -> bool {
    token.used_at.is_none_or(|used| now >= used.plus_seconds(USE_NOTED_S))
}

/// Notes a use.
pub(super) fn note_use(tx: &Connection, hash: &SecretHash, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE api_token SET used_at = ? WHERE hash = ?", params![ticks(now), hash])?;
    Ok(())
}

/// Tokens of one user, or all, oldest first.
pub(super) fn tokens(tx: &Connection, user: Option<PrincipalId>) -> Result<Vec<ApiToken>, StoreError> {
    let found = tx
        .prepare_cached(&format!(
            "SELECT {TOKEN} FROM api_token WHERE ?1 IS NULL OR principal = ?1 ORDER BY created_at, id"
        ))?
        .query_map(params![user.map(|id| *id.as_bytes())], token_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Revokes a token.
pub(super) fn revoke(tx: &Connection, id: [u8; 16], entry: AuditEntry) -> Result<(), StoreError> {
    if tx.execute("DELETE FROM api_token WHERE id = ?", [id])? == 0 {
        return Err(StoreError::NotFound("API token"));
    }
    audit::append(tx, entry, Vec::new())
}

/// Adds a key of a service principal.
pub(super) fn add_key(tx: &Connection, new: &ClientKey, entry: AuditEntry) -> Result<(), StoreError> {
    people::application(tx, new.principal)?.ok_or(StoreError::NotFound("service principal"))?;
    if keys(tx, new.principal)?.len() >= CLIENT_KEYS_MAX {
        return Err(StoreError::TooMany("keys of a service principal"));
    }
    let added = tx.execute(
        "INSERT OR IGNORE INTO client_key VALUES (?, ?, ?, ?, ?)",
        params![new.id, new.principal.as_bytes(), new.name, new.public_key, ticks(new.expires_at)],
    )?;
    if added == 0 {
        return Err(StoreError::Exists("key"));
    }
    audit::append(tx, entry, Vec::new())
}

/// Keys of a service principal.
pub(super) fn keys(tx: &Connection, of: PrincipalId) -> Result<Vec<ClientKey>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT id, principal, name, public_key, expires_at FROM client_key WHERE principal = ? ORDER BY id",
        )?
        .query_map([of.as_bytes()], |row| {
            Ok(ClientKey {
                id: row.get(0)?,
                principal: PrincipalId::from_bytes(row.get(1)?),
                name: row.get(2)?,
                public_key: row.get(3)?,
                expires_at: time(row.get(4)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Removes a key of a service principal; what it was given by it ends.
pub(super) fn remove_key(tx: &Connection, of: PrincipalId, id: [u8; 16], entry: AuditEntry) -> Result<(), StoreError> {
    if tx.execute("DELETE FROM client_key WHERE id = ? AND principal = ?", params![id, of.as_bytes()])? == 0 {
        return Err(StoreError::NotFound("key"));
    }
    people::rights_changed(tx, of)?;
    audit::append(tx, entry, Vec::new())
}

/// The sessions of a principal that are good now, newest first.
pub(super) fn sessions_of(tx: &Connection, of: PrincipalId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
    let found = tx
        .prepare_cached(&format!(
            "SELECT {} FROM session AS s JOIN principal AS p ON p.id = s.principal WHERE s.principal = ? \
             AND s.used_at IS NULL AND s.expires_at > ? AND p.epoch = s.epoch ORDER BY s.created_at DESC, s.hash LIMIT ?",
            sessions::SESSION
        ))?
        .query_map(params![of.as_bytes(), ticks(now), Page::LIMIT_MAX], sessions::session_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Whether a sign-in still stands.
pub(super) fn stands(tx: &Connection, of: PrincipalId, family: [u8; 16]) -> Result<bool, StoreError> {
    let stands = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM session WHERE family = ? AND principal = ?)")?
        .query_row(params![family, of.as_bytes()], |row| row.get(0))?;
    Ok(stands)
}

/// Ends a sign-in with everything that follows from it.
pub(super) fn end(tx: &Connection, of: PrincipalId, family: [u8; 16], entry: AuditEntry) -> Result<(), StoreError> {
    let ended = tx.execute("DELETE FROM session WHERE family = ? AND principal = ?", params![family, of.as_bytes()])?;
    if ended == 0 {
        return Err(StoreError::NotFound("session"));
    }
    audit::append(tx, entry, Vec::new())
}
