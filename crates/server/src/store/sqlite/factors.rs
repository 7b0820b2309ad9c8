//! Verbs of second factors, passkeys, and what is under way.

use super::{
    StoreError, audit,
    column::{ticks, time, time_opt},
    people, secrets,
};
use crate::{
    audit::AuditEntry,
    seal::Sealed,
    store::{Factors, PASSKEYS_MAX, Passkey, SecretHash, Ticket, totp_candidate, totp_secret},
};
use laps::{id::PrincipalId, time::Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

const PASSKEY: &str = "id, principal, name, data, created_at, used_at";

/// What a user can sign in with beside the password.
pub(super) fn factors(tx: &Connection, user: PrincipalId) -> Result<Factors, StoreError> {
    let totp_since = tx
        .prepare_cached("SELECT enrolled_at FROM totp WHERE principal = ?")?
        .query_row([user.as_bytes()], |row| row.get(0).map(time))
        .optional()?;
    let recovery_codes = tx
        .prepare_cached("SELECT count(*) FROM recovery_code WHERE principal = ?")?
        .query_row([user.as_bytes()], |row| row.get(0))?;
    let passkeys = tx
        .prepare_cached(&format!("SELECT {PASSKEY} FROM passkey WHERE principal = ? ORDER BY created_at, id"))?
        .query_map([user.as_bytes()], passkey_row)?
        .collect::<Result<_, _>>()?;
    Ok(Factors { totp_since, recovery_codes, passkeys })
}

fn expect_user(tx: &Connection, user: PrincipalId) -> Result<(), StoreError> {
    people::user(tx, user)?.map(drop).ok_or(StoreError::NotFound("user"))
}

/// The user has shown that the generator works.
pub(super) fn enrol_totp(
    tx: &Connection,
    user: PrincipalId,
    secret: &Sealed,
    recovery: &[SecretHash],
    now: Timestamp,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    expect_user(tx, user)?;
    let enrolled = tx.execute("INSERT OR IGNORE INTO totp VALUES (?, ?)", params![user.as_bytes(), ticks(now)])?;
    if enrolled == 0 {
        return Err(StoreError::Exists("one-time password generator"));
    }
    secrets::put(tx, &totp_secret(user), secret)?;
    secrets::forget(tx, &totp_candidate(user))?;
    for code in recovery {
        tx.execute("INSERT OR IGNORE INTO recovery_code VALUES (?, ?)", params![user.as_bytes(), code])?;
    }
    audit::append(tx, entry, Vec::new())
}

/// One-time passwords are no longer asked for.
pub(super) fn remove_totp(tx: &Connection, user: PrincipalId, entry: AuditEntry) -> Result<(), StoreError> {
    expect_user(tx, user)?;
    let removed = tx.execute("DELETE FROM totp WHERE principal = ?", [user.as_bytes()])?;
    forget(tx, user)?;
    if removed == 0 {
        return Ok(());
    }
    people::rights_changed(tx, user)?;
    audit::append(tx, entry, Vec::new())
}

/// What is not removed with the user's row by itself.
pub(super) fn forget(tx: &Connection, user: PrincipalId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM recovery_code WHERE principal = ?", [user.as_bytes()])?;
    secrets::forget(tx, &totp_secret(user))?;
    secrets::forget(tx, &totp_candidate(user))?;
    Ok(())
}

/// Uses up a recovery code.
pub(super) fn use_recovery_code(
    tx: &Connection,
    user: PrincipalId,
    code: &SecretHash,
    entry: AuditEntry,
) -> Result<bool, StoreError> {
    let used =
        tx.execute("DELETE FROM recovery_code WHERE principal = ? AND hash = ?", params![user.as_bytes(), code])?;
    if used > 0 {
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(used > 0)
}

fn passkey_row(row: &Row<'_>) -> rusqlite::Result<Passkey> {
    Ok(Passkey {
        id: row.get(0)?,
        principal: PrincipalId::from_bytes(row.get(1)?),
        name: row.get(2)?,
        data: row.get(3)?,
        created_at: time(row.get(4)?),
        used_at: time_opt(row.get(5)?),
    })
}

/// A passkey by its credential id.
pub(super) fn passkey(tx: &Connection, id: &[u8]) -> Result<Option<Passkey>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {PASSKEY} FROM passkey WHERE id = ?"))?
        .query_row([id], passkey_row)
        .optional()?;
    Ok(found)
}

/// Registers a passkey.
pub(super) fn add_passkey(tx: &Connection, new: &Passkey, entry: AuditEntry) -> Result<(), StoreError> {
    expect_user(tx, new.principal)?;
    if factors(tx, new.principal)?.passkeys.len() >= PASSKEYS_MAX {
        return Err(StoreError::TooMany("passkeys"));
    }
    let added = tx.execute(
        "INSERT OR IGNORE INTO passkey VALUES (?, ?, ?, ?, ?, NULL)",
        params![new.id, new.principal.as_bytes(), new.name, new.data, ticks(new.created_at)],
    )?;
    if added == 0 {
        return Err(StoreError::Exists("passkey"));
    }
    audit::append(tx, entry, Vec::new())
}

/// Notes a use, and what the authenticator counts.
pub(super) fn use_passkey(tx: &Connection, id: &[u8], data: &str, now: Timestamp) -> Result<(), StoreError> {
    let used = tx.execute("UPDATE passkey SET data = ?, used_at = ? WHERE id = ?", params![data, ticks(now), id])?;
    if used == 0 { Err(StoreError::NotFound("passkey")) } else { Ok(()) }
}

/// Removes a passkey; sessions of the user end.
pub(super) fn remove_passkey(
    tx: &Connection,
    user: PrincipalId,
    id: &[u8],
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let removed = tx.execute("DELETE FROM passkey WHERE id = ? AND principal = ?", params![id, user.as_bytes()])?;
    if removed == 0 {
        return Err(StoreError::NotFound("passkey"));
    }
    people::rights_changed(tx, user)?;
    audit::append(tx, entry, Vec::new())
}

/// Stores a ticket.
pub(super) fn put_ticket(tx: &Connection, ticket: &Ticket) -> Result<(), StoreError> {
    let stored = tx.execute(
        "INSERT OR IGNORE INTO ticket VALUES (?, ?, ?, ?)",
        params![ticket.hash, ticket.purpose, ticket.data, ticks(ticket.expires_at)],
    )?;
    if stored == 0 { Err(StoreError::Exists("ticket")) } else { Ok(()) }
}

/// Takes a ticket; it is gone.
pub(super) fn take_ticket(
    tx: &Connection,
    purpose: &str,
    hash: &SecretHash,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let found: Option<(String, i64)> = tx
        .prepare_cached("DELETE FROM ticket WHERE hash = ? AND purpose = ? RETURNING data, expires_at")?
        .query_row(params![hash, purpose], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.filter(|(_, expires_at)| now < time(*expires_at)).map(|(data, _)| data))
}
