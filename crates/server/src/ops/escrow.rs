//! `lapwingd kek export`: the key directory, encrypted to an age recipient, to be kept away from the backups.
//! Without it a backup holds no password that could be read, and no device knows the server again.

use super::{DataDirectory, Fill, OpsError, entry, file};
use crate::store::{Store as _, sqlite::SqliteStore};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use laps::time::Timestamp;
use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};
use zeroize::Zeroizing;

/// The largest key file, bytes.
const FILE_BYTES_MAX: usize = 64 << 10;

/// Every file of a key directory (key-encryption keys, CA, token and audit keys) as one age file
/// (age-encryption.org/v1). Decrypted it holds a line `NAME BASE64` for each; [`import_keys`] takes that.
///
/// # Errors
/// [`OpsError::BadRecipient`]; what reading the keys gives.
pub fn export_keys(keys: &Path, recipient: &str) -> Result<Vec<u8>, OpsError> {
    let recipient: age::x25519::Recipient = recipient.parse().map_err(|_| OpsError::BadRecipient)?;
    let mut names = fs::read_dir(keys)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>())
        .map_err(file(keys))?;
    names.sort();
    let mut clear = Zeroizing::new(String::with_capacity(names.len() * 8192));
    for name in names.iter().filter_map(|name| name.to_str()).filter(|name| is_key_name(name)) {
        let path = keys.join(name);
        let bytes = Zeroizing::new(fs::read(&path).map_err(file(&path))?);
        if bytes.len() > FILE_BYTES_MAX {
            continue;
        }
        clear.push_str(name);
        clear.push(' ');
        clear.push_str(&Zeroizing::new(STANDARD.encode(&*bytes)));
        clear.push('\n');
    }
    age::encrypt(&recipient, clear.as_bytes()).map_err(|error| OpsError::Export(error.to_string()))
}

/// Records that the keys were exported, and to whom; called before the export is given out.
///
/// # Errors
/// What the store gives: without the record nothing is given out.
pub async fn record_key_export(
    data: &DataDirectory,
    recipient: &str,
    now: Timestamp,
    fill: Fill<'_>,
) -> Result<(), OpsError> {
    let store = SqliteStore::open(&data.database())?;
    let tenant = store.tenant().await?.id;
    let audit = entry(fill, now, "kek export", "Export keys", tenant, serde_json::json!({ "to": recipient }))?;
    Ok(store.append_audit(audit).await?)
}

/// Writes the keys of an export that was decrypted into a key directory, 0600. A file that is there with the
/// same content is left alone, with another one it is an error. Answers how many were written.
///
/// # Errors
/// [`OpsError::BadExport`] (nothing is written then), [`OpsError::WouldOverwrite`].
pub fn import_keys(keys: &Path, export: &str) -> Result<u32, OpsError> {
    let mut files = Vec::new();
    for (index, line) in export.lines().enumerate() {
        let bad = || OpsError::BadExport(index + 1);
        let (name, content) = line.split_once(' ').filter(|(name, _)| is_key_name(name)).ok_or_else(bad)?;
        let content = Zeroizing::new(STANDARD.decode(content).map_err(|_| bad())?);
        let path = keys.join(name);
        match fs::read(&path).map(Zeroizing::new) {
            Ok(present) if *present == *content => continue,
            Ok(_) => return Err(OpsError::WouldOverwrite(path)),
            Err(_) => files.push((path, content)),
        }
    }
    for (path, content) in &files {
        let write = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(file(path))?;
    }
    super::sync_directory(keys)?;
    Ok(files.len() as u32)
}

/// A plain file name: nothing that leads out of the directory.
fn is_key_name(name: &str) -> bool {
    !name.starts_with('.')
        && [".key", ".crt"].iter().any(|end| name.ends_with(end))
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
}
