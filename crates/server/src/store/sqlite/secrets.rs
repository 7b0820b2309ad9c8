//! Verbs of kept secrets: sealed, and carried along by a rekey.

use super::{
    StoreError, audit,
    tenant::{self, envelope_kind},
};
use crate::{
    audit::AuditEntry,
    seal::{KeyId, Sealed},
    store::WrappedSecret,
};
use rusqlite::{Connection, OptionalExtension, params};

/// Writes a secret over the one of that name.
pub(super) fn put(tx: &Connection, name: &str, sealed: &Sealed) -> Result<(), StoreError> {
    let key = tenant::usable_key(tx, sealed.key)?;
    tx.execute(
        "INSERT OR REPLACE INTO kept_secret VALUES (?, ?, ?, ?, ?, ?)",
        params![name, sealed.kind as u8, key, sealed.wrapped_key, sealed.nonce, sealed.ciphertext],
    )?;
    Ok(())
}

/// The same, on somebody's behalf.
pub(super) fn put_audited(tx: &Connection, name: &str, sealed: &Sealed, entry: AuditEntry) -> Result<(), StoreError> {
    put(tx, name, sealed)?;
    audit::append(tx, entry, Vec::new())
}

/// A secret.
pub(super) fn secret(tx: &Connection, name: &str) -> Result<Option<Sealed>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT s.kind, k.id, s.wrapped_key, s.nonce, s.ciphertext FROM kept_secret AS s \
             JOIN key AS k ON k.no = s.key WHERE s.name = ?",
        )?
        .query_row([name], |row| {
            Ok(Sealed {
                kind: envelope_kind(row.get(0)?)?,
                key: KeyId(row.get(1)?),
                wrapped_key: row.get(2)?,
                nonce: row.get(3)?,
                ciphertext: row.get(4)?,
            })
        })
        .optional()?;
    Ok(found)
}

/// Removes a secret.
pub(super) fn forget(tx: &Connection, name: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM kept_secret WHERE name = ?", [name])? > 0)
}

/// The same, on somebody's behalf; again is success.
pub(super) fn delete(tx: &Connection, name: &str, entry: AuditEntry) -> Result<(), StoreError> {
    if forget(tx, name)? { audit::append(tx, entry, Vec::new()) } else { Ok(()) }
}

/// Secrets under a key.
pub(super) fn under(tx: &Connection, key: KeyId, limit: u32) -> Result<Vec<WrappedSecret>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT name, wrapped_key FROM kept_secret WHERE key = (SELECT no FROM key WHERE id = ?) ORDER BY name LIMIT ?",
        )?
        .query_map(params![key.0, limit], |row| Ok(WrappedSecret { name: row.get(0)?, wrapped_key: row.get(1)? }))?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// How many secrets are under a key.
pub(super) fn number_under(tx: &Connection, key: KeyId) -> Result<i64, StoreError> {
    let number = tx.query_row(
        "SELECT count(*) FROM kept_secret WHERE key = (SELECT no FROM key WHERE id = ?)",
        [key.0],
        |row| row.get(0),
    )?;
    Ok(number)
}

/// Puts data keys, wrapped anew, in their places.
pub(super) fn rewrap(tx: &Connection, from: KeyId, to: KeyId, secrets: &[WrappedSecret]) -> Result<u64, StoreError> {
    let to = tenant::usable_key(tx, to)?;
    let mut update = tx.prepare_cached(
        "UPDATE kept_secret SET key = ?, wrapped_key = ? WHERE name = ? AND key = (SELECT no FROM key WHERE id = ?)",
    )?;
    let mut replaced = 0;
    for secret in secrets {
        replaced += update.execute(params![to, secret.wrapped_key, secret.name, from.0])?;
    }
    Ok(replaced as u64)
}
