//! Verbs of foreign OpenID providers.

use super::{
    StoreError, audit,
    column::{ticks, time},
    people, secrets,
};
use crate::{
    audit::AuditEntry,
    seal::Sealed,
    store::{IDENTITY_PROVIDERS_MAX, IdentityLink, IdentityProvider, provider_secret},
};
use laps::id::PrincipalId;
use rusqlite::{Connection, OptionalExtension, Row, params};

const LINK: &str = "provider, subject, principal, linked_at";

/// Every provider, by name.
pub(super) fn providers(tx: &Connection) -> Result<Vec<IdentityProvider>, StoreError> {
    let found = tx
        .prepare_cached("SELECT id, name, issuer, client_id, ca, created_at FROM identity_provider ORDER BY name, id")?
        .query_map([], |row| {
            Ok(IdentityProvider {
                id: row.get(0)?,
                name: row.get(1)?,
                issuer: row.get(2)?,
                client_id: row.get(3)?,
                ca: row.get(4)?,
                created_at: time(row.get(5)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Sets up a provider with its sealed client secret.
pub(super) fn add(
    tx: &Connection,
    new: &IdentityProvider,
    secret: &Sealed,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    if providers(tx)?.len() >= IDENTITY_PROVIDERS_MAX {
        return Err(StoreError::TooMany("identity providers"));
    }
    let added = tx.execute(
        "INSERT OR IGNORE INTO identity_provider VALUES (?, ?, ?, ?, ?, ?)",
        params![new.id, new.name, new.issuer, new.client_id, new.ca, ticks(new.created_at)],
    )?;
    if added == 0 {
        return Err(StoreError::Exists("identity provider"));
    }
    secrets::put(tx, &provider_secret(new.id), secret)?;
    audit::append(tx, entry, Vec::new())
}

/// Removes a provider with its links.
pub(super) fn remove(tx: &Connection, id: [u8; 16], entry: AuditEntry) -> Result<(), StoreError> {
    if tx.execute("DELETE FROM identity_provider WHERE id = ?", [id])? == 0 {
        return Err(StoreError::NotFound("identity provider"));
    }
    secrets::forget(tx, &provider_secret(id))?;
    audit::append(tx, entry, Vec::new())
}

fn link_row(row: &Row<'_>) -> rusqlite::Result<IdentityLink> {
    Ok(IdentityLink {
        provider: row.get(0)?,
        subject: row.get(1)?,
        principal: PrincipalId::from_bytes(row.get(2)?),
        linked_at: time(row.get(3)?),
    })
}

/// Says which user a subject is.
pub(super) fn link(tx: &Connection, new: &IdentityLink, entry: AuditEntry) -> Result<(), StoreError> {
    people::user(tx, new.principal)?.ok_or(StoreError::NotFound("user"))?;
    if !providers(tx)?.iter().any(|provider| provider.id == new.provider) {
        return Err(StoreError::NotFound("identity provider"));
    }
    let added = tx.execute(
        "INSERT OR IGNORE INTO identity_link VALUES (?, ?, ?, ?)",
        params![new.provider, new.subject, new.principal.as_bytes(), ticks(new.linked_at)],
    )?;
    if added == 0 {
        return Err(StoreError::Exists("link of this subject"));
    }
    audit::append(tx, entry, Vec::new())
}

/// Takes a link away.
pub(super) fn unlink(tx: &Connection, provider: [u8; 16], subject: &str, entry: AuditEntry) -> Result<(), StoreError> {
    let principal: [u8; 16] = tx
        .query_row(
            "DELETE FROM identity_link WHERE provider = ? AND subject = ? RETURNING principal",
            params![provider, subject],
            |row| row.get(0),
        )
        .optional()?
        .ok_or(StoreError::NotFound("link"))?;
    people::rights_changed(tx, PrincipalId::from_bytes(principal))?;
    audit::append(tx, entry, Vec::new())
}

/// The link of a subject.
pub(super) fn linked(tx: &Connection, provider: [u8; 16], subject: &str) -> Result<Option<IdentityLink>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {LINK} FROM identity_link WHERE provider = ? AND subject = ?"))?
        .query_row(params![provider, subject], link_row)
        .optional()?;
    Ok(found)
}

/// The links of a user.
pub(super) fn links_of(tx: &Connection, user: PrincipalId) -> Result<Vec<IdentityLink>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {LINK} FROM identity_link WHERE principal = ? ORDER BY provider, subject"))?
        .query_map([user.as_bytes()], link_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}
