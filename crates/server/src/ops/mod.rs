//! What `lapwingd` does beside serving: backup, restore, rekey, export of keys, check.
//!
//! Library functions that answer with what there is to say; the program prints it. Time and randomness
//! are brought by the caller.

mod backup;
mod check;
mod escrow;
mod rekey;
mod restore;

pub use backup::{BackupMade, backup};
pub use check::{Checked, Finding, check};
pub use escrow::{export_keys, import_keys, record_key_export};
pub use rekey::{Rekeyed, rekey};
pub use restore::{Restored, restore};

use crate::{
    audit::{Actor, AuditEntry, Outcome, Target},
    seal::{KeyId, SealError},
    store::StoreError,
};
use laps::{id::TenantId, time::Timestamp};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Why an operation did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key could not be used.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key that signs the audit log could not be used.
    #[error(transparent)]
    Ca(#[from] crate::ca::CaError),
    /// The data directory is in use by another installation already.
    #[error("{0} holds a database already: choose another directory, or move that one away")]
    NotEmpty(PathBuf),
    /// The file to write is there already.
    #[error("{0} exists: choose another name; nothing is overwritten")]
    WouldOverwrite(PathBuf),
    /// The file is not a backup that `lapwingd backup` made.
    #[error("{0} is not a backup made by lapwingd backup")]
    NotABackup(PathBuf),
    /// The recipient is not one.
    #[error("not an age recipient: expected age1…")]
    BadRecipient,
    /// The encryption of the export failed.
    #[error("the export could not be encrypted: {0}")]
    Export(String),
    /// The text is not an export of keys.
    #[error("line {0} of the keys is not NAME BASE64 of an export that was decrypted")]
    BadExport(usize),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl OpsError {
    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Seal(SealError::KeyMissing(_)) => "key_missing",
            Self::Seal(SealError::KeyExposed { .. }) => "key_exposed",
            Self::Seal(_) => "seal_failed",
            Self::Ca(_) => "audit_key",
            Self::NotEmpty(_) => "data_not_empty",
            Self::WouldOverwrite(_) => "would_overwrite",
            Self::NotABackup(_) => "not_a_backup",
            Self::BadRecipient => "bad_recipient",
            Self::Export(_) => "export_failed",
            Self::BadExport(_) => "bad_export",
            Self::File { .. } => "file",
        }
    }
}

/// Gives random bytes.
pub type Fill<'a> = &'a mut (dyn FnMut(&mut [u8]) -> std::io::Result<()> + Send);

/// A data directory: the database, and the keys beside it.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    root: PathBuf,
}

impl DataDirectory {
    /// The directory at `root`; nothing is touched yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join("lapwing.db")
    }
    /// Where private keys are, unless the operator keeps key-encryption keys elsewhere.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }
    /// The configuration.
    pub fn configuration(&self) -> PathBuf {
        self.root.join("lapwingd.toml")
    }
    /// Where a database is made before it gets its name.
    fn unfinished(&self) -> PathBuf {
        self.root.join("lapwing.db.new")
    }

    /// Makes the directory (0700) if need be; refuses one that holds a database.
    fn prepare(&self) -> Result<(), OpsError> {
        use std::os::unix::fs::DirBuilderExt as _;
        if self.database().exists() {
            return Err(OpsError::NotEmpty(self.root.clone()));
        }
        for directory in [self.root.clone(), self.keys()] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(file(&directory))?;
        }
        self.remove_unfinished()
    }

    /// Removes what a restore that was broken off left.
    fn remove_unfinished(&self) -> Result<(), OpsError> {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.unfinished().into_os_string();
            path.push(suffix);
            let path = PathBuf::from(path);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives the finished database its name: the one point where a restore takes effect.
    fn finish(&self) -> Result<(), OpsError> {
        fs::rename(self.unfinished(), self.database()).map_err(file(&self.database()))?;
        sync_directory(&self.root)
    }
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> OpsError {
    let path = path.to_owned();
    move |source| OpsError::File { path, source }
}

fn sync_directory(path: &Path) -> Result<(), OpsError> {
    fs::File::open(path).and_then(|directory| directory.sync_all()).map_err(file(path))
}

fn random<const N: usize>(fill: Fill<'_>) -> Result<[u8; N], OpsError> {
    let mut bytes = [0; N];
    fill(&mut bytes).map_err(SealError::NoRandomness)?;
    Ok(bytes)
}

/// The record of an operation by somebody at the machine of the server.
fn entry(
    fill: Fill<'_>,
    now: Timestamp,
    command: &str,
    activity: &str,
    tenant: TenantId,
    detail: serde_json::Value,
) -> Result<AuditEntry, OpsError> {
    Ok(AuditEntry {
        id: random(fill)?,
        at: now,
        activity: activity.to_owned(),
        category: "DirectoryManagement".to_owned(),
        actor: Actor::Operator(command.to_owned()),
        target: Target { kind: "tenant".to_owned(), id: tenant.to_string(), name: String::new() },
        outcome: Outcome::Success,
        request_id: String::new(),
        client: String::new(),
        detail: detail.to_string(),
    })
}

/// Key ids as text, for details and messages.
fn texts(keys: &[KeyId]) -> Vec<String> {
    keys.iter().map(KeyId::to_string).collect()
}
