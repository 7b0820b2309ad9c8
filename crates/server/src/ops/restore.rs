//! `lapwingd restore`: a backup becomes the directory again, in a new incarnation (rotation.md 3).

use super::{DataDirectory, Fill, OpsError, entry, file, random, texts};
use crate::{
    audit::activity,
    seal::KeyId,
    store::{Counts, Store as _, sqlite::SqliteStore},
};
use laps::{id::Incarnation, time::Timestamp};
use serde_json::json;
use std::{fs, os::unix::fs::OpenOptionsExt as _, path::Path};

/// What was restored, and what it cannot know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was taken.
    pub backup_at: Timestamp,
    /// The new incarnation.
    pub incarnation: Incarnation,
    /// What is in it.
    pub counts: Counts,
    /// Keys that its envelopes need.
    pub keys_needed: Vec<KeyId>,
    /// Those of them that are not in the key directory: their passwords cannot be read until they are.
    pub keys_missing: Vec<KeyId>,
}

impl Restored {
    /// What nobody can know from the backup, as plain sentences for the operator.
    pub fn unknown(&self) -> Vec<String> {
        let at = self.backup_at;
        let mut unknown = vec![
            format!("Passwords that were stored after {at} are not in it: a device that rotated since then has a password that this directory does not know. Each such device rotates at its next contact."),
            format!("Every password shown is marked as from the backup of {at}, and may be stale, until its device reports."),
            format!("Devices that joined after {at} are not known: they must join again."),
            format!("Devices that were disabled or deleted, and roles, people and policies that were changed after {at}, are as they were then: look through them."),
            "Join tokens, sessions and access tokens of before are void: people sign in again, new join tokens must be made.".to_owned(),
            format!("The audit log ends at {at}; what was read after that is not recorded here. Devices keep signed heads of the longer log."),
        ];
        if !self.keys_missing.is_empty() {
            unknown.push(format!(
                "Key-encryption keys are missing: {}. Put their files into the key directory; without them their passwords are lost.",
                texts(&self.keys_missing).join(", ")
            ));
        }
        unknown
    }
}

/// Restores `backup` into a data directory without a database. The key directory may be filled before.
///
/// # Errors
/// [`OpsError::NotEmpty`], [`OpsError::NotABackup`],
/// [`StoreError::Newer`](crate::store::StoreError::Newer), [`StoreError::Corrupt`](crate::store::StoreError::Corrupt)
/// when the file is damaged; then no database is left behind.
pub async fn restore(
    backup: &Path,
    data: &DataDirectory,
    now: Timestamp,
    fill: Fill<'_>,
) -> Result<Restored, OpsError> {
    if !SqliteStore::is_database(backup) {
        return Err(OpsError::NotABackup(backup.to_owned()));
    }
    data.prepare()?;
    let unfinished = data.unfinished();
    let mut from = fs::File::open(backup).map_err(file(backup))?;
    let mut to =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(file(&unfinished))?;
    std::io::copy(&mut from, &mut to).and_then(|_| to.sync_all()).map_err(file(&unfinished))?;
    let restored = convert(backup, data, now, fill).await;
    match restored {
        Ok(_) => data.finish()?,
        Err(_) => data.remove_unfinished()?,
    }
    restored
}

async fn convert(backup: &Path, data: &DataDirectory, now: Timestamp, fill: Fill<'_>) -> Result<Restored, OpsError> {
    let store = SqliteStore::open(&data.unfinished())?;
    store.integrity().await?;
    let (backup_at, configuration) =
        store.take_backup_note().await?.ok_or_else(|| OpsError::NotABackup(backup.to_owned()))?;
    if let Some(configuration) = configuration.filter(|_| !data.configuration().exists()) {
        fs::write(data.configuration(), configuration).map_err(file(&data.configuration()))?;
    }
    let tenant = store.tenant().await?;
    let incarnation = Incarnation::from_random_bytes(random(fill)?);
    let detail = json!({
        "backupDateTime": backup_at.to_string(),
        "formerIncarnation": tenant.incarnation.to_string(),
        "incarnation": incarnation.to_string(),
    });
    let audit = entry(fill, now, "restore", activity::RESTORE_BACKUP, tenant.id, detail)?;
    store.begin_incarnation(incarnation, backup_at, now, audit).await?;
    let keys_needed: Vec<KeyId> = store.sealed_samples().await?.iter().map(|sample| sample.sealed.key).collect();
    let keys = crate::seal::KeyFiles::new(&data.keys());
    let keys_missing = keys_needed.iter().copied().filter(|key| !keys.file_of(*key).exists()).collect();
    Ok(Restored { backup_at, incarnation, counts: store.counts().await?, keys_needed, keys_missing })
}
