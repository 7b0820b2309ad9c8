//! `lapwingd backup`: a copy of the database and of the configuration, taken while the server runs. Never a
//! private key: those go by [`export_keys`](super::export_keys).

use super::{DataDirectory, Fill, OpsError, entry, file, sync_directory, texts};
use crate::{
    audit::AuditHead,
    seal::KeyId,
    store::{Counts, Store as _, StoreError, sqlite::SqliteStore},
};
use laps::time::Timestamp;
use serde_json::json;
use std::{fs, os::unix::fs::OpenOptionsExt as _, path::Path};

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupMade {
    /// Length of the file, bytes.
    pub bytes: u64,
    /// What is in it.
    pub counts: Counts,
    /// The keys that a restore of it needs; they are not in it.
    pub keys: Vec<KeyId>,
    /// The end of the audit log at that time, at least.
    pub audit_head: AuditHead,
}

/// Writes a backup to `to`, which must not exist; it appears whole or not at all.
///
/// # Errors
/// [`OpsError::WouldOverwrite`]; [`StoreError::NotInitialised`]; what reading and writing give.
pub async fn backup(data: &DataDirectory, to: &Path, now: Timestamp, fill: Fill<'_>) -> Result<BackupMade, OpsError> {
    if to.exists() {
        return Err(OpsError::WouldOverwrite(to.to_owned()));
    }
    let store = SqliteStore::open(&data.database())?;
    let configuration = fs::read_to_string(data.configuration()).ok();
    let tenant = store.tenant().await?;
    let keys: Vec<KeyId> = store.sealed_samples().await?.iter().map(|sample| sample.sealed.key).collect();
    let taken = entry(fill, now, "backup", "Back up directory", tenant.id, json!({ "keys": texts(&keys) }))?;
    store.append_audit(taken).await?;

    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let _ = fs::remove_file(partial);
    // Made with its mode before anything is in it.
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial).map_err(file(partial))?;
    let copied = store.copy_to(partial, now, configuration.as_deref());
    if let Err(error) = copied {
        let _ = fs::remove_file(partial);
        return Err(error.into());
    }
    let written = fs::File::open(partial).map_err(file(partial))?;
    written.sync_all().map_err(file(partial))?;
    let bytes = written.metadata().map_err(file(partial))?.len();
    // A link refuses an existing name, which a rename would replace.
    fs::hard_link(partial, to).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => OpsError::WouldOverwrite(to.to_owned()),
        _ => file(to)(error),
    })?;
    fs::remove_file(partial).map_err(file(partial))?;
    sync_directory(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    let audit_head = store.audit_heads().await?.pop().ok_or(StoreError::NotInitialised)?;
    Ok(BackupMade { bytes, counts: store.counts().await?, keys, audit_head })
}
