//! `lapwingd init`: keys, database, the first administrator. Never a default credential.

use super::{DataDirectory, Fill, OpsError, entry, random};
use crate::{
    audit::{HeadSigner, activity},
    seal::{KeyFiles, KeyId},
    store::{GLOBAL_ADMINISTRATOR, NewTenant, NewUser, RoleAssignment, Settings, Store as _, sqlite::SqliteStore},
};
use laps::{
    id::{Incarnation, TenantId},
    time::Timestamp,
};
use serde_json::json;
use std::path::Path;
use zeroize::Zeroizing;

/// What a new server is made of.
pub struct NewServer {
    /// Its settings; the tenant switch is off unless the operator was asked.
    pub settings: Settings,
    /// The first administrator, with a one-time secret and no password.
    pub administrator: NewUser,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Initialised {
    /// The tenant's id.
    pub tenant: TenantId,
    /// The first key-encryption key: to be exported and kept away from the backups.
    pub key: KeyId,
}

/// Makes a data directory. `more` is called with the key directory before the database gets its name,
/// for keys that others own (the certificate authority, the key that signs tokens).
///
/// Broken off anywhere, it leaves no database, and can be run again; key files that were made stay.
///
/// # Errors
/// [`OpsError::NotEmpty`] when there is a database, and what writing gives.
pub async fn init(
    data: &DataDirectory,
    new: NewServer,
    now: Timestamp,
    fill: Fill<'_>,
    more: impl FnOnce(&Path) -> Result<(), OpsError>,
) -> Result<Initialised, OpsError> {
    data.prepare()?;
    let tenant = TenantId::from_random_bytes(random(fill)?);
    let incarnation = Incarnation::from_random_bytes(random(fill)?);
    let key = KeyId(random(fill)?);
    KeyFiles::new(&data.keys()).add(key, &Zeroizing::new(random(fill)?))?;
    if !data.keys().join(crate::audit::SIGNING_KEY_FILE).exists() {
        HeadSigner::create(&data.keys(), &Zeroizing::new(random(fill)?))?;
    }
    more(&data.keys())?;

    let store = SqliteStore::create(&data.unfinished())?;
    let made = entry(fill, now, "init", activity::INITIALISE, tenant, json!({ "key": key.to_string() }))?;
    store.initialise(NewTenant { id: tenant, incarnation, key, settings: new.settings }, now, made).await?;
    let principal = new.administrator.id;
    let user = entry(fill, now, "init", "Add user", tenant, json!({ "user": new.administrator.user_name }))?;
    store.create_user(new.administrator, now, user).await?;
    let role = RoleAssignment { id: random(fill)?, principal, role: GLOBAL_ADMINISTRATOR.to_owned(), scope: None };
    let given = entry(fill, now, "init", "Add member to role", tenant, json!({ "role": GLOBAL_ADMINISTRATOR }))?;
    store.assign_role(role, given).await?;
    // Closed before it is renamed: SQLite finds its log by the name of the database.
    drop(store);
    data.finish()?;
    Ok(Initialised { tenant, key })
}
